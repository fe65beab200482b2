//! Another user of the machine, who can write where the operator's files are, or has prepared links there.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

use crate::peer::{Peer, json};
use crate::program::{Place, Ran};
use crate::terminal::Terminal;

const FINALIZED: &str = r#"{"result":"ok","currency":"BTC","amount":"0.010","state":"FINALIZED"}"#;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A run that is refused before anything was sent.
fn refused(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, 2, "{ran:?}");
    for words in words {
        assert!(ran.err.contains(words), "no {words:?} in {}", ran.err);
    }
}

#[test]
fn links_in_place_of_the_ledgers_files_are_refused_and_their_targets_stay_as_they_are() {
    let peer = Peer::start(vec![json(FINALIZED)]);
    for (name, words) in [
        (
            "ledger.db",
            "ledger.db is a symbolic link; replace it with a copy of its target",
        ),
        (
            "ledger.lock",
            "ledger.lock is a symbolic link; replace it with a copy of its target",
        ),
        ("ledger.db-wal", "unable to open database file"),
        ("ledger.db-shm", "unable to open database file"),
    ] {
        for target in ["victim", "elsewhere"] {
            let place = Place::with_shop(&peer.url);
            let victim = place.path().join("victim");
            fs::write(&victim, "as it was").unwrap();
            set_mode(&victim, 0o644);
            // An empty ledger's log is no log: it is removed, whatever it is.
            assert_eq!(place.run(&["payments", "add", "A-17"]).code, 0);
            let link = place.state().join(name);
            let _ = fs::remove_file(&link);
            symlink(place.path().join(target), link).unwrap();
            refused(&place.run(&["check", "A-17"]), &[words]);
            assert_eq!(fs::read_to_string(&victim).unwrap(), "as it was", "{name}");
            assert_eq!(mode(&victim), 0o644, "{name}");
            assert!(!place.path().join("elsewhere").exists(), "{name}");
        }
    }
    assert!(
        peer.requests().is_empty(),
        "nothing is sent without the ledger"
    );
}

#[test]
fn links_in_place_of_a_keys_lock_are_refused() {
    let peer = Peer::start(vec![json(FINALIZED)]);
    let place = Place::with_shop(&peer.url);
    assert_eq!(place.run(&["check", "A-17"]).code, 0);
    let sent = peer.requests().len();
    let lanes = place.state().join("lanes");
    let lock = fs::read_dir(&lanes)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let elsewhere = place.path().join("elsewhere");

    fs::remove_file(&lock).unwrap();
    symlink(&elsewhere, &lock).unwrap();
    refused(
        &place.run(&["check", "A-17"]),
        &["is a symbolic link; replace it with a copy of its target"],
    );
    assert!(!elsewhere.exists());

    fs::remove_dir_all(&lanes).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, &lanes).unwrap();
    refused(
        &place.run(&["check", "A-17"]),
        &["lanes is a symbolic link; replace it with a copy of its target"],
    );
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    assert_eq!(peer.requests().len(), sent);
}

#[test]
fn a_state_folder_that_others_can_write_is_refused() {
    let place = Place::new();
    fs::create_dir(place.state()).unwrap();
    for mode in [0o777, 0o1777, 0o702] {
        set_mode(&place.state(), mode);
        for command in [
            &["log"][..],
            &["budget"],
            &["estimate", "EMT", "3"],
            &["account", "list"],
            &["listen", "--bind", "127.0.0.1:0"],
        ] {
            let words = format!("can be written by other users (mode {mode:04o}, owner uid");
            let remedy = format!("chmod go-w {}", place.state().display());
            refused(&place.run(command), &["the state folder", &words, &remedy]);
        }
    }
    let mut terminal = Terminal::start(&place.command(&[]), (80, 24));
    assert_eq!((terminal.ended(), terminal.kept()), (2, Vec::new()));
    assert_eq!(fs::read_dir(place.state()).unwrap().count(), 0);
    set_mode(&place.state(), 0o755);
    assert_eq!(place.run(&["log"]).code, 0);
}

#[test]
fn a_state_folder_of_another_user_is_refused() {
    if !is_root() {
        return;
    }
    let place = Place::new();
    fs::create_dir(place.state()).unwrap();
    chown(place.state(), Some(12345), None).unwrap();
    let words = "belongs to another user (uid 12345)";
    refused(&place.run(&["log"]), &[words, "--state-dir"]);
    // A link of theirs, too, wherever it leads.
    let place = Place::new();
    fs::create_dir(place.path().join("own")).unwrap();
    symlink(place.path().join("own"), place.state()).unwrap();
    assert_eq!(place.run(&["log"]).code, 0);
    std::os::unix::fs::lchown(place.state(), Some(12345), None).unwrap();
    refused(&place.run(&["log"]), &[words]);
}

#[test]
fn a_config_file_that_others_can_write_is_refused_since_it_can_name_programs() {
    let place = Place::new();
    let (config, marker) = (place.config_path(), place.path().join("ran"));
    let command = format!(
        "default_profile = \"live\"\n[profiles.live.accounts.shop]\nprovider = \"kanga\"\napi_key = \"K\"\n\
         api_secret = {{ command = [\"touch\", \"{}\"] }}\n",
        marker.display()
    );
    fs::write(&config, command).unwrap();
    set_mode(&config, 0o666);
    for command in [
        &["config", "check"][..],
        &["check", "A-17"],
        &["account", "remove", "shop", "--yes"],
        &[],
    ] {
        let remedy = format!("chmod go-w {}", config.display());
        refused(
            &place.run(command),
            &[
                "can be written by other users (mode 0666, owner uid",
                &remedy,
            ],
        );
    }
    assert!(!marker.exists());
    set_mode(&config, 0o600);
    place.run(&["check", "A-17"]);
    assert!(
        marker.exists(),
        "the program runs where no other user can name it"
    );
    assert_eq!(place.run(&["--config", "/dev/null", "log"]).code, 0);
    // What umask 002 makes, where each user has a group of his own.
    set_mode(&config, 0o664);
    let own_group = fs::metadata(&config).unwrap().gid() == fs::metadata(&config).unwrap().uid();
    let ran = place.run(&["account", "list"]);
    assert_eq!(ran.code == 0, own_group, "{ran:?}");
    if is_root() {
        chown(&config, None, Some(50)).unwrap();
        refused(&place.run(&["account", "list"]), &["mode 0664"]);
        set_mode(&config, 0o644);
        assert_eq!(place.run(&["account", "list"]).code, 0);
        chown(&config, Some(12345), None).unwrap();
        refused(
            &place.run(&["account", "list"]),
            &["the config file belongs to another user (uid 12345)"],
        );
    }
}

#[test]
fn answers_that_others_can_write_are_not_taken_for_kangas() {
    let peer = Peer::start(vec![json(FINALIZED)]);
    let place = Place::with_shop(&peer.url);
    let list = place.path().join("orders.csv");
    fs::write(&list, "id,amount,currency\nA-17,0.010,BTC\n").unwrap();
    let answers = place.path().join("state.csv");
    let arguments = [
        "check",
        "--from",
        list.to_str().unwrap(),
        "--resume",
        answers.to_str().unwrap(),
        "--csv",
    ];
    let ran = place.run(&arguments);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(mode(&answers), 0o600);
    let sent = peer.requests().len();
    set_mode(&answers, 0o666);
    refused(
        &place.run(&arguments),
        &["--resume", "can be written by other users (mode 0666"],
    );
    assert_eq!(peer.requests().len(), sent);
}
