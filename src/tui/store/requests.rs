//! The requests of the console that are in progress, and the waits of all requests of this process.

use super::Store;
use crate::domain::manage::Change;
use crate::domain::{AccountId, LinkRequest, Op, PaymentId, PlayerId, RequestId, Waiting};
use crate::tui::Effect;

/// The purpose of a request, which receives its response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    Verify,
    Check(PaymentId),
    Quote,
    Link(LinkRequest),
    Manage,
    Explore,
    RenewToken,
    CopyToken,
    Authenticate(PlayerId),
    /// Loads the inventory of a player.
    Items(PlayerId),
}

impl From<&Op> for Purpose {
    fn from(op: &Op) -> Self {
        match op {
            Op::Verify => Self::Verify,
            Op::CheckPayment(id) => Self::Check(id.clone()),
            Op::Estimate(_) => Self::Quote,
            Op::PaymentLink(link) => Self::Link(link.clone()),
            Op::AuthenticatePlayer(claim) => Self::Authenticate(claim.player),
            Op::PlayerItems(player) => Self::Items(*player),
            Op::Explore { .. } => Self::Explore,
            Op::RenewToken => Self::RenewToken,
            Op::CopyToken => Self::CopyToken,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    pub account: AccountId,
    pub purpose: Purpose,
    pub writes: bool,
    /// Whether the console sends it by itself, after what the operator asks for.
    pub background: bool,
}

impl Store {
    pub fn requests(&self) -> impl Iterator<Item = RequestId> {
        self.in_flight.keys().copied()
    }

    pub fn ask(
        &mut self,
        account: AccountId,
        op: Op,
        background: bool,
        out: &mut Vec<Effect>,
    ) -> RequestId {
        let request = self.began(InFlight {
            account: account.clone(),
            purpose: Purpose::from(&op),
            writes: op.writes(),
            background,
        });
        out.push(Effect::Query {
            request,
            account,
            op,
            background,
        });
        request
    }

    /// A new number, for a request to the ledger.
    pub fn number(&mut self) -> RequestId {
        self.last_request += 1;
        RequestId(self.last_request)
    }

    fn began(&mut self, asked: InFlight) -> RequestId {
        let request = self.number();
        self.in_flight.insert(request, asked);
        request
    }

    pub fn manage(
        &mut self,
        account: &AccountId,
        change: Change,
        out: &mut Vec<Effect>,
    ) -> RequestId {
        let request = self.began(InFlight {
            account: account.clone(),
            purpose: Purpose::Manage,
            writes: false,
            background: false,
        });
        out.push(Effect::Manage(request, change));
        request
    }

    /// Requests an account's access token: [`Op::RenewToken`] or [`Op::CopyToken`]. One such request at a time.
    pub fn request_token(&mut self, account: &AccountId, op: Op, out: &mut Vec<Effect>) {
        if self.token_request(account).is_none() {
            self.ask(account.clone(), op, false, out);
        }
    }

    /// The operator's request for this account's token, if it is in progress.
    pub fn token_request(&self, account: &AccountId) -> Option<RequestId> {
        let mut purposes = [Purpose::RenewToken, Purpose::CopyToken].iter();
        purposes.find_map(|purpose| self.request_for(account, purpose))
    }

    /// The request of this purpose that is in progress.
    pub fn request_for(&self, account: &AccountId, purpose: &Purpose) -> Option<RequestId> {
        let mut all = self.in_flight.iter();
        let found = all.find(|(_, asked)| asked.account == *account && asked.purpose == *purpose);
        found.map(|(request, _)| *request)
    }

    pub fn in_flight_for(&self, request: RequestId) -> Option<&InFlight> {
        self.in_flight.get(&request)
    }

    pub fn verify(&mut self, account: &AccountId, out: &mut Vec<Effect>) {
        let is_idle = self.request_for(account, &Purpose::Verify).is_none();
        if is_idle && self.known(account).is_some() {
            self.ask(account.clone(), Op::Verify, false, out);
        }
    }

    /// Removes a request from the list; `None` if it was cancelled or never sent.
    pub fn answered(&mut self, request: RequestId) -> Option<InFlight> {
        self.waiting.remove(&request);
        self.in_flight.remove(&request)
    }

    pub fn cancel(&mut self, request: RequestId, out: &mut Vec<Effect>) {
        self.waiting.remove(&request);
        if self.in_flight.remove(&request).is_some() {
            out.push(Effect::Cancel(request));
        }
    }

    pub fn waits(&mut self, request: RequestId, waiting: Option<Waiting>) {
        match waiting {
            Some(waiting) => self.waiting.insert(request, waiting),
            None => self.waiting.remove(&request),
        };
    }

    /// Whether a request that changes something waits for its response.
    pub fn is_writing(&self) -> bool {
        self.in_flight().any(|asked| asked.writes)
    }

    pub fn in_flight(&self) -> impl DoubleEndedIterator<Item = &InFlight> {
        self.in_flight.values()
    }

    pub fn waiting_for(&self, request: Option<RequestId>) -> Option<&str> {
        Some(self.wait_of(request)?.why.as_str())
    }

    pub fn wait_of(&self, request: Option<RequestId>) -> Option<&Waiting> {
        self.waiting.get(&request?)
    }
}
