//! The windows over the panes. One is open at a time, so the state is an enum and not a set of flags.

pub mod account_add;
pub mod add_many;
pub mod add_watch;
pub mod alerts;
pub mod arm;
pub mod claims;
pub mod copy_token;
pub mod delivery;
pub mod exchange;
pub mod expect_ask;
pub mod expect_form;
pub mod guide;
pub mod help;
pub mod history;
pub mod legend;
pub mod link_form;
pub mod link_result;
pub mod palette;
pub mod player_form;
pub mod quote_form;
pub mod remove;
pub mod replay;
pub mod rotate;
pub mod sandbox;
pub mod send_ask;
pub mod simulate_form;
pub mod timeline;

use ratatui::buffer::Buffer;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};
use tui_input::Input;

use crate::domain::manage::Guide;
use crate::domain::{Currency, PaymentId, Problem, RequestId};

use super::keys::{Action, Scope};
use super::panes::{Pane, ViewContext};
use super::theme::Tone;
use super::widgets::boxes::window;
use super::widgets::form::{Form, Typed};
use super::widgets::text::{below, cells, paragraph, wrap};

/// The open window, with its state.
#[derive(Debug, Clone, Default)]
pub enum Overlay {
    #[default]
    None,
    AddAccount(account_add::State),
    AddMany(Box<add_many::State>),
    AddWatch(add_watch::State),
    Alerts(alerts::State),
    Arm(arm::State),
    Claims(claims::State),
    CopyToken(copy_token::State),
    Delivery(Box<delivery::State>),
    Exchange(exchange::State),
    ExpectAsk(Box<expect_ask::State>),
    ExpectForm(expect_form::State),
    /// The filter input of payments, requests or callbacks, drawn inside its pane.
    Filter(Pane, Input),
    Guide(guide::State),
    Help(help::State),
    History(history::State),
    LinkForm(link_form::State),
    LinkResult(link_result::State),
    Palette(palette::State),
    Player(player_form::State),
    Quote(quote_form::State),
    QuitAsk,
    Remove(remove::State),
    Replay(replay::State),
    Rotate(rotate::State),
    Sandbox(sandbox::State),
    SendAsk(send_ask::State),
    SimulateForm(Box<simulate_form::State>),
    Timeline(Box<timeline::State>),
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

impl Overlay {
    /// The scope whose keys work while it is open.
    pub fn scope(&self) -> Option<Scope> {
        Some(match self {
            Self::None => return None,
            Self::AddAccount(_)
            | Self::AddMany(_)
            | Self::AddWatch(_)
            | Self::Arm(_)
            | Self::ExpectForm(_)
            | Self::LinkForm(_)
            | Self::Player(_)
            | Self::Quote(_)
            | Self::Remove(_)
            | Self::Replay(_)
            | Self::Rotate(_)
            | Self::SimulateForm(_) => Scope::Form,
            Self::Alerts(_) => Scope::Alerts,
            Self::ExpectAsk(_) => Scope::ExpectAsk,
            Self::Claims(_) => Scope::Claims,
            Self::CopyToken(_) => Scope::CopyToken,
            Self::Delivery(_) => Scope::Delivery,
            Self::Timeline(_) => Scope::Timeline,
            Self::Exchange(_) => Scope::Exchange,
            Self::Filter(..) => Scope::Filter,
            Self::Guide(_) => Scope::Guide,
            Self::Help(state) => state.scope(),
            Self::History(_) => Scope::History,
            Self::LinkResult(_) => Scope::LinkResult,
            Self::Palette(_) => Scope::Palette,
            Self::QuitAsk => Scope::QuitAsk,
            Self::Sandbox(_) => Scope::Sandbox,
            Self::SendAsk(_) => Scope::SendAsk,
        })
    }

