//! The checks of this set-up, as `tilldeck doctor` prints them. They arrive one by one.

use crate::domain::{Finding, Health, RequestId, Secret, Tally};
use crate::tui::prelude::*;
use crate::tui::widgets::text::first_row;

keys! {
    Action:
    DOCTOR "Doctor" keys [NAV, READER, OVERLAY] {
        CheckAgain "check-again" ["r"] "check again" "check the set-up again";
        CopyFindings "copy-findings" ["y"] "copy" "copy the lines for a bug report";
    }
}

const WIDEST: u16 = 110;
/// Columns before a message: mark, word.
const BEFORE: u16 = 10;

#[derive(Debug, Clone)]
pub struct State {
    request: RequestId,
    findings: Vec<Finding>,
    is_done: bool,
    scroll: usize,
}

/// A row on screen: the first of a finding has its mark and word.
struct Row {
    health: Option<Health>,
    text: String,
    tone: Tone,
}

impl State {
    pub fn new(request: RequestId) -> Self {
        Self {
            request,
            findings: Vec::new(),
            is_done: false,
            scroll: 0,
        }
    }

    fn rows(&self, columns: u16) -> Vec<Row> {
        let room = columns.saturating_sub(BEFORE).max(1);
        let mut rows = Vec::new();
        for finding in &self.findings {
            let text = format!("{}: {}", finding.check, finding.line());
            for (at, text) in wrap(&text, room).into_iter().enumerate() {
                rows.push(Row {
                    health: (at == 0).then_some(finding.health),
                    text,
                    tone: Tone::Plain,
                });
            }
            let hint = Some(&finding.hint).filter(|hint| !hint.is_empty());
            for text in hint.map(|hint| wrap(hint, room)).unwrap_or_default() {
                rows.push(Row {
                    health: None,
                    text,
                    tone: Tone::Dim,
                });
            }
        }
        rows
    }

    /// `checking …`, then how many lines need attention.
    fn summary(&self) -> (String, Tone) {
        let mut tally = Tally::default();
        for finding in &self.findings {
            tally.add(finding.health);
        }
        if self.is_done {
            (tally.to_string(), tally.worst().into())
        } else {
            (format!("checking … {tally}"), Tone::Busy)
        }
    }

    fn report(&self) -> String {
        let lines = self.findings.iter().map(|finding| {
            let hint = match finding.hint.as_str() {
                "" => String::new(),
                hint => format!("\n    {hint}"),
            };
            let (word, check) = (finding.health.as_str(), finding.check);
            format!("{word} {check}: {}{hint}\n", finding.line())
        });
        lines.collect()
    }
}

impl Component for State {
    type Action = Action;

    fn can(&self, action: Action, _ctx: ViewContext<'_>) -> bool {
        match action {
            Action::CheckAgain => self.is_done,
            Action::CopyFindings => true,
        }
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        match action {
            Action::CheckAgain if self.is_done => {
                *self = Self::new(ctx.store.number());
                ctx.out.push(Effect::Diagnose(self.request));
            }
            Action::CheckAgain => ctx.flash(Level::Info, "still checking"),
            Action::CopyFindings => {
                let text = Secret::new(self.report());
                ctx.copy(text, "the checks, without secrets");
            }
        }
    }

    fn on_event(&mut self, event: Event<'_>, _ctx: &mut UpdateContext<'_>) {
        if let Event::Message(Msg::Diagnosed(request, finding), _) = event
            && *request == self.request
        {
            match finding {
                Some(finding) => self.findings.push(finding.clone()),
                None => self.is_done = true,
            }
        }
    }

    fn command(&self, ctx: ViewContext<'_>) -> Option<String> {
        Some(ctx.own_command(["doctor"]))
    }

    fn step(&mut self, step: Step, ctx: &mut UpdateContext<'_>) {
        let rows = self.rows(columns_inside(ctx.area, WIDEST)).len();
        let text = below(inside(ctx.area, size(ctx.area)), 1);
        self.scroll = step.scroll(self.scroll, rows, text.height);
    }

    /// What still runs is not needed any more.
    fn close(&mut self, ctx: &mut UpdateContext<'_>) -> bool {
        if !self.is_done {
            ctx.out.push(Effect::Cancel(self.request));
        }
        true
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let theme = ctx.theme;
        let window = Window {
            title: "Doctor",
            size: size(screen),
            live: ctx.store.is_live(),
        };
        let inner = window.draw(theme, screen, buf);
        let (summary, tone) = self.summary();
        Pen::new(buf, first_row(inner), 0).text(&summary, theme.style(tone));
        let rows = self.rows(inner.width);
        let pager = Pager::text(below(inner, 1), self.scroll, rows.len());
        pager.draw(ctx, buf, |at, line, buf| {
            let row = &rows[at];
            let mut pen = Pen::new(buf, line, 0);
            let health = row.health.map_or_else(String::new, |health| {
                format!("{} {}", health.mark(), health.as_str())
            });
            let tone = row.health.map_or(Tone::Plain, Tone::from);
            pen.cell(&health, BEFORE, theme.bold(tone))
                .text(&row.text, theme.style(row.tone));
        });
        pager.draw_place(theme, buf);
        None
    }
}

fn size(screen: Rect) -> Size {
    Size::new(WIDEST, screen.height.saturating_sub(1))
}
