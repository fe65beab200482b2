//! The accounts: environment, source of the secret, and whether the credentials are valid.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{
    UpdateContext, ViewContext, age_changes_in, draw_lines, line_rows, tick, without_account,
};
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

    /// Time until the pane must be redrawn without an event.
    pub fn changes_in(store: &Store, now: Now, still: bool) -> Option<Duration> {
        let ages = store
            .accounts
            .iter()
            .filter(|known| known.verifying.is_none())
            .filter_map(|known| known.status.at())
            .map(|at| age_changes_in(at, now));
        let mut waits = store.accounts.iter();
        let counts = waits.any(|known| store.counts_down(known.verifying, now));
        ages.chain((counts && !still).then(|| tick(now))).min()
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
            draw_lines(&describe(known, ctx), ctx, below(area, list.height), buf);
        }
    }

    /// Rows that the details of the selected account need.
    pub fn detail_rows(&self, ctx: ViewContext<'_>, columns: u16) -> u16 {
        let known = self.selected(ctx.store);
        known.map_or(0, |known| line_rows(&describe(known, ctx), columns))
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
    // In a narrow pane the status word is worth more than "ago".
    let status = if width(&status) > pen.left() {
        status.replace(" just now", " now").replace(" ago", "")
    } else {
        status
    };
    pen.text(&status, theme.style(status_tone));
}

/// The details of an account, the most important first.
fn describe(known: &AccountState, ctx: ViewContext<'_>) -> Vec<(String, Tone)> {
    let account = &known.account;
    let mut out = Vec::new();
    if let Some(wait) = ctx.waiting(known.verifying) {
        let key = ctx.key(Action::Escape);
        out.push((format!("waiting: {wait}; {key} cancels"), Tone::Busy));
    }
    if let Some(why) = known.status.why() {
        let tone = match known.status {
            CredentialStatus::Unreachable { .. } | CredentialStatus::Unverified { .. } => {
                Tone::Warn
            }
            _ => Tone::Bad,
        };
        let why = without_account(why, known.id().as_str());
        out.push((why.to_owned(), tone));
    }
    if let Some(left) = known.armed(ctx.now) {
        let minutes = left.as_secs().div_ceil(60);
        let text = format!("ARMED for {minutes} min: write calls are allowed");
        out.push((text, Tone::Live));
    }
    if account.environment == Environment::Embedded {
        let text = format!("{}, built-in simulator", account.provider_title);
        out.push((text, Tone::Dim));
    } else {
        let text = format!("{} at {}", account.provider_title, account.host);
        out.push((text, Tone::Dim));
        out.push((format!("secret: {}", account.secret_source), Tone::Dim));
    }
    out
}

fn status(known: &AccountState, ctx: ViewContext<'_>) -> (&'static str, String, Tone) {
    if known.verifying.is_some() {
        // The details say what it waits for: a row has no room for the reason.
        let word = match ctx.store.wait_of(known.verifying) {
            Some(_) => "waiting",
            None => "verifying",
        };
        return ("◌", word.into(), Tone::Busy);
    }
    let (glyph, tone) = match known.status {
        CredentialStatus::Untested | CredentialStatus::Verifying => ("○", Tone::Dim),
        CredentialStatus::Good { .. } => ("✔", Tone::Good),
        CredentialStatus::Refused { .. } | CredentialStatus::Unreadable { .. } => ("✘", Tone::Bad),
        CredentialStatus::Unreachable { .. } | CredentialStatus::Unverified { .. } => {
            ("!", Tone::Warn)
        }
    };
    let word = known.status.shown();
    let when = known
        .status
        .at()
        .map(|at| format!(" {}", ctx.ago(at)))
        .unwrap_or_default();
    (glyph, format!("{word}{when}"), tone)
}
