//! Pledg from the command line, against a sandbox that another process serves.

use serde_json::{Value, json};

use crate::payer::Payer;
use crate::program::{Place, Ran, Served};

const SECRETS: [(&str, &str); 3] = [
    ("API_SECRET", "SANDBOX-PLEDG-API-SECRET"),
    (
        "MERCHANT_SECRET",
        "SANDBOX-PLEDG-MERCHANT-SECRET-THAT-PROTECTS-NOTHING",
    ),
    ("PASSWORD", "SANDBOX-PLEDG-PASSWORD-THAT-PROTECTS-NOTHING"),
];
const SCHEDULE: &str =
    "/api/merchants/mer_00000000-0000-4000-8000-000000000001/simulate_payment_schedule";

struct Simulated {
    served: Served,
    place: Place,
    _serving: Place,
}

impl Simulated {
    /// An account with these further keys.
    fn start(keys: &str) -> Self {
        let serving = Place::new();
        let served = Served::start(&serving, &[]);
        let place = Place::with_config(&format!(
            "default_profile = \"test\"\n[profiles.test.accounts.later]\nprovider = \"pledg\"\nenvironment = \"sandbox\"\n\
             api_key = \"SANDBOX-PLEDG-KEY\"\nendpoints = {{ api = \"{}\" }}\n{keys}",
            served.url
        ));
        Self {
            served,
            place,
            _serving: serving,
        }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.place.command(arguments);
        command.envs(SECRETS);
        Ran::of(command)
    }

    fn post(&self, path: &str, data: &str) -> Ran {
        self.run(&["request", "later", "POST", path, "--yes", "--data", data])
    }

    fn trigger(&self, what: &[&str]) -> Ran {
        let url = self.served.url.as_str();
        self.run(&[&["sandbox", "trigger", "--url", url], what].concat())
    }
}

