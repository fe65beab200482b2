//! `account`: lists and verifies accounts, adds and removes them, replaces their secrets.

mod add;
mod change;
mod list;
mod questions;
mod remove;
mod rotate;
mod values;
mod verify;

use super::prelude::*;
use crate::domain::Environment;

use add::AddAccount;
use list::ListAccounts;
use remove::RemoveAccount;
use rotate::RotateSecret;
use verify::VerifyAccounts;

commands! {
    /// List and verify accounts; add and remove them, replace their secrets.
    pub enum Account {
        List(ListAccounts),
        Verify(VerifyAccounts),
        Add(AddAccount),
        Rotate(RotateSecret),
        Remove(RemoveAccount),
    }
}

fn environment_tone(environment: Environment) -> Tone {
    if environment.is_live() {
        Tone::Warn
    } else {
        Tone::Dim
    }
}

fn say(words: &str) {
    Out::default().say(words);
}
