//! Checks the parsed file: the sections of the whole file and its profiles.

mod account;
mod hooks;
mod ledger;
mod table;
mod ui;

use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;

use crate::domain::{AccountId, Tone};

use super::paths::expand;
use super::{
    Callbacks, Config, ConfigError, Environ, Network, Profile, ProviderSpec, SANDBOX, TIMEOUT_MAX,
    file,
};
use account::{ACCOUNT, BUDGET, Specs, accounts, secret};
use hooks::HOOKS;
use ledger::LEDGER;
use table::{Found, Table};
use ui::{UI, color};

const ROOT: [&str; 7] = [
    "default_profile",
    "profiles",
    "callbacks",
    "ledger",
    "network",
    "hooks",
    "ui",
];
const PROFILE: [&str; 2] = ["accounts", "tint"];
const CALLBACKS: [&str; 4] = ["bind", "trusted_proxies", "seal_key", "previous_seal_key"];
const NETWORK: [&str; 3] = ["proxy", "ca_file", "timeout"];
/// Checks the text of a file.
pub(super) fn check(path: &Path, text: &str, specs: Specs) -> Result<Config, ConfigError> {
    let (source, table) = file::parse(path, text, &all_names(specs))?;
    let root = Table {
        source: &source,
        entries: table.get_ref(),
        span: 0..0,
        title: String::new(),
    };
    root.only(&ROOT)?;
    let section = |name: &str, known| root.section(name, format!(" in [{name}]"), known);
    let mut config = Config {
        path: Some(path.to_owned()),
        ..Config::default()
    };
    if let Some(table) = section("callbacks", &CALLBACKS)? {
        config.callbacks = callbacks(&table)?;
    }
    if let Some(table) = section("ledger", &LEDGER)? {
        config.ledger = ledger::ledger(&table)?;
        if config.ledger.url.is_some() && config.callbacks.seal_key.is_none() {
            let message = "`seal_key` in [callbacks] is missing";
            let hint = "a shared ledger needs it: all machines open the saved callbacks with the same key. Create one \
                        with `openssl rand -base64 32` and save it where each machine can read it";
            return Err(root.error(table.span, message, hint));
        }
    }
    if let Some(table) = section("network", &NETWORK)? {
        config.network = network(&table)?;
    }
    if let Some(table) = section("hooks", &HOOKS)? {
        config.hooks = hooks::hooks(&table, &mut config.warnings)?;
    }
    if let Some(table) = section("ui", &UI)? {
        config.ui = ui::ui(&table)?;
    }
    if let Some(table) = root.table("profiles", " in [profiles]".into())? {
        profiles(&table, specs, &mut config)?;
    }
    // After the profiles, since it names one of them.
    if let Some(default) = root.string("default_profile")? {
        if let Err(error) = config.profile(Some(default.value)) {
            let message = "`default_profile` names a profile that does not exist";
            return Err(root.error(default.span, message, error.hint()));
        }
        default.value.clone_into(&mut config.default_profile);
    }
    Ok(config)
}

pub(super) fn all_names(specs: &[&ProviderSpec]) -> Vec<&'static str> {
    let fixed = [
        &ROOT[..],
        &PROFILE,
        &ACCOUNT,
        &BUDGET,
        &CALLBACKS,
        &LEDGER,
        &NETWORK,
        &HOOKS,
        &UI,
        &Tone::WORDS,
    ];
    let of_providers = specs.iter().flat_map(|spec| {
        let keys = spec.keys.iter().map(|key| key.name);
        keys.chain(spec.endpoints.iter().copied())
    });
    fixed.concat().into_iter().chain(of_providers).collect()
}

fn callbacks(table: &Table<'_, '_>) -> Result<Callbacks, ConfigError> {
    let bind = table.string("bind")?.map(|bind| {
        super::address(bind.value, super::LISTEN.port()).map_err(|_| {
            let message = "`bind` in [callbacks] is not an address of this machine";
            table.error(bind.span, message, super::AddressError::HINT)
        })
    });
    let key = |name| {
        table
            .get(name)
            .map(|entry| secret(entry, table))
            .transpose()
    };
    Ok(Callbacks {
        bind: bind.transpose()?,
        trusted_proxies: trusted_proxies(table)?,
        seal_key: key("seal_key")?,
        previous_seal_key: key("previous_seal_key")?,
    })
}

