//! The only owner of the HTTP client. Sends given bytes to a given URL once; knows neither accounts nor retries.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, ClientBuilder, Method, Url, Version};
use tower::util::MapFutureLayer;

use super::BoxFuture;
use super::call::Reply;
use super::coding::{self, CodingError};
use super::connecting::Connecting;
use super::error::{ANSWERING, CONNECT, CONTINUING, ENDING, NetError, foreign_words};
use super::proxy::{self, Route};
use super::resolver::Resolver;
use super::{failure, trust};
use crate::clock::{self, Clock};
use crate::config::{self, Environ};
use crate::domain::{WallTime, charset};

/// The most bytes of a response that are read, before and after decompression.
pub const REPLY_MAX: u64 = 8 * 1024 * 1024;

/// The longest time a response body may take, however steadily it arrives: it uses a slot of the budget meanwhile.
pub const WHOLE_MAX: Duration = Duration::from_mins(2);

/// How long to wait for a response, where neither account nor provider sets a timeout.
pub const IDLE: Duration = Duration::from_secs(30);

/// Proxy, certificates and timeout. Read only at the first request.
#[derive(Debug, Clone)]
pub struct Network {
    /// The operator's timeout: for the response head, and then for each further part of its body; `None`: the account's or
    /// provider's own.
    pub idle: Option<Duration>,
    /// `[network]` of the config.
    pub config: config::Network,
    /// The environment, which may name proxies and certificates.
    pub environ: Environ,
}

impl Default for Network {
    /// No proxy, and the certificates that the system trusts.
    fn default() -> Self {
        Self {
            idle: None,
            config: config::Network::default(),
            environ: Environ::of([]),
        }
    }
}

/// One request to send, once.
pub struct Outgoing<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// Where to.
    pub url: &'a Url,
    /// All headers except `Host`, as they are recorded.
    pub headers: HeaderMap,
    /// Sent unchanged.
    pub body: Bytes,
    /// The longest time without any data.
    pub idle: Duration,
    /// Whether to decode the response: decompress it, and convert JSON to UTF-8 without a byte order mark.
    pub decodes: bool,
    /// The longest its body is read, if not [`WHOLE_MAX`].
    pub longest: Option<Duration>,
    /// Measures a connection of its own. `None` uses an open one where there is one.
    pub measured: Option<&'a Arc<Connecting>>,
}

/// How a response is read; the fields are those of [`Outgoing`].
pub(super) struct Reading<'a> {
    pub(super) route: &'a Route,
    pub(super) host: &'a str,
    /// When the request was begun, on the monotonic clock.
    pub(super) began: Duration,
    pub(super) idle: Duration,
    pub(super) longest: Option<Duration>,
    pub(super) decodes: bool,
}

/// One connection pool for each way out: HTTP/1.1 with keep-alive.
pub struct Http {
    network: Network,
    clock: Clock,
    clients: Mutex<Vec<Pool>>,
}

/// The connections of one way out.
struct Pool {
    route: Route,
    client: Client,
    /// When it was last used, on the monotonic clock, and by [`Clock::awake`].
    used: (Duration, Duration),
}

/// A connection that is unused for longer is not used again: a proxy or router on the way may have dropped it.
const UNUSED_MAX: Duration = Duration::from_mins(1);

/// A shorter difference of the two clocks is no sleep.
const SLEPT_MIN: Duration = Duration::from_secs(1);

/// The result of one attempt, complete or not.
pub struct AttemptResult {
    /// The response, or why there is none.
    pub result: Result<Reply, NetError>,
    /// The head of a response whose body could not be read.
    pub head: Option<(u16, Vec<(String, String)>)>,
    /// From sending until the end, or until the request was cancelled.
    pub took: Duration,
}

impl AttemptResult {
    /// The same where only the status matters: a response whose body could not be read becomes one without a body.
    pub(super) fn by_status(mut self, at: WallTime) -> Self {
        if self.result.is_err()
            && let Some((status, headers)) = self.head.clone()
        {
            self.result = Ok(Reply {
                status,
                version: "HTTP/1.1",
                headers,
                body: Bytes::new(),
                wire: None,
                to_head: self.took,
                took: self.took,
                at,
            });
        }
        self
    }
}

impl Http {
    /// Nothing is set up until the first request: reading the CA certificates takes time, and the
    /// offline simulator must open on a machine that has none.
    pub fn new(network: Network, clock: Clock) -> Self {
        Self {
            network,
            clock,
            clients: Mutex::default(),
        }
    }

    /// What it was made with.
    pub fn network(&self) -> &Network {
        &self.network
    }

    fn route(&self, url: &Url) -> Result<Route, NetError> {
        if url.scheme() == "http" {
            return Ok(Route::Plain);
        }
        let Network {
            config, environ, ..
        } = &self.network;
        // An unusable proxy is an error, never a direct connection: it may be there so that nothing goes out without
        // it.
        let proxy = proxy::proxy_for(url, config.proxy.as_deref(), environ)?;
        Ok(proxy.map_or(Route::Direct, Route::Through))
    }

