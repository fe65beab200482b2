//! Checks of this set-up: `tilldeck doctor`. They run side by side, each with a time limit, and change nothing.

mod callbacks;
mod endpoints;
mod ledger;
mod network;
mod secrets;
mod setup;

use std::iter;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::Deck;
use crate::config::{self, AccountConfig, Config, Environ, Locations, Profile, VAULT, Vault};
use crate::domain::{Finding, Health, Problem, inert, time};
use crate::net::{BoxFuture, redact};
use crate::providers::SPECS;

/// What to check.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Where the config file and the state are.
    pub locations: Locations,
    /// The profile, if not the default one.
    pub profile: Option<String>,
    /// Only this account, if set.
    pub account: Option<String>,
    /// Why the console cannot use the config: only it knows its actions, keys and panes.
    pub console: Option<Problem>,
    /// The address that providers send callbacks to, up to the path of an account.
    pub callback_url: Option<Url>,
    /// How long each check may take.
    pub limit: Duration,
}

/// The longest time of a check, where the operator sets none.
pub const LIMIT: Duration = Duration::from_secs(10);

/// The profile at work, or why it cannot be opened; `None` if the config cannot be used.
pub type Opened = Option<Result<Arc<Deck>, Problem>>;

/// A check that runs.
struct Check {
    name: &'static str,
    running: AbortOnDropHandle<Vec<Finding>>,
}

impl Check {
    fn start(
        name: &'static str,
        work: impl Future<Output = Vec<Finding>> + Send + 'static,
        limit: Duration,
    ) -> Self {
        let work = async move {
            let late = || {
                let words = format!("no result within {}", time::exact(limit));
                vec![Finding::bad(words)]
            };
            tokio::time::timeout(limit, work)
                .await
                .unwrap_or_else(|_| late())
        };
        Self {
            name,
            running: AbortOnDropHandle::new(tokio::spawn(work)),
        }
    }
}

/// Checks everything that can be checked, and sends the findings in a fixed order, each as soon as those before it are
/// ready. Secrets are removed, and the home folder is `~`.
pub async fn examine(subject: Subject, opened: Opened, to: &mpsc::Sender<Finding>) {
    let environ = &subject.locations.environ;
    let config = config::load(&subject.locations, &SPECS);
    let of_config = setup::config(&subject, config.as_ref());
    let running = checks(&subject, config.as_ref().ok(), &opened);
    send("program", vec![setup::program()], environ, to).await;
    send("config", of_config, environ, to).await;
    for check in running {
        let found = check.running.await.unwrap_or_else(|_| {
            let words = "an internal error in tilldeck ended this check";
            vec![Finding::bad(words)]
        });
        send(check.name, found, environ, to).await;
    }
}

/// A receiver that is gone needs none.
async fn send(
    check: &'static str,
    found: Vec<Finding>,
    environ: &Environ,
    to: &mpsc::Sender<Finding>,
) {
    for finding in found {
        let finding = fit_for_others(finding.named(check), environ);
        let _ = to.send(finding).await;
    }
}

impl Deck {
    /// What to check of the open profile.
    pub fn subject(&self) -> Subject {
        Subject {
            locations: Locations {
                config: self.config.clone().filter(|path| path.exists()),
                state: Some(self.state_dir.clone()),
                environ: self.factory.environ.clone(),
                platform_config: None,
                platform_state: None,
            },
            profile: Some(self.profile.clone()),
            account: None,
            console: None,
            callback_url: None,
            limit: LIMIT,
        }
    }
}

/// Whether the ledger in this folder, or a new one there, can be used. Changes nothing. Blocks.
///
/// # Errors
/// The first thing that prevents it.
pub fn must_be_usable(folder: &Path) -> Result<(), Problem> {
    let mut found = iter::once(setup::look(folder)).chain(ledger::of_file(folder));
    match found.find(|it| it.health == Health::Bad) {
        Some(bad) => Err(Problem::local(bad.message, bad.hint)),
        None => Ok(()),
    }
}

/// A check that takes time.
type Findings = BoxFuture<'static, Vec<Finding>>;

