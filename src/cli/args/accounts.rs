//! The arguments of `account` and `token`.

use clap::{Args, Subcommand};

/// `account`.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// List the profile's accounts.
    List,
    /// Verify the credentials: send the provider one request that changes nothing.
    Verify {
        /// Only this account. Without it, all accounts.
        #[arg(value_name = "ACCOUNT")]
        name: Option<String>,
        /// Test only the signature, with the provider's published test key (Kanga TEST).
        #[arg(long)]
        signature: bool,
    },
    /// Add an account. Prompts for missing values, verifies the credentials, then saves them.
    Add(AddAccount),
    /// Replace an account's secret. The provider must accept the new one, else the old one stays.
    Rotate(RotateSecret),
    /// Remove an account from the config file and delete its stored secrets.
    Remove(RemoveAccount),
}

/// `account add`.
#[derive(Debug, Args)]
pub struct AddAccount {
    /// The name of the new account: letters, digits, `-`, `_` and `.`
    #[arg(long)]
    pub name: Option<String>,
    /// The provider: kanga, kinguin, kongregate or pledg.
    #[arg(long)]
    pub provider: Option<String>,
    /// The provider's environment: production or sandbox.
    #[arg(long)]
    pub environment: Option<String>,
    /// A value that is not secret, such as `api_key=…` or `endpoints.NAME=URL`. Repeat it for more.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The source of a secret: `KEY=env:NAME`, `KEY=file:PATH`, `KEY=command:PROGRAM ARGUMENTS…` or
    /// `KEY=keyring:NAME`. Without it, tilldeck prompts for the secret and saves it in the keyring or a file.
    /// Never pass the secret itself.
    #[arg(long, value_name = "KEY=SOURCE")]
    pub secret: Vec<String>,
    /// Verify and save without asking for confirmation.
    #[arg(long)]
    pub yes: bool,
    /// Save the account even if the provider is unreachable or cannot verify it, such as a Pledg account without
    /// `api_secret`. Rejected credentials are never saved.
    #[arg(long)]
    pub unverified: bool,
}

/// `account rotate`.
#[derive(Debug, Args)]
pub struct RotateSecret {
    /// The account.
    #[arg(value_name = "ACCOUNT")]
    pub name: String,
    /// The key of the secret in the config, such as `api_secret`. Default: the secret that authorizes requests.
    #[arg(long)]
    pub key: Option<String>,
    /// Read the new secret once from this source instead of prompting: `env:NAME`, `file:PATH`,
    /// `command:PROGRAM ARGUMENTS…` or `keyring:NAME`. Never pass the secret itself.
    #[arg(long, value_name = "SOURCE")]
    pub from: Option<String>,
    /// Save a secret that the provider cannot verify, such as Pledg's `merchant_secret` or `dashboard_password`.
    /// tilldeck still verifies every other secret.
    #[arg(long)]
    pub unverified: bool,
}

/// `account remove`.
#[derive(Debug, Args)]
pub struct RemoveAccount {
    /// The account.
    #[arg(value_name = "ACCOUNT")]
    pub name: String,
    /// Do not ask for confirmation.
    #[arg(long)]
    pub yes: bool,
}

/// `token`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Show the state of access tokens, without their values. Sends nothing.
    Show {
        /// Only this account. Without it, all accounts.
        #[arg(value_name = "ACCOUNT")]
        name: Option<String>,
    },
    /// Fetch a new access token, even if the current one is valid.
    Refresh {
        /// Only this account. Without it, all accounts.
        #[arg(value_name = "ACCOUNT")]
        name: Option<String>,
    },
    /// Print the access token; fetch one first if needed. Anyone who has it can act as the account.
    Print {
        /// The account.
        #[arg(value_name = "ACCOUNT")]
        name: String,
    },
}
