//! The program as a user runs it: its own home, its own config, its own state folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tilldeck::config::{Environ, Locations};

/// The API key and secret that tests use; nobody's.
pub const API_KEY: &str = "TESTKEY-0000000000000000000001";
pub const API_SECRET: &str = "planted-api-secret-0123456789";

/// A place of its own for one test.
pub struct Place {
    folder: tempfile::TempDir,
}

/// What one run printed, and its exit code.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The objects on standard output.
    pub fn objects(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// The only object on standard output.
    pub fn object(&self) -> Value {
        let objects = self.objects();
        assert_eq!(objects.len(), 1, "{self:?}");
        objects[0].clone()
    }

    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Place {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn config_path(&self) -> PathBuf {
        self.path().join("config.toml")
    }

    pub fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// Where a deck finds what is here.
    pub fn locations(&self, environ: Environ) -> Locations {
        let config = self.config_path();
        Locations {
            config: config.exists().then_some(config),
            state: Some(self.state()),
            environ,
            platform_config: None,
            platform_state: None,
        }
    }

    /// A place with this config file.
    pub fn with_config(text: &str) -> Self {
        let place = Self::new();
        std::fs::write(place.config_path(), text).unwrap();
        place
    }

    /// A place whose account "shop" talks to `url`.
    pub fn with_shop(url: &str) -> Self {
        Self::with_config(&format!(
            "default_profile = \"live\"\n[profiles.live.accounts.shop]\nprovider = \"kanga\"\napi_key = \"{API_KEY}\"\n\
             api_secret = {{ env = \"TEST_API_SECRET\" }}\nendpoints = {{ api = \"{url}\", pay = \"{url}\" }}\n"
        ))
    }

    /// The program with these arguments, not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tilldeck"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TILLDECK_STATE_DIR", self.state())
            .env("TEST_API_SECRET", API_SECRET)
            // No test comes near the keyring of whoever runs it.
            .env("TILLDECK_KEYRING", "off")
            .stdin(Stdio::null());
        if self.config_path().exists() {
            command.env("TILLDECK_CONFIG", self.config_path());
        }
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().unwrap().into()
    }
}

/// `sandbox serve`, stopped when dropped.
pub struct Served {
    child: std::process::Child,
    pub url: String,
}

impl Served {
    pub fn start(place: &Place, more: &[&str]) -> Self {
        use std::io::{BufRead as _, BufReader};
        let arguments = [&["sandbox", "serve"], more].concat();
        let mut child = place
            .command(&arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        Self {
            child,
            url: url.trim().to_owned(),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
