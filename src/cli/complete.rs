//! `completions`, and the command its scripts run at each Tab. Reads the config file only: no secret, no ledger.
//! With a broken file it offers fewer candidates and prints no error, which would garble the shell's line.

use std::ffi::OsString;
use std::path::Path;

use clap::Command;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate, complete};

use super::prelude::*;
use crate::config::{AccountConfig, Locations, Profile, SANDBOX, in_home};
use crate::domain::{Environment, catalogue, inert};
use crate::providers::{self, Manifest};

mod word;

use word::{BREAKS, Word};

const BASH: &str = include_str!("../../assets/completions/tilldeck.bash");
const ZSH: &str = include_str!("../../assets/completions/tilldeck.zsh");
const FISH: &str = include_str!("../../assets/completions/tilldeck.fish");

/// Print a completion script for a shell.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell.
    shell: clap_complete::Shell,
}

impl super::start::Command for Completions {
    fn execute(self, start: Start<'_>) -> CommandResult {
        start.out.bytes(&script(self.shell, start.commands))?;
        Ok(Exit::Done)
    }
}

/// Called by the completion scripts.
#[derive(Debug, Args)]
#[command(hide = true)]
pub struct Complete {
    /// The shell.
    shell: String,
    /// The index of the word to complete.
    index: usize,
    /// The command line so far.
    #[arg(last = true)]
    words: Vec<OsString>,
}

impl super::start::Command for Complete {
    fn execute(self, start: Start<'_>) -> CommandResult {
        let candidates = self.candidates((start.commands)());
        start.out.bytes(candidates.as_bytes())?;
        Ok(Exit::Done)
    }
}

impl Complete {
    /// The candidates for the word at `index`, one per line: value, tab, description. For bash only the value, without
    /// the part before its last `=` or `:`, which bash leaves in place. For bash and zsh, which insert it as it is, a
    /// value is quoted.
    fn candidates(self, mut command: Command) -> String {
        let bash = self.shell == "bash";
        let mut line = Line {
            words: self.words,
            index: self.index,
        };
        if bash {
            line.glue();
        }
        let typed = if bash || self.shell == "zsh" {
            line.unquote()
        } else {
            None
        };
        // Before anything else: `mut_arg` moves an argument to the end, and built commands depend on the order.
        command.build();
        line.join_values(&valued(&command));
        let mut out = String::new();
        for candidate in line.complete(command) {
            // A shell would show such a name as it is; one with a line break would be two candidates.
            let value = candidate.get_value().to_str();
            let value = value.filter(|value| !value.contains(inert::is_hostile));
            let value = value.and_then(|value| match &typed {
                Some(typed) => typed.quoted(value, bash),
                None => Some(value.to_owned()),
            });
            let Some(value) = value else { continue };
            out.push_str(&value);
            let help = candidate.get_help().map(ToString::to_string);
            if let Some(help) = help.as_deref().and_then(|help| help.lines().next())
                && !bash
            {
                out.push('\t');
                out.push_str(help);
            }
            out.push('\n');
        }
        out
    }
}

fn script(shell: clap_complete::Shell, commands: fn() -> Command) -> Vec<u8> {
    match shell {
        clap_complete::Shell::Bash => BASH.into(),
        clap_complete::Shell::Zsh => ZSH.into(),
        clap_complete::Shell::Fish => FISH.into(),
        // Scripts of clap: they complete the commands and options, but no names.
        other => {
            let mut script = Vec::new();
            let mut command = commands();
            clap_complete::generate(other, &mut command, "tilldeck", &mut script);
            script
        }
    }
}

struct Line {
    words: Vec<OsString>,
    index: usize,
}

impl Line {
    /// Joins what bash splits: `--color`, `=`, `al`.
    fn glue(&mut self) {
        let mut open = false;
        self.join(|at, word| {
            let is_break = word
                .to_str()
                .is_some_and(|word| !word.is_empty() && word.chars().all(|c| BREAKS.contains(&c)));
            let joins = std::mem::replace(&mut open, is_break) || is_break;
            (at > 1 && joins).then_some("")
        });
    }

    /// Joins `--profile sandbox` before the cursor into one word: `sandbox` alone would be taken for the command.
    fn join_values(&mut self, valued: &[String]) {
        let (cursor, mut open) = (self.index, false);
        self.join(|at, word| {
            if open && at < cursor {
                open = false;
                return Some("=");
            }
            open = word
                .to_str()
                .and_then(|word| word.strip_prefix("--"))
                .is_some_and(|name| valued.iter().any(|known| known == name));
            None
        });
    }

