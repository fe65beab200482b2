//! `account`: lists and verifies accounts, adds and removes them, replaces their secrets.

mod add;
mod answers;
mod change;
mod list;
mod remove;
mod rotate;
mod verify;

use super::prelude::*;
use crate::domain::Environment;

use answers::AddAccount;
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
