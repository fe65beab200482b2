//! Maps the screen size and the focus to named areas. `view` draws in them; `update` scrolls by them.

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Margin, Rect};

use super::pane::Pane;

/// A smaller screen shows one line with the error.
pub const SMALLEST: (u16, u16) = (40, 10);
/// From this size on, the screen shows all panes at once, except those that need the whole body.
const WHOLE: (u16, u16) = (76, 22);

/// From this height on, Callbacks has its own place under Payments; below it, it shares the place of Requests.
const CALLBACKS_FROM: u16 = 20;

/// From this size of the body on, Callbacks is as wide as Requests: its rows have more to show than the small panes.
const LARGE: (u16, u16) = (160, 48);

/// The areas of a large enough screen. A hidden pane has an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Areas {
    pub header: Rect,
    /// The tabs, if only one pane is visible.
    pub tabs: Rect,
    pub body: Rect,
    pub panes: [Rect; Pane::COUNT],
    /// On the lowest frame line, so that a notice of one row does not move the panes; under it the rows of a longer one.
    pub notice: Rect,
    pub footer: Rect,
}

impl Areas {
    /// Leaves these rows to the notice. Only the lowest panes give way, so that the others stay as they are.
    pub fn with_notice(mut self, rows: u16) -> Self {
        let more = rows.saturating_sub(1);
        for pane in &mut self.panes {
            if pane.bottom() == self.body.bottom() {
                pane.height = pane.height.saturating_sub(more).max(PANE_MIN);
            }
        }
        self.notice.y -= more;
        self.notice.height += more;
        self
    }

