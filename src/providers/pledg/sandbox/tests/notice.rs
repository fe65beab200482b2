//! Notifications of Pledg's simulator, and their faults (`docs/providers/pledg.md#notifications`).

use super::*;
use crate::auth::sign::{JwtError, verify_jwt_hs256};
use crate::domain::PaymentId;
use crate::providers::pledg::signature::back_mode;
use crate::sandbox::testing::Receiver;

const BACK: &str = "mer_00000000-0000-4000-8000-000000000002";
const UNSIGNED: &str = "mer_00000000-0000-4000-8000-000000000003";
const AT: WallTime = WallTime(1_795_316_066_000);

/// The notifications that a shop received since the last call.
fn notices(shop: &Receiver) -> Vec<Value> {
    let notice = |request: &Request| {
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.headers()["content-type"], "application/json");
        serde_json::from_slice(request.body()).unwrap()
    };
    shop.taken().iter().map(notice).collect()
}

const PATH: &str = "/notices?order=1";

struct Both {
    bench: Bench,
    shop: Receiver,
}

async fn both() -> Both {
    // Simulated time stands still, so that only the test itself sends.
    let bench = bench_with(|options| options.speed = 0).await;
    Both {
        bench,
        shop: Receiver::open().await,
    }
}

impl Both {
    async fn made(&self, reference: &str, merchant: &str) {
        let mut order = order(reference, merchant);
        order["data"]["metadata"] = json!({ "cart": 7 });
        order["data"]["paymentNotificationUrl"] = self.shop.url(PATH).into();
        order["data"]["errorNotificationUrl"] = self.shop.url(PATH).into();
        let made = if merchant == UNSIGNED {
            let body = order.to_string();
            self.bench.post("/api/purchase_link/", "", &body).await
        } else {
            self.bench.buy(&order).await
        };
        assert_eq!(made.status, 200, "{made:?}");
    }

    /// The notifications that arrive after this event.
    async fn after(&self, event: &str, subject: &str) -> Vec<Value> {
        self.bench.event(event, subject).unwrap();
        self.arrived().await
    }

    async fn arrived(&self) -> Vec<Value> {
        self.bench.sandbox.pump().await;
        notices(&self.shop)
    }

    async fn paid(&self, reference: &str, merchant: &str) -> Value {
        self.made(reference, merchant).await;
        let mut all = self.after("pay", reference).await;
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }
}

fn opened(notice: &Value) -> Result<Value, JwtError> {
    assert_eq!(
        notice.as_object().unwrap().len(),
        1,
        "the signature alone: {notice}"
    );
    let jwt = notice["signature"].as_str().unwrap();
    verify_jwt_hs256(&Secret::new(MERCHANT_SECRET), jwt, AT)
}

fn hashed(notice: &Value) -> String {
    back_mode(&Secret::new(MERCHANT_SECRET), notice.as_object().unwrap()).unwrap()
}

// docs/providers/pledg.md#transfer-notices
#[tokio::test]
async fn a_paid_transfer_is_notified_in_plain_fields_or_as_a_signature_alone() {
    let both = both().await;
    let open = both.paid("R-1", UNSIGNED).await;
    let signed = opened(&both.paid("R-1", MERCHANT).await).unwrap();
    for (notice, merchant) in [(open, UNSIGNED), (signed, MERCHANT)] {
        assert_eq!(notice["reference"], "R-1");
        assert_eq!(notice["amount_cents"], 2000);
        assert_eq!(notice["merchant_uid"], merchant);
        assert_eq!(notice["created"], "2026-11-22 02:54:26.000000");
        let tri = notice["transfer_order_item_uid"].as_str().unwrap();
        assert!(tri.starts_with("tri_"));
        assert!(notice["purchase_uid"].as_str().unwrap().starts_with("pur_"));
        assert_eq!(notice["metadata"]["cart"], 7);
        assert!(notice["metadata"]["pledg_session"].is_object());
    }
}

