//! What all windows with a form have in common: moving among the fields, submitting, and the progress of the request.

use std::fmt;

use ratatui::crossterm::event::KeyEvent;

use super::guide;
use crate::domain::{Answer, Problem, ProviderId, RequestId};
use crate::tui::keys::WindowAction;
use crate::tui::prelude::*;
use crate::tui::widgets::input::{Paste, first_line};

keys! {
    FormAction:
    FORM "Forms" text [OVERLAY] {
        Submit "submit" ["enter"] "submit" "check and submit the form";
        NextField "next-field" ["tab" "down"] "next" "next field" else "this form has one field";
        PreviousField "previous-field" ["shift-tab" "up"] "back" "previous field" else "this form has one field";
        FormGuide "form-guide" ["f1"] "guide" "show how to get credentials" else "this form has no guide";
    }
}

/// The progress of a form that stays open until its request has a response.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    Filling,
    Asked(RequestId),
    Failed(Problem),
}

/// A window with a form: the form, the progress of its request, and what this window knows besides.
#[derive(Debug, Clone)]
pub struct FormState<T> {
    pub form: Form,
    pub stage: Stage,
    pub data: T,
}

/// What makes a window of a [`FormState`].
pub trait FormWindow {
    /// What Enter does, for the footer.
    const SUBMIT: &'static str;
    const WIDE: u16 = 76;

