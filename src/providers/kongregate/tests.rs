//! Kongregate's client at Kongregate's simulator.

use super::{MANIFEST, settings};
use crate::domain::{
    Inventory, Outcome, Player, PlayerId, PlayerToken, Problem, ProblemKind, Secret,
};
use crate::providers::contract::bench::Bench;

const PLAYER: PlayerId = PlayerId(1001);
const TOKEN: &str = "SANDBOX-TOKEN-1001-1";

impl Bench {
    async fn authenticate(&self, player: u64, token: &str) -> Result<Player, Problem> {
        let claim = PlayerToken {
            player: PlayerId(player),
            token: Secret::new(token),
        };
        self.send(self.client.authenticate_player(&claim)).await
    }

    async fn items(&self) -> Result<Inventory, Problem> {
        self.send(self.client.player_items(PLAYER)).await
    }

    /// The uses that are left of an instance; `None` where it is not listed.
    async fn left(&self, instance: u64) -> Option<Option<u64>> {
        let items = self.items().await.unwrap().items;
        let mut items = items.into_iter();
        items
            .find(|item| item.id == instance)
            .map(|item| item.remaining_uses)
    }
}

// docs/providers/kongregate.md#api-key, docs/providers/kongregate.md#contradictions
#[tokio::test]
async fn every_call_carries_the_key_also_where_none_is_listed() {
    for needed in ["always", "where-listed"] {
        let bench = Bench::new(&MANIFEST).await;
        bench.set("key-needed", needed);
        for path in [
            "/items.json",
            "/user_info.json?user_id=1001",
            "/high_scores/lifetime/7001.json",
            "/high_scores/friends/7001/1001.json",
            "/kongpanions/index.json",
            "/kongpanions.json?user_id=1001",
        ] {
            let judged = bench.judged("GET", path, None).await;
            assert_eq!(judged, Ok(()), "{path}, {needed}");
        }
    }
}

// docs/providers/kongregate.md#player-token, docs/providers/kongregate.md#failures
#[tokio::test]
async fn a_players_token_proves_that_player_alone_and_until_the_password_changes() {
    let bench = Bench::new(&MANIFEST).await;
    let player = bench.authenticate(1001, TOKEN).await.unwrap();
    assert_eq!(player.username, "PaperLantern");
    for (player, token) in [(1002, TOKEN), (1001, "SANDBOX-TOKEN-1002-1"), (99, TOKEN)] {
        let refused = bench.authenticate(player, token).await.unwrap_err();
        assert_eq!(refused.kind, ProblemKind::Refused);
        assert!(refused.message.contains("Invalid credentials"), "{refused}");
    }
    bench.event("rename", "1001 InkLantern");
    let renamed = bench.authenticate(1001, TOKEN).await.unwrap();
    assert_eq!(
        (renamed.id, renamed.username.as_str()),
        (PLAYER, "InkLantern")
    );
    bench.event("change-password", "1001");
    assert!(bench.authenticate(1001, TOKEN).await.is_err());
    assert!(
        bench
            .authenticate(1001, "SANDBOX-TOKEN-1001-2")
            .await
            .is_ok()
    );
}

// docs/providers/kongregate.md#items, docs/providers/kongregate.md#uses, docs/providers/kongregate.md#encoding
#[tokio::test]
async fn an_instance_is_used_by_form_and_by_json_until_it_leaves_the_list() {
    let item = |id: u64| {
        let fields = [("user_id", "1001"), ("game_auth_token", TOKEN)];
        let fields = serde_urlencoded::to_string(fields).unwrap();
        format!("{fields}&id={id}")
    };
    for encoding in [settings::FORM, settings::JSON] {
        let bench = Bench::with(&MANIFEST, |setup| {
            setup.keys.insert(settings::POST_ENCODING, encoding.into());
        })
        .await;
        let count = bench.left(50003).await.unwrap().unwrap();
        assert_eq!(bench.left(50002).await, Some(None), "without limit");
        for _ in 0..count {
            let used = bench
                .judged("POST", "/use_item.json", Some(&item(50003)))
                .await;
            assert_eq!(used, Ok(()), "{encoding}");
        }
        assert_eq!(bench.left(50003).await, None, "{encoding}: used up");
        // Used up, without limit, and a definition's number in place of an instance's.
        for (id, hint) in [(50003, "used-up"), (50002, "unlimited"), (301, "ids")] {
            let used = bench
                .judged("POST", "/use_item.json", Some(&item(id)))
                .await;
            let problem = used.unwrap_err();
            assert!(problem.hint.contains(hint), "{encoding}: {id}: {problem}");
        }
    }
}

