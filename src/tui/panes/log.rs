//! A log: the rows that are loaded from the ledger, a filter, and a selection that follows the newest row. Requests and
//! callbacks are logs.

use std::fmt;
use std::sync::Arc;

use ratatui::text::Line;

use crate::domain::search::Found;
use crate::domain::{Problem, Search};
use crate::tui::LOAD;
use crate::tui::keys::NavAction;
use crate::tui::prelude::*;
use crate::tui::rows::{Numbered, Rows};
use crate::tui::widgets::filter::Filter;
use crate::tui::widgets::text::grouped;
use crate::tui::widgets::widths::Widths;

/// Rows in memory while the newest are followed.
const ROWS_MAX: usize = 500;
/// Rows in memory while the operator reads older ones.
const ROWS_READ_MAX: usize = 2000;

/// What a log shows.
pub trait LogRow: Numbered + Sized {
    /// What one row is called.
    const NOUN: &'static str;
    const IS_NEWEST_FIRST: bool;

    /// The search that the filter's text means.
    fn search(text: &str) -> Search;

    fn matches(&self, search: &Search) -> bool;

    /// The rows that no filter hides.
    fn rows(store: &mut Store) -> &mut Rows<Self>;

    fn loaded(store: &Store) -> &Rows<Self>;

    /// The query for [`LOAD`] rows older than `before`.
    fn load(before: Option<Self::Id>, search: Search) -> Effect;

    /// What is not in the log yet, oldest first: rows after the newest one, which cannot be selected.
    fn running(_store: &Store) -> Vec<&Self> {
        Vec::new()
    }

    /// Called for every row before it is added.
    fn arrives(self: &Arc<Self>, _store: &mut Store) {}
}

/// Whether the ledger was searched for the current filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InLedger {
    /// Not yet.
    Due,
    /// In this many saved rows.
    Searched(usize),
    Failed,
}

/// The selection and the filter of a log, whose rows are in the store.
#[derive(Debug, Clone)]
pub struct Log<T: LogRow> {
    pub list: List,
    pub widths: Widths,
    pub filter: Filter,
    /// The rows that match the filter, from memory and from the ledger.
    found: Rows<T>,
    /// The filter that they match.
    found_for: String,
    search: Search,
    ledger: InLedger,
    /// The oldest of the loaded rows that follow one another in the ledger. Those that changed since may be older, with gaps
    /// between.
    joined: Option<T::Id>,
    /// The oldest row that a search of the ledger has found. Loaded rows may be older, with gaps between.
    reached: Option<T::Id>,
    /// The number of rows that arrived while an older one is selected; `None` while the newest is followed.
    paused: Option<usize>,
    /// Whether the ledger has no older rows.
    is_exhausted: bool,
    /// The filter of the query that is in flight.
    loading: Option<String>,
}

impl<T: LogRow> Default for Log<T> {
    fn default() -> Self {
        Self {
            list: List::default(),
            widths: Widths::default(),
            filter: Filter::default(),
            found: Rows::default(),
            found_for: String::new(),
            search: Search::default(),
            ledger: InLedger::Due,
            joined: None,
            reached: None,
            paused: None,
            is_exhausted: false,
            loading: None,
        }
    }
}

impl<T: LogRow> Log<T> {
    /// The rows on the screen: those that match the filter, or all; the newest first.
    pub fn shown<'a>(&'a self, store: &'a Store) -> &'a Rows<T> {
        if self.found_for.is_empty() {
            T::loaded(store)
        } else {
            &self.found
        }
    }

    pub fn selected<'a>(&'a self, store: &'a Store) -> Option<&'a Arc<T>> {
        self.shown(store).get(self.age(store))
    }

    /// The number of rows that are newer than the selected one.
    fn age(&self, store: &Store) -> usize {
        place(self.list.selected, self.shown(store))
    }

    /// The row that is selected while the newest one is not followed, by its id.
    pub fn selected_name(&self, store: &Store) -> Option<String>
    where
        T::Id: fmt::Display,
    {
        self.paused?;
        self.selected(store).map(|row| row.id().to_string())
    }

    /// Selects a row by its id; returns whether it is shown.
    pub fn select_name(&mut self, name: &str, store: &mut Store) -> bool
    where
        T::Id: fmt::Display,
    {
        let rows = self.shown(store);
        let age = rows.iter().position(|row| row.id().to_string() == name);
        if let Some(age) = age {
            let at = place(age, rows);
            self.pick(at, store);
        }
        age.is_some()
    }

