//! `link`: the URL a payer is sent to.

use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
use serde_json::{Value, json};

use super::args::Link;
use super::output::{Out, OutputError, Tone};
use super::{Context, Exit, how, unexpected};
use crate::deck::Deck;
use crate::domain::{Ability, Answer, LinkRequest, Op, Problem, ProblemKind};

pub async fn run(
    args: &Link,
    context: &Context,
    deck: &Deck,
    out: &Out,
) -> Result<Exit, OutputError> {
    let account = match deck.pick(context.account(), Some(Ability::Links)) {
        Ok(account) => account.id.clone(),
        Err(problem) => return out.fail(&problem),
    };
    let request = LinkRequest {
        id: args.id.clone(),
        amount: args.amount.clone(),
        currency: args.currency.clone(),
        name: args.name.clone(),
        email: args.email.clone(),
        force_currency: args.force_currency.clone(),
        with_token: args.with_token,
        replace_expectation: args.replace_expectation,
    };
    let link = match deck
        .query(&account, Op::PaymentLink(request), how(false))
        .await
    {
        Ok(Answer::Link(link)) => link,
        Ok(_) => return out.fail(&unexpected(&account, "a link")),
        Err(problem) => return out.fail(&problem),
    };
    // The whole link, token included, is what was asked for: it is made to be given to the payer.
    let url = link.url.expose();
    let watched = if args.no_watch {
        false
    } else {
        match deck.watch(&account, &args.id).await {
            Ok(()) => true,
            Err(problem) => {
                out.message(Tone::Warn, "warning:", &problem.describe());
                false
            }
        }
    };
    let Ok(qr) = qr(url, args.qr) else {
        return out.fail(&Problem::new(
            ProblemKind::Usage,
            format!(
                "account {account}: the link is too long for a QR code ({} characters)",
                url.len()
            ),
            "shorten --name, or leave out --qr",
        ));
    };
    let fields = json!({
        "account": account,
        "id": args.id,
        "url": url,
        "expected_amount": args.amount,
        "expected_currency": args.currency,
        "watched": watched,
    });
    print(fields, url, qr, out)?;
    if deck.simulator_url().is_some() && !out.json {
        out.say("note: this page belongs to the simulator inside this command and is gone with it; run `tilldeck sandbox serve`, or open the console, to visit one");
    }
    Ok(Exit::Done)
}

/// Prints a link, and its QR code so that it can be scanned on any terminal; for scripts, with `fields`.
pub(super) fn print(
    mut fields: Value,
    url: &str,
    qr: Option<String>,
    out: &Out,
) -> Result<(), OutputError> {
    if out.json {
        if let Some(qr) = qr {
            fields["qr"] = qr.lines().collect();
        }
        return out.object(&fields);
    }
    out.line(url)?;
    let Some(qr) = qr else {
        return Ok(());
    };
    let needed = qr.lines().map(|row| row.chars().count()).max().unwrap_or(0);
    match terminal_width() {
        // Its lines would be broken, and no scanner reads it then.
        Some(width) if width < needed => {
            out.message(
                Tone::Warn,
                "warning:",
                &format!(
                    "the QR code is not printed: it needs a terminal {needed} columns wide, and this one has {width}. \
                     Make the window wider, or its letters smaller, and run the command again"
                ),
            );
            Ok(())
        }
        _ if out.colors_codes() => out.line(&black_on_white(&qr)),
        _ => out.line(&qr),
    }
}

/// How many columns the terminal has on which results are printed, where it is one and tells.
fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then(|| size.ws_col.into())
}

/// The code in colours of its own, whatever the terminal's: many scanners do not read it light on dark. The two are fixed
/// in the 256 colours, other than the first sixteen.
fn black_on_white(qr: &str) -> String {
    let rows = qr.lines();
    let rows = rows.map(|row| format!("\u{1b}[38;5;16;48;5;231m{row}\u{1b}[0m"));
    rows.collect::<Vec<_>>().join("\n")
}

/// The QR code as lines of half blocks, if it is wanted.
pub(super) fn qr(url: &str, wanted: bool) -> Result<Option<String>, ()> {
    if !wanted {
        return Ok(None);
    }
    let code = QrCode::with_error_correction_level(url, EcLevel::L).map_err(drop)?;
    Ok(Some(code.render::<Dense1x2>().quiet_zone(true).build()))
}
