//! How other machines are reached: time-outs, content codings, proxies with a login, own authorities, and what is said
//! of a write whose answer never came.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::peer::{Act, Peer, closed_port, json, read_request, reply};
use crate::program::{Place, Ran};

const TOKEN: &str = r#"{"access_token":"t","expires_in":600,"token_type":"bearer"}"#;

/// The account "keys" at these two URLs, with lines of its own, and a table for the network.
fn keys(url: &str, own: &str, network: &str) -> Place {
    Place::with_config(&format!(
        "default_profile = \"live\"\n[network]\n{network}\n[profiles.live.accounts.keys]\nprovider = \"kinguin\"\n\
         client_id = \"c\"\nclient_secret = {{ env = \"TEST_API_SECRET\" }}\n{own}\n\
         endpoints = {{ token = \"{url}/auth/token\", gateway = \"{url}\" }}\n"
    ))
}

/// A peer that grants tokens and answers all else like this.
fn granting(act: Act) -> Peer {
    Peer::routed(vec![("/auth/token", json(TOKEN)), ("/", act)])
}

fn ask(place: &Place, method: &str, variables: &[(&str, &str)]) -> Ran {
    let mut command = place.command(&["request", "keys", method, "/x", "--yes"]);
    command.envs(variables.iter().copied());
    Ran::of(command)
}

fn asked(peer: &Peer, method: &str) -> usize {
    let requests = peer.requests();
    let begin = format!("{method} /x");
    requests
        .iter()
        .filter(|seen| seen.head.starts_with(&begin))
        .count()
}

#[test]
fn a_write_whose_answer_never_came_is_reported_as_one_that_may_have_been_carried_out() {
    let gzip = "Content-Encoding: gzip\r\n";
    let acts = [
        (
            "cut",
            Act::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\ncut".to_vec()),
        ),
        ("reset", Act::Reset),
        ("silence", Act::Silence),
        (
            "too large",
            Act::Flood(
                "HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n".into(),
                9_000_000,
            ),
        ),
        ("no gzip", reply("200 OK", gzip, "plain")),
        (
            "brotli",
            reply("200 OK", "Content-Encoding: br\r\n", "bytes"),
        ),
        ("no HTTP", Act::Bytes(b"no HTTP at all\r\n\r\n".to_vec())),
    ];
    let tried = |name: &str, act: Act| {
        let peer = granting(act);
        let place = keys(&peer.url, "timeout = \"1s\"", "");
        let all = ["POST", "PUT", "PATCH", "DELETE"];
        // Each would wait.
        let methods = if name == "silence" {
            &all[..1]
        } else {
            &all[..]
        };
        for method in methods.iter().copied() {
            let ran = ask(&place, method, &[]);
            assert_eq!(ran.code, 5, "{name} {method}: {ran:?}");
            assert!(
                ran.err.contains("may have taken effect"),
                "{name} {method}: {ran:?}"
            );
            assert!(!ran.err.contains("try again"), "{name} {method}: {ran:?}");
            assert_eq!(asked(&peer, method), 1, "{name} {method}");
        }
        let ran = ask(&place, "GET", &[]);
        assert!(!ran.err.contains("taken effect"), "{name}: {ran:?}");
        let again = matches!(name, "cut" | "reset" | "silence");
        assert_eq!(
            asked(&peer, "GET") > 1,
            again,
            "{name}: only what may pass is sent again"
        );
    };
    std::thread::scope(|scope| {
        for (name, act) in acts {
            scope.spawn(move || tried(name, act));
        }
    });
}

#[test]
fn a_write_that_a_provider_fails_over_is_reported_as_one_that_may_have_been_carried_out() {
    for (status, may_have) in [
        ("408 Request Timeout", true),
        ("500 No", true),
        ("504 Gateway Timeout", true),
        ("400 Bad Request", false),
        ("404 Not Found", false),
    ] {
        let peer = granting(reply(status, "", "{}"));
        let place = keys(&peer.url, "", "");
        let ran = ask(&place, "POST", &[]);
        assert_eq!(
            ran.err.contains("may have taken effect"),
            may_have,
            "{status}: {ran:?}"
        );
        assert!(
            !ask(&place, "GET", &[]).err.contains("taken effect"),
            "{status}"
        );
    }
}

