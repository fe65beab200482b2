//! The players of a game: whether each one is authenticated, and the inventory, refreshed by callbacks. Lost when the
//! console quits. A typed token is sent once and dropped; one from a callback stays in memory for use.

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

/// Players in memory; of more, the one without news for longest is dropped.
const PLAYERS_MAX: usize = 500;
/// Characters of a player's name.
const NAME_MAX: usize = 64;

/// Whether a player's token was verified.
#[derive(Debug, Clone, PartialEq)]
pub enum Proof {
    /// Not verified yet.
    None,
    Proved(WallTime),
    Refused(Problem),
}

/// One player, with the inventory and the latest results.
#[derive(Debug, Clone, PartialEq)]
pub struct PlayerState {
    pub account: AccountId,
    pub id: PlayerId,
    /// Control characters escaped; empty while the name is unknown.
    pub name: String,
    /// From the latest callback.
    token: Option<Secret>,
    pub proof: Proof,
    inventory: Option<(Inventory, WallTime)>,
    /// What changed with the latest inventory, and when.
    changed: Option<(String, WallTime)>,
    last_error: Option<Problem>,
    pub request: Option<RequestId>,
}

/// The players, the latest news first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    pub list: List,
    pub players: Vec<PlayerState>,
    /// The first visible item of the inventory.
    scroll: usize,
    /// A player to try in the sandbox.
    pub example: Option<Example>,
}

/// A player of the sandbox with its token. The token protects nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    pub player: &'static str,
    pub token: &'static str,
}

impl Example {
    /// Taken from the examples of the documented call that authenticates.
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
            "To try it in the sandbox: player {}, token {}.",
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
            .position(|player| player.account == *account && player.id == id)
    }

    /// The player with this id, added to the list if new.
    fn player_mut(&mut self, account: &AccountId, id: PlayerId) -> &mut PlayerState {
        let at = self.find(account, id).unwrap_or_else(|| {
            // New players go to the front, so the last one is the oldest.
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
                    request: None,
                },
            );
            if self.players.len() > 1 {
                // The same player stays selected, at the same place on the screen.
                self.list.moved(1);
            }
            0
        });
        &mut self.players[at]
    }

    /// A callback named a player.
    pub fn named(&mut self, account: &AccountId, claim: PlayerClaim) {
        let player = self.player_mut(account, claim.player.id);
        if !claim.player.username.is_empty() {
            // The name is the player's own choice and may be of any length.
            player.name = inert::cut(&claim.player.username, NAME_MAX);
        }
        // Not every callback carries a token; an earlier one stays valid until the player gets another.
        player.token = claim.token.or(player.token.take());
    }

    /// The token of a player from a callback.
    pub fn token_of(&self, account: &AccountId, id: PlayerId) -> Option<Secret> {
        self.players[self.find(account, id)?].token.clone()
    }

    /// Selects a player, added to the list if new.
    pub fn select(&mut self, account: &AccountId, id: PlayerId) {
        self.player_mut(account, id);
        self.list.selected = self.find(account, id).unwrap_or(0);
        self.scroll = 0;
    }

    /// Verifies a player's token; the inventory is fetched after that succeeds.
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

    /// The result of [`State::authenticate`].
    pub fn authenticated(
        &mut self,
        account: &AccountId,
        id: PlayerId,
        result: &Result<Player, Problem>,
        now: Now,
    ) {
        let player = self.player_mut(account, id);
        match result {
            Ok(authenticated) => {
                player.name = inert::cut(&authenticated.username, NAME_MAX);
                player.proof = Proof::Proved(now.wall);
                player.last_error = None;
            }
            // An earlier token proved who the player is; that this one fails does not undo it.
            Err(problem) if matches!(player.proof, Proof::Proved(_)) => {
                player.last_error = Some(problem.clone());
            }
            Err(problem) => player.proof = Proof::Refused(problem.clone()),
        }
    }

    /// Fetches the inventory of the selected player.
    pub fn refresh(&mut self, ctx: &mut UpdateContext<'_>) {
        let Some(player) = self.players.get_mut(self.list.selected) else {
            return;
        };
        if player.request.is_some() {
            return;
        }
        let op = Op::PlayerItems(player.id);
        let purpose = Purpose::Items(player.id);
        let account = player.account.clone();
        player.request = Some(ctx.store.ask(account, op, purpose, false, ctx.out));
    }

    /// The response to [`State::refresh`], or to a fetch after a callback; returns what changed, in words.
    pub fn items(
        &mut self,
        account: &AccountId,
        id: PlayerId,
        result: Result<Inventory, Problem>,
        now: Now,
    ) -> Option<String> {
        let player = self.player_mut(account, id);
        match result {
            Err(problem) => {
                player.last_error = Some(problem);
                None
            }
            Ok(inventory) => {
                player.last_error = None;
                let before = player.inventory.as_ref().map(|(before, _)| before);
                let changed =
                    before.map(|before| changes::changes(&before.items, &inventory.items));
                player.inventory = Some((inventory, now.wall));
                let changed = changed.filter(|changed| !changed.is_empty())?;
                player.changed = Some((changed.clone(), now.wall));
                Some(changed)
            }
        }
    }

    /// A request for the inventory ended or was cancelled.
    pub fn settled(&mut self, account: &AccountId, id: PlayerId) {
        if let Some(at) = self.find(account, id) {
            self.players[at].request = None;
        }
    }

    /// Cancels the request for the selected player.
    fn cancel(&mut self, ctx: &mut UpdateContext<'_>) {
        let player = self.players.get_mut(self.list.selected);
        if let Some(request) = player.and_then(|player| player.request.take()) {
            ctx.store.cancel(request, ctx.out);
        }
    }

    /// Removes the selected player from the list.
    pub fn remove_selected(&mut self, ctx: &mut UpdateContext<'_>) {
        // The response would add the player again.
        self.cancel(ctx);
        if self.list.selected < self.players.len() {
            let gone = self.players.remove(self.list.selected);
            self.list.selected = self.list.selected.min(self.players.len().saturating_sub(1));
            self.scroll = 0;
            let words = format!(
                "player {} removed from the list; a callback adds it again",
                gone.id
            );
            ctx.store.flash(Level::Info, words);
        }
    }

    /// Removes the players of an account that was removed.
    pub fn forget(&mut self, account: &AccountId) {
        self.players.retain(|player| player.account != *account);
        let last = self.players.len().saturating_sub(1);
        self.list.selected = self.list.selected.min(last);
    }

    /// Moves among the players; page keys scroll the inventory.
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

    /// Selects the row that is drawn at this position.
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

    /// Time until the pane must be redrawn without an event.
    pub fn changes_in(&self, now: Now) -> Option<Duration> {
        self.players
            .iter()
            .filter_map(|player| player.inventory.as_ref())
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

    /// The player's name; before it is known, the number.
    pub fn display_name(&self) -> String {
        if self.name.is_empty() {
            format!("player {}", self.id)
        } else {
            self.name.clone()
        }
    }
}
