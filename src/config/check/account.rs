//! The accounts of a profile: what each provider's account needs, and where its secrets are.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use toml::de::DeValue;

use super::table::{Entry, Table, texts};
use crate::config::{
    AccountConfig, BudgetOverride, ConfigError, ProviderSpec, SecretSource, TIMEOUT_MAX, child,
};
use crate::domain::host::is_loopback;
use crate::domain::manage::{KeyKind, KeySpec};
use crate::domain::{AccountId, Environment};

/// What an account of any provider may have.
pub const ACCOUNT: [&str; 5] = ["provider", "environment", "endpoints", "budget", "timeout"];
pub const BUDGET: [&str; 3] = ["requests", "period", "reads"];
const SOURCES: [&str; 4] = ["env", "file", "command", "keyring"];

/// A longer period is surely a mistake, and the ledger would store its requests all the while.
const PERIOD_MAX: Duration = Duration::from_hours(24);

pub const FOUR_WAYS: &str = "write where the secret is, not the secret itself: { env = \"NAME\" }, { file = \"~/path\" }, \
     { command = [\"pass\", \"show\", \"name\"] } or { keyring = \"name\" }";

pub type Specs = &'static [&'static ProviderSpec];

/// The accounts in a table of them.
pub fn accounts(table: &Table<'_, '_>, specs: Specs) -> Result<Vec<AccountConfig>, ConfigError> {
    let mut accounts: Vec<AccountConfig> = Vec::new();
    for entry in table.in_order() {
        let span = entry.0.span();
        let id = AccountId::new(entry.0.get_ref().as_ref()).map_err(|error| {
            let hint = "1 to 64 letters, digits, `-`, `_` and `.` are accepted";
            table.error(span.clone(), error.to_string(), hint)
        })?;
        let same = |other: &&AccountConfig| other.id.as_str().eq_ignore_ascii_case(id.as_str());
        if let Some(other) = accounts.iter().find(same) {
            return Err(table.error(
                span,
                format!("the accounts `{}` and `{id}` differ only in case", other.id),
                "give one of them another name",
            ));
        }
        let title = format!(" in account `{id}`");
        let mut account = account(id, &table.as_table(entry, title)?, specs)?;
        let mut others = accounts.iter();
        if let Some(first) = others
            .find(|other| other.provider == account.provider && other.secrets == account.secrets)
        {
            account.alike = first.alike.clone();
        }
        accounts.push(account);
    }
    Ok(accounts)
}

fn account(
    id: AccountId,
    table: &Table<'_, '_>,
    specs: Specs,
) -> Result<AccountConfig, ConfigError> {
    let spec = provider(&id, table, specs)?;
    let keys = spec.keys.iter().map(|key| key.name);
    let known: Vec<_> = ACCOUNT.into_iter().chain(keys).collect();
    table.only(&known)?;
    let mut account = AccountConfig {
        environment: environment(spec, table)?,
        provider: spec.name,
        texts: BTreeMap::new(),
        secrets: BTreeMap::new(),
        endpoints: endpoints(&id, spec, table)?,
        budget: budget(&id, spec, table)?,
        timeout: table.length("timeout", TIMEOUT_MAX)?,
        alike: id.clone(),
        id,
    };
    for key in spec.keys {
        match (table.get(key.name), key.kind) {
            (None, _) if key.required => return Err(missing(spec, key, table)),
            (None, _) => {}
            (Some(_), KeyKind::Text | KeyKind::HeaderName | KeyKind::Choice(_)) => {
                account.texts.insert(key.name, text(key, table)?);
            }
            (Some(entry), KeyKind::Secret) => {
                account.secrets.insert(key.name, secret(entry, table)?);
            }
        }
    }
    Ok(account)
}

fn provider(
    id: &AccountId,
    table: &Table<'_, '_>,
    specs: Specs,
) -> Result<&'static ProviderSpec, ConfigError> {
    let names: Vec<_> = specs.iter().map(|spec| spec.name).collect();
    let Some(name) = table.string("provider")? else {
        return Err(table.error(
            table.span.clone(),
            format!("account `{id}` has no `provider`"),
            format!("add provider = \"…\"; known: {}", names.join(", ")),
        ));
    };
    let found = specs.iter().find(|spec| spec.name == name.value).copied();
    found.ok_or_else(|| table.unknown("provider", name, &names))
}

fn environment(spec: &ProviderSpec, table: &Table<'_, '_>) -> Result<Environment, ConfigError> {
    let Some(name) = table.string("environment")? else {
        let default = spec.environments.first();
        return Ok(*default.expect("each provider has an environment"));
    };
    let mut known = spec.environments.iter();
    let found = known.find(|environment| environment.as_str() == name.value);
    found.copied().ok_or_else(|| {
        let what = format!("environment of {}", spec.title);
        let words: Vec<_> = spec
            .environments
            .iter()
            .map(|known| known.as_str())
            .collect();
        table.unknown(&what, name, &words)
    })
}

