//! The config file, from text to Config or error.

use super::*;
use crate::domain::manage::KeyKind;
use crate::domain::{Colors, ThemeChoice, Tone};

const KANGA: ProviderSpec = ProviderSpec {
    name: "kanga",
    title: "Kanga TPG",
    keys: &[
        KeySpec {
            name: "api_key",
            kind: KeyKind::Text,
            required: true,
            about: "the public API key",
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
};

const KINGUIN: ProviderSpec = ProviderSpec {
    name: "kinguin",
    title: "Kinguin",
    keys: &[
        KeySpec {
            name: "client_id",
            kind: KeyKind::Text,
            required: true,
            about: "the client id",
        },
        KeySpec {
            name: "client_secret",
            kind: KeyKind::Secret,
            required: true,
            about: "the client's secret",
        },
    ],
    environments: &[Environment::Production, Environment::Sandbox],
    endpoints: &["gateway", "token"],
    counts_reads: true,
};

const SPECS: &[&ProviderSpec] = &[&KANGA, &KINGUIN];

fn locations(path: &std::path::Path, named: bool) -> Locations {
    Locations {
        config: named.then(|| path.to_owned()),
        state: None,
        environ: Environ::of([]),
        platform_config: path.parent().map(std::path::Path::to_owned),
        platform_state: None,
    }
}

fn load_text(text: impl AsRef<[u8]>) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    load(&locations(&path, true), SPECS)
}

const SHOP: &str = r#"[profiles.live.accounts.shop]
provider = "kanga"
api_key = "public"
api_secret = { env = "KANGA_API_SECRET" }
"#;

/// `line:column`, message and hint.
fn refusal(text: &str) -> (String, String, String) {
    let error = load_text(text).unwrap_err();
    let place = error.place().map_or_else(String::new, |place| {
        format!("{}:{}", place.line, place.column)
    });
    (place, error.message().to_owned(), error.hint().to_owned())
}

#[test]
fn an_account_is_read_in_full() {
    let config = load_text(
        r#"
        default_profile = "live"
        [profiles.live.accounts.shop]
        provider = "kanga"
        api_key = "public"
        api_secret = { command = ["pass", "show", "kanga"] }
        endpoints = { api = "http://127.0.0.1:9000/", pay = "https://pay.example.com/x" }
        [profiles.live.accounts.shop.budget]
        requests = 1_000
        period = "1m"
        [profiles.live.accounts.another]
        provider = "kanga"
        environment = "production"
        api_key = "public2"
        api_secret = { keyring = "another" }
        [callbacks]
        bind = "[::1]:9999"
        trusted_proxies = ["10.0.0.5", "2001:db8::/32"]
        [ui]
        theme = "light"
        mouse = false
        keys = { quit = "q", help = ["?", "f1"] }
        "#,
    )
    .unwrap();
    assert_eq!(config.default_profile, "live");
    assert!(config.profile(Some("sandbox")).unwrap().built_in);
    let live = config.profile(None).unwrap();
    assert!(!live.built_in);
    let [shop, another] = &live.accounts[..] else {
        panic!("{live:?}")
    };
    assert_eq!((shop.id.as_str(), another.id.as_str()), ("shop", "another"));
    assert_eq!(shop.environment, Environment::Production);
    assert_eq!(shop.texts["api_key"], "public");
    assert_eq!(shop.secrets["api_secret"].describe(), "command pass");
    assert_eq!(shop.endpoints["api"], "http://127.0.0.1:9000");
    assert_eq!(shop.endpoints["pay"], "https://pay.example.com/x");
    let budget = BudgetOverride {
        requests: 1000,
        period: Duration::from_mins(1),
        reads: None,
    };
    assert_eq!(shop.budget, Some(budget));
    assert_eq!(another.secrets["api_secret"].describe(), "keyring another");
    assert_eq!(config.callbacks.bind, "[::1]:9999".parse().ok());
    let trusted = ["10.0.0.5/32", "2001:db8::/32"].map(|network| network.parse().unwrap());
    assert_eq!(config.callbacks.trusted_proxies, trusted);
    assert_eq!(
        (config.ui.theme, config.ui.mouse),
        (ThemeChoice::Light, false)
    );
    assert_eq!(config.ui.keys["help"].words, ["?", "f1"]);
    assert_eq!(config.ui.keys["help"].place.line, 22);
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn no_file_is_fine_unless_it_was_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    assert_eq!(load(&locations(&path, false), SPECS), Ok(Config::default()));
    let error = load(&locations(&path, true), SPECS).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("config.toml: the config file does not exist")
    );
    assert!(error.hint().contains("config init"));
}

