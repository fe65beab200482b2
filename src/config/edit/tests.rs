//! Edits of a config that a person wrote: what is not meant stays, byte for byte.

use super::*;
use crate::domain::manage::{KeyKind, KeySpec};

static SPECS: &[&ProviderSpec] = &[&ProviderSpec {
    name: "kanga",
    title: "Kanga TPG",
    keys: &[
        KeySpec {
            name: "api_key",
            kind: KeyKind::Text,
            required: true,
            about: "the API key",
        },
        KeySpec {
            name: "api_secret",
            kind: KeyKind::Secret,
            required: true,
            about: "the API secret",
        },
    ],
    environments: &[Environment::Production],
    endpoints: &["api", "pay"],
    counts_reads: false,
}];

const BY_HAND: &str = r#"# My tills.	Tabs,   and spaces, as I like them.

default_profile   =  'live'   # opened first

# ---- the shops ----

# The big one.
# Key from March.
[profiles.live.accounts.shop]   # do not touch
provider = "kanga"
api_key = "abc"   # public
api_secret = {env="SHOP"}# set in .profile
# api_secret = { env = "OLD_SHOP" }

# A looser limit.
[profiles.live.accounts.shop.budget]
requests = 100
period = "60s"

# ---- the rest ----

[profiles.live.accounts.outlet]
provider = "kanga"
api_key = "def"
api_secret = { command = ["pass", "show", "outlet"] }

[ui]
theme = "dark"
# the end
"#;

fn account(name: &str) -> AccountId {
    AccountId::new(name).unwrap()
}

fn entry(profile: &str, name: &str) -> Entry {
    Entry {
        profile: profile.into(),
        account: account(name),
        provider: "kanga".into(),
        environment: Environment::Production,
        texts: vec![("api_key".into(), "KEY \"1\"".replace(' ', "-"))],
        secrets: vec![(
            "api_secret".into(),
            SecretSource::Keyring {
                name: format!("{profile}.{name}.api_secret"),
            },
        )],
        endpoints: BTreeMap::new(),
    }
}

fn removal(name: &str) -> Edit {
    Edit::Remove {
        profile: "live".into(),
        account: account(name),
    }
}

fn secret(name: &str) -> Edit {
    Edit::SetSecret(NewSource {
        profile: "live".into(),
        account: account(name),
        key: "api_secret".into(),
        source: SecretSource::File {
            written: "/state/live.shop.api_secret".into(),
            base: PathBuf::new(),
        },
    })
}