    /// Joins a word to the one before it where `joint` says with what.
    fn join(&mut self, mut joint: impl FnMut(usize, &OsString) -> Option<&'static str>) {
        let mut joined: Vec<OsString> = Vec::new();
        let mut index = 0;
        for (at, word) in self.words.iter().enumerate() {
            match (joint(at, word), joined.last_mut()) {
                (Some(between), Some(last)) => {
                    last.push(between);
                    last.push(word);
                }
                _ => joined.push(word.clone()),
            }
            if at <= self.index {
                index = joined.len() - 1;
            }
        }
        *self = Self {
            words: joined,
            index,
        };
    }

    /// Replaces each word by what the shell makes of it. Returns the word at the cursor.
    fn unquote(&mut self) -> Option<Word> {
        let mut at_cursor = None;
        for (at, word) in self.words.iter_mut().enumerate() {
            let Some(typed) = word.to_str() else { continue };
            let typed = Word::typed(typed, &Environ::process());
            *word = OsString::from(&typed.text);
            if at == self.index {
                at_cursor = Some(typed);
            }
        }
        at_cursor
    }

    fn complete(self, command: Command) -> Vec<CompletionCandidate> {
        let mut command = Names::on(&self).add_to(command, "");
        let here = std::env::current_dir().ok();
        let typed = self.words.get(self.index).cloned().unwrap_or_default();
        let found = complete(&mut command, self.words, self.index, here.as_deref());
        let mut found = found.unwrap_or_default();
        let is_option = |candidate: &CompletionCandidate| {
            let value = candidate.get_value().to_string_lossy();
            value.starts_with('-')
        };
        // Options are offered after a `-`, or where there is nothing else.
        if !typed.to_string_lossy().starts_with('-') && !found.iter().all(is_option) {
            found.retain(|candidate| !is_option(candidate));
        }
        found
    }

    fn before(&self) -> impl DoubleEndedIterator<Item = &str> {
        let before = self.words.iter().take(self.index).skip(1);
        before.filter_map(|word| word.to_str())
    }

    fn option(&self, name: &str) -> Option<&str> {
        let mut words = self.before().rev();
        words.find_map(|word| {
            word.strip_prefix("--")?
                .strip_prefix(name)?
                .strip_prefix('=')
        })
    }

    /// The words before the cursor that are not options.
    fn plain(&self) -> Vec<&str> {
        self.before()
            .filter(|word| !word.starts_with('-'))
            .collect()
    }
}

/// The options with a value, of all commands.
fn valued(command: &Command) -> Vec<String> {
    let own = command.get_arguments();
    let own = own.filter(|arg| arg.get_action().takes_values());
    let own = own.filter_map(|arg| arg.get_long().map(str::to_owned));
    let below = command.get_subcommands().flat_map(valued);
    own.chain(below).collect()
}

type Name = (String, String);

struct Names {
    profiles: Vec<Name>,
    accounts: Vec<Name>,
    /// Names of the account on the line.
    manifest: Option<&'static Manifest>,
    /// Names of the provider on the line.
    provider: Option<&'static Manifest>,
    line: Vec<String>,
}

impl Names {
    fn on(line: &Line) -> Self {
        // The shell passes on what is typed, with its `~`.
        let path = |name| in_home(Path::new(line.option(name)?), &Environ::process()).ok();
        let locations = Locations::of_process(path("config"), path("state-dir"));
        let config = crate::config::load(&locations, &providers::SPECS).ok();
        let written = config.iter().flat_map(|config| &config.profiles);
        let written = written.filter(|profile| !profile.built_in);
        let mut profiles = vec![(SANDBOX.to_owned(), "built in".to_owned())];
        profiles.extend(written.map(|profile| (profile.name.clone(), String::new())));
        let chosen = config
            .as_ref()
            .and_then(|config| config.profile(line.option("profile")).ok());
        let accounts = chosen.map(accounts).unwrap_or_default();
        let plain = line.plain();
        let named = |word: &str| {
            let mut known = accounts.iter();
            let (_, provider) = known.find(|(name, _)| name == word)?;
            providers::by_name(provider)
        };
        let by_option = line.option("provider").and_then(providers::by_name);
        Self {
            profiles,
            // The first plain word is the command itself.
            manifest: plain.iter().skip(1).find_map(|word| named(word)),
            provider: by_option.or_else(|| {
                plain
                    .iter()
                    .skip(2)
                    .find_map(|word| providers::by_name(word))
            }),
            line: plain.iter().map(|word| (*word).to_owned()).collect(),
            accounts,
        }
    }

