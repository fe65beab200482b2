//! The widths that the operator gives to the columns of a list, by keys or by dragging a heading's edge.

use std::collections::BTreeMap;

use crate::tui::hits::Shown;
use crate::tui::keys::ColumnAction;

/// Columns by which a key makes a column narrower or wider.
const STEP: u16 = 2;
/// The narrowest that a column gets.
const NARROWEST: u16 = 3;
const WIDEST: u16 = 80;

/// The widths of a list's columns where they differ from the usual ones. A column is known by its title.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Widths {
    pub(super) set: BTreeMap<&'static str, u16>,
    /// The column that the keys resize.
    pub(super) picked: Option<&'static str>,
}

impl Widths {
    pub fn pick(&mut self, title: &'static str) {
        self.picked = Some(title);
    }

    pub fn set(&mut self, title: &'static str, width: u16) {
        self.set.insert(title, width.clamp(NARROWEST, WIDEST));
    }

    /// Does what a key does to the columns on the screen; returns a notice about it.
    pub fn act(&mut self, action: ColumnAction, columns: &[Shown]) -> String {
        let picked = columns.iter().position(|it| Some(it.title) == self.picked);
        let last = columns.len().saturating_sub(1);
        let at = match (action, picked) {
            (ColumnAction::ResetColumns, _) => {
                *self = Self::default();
                return "every column has its usual width".into();
            }
            (ColumnAction::NextColumn, Some(at)) if at < last => at + 1,
            (ColumnAction::PreviousColumn, Some(0) | None) => last,
            (ColumnAction::PreviousColumn, Some(at)) => at - 1,
            (ColumnAction::NextColumn, _) => 0,
            (ColumnAction::Narrower | ColumnAction::Wider, at) => at.unwrap_or(0),
        };
        let Some(column) = columns.get(at) else {
            return "this list has no column to resize".into();
        };
        let width = match action {
            ColumnAction::Narrower => column.width.saturating_sub(STEP).max(NARROWEST),
            ColumnAction::Wider => (column.width + STEP).min(WIDEST),
            _ => column.width,
        };
        self.pick(column.title);
        if width != column.width {
            self.set(column.title, width);
        }
        format!("column `{}`: {width} wide", column.title.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_choose_a_column_and_resize_it() {
        let columns = [("  state", 12), ("payment", 4)];
        let columns = columns.map(|(title, width)| Shown { title, width });
        let mut widths = Widths::default();
        for (action, notice) in [
            (ColumnAction::Wider, "column `state`: 14 wide"),
            (ColumnAction::NextColumn, "column `payment`: 4 wide"),
            (ColumnAction::Narrower, "column `payment`: 3 wide"),
            (ColumnAction::NextColumn, "column `state`: 12 wide"),
            (ColumnAction::PreviousColumn, "column `payment`: 4 wide"),
        ] {
            assert_eq!(widths.act(action, &columns), notice);
        }
        assert_eq!(
            widths.set,
            BTreeMap::from([("  state", 14), ("payment", 3)])
        );
        widths.act(ColumnAction::ResetColumns, &columns);
        assert_eq!(widths, Widths::default());
        let none = widths.act(ColumnAction::Wider, &[]);
        assert_eq!(none, "this list has no column to resize");
    }
}
