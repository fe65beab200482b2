//! What a pane and a window have in common: keys, events, drawing. Each is one [`Component`]; the console routes to them
//! without knowing them, but for the payment timeline, of which one is open for each payment.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

use super::hits::{Hit, Hits, Shown, Target};
use super::intent::Intent;
use super::keys::{Action, Keymap, Keys, Scope};
use super::msg::{Level, Msg};
use super::store::{InFlight, Store};
use super::theme::Theme;
use super::widgets::filter::Filter;
use super::widgets::input::Paste;
use super::widgets::list::{List, Step};
use super::widgets::widths::Widths;
use super::{Effect, ages};
use crate::domain::{
    AccountId, Now, PaymentId, Problem, RequestId, Secret, ThemeChoice, WallTime, curl,
};

/// What a component reads to draw itself, besides its own state.
#[derive(Clone, Copy)]
pub struct ViewContext<'a> {
    pub store: &'a Store,
    pub theme: &'a Theme,
    pub keymap: &'a Keymap,
    pub now: Now,
    pub focused: bool,
    /// Reduced motion: clock times instead of countdowns.
    pub reduced_motion: bool,
    /// Where it is noted what a click does and when it changes; `None` where nothing is drawn.
    pub hits: Option<&'a Hits>,
}

impl ViewContext<'_> {
    /// The first key of an action, as in "press v".
    pub fn key(&self, action: impl Into<Action>) -> String {
        self.keymap.first(action)
    }

    /// Notes that what is drawn changes by itself after this time.
    pub fn changes_in(&self, left: Duration) {
        if let Some(hits) = self.hits {
            let least = hits.changes.get().map_or(left, |before| before.min(left));
            hits.changes.set(Some(least));
        }
    }

    /// Notes that what is drawn counts seconds. With reduced motion, it has a clock time in their place.
    pub fn ticks(&self) {
        if !self.reduced_motion {
            self.changes_in(ages::tick(self.now));
        }
    }

    /// `now`, `<1m`, `2m`.
    pub fn age(&self, at: WallTime) -> String {
        self.changes_in(ages::age_changes_in(at, self.now));
        ages::age(at, self.now)
    }

    /// `just now`, `<1m ago`, `2m ago`.
    pub fn ago(&self, at: WallTime) -> String {
        match self.age(at).as_str() {
            "now" => "just now".into(),
            age => format!("{age} ago"),
        }
    }

    /// A clock time for today, `14:03:59`; for any other day with the date, `11-29 14:03`.
    pub fn clock_and_date(&self, at: WallTime) -> String {
        let clock = at.clock(&self.store.zone);
        match self.clock_or_date(at, true) {
            today if today == clock => today,
            date => format!("{date} {}", clock.get(..5).unwrap_or_default()),
        }
    }

    /// A clock time for today, with seconds where they are wanted; a date for any other day.
    pub fn clock_or_date(&self, at: WallTime, seconds: bool) -> String {
        let at = at.date_and_clock(&self.store.zone);
        let today = self.now.wall.date_and_clock(&self.store.zone);
        let part = match (at.get(..10) == today.get(..10), seconds) {
            (true, true) => 11..19,
            (true, false) => 11..16,
            (false, _) => 5..10,
        };
        at.get(part).unwrap_or(&at).to_owned()
    }

    /// Time until a monotonic instant: `4s`, `59m`, or the clock time with reduced motion.
    pub fn until(&self, due: Duration) -> String {
        let left = due.saturating_sub(self.now.mono);
        if self.reduced_motion {
            return self.now.wall.plus(left).clock(&self.store.zone);
        }
        let seconds = left.as_secs();
        // A frame a minute is enough until the last two.
        if seconds >= 120 {
            self.changes_in(Duration::from_secs(seconds % 60 + 1));
            return format!("{}m", seconds / 60);
        }
        if !left.is_zero() {
            self.ticks();
        }
        format!("{}s", left.as_millis().div_ceil(1000))
    }

    /// Time that is left: `4:07`, or the clock time of its end with reduced motion.
    pub fn countdown(&self, left: Duration) -> String {
        if self.reduced_motion {
            return self.now.wall.plus(left).clock(&self.store.zone);
        }
        self.ticks();
        ages::countdown(left)
    }

    /// Why a request waits, and when it goes on: `rate limit reached (429); retries in 4s`.
    pub fn waiting(&self, request: Option<RequestId>) -> Option<String> {
        let wait = self.store.wait_of(request)?;
        Some(match wait.until {
            Some(until) => format!("{}; retries {}", wait.why, self.in_or_at(until)),
            None => wait.why.clone(),
        })
    }

    /// `in 4s`, or `at 02:54:26` with reduced motion.
    pub fn in_or_at(&self, due: Duration) -> String {
        let preposition = if self.reduced_motion { "at" } else { "in" };
        format!("{preposition} {}", self.until(due))
    }

    /// A tilldeck command for this profile.
    pub fn own_command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> String {
        curl::own(&self.store.profile, arguments)
    }

    /// Notes what a click does in an area that is being drawn.
    pub fn note(&self, area: Rect, hit: Hit) {
        if let Some(hits) = self.hits {
            hits.targets.borrow_mut().push(Target { area, hit });
        }
    }

    pub fn note_columns(&self, columns: impl Iterator<Item = Shown>) {
        if let Some(hits) = self.hits.filter(|_| self.focused) {
            hits.columns.borrow_mut().extend(columns);
        }
    }

    /// Notes the rows of a list, one below another from the top of its area.
    pub fn note_rows(&self, area: Rect, rows: Range<usize>) {
        for (line, row) in area.rows().zip(rows) {
            self.note(line, Hit::Row(row));
        }
    }
}

