//! The operations that the console starts, and their results. `deck::Deck::query` carries them out, by the functions
//! of `deck::Deck` that the command line calls, too. Each returns its answer's type.

use super::{
    Amount, Currency, Estimate, Explored, Inventory, LinkRequest, Payment, PaymentId, PaymentLink,
    Player, PlayerId, Problem, RawCall, Secret,
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
    /// Any call of the API.
    Explore {
        /// The call.
        call: RawCall,
        /// Whether it writes, by the provider's catalogue or by its method.
        writes: bool,
    },
    /// Renew the access token now.
    RenewToken,
    /// Get a valid access token, for the clipboard.
    CopyToken,
}

impl Op {
    /// Whether it changes anything at the provider. Such a call is never repeated blindly, and on a
    /// production account it must be armed first.
    pub fn writes(&self) -> bool {
        match self {
            // It makes a token at the provider, though no money moves.
            Self::PaymentLink(link) => link.with_token,
            Self::Explore { writes, .. } => *writes,
            Self::Verify
            | Self::CheckPayment(_)
            | Self::Estimate(_)
            | Self::AuthenticatePlayer(_)
            | Self::PlayerItems(_)
            | Self::RenewToken
            | Self::CopyToken => false,
        }
    }

    /// Its result where it failed.
    pub fn failed(&self, problem: Problem) -> Answer {
        match self {
            Self::Verify => Answer::Verified(Err(problem)),
            Self::CheckPayment(_) => Answer::Payment(Err(problem)),
            Self::Estimate(_) => Answer::Estimate(Err(problem)),
            Self::PaymentLink(_) => Answer::Link(Err(problem)),
            Self::AuthenticatePlayer(_) => Answer::Player(Err(problem)),
            Self::PlayerItems(_) => Answer::Inventory(Err(problem)),
            Self::Explore { .. } => Answer::Explored(Err(problem)),
            Self::RenewToken => Answer::Renewed(Err(problem)),
            Self::CopyToken => Answer::Token(Err(problem)),
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
    /// Of [`Op::Explore`], whatever the status.
    Explored(Result<Explored, Problem>),
    /// Of [`Op::RenewToken`]. The token's state is reported by itself.
    Renewed(Result<(), Problem>),
    /// Of [`Op::CopyToken`].
    Token(Result<Secret, Problem>),
}

impl Answer {
    /// Why it failed, if it did.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Verified(result) | Self::Renewed(result) => result.as_ref().err(),
            Self::Payment(result) => result.as_ref().err(),
            Self::Estimate(result) => result.as_ref().err(),
            Self::Link(result) => result.as_ref().err(),
            Self::Player(result) => result.as_ref().err(),
            Self::Inventory(result) => result.as_ref().err(),
            Self::Explored(result) => result.as_ref().err(),
            Self::Token(result) => result.as_ref().err(),
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