// docs/providers/kongregate.md#encoding
#[tokio::test]
async fn a_body_that_two_programs_could_read_differently_is_not_sent() {
    let mut bench = Bench::new(&MANIFEST).await;
    for (body, words) in [
        ("a=1&a=2", "the field `a` occurs twice"),
        ("a=1&%61=2", "the field `a` occurs twice"),
        (r#"{"a":1,"a":2}"#, "the key `a` occurs twice"),
        (r#"{"b":[1,{"a":1,"a":2}]}"#, "the key `a` occurs twice. N"),
        ("a=%FF", "not UTF-8"),
        ("%E9=1", "not UTF-8"),
        ("a=1&api%5Fkey=x", "tilldeck adds api_key"),
    ] {
        let refused = bench.raw("POST", "/use_item.json", Some(body)).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind, ProblemKind::Usage, "{body}: {refused}");
        assert!(refused.message.contains(words), "{body}: {refused}");
    }
    assert!(bench.exchanges().await.is_empty());
}

// docs/providers/kongregate.md#answers, docs/providers/kongregate.md#failures
#[tokio::test]
async fn success_decides_at_status_200_and_the_rest_is_an_invalid_answer_or_a_failing_provider() {
    use ProblemKind::{Failing, Nonsense, NotFound, Refused};
    let mut bench = Bench::new(&MANIFEST).await;
    for (path, kind, words) in [
        ("/user_info.json?user_id=99", NotFound, "404"),
        (
            "/authenticate.json?user_id=1001",
            Failing,
            "are required parameters",
        ),
        ("/high_scores/yearly/7001.json", NotFound, ""),
    ] {
        let reply = bench.raw("GET", path, None).await.unwrap();
        assert_eq!(reply.status, 200, "{path}");
        let problem = bench.judged("GET", path, None).await.unwrap_err();
        assert_eq!(problem.kind, kind, "{path}: {problem}");
        assert!(problem.message.contains(words), "{path}: {problem}");
        let recorded = bench.statuses().await;
        assert!(!recorded.is_empty(), "{path}");
        let is_refusal = |it: &Outcome| matches!(it, Outcome::Refused(200, _));
        assert!(recorded.iter().all(is_refusal), "{recorded:?}");
    }
    // A list of players has the type text/plain, and is read all the same.
    let players = bench.table("/user_info.json?user_ids=1001,99,1002").await;
    assert_eq!(players.rows.len(), 2, "who is not known is left out");
    bench.set("blank-answers", "on");
    let blank = bench.items().await.unwrap_err();
    assert_eq!(blank.kind, Nonsense, "neither success nor failure: {blank}");
    bench.set("blank-answers", "off");
    bench.set("extra-fields", "always");
    assert!(
        bench.items().await.is_ok(),
        "an unknown field changes nothing"
    );
    let wrong = Bench::with(&MANIFEST, |setup| {
        setup
            .keys
            .insert(settings::API_KEY, "another-key-altogether".into());
    })
    .await;
    let refused = wrong.items().await.unwrap_err();
    assert_eq!(refused.kind, Refused);
    assert!(refused.message.contains("Required: game_id"), "{refused}");
}

// docs/providers/kongregate.md#answers, docs/providers/kongregate.md#simulator
#[tokio::test]
async fn a_write_in_a_downtime_is_reported_as_the_providers_fault() {
    let bench = Bench::new(&MANIFEST).await;
    bench.set("downtime", "on");
    let body = Some("user_id=1001&Rank=1");
    let down = bench.judged("POST", "/submit_statistics.json", body).await;
    let down = down.unwrap_err();
    assert_eq!(down.kind, ProblemKind::Failing, "{down}");
    assert!(down.message.contains("503"), "{down}");
}

// docs/providers/kongregate.md#scores, docs/providers/kongregate.md#players
#[tokio::test]
async fn pages_of_scores_and_of_friends_are_read_by_their_own_parameters() {
    let bench = Bench::new(&MANIFEST).await;
    for (path, rows) in [
        ("/high_scores/lifetime/7001.json?lifetime_page=2", 25),
        (
            "/high_scores/lifetime/7001.json?lifetime_page=3&today_page=1",
            12,
        ),
        ("/high_scores/daily/7001.json?today_page=2", 0),
        ("/high_scores/weekly/7001.json?weekly_page=1", 25),
    ] {
        let table = bench.table(path).await;
        assert_eq!(table.rows.len(), rows, "{path}");
    }
    for (query, friends) in [
        ("user_id=1004&friends=true", "500"),
        ("user_id=1004&friends=true&page_num=3", "203"),
        ("user_id=1003&friends=true", "0"),
    ] {
        let table = bench.table(&format!("/user_info.json?{query}")).await;
        let row = ["friends on this page", friends].map(str::to_owned);
        assert!(
            table.rows.iter().any(|found| *found == row),
            "{query}: {table:?}"
        );
    }
}

// docs/providers/kongregate.md#inventory-event
#[tokio::test]
async fn the_callback_of_a_use_brings_the_token_that_proves_the_player() {
    let receiver = crate::sandbox::testing::Receiver::open().await;
    let bench = Bench::with(&MANIFEST, |setup| {
        setup.callback_url = Some(receiver.url("/callbacks/game"));
    })
    .await;
    for way in ["plain", "signed"] {
        bench.set("inventory-events", way);
        let body = format!("user_id=1001&game_auth_token={TOKEN}&id=50001");
        let used = bench.judged("POST", "/use_item.json", Some(&body)).await;
        assert_eq!(used, Ok(()));
        let came = bench.came(&receiver, 1).await.remove(0);
        let claim = (MANIFEST.player_claim.unwrap())(&came).unwrap();
        let token = claim.token.unwrap();
        let proved = bench.authenticate(claim.player.id.0, token.expose()).await;
        assert_eq!(proved, Ok(claim.player), "{way}");
    }
}
