//! Price estimates: what a payer would pay in each currency, and how it changed.

use std::collections::VecDeque;
use std::time::Duration;

use ratatui::text::Line;

use super::{credentials, parts};
use crate::domain::payment::Price;
use crate::domain::{
    Ability, Amount, Answer, Currency, Environment, Estimate, EstimateRequest, Op, Problem,
    Reported, RequestId, Secret,
};
use crate::tui::intent::Question;
use crate::tui::overlays::quote_form;
use crate::tui::prelude::*;
use crate::tui::store::Phase;
use crate::tui::widgets::bar::sparkline;
use crate::tui::widgets::text::without_account;
use crate::tui::widgets::widths::Widths;

keys! {
    Action:
    ESTIMATES "Estimates" keys [NAV, COLUMNS, GLOBAL] else "no amount is set" {
        Quote "quote" ["e" "enter"] "amount" "set the amount to estimate" else "no account has estimates";
        Refresh "refresh" ["r"] "refresh" "estimate the same amount again";
        AutoRefresh "auto-refresh" ["t"] "auto" "repeat every 30 s, or stop";
        CopyPrice "copy-price" ["y"] "copy" "copy the selected price" else "there is no price";
    }
}

/// The first estimate in the simulator, so that the pane shows an example.
const FIRST: (&str, &str) = ("3000", "EMT");
/// Estimates in memory, for the sparkline.
const HISTORY_MAX: usize = 48;
const AUTO_EVERY: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    list: List,
    widths: Widths,
    question: Option<Question>,
    /// Oldest first.
    quotes: VecDeque<Estimate>,
    request: Option<RequestId>,
    last_error: Option<Problem>,
    /// When the next automatic refresh is due; `None` while they are off.
    auto: Option<Duration>,
}

impl State {
    fn selected(&self) -> Option<&Price> {
        self.quotes.back()?.prices.get(self.list.selected)
    }

    /// Forgets the question if no account can answer it any more.
    fn forget_missing(&mut self, store: &Store) {
        let question = self.question.as_ref();
        if question.is_some_and(|it| !store.can(&it.account, Ability::Estimates)) {
            *self = Self::default();
        }
    }

    /// Requests an estimate for another question.
    fn ask(&mut self, question: Question, ctx: &mut UpdateContext<'_>) {
        if self.question.as_ref() != Some(&question) {
            // Prices of another amount would show as a change.
            self.quotes.clear();
            self.question = Some(question);
        }
        // The response to the earlier question would appear under the new one.
        if let Some(request) = self.request.take() {
            ctx.store.cancel(request, ctx.out);
        }
        self.refresh(false, ctx);
    }

    /// Shows an example of the simulator.
    fn ask_first(&mut self, ctx: &mut UpdateContext<'_>) {
        let mut all = ctx.store.accounts.iter();
        let embedded = all.find(|known| {
            let account = &known.account;
            account.environment == Environment::Embedded && account.can(Ability::Estimates)
        });
        if let (Some(known), Ok(quantity), Ok(token)) =
            (embedded, Amount::typed(FIRST.0), Currency::new(FIRST.1))
        {
            let account = known.id().clone();
            let question = Question {
                account,
                token,
                quantity,
            };
            self.ask(question, ctx);
        }
    }

    fn open_form(&self, ctx: &mut UpdateContext<'_>) {
        let (accounts, _) = ctx.store.accounts_with(Ability::Estimates);
        if accounts.is_empty() {
            ctx.store.none_can(Ability::Estimates);
            return;
        }
        let last = self.question.as_ref();
        let same = |last: &Question| accounts.iter().position(|id| *id == last.account);
        let at = last.and_then(same).unwrap_or(0);
        ctx.open(quote_form::State::of(accounts, at, last));
    }

    fn refresh(&mut self, background: bool, ctx: &mut UpdateContext<'_>) {
        let Some(question) = self.question.clone().filter(|_| self.request.is_none()) else {
            return;
        };
        let op = Op::Estimate(EstimateRequest {
            token: question.token,
            quantity: question.quantity,
        });
        self.request = Some(ctx.store.ask(question.account, op, background, ctx.out));
        // The interval counts from the last request, so a manual refresh delays the automatic one.
        self.auto = self.auto.map(|_| ctx.now.mono + AUTO_EVERY);
    }

    fn apply(&mut self, result: Result<Estimate, Problem>) {
        self.request = None;
        match result {
            Ok(quote) => {
                self.last_error = None;
                if self.quotes.len() == HISTORY_MAX {
                    self.quotes.pop_front();
                }
                self.quotes.push_back(quote);
            }
            Err(problem) => self.last_error = Some(problem),
        }
    }

    /// The last error, without the name of the account.
    fn error_text(&self) -> Option<String> {
        let problem = self.last_error.as_ref()?.describe();
        let account = self.question.as_ref().map(|it| it.account.as_str());
        Some(without_account(&problem, account.unwrap_or_default()).to_owned())
    }

