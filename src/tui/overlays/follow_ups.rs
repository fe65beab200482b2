//! The calls that take the ids of a row or of a callback. Write calls of a live account appear once it is armed.

use ratatui::layout::Constraint::{Fill, Length};

use crate::domain::{AccountId, DocumentedCall, FollowUp, Now, RowIds};
use crate::tui::intent::NextCall;
use crate::tui::overlays::arm;
use crate::tui::panes::parts;
use crate::tui::prelude::*;
use crate::tui::widgets::text::counted;

keys! {
    Action:
    FOLLOW_UPS "Next call" keys [NAV, READER, OVERLAY] {
        Follow "follow" ["enter"] "choose" "fill in the call from the row" else "the account is not armed";
        ArmToFollow "arm-to-follow" ["A"] "arm" "allow write calls" else "no call is hidden";
    }
}

const WIDE: u16 = 70;

#[derive(Debug, Clone)]
pub struct State {
    account: AccountId,
    ids: RowIds,
    list: List,
    /// The call that the operator selected: an arming puts others above it.
    selected: Option<&'static FollowUp>,
}

/// A call and how it follows.
type Next = (&'static DocumentedCall, &'static FollowUp);

impl State {
    /// Opens the list; where no call takes the ids, a notice says so.
    pub fn open(account: AccountId, ids: RowIds, ctx: &mut UpdateContext<'_>) {
        let state = Self {
            account,
            ids,
            list: List::default(),
            selected: None,
        };
        if state.all(ctx.store).is_empty() {
            ctx.flash(Level::Info, "no documented call takes these ids");
        } else {
            ctx.open(state);
        }
    }

    fn all(&self, store: &Store) -> Vec<Next> {
        let known = store.known(&self.account);
        known.map_or_else(Vec::new, |known| {
            self.ids.follow_ups(store.catalogue(known.account.provider))
        })
    }

    fn select(&mut self, rows: &[Next]) {
        let row = rows.get(self.list.selected);
        self.selected = row.map(|(_, follow_up)| *follow_up);
    }

    /// The calls that may be sent now, and the number of hidden write calls.
    fn rows(&self, store: &Store, now: Now) -> (Vec<Next>, usize) {
        let mut all = self.all(store);
        let before = all.len();
        let may_write = store
            .known(&self.account)
            .is_some_and(|known| known.may_write(now));
        all.retain(|(call, _)| may_write || !call.writes);
        let hidden = before - all.len();
        (all, hidden)
    }
}

impl Component for State {
    type Action = Action;

    fn can(&self, action: Action, ctx: ViewContext<'_>) -> bool {
        let (rows, hidden) = self.rows(ctx.store, ctx.now);
        match action {
            Action::Follow => !rows.is_empty(),
            Action::ArmToFollow => hidden > 0,
        }
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        let (rows, hidden) = self.rows(ctx.store, ctx.now);
        match action {
            Action::Follow => {
                if let Some((call, follow_up)) = rows.get(self.list.selected).copied() {
                    ctx.intend(Intent::Follow(NextCall {
                        account: self.account.clone(),
                        call,
                        follow_up,
                        ids: self.ids.clone(),
                    }));
                }
            }
            Action::ArmToFollow if hidden > 0 => ctx.open(arm::State::of(self.account.clone())),
            Action::ArmToFollow => {}
        }
    }

    fn step(&mut self, step: Step, ctx: &mut UpdateContext<'_>) {
        let (rows, hidden) = self.rows(ctx.store, ctx.now);
        let [_, list, _] = areas(ctx.area, rows.len(), hidden);
        self.list.step(step, rows.len(), list.height);
        self.select(&rows);
    }

    /// There are fewer rows once the arming ends.
    fn fit(&mut self, ctx: &mut UpdateContext<'_>) {
        let (rows, hidden) = self.rows(ctx.store, ctx.now);
        let is_selected = |(_, follow_up): &Next| self.selected == Some(*follow_up);
        if let Some(at) = rows.iter().position(is_selected) {
            self.list.selected = at;
        }
        let [_, list, _] = areas(ctx.area, rows.len(), hidden);
        self.list.fit(rows.len(), list.height);
    }

    fn pick(&mut self, row: usize, ctx: &mut UpdateContext<'_>) {
        if row == self.list.selected {
            return self.act(Action::Follow, ctx);
        }
        self.list.selected = row;
        let (rows, _) = self.rows(ctx.store, ctx.now);
        self.select(&rows);
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let theme = ctx.theme;
        let dim = theme.style(Tone::Dim);
        let known = ctx.store.known(&self.account)?;
        let (rows, hidden) = self.rows(ctx.store, ctx.now);
        let window = Window {
            title: "Next call",
            size: size(screen, rows.len(), hidden),
            live: known.account.environment.is_live(),
        };
        window.draw(theme, screen, buf);
        let [about, list, note] = areas(screen, rows.len(), hidden);
        let mut pen = Pen::new(buf, about, 0);
        parts::draw_account(&self.account, theme.style(Tone::Plain), ctx, &mut pen);
        if let Some((_, id)) = self.ids.ids.first() {
            let id = fit(id, pen.left()).into_owned();
            pen.text(&id, dim);
        }
        let pager = Pager::list(list, self.list, rows.len());
        pager.draw(ctx, buf, |at, line, buf| {
            let (call, follow_up) = rows[at];
            Pen::new(buf, line, 0)
                .cell(call.method, 7, theme.bold(Tone::Plain))
                .cell(
                    if call.writes { "✎" } else { "" },
                    2,
                    theme.style(Tone::Plain),
                )
                .text(follow_up.name, theme.style(Tone::Plain));
        });
        if hidden > 0 {
            let (calls, key) = (counted(hidden, "write call"), ctx.key(Action::ArmToFollow));
            let text = format!("{calls} hidden; {key} arms {}", self.account);
            Pen::new(buf, note, 0).text(&text, theme.style(Tone::Live));
        }
        None
    }
}

fn size(screen: Rect, rows: usize, hidden: usize) -> Size {
    let height = cells(rows + 3 + usize::from(hidden > 0));
    Size::new(WIDE, height.min(screen.height.saturating_sub(1)))
}

/// The account with the row's id, the calls, and the note on hidden ones.
fn areas(screen: Rect, rows: usize, hidden: usize) -> [Rect; 3] {
    inside(screen, size(screen, rows, hidden)).layout(&Layout::vertical([
        Length(1),
        Fill(1),
        Length(u16::from(hidden > 0)),
    ]))
}
