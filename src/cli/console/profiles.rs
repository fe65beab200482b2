//! The profiles of the config file, for the console: it opens one after another, and takes over changes of the file.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{model, options};
use crate::cli::config_file::ConfigFile;
use crate::cli::prelude::*;
use crate::cli::screen_file::ScreenFile;
use crate::config::Profile;
use crate::deck::Options;
use crate::deck::manage::profile_for;
use crate::domain::Environment;
use crate::runtime::{ProfileSource, ProfileStart, Reload};
use crate::tui::{Model, ScreenState};

/// The config file, as the console has it in force.
pub struct Profiles {
    out: Out,
    file: Arc<ConfigFile>,
    state: Mutex<State>,
}

struct State {
    /// In force: the whole config, and the open profile with the accounts as its deck has them, which may have changed one
    /// itself.
    settings: Settings,
    /// What the last [`Reload::Deck`] opens with.
    next: Option<Settings>,
}

impl Profiles {
    pub fn new(settings: &Settings, out: &Out) -> Self {
        Self {
            out: out.clone(),
            file: Arc::new(ConfigFile::new(&settings.global)),
            state: Mutex::new(State {
                settings: settings.clone(),
                next: None,
            }),
        }
    }

    /// What the profile of these settings opens with; with its last screen, if it `restores` that.
    pub fn start(
        settings: &Settings,
        mut model: Model,
        restores: bool,
    ) -> Result<ProfileStart, Problem> {
        let Settings {
            config,
            profile,
            global,
            ..
        } = settings;
        let file = ScreenFile::new(&global.state_folder()?, &profile.name);
        if restores
            && config.ui.restore
            && let Some(screen) = file.read()
        {
            model.restore(&screen);
        }
        Ok(ProfileStart {
            model,
            profile: profile.clone(),
            options: options(settings)?,
            verify_on_start: config.ui.verify_on_start,
            notify: config.ui.notify.clone(),
        })
    }

    /// What a profile opens with by the config file as it is now, and its settings.
    fn read(&self, before: &Settings, profile: &str) -> Result<(ProfileStart, Settings), Problem> {
        self.file.will_be_read();
        let settings = before.read_again(profile)?;
        let vault = settings.global.vault()?;
        let model = model(&settings.config, &settings.profile, &vault, &self.out)?;
        let start = Self::start(&settings, model, true)?;
        Ok((start, settings))
    }
}

impl State {
    fn put_in_force(&mut self, settings: Settings) {
        self.settings = settings;
        self.next = None;
    }
}

impl ProfileSource for Profiles {
    fn open(&self, profile: &str) -> Result<ProfileStart, Problem> {
        let mut state = self.state.lock();
        let (start, settings) = self.read(&state.settings, profile)?;
        state.put_in_force(settings);
        Ok(start)
    }

    fn home_of(&self, environment: Environment) -> Result<(Profile, Options), Problem> {
        let state = self.state.lock();
        let settings = state.settings.with_config_again()?;
        let profile = profile_for(&settings.config, None, environment)?;
        Ok((profile, settings.options()?))
    }

    fn changes(&self) -> mpsc::Receiver<()> {
        self.file.changes()
    }

    fn reload(&self, busy: bool) -> Result<Reload, Problem> {
        let mut state = self.state.lock();
        let profile = state.settings.profile.name.clone();
        let (start, settings) = self.read(&state.settings, &profile)?;
        state.settings.awaits_restart = settings.awaits_restart;
        state.next = None;
        let goes_on = state.settings.has_deck_of(&settings);
        if goes_on && state.settings.config == settings.config {
            return Ok(Reload::Same);
        }
        if busy {
            return Ok(Reload::Waits);
        }
        let start = Box::new(start);
        if goes_on {
            state.put_in_force(settings);
            return Ok(Reload::Screen(start));
        }
        state.next = Some(settings);
        Ok(Reload::Deck(start))
    }

    fn take_over(&self) {
        let mut state = self.state.lock();
        if let Some(next) = state.next.take() {
            state.put_in_force(next);
        }
    }

    fn awaits_restart(&self) -> bool {
        self.state.lock().settings.awaits_restart
    }

    fn changed_here(&self, account: &AccountId) {
        let mut state = self.state.lock();
        let Ok(config) = state.settings.global.load_config() else {
            return;
        };
        let open = &mut state.settings.profile;
        let now = config.profile(Some(&open.name)).ok();
        let mut now = now.into_iter().flat_map(|profile| &profile.accounts);
        let now = now.find(|known| known.id == *account).cloned();
        let accounts = &mut open.accounts;
        match (accounts.iter().position(|known| known.id == *account), now) {
            (Some(at), Some(now)) => accounts[at] = now,
            (Some(at), None) => drop(accounts.remove(at)),
            (None, now) => accounts.extend(now),
        }
    }

