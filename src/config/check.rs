//! Checks the parsed file. Every error names file, line and key, but shows no value: a secret may be in any place. A
//! value is shown only where it is close to a known word.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::domain::host::is_loopback;
use crate::domain::{AccountId, inert, time};

use super::file::{self, Source, nearest};
use super::paths::expand;
use super::{
    AccountConfig, BudgetOverride, Callbacks, Config, ConfigError, Environ, KeyBinding, KeyKind,
    KeySpec, Network, Profile, ProviderSpec, SANDBOX, SecretSource, TIMEOUT_MAX, Theme, Ui, child,
};

const ROOT: [&str; 5] = ["default_profile", "profiles", "callbacks", "network", "ui"];
const PROFILE: [&str; 1] = ["accounts"];
const ACCOUNT: [&str; 5] = ["provider", "environment", "endpoints", "budget", "timeout"];
const BUDGET: [&str; 3] = ["requests", "period", "reads"];
const CALLBACKS: [&str; 1] = ["bind"];
const NETWORK: [&str; 3] = ["proxy", "ca_file", "timeout"];
const UI: [&str; 7] = [
    "theme",
    "ascii",
    "mouse",
    "reduced_motion",
    "verify_on_start",
    "panes",
    "keys",
];
const SOURCES: [&str; 4] = ["env", "file", "command", "keyring"];

/// A longer period is surely a mistake, and the ledger would store its requests all the while.
const PERIOD_MAX: Duration = Duration::from_hours(24);

const FOUR_WAYS: &str = "write where the secret is, not the secret itself: { env = \"NAME\" }, { file = \"~/path\" }, \
     { command = [\"pass\", \"show\", \"name\"] } or { keyring = \"name\" }";

type Entry<'t, 'a> = (
    &'t Spanned<std::borrow::Cow<'a, str>>,
    &'t Spanned<DeValue<'a>>,
);

/// The texts of a list of texts.
fn texts(value: &DeValue<'_>) -> Option<Vec<String>> {
    let text = |item: &Spanned<DeValue<'_>>| item.get_ref().as_str().map(str::to_owned);
    value.as_array()?.iter().map(text).collect()
}

/// Checks the text of a file.
pub(super) fn check(
    path: &Path,
    text: &str,
    specs: &'static [&'static ProviderSpec],
) -> Result<Config, ConfigError> {
    let (source, table) = file::parse(path, text, &all_names(specs))?;
    let checker = Checker {
        source: &source,
        specs,
    };
    let root = Table {
        source: &source,
        entries: table.get_ref(),
        span: 0..0,
        title: String::new(),
    };
    checker.config(path, &root)
}

pub(super) fn all_names(specs: &[&ProviderSpec]) -> Vec<&'static str> {
    let fixed = [
        &ROOT[..],
        &PROFILE,
        &ACCOUNT,
        &BUDGET,
        &CALLBACKS,
        &NETWORK,
        &UI,
    ];
    let of_providers = specs.iter().flat_map(|spec| {
        let keys = spec.keys.iter().map(|key| key.name);
        keys.chain(spec.endpoints.iter().copied())
    });
    fixed.concat().into_iter().chain(of_providers).collect()
}

/// A table of the file, and its name in errors.
struct Table<'t, 'a> {
    source: &'t Source<'a>,
    entries: &'t DeTable<'a>,
    /// The position to report a missing key at.
    span: Range<usize>,
    /// " in account `shop`", or nothing for the whole file.
    title: String,
}

/// A value of the right type, and its position.
struct Found<T> {
    value: T,
    span: Range<usize>,
}

