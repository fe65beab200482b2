//! `link`: the payment URL for a payer.

use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
use serde_json::{Value, json};

use super::args::Link;
use super::output::{Out, OutputError, Tone};
use super::{Context, Exit, request_options};
use crate::deck::Deck;
use crate::domain::{Ability, LinkRequest, Problem, ProblemKind};

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
    let link = match deck.link(&account, &request, request_options(false)).await {
        Ok(link) => link,
        Err(problem) => return out.fail(&problem),
    };
    // Printed whole, with its token: the link is meant for the payer.
    let url = link.url.expose();
    // The link exists by now, so a failure to watch the payment only warns.
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
            "shorten --name, or omit --qr",
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
        out.say("note: this command's simulator has ended, so the link does not open; for a payment page, use `tilldeck sandbox serve` or the console");
    }
    Ok(Exit::Done)
}

/// Prints a link, and with `--qr` its QR code; for scripts a JSON object with `fields`.
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

/// The width of the terminal that results are printed on, in columns; `None` where it is none or does not say.
fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then(|| size.ws_col.into())
}

/// Fixed black on white, whatever the terminal's colors: many scanners cannot read light on dark. Colors from 16 up are
/// the same in every theme.
fn black_on_white(qr: &str) -> String {
    let rows = qr.lines();
    let rows = rows.map(|row| format!("\u{1b}[38;5;16;48;5;231m{row}\u{1b}[0m"));
    rows.collect::<Vec<_>>().join("\n")
}

/// The QR code as lines of half blocks, if requested.
pub(super) fn qr(url: &str, wanted: bool) -> Result<Option<String>, ()> {
    if !wanted {
        return Ok(None);
    }
    let code = QrCode::with_error_correction_level(url, EcLevel::L).map_err(drop)?;
    Ok(Some(code.render::<Dense1x2>().quiet_zone(true).build()))
}
