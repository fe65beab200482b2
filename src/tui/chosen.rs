//! The layout of the panes that the operator chose under `[ui] panes`: the first at the left, Requests and Callbacks along
//! the bottom, the others in a column at the right, in their order.

use ratatui::layout::{Constraint, Layout, Rect, Size};

use super::layout::{Areas, inside_of_side};
use super::pane::Pane;

/// A pane with its frame is useful from this height on.
const LEAST: u16 = 4;
/// The percentage of the rows for one log along the bottom.
const LOG: u16 = 30;

/// The least size at which Explorer and Players are of use beside other panes.
const LEAST_ALONE: Size = Size::new(56, 14);

/// Puts the panes into the body; `None` if they do not fit. Explorer and Players are left out where they would be too
/// small: they get the whole body once they are focused.
pub fn arrange(areas: Areas, shown: &[Pane]) -> Option<Areas> {
    let fits = |areas: &Areas| {
        let mut all = Pane::ALL.into_iter();
        all.all(|pane| {
            let area = areas.pane(pane);
            let least = LEAST_ALONE;
            area.is_empty()
                || area.height >= LEAST
                    && (!pane.is_alone()
                        || area.width >= least.width && area.height >= least.height)
        })
    };
    let others: Vec<Pane> = shown.iter().copied().filter(|it| !it.is_alone()).collect();
    let all = place(areas, shown).filter(fits);
    all.or_else(|| place(areas, &others).filter(fits))
}

fn place(areas: Areas, shown: &[Pane]) -> Option<Areas> {
    let (main, others) = shown.split_first()?;
    let is_log = |pane: &Pane| matches!(pane, Pane::Requests | Pane::Callbacks);
    let (logs, side): (Vec<Pane>, Vec<Pane>) = others.iter().copied().partition(is_log);

    let bottom = LOG * u16::try_from(logs.len()).unwrap_or(1);
    let [upper, lower] =
        Layout::vertical([Constraint::Fill(1), Constraint::Percentage(bottom)]).areas(areas.body);
    let column = match side.len() {
        0 => 0,
        _ => inside_of_side(areas.body.width) + 2,
    };
    let [left, right] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(column)]).areas(upper);

    let mut panes = [Rect::default(); Pane::COUNT];
    panes[main.index()] = left;
    for (group, area) in [(logs, lower), (side, right)] {
        let rows = Layout::vertical(vec![Constraint::Fill(1); group.len()]).split(area);
        for (pane, area) in group.iter().zip(rows.iter()) {
            panes[pane.index()] = *area;
        }
    }
    Some(Areas { panes, ..areas })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::layout::{LayoutInput, arrange as usual};

    fn areas(width: u16, height: u16) -> Areas {
        let input = LayoutInput {
            focus: Pane::Payments,
            is_zoomed: false,
            log: Pane::Requests,
            accounts: 4,
            tokens: 2,
            detail: 0,
        };
        match usual(Rect::new(0, 0, width, height), input) {
            Some(areas) => areas,
            None => panic!("{width}x{height} is large enough"),
        }
    }

    #[test]
    fn the_chosen_panes_tile_the_body() {
        use Pane::{Callbacks, Credentials, Estimates, Explorer, Payments, Requests, Tokens};
        for shown in [
            &[Payments][..],
            &[Requests],
            &[Requests, Callbacks],
            &[Callbacks, Payments, Explorer],
            &[Payments, Callbacks, Requests],
            &[Payments, Tokens, Estimates],
            &[
                Credentials,
                Payments,
                Tokens,
                Estimates,
                Requests,
                Callbacks,
            ],
        ] {
            for (width, height) in [(80, 48), (250, 80)] {
                let areas = areas(width, height);
                let Some(chosen) = arrange(areas, shown) else {
                    panic!("{shown:?} fit {width}x{height}");
                };
                let area: u32 = chosen.panes.iter().map(|pane| pane.area()).sum();
                assert_eq!(area, areas.body.area(), "{shown:?} {width}x{height}");
                for pane in Pane::ALL {
                    let is_drawn = shown.contains(&pane) && (!pane.is_alone() || width == 250);
                    assert_eq!(!chosen.pane(pane).is_empty(), is_drawn, "{pane:?}");
                }
            }
        }
    }

    #[test]
    fn panes_that_do_not_fit_are_shown_one_at_a_time() {
        let all = Pane::ALL;
        assert_eq!(arrange(areas(80, 22), &all), None);
        let explorer = arrange(areas(80, 22), &[Pane::Explorer]);
        assert!(explorer.is_some(), "alone it has the whole body");
    }
}
