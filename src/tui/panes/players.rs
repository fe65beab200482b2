//! Players of a game: who was authenticated, what they own, kept fresh by callbacks. Nothing of it outlives the
//! console. A token that is typed is sent once and dropped; one that a callback brought stays in memory for use.

mod changes;
mod view;

use std::time::Duration;

use super::{UpdateContext, age_changes_in};
use crate::domain::{
    AccountId, Documented, Inventory, Now, Op, Player, PlayerClaim, PlayerId, Problem, ProviderId,
    RequestId, Secret, WallTime, inert,
};
use crate::tui::msg::Level;
use crate::tui::store::Purpose;
use crate::tui::widgets::list::{List, Step};

/// Players kept; of those beyond, the one heard of longest ago goes.
const PLAYERS_MAX: usize = 500;
/// Letters of a player's name that are kept.
const NAME_MAX: usize = 64;

/// Whether a player is who they claim to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Proof {
    /// Nobody asked.
    None,
    Proved(WallTime),
    Refused(Problem),
}

/// One player and what is known of them.
#[derive(Debug, Clone, PartialEq)]
pub struct PlayerState {
    pub account: AccountId,
    pub id: PlayerId,
    /// Inert; empty where it is not known.
    pub name: String,
    /// The latest that a callback brought.
    token: Option<Secret>,
    pub proof: Proof,
    inventory: Option<(Inventory, WallTime)>,
    /// What the latest look at the inventory found changed, and when.
    changed: Option<(String, WallTime)>,
    last_error: Option<Problem>,
    pub asking: Option<RequestId>,
}

/// The players, the one heard of last first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    pub list: List,
    pub players: Vec<PlayerState>,
    /// The first item that is seen.
    scroll: usize,
    /// Who can be tried in the sandbox.
    pub example: Option<Example>,
}

/// A player of the sandbox, and the token that proves it. The token protects nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    pub player: &'static str,
    pub token: &'static str,
}

impl Example {
    /// The one that the documented call for authenticating gives.
    fn of(catalogue: &[Documented]) -> Option<Self> {
        catalogue.iter().find_map(|call| {
            let example = |name: &str| {
                let mut params = call.params.iter();
                Some(params.find(|param| param.name == name)?.example)
            };
            Some(Self {
                player: example("user_id")?,
                token: example("game_auth_token")?,
            })
        })
    }

    pub fn describe(self) -> String {
        format!(
            "In the sandbox, player {} with the token {} can be tried.",
            self.player, self.token
        )
    }
}