    /// The options of `tilldeck log` for the filter.
    pub fn options(&self) -> Vec<String> {
        T::search(self.filter.text()).options()
    }

    pub fn can_load(&self, store: &Store) -> bool {
        store.is_ready()
            && self.loading.is_none()
            && !self.is_exhausted
            && !T::loaded(store).is_empty()
            && self.shown(store).len() < ROWS_READ_MAX
    }

    /// Why no older rows can be loaded, besides that there are none.
    pub fn why_not_older(&self, store: &Store) -> Option<&'static str> {
        let is_full = self.shown(store).len() >= ROWS_READ_MAX && !self.is_exhausted;
        is_full.then_some(match self.found_for.as_str() {
            "" => "2,000 rows are loaded; filter to find older ones",
            _ => "2,000 rows are loaded; narrow the filter to find older ones",
        })
    }

    /// Forgets the rows and what it asked for: the ledger is opened anew. Filter and columns stay.
    pub fn reopen(&mut self) {
        *self = Self {
            filter: std::mem::take(&mut self.filter),
            widths: std::mem::take(&mut self.widths),
            ..Self::default()
        };
    }

    /// Adds rows that follow one another in the ledger. One that is loaded already is newer.
    pub fn add(&mut self, rows: &[Arc<T>], store: &mut Store) {
        self.joined = rows.last().map(|row| row.id()).or(self.joined);
        self.change(store, |log, store| {
            for row in rows {
                if T::loaded(store).known(row.id()).is_none() {
                    log.put(row, ROWS_READ_MAX, store);
                }
            }
        });
    }

    /// Adds rows that a search of the ledger has found. They are not all there is, so the loaded rows would have gaps.
    fn add_found(&mut self, rows: &[Arc<T>], store: &mut Store) {
        self.change(store, |log, _| {
            for row in rows {
                if log.found.known(row.id()).is_none() {
                    log.found.put(row.clone(), ROWS_READ_MAX);
                }
            }
        });
    }

    /// Adds a row that has just arrived, or a new version of one.
    pub fn push(&mut self, row: &Arc<T>, store: &mut Store) {
        let max = self.paused.map_or(ROWS_MAX, |_| ROWS_READ_MAX);
        let newer = self.age(store);
        if let InLedger::Searched(rows) = &mut self.ledger {
            *rows += usize::from(T::loaded(store).known(row.id()).is_none());
        }
        self.change(store, |log, store| {
            log.put(row, max, store);
            log.cut(max, store);
        });
        let arrived = self.age(store).saturating_sub(newer);
        self.paused = self.paused.map(|before| before + arrived);
    }

    fn put(&mut self, row: &Arc<T>, max: usize, store: &mut Store) {
        row.arrives(store);
        // A row that is shown stays, even if its new state does not match the filter any more.
        if self.finds(row) || self.found.known(row.id()).is_some() {
            self.found.put(row.clone(), max);
        }
        T::rows(store).put(row.clone(), max);
    }

    fn finds(&self, row: &T) -> bool {
        !self.found_for.is_empty() && row.matches(&self.search)
    }

    fn cut(&mut self, max: usize, store: &mut Store) {
        if T::rows(store).cut(max) | self.found.cut(max) {
            self.is_exhausted = false;
            self.joined = self.joined.max(T::loaded(store).back().map(|row| row.id()));
        }
    }

    /// Changes the rows. The same row stays selected, at the same place on the screen, unless the newest is followed.
    fn change(&mut self, store: &mut Store, change: impl FnOnce(&mut Self, &mut Store)) {
        let selected = self.selected(store).map(|row| row.id());
        let selected = selected.filter(|_| self.paused.is_some());
        change(self, store);
        let rows = self.shown(store);
        let age = selected.map_or(0, |id| rows.place_of(id).unwrap_or(rows.len()));
        self.list.move_to(place(age, rows));
    }

    /// Follows the newest row if it is selected, and drops the rows that were loaded beyond the limit.
    fn follow_or_pause(&mut self, store: &mut Store) {
        if self.age(store) > 0 {
            self.paused.get_or_insert(0);
            return;
        }
        self.paused = None;
        self.cut(ROWS_MAX, store);
        self.list.selected = place(0, self.shown(store));
    }

    /// Selects a row by its place on the screen.
    pub fn pick(&mut self, at: usize, store: &mut Store) {
        self.list.selected = at;
        self.follow_or_pause(store);
    }

    /// Selects a loaded row, and drops a filter that hides it.
    pub fn show(&mut self, id: T::Id, store: &mut Store) {
        if self.shown(store).place_of(id).is_none() {
            self.filter.clear();
            self.find(store);
        }
        if let Some(age) = self.shown(store).place_of(id) {
            self.pick(place(age, self.shown(store)), store);
        }
    }

    /// Selects the row below or above another, and returns it; the other one where there is none.
    pub fn select_beside(&mut self, row: &Arc<T>, below: bool, store: &mut Store) -> Arc<T> {
        let rows = self.shown(store);
        let at = rows.place_of(row.id()).map(|age| place(age, rows));
        let beside = at.and_then(|at| at.checked_add_signed(if below { 1 } else { -1 }));
        let Some(beside) = beside.filter(|at| *at < rows.len()) else {
            store.flash(
                Level::Info,
                format!("no {} is loaded and shown beyond this one", T::NOUN),
            );
            return row.clone();
        };
        self.pick(beside, store);
        self.selected(store).unwrap_or(row).clone()
    }

    /// Moves the selection. One more step beyond the oldest row loads older ones.
    pub fn step(&mut self, step: Step, ctx: &mut UpdateContext<'_>) {
        let was_oldest = self.age(ctx.store) + 1 >= self.shown(ctx.store).len();
        self.list.go(step);
        self.follow_or_pause(ctx.store);
        let is_down = matches!(step, Step::Down(_) | Step::PageDown | Step::Bottom);
        if was_oldest && is_down == T::IS_NEWEST_FIRST {
            self.query_older(ctx);
        }
    }

    /// Loads older rows; the selection stays where it is.
    pub fn load_older(&mut self, ctx: &mut UpdateContext<'_>) {
        if self.can_load(ctx.store) && self.selected(ctx.store).is_some() {
            self.paused.get_or_insert(0);
        }
        self.query_older(ctx);
    }

    fn query_older(&mut self, ctx: &mut UpdateContext<'_>) {
        if self.can_load(ctx.store) {
            let oldest = if self.found_for.is_empty() {
                let saved = T::loaded(ctx.store).iter().filter(|row| row.is_saved());
                let mut ids = saved.map(|row| row.id());
                ids.rfind(|id| self.joined.is_none_or(|joined| *id >= joined))
            } else {
                self.reached
            };
            self.query(oldest, ctx);
        }
    }

    fn query(&mut self, before: Option<T::Id>, ctx: &mut UpdateContext<'_>) {
        ctx.out.push(T::load(before, self.search.clone()));
        self.loading = Some(self.found_for.clone());
    }

    /// Takes the result of a query.
    pub fn answered(&mut self, result: &Result<Found<T>, Problem>, ctx: &mut UpdateContext<'_>) {
        let Some(filter) = self.loading.take() else {
            return;
        };
        if filter != self.found_for {
            return;
        }
        match result {
            Err(problem) => {
                self.ledger = InLedger::Failed;
                ctx.store.flash(Level::Error, problem.describe());
            }
            Ok(Found { rows, searched }) => {
                // Fewer rows than requested: the ledger has no more.
                self.is_exhausted = rows.len() < LOAD;
                self.reached = rows.last().map(|row| row.id()).or(self.reached);
                if let Some(searched) = searched {
                    self.ledger = InLedger::Searched(*searched);
                }
                if rows.is_empty() && filter.is_empty() {
                    let text = format!("there are no older {}s", T::NOUN);
                    ctx.store.flash(Level::Info, text);
                }
                if filter.is_empty() {
                    self.add(rows, ctx.store);
                } else {
                    self.add_found(rows, ctx.store);
                }
            }
        }
    }

    /// Finds the rows anew after the filter changed, and scrolls. Searches the ledger for the filter, one query at a
    /// time: the answer to an earlier filter is dropped.
    pub fn fit(&mut self, height: u16, ctx: &mut UpdateContext<'_>) {
        if self.found_for != self.filter.text() {
            self.find(ctx.store);
        }
        let is_due = self.ledger == InLedger::Due && !self.found_for.is_empty();
        if is_due && self.loading.is_none() && ctx.store.is_ready() {
            self.query(None, ctx);
        }
        // The newest row of the log and at least as many others stay on the screen.
        let running = cells(self.running(ctx.store).len()).min(height / 2);
        self.list.fit(self.shown(ctx.store).len(), height - running);
    }

    /// Finds the loaded rows that match the filter.
    fn find(&mut self, store: &Store) {
        self.filter.text().clone_into(&mut self.found_for);
        self.search = T::search(&self.found_for);
        self.ledger = InLedger::Due;
        self.reached = None;
        self.found = Rows::default();
        for row in T::loaded(store).iter() {
            if self.finds(row) {
                self.found.put(row.clone(), ROWS_READ_MAX);
            }
        }
        self.is_exhausted = false;
        self.paused = None;
        self.list = List::default();
        self.list.selected = place(0, self.shown(store));
    }

    /// The note at the right of the pane's title, no wider than `room` columns.
    pub fn note(&self, ctx: ViewContext<'_>, room: u16) -> Option<Line<'static>> {
        let noun = T::NOUN;
        match self.paused {
            Some(new) if new > 0 => {
                let newest = if T::IS_NEWEST_FIRST {
                    NavAction::Top
                } else {
                    NavAction::Bottom
                };
                let key = ctx.key(newest);
                let text = match new {
                    1 => format!("paused, 1 new {noun}: {key} shows it"),
                    n => format!("paused, {n} new {noun}s: {key} shows them"),
                };
                Some(Line::styled(text, ctx.theme.style(Tone::Warn)))
            }
            _ if self.found_for.is_empty() => None,
            _ => Some(Line::styled(
                self.found_note(room),
                ctx.theme.style(Tone::Accent),
            )),
        }
    }

    /// How many rows match the filter, of how many.
    fn found_note(&self, room: u16) -> String {
        let (noun, found) = (T::NOUN, self.found.len());
        let filter = fit(&self.found_for, 24);
        let (end, verb) = if found == 1 {
            ("", "matches")
        } else {
            ("s", "match")
        };
        match self.ledger {
            InLedger::Due => format!("searching {noun}s for `{filter}`…"),
            InLedger::Failed => format!("{found} loaded {noun}{end} {verb} `{filter}`"),
            InLedger::Searched(rows) => {
                let more = if self.is_exhausted { "" } else { "+" };
                let count = format!("{found}{more} of {}", grouped(rows));
                let whole = format!("{count} saved {noun}s {verb} `{filter}`");
                if cells(whole.chars().count()) > room {
                    count
                } else {
                    whole
                }
            }
        }
    }

    /// Why no row is shown; `none` where none has arrived yet.
    pub fn why_empty(&self, none: &str, store: &Store) -> String {
        if !store.is_ready() {
            "Opening the ledger…".into()
        } else if self.loading.is_some() {
            "Loading from the ledger…".into()
        } else if store.is_unread {
            "The ledger cannot be read. What it has appears once it can.".into()
        } else if !self.filter.is_active() {
            none.into()
        } else if self.ledger == InLedger::Failed {
            format!("No loaded {} matches the filter.", T::NOUN)
        } else {
            format!("No saved {} matches the filter.", T::NOUN)
        }
    }

    /// What is not in the log yet and matches the filter.
    pub fn running<'a>(&self, store: &'a Store) -> Vec<&'a T> {
        let mut running = T::running(store);
        running.retain(|row| self.found_for.is_empty() || row.matches(&self.search));
        running
    }

    /// The rows as they are drawn in an area.
    pub fn grid<'a>(&'a self, columns: Vec<Column<'a, T>>, store: &'a Store, area: Rect) -> Grid {
        let rows = self.shown(store);
        let all = (0..rows.len()).map(|at| &*rows[place(at, rows)]);
        let all = all.chain(self.running(store));
        let columns = self.widths.apply(columns);
        Grid::new(columns, &all.collect::<Vec<_>>(), self.list, area)
    }
}

/// The place on the screen of a row of this age, and the other way round.
fn place<T: LogRow>(age: usize, rows: &Rows<T>) -> usize {
    let last = rows.len().saturating_sub(1);
    if T::IS_NEWEST_FIRST {
        age.min(last)
    } else {
        last.saturating_sub(age)
    }
}