/// What a component may change besides its own state: the store, the effects to carry out, and the console.
pub struct UpdateContext<'a> {
    pub store: &'a mut Store,
    pub out: &'a mut Vec<Effect>,
    pub console: &'a mut Vec<Command>,
    pub theme: &'a Theme,
    pub keymap: &'a Keymap,
    pub now: Now,
    /// Where the component is drawn: the inside of a pane's frame, or the screen above the footer for a window.
    pub area: Rect,
    /// Whether the component has the keys: it is the top window or, without one, the focused pane.
    pub is_top: bool,
    /// The place of the window that acts, in the stack of windows.
    pub place: usize,
    /// Reduced motion.
    pub reduced_motion: bool,
}

impl UpdateContext<'_> {
    /// Saves a theme for the next start. While a recording is open, nothing is saved.
    pub fn save_theme(&mut self, theme: ThemeChoice) {
        if self.store.recording.is_none() {
            self.out.push(Effect::SaveTheme(theme));
        }
    }

    /// The context to lay out a text.
    pub fn view(&self) -> ViewContext<'_> {
        ViewContext {
            store: self.store,
            theme: self.theme,
            keymap: self.keymap,
            now: self.now,
            focused: false,
            reduced_motion: self.reduced_motion,
            hits: None,
        }
    }

    /// Opens a window over everything else.
    pub fn open(&mut self, window: impl AnyComponent) {
        self.console.push(Command::Open(Box::new(window)));
    }

    pub fn open_timeline(&mut self, account: AccountId, payment: PaymentId) {
        self.console.push(Command::Timeline(account, payment));
    }

    /// Closes the window that acts.
    pub fn close(&mut self) {
        self.console.push(Command::Close(self.place));
    }

    /// Closes all windows, focuses the pane of the intent, and has it done there.
    pub fn intend(&mut self, intent: Intent) {
        self.console.push(Command::Do(intent));
    }

    pub fn copy(&mut self, text: Secret, what: impl Into<Cow<'static, str>>) {
        let what = what.into();
        self.out.push(Effect::Copy { text, what });
    }

    /// Copies a body, or as much of it as was stored.
    pub fn copy_body(&mut self, text: impl Into<String>, is_cut: bool) {
        let what = if is_cut {
            "the first part of the body"
        } else {
            "the body"
        };
        self.copy(Secret::new(text), what);
    }

    pub fn flash(&mut self, level: Level, text: impl Into<String>) {
        self.store.flash(level, text);
    }

    /// What was loaded to open a window, unless the operator works elsewhere by now; a failure is shown.
    pub fn loaded<'r, T>(&mut self, result: &'r Result<T, Problem>) -> Option<&'r T> {
        if let Err(problem) = result {
            self.flash(Level::Error, problem.describe());
        }
        result.as_ref().ok().filter(|_| self.is_top)
    }

    /// Whether effects are carried out already; if not, a notice says so.
    pub fn is_ready(&mut self) -> bool {
        if !self.store.is_ready() {
            let text = "still starting; try again in a moment";
            self.store.flash(Level::Info, text);
        }
        self.store.is_ready()
    }
}

/// What a component asks of the console.
#[derive(Debug, Clone)]
pub enum Command {
    Open(Box<DynComponent>),
    Timeline(AccountId, PaymentId),
    /// Closes the window at this place of the stack, and those above it.
    Close(usize),
    /// Closes all windows, focuses a pane, and hands it the intent.
    Do(Intent),
    /// Does what a key would do, in the pane that declares it.
    Act(Action),
    Cancel(RequestId),
    Theme(ThemeChoice),
    Profile(String),
}