    fn client(&self, route: &Route) -> Result<Client, NetError> {
        let now = (self.clock.now().mono, self.clock.awake());
        let mut clients = self.clients.lock();
        // The pool closes old connections by a clock that stands still while the machine sleeps. Only then is a client
        // built anew: reading the certificates takes long.
        clients.retain(|known| {
            let (mono, awake) = known.used;
            let (passed, awake) = (now.0.saturating_sub(mono), now.1.saturating_sub(awake));
            passed <= UNUSED_MAX || passed.saturating_sub(awake) < SLEPT_MIN
        });
        if let Some(known) = clients.iter_mut().find(|known| known.route == *route) {
            known.used = now;
            return Ok(known.client.clone());
        }
        let client = self.build(route, None)?;
        // One proxy at a time: the client of an earlier one keeps its connections open.
        if let Route::Through(_) = route {
            clients.retain(|known| !matches!(known.route, Route::Through(_)));
        }
        clients.push(Pool {
            route: route.clone(),
            client: client.clone(),
            used: now,
        });
        Ok(client)
    }

    fn build(&self, route: &Route, measured: Option<&Arc<Connecting>>) -> Result<Client, NetError> {
        // rustls needs a default provider before any client is built, also for plain http. A second install fails and
        // changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that builds an HTTP client"
        )]
        let builder = Client::builder()
            // A redirect would carry signature and key to another host, and take no slot there.
            .redirect(reqwest::redirect::Policy::none())
            // Every try takes its own slot in the budget, so none may happen in here.
            .retry(reqwest::retry::never())
            // Proxies are chosen in `proxy.rs` alone; reqwest would read the environment by rules of its own.
            .no_proxy()
            // RFC 9112, 5.2: a folded line is read as one with a blank in it.
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .connect_timeout(CONNECT)
            .pool_idle_timeout(UNUSED_MAX)
            .dns_resolver(Arc::new(Resolver {
                clock: self.clock.clone(),
                measured: measured.cloned(),
            }));
        let builder = match route {
            // No certificates are needed, which take long to read.
            Route::Plain => builder.tls_certs_only(std::iter::empty()),
            Route::Direct => self.trusting(builder.https_only(true))?,
            Route::Through(proxy) => {
                let unusable = |_| NetError::UnusableProxy(proxy.named_by.to_owned());
                let proxy = reqwest::Proxy::all(&proxy.url.0).map_err(unusable)?;
                self.trusting(builder.https_only(true).proxy(proxy))?
            }
        };
        let builder = match measured {
            Some(measured) => self.measuring(builder, measured),
            None => builder,
        };
        builder.build().map_err(|error| {
            let variable = trust::variables_at_fault(&self.network.environ);
            NetError::NoTls(variable.unwrap_or_else(|| failure::deepest(&error)))
        })
    }

    /// Trusts what the system trusts, and the authorities of the config.
    fn trusting(&self, builder: ClientBuilder) -> Result<ClientBuilder, NetError> {
        let Some(path) = &self.network.config.ca_file else {
            return Ok(builder);
        };
        let found = trust::certificates(path).map_err(|why| NetError::CaFile {
            path: path.clone(),
            why,
        })?;
        Ok(builder.tls_certs_merge(found))
    }

    fn measuring(&self, builder: ClientBuilder, measured: &Arc<Connecting>) -> ClientBuilder {
        let (clock, measured) = (self.clock.clone(), measured.clone());
        let timed = move |connecting: BoxFuture<'static, Result<_, _>>| {
            let (clock, measured) = (clock.clone(), measured.clone());
            let began = clock.now().mono;
            async move {
                let connection = connecting.await;
                let took = clock.now().mono.saturating_sub(began);
                let resolved = measured.resolved.get().copied().unwrap_or_default();
                let _ = measured.connected.set(took.saturating_sub(resolved));
                connection
            }
        };
        builder.connector_layer(MapFutureLayer::new(timed))
    }

    /// Sends once and reads the response to its end.
    pub async fn send(&self, outgoing: Outgoing<'_>) -> AttemptResult {
        let began = self.clock.now().mono;
        let mut head = None;
        let result = self.exchange(outgoing, began, &mut head).await;
        let now = self.clock.now();
        let tried = AttemptResult {
            result,
            head,
            took: now.mono.saturating_sub(began),
        };
        match tried.head {
            // An error status counts even where the error page could not be read.
            Some((400.., _)) => tried.by_status(now.wall),
            _ => tried,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that sends")]
    async fn exchange(
        &self,
        outgoing: Outgoing<'_>,
        began: Duration,
        head: &mut Option<(u16, Vec<(String, String)>)>,
    ) -> Result<Reply, NetError> {
        let Outgoing {
            method,
            url,
            headers,
            body,
            idle,
            decodes,
            longest,
            measured,
        } = outgoing;
        let route = self.route(url)?;
        let client = match measured {
            Some(_) => self.build(&route, measured)?,
            None => self.client(&route)?,
        };
        let host = &authority(url);
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| NetError::BadPath(foreign_words(method)))?;
        let mut request = client.request(method, url.clone()).headers(headers);
        if !body.is_empty() {
            request = request.body(body);
        }
        let failed = |error: reqwest::Error| failure::classify(&error, &route, host);
        let response = clock::timeout(idle, request.send())
            .await
            .map_err(|_| NetError::TimedOut {
                host: host.clone(),
                what: ANSWERING,
                limit: idle,
            })?
            .map_err(failed)?;
        let reading = Reading {
            route: &route,
            host,
            began,
            idle,
            longest,
            decodes,
        };
        self.read(response, reading, head).await
    }

    /// Reads a response to its end.
    pub(super) async fn read(
        &self,
        mut response: reqwest::Response,
        how: Reading<'_>,
        head: &mut Option<(u16, Vec<(String, String)>)>,
    ) -> Result<Reply, NetError> {
        let Reading { host, idle, .. } = how;
        let to_head = self.clock.now().mono.saturating_sub(how.began);
        let status = response.status().as_u16();
        let headers = texts(response.headers());
        // Noted before the body: if that breaks, the record still has status and headers.
        *head = Some((status, headers));
        let version = match response.version() {
            // As HAR 1.2 and the log name them.
            Version::HTTP_10 => "HTTP/1.0",
            _ => "HTTP/1.1",
        };
        let late = |what, limit| {
            let host = host.to_owned();
            NetError::TimedOut { host, what, limit }
        };
        let too_large = || NetError::TooLarge {
            host: host.to_owned(),
            limit: REPLY_MAX,
        };
        // Besides `idle`: a server that sends one byte now and then would use its slot for ever.
        let longest = how.longest.unwrap_or(WHOLE_MAX);
        let reading = self.clock.now().mono;
        let mut raw = BytesMut::new();
        loop {
            let taken = self.clock.now().mono.saturating_sub(reading);
            let left = longest.saturating_sub(taken);
            let chunk = clock::timeout(idle.min(left), response.chunk())
                .await
                .map_err(|_| match left {
                    left if left < idle => late(ENDING, longest),
                    _ => late(CONTINUING, idle),
                })?
                .map_err(|error| failure::classify(&error, how.route, host))?;
            let Some(chunk) = chunk else { break };
            // Counted while reading: `Content-Length` may be missing or wrong.
            if (raw.len() + chunk.len()) as u64 > REPLY_MAX {
                return Err(too_large());
            }
            raw.extend_from_slice(&chunk);
        }
        // HAR has the size on the wire and the decoded size.
        let wire = Some(raw.len() as u64);
        let body = if how.decodes {
            readable(raw.freeze(), response.headers()).map_err(|error| match error {
                CodingError::TooLarge => too_large(),
                error => NetError::Undecodable {
                    host: host.to_owned(),
                    why: error.to_string(),
                },
            })?
        } else {
            raw.freeze()
        };
        let (_, headers) = head.take().unwrap_or_default();
        Ok(Reply {
            status,
            version,
            headers,
            body,
            wire,
            to_head,
            took: self.clock.now().mono.saturating_sub(how.began),
            at: self.clock.now().wall,
        })
    }
}