    fn save_screen(&self, profile: &str, screen: &ScreenState) {
        if let Ok(folder) = self.state.lock().settings.global.state_folder() {
            ScreenFile::new(&folder, profile).write(screen);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::cli::global::Global;
    use crate::cli::output::Color;

    const SHOP: &str = "[profiles.live.accounts.shop]\nprovider = \"kanga\"\napi_key = \"k\"\n\
                        api_secret = { env = \"S\" }\n";

    struct Bench {
        folder: tempfile::TempDir,
        profiles: Profiles,
    }

    impl Bench {
        fn new(text: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("config.toml");
            fs::write(&path, text).unwrap();
            let settings = Settings::load(Global {
                config: Some(path),
                state_dir: Some(folder.path().join("state")),
                profile: Some("live".into()),
                ..Global::default()
            });
            let out = Out::new(false, Color::Never);
            let profiles = Profiles::new(&settings.unwrap(), &out);
            Self { folder, profiles }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("config.toml")
        }

        /// Writes the file as an editor does, beside the old one.
        fn replace(&self, text: &str) {
            let fresh = self.folder.path().join("fresh");
            fs::write(&fresh, text).unwrap();
            fs::rename(fresh, self.path()).unwrap();
        }

        fn reload(&self) -> &'static str {
            match self.profiles.reload(false) {
                Ok(Reload::Same) => "same",
                Ok(Reload::Waits) => "waits",
                Ok(Reload::Screen(_)) => "screen",
                Ok(Reload::Deck(_)) => {
                    self.profiles.take_over();
                    "deck"
                }
                Err(_) => "error",
            }
        }
    }

    fn other(name: &str) -> String {
        SHOP.replace("shop", name)
    }

    #[test]
    fn a_change_reaches_as_far_as_it_concerns_the_open_profile() {
        let bench = Bench::new(SHOP);
        let base = format!("# a comment\n{SHOP}");
        let elsewhere = SHOP.replace("profiles.live", "profiles.other");
        for (text, wanted) in [
            (base.clone(), "same"),
            (format!("{base}[ui]\ntheme = \"dark\"\n"), "screen"),
            (format!("{base}{elsewhere}"), "screen"),
            (format!("{base}{}", other("second")), "deck"),
            (base.replace("\"k\"", "\"k2\""), "deck"),
            (
                format!("{base}[callbacks]\nbind = \"127.0.0.1:0\"\n"),
                "deck",
            ),
            (format!("{base}[hooks]\non_paid = [\"true\"]\n"), "deck"),
            (base.clone(), "deck"),
            (String::new(), "error"),
            (base, "same"),
        ] {
            bench.replace(&text);
            assert_eq!(bench.reload(), wanted, "{text}");
        }
    }

    #[test]
    fn a_change_waits_and_an_error_names_its_line_while_the_old_config_stays_in_force() {
        let bench = Bench::new(SHOP);
        bench.replace(&format!("{SHOP}{}", other("second")));
        for _ in 0..2 {
            assert!(matches!(bench.profiles.reload(true), Ok(Reload::Waits)));
        }
        bench.replace(&format!("{SHOP}colour = 1\n"));
        let problem = bench.profiles.reload(false).err().unwrap();
        assert!(problem.message.contains("config.toml:5"), "{problem:?}");
        let names = |start: &ProfileStart| start.profile.accounts.len();
        bench.replace(&format!("{SHOP}{}", other("second")));
        match bench.profiles.reload(false) {
            Ok(Reload::Deck(start)) => assert_eq!(names(&start), 2),
            _ => panic!("the new account is taken over"),
        }
    }

    #[test]
    fn a_change_that_the_open_deck_made_itself_reaches_the_screen_alone() {
        let bench = Bench::new(SHOP);
        let second = AccountId::new("second").unwrap();
        bench.replace(&format!("{SHOP}{}", other("second")));
        bench.profiles.changed_here(&second);
        assert_eq!([bench.reload(), bench.reload()], ["screen", "same"]);
        bench.replace(&format!(
            "{SHOP}{}",
            other("second").replace("\"k\"", "\"k2\"")
        ));
        assert_eq!(bench.reload(), "deck");
        bench.replace(SHOP);
        bench.profiles.changed_here(&second);
        assert_eq!(bench.reload(), "screen");
    }

    #[test]
    fn a_configuration_whose_deck_does_not_open_is_not_in_force() {
        let bench = Bench::new(SHOP);
        bench.replace(&format!("{SHOP}{}", other("second")));
        for _ in 0..2 {
            assert!(matches!(bench.profiles.reload(false), Ok(Reload::Deck(_))));
        }
        bench.replace(SHOP);
        assert_eq!(bench.reload(), "same");
        bench.profiles.take_over();
        assert_eq!(bench.reload(), "same", "the earlier one is forgotten");
    }

    #[test]
    fn another_ledger_waits_for_a_restart_while_other_changes_are_taken_over() {
        let bench = Bench::new(SHOP);
        let ledger = "[ledger]\noperator = \"night shift\"\n";
        for (text, wanted, awaits_restart) in [
            (format!("{SHOP}{ledger}"), "same", true),
            (format!("{SHOP}{}{ledger}", other("second")), "deck", true),
            (format!("{SHOP}{}", other("second")), "same", false),
        ] {
            bench.replace(&text);
            assert_eq!(bench.reload(), wanted, "{text}");
            assert_eq!(bench.profiles.awaits_restart(), awaits_restart, "{text}");
        }
        bench.replace(&format!("{SHOP}{ledger}"));
        let start = bench.profiles.open("live").unwrap();
        assert_eq!(start.options.ledger, crate::config::LedgerConfig::default());
        assert!(bench.profiles.awaits_restart());
    }

    #[test]
    fn the_built_in_profile_goes_on_whatever_the_file_says() {
        let bench = Bench::new(SHOP);
        assert!(bench.profiles.open("sandbox").is_ok());
        bench.replace(&format!(
            "{SHOP}{}[ledger]\noperator = \"x\"\n",
            other("second")
        ));
        assert_eq!([bench.reload(), bench.reload()], ["screen", "same"]);
        assert!(bench.profiles.open("missing").is_err());
        assert_eq!(bench.reload(), "same");
    }
}
