//! Whether callbacks are received: at the configured address, and at the one that providers send them to.

use std::sync::Arc;

use reqwest::Url;

use super::endpoints::{get, parts};
use super::{Finding, Findings, Subject};
use crate::callbacks::probe::{CHALLENGE, Challenge, ReceiverState};
use crate::callbacks::{Address, HEARTBEAT, reachable};
use crate::config::{self, Config};
use crate::deck::Deck;
use crate::deck::receiving::who_answers;
use crate::domain::{Account, ListenerStatus};
use crate::net::{self, MaybeSecret, NetError, Reached, Session};

/// The receiver of this program, or of another one on this machine.
pub(super) async fn local(deck: Arc<Deck>, config: Config) -> Vec<Finding> {
    let listening = deck.listening().borrow().clone();
    vec![match listening {
        ListenerStatus::Up { url, .. } => {
            Finding::good(format!("this program receives callbacks at {url}"))
        }
        ListenerStatus::Down { address, why, .. } => {
            let words = format!("this program cannot receive callbacks at {address}: {why}");
            Finding::bad(words)
        }
        ListenerStatus::Elsewhere { url } => Finding::good(format!(
            "another tilldeck on this machine receives callbacks at {url}"
        )),
        ListenerStatus::Off if deck.simulator.is_some() => {
            Finding::good("the simulator sends callbacks to the console that runs it")
        }
        ListenerStatus::Off => elsewhere(&deck, &config).await,
    }]
}

/// Another program's receiver, at the address that the config names, else at that of `tilldeck listen`.
async fn elsewhere(deck: &Deck, config: &Config) -> Finding {
    let bind = config.callbacks.bind;
    let address = reachable(bind.unwrap_or(config::LISTEN));
    let url = format!("http://{address}");
    let sealer = deck.callbacks.shared.sealing.existing();
    match (who_answers(address, HEARTBEAT, sealer).await, bind) {
        (Some(state), _) => answered(&url, state),
        (None, None) => Finding::good("callbacks are off: [callbacks] has no `bind`"),
        (None, Some(_)) => {
            let words = format!("no program receives callbacks at {url} now");
            let hint = "open the console, or run `tilldeck listen`";
            Finding::warning(words).hint(hint)
        }
    }
}

/// By what answers at an address of this machine.
fn answered(url: &str, state: Option<ReceiverState>) -> Finding {
    match state {
        Some(ReceiverState::Alive | ReceiverState::Forwards | ReceiverState::NoAccount) => {
            Finding::good(format!("a tilldeck receives callbacks at {url}"))
        }
        Some(ReceiverState::Down) => down(url),
        None => {
            let words = format!("a program without this tilldeck's seal key answers at {url}");
            let hint = "end it, or choose another address with `bind` in [callbacks]";
            Finding::warning(words).hint(hint)
        }
    }
}

fn down(url: &str) -> Finding {
    let words = format!("the receiver at {url} cannot save callbacks");
    let hint = "see the line of the ledger; the provider sends the callbacks again";
    Finding::bad(words).hint(hint)
}

/// One check for each account's address, as a provider reaches it.
pub(super) fn outside(deck: &Arc<Deck>, subject: &Subject) -> Vec<Findings> {
    let Some(base) = &subject.callback_url else {
        return Vec::new();
    };
    let wanted = |account: &Account| match &subject.account {
        Some(only) => account.id.as_str() == only,
        None => true,
    };
    let accounts = deck.accounts().filter(wanted);
    let checks = accounts.filter_map(|account| {
        let url = address(base, account.id.as_str())?;
        let host = net::http::authority(&url);
        let account = Account {
            host,
            base: url.to_string(),
            ..account
        };
        let deck = deck.clone();
        let check = async move {
            let found = reach(&deck, &account, &url).await;
            vec![Finding {
                host: Some(account.host),
                ..found.account(&account.id)
            }]
        };
        Some(Box::pin(check) as Findings)
    });
    checks.collect()
}

/// The address of an account: the base may end before `/callbacks`, or before the account's name. `None` if it is the
/// address of another account.
fn address(base: &Url, account: &str) -> Option<Url> {
    let path = base.path().trim_end_matches('/');
    // A web server may add a path of its own before `/callbacks`.
    let mut ends = path.match_indices('/').map(|(at, _)| &path[at..]);
    let path = match ends.find_map(Address::of) {
        None => format!("{path}/callbacks/{account}"),
        Some(address) if address.account.is_empty() => format!("{path}/{account}"),
        Some(address) if address.account == account => path.to_owned(),
        Some(_) => return None,
    };
    let mut url = base.clone();
    url.set_path(&path);
    Some(url)
}