// docs/providers/pledg.md#back-mode
#[tokio::test]
async fn back_mode_is_hashed_with_a_boolean_or_its_word() {
    let both = both().await;
    let notice = both.paid("R-1", BACK).await;
    assert_eq!(notice["sandbox"], json!(true));
    assert_eq!(notice["status"], "completed");
    assert_eq!(notice["error"], "");
    assert_eq!(notice["created_at"], "2026-11-22T02:54:26.000Z");
    assert_eq!(notice["metadata"], json!({ "cart": 7 }));
    let charge = notice["additional_data"]["charge_id"].as_str().unwrap();
    assert!(charge.starts_with("ch_"), "{charge}");
    assert_eq!(notice["signature"], hashed(&notice));
    both.bench.set("notice-booleans", "text").unwrap();
    let notice = both.paid("R-2", BACK).await;
    assert_eq!(notice["sandbox"], json!("true"));
    assert_eq!(notice["signature"], hashed(&notice));
    let waiting = both.after("status", "R-2 chargeback-initiated").await;
    assert_eq!(waiting[0]["status"], "chargeback-initiated");
    assert_eq!(waiting[0]["signature"], hashed(&waiting[0]));
    assert!(both.bench.event("status", "R-2 paid").is_err());
}

// docs/providers/pledg.md#error-notices
#[tokio::test]
async fn errors_are_notified_in_both_namings() {
    let both = both().await;
    both.made("R-1", UNSIGNED).await;
    let notice = both.after("refuse", "R-1 REVENUE_KO").await.remove(0);
    let uid = notice["purchase_uid"].clone();
    assert!(uid.as_str().unwrap().starts_with("pur_"));
    let documented =
        json!({"reference": "R-1", "purchase_state": "REVENUE_KO", "purchase_uid": uid});
    assert_eq!(notice, documented);
    both.made("R-1", MERCHANT).await;
    let signed = both.after("refuse", "R-1").await.remove(0);
    assert_eq!(opened(&signed).unwrap()["purchase_state"], "SCORING_KO");

    both.bench.set("error-names", "plugins").unwrap();
    both.made("R-2", UNSIGNED).await;
    let notice = both.after("refuse", "R-2").await.remove(0);
    assert_eq!(notice["state"], "SCORING_KO");
    assert_eq!(notice["acceptance_state"], "REJECTED");
    assert_eq!(notice["acceptance_rejection_type"], "SCORING_KO");
    assert!(notice["uid"].is_string() && notice.get("purchase_uid").is_none());
    both.made("R-3", UNSIGNED).await;
    let notice = both.after("abandon", "R-3").await.remove(0);
    assert_eq!(notice["acceptance_state"], "ABANDONED");
}

#[tokio::test]
async fn notifications_go_to_this_machine_only() {
    let both = both().await;
    for elsewhere in [
        "https://shop.example/n",
        "http://shop.example/n",
        "mailto:shop@shop.example",
    ] {
        let mut order = order("R-1", MERCHANT);
        order["data"]["paymentNotificationUrl"] = elsewhere.into();
        assert_eq!(both.bench.buy(&order).await.status, 200);
        assert_eq!(both.bench.sandbox.pump().await, 0);
    }
    let message = both.bench.event("pay", "R-1").unwrap();
    assert!(message.contains("no notification"), "{message}");
    assert_eq!(both.bench.sandbox.pump().await, 0);
}

#[tokio::test]
async fn a_purchase_without_an_address_is_notified_at_the_callback_url() {
    let shop = Receiver::open().await;
    let bench = bench_with(|options| {
        options.speed = 0;
        options.callback_urls.insert("pledg".into(), shop.url(PATH));
    })
    .await;
    bench.event("purchase", "R-1").unwrap();
    assert!(bench.event("purchase", "R-1").is_err() && bench.event("purchase", "").is_err());
    bench.event("pay", "R-1").unwrap();
    bench.event("purchase", "R-2-SCORING_KO").unwrap();
    bench
        .sandbox
        .command(&Command::Advance(Duration::from_secs(5)))
        .unwrap();
    bench.sandbox.pump().await;
    let seen = notices(&shop);
    assert_eq!(opened(&seen[0]).unwrap()["reference"], "R-1");
    assert_eq!(opened(&seen[1]).unwrap()["purchase_state"], "SCORING_KO");
    // A purchase with its own URL is notified only there.
    let own = Receiver::open().await;
    let mut order = order("R-3", MERCHANT);
    order["data"]["paymentNotificationUrl"] = own.url(PATH).into();
    bench.buy(&order).await;
    bench.event("pay", "R-3").unwrap();
    bench.sandbox.pump().await;
    assert_eq!((notices(&shop).len(), notices(&own).len()), (0, 1));
}

