//! A server of the test's own, which can be killed. It runs as another user where the test runs as root, as PostgreSQL
//! wants it.

use std::path::PathBuf;
use std::process::Output;

use crate::peer::free_port;
use crate::program::shell;

/// Names the folder of PostgreSQL's programs, if it is not where Debian has it.
const PROGRAMS: &str = "TILLDECK_TEST_POSTGRES_BIN";

/// Stopped and removed at the end.
pub struct Server {
    programs: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
}

impl Server {
    /// A new one; `None` where PostgreSQL is not installed.
    pub fn start() -> Option<Self> {
        let named = std::env::var_os(PROGRAMS).map(PathBuf::from);
        let programs = named.or_else(|| {
            let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
            let newest = versions
                .filter_map(Result::ok)
                .map(|entry| entry.path())
                .max();
            newest.map(|version| version.join("bin"))
        })?;
        let server = Self {
            programs,
            folder: tempfile::tempdir().unwrap(),
            port: free_port(),
        };
        let folder = server.folder.path();
        if rustix::process::geteuid().is_root() {
            let mut chown = shell();
            let chown = chown
                .args(["-c", "chown postgres \"$1\"", "sh"])
                .arg(folder);
            assert!(chown.status().unwrap().success());
        }
        server.run("initdb -D \"$DATA\" --auth=trust -U tilldeck --no-sync");
        server.run("printf 'log_min_messages = fatal\\nmax_connections = 200\\n' >>\"$DATA/postgresql.conf\"");
        server.go();
        Some(server)
    }

    pub fn url(&self) -> String {
        format!("postgres://tilldeck@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts it again, and waits until it answers.
    pub fn go(&self) {
        self.run(&format!(
            "pg_ctl -D \"$DATA\" -w -l \"$DATA/log\" -o '-p {} -k \"$DATA\" -c listen_addresses=127.0.0.1' start",
            self.port
        ));
    }

    /// Ends it as a failure of the machine would: nothing is written any more.
    pub fn kill(&self) {
        self.run("pg_ctl -D \"$DATA\" -m immediate stop");
    }

    fn run(&self, script: &str) {
        let done = self.output(script);
        assert!(done.status.success(), "{script}: {done:?}");
    }

    fn output(&self, script: &str) -> Output {
        let as_user = if rustix::process::geteuid().is_root() {
            "exec runuser -u postgres -- sh -c \"$SCRIPT\" >/dev/null 2>\"$DATA.errors\""
        } else {
            "exec sh -c \"$SCRIPT\" >/dev/null 2>\"$DATA.errors\""
        };
        let path = std::env::join_paths(std::iter::once(self.programs.clone()).chain(
            std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()),
        ));
        let mut command = shell();
        command
            .args(["-c", as_user])
            .env("SCRIPT", script)
            .env("DATA", self.folder.path().join("data"))
            .env("PATH", path.unwrap())
            .current_dir("/");
        command.output().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.output("pg_ctl -D \"$DATA\" -m immediate stop");
    }
}
