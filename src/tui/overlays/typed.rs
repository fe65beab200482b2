//! Typed values that several forms ask for.

use crate::domain::{Currency, Note, PaymentId};
use crate::tui::widgets::input::UNTYPEABLE;

/// The typed payment id. A form replaces characters that it cannot show, and the result would be the id of another
/// payment: such ids are rejected.
pub fn payment_id(text: &str) -> Result<PaymentId, String> {
    if let Some(position) = unshowable(text) {
        return Err(format!(
            "invalid character at position {position}; `tilldeck payments add` reads such ids from a file"
        ));
    }
    PaymentId::new(text).map_err(|error| error.to_string())
}

/// The typed note, or the error to show beside the field.
pub fn note(text: &str) -> Result<String, String> {
    if let Some(position) = unshowable(text) {
        return Err(format!(
            "the note has a character that cannot be shown, at position {position}; delete it"
        ));
    }
    Note::typed(text).map_err(|error| error.to_string())
}

/// Where a text has the first mark of a character that a form cannot show, counted from 1.
fn unshowable(text: &str) -> Option<usize> {
    let at = text.chars().position(|c| c == UNTYPEABLE)?;
    Some(at + 1)
}

/// The typed currency, or the error to show beside the field.
pub fn currency(text: &str) -> Result<Currency, String> {
    if text.is_empty() {
        return Err("enter a currency code, like EMT or BTC".into());
    }
    Currency::typed(text).map_err(|error| error.to_string())
}