/// Passed to every component after the store has applied it.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A message from outside, with the console's request that it answers. The response to a cancelled request is no event.
    Message(&'a Msg, Option<&'a InFlight>),
    /// The operator cancelled a request of the console. It may have been sent, unless it `waited` for a slot.
    Cancelled {
        request: RequestId,
        asked: &'a InFlight,
        waited: bool,
    },
    /// The profile was opened again: earlier requests get no response, and accounts may be missing.
    Reopened,
}

/// A pane or a window. The console holds any of them as a [`DynComponent`].
pub trait Component: Any + fmt::Debug + Send {
    /// What its keys do.
    type Action: Keys
    where
        Self: Sized;

    /// The innermost scope whose keys work now.
    fn scope(&self) -> &'static Scope
    where
        Self: Sized,
    {
        Self::Action::SCOPE
    }

    /// Whether an action is available now. Footer and palette omit the others; the key itself says why not.
    fn can(&self, _action: Self::Action, _ctx: ViewContext<'_>) -> bool
    where
        Self: Sized,
    {
        true
    }

    /// Does it. Where it cannot and does nothing, the console says why, as the action's declaration has it.
    fn act(&mut self, action: Self::Action, ctx: &mut UpdateContext<'_>)
    where
        Self: Sized;

    /// Why an action is not available, where that depends on the selection or on the store.
    fn why_not(&self, _action: Self::Action, _ctx: ViewContext<'_>) -> Option<&'static str>
    where
        Self: Sized,
    {
        None
    }

    /// The footer's word for an action, where it depends on the selection.
    fn word(&self, _action: Self::Action, _ctx: ViewContext<'_>) -> Option<&'static str>
    where
        Self: Sized,
    {
        None
    }

    /// The list that steps and clicks move in.
    fn list(&mut self) -> Option<&mut List> {
        None
    }

    /// The widths of the columns of its list.
    fn widths(&mut self) -> Option<&mut Widths> {
        None
    }

    /// The filter of its list or the search in its text, which takes the keys while it is typed.
    fn filter(&mut self) -> Option<&mut Filter> {
        None
    }

    /// Goes to the next or the previous match of the search in its text.
    fn next_match(&mut self, _forward: bool) {}

    /// Opens the details of the row below or above the one whose details it shows.
    fn open_beside(&mut self, _below: bool, _ctx: &mut UpdateContext<'_>) {}

    /// Moves the selection or scrolls.
    fn step(&mut self, step: Step, _ctx: &mut UpdateContext<'_>) {
        if let Some(list) = self.list() {
            list.go(step);
        }
    }

    /// Handles a key that has no action, such as a letter in a text field; returns whether it took the key.
    fn key(&mut self, key: &KeyEvent, _ctx: &mut UpdateContext<'_>) -> bool {
        self.filter().is_some_and(|filter| filter.key(key))
    }

    fn paste(&mut self, text: &str, _ctx: &mut UpdateContext<'_>) -> Paste {
        let filter = self.filter();
        filter.map_or(Paste::Refused, |filter| filter.paste(text))
    }

    /// Handles a click, or the wheel over the component before it scrolls.
    fn point(&mut self, _at: Position, _is_click: bool, _ctx: &mut UpdateContext<'_>) {}

    /// Handles a click on a row or field that `view` noted, and the scroll bar, which picks a row.
    fn pick(&mut self, row: usize, _ctx: &mut UpdateContext<'_>) {
        if let Some(list) = self.list() {
            list.selected = row;
        }
    }

    /// Handles a click on a column's title: the keys resize this column from now on, and a list that can be sorted by it is.
    fn pick_column(&mut self, column: &'static str, _ctx: &mut UpdateContext<'_>) {
        if let Some(widths) = self.widths() {
            widths.pick(column);
        }
    }

    fn on_event(&mut self, _event: Event<'_>, _ctx: &mut UpdateContext<'_>) {}

    /// Does what another component wants of this pane.
    fn on_intent(&mut self, _intent: Intent, _ctx: &mut UpdateContext<'_>) {}

    /// Called after every update: fits scroll positions and texts to the area, which is empty for a hidden pane, and sends
    /// what is due.
    fn fit(&mut self, _ctx: &mut UpdateContext<'_>) {}

    /// The key that closes a window, or leaves a text field of a pane. Returns whether the window closes.
    fn close(&mut self, _ctx: &mut UpdateContext<'_>) -> bool {
        let filter = self.filter();
        filter.is_none_or(|filter| {
            let was_typed = filter.is_typed();
            filter.clear();
            !was_typed
        })
    }

    /// Esc in a pane: cancels what the selection waits for, or undoes marks or a filter. Returns whether there was any.
    fn cancel(&mut self, _ctx: &mut UpdateContext<'_>) -> bool {
        self.filter().is_some_and(Filter::clear)
    }

    /// The filter or the marks that [`Self::cancel`] undoes, as a word after the key.
    fn undoes(&self) -> Option<&'static str> {
        None
    }

    /// Esc in a pane with nothing to cancel: one step back. Returns whether there was one.
    fn back(&mut self, _ctx: &mut UpdateContext<'_>) -> bool {
        false
    }

    /// Whether it has something typed that would be lost with it.
    fn is_changed(&self) -> bool {
        false
    }

    /// The request that the component waits for and shows the result of.
    fn request(&self) -> Option<RequestId> {
        None
    }

    /// The tilldeck command that gives the same answer, as [`ViewContext::own_command`] writes it.
    fn command(&self, _ctx: ViewContext<'_>) -> Option<String> {
        None
    }

    /// The name of the row that the operator selected, for the next start.
    fn selected_name(&self, _store: &Store) -> Option<String> {
        None
    }

    /// Selects the row of this name; returns whether there is one.
    fn select_name(&mut self, _name: &str, _store: &mut Store) -> bool {
        false
    }

    /// The order of its rows, for the next start; `None` while it is the usual one.
    fn order(&self) -> Option<String> {
        None
    }

    /// Puts its rows in the order of this name, if there is one.
    fn set_order(&mut self, _name: &str) {}

    /// When it sends something by itself, also while it is hidden.
    fn due(&self) -> Option<Duration> {
        None
    }

    /// Rows that the details of the selection need in a pane of this many columns; the focused pane grows for them.
    fn detail_rows(&self, _ctx: ViewContext<'_>, _columns: u16) -> u16 {
        0
    }

    /// Whether a pane draws its own frames; the console draws those of the others.
    fn draws_frames(&self) -> bool {
        false
    }

    /// The note at the right of a pane's title, at most `room` columns.
    fn note(&self, _ctx: ViewContext<'_>, _room: u16) -> Option<Line<'static>> {
        None
    }

    /// Draws it; returns the cursor's position, if it has one.
    fn view(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) -> Option<Position>;
}

/// A [`Component`] with its actions as the key table names them, so that the console can hold any.
pub trait AnyComponent: Component {
    fn boxed(&self) -> Box<DynComponent>;
    /// The path of its type.
    #[cfg(test)]
    fn kind(&self) -> &'static str;
    fn scope_any(&self) -> &'static Scope;
    /// `None`: the action is another component's.
    fn can_any(&self, action: Action, ctx: ViewContext<'_>) -> Option<bool>;
    fn act_any(&mut self, action: Action, ctx: &mut UpdateContext<'_>);
    fn why_not_any(&self, action: Action, ctx: ViewContext<'_>) -> &'static str;
    fn word_any(&self, action: Action, ctx: ViewContext<'_>) -> Option<&'static str>;
}

/// A component of any kind, for the console.
pub type DynComponent = dyn AnyComponent;

impl Clone for Box<DynComponent> {
    fn clone(&self) -> Self {
        self.as_ref().boxed()
    }
}

impl<C: Component + Clone> AnyComponent for C {
    fn boxed(&self) -> Box<DynComponent> {
        Box::new(self.clone())
    }

    #[cfg(test)]
    fn kind(&self) -> &'static str {
        std::any::type_name::<C>()
    }

    fn scope_any(&self) -> &'static Scope {
        self.scope()
    }

    fn can_any(&self, action: Action, ctx: ViewContext<'_>) -> Option<bool> {
        C::Action::of(action).map(|action| self.can(action, ctx))
    }

    fn act_any(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        if let Some(action) = C::Action::of(action) {
            self.act(action, ctx);
        }
    }

    fn why_not_any(&self, action: Action, ctx: ViewContext<'_>) -> &'static str {
        C::Action::of(action).map_or("it works in another pane", |own| {
            self.why_not(own, ctx).unwrap_or(action.why_not())
        })
    }

    fn word_any(&self, action: Action, ctx: ViewContext<'_>) -> Option<&'static str> {
        self.word(C::Action::of(action)?, ctx)
    }
}