fn trusted_proxies(table: &Table<'_, '_>) -> Result<Vec<IpNet>, ConfigError> {
    let wanted = "a list of addresses or networks, like [\"10.0.0.5\", \"10.1.0.0/16\"]";
    let Some(written) = table.list("trusted_proxies", wanted)? else {
        return Ok(Vec::new());
    };
    let network = |text: &String| {
        let one = text.parse::<IpAddr>().map(IpNet::from);
        one.ok().or_else(|| text.parse().ok()).ok_or_else(|| {
            let message =
                "`trusted_proxies` in [callbacks] has an entry that is no address and no network";
            table.error(written.span.clone(), message, format!("write {wanted}"))
        })
    };
    written.value.iter().map(network).collect()
}

fn network(table: &Table<'_, '_>) -> Result<Network, ConfigError> {
    let proxy = table.string("proxy")?;
    if let Some(Found { value, span }) = &proxy
        && let Some(why) = proxy_fault(value)
    {
        let hint = "write it like \"http://proxy.example:3128\" or \"socks5h://127.0.0.1:1080\"; \"\" uses none; \
                    put a proxy with a password in the variable HTTPS_PROXY";
        let message = format!("`proxy` in [network] {why}");
        return Err(table.error(span.clone(), message, hint));
    }
    let ca_file = table.string("ca_file")?;
    let base = table.source.path.parent().unwrap_or(Path::new(""));
    let ca_file = ca_file.map(|written| {
        expand(written.value, base, &Environ::process()).ok_or_else(|| {
            let message = "`ca_file` in [network] begins with `~`, but the home folder is unknown";
            table.error(written.span, message, "write the full path")
        })
    });
    Ok(Network {
        proxy: proxy.map(|found| found.value.trim().to_owned()),
        ca_file: ca_file.transpose()?,
        timeout: table.length("timeout", TIMEOUT_MAX)?,
    })
}

fn profiles(table: &Table<'_, '_>, specs: Specs, config: &mut Config) -> Result<(), ConfigError> {
    for entry in table.in_order() {
        let name = entry.0.get_ref().as_ref();
        let span = entry.0.span();
        if name.eq_ignore_ascii_case(SANDBOX) {
            return Err(table.error(
                span,
                "the profile `sandbox` is built in and accepts no other accounts",
                "give this profile another name",
            ));
        }
        if AccountId::new(name).is_err() {
            return Err(table.error(
                span,
                "this is not a valid name for a profile",
                "1 to 64 letters, digits, `-`, `_` and `.` are accepted",
            ));
        }
        let mut known = config.profiles.iter();
        if known.any(|known| known.name.eq_ignore_ascii_case(name)) {
            return Err(table.error(
                span,
                format!("the profile `{name}` appears twice, with different case"),
                "give one of them another name",
            ));
        }
        let title = format!(" in profile `{name}`");
        let profile = table.as_table(entry, title.clone())?;
        profile.only(&PROFILE)?;
        let tint = profile.get("tint").map(|entry| color(entry, &profile));
        let accounts = match profile.table("accounts", title)? {
            Some(table) => accounts(&table, specs)?,
            None => Vec::new(),
        };
        if accounts.is_empty() {
            let warning = format!("the profile `{name}` has no accounts");
            config.warnings.push(warning);
        }
        config.profiles.push(Profile {
            name: name.to_owned(),
            built_in: false,
            tint: tint.transpose()?,
            accounts,
        });
    }
    Ok(())
}

/// Why a text is not the URL of a proxy; it may be empty.
fn proxy_fault(written: &str) -> Option<&'static str> {
    if written.contains('@') {
        return Some("has a user name or password in it");
    }
    if written.is_empty() {
        return None;
    }
    let url = reqwest::Url::parse(written).ok();
    let usable = url.is_some_and(|url| {
        // The schemes that the HTTP client supports.
        let scheme = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];
        scheme.contains(&url.scheme())
            && url.host_str().is_some_and(|host| !host.is_empty())
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
    });
    (!usable).then_some("is not the URL of a proxy")
}