#[test]
fn a_refusal_is_obeyed_whatever_becomes_of_its_page() {
    let head = "HTTP/1.1 429 Too Many\r\nRetry-After: 7200\r\n";
    for rest in [
        "Content-Length: 99\r\n\r\ncut",
        "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain",
    ] {
        let peer = granting(Act::Bytes(format!("{head}{rest}").into_bytes()));
        let place = keys(&peer.url, "", "");
        let ran = ask(&place, "POST", &[]);
        assert!(!ran.err.contains("taken effect"), "{ran:?}");
        ask(&place, "POST", &[]);
        assert_eq!(asked(&peer, "POST"), 1, "{rest:?}: the second was not sent");
    }
}

#[test]
fn a_write_that_did_not_leave_is_not_reported_as_one_that_may_have_been_carried_out() {
    let peer = granting(json("{}"));
    let place = keys(&peer.url, "", "");
    assert_eq!(ask(&place, "GET", &[]).code, 0);
    let nobody = format!("gateway = \"http://127.0.0.1:{}\"", closed_port());
    let text = std::fs::read_to_string(place.config_path()).unwrap();
    let text = text.replace(&format!("gateway = \"{}\"", peer.url), &nobody);
    std::fs::write(place.config_path(), text).unwrap();
    let ran = ask(&place, "POST", &[]);
    assert_eq!(ran.code, 5);
    assert!(
        ran.err.contains("refused the connection") && !ran.err.contains("taken effect"),
        "{ran:?}"
    );
}

#[test]
fn only_silence_is_too_long_and_a_steady_answer_is_read_to_its_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let Ok(seen) = read_request(&mut stream) else {
                continue;
            };
            if seen.head.contains("/auth/token") {
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    TOKEN.len()
                );
                let _ = stream.write_all((head + TOKEN).as_bytes());
                continue;
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n");
            for byte in b"steadily" {
                // Each pause is shorter than the limit, all of them are longer.
                std::thread::sleep(Duration::from_millis(250));
                let _ = stream.write_all(&[*byte]);
            }
        }
    });
    let place = keys(&url, "timeout = \"1s\"", "");
    let ran = ask(&place, "GET", &[]);
    assert_eq!((ran.code, ran.out.trim()), (0, "steadily"), "{ran:?}");
}

#[test]
fn the_time_a_reply_may_stay_away_is_the_accounts_before_the_networks() {
    let peer = granting(Act::Silence);
    for (own, network, wanted) in [
        ("timeout = \"1s\"", "timeout = \"5m\"", "within 1 s"),
        ("", "timeout = \"1s\"", "within 1 s"),
    ] {
        let ran = ask(&keys(&peer.url, own, network), "POST", &[]);
        assert!(ran.err.contains(wanted), "{own} {network}: {ran:?}");
    }
    let place = keys(&peer.url, "timeout = \"5m\"", "");
    let ran = place.run(&["request", "keys", "POST", "/x", "--yes", "--timeout", "1s"]);
    assert!(ran.err.contains("within 1 s"), "{ran:?}");
    for wrong in ["0s", "11m", "soon"] {
        let ran = ask(
            &keys(&peer.url, &format!("timeout = \"{wrong}\""), ""),
            "GET",
            &[],
        );
        assert_eq!(ran.code, 2, "{wrong}: {ran:?}");
        assert!(ran.err.contains("`timeout` in account `keys`"), "{ran:?}");
    }
}

#[test]
fn a_compressed_answer_is_shown_as_it_was() {
    let text = b"{\"answer\":\"compressed\"}".repeat(20);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&text).unwrap();
    let gzip = gzip.finish().unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nX-Folded: one\r\n two\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        gzip.len()
    );
    let peer = granting(Act::Bytes([head.as_bytes(), &gzip].concat()));
    let ran = ask(&keys(&peer.url, "", ""), "GET", &[]);
    assert_eq!((ran.code, ran.out.as_bytes()), (0, &text[..]), "{ran:?}");
}

