//! The form that adds a note to a watched payment.

use super::form_window::{FormState, FormWindow, WindowText};
use crate::domain::Note;
use crate::tui::msg::WatchKey;
use crate::tui::prelude::*;

#[derive(Debug, Clone)]
pub struct NotedPayment {
    payment: WatchKey,
}

pub type State = FormState<NotedPayment>;

const TEXT: usize = 0;

impl State {
    pub fn of(payment: WatchKey) -> Self {
        let text = Field::prose("Note", "like: refunded by hand, ticket 4711");
        Self::new(Form::new(vec![text]), NotedPayment { payment })
    }
}

impl FormWindow for State {
    const SUBMIT: &'static str = "save note";

    fn text(&self, ctx: ViewContext<'_>) -> WindowText {
        // The title is cut, so that the window has room for it at every width.
        let (_, id) = &self.data.payment;
        let title = format!("Note on {}", fit_middle(id.as_str(), 48));
        let note = "The timeline shows all notes, the list searches the newest.";
        WindowText::new(title, note, ctx.store.is_live())
    }

    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        let text = self.form.read(TEXT, Note::typed);
        if self.form.find_error() {
            return;
        }
        if let Some(text) = text {
            ctx.close();
            ctx.out.push(Effect::Note(self.data.payment.clone(), text));
        }
    }
}
