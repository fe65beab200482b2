//! `payments note`: notes on a payment.

use super::{is_known, must_keep_payments, unknown};
use crate::cli::prelude::*;
use crate::cli::values::payment_id;
use crate::domain::Note;

/// Add a note to a payment; without a text, list its notes.
#[derive(Debug, Args)]
pub struct NotePayment {
    /// The shop's payment id.
    #[arg(value_parser = payment_id, value_name = "ID")]
    id: PaymentId,
    /// One line of up to 500 characters.
    #[arg(value_parser = Note::typed, value_name = "NOTE")]
    text: Option<String>,
    #[command(flatten)]
    format: AsCsv,
}

impl DeckCommand for NotePayment {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        must_keep_payments(cx.deck)?;
        let account = cx.account(Ability::Payments)?.id;
        let (deck, id, out) = (cx.deck, &self.id, &self.format.on(cx.out));
        if let Some(text) = self.text {
            deck.note(&account, id, text.clone()).await?;
            if !is_known(deck, &account, id).await? {
                out.warn(&unknown(id));
            }
            let object = json!({ "account": account, "id": id, "note": text });
            out.result(&object, &format!("note saved: {id}"))?;
            return Ok(Exit::Done);
        }
        let notes = deck.notes(&account, id).await?;
        let fields = "account,id,note,noted_by,noted_at";
        let mut listing = Listing::new(out, ["noted", "note", "by"], fields.split(','));
        for note in &notes {
            let at = note.at.rfc3339();
            let object = json!({
                "account": account,
                "id": id,
                "note": note.text,
                "noted_by": note.operator,
                "noted_at": at,
            });
            let row = [
                toned(at, Tone::Dim),
                plain(note.text.as_str()),
                toned(note.operator.as_str(), Tone::Dim),
            ];
            listing.row(&object, row)?;
        }
        listing.flush()?;
        if notes.is_empty() {
            out.explain(&format!("payment {id} has no notes"));
        }
        Ok(Exit::Done)
    }
}
