//! `account` and `token`, as they may be written.

use clap::{Args, Subcommand};

/// `account`.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// List the profile's accounts.
    List,
    /// Ask the provider whether the credentials are good, by the cheapest call that changes nothing.
    Verify {
        /// Only this account; all without it.
        name: Option<String>,
        /// Test the signature alone, with the provider's published test key (Kanga TEST).
        #[arg(long)]
        signature: bool,
    },
    /// Add an account: asks for what is not given, verifies it, and only then keeps it.
    Add(AddAccount),
    /// Replace an account's secret by a new one, once the provider has accepted that; else the old one stays.
    Rotate(RotateSecret),
    /// Take an account out of the config and forget what is kept of its secrets.
    Remove(RemoveAccount),
}

/// `account add`.
#[derive(Debug, Args)]
pub struct AddAccount {
    /// Its name, yours to choose.
    #[arg(long)]
    pub name: Option<String>,
    /// Whose account it is: kanga, kinguin, …
    #[arg(long)]
    pub provider: Option<String>,
    /// production or sandbox.
    #[arg(long)]
    pub environment: Option<String>,
    /// What is no secret, like `api_key=…`; also `endpoints.NAME=URL`.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where a secret is and stays: `KEY=env:NAME`, `KEY=file:PATH`, `KEY=command:PROGRAM ARGUMENTS…`,
    /// `KEY=keyring:NAME`. Left out, it is asked for and kept in the keyring or a file. Never the secret itself.
    #[arg(long, value_name = "KEY=SOURCE")]
    pub secret: Vec<String>,
    /// Do not ask before it is verified and kept.
    #[arg(long)]
    pub yes: bool,
    /// Keep it although the provider cannot be reached, or nothing it can be asked proves it, as with a Pledg account
    /// that has no `api_secret`; one that is refused is not kept.
    #[arg(long)]
    pub unverified: bool,
}

/// `account rotate`.
#[derive(Debug, Args)]
pub struct RotateSecret {
    /// The account.
    pub name: String,
    /// Which of its secrets; without it the one its calls are authorised with.
    #[arg(long)]
    pub key: Option<String>,
    /// Where the new secret is read from, once, instead of asking: `env:NAME`, `file:PATH`,
    /// `command:PROGRAM ARGUMENTS…`, `keyring:NAME`. Never the secret itself.
    #[arg(long, value_name = "SOURCE")]
    pub from: Option<String>,
    /// Keep it also where nothing the provider can be asked proves it, as with Pledg's `merchant_secret` and
    /// `dashboard_password`; a secret that can be proved is proved all the same.
    #[arg(long)]
    pub unverified: bool,
}

/// `account remove`.
#[derive(Debug, Args)]
pub struct RemoveAccount {
    /// The account.
    pub name: String,
    /// Do not ask first.
    #[arg(long)]
    pub yes: bool,
}

/// `token`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Say how access tokens stand, without fetching any and without their value.
    Show {
        /// Only this account's; all accounts' without it.
        name: Option<String>,
    },
    /// Fetch a new access token, whatever there is.
    Refresh {
        /// Only this account's; all accounts' without it.
        name: Option<String>,
    },
    /// Print an access token, fetching one if none is good. Whoever has it can act as the account.
    Print {
        /// Whose.
        name: String,
    },
}
