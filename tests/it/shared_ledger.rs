//! The commands of a shared ledger, and what several machines see of each other through it.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::peer::{Peer, closed_port, free_port, json as ok, reply};
use crate::postgres::{Schema, Server};
use crate::program::{Listener, Place, Ran, send};

const PAID: &str = r#"{"result":"ok","currency":"oPLN","amount":"249.00","state":"FINALIZED"}"#;

/// A machine with a shop, whose config goes on with `more`.
fn machine(peer: &Peer, more: &str) -> Place {
    let place = Place::with_shop(&peer.url);
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    std::fs::write(place.config_path(), format!("{config}{more}")).unwrap();
    place
}

fn run(place: &Place, arguments: &[&str]) -> Vec<Value> {
    let ran = place.run(arguments);
    assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.all());
    ran.objects()
}

fn of<'a>(rows: &'a [Value], name: &str) -> Vec<&'a str> {
    rows.iter()
        .map(|row| row[name].as_str().unwrap_or_default())
        .collect()
}

#[test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
fn a_machines_own_ledger_is_brought_in_once_and_without_the_simulators_requests() {
    let peer = Peer::start(vec![ok(PAID)]);
    let mut place = machine(&peer, "");
    let add = [
        "payments",
        "add",
        "A-17",
        "--amount",
        "249",
        "--currency",
        "oPLN",
        "--json",
    ];
    run(&place, &add);
    for (id, amount) in [("B-1", "1.00"), ("B-2", "2.5")] {
        run(
            &place,
            &[
                "payments",
                "add",
                id,
                "--amount",
                amount,
                "--currency",
                "oPLN",
                "--json",
            ],
        );
    }
    run(&place, &["payments", "note", "A-17", "by hand", "--json"]);
    run(&place, &["check", "A-17", "--json"]);
    run(
        &place,
        &["--profile", "sandbox", "check", "ORDER-1001", "--json"],
    );
    let schema = Schema::new();
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    std::fs::write(
        place.config_path(),
        format!("{config}{}", schema.config("anna")),
    )
    .unwrap();
    Schema::join(&mut place, &schema.url);
    let mut colleague = machine(&peer, &schema.config("ben"));
    Schema::join(&mut colleague, &schema.url);

    let missing = place.run(&["ledger", "status", "--json"]);
    assert_eq!(missing.code, 2, "{}", missing.all());
    assert!(
        missing.all().contains("tilldeck ledger init"),
        "{}",
        missing.all()
    );
    let made = run(&place, &["ledger", "init", "--json"]);
    assert_eq!(made[0]["version_before"], 0);
    let again = place.run(&["ledger", "init"]);
    assert!(again.out.contains("nothing was changed"), "{}", again.all());
    // The team's amounts stay in force.
    for (id, amount) in [("B-1", "9.00"), ("B-2", "2.50")] {
        run(
            &colleague,
            &[
                "payments",
                "add",
                id,
                "--amount",
                amount,
                "--currency",
                "oPLN",
                "--json",
            ],
        );
    }
    let imported = run(&place, &["ledger", "import", "--json"]);
    assert_eq!(imported[0]["expectations_kept"], 1, "{imported:?}");
    assert_eq!(
        (&imported[0]["imported"], &imported[0]["requests"]),
        (&true.into(), &1.into()),
        "{imported:?}"
    );
    let twice = run(&place, &["ledger", "import", "--json"]);
    assert_eq!(twice[0]["imported"], false);
    let status = run(&place, &["ledger", "status", "--json"]);
    assert_eq!(
        (&status[0]["kind"], &status[0]["database_schema"]),
        (&"postgresql".into(), &schema.name.as_str().into())
    );
    assert_eq!(status[0]["version"], status[0]["newest_version"]);

    assert_eq!(of(&run(&place, &["log", "--json"]), "account"), ["shop"]);
    let log = run(&place, &["log", "--operator", "anna", "--json"]);
    assert_eq!(of(&log, "account"), ["shop"], "rows without an operator");
    let listed = run(&place, &["payments", "list", "--json"]);
    assert_eq!(of(&listed, "id"), ["A-17", "B-1", "B-2"]);
    assert_eq!(of(&listed, "expected_amount"), ["249", "9.00", "2.50"]);
    assert_eq!(listed[0]["verdict"], "paid");
    assert_eq!(listed[0]["note"], "by hand");
}

