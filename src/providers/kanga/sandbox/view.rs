//! What the checkout page shows: a payment at one point in time, and the payer's next steps. The markup is in
//! `assets/sandbox`.

use hyper::http::StatusCode;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::domain::{PaymentState, time};
use crate::http_server::Response;
use crate::sandbox::Simulator;
use crate::sandbox::page;

use super::Shop;
use super::payment::{Payment, Progress, WHOLE};
use super::prices::{self, Market};

/// The page of a payment that exists.
pub(super) fn address(shop: &Shop, payment: &Payment) -> String {
    let query = [
        ("currency", &payment.currency),
        ("amount", &payment.amount),
        ("transactionKey", &payment.id),
    ];
    let query = serde_urlencoded::to_string(query).expect("pairs of text");
    format!("/tpg/payment/{}?{query}", shop.key)
}

pub(super) fn offered(payment: &Payment) -> impl Iterator<Item = &'static str> {
    let forced = payment.forced.as_deref();
    prices::codes().filter(move |code| forced.is_none_or(|forced| forced == *code))
}

pub(super) fn refuse(status: StatusCode, title: &str, message: &str) -> Box<Response> {
    notice(status, title, message, None)
}

pub(super) fn notice(
    status: StatusCode,
    title: &str,
    message: &str,
    back: Option<&str>,
) -> Box<Response> {
    let template = include_str!("../../../../assets/sandbox/notice.html");
    let data = json!({ "title": title, "words": message, "back": back });
    Box::new(page::page(status, template, &data))
}

/// The data of the checkout page.
pub(super) fn checkout(
    payment: &Payment,
    shop: &Shop,
    simulator: &Simulator,
    notice: Option<&str>,
) -> Value {
    use PaymentState::{
        Active, Canceled, Cancelling, Failed, Finalized, Finalizing, New, Processing,
    };
    let now = simulator.now();
    let progress = &payment.progress(now);
    let view = View {
        payment,
        progress,
        market: Market::of(simulator),
    };
    let state = &progress.state;
    let steps: &[PaymentState] = match state {
        Cancelling | Canceled => &[New, Cancelling, Canceled],
        Failed => &[New, Failed],
        _ => &PaymentState::TRACK,
    };
    let steps: Vec<_> = steps.iter().map(PaymentState::as_str).collect();
    let here = steps.iter().position(|step| *step == state.as_str());
    let (done, ahead) = steps.split_at(here.unwrap_or_default());
    let is_open = matches!(state, New | Active) && !progress.sent;
    let payable = is_open && *state == Active;
    // The page never reloads itself: that would move the payer's focus and the button they are about to press (WCAG 2.2.1).
    let changes_alone = !is_open && !state.is_final();
    json!({
        "shop": shop.name,
        "key": shop.key,
        "amount": payment.amount,
        "currency": payment.currency,
        "id": payment.id,
        "title": payment.title,
        "notice": notice,
        "tone": match state {
            Finalized => "good",
            Canceled | Failed => "bad",
            _ => "",
        },
        "state": state.as_str(),
        "meaning": meaning(progress),
        "again": changes_alone.then(|| address(shop, payment)),
        "done": done,
        "now": here.map(|_| state.as_str()),
        "ahead": &ahead[usize::from(here.is_some())..],
        "paid": view.paid(),
        "outstanding": view.outstanding(),
        "receipt": payment.email.as_ref().filter(|_| *state != New),
        "left": is_open.then(|| time::fine(payment.deadline().since(now))),
        "verify": (*state == New).then(|| payment.email.as_deref().unwrap_or("payer@example.com")),
        "payable": payable,
        "choices": offered(payment).map(|code| view.choice(code)).collect::<Value>(),
        "cancels": matches!(state, New | Active | Processing),
        "fails": matches!(state, New | Active | Processing | Finalizing),
    })
}

fn meaning(progress: &Progress) -> &'static str {
    match &progress.state {
        PaymentState::New => "Verify your e-mail address first.",
        PaymentState::Active if progress.sent => "Your payment is on its way.",
        PaymentState::Active if progress.paid > 0 => {
            "Part of the payment has arrived; the rest is outstanding."
        }
        PaymentState::Active => "The payment is waiting for your money.",
        PaymentState::Processing if progress.on_chain => {
            "Your payment is on the chain and awaits confirmation. This can take days."
        }
        PaymentState::Processing => "Your payment was received and is being confirmed.",
        PaymentState::Finalizing => "Your payment is confirmed and is on its way to the shop.",
        PaymentState::Finalized if progress.surplus > 0 => {
            "The shop received the payment. The amount you overpaid goes back to you."
        }
        PaymentState::Finalized => "The shop received the payment.",
        PaymentState::Cancelling => "The payment is being cancelled.",
        PaymentState::Canceled if progress.paid > 0 => {
            "The payment was cancelled. Your money goes back to you."
        }
        PaymentState::Canceled => "The payment was cancelled.",
        PaymentState::Failed => "The payment failed.",
        PaymentState::Unknown(_) => "",
    }
}

/// A payment at one point in time, as the page shows it.
struct View<'a> {
    payment: &'a Payment,
    progress: &'a Progress,
    market: Market,
}

impl View<'_> {
    /// This many thousandths of the amount; `None` where the result has more digits than exact arithmetic holds.
    fn share(&self, thousandths: u32) -> Option<Decimal> {
        let amount = Decimal::from_str_exact(&self.payment.amount).ok()?;
        let share = amount.checked_mul(Decimal::new(i64::from(thousandths), 3))?;
        Some(share.normalize())
    }

    fn paid(&self) -> String {
        let Payment {
            amount, currency, ..
        } = self.payment;
        let thousandths = self.progress.paid + self.progress.surplus;
        match self.share(thousandths) {
            _ if thousandths == 0 => format!("0 of {amount} {currency}"),
            _ if thousandths == WHOLE => format!("{amount} {currency}"),
            Some(paid) => format!("{paid} of {amount} {currency}"),
            None => format!("{thousandths} thousandths of {amount} {currency}"),
        }
    }

    fn outstanding(&self) -> String {
        let left = WHOLE - self.progress.paid;
        if left == 0 || self.progress.state.is_final() {
            return "nothing".into();
        }
        let code = self.paying_in();
        match self.price(left, code) {
            Some(price) => format!("{price} {code}"),
            None => format!("{left} thousandths of the amount"),
        }
    }

    fn paying_in(&self) -> &str {
        let chosen = self.progress.paying_in.as_deref();
        let forced = self.payment.forced.as_deref();
        chosen.or(forced).unwrap_or(&self.payment.currency)
    }

    fn price(&self, thousandths: u32, code: &str) -> Option<Decimal> {
        let share = self.share(thousandths)?;
        self.market.quote(&self.payment.currency, share, code)
    }

    fn choice(&self, code: &str) -> Value {
        let price = self.price(WHOLE - self.progress.paid, code);
        json!({
            "code": code,
            "class": if code == self.paying_in() { "chosen" } else { "" },
            "price": price.map(|price| price.to_string()),
        })
    }
}
