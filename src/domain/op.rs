//! The operations that the console starts, and their results. A provider reads them in `providers::Client`, the command
//! line in `deck::Deck`: one function for each operation, which returns its answer's type.

use super::words::words;
use super::{
    Amount, Currency, Estimate, Inventory, LinkRequest, Payment, PaymentId, PaymentLink, Player,
    PlayerId, Problem, Secret,
};

/// One operation on one account, as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Verify the credentials, by the cheapest call that changes nothing.
    Verify,
    /// The state of a payment.
    CheckPayment(PaymentId),
    /// The price of a sum in other currencies.
    Estimate(EstimateRequest),
    /// The URL of the payment page. Sends a request only where the link needs a token.
    PaymentLink(LinkRequest),
    /// Authenticate a player.
    AuthenticatePlayer(PlayerToken),
    /// The inventory of a player.
    PlayerItems(PlayerId),
}

impl Op {
    /// Whether it changes anything at the provider. Such a call is never repeated blindly, and on a
    /// production account it must be armed first.
    #[must_use]
    pub fn writes(&self) -> bool {
        match self {
            // It makes a token at the provider, though no money moves.
            Self::PaymentLink(link) => link.with_token,
            Self::Verify
            | Self::CheckPayment(_)
            | Self::Estimate(_)
            | Self::AuthenticatePlayer(_)
            | Self::PlayerItems(_) => false,
        }
    }

    /// Its result where it failed.
    #[must_use]
    pub fn failed(&self, problem: Problem) -> Answer {
        match self {
            Self::Verify => Answer::Verified(Err(problem)),
            Self::CheckPayment(_) => Answer::Payment(Err(problem)),
            Self::Estimate(_) => Answer::Estimate(Err(problem)),
            Self::PaymentLink(_) => Answer::Link(Err(problem)),
            Self::AuthenticatePlayer(_) => Answer::Player(Err(problem)),
            Self::PlayerItems(_) => Answer::Inventory(Err(problem)),
        }
    }
}

/// The result of an [`Op`]: each has its own type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Of [`Op::Verify`].
    Verified(Result<(), Problem>),
    /// Of [`Op::CheckPayment`].
    Payment(Result<Payment, Problem>),
    /// Of [`Op::Estimate`].
    Estimate(Result<Estimate, Problem>),
    /// Of [`Op::PaymentLink`].
    Link(Result<PaymentLink, Problem>),
    /// Of [`Op::AuthenticatePlayer`].
    Player(Result<Player, Problem>),
    /// Of [`Op::PlayerItems`].
    Inventory(Result<Inventory, Problem>),
}

impl Answer {
    /// Why it failed, if it did.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Verified(result) => result.as_ref().err(),
            Self::Payment(result) => result.as_ref().err(),
            Self::Estimate(result) => result.as_ref().err(),
            Self::Link(result) => result.as_ref().err(),
            Self::Player(result) => result.as_ref().err(),
            Self::Inventory(result) => result.as_ref().err(),
        }
    }
}

/// The sum whose price is estimated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EstimateRequest {
    /// Settlement currency.
    pub token: Currency,
    /// How much of it.
    pub quantity: Amount,
}

/// A player to authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayerToken {
    /// The claimed id.
    pub player: PlayerId,
    /// The token that the game's client received.
    pub token: Secret,
}

/// Any call, to be sent with an account's credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRequest {
    /// `GET`, `POST`, …
    pub method: String,
    /// From the root of the account's first API endpoint, with its query: `/api/v2/test`.
    pub path: String,
    /// Sent unchanged, unless the provider's scheme adds fields (Kanga: `appId`, `nonce`).
    pub body: Option<Vec<u8>>,
    /// Whether the call writes, by the provider's catalogue or by its method.
    pub writes: bool,
    /// The authorisation method, where the caller chooses it.
    pub auth: Option<AuthMethod>,
}

words! {
    /// The authorisation of one call, at a provider that has several methods.
    /// The words are those of the command line.
    pub enum AuthMethod {
        /// `Authorization: Basic`, with a user name and a password (Pledg: the dashboard's login).
        Basic = "basic",
        /// `Authorization: Bearer`, with an access token.
        Bearer = "bearer",
    }
}

/// The response to a [`RawRequest`], whatever its status.
#[derive(Clone, PartialEq, Eq)]
pub struct RawReply {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`, where there is one. Hostile until made inert.
    pub content_type: Option<String>,
    /// The body as received. Hostile until made inert.
    pub body: Vec<u8>,
    /// From sending to its end, without the wait before.
    pub took: std::time::Duration,
}

impl std::fmt::Debug for RawReply {
    /// Without the body: it is as received, secrets and all.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawReply({}, {} bytes)", self.status, self.body.len())
    }
}
