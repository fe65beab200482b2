//! The parts of the screen around the panes: header, tabs, notice and footer.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget as _};

use super::component::ViewContext;
use super::console::DISMISSES;
use super::hits::Hit;
use super::keys::{Action, ConsoleAction, GLOBAL, Keys as _, NavAction, OVERLAY, WindowAction};
use super::layout::SMALLEST;
use super::msg::{Level, Notice};
use super::pane::Pane;
use super::theme::{Tone, badge};
use super::widgets::text::{Pen, below, cells, counted, fit, paragraph, width, wrap};
use super::{Model, alerts};
use crate::domain::simulate::Fault;
use crate::domain::{Environment, Problem};

pub fn draw_header(ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
    let (store, theme) = (ctx.store, ctx.theme);
    let dim = theme.style(Tone::Dim);
    let right = match alerts::count(store) {
        0 => String::new(),
        n => format!("! {} ", counted(n, "alert")),
    };
    let tone = Tone::Warn;
    // First, because it must not be cut off: the badges and the address take what is left.
    Pen::new(buf, area, 0).flush(&right, theme.bold(tone));
    let from = area.right().saturating_sub(width(&right));
    let counter = between(area, from, area.right());
    ctx.note(counter, Hit::Act(ConsoleAction::ShowAlerts.into()));

    let (style, is_badge) = theme.profile();
    let profile = if is_badge {
        format!(" {} ", store.profile)
    } else {
        store.profile.clone()
    };
    let mut pen = Pen::new(buf, area, 0);
    pen.keep(width(&right) + 1)
        .text(" tilldeck ", theme.bold(Tone::Accent))
        .text("› ", dim);
    let is_armed = store.accounts.iter().any(|it| it.armed(ctx.now).is_some());
    let reserved = if is_armed { ARMED_MIN } else { 0 };
    let room = pen.left().saturating_sub(reserved);
    pen.text(&fit(&profile, room), style).skip(1);
    if store.recording.is_some() {
        pen.skip(1)
            .text(" RECORDING read-only ", theme.badge(Tone::Busy));
    }
    // Before the environments: that writes are allowed must not be cut off.
    for text in armed(ctx, pen.left()) {
        pen.skip(1).text(&text, theme.badge(Tone::Warn));
    }
    for environment in [
        Environment::Production,
        Environment::Sandbox,
        Environment::Embedded,
    ] {
        let has = |known: &super::store::AccountState| known.account.environment == environment;
        if store.accounts.iter().any(has) {
            let (word, tone) = badge(environment);
            let long = format!(" {word} real money ");
            let fits = environment.is_live() && width(&long) < pen.left();
            let text = if fits { long } else { format!(" {word} ") };
            if width(&text) < pen.left() {
                pen.skip(1).text(&text, theme.badge(tone));
            }
        }
    }
    if store.fault != Fault::None {
        let text = format!(" fault {}: {} ", store.fault.name(), store.fault.describe());
        pen.skip(1).text(&text, theme.badge(Tone::Warn));
    }
    if store.phase == super::store::Phase::Opening {
        pen.skip(2).text("starting…", dim);
    } else if let Some(address) = &store.simulator {
        // Omits an address that does not fit: a part of it is of no use.
        let text = format!("simulator at {address}");
        if width(&text) <= pen.skip(2).left() {
            pen.text(&text, dim);
        }
    }
}

/// Columns of the badge that counts the armed accounts, and of the blanks before it.
const ARMED_MIN: u16 = 11;

/// The badge of each armed account with its name and time; where those leave no room for `LIVE`, one that counts them.
fn armed(ctx: ViewContext<'_>, room: u16) -> Vec<String> {
    let armed = ctx.store.accounts.iter().filter_map(|known| {
        let left = known.armed(ctx.now)?;
        let into = left.as_millis().saturating_sub(1) % 60_000 + 1;
        ctx.changes_in(Duration::from_millis(u64::try_from(into).unwrap_or(1)));
        // Rounded up, so that "0 min" is never shown while writes are still allowed.
        let minutes = left.as_secs().div_ceil(60);
        Some(format!(" ARMED {} {minutes} min ", known.id()))
    });
    let armed: Vec<String> = armed.collect();
    let used: u16 = armed.iter().map(|text| width(text) + 1).sum();
    if armed.is_empty() || used + width(" LIVE ") < room {
        return armed;
    }
    vec![format!(" ARMED {} ", armed.len())]
}

/// The part of a row from one column up to another.
fn between(row: Rect, from: u16, to: u16) -> Rect {
    Rect {
        x: from,
        width: to.saturating_sub(from),
        ..row
    }
}

/// The tabs, where one pane is visible.
pub struct Tabs<'a> {
    pub panes: &'a [Pane],
    pub focus: Pane,
}

