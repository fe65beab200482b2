//! A deck that receives: a payment's way from the checkout page to its timeline, the port, the secrets callbacks are
//! judged by.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tilldeck::clock::{Clock, ManualClock};
use tilldeck::config::{self, Environ, Vault};
use tilldeck::deck::{Deck, Handover, Options, Pace, Receive};
use tilldeck::domain::{
    AccountId, Amount, CallbackVerdict, Currency, Delivery, JobState, LinkRequest, ListenerStatus,
    PaymentId, PaymentState, Search, TimelineEvent, WallTime, simulate,
};
use tilldeck::net::{Event, Network};
use tilldeck::providers::SPECS;
use tokio::sync::watch;

use crate::deck::how;
use crate::payer::Payer;
use crate::program::{Place, send};
use crate::terminal::LIMIT;

const START: WallTime = WallTime(1_795_316_066_000);
const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

struct Bench {
    deck: Deck,
    hand: ManualClock,
    events: tilldeck::net::EventReceiver,
}

async fn open(place: &Place, bind: Option<SocketAddr>) -> Bench {
    open_with(place, bind, tilldeck::net::Overrides::default()).await
}

async fn open_with(
    place: &Place,
    bind: Option<SocketAddr>,
    overrides: tilldeck::net::Overrides,
) -> Bench {
    let (clock, hand) = Clock::by_hand(START);
    let locations = place.locations(Environ::of([("TEST_API_SECRET", "not-anybodys-secret")]));
    let config = config::load(&locations, &SPECS).unwrap();
    let (to, events) = tilldeck::net::events::channel();
    let options = Options {
        state_dir: place.state(),
        clock,
        network: Network::default(),
        events: Some(to),
        renew: false,
        environ: locations.environ.clone(),
        config: locations.config.clone(),
        vault: Vault::files(place.state().join(config::VAULT)),
        overrides,
        receive: Some(Receive {
            bind,
            pace: Pace {
                others: Duration::from_millis(50),
                bind: Duration::from_millis(20),
            },
            ..Receive::default()
        }),
        ledger: config::LedgerConfig::default(),
        callbacks: config::Callbacks::default(),
        hooks: config::Hooks::default(),
        handover: Handover::default(),
        recording: None,
    };
    Bench {
        deck: Deck::open(config.profile(None).unwrap(), options)
            .await
            .unwrap(),
        hand,
        events,
    }
}

impl Bench {
    async fn delivery(&mut self, wanted: impl Fn(&Delivery) -> bool) -> Delivery {
        let mut told = Vec::new();
        let wait = async {
            while let Some(event) = self.events.recv().await {
                if let Event::Delivery(delivery) = event {
                    if wanted(&delivery) {
                        return Some((*delivery).clone());
                    }
                    told.push(delivery);
                }
            }
            None
        };
        let found = tokio::time::timeout(LIMIT, wait).await;
        found
            .unwrap_or_else(|_| panic!("not told of; but of {told:#?}"))
            .unwrap()
    }

    async fn url(&self) -> String {
        match listening(&mut self.deck.listening(), |now| {
            matches!(now, ListenerStatus::Up { .. })
        })
        .await
        {
            ListenerStatus::Up { url, .. } => url,
            other => panic!("{other:?}"),
        }
    }
}

async fn listening(
    changes: &mut watch::Receiver<ListenerStatus>,
    wanted: impl Fn(&ListenerStatus) -> bool,
) -> ListenerStatus {
    let found = tokio::time::timeout(LIMIT, changes.wait_for(wanted)).await;
    found.expect("it does not come to that").unwrap().clone()
}

