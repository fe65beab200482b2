//! All that can be asked of an account, and all that comes back.

use super::{
    Amount, Currency, Estimate, Inventory, LinkRequest, Payment, PaymentId, PaymentLink, Player,
    PlayerId, Secret,
};

/// One thing to ask of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Are the credentials good? The cheapest call that changes nothing.
    Verify,
    /// What became of a payment (Kanga: CHECK PAYMENT).
    CheckPayment(PaymentId),
    /// What a sum is worth in other currencies (Kanga: GET PRICE ESTIMATE).
    Estimate {
        /// Settlement currency.
        token: Currency,
        /// How much of it.
        quantity: Amount,
    },
    /// A token for one payment link (Kanga: CREATE PAYMENT TOKEN).
    CreatePaymentToken,
    /// The URL a payer is sent to (Kanga: START PAYMENT). Asks the provider only if it is to hold a token.
    PaymentLink(LinkRequest),
    /// The provider's test of the signature (Kanga: TEST); needs no account.
    TestSignature,
    /// Is this player who they claim to be?
    AuthenticatePlayer {
        /// Who they claim to be.
        player: PlayerId,
        /// What the game's client was given to prove it.
        token: Secret,
    },
    /// What a player owns.
    PlayerItems(PlayerId),
    /// Any call, authorised.
    Raw {
        /// `GET`, `POST`, …
        method: String,
        /// From the root of the account's first API endpoint, with its query: `/api/v2/test`.
        path: String,
        /// Sent as it is, unless the provider's scheme adds fields to it (Kanga: `appId`, `nonce`).
        body: Option<Vec<u8>>,
        /// What a call to this path does, where the provider's catalogue knows.
        writes: bool,
        /// How it is authorised, where that is not left to the provider's catalogue.
        auth: Option<AuthMethod>,
    },
}

/// How one call is authorised, at a provider whose calls are authorised in several ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// `Authorization: Basic`, with a user name and a password (Pledg: the dashboard's login).
    Basic,
    /// `Authorization: Bearer`, with an access token.
    Bearer,
}

impl AuthMethod {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Basic, Self::Bearer];

    /// In one word, as it is typed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Bearer => "bearer",
        }
    }
}

impl Op {
    /// What it is about, in a few words, for a row of the log: "ORDER-1001", "3000 EMT".
    #[must_use]
    pub fn about(&self) -> String {
        match self {
            Self::Verify => "are the credentials good?".into(),
            Self::CheckPayment(id) => id.as_str().to_owned(),
            Self::Estimate { token, quantity } => format!("{quantity} {token}"),
            Self::CreatePaymentToken => "a payment token".into(),
            Self::PaymentLink(link) => link.id.as_str().to_owned(),
            Self::TestSignature => "is the signature right?".into(),
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

/// What came back for an [`Op`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The credentials are good.
    Verified,
    /// The payment asked for.
    Payment(Payment),
    /// The prices asked for.
    Estimate(Estimate),
    /// A payment token, good for one link.
    PaymentToken(Secret),
    /// The link asked for.
    Link(PaymentLink),
    /// The signature was accepted.
    SignatureAccepted,
    /// To [`Op::AuthenticatePlayer`].
    Player(Player),
    /// To [`Op::PlayerItems`].
    Inventory(Inventory),
    /// Whatever a raw call brought.
    Raw(RawReply),
}

/// The reply to [`Op::Raw`], whatever its status.
#[derive(Clone, PartialEq, Eq)]
pub struct RawReply {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`, where there is one. Hostile until made inert.
    pub content_type: Option<String>,
    /// The body as received. Hostile until made inert.
    pub body: Vec<u8>,
    /// From sending to its end, without what was waited for before.
    pub took: std::time::Duration,
}

impl std::fmt::Debug for RawReply {
    /// Without the body: it is as received, secrets and all.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawReply({}, {} bytes)", self.status, self.body.len())
    }
}