fn missing(spec: &ProviderSpec, key: &KeySpec, table: &Table<'_, '_>) -> ConfigError {
    let remedy = match key.kind {
        KeyKind::Text | KeyKind::HeaderName | KeyKind::Choice(_) => {
            format!("add {} = \"…\"", key.name)
        }
        KeyKind::Secret => format!("add {} = …, and {FOUR_WAYS}", key.name),
    };
    table.error(
        table.span.clone(),
        format!("`{}` is missing{}", key.name, table.title),
        format!("{} needs {}: {remedy}", spec.title, key.about),
    )
}

fn text(key: &KeySpec, table: &Table<'_, '_>) -> Result<String, ConfigError> {
    let text = table.string(key.name)?.expect("the caller found the key");
    let (name, title) = (key.name, &table.title);
    // It goes into requests unchanged; a stray line break would be signed and then rejected.
    let plain = !text.value.is_empty()
        && text.value.trim() == text.value
        && !text.value.contains(char::is_control);
    if !plain {
        return Err(table.error(
            text.span,
            format!("`{name}`{title} is empty or has invalid characters"),
            "write it on one line, without spaces around it",
        ));
    }
    // The characters of a token, RFC 9110, 5.6.2.
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    match key.kind {
        KeyKind::HeaderName if !text.value.chars().all(token) => Err(table.error(
            text.span,
            format!("`{name}`{title} is not a header name"),
            "write only the name, such as X-Auth-Token: letters, digits and `-`",
        )),
        KeyKind::Choice(words) if !words.contains(&text.value) => {
            Err(table.unknown(name, text, words))
        }
        KeyKind::Text | KeyKind::HeaderName | KeyKind::Choice(_) | KeyKind::Secret => {
            Ok(text.value.to_owned())
        }
    }
}

pub fn secret(entry: Entry<'_, '_>, table: &Table<'_, '_>) -> Result<SecretSource, ConfigError> {
    let key = entry.0.get_ref().as_ref();
    let refuse = |span: Range<usize>, what: &str| {
        let message = format!("`{key}`{} {what}", table.title);
        table.error(span, message, FOUR_WAYS)
    };
    let DeValue::Table(ways) = entry.1.get_ref() else {
        return Err(refuse(
            entry.0.span(),
            "is a secret and must not be in the config file",
        ));
    };
    let ways = Table {
        source: table.source,
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
        _ => {
            let base = table.source.path.parent().unwrap_or(Path::new(""));
            Ok(SecretSource::File {
                written: text.into(),
                base: base.to_owned(),
            })
        }
    }
}

fn endpoints(
    id: &AccountId,
    spec: &ProviderSpec,
    table: &Table<'_, '_>,
) -> Result<BTreeMap<&'static str, String>, ConfigError> {
    let title = format!(" in `endpoints` of account `{id}`");
    let mut endpoints = BTreeMap::new();
    let Some(table) = table.section("endpoints", title, spec.endpoints)? else {
        return Ok(endpoints);
    };
    for name in spec.endpoints {
        let Some(written) = table.string(name)? else {
            continue;
        };
        let url = endpoint_url(written.value).map_err(|why| {
            let message = format!("`{name}`{} {why}", table.title);
            let hint =
                "write it like \"https://api.example.com\"; plain http is for this machine only";
            table.error(written.span, message, hint)
        })?;
        endpoints.insert(*name, url);
    }
    Ok(endpoints)
}

fn budget(
    id: &AccountId,
    spec: &ProviderSpec,
    table: &Table<'_, '_>,
) -> Result<Option<BudgetOverride>, ConfigError> {
    let title = format!(" in `budget` of account `{id}`");
    let known = if spec.counts_reads {
        &BUDGET[..]
    } else {
        &BUDGET[..2]
    };
    let Some(table) = table.section("budget", title, known)? else {
        return Ok(None);
    };
    let missing = |name: &str, example: &str| {
        let message = format!("`{name}` is missing{}", table.title);
        let hint = format!("add {name} = {example}");
        table.error(table.span.clone(), message, hint)
    };
    let requests = table.count("requests")?;
    let requests = requests.ok_or_else(|| missing("requests", "1000"))?;
    let period = table.length("period", PERIOD_MAX)?;
    Ok(Some(BudgetOverride {
        requests,
        period: period.ok_or_else(|| missing("period", "\"60s\""))?,
        reads: table.count("reads")?,
    }))
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
