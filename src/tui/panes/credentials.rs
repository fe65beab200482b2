//! The accounts: environment, source of the secret, and whether the credentials are valid.

use ratatui::text::Line;

use crate::domain::manage::{Changed, GuideTopic, ProviderSetup};
use crate::domain::{
    Ability, Account, AccountId, Answer, CredentialStatus, Environment, RequestId,
};
use crate::tui::msg::Notice;
use crate::tui::overlays::{account_add, arm, guide, remove, rotate};
use crate::tui::pane::Pane;
use crate::tui::panes::parts::{draw_lines, line_rows};
use crate::tui::prelude::*;
use crate::tui::store::Purpose;
use crate::tui::widgets::text::without_account;
use crate::tui::widgets::widths::Widths;

keys! {
    Action:
    CREDENTIALS "Credentials" keys [NAV, COLUMNS, GLOBAL] {
        Verify "verify" ["v" "enter"] "verify" "verify the selected credentials";
        VerifyAll "verify-all" ["V"] "verify all" "verify every account";
        Arm "arm" ["A"] "arm" "allow write calls, or disarm";
        AddAccount "add-account" ["a"] "add" "add and verify an account";
        RotateSecret "rotate-secret" ["R"] "new secret" "replace the account's secret";
        RemoveAccount "remove-account" ["d"] "remove" "remove the account from the config";
        Guide "guide" ["i"] "guide" "show how to get credentials";
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    pub list: List,
    widths: Widths,
}

impl State {
    pub fn selected<'a>(&self, store: &'a Store) -> Option<&'a AccountState> {
        store.accounts.get(self.list.selected)
    }

    fn selected_account(&self, store: &Store) -> Option<Account> {
        Some(self.selected(store)?.account.clone())
    }

    /// Whether the secret of the selected account can be replaced: always at a provider, and in the built-in simulator
    /// where it plays that.
    fn can_rotate(&self, store: &Store) -> bool {
        let selected = self.selected(store);
        selected.is_some_and(|known| {
            let simulated = known.account.environment == Environment::Embedded;
            let setup = setup_of(&known.account, store);
            setup.is_some_and(|setup| setup.simulates_rotation || !simulated)
        })
    }

    fn open_rotation(&self, ctx: &mut UpdateContext<'_>) {
        let Some(account) = self.selected_account(ctx.store) else {
            return;
        };
        if !self.can_rotate(ctx.store) {
            let text = format!(
                "{} has a fixed secret: it is an account of the built-in simulator",
                account.id
            );
            ctx.flash(Level::Info, text);
            return;
        }
        let setup = setup_of(&account, ctx.store).cloned();
        if let Some(setup) = setup {
            ctx.open(rotate::State::of(account, &setup));
        }
    }

    fn open_removal(&self, ctx: &mut UpdateContext<'_>) {
        let Some(account) = self.selected_account(ctx.store) else {
            return;
        };
        let setup = setup_of(&account, ctx.store);
        let guide = setup.and_then(|setup| setup.guide_about(GuideTopic::Deletion));
        let guide = guide.map(|_| Action::Guide.into());
        remove::open(account, guide, ctx);
    }

    /// Shows the result of a change of the accounts.
    fn changed(&mut self, changed: &Changed, ctx: &mut UpdateContext<'_>) {
        let (id, is_complete, text) = match changed.clone() {
            Changed::Added {
                account,
                unverified,
                saved_in,
                proved,
            } => {
                let id = account.id.clone();
                let verdict = unverified.as_ref().map_or(Ok(()), Err);
                let status = CredentialStatus::after(verdict, ctx.now.wall);
                ctx.store.adopt(account, status);
                ctx.intend(Intent::ShowAccount(id.clone()));
                let is_valid = unverified.is_none();
                let places = saved_in.iter().map(|(key, place)| {
                    let only = is_valid && !proved.contains(key);
                    let how = if only { ", not verified" } else { "" };
                    format!("{key} in {place}{how}")
                });
                let places = places.collect::<Vec<_>>().join(", ");
                let is = if is_valid {
                    "valid and saved"
                } else {
                    "saved unverified"
                };
                let text = format!("{id} is {is}: {places}");
                (id, is_valid, text)
            }
            Changed::Rotated {
                account,
                verified,
                saved_in,
                todo,
            } => {
                let id = account.id.clone();
                let (status, is) = if verified {
                    let at = ctx.now.wall;
                    (CredentialStatus::after(Ok(()), at), "valid and in use")
                } else {
                    // The old secret's status stays until the new one was used.
                    let known = ctx.store.known(&id);
                    let status = known.map(|k| k.status.clone()).unwrap_or_default();
                    (status, "in use, not verified")
                };
                ctx.store.adopt(account, status);
                let place = match (&saved_in, todo.is_empty()) {
                    (Some(place), _) => format!(", in {place}"),
                    (None, false) if verified => " in this console".to_owned(),
                    (None, false) => ", in this console".to_owned(),
                    (None, true) => ", and the account's source already has it".to_owned(),
                };
                let text = format!("{id}: the new secret is {is}{place}{}", rest(&todo));
                (id, verified && todo.is_empty(), text)
            }
            Changed::Removed { account, left } => {
                let last = ctx.store.accounts.len().saturating_sub(1);
                self.list.selected = self.list.selected.min(last);
                let text = format!("{account} is removed{}", rest(&left));
                (account, left.is_empty(), text)
            }
        };
        let level = if is_complete {
            Level::Info
        } else {
            Level::Warning
        };
        let about = format!("account {id}");
        ctx.store.notice(Notice { level, about, text }, ctx.now);
    }
}

