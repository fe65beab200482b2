//! A payment link: the URL a shop sends its payer to.

use super::{Amount, Currency, Expected, PaymentId, Secret};

/// What a link is to say. Values are kept as the operator wrote them and encoded when the link is built.
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
    /// Whether to ask the provider for a payment token and put it in; with an e-mail address it spares the
    /// payer the e-mail verification. Asking is a call that writes.
    pub with_token: bool,
    /// Whether a payment that is open and expects another sum is to expect this one from now on.
    pub replace_expectation: bool,
}

impl LinkRequest {
    /// What is to be paid by it.
    #[must_use]
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
