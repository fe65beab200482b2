//! What all windows with a form have in common: moving among the fields, submitting, and the progress of the request.

use std::fmt;

use ratatui::buffer::Buffer;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect, Size};

use super::guide;
use crate::domain::{Answer, Problem, ProviderId, RequestId};
use crate::tui::component::{Component, Event, UpdateContext, ViewContext};
use crate::tui::keys::{OVERLAY, WindowAction, keys};
use crate::tui::msg::Msg;
use crate::tui::theme::Tone;
use crate::tui::widgets::boxes::{Window, columns_inside};
use crate::tui::widgets::form::{Form, Typed};
use crate::tui::widgets::input::{Paste, first_line};
use crate::tui::widgets::text::{below, cells, paragraph, split_rows, wrap};

keys! {
    /// What a key does in a form.
    FormAction:
    FORM "Forms" text [OVERLAY] {
        Submit "submit" ["enter"] "submit" "check and submit the form";
        NextField "next-field" ["tab" "down"] "next" "next field";
        PreviousField "previous-field" ["shift-tab" "up"] "back" "previous field";
        FormGuide "form-guide" ["f1"] "guide" "show how to get credentials";
    }
}

/// The progress of a form that stays open until its request has a response.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    Filling,
    Asked(RequestId),
    Failed(Problem),
}

impl Stage {
    /// The request that is in progress.
    pub fn request(&self) -> Option<RequestId> {
        match self {
            Self::Asked(request) => Some(*request),
            Self::Filling | Self::Failed(_) => None,
        }
    }
}

