//! The list of alerts: the cause, the account and the time of each.

use std::borrow::Cow;

use ratatui::layout::Constraint::{Fill, Length};

use crate::domain::{AccountId, Handled, inert, is_about_hook};
use crate::tui::alerts::{self, Alert, Target};
use crate::tui::prelude::*;

keys! {
    Action:
    ALERTS "Alerts" keys [NAV, READER, OVERLAY] {
        GoToAlert "go-to-alert" ["enter"] "go there" "go to the payment or account" else "the alert has no place to go to";
        MarkHandled "mark-handled" ["m"] "handled" "mark as handled, or unmark";
    }
}

/// The widest window it is read in.
const WIDEST: u16 = 110;
/// Columns of a badge: ` LIVE `.
const BADGE: u16 = 6;

/// The selected alert. It stays selected when its row moves.
#[derive(Debug, Clone, Default)]
pub struct State {
    list: List,
    selected: Option<String>,
}

impl State {
    pub fn new(store: &Store) -> Self {
        let first = alerts::all(store).into_iter().next();
        Self {
            list: List::default(),
            selected: first.map(|alert| alert.key),
        }
    }

    fn place(&self, alerts: &[Alert]) -> usize {
        let selected = self.selected.as_ref();
        let mut all = alerts.iter();
        let place = all.position(|alert| Some(&alert.key) == selected);
        place.unwrap_or(self.list.selected.min(alerts.len().saturating_sub(1)))
    }

    pub fn chosen(&self, store: &Store) -> Option<Alert> {
        let alerts = alerts::all(store);
        let at = self.place(&alerts);
        alerts.into_iter().nth(at)
    }
}

impl Component for State {
    type Action = Action;

    fn can(&self, action: Action, ctx: ViewContext<'_>) -> bool {
        let chosen = self.chosen(ctx.store).filter(|_| ctx.store.is_ready());
        chosen.is_some_and(|alert| match action {
            Action::GoToAlert => !matches!(alert.target, Target::Notice(_)),
            Action::MarkHandled => true,
        })
    }