    /// Below the question: the error, and the prices.
    fn parts(&self, area: Rect) -> [Rect; 2] {
        let left = below(area, 1);
        let most = match left.height {
            _ if self.quotes.is_empty() => usize::MAX,
            7.. => 3,
            _ => 1,
        };
        let rows = self
            .error_text()
            .map_or(0, |words| wrap(&words, left.width).len());
        let [error, left] = split_rows(left, cells(rows.min(most)));
        [error, below(left, u16::from(left.height > 7))]
    }

    fn draw_question(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
        let Some(question) = &self.question else {
            return;
        };
        let theme = ctx.theme;
        let mut age = String::new();
        let mut tone = Tone::Dim;
        match (self.quotes.back(), &self.last_error, self.request) {
            (Some(quote), Some(_), _) => {
                age = format!("old: {}", ctx.ago(quote.quoted_at));
                tone = Tone::Warn;
            }
            (Some(quote), None, _) => age = ctx.ago(quote.quoted_at),
            (None, ..) => {}
        }
        let next = match self.request {
            Some(_) if !self.quotes.is_empty() => Some("estimating…".to_owned()),
            _ => self.due().map(|due| format!("next {}", ctx.in_or_at(due))),
        };
        let account = (ctx.store.accounts.len() > 1).then(|| format!("at {}", question.account));
        let right = [age, next.unwrap_or_default(), account.unwrap_or_default()];
        let sum = format!("{} {}", question.quantity, question.token);
        let price = "price of ";
        let room = area.width.saturating_sub(width(&sum) + width(price) + 1);
        // The age is the last to go.
        let mut shown = Vec::new();
        for part in right.into_iter().filter(|part| !part.is_empty()) {
            shown.push(part);
            if width(&shown.join(", ")) > room {
                shown.pop();
            }
        }
        let right = shown.join(", ");
        Pen::new(buf, area, 0)
            .keep(width(&right) + 1)
            .text(price, theme.style(Tone::Dim))
            .text(&sum, theme.bold(Tone::Plain));
        Pen::new(buf, area, 0).flush(&right, theme.style(tone));
    }

    fn columns<'a>(&'a self, ctx: ViewContext<'a>) -> Vec<Column<'a, Price>> {
        let theme = ctx.theme;
        let before = self.quotes.len().checked_sub(2).map(|at| &self.quotes[at]);
        let stale = self.last_error.is_some();
        vec![
            Column::new("currency", Width::Fit(4, 10), move |it: &Price, _| {
                Line::styled(it.currency.as_str(), theme.style(Tone::Dim))
            }),
            Column::new("amount", Width::Fit(6, 40), move |it: &Price, _| {
                let tone = match it.amount {
                    Reported::Unread(_) => Tone::Warn,
                    Reported::Read(_) if stale => Tone::Dim,
                    Reported::Read(_) => Tone::Plain,
                };
                Line::styled(it.amount.to_string(), theme.style(tone))
            })
            .right()
            .shrinks(0),
            Column::new("change", Width::Exact(8), move |it: &Price, _| {
                let change = before
                    .and_then(|before| find(before, it))
                    .and_then(|earlier| it.amount.read()?.change_since(earlier));
                let Some(change) = change else {
                    return Line::default();
                };
                let tone = match change.direction() {
                    // Seen from the payer, for whom a higher price is worse.
                    std::cmp::Ordering::Greater => Tone::Warn,
                    std::cmp::Ordering::Less => Tone::Good,
                    std::cmp::Ordering::Equal => Tone::Dim,
                };
                Line::styled(change.to_string(), theme.style(tone))
            })
            .right(),
            Column::new(
                "",
                Width::Rest(1, cells(HISTORY_MAX)),
                move |it: &Price, room| {
                    let seen = self.quotes.iter().filter_map(|quote| find(quote, it));
                    Line::styled(sparkline(seen, room), theme.style(Tone::Accent))
                },
            ),
        ]
    }
}

impl Component for State {
    type Action = Action;

    fn can(&self, action: Action, ctx: ViewContext<'_>) -> bool {
        let can = match action {
            Action::Quote => ctx.store.any_can(Ability::Estimates),
            Action::Refresh => self.question.is_some() && self.request.is_none(),
            Action::AutoRefresh => self.question.is_some(),
            Action::CopyPrice => self.selected().is_some(),
        };
        can && ctx.store.is_ready()
    }

