//! The way out of this machine: proxy and trusted authorities.

use std::collections::BTreeMap;

use super::{Finding, Health, shown};
use crate::config::{Config, Environ, Profile};
use crate::deck::runtime;
use crate::domain::{AccountId, Problem};
use crate::net::{self, NetError, proxy, trust};
use crate::providers;

/// The variables that replace the system's certificates.
const CERTIFICATES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

pub(super) async fn check(config: Config, profile: Profile, environ: Environ) -> Vec<Finding> {
    if profile.built_in {
        return vec![Finding::good("the simulator needs none")];
    }
    // Reads files.
    let look = move || {
        vec![
            proxies(&config, &profile, &environ),
            authorities(&config, &environ),
        ]
    };
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}

/// Which proxy leads to which host.
fn proxies(config: &Config, profile: &Profile, environ: &Environ) -> Finding {
    let mut ways: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for account in &profile.accounts {
        let manifest = providers::by_name(account.provider);
        let endpoints = manifest.map(|manifest| runtime::endpoints(account, manifest));
        for (_, url) in endpoints.unwrap_or_default() {
            match proxy::proxy_for(&url, config.network.proxy.as_deref(), environ) {
                Ok(proxy) => {
                    let way = proxy.map_or_else(String::new, |proxy| proxy.to_string());
                    let hosts = ways.entry(way).or_default();
                    let host = net::http::authority(&url);
                    if !hosts.contains(&host) {
                        hosts.push(host);
                    }
                }
                Err(error) => return unusable(NetError::from(error), &account.id),
            }
        }
    }
    if ways.keys().all(String::is_empty) {
        return Finding::good("no proxy: connections are direct");
    }
    let way = |(proxy, hosts): (&String, &Vec<String>)| match proxy.as_str() {
        "" => format!("direct to {}", hosts.join(", ")),
        proxy => format!("{proxy} leads to {}", hosts.join(", ")),
    };
    let ways: Vec<String> = ways.iter().rev().map(way).collect();
    Finding::good(ways.join("; "))
}

fn unusable(error: NetError, account: &AccountId) -> Finding {
    Finding::bad(error.to_string()).hint(error.problem(account).hint)
}

/// Which authorities sign valid certificates.
fn authorities(config: &Config, environ: &Environ) -> Finding {
    let system = match CERTIFICATES
        .into_iter()
        .find(|name| environ.get(name).is_some())
    {
        Some(name) => format!("those of {name}"),
        None => "the system's".to_owned(),
    };
    let Some(path) = &config.network.ca_file else {
        return Finding::good(format!("trusted certificates: {system}"));
    };
    match trust::certificates(path) {
        Ok(found) => {
            let (count, path) = (found.len(), shown(path));
            let words =
                format!("trusted certificates: {system}, and {count} of `ca_file` ({path})");
            Finding::good(words)
        }
        Err(why) => {
            let words = format!("`ca_file` in [network] names {}, which {why}", shown(path));
            let hint = "name a PEM file with the authority's certificate";
            Finding::of(Health::Bad, &Problem::local(words, hint))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AccountConfig;
    use crate::domain::Environment;

    fn profile() -> Profile {
        Profile {
            name: "live".into(),
            built_in: false,
            tint: None,
            accounts: vec![AccountConfig {
                id: AccountId::new("shop").unwrap(),
                alike: AccountId::new("shop").unwrap(),
                provider: "kanga",
                environment: Environment::Production,
                texts: BTreeMap::new(),
                secrets: BTreeMap::new(),
                endpoints: BTreeMap::new(),
                budget: None,
                timeout: None,
            }],
        }
    }

    #[test]
    fn the_proxy_in_force_is_shown_with_its_hosts_and_without_its_password() {
        let config = Config::default();
        for (variables, health, words) in [
            (
                [("HTTPS_PROXY", ""), ("NO_PROXY", "")],
                Health::Good,
                "no proxy: connections are direct",
            ),
            (
                [("HTTPS_PROXY", "http://u:planted@p:3128"), ("NO_PROXY", "")],
                Health::Good,
                "the proxy p:3128 (HTTPS_PROXY) leads to api.kanga.exchange, kanga.exchange",
            ),
            (
                [
                    ("HTTPS_PROXY", "http://u:planted@p:3128"),
                    ("NO_PROXY", "api.kanga.exchange"),
                ],
                Health::Good,
                "the proxy p:3128 (HTTPS_PROXY) leads to kanga.exchange; direct to api.kanga.exchange",
            ),
            (
                [("HTTPS_PROXY", "http://u:pla#nted@p"), ("NO_PROXY", "")],
                Health::Bad,
                "HTTPS_PROXY names no usable proxy; nothing was sent",
            ),
        ] {
            let found = proxies(&config, &profile(), &Environ::of(variables));
            assert_eq!((found.health, found.message.as_str()), (health, words));
        }
    }

    #[test]
    fn the_authorities_in_force_are_shown_and_a_file_without_any_is_bad() {
        let mut config = Config::default();
        let none = Environ::of([]);
        assert_eq!(
            authorities(&config, &none).message,
            "trusted certificates: the system's"
        );
        let replaced = Environ::of([("SSL_CERT_FILE", "/x.pem")]);
        let found = authorities(&config, &replaced);
        assert_eq!(
            found.message,
            "trusted certificates: those of SSL_CERT_FILE"
        );
        config.network.ca_file = Some("/nowhere/x.pem".into());
        let found = authorities(&config, &none);
        assert_eq!(found.health, Health::Bad);
        assert!(
            found
                .message
                .ends_with("/nowhere/x.pem, which does not exist"),
            "{found:?}"
        );
    }
}
