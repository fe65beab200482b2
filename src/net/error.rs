//! Why the gate got no response, and what the operator can do about it.

use std::time::Duration;

use crate::domain::{AccountId, Problem, ProblemKind, inert, time};
use crate::ledger::LedgerError;

use super::proxy::UnusableProxy;

/// Why a certificate is rejected that `ca_file` may name, though it cannot help then.
pub(super) const OWN_AUTHORITY: &str = "its certificate is self-signed: it is its own authority";

/// Why no response arrived. Holds no secret and no full URL; text from outside is inert.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// The URL leads to a host that is not one of the account's endpoints.
    #[error("the path leads to {0}, which is not one of the account's endpoints")]
    ForeignHost(String),
    /// Plain http to another machine.
    #[error(
        "plain http to {0} is not allowed: others on the network can read and change the request"
    )]
    PlainHttp(String),
    /// Not a URL.
    #[error("{0} is not a path of the account's endpoint")]
    BadPath(String),
    /// The name has no address.
    #[error("the host name {0} cannot be resolved")]
    Dns(String),
    /// No server listens there.
    #[error("{0} refused the connection")]
    ConnectionRefused(String),
    /// The connection broke before the response's end.
    #[error("the connection to {host} broke {when}")]
    Broken {
        /// The host.
        host: String,
        /// "before the response arrived", "in the middle of the response".
        when: &'static str,
    },
    /// The certificate or the handshake is not acceptable.
    #[error("no trusted TLS connection to {host}: {why}")]
    Tls {
        /// The host.
        host: String,
        /// The cause in plain words.
        why: String,
    },
    /// TLS could not be set up on this machine.
    #[error("TLS cannot be used on this machine: {0}")]
    NoTls(String),
    /// The certificates that the config names cannot be used.
    #[error("`ca_file` in [network] names {}, which {why}", .path.display())]
    CaFile {
        /// The file.
        path: std::path::PathBuf,
        /// "does not exist".
        why: String,
    },
    /// This variable or key names a proxy that cannot be used. Nothing is sent without the proxy.
    #[error("{0} names no usable proxy; nothing was sent")]
    UnusableProxy(String),
    /// The proxy opened no connection.
    #[error("{proxy} {why}")]
    Proxy {
        /// Which, and where it is named.
        proxy: String,
        /// "refused the connection".
        why: String,
    },
    /// No connection, for another reason.
    #[error("no connection to {host}: {why}")]
    Unreachable {
        /// The host.
        host: String,
        /// The system's words.
        why: String,
    },
    /// No response within the limit.
    #[error("{host} did not {what} within {}", time::exact(*.limit))]
    TimedOut {
        /// The host.
        host: String,
        /// "accept the connection", "answer".
        what: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The response is a redirect. Redirects are not followed: a signed request is valid for one host only.
    #[error("{host} responded with {status} and points to {to}; redirects are not followed")]
    Redirected {
        /// The host.
        host: String,
        /// HTTP status.
        status: u16,
        /// Where it points.
        to: String,
    },
    /// The body is larger than is read.
    #[error("the response of {host} is larger than {} MiB; the rest was not read", .limit / 1_048_576)]
    TooLarge {
        /// The host.
        host: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The response is not HTTP, or its body is not what its head says.
    #[error("invalid response from {host}: {why}")]
    Undecodable {
        /// The host.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// A write was sent, and its outcome is unknown.
    #[error("{0}; the write may have taken effect")]
    Unconfirmed(Box<NetError>),
    /// No slot is free, and the caller does not wait (`no_wait`).
    #[error("the rate budget of {limit} {counted} in {} is used up{}", time::exact(*.period), .next.map(|n| format!("; the next slot frees in {}", time::fine(n))).unwrap_or_default())]
    BudgetExhausted {
        /// Slots there are.
        limit: u32,
        /// Which calls they count: "writes".
        counted: &'static str,
        /// The window.
        period: Duration,
        /// Until the next slot frees, where that is known.
        next: Option<Duration>,
    },
    /// The provider answered 429 (RFC 6585, 4), and this request does not wait for the end of the hold.
    #[error("the provider responded with 429 and accepts no requests for another {}", time::fine(*.left))]
    RateLimited {
        /// How long the hold still lasts.
        left: Duration,
        /// Whether the caller chose not to wait; otherwise the hold is longer than any request waits for.
        no_wait: bool,
    },
    /// The caller cancelled the request.
    #[error("the request was cancelled before its response arrived; it may have taken effect")]
    Cancelled,
    /// The ledger cannot be written, so neither slots nor nonces would be shared. Nothing was sent.
    #[error(
        "nothing was sent: the ledger cannot be written, so other tilldeck processes would not see this request's slot and nonce: {0}"
    )]
    Uncounted(String),
    /// The ledger that a team shares cannot be used, so neither slots nor nonces would be shared. Nothing was sent.
    #[error(
        "nothing was sent: the shared ledger cannot be used, so other machines would not see this request's slot and nonce: {0}"
    )]
    Away(String),
    /// Another program has locked the ledger's database, and the caller does not wait for it. Nothing was sent.
    #[error("another program has locked the ledger's database; nothing was sent")]
    Locked,
    /// The call could not be authorised.
    #[error("{0}")]
    Unauthorised(Problem),
    /// A credential, named by this noun phrase, expired each time while the call waited for its slot.
    #[error("{0} expired repeatedly while the request waited for a slot in the rate budget")]
    Unprepared(&'static str),
}

