//! `doctor`: checks this set-up, and says what to do where it does not work.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use serde_json::Value;
use tokio::sync::mpsc;

use super::console;
use super::interrupt::Interrupts;
use super::prelude::*;
use super::start::interruptible;
use super::values::{callback_url, timeout};
use crate::deck::doctor::{LIMIT, Opened, Subject};
use crate::domain::time::millis;
use crate::domain::{Finding, Health, Tally};
use crate::runtime;

const HELP: &str = "\
Each line is good, a warning, or bad, with what to do. The exit code is 1 if anything is bad. The output has no secrets and \
shows the home folder as ~: it is fit for a bug report.

Each server of a provider gets one GET without credentials, as far as the rate limit allows it, and nothing else.";

/// Check this set-up: config, secrets, network, clock, ledger, callbacks and terminal.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct Doctor {
    /// Also check from outside whether this address, to which providers send callbacks, leads to this tilldeck's
    /// receiver. The path may end before /callbacks or before the account's name.
    #[arg(long, value_parser = callback_url, value_name = "URL")]
    callback_url: Option<Url>,
    /// Longest time of each check, such as 3s. They run side by side. Default: 10s.
    #[arg(long, value_parser = timeout, value_name = "TIME")]
    timeout: Option<Duration>,
    #[command(flatten)]
    format: AsCsv,
}

const FIELDS: &str = "check,status,message,hint,account,host,took_ms";

impl Command for Doctor {
    fn execute(self, start: Start<'_>) -> CommandResult {
        let Start {
            global, log, out, ..
        } = start;
        let out = &self.format.on(out);
        let mut subject = Subject {
            callback_url: self.callback_url,
            limit: self.timeout.unwrap_or(LIMIT),
            ..global.subject()
        };
        // A config that cannot be used is a finding.
        let settings = Settings::load(global).ok();
        match &settings {
            Some(settings) => {
                subject.console = unusable_by_console(settings, out);
                log.configured(settings).run();
            }
            None => log.run(),
        }
        block_on(run(settings.as_ref(), subject, out))
    }
}

fn unusable_by_console(settings: &Settings, out: &Out) -> Option<Problem> {
    let vault = settings.global.vault().ok()?;
    let model = console::model(&settings.config, &settings.profile, &vault, out);
    model.err().map(Problem::from)
}

async fn run(settings: Option<&Settings>, subject: Subject, out: &Out) -> CommandResult {
    let work = async {
        let opened = match settings {
            Some(settings) => Some(settings.deck(None, None).await.map(Arc::new)),
            None => None,
        };
        let mut tally = Tally::default();
        let mut records = Records::new(out, FIELDS.split(','));
        records.begin()?;
        let (to, found) = mpsc::channel::<Finding>(1);
        let print = async {
            // Dropped with this future: after an output error, the checks must not wait for a reader.
            let mut found = found;
            while let Some(finding) = found.recv().await {
                tally.add(finding.health);
                records.object(&object(&finding))?;
                print(&finding, out)?;
            }
            Ok::<_, OutputError>(())
        };
        let checks = runtime::examine(subject, opened.clone(), to);
        let ((), printed) = tokio::join!(checks, print);
        close(opened).await;
        printed?;
        out.explain(&tally.to_string());
        Ok(match tally.worst() {
            Health::Good | Health::Warning => Exit::Done,
            Health::Bad => Exit::Expectation,
        })
    };
    interruptible(work, &Interrupts::default(), out).await
}

/// Waits until the requests of the checks are saved.
async fn close(opened: Opened) {
    if let Some(deck) = opened.and_then(Result::ok).and_then(Arc::into_inner) {
        deck.close().await;
    }
}

/// Columns before the message: mark, word and check.
const BEFORE: usize = 21;

fn print(finding: &Finding, out: &Out) -> Result<(), OutputError> {
    if out.format != Format::Text {
        return Ok(());
    }
    let Finding { check, health, .. } = finding;
    let tone = Tone::from(*health);
    let word = out.paint(tone, &format!("{} {:<8}", health.mark(), health.as_str()));
    out.line(&format!("{word} {check:<9} {}", finding.line()))?;
    if finding.hint.is_empty() {
        return Ok(());
    }
    let hint = out.paint(Tone::Dim, &finding.hint);
    out.line(&format!("{:BEFORE$}{hint}", ""))
}

fn object(finding: &Finding) -> Value {
    let hint = Some(&finding.hint).filter(|hint| !hint.is_empty());
    let mut object = json!({
        "check": finding.check,
        "status": finding.health.as_str(),
        "message": inert::unescaped(&finding.message),
        "hint": hint.map(|hint| inert::unescaped(hint)),
    });
    if let Some(account) = &finding.account {
        object["account"] = json!(account);
    }
    if let Some(host) = &finding.host {
        object["host"] = json!(host);
    }
    if let Some(took) = finding.took {
        object["took_ms"] = millis(took).into();
    }
    object
}