    /// The form, if the window has one.
    pub fn form(&mut self) -> Option<&mut Form> {
        match self {
            Self::AddAccount(state) => Some(&mut state.form),
            Self::AddMany(state) => Some(&mut state.form),
            Self::AddWatch(state) => Some(&mut state.form),
            Self::ExpectForm(state) => Some(&mut state.form),
            Self::Arm(state) => Some(&mut state.form),
            Self::LinkForm(state) => Some(&mut state.form),
            Self::Player(state) => Some(&mut state.form),
            Self::Quote(state) => Some(&mut state.form),
            Self::Remove(state) => Some(&mut state.form),
            Self::Replay(state) => Some(&mut state.form),
            Self::Rotate(state) => Some(&mut state.form),
            Self::SimulateForm(state) => Some(&mut state.form),
            _ => None,
        }
    }

    /// What Enter does in its form, for the footer; `None` without a form.
    pub fn submit_word(&self) -> Option<&'static str> {
        Some(match self {
            Self::AddAccount(_) => "verify and save",
            Self::AddMany(_) | Self::AddWatch(_) => "watch",
            Self::Arm(_) => "arm",
            Self::ExpectForm(_) => "set amount",
            Self::LinkForm(_) => "create link",
            Self::Player(state) => state.submit_word(),
            Self::Quote(_) => "estimate",
            Self::Remove(_) => "remove",
            Self::Replay(_) => "forward",
            Self::Rotate(_) => "replace",
            Self::SimulateForm(state) => state.submit_word(),
            _ => return None,
        })
    }

    /// The progress of its form, if the form sends a request.
    pub fn stage(&mut self) -> Option<&mut Stage> {
        match self {
            Self::AddAccount(state) => Some(&mut state.stage),
            Self::LinkForm(state) => Some(&mut state.stage),
            Self::Player(state) => Some(&mut state.stage),
            Self::Remove(state) => Some(&mut state.stage),
            Self::Replay(state) => Some(&mut state.stage),
            Self::Rotate(state) => Some(&mut state.stage),
            _ => None,
        }
    }

    /// The filter input of a pane, if it is open.
    pub fn filter(&self, of: Pane) -> Option<&Input> {
        match self {
            Self::Filter(pane, input) if *pane == of => Some(input),
            _ => None,
        }
    }

    /// Handles a key that has no action, such as a letter in a text field.
    pub fn typed(&mut self, key: &KeyEvent) -> Typed {
        match self {
            Self::Palette(state) => state.key(key),
            Self::Help(state) => state.key(key),
            _ => self.form().map_or(Typed::Nothing, |form| form.key(key)),
        }
    }

    /// Draws the open window over `screen` and returns the cursor's position.
    pub fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        match self {
            Self::None | Self::Filter(..) => None,
            Self::Delivery(state) => {
                state.view(ctx, screen, buf);
                None
            }
            Self::Timeline(state) => {
                state.view(ctx, screen, buf);
                None
            }
            Self::Player(state) => state.view(ctx, screen, buf),
            Self::Replay(state) => state.view(ctx, screen, buf),
            Self::AddAccount(state) => state.view(ctx, screen, buf),
            Self::AddMany(state) => state.view(ctx, screen, buf),
            Self::AddWatch(state) => state.view(ctx, screen, buf),
            Self::ExpectForm(state) => state.view(ctx, screen, buf),
            Self::Alerts(state) => {
                state.view(ctx, screen, buf);
                None
            }
            Self::ExpectAsk(state) => {
                state.view(ctx, screen, buf);
                None
            }
            Self::Arm(state) => state.view(ctx, screen, buf),
            Self::Claims(state) => {
                state.view(ctx, screen, buf);
                None
            }
            Self::CopyToken(state) => {
                state.view(ctx, screen, buf);
                None
            }
            Self::Exchange(state) => {
                state.view(ctx, screen, buf);
                None
            }
            Self::Guide(state) => {
                state.view(ctx, screen, buf);
                None
            }
            Self::Help(state) => state.view(ctx, screen, buf),
            Self::History(state) => {
                state.view(ctx, screen, buf);
                None
            }
            Self::LinkForm(state) => state.view(ctx, screen, buf),
            Self::LinkResult(state) => {
                state.view(ctx, screen, buf);
                None
            }
            Self::Palette(state) => state.view(ctx, screen, buf),
            Self::Quote(state) => state.view(ctx, screen, buf),
            Self::Remove(state) => state.view(ctx, screen, buf),
            Self::Rotate(state) => state.view(ctx, screen, buf),
            Self::QuitAsk => {
                draw_quit(ctx, screen, buf);
                None
            }
            Self::Sandbox(state) => {
                state.view(ctx, screen, buf);
                None
            }
            Self::SendAsk(state) => {
                state.view(ctx, screen, buf);
                None
            }
            Self::SimulateForm(state) => state.view(ctx, screen, buf),
        }
    }
}