impl Tabs<'_> {
    pub fn draw(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
        let theme = ctx.theme;
        let mut pen = Pen::new(buf, area, 0);
        for (pane, tab) in self.panes.iter().zip(self.texts(area.width)) {
            let style = match (*pane == self.focus, theme.has_color()) {
                (true, true) => theme.badge(Tone::Accent),
                (true, false) => theme.badge(Tone::Plain),
                (false, _) => theme.style(Tone::Dim),
            };
            let from = pen.x();
            // Packed tabs share the space between them, which is drawn without style.
            let name = if tab.ends_with(' ') {
                tab.as_str()
            } else {
                pen.skip(1);
                tab.trim_start()
            };
            pen.text(name, style);
            ctx.note(between(area, from, pen.x()), Hit::Focus(*pane));
        }
    }

    /// The titles, shortened as far as they must be; or one title and digits, if less than four letters of each would be
    /// left.
    fn texts(&self, room: u16) -> Vec<String> {
        let spacious: Vec<String> = self
            .panes
            .iter()
            .map(|pane| format!(" {} ", pane.title()))
            .collect();
        let width = |tabs: &Vec<String>| tabs.iter().map(|tab| width(tab)).sum::<u16>();
        if width(&spacious) <= room {
            return spacious;
        }
        let cut = |letters: usize| -> Vec<String> {
            let tab = |pane: &Pane| {
                let name: String = pane.short_name().chars().take(letters).collect();
                format!(" {} {name}", pane.index() + 1)
            };
            self.panes.iter().map(tab).collect()
        };
        let mut cuts = (4..=8).rev().map(cut);
        let fitting = cuts.find(|tabs| width(tabs) < room);
        fitting.unwrap_or_else(|| self.one_title())
    }

    fn one_title(&self) -> Vec<String> {
        let tab = |pane: &Pane| {
            if *pane == self.focus {
                format!(" {} ", pane.title())
            } else {
                format!(" {} ", pane.index() + 1)
            }
        };
        self.panes.iter().map(tab).collect()
    }
}

/// The most rows of a notice: enough for a cause and what to do about it.
const NOTICE_ROWS: u16 = 4;

/// Where a notice is drawn.
pub struct NoticePlace<'a> {
    /// From the lowest frame line on.
    pub area: Rect,
    /// The screen without the open window: a notice where that is drawn waits until it is closed, unless it is about a key
    /// pressed in the window.
    pub before: Option<&'a Buffer>,
    /// What Esc does; empty where it does not reach the notice.
    pub escape: &'static str,
}

/// What Esc does with a notice in `area`, and how old the notice is.
fn notice_key(ctx: ViewContext<'_>, notice: &Notice, area: Rect, escape: &str) -> String {
    if escape.is_empty() {
        return String::new();
    }
    let more = match ctx.store.notices.len() {
        n @ 2.. if escape == DISMISSES => format!(", {} more after it", n - 1),
        _ => String::new(),
    };
    let age = ctx.store.raised(&notice.about).map(|at| ctx.age(at));
    // In a narrow window the text needs the room.
    let age = age.filter(|age| age != "now" && area.width >= 100);
    let age = age.map_or_else(String::new, |age| format!(" {age} ago ·"));
    format!("{age} {} {escape}{more} ", ctx.key(ConsoleAction::Escape))
}

/// The columns and rows of a notice's text beside `key`.
fn notice_size(text: &str, key: &str, area: Rect) -> (u16, u16) {
    // A blank, the symbol, a blank, and a blank at the end.
    let columns = area.width.saturating_sub(4 + width(key)).max(1);
    // On a low screen the panes are worth more than the end of a notice, which the list of alerts shows whole.
    let most = if area.bottom() <= 20 { 1 } else { NOTICE_ROWS };
    (columns, cells(wrap(text, columns).len()).min(most))
}

/// The rows that the first notice needs in an area that ends where this one does.
pub fn notice_rows(ctx: ViewContext<'_>, area: Rect, escape: &str) -> u16 {
    ctx.store.first_notice().map_or(0, |notice| {
        let key = notice_key(ctx, notice, area, escape);
        notice_size(&notice.text, &key, area).1
    })
}

