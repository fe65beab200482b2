//! Callers that wait for one fetch.

use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;

use super::*;
use crate::config::Vault;
use crate::domain::{
    Account, AccountId, Counts, Environment, Problem, ProblemKind, ProviderId, RequestId, WallTime,
};
use crate::ledger::{Ledger, Retention};
use crate::net::events::{self, EventSender};
use crate::net::{Gate, Limit, Network};

const OPERATOR: RequestOptions = RequestOptions {
    request: RequestId(1),
    background: false,
    no_wait: false,
};

/// Never gets as far as sending: panics at first, then has no credentials.
#[derive(Default)]
struct Failing {
    panics: usize,
    began: AtomicUsize,
    goes_on: tokio::sync::Notify,
}

fn no_credentials() -> NetError {
    NetError::Unauthorised(Problem::new(ProblemKind::Config, "no credentials", ""))
}

#[async_trait]
impl FetchToken for Failing {
    fn call(&self) -> Call {
        Call::new("POST", "token", "/")
    }

    async fn authorise(&self) -> Result<SignedRequest, NetError> {
        let began = self.began.fetch_add(1, Ordering::Relaxed);
        self.goes_on.notified().await;
        assert!(began >= self.panics, "as planned");
        Err(no_credentials())
    }
}

fn tokens(fetch: Arc<Failing>, folder: &std::path::Path) -> Tokens {
    let (session, clock) = session(folder, None);
    Tokens::new(session, fetch, clock)
}

fn session(folder: &std::path::Path, events: Option<EventSender>) -> (Session, Clock) {
    let (clock, _) = Clock::by_hand(WallTime(1_795_316_066_000));
    let ledger = Ledger::start(folder.to_owned(), clock.clone(), Retention::default());
    let account = Account {
        id: AccountId::new("keys").unwrap(),
        provider: ProviderId("kinguin"),
        provider_title: "Kinguin",
        environment: Environment::Embedded,
        host: String::new(),
        base: String::new(),
        secret_source: String::new(),
        uses_access_tokens: true,
        abilities: &[],
    };
    let gate = Gate::new(ledger, clock.clone(), Network::default(), events);
    let endpoint = reqwest::Url::parse("http://127.0.0.1:1").unwrap();
    let session = Session::new(Arc::new(gate), account, vec![("token", endpoint)], vec![]);
    (session, clock)
}

#[tokio::test]
async fn the_token_of_a_trial_is_not_reported_as_that_of_the_account() {
    type New = fn(Session, Arc<dyn FetchToken>, Clock) -> Tokens;
    for (new, reports) in [(Tokens::new as New, true), (Tokens::trial, false)] {
        let folder = tempfile::tempdir().unwrap();
        let (sender, mut events) = events::channel();
        let (session, clock) = session(folder.path(), Some(sender));
        let fetch = Arc::new(Failing::default());
        fetch.goes_on.notify_one();
        let tokens = new(session, fetch, clock);
        assert_eq!(tokens.ready(OPERATOR).await, Err(no_credentials()));
        let mut reported = std::iter::from_fn(|| events.try_recv());
        let reported = reported.any(|event| matches!(event, Event::Token(..)));
        assert_eq!(reported, reports);
    }
}

#[tokio::test]
async fn a_token_that_is_granted_while_its_account_is_removed_is_not_saved() {
    for is_removed in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (session, clock) = session(folder.path(), None);
        let store = TokenStore::new(
            Vault::files(folder.path().join("vault")),
            Ledger::in_memory(clock.clone()),
            &session.endpoints()[0].1,
            "client",
        );
        let fetch = Arc::new(Failing::default());
        let tokens = Tokens::stored_in(Some(store.clone()), session, fetch, clock.clone());
        let token = Secret::new("token-of-the-removed-account");
        let life = TokenLifetime {
            since: clock.now(),
            aged: Duration::ZERO,
            life: Duration::from_hours(1),
            renew_at: Duration::from_mins(50),
        };
        assert!(tokens.0.held.lock().granted(clock.now(), &token, life));
        if is_removed {
            tokens.retire().await.unwrap();
        }
        tokens.save_token(&store, &token).await;
        let saved = store.read(clock.now(), jitter()).await.unwrap();
        assert_eq!(saved.is_none(), is_removed);
    }
}