impl<'t, 'a> Table<'t, 'a> {
    /// In the order of the file.
    fn in_order(&self) -> Vec<Entry<'t, 'a>> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
    }

    /// Rejects all other keys.
    fn only(&self, known: &[&'static str]) -> Result<(), ConfigError> {
        for (key, _) in self.in_order() {
            let written = key.get_ref().as_ref();
            // A misspelt key must not be a setting that silently does nothing.
            if known.contains(&written) {
                continue;
            }
            let shown = inert::quoted(written, 64);
            let hint = match nearest(written, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known settings here: {}", known.join(", ")),
            };
            let message = format!("unknown setting {shown}{}", self.title);
            return Err(self.source.error(key.span(), message, hint));
        }
        Ok(())
    }

    fn get(&self, name: &str) -> Option<Entry<'t, 'a>> {
        self.entries
            .iter()
            .find(|(key, _)| key.get_ref().as_ref() == name)
    }

    fn wrong_type(&self, entry: Entry<'t, 'a>, wanted: &str) -> ConfigError {
        let (key, value) = entry;
        let name = inert::quoted(key.get_ref(), 64);
        let found = match value.get_ref() {
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::String(_) => "a string",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.source.error(
            key.span(),
            format!("{name}{} is {found}", self.title),
            format!("it must be {wanted}"),
        )
    }

    fn string(&self, name: &str) -> Result<Option<Found<&'t str>>, ConfigError> {
        let Some(entry) = self.get(name) else {
            return Ok(None);
        };
        match entry.1.get_ref() {
            DeValue::String(text) => Ok(Some(Found {
                value: text.as_ref(),
                span: entry.1.span(),
            })),
            _ => Err(self.wrong_type(entry, "a string, in quotes")),
        }
    }

    fn boolean(&self, name: &str, default: bool) -> Result<bool, ConfigError> {
        let Some(entry) = self.get(name) else {
            return Ok(default);
        };
        let value = entry.1.get_ref().as_bool();
        value.ok_or_else(|| self.wrong_type(entry, "true or false, without quotes"))
    }

    fn count(&self, name: &str) -> Result<Option<u32>, ConfigError> {
        let Some(entry) = self.get(name) else {
            return Ok(None);
        };
        let wanted = "a whole number of at least 1";
        let Some(number) = entry.1.get_ref().as_integer() else {
            return Err(self.wrong_type(entry, wanted));
        };
        match u32::from_str_radix(number.as_str(), number.radix()) {
            Ok(count) if count > 0 => Ok(Some(count)),
            _ => Err(self.source.error(
                entry.1.span(),
                format!("`{name}`{} is out of range", self.title),
                format!("it must be {wanted}"),
            )),
        }
    }

    fn table(&self, name: &str, title: String) -> Result<Option<Table<'t, 'a>>, ConfigError> {
        let Some(entry) = self.get(name) else {
            return Ok(None);
        };
        self.as_table(entry, title).map(Some)
    }

    fn as_table(&self, entry: Entry<'t, 'a>, title: String) -> Result<Table<'t, 'a>, ConfigError> {
        match entry.1.get_ref() {
            DeValue::Table(entries) => Ok(Table {
                source: self.source,
                entries,
                span: entry.0.span(),
                title,
            }),
            _ => Err(self.wrong_type(entry, "a table")),
        }
    }
}

struct Checker<'s, 'a> {
    source: &'s Source<'a>,
    specs: &'static [&'static ProviderSpec],
}

impl Checker<'_, '_> {
    fn config(&self, path: &Path, root: &Table<'_, '_>) -> Result<Config, ConfigError> {
        root.only(&ROOT)?;
        let mut config = Config {
            path: Some(path.to_owned()),
            ..Config::default()
        };
        if let Some(callbacks) = root.table("callbacks", " in [callbacks]".into())? {
            config.callbacks = self.callbacks(&callbacks)?;
        }
        if let Some(network) = root.table("network", " in [network]".into())? {
            config.network = self.network(&network)?;
        }
        if let Some(ui) = root.table("ui", " in [ui]".into())? {
            config.ui = self.ui(&ui)?;
        }
        if let Some(profiles) = root.table("profiles", " in [profiles]".into())? {
            self.profiles(&profiles, &mut config)?;
        }
        // After the profiles, since it names one of them.
        if let Some(default) = root.string("default_profile")? {
            if let Err(error) = config.profile(Some(default.value)) {
                return Err(self.source.error(
                    default.span,
                    "`default_profile` names a profile that does not exist",
                    error.hint(),
                ));
            }
            default.value.clone_into(&mut config.default_profile);
        }
        Ok(config)
    }

    fn callbacks(&self, table: &Table<'_, '_>) -> Result<Callbacks, ConfigError> {
        table.only(&CALLBACKS)?;
        let Some(bind) = table.string("bind")? else {
            return Ok(Callbacks::default());
        };
        let bind = super::address(bind.value, super::LISTEN.port()).map_err(|_| {
            self.source.error(
                bind.span,
                "`bind` in [callbacks] is not an address of this machine",
                super::AddressError::HINT,
            )
        })?;
        Ok(Callbacks { bind: Some(bind) })
    }