/// What the edit took out and what it put in, in one place.
fn change(before: &str, after: &str) -> (String, String) {
    let front = before
        .bytes()
        .zip(after.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    let rest = before.len().min(after.len()) - front;
    let back = before
        .bytes()
        .rev()
        .zip(after.bytes().rev())
        .take(rest)
        .take_while(|(a, b)| a == b)
        .count();
    (
        before[front..before.len() - back].to_owned(),
        after[front..after.len() - back].to_owned(),
    )
}

fn right(text: &str) -> Config {
    check::check(Path::new("c.toml"), text, SPECS).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn a_new_account_goes_to_the_end_and_touches_nothing_else() {
    for before in [BY_HAND.to_owned(), BY_HAND.replace('\n', "\r\n")] {
        let after = Edit::Add(entry("live", "kiosk")).of(&before).unwrap();
        assert!(after.starts_with(&before), "{after}");
        let end = text::line_end(&before);
        let section = "\n[profiles.live.accounts.kiosk]\nprovider = \"kanga\"\nenvironment = \"production\"\n\
             api_key = 'KEY-\"1\"'\napi_secret = { keyring = \"live.kiosk.api_secret\" }\n";
        assert_eq!(after[before.len()..], section.replace('\n', end));
        let config = right(&after);
        let names: Vec<_> = config.profiles[1]
            .accounts
            .iter()
            .map(|account| account.id.as_str())
            .collect();
        assert_eq!(names, ["shop", "outlet", "kiosk"]);
    }
    let cut = BY_HAND.trim_end();
    let after = Edit::Add(entry("live", "kiosk")).of(cut).unwrap();
    assert!(after.starts_with(&format!("{cut}\n\n[profiles.live")));
}

#[test]
fn the_first_profile_becomes_the_default_and_a_later_one_does_not() {
    let after = Edit::Add(entry("live", "shop")).of("").unwrap();
    assert!(
        after.starts_with("default_profile = \"live\"\n\n[profiles.live.accounts.shop]\n"),
        "{after}"
    );
    assert_eq!(right(&after).default_profile, "live");
    let second = Edit::Add(entry("test", "shop")).of(&after).unwrap();
    assert!(second.starts_with(&after));
    assert_eq!(right(&second).default_profile, "live");

    let ui = "# mine\n\n# colours\n[ui]\ntheme = \"dark\"\n";
    let after = Edit::Add(entry("live", "shop")).of(ui).unwrap();
    assert!(
        after.starts_with("# mine\n\ndefault_profile = \"live\"\n\n# colours\n[ui]\n"),
        "{after}"
    );
    let text = "default_profile = \"sandbox\"\n";
    let after = Edit::Add(entry("live", "shop")).of(text).unwrap();
    assert_eq!(right(&after).default_profile, "sandbox", "as it is written");
    let example = super::super::EXAMPLE;
    let after = Edit::Add(entry("live", "kiosk")).of(example).unwrap();
    assert!(after.starts_with(example));
}

#[test]
fn an_account_goes_with_the_comments_that_are_its_own() {
    let after = removal("shop").of(BY_HAND).unwrap();
    let (out, new) = change(BY_HAND, &after);
    assert_eq!(new, "");
    assert!(out.contains("[profiles.live.accounts.shop]") && out.contains("A looser limit"));
    assert_eq!(
        after,
        "# My tills.\tTabs,   and spaces, as I like them.\n\ndefault_profile   =  'live'   # opened first\n\n\
         # ---- the shops ----\n\n# ---- the rest ----\n\n[profiles.live.accounts.outlet]\nprovider = \"kanga\"\n\
         api_key = \"def\"\napi_secret = { command = [\"pass\", \"show\", \"outlet\"] }\n\n[ui]\ntheme = \"dark\"\n# the end\n"
    );
    right(&after);
}

#[test]
fn what_was_added_is_removed_without_a_trace() {
    for before in [BY_HAND.to_owned(), BY_HAND.replace('\n', "\r\n")] {
        let added = Edit::Add(entry("live", "kiosk")).of(&before).unwrap();
        assert_eq!(removal("kiosk").of(&added).unwrap(), before);
    }
}

#[test]
fn the_default_profile_stays_one_without_accounts() {
    let text = Edit::Add(entry("live", "shop")).of("").unwrap();
    let after = removal("shop").of(&text).unwrap();
    assert_eq!(after, "default_profile = \"live\"\n\n[profiles.live]\n");
    assert_eq!(right(&after).profiles[1].accounts.len(), 0);
    let again = Edit::Add(entry("live", "shop")).of(&after).unwrap();
    assert_eq!(right(&again).profiles[1].accounts.len(), 1);
}

#[test]
fn a_secrets_source_is_replaced_where_it_stands() {
    let after = secret("shop").of(BY_HAND).unwrap();
    let (old, new) = change(BY_HAND, &after);
    assert_eq!(old, "env=\"SHOP\"");
    assert_eq!(new, " file = \"/state/live.shop.api_secret\" ");
    right(&after);
}

#[test]
fn the_theme_is_written_where_it_belongs() {
    for (before, after) in [
        ("", "[ui]\ntheme = \"mono\"\n"),
        (
            "# mine\n[ui] # look\nascii = true\n\n[ui.keys]\nquit = \"q\"\n",
            "# mine\n[ui] # look\ntheme = \"mono\"\nascii = true\n\n[ui.keys]\nquit = \"q\"\n",
        ),
        (
            "[ui]\r\ntheme =  'dark' # now\r\n",
            "[ui]\r\ntheme =  \"mono\" # now\r\n",
        ),
        (
            "[ui.keys]\nquit = \"q\"",
            "[ui.keys]\nquit = \"q\"\n\n[ui]\ntheme = \"mono\"\n",
        ),
        ("[ui]", "[ui]\ntheme = \"mono\"\n"),
        (
            "ui.ascii = true\n",
            "ui.ascii = true\nui.theme = \"mono\"\n",
        ),
        (
            "ui = { ascii = true }\n",
            "ui = { ascii = true, theme = \"mono\" }\n",
        ),
    ] {
        let text = Edit::SetTheme(ThemeChoice::Mono).of(before).unwrap();
        assert_eq!(text, after, "{before}");
        assert_eq!(right(&text).ui.theme, ThemeChoice::Mono);
    }
}

#[test]
fn a_shared_ledger_is_named_beside_the_settings_that_are_there() {
    let share = Edit::Share {
        url: SecretSource::Keyring {
            name: "ledger.url".to_owned(),
        },
        seal_key: Some(SecretSource::Env {
            name: "KEY".to_owned(),
        }),
    };
    let callbacks = "[callbacks]\nseal_key = { env = \"KEY\" }\n";
    let url = "url = { keyring = \"ledger.url\" }\n";
    for (before, after) in [
        ("", format!("[ledger]\n{url}\n{callbacks}")),
        (
            "[callbacks]\nbind = \"127.0.0.1:8787\" # mine\n[ledger]\noperator = \"anna\"\n",
            format!(
                "{callbacks}bind = \"127.0.0.1:8787\" # mine\n[ledger]\n{url}operator = \"anna\"\n"
            ),
        ),
        (
            "[callbacks]\nbind = \"127.0.0.1:8787\"\n[callbacks.seal_key]\nfile = \"k\"\n",
            format!(
                "[callbacks]\nbind = \"127.0.0.1:8787\"\nseal_key = {{ env = \"KEY\" }}\n\n[ledger]\n{url}"
            ),
        ),
        (
            "[callbacks]\nseal_key = { file = \"k\" } # old\n",
            format!("[callbacks]\nseal_key = {{ env = \"KEY\" }} # old\n\n[ledger]\n{url}"),
        ),
    ] {
        let text = share.of(before).unwrap();
        assert_eq!(text, after, "{before}");
        assert!(right(&text).ledger.url.is_some());
    }
}

#[test]
fn what_is_not_written_as_tables_is_edited_too() {
    let inline = "[profiles]\n# mine\nlive = { accounts = { shop = { provider = \"kanga\", api_key = \"a\", api_secret = { env = \"S\" } } } } # end\n";
    let dotted = "[profiles.live]\naccounts.shop.provider = \"kanga\" # mine\naccounts.shop.api_key = \"a\"\naccounts.shop.api_secret.env = \"S\"\n";
    let mixed = "[profiles.live.accounts]\n# mine\nshop = { provider = \"kanga\", api_key = \"a\", api_secret = { env = \"S\" } }\n";
    for text in [inline, dotted, mixed] {
        right(text);
        let added = Edit::Add(entry("live", "kiosk")).of(text).unwrap();
        assert!(added.contains("# mine"), "{added}");
        assert_eq!(right(&added).profiles[1].accounts.len(), 2, "{added}");
        let left = removal("shop").of(&added).unwrap();
        assert_eq!(right(&left).profiles[1].accounts[0].id, account("kiosk"));
        let moved = right(&secret("shop").of(text).unwrap());
        let source = &moved.profiles[1].accounts[0].secrets["api_secret"];
        assert_eq!(source.describe(), "file /state/live.shop.api_secret");
    }
}

#[test]
fn what_is_not_there_cannot_be_changed() {
    let words = |edit: Edit| edit.of(BY_HAND).unwrap_err().message().to_owned();
    assert_eq!(
        words(removal("kiosk")),
        "profile live has no account kiosk in the config file"
    );
    assert!(words(secret("kiosk")).contains("has no api_secret"));
    assert!(words(Edit::Add(entry("live", "shop"))).contains("already"));
}

/// A config file in a folder of its own.
fn place(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_file_is_made_for_its_owner_alone_and_an_old_one_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/tilldeck/config.toml");
    apply(&path, &Edit::Add(entry("live", "shop")), SPECS).unwrap();
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    apply(&path, &Edit::Add(entry("live", "kiosk")), SPECS).unwrap();
    assert_eq!(mode(&path), 0o640);
    let files: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(files.len(), 1, "{files:?}");
}

#[test]
fn a_link_to_the_file_stays_a_link() {
    let (folder, path) = place(BY_HAND);
    let link = folder.path().join("link.toml");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    apply(&link, &removal("shop"), SPECS).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(!fs::read_to_string(&path).unwrap().contains("shop]"));
}

#[test]
fn a_file_that_is_wrong_before_or_after_is_left_alone() {
    let broken = BY_HAND.replace("theme", "thme");
    let (_folder, path) = place(&broken);
    let error = apply(&path, &removal("shop"), SPECS).unwrap_err();
    assert!(error.place().is_some(), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), broken);

    let (_folder, path) = place(BY_HAND);
    let bad = Entry {
        texts: vec![("api_key".into(), " ".into())],
        ..entry("live", "kiosk")
    };
    let error = apply(&path, &Edit::Add(bad), SPECS).unwrap_err();
    assert_eq!(
        error.message(),
        "`api_key` in account `kiosk` is empty or has invalid characters"
    );
    let case = Edit::Add(entry("live", "SHOP"));
    assert!(
        apply(&path, &case, SPECS)
            .unwrap_err()
            .message()
            .contains("only in case")
    );
    let sandbox = Edit::Add(entry("sandbox", "kiosk"));
    assert!(
        apply(&path, &sandbox, SPECS)
            .unwrap_err()
            .message()
            .contains("built in")
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), BY_HAND);
}

#[test]
fn what_another_program_writes_meanwhile_is_not_lost() {
    let (_folder, path) = place(BY_HAND);
    let mut once = Some(BY_HAND.replace("theme = \"dark\"", "theme = \"light\""));
    let mut meanwhile = || {
        if let Some(text) = once.take() {
            fs::write(&path, text).unwrap();
        }
    };
    apply_meanwhile(&path, &removal("shop"), SPECS, &mut meanwhile).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("light") && !text.contains("accounts.shop"));

    let mut count = 0;
    let mut always = || {
        count += 1;
        fs::write(&path, format!("{text}# {count}\n")).unwrap();
    };
    let error = apply_meanwhile(&path, &removal("outlet"), SPECS, &mut always).unwrap_err();
    assert!(error.message().contains("another program"), "{error}");
    assert!(fs::read_to_string(&path).unwrap().contains("outlet"));
}
