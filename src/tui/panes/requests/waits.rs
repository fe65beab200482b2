//! The waiting requests, as rows above the log: which one is selected, and how they are drawn.

use super::State;
use crate::domain::AccountId;
#[cfg(test)]
use crate::domain::RequestId;
use crate::domain::time;
use crate::tui::panes::budgets::held;
use crate::tui::panes::request_rows::{WaitingRow, waiting_columns};
use crate::tui::prelude::*;

impl State {
    #[cfg(test)]
    pub fn selected_waiting(&self) -> Option<RequestId> {
        self.waiting_at
    }

    /// Selects the waiting request that waits longest.
    pub(super) fn select_waiting(&mut self, store: &Store) {
        self.waiting_at = store.waiting.keys().next().copied();
        self.waits = List::default();
    }

    /// If the selected request no longer waits, selects the next one.
    pub(super) fn fit_waiting(&mut self, store: &Store) {
        if let Some(at) = self.waiting_at {
            // Ids grow with time, so the next higher one is the row below.
            let next = store.waiting.keys().find(|id| **id >= at);
            self.waiting_at = next.or(store.waiting.keys().next_back()).copied();
        }
    }

    /// Moves among the waiting rows, and from them into the log; returns whether the step is done.
    pub(super) fn step_waiting(&mut self, step: Step, ctx: &mut UpdateContext<'_>) -> bool {
        let height = self.parts(ctx.area, ctx.store).waiting.height;
        let store = &mut *ctx.store;
        let len = store.waiting.len();
        let to_top = matches!(step, Step::Up(_) | Step::Top | Step::PageUp);
        let at = match self.waiting_at {
            Some(at) => store.waiting.keys().position(|id| *id >= at),
            None if len > 0 && (step == Step::Top || self.log.list.selected == 0 && to_top) => {
                let at = if step == Step::Top { 0 } else { len - 1 };
                self.waits.selected = at;
                self.waits.fit(len, height);
                self.waiting_at = store.waiting.keys().nth(at).copied();
                return true;
            }
            None => return false,
        };
        let at = at.unwrap_or(len.saturating_sub(1));
        let beyond = match step {
            Step::Down(n) => at + n >= len,
            Step::PageDown => at + 1 >= len,
            Step::Bottom => true,
            Step::Up(_) | Step::PageUp | Step::Top => false,
        };
        if beyond {
            self.waiting_at = None;
            if step != Step::Bottom {
                self.log.pick(0, store);
                return true;
            }
            return false;
        }
        self.waits.selected = at;
        self.waits.step(step, len, height);
        self.waiting_at = store.waiting.keys().nth(self.waits.selected).copied();
        true
    }

    /// Selects the waiting request drawn at a position, if there is one.
    pub(super) fn point_waiting(&mut self, at: Position, ctx: &mut UpdateContext<'_>) {
        let area = self.parts(ctx.area, ctx.store).waiting;
        let waiting = &ctx.store.waiting;
        if let Some(row) = self.waits.at(at, area, waiting.len()) {
            self.waits.selected = row;
            self.waiting_at = waiting.keys().nth(row).copied();
        }
    }

    /// Cancels the selected waiting request; for one that was not started here, lifts the hold of its account. Without a
    /// selection it selects the oldest one. Where none waits, it lifts the hold of the account that is shown first: a
    /// request that would wait for hours does not even start.
    pub(super) fn cancel_waiting(&mut self, ctx: &mut UpdateContext<'_>) {
        if ctx.store.waiting.is_empty() {
            lift_hold(None, ctx);
            return;
        }
        let Some(request) = self.waiting_at else {
            ctx.intend(Intent::ShowWaiting);
            return;
        };
        let Some(waiting) = ctx.store.waiting.get(&request) else {
            // It ended between the last frame and the key press: must not cancel the next one instead.
            self.select_waiting(ctx.store);
            ctx.flash(Level::Info, "this request no longer waits");
            return;
        };
        let account = waiting.account.clone();
        if ctx.store.in_flight_for(request).is_some() {
            ctx.console.push(Command::Cancel(request));
            // Repeated presses cancel the operator's own requests, and then end no pause.
            let mut later = ctx.store.waiting.keys().filter(|id| **id > request);
            let own = later.find(|id| ctx.store.in_flight_for(**id).is_some());
            self.waiting_at = own.copied();
        } else if !lift_hold(Some(&account), ctx) {
            let text = format!(
                "{account}: this request was not started in the console and cannot be cancelled here; other requests need it"
            );
            ctx.flash(Level::Info, text);
        }
    }

    /// Draws their rows; the last one says how many more wait.
    pub(super) fn draw_waits(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
        let waiting = &ctx.store.waiting;
        let at = self
            .waiting_at
            .map_or(0, |at| waiting.keys().take_while(|id| **id < at).count());
        let mut list = self.waits;
        list.selected = at;
        let hidden = waiting.len().saturating_sub(area.height.into());
        let more = match hidden {
            0 => String::new(),
            n => format!("{n} more waiting"),
        };
        let end = list.window(waiting.len(), area.height).end;
        let rows: Vec<WaitingRow<'_>> = waiting
            .iter()
            .enumerate()
            .map(|(at, (request, waits))| WaitingRow {
                waits,
                is_own: ctx.store.in_flight_for(*request).is_some(),
                free: if hidden > 0 && at + 1 == end {
                    width(&more) + 2
                } else {
                    0
                },
            })
            .collect();
        let columns = waiting_columns(area.width, ctx);
        let grid = Grid::new(columns, &rows.iter().collect::<Vec<_>>(), list, area);
        let selected = self.waiting_at.map(|_| ctx.theme.selected(ctx.focused));
        grid.paint(selected, buf);
        let bottom = area.height.saturating_sub(1);
        Pen::new(buf, area, bottom).flush(&more, ctx.theme.style(Tone::Warn));
    }
}

/// Sends again to a provider that answered 429: the account's, or that of the first one held. Returns whether one was.
fn lift_hold(account: Option<&AccountId>, ctx: &mut UpdateContext<'_>) -> bool {
    let is_meant = |(held, _): &(&AccountId, _)| account.is_none_or(|it| it == *held);
    let Some((account, left)) = held(ctx.store, ctx.now).find(is_meant) else {
        return false;
    };
    let account = account.clone();
    let text = format!(
        "{account}: pause ended; the provider (429) wanted {} more",
        time::fine(left)
    );
    ctx.flash(Level::Info, text);
    ctx.out.push(Effect::LiftHolds(account));
    true
}
