//! Accounts added, their secrets replaced, accounts removed: what is asked, and what came of it.

use super::{Account, AccountId, Environment, Problem, ProblemKind, ProviderId, Secret};

/// How to come by something at a provider, step by step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guide {
    /// What is come by: "A client (id and secret)".
    pub title: &'static str,
    /// Where it is shown, besides in the whole guide.
    pub about: GuideTopic,
    /// In order, a sentence or two each.
    pub steps: &'static [&'static str],
}

/// The errand with which a guide helps.
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
    #[must_use]
    pub fn guide_about(&self, topic: GuideTopic) -> Option<&'static Guide> {
        self.guide.iter().find(|guide| guide.about == topic)
    }
}

/// One thing an account needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetupField {
    /// As the config file calls it: `api_key`.
    pub key: &'static str,
    /// What it is, as a noun phrase.
    pub about: &'static str,
    /// Whether it is kept out of the config file and out of sight.
    pub secret: bool,
    /// Whether an account must have it.
    pub required: bool,
    /// Whether it is a secret that the provider's verification proves; of others nobody can say whether they are
    /// good before they are used.
    pub proved: bool,
}

/// A provider of whom accounts can be added: what one needs, and how it is come by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSetup {
    /// Its short name.
    pub provider: ProviderId,
    /// Its name for people.
    pub title: &'static str,
    /// Where an account may be; the first is the usual one.
    pub environments: Vec<Environment>,
    /// In the order they are asked for.
    pub fields: Vec<SetupField>,
    /// The endpoints whose URL can be another than the provider's own.
    pub endpoints: &'static [&'static str],
    /// How an account and what it needs are come by.
    pub guide: &'static [Guide],
}

impl ProviderSetup {
    /// The key that rotation is about where none is named: the first secret an account must have.
    #[must_use]
    pub fn main_secret(&self) -> Option<&'static str> {
        let secrets = || self.fields.iter().filter(|field| field.secret);
        let required = secrets().find(|field| field.required);
        required.or_else(|| secrets().next()).map(|field| field.key)
    }
}

/// How sure one must be of credentials before they are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Proof {
    /// The provider must have accepted them.
    #[default]
    Needed,
    /// The provider must not have refused them; that nobody could be asked, or nothing that tells, is fine.
    IfReachable,
    /// Nobody is asked.
    Waived,
}

/// Whether a failure to verify leaves open whether the credentials are good.
#[must_use]
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

/// Why a secret is not replaced by one that nothing can prove, unless that is asked for.
#[must_use]
pub fn unprovable(account: &Account, key: &str) -> Problem {
    Problem::new(
        ProblemKind::Usage,
        format!(
            "account {}: nothing that {} can be asked tells whether a {key} is good",
            account.id, account.provider_title
        ),
        "the old one stays; look at the new one closely, then add --unverified to keep it without proof",
    )
}

/// Why nobody is asked about a new account that has none of the secrets that `proves` names.
#[must_use]
pub fn unprovable_account(account: &Account, proves: &[&str]) -> Problem {
    Problem::new(
        ProblemKind::Usage,
        format!(
            "account {}: without {}, nothing that {} can be asked tells whether its credentials are good",
            account.id,
            proves.join(" or "),
            account.provider_title
        ),
        "`tilldeck account add --unverified` keeps it without proof",
    )
}

/// An account to be added, its secrets in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// The operator's name for it.
    pub name: AccountId,
    /// Whose account it is.
    pub provider: ProviderId,
    /// What its calls can move.
    pub environment: Environment,
    /// What stands in the config file, by key.
    pub texts: Vec<(&'static str, String)>,
    /// Endpoints whose URL is another than the provider's own, by name.
    pub endpoints: Vec<(String, String)>,
    /// What does not, by key.
    pub secrets: Vec<(&'static str, Secret)>,
    /// How sure one must be of them.
    pub proof: Proof,
}

/// One change of the profile's accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Verify and keep a new account.
    Add(Box<NewAccount>),
    /// Verify a new secret and put it in the place of the old one.
    Rotate {
        /// Whose.
        account: AccountId,
        /// Which of its secrets.
        key: String,
        /// The new one.
        secret: Secret,
        /// Keep it also where nothing can prove it; what can be proved is proved all the same.
        unverified: bool,
    },
    /// Take an account out of the config, and forget what was kept for it.
    Remove(AccountId),
}

/// What came of a [`Change`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// The account is in the config.
    Added {
        /// As it is from now on.
        account: Account,
        /// Why nobody could say whether the credentials are good; `None` where they were accepted.
        unverified: Option<Problem>,
        /// Where each secret is kept, in words.
        kept: Vec<(String, String)>,
        /// Which of them the provider accepted.
        proved: Vec<String>,
    },
    /// The new secret is in the place of the old one.
    Rotated {
        /// As it is from now on.
        account: Account,
        /// Whether the provider accepted it; else it is kept, and nobody knows whether it is good.
        verified: bool,
        /// Where it is kept, in words; `None` where it is not tilldeck's to keep.
        kept: Option<String>,
        /// What the operator must do by hand, or know; may be empty.
        todo: String,
    },
    /// The account is out of the config.
    Removed {
        /// Which.
        account: AccountId,
        /// What could not be forgotten, in words; may be empty.
        left: String,
    },
}
