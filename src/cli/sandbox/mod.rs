//! `sandbox`: the built-in simulator for other programs, and the events it can trigger.

mod deliver;
mod serve;
mod trigger;

use super::start::commands;
use serve::Serve;
use trigger::Trigger;

commands! {
    /// Run the built-in simulator for other programs, or trigger events in it.
    pub enum Sandbox {
        Serve(Serve),
        Trigger(Trigger),
    }
}