    fn network(&self, table: &Table<'_, '_>) -> Result<Network, ConfigError> {
        table.only(&NETWORK)?;
        let proxy = table.string("proxy")?;
        if let Some(Found { value, span }) = &proxy
            && let Some(why) = proxy_fault(value)
        {
            let hint = "write it like \"http://proxy.example:3128\" or \"socks5h://127.0.0.1:1080\"; \"\" uses none; \
                        put a proxy with a password in the variable HTTPS_PROXY";
            let message = format!("`proxy` in [network] {why}");
            return Err(self.source.error(span.clone(), message, hint));
        }
        let ca_file = table.string("ca_file")?;
        let base = self.source.path.parent().unwrap_or(Path::new(""));
        let ca_file = ca_file.map(|written| {
            expand(written.value, base, &Environ::process()).ok_or_else(|| {
                let message =
                    "`ca_file` in [network] begins with `~`, but the home folder is unknown";
                self.source
                    .error(written.span, message, "write the full path")
            })
        });
        Ok(Network {
            proxy: proxy.map(|found| found.value.trim().to_owned()),
            ca_file: ca_file.transpose()?,
            timeout: self.length("timeout", TIMEOUT_MAX, table)?,
        })
    }

    /// A duration above zero, up to `longest`.
    fn length(
        &self,
        name: &str,
        longest: Duration,
        table: &Table<'_, '_>,
    ) -> Result<Option<Duration>, ConfigError> {
        let Some(written) = table.string(name)? else {
            return Ok(None);
        };
        let length = time::parse_duration(written.value)
            .ok()
            .filter(|length| !length.is_zero() && *length <= longest);
        length.map(Some).ok_or_else(|| {
            self.source.error(
                written.span,
                format!(
                    "`{name}`{} is not a duration up to {}",
                    table.title,
                    time::fine(longest)
                ),
                "write a number and a unit, like \"60s\" or \"1m\"",
            )
        })
    }

    fn ui(&self, table: &Table<'_, '_>) -> Result<Ui, ConfigError> {
        table.only(&UI)?;
        let default = Ui::default();
        let theme = match table.string("theme")? {
            None => default.theme,
            Some(theme) => match theme.value {
                "auto" => Theme::Auto,
                "dark" => Theme::Dark,
                "light" => Theme::Light,
                _ => {
                    let known = ["auto", "dark", "light"];
                    return Err(self.unknown("theme", &theme, &known));
                }
            },
        };
        Ok(Ui {
            theme,
            ascii: table.boolean("ascii", default.ascii)?,
            mouse: table.boolean("mouse", default.mouse)?,
            reduced_motion: table.boolean("reduced_motion", default.reduced_motion)?,
            verify_on_start: table.boolean("verify_on_start", default.verify_on_start)?,
            panes: match table.get("panes") {
                None => Vec::new(),
                Some(entry) => texts(entry.1.get_ref()).ok_or_else(|| {
                    table.wrong_type(entry, "a list of panes, like [\"payments\", \"requests\"]")
                })?,
            },
            keys: match table.table("keys", " in [ui.keys]".into())? {
                None => BTreeMap::new(),
                Some(keys) => self.key_bindings(&keys)?,
            },
        })
    }

    fn key_bindings(
        &self,
        table: &Table<'_, '_>,
    ) -> Result<BTreeMap<String, KeyBinding>, ConfigError> {
        let wanted = "a key like \"ctrl-r\", or a list of them";
        let mut bindings = BTreeMap::new();
        for entry in table.in_order() {
            let keys: Option<Vec<_>> = match entry.1.get_ref() {
                DeValue::String(key) => Some(vec![key.to_string()]),
                keys => texts(keys),
            };
            let keys = keys.ok_or_else(|| table.wrong_type(entry, wanted))?;
            let place = self.source.place(entry.0.span());
            bindings.insert(entry.0.get_ref().to_string(), KeyBinding { keys, place });
        }
        Ok(bindings)
    }

