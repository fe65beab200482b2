//! The help window: the keys and columns of the current scope, the legend, then the keys of all other scopes. It can be
//! searched.

use super::legend::LEGEND;
use crate::tui::keys::{self, Binding, Chord, Keymap};
use crate::tui::prelude::*;
use crate::tui::widgets::filter::Filter;

keys! {
    Action:
    HELP "Help" keys [NAV, READER, OVERLAY] {
        FindInHelp "find-in-help" ["/"] "search" "search this window";
    }
}

/// The widest window: the keys, help and name of a row with nothing cut.
const WIDE: u16 = 86;
const HELP_WIDTH: u16 = 40;
const NAME: u16 = 18;

/// The scope that it explains, the scroll position, and the filter.
#[derive(Debug, Clone)]
pub struct State {
    scope: &'static Scope,
    scroll: usize,
    filter: Filter,
    /// The filter's text as of the last fit.
    filtered_by: String,
}

enum Row {
    Heading(&'static str),
    Entry(Entry),
    Blank,
}

/// One key, or one symbol of the legend.
struct Entry {
    keys: Vec<String>,
    help: &'static str,
    /// The action's name; empty in the legend.
    name: &'static str,
}

impl Entry {
    fn of(binding: &'static Binding, keymap: &Keymap) -> Self {
        let chords = keymap.all(keys::Action(binding)).iter();
        Self {
            keys: chords.map(Chord::to_string).collect(),
            help: binding.help,
            name: binding.name,
        }
    }

    fn contains(&self, text: &str) -> bool {
        self.help.to_lowercase().contains(text)
            || self.name.contains(text)
            // A part of a key is not a match: "g" must not find PgDn. A part of a column's name is.
            || self.keys.iter().map(|key| key.to_lowercase()).any(|key| {
                key == text || self.name.is_empty() && key.contains(text)
            })
    }

    /// As many whole keys as there is room for, at least one.
    fn keys_within(&self, room: u16) -> String {
        let mut text = self.keys.first().cloned().unwrap_or_default();
        for key in self.keys.iter().skip(1) {
            if width(&text) + 2 + width(key) > room {
                break;
            }
            text = format!("{text}  {key}");
        }
        text
    }
}

impl State {
    pub fn new(scope: &'static Scope) -> Self {
        Self {
            scope,
            scroll: 0,
            filter: Filter::default(),
            filtered_by: String::new(),
        }
    }

    /// Only what is below this heading.
    pub fn about(title: &str) -> Self {
        let mut help = Self::new(&HELP);
        help.filter.set(title);
        help
    }

    fn is_searched(&self) -> bool {
        self.filter.is_typed() || self.filter.is_active()
    }

    /// Headings with the entries that match the search; all entries below a heading that matches.
    fn rows(&self, keymap: &Keymap) -> Vec<Row> {
        let text = self.filter.text().to_lowercase();
        let mut rows = Vec::new();
        for (title, mut entries) in sections(self.scope, keymap) {
            if !title.to_lowercase().contains(&text) {
                entries.retain(|entry| entry.contains(&text));
            }
            if entries.is_empty() {
                continue;
            }
            if !rows.is_empty() {
                rows.push(Row::Blank);
            }
            rows.push(Row::Heading(title));
            rows.extend(entries.into_iter().map(Row::Entry));
        }
        rows
    }
}

/// The window leaves the header's row free.
fn size(screen: Rect) -> Size {
    Size::new(WIDE, screen.height.saturating_sub(1))
}

impl Component for State {
    type Action = Action;

    fn scope(&self) -> &'static Scope {
        if self.filter.is_typed() {
            &FILTER
        } else {
            &HELP
        }
    }

    fn act(&mut self, action: Action, _ctx: &mut UpdateContext<'_>) {
        match action {
            Action::FindInHelp => {
                self.scroll = 0;
                self.filter.open("type to search");
            }
        }
    }

    fn filter(&mut self) -> Option<&mut Filter> {
        Some(&mut self.filter)
    }

    fn command(&self, ctx: ViewContext<'_>) -> Option<String> {
        Some(ctx.own_command(["keys"]))
    }

    fn step(&mut self, step: Step, ctx: &mut UpdateContext<'_>) {
        let inner = inside(ctx.area, size(ctx.area));
        let height = inner.height - u16::from(self.is_searched());
        let rows = self.rows(ctx.keymap).len();
        self.scroll = step.scroll(self.scroll, rows, height);
    }

