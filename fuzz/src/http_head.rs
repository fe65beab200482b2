//! The loopback server's reader of requests: whatever comes on a connection, each request that is served is one that was
//! sent, and the connection comes to an end.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use hyper::http::{StatusCode, header};
use tilldeck::domain::host::is_loopback;
use tilldeck::http_server::{Hosts, Limits, Outcome, Request, Server, text};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

use super::Input;

const BODY_MAX: usize = 512;

struct Served {
    runtime: Runtime,
    servers: [Server; 2],
    requests: Arc<Mutex<Vec<Request>>>,
}

static SERVED: LazyLock<Mutex<Served>> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let requests = Arc::new(Mutex::new(Vec::new()));
    let servers = [Hosts::Loopback, Hosts::Any].map(|hosts| {
        let limits = Limits {
            body: BODY_MAX,
            head: 8 * 1024,
            hosts,
            silence: Duration::from_secs(2),
            ..Limits::default()
        };
        let all = requests.clone();
        let handler = move |request: Request| {
            all.lock().expect("no panic").push(request);
            async { Outcome::Answer(text(StatusCode::OK, "served\n")) }
        };
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            Server::start(listener, limits, handler).expect("a server")
        })
    });
    Mutex::new(Served {
        runtime,
        servers,
        requests,
    })
});

/// Which server, then all that is sent on one connection.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let which = input.choose(&[0, 1]);
    let wire = input.rest();
    let served = SERVED.lock().expect("no panic");
    served.requests.lock().expect("no panic").clear();
    let address = served.servers[which].address();
    let answers = served.runtime.block_on(async {
        let mut tcp = TcpStream::connect(address).await.expect("it listens");
        // It may have hung up before the last byte.
        let _ = tcp.write_all(wire).await;
        let _ = tcp.shutdown().await;
        let mut answers = Vec::new();
        let read = tcp.read_to_end(&mut answers);
        let ended = tokio::time::timeout(Duration::from_secs(10), read).await;
        assert!(ended.is_ok(), "the connection does not end");
        answers
    });
    let requests = std::mem::take(&mut *served.requests.lock().expect("no panic"));
    assert!(answers.is_empty() || answers.starts_with(b"HTTP/1."));
    let sent: usize = requests.iter().map(|request| request.body().len()).sum();
    // No byte is served twice.
    assert!(sent <= wire.len());
    for (at, request) in requests.iter().enumerate() {
        let headers = request.headers();
        assert!(request.body().len() <= BODY_MAX);
        let lengths = headers.get_all(header::CONTENT_LENGTH).iter();
        let encoded = headers.contains_key(header::TRANSFER_ENCODING);
        if encoded {
            // What stands in front may have read another end of it.
            assert_eq!(at + 1, requests.len(), "a request follows a chunked one");
        } else {
            let length = lengths.map(|length| length.to_str().ok()?.parse::<usize>().ok());
            let length = length.reduce(|one, other| one.filter(|_| one == other));
            assert_eq!(
                length.map_or(Some(0), |length| length),
                Some(request.body().len())
            );
        }
        if which == 0 {
            let host = headers[header::HOST].to_str().expect("a host is ASCII");
            let name = host.rsplit_once(':').map_or(host, |(name, port)| {
                let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
                if is_port { name } else { host }
            });
            assert!(is_loopback(name) || is_loopback(host), "{host}");
        }
    }
}