async fn reach(deck: &Deck, account: &Account, url: &Url) -> Finding {
    let Ok(challenge) = Challenge::new() else {
        return Finding::bad("the system has no random numbers");
    };
    let session = Session::new(
        deck.gate.clone(),
        account.clone(),
        // No limits: the receiver is the operator's own.
        vec![("callback", url.clone())],
        Vec::new(),
    );
    let value = MaybeSecret::Open(challenge.value().to_owned());
    let sealer = deck.callbacks.shared.sealing.existing().await;
    match session
        .probe(&get("callback"), vec![(CHALLENGE, value)])
        .await
    {
        Ok(reached) => {
            let body = &reached.reply.body;
            let state = sealer.and_then(|sealer| challenge.verify(body, &sealer));
            Finding {
                took: Some(reached.reply.to_head),
                ..reached_by(url, &reached, state)
            }
        }
        Err(error) => unreached(error, account),
    }
}

fn reached_by(url: &Url, reached: &Reached, state: Option<ReceiverState>) -> Finding {
    let bad = |words: String| Finding::bad(words);
    match state {
        Some(ReceiverState::Alive | ReceiverState::Forwards) => {
            let times = parts(reached, url.scheme() == "https");
            Finding::good(format!("{url} leads to this tilldeck's receiver: {times}"))
        }
        Some(ReceiverState::Down) => down(url.as_str()),
        Some(ReceiverState::NoAccount) => bad(format!(
            "{url} leads to a receiver of another profile, without this account"
        ))
        .hint("start `tilldeck listen` with the --profile of this account"),
        None => {
            let status = reached.reply.status;
            bad(format!("{url} does not lead to this tilldeck's receiver (HTTP {status})")).hint(
                "let the web server pass /callbacks/ with all headers to the receiver; in a team, `seal_key` must be \
                 the same on all machines",
            )
        }
    }
}

fn unreached(error: NetError, account: &Account) -> Finding {
    let is_on_the_way = matches!(
        error,
        NetError::Dns(_)
            | NetError::ConnectionRefused(_)
            | NetError::Unreachable { .. }
            | NetError::TimedOut { .. }
            | NetError::Broken { .. }
    );
    let finding = Finding::bad(error.to_string());
    if is_on_the_way {
        return finding
            .hint("check the DNS entry, the firewall and the web server of this address");
    }
    finding.hint(error.problem(&account.id).hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Health;

    #[test]
    fn an_accounts_address_is_found_however_much_of_it_is_given() {
        for (base, wanted) in [
            (
                "https://h.example",
                Some("https://h.example/callbacks/shop"),
            ),
            (
                "https://h.example/",
                Some("https://h.example/callbacks/shop"),
            ),
            (
                "https://h.example/hooks/",
                Some("https://h.example/hooks/callbacks/shop"),
            ),
            (
                "https://h.example/callbacks",
                Some("https://h.example/callbacks/shop"),
            ),
            (
                "https://h.example/callbacks/shop",
                Some("https://h.example/callbacks/shop"),
            ),
            ("https://h.example/callbacks/keys", None),
            (
                "https://h.example/hooks/callbacks/",
                Some("https://h.example/hooks/callbacks/shop"),
            ),
            (
                "https://h.example/hooks/callbacks/shop",
                Some("https://h.example/hooks/callbacks/shop"),
            ),
            ("https://h.example/hooks/callbacks/keys", None),
            // The receiver takes the first `callbacks` for its own.
            (
                "https://h.example/callbacks/shop/callbacks",
                Some("https://h.example/callbacks/shop/callbacks"),
            ),
            ("https://h.example/callbacks/callbacks", None),
        ] {
            let found = address(&Url::parse(base).unwrap(), "shop");
            assert_eq!(found.as_ref().map(Url::as_str), wanted, "{base}");
        }
        let base = "https://h.example/callbacks/callbacks";
        let found = address(&Url::parse(base).unwrap(), "callbacks");
        assert_eq!(found.as_ref().map(Url::as_str), Some(base));
    }

    #[test]
    fn what_answers_on_this_machine_is_judged_by_its_proof() {
        for (state, health) in [
            (Some(ReceiverState::Alive), Health::Good),
            (Some(ReceiverState::Down), Health::Bad),
            (None, Health::Warning),
        ] {
            assert_eq!(answered("http://127.0.0.1:8787", state).health, health);
        }
    }
}
