//! START PAYMENT: the page a payer sees and the forms on it (`docs/providers/kanga.md#payment-page`). What they do to a
//! payment is decided in `payment.rs`.

use axum::http::{Method, StatusCode};
use rust_decimal::Decimal;

use crate::domain::simulate::PayerAct;
use crate::domain::{Amount, PaymentId, PaymentState, WallTime, time};
use crate::http_server::{Response, text};
use crate::sandbox::control::is_foreign;
use crate::sandbox::fields::Fields;
use crate::sandbox::page::{self, Html};
use crate::sandbox::route::Answer;
use crate::sandbox::{Simulator, reply};

use super::payment::{Act, Payment, Progress, Terms, WHOLE};
use super::prices::{self, Market};
use super::{Call, Kanga, PAYMENTS_MAX, SHOPS, Shop};

const EMAIL_MAX: usize = 254;
const TITLE_MAX: usize = 200;

impl Call<'_> {
    /// The shop whose key is in the path.
    fn shop(&self) -> Answer<&'static Shop> {
        let key = self.param("API_KEY");
        let shop = SHOPS.iter().find(|shop| shop.key == key);
        shop.ok_or_else(|| {
            let message = "No shop has this API key.";
            notice(StatusCode::NOT_FOUND, "Unknown shop", message, None)
        })
    }

    fn page(&self, status: StatusCode, payment: &Payment, notice: Option<&str>) -> Answer {
        let html = checkout(payment, self.shop()?, self.simulator, notice);
        Ok(page::page(status, &html))
    }
}

/// The parameters of a payment link.
struct Link {
    currency: String,
    amount: String,
    id: PaymentId,
    title: Option<String>,
    email: Option<String>,
    token: Option<String>,
    forced: Option<String>,
}