#[test]
fn a_byte_order_mark_before_json_is_passed_over() {
    let paid = r#"{"result":"ok","currency":"EMT","amount":"25.00","state":"FINALIZED"}"#;
    let peer = Peer::start(vec![json(&format!("\u{feff}{paid}"))]);
    let ran = Place::with_shop(&peer.url).run(&["check", "A-17", "--expect", "FINALIZED"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let peer = granting(json("\u{feff}{}"));
    assert_eq!(ask(&keys(&peer.url, "", ""), "GET", &[]).out, "{}");
}

#[test]
fn json_in_utf_16_and_gzip_that_no_header_names_are_read() {
    let paid = r#"{"result":"ok","currency":"EMT","amount":"25.00","state":"FINALIZED"}"#;
    let utf_16 = |big: bool| -> Vec<u8> {
        let units = paid.encode_utf16();
        let bytes = |unit: u16| {
            if big {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        };
        units.flat_map(bytes).collect()
    };
    let gzip = {
        let best = flate2::Compression::best();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), best);
        encoder.write_all(paid.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let answer = |kind: &str, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        Act::Bytes([head.as_bytes(), body].concat())
    };
    for (kind, body) in [
        (
            "application/json",
            [&b"\xff\xfe"[..], &utf_16(false)].concat(),
        ),
        ("text/plain", [&b"\xfe\xff"[..], &utf_16(true)].concat()),
        ("application/json; charset=utf-16", utf_16(true)),
        ("application/json; charset=utf-16le", utf_16(false)),
        ("application/json", gzip.clone()),
        ("text/plain", gzip.clone()),
    ] {
        let peer = Peer::start(vec![answer(kind, &body)]);
        let place = Place::with_shop(&peer.url);
        let ran = place.run(&["check", "A-17", "--expect", "FINALIZED"]);
        assert_eq!(ran.code, 0, "{kind}: {ran:?}");
        let log = place.run(&["log", "--json", "--export", "ndjson"]).out;
        assert!(log.contains("FINALIZED"), "{kind}: {log}");
    }
    let torn = &gzip[..gzip.len() - 9];
    let peer = Peer::start(vec![answer("application/json", torn)]);
    let ran = Place::with_shop(&peer.url).run(&["check", "A-17"]);
    let words = "it begins like gzip without a Content-Encoding, but is not valid gzip";
    assert!(ran.code == 5 && ran.err.contains(words), "{ran:?}");
    // A file stays a file.
    let peer = granting(answer("application/gzip", &gzip));
    let ran = ask_bytes(&keys(&peer.url, "", ""));
    assert_eq!(ran, gzip);
}

fn ask_bytes(place: &Place) -> Vec<u8> {
    let mut command = place.command(&["request", "keys", "GET", "/x"]);
    command.output().unwrap().stdout
}

#[test]
fn a_write_without_a_body_says_that_it_has_none() {
    let peer = granting(json("{}"));
    let place = keys(&peer.url, "", "");
    for (method, wanted) in [
        ("POST", Some("0")),
        ("PUT", Some("0")),
        ("PATCH", Some("0")),
        ("GET", None),
    ] {
        assert_eq!(ask(&place, method, &[]).code, 0);
        let requests = peer.requests();
        let begin = format!("{method} /x");
        let seen = requests
            .iter()
            .find(|seen| seen.head.starts_with(&begin))
            .unwrap();
        assert_eq!(seen.header("content-length"), wanted, "{method}");
    }
}

#[test]
fn a_wish_to_be_left_alone_for_hours_is_obeyed_and_reported() {
    let peer = granting(reply("429 Too Many", "Retry-After: 7200\r\n", ""));
    let place = keys(&peer.url, "", "");
    ask(&place, "GET", &[]);
    let ran = ask(&place, "GET", &[]);
    assert_eq!(asked(&peer, "GET"), 1, "the second was not sent");
    assert!(
        ran.err.contains("1 h 59 min") || ran.err.contains("2 h"),
        "{ran:?}"
    );
}

/// A proxy that opens every tunnel to one address, for those who log in. What it was asked for is noted.
struct Proxy {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn to(address: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let all = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, address, all) = (stream.unwrap(), address.clone(), all.clone());
                std::thread::spawn(move || {
                    let seen = read_request(&mut stream).unwrap();
                    all.lock()
                        .unwrap()
                        .push(seen.head.lines().next().unwrap().to_owned());
                    // user:word
                    if seen.header("proxy-authorization") != Some("Basic dXNlcjp3b3Jk") {
                        let no = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
                        let _ = stream.write_all(no);
                        return;
                    }
                    let there = TcpStream::connect(address).unwrap();
                    stream
                        .write_all(b"HTTP/1.1 200 Established\r\n\r\n")
                        .unwrap();
                    let (mut from, mut to) =
                        (stream.try_clone().unwrap(), there.try_clone().unwrap());
                    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                    let _ = std::io::copy(&mut &there, &mut stream);
                });
            }
        });
        Self {
            address: own,
            asked,
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// An authority of the test's own, in PEM, and the address of a server with a certificate of it.
fn tls_server(names: &[&str], is_ca: rcgen::IsCa) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, key);
    let own = rcgen::KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut made = rcgen::CertificateParams::new(names).unwrap();
    made.is_ca = is_ca;
    let made = made.signed_by(&own, &issuer).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(own.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, config) = (stream.unwrap(), config.clone());
            std::thread::spawn(move || {
                let connection = rustls::ServerConnection::new(config).unwrap();
                let mut tls = rustls::StreamOwned::new(connection, stream);
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") {
                    if tls.read(&mut byte).unwrap_or(0) == 0 {
                        return;
                    }
                    head.push(byte[0]);
                }
                let body = TOKEN;
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                );
                let _ = tls.write_all((head + body).as_bytes());
                tls.conn.send_close_notify();
                let _ = tls.flush();
            });
        }
    });
    (pem, address)
}

