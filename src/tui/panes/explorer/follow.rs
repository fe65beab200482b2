//! From a response to the next call: the calls that take the selected row's ids, the next page, and the way back.

use super::draft::{Draft, Origin};
use super::{Part, State, calls};
use crate::domain::{AccountId, Digest, DocumentedCall, RowIds, Secret};
use crate::tui::intent::NextCall;
use crate::tui::overlays::follow_ups;
use crate::tui::prelude::*;

impl State {
    /// The digest on the screen, and its selected row.
    fn row(&self) -> Option<(&Digest, usize)> {
        let row = self.response.as_ref()?.selected()?;
        let digest = self.past()?.digest()?;
        (row < digest.rows.len()).then_some((digest, row))
    }

    /// The ids of the selected row, and those that its call was sent with.
    pub(super) fn row_ids(&self) -> Option<RowIds> {
        let (digest, row) = self.row()?;
        let mut ids = digest.ids(row);
        let past = self.past()?;
        let params = past.documented.map_or(&[][..], |call| call.params);
        for (param, value) in params.iter().zip(&past.values) {
            ids.add(param.name, value);
        }
        Some(ids)
    }

    pub(super) fn offer_follow_ups(&self, ctx: &mut UpdateContext<'_>) {
        if let (Some(ids), Some(draft)) = (self.row_ids(), self.draft()) {
            follow_ups::State::open(draft.account.clone(), ids, ctx);
        }
    }

    /// Copies the own id of the selected row, else the whole row; without a row, the call as a command.
    pub(super) fn copy_row(&self, ctx: &mut UpdateContext<'_>) {
        let row = self.row().filter(|_| self.part == Part::Response);
        let Some((digest, row)) = row else {
            if let Some(text) = self.own_command(ctx.store) {
                ctx.copy(Secret::new(text), "the call as a tilldeck command");
            }
            return;
        };
        match digest.ids(row).ids.first() {
            Some((_, id)) => ctx.copy(Secret::new(id.as_str()), "the row's id"),
            None => ctx.copy(Secret::new(digest.rows[row].join("\t")), "the row"),
        }
    }

    /// Fills in a call from the ids of a row. Sends a read for which nothing is missing, and asks about such a write.
    pub(super) fn follow(&mut self, next: &NextCall, ctx: &mut UpdateContext<'_>) {
        let Some(known) = ctx.store.known(&next.account) else {
            return;
        };
        let account = known.account.clone();
        // A callback's ids are of no row here.
        let is_row = self.row_ids().as_ref() == Some(&next.ids);
        let origin = self.past().zip(self.row()).filter(|_| is_row);
        let origin = origin.map(|(past, (_, row))| Origin {
            number: past.number,
            row,
        });
        // It may hide the call.
        self.filter.clear();
        self.open(&account.id, Some(next.call), ctx.store);
        self.select_call(&account.id, Some(next.call));
        let is_in_flight = self.in_flight().is_some();
        self.part = if is_in_flight {
            let text = "this call is in progress; cancel it first, or wait for its response";
            ctx.flash(Level::Info, text);
            Part::Response
        } else {
            Part::Request
        };
        let Some(draft) = self.draft_mut().filter(|_| !is_in_flight) else {
            return;
        };
        *draft = Draft::new(&account, Some(next.call));
        draft.origin = origin;
        let is_whole = draft.fill_from(next.follow_up, &next.ids);
        if is_whole {
            self.send(ctx);
        }
    }

    /// Goes back to the row that the current call was made from; returns whether there is one.
    pub(super) fn return_to_row(&mut self, ctx: &mut UpdateContext<'_>) -> bool {
        let origin = self.draft_mut().and_then(|draft| draft.origin.take());
        let Some(origin) = origin.filter(|origin| self.history.get(origin.number).is_some()) else {
            return false;
        };
        self.reopen(origin.number, ctx.store);
        self.lay_out(ctx.store, ctx.area, ctx.now);
        self.with_response(|response| response.select(origin.row));
        true
    }

    /// The parameter of the page in the call that was sent, and the next or previous page, if there is one.
    pub(super) fn page(&self, forward: bool) -> Option<(usize, u32)> {
        let past = self.past()?;
        let values: Vec<&str> = past.values.iter().map(String::as_str).collect();
        let (at, paging) = past.documented?.page_param(&values)?;
        let page = match values[at] {
            "" => paging.first,
            page => page.parse().ok()?,
        };
        let digest = past.outcome.as_ref().ok()?.digest.as_ref();
        let page = match forward {
            true if digest?.has_more => page.checked_add(1)?,
            true => return None,
            false => page.checked_sub(1).filter(|page| *page >= paging.first)?,
        };
        Some((at, page))
    }

    /// Sends the call again for the next or the previous page.
    pub(super) fn turn_page(&mut self, forward: bool, ctx: &mut UpdateContext<'_>) {
        let Some((at, page)) = self.page(forward) else {
            return;
        };
        let Some(past) = self.past().cloned() else {
            return;
        };
        let Some(draft) = self.draft_mut() else {
            return;
        };
        let mut values = past.values;
        values[at] = page.to_string();
        // As it was sent, whatever was typed since.
        draft.fill(&values, &past.call);
        self.send(ctx);
    }

    pub(super) fn select_call(
        &mut self,
        account: &AccountId,
        call: Option<&'static DocumentedCall>,
    ) {
        let row = self.rows.iter().position(|row| match row {
            calls::Row::Call {
                account: of,
                call: known,
                ..
            } => of == account && calls::is_same_call(Some(known), call),
            calls::Row::Other(of) => of == account && call.is_none(),
            _ => false,
        });
        self.list.selected = row.unwrap_or(self.list.selected);
    }
}
