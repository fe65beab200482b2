//! The payment schedule by the documented rules, in whole cents (`docs/providers/pledg.md#schedules`).

use jiff::Span;
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::access::{Merchant, Plan};
use super::{Call, bad, unknown};
use crate::sandbox::reply::ok;
use crate::sandbox::route::Answer;

/// The largest accepted amount: the documentation's largest is a hundredth of it, and sums stay far from overflow.
const AMOUNT_MAX: u64 = 100_000_000;

/// The schedule of a merchant, for the caller with a token.
pub(super) fn with_token(call: &mut Call<'_>) -> Answer {
    call.bearer()?;
    of_merchant(call)
}

pub(super) fn of_merchant(call: &mut Call<'_>) -> Answer {
    let query = TermsQuery::read(call.request.body())?;
    let uid = call.param("MERCHANT_UID");
    let merchant = call.state.backend().merchant(uid);
    ok(query.of(merchant.ok_or_else(|| unknown("merchant", uid))?))
}

pub(super) fn of_company(call: &mut Call<'_>) -> Answer {
    let query = TermsQuery::read(call.request.body())?;
    let uid = call.param("COMPANY_UID");
    let backend = call.state.backend();
    if backend.company != uid {
        return Err(unknown("company", uid));
    }
    let items = backend.merchants.iter().map(|one| query.of(one));
    ok(json!({ "items": items.collect::<Vec<_>>() }))
}

/// The parameters of a schedule simulation.
#[derive(Debug)]
struct TermsQuery {
    amount: u64,
    created: Date,
    second: Option<Date>,
}

impl TermsQuery {
    /// Reads the body; ignores its content type, because Pledg's own plug-ins send none.
    fn read(body: &[u8]) -> Answer<Self> {
        let body: Map<String, Value> =
            serde_json::from_slice(body).map_err(|_| bad("the body is not a JSON object"))?;
        let amount = body.get("amount_cents").and_then(Value::as_u64);
        let amount = amount
            .filter(|amount| (1..=AMOUNT_MAX).contains(amount))
            .ok_or_else(|| bad("amount_cents must be a positive integer"))?;
        let created = body.get("created").and_then(date);
        let created = created.ok_or_else(|| bad("created must be a date, YYYY-MM-DD"))?;
        let second = match body.get("second_installment_date") {
            None | Some(Value::Null) => None,
            Some(given) => Some(
                date(given)
                    .filter(|second| *second > created)
                    .ok_or_else(|| bad("second_installment_date must be a date after created"))?,
            ),
        };
        Ok(Self {
            amount,
            created,
            second,
        })
    }

    fn of(&self, merchant: &Merchant) -> Value {
        let rate: Value =
            serde_json::from_slice(merchant.rate.as_bytes()).expect("a rate is a JSON number");
        // Half a cent is rounded up.
        let fees = (self.amount * merchant.fee + 5_000) / 10_000;
        let part = |amount: u64, fees: u64, date: Date| json!({ "amount_cents": amount, "fees": fees, "payment_date": date.to_string() });
        let mut schedule = Map::new();
        match merchant.plan {
            Plan::Installment(count) => {
                let (each, rest) = (self.amount / count, self.amount % count);
                let parts = (0..count).map(|at| {
                    let first = at == 0;
                    // Remaining cents and fees go with the first part (`docs/providers/pledg.md#schedules`).
                    let (rest, fees) = if first { (rest, fees) } else { (0, 0) };
                    part(each + rest, fees, self.date(at))
                });
                schedule.insert("INSTALLMENT".into(), parts.collect());
            }
            Plan::Deferred(days) => {
                let due = later(self.created, Span::new().days(days));
                schedule.insert("DEFERRED".into(), part(self.amount, fees, due));
            }
        }
        schedule.insert("debit_rate".into(), rate.clone());
        schedule.insert("taeg".into(), rate);
        Value::Object(schedule)
    }

    /// The date of a part: whole months after the first, counted from there so that month ends are preserved; counted from
    /// the second, where that has its own date.
    fn date(&self, at: u64) -> Date {
        let months = |from: Date, months: u64| {
            let months = i64::try_from(months).expect("a plan has a few parts");
            later(from, Span::new().months(months))
        };
        match (at, self.second) {
            (1.., Some(second)) => months(second, at - 1),
            (at, _) => months(self.created, at),
        }
    }
}

fn later(from: Date, by: Span) -> Date {
    // Adding months from the first date preserves month ends: 31 January, 28 February, 31 March.
    from.saturating_add(by)
}

/// `2021-12-17`, in this form alone.
fn date(given: &Value) -> Option<Date> {
    let text = given.as_str()?;
    let date: Date = text.parse().ok()?;
    // The parser also reads other forms of ISO 8601, which Pledg does not document.
    (date.to_string() == text).then_some(date)
}
