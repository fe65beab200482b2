//! The checkout page's HTML: a payment at one point in time, and the payer's next steps.

use hyper::http::StatusCode;
use rust_decimal::Decimal;

use crate::domain::{PaymentState, WallTime, time};
use crate::http_server::Response;
use crate::sandbox::Simulator;
use crate::sandbox::page::{self, Html};

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

pub(super) fn notice(
    status: StatusCode,
    title: &str,
    message: &str,
    back: Option<&str>,
) -> Box<Response> {
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

pub(super) fn checkout(
    payment: &Payment,
    shop: &Shop,
    simulator: &Simulator,
    notice: Option<&str>,
) -> Html {
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
