//! How players and their inventories are drawn.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::changes::{name, uses};
use super::{Action, PlayerState, Proof, State};
use crate::domain::Environment;
use crate::tui::keys::NavAction;
use crate::tui::panes::{JUST_NOW, ViewContext, age};
use crate::tui::store::Store;
use crate::tui::theme::Tone;
use crate::tui::widgets::text::{Pen, below, paragraph, width};

/// From this width on the inventory is drawn beside the players.
const WHOLE: u16 = 90;
/// Columns of the players beside an inventory.
const SIDE: u16 = 40;

/// The areas of the pane.
pub struct Parts {
    pub list: Rect,
    pub items: Rect,
}

pub fn parts(area: Rect) -> Parts {
    if area.width >= WHOLE {
        let list = Rect {
            width: SIDE,
            ..area
        };
        let items = Rect {
            x: area.x + SIDE + 3,
            width: area.width - SIDE - 3,
            ..area
        };
        return Parts { list, items };
    }
    let list = Rect {
        height: (area.height / 3).max(2).min(area.height),
        ..area
    };
    Parts {
        list,
        items: below(area, list.height),
    }
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
        for (row, at) in (0..).zip(self.list.window(self.players.len(), parts.list.height)) {
            draw_player(&self.players[at], ctx, parts.list, row, buf);
            if at == self.list.selected {
                let line = Rect {
                    y: parts.list.y + row,
                    height: 1,
                    ..parts.list
                };
                buf.set_style(line, theme.selected(ctx.focused));
            }
        }
        if parts.items.x > parts.list.x {
            for row in 0..area.height {
                let between = Rect {
                    x: parts.list.right() + 1,
                    width: 1,
                    ..area
                };
                Pen::new(buf, between, row).text("│", theme.border(false, false));
            }
        }
        if let Some(player) = self.selected() {
            self.draw_inventory(player, ctx, parts.items, buf);
        }
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

    fn draw_inventory(
        &self,
        player: &PlayerState,
        ctx: ViewContext<'_>,
        area: Rect,
        buf: &mut Buffer,
    ) {
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
        self.draw_items(player, ctx, area, buf);
    }

    /// What is wrong, then the table.
    fn draw_items(&self, player: &PlayerState, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
        let theme = ctx.theme;
        let dim = theme.style(Tone::Dim);
        let mut left = below(area, 2);
        let refusal = match &player.proof {
            Proof::Refused(problem) => Some(problem),
            _ => None,
        };
        for problem in refusal.into_iter().chain(&player.last_error) {
            let room = Rect {
                height: left.height.min(4),
                ..left
            };
            let rows = paragraph(buf, room, &problem.describe(), theme.style(Tone::Bad));
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
        let last = inventory
            .items
            .len()
            .saturating_sub(usize::from(left.height));
        let first = self.scroll.min(last);
        for (row, item) in (0..left.height).zip(inventory.items.iter().skip(first)) {
            let mut pen = Pen::new(buf, left, row);
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
        }
        if last > 0 {
            let shown = format!(
                "{}-{} of {}, {} for more",
                first + 1,
                (first + usize::from(left.height)).min(inventory.items.len()),
                inventory.items.len(),
                ctx.key(NavAction::PageDown)
            );
            Pen::new(buf, area, 1).flush(&shown, dim);
        }
    }
}

fn draw_player(player: &PlayerState, ctx: ViewContext<'_>, area: Rect, row: u16, buf: &mut Buffer) {
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
    let mut pen = Pen::new(buf, area, row);
    pen.keep(18)
        .text(glyph, theme.bold(tone))
        .skip(1)
        .text(&player.display_name(), theme.style(Tone::Plain));
    if ctx.store.games().count() > 1 {
        pen.skip(1).text(player.account.as_str(), dim);
    }
    let right = Rect {
        x: area.right().saturating_sub(17),
        width: 17.min(area.width),
        ..area
    };
    Pen::new(buf, right, row)
        .right(&items, 11, dim)
        .right(&state, 6, dim);
}

/// Whether one of the games is the sandbox's.
fn plays_sandbox(store: &Store) -> bool {
    let mut games = store.games();
    games.any(|game| game.account.environment == Environment::Embedded)
}