// docs/providers/pledg.md#notifications
#[tokio::test]
async fn each_fault_of_a_notification_can_be_detected_by_its_receiver() {
    let both = both().await;
    let fault = |name: &str| both.bench.set("notice-fault", name).unwrap();
    fault("tampered");
    assert_eq!(
        opened(&both.paid("R-1", MERCHANT).await),
        Err(JwtError::Signature)
    );
    let back = both.paid("R-1", BACK).await;
    assert_ne!(back["signature"], hashed(&back));
    assert_eq!(both.paid("R-1", UNSIGNED).await["amount_cents"], 2001);
    fault("other-amount");
    let notice = both.paid("R-2", MERCHANT).await;
    assert_eq!(
        opened(&notice).unwrap()["amount_cents"],
        2001,
        "signed as such"
    );
    fault("wrong-secret");
    assert_eq!(
        opened(&both.paid("R-3", MERCHANT).await),
        Err(JwtError::Signature)
    );
    let back = both.paid("R-3", BACK).await;
    assert_ne!(back["signature"], hashed(&back));
    fault("lower-case");
    let back = both.paid("R-4", BACK).await;
    assert_eq!(back["signature"], hashed(&back).to_ascii_lowercase());
    fault("swapped-order");
    let back = both.paid("R-5", BACK).await;
    assert_ne!(back["signature"], hashed(&back));
    fault("extra-dot");
    let notice = both.paid("R-6", MERCHANT).await;
    assert!(matches!(opened(&notice), Err(JwtError::Malformed(_))));
    fault("alg-none");
    let notice = both.paid("R-8", MERCHANT).await;
    assert_eq!(opened(&notice), Err(JwtError::Algorithm("`none`".into())));
    fault("expired");
    let notice = both.paid("R-9", MERCHANT).await;
    assert!(matches!(opened(&notice), Err(JwtError::Expired(_))));
    fault("unsigned");
    assert_eq!(both.paid("R-10", MERCHANT).await["reference"], "R-10");
    assert!(both.paid("R-10", BACK).await.get("signature").is_none());
    fault("none");
    assert!(opened(&both.paid("R-7", MERCHANT).await).is_ok());
    let refused = both.bench.set("notice-fault", "sometimes").unwrap_err();
    assert!(
        refused.contains("tampered") && refused.contains("none"),
        "{refused}"
    );
}

// docs/providers/pledg.md#simulator
#[tokio::test]
async fn a_notice_can_be_duplicated_or_followed_by_a_late_error() {
    let both = both().await;
    both.bench.set("notice-fault", "duplicate").unwrap();
    both.made("R-1", MERCHANT).await;
    let twice = both.after("pay", "R-1").await;
    assert_eq!(twice.len(), 2);
    assert_eq!(twice[0], twice[1]);

    both.bench.set("notice-fault", "late-error").unwrap();
    let paid = both.paid("R-2", MERCHANT).await;
    assert_eq!(opened(&paid).unwrap()["amount_cents"], 2000);
    let minute = Command::Advance(Duration::from_mins(1));
    both.bench.sandbox.command(&minute).unwrap();
    let late = opened(&both.arrived().await.remove(0)).unwrap();
    assert_eq!(late["purchase_state"], "MERCHANT_TIMEOUT_KO");
    assert_eq!(both.bench.purchase("R-2").await["state"], "PAID");

    let again = Command::RepeatCallback(PaymentId::new("R-2").unwrap());
    both.bench.sandbox.command(&again).unwrap();
    assert_eq!(both.arrived().await, [paid], "byte for byte the payment's");
}

// docs/providers/pledg.md#notifications
#[tokio::test]
async fn a_receiver_that_is_down_is_tried_once_unless_retries_are_on() {
    let both = both().await;
    both.shop.answers(|_| Some((500, "")));
    let minute = Command::Advance(Duration::from_mins(1));
    both.paid("R-1", MERCHANT).await;
    both.bench.sandbox.command(&minute).unwrap();
    assert_eq!(both.arrived().await.len(), 0, "one try");
    both.bench.set("notice-retries", "on").unwrap();
    let first = both.paid("R-2", MERCHANT).await;
    let state = both.bench.state().await;
    assert_eq!(state["notifications_waiting"][0]["status"], 500);
    both.bench.sandbox.command(&minute).unwrap();
    both.shop.answers(|_| Some((200, "")));
    assert_eq!(both.arrived().await, [first]);
    let state = both.bench.state().await;
    assert_eq!(state["notifications_waiting"], json!([]));
}