    fn profiles(&self, table: &Table<'_, '_>, config: &mut Config) -> Result<(), ConfigError> {
        for entry in table.in_order() {
            let name = entry.0.get_ref().as_ref();
            let span = entry.0.span();
            if name.eq_ignore_ascii_case(SANDBOX) {
                return Err(self.source.error(
                    span,
                    "the profile `sandbox` is built in and accepts no other accounts",
                    "give this profile another name",
                ));
            }
            if AccountId::new(name).is_err() {
                return Err(self.source.error(
                    span,
                    "this is not a valid name for a profile",
                    "1 to 64 letters, digits, `-`, `_` and `.` are accepted",
                ));
            }
            let known = config.profiles.iter();
            if known
                .clone()
                .any(|known| known.name.eq_ignore_ascii_case(name))
            {
                return Err(self.source.error(
                    span,
                    format!("the profile `{name}` appears twice, with different case"),
                    "give one of them another name",
                ));
            }
            let profile = table.as_table(entry, format!(" in profile `{name}`"))?;
            profile.only(&PROFILE)?;
            let accounts = match profile.table("accounts", format!(" in profile `{name}`"))? {
                Some(accounts) => self.accounts(&accounts)?,
                None => Vec::new(),
            };
            if accounts.is_empty() {
                config
                    .warnings
                    .push(format!("the profile `{name}` has no accounts"));
            }
            config.profiles.push(Profile {
                name: name.to_owned(),
                built_in: false,
                accounts,
            });
        }
        Ok(())
    }

    fn accounts(&self, table: &Table<'_, '_>) -> Result<Vec<AccountConfig>, ConfigError> {
        let mut accounts: Vec<AccountConfig> = Vec::new();
        for entry in table.in_order() {
            let span = entry.0.span();
            let id = AccountId::new(entry.0.get_ref().as_ref()).map_err(|error| {
                self.source.error(
                    span.clone(),
                    error.to_string(),
                    "1 to 64 letters, digits, `-`, `_` and `.` are accepted",
                )
            })?;
            let same = |other: &&AccountConfig| other.id.as_str().eq_ignore_ascii_case(id.as_str());
            if let Some(other) = accounts.iter().find(same) {
                return Err(self.source.error(
                    span,
                    format!("the accounts `{}` and `{id}` differ only in case", other.id),
                    "give one of them another name",
                ));
            }
            let account = table.as_table(entry, format!(" in account `{id}`"))?;
            accounts.push(self.account(id, &account)?);
        }
        Ok(accounts)
    }

    fn account(&self, id: AccountId, table: &Table<'_, '_>) -> Result<AccountConfig, ConfigError> {
        let spec = self.provider(&id, table)?;
        let keys = spec.keys.iter().map(|key| key.name);
        let known: Vec<_> = ACCOUNT.into_iter().chain(keys).collect();
        table.only(&known)?;
        let mut account = AccountConfig {
            environment: self.environment(spec, table)?,
            provider: spec.name,
            texts: BTreeMap::new(),
            secrets: BTreeMap::new(),
            endpoints: self.endpoints(&id, spec, table)?,
            budget: self.budget(&id, table)?,
            timeout: self.length("timeout", TIMEOUT_MAX, table)?,
            id,
        };
        for key in spec.keys {
            match (table.get(key.name), key.kind) {
                (None, _) if key.required => return Err(self.missing(spec, key, table)),
                (None, _) => {}
                (Some(_), KeyKind::Text | KeyKind::HeaderName) => {
                    let text = self.text(key, table)?;
                    account.texts.insert(key.name, text);
                }
                (Some(entry), KeyKind::Secret) => {
                    let source = self.secret(entry, table)?;
                    account.secrets.insert(key.name, source);
                }
            }
        }
        Ok(account)
    }

