//! The players of a game: whether each one is authenticated, and the inventory, refreshed by callbacks. Lost when the
//! console quits. A typed token is sent once and dropped; one from a callback stays in memory for use.

mod changes;
mod view;

use ratatui::text::Line;

use crate::domain::{
    Ability, AccountId, Answer, DocumentedCall, Inventory, LoadedInventory, Op, Player,
    PlayerClaim, PlayerId, Problem, ProblemKind, RequestId, Secret, WallTime, inert,
};
use crate::tui::msg::Notice;
use crate::tui::overlays::player_form::{self, Example};
use crate::tui::prelude::*;
use crate::tui::setup::Setup;
use crate::tui::store::Purpose;

keys! {
    Action:
    PLAYERS "Players" keys [NAV, GLOBAL] else "no player is selected" {
        Authenticate "authenticate" ["a"] "authenticate" "authenticate or look up a player" else "no account has players";
        RefreshItems "refresh-items" ["r" "enter"] "refresh" "load the player's inventory";
        CopyPlayer "copy-player" ["y"] "copy id" "copy the player's number";
        ForgetPlayer "forget-player" ["d"] "remove" "remove the player from the list";
    }
}

/// Players in memory; of more, the one without news for longest is dropped.
const PLAYERS_MAX: usize = 500;
/// Characters of a player's name.
const NAME_MAX: usize = 64;

/// Whether a player's token was verified.
#[derive(Debug, Clone, PartialEq)]
pub enum Proof {
    None,
    Proved(WallTime),
    Refused(Problem),
}

#[derive(Debug, Clone, PartialEq)]
pub struct PlayerState {
    pub account: AccountId,
    pub id: PlayerId,
    /// Control characters escaped; empty while the name is unknown.
    pub name: String,
    pub proof: Proof,
    inventory: Option<(Inventory, WallTime)>,
    /// What changed with the latest inventory, and when.
    changed: Option<(String, WallTime)>,
    last_error: Option<Problem>,
}

/// The players, the latest news first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    pub list: List,
    pub players: Vec<PlayerState>,
    /// The first visible item of the inventory.
    scroll: usize,
    /// Whether the wheel, which steps next, is over the inventory.
    is_over_items: bool,
    /// A player to try in the sandbox.
    pub example: Option<Example>,
}

impl Example {
    /// Taken from the examples of the documented call that authenticates.
    fn of(catalogue: &[DocumentedCall]) -> Option<Self> {
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
            "To try it in the simulator: player {}, token {}.",
            self.player, self.token
        )
    }
}

impl State {
    pub fn new(setup: &Setup) -> Self {
        let mut all = setup.catalogues.iter();
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
    pub fn player_mut(&mut self, account: &AccountId, id: PlayerId) -> &mut PlayerState {
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
                    proof: Proof::None,
                    inventory: None,
                    changed: None,
                    last_error: None,
                },
            );
            if self.players.len() > 1 {
                // The same player stays selected, at the same place on the screen.
                self.list.move_to(self.list.selected + 1);
            }
            0
        });
        &mut self.players[at]
    }

    /// A callback named a player.
    fn named(&mut self, account: &AccountId, claim: &PlayerClaim) {
        let player = self.player_mut(account, claim.player.id);
        if !claim.player.username.is_empty() {
            // The name is the player's own choice and may be of any length.
            player.name = inert::cut(&claim.player.username, NAME_MAX);
        }
    }

    /// Selects a player, added to the list if new.
    fn select(&mut self, account: &AccountId, id: PlayerId) {
        self.player_mut(account, id);
        self.list.selected = self.find(account, id).unwrap_or(0);
        self.scroll = 0;
    }

    fn refresh(&mut self, ctx: &mut UpdateContext<'_>) {
        if let Some(player) = self.selected().filter(|it| it.request(ctx.store).is_none()) {
            let op = Op::PlayerItems(player.id);
            ctx.store.ask(player.account.clone(), op, false, ctx.out);
        }
    }

    fn open_form(&self, ctx: &mut UpdateContext<'_>) {
        let accounts: Vec<AccountId> = ctx.store.games().map(|k| k.id().clone()).collect();
        if accounts.is_empty() {
            ctx.store.none_can(Ability::Players);
            return;
        }
        let selected = self.selected().map(|known| known.id);
        ctx.open(player_form::State::of(accounts, selected, self.example));
    }

    fn remove_selected(&mut self, ctx: &mut UpdateContext<'_>) {
        // The response would add the player again.
        if let Some(request) = self.selected().and_then(|it| it.request(ctx.store)) {
            ctx.store.cancel(request, ctx.out);
        }
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
}