/// A response body decompressed, and where it is JSON, in UTF-8 without a byte order mark, as parsers require (RFC
/// 8259, 8.1). Other text stays as it is.
fn readable(body: Bytes, headers: &HeaderMap) -> Result<Bytes, CodingError> {
    // Nearly every response is readable as it is.
    if charset::begins_as_json(&body) && !coding::may_grow(&body, headers) {
        return Ok(body);
    }
    let body = coding::decode(body, headers, REPLY_MAX)?;
    let text = coding::as_utf8(body.clone(), headers);
    let is_json = charset::begins_as_json(&text);
    Ok(if is_json { text } else { body })
}

/// A response's headers; bytes that are not UTF-8 are replaced.
pub(super) fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
}

/// Host and port as written in the URL.
pub fn authority(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_connection_from_before_the_machine_slept_is_not_used_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let opened = Arc::new(AtomicUsize::new(0));
        let count = opened.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                    for _ in lines.map_while(Result::ok).filter(String::is_empty) {
                        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                        stream.write_all(answer).unwrap();
                    }
                });
            }
        });
        let (clock, hand) = Clock::by_hand(WallTime(0));
        let http = Http::new(Network::default(), clock);
        let url: Url = url.parse().unwrap();
        // The system's own clock, by which the pool closes connections, hardly moves meanwhile.
        for (slept, awake, connections) in [
            (0, 0, 1),
            (60, 0, 1),
            (61, 0, 2),
            (0, 61, 2),
            (30, 61, 3),
            (50, 20, 4),
        ] {
            hand.sleep(Duration::from_secs(slept));
            hand.advance(Duration::from_secs(awake));
            let sent = http.send(Outgoing {
                method: "GET",
                url: &url,
                headers: HeaderMap::new(),
                body: Bytes::new(),
                idle: IDLE,
                decodes: true,
                longest: None,
                measured: None,
            });
            assert_eq!(sent.await.result.unwrap().status, 200);
            assert_eq!(
                opened.load(Ordering::SeqCst),
                connections,
                "{slept} s asleep, {awake} s awake"
            );
        }
    }
}
