//! `link`: the payment URL for a payer, and `purchase-link`: the signed link to the payer's purchase page.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use serde_json::Value;

use super::prelude::*;
use super::request::Body;
use super::values::{email, payment_id};
use crate::domain::{LinkRequest, Secret};

/// Print the payment link for a payer, and save the expected amount (Kanga START PAYMENT).
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Link {
    /// The shop's unique payment id.
    #[arg(long, value_parser = payment_id)]
    id: PaymentId,
    /// The amount to pay.
    #[arg(long, value_parser = Amount::typed, allow_negative_numbers = true)]
    amount: Amount,
    /// The settlement currency; case-sensitive.
    #[arg(long, value_parser = Currency::typed)]
    currency: Currency,
    /// The product name that the payer sees.
    #[arg(long)]
    name: Option<String>,
    /// The payer's e-mail address.
    #[arg(long, value_parser = email)]
    email: Option<String>,
    /// The only currency the payer may pay with.
    #[arg(long, value_parser = Currency::typed, value_name = "CURRENCY")]
    force_currency: Option<Currency>,
    /// Add a payment token from Kanga to the link. With --email, the payer skips the e-mail verification.
    #[arg(long)]
    with_token: bool,
    /// Replace the saved expected amount of an open payment.
    #[arg(long)]
    replace_expectation: bool,
    /// Do not add the payment to the watch list.
    #[arg(long)]
    no_watch: bool,
    /// Also print the link as a QR code.
    #[arg(long)]
    qr: bool,
}

impl DeckCommand for Link {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let (deck, out) = (cx.deck, cx.out);
        let account = cx.account(Ability::Links)?.id;
        let request = LinkRequest {
            id: self.id,
            amount: self.amount,
            currency: self.currency,
            name: self.name,
            email: self.email,
            force_currency: self.force_currency,
            with_token: self.with_token,
            replace_expectation: self.replace_expectation,
        };
        let link = deck
            .link(&account, &request, request_options(false))
            .await?;
        // Printed whole, with its token: the link is meant for the payer.
        let url = link.url.expose();
        let mut watched = !(self.no_watch || deck.forgets_payments());
        // The link exists by now, so a failure to watch the payment only warns.
        if watched && let Err(problem) = deck.watch(&account, &request.id).await {
            out.warn(&problem.describe());
            watched = false;
        }
        let fields = json!({
            "account": account,
            "id": request.id,
            "url": url,
            "expected_amount": request.amount,
            "expected_currency": request.currency,
            "watched": watched,
        });
        print(fields, url, self.qr, out)?;
        if deck.forgets_payments() {
            out.note("this command's simulator has ended, so the link does not open; for a payment page, use `tilldeck sandbox serve` or the console");
        }
        Ok(Exit::Done)
    }
}

/// Prints a link, and with `--qr` its QR code; for scripts a JSON object with `fields`. The link is there, so one without
/// a QR code only warns.
fn print(mut fields: Value, url: &str, with_qr: bool, out: &Out) -> Result<(), OutputError> {
    let qr = if with_qr { qr(url) } else { None };
    if with_qr && qr.is_none() {
        let length = url.len();
        out.warn(&format!(
            "the link is too long for a QR code ({length} characters)"
        ));
    }
    if out.is_json() {
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
            out.warn(&format!(
                "the QR code is not printed: it needs a terminal {needed} columns wide, and this one has {width}. \
                 Make the window wider, or its letters smaller, and run the command again"
            ));
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

/// The QR code as lines of half blocks; `None` for a link that fits into none.
fn qr(url: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(url, EcLevel::L).ok()?;
    Some(code.render::<Dense1x2>().quiet_zone(true).build())
}

/// Sign a purchase and print the link to the payer's page (Pledg). Sends nothing.
#[derive(Debug, Args)]
pub struct PurchaseLink {
    /// The Pledg account whose `merchant_secret` signs the purchase.
    #[arg(value_name = "ACCOUNT")]
    account_name: String,
    /// The purchase as JSON, `{"data": {"merchantUid": "mer_…", "amountCents": 2000, …}}`:
    /// text, @FILE, or - for stdin.
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    data: String,
    /// Also print the link as a QR code.
    #[arg(long)]
    qr: bool,
}

impl DeckCommand for PurchaseLink {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let (account, signed) = self.sign(cx).await?;
        // Printed whole, with its signature: the link is meant for the payer.
        let url = signed.expose();
        let fields = json!({ "account": account, "url": url });
        print(fields, url, self.qr, cx.out)?;
        Ok(Exit::Done)
    }
}

impl PurchaseLink {
    async fn sign(&self, cx: &CommandContext<'_>) -> Result<(AccountId, Secret), Problem> {
        let ability = Some(Ability::PurchaseLinks);
        let account = cx.named(&self.account_name, ability)?.id;
        let data = Body::Data(self.data.clone()).read().await?;
        let data = String::from_utf8(data.unwrap_or_default())
            .map_err(|_| usage("--data is not UTF-8 text", "pass the purchase as JSON"))?;
        let link = cx.deck.purchase_link(&account, &data).await?;
        Ok((account, link))
    }
}
