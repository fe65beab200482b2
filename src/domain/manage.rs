//! Requests to add, rotate and remove accounts, and their results.

use super::{Account, AccountId, Environment, Problem, ProblemKind, ProviderId, Secret};

/// A guide to get something at a provider, step by step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guide {
    /// What one gets: "A client (id and secret)".
    pub title: &'static str,
    /// Its topic, which decides where it is shown besides the whole guide.
    pub about: GuideTopic,
    /// In order, a sentence or two each.
    pub steps: &'static [&'static str],
}

/// The topic of a guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuideTopic {
    /// An account and what it needs.
    SetUp,
    /// A secret replaced by a new one.
    Rotation,
    /// What an account used, deleted at the provider.
    Deletion,
}

impl ProviderSetup {
    /// The first guide of this topic, where the provider documents one.
    pub fn guide_about(&self, topic: GuideTopic) -> Option<&'static Guide> {
        self.guide.iter().find(|guide| guide.about == topic)
    }
}

/// A key of a provider's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySpec {
    /// Its name in the file: `api_key`.
    pub name: &'static str,
    /// How its value is written.
    pub kind: KeyKind,
    /// Whether an account must have it.
    pub required: bool,
    /// Its meaning, as a noun phrase.
    pub about: &'static str,
}

/// How a key's value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// As a plain value.
    Text,
    /// As a plain value: the name of an HTTP header.
    HeaderName,
    /// As one of these words.
    Choice(&'static [&'static str]),
    /// As the source of a secret, never the secret itself.
    Secret,
}

impl KeySpec {
    /// Whether its value is a secret: not in the config file, and masked on screen.
    pub fn is_secret(&self) -> bool {
        self.kind == KeyKind::Secret
    }
}

/// The setup of accounts at one provider: fields, environments, guides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSetup {
    /// Its short name.
    pub provider: ProviderId,
    /// Its name for people.
    pub title: &'static str,
    /// The environments of an account; the first is the usual one.
    pub environments: &'static [Environment],
    /// The fields, in the order of the form.
    pub fields: &'static [KeySpec],
    /// The secrets that the provider's verification covers. Others can only be tried by use.
    pub proves: &'static [&'static str],
    /// The endpoints whose URL the operator may override.
    pub endpoints: &'static [&'static str],
    /// How to get an account and its credentials.
    pub guide: &'static [Guide],
    /// Whether the built-in simulator can give an account a new secret, so that its secret can be replaced.
    pub simulates_rotation: bool,
}

impl ProviderSetup {
    /// The field that rotation replaces by default: the first required secret.
    pub fn main_secret(&self) -> Option<&'static str> {
        let secrets = || self.fields.iter().filter(|field| field.is_secret());
        let required = secrets().find(|field| field.required);
        required
            .or_else(|| secrets().next())
            .map(|field| field.name)
    }
}

/// How strictly credentials are verified before they are saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Proof {
    /// The provider must have accepted them.
    #[default]
    Needed,
    /// The provider must not have rejected them; it may be unreachable, or offer no way to verify them.
    IfReachable,
    /// No verification.
    Waived,
}

/// Whether a failed verification says nothing about the credentials.
pub fn leaves_open(problem: &Problem) -> bool {
    matches!(
        problem.kind,
        ProblemKind::Unreachable
            | ProblemKind::Failing
            | ProblemKind::Nonsense
            | ProblemKind::Budget
            | ProblemKind::TimedOut
    )
}

/// The error for a new secret that the provider cannot verify.
pub fn unprovable(account: &Account, key: &str) -> Problem {
    Problem::usage(
        format!(
            "account {}: {} offers no way to verify a {key}",
            account.id, account.provider_title
        ),
        "the old one stays in use; check the new one carefully, then add --unverified to save it unverified",
    )
}

/// The error for a new account without any of the secrets in `proves`, which the provider could verify.
pub fn unprovable_account(account: &Account, proves: &[&str]) -> Problem {
    Problem::usage(
        format!(
            "account {}: {} offers no way to verify credentials without {}",
            account.id,
            account.provider_title,
            proves.join(" or ")
        ),
        "`tilldeck account add --unverified` saves the account unverified",
    )
}

/// An account to add, with its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// The operator's name for it.
    pub name: AccountId,
    /// Its provider.
    pub provider: ProviderId,
    /// What its calls affect.
    pub environment: Environment,
    /// Its fields in the config file, by key.
    pub texts: Vec<(&'static str, String)>,
    /// Overridden endpoint URLs, by name.
    pub endpoints: Vec<(String, String)>,
    /// Its secrets, by key.
    pub secrets: Vec<(&'static str, Secret)>,
    /// How strictly they are verified.
    pub proof: Proof,
}

/// A new secret of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSecret {
    /// The account.
    pub account: AccountId,
    /// The field of the secret.
    pub key: String,
    /// The secret.
    pub secret: Secret,
    /// Save it although the provider cannot verify it. A secret that can be verified still is.
    pub unverified: bool,
}

/// One change of the profile's accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Verify and save a new account.
    Add(Box<NewAccount>),
    /// Verify a new secret and replace the old one.
    Rotate(NewSecret),
    /// Remove an account from the config, and delete its secrets.
    Remove(AccountId),
}

/// The result of a [`Change`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// The account is in the config.
    Added {
        /// The account after the change.
        account: Account,
        /// Why the credentials could not be verified; `None` if the provider accepted them.
        unverified: Option<Problem>,
        /// Where each secret is saved, in words.
        saved_in: Vec<(String, String)>,
        /// The secrets that the provider accepted.
        proved: Vec<String>,
    },
    /// The new secret replaces the old one.
    Rotated {
        /// The account after the change.
        account: Account,
        /// Whether the provider accepted it; otherwise it is saved unverified.
        verified: bool,
        /// Where it is saved, in words; `None` where the operator manages it.
        saved_in: Option<String>,
        /// What the operator must do or know; may be empty.
        todo: String,
    },
    /// The account is removed from the config.
    Removed {
        /// The account.
        account: AccountId,
        /// What could not be deleted, in words; may be empty.
        left: String,
    },
}

impl Changed {
    /// The account that changed.
    pub fn account(&self) -> &AccountId {
        match self {
            Self::Added { account, .. } | Self::Rotated { account, .. } => &account.id,
            Self::Removed { account, .. } => account,
        }
    }
}
