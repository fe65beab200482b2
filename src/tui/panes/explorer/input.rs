//! Input of the explorer: typed keys, pasted text, clicks, and changes of the body.

use ratatui::crossterm::event::KeyEvent;

use super::request::Split;
use super::{Part, State, Typing, view};
use crate::domain::Now;
use crate::tui::prelude::*;
use crate::tui::widgets::editor::Edited;
use crate::tui::widgets::input::{self, Paste, first_line};

impl State {
    fn search_typed(&mut self, store: &Store, now: Now) {
        match &self.typing {
            Typing::Find(input) => {
                let query = input.value().to_owned();
                self.find(&query, store, now);
            }
            Typing::Search(input) => {
                let query = input.value().to_owned();
                self.with_response(|response| response.search(&query));
            }
            Typing::Nothing => {}
        }
    }

    /// Handles a key that is not an action; returns whether the screen changed.
    pub(super) fn type_key(&mut self, key: &KeyEvent, store: &mut Store, now: Now) -> bool {
        let height = view::request_areas(self.area, self).body.height;
        match &mut self.typing {
            Typing::Find(input) | Typing::Search(input) => {
                let changed = input::edit(input, key);
                if changed {
                    self.search_typed(store, now);
                }
                changed
            }
            Typing::Nothing if self.part == Part::Request => {
                let draft = self.draft_mut();
                let edited = draft.map_or(Edited::No, |draft| draft.key(key, height));
                edited_flash(edited, store);
                edited != Edited::No
            }
            Typing::Nothing => false,
        }
    }

    pub(super) fn take_paste(&mut self, text: &str, store: &mut Store, now: Now) -> Paste {
        let height = view::request_areas(self.area, self).body.height;
        match &mut self.typing {
            Typing::Find(input) | Typing::Search(input) => {
                let pasted = Paste::into_line(input, text);
                self.search_typed(store, now);
                pasted
            }
            Typing::Nothing if self.part == Part::Request => {
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
            Typing::Nothing => Paste::Refused,
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
        // Without a draft, request and response are empty. The wheel does not move the focus into the fields.
        let may = part == Part::Calls || self.draft().is_some();
        if may && (click || part != Part::Request) {
            self.part = part;
            self.typing = Typing::Nothing;
        }
        if !click {
            return;
        }
        match part {
            Part::Request => {
                let Split { body, fields, .. } = view::request_areas(self.area, self);
                let row = usize::from(at.y.saturating_sub(fields.y));
                if let Some(draft) = self.draft_mut() {
                    if body.contains(at) && draft.body.is_some() {
                        draft.in_body = true;
                    } else if fields.contains(at) && row < draft.form.fields.len() {
                        draft.in_body = false;
                        draft.form.at = row;
                    }
                }
            }
            Part::Response => {
                let searching = self.is_searching();
                let inside = view::response_area(self.area, self);
                let text = self.past().zip(self.response.as_ref());
                let text = text.map(|(past, shown)| shown.text_area(past, searching, inside));
                if let Some(text) = text.filter(|text| text.contains(at)) {
                    let below = usize::from(at.y - text.y);
                    self.with_response(|response| response.click(below));
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
