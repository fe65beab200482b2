//! The layout of the panes that the operator chose under `[ui] panes`: the first at the left, Requests and Callbacks along
//! the bottom, the others in a column at the right, in their order.

use ratatui::layout::{Constraint, Layout, Rect};

use super::layout::{Areas, Arrangement, inside_of_side};
use super::panes::Pane;

/// A pane with its frame is useful from this height on.
const LEAST: u16 = 4;
/// The percentage of the rows for one log along the bottom.
const LOG: u16 = 30;

/// Puts the panes into the body; `None` if they do not fit.
pub fn arrange(areas: Areas, shown: &[Pane]) -> Option<Arrangement> {
    // The others need the whole body once they are focused.
    let mut shown = shown.iter().copied().filter(|pane| !pane.is_alone());
    let main = shown.next()?;
    let is_log = |pane: &Pane| matches!(pane, Pane::Requests | Pane::Callbacks);
    let (logs, side): (Vec<Pane>, Vec<Pane>) = shown.partition(is_log);

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
    let fits = panes
        .iter()
        .all(|pane| pane.is_empty() || pane.height >= LEAST);
    fits.then_some(Arrangement::Console(Areas { panes, ..areas }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::layout::{LayoutInput, ZoomMode, arrange as usual};

    fn areas(width: u16, height: u16) -> Areas {
        let input = LayoutInput {
            focus: Pane::Payments,
            zoom: ZoomMode::All,
            log: Pane::Requests,
            accounts: 4,
            tokens: 2,
            detail: 0,
        };
        match usual(Rect::new(0, 0, width, height), input) {
            Arrangement::Console(areas) => areas,
            Arrangement::TooSmall(_) => panic!("{width}x{height} is large enough"),
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
                let Some(Arrangement::Console(chosen)) = arrange(areas, shown) else {
                    panic!("{shown:?} fit {width}x{height}");
                };
                let area: u32 = chosen.panes.iter().map(|pane| pane.area()).sum();
                assert_eq!(area, areas.body.area(), "{shown:?} {width}x{height}");
                for pane in Pane::ALL {
                    let is_drawn = shown.contains(&pane) && !pane.is_alone();
                    assert_eq!(!chosen.pane(pane).is_empty(), is_drawn, "{pane:?}");
                }
            }
        }
    }

    #[test]
    fn panes_that_do_not_fit_are_shown_one_at_a_time() {
        let all = Pane::ALL;
        assert_eq!(arrange(areas(80, 22), &all), None);
        assert_eq!(arrange(areas(80, 22), &[Pane::Explorer]), None);
    }
}
