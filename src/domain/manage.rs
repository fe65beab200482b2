//! Accounts added, their secrets replaced, accounts removed: what is asked, and what came of it.

/// How to come by something at a provider, step by step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guide {
    /// What is come by: "A client (id and secret)".
    pub title: &'static str,
    /// In order, a sentence or two each.
    pub steps: &'static [&'static str],
}
