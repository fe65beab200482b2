//! What the next start of a profile restores: the focused pane, zoom, filters, orders and selected rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Model;
use super::pane::Pane;
use crate::domain::inert;

/// The form of the text. A text of another form is ignored.
const VERSION: u32 = 1;

/// The longest filter or name of a row, in bytes.
const TEXT_MAX: usize = 400;

/// What of the screen outlives the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScreenState {
    version: u32,
    focus: String,
    zoomed: bool,
    /// By the pane's name.
    panes: BTreeMap<String, PaneState>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PaneState {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    filter: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    order: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    selected: String,
}

impl PaneState {
    fn is_valid(&self) -> bool {
        let mut texts = [&self.filter, &self.order, &self.selected].into_iter();
        texts.all(|text| text.len() <= TEXT_MAX && !text.contains(inert::is_hostile))
    }
}

impl ScreenState {
    /// The most bytes of its text.
    pub const SIZE_MAX: usize = 16 * 1024;

    /// Reads the text of [`Self::to_text`]; `None` if it is damaged or of another version.
    pub fn parse(text: &str) -> Option<Self> {
        let state: Self = serde_json::from_slice(text.as_bytes()).ok()?;
        let is_valid = state.version == VERSION && state.panes.values().all(PaneState::is_valid);
        is_valid.then_some(state)
    }

    /// Its text.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The rows to select, as soon as they are loaded and until the operator does something.
pub type Awaited = Vec<(Pane, String)>;

impl Model {
    /// What the next start restores.
    pub fn screen_state(&mut self) -> ScreenState {
        let mut panes = BTreeMap::new();
        for pane in Pane::ALL {
            let component = self.panes.get_mut(pane);
            // What finds a call may be an id or a key that belongs into the call.
            let filter = component.filter().filter(|_| pane != Pane::Explorer);
            let filter = filter.map(|filter| filter.text().to_owned());
            let state = PaneState {
                filter: filter.unwrap_or_default(),
                order: component.order().unwrap_or_default(),
                selected: component.selected_name(&self.store).unwrap_or_default(),
            };
            if state != PaneState::default() && state.is_valid() {
                panes.insert(pane.key_name(), state);
            }
        }
        ScreenState {
            version: VERSION,
            focus: self.focus.key_name(),
            zoomed: self.is_zoomed,
            panes,
        }
    }

    /// The selected row of each pane, for [`Self::select_awaited`].
    pub(super) fn selected_names(&self) -> Awaited {
        let panes = Pane::ALL.into_iter();
        let name = |pane: Pane| self.panes.get(pane).selected_name(&self.store);
        panes.filter_map(|pane| Some((pane, name(pane)?))).collect()
    }

    /// Restores the screen of an earlier run. Called before the first frame.
    pub fn restore(&mut self, state: &ScreenState) {
        let mut shown = self.shown.iter();
        let focus = shown.find(|pane| pane.key_name() == state.focus);
        self.focus = focus.copied().unwrap_or(self.focus);
        self.is_zoomed |= state.zoomed;
        for pane in Pane::ALL {
            let Some(saved) = state.panes.get(&pane.key_name()) else {
                continue;
            };
            let component = self.panes.get_mut(pane);
            if let Some(filter) = component.filter() {
                filter.set(&saved.filter);
            }
            component.set_order(&saved.order);
            if !saved.selected.is_empty() {
                self.awaited.push((pane, saved.selected.clone()));
            }
        }
    }

    /// Selects the rows of the earlier run that are loaded by now.
    pub(super) fn select_awaited(&mut self) {
        if self.store.is_ready() && !self.awaited.is_empty() {
            let (panes, store) = (&mut self.panes, &mut self.store);
            self.awaited
                .retain(|(pane, name)| !panes.get_mut(*pane).select_name(name, store));
        }
    }
}
