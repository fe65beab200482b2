//! `sandbox serve`: runs the built-in simulator for other programs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use reqwest::Url;
use tokio::net::TcpListener;

use crate::cli::prelude::*;
use crate::cli::stop::StopSignals;
use crate::cli::values::{bind_any_port, path, seed, speed};
use crate::clock::Clock;
use crate::deck;
use crate::domain::filled;
use crate::providers::{self, Manifest, REGISTRY};
use crate::sandbox;

/// Run the built-in simulator until interrupted. Prints its URL first.
#[derive(Debug, Args)]
#[command(after_help = "SIGTERM exits with 0, Ctrl-C with 130.")]
pub struct Serve {
    /// Address to listen on; loopback only. Port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:0", value_parser = bind_any_port, value_name = "ADDRESS")]
    bind: SocketAddr,
    /// Seed for the simulated data; the same seed gives the same data.
    #[arg(
        long,
        default_value_t = 1,
        value_parser = seed,
        value_name = "N",
        allow_negative_numbers = true
    )]
    seed: u64,
    /// Run the simulator's clock N times faster than real time.
    #[arg(long, default_value_t = 1, value_parser = speed, value_name = "N", allow_negative_numbers = true)]
    speed: u32,
    /// Send callbacks to this URL on this machine. PROVIDER=URL sets one provider's URL. A URL without a path, or
    /// one that ends in `/callbacks`, is for all providers: each sends to `/callbacks/PROVIDER` there, where
    /// `tilldeck listen` receives it. Any other URL without PROVIDER= is for Kanga. Repeat the option for more URLs.
    /// PROVIDER=URL takes precedence over a URL for all providers.
    #[arg(long, value_name = "[PROVIDER=]URL")]
    callback_url: Vec<String>,
    /// Save nonces and payments in this file, so that a restart continues with them.
    #[arg(long, value_parser = path(), value_name = "FILE")]
    keep: Option<PathBuf>,
}

impl Command for Serve {
    fn execute(self, start: Start<'_>) -> CommandResult {
        block_on(self.run(start.out))
    }
}

impl Serve {
    async fn run(self, out: &Out) -> CommandResult {
        if !self.bind.ip().is_loopback() {
            let message = format!(
                "the simulator cannot listen on {}: its keys are public",
                self.bind.ip()
            );
            return Err(usage(message, "bind it to 127.0.0.1 or [::1]").into());
        }
        let callback_urls = callback_urls(&self.callback_url)?;
        let listener = TcpListener::bind(self.bind).await.map_err(|error| {
            local(
                format!("cannot listen on {}: {error}", self.bind),
                "choose another port, or port 0 for any free one",
            )
        })?;
        let options = sandbox::Options {
            seed: self.seed,
            speed: self.speed,
            clock: Clock::system(),
            callback_urls: callback_urls.clone(),
            state_file: self.keep,
        };
        let running = deck::serve(listener, options).await;
        let running =
            running.map_err(|error| local(format!("cannot start the simulator: {error}"), ""))?;
        let mut stops = StopSignals::new();
        // A closed stdout does not stop the sandbox: other programs use it.
        if let Err(error) = greet(&running, &callback_urls, &out.for_reader()) {
            out.warn(&format!(
                "output stopped ({error}); the simulator still runs at {}",
                running.base_url()
            ));
        }
        let stop = stops.next().await;
        running.stop().await;
        Ok(Exit::of_service(stop))
    }
}

fn greet(
    running: &sandbox::Sandbox,
    callback_urls: &BTreeMap<String, String>,
    out: &Out,
) -> Result<(), OutputError> {
    let (url, production) = (running.base_url(), running.production_url());
    if out.is_json() {
        let accounts: Vec<_> = REGISTRY
            .iter()
            .map(|manifest| {
                let mut account =
                    serde_json::Map::from_iter([("provider".to_owned(), json!(manifest.id.0))]);
                account.extend(
                    manifest
                        .embedded
                        .iter()
                        .map(|(key, value)| ((*key).to_owned(), json!(value))),
                );
                account
            })
            .collect();
        out.object(&json!({
            "url": url,
            "accounts": accounts,
            "callbacks": callback_urls,
            "production_url": production,
        }))?;
    } else {
        let printed = out.line(&url);
        for manifest in REGISTRY {
            let keys: Vec<String> = manifest
                .embedded
                .iter()
                .map(|(key, value)| format!("{key} = {value}"))
                .collect();
            out.message(Tone::Accent, manifest.title, &keys.join("  "));
        }
        let text = format!("{production}, of the providers with two environments");
        out.message(Tone::Dim, "production", &text);
        for (provider, to) in callback_urls {
            out.message(Tone::Dim, "callbacks", &format!("{provider} -> {to}"));
        }
        out.message(
            Tone::Dim,
            "control",
            &format!("tilldeck sandbox trigger --url {url} fault 429"),
        );
        out.say("Ctrl-C stops it");
        printed?;
    }
    Ok(())
}

