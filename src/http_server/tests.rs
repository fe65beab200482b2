//! The server over real connections, to the byte.
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// Sends `wire` on a fresh connection and reads to its end.
pub(crate) async fn raw(to: SocketAddr, wire: &[u8]) -> io::Result<Vec<u8>> {
    let mut tcp = TcpStream::connect(to).await?;
    tcp.write_all(wire).await?;
    let mut all = Vec::new();
    tcp.read_to_end(&mut all).await?;
    Ok(all)
}

pub(super) async fn server(limits: Limits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Server::start(listener, limits, |request: Request| async move {
        match request.uri().path() {
            "/hang-up" => Outcome::Reset,
            "/never" => std::future::pending().await,
            "/302" => Outcome::Answer(text(StatusCode::FOUND, "")),
            path => {
                let words = format!("{path} {}", request.body().len());
                Outcome::Answer(text(StatusCode::OK, &words))
            }
        }
    })
    .unwrap()
}

async fn said(server: &Server, wire: &str) -> String {
    let all = raw(server.address(), wire.as_bytes()).await.unwrap();
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn answers_several_requests_on_one_connection() {
    let server = server(Limits::default()).await;
    let two = "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc\
               GET /b HTTP/1.1\r\nHost: 127.0.0.1:80\r\nConnection: close\r\n\r\n";
    let seen = said(&server, two).await;
    assert_eq!(seen.matches("HTTP/1.1 200 OK").count(), 2, "{seen}");
    assert!(seen.contains("/a 3") && seen.ends_with("/b 0"), "{seen}");
    let head = said(
        &server,
        "HEAD /b HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(head.contains("content-length: 4") && head.ends_with("\r\n\r\n"));
}

#[tokio::test]
async fn another_host_or_too_large_a_body_is_refused() {
    let server = server(Limits {
        body: 4,
        ..Limits::default()
    })
    .await;
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "@localhost",
        "evil.example@localhost",
        "evil.example@localhost:80",
        "localhost:port",
        "http://localhost/",
        "",
        "a\r\nHost: localhost",
    ] {
        let wire = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let seen = said(&server, &wire).await;
        assert!(seen.starts_with("HTTP/1.1 4"), "{host}: {seen}");
    }
    let wire =
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 5\r\n\r\nabcde";
    assert!(said(&server, wire).await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn hanging_up_sends_not_one_byte() {
    let server = server(Limits::default()).await;
    let wire = "POST /hang-up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}";
    match raw(server.address(), wire.as_bytes()).await {
        Ok(bytes) => assert_eq!(bytes, b""),
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
    }
}

#[tokio::test]
async fn stopping_is_bounded() {
    let server = server(Limits::default()).await;
    let address = server.address();
    let mut idle = TcpStream::connect(address).await.unwrap();
    let mut stuck = TcpStream::connect(address).await.unwrap();
    stuck
        .write_all(b"GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    server.stop(Duration::from_millis(50)).await;
    let mut rest = Vec::new();
    assert!(idle.read_to_end(&mut rest).await.is_ok());
    assert!(stuck.read_to_end(&mut rest).await.is_err() || rest.is_empty());
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn the_first_request_of_an_accepted_connection_is_answered_while_the_server_stops() {
    let server = server(Limits::default()).await;
    let wire = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut fresh = TcpStream::connect(server.address()).await.unwrap();
    // Connections are accepted one after another, so the first is accepted by then.
    assert!(said(&server, wire).await.starts_with("HTTP/1.1 200"));
    let stopping = tokio::spawn(server.stop(Duration::from_secs(5)));
    tokio::task::yield_now().await;
    fresh.write_all(wire.as_bytes()).await.unwrap();
    let mut answer = String::new();
    fresh.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stopping.await.unwrap();
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let server = server(Limits {
        silence: Duration::from_millis(20),
        ..Limits::default()
    })
    .await;
    let mut silent = TcpStream::connect(server.address()).await.unwrap();
    let mut rest = Vec::new();
    let ended = silent.read_to_end(&mut rest);
    assert!(
        tokio::time::timeout(Duration::from_secs(5), ended)
            .await
            .is_ok()
    );
}

/// What the other end says until it ends the connection, one byte dripping in every now and then.
async fn dripping(server: &Server, begin: &str, drip: &str) -> String {
    let tcp = TcpStream::connect(server.address()).await.unwrap();
    let (mut from, mut to) = tcp.into_split();
    to.write_all(begin.as_bytes()).await.unwrap();
    let drip = drip.to_owned();
    let dripping = tokio::spawn(async move {
        while to.write_all(drip.as_bytes()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let mut said = Vec::new();
    let ended = from.read_to_end(&mut said);
    // Either way of ending will do.
    let _ = tokio::time::timeout(Duration::from_secs(5), ended)
        .await
        .expect("the connection is ended");
    dripping.abort();
    String::from_utf8(said).unwrap()
}

#[tokio::test]
async fn what_drips_in_is_cut() {
    let server = server(Limits {
        head_time: Duration::from_millis(60),
        body_time: Duration::from_millis(60),
        ..Limits::default()
    })
    .await;
    let first = "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx";
    for (begin, drip, expected) in [
        ("GET / HTTP/1.1\r\n", "X-A: b\r\n", ""),
        ("G", "E", ""),
        ("", "\r\n", ""),
        (&format!("{first}GET"), " ", "HTTP/1.1 200"),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n\r\n",
            "x",
            "HTTP/1.1 408",
        ),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
            "1\r\nx\r\n",
            "HTTP/1.1 408",
        ),
    ] {
        let said = dripping(&server, begin, drip).await;
        assert!(said.starts_with(expected), "{begin}: {said}");
        assert_eq!(said.is_empty(), expected.is_empty(), "{begin}: {said}");
    }
}

#[tokio::test]
async fn heads_and_bodies_are_answered_as_they_should() {
    let server = server(Limits {
        body: 10,
        head: 8 * 1024,
        ..Limits::default()
    })
    .await;
    let long = "y".repeat(9_000);
    let many = "X-A: b\r\n".repeat(200);
    let large = "z".repeat(3_000_000);
    let host = "Host: localhost\r\nConnection: close\r\n";
    for (wire, expected) in [
        (format!("GET /a HTTP/1.0\r\n{host}\r\n"), "HTTP/1.0 200"),
        (format!("GET /a HTTP/3.0\r\n{host}\r\n"), "HTTP/1.1 400"),
        (format!("nonsense\r\n{host}\r\n"), "HTTP/1.1 400"),
        (
            format!("GET /a HTTP/1.1\r\n{host}X-A: {long}\r\n\r\n"),
            "HTTP/1.1 431",
        ),
        (
            format!("GET /a HTTP/1.1\r\n{host}{many}\r\n"),
            "HTTP/1.1 431",
        ),
        (
            format!("GET /{long} HTTP/1.1\r\n{host}\r\n"),
            "HTTP/1.1 431",
        ),
        (
            format!("POST /a HTTP/1.1\r\n{host}Content-Length: 3000000\r\n\r\n{large}"),
            "HTTP/1.1 413",
        ),
        (
            format!("POST /a HTTP/1.1\r\n{host}Content-Length: 11\r\nExpect: 100-continue\r\n\r\n"),
            "HTTP/1.1 413",
        ),
        (
            format!(
                "POST /a HTTP/1.1\r\n{host}Content-Length: 2\r\nExpect: 100-continue\r\n\r\nxx"
            ),
            "HTTP/1.1 100",
        ),
        (
            format!(
                "POST /a HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
            ),
            "HTTP/1.1 200",
        ),
        (
            format!("POST /a HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
            "HTTP/1.1 400",
        ),
        (
            format!(
                "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n\
                 0\r\n\r\nGET /smuggled HTTP/1.1\r\n{host}\r\n"
            ),
            "HTTP/1.1 200",
        ),
        (
            format!("POST /a HTTP/1.1\r\n{host}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
            "HTTP/1.1 400",
        ),
        (
            format!("POST /a HTTP/1.1\r\n{host}Content-Length: -3\r\n\r\nabc"),
            "HTTP/1.1 400",
        ),
    ] {
        let begin: String = wire.chars().take(120).collect();
        let seen = said(&server, &wire).await;
        assert!(seen.starts_with(expected), "{begin}: {seen}");
        assert!(!seen.contains("smuggled"), "{seen}");
        if expected.ends_with("100") {
            assert!(seen.contains("HTTP/1.1 200"), "{seen}");
        }
    }
}

#[tokio::test]
async fn idle_and_slow_connections_keep_nobody_out() {
    let server = server(Limits {
        connections: 4,
        ..Limits::default()
    })
    .await;
    let open = async |wire: &str| {
        let mut tcp = TcpStream::connect(server.address()).await.unwrap();
        tcp.write_all(wire.as_bytes()).await.unwrap();
        tcp
    };
    let ask = "GET /b HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut answer = [0; 4096];
    // The oldest of all, but it has just had a request.
    let mut honest = open("").await;
    let mut slow = Vec::new();
    for begin in [
        "",
        "GET /",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx",
    ] {
        slow.push(open(begin).await);
    }
    honest.write_all(ask.as_bytes()).await.unwrap();
    assert!(honest.read(&mut answer).await.unwrap() > 0);
    for _ in 0..40 {
        let mut another = open(ask).await;
        let got = another.read(&mut answer).await.unwrap();
        assert!(answer[..got].starts_with(b"HTTP/1.1 200"));
        slow.push(another);
        honest.write_all(ask.as_bytes()).await.unwrap();
        assert!(honest.read(&mut answer).await.unwrap() > 0);
    }
    // Those being answered are not sent away: a fifth waits until one of them is done.
    let never = "GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut stuck = Vec::new();
    for _ in 0..4 {
        stuck.push(open(never).await);
    }
    let mut fifth = open(ask).await;
    let answered = tokio::time::timeout(Duration::from_millis(100), fifth.read(&mut answer));
    assert!(answered.await.is_err());
    stuck.pop();
    assert!(fifth.read(&mut answer).await.unwrap() > 0);
}

#[tokio::test]
async fn large_bodies_share_their_room_and_small_ones_always_fit() {
    let server = server(Limits {
        bodies: 64 * 1024,
        room_time: Duration::from_millis(50),
        ..Limits::default()
    })
    .await;
    let post = |length: usize, sent: usize| {
        format!(
            "POST /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{}",
            "x".repeat(sent)
        )
    };
    assert!(
        said(&server, &post(70_000, 70_000))
            .await
            .starts_with("HTTP/1.1 200")
    );
    // Half of it comes, and takes most of the room.
    let mut half = TcpStream::connect(server.address()).await.unwrap();
    half.write_all(post(100_000, 60_000).as_bytes())
        .await
        .unwrap();
    let refused = async || {
        let answer = said(&server, &post(70_000, 70_000)).await;
        answer.starts_with("HTTP/1.1 503")
    };
    // As soon as it was read.
    for _ in 0..200 {
        if refused().await {
            break;
        }
    }
    assert!(refused().await);
    assert!(
        said(&server, &post(16_000, 16_000))
            .await
            .starts_with("HTTP/1.1 200")
    );
    drop(half);
    for _ in 0..200 {
        if !refused().await {
            return;
        }
    }
    panic!("the room is not given back");
}

#[tokio::test]
async fn a_body_is_read_only_where_the_head_is_admitted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let admit = |head: &Parts| match head.uri.path() {
        "/four" => Admission::Read(4),
        "/refused" => Admission::Refuse(text(StatusCode::GONE, "")),
        _ => Admission::Discard,
    };
    let server = Server::start_admitting(listener, Limits::default(), admit, |request: Request| {
        let words = format!("{} bytes", request.body().len());
        async move { Outcome::Answer(text(StatusCode::OK, &words)) }
    })
    .unwrap();
    for (path, length, status, words) in [
        ("/four", 4, 200, "4 bytes"),
        ("/four", 5, 413, "not accepted"),
        ("/refused", 500_000, 410, ""),
        ("/other", 500_000, 200, "0 bytes"),
    ] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        let length = format!("Content-Length: {length}\r\n");
        let body = "x".repeat(length[16..].trim().parse().unwrap());
        let answer = said(&server, &format!("{head}{length}\r\n{body}")).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
        assert!(answer.contains(words), "{answer}");
        // One that asks first is not told to send what nobody reads.
        if words != "4 bytes" {
            let asks = format!("{head}{length}Expect: 100-continue\r\n\r\n");
            let asks = said(&server, &asks).await;
            assert!(asks.starts_with(&format!("HTTP/1.1 {status}")));
        }
    }
}
