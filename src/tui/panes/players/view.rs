//! How players and their inventories are drawn.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::widgets::{Block, Borders, Widget as _};

use super::changes::{name, uses};
use super::{Action, PlayerState, Proof, State};
use crate::domain::Environment;
use crate::tui::keys::NavAction;
use crate::tui::panes::{JUST_NOW, ViewContext, age};
use crate::tui::store::Store;
use crate::tui::theme::Tone;
use crate::tui::widgets::pager::Pager;
use crate::tui::widgets::text::{Pen, below, paragraph, split_rows, width};

/// From this width on the inventory is drawn beside the players.
const WHOLE: u16 = 90;
/// Columns of the players beside an inventory.
const SIDE: u16 = 40;

/// The areas of the pane.
pub struct Parts {
    pub list: Rect,
    /// The line beside the players; empty where the inventory is below them.
    line: Rect,
    pub items: Rect,
}

pub fn parts(area: Rect) -> Parts {
    if area.width < WHOLE {
        let [list, items] = split_rows(area, (area.height / 3).max(2));
        let line = Rect::default();
        return Parts { list, line, items };
    }
    let columns = Layout::horizontal([
        Constraint::Length(SIDE),
        Constraint::Length(1),
        Constraint::Fill(1),
    ]);
    let [list, line, items] = area.layout(&columns.spacing(1));
    Parts { list, line, items }
}

/// Rows of items that fit the inventory's area.
pub fn item_rows(items: Rect) -> u16 {
    items.height.saturating_sub(4)
}

impl State {
    pub fn draw(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
        let theme = ctx.theme;
        if self.players.is_empty() {
            self.draw_empty(ctx, area, buf);
            return;
        }
        let parts = parts(area);
        let pager = Pager::list(parts.list, self.list, self.players.len()).focused(ctx.focused);
        pager.draw(theme, buf, |at, line, buf| {
            draw_player(&self.players[at], ctx, line, buf);
        });
        pager.note(ctx, buf);
        let line = Block::new().borders(Borders::LEFT);
        line.border_style(theme.border(false, false))
            .render(parts.line, buf);
        self.draw_inventory(ctx, parts.items, buf);
    }

    fn draw_empty(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
        let theme = ctx.theme;
        let area = below(area, area.height / 5);
        let (first, then) = if !ctx.store.is_ready() {
            ("Opening…", String::new())
        } else if ctx.store.games().next().is_none() {
            (
                "This profile has no Kongregate account.",
                "Players belong to a game at Kongregate. Add an account with the game's API key to see \
                 them."
                    .to_owned(),
            )
        } else {
            (
                "No players yet.",
                format!(
                    "Press {} to authenticate a player with the token from the game's client, or to fetch an inventory \
                     by player number alone. A callback about a player adds it here too.",
                    ctx.key(Action::Authenticate)
                ),
            )
        };
        let rows = paragraph(buf, area, first, theme.style(Tone::Plain));
        let left = below(area, rows + 1);
        let rows = paragraph(buf, left, &then, theme.style(Tone::Dim));
        if let Some(example) = self.example.filter(|_| plays_sandbox(ctx.store)) {
            let text = example.describe();
            paragraph(buf, below(left, rows + 1), &text, theme.style(Tone::Sim));
        }
    }

    fn draw_inventory(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
        let Some(player) = self.selected() else {
            return;
        };
        let theme = ctx.theme;
        let dim = theme.style(Tone::Dim);
        let mut pen = Pen::new(buf, area, 0);
        pen.text(&player.display_name(), theme.bold(Tone::Plain))
            .text(&format!(" · {} at {}", player.id, player.account), dim);
        match &player.proof {
            Proof::None => {
                let text = match ctx.store.player_token(&player.account, player.id) {
                    Some(_) => " · token from a callback",
                    None => " · not authenticated",
                };
                pen.text(text, dim);
            }
            Proof::Proved(at) => {
                let text = format!(" · authenticated {}", ctx.ago(*at));
                pen.text(&text, theme.style(Tone::Good));
            }
            Proof::Refused(_) => {
                pen.text(" · REJECTED", theme.bold(Tone::Bad));
            }
        }
        let mut pen = Pen::new(buf, area, 1);
        match (&player.inventory, player.request) {
            (_, Some(request)) => {
                let word = match ctx.store.waiting_for(Some(request)) {
                    Some(why) => format!("waiting: {why}"),
                    None => "fetching the inventory…".into(),
                };
                pen.text(&word, theme.style(Tone::Busy));
            }
            (Some((inventory, at)), None) => {
                let many = match inventory.items.len() {
                    1 => "1 item".to_owned(),
                    n => format!("{n} items"),
                };
                pen.text(&format!("{many}, as of {}", ctx.ago(*at)), dim);
                if let Some((changed, at)) = &player.changed {
                    let fresh = ctx.now.wall.since(*at) < JUST_NOW;
                    let tone = if fresh { Tone::Good } else { Tone::Dim };
                    let when = ctx.ago(*at);
                    pen.skip(2)
                        .text(changed, theme.bold(tone))
                        .text(&format!(" {when}"), dim);
                }
            }
            (None, None) => {
                let text = format!("{} fetches the inventory", ctx.key(Action::RefreshItems));
                pen.text(&text, dim);
            }
        }
        self.draw_items(ctx, area, buf);
    }