fn is_told(delivery: &Delivery, told: &str) -> bool {
    let mut jobs = delivery.jobs.iter();
    jobs.any(|job| job.state == JobState::Done && job.summary.starts_with(told))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_made_on_the_checkout_page_is_received_checked_and_reported_on_its_timeline() {
    let place = Place::new();
    let mut bench = open(&place, None).await;
    let kanga = AccountId::new("kanga").unwrap();
    let id = PaymentId::new("ERRAND 1").unwrap();
    let link = LinkRequest {
        id: id.clone(),
        amount: Amount::typed("250").unwrap(),
        currency: Currency::new("EMT").unwrap(),
        name: None,
        email: None,
        force_currency: None,
        with_token: false,
        replace_expectation: false,
    };
    let link = bench.deck.link(&kanga, &link, how()).await.unwrap();
    tokio::task::block_in_place(|| {
        let mut payer = Payer::open(link.url.expose());
        payer.submit("verify", &[("email", "payer@example.com")]);
        payer.submit("choose", &[("currency", "oPLN")]);
        payer.submit("pay", &[]);
    });
    let is_its = |delivery: &Delivery| {
        let subject = delivery.subject.as_ref().map(ToString::to_string);
        subject.as_deref() == Some(id.as_str())
    };
    // The simulated world's clock, which no hand but ours moves.
    bench
        .deck
        .simulate(&simulate::Command::Advance(Duration::from_hours(1)))
        .unwrap();
    let first = bench.delivery(is_its).await;
    assert_eq!(
        (first.verdict, first.status),
        (CallbackVerdict::Accepted, 200)
    );
    // A second check of a payment waits some seconds, and there is one if the first came before the hour had passed.
    let hand = bench.hand.clone();
    bench
        .delivery(|delivery| {
            let mut jobs = delivery.jobs.iter();
            if is_its(delivery) && jobs.any(|job| matches!(job.state, JobState::Due { .. })) {
                hand.advance(Duration::from_secs(10));
            }
            is_its(delivery) && is_told(delivery, "paid, FINALIZED")
        })
        .await;
    // Nothing follows.
    bench.deck.stop_receiving().await;

    let told = bench.deck.timeline(&kanga, &id).await.unwrap();
    let has = |wanted: fn(&TimelineEvent) -> bool| told.entries.iter().any(|one| wanted(&one.what));
    assert!(has(
        |what| matches!(what, TimelineEvent::Call { method, .. } if method == "POST")
    ));
    assert!(has(
        |what| matches!(what, TimelineEvent::State(seen) if seen.payment.state == PaymentState::Finalized)
    ));
    assert!(has(|what| matches!(what, TimelineEvent::Callback(_))));
    assert!(told.entries.is_sorted_by_key(|one| one.at));
    let received = bench.deck.received(first.id).await.unwrap();
    assert!(
        received.target.starts_with("/callbacks/kanga"),
        "{received:?}"
    );
    assert!(
        !bench
            .deck
            .deliveries(None, Search::default(), 10)
            .await
            .unwrap()
            .rows
            .is_empty()
    );
    // Another console's simulator has another payment of this id.
    let other = open(&place, None).await;
    other.hand.advance(Duration::from_hours(1));
    let unknown = other.deck.check_payment(&kanga, &id, how()).await;
    assert!(unknown.is_err());
    other.deck.close().await;
    let again = bench.deck.timeline(&kanga, &id).await.unwrap();
    assert_eq!(again.entries.len(), told.entries.len());
    bench.deck.close().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_reported_and_had_as_soon_as_it_is_free() {
    let place = Place::with_shop("http://127.0.0.1:9");
    let other = std::net::TcpListener::bind(ANY).unwrap();
    let address = other.local_addr().unwrap();
    let bench = open(&place, Some(address)).await;
    let mut changes = bench.deck.listening();
    let down = listening(&mut changes, |now| *now != ListenerStatus::Off).await;
    let ListenerStatus::Down {
        address: told, why, ..
    } = down
    else {
        panic!("{down:?}");
    };
    assert_eq!(told, address.to_string());
    assert!(why.contains("another program"), "{why}");
    drop(other);
    assert_eq!(bench.url().await, format!("http://{address}"));
    bench.deck.stop_receiving().await;
    listening(&mut changes, |now| *now == ListenerStatus::Off).await;
    assert!(std::net::TcpListener::bind(address).is_ok());
}

const SALE: &str = r#"{"name":"A game","status":"BOUGHT","reservationId":"65b0c0ffee0123456789abcd","offerId":"o","updatedAt":"2024-03-29T10:01:42.177+0000"}"#;

#[tokio::test]
async fn a_ledger_that_is_only_read_receives_nothing_and_says_why() {
    let only_read = tilldeck::net::Overrides {
        read_only: true,
        ..tilldeck::net::Overrides::default()
    };
    let place = Place::with_shop("http://127.0.0.1:9");
    let real = open_with(&place, Some(ANY), only_read).await;
    let listening = real.deck.listening().borrow().clone();
    assert!(
        matches!(&listening, ListenerStatus::Down { why, .. } if why.contains("--ledger sqlite")),
        "{listening:?}"
    );
    let status = real.deck.ledger().status().await;
    assert_eq!(status.failure(), None);
    real.deck.close().await;
    let built_in = open_with(&Place::new(), None, only_read).await;
    let mut listening = built_in.deck.listening();
    let up = listening.wait_for(|it| matches!(it, ListenerStatus::Up { .. }));
    up.await.unwrap();
}

/// A place whose Kinguin account proves its webhooks by what is in a file.
fn with_webhook() -> Place {
    Place::with_config(
        "default_profile = \"live\"\n[profiles.live.accounts.keys]\nprovider = \"kinguin\"\n\
         client_id = \"TESTKEY-2\"\nclient_secret = { env = \"TEST_API_SECRET\" }\nwebhook_header = \"X-Shop\"\n\
         webhook_secret = { file = \"webhook\" }\n",
    )
}

fn keep(place: &Place, secret: &str) {
    let file = place.path().join("webhook");
    std::fs::write(&file, secret).unwrap();
    private(&file);
}

fn private(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_changed_elsewhere_is_noticed_and_one_that_cannot_be_read_judges_nobody() {
    let place = with_webhook();
    let mut bench = open(&place, Some(ANY)).await;
    let url = bench.url().await;
    let call = |secret: &str| {
        let headers = format!("X-Shop: {secret}\r\nContent-Type: application/json\r\n");
        let answered =
            tokio::task::block_in_place(|| send(&url, "POST", "/callbacks/keys", &headers, SALE));
        answered.unwrap().0
    };
    assert_eq!(call("SANDBOX-first"), 503, "it comes again");
    let warned = async {
        loop {
            match bench.events.recv().await.unwrap() {
                Event::Warning { about, text } if about == "callbacks keys" => return text,
                _ => {}
            }
        }
    };
    let warned = tokio::time::timeout(LIMIT, warned).await.unwrap();
    assert!(warned.contains("webhook_secret"), "{warned}");
    keep(&place, "SANDBOX-first");
    assert_eq!(call("SANDBOX-first"), 503, "not asked again at once");
    bench.hand.advance(Duration::from_secs(6));
    assert_eq!(call("SANDBOX-first"), 200);
    keep(&place, "SANDBOX-second");
    assert_eq!(call("SANDBOX-second"), 403, "not asked again at once");
    assert_eq!(call("SANDBOX-first"), 200);
    bench.hand.advance(Duration::from_secs(1));
    assert_eq!(call("SANDBOX-second"), 200);
    assert_eq!(call("SANDBOX-first"), 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_console_sees_what_another_process_receives_for_its_profile() {
    let peer = crate::peer::Peer::start(vec![crate::peer::json(
        r#"{"result":"ok","currency":"BTC","amount":"0.005","state":"FINALIZED"}"#,
    )]);
    let place = Place::with_shop(&peer.url);
    let mut console = open(&place, None).await;
    assert!(
        console
            .deck
            .deliveries(None, Search::default(), 9)
            .await
            .unwrap()
            .rows
            .is_empty()
    );
    let listener = crate::program::Listener::start(&place, &[]);
    assert_eq!(
        listener
            .post("/callbacks/shop?transactionKey=ELSEWHERE", "", "")
            .0,
        200
    );
    let seen = console.delivery(|_| true).await;
    assert_eq!(seen.subject.unwrap().to_string(), "ELSEWHERE");
    let checked = async {
        loop {
            if let Event::Checked(checked) = console.events.recv().await.unwrap() {
                return checked;
            }
        }
    };
    let checked = tokio::time::timeout(LIMIT, checked).await.unwrap();
    assert_eq!(checked.id.as_str(), "ELSEWHERE");
    assert_eq!(checked.result.unwrap().sum(), "0.005 BTC");
}
