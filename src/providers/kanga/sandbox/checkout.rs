//! START PAYMENT: the page a payer sees and the forms on it (`docs/providers/kanga.md#payment-page`). What they do to a
//! payment is decided in `payment.rs`.

use hyper::http::{Method, StatusCode};

use crate::domain::simulate::PayerAct;
use crate::domain::{Amount, PaymentId, PaymentState, WallTime};
use crate::http_server::text;
use crate::sandbox::control::is_foreign;
use crate::sandbox::fields::Fields;
use crate::sandbox::route::Answer;
use crate::sandbox::{page, reply};

use super::payment::{Act, Payment};
use super::view::{address, checkout, notice, offered, refuse};
use super::{Call, Kanga, PAYMENTS_MAX, SHOPS, Shop, prices};

const EMAIL_MAX: usize = 254;
const TITLE_MAX: usize = 200;

impl Call<'_> {
    /// The shop whose key is in the path.
    fn shop(&self) -> Answer<&'static Shop> {
        let key = self.param("API_KEY");
        let shop = SHOPS.iter().find(|shop| shop.key == key);
        shop.ok_or_else(|| {
            let message = "No shop has this API key.";
            refuse(StatusCode::NOT_FOUND, "Unknown shop", message)
        })
    }

    fn page(&self, status: StatusCode, payment: &Payment, notice: Option<&str>) -> Answer {
        let data = checkout(payment, self.shop()?, self.simulator, notice);
        let template = include_str!("../../../../assets/sandbox/checkout.html");
        Ok(page::page(status, template, &data))
    }
}

/// The payment that a link opens.
fn read(fields: &Fields, shop: &Shop, now: WallTime) -> Result<Payment, String> {
    // Two readers of the link could take different ones.
    if let Some(name) = fields.doubled() {
        return Err(format!("{name} is given twice."));
    }
    let optional = |name: &str| fields.filled(name).map(str::to_owned);
    let required = |name: &str| optional(name).ok_or_else(|| format!("{name} is missing."));
    let currency = required("currency")?;
    let amount = required("amount")?;
    let id = required("transactionKey")?;
    let forced = optional("forceCurrency");
    for code in std::iter::once(&currency).chain(&forced) {
        if !prices::codes().any(|known| known == code) {
            let known = prices::codes().collect::<Vec<_>>().join(", ");
            return Err(format!(
                "{code} is not a currency of this sandbox; it has {known}."
            ));
        }
    }
    let amount = Amount::typed(&amount).map_err(|error| format!("{error}."))?;
    let id = PaymentId::new(id).map_err(|error| format!("{error}."))?;
    Ok(Payment {
        shop: shop.name.to_owned(),
        id: id.as_str().to_owned(),
        currency,
        amount: amount.as_str().to_owned(),
        title: optional("name").map(|title| title.chars().take(TITLE_MAX).collect()),
        email: optional("email").filter(|email| is_email(email)),
        forced,
        opened: now,
        ..Payment::default()
    })
}

fn is_email(text: &str) -> bool {
    let halves = text.split_once('@');
    text.len() <= EMAIL_MAX
        && halves.is_some_and(|(who, host)| !who.is_empty() && !host.is_empty())
        && !text.contains(char::is_whitespace)
}

