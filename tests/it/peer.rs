//! A server that does as it is told, to the byte: for what no well-behaved server can be made to do.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::terminal::LIMIT;

/// What the peer does with one request.
#[derive(Clone)]
pub enum Act {
    /// Sends these bytes and closes.
    Bytes(Vec<u8>),
    /// Closes at once with a reset.
    Reset,
    /// Answers nothing until the client has gone.
    Silence,
    /// Sends this head, then so many bytes of body.
    Flood(String, u64),
}

/// A reply with this status, these header lines and this body.
pub fn reply(status: &str, headers: &str, body: &str) -> Act {
    Act::Bytes(
        format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .into_bytes(),
    )
}

/// A 200 with this JSON.
pub fn json(body: &str) -> Act {
    reply("200 OK", "Content-Type: application/json\r\n", body)
}

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub head: String,
    pub body: String,
    /// The body, byte for byte.
    pub raw: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (n, value) = line.split_once(':')?;
            n.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// A running peer; it plays its acts in order, the last one again and again.
pub struct Peer {
    pub url: String,
    seen: Arc<(Mutex<Vec<Seen>>, Condvar)>,
}

impl Peer {
    pub fn start(acts: Vec<Act>) -> Self {
        Self::choosing(move |number, _| acts[number.min(acts.len() - 1)].clone())
    }

    /// A peer that acts by the request's path: as the first of these it begins with says.
    pub fn routed(routes: Vec<(&'static str, Act)>) -> Self {
        Self::choosing(move |_, seen| {
            let path = seen.head.split(' ').nth(1).unwrap_or_default();
            let route = routes.iter().find(|(begin, _)| path.starts_with(begin));
            route.map_or(Act::Reset, |(_, act)| act.clone())
        })
    }

    /// A peer that acts by the number of the request, from 0, and the request itself.
    pub fn choosing(choose: impl Fn(usize, &Seen) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let (all, choose) = (seen.clone(), Arc::new(choose));
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (all, choose) = (all.clone(), choose.clone());
                std::thread::spawn(move || {
                    if let Ok(stream) = stream {
                        let _ = serve(stream, |seen| choose(number, seen), &all);
                    }
                });
            }
        });
        Self { url, seen }
    }

    pub fn requests(&self) -> Vec<Seen> {
        self.seen.0.lock().unwrap().clone()
    }

    /// Waits for the first request.
    pub fn wait_for_one(&self) {
        self.wait_for("a request", |seen| !seen.is_empty());
    }

    /// Waits until the requests are as wanted; says what it waits for if that does not come.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&[Seen]) -> bool) {
        let (seen, came) = &*self.seen;
        let seen = seen.lock().unwrap();
        let ended = came.wait_timeout_while(seen, LIMIT, |seen| !wanted(seen));
        let (seen, end) = ended.unwrap();
        assert!(!end.timed_out(), "waited for {what}; asked: {seen:#?}");
    }
}

fn serve(
    mut stream: TcpStream,
    choose: impl Fn(&Seen) -> Act,
    (all, came): &(Mutex<Vec<Seen>>, Condvar),
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let request = read_request(&mut stream)?;
    let act = choose(&request);
    all.lock().unwrap().push(request);
    came.notify_all();
    match act {
        Act::Bytes(bytes) => stream.write_all(&bytes)?,
        Act::Reset => {
            // Unread bytes at closing make the kernel send a reset rather than an orderly end.
            stream.set_nonblocking(false)?;
        }
        Act::Silence => {
            let mut rest = [0; 64];
            while stream.read(&mut rest)? > 0 {}
        }
        Act::Flood(head, bytes) => {
            stream.write_all(head.as_bytes())?;
            let chunk = vec![b' '; 64 * 1024];
            let mut left = bytes;
            while left > 0 {
                let now = left.min(chunk.len() as u64);
                stream.write_all(&chunk[..usize::try_from(now).unwrap()])?;
                left -= now;
            }
        }
    }
    Ok(())
}

pub fn read_request(stream: &mut TcpStream) -> std::io::Result<Seen> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let seen = Seen {
                head,
                body: String::new(),
                raw: Vec::new(),
            };
            let length: usize = seen
                .header("content-length")
                .and_then(|n| n.parse().ok())
                .unwrap_or(0);
            while bytes.len() < end + 4 + length {
                let n = stream.read(&mut chunk)?;
                if n == 0 {
                    break;
                }
                bytes.extend_from_slice(&chunk[..n]);
            }
            return Ok(Seen {
                body: String::from_utf8_lossy(&bytes[end + 4..]).into_owned(),
                raw: bytes[end + 4..].to_vec(),
                ..seen
            });
        }
        let n = stream.read(&mut chunk)?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&chunk[..n]);
    }
}

/// A port that nobody listens on while the tests run: it is taken, so that no other test gets it.
pub fn closed_port() -> u16 {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    std::mem::forget(socket);
    port
}

/// A port for a program that is yet to be started.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A TLS server with a certificate nobody vouches for; it answers nothing.
pub fn untrusted_tls() -> (String, Receiver<()>) {
    tls(&rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap())
}

/// A TLS server whose certificate has expired, and its authority as PEM.
pub fn expired_tls() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, key);
    let signing_key = rcgen::KeyPair::generate().unwrap();
    let mut server = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    server.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let cert = server.signed_by(&signing_key, &issuer).unwrap();
    let (url, _) = tls(&rcgen::CertifiedKey { cert, signing_key });
    (url, pem)
}

/// A TLS server that answers nothing, and tells of each handshake.
fn tls(made: &rcgen::CertifiedKey<rcgen::KeyPair>) -> (String, Receiver<()>) {
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let (ended, end) = channel();
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut connection = rustls::ServerConnection::new(config.clone()).unwrap();
            let _ = connection.complete_io(&mut stream);
            let _ = ended.send(());
        }
    });
    (url, end)
}
