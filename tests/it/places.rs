//! Paths, addresses, times and bodies as people write them.

use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::process::{Command, Stdio};

use crate::peer::{Peer, json};
use crate::program::{Listener, Place, Ran, arguments_of, send, shell};

fn kinguin() -> Peer {
    Peer::start(vec![json(
        r#"{"access_token":"t","expires_in":600,"token_type":"bearer"}"#,
    )])
}

/// Runs it with this on standard input.
fn fed(command: &mut Command, bytes: &[u8]) -> Ran {
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), bytes).unwrap();
    Ran::ended(&arguments_of(command), child.wait_with_output().unwrap())
}

#[test]
fn a_tilde_is_the_home_folder_in_every_option_and_variable() {
    let place = Place::new();
    let home = place.path();
    let elsewhere = home.join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let there = |arguments: &[&str], variables: &[(&str, &str)]| -> Ran {
        let mut command = place.command(arguments);
        command
            .current_dir(&elsewhere)
            .envs(variables.iter().copied());
        Ran::of(command)
    };
    for (arguments, variables, made) in [
        (
            &["--state-dir=~/deck", "log"][..],
            &[][..],
            "deck/ledger.db",
        ),
        (
            &["log"],
            &[("TILLDECK_STATE_DIR", "~/by-variable")],
            "by-variable/ledger.db",
        ),
        (&["--config=~/c2.toml", "config", "init"], &[], "c2.toml"),
        (
            &["config", "init"],
            &[("TILLDECK_CONFIG", "~/c3.toml")],
            "c3.toml",
        ),
    ] {
        let ran = there(arguments, variables);
        assert!(
            ran.code == 0 && home.join(made).exists(),
            "{arguments:?}: {ran:?}"
        );
    }
    for option in ["--state-dir=~nobody/x", "--config=~nobody/x"] {
        let ran = there(&[option, "log"], &[]);
        assert!(
            ran.code == 2 && ran.err.contains("write the full path"),
            "{ran:?}"
        );
    }
    let ran = there(&["log"], &[("TILLDECK_STATE_DIR", "~nobody/x")]);
    assert!(
        ran.code == 2 && ran.err.contains("TILLDECK_STATE_DIR"),
        "{ran:?}"
    );
    assert_eq!(
        std::fs::read_dir(&elsewhere).unwrap().count(),
        0,
        "nothing is made where one stands"
    );
}

#[test]
fn a_user_without_a_home_folder_learns_how_to_name_one() {
    let mut command = Place::new().command(&["ledger", "status"]);
    command.env_clear().env("HOME", "");
    let ran = Ran::of(command);
    // A user with an entry of their own has a home folder all the same.
    if ran.code != 0 {
        assert!(
            ran.err.contains("--state-dir or TILLDECK_STATE_DIR"),
            "{ran:?}"
        );
    }
}

#[test]
fn an_address_to_listen_on_may_leave_its_parts_out() {
    for bind in ["localhost:0", ":0", "0"] {
        let place = Place::new();
        let listener = Listener::spawn(&mut place.command(&["listen", "--bind", bind]));
        let answer = send(&listener.url, "GET", "/heartbeat", "", "");
        assert_eq!(answer.unwrap().0, 200, "{bind}");
        let mut serve = place.command(&["sandbox", "serve", "--bind", bind]);
        assert!(
            Listener::spawn(&mut serve)
                .url
                .starts_with("http://127.0.0.1:")
        );
    }
    let any_port = Place::new();
    let mut serve = any_port.command(&["sandbox", "serve", "--bind", "localhost"]);
    Listener::spawn(&mut serve);
    let configured = Place::with_config("[callbacks]\nbind = \":0\"\n");
    Listener::spawn(&mut configured.command(&["listen"]));
    let ran = any_port.run(&["listen", "--bind", "example.com:80"]);
    assert!(
        ran.code == 2 && ran.err.contains("localhost:8787"),
        "{ran:?}"
    );
}

