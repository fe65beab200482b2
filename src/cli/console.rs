//! No command: the console.

use std::io::IsTerminal as _;

use super::output::Out;
use super::{Context, Exit, local};
use crate::config;
use crate::deck;
use crate::domain::{Problem, ProblemKind};
use crate::runtime::{self, Ended, Start};
use crate::tui::{Model, Setup, ThemeChoice, UiOptions};

pub fn run(context: &Context, out: &Out) -> color_eyre::Result<Exit> {
    let fail = |problem: &Problem| {
        Ok(out
            .problem(problem)
            .map_or(Exit::Done, |()| problem.kind.into()))
    };
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return fail(&runtime::no_terminal(&std::io::Error::other(
            "standard input or output is none",
        )));
    }
    let ui = &context.config.ui;
    let setup = Setup {
        profile: context.profile.name.clone(),
        accounts: deck::accounts(&context.profile),
        ui: UiOptions {
            theme: match ui.theme {
                config::Theme::Auto => ThemeChoice::Auto,
                config::Theme::Dark => ThemeChoice::Dark,
                config::Theme::Light => ThemeChoice::Light,
            },
            color: out.color,
            ascii: ui.ascii || !speaks_unicode(),
            mouse: ui.mouse,
            reduced_motion: ui.reduced_motion,
            keys: ui
                .keys
                .iter()
                .map(|(action, keys)| (action.clone(), keys.keys.clone()))
                .collect(),
        },
    };
    let model = match Model::new(setup) {
        Ok(model) => model,
        Err(why) => {
            let path = context
                .config
                .path
                .as_ref()
                .map(|path| path.display().to_string())
                .unwrap_or_default();
            return fail(&Problem::new(
                ProblemKind::Config,
                format!("{path}: [ui.keys]: {why}"),
                "`?` in the console shows every action and its keys",
            ));
        }
    };
    let options = match context.options() {
        Ok(options) => options,
        Err(problem) => return fail(&problem),
    };
    let start = Start {
        model,
        profile: context.profile.clone(),
        options,
        verify_on_start: ui.verify_on_start,
    };
    match runtime::run(start) {
        Ok(Ended::Left) => Ok(Exit::Done),
        Ok(Ended::Interrupted) => Ok(Exit::Interrupted),
        Err(error) => fail(&local(&format!("the terminal went away: {error}"))),
    }
}

/// Whether the locale's encoding is UTF-8; without any locale most terminals are.
fn speaks_unicode() -> bool {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    set("LC_ALL")
        .or_else(|| set("LC_CTYPE"))
        .or_else(|| set("LANG"))
        .is_none_or(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8")
                || locale.contains("utf8")
                || matches!(locale.as_str(), "c" | "posix")
        })
}
