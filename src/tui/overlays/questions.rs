//! The questions that the console asks before it does what cannot be undone.

use super::ask::{Confirmation, Then};
use crate::domain::{
    Delivery, Expectation, JobKind, Now, PaymentState, PaymentVerdict, RawCall, cents, inert,
};
use crate::tui::deliveries;
use crate::tui::msg::NewWatch;
use crate::tui::prelude::*;

/// The most characters of a body that a question shows.
const BODY_MAX: usize = 210;
/// The most characters of a path: six rows.
const PATH_MAX: usize = 430;

/// Before the console quits, or opens another profile, while a write request waits for its response or the ledger could not
/// save a payment.
pub fn quit(then: Effect, store: &Store) -> Confirmation {
    let (title, verb, yes) = match then {
        Effect::SwitchProfile(_) => (
            "Switch profile",
            "switch",
            ("switch anyway", "switches now"),
        ),
        _ => ("Quit", "quit", ("quit anyway", "quits now")),
    };
    let (what, lost, waits) = if store.is_changing() {
        let what = "A write request is still waiting for its response";
        (what, "the response", "waits for the response")
    } else {
        (
            "A payment is not saved yet",
            "it",
            "waits until it is saved",
        )
    };
    let text = format!("{what}. If you {verb} now, {lost} is lost.");
    Confirmation {
        title: title.into(),
        text: vec![(Tone::Plain, text)],
        yes,
        no: ("wait", waits),
        live: store.is_live(),
        opens_itself: None,
        then: Then::Effect(then),
    }
}

/// Before a new expected amount replaces the current one.
pub fn expect(new: NewWatch, current: &Expectation, now: Now, store: &Store) -> Confirmation {
    let to = new.expected.as_ref().map(ToString::to_string);
    let to = format!("change to {}", to.unwrap_or_default());
    let about = format!("{} at {}", new.id, new.account);
    let note = "The timeline shows both amounts.";
    let mut payments = store.payments.iter();
    let of = payments.find(|it| it.watch.account == new.account && it.watch.id == new.id);
    let received = of.and_then(|it| it.latest());
    let received = received.filter(|it| it.state == PaymentState::Finalized);
    let then = received.map(|payment| {
        let verdict = match payment.verdict(new.expected.as_ref()) {
            PaymentVerdict::Paid => "PAID",
            verdict => verdict.words(),
        };
        let sum = payment.sum();
        (
            Tone::Warn,
            format!("received {sum}: it will count as {verdict}"),
        )
    });
    let text = [
        Some((Tone::Plain, format!("expected now {current}"))),
        Some((Tone::Warn, to)),
        then,
        Some((Tone::Plain, about)),
        Some((Tone::Dim, note.into())),
    ];
    Confirmation {
        title: "Change the expected amount".into(),
        text: text.into_iter().flatten().collect(),
        yes: ("change", "changes it"),
        no: ("keep", "cancels"),
        live: store.is_live_account(new.account.as_str()),
        opens_itself: Some(now.mono),
        then: Then::Effect(Effect::Expect {
            new,
            shown: current.sum.clone(),
        }),
    }
}

/// Before the console copies an access token. The token itself is not in the question.
pub fn copy_token(known: &AccountState, ctx: ViewContext<'_>) -> Confirmation {
    let (account, live) = (known.id(), known.is_live());
    let left = known.token.as_ref().and_then(|it| it.left(ctx.now));
    let until = match left {
        Some(left) => {
            let at = ctx.now.wall.plus(left).clock(&ctx.store.zone);
            format!(", until it expires at {at}")
        }
        None => ". There is none yet: tilldeck fetches one first".into(),
    };
    let (tone, money) = if live {
        (Tone::Live, " The account moves real money.")
    } else {
        (Tone::Plain, "")
    };
    let text = format!(
        "The access token of {account} gives full access to this account{until}.{money} tilldeck copies it to the \
         terminal's clipboard, where other programs can read it, and does not show it."
    );
    Confirmation {
        title: format!("Copy the access token of {account}"),
        text: vec![(tone, text)],
        yes: ("copy", "copies it"),
        no: ("cancel", "cancels"),
        live,
        opens_itself: None,
        then: Then::Token(account.clone()),
    }
}

/// Before the console forwards a callback of a live account again, as the retry of a failed forward.
pub fn retry(delivery: &Delivery, retry: Effect) -> Confirmation {
    let about = match deliveries::subject(delivery).as_str() {
        "" => String::new(),
        subject => format!(", about {subject}"),
    };
    let forwards = delivery.retryable();
    let forwards = forwards.filter(|job| job.kind == JobKind::Forward);
    let to: Vec<&str> = forwards.map(|job| job.target.as_str()).collect();
    let warning = "The account is LIVE, and the shop may process the callback twice.";
    let to = to.join(" and ");
    let text = format!("tilldeck sends the callback to {to} again{about}.");
    Confirmation {
        title: format!("Retry a forward of {}, LIVE", delivery.account),
        text: vec![(Tone::Live, warning.into()), (Tone::Plain, text)],
        yes: ("retry", "retries"),
        no: ("cancel", "cancels"),
        live: true,
        opens_itself: None,
        then: Then::Effect(retry),
    }
}

/// Before a write call is sent. `about` is its documented purpose; empty for an undocumented call.
pub fn send(known: &AccountState, call: RawCall, about: &str) -> Confirmation {
    let (word, _) = badge(known.account.environment);
    let (tone, money) = if known.is_live() {
        (Tone::Live, " real money")
    } else {
        (Tone::Plain, "")
    };
    let account = format!("account {}  {word}{money}", known.id());
    let path = inert::cut(&format!("{} {}", call.method, call.path), PATH_MAX);
    let body = call.body.as_deref().unwrap_or_default();
    let size = match &call.body {
        None => "no body".to_owned(),
        Some(body) => format!("body of {} bytes", body.len()),
    };
    let mut text = vec![(tone, account)];
    let amounts = cents::described(body);
    text.extend(amounts.map(|text| (Tone::Warn, text)));
    text.push((Tone::Warn, path));
    text.push((Tone::Plain, about.to_owned()));
    text.push((Tone::Dim, size));
    text.push((Tone::Plain, beginning(&String::from_utf8_lossy(body))));
    text.retain(|(_, text)| !text.is_empty());
    Confirmation {
        title: "Send a write call".into(),
        text,
        yes: ("send", "sends it"),
        no: ("do not send", "cancels"),
        live: known.is_live(),
        opens_itself: None,
        then: Then::Intent(Intent::Send(known.id().clone(), call)),
    }
}

/// The beginning of a body, which may have megabytes, without its line breaks.
fn beginning(body: &str) -> String {
    let lines = body.lines().map(str::trim).filter(|line| !line.is_empty());
    let letters = lines.flat_map(|line| line.chars().chain([' ']));
    let text: String = letters.take(BODY_MAX + 2).collect();
    inert::cut(text.trim_end(), BODY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_begins_without_its_line_breaks_and_is_cut_at_any_length() {
        let long = "漢 ".repeat(1_000_000);
        let cases = [
            ("", ""),
            ("\n  \n", ""),
            (
                "{\n  \"a\": \"b  c\",\n\n  \"d\": 1\n}\n",
                "{ \"a\": \"b  c\", \"d\": 1 }",
            ),
            ("\u{1b}[2J", "\\u{1b}[2J"),
        ];
        for (body, expected) in cases {
            assert_eq!(beginning(body), expected);
        }
        let cut = beginning(&long);
        assert_eq!(
            (cut.chars().count(), cut.chars().last()),
            (BODY_MAX, Some('…'))
        );
    }
}
