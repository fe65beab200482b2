//! How players and their inventories are drawn.

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Widget as _};

use super::changes::{name, uses};
use super::{Action, PlayerState, Proof, State};
use crate::domain::{Environment, Item, Problem};
use crate::tui::ages::JUST_NOW;
use crate::tui::keys::NavAction;
use crate::tui::panes::parts;
use crate::tui::prelude::*;
use crate::tui::widgets::text::counted;

/// From this width on the inventory is drawn beside the players.
const WHOLE: u16 = 90;
/// Columns of the players beside an inventory.
const SIDE: u16 = 40;
/// Rows of a problem above the items.
const PROBLEM_ROWS: u16 = 4;

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
    let columns = Layout::horizontal([Length(SIDE), Length(1), Fill(1)]);
    let [list, line, items] = area.layout(&columns.spacing(1));
    Parts { list, line, items }
}

/// Rows of items that fit the inventory's area.
pub fn item_rows(player: &PlayerState, area: Rect) -> u16 {
    let (_, table) = item_parts(player, area);
    table.height.saturating_sub(1)
}

/// Below the player: its errors, each with its area, and the table of the items with their titles.
fn item_parts(player: &PlayerState, area: Rect) -> (Vec<(&Problem, Rect)>, Rect) {
    let mut left = below(area, 2);
    let mut errors = Vec::new();
    for problem in player.problems() {
        // Some items stay on screen.
        let most = if player.len() > 0 {
            PROBLEM_ROWS.min(left.height / 2)
        } else {
            PROBLEM_ROWS
        };
        let rows = cells(wrap(&problem.describe(), left.width).len());
        let [error, rest] = split_rows(left, rows.min(most));
        errors.push((problem, error));
        left = rest;
    }
    (errors, below(left, u16::from(left.height > 4)))
}

impl State {
    pub fn draw(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
        let theme = ctx.theme;
        if self.players.is_empty() {
            self.draw_empty(ctx, area, buf);
            return;
        }
        let parts = parts(area);
        let columns = columns(ctx);
        let players: Vec<_> = self.players.iter().collect();
        let grid = Grid::new(columns, &players, self.list, parts.list);
        grid.draw(ctx, true, buf);
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
        let left = parts::draw_empty([first, &then], ctx, area, buf);
        if let Some(example) = self.example.filter(|_| plays_sandbox(ctx.store)) {
            let text = example.describe();
            paragraph(buf, below(left, 1), &text, theme.style(Tone::Sim));
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
        match (&player.inventory, player.request(ctx.store)) {
            (_, Some(request)) => {
                let word = match ctx.store.waiting_for(Some(request)) {
                    Some(why) => format!("waiting: {why}"),
                    None => "fetching the inventory…".into(),
                };
                pen.text(&word, theme.style(Tone::Busy));
            }
            (Some((inventory, at)), None) => {
                let many = counted(inventory.items.len(), "item");
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

    /// The errors, then the table.
    fn draw_items(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
        let Some(player) = self.selected() else {
            return;
        };
        let theme = ctx.theme;
        let dim = theme.style(Tone::Dim);
        let (errors, left) = item_parts(player, area);
        for (problem, error) in errors {
            paragraph(buf, error, &problem.describe(), theme.style(Tone::Bad));
        }
        let Some((inventory, _)) = &player.inventory else {
            return;
        };
        if inventory.items.is_empty() {
            Pen::new(buf, left, 0).text("The inventory is empty.", dim);
            return;
        }
        let [head, rows] = split_rows(left, 1);
        let pager = Pager::text(rows, self.scroll, inventory.items.len());
        let items = inventory.items.iter();
        let widest = |measure: fn(&Item) -> u16, least: u16, most: u16| {
            let all = items.clone().map(measure);
            Width::Exact(all.max().unwrap_or(0).clamp(least, most))
        };
        let named = (left.width / 2).clamp(4, 32);
        let columns = vec![
            Column::new(
                "instance",
                widest(|it| width(&it.id.to_string()), 8, 20),
                move |it: &Item, _| Line::styled(it.id.to_string(), dim),
            )
            .right(),
            Column::new("item", widest(|it| width(&name(it)), 4, named), |it, _| {
                name(it).into()
            }),
            Column::new(
                "uses",
                widest(|it| width(&uses(it.remaining_uses)), 4, 10),
                move |it: &Item, _| {
                    let tone = match it.remaining_uses {
                        None => Tone::Dim,
                        Some(0) => Tone::Warn,
                        Some(_) => Tone::Plain,
                    };
                    Line::styled(uses(it.remaining_uses), theme.style(tone))
                },
            )
            .right(),
            Column::new("data or description", Width::REST, move |it: &Item, _| {
                Line::styled(it.data.as_deref().unwrap_or(&it.description), dim)
            }),
        ];
        let seen = items.skip(pager.shown().start).take(pager.shown().len());
        let grid = Grid::new(columns, &seen.collect::<Vec<_>>(), List::default(), rows);
        grid.draw_head(ctx, head, buf);
        grid.paint(None, buf);
        if let Some(place) = pager.place() {
            let shown = format!("{place}, {} for more", ctx.key(NavAction::PageDown));
            Pen::new(buf, area, 1).flush(&shown, dim);
        }
    }
}

fn columns(ctx: ViewContext<'_>) -> Vec<Column<'_, PlayerState>> {
    let theme = ctx.theme;
    let dim = theme.style(Tone::Dim);
    vec![
        Column::new("", Width::Exact(1), move |it: &PlayerState, _| {
            let (glyph, tone) = match (&it.proof, &it.last_error) {
                (Proof::Refused(_), _) => ("✘", Tone::Bad),
                (_, Some(_)) => ("!", Tone::Warn),
                (Proof::Proved(_), None) => ("✔", Tone::Good),
                (Proof::None, None) => ("○", Tone::Dim),
            };
            Line::styled(glyph, theme.bold(tone))
        }),
        Column::new("player", Width::REST, move |it: &PlayerState, _| {
            let name = Span::styled(it.display_name(), theme.style(Tone::Plain));
            let account = match ctx.store.games().count() {
                0 | 1 => String::new(),
                _ => format!(" {}", it.account),
            };
            Line::from(vec![name, Span::styled(account, dim)])
        }),
        Column::new("", Width::Exact(10), move |it: &PlayerState, _| {
            let items = it.inventory.as_ref().map(|_| counted(it.len(), "item"));
            Line::styled(items.unwrap_or_default(), dim)
        })
        .right(),
        Column::new("", Width::Exact(5), move |it: &PlayerState, _| {
            let state = match (it.request(ctx.store), &it.inventory) {
                (Some(_), _) => "fetch".to_owned(),
                (None, Some((_, at))) => ctx.age(*at),
                (None, None) => String::new(),
            };
            Line::styled(state, dim)
        })
        .right(),
    ]
}

/// Whether one of the games is the sandbox's.
fn plays_sandbox(store: &Store) -> bool {
    let mut games = store.games();
    games.any(|game| game.account.environment == Environment::Embedded)
}