#[test]
fn an_own_authority_is_trusted_where_config_or_environment_name_it() {
    let (pem, address) = tls_server(&["localhost"], rcgen::IsCa::NoCa);
    let port = address.rsplit_once(':').unwrap().1;
    let url = format!("https://localhost:{port}");
    let place = keys(&url, "", "");
    let file = place.path().join("authority.pem");
    std::fs::write(&file, pem).unwrap();
    let file = file.to_str().unwrap();

    let ran = ask(&place, "GET", &[]);
    assert_eq!(ran.code, 5, "{ran:?}");
    for wanted in [
        "signed by an authority that this machine does not trust",
        "ca_file",
    ] {
        assert!(ran.err.contains(wanted), "{wanted}: {ran:?}");
    }
    let ran = ask(&place, "GET", &[("SSL_CERT_FILE", file)]);
    assert_eq!((ran.code, ran.out.as_str()), (0, TOKEN), "{ran:?}");
    let ran = ask(
        &keys(&url, "", &format!("ca_file = \"{file}\"")),
        "GET",
        &[],
    );
    assert_eq!((ran.code, ran.out.as_str()), (0, TOKEN), "{ran:?}");

    let of_authority = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    for (host, is_ca, wanted) in [
        ("other.example", rcgen::IsCa::NoCa, "with `ca_file` in"),
        ("localhost", of_authority, "basicConstraints=CA:FALSE"),
    ] {
        let (authority, other) = tls_server(&[host], is_ca);
        std::fs::write(file, authority).unwrap();
        let other = other.replace("127.0.0.1", "localhost");
        let other = format!("https://{other}");
        let ran = ask(
            &keys(&other, "", &format!("ca_file = \"{file}\"")),
            "GET",
            &[],
        );
        assert!(ran.err.contains("no trusted TLS connection"), "{ran:?}");
        assert!(ran.err.contains(wanted), "{ran:?}");
    }
}

#[test]
fn certificates_that_are_not_there_are_named_with_the_variable_or_key() {
    let url = format!("https://127.0.0.1:{}", closed_port());
    let place = keys(&url, "", "");
    let empty = place.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let empty = empty.to_str().unwrap();
    for (variable, value, wanted) in [
        (
            "SSL_CERT_FILE",
            "/nope.pem",
            "SSL_CERT_FILE names /nope.pem, which does not exist",
        ),
        ("SSL_CERT_FILE", empty, "which contains no certificate"),
        ("SSL_CERT_FILE", "", "SSL_CERT_FILE is empty"),
        (
            "SSL_CERT_DIR",
            "/nope",
            "SSL_CERT_DIR names /nope, which is not a folder",
        ),
    ] {
        let ran = ask(&place, "GET", &[(variable, value)]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(wanted), "{wanted}: {ran:?}");
    }
    let ran = ask(&keys(&url, "", "ca_file = \"/nope.pem\""), "GET", &[]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.err
            .contains("`ca_file` in [network] names /nope.pem, which does not exist"),
        "{ran:?}"
    );
}

