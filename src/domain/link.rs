//! A payment link: the URL a shop sends its payer to.

use super::{Amount, Currency, Expected, PaymentId, Secret};

/// The contents of a link. Values are as the operator wrote them; building the link encodes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRequest {
    /// The shop's unique id of the payment (`transactionKey`).
    pub id: PaymentId,
    /// In the settlement currency.
    pub amount: Amount,
    /// Settlement currency.
    pub currency: Currency,
    /// What the payer reads: an order's description.
    pub name: Option<String>,
    /// The payer's e-mail address.
    pub email: Option<String>,
    /// The only currency the payer may pay in.
    pub force_currency: Option<Currency>,
    /// Whether to request a payment token and add it to the link; with an e-mail address it spares the payer the
    /// e-mail verification. That request is a write.
    pub with_token: bool,
    /// Whether to replace a different expectation of an open payment.
    pub replace_expectation: bool,
}

impl LinkRequest {
    /// The expected payment.
    pub fn expected(&self) -> Expected {
        Expected {
            amount: self.amount.clone(),
            currency: self.currency.clone(),
        }
    }
}

/// A finished link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentLink {
    /// The whole URL. It may hold a payment token, which is for the payer alone.
    pub url: Secret,
    /// The URL as it may be shown: a payment token in it is replaced by `…`.
    pub shown: String,
}