impl From<UnusableProxy> for NetError {
    fn from(error: UnusableProxy) -> Self {
        Self::UnusableProxy(error.0.to_owned())
    }
}

impl From<LedgerError> for NetError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Database(why) => Self::Away(why),
            error => Self::Uncounted(error.to_string()),
        }
    }
}

impl NetError {
    /// What to do about a write that may have been carried out.
    pub const LOOK_FIRST: &str =
        "check at the provider whether it took effect before you send it again";

    /// A few words for the log's status column.
    pub fn in_brief(&self) -> &'static str {
        match self {
            Self::ForeignHost(_) | Self::PlainHttp(_) | Self::BadPath(_) => "not sent",
            Self::Dns(_) => "no such host",
            Self::ConnectionRefused(_) => "connection refused",
            Self::Broken { .. } => "connection broke",
            Self::Tls { .. } | Self::NoTls(_) | Self::CaFile { .. } => "TLS failed",
            Self::Proxy { .. } | Self::UnusableProxy(_) => "proxy failed",
            Self::Unreachable { .. } => "no connection",
            Self::TimedOut { .. } => "timed out",
            Self::Redirected { .. } => "redirect",
            Self::TooLarge { .. } => "too large",
            Self::Undecodable { .. } => "invalid response",
            Self::Unconfirmed(error) => error.in_brief(),
            Self::BudgetExhausted { .. }
            | Self::RateLimited { .. }
            | Self::Locked
            | Self::Away(_)
            | Self::Uncounted(_) => "no slot",
            Self::Cancelled => "cancelled",
            Self::Unauthorised(_) | Self::Unprepared(_) => "not authorised",
        }
    }

    /// For the log's row: [`NetError::in_brief`], and the cause where there are many.
    pub fn in_record(&self) -> String {
        let brief = self.in_brief();
        match self {
            Self::Tls { why, .. }
            | Self::NoTls(why)
            | Self::CaFile { why, .. }
            | Self::Unreachable { why, .. }
            | Self::Undecodable { why, .. } => format!("{brief}: {why}"),
            Self::Proxy { proxy, why } => format!("{brief}: {proxy} {why}"),
            _ => brief.to_owned(),
        }
    }

    /// Whether the request may have reached the provider, so that a write may have been carried out.
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::TimedOut { what, .. } => *what != CONNECTING,
            // RFC 9110, 15.4.4: "See Other" answers a write that was carried out.
            Self::Redirected { status, .. } => *status == 303,
            Self::Broken { .. }
            | Self::TooLarge { .. }
            | Self::Undecodable { .. }
            | Self::Cancelled
            | Self::Unconfirmed(_) => true,
            _ => false,
        }
    }

    /// The error for the caller of a write: it says where the write may have been carried out.
    pub(super) fn for_write(self) -> Self {
        if self.may_have_arrived() {
            Self::Unconfirmed(Box::new(self))
        } else {
            self
        }
    }

    /// What to do where the ledger failed.
    fn ledger_hint(&self) -> &'static str {
        match self {
            Self::Away(_) => {
                "check the database with `tilldeck ledger status`; --ledger sqlite opens this machine's own ledger, for \
                 reading"
            }
            Self::Locked => {
                "close the program that has locked ledger.db, or leave out --no-wait to wait"
            }
            _ => {
                "make sure that the disk has space and that this user may write the folder; --uncoordinated sends anyway, within a tenth \
                 of the rate limit"
            }
        }
    }

    /// The error as a message for the operator of `account`, with what to do next.
    pub fn problem(self, account: &AccountId) -> Problem {
        let (kind, hint) = match &self {
            Self::ForeignHost(_) | Self::BadPath(_) => (
                ProblemKind::Usage,
                "the path must begin with /; give only the path, without the host, `..`, backslashes and control characters"
                    .to_owned(),
            ),
            Self::PlainHttp(_) => (
                ProblemKind::Config,
                "use an https:// endpoint; plain http is allowed only to this machine (127.0.0.1)".to_owned(),
            ),
            Self::Dns(_) => (
                ProblemKind::Unreachable,
                format!("check the network, and `endpoints` of account {account} in the config"),
            ),
            Self::ConnectionRefused(_) => (
                ProblemKind::Unreachable,
                format!("check that the server runs, and `endpoints` of account {account} in the config"),
            ),
            Self::Broken { .. } | Self::Unreachable { .. } => {
                (ProblemKind::Unreachable, "try again; if it happens again, ask the provider".to_owned())
            }
            Self::TimedOut { .. } => (ProblemKind::Unreachable, format!("checking again is safe; {}", more_time(account))),
            Self::Unconfirmed(error) => {
                let hint = match **error {
                    Self::TimedOut { .. } => {
                        format!("{}; {}", Self::LOOK_FIRST, more_time(account))
                    }
                    _ => Self::LOOK_FIRST.to_owned(),
                };
                let kind = error.as_ref().clone().problem(account).kind;
                (kind, hint)
            }
            Self::Proxy { .. } => (
                ProblemKind::Unreachable,
                "nothing was sent; check the proxy, or name the host in NO_PROXY to reach it directly".to_owned(),
            ),
            Self::UnusableProxy(_) => (
                ProblemKind::Local,
                "write it like http://USER:PASSWORD@HOST:PORT or socks5h://HOST:PORT, with %23, %2F, %3F and %40 for \
                 `#`, `/`, `?` and `@` in a password; or leave it out"
                    .to_owned(),
            ),
            Self::Tls { why, .. } => {
                let mend = if why == OWN_AUTHORITY {
                    "make one for it with -addext basicConstraints=CA:FALSE, or sign it by an authority, and name that one in \
                     `ca_file` in [network]"
                } else {
                    "trust its authority with `ca_file` in [network] or SSL_CERT_FILE"
                };
                (
                    ProblemKind::Unreachable,
                    format!(
                        "nothing was sent; if the server is your own, {mend}; otherwise someone may be intercepting the \
                         connection, or this machine's clock is wrong"
                    ),
                )
            }
            Self::CaFile { .. } => (ProblemKind::Local, "name a PEM file with the authority's certificate".to_owned()),
            Self::NoTls(why) => (
                ProblemKind::Local,
                if why.starts_with("SSL_CERT_") {
                    "correct the variable, or unset it to use the system's certificates".to_owned()
                } else {
                    "install the system's CA certificates (package ca-certificates)".to_owned()
                },
            ),
            Self::Redirected { .. } => (
                ProblemKind::Failing,
                format!("if the provider has moved, set the new host in `endpoints` of account {account}"),
            ),
            Self::TooLarge { .. } | Self::Undecodable { .. } => (
                ProblemKind::Nonsense,
                format!("check `endpoints` of account {account}: this does not look like the provider"),
            ),
            Self::BudgetExhausted { .. } => {
                (ProblemKind::Budget, "leave out --no-wait to wait for the slot".to_owned())
            }
            Self::RateLimited { no_wait: true, .. } => (
                ProblemKind::Budget,
                "another program may be using these credentials; leave out --no-wait to wait".to_owned(),
            ),
            Self::RateLimited { no_wait: false, .. } => (
                ProblemKind::Failing,
                "another program may be using these credentials; no request is sent until then; `x` in the console's request log ends the pause".to_owned(),
            ),
            Self::Cancelled => (ProblemKind::Interrupted, String::new()),
            Self::Uncounted(_) | Self::Away(_) | Self::Locked => {
                (ProblemKind::Local, self.ledger_hint().to_owned())
            }
            Self::Unprepared(_) => (ProblemKind::Budget, "wait until more of the rate budget is free, then try again".to_owned()),
            Self::Unauthorised(problem) => {
                let own = format!("account {account}: ");
                let mut problem = problem.clone();
                // An authoriser may not know the account's name, so that is added here.
                if !problem.message.starts_with(&own) {
                    problem.message.insert_str(0, &own);
                }
                return problem;
            }
        };
        Problem::new(kind, format!("account {account}: {self}"), hint)
    }
}

fn more_time(account: &AccountId) -> String {
    format!(
        "to wait longer, set `timeout` of account {account} in the config, or use `request --timeout`"
    )
}

/// How long to wait for a connection, TLS included.
pub(super) const CONNECT: Duration = Duration::from_secs(5);

/// Completes "HOST did not …" for a timeout while connecting.
pub(super) const CONNECTING: &str = "accept the connection";
/// Completes the same sentence for a timeout before the response begins.
pub(super) const ANSWERING: &str = "answer";
/// Completes it for a timeout within the response's body.
pub(super) const CONTINUING: &str = "continue its response";
/// Completes it where the whole exchange took too long.
pub(super) const ENDING: &str = "finish its response";

/// Text from a library or a peer, made inert and short enough for an error.
pub(super) fn foreign_words(text: &str) -> String {
    inert::cut(text, 160)
}
