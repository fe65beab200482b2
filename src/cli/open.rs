//! `open`: opens the console at what another command printed.

use clap::Subcommand;

use super::console::Console;
use super::prelude::*;
use super::values::{callback_id, payment_id};
use crate::domain::{DeliveryId, ExchangeId};
use crate::tui::OpenTarget;

/// Open the console at a payment, request, callback or account.
#[derive(Debug, Subcommand)]
pub enum Open {
    /// Open the console at a payment: its row, or its timeline if it is not watched.
    Payment {
        /// The payment's id.
        #[arg(value_name = "ID", value_parser = payment_id)]
        id: PaymentId,
    },
    /// Open the console at a saved request, by the id that `tilldeck log --json` prints.
    Request {
        /// The id of the request.
        #[arg(value_name = "ID", value_parser = clap::value_parser!(i64).range(1..))]
        number: i64,
    },
    /// Open the console at a callback, by the id that `tilldeck log --deliveries` prints.
    Callback {
        /// The callback's id.
        #[arg(value_name = "ID", value_parser = callback_id)]
        id: i64,
    },
    /// Open the console at an account.
    Account {
        /// The account's name.
        #[arg(value_name = "ACCOUNT")]
        name: String,
    },
}

impl Command for Open {
    fn execute(self, start: Start<'_>) -> CommandResult {
        let target = match self {
            Self::Payment { id } => {
                // `Console` checks that it exists.
                let account = start.global.account.as_deref();
                let account = account.map(account_id).transpose()?;
                OpenTarget::Payment { account, id }
            }
            Self::Request { number } => OpenTarget::Request(ExchangeId(number)),
            Self::Callback { id } => OpenTarget::Callback(DeliveryId(id)),
            Self::Account { name } => OpenTarget::Account(account_id(&name)?),
        };
        let restores = start.restores;
        let target = Some(target);
        Console { restores, target }.execute(start)
    }
}

fn account_id(name: &str) -> Result<AccountId, Problem> {
    AccountId::new(name).map_err(|error| usage(error.to_string(), ""))
}