    fn why_not(&self, action: Action, _ctx: ViewContext<'_>) -> Option<&'static str> {
        let in_progress = self.request.filter(|_| action == Action::Refresh);
        in_progress.map(|_| "an estimate is in progress")
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        if !ctx.is_ready() {
            return;
        }
        match action {
            Action::Quote => self.open_form(ctx),
            Action::Refresh => self.refresh(false, ctx),
            Action::AutoRefresh if self.question.is_none() => {}
            Action::AutoRefresh => {
                self.auto = match self.auto {
                    None => Some(ctx.now.mono + AUTO_EVERY),
                    Some(_) => None,
                };
            }
            Action::CopyPrice => {
                if let Some(price) = self.selected() {
                    let text = format!("{} {}", price.amount, price.currency);
                    ctx.copy(Secret::new(text.as_str()), text);
                }
            }
        }
    }

    fn command(&self, ctx: ViewContext<'_>) -> Option<String> {
        let Question {
            account,
            token,
            quantity,
        } = self.question.as_ref()?;
        let (account, quantity) = (account.as_str(), quantity.as_str());
        Some(ctx.own_command(["estimate", "--account", account, token.as_str(), quantity]))
    }

    fn widths(&mut self) -> Option<&mut Widths> {
        Some(&mut self.widths)
    }

    fn list(&mut self) -> Option<&mut List> {
        Some(&mut self.list)
    }

    fn fit(&mut self, ctx: &mut UpdateContext<'_>) {
        let len = self.quotes.back().map_or(0, |quote| quote.prices.len());
        let [_, prices] = self.parts(ctx.area);
        self.list.fit(len, prices.height);
        if self.due().is_some_and(|due| due <= ctx.now.mono) {
            self.refresh(true, ctx);
        }
    }

    fn on_event(&mut self, event: Event<'_>, ctx: &mut UpdateContext<'_>) {
        match event {
            Event::Message(Msg::Ready(_), _) if self.question.is_none() => self.ask_first(ctx),
            // The one in flight was cancelled when the profile was opened anew.
            Event::Message(Msg::Ready(_), _) if self.quotes.is_empty() => self.refresh(true, ctx),
            Event::Message(Msg::Answered(_, Answer::Estimate(result)), _) => {
                self.apply(result.clone());
            }
            Event::Cancelled { request, .. } if self.request == Some(request) => {
                self.request = None;
            }
            Event::Message(Msg::AccountChanged(..), _) | Event::Reopened => {
                self.forget_missing(ctx.store);
            }
            Event::Message(..) | Event::Cancelled { .. } => {}
        }
    }

    fn on_intent(&mut self, intent: Intent, ctx: &mut UpdateContext<'_>) {
        if let Intent::Estimate(question) = intent {
            self.ask(question, ctx);
        }
    }

    fn cancel(&mut self, ctx: &mut UpdateContext<'_>) -> bool {
        ctx.console.extend(self.request.map(Command::Cancel));
        self.request.is_some()
    }

    fn detail_rows(&self, _ctx: ViewContext<'_>, columns: u16) -> u16 {
        let Some(quote) = self.quotes.back() else {
            return 0;
        };
        let error = self.error_text();
        let error = error.map_or(0, |words| wrap(&words, columns).len().min(3));
        // The question, and a blank row below it where there is room.
        cells(2 + error + quote.prices.len())
    }

    fn due(&self) -> Option<Duration> {
        self.auto
            .filter(|_| self.request.is_none() && self.question.is_some())
    }

    fn view(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
        if self.question.is_none() {
            if ctx.store.phase == Phase::Opening {
                Pen::new(buf, area, 0).text("Opening…", ctx.theme.style(Tone::Dim));
                return None;
            }
            let (first, then) = if ctx.store.any_can(Ability::Estimates) {
                let how = format!(
                    "Press {} in this pane to see what a payer would pay in each currency.",
                    ctx.key(Action::Quote)
                );
                ("No estimate yet.".to_owned(), how)
            } else {
                credentials::none_can(Ability::Estimates, ctx)
            };
            parts::draw_empty([&first, &then], ctx, area, buf);
            return None;
        }
        self.draw_question(ctx, area, buf);
        let [error, left] = self.parts(area);
        if let Some(words) = self.error_text() {
            paragraph(buf, error, &words, ctx.theme.style(Tone::Bad));
        }
        let Some(quote) = self.quotes.back() else {
            if self.last_error.is_none() {
                let word = match ctx.store.waiting_for(self.request) {
                    Some(why) => format!("waiting: {why}"),
                    None if self.request.is_some() => "estimating…".into(),
                    None => "not requested yet".into(),
                };
                Pen::new(buf, below(area, 1), 0).text(&word, ctx.theme.style(Tone::Dim));
            }
            return None;
        };
        let prices: Vec<&Price> = quote.prices.iter().collect();
        let columns = self.widths.apply(self.columns(ctx));
        let grid = Grid::new(columns, &prices, self.list, left);
        grid.draw(ctx, ctx.focused, buf);
        None
    }
}

/// The amount that another estimate has for the currency of `price`, where it is readable.
fn find<'a>(quote: &'a Estimate, price: &Price) -> Option<&'a Amount> {
    let mut prices = quote.prices.iter();
    let same = prices.find(|other| other.currency == price.currency)?;
    same.amount.read()
}
