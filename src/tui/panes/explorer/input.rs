//! Input of the explorer: typed keys, pasted text, clicks, and changes of the body.

use ratatui::crossterm::event::KeyEvent;

use super::request::Split;
use super::{Part, State, view};
use crate::tui::prelude::*;
use crate::tui::widgets::editor::Edited;
use crate::tui::widgets::filter::Filter;
use crate::tui::widgets::input::{Paste, first_line};

impl State {
    /// Handles a key that is not an action; returns whether the screen changed.
    pub(super) fn type_key(&mut self, key: &KeyEvent, store: &mut Store) -> bool {
        if self.part != Part::Request {
            return self.filter().is_some_and(|filter| filter.key(key));
        }
        let height = view::request_areas(self.area, self).body.height;
        let draft = self.draft_mut();
        let edited = draft.map_or(Edited::No, |draft| draft.key(key, height));
        edited_flash(edited, store);
        edited != Edited::No
    }

    pub(super) fn take_paste(&mut self, text: &str, store: &mut Store) -> Paste {
        if self.part != Part::Request {
            let filter = self.filter();
            return filter.map_or(Paste::Refused, |filter| filter.paste(text));
        }
        let height = view::request_areas(self.area, self).body.height;
        let in_body = self.draft().is_some_and(|draft| draft.in_body);
        let draft = self.draft_mut();
        let edited = draft.map_or(Edited::No, |draft| draft.paste(text, height));
        edited_flash(edited, store);
        let more = first_line(text).1;
        if edited == Edited::Changed && !in_body && more {
            Paste::FirstLine
        } else {
            Paste::Whole
        }
    }

    /// Handles a click or the wheel: focuses the part under the pointer, and a field of the request.
    pub(super) fn pointed(&mut self, at: Position, click: bool) {
        let parts = view::parts(self.area, self);
        let part = [
            (Part::Calls, parts.calls),
            (Part::Request, parts.request),
            (Part::Response, parts.response),
        ]
        .into_iter()
        .find(|(_, area)| area.contains(at));
        let Some((part, _)) = part else {
            return;
        };
        // As they are drawn: the focused part gets more room.
        let Split { body, fields, .. } = view::request_areas(self.area, self);
        let response = view::response_area(self.area, self);
        // Without a draft, request and response are empty. The wheel does not move the focus into the fields.
        let may = part == Part::Calls || self.draft().is_some();
        if may && (click || part != Part::Request) {
            self.filter().into_iter().for_each(Filter::keep);
            self.part = part;
        }
        if !click {
            return;
        }
        match part {
            Part::Request => {
                if let Some(draft) = self.draft_mut() {
                    if body.contains(at) && draft.body.is_some() {
                        draft.in_body = true;
                    } else if let Some(field) = draft.form.field_at(fields, at) {
                        draft.in_body = false;
                        draft.form.at = field;
                    }
                }
            }
            Part::Response => {
                let shown = self.past().zip(self.response.as_ref());
                let row = shown.and_then(|(past, shown)| shown.row_at(at, past, response));
                if let Some(row) = row {
                    self.with_response(|response| response.select(row));
                }
            }
            Part::Calls => {}
        }
    }
}

fn edited_flash(edited: Edited, store: &mut Store) {
    if edited == Edited::Full {
        store.flash(
            Level::Warning,
            "a body may have at most 1 MiB; nothing was added",
        );
    }
}