    /// The command of this path with value candidates attached, and the commands below it.
    fn add_to(&self, command: Command, path: &str) -> Command {
        let command = command.mut_args(|arg| match self.values_of(path, arg.get_id().as_str()) {
            None => arg,
            Some(names) => arg.add(ArgValueCandidates::new(move || offered(&names))),
        });
        command.mut_subcommands(|command| {
            let path = format!("{path} {}", command.get_name());
            self.add_to(command, path.trim_start())
        })
    }

    /// The values that an argument of a command can have; `None` where the command line itself knows them.
    fn values_of(&self, path: &str, arg: &str) -> Option<Vec<Name>> {
        Some(match (path, arg) {
            (_, "account")
            | (
                "account verify" | "account remove" | "account rotate" | "token show"
                | "token refresh" | "token print" | "open account",
                "name",
            )
            | ("request" | "purchase-link", "account_name") => self.accounts.clone(),
            (_, "profile") => self.profiles.clone(),
            ("account rotate", "key") => keys(self.manifest, true),
            ("account add", "environment") => self.environments(),
            ("account add", "set") => ending(keys(self.provider, false)),
            ("account add", "secret") => ending(keys(self.provider, true)),
            ("request", "path") => self.paths(),
            ("listen", "forward_to") => ending(self.accounts.clone()),
            ("log", "since" | "until") => words(["30m", "1h", "24h", "7d"]),
            ("log", "status") => words(["4xx", "5xx", "failed"]),
            ("sandbox trigger set", "setting") => self.settings().0,
            ("sandbox trigger set", "value") => self.settings().1,
            ("sandbox trigger event", "event") => self.events(),
            (
                "account add"
                | "sandbox trigger set"
                | "sandbox trigger event"
                | "sandbox trigger deliver",
                "provider",
            ) => names(providers::REGISTRY.iter().map(|it| (it.id.0, it.title))),
            _ => return None,
        })
    }

    /// The documented paths of the account's provider, for the method on the line.
    fn paths(&self) -> Vec<Name> {
        let calls: &[catalogue::DocumentedCall] =
            self.manifest.map_or(&[], |manifest| manifest.catalogue);
        let method = self.line.iter().find(|word| {
            let mut methods = calls.iter().map(|call| call.method);
            methods.any(|method| method.eq_ignore_ascii_case(word))
        });
        let calls = calls
            .iter()
            .filter(|call| method.is_none_or(|method| call.method.eq_ignore_ascii_case(method)));
        names(calls.map(|call| (call.path, call.about)))
    }

    /// The provider's settings, and the values of the setting on the line.
    fn settings(&self) -> (Vec<Name>, Vec<Name>) {
        let Some(provider) = self.provider else {
            return (Vec::new(), Vec::new());
        };
        let settings = (provider.simulator)().settings();
        let chosen = settings
            .iter()
            .find(|setting| self.line.iter().any(|word| word == setting.name));
        let values = chosen.map_or(&[][..], |setting| setting.choices);
        let settings = settings.iter();
        let settings = names(settings.map(|setting| (setting.name, setting.about)));
        (settings, words(values.iter().copied()))
    }

    fn events(&self) -> Vec<Name> {
        let events = self
            .provider
            .map(|provider| (provider.simulator)().events());
        let events = events.into_iter().flatten();
        names(events.map(|event| (event.name, event.about)))
    }

    fn environments(&self) -> Vec<Name> {
        let spec = self.provider.map(|provider| &provider.spec);
        let all = [Environment::Production, Environment::Sandbox];
        let environments = spec.map_or(&all[..], |spec| spec.environments);
        words(environments.iter().map(|it| it.as_str()))
    }
}

fn accounts(profile: &Profile) -> Vec<Name> {
    if profile.built_in {
        return names(providers::REGISTRY.iter().map(|it| (it.id.0, it.id.0)));
    }
    let name = |account: &AccountConfig| (account.id.to_string(), account.provider.to_owned());
    profile.accounts.iter().map(name).collect()
}

fn keys(manifest: Option<&Manifest>, secret: bool) -> Vec<Name> {
    let keys = manifest.map_or(&[][..], |manifest| manifest.spec.keys);
    let keys = keys.iter();
    let keys = keys.filter(|key| key.is_secret() == secret);
    names(keys.map(|key| (key.name, key.about)))
}