impl Link {
    fn read(fields: &Fields) -> Result<Self, String> {
        // Two readers of the link could take different ones.
        if let Some(name) = fields.doubled() {
            return Err(format!("{name} is given twice."));
        }
        let required = |name: &str| {
            let value = fields.filled(name).map(str::to_owned);
            value.ok_or_else(|| format!("{name} is missing."))
        };
        let optional = |name: &str| fields.filled(name).map(str::to_owned);
        let currency = required("currency")?;
        let amount = required("amount")?;
        let id = required("transactionKey")?;
        let forced = optional("forceCurrency");
        for code in [Some(&currency), forced.as_ref()].into_iter().flatten() {
            if !prices::codes().any(|known| known == code) {
                let known: Vec<_> = prices::codes().collect();
                let known = known.join(", ");
                return Err(format!(
                    "{code} is not a currency of this sandbox; it has {known}."
                ));
            }
        }
        let amount = Amount::typed(&amount).map_err(|error| format!("{error}."))?;
        Ok(Self {
            currency,
            amount: amount.as_str().to_owned(),
            id: PaymentId::new(id).map_err(|error| format!("{error}."))?,
            title: optional("name"),
            email: optional("email").filter(|email| is_email(email)),
            token: fields.get("paymentToken").map(str::to_owned),
            forced,
        })
    }
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
    let unusable = |message: &str| notice(StatusCode::BAD_REQUEST, "Unusable link", message, None);
    let query = call.request.uri().query().unwrap_or_default();
    let query = Fields::of_form(query.as_bytes());
    let query = query.ok_or_else(|| unusable("The link is not readable."))?;
    let link = Link::read(&query).map_err(|message| unusable(&message))?;
    if let Some(known) = call.state.payment(shop, link.id.as_str()) {
        let amount = Amount::received(&known.amount).ok();
        // By value: "0.01" and "0.010" are the same sum (`docs/providers/kanga.md#money`).
        let same = known.currency == link.currency && amount == Amount::received(&link.amount).ok();
        if !same {
            let message = "The shop already used this payment's id for another amount or currency.";
            return Err(notice(
                StatusCode::CONFLICT,
                "Another payment",
                message,
                None,
            ));
        }
    } else {
        // Links are open to anyone who reaches the port.
        if call.state.payments.len() >= PAYMENTS_MAX {
            let message = "The sandbox is full: it holds no more payments.";
            return Err(notice(
                StatusCode::SERVICE_UNAVAILABLE,
                "Full",
                message,
                None,
            ));
        }
        let terms = Terms {
            id: link.id.as_str(),
            currency: &link.currency,
            amount: &link.amount,
        };
        let mut opened = Payment::new(shop.name, &terms, now);
        let title = link.title.as_deref();
        opened.title = title.map(|title| title.chars().take(TITLE_MAX).collect());
        opened.forced.clone_from(&link.forced);
        if !opens {
            return call.page(StatusCode::OK, &opened, None);
        }
        call.state.payments.push(opened);
    }
    let Kanga {
        payments, tokens, ..
    } = &mut *call.state;
    let is_it =
        |payment: &&mut Payment| payment.shop == shop.name && payment.id == link.id.as_str();
    let Some(payment) = payments.iter_mut().find(is_it) else {
        return Ok(text(StatusCode::INTERNAL_SERVER_ERROR, ""));
    };
    let mut shown = None;
    let unverified = payment.progress(now).state == PaymentState::New;
    if let (true, true, Some(token)) = (opens, unverified, &link.token) {
        // Used up even where the page then shows a notice: a token works once.
        if link.email.is_some() && tokens.redeem(token, shop.name, now) {
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
        payment.email = link.email;
    }
    let payment = payment.clone();
    call.page(StatusCode::OK, &payment, shown)
}

/// POST of one of the page's forms.
pub(super) fn perform(call: &mut Call<'_>) -> Answer {
    let shop = call.shop()?;
    // Another site's page could press these buttons through the payer's browser.
    if is_foreign(call.request) {
        let message = "A page of another site sent this form.";
        return Err(notice(StatusCode::FORBIDDEN, "Refused", message, None));
    }
    let form = Fields::of_form(call.request.body()).filter(|form| form.doubled().is_none());
    let form = form.ok_or_else(|| {
        let message = "The form is not readable.";
        notice(StatusCode::BAD_REQUEST, "Not done", message, None)
    })?;
    let (id, now) = (form.get("transactionKey").unwrap_or_default(), call.now);
    let act = call.param("act");
    let Some(payment) = call.state.payment_mut(shop, id) else {
        let message = "The shop has no payment with this id.";
        return Err(notice(
            StatusCode::NOT_FOUND,
            "Unknown payment",
            message,
            None,
        ));
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
        name => match PayerAct::from_name(name) {
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

fn notice(status: StatusCode, title: &str, message: &str, back: Option<&str>) -> Box<Response> {
    let back = back.map_or_else(Html::default, |back| {
        Html::fill(
            "<p><a href=\"{{back}}\">Back to the payment</a></p>\n",
            &[("back", Html::text(back))],
        )
    });
    let html = Html::fill(
        include_str!("../../../../assets/sandbox/notice.html"),
        &[
            ("styles", page::styles()),
            ("title", Html::text(title)),
            ("words", Html::text(message)),
            ("back", back),
        ],
    );
    Box::new(page::page(status, &html))
}

fn checkout(payment: &Payment, shop: &Shop, simulator: &Simulator, notice: Option<&str>) -> Html {
    let now = simulator.now();
    let progress = payment.progress(now);
    let view = View {
        payment,
        shop,
        progress: &progress,
        market: Market::of(simulator),
        now,
    };
    let state = &progress.state;
    let tone = match state {
        PaymentState::Finalized => "good",
        PaymentState::Canceled | PaymentState::Failed => "bad",
        _ => "",
    };
    let wrap = |markup, text: &str| Html::fill(markup, &[("text", Html::text(text))]);
    let optional =
        |markup, text: Option<&str>| text.map_or_else(Html::default, |t| wrap(markup, t));
    Html::fill(
        include_str!("../../../../assets/sandbox/checkout.html"),
        &[
            ("styles", page::styles()),
            ("shop", Html::text(shop.name)),
            ("amount", Html::text(&payment.amount)),
            ("currency", Html::text(&payment.currency)),
            ("id", Html::text(&payment.id)),
            (
                "title",
                optional("<p>{{text}}</p>\n", payment.title.as_deref()),
            ),
            (
                "notice",
                optional("<div class=\"notice\">{{text}}</div>\n", notice),
            ),
            ("tone", Html::text(tone)),
            ("state", Html::text(state.as_str())),
            ("meaning", Html::text(meaning(&progress))),
            ("again", again(payment, shop, &progress)),
            ("track", track(state)),
            ("paid", Html::text(&view.paid())),
            ("outstanding", Html::text(&view.outstanding())),
            ("facts", view.facts()),
            ("step", view.step()),
        ],
    )
}

/// A link that reloads the page, for payments that change without the payer. The page never reloads itself: that would move
/// the payer's focus and the button they are about to press (WCAG 2.2.1).
fn again(payment: &Payment, shop: &Shop, progress: &Progress) -> Html {
    let waits_for_payer = match progress.state {
        PaymentState::New => true,
        PaymentState::Active => !progress.sent,
        _ => false,
    };
    if waits_for_payer || progress.state.is_final() {
        return Html::default();
    }
    Html::fill(
        "<p><a href=\"{{address}}\">Show the state now</a></p>\n",
        &[("address", Html::text(&address(shop, payment)))],
    )
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

fn track(state: &PaymentState) -> Html {
    let cancelled = [
        PaymentState::New,
        PaymentState::Cancelling,
        PaymentState::Canceled,
    ];
    let failed = [PaymentState::New, PaymentState::Failed];
    let steps: &[PaymentState] = match state {
        PaymentState::Cancelling | PaymentState::Canceled => &cancelled,
        PaymentState::Failed => &failed,
        _ => &PaymentState::TRACK,
    };
    let here = steps.iter().position(|step| step == state);
    Html::join(steps.iter().enumerate().map(|(at, step)| {
        let markup = match here {
            Some(here) if at < here => "<li class=\"done\">✔ {{step}}</li>\n",
            Some(here) if at == here => "<li class=\"now\" aria-current=\"step\">{{step}}</li>\n",
            _ => "<li>{{step}}</li>\n",
        };
        Html::fill(markup, &[("step", Html::text(step.as_str()))])
    }))
}

/// One of the payer's acts.
struct Button {
    act: &'static str,
    class: &'static str,
    words: &'static str,
    about: &'static str,
}

const fn button(
    act: &'static str,
    class: &'static str,
    words: &'static str,
    about: &'static str,
) -> Button {
    Button {
        act,
        class,
        words,
        about,
    }
}

const CANCEL: Button = button("cancel", "danger", "Cancel", "as a payer can");
const FAIL: Button = button(
    "fail",
    "danger",
    "Let it fail",
    "simulates a failed payment",
);
const PAY: [Button; 4] = [
    button(
        "pay",
        "main",
        "Pay from a Kanga account",
        "settles within seconds",
    ),
    button("pay-on-chain", "", "Pay on-chain", "takes days"),
    button(
        "pay-part",
        "",
        "Pay a part",
        "two fifths of the outstanding amount",
    ),
    button("overpay", "", "Overpay", "pays 5 % too much"),
];

fn grid(buttons: impl IntoIterator<Item = Html>) -> Html {
    let buttons = Html::join(buttons);
    Html::fill(
        "<div class=\"grid\">\n{{buttons}}</div>\n",
        &[("buttons", buttons)],
    )
}

/// A payment at one point in time, as the page shows it.
struct View<'a> {
    payment: &'a Payment,
    shop: &'a Shop,
    progress: &'a Progress,
    market: Market,
    now: WallTime,
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

    fn facts(&self) -> Html {
        let fact = |name: &'static str, value: &str| {
            Html::fill(
                "<dt>{{name}}</dt><dd>{{value}}</dd>\n",
                &[("name", Html::text(name)), ("value", Html::text(value))],
            )
        };
        let mut facts = Vec::new();
        let state = &self.progress.state;
        if let Some(email) = self
            .payment
            .email
            .as_ref()
            .filter(|_| *state != PaymentState::New)
        {
            facts.push(fact("Receipt to", email));
        }
        if matches!(state, PaymentState::New | PaymentState::Active) && !self.progress.sent {
            let left = self.payment.deadline().since(self.now);
            facts.push(fact("Cancelled unless paid within", &time::fine(left)));
        }
        Html::join(facts)
    }

    fn step(&self) -> Html {
        let or = Html::markup("<h2>Or</h2>\n");
        let pieces = match &self.progress.state {
            PaymentState::New => vec![self.verify(), or, self.buttons(&[CANCEL, FAIL])],
            PaymentState::Active if !self.progress.sent => vec![
                Html::markup(
                    "<h2>Pay in</h2>\n<p class=\"soft\">Prices change, and include a 3 % fee.</p>\n",
                ),
                grid(offered(self.payment).map(|code| self.choice(code))),
                Html::markup("<h2>Pay</h2>\n"),
                self.buttons(&PAY),
                or,
                self.buttons(&[CANCEL, FAIL]),
            ],
            PaymentState::Active | PaymentState::Processing => {
                vec![or, self.buttons(&[CANCEL, FAIL])]
            }
            PaymentState::Finalizing => vec![or, self.buttons(&[FAIL])],
            _ => Vec::new(),
        };
        Html::join(pieces)
    }

    fn form(&self, act: &'static str, inside: Html) -> Html {
        Html::fill(
            "<form method=\"post\" action=\"/tpg/payment/{{key}}/{{act}}\"><input type=\"hidden\" \
            name=\"transactionKey\" value=\"{{id}}\">{{inside}}</form>\n",
            &[
                ("key", Html::text(self.shop.key)),
                ("act", Html::text(act)),
                ("id", Html::text(&self.payment.id)),
                ("inside", inside),
            ],
        )
    }

    fn buttons(&self, buttons: &[Button]) -> Html {
        grid(buttons.iter().map(|button| {
            let inside = Html::fill(
                "<button class=\"{{class}}\">{{words}}<small>{{about}}</small></button>",
                &[
                    ("class", Html::text(button.class)),
                    ("words", Html::text(button.words)),
                    ("about", Html::text(button.about)),
                ],
            );
            self.form(button.act, inside)
        }))
    }

    fn verify(&self) -> Html {
        let email = self.payment.email.as_deref().unwrap_or("payer@example.com");
        let inside = Html::fill(
            "<label for=\"email\">E-mail address</label><input id=\"email\" name=\"email\" type=\"email\" \
            required maxlength=\"254\" value=\"{{email}}\"><button class=\"main\">Verify<small>the sandbox \
            sends no mail and accepts the address</small></button>",
            &[("email", Html::text(email))],
        );
        Html::join([
            Html::markup("<h2>Your address</h2>\n"),
            self.form("verify", inside),
        ])
    }

    fn choice(&self, code: &'static str) -> Html {
        let price = self.price(WHOLE - self.progress.paid, code);
        let class = if code == self.paying_in() {
            "chosen"
        } else {
            ""
        };
        let inside = Html::fill(
            "<button class=\"{{class}}\" name=\"currency\" \
            value=\"{{code}}\">{{code}}<small>{{price}}</small></button>",
            &[
                ("class", Html::text(class)),
                ("code", Html::text(code)),
                (
                    "price",
                    Html::text(&price.map_or_else(String::new, |price| price.to_string())),
                ),
            ],
        );
        self.form("choose", inside)
    }
}
