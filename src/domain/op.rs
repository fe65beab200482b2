//! The operations on an account, and their answers.

use super::{
    Amount, Currency, Estimate, Inventory, LinkRequest, Payment, PaymentId, PaymentLink, Player,
    PlayerId, Secret,
};

/// One operation on one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Verify the credentials, by the cheapest call that changes nothing.
    Verify,
    /// The state of a payment (Kanga: CHECK PAYMENT).
    CheckPayment(PaymentId),
    /// The price of a sum in other currencies (Kanga: GET PRICE ESTIMATE).
    Estimate {
        /// Settlement currency.
        token: Currency,
        /// How much of it.
        quantity: Amount,
    },
    /// A token for one payment link (Kanga: CREATE PAYMENT TOKEN).
    CreatePaymentToken,
    /// The URL of the payment page (Kanga: START PAYMENT). Sends a request only where the link needs a token.
    PaymentLink(LinkRequest),
    /// The provider's signature test (Kanga: TEST); needs no account.
    TestSignature,
    /// Authenticate a player.
    AuthenticatePlayer {
        /// The claimed id.
        player: PlayerId,
        /// The token that the game's client received.
        token: Secret,
    },
    /// The inventory of a player.
    PlayerItems(PlayerId),
    /// Any call, authorised.
    Raw {
        /// `GET`, `POST`, …
        method: String,
        /// From the root of the account's first API endpoint, with its query: `/api/v2/test`.
        path: String,
        /// Sent unchanged, unless the provider's scheme adds fields (Kanga: `appId`, `nonce`).
        body: Option<Vec<u8>>,
        /// Whether the call writes, by the provider's catalogue or by its method.
        writes: bool,
        /// The authorisation method, where the caller chooses it.
        auth: Option<AuthMethod>,
    },
}

/// The authorisation of one call, at a provider that has several methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// `Authorization: Basic`, with a user name and a password (Pledg: the dashboard's login).
    Basic,
    /// `Authorization: Bearer`, with an access token.
    Bearer,
}

impl AuthMethod {
    /// All methods.
    pub const ALL: [Self; 2] = [Self::Basic, Self::Bearer];

    /// The word on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Bearer => "bearer",
        }
    }
}

impl Op {
    /// A short label for a row of the log: "ORDER-1001", "3000 EMT".
    #[must_use]
    pub fn about(&self) -> String {
        match self {
            Self::Verify => "verify credentials".into(),
            Self::CheckPayment(id) => id.as_str().to_owned(),
            Self::Estimate { token, quantity } => format!("{quantity} {token}"),
            Self::CreatePaymentToken => "a payment token".into(),
            Self::PaymentLink(link) => link.id.as_str().to_owned(),
            Self::TestSignature => "test signature".into(),
            Self::AuthenticatePlayer { player, .. } | Self::PlayerItems(player) => {
                format!("player {player}")
            }
            Self::Raw { .. } => String::new(),
        }
    }

    /// Whether it changes anything at the provider. Such a call is never repeated blindly, and on a
    /// production account it must be armed first.
    #[must_use]
    pub fn writes(&self) -> bool {
        match self {
            // It makes a token at the provider, though no money moves.
            Self::CreatePaymentToken => true,
            Self::PaymentLink(link) => link.with_token,
            Self::Raw { writes, .. } => *writes,
            Self::Verify
            | Self::CheckPayment(_)
            | Self::Estimate { .. }
            | Self::TestSignature
            | Self::AuthenticatePlayer { .. }
            | Self::PlayerItems(_) => false,
        }
    }
}

/// The answer to an [`Op`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The credentials are valid.
    Verified,
    /// To [`Op::CheckPayment`].
    Payment(Payment),
    /// To [`Op::Estimate`].
    Estimate(Estimate),
    /// A payment token, valid for one link.
    PaymentToken(Secret),
    /// To [`Op::PaymentLink`].
    Link(PaymentLink),
    /// The signature was accepted.
    SignatureAccepted,
    /// To [`Op::AuthenticatePlayer`].
    Player(Player),
    /// To [`Op::PlayerItems`].
    Inventory(Inventory),
    /// To [`Op::Raw`].
    Raw(RawReply),
}

/// The response to [`Op::Raw`], whatever its status.
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
