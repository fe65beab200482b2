//! Typed values that several forms ask for.

use crate::domain::{Currency, PaymentId};
use crate::tui::widgets::input::UNTYPEABLE;

/// The typed payment id. A form replaces characters that it cannot show, and the result would be the id of another
/// payment: such ids are rejected.
pub fn payment_id(text: &str) -> Result<PaymentId, String> {
    if let Some(at) = text.chars().position(|c| c == UNTYPEABLE) {
        return Err(format!(
            "invalid character at position {}; `tilldeck payments add` reads such ids from a file",
            at + 1
        ));
    }
    PaymentId::new(text).map_err(|error| error.to_string())
}

/// The typed currency, or the error to show beside the field.
pub fn currency(text: &str) -> Result<Currency, String> {
    if text.is_empty() {
        return Err("enter a currency code, like EMT or BTC".into());
    }
    Currency::typed(text).map_err(|error| error.to_string())
}