/// Draws a short notice, or the first one; a long one grows upwards where its area is too small.
pub fn draw_notice(ctx: ViewContext<'_>, place: &NoticePlace<'_>, buf: &mut Buffer) {
    let NoticePlace {
        area,
        before,
        escape,
    } = *place;
    let (store, theme) = (ctx.store, ctx.theme);
    let (level, text, key) = match (&store.flash, store.first_notice()) {
        (Some(flash), _) => (flash.level, &flash.text, String::new()),
        (None, Some(notice)) => {
            let key = notice_key(ctx, notice, area, escape);
            (notice.level, &notice.text, key)
        }
        (None, None) => return,
    };
    let (glyph, tone) = match level {
        Level::Info => ("•", Tone::Accent),
        Level::Warning => ("!", Tone::Warn),
        Level::Error => ("✘", Tone::Bad),
    };
    let (columns, rows) = notice_size(text, &key, area);
    let rows = rows.max(area.height);
    let area = Rect {
        y: area.bottom() - rows,
        height: rows,
        ..area
    };
    let is_under = |before: &Buffer| area.positions().any(|at| before[at] != buf[at]);
    if store.flash.is_none() && before.is_some_and(is_under) {
        return;
    }
    Clear.render(area, buf);
    Pen::new(buf, area, rows - 1).flush(&key, theme.style(Tone::Dim));
    Pen::new(buf, area, 0).skip(1).text(glyph, theme.bold(tone));
    let inner = Rect {
        x: area.x + 3,
        width: columns,
        ..area
    };
    paragraph(buf, inner, text, theme.bold(tone));
}

struct Hint {
    action: Action,
    key: String,
    word: &'static str,
}

impl Hint {
    /// `None` for an action without a key or a word.
    fn new(action: Action, model: &Model, ctx: ViewContext<'_>) -> Option<Self> {
        let key = ctx.key(action);
        let word = model.footer_word(action, ctx.now);
        let is_shown = !key.is_empty() && !action.0.short.is_empty();
        is_shown.then_some(Self { action, key, word })
    }

    /// Its columns, with the space between the two and the gap after them.
    fn width(&self) -> u16 {
        width(&self.key) + width(self.word) + 3
    }

    fn draw(&self, ctx: ViewContext<'_>, row: Rect, pen: &mut Pen<'_>) {
        let from = pen.x();
        pen.text(&self.key, ctx.theme.bold(Tone::Accent))
            .skip(1)
            .text(self.word, ctx.theme.style(Tone::Dim));
        ctx.note(between(row, from, pen.x()), Hit::Act(self.action));
        pen.skip(2);
    }
}

/// From this width on, the footer always has room for the key of the palette.
const PALETTE_FROM: u16 = 100;

/// Draws the keys that work now: those of the window or pane first, those that every pane has at the right.
pub fn draw_footer(model: &Model, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
    let scope = model.scope();
    let failed = model.has_failed() && model.overlays.is_empty();
    let global = [
        ConsoleAction::Palette.into(),
        ConsoleAction::Help.into(),
        ConsoleAction::Quit.into(),
    ];
    let ends: &[Action] = match (failed, scope.is_in(&GLOBAL)) {
        (true, _) => &[ConsoleAction::Quit.into()],
        (false, true) => &global[usize::from(area.width < PALETTE_FROM)..],
        (false, false) if scope.is_in(&OVERLAY) => &[WindowAction::Close.into()],
        (false, false) => &[],
    };
    let hint = |action: Action| Hint::new(action, model, ctx);
    let right: Vec<Hint> = ends.iter().filter_map(|action| hint(*action)).collect();
    let taken: u16 = right.iter().map(Hint::width).sum();
    let mut pen = Pen::new(buf, area, 0);
    pen.keep(taken).skip(1);
    if !failed {
        let actions = scope.chain().flat_map(|scope| model.keymap.of(scope));
        let actions = actions.map(Action).filter(|action| {
            !ends.contains(action)
                && NavAction::of(*action).is_none()
                && model.can(*action, ctx.now)
        });
        for hint in actions.filter_map(hint) {
            if hint.width() > pen.left() {
                break;
            }
            hint.draw(ctx, area, &mut pen);
        }
    }
    let ends = between(area, area.right().saturating_sub(taken), area.right());
    let mut pen = Pen::new(buf, ends, 0);
    for hint in right {
        hint.draw(ctx, ends, &mut pen);
    }
}

pub fn draw_failed(problem: &Problem, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
    let theme = ctx.theme;
    let area = Rect {
        x: area.x + 2.min(area.width),
        width: area.width.saturating_sub(4),
        ..below(area, area.height / 4)
    };
    Pen::new(buf, area, 0)
        .text("✘ ", theme.bold(Tone::Bad))
        .text("tilldeck cannot start", theme.bold(Tone::Bad));
    let (plain, dim) = (theme.style(Tone::Plain), theme.style(Tone::Dim));
    let left = paragraph(buf, below(area, 2), &problem.message, plain);
    let left = paragraph(buf, below(left, 1), &problem.hint, dim);
    let text = format!(
        "{} quits, {} opens this or another profile.",
        ctx.key(ConsoleAction::Quit),
        ctx.key(ConsoleAction::Profiles)
    );
    paragraph(buf, below(left, 1), &text, dim);
}

pub fn draw_too_small(ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
    let (columns, rows) = SMALLEST;
    let text = format!(
        "needs at least {columns}x{rows}; {} quits",
        ctx.key(ConsoleAction::Quit)
    );
    paragraph(buf, area, &text, ctx.theme.style(Tone::Plain));
}
