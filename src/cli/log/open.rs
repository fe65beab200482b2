//! `log --open`: a recording in the console, or converted.

use std::path::Path;
use std::sync::Arc;

use super::Entries;
use crate::cli::console;
use crate::cli::global::Global;
use crate::cli::interrupt::Interrupts;
use crate::cli::prelude::*;
use crate::cli::recording;
use crate::config::Profile;
use crate::deck::{self, Options};
use crate::domain::{Exchange, Words};
use crate::{runtime, tui};

const PANE: &str = "requests";

pub(super) fn execute(file: &Path, entries: Entries, start: Start<'_>) -> CommandResult {
    let out = start.out;
    must_suit(&entries, &start.global)?;
    start.configured(|settings, log| {
        if entries.export.is_some() {
            let (exchanges, notes) = read(file, settings)?;
            for note in notes {
                out.warn(&note);
            }
            log.run();
            return block_on(export(exchanges, entries, settings, out));
        }
        if entries.selection.is_given() || entries.limit.is_some() {
            return Err(usage(
                "--open shows the whole recording; `/` searches it",
                "the options that select entries go with --export",
            )
            .into());
        }
        if let Some(problem) = runtime::no_terminal(std::env::var_os("TERM").as_deref()) {
            let hint = "with --export ndjson or --export curl, `log --open` prints the recording";
            return Err(Problem {
                hint: hint.to_owned(),
                ..problem
            }
            .into());
        }
        let (exchanges, notes) = read(file, settings)?;
        let name = file.file_name().unwrap_or(file.as_os_str());
        let profile = profile(inert::cut(&name.to_string_lossy(), 60));
        let mut setup = console::setup(&settings.config, &profile, &settings.global.vault()?, out);
        setup.recording = Some(tui::Recording {
            path: file.to_string_lossy().into_owned(),
            notes,
        });
        setup.profiles = Vec::new();
        setup.is_shared = false;
        setup.may_manage = false;
        setup.ui.panes = Some(Words {
            words: vec![PANE.to_owned()],
            ..Words::default()
        });
        console::show(runtime::Start {
            first: runtime::ProfileStart {
                model: tui::Model::new(setup).map_err(console::misconfigured)?,
                options: options(settings, exchanges)?,
                profile,
                verify_on_start: false,
                notify: settings.config.ui.notify.clone(),
            },
            source: Arc::new(runtime::NoProfiles),
            start_log: Box::new(|| log.run()),
        })
    })
}

/// The requests of a recording, redacted, and what a reader must know first.
fn read(file: &Path, settings: &Settings) -> Result<(Vec<Exchange>, Vec<String>), Problem> {
    // What another program recorded may have the secrets of any profile.
    let unknown = deck::learn_all(&settings.config, &Environ::process());
    let unknown = unknown.into_iter().map(|problem| {
        format!(
            "{}; where the recording has it, it may be shown",
            problem.message
        )
    });
    let read = recording::read(file)?;
    let notes = unknown.chain(read.notes()).collect();
    Ok((read.exchanges, notes))
}

/// Rejects options that say nothing about a recording.
fn must_suit(entries: &Entries, global: &Global) -> Result<(), Problem> {
    let is_console = entries.export.is_none();
    let given = [
        ("--profile", global.profile.is_some()),
        ("--ledger", global.ledger.is_some()),
        ("--uncoordinated", global.uncoordinated),
        ("--allow-nonce-ahead", global.allow_nonce_ahead),
        ("--account", is_console && global.account.is_some()),
        ("--json", is_console && global.json),
    ];
    match given.into_iter().find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((name @ "--json", _)) => Err(usage(
            format!("{name} says nothing about a recording in the console"),
            "`log --open FILE --export ndjson` prints JSON",
        )),
        Some((name, _)) => Err(usage(
            format!(
                "{name} says nothing about a recording: --open reads a file, and sends nothing"
            ),
            "leave it out",
        )),
    }
}

/// A profile without accounts, called as the file.
fn profile(name: String) -> Profile {
    Profile {
        name,
        built_in: false,
        tint: None,
        accounts: Vec::new(),
    }
}

/// The deck's options: no hook runs.
fn options(settings: &Settings, requests: Vec<Exchange>) -> Result<Options, Problem> {
    Ok(Options {
        hooks: crate::config::Hooks::default(),
        recording: Some(requests),
        ..settings.options()?
    })
}

async fn export(
    requests: Vec<Exchange>,
    entries: Entries,
    settings: &Settings,
    out: &Out,
) -> CommandResult {
    let profile = profile("recording".to_owned());
    let deck = Deck::open(&profile, options(settings, requests)?).await?;
    let cx = CommandContext {
        settings,
        deck: &deck,
        interrupts: &Interrupts::default(),
        out,
    };
    entries.run(&cx).await
}
