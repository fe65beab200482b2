//! The program as a user runs it: its own home, its own config, its own state folder.

use std::borrow::BorrowMut;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tilldeck::config::{Environ, Locations};

use crate::schemas;

/// The API key and secret that tests use; nobody's.
pub const API_KEY: &str = "TESTKEY-0000000000000000000001";
pub const API_SECRET: &str = "planted-api-secret-0123456789";

/// A place of its own for one test.
pub struct Place {
    folder: tempfile::TempDir,
    /// Variables that its programs have beside the usual ones.
    pub variables: Vec<(String, std::ffi::OsString)>,
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

    /// The rows of the table on standard output, below its head.
    pub fn rows(&self) -> &str {
        self.out.split_once('\n').map_or("", |(_, rows)| rows)
    }

    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

impl Ran {
    /// Runs a program to its end.
    pub fn of(mut command: impl BorrowMut<Command>) -> Self {
        let command = command.borrow_mut();
        let output = command.output().unwrap();
        Self::ended(&arguments_of(command), output)
    }

    /// The end of a program with these arguments. What it prints for scripts is as the schemas say.
    pub fn ended(arguments: &[&str], output: Output) -> Self {
        let ran = Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        };
        schemas::must_describe(arguments, &ran.out);
        ran
    }
}

/// The arguments of a command; those that are no text are left out.
pub fn arguments_of(command: &Command) -> Vec<&str> {
    command.get_args().filter_map(OsStr::to_str).collect()
}

impl Place {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            variables: Vec::new(),
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

    /// A place whose account "keys", with these further lines, is at Kinguin, simulated at `url`.
    pub fn with_keys(url: &str, more: &str) -> Self {
        Self::with_config(&format!(
            "default_profile = \"live\"\n[profiles.live.accounts.keys]\nprovider = \"kinguin\"\nclient_id = \"c\"\n\
             client_secret = {{ env = \"TEST_API_SECRET\" }}\n\
             endpoints = {{ token = \"{url}/auth/token\", gateway = \"{url}\" }}\n{more}"
        ))
    }

    /// The program with these arguments, not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        #[expect(clippy::disallowed_methods, reason = "a program of the test")]
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
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        if self.config_path().exists() {
            command.env("TILLDECK_CONFIG", self.config_path());
        }
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments))
    }
}

/// A shell, with arguments yet to be given.
#[expect(clippy::disallowed_methods, reason = "a program of the test")]
pub fn shell() -> Command {
    Command::new("/bin/sh")
}

/// `listen` on any free port, killed when dropped.
pub struct Listener {
    child: std::process::Child,
    pub url: String,
    lines: std::sync::mpsc::Receiver<String>,
    errors: std::sync::mpsc::Receiver<String>,
}

/// The lines of a stream, as they come.
fn lines(stream: impl std::io::Read + Send + 'static) -> std::sync::mpsc::Receiver<String> {
    use std::io::{BufRead as _, BufReader};
    let (to, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if to.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

impl Listener {
    /// With `--json` or without it, by `more`.
    pub fn start(place: &Place, more: &[&str]) -> Self {
        let arguments = [&["listen", "--bind", "127.0.0.1:0"], more].concat();
        Self::spawn(&mut place.command(&arguments))
    }

    /// As this command starts it.
    pub fn spawn(command: &mut Command) -> Self {
        let mut listener = Self::of(command);
        let first = listener.line();
        listener.url = match serde_json::from_str::<Value>(&first) {
            Ok(object) => object["url"].as_str().unwrap().to_owned(),
            Err(_) => first,
        };
        assert!(listener.url.starts_with("http://127.0.0.1:"));
        listener
    }

    /// Another command that runs until it is stopped, and has no URL.
    pub fn of(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = lines(child.stdout.take().unwrap());
        let errors = lines(child.stderr.take().unwrap());
        Self {
            child,
            url: String::new(),
            lines: out,
            errors,
        }
    }

    /// The next line of standard output.
    pub fn line(&self) -> String {
        let line = self.lines.recv_timeout(crate::terminal::LIMIT);
        line.unwrap_or_else(|_| panic!("no line; {:?}", self.errors()))
    }

    /// The next object of standard output.
    pub fn object(&self) -> Value {
        let line = self.line();
        schemas::must_describe(&["listen", "--json"], &line);
        serde_json::from_str(&line).unwrap()
    }

    /// The first line that has this in it.
    pub fn line_with(&self, text: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The first line of standard error that has this in it.
    pub fn error_with(&self, text: &str) -> String {
        loop {
            let line = self.errors.recv_timeout(crate::terminal::LIMIT);
            let line = line.unwrap_or_else(|_| panic!("standard error has no {text}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    pub fn errors(&self) -> Vec<String> {
        self.errors.try_iter().collect()
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let process = i32::try_from(self.child.id()).unwrap();
        let process = rustix::process::Pid::from_raw(process).unwrap();
        let signal = match name {
            "INT" => rustix::process::Signal::INT,
            "TERM" => rustix::process::Signal::TERM,
            "HUP" => rustix::process::Signal::HUP,
            "KILL" => rustix::process::Signal::KILL,
            other => panic!("{other}"),
        };
        rustix::process::kill_process(process, signal).unwrap();
    }

    /// Waits for its end: the exit code and what was still printed.
    pub fn end(mut self) -> (i32, Vec<String>) {
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        (code, self.lines.iter().collect())
    }

    /// An account's callback address, as a request to it is written.
    pub fn post(&self, target: &str, headers: &str, body: &str) -> (u16, String) {
        send(&self.url, "POST", target, headers, body).expect("it answers")
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request on a connection of its own: the status and body of the answer, or `None` where none came whole.
pub fn send(
    url: &str,
    method: &str,
    target: &str,
    headers: &str,
    body: &str,
) -> Option<(u16, String)> {
    use std::io::{Read as _, Write as _};
    let host = url.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(host).ok()?;
    stream
        .set_read_timeout(Some(crate::terminal::LIMIT))
        .unwrap();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
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
