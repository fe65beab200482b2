//! One simulated provider over real loopback HTTP with a manual clock, for its tests.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::http::StatusCode;
use serde_json::Value;
use tokio::net::TcpListener;

use super::{Options, Sandbox, SimulatedProvider, start};
use crate::clock::{Clock, ManualClock};
use crate::domain::WallTime;
use crate::domain::simulate::Command;
use crate::http_server::tests::raw;
use crate::http_server::{Limits, Outcome, Request, Server, text};

/// When every simulation starts.
pub const BEGIN: WallTime = WallTime(1_795_316_066_000);

/// The running sandbox of one provider.
pub struct Bench {
    pub sandbox: Sandbox,
    pub manual_clock: ManualClock,
    pub to: SocketAddr,
    provider: &'static str,
}

/// A response as received.
#[derive(Debug)]
pub struct Seen {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Seen {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

impl Bench {
    /// Starts it, with the options changed.
    pub async fn start(
        simulated: Box<dyn SimulatedProvider>,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let (clock, manual_clock) = Clock::by_hand(BEGIN);
        let mut options = Options::new(clock);
        change(&mut options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        let provider = simulated.provider();
        let sandbox = start(listener, vec![simulated], options).await.unwrap();
        Self {
            sandbox,
            manual_clock,
            to,
            provider,
        }
    }

    /// Sends a request with this method and target and these header lines, each ended by CRLF; `None` where the line was cut.
    pub async fn raw(&self, line: &str, headers: &str, body: &str) -> Option<Seen> {
        let wire = format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}Content-Length: \
            {}\r\n\r\n{body}",
            self.to,
            body.len()
        );
        let all = raw(self.to, wire.as_bytes()).await.unwrap_or_default();
        let all = String::from_utf8(all).unwrap();
        let (head, body) = all.split_once("\r\n\r\n")?;
        Some(Seen {
            status: head[9..12].parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        })
    }

    /// The simulator's state from `/_control/state`.
    pub async fn simulator(&self) -> Value {
        let seen = self.raw("GET /_control/state", "", "").await;
        seen.unwrap().json()
    }

    pub fn set(&self, setting: &str, value: &str) -> Result<String, String> {
        self.sandbox.command(&Command::Set {
            provider: self.provider.into(),
            setting: setting.into(),
            value: value.into(),
        })
    }

    pub fn event(&self, event: &str, subject: &str) -> Result<String, String> {
        self.sandbox.command(&Command::Event {
            provider: self.provider.into(),
            event: event.into(),
            subject: subject.into(),
        })
    }

    /// Sends further requests to the production environments.
    pub fn go_to_production(&mut self) {
        let url = self.sandbox.production_url();
        self.to = url.strip_prefix("http://").unwrap().parse().unwrap();
    }

    pub fn pass(&self, seconds: u64) {
        self.manual_clock.advance(Duration::from_secs(seconds));
    }
}

/// A shop's server: it records what it receives, and answers as the test says.
pub struct Receiver {
    server: Server,
    seen: Arc<Mutex<Vec<Request>>>,
    answer: Arc<Mutex<MakeAnswer>>,
}

/// The answer to a request, as status and body; with `None` none comes.
type MakeAnswer = Box<dyn Fn(&Request) -> Option<(u16, &'static str)> + Send>;

impl Receiver {
    /// Opens one that answers 200.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answer: Arc<Mutex<MakeAnswer>> = Arc::new(Mutex::new(Box::new(|_| Some((200, "")))));
        let (records, answers) = (seen.clone(), answer.clone());
        let server = Server::start(listener, Limits::default(), move |request: Request| {
            let answer = (answers.lock().unwrap())(&request);
            records.lock().unwrap().push(request);
            async move {
                let Some((status, body)) = answer else {
                    return std::future::pending().await;
                };
                Outcome::Answer(text(StatusCode::from_u16(status).unwrap(), body))
            }
        });
        Self {
            server: server.unwrap(),
            seen,
            answer,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    /// Answers each request like this from now on.
    pub fn answers(
        &self,
        answer: impl Fn(&Request) -> Option<(u16, &'static str)> + Send + 'static,
    ) {
        *self.answer.lock().unwrap() = Box::new(answer);
    }

    /// The requests since the last call.
    pub fn taken(&self) -> Vec<Request> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}