fn draw_quit(ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) {
    let inner = window(buf, screen, ctx.theme, "Quit", (56, 7), ctx.store.is_live());
    let rows = paragraph(
        buf,
        inner,
        "A write request is still waiting for its response. If you quit now, the response is lost.",
        ctx.theme.style(Tone::Plain),
    );
    let keys = format!(
        "{} quits now, {} waits for the response.",
        ctx.key(Action::ConfirmQuit),
        ctx.key(Action::Stay)
    );
    paragraph(
        buf,
        below(inner, rows + 1),
        &keys,
        ctx.theme.style(Tone::Dim),
    );
}

/// The typed payment id. A form replaces characters that it cannot show, and the result would be the id of another
/// payment: such ids are rejected.
fn payment_id(text: &str) -> Result<PaymentId, String> {
    if let Some(at) = text.chars().position(|c| c == char::REPLACEMENT_CHARACTER) {
        return Err(format!(
            "invalid character at position {}; `tilldeck payments add` reads such ids from a file",
            at + 1
        ));
    }
    PaymentId::new(text).map_err(|error| error.to_string())
}

/// The typed currency, or the error to show beside the field.
fn currency(text: &str) -> Result<Currency, String> {
    if text.is_empty() {
        return Err("enter a currency code, like EMT or BTC".into());
    }
    Currency::new(text).map_err(|error| error.to_string())
}

/// Draws a window with a form and a note below it: the look of all forms.
pub fn draw_form(
    form: &Form,
    ctx: ViewContext<'_>,
    (title, note, tone): (&str, &str, Tone),
    live: bool,
    screen: Rect,
    buf: &mut Buffer,
) -> Option<Position> {
    let wide = 76.min(screen.width);
    let room = wide.saturating_sub(4).max(1);
    let rows = cells(wrap(note, room).len());
    let inner = window(
        buf,
        screen,
        ctx.theme,
        title,
        (wide, form.height(room) + rows + 5),
        live,
    );
    // A blank row above the form and one below it, if both fit.
    let spare = inner.height.saturating_sub(form.height(inner.width) + rows);
    let air = u16::from(spare >= 2);
    let fields = Rect {
        height: inner
            .height
            .saturating_sub(rows.min(inner.height.saturating_sub(1)) + air * 2),
        ..below(inner, air)
    };
    let cursor = form.draw(buf, fields, ctx.theme);
    let under = below(inner, air * 2 + fields.height.min(form.height(inner.width)));
    paragraph(buf, under, note, ctx.theme.style(tone));
    cursor
}

/// The steps of a guide, numbered and wrapped.
fn steps_in(guide: &Guide, width: u16) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, step) in (1..).zip(guide.steps) {
        let number = format!("{at}. ");
        let indent = " ".repeat(number.len());
        let room = width.saturating_sub(cells(number.len())).max(1);
        for (line, text) in wrap(step, room).into_iter().enumerate() {
            let lead = if line == 0 { &number } else { &indent };
            lines.push(format!("{lead}{text}"));
        }
    }
    lines
}