/// The same under its name.
type Work = (&'static str, Findings);

/// Starts the checks that take time.
fn checks(subject: &Subject, config: Option<&Config>, opened: &Opened) -> Vec<Check> {
    let state = subject.locations.state_folder();
    let mut all: Vec<Work> = vec![("state", Box::pin(setup::state(state)))];
    if let Some(config) = config
        && let Ok(profile) = config.profile(subject.profile.as_deref())
    {
        all.extend(of_config(subject, config, &chosen(subject, profile)));
    }
    let deck = opened.as_ref().and_then(|opened| opened.as_ref().ok());
    if let Some(deck) = deck {
        let reach = endpoints::checks(deck, subject.account.as_deref());
        all.extend(reach.into_iter().map(|reach| ("endpoint", reach)));
    }
    let ledger = ledger::check(opened.clone(), config.cloned(), subject.clone());
    all.push(("ledger", Box::pin(ledger)));
    if let (Some(deck), Some(config)) = (deck, config) {
        let local = callbacks::local(deck.clone(), config.clone());
        all.push(("callbacks", Box::pin(local)));
        let reach = callbacks::outside(deck, subject);
        all.extend(reach.into_iter().map(|reach| ("callbacks", reach)));
    }
    let start = |(name, work)| Check::start(name, work, subject.limit);
    all.into_iter().map(start).collect()
}

/// The checks of what the config names.
fn of_config(subject: &Subject, config: &Config, profile: &Profile) -> Vec<Work> {
    let environ = &subject.locations.environ;
    let mut all: Vec<Work> = Vec::new();
    if let Ok(state) = subject.locations.state_folder() {
        let reader = secrets::Reader {
            environ: environ.clone(),
            vault: Vault::system(state.join(VAULT), environ),
        };
        let read = secrets::checks(config, profile, &reader);
        all.extend(read.into_iter().map(|read| ("secrets", read)));
    }
    let network = network::check(config.clone(), profile.clone(), environ.clone());
    all.push(("network", Box::pin(network)));
    all
}

/// The profile, with the chosen account alone if there is one.
fn chosen(subject: &Subject, profile: &Profile) -> Profile {
    let mut profile = profile.clone();
    if let Some(only) = &subject.account {
        let is_chosen = |account: &AccountConfig| account.id.as_str() == only;
        profile.accounts.retain(is_chosen);
    }
    profile
}

/// The finding without secrets, on one line each, and with `~` for the home folder: fit for a bug report.
fn fit_for_others(finding: Finding, environ: &Environ) -> Finding {
    let home = environ.get("HOME");
    let home = home.map_or_else(String::new, |home| home.to_string_lossy().into_owned());
    let fit = |text: &str| short_home(&inert::line(&redact::scrub(text)), &home);
    Finding {
        message: fit(&finding.message),
        hint: fit(&finding.hint),
        ..finding
    }
}

/// A text with `~` in place of the home folder.
fn short_home(text: &str, home: &str) -> String {
    let home = home.trim_end_matches('/');
    if home.is_empty() {
        return text.to_owned();
    }
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
    let mut short = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(home) {
        let is_part = before.ends_with(is_name) || after.starts_with(|c| c != '/' && is_name(c));
        short.push_str(before);
        short.push_str(if is_part { home } else { "~" });
        rest = after;
    }
    short + rest
}

/// A path as it is shown.
fn shown(path: &std::path::Path) -> String {
    inert::cut(&path.to_string_lossy(), 400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_folder_is_a_tilde_wherever_it_is_a_path_of_its_own() {
        for (text, short) in [
            ("/home/ann/x is there", "~/x is there"),
            ("run chmod 700 /home/ann", "run chmod 700 ~"),
            ("/home/ann/a and /home/ann/b", "~/a and ~/b"),
            ("/home/anna/x", "/home/anna/x"),
            ("/mnt/home/ann/x", "/mnt/home/ann/x"),
        ] {
            assert_eq!(short_home(text, "/home/ann/"), short);
        }
        assert_eq!(short_home("/x", "/"), "/x");
    }

    #[tokio::test]
    async fn a_check_that_takes_too_long_is_reported_and_delays_no_more() {
        let never = std::future::pending();
        let check = Check::start("ledger", never, Duration::from_millis(20));
        let found = check.running.await.unwrap();
        assert_eq!(found[0].message, "no result within 20 ms");
        assert_eq!(found[0].health, Health::Bad);
    }
}
