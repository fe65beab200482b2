//! The accounts: environment, source of the secret, and whether the credentials are valid.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{UpdateContext, ViewContext, age_changes_in};
use crate::domain::{AccountId, CredentialStatus, Environment, Now};
use crate::tui::keys::Action;
use crate::tui::store::{AccountState, Store};
use crate::tui::theme::{Tone, badge};
use crate::tui::widgets::list::List;
use crate::tui::widgets::text::{Pen, below, cells, paragraph, width};

/// The selection.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    pub list: List,
}

impl State {
    pub fn selected<'a>(&self, store: &'a Store) -> Option<&'a AccountState> {
        store.accounts.get(self.list.selected)
    }

    fn selected_id(&self, store: &Store) -> Option<AccountId> {
        self.selected(store).map(|known| known.id().clone())
    }

    pub fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        match action {
            Action::Verify => {
                if let Some(account) = self.selected_id(ctx.store) {
                    ctx.store.verify(&account, ctx.out);
                }
            }
            Action::VerifyAll => {
                let all: Vec<_> = ctx.store.accounts.iter().map(|k| k.id().clone()).collect();
                for account in all {
                    ctx.store.verify(&account, ctx.out);
                }
            }
            _ => {}
        }
    }

    /// Cancels the verification of the selected account; returns whether there was one.
    pub fn cancel(&mut self, ctx: &mut UpdateContext<'_>) -> bool {
        let Some(known) = ctx.store.accounts.get_mut(self.list.selected) else {
            return false;
        };
        let Some(request) = known.verifying.take() else {
            return false;
        };
        ctx.store.cancel(request, ctx.out);
        true
    }

    /// Time until the pane must be redrawn without an event.
    pub fn changes_in(store: &Store, now: Now) -> Option<Duration> {
        store
            .accounts
            .iter()
            .filter(|known| known.verifying.is_none())
            .filter_map(|known| known.status.at())
            .map(|at| age_changes_in(at, now))
            .min()
    }

    pub fn view(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
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
            return;
        }
        let list = list_area(area, accounts.len());
        let names = accounts
            .iter()
            .map(|known| width(known.id().as_str()))
            .max()
            .unwrap_or(0)
            // Room for the glyph, the badge, and the shortest status.
            .min(area.width.saturating_sub(20).max(6));
        for (row, at) in (0..).zip(self.list.window(accounts.len(), list.height)) {
            draw_row(&accounts[at], names, ctx, list, row, buf);
            if at == self.list.selected && accounts.len() > 1 {
                let line = Rect {
                    y: list.y + row,
                    height: 1,
                    ..list
                };
                buf.set_style(line, ctx.theme.selected(ctx.focused));
            }
        }
        if let Some(known) = self.selected(ctx.store) {
            draw_detail(known, ctx, below(area, list.height), buf);
        }
    }
}

/// The rows of the list: all accounts where they fit, else with a line left for the selected one's detail.
pub fn list_area(area: Rect, accounts: usize) -> Rect {
    let accounts = cells(accounts);
    Rect {
        height: if accounts <= area.height {
            accounts
        } else {
            area.height.saturating_sub(1).max(1)
        },
        ..area
    }
}

fn draw_row(
    known: &AccountState,
    names: u16,
    ctx: ViewContext<'_>,
    area: Rect,
    row: u16,
    buf: &mut Buffer,
) {
    let theme = ctx.theme;
    let (word, tone) = badge(known.account.environment);
    let (glyph, status, status_tone) = status(known, ctx);
    let mut pen = Pen::new(buf, area, row);
    pen.text(glyph, theme.bold(status_tone))
        .skip(1)
        .cell(known.id().as_str(), names, theme.style(Tone::Plain))
        .skip(1)
        .cell(&format!(" {word} "), 6, theme.badge(tone))
        .skip(1);
    let status = if width(&status) > pen.left() {
        status.replace(" just now", " now").replace(" ago", "")
    } else {
        status
    };
    pen.text(&status, theme.style(status_tone));
}

fn draw_detail(known: &AccountState, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
    let theme = ctx.theme;
    let dim = theme.style(Tone::Dim);
    let account = &known.account;
    let mut left = area;
    if left.height > 4 {
        left = below(left, 1);
    }
    if let Some(why) = known.status.why() {
        let mut room = left;
        room.height = if left.height > 5 {
            left.height - 2
        } else {
            left.height
        };
        let tone = match known.status {
            CredentialStatus::Unreachable { .. } | CredentialStatus::Unverified { .. } => {
                Tone::Warn
            }
            _ => Tone::Bad,
        };
        let rows = paragraph(buf, room, why, theme.style(tone));
        left = below(left, rows);
    }
    if let Some(left_armed) = known.armed(ctx.now) {
        let minutes = left_armed.as_secs().div_ceil(60);
        Pen::new(buf, left, 0).text(
            &format!("ARMED for {minutes} min: write calls are allowed"),
            theme.bold(Tone::Live),
        );
        left = below(left, 1);
    }
    if account.environment == Environment::Embedded {
        let text = format!("{}, built-in simulator", account.provider_title);
        Pen::new(buf, left, 0).text(&text, dim);
        return;
    }
    let text = format!("{} at {}", account.provider_title, account.host);
    Pen::new(buf, left, 0).text(&text, dim);
    let secret = format!("secret: {}", account.secret_source);
    paragraph(buf, below(left, 1), &secret, dim);
}

fn status(known: &AccountState, ctx: ViewContext<'_>) -> (&'static str, String, Tone) {
    if known.verifying.is_some() {
        let word = match ctx.store.waiting_for(known.verifying) {
            Some(why) => format!("waiting: {why}"),
            None => "verifying".into(),
        };
        return ("◌", word, Tone::Busy);
    }
    let (glyph, tone) = match known.status {
        CredentialStatus::Untested | CredentialStatus::Verifying => ("○", Tone::Dim),
        CredentialStatus::Good { .. } => ("✔", Tone::Good),
        CredentialStatus::Refused { .. } | CredentialStatus::Unreadable { .. } => ("✘", Tone::Bad),
        CredentialStatus::Unreachable { .. } | CredentialStatus::Unverified { .. } => {
            ("!", Tone::Warn)
        }
    };
    // `CredentialStatus::word` is what `--json` prints, so its "good" is translated here.
    let word = match known.status {
        CredentialStatus::Good { .. } => "valid",
        _ => known.status.word(),
    };
    let when = known
        .status
        .at()
        .map(|at| format!(" {}", ctx.ago(at)))
        .unwrap_or_default();
    (glyph, format!("{word}{when}"), tone)
}