#[test]
fn a_proxy_with_a_login_is_used_and_its_faults_are_its_own() {
    let (pem, address) = tls_server(&["gateway.example", "id.example"], rcgen::IsCa::NoCa);
    let proxy = Proxy::to(address);
    let text = "endpoints = { token = \"https://id.example/auth/token\", gateway = \"https://gateway.example\" }";
    let place = keys("http://127.0.0.1:1", "", "");
    let file = place.path().join("authority.pem");
    std::fs::write(&file, pem).unwrap();
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    let config = config.replace(
        "[network]\n",
        &format!("[network]\nca_file = \"{}\"\n", file.display()),
    );
    let at = config.find("endpoints").unwrap();
    std::fs::write(place.config_path(), format!("{}{text}\n", &config[..at])).unwrap();
    let with = |user: &str| format!("http://{user}{}", proxy.address);

    let ran = ask(&place, "GET", &[("HTTPS_PROXY", &with("user:word@"))]);
    assert_eq!((ran.code, ran.out.as_str()), (0, TOKEN), "{ran:?}");
    assert_eq!(
        proxy.asked(),
        [
            "CONNECT id.example:443 HTTP/1.1",
            "CONNECT gateway.example:443 HTTP/1.1"
        ]
    );
    let closed = format!("127.0.0.1:{}", closed_port());
    let refused = format!("the proxy {closed} (ALL_PROXY) refused the connection");
    let login = format!(
        "the proxy {} (HTTPS_PROXY) requires a user name and password",
        proxy.address
    );
    for (variable, value, code, wanted) in [
        ("HTTPS_PROXY", with(""), 5, login.as_str()),
        ("HTTPS_PROXY", with("user:wrong@"), 5, &login),
        ("ALL_PROXY", format!("http://{closed}"), 5, &refused),
        (
            "https_proxy",
            "http://none.invalid:3128".into(),
            5,
            "the proxy none.invalid:3128 (https_proxy) cannot be resolved",
        ),
        (
            "HTTPS_PROXY",
            "garbage://x".into(),
            2,
            "HTTPS_PROXY names no usable proxy",
        ),
        (
            "HTTPS_PROXY",
            format!("socks5://{closed}"),
            5,
            "the host name gateway.invalid cannot be resolved",
        ),
    ] {
        // A name that nobody can look up, so that nothing leaves this machine.
        let place = keys("https://gateway.invalid", "", "");
        let ran = ask(&place, "POST", &[(variable, &value)]);
        assert_eq!(ran.code, code, "{value}: {ran:?}");
        assert!(ran.err.contains(wanted), "{wanted}: {ran:?}");
        assert!(
            !ran.err.contains("gateway.invalid refused") && !ran.err.contains("taken effect"),
            "{ran:?}"
        );
        assert!(!ran.all().contains("user:w"), "{ran:?}");
    }
    let place = keys("https://gateway.invalid", "", "");
    let mut verify = place.command(&["account", "verify"]);
    let ran = Ran::of(verify.env("HTTPS_PROXY", "garbage://x"));
    assert!(
        ran.all().contains("unverified"),
        "no secret is unreadable: {ran:?}"
    );
}

#[test]
fn this_machine_is_reached_without_a_proxy() {
    let proxy = Proxy::to("127.0.0.1:1".into());
    let through = format!("http://{}", proxy.address);
    let peer = granting(json("{}"));
    // Whoever connects sees at once that there is no TLS.
    let closing = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closing.local_addr().unwrap().port();
    std::thread::spawn(move || closing.incoming().for_each(drop));
    for url in [
        peer.url.clone(),
        peer.url.replace("127.0.0.1", "shop.localhost"),
        format!("https://127.0.0.1:{port}"),
        format!("https://localhost:{port}"),
        format!("https://localhost.:{port}"),
        format!("https://shop.localhost:{port}"),
    ] {
        for variable in ["HTTPS_PROXY", "http_proxy"] {
            let ran = ask(&keys(&url, "", ""), "GET", &[(variable, &through)]);
            let is_direct =
                ran.code == 0 || ran.err.contains("localhost") || ran.err.contains("127.0.0.1");
            assert!(
                is_direct && !ran.err.contains("proxy"),
                "{url} {variable}: {ran:?}"
            );
        }
    }
    assert_eq!(proxy.asked(), [""; 0]);
}