#[tokio::test]
async fn a_fetch_in_the_background_takes_a_slot_that_is_left_to_the_operator() {
    let folder = tempfile::tempdir().unwrap();
    let (session, clock) = session(folder.path(), None);
    let limit = Limit {
        scope: "s".into(),
        endpoint: "token",
        counts: Counts::All,
        requests: 2,
        period: Duration::from_mins(1),
    };
    let (account, endpoints) = (session.account().clone(), session.endpoints().to_vec());
    let session = Session::new(session.gate().clone(), account, endpoints, vec![limit]);
    let fetches = [(); 2].map(|()| Arc::new(Failing::default()));
    let mut waiting = Vec::new();
    for fetch in &fetches {
        let tokens = Tokens::new(session.clone(), fetch.clone(), clock.clone());
        waiting.push(tokens.start(FetchReason::Needed, RequestOptions::background()));
        let began = async {
            while fetch.began.load(Ordering::Relaxed) == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let began = tokio::time::timeout(Duration::from_secs(5), began).await;
        assert!(began.is_ok(), "it waits for a slot");
    }
}

/// The results of three callers that wait for one fetch, which goes on once all of them do.
async fn three(tokens: &Tokens, fetch: &Failing) -> [Result<(), NetError>; 3] {
    let release = async {
        while tokens.0.tasks.len() < 3 || !tokens.status().fetching {
            tokio::task::yield_now().await;
        }
        fetch.goes_on.notify_one();
    };
    let [one, two, three] = [(); 3].map(|()| tokens.ready(OPERATOR));
    let (one, two, three, ()) = tokio::join!(one, two, three, release);
    [one, two, three]
}

#[tokio::test]
async fn callers_of_one_fetch_share_its_failure() {
    let folder = tempfile::tempdir().unwrap();
    let fetch = Arc::new(Failing::default());
    let tokens = tokens(fetch.clone(), folder.path());
    for calls in 1..3 {
        let failed: [_; 3] = std::array::from_fn(|_| Err(no_credentials()));
        assert_eq!(three(&tokens, &fetch).await, failed);
        assert_eq!(fetch.began.load(Ordering::Relaxed), calls);
    }
}

#[tokio::test]
async fn a_fetch_that_panics_fails_for_its_callers_and_blocks_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let fetch = Arc::new(Failing {
        panics: 1,
        ..Failing::default()
    });
    let tokens = tokens(fetch.clone(), folder.path());
    let cancelled: [_; 3] = std::array::from_fn(|_| Err(NetError::Cancelled));
    assert_eq!(three(&tokens, &fetch).await, cancelled);
    let status = tokens.status();
    assert!(!status.fetching && status.failure.unwrap().again.is_some());
    fetch.goes_on.notify_one();
    assert_eq!(tokens.ready(OPERATOR).await, Err(no_credentials()));
    assert_eq!(fetch.began.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_program_that_exits_ends_a_fetch_for_all_its_callers() {
    let folder = tempfile::tempdir().unwrap();
    let fetch = Arc::new(Failing::default());
    let tokens = tokens(fetch.clone(), folder.path());
    let release = async {
        while tokens.0.tasks.len() < 2 || !tokens.status().fetching {
            tokio::task::yield_now().await;
        }
        tokens.finish().await;
    };
    let (one, two, ()) = tokio::join!(tokens.ready(OPERATOR), tokens.ready(OPERATOR), release);
    assert_eq!([one, two], [(); 2].map(|()| Err(NetError::Cancelled)));
    assert!(!tokens.status().fetching);
}

#[tokio::test]
async fn a_caller_that_gives_up_before_its_turn_fetches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let fetch = Arc::new(Failing::default());
    let tokens = tokens(fetch.clone(), folder.path());
    drop(tokens.start(FetchReason::Needed, OPERATOR));
    tokens.finish().await;
    assert_eq!(fetch.began.load(Ordering::Relaxed), 0);
}
