//! `open`: opens the console at what another command printed.

use super::console::Console;
use super::prelude::*;
use super::values::{callback_id, payment_id};
use crate::domain::{AccountId, DeliveryId, ExchangeId, PaymentId};
use crate::tui::OpenTarget;

commands! {
    /// Open the console at a payment, request, callback or account.
    pub enum Open {
        Payment(OpenPayment),
        Request(OpenRequest),
        Callback(OpenCallback),
        Account(OpenAccount),
    }
}

/// Open the console at a payment: its row, or its timeline if it is not watched.
#[derive(Debug, Args)]
pub struct OpenPayment {
    /// The payment's id.
    #[arg(value_name = "ID", value_parser = payment_id)]
    id: PaymentId,
}

impl Command for OpenPayment {
    fn execute(self, start: Start<'_>) -> CommandResult {
        // `Console` checks that it exists.
        let account = start.global.account.as_deref();
        let account = account.and_then(|name| AccountId::new(name).ok());
        let id = self.id;
        Console::at(OpenTarget::Payment { account, id }).execute(start)
    }
}

/// Open the console at a saved request, by the id that `tilldeck log --json` prints.
#[derive(Debug, Args)]
pub struct OpenRequest {
    /// The id of the request.
    #[arg(value_name = "ID", value_parser = clap::value_parser!(i64).range(1..))]
    number: i64,
}

impl Command for OpenRequest {
    fn execute(self, start: Start<'_>) -> CommandResult {
        Console::at(OpenTarget::Request(ExchangeId(self.number))).execute(start)
    }
}

/// Open the console at a callback, by the id that `tilldeck log --deliveries` prints.
#[derive(Debug, Args)]
pub struct OpenCallback {
    /// The callback's id.
    #[arg(value_name = "ID", value_parser = callback_id)]
    id: i64,
}

impl Command for OpenCallback {
    fn execute(self, start: Start<'_>) -> CommandResult {
        Console::at(OpenTarget::Callback(DeliveryId(self.id))).execute(start)
    }
}

/// Open the console at an account.
#[derive(Debug, Args)]
pub struct OpenAccount {
    /// The account's name.
    #[arg(value_name = "ACCOUNT")]
    name: String,
}

impl Command for OpenAccount {
    fn execute(self, start: Start<'_>) -> CommandResult {
        let account = AccountId::new(self.name);
        let account = account.map_err(|error| usage(error.to_string(), ""))?;
        Console::at(OpenTarget::Account(account)).execute(start)
    }
}