#[test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
fn callbacks_that_a_key_in_the_config_has_sealed_are_brought_in_to_be_opened() {
    let peer = Peer::start(vec![ok(PAID)]);
    for previous in [
        "",
        "previous_seal_key = { env = \"OLD_SEAL_KEY\" }\n[ledger]",
    ] {
        let schema = Schema::new();
        let mut place = machine(&peer, &schema.config("anna"));
        Schema::join(&mut place, &schema.url);
        let old = format!("{}CAg=", "CAgI".repeat(10));
        place.variables.push(("OLD_SEAL_KEY".into(), old.into()));
        let config = std::fs::read_to_string(place.config_path()).unwrap();
        // The machine's own file, in the time before.
        let mut alone = config.split("[ledger]").next().unwrap().to_owned();
        let mut shared = config.clone();
        if !previous.is_empty() {
            alone = alone.replace("TEAM_SEAL_KEY", "OLD_SEAL_KEY");
            shared = shared.replace("[ledger]", previous);
        }
        std::fs::write(place.config_path(), alone).unwrap();
        let listener = Listener::start(&place, &[]);
        let posted = listener.post("/callbacks/shop?transactionKey=A-17", "", "");
        assert_eq!(posted.0, 200);
        listener.signal("TERM");
        listener.end();
        std::fs::write(place.config_path(), shared).unwrap();
        Schema::init(&place);
        let imported = &run(&place, &["ledger", "import", "--json"])[0];
        let counted = (&imported["callbacks"], &imported["sealed_by_another"]);
        assert_eq!(counted, (&1.into(), &0.into()), "{imported}");
    }
}

#[test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
fn a_ledger_is_the_same_wherever_its_file_is_and_another_one_is_not() {
    let peer = Peer::start(vec![ok(PAID)]);
    let schema = Schema::new();
    let [place, copy] = ["anna", "ben"].map(|operator| {
        let mut place = machine(&peer, &schema.config(operator));
        Schema::join(&mut place, &schema.url);
        place
    });
    Schema::init(&place);
    let make = ["--profile", "sandbox", "check", "ORDER-1001", "--json"];
    let is_new = |place: &Place| {
        let imported = run(place, &["ledger", "import", "--json"]);
        imported[0]["imported"].as_bool().unwrap()
    };
    let own = [&["--ledger", "sqlite"], &make[..]].concat();
    run(&place, &own);
    assert!(is_new(&place));
    // As in a container whose name and path differ each time.
    std::fs::create_dir_all(copy.state()).unwrap();
    let files = ["ledger.db", "ledger.db-wal", "ledger.db-shm"];
    for name in &files[..2] {
        std::fs::copy(place.state().join(name), copy.state().join(name)).unwrap();
    }
    assert!(!is_new(&copy));
    for name in files {
        std::fs::remove_file(place.state().join(name)).unwrap();
    }
    run(&place, &own);
    assert!(is_new(&place));
}

#[test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
fn a_machine_sees_what_another_one_did_and_who_it_was() {
    let peer = Peer::start(vec![ok(PAID)]);
    let schema = Schema::new();
    let [anna, ben] = ["anna", "ben"].map(|operator| {
        let mut place = machine(&peer, &schema.config(operator));
        Schema::join(&mut place, &schema.url);
        place
    });
    Schema::init(&anna);
    run(&anna, &["payments", "add", "A-17", "--json"]);
    run(&ben, &["payments", "note", "A-17", "ticket 4711", "--json"]);
    run(&ben, &["check", "A-17", "--json"]);
    let listed = run(&anna, &["payments", "list", "--json"]);
    assert_eq!(of(&listed, "watched_by"), ["anna"]);
    assert_eq!(of(&listed, "noted_by"), ["ben"]);
    let log = run(&anna, &["log", "--operator", "ben", "--json"]);
    assert_eq!(of(&log, "operator"), ["ben"]);
    let words = anna.run(&["log"]).out;
    let lines: Vec<&str> = words.lines().collect();
    assert!(
        lines[0].ends_with("  operator") && lines[1].ends_with("  ben"),
        "{words}"
    );
    let budget = run(&anna, &["budget", "--json"]);
    assert_eq!(
        (&budget[0]["used"], &budget[0]["own"]),
        (&1.into(), &0.into()),
        "{budget:?}"
    );
    let words = anna.run(&["budget"]).out;
    assert!(words.contains("(0 yours)"), "{words}");
}

