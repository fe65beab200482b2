//! `HAProxy` before the receivers of a team, with the settings of `docs/operating.md`, but for its health checks, which
//! are more frequent here.

use std::process::{Child, Stdio};
use std::time::Duration;

use crate::peer::free_port;
use crate::program::{send, shell};

/// Stopped and removed at the end.
pub struct Balancer {
    child: Child,
    pub url: String,
    _folder: tempfile::TempDir,
}

impl Balancer {
    /// Before receivers on these ports; `None` where `HAProxy` is not installed.
    pub fn before(ports: [u16; 2]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let [one, two] = ports;
        let settings = format!(
            "defaults\n mode http\n timeout client 40s\n timeout connect 2s\n timeout server 30s\n\
             frontend hooks\n bind 127.0.0.1:{port}\n\
             \x20http-request deny deny_status 404 unless {{ path_beg /callbacks/ }}\n default_backend tilldeck\n\
             backend tilldeck\n option httpchk GET /heartbeat\n option redispatch\n option forwardfor\n\
             \x20retry-on conn-failure\n default-server check inter 200ms fall 2 rise 1\n\
             \x20server one 127.0.0.1:{one}\n server two 127.0.0.1:{two}\n"
        );
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, settings).unwrap();
        let mut command = shell();
        let command = command
            .args(["-c", "exec haproxy -db -q -f \"$1\"", "sh"])
            .arg(&file)
            .env("PATH", "/usr/sbin:/usr/local/sbin:/usr/bin:/bin")
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().ok()?;
        let mut balancer = Self {
            child,
            url: format!("http://127.0.0.1:{port}"),
            _folder: folder,
        };
        for _ in 0..100 {
            if send(&balancer.url, "GET", "/", "", "").is_some() {
                return Some(balancer);
            }
            if balancer.child.try_wait().unwrap().is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("HAProxy does not answer");
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