    fn fit(&mut self, _ctx: &mut UpdateContext<'_>) {
        if self.filtered_by != self.filter.text() {
            self.filter.text().clone_into(&mut self.filtered_by);
            self.scroll = 0;
        }
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let theme = ctx.theme;
        let mut inner = Window {
            title: "Help",
            size: size(screen),
            live: false,
        }
        .draw(theme, screen, buf);
        let cursor = self.filter.draw(theme, inner, buf);
        if cursor.is_none() && self.filter.is_active() {
            let text = format!("`{}`", self.filter.text());
            Pen::new(buf, inner, 0).text(&text, theme.style(Tone::Accent));
        }
        inner = below(inner, u16::from(self.is_searched()));
        let rows = self.rows(ctx.keymap);
        let (keys, name) = columns(inner.width);
        let pager = Pager::text(inner, self.scroll, rows.len());
        pager.draw(ctx, buf, |at, line, buf| {
            let mut pen = Pen::new(buf, line, 0);
            match &rows[at] {
                Row::Blank => {}
                Row::Heading(title) => {
                    pen.text(title, theme.bold(Tone::Accent));
                }
                Row::Entry(entry) => {
                    pen.cell(&entry.keys_within(keys), keys, theme.bold(Tone::Plain))
                        .skip(1);
                    if entry.name.is_empty() || name == 0 {
                        pen.text(entry.help, theme.style(Tone::Dim));
                    } else {
                        pen.cell(entry.help, HELP_WIDTH, theme.style(Tone::Dim))
                            .skip(1)
                            .cell(entry.name, name, theme.style(Tone::Accent));
                    }
                }
            }
        });
        pager.draw_place(theme, buf);
        if rows.is_empty() {
            Pen::new(buf, inner, 0).text("no match", theme.style(Tone::Dim));
        }
        cursor
    }
}

/// Its headings, each once: two tables of keys can have the same.
pub fn topics(keymap: &Keymap) -> impl Iterator<Item = &'static str> {
    let mut sections = sections(&HELP, keymap);
    sections.retain(|(_, entries)| !entries.is_empty());
    sections.dedup_by_key(|(title, _)| *title);
    sections.into_iter().map(|(title, _)| title)
}

/// Columns of keys and of names; narrow windows show no names.
fn columns(room: u16) -> (u16, u16) {
    if room >= 15 + HELP_WIDTH + NAME + 2 {
        (room.saturating_sub(HELP_WIDTH + NAME + 2).min(22), NAME)
    } else {
        (room.saturating_sub(HELP_WIDTH + 1).clamp(9, 16), 0)
    }
}

/// The keys of the scope, the legend, and the keys of all other scopes.
fn sections(scope: &'static Scope, keymap: &Keymap) -> Vec<(&'static str, Vec<Entry>)> {
    let mut sections = Vec::new();
    for scope in scope.chain() {
        let own = keymap.of(scope);
        let own = own.map(|binding| Entry::of(binding, keymap));
        add(&mut sections, 0, scope.title, own);
    }
    for (title, rows) in LEGEND {
        let rows = rows.iter().map(|(symbol, meaning)| Entry {
            keys: vec![(*symbol).to_owned()],
            help: meaning,
            name: "",
        });
        // The columns of the pane below follow its keys: an operator opens help there to read them.
        let is_own = title.strip_prefix("Columns of ") == Some(scope.title);
        let at = if is_own { 1 } else { sections.len() };
        sections.insert(at, (*title, rows.collect()));
    }
    let others = sections.len();
    for binding in keymap
        .bindings()
        .filter(|binding| !scope.is_in(binding.scope))
    {
        let entry = Entry::of(binding, keymap);
        add(
            &mut sections,
            others,
            binding.scope.title,
            [entry].into_iter(),
        );
    }
    sections
}

/// Adds entries to the section of this title, from the place `from` on: several scopes share one, "Explorer, request".
fn add(
    sections: &mut Vec<(&'static str, Vec<Entry>)>,
    from: usize,
    title: &'static str,
    entries: impl Iterator<Item = Entry>,
) {
    match sections[from..].iter_mut().find(|(of, _)| *of == title) {
        Some((_, known)) => known.extend(entries),
        None => sections.push((title, entries.collect())),
    }
}