#[test]
fn a_variable_that_the_shared_ledger_needs_is_missed_by_the_check_of_the_config() {
    let shared = "[callbacks]\nseal_key = { env = \"NO_SEAL_KEY\" }\n[ledger]\nurl = { env = \"NO_DATABASE_URL\" }\n";
    let peer = Peer::start(vec![ok(PAID)]);
    let place = machine(&peer, shared);
    let checked = place.run(&["config", "check"]);
    assert_eq!(checked.code, 2, "{checked:?}");
    for missing in [
        "`url` in [ledger]",
        "`seal_key` in [callbacks]",
        "NO_SEAL_KEY",
    ] {
        assert!(checked.err.contains(missing), "{missing}: {checked:?}");
    }
    let own = place.run(&["--ledger", "sqlite", "ledger", "status", "--json"]);
    assert_eq!(own.object()["kind"], "sqlite", "{own:?}");
}

/// A machine whose shared ledger is away.
fn cut_off(peer: &Peer) -> Place {
    let url = format!("postgres://till@127.0.0.1:{}/till", closed_port());
    let mut place = machine(
        peer,
        "[callbacks]\nseal_key = { env = \"TEAM_SEAL_KEY\" }\n[ledger]\nurl = { env = \"TEAM_DATABASE_URL\" }\n",
    );
    Schema::join(&mut place, &url);
    place
}

#[test]
fn this_machines_own_ledger_in_place_of_a_shared_one_is_only_read() {
    let peer = Peer::start(vec![ok(PAID)]);
    let place = cut_off(&peer);
    let own = |arguments: &[&str]| place.run(&[&["--ledger", "sqlite"], arguments].concat());
    let sum = ["--amount", "1", "--currency", "oPLN"];
    for write in [
        &["payments", "add", "A-17"][..],
        &[&["payments", "expect", "A-17"], &sum[..]].concat(),
        &["payments", "note", "A-17", "by hand"],
        &[&["link", "--id", "A-17"], &sum[..]].concat(),
        &["listen", "--bind", "127.0.0.1:0"],
    ] {
        let ran = own(write);
        assert_eq!(ran.code, 2, "{write:?}: {ran:?}");
        assert!(
            ran.err.contains("for reading") && ran.out.is_empty(),
            "{ran:?}"
        );
    }
    let listed = own(&["payments", "list", "--json"]);
    assert_eq!((listed.code, listed.out.as_str()), (0, ""), "{listed:?}");
    let simulated = own(&["--profile", "sandbox", "check", "ORDER-1001", "--json"]);
    assert_eq!(simulated.code, 0, "{simulated:?}");
}

#[test]
fn the_rate_limits_and_credentials_of_a_shared_ledger_that_is_away_are_not_shown_as_unused() {
    let peer = Peer::start(vec![]);
    let place = cut_off(&peer);
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    let limited = config.replace(
        "[callbacks]",
        "budget = { requests = 10, period = \"1m\" }\n[callbacks]",
    );
    std::fs::write(place.config_path(), limited).unwrap();
    for (command, shown) in [(&["budget"][..], ""), (&["account", "list"], "unknown\n")] {
        let ran = place.run(command);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(
            ran.err.contains("error: tilldeck cannot read the ") && ran.out.ends_with(shown),
            "{ran:?}"
        );
        assert_eq!(ran.out.is_empty(), shown.is_empty(), "{ran:?}");
    }
}