    /// What is wrong, then the table.
    fn draw_items(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
        let Some(player) = self.selected() else {
            return;
        };
        let theme = ctx.theme;
        let dim = theme.style(Tone::Dim);
        let mut left = below(area, 2);
        let refusal = match &player.proof {
            Proof::Refused(problem) => Some(problem),
            _ => None,
        };
        for problem in refusal.into_iter().chain(&player.last_error) {
            let [words, _] = split_rows(left, 4);
            let rows = paragraph(buf, words, &problem.describe(), theme.style(Tone::Bad));
            left = below(left, rows);
        }
        let Some((inventory, _)) = &player.inventory else {
            return;
        };
        left = below(left, u16::from(left.height > 4));
        if inventory.items.is_empty() {
            Pen::new(buf, left, 0).text("The inventory is empty.", dim);
            return;
        }
        let widest = |measure: fn(&crate::domain::Item) -> u16, least: u16, most: u16| {
            let all = inventory.items.iter().map(measure);
            all.max().unwrap_or(0).clamp(least, most)
        };
        let id = widest(|item| width(&item.id.to_string()), 8, 20);
        let called = widest(|item| width(&name(item)), 4, 32).min(left.width / 2);
        let left_uses = widest(|item| width(&uses(item.remaining_uses)), 4, 10);
        let wide = left.width >= 60;
        let mut pen = Pen::new(buf, left, 0);
        pen.right("instance", id, dim)
            .skip(2)
            .cell("item", called, dim)
            .skip(2)
            .right("uses", left_uses, dim)
            .skip(2)
            .text(if wide { "data or description" } else { "" }, dim);
        left = below(left, 1);
        let pager = Pager::text(left, self.scroll, inventory.items.len());
        pager.draw(theme, buf, |at, line, buf| {
            let item = &inventory.items[at];
            let mut pen = Pen::new(buf, line, 0);
            pen.right(&item.id.to_string(), id, dim)
                .skip(2)
                .cell(&name(item), called, theme.style(Tone::Plain))
                .skip(2);
            let tone = match item.remaining_uses {
                None => Tone::Dim,
                Some(0) => Tone::Warn,
                Some(_) => Tone::Plain,
            };
            pen.right(&uses(item.remaining_uses), left_uses, theme.style(tone))
                .skip(2);
            let beside = item.data.as_deref().unwrap_or(&item.description);
            pen.text(beside, dim);
        });
        if let Some(place) = pager.place() {
            let shown = format!("{place}, {} for more", ctx.key(NavAction::PageDown));
            Pen::new(buf, area, 1).flush(&shown, dim);
        }
    }
}

fn draw_player(player: &PlayerState, ctx: ViewContext<'_>, line: Rect, buf: &mut Buffer) {
    let theme = ctx.theme;
    let dim = theme.style(Tone::Dim);
    let (glyph, tone) = match (&player.proof, &player.last_error) {
        (Proof::Refused(_), _) => ("✘", Tone::Bad),
        (_, Some(_)) => ("!", Tone::Warn),
        (Proof::Proved(_), None) => ("✔", Tone::Good),
        (Proof::None, None) => ("○", Tone::Dim),
    };
    let state = match (player.request, &player.inventory) {
        (Some(_), _) => "fetch".to_owned(),
        (None, Some((_, at))) => age(*at, ctx.now),
        (None, None) => String::new(),
    };
    let items =
        player
            .inventory
            .as_ref()
            .map_or_else(String::new, |(inventory, _)| match inventory.items.len() {
                1 => "1 item".to_owned(),
                n => format!("{n} items"),
            });
    let mut pen = Pen::new(buf, line, 0);
    pen.keep(18)
        .text(glyph, theme.bold(tone))
        .skip(1)
        .text(&player.display_name(), theme.style(Tone::Plain));
    if ctx.store.games().count() > 1 {
        pen.skip(1).text(player.account.as_str(), dim);
    }
    let [_, right] = line.layout(&Layout::horizontal([
        Constraint::Fill(1),
        Constraint::Length(17),
    ]));
    Pen::new(buf, right, 0)
        .right(&items, 11, dim)
        .right(&state, 6, dim);
}

/// Whether one of the games is the sandbox's.
fn plays_sandbox(store: &Store) -> bool {
    let mut games = store.games();
    games.any(|game| game.account.environment == Environment::Embedded)
}
