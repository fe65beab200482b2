//! Players: authentication and inventories.

use super::events::unexpected;
use super::msg::{Level, Notice};
use super::overlays::{Overlay, Stage, player_form};
use super::panes::Pane;
use super::panes::players::{PlayerState, State as Players};
use super::{Effect, Model};
use crate::domain::{
    AccountId, Answer, Inventory, Now, Player, PlayerId, Problem, ProblemKind, RequestId,
};

impl Model {
    pub(super) fn on_inventory(
        &mut self,
        account: &AccountId,
        player: PlayerId,
        result: Result<Inventory, Problem>,
        now: Now,
    ) {
        if self.store.known(account).is_none() {
            return;
        }
        if let Some(changed) = self.players.items(account, player, result, now) {
            let known = self.players.players.iter();
            let mut known = known.filter(|known| known.id == player && known.account == *account);
            let called = known
                .next()
                .map_or_else(String::new, PlayerState::display_name);
            self.store.notice(
                Notice {
                    level: Level::Info,
                    about: format!("player {account} {player}"),
                    text: format!("{called}: {changed}"),
                },
                now,
            );
        }
    }

    pub(super) fn authenticated(
        &mut self,
        account: &AccountId,
        player: PlayerId,
        (request, result): (RequestId, Result<Answer, Problem>),
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let result: Result<Player, Problem> = match result {
            Ok(Answer::Player(player)) => Ok(player),
            Ok(_) => Err(unexpected()),
            Err(problem) => Err(problem),
        };
        // A lost connection proves nothing about the player: only the provider's verdict is saved.
        let is_verdict = match &result {
            Ok(_) => true,
            Err(problem) => problem.kind == ProblemKind::Refused,
        };
        if is_verdict {
            self.players.authenticated(account, player, &result, now);
        }
        let stage = self.overlay.stage();
        let stage = stage.filter(|stage| stage.request() == Some(request));
        match (result, stage) {
            (Ok(_), stage) => {
                if stage.is_some() {
                    self.overlay = Overlay::None;
                    self.focus = Pane::Players;
                    self.players.select(account, player);
                    self.players
                        .refresh(&mut Self::update_ctx(&mut self.store, now, out));
                }
            }
            (Err(problem), Some(stage)) => *stage = Stage::Failed(problem),
            (Err(problem), None) => self.store.flash(Level::Error, problem.describe()),
        }
    }

    pub(super) fn submit_player(&mut self, now: Now, out: &mut Vec<Effect>) {
        let Overlay::Player(form) = &mut self.overlay else {
            return;
        };
        if form.stage.request().is_some() {
            return;
        }
        let Some((account, player, token)) = form.submit() else {
            return;
        };
        // A callback brings the player's token too (docs/providers/kongregate.md).
        let token = token.or_else(|| self.players.token_of(&account, player));
        let update_ctx = &mut Self::update_ctx(&mut self.store, now, out);
        if let Some(token) = token {
            form.stage = Stage::Asked(Players::authenticate(&account, player, token, update_ctx));
        } else {
            self.overlay = Overlay::None;
            self.focus = Pane::Players;
            self.players.select(&account, player);
            self.players.refresh(update_ctx);
        }
    }

    pub(super) fn open_player_form(&mut self) {
        let accounts: Vec<AccountId> = self.store.games().map(|k| k.id().clone()).collect();
        if accounts.is_empty() {
            let words = "this profile has no Kongregate account; players need one";
            self.store.flash(Level::Info, words);
            return;
        }
        let selected = self.players.selected().map(|known| known.id);
        self.overlay = Overlay::Player(player_form::State::new(
            accounts,
            selected,
            self.players.example,
        ));
    }
}