impl Component for State {
    type Action = Action;

    fn can(&self, action: Action, ctx: ViewContext<'_>) -> bool {
        let selected = self.selected();
        let can = match action {
            Action::Authenticate => ctx.store.games().next().is_some(),
            Action::RefreshItems => {
                selected.is_some_and(|known| known.request(ctx.store).is_none())
            }
            Action::CopyPlayer | Action::ForgetPlayer => selected.is_some(),
        };
        can && ctx.store.is_ready()
    }

    fn command(&self, ctx: ViewContext<'_>) -> Option<String> {
        let known = self.selected()?;
        let (account, player) = (known.account.as_str(), known.id.to_string());
        Some(ctx.own_command(["player", "items", "--account", account, &player]))
    }

    fn why_not(&self, action: Action, _ctx: ViewContext<'_>) -> Option<&'static str> {
        let is_loading = action == Action::RefreshItems && self.selected().is_some();
        is_loading.then_some("a request is in progress")
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        if !ctx.is_ready() {
            return;
        }
        match action {
            Action::Authenticate => self.open_form(ctx),
            Action::RefreshItems => self.refresh(ctx),
            Action::ForgetPlayer => self.remove_selected(ctx),
            Action::CopyPlayer => {
                if let Some(known) = self.selected() {
                    ctx.copy(Secret::new(known.id.to_string()), "the player's number");
                }
            }
        }
    }

    /// Moves among the players; page keys scroll the inventory, and so does the wheel over it.
    fn step(&mut self, step: Step, ctx: &mut UpdateContext<'_>) {
        let is_page = matches!(step, Step::PageUp | Step::PageDown);
        if std::mem::take(&mut self.is_over_items) || is_page {
            if let Some(player) = self.selected() {
                let rows = view::item_rows(player, view::parts(ctx.area).items);
                self.scroll = step.scroll(self.scroll, player.len(), rows);
            }
            return;
        }
        let before = self.list.selected;
        self.list.go(step);
        if before != self.list.selected {
            self.scroll = 0;
        }
    }

    fn point(&mut self, at: Position, is_click: bool, ctx: &mut UpdateContext<'_>) {
        self.is_over_items = !is_click && view::parts(ctx.area).items.contains(at);
    }

    fn pick(&mut self, row: usize, _ctx: &mut UpdateContext<'_>) {
        self.list.selected = row;
        self.scroll = 0;
    }

    fn fit(&mut self, ctx: &mut UpdateContext<'_>) {
        let height = view::parts(ctx.area).list.height;
        self.list.fit(self.players.len(), height);
    }

    fn on_event(&mut self, event: Event<'_>, ctx: &mut UpdateContext<'_>) {
        match event {
            Event::Message(Msg::AccountChanged(..), _) | Event::Reopened => {
                let is_there =
                    |player: &PlayerState| ctx.store.can(&player.account, Ability::Players);
                self.players.retain(is_there);
            }
            Event::Message(Msg::Player(account, claim), _)
                if ctx.store.known(account).is_some() =>
            {
                self.named(account, claim);
            }
            Event::Message(
                Msg::PlayerItems(LoadedInventory {
                    account,
                    player,
                    result,
                }),
                _,
            ) if ctx.store.known(account).is_some() => {
                self.player_mut(account, *player).items(result, ctx);
            }
            Event::Message(Msg::Answered(_, result), Some(asked)) => {
                let account = &asked.account;
                match (&asked.purpose, result) {
                    (Purpose::Items(id), Answer::Inventory(result))
                        if ctx.store.known(account).is_some() =>
                    {
                        self.player_mut(account, *id).items(result, ctx);
                    }
                    // A lost connection proves nothing about the player.
                    (_, Answer::Player(Err(problem))) if problem.kind != ProblemKind::Refused => {}
                    (Purpose::Authenticate(id), Answer::Player(result)) => {
                        let player = self.player_mut(account, *id);
                        player.authenticated(result.as_ref(), ctx.now.wall);
                    }
                    _ => {}
                }
            }
            Event::Message(..) | Event::Cancelled { .. } => {}
        }
    }

    fn on_intent(&mut self, intent: Intent, ctx: &mut UpdateContext<'_>) {
        match intent {
            Intent::ShowPlayer(account, player) => self.select(&account, player),
            Intent::LoadPlayer(account, player) => {
                self.select(&account, player);
                self.refresh(ctx);
            }
            _ => {}
        }
    }

    fn cancel(&mut self, ctx: &mut UpdateContext<'_>) -> bool {
        let selected = self.selected();
        let request = selected.and_then(|player| player.request(ctx.store));
        ctx.console.extend(request.map(Command::Cancel));
        request.is_some()
    }

    fn note(&self, ctx: ViewContext<'_>, _room: u16) -> Option<Line<'static>> {
        let known = self.players.len();
        let style = ctx.theme.style(Tone::Dim);
        (known > 0).then(|| Line::styled(format!("{known} known"), style))
    }

    fn view(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
        self.draw(ctx, area, buf);
        None
    }
}

impl PlayerState {
    /// The request that loads its inventory.
    fn request(&self, store: &Store) -> Option<RequestId> {
        store.request_for(&self.account, &Purpose::Items(self.id))
    }

    /// Its errors: that of its token, and that of the last request.
    fn problems(&self) -> impl Iterator<Item = &Problem> {
        let refusal = match &self.proof {
            Proof::Refused(problem) => Some(problem),
            Proof::None | Proof::Proved(_) => None,
        };
        refusal.into_iter().chain(&self.last_error)
    }

    fn len(&self) -> usize {
        self.inventory
            .as_ref()
            .map_or(0, |(inventory, _)| inventory.items.len())
    }

    /// The provider's verdict on a token.
    pub fn authenticated(&mut self, result: Result<&Player, &Problem>, at: WallTime) {
        match result {
            Ok(player) => {
                self.name = inert::cut(&player.username, NAME_MAX);
                self.proof = Proof::Proved(at);
                self.last_error = None;
            }
            // An earlier token proved who the player is; that this one fails does not undo it.
            Err(problem) if matches!(self.proof, Proof::Proved(_)) => {
                self.last_error = Some(problem.clone());
            }
            Err(problem) => self.proof = Proof::Refused(problem.clone()),
        }
    }

    /// The inventory, after [`State::refresh`] or a callback. A notice shows what changed.
    fn items(&mut self, result: &Result<Inventory, Problem>, ctx: &mut UpdateContext<'_>) {
        let inventory = match result {
            Ok(inventory) => inventory.clone(),
            Err(problem) => {
                self.last_error = Some(problem.clone());
                return;
            }
        };
        self.last_error = None;
        let before = self.inventory.as_ref().map(|(before, _)| before);
        let changed = before.map(|before| changes::changes(&before.items, &inventory.items));
        self.inventory = Some((inventory, ctx.now.wall));
        let Some(changed) = changed.filter(|changed| !changed.is_empty()) else {
            return;
        };
        self.changed = Some((changed.clone(), ctx.now.wall));
        let notice = Notice {
            level: Level::Info,
            about: format!("player {} {}", self.account, self.id),
            text: format!("{}: {changed}", self.display_name()),
        };
        ctx.store.notice(notice, ctx.now);
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