#[test]
fn what_is_no_text_file_is_refused_clearly() {
    let folder = tempfile::tempdir().unwrap();
    let error = load(&locations(folder.path(), true), SPECS).unwrap_err();
    assert_eq!(error.message(), "this is a folder, not a config file");
    let error = load_text(b"a = 1\nb = \"\xff\"").unwrap_err();
    assert_eq!(error.message(), "the config file is not UTF-8 in line 2");
    let error = load_text(vec![b'#'; 10 << 20]).unwrap_err();
    assert_eq!(error.message(), "the config file is larger than 1 MiB");
}

#[test]
fn an_error_shows_the_line_and_the_way_out() {
    let text = SHOP.replace("api_key", "api_kye");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    let error = load(&locations(&path, true), SPECS).unwrap_err();
    let shown = |text: String| text.replace(path.to_str().unwrap(), "config.toml");
    assert_eq!(
        shown(error.to_string()),
        "config.toml:3:1: unknown setting `api_kye` in account `shop`"
    );
    insta::assert_snapshot!(shown(error.render(false)), @r"
    error: unknown setting `api_kye` in account `shop`
     --> config.toml:3:1
      |
    3 | api_kye = …
      | ^^^^^^^
    ");
    assert_eq!(error.hint(), "did you mean `api_key`?");
    let coloured = error.render(true);
    assert!(
        coloured.contains('\u{1b}') && !coloured.contains(":::"),
        "{coloured}"
    );
}

#[test]
fn the_header_of_any_table_is_shown_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let rendered = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let error = load(&locations(&path, true), SPECS).unwrap_err();
        let render = error.render(false);
        render.replace(path.to_str().unwrap(), "config.toml")
    };
    let second = "[profiles.live.accounts.keys] # planted\nprovider = \"kinguin\"\n";
    insta::assert_snapshot!(rendered(&format!("{SHOP}{second}")), @r"
    error: `client_id` is missing in account `keys`
     --> config.toml:5:25
      |
    5 | [profiles.live.accounts.keys]
      |                         ^^^^
    ");
    let budget = "[ profiles.live.\"accounts\".shop.budget ]\nperiod = \"1s\"\n";
    insta::assert_snapshot!(rendered(&format!("{SHOP}{budget}")), @r#"
    error: `requests` is missing in `budget` of account `shop`
     --> config.toml:5:33
      |
    5 | [ profiles.live."accounts".shop.budget ]
      |                                 ^^^^^^
    "#);
}

#[test]
fn each_mistake_is_named_with_its_place() {
    let cases = [
        ("colour = 1", "1:1", "unknown setting `colour`"),
        (
            "default_profile = \"prod\"",
            "1:19",
            "names a profile that does not exist",
        ),
        ("[profiles.sandbox.accounts.x]", "1:11", "is built in"),
        (
            "[profiles.\"a b\"]",
            "1:11",
            "not a valid name for a profile",
        ),
        (
            "[profiles.live.accounts.\"a b\"]",
            "1:25",
            "a space at position 2",
        ),
        (
            "[profiles.live.accounts.x]",
            "1:25",
            "account `x` has no `provider`",
        ),
        (
            "[callbacks]\nbind = \"example.com:80\"",
            "2:8",
            "not an address of this machine",
        ),
        (
            "[callbacks]\ntrusted_proxies = [\"10.0.0.5\", \"balancer\"]",
            "2:19",
            "has an entry that is no address and no network",
        ),
        (
            "[callbacks]\ntrusted_proxies = \"10.0.0.5\"",
            "2:1",
            "`trusted_proxies` in [callbacks] is a string",
        ),
        (
            "[ui]\nascii = \"yes\"",
            "2:1",
            "`ascii` in [ui] is a string",
        ),
        ("[ui]\ntheme = \"drak\"", "2:9", "unknown theme: `drak`"),
        (
            "[ui]\npanes = \"payments\"",
            "2:1",
            "`panes` in [ui] is a string",
        ),
        (
            "[ui]\nnotify = \"bell\"",
            "2:1",
            "`notify` in [ui] is a string",
        ),
        (
            "[ui]\nnotify = [\"bel\"]",
            "2:10",
            "unknown notification in `notify`: `bel`",
        ),
        (
            "[hooks]\non_paid = \"deliver\"",
            "2:1",
            "`on_paid` in [hooks] is a string",
        ),
        (
            "[hooks]\non_paid = []",
            "2:11",
            "`on_paid` in [hooks] names no program",
        ),
        (
            "[hooks]\non_paid = [\" \"]",
            "2:11",
            "`on_paid` in [hooks] names no program",
        ),
        (
            "[hooks]\non_payed = [\"true\"]",
            "2:1",
            "unknown setting `on_payed` in [hooks]",
        ),
        (
            "[ui.keys]\nquit = 7",
            "2:1",
            "`quit` in [ui.keys] is a number",
        ),
        ("profiles = 1", "1:1", "`profiles` is a number"),
    ];
    are_named(&cases);
}

fn are_named(cases: &[(&str, &str, &str)]) {
    for (text, place, message) in cases {
        let (at, said, hint) = refusal(text);
        assert!(
            said.contains(message) && at == *place,
            "{text}: {at} {said}"
        );
        assert!(!hint.is_empty(), "{text}");
    }
}

#[test]
fn a_wrong_colour_is_named_with_its_place() {
    are_named(&[
        (
            "[ui.colors]\ngood = \"green\"\ngud = \"red\"",
            "3:1",
            "unknown setting `gud` in [ui.colors]",
        ),
        (
            "[ui.colors]\ngood = \"grean\"",
            "2:8",
            "unknown color: `grean`",
        ),
        ("[ui.colors]\nbad = 256", "2:7", "unknown color"),
        (
            "[ui.colors]\nbad = true",
            "2:1",
            "`bad` in [ui.colors] is true or false",
        ),
        (
            "[profiles.live]\ntint = \"majenta\"",
            "2:8",
            "unknown color: `majenta`",
        ),
    ]);
}

#[test]
fn each_mistake_in_an_account_is_named_with_its_place() {
    let with = |added: &str| format!("{SHOP}{added}\n");
    let account = [
        (
            "environment = \"production2\"",
            "unknown environment of Kanga TPG: `production2`",
        ),
        (
            "environment = \"moon\"",
            "unknown environment of Kanga TPG: `moon`",
        ),
        (
            "endpoints = { apy = \"https://x.example\" }",
            "unknown setting `apy`",
        ),
        (
            "endpoints = { api = \"x.example\" }",
            "is not an absolute URL",
        ),
        (
            "endpoints = { api = \"ftp://x.example\" }",
            "neither http nor https",
        ),
        ("endpoints = { api = \"http://x.example\" }", "plain http"),
        (
            "endpoints = { api = \"http://localhost.example\" }",
            "plain http",
        ),
        (
            "endpoints = { api = \"https://u:p@x.example\" }",
            "user name",
        ),
        ("endpoints = { api = \"https://x.example?a=1\" }", "query"),
        ("endpoints = { api = \"https://x.example#a\" }", "fragment"),
        ("endpoints = { api = \"https://x.example/\\n\" }", "a space"),
        (
            "budget = { requests = 0, period = \"60s\" }",
            "out of range",
        ),
        (
            "budget = { requests = 5000000000, period = \"60s\" }",
            "out of range",
        ),
        (
            "budget = { requests = 5, period = \"60\" }",
            "not a duration",
        ),
        ("budget = { requests = 5 }", "`period` is missing"),
        ("[profiles.live.accounts.SHOP]", "differ only in case"),
    ];
    for (line, message) in account {
        let (at, said, hint) = refusal(&with(line));
        assert!(
            said.contains(message) && at.starts_with("5:"),
            "{line}: {at} {said}"
        );
        assert!(!hint.is_empty(), "{line}");
    }
    let (at, said, _) = refusal(&format!("{SHOP}[profiles.live.accounts.shop]\n"));
    assert!(
        at.starts_with("5:") && said.contains("duplicate key"),
        "{at} {said}"
    );
    let (_, said, hint) = refusal(&SHOP.replace("kanga", "kagna"));
    assert!(said.contains("unknown provider: `kagna`"), "{said}");
    assert_eq!(hint, "did you mean `kanga`? known: kanga, kinguin");
    let (at, said, _) = refusal(&SHOP.replace("api_key = \"public\"", ""));
    assert_eq!(
        (at.as_str(), said.as_str()),
        ("1:25", "`api_key` is missing in account `shop`")
    );
}

#[test]
fn plain_http_goes_to_this_machine_only() {
    for host in ["127.0.0.1:9000", "127.8.9.1", "[::1]:80", "localhost:1234"] {
        let text = format!("{SHOP}endpoints = {{ api = \"http://{host}\" }}\n");
        assert!(load_text(text).is_ok(), "{host}");
    }
}

#[test]
fn a_secret_has_exactly_one_source() {
    let with = |value: &str| SHOP.replace("{ env = \"KANGA_API_SECRET\" }", value);
    let cases = [
        ("{}", "exactly one source"),
        ("{ env = \"A\", file = \"b\" }", "exactly one source"),
        ("{ env = \"\" }", "empty `env`"),
        ("{ env = \"A=B\" }", "not a variable's name"),
        ("{ file = \" \" }", "empty `file`"),
        ("{ command = [] }", "empty `command`"),
        (
            "{ command = \"pass show\" }",
            "`command` of the secret `api_secret`",
        ),
        ("{ command = [1] }", "`command` of the secret `api_secret`"),
        ("{ envv = \"A\" }", "unknown setting `envv`"),
    ];
    for (value, message) in cases {
        let (at, said, _) = refusal(&with(value));
        assert!(
            said.contains(message) && at.starts_with("4:"),
            "{value}: {at} {said}"
        );
    }
    let (_, said, hint) = refusal(&with("\"literal\""));
    assert!(said.contains("is a secret and must not be in the config file"));
    for way in ["env", "file", "command", "keyring"] {
        assert!(hint.contains(&format!("{{ {way} = ")), "{hint}");
    }
}

#[test]
fn a_secret_in_the_wrong_place_is_never_shown() {
    const P: &str = "planted-Zq7";
    let secret = |value: &str| SHOP.replace("{ env = \"KANGA_API_SECRET\" }", value);
    let texts = [
        secret(&format!("\"{P}\"")),
        secret(&format!("\"{P}")),
        secret(P),
        secret(&format!("'''\n{P}\n'''")),
        secret(&format!("'''\napi_key = {P}\n")),
        secret(&format!("[\"{P}\"]")),
        secret(&format!("[\n  \"{P}\",\n  {P}\n]")),
        secret(&format!("{{ env = \"{P}=\" }}")),
        secret(&format!("{{ envv = \"{P}\" }}")),
        secret(&format!("{{ env = \"A\", {P} }}")),
        secret(&format!("{{ env = \"{P}\", file = \"{P}\" }}")),
        secret(&format!("{{ command = \"{P}\" }}")),
        secret(&format!("{{ command = [\"{P}\", 1] }}")),
        secret(&format!("\"{P}\\q\"")),
        secret(&format!("\"{P}\" \"{P}\"")),
        secret(&format!("1 # {P}")),
        SHOP.replace("api_secret =", &format!("api_secret {P} =")),
        SHOP.replace("api_secret = {", &format!("api_secret {P} {{")),
        SHOP.replace("\"public\"", &format!("[\"{P}\"]")),
        SHOP.replace("\"public\"", &format!("\" {P}\"")),
        format!("{SHOP}api_sceret = \"{P}\"\n"),
        format!("{SHOP}api_secret = \"{P}\"\n"),
        format!("{SHOP}environment = \"{P}\"\n"),
        format!("{SHOP}endpoints = {{ api = \"https://u:{P}@x.example\" }}\n"),
        format!("{SHOP}endpoints = {{ api = \"{P}\" }}\n"),
        format!("{SHOP}endpoints = {{ api = \"https://x.example\", pya = \"{P}\" }}\n"),
        format!("{SHOP}endpoints = {{ token = \"{P}\", api = 1 }}\n"),
        format!("{SHOP}budget = {{ requests = 1, period = \"{P}\" }}\n"),
        format!("{SHOP}budget = \"{P}\"\n"),
        format!("{SHOP}{P}\n"),
        format!("{SHOP}\"\"\"{P}"),
        format!("{SHOP}x = \"\"\"\n{P}\n\u{7}\n\"\"\"\n"),
        format!("{SHOP}x = \"\"\"\n\\{P}\n\"\"\"\n"),
        format!("provider = \"{P}\"\n"),
        format!("default_profile = \"{P}\"\n"),
        format!("default_profile = {P}\n"),
        format!("[ui]\ntheme = \"{P}\"\n"),
        format!("[ui]\nkeys = \"{P}\"\n"),
        format!("[callbacks]\nbind = \"{P}\"\n"),
        format!("[callbacks]\ntrusted_proxies = [\"{P}\"]\n"),
        format!("[{P}\n"),
        format!("[profiles.live.{P}=\n"),
    ];
    for text in texts {
        let error = load_text(&text).expect_err(&text);
        let all = format!(
            "{error}\n{error:?}\n{error:#?}\n{}\n{}\n{}",
            error.hint(),
            error.render(false),
            error.render(true)
        );
        assert!(
            !all.contains(P) && !all.contains("Zq7"),
            "{text}\n---\n{all}"
        );
    }
}

#[test]
fn hostile_keys_are_inert() {
    let error = load_text("\"a\\u001b[2Jb\" = 1\n").unwrap_err();
    assert!(!format!("{error}{}", error.render(false)).contains('\u{1b}'));
    let error = load_text(format!("{} = 1\n", "x".repeat(5000))).unwrap_err();
    assert!(error.render(false).len() < 1000);
}

#[test]
fn an_unknown_profile_is_refused_with_the_list() {
    let config = load_text(SHOP).unwrap();
    assert_eq!(config.default_profile, "sandbox");
    let error = config.profile(Some("prod")).unwrap_err();
    assert_eq!(error.message(), "unknown profile `prod`");
    assert_eq!(error.hint(), "the profiles are: sandbox, live");
    let place = &load_text("[ui.keys]\nquti = \"q\"\n").unwrap().ui.keys["quti"].place;
    let error = place.error("there is no action `quti`", "did you mean `quit`?");
    assert!(
        error
            .to_string()
            .contains("config.toml:2:1: there is no action")
    );
}

#[test]
fn an_empty_profile_is_warned_of() {
    let config = load_text("[profiles.live]\n").unwrap();
    assert_eq!(config.warnings, ["the profile `live` has no accounts"]);
}

#[test]
fn the_example_is_right_and_explains_every_key() {
    let example = load_text(EXAMPLE).unwrap();
    let live = example.profile(Some("live")).unwrap();
    assert_eq!(live.accounts.len(), 1);
    assert_eq!(example.ui, Ui::default());
    assert_eq!(example.callbacks, Callbacks::default());
    assert_eq!(example.hooks, Hooks::default());
    assert_eq!(example.default_profile, Config::default().default_profile);

    for key in check::all_names(SPECS) {
        let written = format!("{key} = ");
        let header = format!("{key}]");
        let explained = |row: &str| row.contains(&written) || row.contains(&header);
        assert!(
            EXAMPLE.lines().any(explained) || matches!(key, "profiles" | "accounts"),
            "{key} is not in the example"
        );
    }
}

#[test]
fn a_hook_is_a_program_with_arguments_and_one_that_is_not_there_is_a_warning() {
    let config = load_text(
        "[hooks]\non_paid = [\"/bin/sh\", \"-c\", \"exit\"]\non_failed = [\"/no/such/program\"]\n\
         [ui]\nnotify = []\n",
    )
    .unwrap();
    assert_eq!(config.hooks[&HookEvent::Paid], ["/bin/sh", "-c", "exit"]);
    assert_eq!(config.hooks.len(), 2);
    assert!(config.ui.notify.is_empty());
    assert_eq!(
        config.warnings,
        [
            "`on_failed` in [hooks]: there is no program `/no/such/program`; install it, or write its full path"
        ]
    );
}

#[test]
fn colours_are_read_by_role_and_a_profile_may_have_its_own() {
    let config = load_text(
        r##"
        [ui]
        theme = "high-contrast"
        [ui.colors]
        good = "green"
        bad = "#ff8700"
        dim = 245
        [profiles.live]
        tint = "magenta"
        "##,
    )
    .unwrap();
    assert_eq!(config.ui.theme, ThemeChoice::HighContrast);
    assert_eq!(
        config.ui.colors,
        Colors::from([
            (Tone::Good, Color::Index(2)),
            (Tone::Bad, Color::Rgb(0xff, 0x87, 0)),
            (Tone::Dim, Color::Index(245)),
        ])
    );
    let profile = config.profile(Some("live")).unwrap();
    assert_eq!(profile.tint, Some(Color::Index(5)));
    assert_eq!(config.profile(Some(SANDBOX)).unwrap().tint, None);
    let (.., hint) = refusal("[ui.colors]\ngood = \"grean\"");
    assert!(hint.starts_with("did you mean `green`? "), "{hint}");
}