    /// The window while the operator fills the form in.
    fn text(&self, ctx: ViewContext<'_>) -> WindowText;

    /// The rows above the form. Those that do not fit are left out: the guide has them too.
    fn steps(&self, _columns: u16) -> Vec<String> {
        Vec::new()
    }

    /// What Enter does in the form as it is filled in.
    fn submit_word(&self) -> &'static str {
        Self::SUBMIT
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

    /// Carries out a complete form, or marks its errors.
    fn submit(&mut self, ctx: &mut UpdateContext<'_>);

    /// The form may have changed.
    fn refit(&mut self) {}

    /// The request succeeded: an operation with an answer, or a change.
    fn done(&mut self, _answer: Option<&Answer>, ctx: &mut UpdateContext<'_>) {
        ctx.close();
    }

    fn failed(&mut self, _problem: &Problem) {}

    /// Takes a pasted text for itself, before the current field would.
    fn take_paste(&mut self, _text: &str, _ctx: &mut UpdateContext<'_>) -> bool {
        false
    }
}

impl<T> FormState<T> {
    pub fn new(form: Form, data: T) -> Self {
        Self {
            form,
            stage: Stage::Filling,
            data,
        }
    }
}

impl<T> FormState<T>
where
    Self: FormWindow,
{
    /// The window as its request's progress has it.
    fn current_text(&self, ctx: ViewContext<'_>) -> WindowText {
        let mut text = self.text(ctx);
        match &self.stage {
            Stage::Filling => {}
            Stage::Asked(request) => {
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
            Stage::Failed(problem) => (text.note, text.tone) = self.trouble(problem),
        }
        text
    }
}

impl<T: fmt::Debug + Send + 'static> Component for FormState<T>
where
    Self: FormWindow,
{
    type Action = FormAction;

    fn can(&self, action: FormAction, _ctx: ViewContext<'_>) -> bool {
        match action {
            FormAction::Submit => true,
            FormAction::NextField | FormAction::PreviousField => self.form.fields.len() > 1,
            FormAction::FormGuide => self.guide().is_some(),
        }
    }

    fn act(&mut self, action: FormAction, ctx: &mut UpdateContext<'_>) {
        match action {
            FormAction::Submit => {
                if self.request().is_none() {
                    self.submit(ctx);
                }
            }
            FormAction::NextField => self.form.next(),
            FormAction::PreviousField => self.form.previous(),
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

    /// Its request has what the fields say, so they stay as they are until it ends.
    fn key(&mut self, key: &KeyEvent, _ctx: &mut UpdateContext<'_>) -> bool {
        let is_changed = self.request().is_none() && self.form.key(key);
        self.form.is_changed |= is_changed;
        is_changed
    }

    fn pick(&mut self, field: usize, _ctx: &mut UpdateContext<'_>) {
        if self.request().is_none() {
            self.form.is_changed |= self.form.pick(field);
        }
    }

    fn paste(&mut self, text: &str, ctx: &mut UpdateContext<'_>) -> Paste {
        if self.request().is_some() {
            ctx.flash(Level::Info, "cannot paste here: a request is in progress");
            return Paste::Whole;
        }
        if self.take_paste(text, ctx) {
            return Paste::Whole;
        }
        let taken = self.form.paste(text);
        self.form.is_changed |= taken;
        match (taken, first_line(text)) {
            (false, _) => Paste::Refused,
            (true, (_, true)) => Paste::FirstLine,
            (true, (_, false)) => Paste::Whole,
        }
    }

    fn on_event(&mut self, event: Event<'_>, ctx: &mut UpdateContext<'_>) {
        let (request, answer, problem) = match event {
            Event::Cancelled { request, .. } => {
                if self.request() == Some(request) {
                    self.stage = Stage::Filling;
                }
                return;
            }
            Event::Message(Msg::Answered(request, result), _) => {
                (request, Some(result), result.problem())
            }
            Event::Message(Msg::AccountChanged(request, result), _) => {
                (request, None, result.as_ref().err())
            }
            Event::Message(Msg::Replayed(request, result), _) => {
                (request, None, result.as_ref().err())
            }
            Event::Message(..) | Event::Reopened => return,
        };
        if self.request() == Some(*request) {
            match problem {
                None => self.done(answer, ctx),
                Some(problem) => {
                    self.failed(problem);
                    self.stage = Stage::Failed(problem.clone());
                }
            }
        }
    }

    fn fit(&mut self, ctx: &mut UpdateContext<'_>) {
        // The requests of an account that was removed are cancelled.
        let is_gone = |request| ctx.store.in_flight_for(request).is_none();
        if self.can_cancel() && self.request().is_some_and(is_gone) {
            self.stage = Stage::Filling;
        }
        self.refit();
    }

    /// The first Esc cancels the form's request.
    fn close(&mut self, ctx: &mut UpdateContext<'_>) -> bool {
        let request = self.request().filter(|_| self.can_cancel());
        ctx.console.extend(request.map(Command::Cancel));
        request.is_none()
    }

    fn is_changed(&self) -> bool {
        self.form.is_changed
    }

    fn request(&self) -> Option<RequestId> {
        match self.stage {
            Stage::Asked(request) => Some(request),
            Stage::Filling | Stage::Failed(_) => None,
        }
    }

    /// Draws the whole form, and as many steps as fit above it.
    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let (form, text) = (&self.form, self.current_text(ctx));
        let room = columns_inside(screen, Self::WIDE);
        let notes = cells(wrap(&text.note, room).len());
        let steps = self.steps(room);
        let fixed = form.height(room) + notes;
        // Beside a blank row above the form and one below it: the frame, and a third blank row where there are no steps.
        let (more, spare) = if steps.is_empty() { (3, 2) } else { (2, 4) };
        let inner = Window {
            title: &text.title,
            size: Size::new(Self::WIDE, cells(steps.len()) + fixed + 2 + more),
            live: text.live,
        }
        .draw(ctx.theme, screen, buf);
        let air = u16::from(inner.height >= fixed + spare);
        let shown = inner.height.saturating_sub(fixed + air * 2);
        let whole = steps.len() <= usize::from(shown);
        let [above, area] = split_rows(inner, shown.min(cells(steps.len())));
        for (at, line) in above.rows().enumerate() {
            let text = if !whole && line.bottom() == above.bottom() {
                &format!("… {} shows all steps", ctx.key(FormAction::FormGuide))
            } else {
                &steps[at]
            };
            Pen::new(buf, line, 0).text(text, ctx.theme.style(Tone::Plain));
        }
        let area = below(area, air);
        let [fields, _] = split_rows(area, area.height.saturating_sub(notes).max(1));
        form.note(ctx, fields);
        let cursor = form.draw(buf, fields, ctx.theme);
        let under = below(area, form.height(inner.width).min(fields.height) + air);
        paragraph(buf, under, &text.note, ctx.theme.style(text.tone));
        cursor
    }
}

/// How a form's window looks: its title, and a note below the fields.
pub struct WindowText {
    pub title: String,
    pub note: String,
    pub tone: Tone,
    /// Whether an account with real money is involved.
    pub live: bool,
}

impl WindowText {
    pub fn new(title: impl Into<String>, note: impl Into<String>, live: bool) -> Self {
        Self {
            title: title.into(),
            note: note.into(),
            tone: Tone::Dim,
            live,
        }
    }
}