#[test]
fn a_served_pledg_wait_for_one_and_played_from_the_command_line() {
    let simulated = Simulated::start(
        "api_secret = { env = \"API_SECRET\" }\nmerchant_secret = { env = \"MERCHANT_SECRET\" }\n\
         dashboard_user = \"sandbox@shop.example\"\ndashboard_password = { env = \"PASSWORD\" }\n",
    );
    let verified = simulated.run(&["account", "verify", "later"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let asked = simulated.post(
        SCHEDULE,
        r#"{"amount_cents": 200, "created": "2021-12-17"}"#,
    );
    assert_eq!(asked.code, 0, "{asked:?}");
    let schedule: Value = serde_json::from_str(&asked.out).unwrap();
    assert_eq!(schedule["INSTALLMENT"][0]["fees"], 2);

    let order = json!({"data": {
        "merchantUid": "mer_00000000-0000-4000-8000-000000000001", "amountCents": 2000, "reference": "R-1",
        "email": "payer@shop.example", "firstName": "Jo", "lastName": "Payer", "title": "Two nights",
    }})
    .to_string();
    let bought = simulated.post("/api/purchase_link/", &order);
    assert_eq!(bought.code, 0, "{bought:?}");
    let link: Value = serde_json::from_str(&bought.out).unwrap();
    let payer = Payer::open(link["purchase_link"].as_str().unwrap());
    assert!(payer.page.contains("R-1"), "{}", payer.page);
    let paid = simulated.trigger(&["event", "pledg", "pay", "R-1"]);
    assert!(paid.code == 0 && paid.out.contains("PAID"), "{paid:?}");
    let again = simulated.post("/api/purchase_link/", &order);
    assert_eq!(again.code, 5, "a completed reference: {again:?}");
    assert!(again.err.contains("R-1"), "{again:?}");
    let release = "/api/purchases/pur_00000000-0000-4000-8000-000000000002/release";
    let released = simulated.run(&["request", "later", "POST", release, "--yes"]);
    assert_eq!(released.code, 0, "{released:?}");

    let lived = simulated.trigger(&["set", "pledg", "token-life", "20s"]);
    assert_eq!(lived.code, 0, "{lived:?}");
    let unknown = simulated.trigger(&["event", "pledg", "pay", "R-9"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");

    let log = simulated.run(&["log", "--json"]).out;
    assert!(
        log.contains("/api/token") && log.contains("/api/purchase_link/"),
        "{log}"
    );
    for (_, secret) in SECRETS {
        assert!(!log.contains(secret), "{log}");
    }
    assert!(!log.contains("eyJ"), "no token and no signature: {log}");
}

#[test]
fn a_call_that_cannot_be_made_fails_before_its_confirmation_and_any_other_needs_one() {
    let place = Place::with_config(
        "default_profile = \"test\"\n[profiles.test.accounts.later]\nprovider = \"pledg\"\nenvironment = \"sandbox\"\n\
         api_key = \"SANDBOX-PLEDG-KEY\"\n",
    );
    let purchase = r#"{"data": {"merchantUid": "mer_1", "amountCents": 2000}}"#;
    for (data, words) in [
        (purchase, "pass --yes to send it"),
        (r#"{"data": 7}"#, "the body has no `data` object"),
    ] {
        let path = "/api/purchase_link/";
        let ran = place.run(&["request", "later", "POST", path, "--data", data]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(words), "{ran:?}");
    }
}

// docs/providers/pledg.md#authorisation
#[test]
fn basic_or_bearer_is_chosen_for_one_call() {
    let simulated = Simulated::start(
        "api_secret = { env = \"API_SECRET\" }\ndashboard_user = \"sandbox@shop.example\"\n\
         dashboard_password = { env = \"PASSWORD\" }\n",
    );
    let release = "/api/purchases/pur_00000000-0000-4000-8000-000000000002/release";
    let refund = "/api/purchases/pur_00000000-0000-4000-8000-000000000001/credit_by_transfer";
    let auth = |path: &str, more: &[&str]| {
        let base = [
            "request",
            "later",
            "POST",
            path,
            "--yes",
            "--data",
            r#"{"amount_cents": 5}"#,
        ];
        simulated.run(&[&base[..], more].concat())
    };
    // The simulator takes each call's documented one and no other.
    for (path, more, code) in [
        (refund, &["--auth", "basic"][..], 3),
        (release, &["--auth", "bearer"], 3),
        (refund, &["--auth", "Bearer"], 0),
        (release, &["--auth", "basic"], 0),
        (refund, &[], 0),
        (refund, &["--auth", "digest"], 2),
        ("/elsewhere", &["--auth", "basic"], 2),
    ] {
        let ran = auth(path, more);
        assert_eq!(ran.code, code, "{path} {more:?}: {ran:?}");
    }
    let elsewhere = Place::new();
    let other = elsewhere.run(&[
        "request",
        "kanga",
        "POST",
        "/api/v2/test",
        "--auth",
        "basic",
        "--yes",
    ]);
    assert!(
        other.code == 2 && other.err.contains("no choice between basic and bearer"),
        "{other:?}"
    );
}

// docs/providers/pledg.md#signed-purchases
#[test]
fn a_signed_purchase_link_opens_the_page_where_the_payer_buys() {
    let simulated = Simulated::start("merchant_secret = { env = \"MERCHANT_SECRET\" }\n");
    let order = json!({"data": {
        "merchantUid": "mer_00000000-0000-4000-8000-000000000001", "amountCents": 2000, "reference": "R-7",
        "email": "payer@shop.example", "firstName": "Jo", "lastName": "Payer", "title": "Two nights",
    }})
    .to_string();
    let live = simulated.run(&["purchase-link", "later", "--data", &order]);
    assert_eq!(live.code, 0, "{live:?}");
    let (page, signature) = live.out.trim().split_once("?signature=").unwrap();
    assert_eq!(page, "https://staging.front.ecard.pledg.co/purchase");
    assert_eq!(signature.split('.').count(), 3);
    let object = simulated
        .run(&["purchase-link", "later", "--data", &order, "--json", "--qr"])
        .object();
    assert_eq!(object["url"], live.out.trim());
    assert!(object["qr"].is_array(), "{object}");

    let mut payer = Payer::open(&format!(
        "{}/purchase?signature={signature}",
        simulated.served.url
    ));
    assert!(
        payer.page.contains("R-7") && payer.page.contains("CREATED"),
        "{}",
        payer.page
    );
    payer.submit("purchase", &[("act", "pay")]);
    assert!(payer.page.contains("PAID"), "{}", payer.page);

    let none = simulated.run(&["purchase-link", "later", "--data", "{}"]);
    assert!(none.code == 2 && none.err.contains("no `data`"), "{none:?}");
    let kanga = Place::new().run(&["purchase-link", "kanga", "--data", &order]);
    assert!(
        kanga.code == 2 && kanga.err.contains("no signed purchase links"),
        "{kanga:?}"
    );
}

#[test]
fn what_a_call_lacks_is_named_with_exit_code_2() {
    let simulated = Simulated::start("");
    let verified = simulated.run(&["account", "verify", "later"]);
    assert_eq!(verified.code, 2, "{verified:?}");
    let told = format!("{}{}", verified.out, verified.err);
    assert!(
        told.contains("api_secret") && told.contains("later"),
        "{told}"
    );
    let torn = simulated.post(SCHEDULE, "{\"amount_cents\": 200,");
    assert_eq!(torn.code, 2, "{torn:?}");
    assert!(torn.err.contains("ends too early"), "{torn:?}");
}