/// What is left to do, after a sentence.
fn rest(todo: &str) -> String {
    if todo.is_empty() {
        String::new()
    } else {
        format!("; {todo}")
    }
}

fn setup_of<'a>(account: &Account, store: &'a Store) -> Option<&'a ProviderSetup> {
    let mut setups = store.setups.iter();
    setups.find(|setup| setup.provider == account.provider)
}

/// The request that verifies its credentials.
fn verification(known: &AccountState, store: &Store) -> Option<RequestId> {
    store.request_for(known.id(), &Purpose::Verify)
}

/// Opens the form for a new account. From the built-in profile it goes to a profile of the config file; among several,
/// the operator chooses one first.
fn open_form(ctx: &mut UpdateContext<'_>) {
    let store = &ctx.store;
    if store.setups.is_empty() {
        return;
    }
    let own = store.profiles.iter().filter(|profile| !profile.built_in);
    let names: Vec<&str> = own.clone().map(|profile| profile.name.as_str()).collect();
    let has_default = own.clone().any(|profile| profile.is_default);
    if !store.may_manage && !has_default && names.len() > 1 {
        let text = format!(
            "choose the profile of the new account first: {} switches to {}",
            ctx.view().key(ConsoleAction::Profiles),
            names.join(" or ")
        );
        ctx.flash(Level::Info, text);
        return;
    }
    ctx.open(account_add::State::of(ctx.store));
}

/// Whether the profile's accounts can be changed. If not, a notice shows why.
fn may_manage(ctx: &mut UpdateContext<'_>) -> bool {
    if !ctx.store.may_manage {
        ctx.flash(
            Level::Info,
            format!(
                "the accounts of the built-in simulator are fixed; {} adds your own",
                ctx.view().key(Action::AddAccount)
            ),
        );
    }
    ctx.store.may_manage
}

/// Arms a live account for write calls, after the operator typed its name, or disarms it.
pub fn toggle_arming(account: &AccountId, ctx: &mut UpdateContext<'_>) {
    let known = ctx.store.known_mut(account);
    if let Some(armed) = known.filter(|known| known.armed(ctx.now).is_some()) {
        armed.disarm();
        ctx.flash(Level::Info, format!("{account} is disarmed"));
    } else {
        arm(account, ctx);
    }
}

/// Opens the form that arms a live account.
pub fn arm(account: &AccountId, ctx: &mut UpdateContext<'_>) {
    match ctx.store.known(account) {
        None => ctx.flash(Level::Warning, format!("no such account: {account}")),
        Some(known) if known.is_live() => ctx.open(arm::State::of(account.clone())),
        Some(_) => {
            let text = format!("{account} is not a live account: write calls are always allowed");
            ctx.flash(Level::Info, text);
        }
    }
}

impl Component for State {
    type Action = Action;

    fn can(&self, action: Action, ctx: ViewContext<'_>) -> bool {
        let store = ctx.store;
        let selected = self.selected(store);
        // The guide needs no started runtime.
        let can = match action {
            Action::Guide => return true,
            Action::Verify => selected.is_some(),
            Action::RotateSecret => self.can_rotate(store),
            Action::VerifyAll => store.accounts.len() > 1,
            Action::Arm => selected.is_some_and(AccountState::is_live),
            Action::AddAccount => !store.setups.is_empty(),
            Action::RemoveAccount => store.may_manage && selected.is_some(),
        };
        can && store.is_ready()
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        if action != Action::Guide && !ctx.is_ready() {
            return;
        }
        match action {
            Action::Guide => {
                let selected = self.selected(ctx.store);
                let provider = selected.map(|known| known.account.provider);
                ctx.open(guide::State::new(&ctx.store.setups, provider));
            }
            Action::Verify => {
                if let Some(account) = self.selected_account(ctx.store) {
                    ctx.store.verify(&account.id, ctx.out);
                }
            }
            Action::VerifyAll => {
                let all: Vec<_> = ctx.store.accounts.iter().map(|k| k.id().clone()).collect();
                for account in all {
                    ctx.store.verify(&account, ctx.out);
                }
            }
            Action::Arm => {
                if let Some(account) = self.selected_account(ctx.store) {
                    toggle_arming(&account.id, ctx);
                }
            }
            Action::AddAccount => open_form(ctx),
            Action::RotateSecret => self.open_rotation(ctx),
            Action::RemoveAccount => {
                if may_manage(ctx) {
                    self.open_removal(ctx);
                }
            }
        }
    }