#[test]
fn a_body_is_taken_from_anywhere_byte_for_byte() {
    let peer = kinguin();
    let place = Place::with_keys(&peer.url, "");
    let bytes = [0_u8, 0xff, 0xfe, b'\r', b'\n'];
    std::fs::write(place.path().join("b.bin"), bytes).unwrap();
    std::fs::write(place.path().join("keys.txt"), "AAAA-BBBB").unwrap();
    let post = |more: &[&str]| {
        place.command(&[&["request", "keys", "POST", "/x", "--yes"], more].concat())
    };
    for stdin in ["-", "@-"] {
        let ran = fed(&mut post(&["--data", stdin]), b"{\"from\":1}");
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    for more in [
        &["--data", "@~/b.bin"][..],
        &["--form", "kind=TEXT", "--form", "file=@~/keys.txt"],
    ] {
        let ran = Ran::of(post(more));
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    let seen: Vec<_> = peer
        .requests()
        .into_iter()
        .filter(|it| it.head.starts_with("POST /x "))
        .collect();
    assert_eq!(
        (seen[0].body.as_str(), &seen[1].body),
        ("{\"from\":1}", &seen[0].body)
    );
    assert_eq!(seen[0].header("content-type"), Some("application/json"));
    assert_eq!(
        seen[2].header("content-type"),
        Some("application/octet-stream")
    );
    assert_eq!(seen[2].header("content-length"), Some("5"));
    assert_eq!(
        seen[2].body.as_bytes(),
        String::from_utf8_lossy(&bytes).as_bytes()
    );
    let form = seen[3].header("content-type").unwrap();
    let boundary = form
        .strip_prefix("multipart/form-data; boundary=\"")
        .unwrap()
        .trim_end_matches('"');
    assert_eq!(
        seen[3].body,
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"kind\"\r\n\r\nTEXT\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"keys.txt\"\r\n\
             Content-Type: text/plain\r\n\r\nAAAA-BBBB\r\n--{boundary}--\r\n"
        )
    );
}

#[test]
fn a_form_is_refused_where_the_provider_takes_none() {
    let peer = Peer::start(vec![json("{}")]);
    let place = Place::with_shop(&peer.url);
    let ran = place.run(&[
        "request",
        "shop",
        "POST",
        "/api/v2/test",
        "--yes",
        "--form",
        "a=b",
    ]);
    assert!(
        ran.code == 2 && ran.err.contains("not a JSON object"),
        "{ran:?}"
    );
    assert!(peer.requests().is_empty());
}

#[test]
fn a_path_is_encoded_where_no_url_may_hold_it_and_a_fragment_is_refused() {
    let peer = kinguin();
    let place = Place::with_keys(&peer.url, "");
    let ran = place.run(&["request", "keys", "GET", "/ż?name=Half Life&x[]=\"1\""]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let last = peer.requests().pop().unwrap();
    assert!(
        last.head
            .starts_with("GET /%C5%BC?name=Half%20Life&x[]=%221%22 "),
        "{}",
        last.head
    );
    let before = peer.requests().len();
    let ran = place.run(&["request", "keys", "GET", "/x?a=1#part"]);
    assert!(
        ran.code == 2 && ran.err.contains("fragment") && ran.err.contains("%23"),
        "{ran:?}"
    );
    assert_eq!(peer.requests().len(), before);
}

#[test]
fn a_beginning_of_the_log_is_a_day_or_a_time_as_well() {
    let peer = Peer::start(vec![json(r#"{"result":"ok"}"#)]);
    let place = Place::with_shop(&peer.url);
    place.run(&["request", "shop", "GET", "/x"]);
    for since in [
        "1d",
        "7d",
        "1w",
        "1 d 1 h",
        "yesterday",
        "today",
        "2026-01-01",
        "2026-01-01T00:00Z",
    ] {
        let ran = place.run(&["log", "--json", "--since", since]);
        // The test may run in the first second of a day.
        assert!(
            ran.code == 0 && (since == "today" || ran.objects().len() == 1),
            "{since}: {ran:?}"
        );
    }
    let ran = place.run(&["log", "--json", "--since", "2999-01-01"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
    let ran = place.run(&["log", "--since", "lately"]);
    assert!(
        ran.code == 2 && ran.err.contains("yesterday") && ran.err.contains("7d"),
        "{ran:?}"
    );
}

#[test]
fn a_config_that_is_a_link_to_nothing_is_named_as_such() {
    let place = Place::new();
    let link = place.path().join("d.toml");
    symlink("/nowhere/c.toml", &link).unwrap();
    let link = link.to_str().unwrap();
    for what in ["init", "check"] {
        let ran = place.run(&["--config", link, "config", what]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(
            ran.err
                .contains("a link to `/nowhere/c.toml`, which does not exist"),
            "{ran:?}"
        );
    }
}

/// This command as an ordinary user, to whom `place` belongs then; `None` where root cannot become one.
fn as_user(place: &Place, arguments: &[&str]) -> Option<Command> {
    let command = place.command(arguments);
    if !rustix::process::geteuid().is_root() {
        return Some(command);
    }
    let mut script = shell();
    script.args([
        "-c",
        "exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"",
        "sh",
    ]);
    script.arg(command.get_program());
    for (name, value) in command.get_envs() {
        script.env(name, value.unwrap_or_default());
    }
    if !script.arg("--version").output().unwrap().status.success() {
        eprintln!("SKIPPED: `setpriv` cannot run the program as another user here");
        return None;
    }
    let mut user = shell();
    user.args(script.get_args().take(3))
        .arg(command.get_program())
        .args(arguments);
    for (name, value) in command.get_envs() {
        user.env(name, value.unwrap_or_default());
    }
    Some(user)
}

#[test]
fn a_config_that_cannot_be_written_is_reported_before_anything_is_sent() {
    let peer = Peer::start(vec![json(r#"{"result":"ok"}"#)]);
    let place = Place::with_shop(&peer.url);
    let folder = place.path().join("fixed");
    std::fs::create_dir(&folder).unwrap();
    let config = folder.join("config.toml");
    std::fs::rename(place.config_path(), &config).unwrap();
    std::fs::create_dir(place.state()).unwrap();
    let owner = rustix::process::geteuid().is_root().then_some(65534);
    for path in [place.path(), &folder, &config, &place.state()] {
        chown(path, owner, owner).unwrap();
    }
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o555)).unwrap();
    let endpoint = format!("endpoints.api={}", peer.url);
    let config = config.to_str().unwrap();
    let add = [
        "--config",
        config,
        "account",
        "add",
        "--provider",
        "kanga",
        "--name",
        "other",
        "--set",
        "api_key=k",
        "--set",
        &endpoint,
        "--secret",
        "api_secret=env:TEST_API_SECRET",
    ];
    let remove = ["--config", config, "account", "remove", "shop", "--yes"];
    for arguments in [&add[..], &remove] {
        let Some(command) = as_user(&place, arguments) else {
            return;
        };
        let ran = Ran::of(command);
        assert!(
            ran.code == 2 && ran.err.contains("cannot write the config file"),
            "{ran:?}"
        );
    }
    assert!(peer.requests().is_empty());
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}