    pub fn pane(&self, pane: Pane) -> Rect {
        self.panes[pane.index()]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayoutInput {
    pub focus: Pane,
    /// Whether one pane fills the body.
    pub is_zoomed: bool,
    /// Requests or Callbacks: the visible one, if both do not fit.
    pub log: Pane,
    pub accounts: usize,
    /// The number of accounts with access tokens.
    pub tokens: usize,
    /// Rows that the focused one of Credentials, Tokens and Estimates needs: the details, or all prices.
    pub detail: u16,
}

/// The least rows of Estimates when another pane grows: its frame and two rows.
const ESTIMATES_MIN: u16 = 4;

/// The least rows of another pane when Estimates or a notice grows: its frame and a row.
const PANE_MIN: u16 = 3;

/// `None`: the screen is too small.
pub fn arrange(screen: Rect, input: LayoutInput) -> Option<Areas> {
    let LayoutInput {
        focus, is_zoomed, ..
    } = input;
    if screen.width < SMALLEST.0 || screen.height < SMALLEST.1 {
        return None;
    }
    let whole =
        !is_zoomed && !focus.is_alone() && screen.width >= WHOLE.0 && screen.height >= WHOLE.1;
    let tabs = Length(u16::from(!whole));
    let rows = Layout::vertical([Length(1), tabs, Fill(1), Length(1)]);
    let [header, tabs, body, footer] = screen.layout(&rows);
    let [_, lowest] = body.layout(&Layout::vertical([Fill(1), Length(1)]));
    let panes = if whole {
        deck(body, input)
    } else {
        let mut panes = [Rect::default(); Pane::COUNT];
        panes[focus.index()] = body;
        panes
    };
    Some(Areas {
        header,
        tabs,
        body,
        panes,
        notice: lowest.inner(Margin::new(1, 0)),
        footer,
    })
}

/// Payments at the left with Callbacks below, the small panes in a column at the right, Requests along the bottom.
fn deck(body: Rect, input: LayoutInput) -> [Rect; Pane::COUNT] {
    let LayoutInput {
        accounts,
        tokens,
        detail: wanted,
        ..
    } = input;
    let log = (u32::from(body.height) * 30 / 100).clamp(8, 22);
    let log = u16::try_from(log).unwrap_or(8);
    let side = side(body.width);
    let upper = body.height - log;
    let under = (upper / 3).clamp(8, 18);
    let is_large = body.width >= LARGE.0 && body.height >= LARGE.1;
    let across = if is_large { under } else { 0 };
    let upper = upper - across;
    let accounts = u16::try_from(accounts.clamp(1, 40)).unwrap_or(40);
    let users = u16::try_from(tokens.min(40)).unwrap_or(40);
    let (tokens, detail) = match (upper < 20, users) {
        (true, _) => (2 + users.clamp(1, upper.saturating_sub(10).max(1)), 1),
        (false, 0) => (5, 5),
        // The list, and the detail of the selected account.
        (false, _) => ((2 + users + 6).min(upper * 2 / 5), 5),
    };
    let beside = upper.saturating_sub(tokens);
    // The list of accounts takes rows from Estimates; the detail of the selected account does not.
    let credentials = (2 + accounts + detail).max(4).min(beside / 2);
    let credentials = credentials.max((2 + accounts).min(beside.saturating_sub(4)));
    // The focused pane grows until its details are whole: Estimates gives rows first, then the details of the other.
    let spare = |rows: u16| upper.saturating_sub(rows + ESTIMATES_MIN);
    let (credentials, tokens) = match input.focus {
        Pane::Credentials => {
            let most = spare(tokens.min(2 + users + 1));
            let grown = credentials.max((2 + accounts + wanted).min(most));
            (grown, tokens.min(spare(grown)))
        }
        Pane::Tokens => {
            let most = spare(credentials.min(2 + accounts + 1));
            let grown = tokens.max((2 + users + wanted).min(most));
            (credentials.min(spare(grown)), grown)
        }
        Pane::Estimates => {
            // Its prices are there to be compared.
            let others = upper.saturating_sub(2 + wanted);
            let tokens = tokens.min(others.saturating_sub(credentials)).max(PANE_MIN);
            let rest = others.saturating_sub(tokens);
            (credentials.min(rest).max(PANE_MIN), tokens)
        }
        _ => (credentials, tokens),
    };
    let rows = Layout::vertical([upper, across, log].map(Length));
    let [upper_rows, middle, bottom] = body.layout(&rows);
    let [left, right] = upper_rows.layout(&Layout::horizontal([Fill(1), Length(side)]));
    let rows = Layout::vertical([Length(credentials), Length(tokens), Fill(1)]);
    let [credentials, tokens, estimates] = right.layout(&rows);
    let (payments, requests, callbacks) = if is_large {
        (left, bottom, middle)
    } else if upper >= CALLBACKS_FROM {
        let [payments, callbacks] = left.layout(&Layout::vertical([Fill(1), Length(under)]));
        (payments, bottom, callbacks)
    } else if input.log == Pane::Callbacks {
        (left, Rect::default(), bottom)
    } else {
        (left, bottom, Rect::default())
    };
    let mut panes = [Rect::default(); Pane::COUNT];
    for (pane, area) in [
        (Pane::Credentials, credentials),
        (Pane::Tokens, tokens),
        (Pane::Payments, payments),
        (Pane::Estimates, estimates),
        (Pane::Requests, requests),
        (Pane::Callbacks, callbacks),
    ] {
        panes[pane.index()] = area;
    }
    panes
}

/// The width of the column of small panes.
fn side(width: u16) -> u16 {
    let side = (u32::from(width) * 38 / 100).clamp(32, 72);
    u16::try_from(side).unwrap_or(32)
}

/// The width inside the frame of a small pane.
pub fn inside_of_side(width: u16) -> u16 {
    side(width) - 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_tile_the_body_at_every_size() {
        let cases = [(0, 0, 0), (1, 0, 9), (3, 2, 9), (9, 9, 30)];
        let focus = [
            Pane::Payments,
            Pane::Credentials,
            Pane::Tokens,
            Pane::Estimates,
        ];
        for width in (1..=250).step_by(7) {
            for (at, height) in (1..=80).step_by(2).enumerate() {
                let (accounts, tokens, detail) = cases[at % cases.len()];
                let input = LayoutInput {
                    focus: focus[at % focus.len()],
                    is_zoomed: false,
                    log: [Pane::Requests, Pane::Callbacks][usize::from(width % 2)],
                    accounts,
                    tokens,
                    detail,
                };
                let screen = Rect::new(0, 0, width, height);
                let Some(areas) = arrange(screen, input) else {
                    continue;
                };
                let area: u32 = areas.panes.iter().map(|pane| pane.area()).sum();
                assert_eq!(area, areas.body.area(), "{width}x{height}");
                for pane in areas.panes.iter().filter(|pane| !pane.is_empty()) {
                    assert_eq!(pane.intersection(areas.body), *pane);
                    assert!(pane.height >= 3 && pane.width >= 20, "{width}x{height}");
                }
                // A lower screen has notices of one row.
                let rows = if height < WHOLE.1 { 1 } else { 4 };
                let areas = areas.with_notice(rows);
                assert_eq!(areas.notice.height, rows);
                for pane in areas.panes.iter().filter(|pane| !pane.is_empty()) {
                    assert!(pane.bottom() <= areas.notice.y + 1, "{width}x{height}");
                }
            }
        }
    }

    #[test]
    fn the_focused_pane_makes_room_for_its_details() {
        let heights = |focus: Pane, detail: u16| {
            let input = LayoutInput {
                focus,
                is_zoomed: false,
                log: Pane::Requests,
                accounts: 4,
                tokens: 2,
                detail,
            };
            let Some(areas) = arrange(Rect::new(0, 0, 120, 40), input) else {
                panic!("120x40 is large enough");
            };
            [Pane::Credentials, Pane::Tokens, Pane::Estimates].map(|pane| areas.pane(pane).height)
        };
        assert_eq!(heights(Pane::Payments, 9), [8, 10, 9]);
        assert_eq!(heights(Pane::Credentials, 2), [8, 10, 9], "it has the rows");
        assert_eq!(heights(Pane::Credentials, 6), [12, 10, 5]);
        assert_eq!(heights(Pane::Credentials, 30), [18, 5, 4]);
        assert_eq!(heights(Pane::Tokens, 9), [8, 13, 6]);
        assert_eq!(heights(Pane::Estimates, 7), [8, 10, 9], "it has the rows");
        assert_eq!(heights(Pane::Estimates, 12), [8, 5, 14]);
        assert_eq!(heights(Pane::Estimates, 40), [3, 3, 21]);
    }
}