    fn provider(
        &self,
        id: &AccountId,
        table: &Table<'_, '_>,
    ) -> Result<&'static ProviderSpec, ConfigError> {
        let names: Vec<_> = self.specs.iter().map(|spec| spec.name).collect();
        let Some(name) = table.string("provider")? else {
            return Err(self.source.error(
                table.span.clone(),
                format!("account `{id}` has no `provider`"),
                format!("add provider = \"…\"; known: {}", names.join(", ")),
            ));
        };
        let found = self
            .specs
            .iter()
            .find(|spec| spec.name == name.value)
            .copied();
        found.ok_or_else(|| self.unknown("provider", &name, &names))
    }

    fn environment(
        &self,
        spec: &ProviderSpec,
        table: &Table<'_, '_>,
    ) -> Result<String, ConfigError> {
        let Some(name) = table.string("environment")? else {
            let default = spec.environments.first();
            return Ok((*default.expect("each provider has an environment")).to_owned());
        };
        if spec.environments.contains(&name.value) {
            return Ok(name.value.to_owned());
        }
        let what = format!("environment of {}", spec.title);
        Err(self.unknown(&what, &name, spec.environments))
    }

    /// The error for a word that is not known.
    fn unknown(&self, what: &str, found: &Found<&str>, known: &[&'static str]) -> ConfigError {
        let Found {
            value: written,
            span,
        } = found;
        let list = format!("known: {}", known.join(", "));
        match nearest(written, known.iter().copied()) {
            Some(near) => self.source.error(
                span.clone(),
                format!("unknown {what}: {}", inert::quoted(written, 40)),
                format!("did you mean `{near}`? {list}"),
            ),
            None => self.source.error(
                span.clone(),
                format!("unknown {what}{}", shown_word(written)),
                list,
            ),
        }
    }

    fn missing(&self, spec: &ProviderSpec, key: &KeySpec, table: &Table<'_, '_>) -> ConfigError {
        let remedy = match key.kind {
            KeyKind::Text | KeyKind::HeaderName => format!("add {} = \"…\"", key.name),
            KeyKind::Secret => format!("add {} = …, and {FOUR_WAYS}", key.name),
        };
        self.source.error(
            table.span.clone(),
            format!("`{}` is missing{}", key.name, table.title),
            format!("{} needs {}: {remedy}", spec.title, key.about),
        )
    }

    fn text(&self, key: &KeySpec, table: &Table<'_, '_>) -> Result<String, ConfigError> {
        let text = table.string(key.name)?.expect("the caller found the key");
        // It goes into requests unchanged; a stray line break would be signed and then rejected.
        let plain = !text.value.is_empty()
            && text.value.trim() == text.value
            && !text.value.contains(char::is_control);
        if !plain {
            return Err(self.source.error(
                text.span,
                format!(
                    "`{}`{} is empty or has invalid characters",
                    key.name, table.title
                ),
                "write it on one line, without spaces around it",
            ));
        }
        // The characters of a token, RFC 9110, 5.6.2.
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if key.kind == KeyKind::HeaderName && !text.value.chars().all(token) {
            return Err(self.source.error(
                text.span,
                format!("`{}`{} is not a header name", key.name, table.title),
                "write only the name, such as X-Auth-Token: letters, digits and `-`",
            ));
        }
        Ok(text.value.to_owned())
    }

    fn secret(
        &self,
        entry: Entry<'_, '_>,
        table: &Table<'_, '_>,
    ) -> Result<SecretSource, ConfigError> {
        let key = entry.0.get_ref().as_ref();
        let refuse = |span: Range<usize>, what: &str| {
            let message = format!("`{key}`{} {what}", table.title);
            self.source.error(span, message, FOUR_WAYS)
        };
        let DeValue::Table(ways) = entry.1.get_ref() else {
            return Err(refuse(
                entry.0.span(),
                "is a secret and must not be in the config file",
            ));
        };
        let ways = Table {
            source: self.source,
            entries: ways,
            span: entry.0.span(),
            title: format!(" of the secret `{key}`{}", table.title),
        };
        ways.only(&SOURCES)?;
        let mut named = ways.in_order().into_iter();
        let (Some(way), None) = (named.next(), named.next()) else {
            return Err(refuse(entry.0.span(), "must name exactly one source"));
        };
        let empty = || refuse(way.0.span(), &format!("has an empty `{}`", way.0.get_ref()));
        let name = way.0.get_ref().as_ref();
        if name == "command" {
            let words = texts(way.1.get_ref());
            let wanted =
                "a list of strings, the program and its arguments: [\"pass\", \"show\", \"name\"]";
            let words = words.ok_or_else(|| ways.wrong_type(way, wanted))?;
            // The system accepts no NUL byte in a program or an argument.
            let usable = words
                .first()
                .is_some_and(|program| !program.trim().is_empty())
                && words.iter().all(|word| !word.contains('\0'));
            return if usable {
                Ok(SecretSource::Command { words })
            } else {
                Err(empty())
            };
        }
        let text = ways.string(name)?.expect("the key was just seen").value;
        if text.trim().is_empty() || text.contains('\0') {
            return Err(empty());
        }
        match name {
            // `env = "NAME=value"` would put the secret itself into the config file.
            "env" if text.contains(['=', ' ']) => Err(refuse(
                way.0.span(),
                "has an `env` that is not a variable's name",
            )),
            "env" => {
                // Programs that tilldeck starts must not inherit the secret.
                child::withhold(text);
                Ok(SecretSource::Env { name: text.into() })
            }
            "keyring" => Ok(SecretSource::Keyring { name: text.into() }),
            _ => Ok(SecretSource::File {
                written: text.into(),
                base: self
                    .source
                    .path
                    .parent()
                    .unwrap_or(Path::new(""))
                    .to_owned(),
            }),
        }
    }

    fn endpoints(
        &self,
        id: &AccountId,
        spec: &ProviderSpec,
        table: &Table<'_, '_>,
    ) -> Result<BTreeMap<&'static str, String>, ConfigError> {
        let title = format!(" in `endpoints` of account `{id}`");
        let mut endpoints = BTreeMap::new();
        let Some(table) = table.table("endpoints", title)? else {
            return Ok(endpoints);
        };
        table.only(spec.endpoints)?;
        for name in spec.endpoints {
            let Some(written) = table.string(name)? else {
                continue;
            };
            let url = endpoint_url(written.value).map_err(|why| {
                let message = format!("`{name}`{} {why}", table.title);
                let hint = "write it like \"https://api.example.com\"; plain http is for this machine only";
                self.source.error(written.span, message, hint)
            })?;
            endpoints.insert(*name, url);
        }
        Ok(endpoints)
    }

    fn budget(
        &self,
        id: &AccountId,
        table: &Table<'_, '_>,
    ) -> Result<Option<BudgetOverride>, ConfigError> {
        let Some(table) = table.table("budget", format!(" in `budget` of account `{id}`"))? else {
            return Ok(None);
        };
        table.only(&BUDGET)?;
        let missing = |name: &str, example: &str| {
            let message = format!("`{name}` is missing{}", table.title);
            self.source.error(
                table.span.clone(),
                message,
                format!("add {name} = {example}"),
            )
        };
        let requests = table
            .count("requests")?
            .ok_or_else(|| missing("requests", "1000"))?;
        let period = self
            .length("period", PERIOD_MAX, &table)?
            .ok_or_else(|| missing("period", "\"60s\""))?;
        Ok(Some(BudgetOverride {
            requests,
            period,
            reads: table.count("reads")?,
        }))
    }
}

