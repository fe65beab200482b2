//! START PAYMENT: the page a payer sees and the forms on it (`docs/providers/kanga.md#payment-page`). What they do to a
//! payment is decided in `payment.rs`; the markup is in `assets/sandbox`.

use hyper::http::{Method, StatusCode};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::domain::simulate::PayerAct;
use crate::domain::{Amount, PaymentId, PaymentState, WallTime, time};
use crate::http_server::Response;
use crate::sandbox::control::is_foreign;
use crate::sandbox::fields::Fields;
use crate::sandbox::route::Answer;
use crate::sandbox::{Simulator, page, reply};

use super::payment::{Act, Payment, Progress, WHOLE};
use super::prices::{self, Market};
use super::{Call, Kanga, PAYMENTS_MAX, SHOPS, Shop};

const EMAIL_MAX: usize = 254;
const TITLE_MAX: usize = 200;

impl Call<'_> {
    fn shop(&self) -> Answer<&'static Shop> {
        let key = self.param("API_KEY");
        let shop = SHOPS.iter().find(|shop| shop.key == key);
        shop.ok_or_else(|| {
            let message = "No shop has this API key.";
            refuse(StatusCode::NOT_FOUND, "Unknown shop", message)
        })
    }

    fn page(&self, status: StatusCode, payment: &Payment, notice: Option<&str>) -> Answer {
        let data = shown(payment, self.shop()?, self.simulator, notice);
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
    let payments = &mut call.state.payments;
    let is_it = |payment: &Payment| payment.shop == shop.name && payment.id == opened.id;
    let at = match payments.iter().position(is_it) {
        Some(at) => {
            // By value: "0.01" and "0.010" are the same sum (`docs/providers/kanga.md#money`).
            let amount = |payment: &Payment| Amount::received(&payment.amount).ok();
            let known = &payments[at];
            if known.currency != opened.currency || amount(known) != amount(&opened) {
                let message =
                    "The shop already used this payment's id for another amount or currency.";
                return Err(refuse(StatusCode::CONFLICT, "Another payment", message));
            }
            at
        }
        None if payments.len() >= PAYMENTS_MAX => {
            // Links are open to anyone who reaches the port.
            let message = "The sandbox is full: it holds no more payments.";
            return Err(refuse(StatusCode::SERVICE_UNAVAILABLE, "Full", message));
        }
        None if !opens => return call.page(StatusCode::OK, &opened, None),
        None => {
            payments.push(opened.clone());
            payments.len() - 1
        }
    };
    let Kanga {
        payments, tokens, ..
    } = &mut *call.state;
    let payment = &mut payments[at];
    let mut notice = None;
    let unverified = payment.progress(now).state == PaymentState::New;
    if let (true, true, Some(token)) = (opens, unverified, query.get("paymentToken")) {
        // Used up even where the page then shows a notice: a token works once.
        if opened.email.is_some() && tokens.redeem(token, shop.name, now) {
            // A NEW payment can always be verified.
            let _ = payment.act(now, Act::Verify);
        } else {
            notice = Some(
                "The payment token is unknown, used or expired, or the link has no e-mail address. Verify \
                your address below.",
            );
        }
    }
    if opens && payment.email.is_none() {
        payment.email = opened.email;
    }
    let payment = payment.clone();
    call.page(StatusCode::OK, &payment, notice)
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

/// The page of a payment that exists.
fn address(shop: &Shop, payment: &Payment) -> String {
    let query = [
        ("currency", &payment.currency),
        ("amount", &payment.amount),
        ("transactionKey", &payment.id),
    ];
    let query = serde_urlencoded::to_string(query).expect("pairs of text");
    format!("/tpg/payment/{}?{query}", shop.key)
}

fn offered(payment: &Payment) -> impl Iterator<Item = &'static str> {
    let forced = payment.forced.as_deref();
    prices::codes().filter(move |code| forced.is_none_or(|forced| forced == *code))
}

fn refuse(status: StatusCode, title: &str, message: &str) -> Box<Response> {
    notice(status, title, message, None)
}

fn notice(status: StatusCode, title: &str, message: &str, back: Option<&str>) -> Box<Response> {
    let template = include_str!("../../../../assets/sandbox/notice.html");
    let data = json!({ "title": title, "words": message, "back": back });
    Box::new(page::page(status, template, &data))
}

fn shown(payment: &Payment, shop: &Shop, simulator: &Simulator, notice: Option<&str>) -> Value {
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