/// GET of a payment link. A HEAD request, as link previews send, makes no payment.
pub(super) fn start(call: &mut Call<'_>) -> Answer {
    let (shop, now) = (call.shop()?, call.now);
    let opens = call.request.method() != Method::HEAD;
    let unusable = |message: &str| refuse(StatusCode::BAD_REQUEST, "Unusable link", message);
    let query = call.request.uri().query().unwrap_or_default();
    let query = Fields::of_form(query.as_bytes());
    let query = query.ok_or_else(|| unusable("The link is not readable."))?;
    let opened = read(&query, shop, now).map_err(|message| unusable(&message))?;
    if let Some(known) = call.state.payment(shop, &opened.id) {
        // By value: "0.01" and "0.010" are the same sum (`docs/providers/kanga.md#money`).
        let amount = |payment: &Payment| Amount::received(&payment.amount).ok();
        if known.currency != opened.currency || amount(known) != amount(&opened) {
            let message = "The shop already used this payment's id for another amount or currency.";
            return Err(refuse(StatusCode::CONFLICT, "Another payment", message));
        }
    } else if call.state.payments.len() >= PAYMENTS_MAX {
        // Links are open to anyone who reaches the port.
        let message = "The sandbox is full: it holds no more payments.";
        return Err(refuse(StatusCode::SERVICE_UNAVAILABLE, "Full", message));
    } else if opens {
        call.state.payments.push(opened.clone());
    } else {
        return call.page(StatusCode::OK, &opened, None);
    }
    let Kanga {
        payments, tokens, ..
    } = &mut *call.state;
    let is_it = |payment: &&mut Payment| payment.shop == shop.name && payment.id == opened.id;
    let Some(payment) = payments.iter_mut().find(is_it) else {
        return Ok(text(StatusCode::INTERNAL_SERVER_ERROR, ""));
    };
    let mut shown = None;
    let unverified = payment.progress(now).state == PaymentState::New;
    if let (true, true, Some(token)) = (opens, unverified, query.get("paymentToken")) {
        // Used up even where the page then shows a notice: a token works once.
        if opened.email.is_some() && tokens.redeem(token, shop.name, now) {
            // A NEW payment can always be verified.
            let _ = payment.act(now, Act::Verify);
        } else {
            shown = Some(
                "The payment token is unknown, used or expired, or the link has no e-mail address. Verify \
                your address below.",
            );
        }
    }
    if opens && payment.email.is_none() {
        payment.email = opened.email;
    }
    let payment = payment.clone();
    call.page(StatusCode::OK, &payment, shown)
}

pub(super) fn perform(call: &mut Call<'_>) -> Answer {
    let shop = call.shop()?;
    // Another site's page could press these buttons through the payer's browser.
    if is_foreign(call.request) {
        let message = "A page of another site sent this form.";
        return Err(refuse(StatusCode::FORBIDDEN, "Refused", message));
    }
    let form = Fields::of_form(call.request.body()).filter(|form| form.doubled().is_none());
    let form = form.ok_or_else(|| {
        let message = "The form is not readable.";
        refuse(StatusCode::BAD_REQUEST, "Not done", message)
    })?;
    let (id, now) = (form.get("transactionKey").unwrap_or_default(), call.now);
    let act = call.param("act");
    let Some(payment) = call.state.payment_mut(shop, id) else {
        let message = "The shop has no payment with this id.";
        return Err(refuse(StatusCode::NOT_FOUND, "Unknown payment", message));
    };
    let back = address(shop, payment);
    let not_done = |status, message: &str| Err(notice(status, "Not done", message, Some(&back)));
    let payer_act = match act {
        "verify" => {
            let typed = form.get("email").unwrap_or_default();
            if !is_email(typed) {
                // Shows the page again with the typed address.
                let mut shown = payment.clone();
                shown.email = Some(typed.chars().take(EMAIL_MAX).collect());
                let message = "This is not an e-mail address. Correct it below.";
                return call.page(StatusCode::BAD_REQUEST, &shown, Some(message));
            }
            payment.email = Some(typed.to_owned());
            Act::Verify
        }
        "choose" => {
            // The list is checked again: a form can be sent without the page.
            let code = form.get("currency").unwrap_or_default();
            if !offered(payment).any(|known| known == code) {
                let message = "This payment cannot be made in that currency.";
                return not_done(StatusCode::BAD_REQUEST, message);
            }
            Act::Choose(code.to_owned())
        }
        name => match PayerAct::from_word(name) {
            Some(act) => act.into(),
            None => return not_done(StatusCode::NOT_FOUND, "This action does not exist."),
        },
    };
    if let Err(message) = payment.act(now, payer_act) {
        return not_done(StatusCode::CONFLICT, message);
    }
    Ok(reply::see_other(&back))
}