/// The callback URL of each provider, by the provider's short name.
fn callback_urls(options: &[String]) -> Result<BTreeMap<String, String>, Problem> {
    let wrong = |message: String, hint: &str| Err(usage(message, hint));
    let (mut named, mut of_all) = (BTreeMap::new(), BTreeMap::new());
    for text in options {
        // A `=` may also occur in a URL's query.
        let name = text.split_once('=').filter(|(name, _)| !name.contains(':'));
        let (provider, url) = match name {
            Some((name, url)) => (Some(name), url),
            None => (None, text.as_str()),
        };
        let shown = inert::quoted(url, 80);
        let Some(parsed) = Url::parse(url).ok().filter(|url| url.host().is_some()) else {
            return wrong(
                format!("--callback-url: {shown} is not a URL"),
                "for example http://127.0.0.1:8787 or kanga=http://127.0.0.1:8787/callbacks/shop",
            );
        };
        let Some(provider) = provider else {
            if !of_all.is_empty() {
                let hint = "add the provider to each: kanga=URL";
                return wrong(
                    "--callback-url without a provider appears twice".into(),
                    hint,
                );
            }
            of_all = without_provider(&parsed, url);
            continue;
        };
        if providers::by_name(provider).is_none() {
            let known: Vec<_> = REGISTRY.iter().map(|manifest| manifest.id.0).collect();
            let name = inert::quoted(provider, 40);
            return wrong(
                format!("--callback-url: unknown provider {name}"),
                &format!("the providers are: {}", known.join(", ")),
            );
        }
        if named.insert(provider.to_owned(), url.to_owned()).is_some() {
            return wrong(format!("--callback-url of {provider} appears twice"), "");
        }
    }
    of_all.extend(named);
    Ok(of_all)
}

/// A URL for all providers, or one for the callbacks of payments alone.
fn without_provider(parsed: &Url, url: &str) -> BTreeMap<String, String> {
    let path = parsed.path().trim_end_matches('/');
    let plain = parsed.query().is_none() && parsed.fragment().is_none();
    if !plain || !(path.is_empty() || path.ends_with("/callbacks")) {
        let offer = |manifest: &&&Manifest| manifest.abilities.contains(&Ability::Payments);
        let offering = REGISTRY.iter().filter(offer);
        return filled(offering.map(|manifest| (manifest.id.0.to_owned(), url.to_owned())));
    }
    let base = url.trim_end_matches('/');
    let base = if path.is_empty() {
        format!("{base}/callbacks")
    } else {
        base.to_owned()
    };
    let providers = REGISTRY.iter().map(|manifest| manifest.id.0);
    filled(providers.map(|name| (name.to_owned(), format!("{base}/{name}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(given: &[&str]) -> Result<Vec<String>, String> {
        let given: Vec<String> = given.iter().map(|text| (*text).to_owned()).collect();
        let found = callback_urls(&given).map_err(|problem| problem.message)?;
        let lines = found.into_iter().map(|(name, url)| format!("{name} {url}"));
        Ok(lines.collect())
    }

    #[test]
    fn a_callback_url_is_one_providers_or_a_receiver_of_all() {
        for all in [
            "http://127.0.0.1:8787",
            "http://127.0.0.1:8787/",
            "http://127.0.0.1:8787/callbacks",
            "http://127.0.0.1:8787/callbacks/",
        ] {
            let found = urls(&[all]).unwrap();
            assert_eq!(found.len(), REGISTRY.len(), "{all}");
            assert_eq!(found[0], "kanga http://127.0.0.1:8787/callbacks/kanga");
        }
        let behind = urls(&["http://[::1]:1/deep/callbacks"]).unwrap();
        assert!(behind.contains(&"pledg http://[::1]:1/deep/callbacks/pledg".to_owned()));
        for kangas in [
            "http://127.0.0.1:8787/callbacks/shop",
            "http://127.0.0.1:1/hook?a=b",
            "http://127.0.0.1:1/?shop=7",
            "http://127.0.0.1:1/callbacks?x",
        ] {
            assert_eq!(urls(&[kangas]).unwrap(), [format!("kanga {kangas}")]);
        }
        let mixed = [
            "pledg=http://127.0.0.1:1/a?b=c",
            "http://127.0.0.1:2",
            "kinguin=http://127.0.0.1:3",
        ];
        let found = urls(&mixed).unwrap();
        assert!(found.contains(&"pledg http://127.0.0.1:1/a?b=c".to_owned()));
        assert!(found.contains(&"kinguin http://127.0.0.1:3".to_owned()));
        assert!(found.contains(&"kanga http://127.0.0.1:2/callbacks/kanga".to_owned()));
    }

    #[test]
    fn what_is_wrong_with_a_callback_url_is_said() {
        for (given, words) in [
            (&["nonsense"][..], "not a URL"),
            (&["kanga=8787"], "not a URL"),
            (&["kagna=http://127.0.0.1:1"], "unknown provider `kagna`"),
            (&["kanga=http://a", "kanga=http://b"], "kanga appears twice"),
            (
                &["http://a", "http://b/x"],
                "without a provider appears twice",
            ),
        ] {
            let error = urls(given).unwrap_err();
            assert!(error.contains(words), "{given:?}: {error}");
        }
    }
}