fn ending(names: Vec<Name>) -> Vec<Name> {
    let names = names.into_iter();
    names
        .map(|(name, about)| (format!("{name}="), about))
        .collect()
}

fn names<'a>(names: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Name> {
    let names = names.into_iter();
    names
        .map(|(name, about)| (name.to_owned(), about.to_owned()))
        .collect()
}

fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<Name> {
    names(words.into_iter().map(|word| (word, "")))
}

fn offered(names: &[Name]) -> Vec<CompletionCandidate> {
    let offer = |(name, about): &Name| {
        let help = Some(about).filter(|about| !about.is_empty());
        CompletionCandidate::new(name).help(help.map(Into::into))
    };
    names.iter().map(offer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(shell: &str, index: usize, words: Vec<OsString>) -> String {
        let shell = shell.to_owned();
        let asked = Complete {
            shell,
            index,
            words,
        };
        asked.candidates(crate::cli::args::commands())
    }

    /// The candidates for the last of these words.
    fn completed(shell: &str, words: &str) -> Vec<String> {
        let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        let lines = candidates(shell, words.len() - 1, words);
        lines.lines().map(str::to_owned).collect()
    }

    #[test]
    fn names_and_words_are_offered_where_they_go() {
        for (words, offered) in [
            ("tilldeck --config=/none --profile ", "sandbox\tbuilt in"),
            (
                "tilldeck --profile sandbox account verify ki",
                "kinguin\tkinguin",
            ),
            (
                "tilldeck --profile sandbox open account ki",
                "kinguin\tkinguin",
            ),
            (
                "tilldeck --profile sandbox purchase-link pl",
                "pledg\tpledg",
            ),
            (
                "tilldeck --profile=sandbox --account k",
                "kongregate\tkongregate",
            ),
            ("tilldeck check A --expect FIN", "FINALIZED"),
            ("tilldeck check A --wait P", "PAID"),
            ("tilldeck payments list --verdict l", "less"),
            ("tilldeck --profile sandbox request ", "pledg\tpledg"),
            ("tilldeck --profile sandbox request kanga P", "POST"),
            (
                "tilldeck sandbox trigger fault l",
                "lost-reply\teach request takes effect, but its response is lost",
            ),
            ("tilldeck sandbox trigger payer A over", "overpay"),
            ("tilldeck sandbox trigger set ki", "kinguin\tKinguin"),
            (
                "tilldeck sandbox trigger set kanga callback-fault du",
                "duplicate",
            ),
            (
                "tilldeck log --exp",
                "--export\tExport whole requests with responses, or whole callbacks, in this format. Secrets are redacted",
            ),
            (
                "tilldeck account add --provider kinguin --secret cl",
                "client_secret=\tthe client's secret key; Kinguin shows it once",
            ),
            ("tilldeck account rotate --color a", "always\tAlways"),
        ] {
            let all = completed("fish", words);
            assert!(all.iter().any(|line| line == offered), "{words}: {all:?}");
        }
    }

    #[test]
    fn a_path_is_one_of_the_accounts_provider_and_the_method() {
        let paths = completed("bash", "tilldeck --profile sandbox request kinguin PATCH /");
        assert!(!paths.is_empty());
        let calls = providers::REGISTRY
            .iter()
            .flat_map(|manifest| manifest.catalogue);
        for path in paths {
            let path = path.replace('\\', "");
            assert!(
                calls
                    .clone()
                    .any(|call| call.path == path && call.method == "PATCH")
            );
        }
    }

    #[test]
    fn bash_divides_words_at_an_equals_sign_and_takes_only_the_last_part() {
        for words in ["tilldeck --color = a", "tilldeck check A --color = a"] {
            assert_eq!(completed("bash", words), ["auto", "always"], "{words}");
        }
        assert_eq!(
            completed("bash", "tilldeck --color ="),
            ["auto", "always", "never"]
        );
        assert_eq!(
            completed("zsh", "tilldeck --color=al"),
            ["--color=always\tAlways"]
        );
        assert_eq!(
            completed("bash", "tilldeck --profile = sandbox account verify pl"),
            ["pledg"]
        );
    }

    #[test]
    fn nothing_is_offered_and_nothing_breaks_where_nothing_is_known() {
        for words in [
            "tilldeck",
            "",
            "tilldeck nonsense --what ",
            "tilldeck --config /none --account x",
        ] {
            let _ = completed("zsh", words);
        }
        assert_eq!(candidates("bash", 7, vec!["tilldeck".into()]), "");
    }
}