/// A window with a form.
pub trait FormWindow: Clone + fmt::Debug + Send + 'static {
    fn form(&self) -> &Form;

    fn form_mut(&mut self) -> &mut Form;

    /// The window while the operator fills the form in.
    fn text(&self, ctx: ViewContext<'_>) -> WindowText;

    /// The progress of its request, if it sends one.
    fn stage(&self) -> Option<&Stage> {
        None
    }

    fn stage_mut(&mut self) -> Option<&mut Stage> {
        None
    }

    /// What its request does, as in `verifying`.
    fn progress(&self, _ctx: ViewContext<'_>) -> String {
        String::new()
    }

    /// What to say about a failure.
    fn trouble(&self, problem: &Problem) -> (String, Tone) {
        (problem.describe(), Tone::Bad)
    }

    /// Whether Esc can cancel its request. Without this, Esc closes the window and the request goes on.
    fn can_cancel(&self) -> bool {
        true
    }

    /// The provider whose guide helps to fill it in.
    fn guide(&self) -> Option<ProviderId> {
        None
    }

    /// What Enter does, for the footer.
    fn submit_word(&self) -> &'static str;

    /// Carries out a complete form, or marks its errors.
    fn submit(&mut self, ctx: &mut UpdateContext<'_>);

    /// The form or the store may have changed.
    fn refit(&mut self, _ctx: &mut UpdateContext<'_>) {}

    /// The operator pressed a locked switch.
    fn unlock(&mut self, _ctx: &mut UpdateContext<'_>) {}

    /// The operation that the form started has a result.
    fn answered(&mut self, answer: &Answer, ctx: &mut UpdateContext<'_>) {
        match answer.problem() {
            None => self.done(ctx),
            Some(problem) => self.failed(problem),
        }
    }

    /// The request succeeded.
    fn done(&mut self, ctx: &mut UpdateContext<'_>) {
        ctx.close();
    }

    /// The request failed.
    fn failed(&mut self, problem: &Problem) {
        if let Some(stage) = self.stage_mut() {
            *stage = Stage::Failed(problem.clone());
        }
    }

    /// Follows a change of the current field; returns whether there was one.
    fn on_typed(&mut self, typed: Typed, ctx: &mut UpdateContext<'_>) -> bool {
        match typed {
            Typed::Nothing => return false,
            Typed::Changed => self.refit(ctx),
            Typed::Locked => self.unlock(ctx),
        }
        true
    }

    /// Takes a pasted text for itself, before the current field would.
    fn take_paste(&mut self, _text: &str, _ctx: &mut UpdateContext<'_>) -> bool {
        false
    }

    /// The window as its request's progress has it.
    fn current_text(&self, ctx: ViewContext<'_>) -> WindowText {
        let mut text = self.text(ctx);
        match self.stage() {
            None | Some(Stage::Filling) => {}
            Some(Stage::Asked(request)) => {
                let progress = self.progress(ctx);
                let state = match ctx.store.waiting_for(Some(*request)) {
                    Some(why) => format!("{progress}, waiting: {why}"),
                    None => format!("{progress}…"),
                };
                text.note = if self.can_cancel() {
                    format!("{state}; {} cancels", ctx.key(WindowAction::Close))
                } else {
                    state
                };
                text.tone = Tone::Busy;
            }
            Some(Stage::Failed(problem)) => (text.note, text.tone) = self.trouble(problem),
        }
        text
    }

    fn draw(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        self.current_text(ctx).draw(self.form(), ctx, screen, buf)
    }
}

impl<F: FormWindow> Component for F {
    type Action = FormAction;

    fn can(&self, action: FormAction, _ctx: ViewContext<'_>) -> bool {
        action != FormAction::FormGuide || self.guide().is_some()
    }

    fn why_not(&self, action: FormAction) -> &'static str {
        match action {
            FormAction::FormGuide => "this form has no guide",
            FormAction::Submit | FormAction::NextField | FormAction::PreviousField => {
                "a request is in progress"
            }
        }
    }

    fn act(&mut self, action: FormAction, ctx: &mut UpdateContext<'_>) {
        match action {
            FormAction::Submit => {
                self.refit(ctx);
                if self.request().is_none() {
                    self.submit(ctx);
                }
            }
            FormAction::NextField => self.form_mut().next(),
            FormAction::PreviousField => self.form_mut().previous(),
            FormAction::FormGuide => {
                if let Some(provider) = self.guide() {
                    ctx.open(guide::State::new(&ctx.store.setups, Some(provider)));
                }
            }
        }
    }

    fn word(&self, action: FormAction, _ctx: ViewContext<'_>) -> Option<&'static str> {
        (action == FormAction::Submit).then(|| self.submit_word())
    }

    fn key(&mut self, key: &KeyEvent, ctx: &mut UpdateContext<'_>) -> bool {
        let typed = self.form_mut().key(key);
        self.form_mut().is_changed |= typed == Typed::Changed;
        self.on_typed(typed, ctx)
    }

    fn pick(&mut self, field: usize, ctx: &mut UpdateContext<'_>) {
        let typed = self.form_mut().pick(field);
        self.form_mut().is_changed |= typed == Typed::Changed;
        self.on_typed(typed, ctx);
    }

    fn paste(&mut self, text: &str, ctx: &mut UpdateContext<'_>) -> Paste {
        if self.take_paste(text, ctx) {
            return Paste::Whole;
        }
        let taken = self.form_mut().paste(text);
        self.form_mut().is_changed |= taken;
        match (taken, first_line(text)) {
            (false, _) => Paste::Refused,
            (true, (_, true)) => Paste::FirstLine,
            (true, (_, false)) => Paste::Whole,
        }
    }

    fn on_event(&mut self, event: Event<'_>, ctx: &mut UpdateContext<'_>) {
        let Some(waiting) = self.request() else {
            return;
        };
        let (request, result) = match event {
            Event::Cancelled { request, .. } if request == waiting => {
                if let Some(stage) = self.stage_mut() {
                    *stage = Stage::Filling;
                }
                return;
            }
            Event::Message(Msg::Answered { request, result }, _) => {
                if *request == waiting {
                    self.answered(result, ctx);
                }
                return;
            }
            Event::Message(Msg::Managed { request, result }, _) => {
                (request, result.as_ref().map(drop))
            }
            Event::Message(Msg::Replayed { request, result }, _) => {
                (request, result.as_ref().map(drop))
            }
            Event::Message(..) | Event::Cancelled { .. } | Event::Reopened => return,
        };
        if *request == waiting {
            match result {
                Ok(()) => self.done(ctx),
                Err(problem) => self.failed(problem),
            }
        }
    }

    fn fit(&mut self, ctx: &mut UpdateContext<'_>) {
        self.refit(ctx);
    }

    /// The first Esc cancels the form's request.
    fn close(&mut self, ctx: &mut UpdateContext<'_>) -> bool {
        let request = self.request().filter(|_| self.can_cancel());
        if let (Some(request), Some(stage)) = (request, self.stage_mut()) {
            *stage = Stage::Filling;
            ctx.store.cancel(request, ctx.out);
            self.refit(ctx);
        }
        request.is_none()
    }

    fn is_changed(&self) -> bool {
        self.form().is_changed
    }

    fn request(&self) -> Option<RequestId> {
        self.stage().and_then(Stage::request)
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        self.draw(ctx, screen, buf)
    }
}

/// Columns of the window.
const WIDE: u16 = 76;

/// How a form's window looks: its title, and a note below the fields.
pub struct WindowText {
    pub title: String,
    pub note: String,
    pub tone: Tone,
    /// Whether an account with real money is involved.
    pub live: bool,
}

impl WindowText {
    /// A note in the tone of a hint.
    pub fn new(title: impl Into<String>, note: impl Into<String>, live: bool) -> Self {
        Self {
            title: title.into(),
            note: note.into(),
            tone: Tone::Dim,
            live,
        }
    }

    fn draw(
        &self,
        form: &Form,
        ctx: ViewContext<'_>,
        screen: Rect,
        buf: &mut Buffer,
    ) -> Option<Position> {
        let room = columns_inside(screen, WIDE);
        let rows = cells(wrap(&self.note, room).len());
        let size = Size::new(WIDE, form.height(room) + rows + 5);
        let inner = Window {
            title: &self.title,
            size,
            live: self.live,
        }
        .draw(ctx.theme, screen, buf);
        // A blank row above the form and one below it, if both fit.
        let spare = inner.height.saturating_sub(form.height(inner.width) + rows);
        let air = u16::from(spare >= 2);
        let kept = rows.min(inner.height.saturating_sub(1)) + air * 2;
        let [fields, _] = split_rows(below(inner, air), inner.height.saturating_sub(kept));
        form.note(ctx, fields);
        let cursor = form.draw(buf, fields, ctx.theme);
        let under = below(inner, air * 2 + fields.height.min(form.height(inner.width)));
        paragraph(buf, under, &self.note, ctx.theme.style(self.tone));
        cursor
    }
}