/// The longest word shown that is near no known one.
const WORD_MAX: usize = 12;

/// A value, to name it in an error, if it is surely no secret that was pasted into the wrong line: a short word such as
/// `staging`.
fn shown_word(written: &str) -> String {
    let is_word = written.len() <= WORD_MAX && written.bytes().all(|b| b.is_ascii_alphabetic());
    if is_word && !written.is_empty() {
        format!(": `{written}`")
    } else {
        String::new()
    }
}

/// Why a text is not the URL of a proxy; it may be empty.
fn proxy_fault(written: &str) -> Option<&'static str> {
    if written.contains('@') {
        return Some("has a user name or password in it");
    }
    if written.trim().is_empty() {
        return None;
    }
    let url = reqwest::Url::parse(written).ok();
    let usable = url.is_some_and(|url| {
        // The schemes that the HTTP client supports.
        let scheme = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];
        scheme.contains(&url.scheme()) && url.host_str().is_some_and(|host| !host.is_empty())
    });
    (!usable).then_some("is not the URL of a proxy")
}

/// Checks an endpoint's URL. Returns it normalized, without a trailing slash.
fn endpoint_url(written: &str) -> Result<String, &'static str> {
    // The URL parser would silently drop some of these.
    if written.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err("has a space or another character that is invalid in a URL");
    }
    let url = reqwest::Url::parse(written).map_err(|_| "is not an absolute URL")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("is neither http nor https");
    }
    let host = url.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or("has no host")?;
    if !url.username().is_empty() || url.password().is_some() || written.contains('@') {
        return Err("has a user name or password in it");
    }
    // Paths are appended to this URL, so a query would end up in the middle.
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a query or a fragment");
    }
    // Port 0 stands for "any free port" when listening; no server can be reached there.
    if url.port() == Some(0) {
        return Err("has the port 0");
    }
    if url.scheme() == "http" && !is_loopback(host) {
        return Err("would send credentials over plain http to another machine");
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}