#[test]
#[ignore = "needs PostgreSQL's programs"]
fn a_followed_log_goes_on_after_the_database_was_away() {
    let peer = Peer::start(vec![ok(PAID)]);
    let Some((server, schema, place)) = with_server(&peer) else {
        return;
    };
    run(&place, &["check", "A-1", "--json"]);
    let log = Listener::of(&mut place.command(&["log", "--follow", "--json"]));
    assert!(log.line().contains(r#""about":"A-1""#));
    // An entry is not awaited on the disk: a crash right after it loses it, and its number is given again.
    schema.rows("CHECKPOINT");
    server.kill();
    log.error_with("new entries appear once it can be read");
    server.go();
    run(&place, &["check", "A-2", "--json"]);
    assert!(log.line().contains(r#""about":"A-2""#));
    let said = log.errors();
    let warned = said
        .iter()
        .filter(|line| line.contains("new entries appear"));
    assert_eq!(warned.count(), 0, "{said:?}");
}

#[test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
fn a_database_that_cannot_store_every_text_is_refused() {
    let Some(server) = Server::start() else {
        return;
    };
    let whole = Schema::of(&server.url());
    whole.rows(
        "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    );
    let peer = Peer::start(vec![ok(PAID)]);
    let mut place = machine(&peer, &whole.config("anna"));
    Schema::join(&mut place, &server.url().replace("/postgres", "/latin"));
    for command in [["ledger", "init"], ["ledger", "status"]] {
        let refused = place.run(&command);
        assert_eq!(refused.code, 2, "{}", refused.all());
        assert!(
            refused.all().contains("encoding is LATIN1"),
            "{}",
            refused.all()
        );
    }
    let checked = place.run(&["doctor"]);
    assert!(
        checked.all().contains("encoding is LATIN1"),
        "{}",
        checked.all()
    );
}

#[test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
fn machines_join_a_shared_ledger_by_one_command_each() {
    let peer = Peer::start(vec![ok(PAID)]);
    let schema = Schema::new();
    let machine = |url: &str| {
        let named = format!("[ledger] # of the shop\nschema = \"{}\"\n", schema.name);
        let mut place = machine(&peer, &named);
        Schema::join(&mut place, url);
        place
    };
    let config = |place: &Place| std::fs::read_to_string(place.config_path()).unwrap();
    let join = ["ledger", "join", "--url", "env:TEAM_DATABASE_URL", "--json"];

    let nowhere = machine("postgres://till:planted@127.0.0.1:9/till");
    let before = config(&nowhere);
    let ran = nowhere.run(&join);
    assert_eq!(ran.code, 2, "{}", ran.all());
    assert!(!ran.all().contains("planted"), "{}", ran.all());
    assert_eq!(config(&nowhere), before);

    let first = machine(&schema.url);
    let unjoined = config(&first);
    let joined = run(&first, &join);
    assert_eq!(joined[0]["created"], true);
    let key = joined[0]["seal_key_file"].as_str().unwrap().to_owned();
    let written = config(&first);
    for line in [
        "[ledger] # of the shop\nurl = { env = \"TEAM_DATABASE_URL\" }",
        &format!("[callbacks]\nseal_key = {{ file = \"{key}\" }}"),
    ] {
        assert!(written.contains(line), "{written}");
    }
    let ran = first.run(&join);
    assert_eq!(ran.code, 2, "{}", ran.all());
    // As if it had been interrupted before the config was written.
    std::fs::write(first.config_path(), &unjoined).unwrap();
    assert_eq!(run(&first, &join)[0]["seal_key_file"], *key);
    // The key of another team is another entry.
    let content = std::fs::read(&key).unwrap();
    let other = Schema::new();
    std::fs::write(
        first.config_path(),
        unjoined.replace(&schema.name, &other.name),
    )
    .unwrap();
    assert_ne!(run(&first, &join)[0]["seal_key_file"], *key);
    assert_eq!(std::fs::read(&key).unwrap(), content);
    std::fs::write(first.config_path(), written).unwrap();

    let second = machine(&schema.url);
    let before = config(&second);
    for (more, code) in [(&[][..], 2), (&["--seal-key", "env:TEAM_SEAL_KEY"], 2)] {
        let ran = second.run(&[&join[..], more].concat());
        assert_eq!(ran.code, code, "{}", ran.all());
        assert_eq!(config(&second), before, "{more:?}");
    }
    let file = format!("file:{key}");
    let joined = run(&second, &[&join[..], &["--seal-key", &file]].concat());
    assert_eq!(joined[0]["created"], false);
    assert_eq!(joined[0]["seal_key_file"], Value::Null);
    for place in [&first, &second] {
        let status = run(place, &["ledger", "status", "--json"]);
        assert_eq!(status[0]["seal_key_matches"], true);
    }
    let text = config(&second).replace(&format!("file = \"{key}\""), "env = \"TEAM_SEAL_KEY\"");
    std::fs::write(second.config_path(), text).unwrap();
    let ran = second.run(&["ledger", "status", "--json"]);
    assert_eq!(ran.code, 2, "{}", ran.all());
    assert_eq!(ran.objects()[0]["seal_key_matches"], false);
}

#[test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
fn a_join_is_interrupted_while_it_reads_the_key_and_changes_nothing() {
    let peer = Peer::start(vec![ok(PAID)]);
    let schema = Schema::new();
    let named = format!("[ledger]\nschema = \"{}\"\n", schema.name);
    let mut place = machine(&peer, &named);
    Schema::join(&mut place, &schema.url);
    let before = std::fs::read_to_string(place.config_path()).unwrap();
    let (program, reads) = (place.path().join("key.sh"), place.path().join("reads"));
    std::fs::write(&program, ": > \"$1\"\nexec sleep 60\n").unwrap();
    let source = format!("command:sh {} {}", program.display(), reads.display());
    let url = ["ledger", "join", "--url", "env:TEAM_DATABASE_URL"];
    let mut child = place
        .command(&[&url[..], &["--seal-key", &source]].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !reads.exists() {
        assert_eq!(child.try_wait().unwrap(), None, "it reads no key");
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ran = Ran::ended(&[], child.wait_with_output().unwrap());
    assert_eq!(ran.code, 130, "{}", ran.all());
    assert!(!ran.err.contains("saving"), "{}", ran.all());
    assert_eq!(
        std::fs::read_to_string(place.config_path()).unwrap(),
        before
    );
}

#[test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
fn a_check_waits_for_a_machine_that_has_the_account() {
    let failing = Peer::start(vec![reply("500 Internal Server Error", "", "")]);
    let schema = Schema::new();
    let join = |mut place: Place| {
        Schema::join(&mut place, &schema.url);
        place
    };
    let shop = join(machine(&failing, &schema.config("anna")));
    let other = Place::with_keys("http://127.0.0.1:9", &schema.config("ben"));
    let other = join(other);
    Schema::init(&shop);
    let receiver = Listener::start(&shop, &["--json"]);
    assert_eq!(
        receiver
            .post("/callbacks/shop?transactionKey=A-17", "", "")
            .0,
        200
    );
    let is_due = |tried: &str| {
        let query = format!(
            "SELECT due_at IS NOT NULL FROM {}.jobs WHERE {tried}",
            schema.name
        );
        (0..400).find_map(|_| {
            std::thread::sleep(Duration::from_millis(50));
            schema.rows(&query).first().map(|row| row.get::<_, bool>(0))
        })
    };
    assert_eq!(is_due("summary LIKE '%500%'"), Some(true));
    drop(receiver);
    // It takes no check of an account that it does not have.
    let _without = Listener::start(&other, &["--json"]);
    let _receiver = Listener::start(&shop, &["--json"]);
    assert_eq!(is_due("tries > 1 AND summary LIKE '%500%'"), Some(true));
}

/// A machine that shares the ledger of a server of its own; `None` where PostgreSQL is not installed.
fn with_server(peer: &Peer) -> Option<(Server, Schema, Place)> {
    let server = Server::start()?;
    let schema = Schema::of(&server.url());
    let mut place = machine(peer, &schema.config("anna"));
    Schema::join(&mut place, &server.url());
    Schema::init(&place);
    Some((server, schema, place))
}

#[test]
#[ignore = "needs PostgreSQL's programs"]
fn a_receiver_that_starts_while_the_database_is_away_answers_503_and_goes_on_once_it_is_back() {
    let peer = Peer::start(vec![ok(PAID)]);
    let Some((server, _schema, place)) = with_server(&peer) else {
        return;
    };
    server.kill();
    let url = format!("http://127.0.0.1:{}", free_port());
    let arguments = ["listen", "--bind", &url["http://".len()..], "--json"];
    let mut listener = Listener::of(&mut place.command(&arguments));
    let why = listener.error_with("down:");
    assert!(why.contains("cannot save callbacks"), "{why}");
    let address = listener.error_with("address:");
    assert!(address.contains(&format!("{url} answers 503")), "{address}");
    assert!(address.contains("Ctrl-C"), "{address}");
    let post = |number: usize| {
        let target = format!("/callbacks/shop?transactionKey=ORDER-{number}");
        send(&url, "POST", &target, "", "").map(|(status, _)| status)
    };
    let turned_away = (0..100).find_map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        post(1)
    });
    assert_eq!(turned_away, Some(503));
    let heartbeat = send(&url, "GET", "/heartbeat", "", "").unwrap();
    assert_eq!(heartbeat.0, 503);
    assert!(!listener.has_ended());
    server.go();
    assert!(listener.line().contains(&url));
    let said = listener.errors();
    let again = said.iter().filter(|line| line.contains("down:")).count();
    assert_eq!(again, 0, "why is said once: {said:?}");
    assert_eq!(post(2), Some(200));
    assert_eq!(
        listener.object()["payment"],
        "ORDER-2",
        "and no earlier one"
    );
}

#[test]
#[ignore = "needs PostgreSQL's programs"]
fn a_request_that_is_on_its_way_when_the_database_goes_away_is_in_the_log_once_it_is_back() {
    let (answer, answers) = std::sync::mpsc::channel::<()>();
    let answers = std::sync::Mutex::new(answers);
    let (arrive, arrived) = std::sync::mpsc::channel();
    let peer = Peer::choosing(move |number, _| {
        if number == 0 {
            arrive.send(()).unwrap();
            answers.lock().unwrap().recv().unwrap();
        }
        ok(PAID)
    });
    let Some((server, _schema, place)) = with_server(&peer) else {
        return;
    };
    let listener = Listener::start(&place, &["--json"]);
    let target = "/callbacks/shop?transactionKey=ORDER-1";
    assert_eq!(listener.post(target, "", "").0, 200);
    arrived.recv_timeout(crate::terminal::LIMIT).unwrap();
    server.kill();
    answer.send(()).unwrap();
    listener.error_with("down:");
    server.go();
    listener.error_with("up:");
    // The check whose result could not be saved runs again, and is a request of its own.
    for _ in 0..300 {
        let rows = run(&place, &["log", "--json"]);
        if rows.len() >= peer.requests().len() && !rows.is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{:?}", run(&place, &["log", "--json"]));
}

#[test]
#[ignore = "needs PostgreSQL's programs"]
fn a_receiver_whose_tables_a_newer_tilldeck_has_changed_says_so_once_and_ends() {
    let peer = Peer::start(vec![]);
    let Some((_server, schema, place)) = with_server(&peer) else {
        return;
    };
    let mut listener = Listener::start(&place, &["--json"]);
    let name = &schema.name;
    schema.rows(&format!("ALTER TABLE {name}.jobs RENAME TO later"));
    schema.rows(&format!("UPDATE {name}.ledger SET version = version + 1"));
    let target = "/callbacks/shop?transactionKey=ORDER-1";
    assert_eq!(listener.post(target, "", "").0, 503);
    let why = listener.error_with("down:");
    assert!(why.contains("update tilldeck"), "{why}");
    let ended = (0..250).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        listener.has_ended()
    });
    let said = listener.errors();
    assert!(ended, "{said:?}");
    let flaps = said
        .iter()
        .any(|line| line.contains("up:") || line.contains("does not exist"));
    assert!(!flaps, "{said:?}");
}

#[test]
#[ignore = "needs PostgreSQL's programs"]
fn a_command_whose_request_was_on_its_way_when_the_database_went_away_says_that_it_was_sent() {
    let (answer, answers) = std::sync::mpsc::channel::<()>();
    let answers = std::sync::Mutex::new(answers);
    let (arrive, arrived) = std::sync::mpsc::channel();
    let peer = Peer::choosing(move |_, _| {
        arrive.send(()).unwrap();
        answers.lock().unwrap().recv().unwrap();
        ok(PAID)
    });
    let Some((server, _schema, place)) = with_server(&peer) else {
        return;
    };
    let ran = std::thread::scope(|scope| {
        let command = scope.spawn(|| place.run(&["check", "ORDER-1"]));
        arrived.recv_timeout(crate::terminal::LIMIT).unwrap();
        server.kill();
        answer.send(()).unwrap();
        command.join().unwrap()
    });
    // The schema is dropped at the end.
    server.go();
    let said = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("was sent, but is not in the log yet"),
        "{ran:?}"
    );
    assert!(!said.contains("nothing is saved or sent"), "{ran:?}");
}

#[test]
#[ignore = "needs PostgreSQL's programs"]
fn an_import_beside_a_program_that_uses_the_file_names_the_file_and_not_the_shared_ledger() {
    let peer = Peer::start(vec![]);
    let Some((_server, _schema, place)) = with_server(&peer) else {
        return;
    };
    let file = place.state().join("ledger.db");
    assert_eq!(place.run(&["--ledger", "sqlite", "log"]).code, 0);
    let user = rusqlite::Connection::open(&file).unwrap();
    user.query_row("SELECT count(*) FROM nonces", [], |_| Ok(()))
        .unwrap();
    let ran = place.run(&["ledger", "import"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.err.contains("another tilldeck on this machine uses it"),
        "{ran:?}"
    );
    assert!(
        !ran.err.contains("shared ledger") && !ran.err.contains("[ledger]"),
        "{ran:?}"
    );
    drop(user);
    assert_eq!(place.run(&["ledger", "import"]).code, 0);
}
