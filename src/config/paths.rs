//! The paths of the config file and the state folder. Uses the given environment, never the process's.

use std::path::{Path, PathBuf};

use super::environ::Environ;
use super::{ConfigError, in_home};

/// Where to look: first the command line, then the environment, then the platform's folders.
#[derive(Debug, Clone)]
pub struct Locations {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--state-dir`.
    pub state: Option<PathBuf>,
    /// The source of `TILLDECK_CONFIG` and `TILLDECK_STATE_DIR`.
    pub environ: Environ,
    /// The platform's config folder for this program, if any.
    pub platform_config: Option<PathBuf>,
    /// The platform's state folder for this program, if any.
    pub platform_state: Option<PathBuf>,
}

/// The config file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigPath {
    /// The path; the file may not exist.
    pub path: PathBuf,
    /// Whether the user named it, so that it must exist.
    pub named: bool,
}

impl Locations {
    /// With the process's environment and the platform's folders.
    pub fn of_process(config: Option<PathBuf>, state: Option<PathBuf>) -> Self {
        let folders = directories::ProjectDirs::from("", "", "tilldeck");
        let folders = folders.as_ref();
        let state_folder =
            |f: &directories::ProjectDirs| f.state_dir().unwrap_or(f.data_dir()).to_owned();
        Self {
            config,
            state,
            environ: Environ::process(),
            platform_config: folders.map(|f| f.config_dir().to_owned()),
            platform_state: folders.map(state_folder),
        }
    }

    /// The config file: `--config`, else `TILLDECK_CONFIG`, else `config.toml` in the platform's folder.
    /// `None` where the platform has no such folder.
    pub fn config_file(&self) -> Option<ConfigPath> {
        let named = |path| ConfigPath { path, named: true };
        // A path that cannot be expanded stays unchanged and is reported as missing.
        let by_variable = || {
            let written = PathBuf::from(self.environ.get("TILLDECK_CONFIG")?);
            Some(in_home(&written, &self.environ).unwrap_or(written))
        };
        self.config
            .clone()
            .or_else(by_variable)
            .map(named)
            .or_else(|| {
                Some(ConfigPath {
                    path: self.platform_config.as_ref()?.join("config.toml"),
                    named: false,
                })
            })
    }

    /// The state folder: `--state-dir`, else `TILLDECK_STATE_DIR`, else the platform's.
    ///
    /// # Errors
    /// If it is not named and the platform has none.
    pub fn state_folder(&self) -> Result<PathBuf, ConfigError> {
        if let (None, Some(written)) = (&self.state, self.environ.get("TILLDECK_STATE_DIR")) {
            return in_home(Path::new(&written), &self.environ).map_err(|error| {
                ConfigError::of_nothing(format!("TILLDECK_STATE_DIR: {error}"), "")
            });
        }
        self.state
            .clone()
            .or_else(|| self.platform_state.clone())
            .ok_or_else(|| {
                ConfigError::of_nothing(
                    "this system has no folder for the state of programs",
                    "set one with --state-dir or TILLDECK_STATE_DIR",
                )
            })
    }
}

/// A program as written in the config file: `~` is the home folder. Every other name, `bin/x` as well, is for the
/// system to find. `None` where the home folder is needed and unknown.
pub(super) fn program(written: &str, environ: &Environ) -> Option<PathBuf> {
    in_home(Path::new(written), environ).ok()
}

/// A path as written in the config file: `~` is the home folder, a relative path is relative to `base`.
/// `None` where the home folder is needed but unknown.
pub(super) fn expand(written: &str, base: &Path, environ: &Environ) -> Option<PathBuf> {
    let written = in_home(Path::new(written), environ).ok()?;
    Some(base.join(written))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locations(config: Option<&str>, environ: Environ) -> Locations {
        Locations {
            config: config.map(PathBuf::from),
            state: None,
            environ,
            platform_config: Some("/platform/config".into()),
            platform_state: Some("/platform/state".into()),
        }
    }

    #[test]
    fn an_argument_goes_before_a_variable_and_that_before_the_platform() {
        let set = || {
            Environ::of([
                ("TILLDECK_CONFIG", "/env/c.toml"),
                ("TILLDECK_STATE_DIR", "/env/s"),
            ])
        };
        let path = |l: &Locations| {
            let found = l.config_file().unwrap();
            (found.path.to_str().unwrap().to_owned(), found.named)
        };
        let all = locations(Some("/arg/c.toml"), set());
        assert_eq!(path(&all), ("/arg/c.toml".into(), true));
        let some = locations(None, set());
        assert_eq!(path(&some), ("/env/c.toml".into(), true));
        assert_eq!(some.state_folder().unwrap(), PathBuf::from("/env/s"));
        let none = locations(None, Environ::of([("TILLDECK_CONFIG", "")]));
        assert_eq!(path(&none), ("/platform/config/config.toml".into(), false));
        assert_eq!(
            none.state_folder().unwrap(),
            PathBuf::from("/platform/state")
        );
        let at_home = locations(
            None,
            Environ::of([
                ("HOME", "/home/op"),
                ("TILLDECK_CONFIG", "~/c.toml"),
                ("TILLDECK_STATE_DIR", "~/deck"),
            ]),
        );
        assert_eq!(path(&at_home), ("/home/op/c.toml".into(), true));
        assert_eq!(
            at_home.state_folder().unwrap(),
            PathBuf::from("/home/op/deck")
        );
        let nowhere = Locations {
            platform_config: None,
            platform_state: None,
            ..none
        };
        assert_eq!(nowhere.config_file(), None);
        assert!(
            nowhere
                .state_folder()
                .unwrap_err()
                .hint()
                .contains("--state-dir")
        );
    }

    #[test]
    fn home_and_the_config_files_folder_are_filled_in() {
        let environ = Environ::of([("HOME", "/home/op")]);
        let expanded = |written| expand(written, Path::new("/etc/tilldeck"), &environ).unwrap();
        assert_eq!(
            expanded("~/.secrets/k"),
            PathBuf::from("/home/op/.secrets/k")
        );
        assert_eq!(
            expanded("secrets/k"),
            PathBuf::from("/etc/tilldeck/secrets/k")
        );
        assert_eq!(expanded("/run/k"), PathBuf::from("/run/k"));
    }
}