    fn word(&self, action: Action, ctx: ViewContext<'_>) -> Option<&'static str> {
        let is_handled = || {
            self.chosen(ctx.store)
                .is_some_and(|it| it.handled.is_some())
        };
        (action == Action::MarkHandled && is_handled()).then_some("not handled")
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        let Some(alert) = self.chosen(ctx.store) else {
            return;
        };
        match (action, alert.target) {
            (Action::GoToAlert, Target::Payment(key)) => ctx.intend(Intent::ShowPayment(key)),
            (Action::GoToAlert, Target::Account(account)) => {
                ctx.intend(Intent::ShowAccount(account));
            }
            (Action::GoToAlert, Target::Callbacks) => ctx.intend(Intent::ShowCallbacks),
            (Action::GoToAlert, Target::Callback(id)) => ctx.intend(Intent::ShowCallback(id)),
            (Action::GoToAlert, Target::Notice(_)) => {}
            (Action::MarkHandled, Target::Notice(about)) if !is_about_hook(&about) => {
                ctx.store.dismiss(&about);
            }
            (Action::MarkHandled, _) => {
                ctx.store.dismiss_alert(&alert.key);
                let handled = alert.handled.is_none();
                // Shown once it is saved, with who marked it.
                ctx.out.push(Effect::MarkHandled {
                    alert: alert.key,
                    handled,
                    since: alert.since,
                });
            }
        }
    }

    fn step(&mut self, step: Step, ctx: &mut UpdateContext<'_>) {
        let alerts = alerts::all(ctx.store);
        self.list.selected = self.place(&alerts);
        let [list, ..] = areas(ctx.area, &alerts);
        self.list.step(step, alerts.len(), list.height);
        let at = alerts.get(self.list.selected);
        self.selected = at.map(|alert| alert.key.clone());
    }

    /// A click selects; on the selected row it does what Enter does.
    fn pick(&mut self, row: usize, ctx: &mut UpdateContext<'_>) {
        let alerts = alerts::all(ctx.store);
        if row == self.place(&alerts) {
            return self.act(Action::GoToAlert, ctx);
        }
        self.list.selected = row;
        self.selected = alerts.into_iter().nth(row).map(|alert| alert.key);
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let theme = ctx.theme;
        let alerts = alerts::all(ctx.store);
        let window = Window {
            title: "Alerts",
            size: size(screen, &alerts),
            live: ctx.store.is_live(),
        };
        let inner = window.draw(theme, screen, buf);
        if alerts.is_empty() {
            paragraph(
                buf,
                inner,
                "Nothing needs attention.",
                theme.style(Tone::Good),
            );
            return None;
        }
        let [list, place, detail] = areas(screen, &alerts);
        let accounts = alerts.iter().filter_map(|alert| alert.account.as_ref());
        let account = widest(accounts.map(AccountId::as_str)).min(16);
        let selected = self.place(&alerts);
        let mut shown = self.list;
        shown.selected = selected;
        let pager = Pager::list(list, shown, alerts.len());
        pager.draw(ctx, buf, |at, line, buf| {
            draw_row(&alerts[at], account, ctx, line, buf);
        });
        let shown = pager.place().unwrap_or_default();
        Pen::new(buf, place, 0).flush(&shown, theme.style(Tone::Dim));
        let what = words(&alerts[selected]);
        paragraph(buf, detail, &what, theme.style(Tone::Plain));
        None
    }
}

/// Rows for the whole text of any of the alerts, so that the window stays as it is when the selection moves; three are left
/// to the list.
fn detail(screen: Rect, alerts: &[Alert]) -> u16 {
    let room = columns_inside(screen, WIDEST);
    let rows = alerts.iter().map(|it| cells(wrap(&words(it), room).len()));
    let most = screen.height.saturating_sub(4 + cells(alerts.len()).min(3));
    rows.max().unwrap_or(0).min(most)
}

/// The window's size for these alerts.
fn size(screen: Rect, alerts: &[Alert]) -> Size {
    let height = 2 + cells(alerts.len()) + 1 + detail(screen, alerts);
    Size::new(WIDEST, height.min(screen.height.saturating_sub(1)))
}

/// The alerts, the row of their place, and the text of the selected one.
fn areas(screen: Rect, alerts: &[Alert]) -> [Rect; 3] {
    inside(screen, size(screen, alerts)).layout(&Layout::vertical([
        Fill(1),
        Length(1),
        Length(detail(screen, alerts)),
    ]))
}

fn draw_row(alert: &Alert, account: u16, ctx: ViewContext<'_>, line: Rect, buf: &mut Buffer) {
    let theme = ctx.theme;
    let dim = theme.style(Tone::Dim);
    let (glyph, tone) = match &alert.handled {
        Some(_) => ("✔", Tone::Dim),
        None => ("!", alert.tone),
    };
    let since = match (&alert.handled, alert.since) {
        (Some(handled), _) => handled_words(handled, ctx),
        (None, Some(since)) => ctx.age(since),
        (None, None) => String::new(),
    };
    let right = width(&since) + 1;
    let mut pen = Pen::new(buf, line, 0);
    pen.text(glyph, theme.bold(tone)).skip(1);
    let id = alert.account.as_ref().map_or("", |id| id.as_str());
    pen.cell(id, account, dim)
        .skip(u16::from(account > 0))
        .keep(right);
    // An account that was removed from the config has no badge.
    let known = alert.account.as_ref().and_then(|id| ctx.store.known(id));
    if let Some(known) = known {
        let (word, tone) = badge(known.account.environment);
        let text = format!(" {word} ");
        pen.text(&text, theme.badge(tone))
            .skip(BADGE.saturating_sub(width(&text)) + 1);
    } else if account > 0 {
        pen.skip(BADGE + 1);
    }
    // The rows below the list show the whole text.
    pen.text(
        &words(alert),
        theme.style(if alert.handled.is_some() {
            Tone::Dim
        } else {
            Tone::Plain
        }),
    );
    Pen::new(buf, line, 0).flush(&since, dim);
}

/// What is wrong; of a warning, that it is one, which the color says as well.
fn words(alert: &Alert) -> Cow<'_, str> {
    if alert.tone == Tone::Warn {
        Cow::Owned(format!("warning: {}", alert.what))
    } else {
        Cow::Borrowed(&alert.what)
    }
}

/// "handled just now by anna".
pub fn handled_words(handled: &Handled, ctx: ViewContext<'_>) -> String {
    let ago = ctx.ago(handled.at);
    if handled.operator.is_empty() {
        format!("handled {ago}")
    } else {
        format!("handled {ago} by {}", inert::cut(&handled.operator, 40))
    }
}