    fn word(&self, action: Action, ctx: ViewContext<'_>) -> Option<&'static str> {
        let known = self.selected(ctx.store)?;
        (action == Action::Arm && known.armed(ctx.now).is_some()).then_some("disarm")
    }

    fn command(&self, ctx: ViewContext<'_>) -> Option<String> {
        let account = self.selected(ctx.store)?.id();
        Some(ctx.own_command(["account", "verify", account.as_str()]))
    }

    fn selected_name(&self, store: &Store) -> Option<String> {
        // The first is selected at every start.
        let known = self.selected(store).filter(|_| self.list.selected > 0)?;
        Some(known.id().to_string())
    }

    fn select_name(&mut self, name: &str, store: &mut Store) -> bool {
        let at = store
            .accounts
            .iter()
            .position(|known| known.id().as_str() == name);
        self.list.selected = at.unwrap_or(self.list.selected);
        at.is_some()
    }

    fn widths(&mut self) -> Option<&mut Widths> {
        Some(&mut self.widths)
    }

    fn list(&mut self) -> Option<&mut List> {
        Some(&mut self.list)
    }

    fn fit(&mut self, ctx: &mut UpdateContext<'_>) {
        let len = ctx.store.accounts.len();
        self.list.fit(len, list_area(ctx.area, len).height);
    }

    fn on_event(&mut self, event: Event<'_>, ctx: &mut UpdateContext<'_>) {
        match event {
            Event::Message(Msg::Ready(ready), _) => {
                for account in &ready.verify {
                    ctx.store.verify(account, ctx.out);
                }
            }
            Event::Message(Msg::Answered(_, Answer::Verified(result)), Some(asked)) => {
                let outcome = result.as_ref().map(drop);
                ctx.store.judge(&asked.account, outcome, ctx.now);
            }
            Event::Message(Msg::AccountChanged(_, Ok(changed)), _) => self.changed(changed, ctx),
            Event::Message(..) | Event::Cancelled { .. } | Event::Reopened => {}
        }
    }

    fn on_intent(&mut self, intent: Intent, ctx: &mut UpdateContext<'_>) {
        if let Intent::ShowAccount(account) = intent {
            let mut all = ctx.store.accounts.iter();
            let at = all.position(|known| *known.id() == account);
            self.list.selected = at.unwrap_or(self.list.selected);
        }
    }

    fn cancel(&mut self, ctx: &mut UpdateContext<'_>) -> bool {
        let selected = self.selected(ctx.store);
        let request = selected.and_then(|known| verification(known, ctx.store));
        ctx.console.extend(request.map(Command::Cancel));
        request.is_some()
    }

    fn detail_rows(&self, ctx: ViewContext<'_>, columns: u16) -> u16 {
        let known = self.selected(ctx.store);
        known.map_or(0, |known| line_rows(&describe(known, ctx), columns))
    }

    fn view(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let accounts = &ctx.store.accounts;
        if accounts.is_empty() {
            paragraph(
                buf,
                area,
                &format!(
                    "This profile has no accounts. {} adds one; {} explains how to get one.",
                    ctx.key(Action::AddAccount),
                    ctx.key(Action::Guide)
                ),
                ctx.theme.style(Tone::Dim),
            );
            return None;
        }
        let list = list_area(area, accounts.len());
        let columns = self.widths.apply(columns(list.width, ctx));
        let grid = Grid::new(
            columns,
            &accounts.iter().collect::<Vec<_>>(),
            self.list,
            list,
        );
        let marks = accounts.len() > 1;
        grid.draw(ctx, marks, buf);
        if let Some(known) = self.selected(ctx.store) {
            draw_lines(&describe(known, ctx), ctx, below(area, list.height), buf);
        }
        None
    }
}

/// The rows of the list: all accounts where they fit, else with a line left for the selected one's detail.
pub fn list_area(area: Rect, accounts: usize) -> Rect {
    let accounts = cells(accounts);
    let rows = if accounts <= area.height {
        accounts
    } else {
        area.height.saturating_sub(1).max(1)
    };
    split_rows(area, rows)[0]
}

/// From this width on, every row shows the host and where the secret comes from.
const ROOMY: u16 = 90;

fn columns(total: u16, ctx: ViewContext<'_>) -> Vec<Column<'_, AccountState>> {
    let dim = ctx.theme.style(Tone::Dim);
    let roomy = total >= ROOMY;
    // Of all accounts, so that nothing moves while the list scrolls.
    let names = widest(ctx.store.accounts.iter().map(|it| it.id().as_str()));
    let status_width = if roomy {
        Width::Fit(0, 40)
    } else {
        Width::REST
    };
    vec![
        Column::new("", Width::Exact(1), move |it, _| {
            let (glyph, _, tone) = status(it, ctx);
            Line::styled(glyph, ctx.theme.bold(tone))
        }),
        // The longest status has room, beside a long name also with its age.
        Column::new("account", Width::Exact(names), |it: &AccountState, _| {
            it.id().as_str().into()
        })
        .id()
        .shrinks(if names > 12 { 15 } else { 11 }),
        Column::new("", Width::Exact(6), move |it: &AccountState, _| {
            let (word, tone) = badge(it.account.environment);
            Line::styled(format!(" {word} "), ctx.theme.badge(tone))
        }),
        Column::new("status", status_width, move |it, room| {
            let (_, status, tone) = status(it, ctx);
            // In a narrow pane the status word is worth more than "ago".
            let status = if width(&status) > room {
                status.replace(" just now", " now").replace(" ago", "")
            } else {
                status
            };
            Line::styled(status, ctx.theme.style(tone))
        }),
        Column::new("place", Width::Fit(0, 48), move |it: &AccountState, _| {
            Line::styled(place(&it.account), dim)
        })
        .when(roomy),
        Column::new("secret", Width::REST, move |it: &AccountState, _| {
            Line::styled(secret(&it.account), dim)
        })
        .when(roomy),
    ]
}

/// The details of an account, the most important first.
fn describe(known: &AccountState, ctx: ViewContext<'_>) -> Vec<(String, Tone)> {
    let account = &known.account;
    let mut out = Vec::new();
    if let Some(wait) = ctx.waiting(verification(known, ctx.store)) {
        let key = ctx.key(ConsoleAction::Escape);
        out.push((format!("waiting: {wait}; {key} cancels"), Tone::Busy));
    }
    if let Some(why) = &known.status.why {
        let why = without_account(why, known.id().as_str());
        out.push((why.to_owned(), known.status.state.tone()));
    }
    if let Some(left) = known.armed(ctx.now) {
        let minutes = left.as_secs().div_ceil(60);
        let text = format!("ARMED for {minutes} min: write calls are allowed");
        out.push((text, Tone::Live));
    }
    let lines = [place(account), secret(account)].into_iter();
    let lines = lines.filter(|text| !text.is_empty());
    out.extend(lines.map(|text| (text, Tone::Dim)));
    out
}

/// The provider and its host.
fn place(account: &Account) -> String {
    if account.environment == Environment::Embedded {
        format!("{}, built-in simulator", account.provider_title)
    } else {
        format!("{} at {}", account.provider_title, account.host)
    }
}

/// Where the secret comes from; empty for a simulator.
fn secret(account: &Account) -> String {
    if account.environment == Environment::Embedded {
        String::new()
    } else {
        format!("secret: {}", account.secret_source)
    }
}

fn status(known: &AccountState, ctx: ViewContext<'_>) -> (&'static str, String, Tone) {
    let request = verification(known, ctx.store);
    if request.is_some() {
        // The details say what it waits for: a row has no room for the reason.
        let word = match ctx.store.wait_of(request) {
            Some(_) => "waiting",
            None => "verifying",
        };
        return ("◌", word.into(), Tone::Busy);
    }
    let CredentialStatus { state, at, .. } = &known.status;
    let glyph = match state.tone() {
        Tone::Good => "✔",
        Tone::Bad => "✘",
        Tone::Warn => "!",
        _ => "○",
    };
    let when = at.map_or_else(String::new, |at| format!(" {}", ctx.ago(at)));
    (glyph, format!("{}{when}", state.shown()), state.tone())
}

/// What the empty pane of an ability says in a profile without an account for it.
pub fn none_can(ability: Ability, ctx: ViewContext<'_>) -> (String, String) {
    (
        format!("This profile has no account for {}.", ability.noun()),
        format!(
            "{} in {} shows how to get one.",
            ctx.key(Action::Guide),
            Pane::Credentials.name()
        ),
    )
}
