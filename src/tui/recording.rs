//! A recording in place of a profile: its requests are read, and nothing else can be done.

use super::Model;
use super::keys::{Action, ConsoleAction, Keys as _};
use super::msg::Level;
use super::overlays::exchange;
use super::pane::{GoTo, Pane};
use super::panes::requests;
use super::setup::Recording;
use super::store::{Flash, Store};
use crate::domain::curl;

/// What the console says first, if something is missing.
pub fn greeting(recording: &Recording) -> Option<Flash> {
    let text = recording.notes.join("; ");
    let level = Level::Warning;
    let until = None;
    (!text.is_empty()).then_some(Flash { level, text, until })
}

impl Store {
    pub fn recording_command(&self) -> Option<String> {
        let path = &self.recording.as_ref()?.path;
        Some(curl::own_without_profile(["log", "--open", path]))
    }
}

impl Model {
    /// Why an action does nothing in a recording; `None` where it works.
    pub(super) fn why_barred(&self, action: Action) -> Option<String> {
        self.store.recording.as_ref()?;
        let other = GoTo::of(action).map(GoTo::pane);
        if other.is_some_and(|pane| pane != Pane::Requests) {
            return Some("this is a recording: it has requests only".to_owned());
        }
        let timelines: [Action; 2] = [
            requests::Action::RequestTimeline.into(),
            exchange::Action::ExchangeTimeline.into(),
        ];
        let of_accounts: [Action; 4] = [
            ConsoleAction::Profiles.into(),
            ConsoleAction::Link.into(),
            ConsoleAction::Sandbox.into(),
            ConsoleAction::Doctor.into(),
        ];
        let pane = Pane::of(action.0.scope);
        let is_barred = pane.is_some_and(|pane| pane != Pane::Requests)
            || timelines.contains(&action)
            || of_accounts.contains(&action);
        is_barred.then(|| {
            let what = action.0.help.split([';', '(']).next().unwrap_or_default();
            format!(
                "cannot {}: this is a recording, nothing is sent",
                what.trim_end()
            )
        })
    }
}