impl State {
    pub fn new(catalogues: &[(ProviderId, &'static [Documented])]) -> Self {
        let mut all = catalogues.iter();
        Self {
            example: all.find_map(|(_, calls)| Example::of(calls)),
            ..Self::default()
        }
    }

    pub fn selected(&self) -> Option<&PlayerState> {
        self.players.get(self.list.selected)
    }

    fn find(&self, account: &AccountId, id: PlayerId) -> Option<usize> {
        self.players
            .iter()
            .position(|known| known.account == *account && known.id == id)
    }

    /// The player of this number, put on the list where they are new.
    fn known_mut(&mut self, account: &AccountId, id: PlayerId) -> &mut PlayerState {
        let at = self.find(account, id).unwrap_or_else(|| {
            if self.players.len() >= PLAYERS_MAX {
                self.players.pop();
            }
            self.players.insert(
                0,
                PlayerState {
                    account: account.clone(),
                    id,
                    name: String::new(),
                    token: None,
                    proof: Proof::None,
                    inventory: None,
                    changed: None,
                    last_error: None,
                    asking: None,
                },
            );
            if self.players.len() > 1 {
                // What is looked at stays what is looked at.
                self.list.moved(1);
            }
            0
        });
        &mut self.players[at]
    }

    /// A callback names a player.
    pub fn named(&mut self, account: &AccountId, claim: PlayerClaim) {
        let known = self.known_mut(account, claim.player.id);
        if !claim.player.username.is_empty() {
            known.name = inert::cut(&claim.player.username, NAME_MAX);
        }
        known.token = claim.token.or(known.token.take());
    }

    /// The token of a player that a callback brought.
    pub fn token_of(&self, account: &AccountId, id: PlayerId) -> Option<Secret> {
        self.players[self.find(account, id)?].token.clone()
    }

    /// Looks at a player, who is put on the list where they are new.
    pub fn look_at(&mut self, account: &AccountId, id: PlayerId) {
        self.known_mut(account, id);
        self.list.selected = self.find(account, id).unwrap_or(0);
        self.scroll = 0;
    }

    /// Asks whether a player is who they claim to be; the inventory is fetched once they are.
    pub fn authenticate(
        account: &AccountId,
        player: PlayerId,
        token: Secret,
        ctx: &mut UpdateContext<'_>,
    ) -> RequestId {
        let op = Op::AuthenticatePlayer { player, token };
        let purpose = Purpose::Authenticate(player);
        ctx.store.ask(account.clone(), op, purpose, false, ctx.out)
    }

    /// What came of it.
    pub fn authenticated(
        &mut self,
        account: &AccountId,
        id: PlayerId,
        result: &Result<Player, Problem>,
        now: Now,
    ) {
        let known = self.known_mut(account, id);
        match result {
            Ok(player) => {
                known.name = inert::cut(&player.username, NAME_MAX);
                known.proof = Proof::Proved(now.wall);
                known.last_error = None;
            }
            // They are who they were; this token does not prove it again.
            Err(problem) if matches!(known.proof, Proof::Proved(_)) => {
                known.last_error = Some(problem.clone());
            }
            Err(problem) => known.proof = Proof::Refused(problem.clone()),
        }
    }

    /// Fetches the inventory of the selected player.
    pub fn refresh(&mut self, ctx: &mut UpdateContext<'_>) {
        let Some(known) = self.players.get_mut(self.list.selected) else {
            return;
        };
        if known.asking.is_some() {
            return;
        }
        let op = Op::PlayerItems(known.id);
        let purpose = Purpose::Items(known.id);
        let account = known.account.clone();
        known.asking = Some(ctx.store.ask(account, op, purpose, false, ctx.out));
    }

    /// An answer to [`State::refresh`], or to what a callback gave rise to; tells what changed.
    pub fn items(
        &mut self,
        account: &AccountId,
        id: PlayerId,
        result: Result<Inventory, Problem>,
        now: Now,
    ) -> Option<String> {
        let known = self.known_mut(account, id);
        match result {
            Err(problem) => {
                known.last_error = Some(problem);
                None
            }
            Ok(inventory) => {
                known.last_error = None;
                let before = known.inventory.as_ref().map(|(before, _)| before);
                let told = before.map(|before| changes::changes(&before.items, &inventory.items));
                known.inventory = Some((inventory, now.wall));
                let told = told.filter(|told| !told.is_empty())?;
                known.changed = Some((told.clone(), now.wall));
                Some(told)
            }
        }
    }

    /// A request for the inventory was answered or called off.
    pub fn settled(&mut self, account: &AccountId, id: PlayerId) {
        if let Some(at) = self.find(account, id) {
            self.players[at].asking = None;
        }
    }

    /// Calls off what the selected player is asked for; whether there was anything.
    pub fn cancel(&mut self, ctx: &mut UpdateContext<'_>) -> bool {
        let known = self.players.get_mut(self.list.selected);
        let Some(request) = known.and_then(|known| known.asking.take()) else {
            return false;
        };
        ctx.store.cancel(request, ctx.out);
        true
    }

    /// Takes the selected player off the list.
    pub fn forget_selected(&mut self, ctx: &mut UpdateContext<'_>) {
        self.cancel(ctx);
        if self.list.selected < self.players.len() {
            let gone = self.players.remove(self.list.selected);
            self.list.selected = self.list.selected.min(self.players.len().saturating_sub(1));
            self.scroll = 0;
            let words = format!(
                "player {} is off the list; a callback brings them back",
                gone.id
            );
            ctx.store.flash(Level::Info, words);
        }
    }

    /// Players of an account that is gone are of no use.
    pub fn forget(&mut self, account: &AccountId) {
        self.players.retain(|known| known.account != *account);
        let last = self.players.len().saturating_sub(1);
        self.list.selected = self.list.selected.min(last);
    }

    /// Among the players; by pages within the inventory.
    pub fn step(&mut self, step: Step, area: ratatui::layout::Rect) {
        let parts = view::parts(area);
        match step {
            Step::PageUp | Step::PageDown => {
                let items = self.selected().map_or(0, PlayerState::len);
                self.scroll = step.scroll(self.scroll, items, view::item_rows(parts.items));
            }
            step => {
                let before = self.list.selected;
                self.list.step(step, self.players.len(), parts.list.height);
                if before != self.list.selected {
                    self.scroll = 0;
                }
            }
        }
    }

    /// Puts the selection on the row that is drawn there.
    pub fn point(&mut self, at: ratatui::layout::Position, area: ratatui::layout::Rect) {
        let list = view::parts(area).list;
        if list.contains(at) {
            let window = self.list.window(self.players.len(), list.height);
            let place = window.start + usize::from(at.y - list.y);
            if window.contains(&place) {
                self.list.selected = place;
                self.scroll = 0;
            }
        }
    }

    /// Until the pane must change by itself.
    pub fn changes_in(&self, now: Now) -> Option<Duration> {
        self.players
            .iter()
            .filter_map(|known| known.inventory.as_ref())
            .map(|(_, at)| age_changes_in(*at, now))
            .min()
    }
}

impl PlayerState {
    fn len(&self) -> usize {
        self.inventory
            .as_ref()
            .map_or(0, |(inventory, _)| inventory.items.len())
    }

    /// What they are called: their name, or their number.
    pub fn called(&self) -> String {
        if self.name.is_empty() {
            format!("player {}", self.id)
        } else {
            self.name.clone()
        }
    }
}
