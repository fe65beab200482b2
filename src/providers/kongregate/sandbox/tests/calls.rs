//! The calls of Kongregate's simulator (`docs/providers/kongregate.md`).

use serde_json::json;

use super::*;

// docs/providers/kongregate.md#encoding
#[tokio::test]
async fn every_documented_call_is_answered_below_a_prefix_by_form_and_json() {
    let bench = Bench::new().await;
    // In an order in which each call creates what the next needs.
    for call in &CATALOGUE {
        let mut path = call.path.to_owned();
        let mut query = Vec::new();
        for param in call.params {
            match param.place {
                crate::domain::catalogue::ParamLocation::Path => {
                    path = path.replace(&format!("{{{}}}", param.name), param.example);
                }
                crate::domain::catalogue::ParamLocation::Query => {
                    query.push((param.name, param.example));
                }
            }
        }
        query.push(("api_key", API_KEY));
        let query = serde_urlencoded::to_string(query).unwrap();
        let (target, headers, body) = match call.body {
            None => (format!("/api{path}?{query}"), "", String::new()),
            Some(body) => {
                let mut fields: Map<String, Value> = serde_json::from_str(body).unwrap();
                fields.insert("api_key".into(), API_KEY.into());
                let json = Value::Object(fields).to_string();
                (
                    format!("/api{path}"),
                    "Content-Type: application/json\r\n",
                    json,
                )
            }
        };
        let seen = bench
            .raw(&format!("{} {target}", call.method), headers, &body)
            .await
            .unwrap();
        assert_eq!(seen.status, 200, "{target}");
        let outcome = crate::providers::kongregate::wire::outcome(200, seen.body.as_bytes());
        assert!(outcome.is_ok(), "{} {target}: {}", call.method, seen.body);
    }
    let used = bench.post(
        "/use_item.json",
        "user_id=1001&game_auth_token=SANDBOX-TOKEN-1001-1&id=50001",
    );
    assert_eq!(used.await["success"], true);
    bench.set("prefix", "/other/base").unwrap();
    assert_eq!(bench.get(&format!("/items.json?{KEY}")).await.status, 404);
    let target = format!("/other/base/items.json?{KEY}");
    let moved = bench.raw(&format!("GET {target}"), "", "").await.unwrap();
    assert_eq!(moved.json()["success"], true);
    for bad in ["", "api", "//api", "/a b", "/ü"] {
        assert!(bench.set("prefix", bad).is_err(), "{bad}");
    }
    bench.set("prefix", "/").unwrap();
    let root = format!("/items.json?{KEY}");
    assert_eq!(
        bench
            .raw(&format!("GET {root}"), "", "")
            .await
            .unwrap()
            .status,
        200
    );
}

// docs/providers/kongregate.md#answers
#[tokio::test]
async fn every_failure_has_status_200() {
    let bench = Bench::new().await;
    for target in [
        "/authenticate.json",
        "/authenticate.json?user_id=1&game_auth_token=x&api_key=wrong",
        "/items.json",
        "/user_items.json?api_key=wrong",
        "/user_info.json",
        "/user_info.json?user_id=99",
        "/high_scores/lifetime/1.json",
        "/high_scores/yearly/7001.json",
        "/high_scores/friends/7001/99.json",
        "/kongpanions.json",
    ] {
        let seen = bench.get(target).await;
        assert_eq!(seen.status, 200, "{target}");
        failure(&seen.json());
    }
    for target in [
        "/use_item.json",
        "/guilds.json",
        "/shared_links/x/destroy.json",
    ] {
        let seen = bench.raw(&format!("POST /api{target}"), FORM, "{").await;
        failure(&seen.unwrap().json());
    }
}

// docs/providers/kongregate.md#failures
#[tokio::test]
async fn authenticate_refuses_missing_parameters_and_wrong_credentials_in_the_documented_words() {
    const MISSING: (u64, &str) = (
        400,
        "user_id, game_auth_token, and api_key are required parameters",
    );
    const WRONG: (u64, &str) = (403, "Invalid credentials");
    let bench = Bench::new().await;
    let valid = format!("user_id=1001&game_auth_token={TOKEN_1001}&{KEY}");
    let answer = bench
        .get(&format!("/authenticate.json?{valid}"))
        .await
        .json();
    let wanted = json!({ "success": true, "username": "PaperLantern", "user_id": 1001 });
    assert_eq!(answer, wanted);
    for (query, wanted) in [
        (valid.replace("user_id=1001", "user_id="), MISSING),
        (valid.replace("game_auth_token", "token"), MISSING),
        (valid.replace(KEY, "api_key=+"), MISSING),
        (valid.replace("1001&", "1002&"), WRONG),
        (valid.replace("1001&", "x&"), WRONG),
        (valid.replace("-1001-1", "-1001-2"), WRONG),
        (valid.replace(KEY, "api_key=wrong"), WRONG),
    ] {
        let answer = bench
            .get(&format!("/authenticate.json?{query}"))
            .await
            .json();
        assert_eq!(failure(&answer), wanted, "{query}");
    }
}

// docs/providers/kongregate.md#failures
#[tokio::test]
async fn a_missing_or_unknown_key_is_refused_with_required_game_id() {
    let bench = Bench::new().await;
    for key in [
        "",
        "api_key=",
        "api_key=wrong",
        "api_key=sandbox-kongregate-key",
    ] {
        for target in ["/items.json", "/user_items.json"] {
            let answer = bench.get(&format!("{target}?user_id=1001&{key}")).await;
            assert_eq!(failure(&answer.json()), (400, "Required: game_id"));
        }
        for target in ["/use_item.json", "/submit_statistics.json", "/guilds.json"] {
            let body = format!("user_id=1001&{key}");
            let answer = bench.raw(&format!("POST /api{target}"), FORM, &body).await;
            assert_eq!(failure(&answer.unwrap().json()), (400, "Required: game_id"));
        }
    }
    let unlisted = [
        "/user_info.json?user_id=1001&api_key=",
        "/high_scores/lifetime/7001.json?api_key=wrong",
        "/high_scores/friends/7001/1001.json?api_key=",
        "/kongpanions/index.json?api_key=wrong",
        "/kongpanions.json?user_id=1001&api_key=",
    ];
    for target in unlisted {
        let answer = bench.get(target).await.json();
        assert_eq!(failure(&answer), (400, "Required: game_id"), "{target}");
    }
    bench.set("key-needed", "where-listed").unwrap();
    for target in unlisted {
        assert!(bench.get(target).await.json().get("error").is_none());
    }
}

// docs/providers/kongregate.md#uses
#[tokio::test]
async fn each_use_counts_once_and_a_used_up_item_leaves_the_list() {
    const USE: &str = "user_id=1001&game_auth_token=SANDBOX-TOKEN-1001-1&id=";
    let bench = Bench::new().await;
    let left = |items: &Value, id: u64| {
        let mut rows = items["items"].as_array().unwrap().iter();
        rows.find(|row| row["id"] == id)
            .map(|row| row["remaining_uses"].clone())
    };
    let owned = bench.keyed("/user_items.json?user_id=1001").await;
    let uses = left(&owned, 50003).unwrap().as_u64().unwrap();
    for used in 1..=uses {
        let answer = bench.post("/use_item.json", &format!("{USE}50003")).await;
        let wanted = json!({
            "success": true,
            "remaining_uses": uses - used,
            "usage_record_id": 7652 + used,
        });
        assert_eq!(answer, wanted);
    }
    let owned = bench.keyed("/user_items.json?user_id=1001").await;
    assert_eq!(left(&owned, 50003), None);
    assert_eq!(left(&owned, 50002), Some(Value::Null), "without limit");
    for (body, wanted) in [
        (format!("{USE}50003"), (400, "Item has no uses remaining")),
        (format!("{USE}50002"), (400, "Item has unlimited uses")),
        (format!("{USE}301"), (404, "Item not found")),
        (format!("{USE}50004"), (404, "Item not found")),
        (
            format!("{USE}50001").replace("-1001-1", "-1002-1"),
            (403, "Invalid credentials"),
        ),
        (
            format!("{USE}50004").replace("user_id=1001", "user_id=1002"),
            (403, "Invalid credentials"),
        ),
        (
            USE.to_owned(),
            (
                400,
                "user_id, game_auth_token, and id are required parameters",
            ),
        ),
    ] {
        let answer = bench.post("/use_item.json", &body).await;
        assert_eq!(failure(&answer), wanted, "{body}");
    }
}

// docs/providers/kongregate.md#player-token
#[tokio::test]
async fn a_changed_password_ends_the_players_token() {
    let bench = Bench::new().await;
    let target = |token: &str| format!("/authenticate.json?user_id=1001&game_auth_token={token}");
    assert_eq!(bench.keyed(&target(TOKEN_1001)).await["success"], true);
    let message = bench.event("change-password", "paperlantern").unwrap();
    assert!(!message.contains("SANDBOX-TOKEN"), "{message}");
    let old = bench.keyed(&target(TOKEN_1001)).await;
    assert_eq!(failure(&old), (403, "Invalid credentials"));
    assert_eq!(
        bench.keyed(&target("SANDBOX-TOKEN-1001-2")).await["success"],
        true
    );
    bench.event("rename", "1001 InkLantern").unwrap();
    let renamed = bench.keyed(&target("SANDBOX-TOKEN-1001-2")).await;
    assert_eq!(renamed["username"], "InkLantern");
    for bad in ["1001 TinCompass", "1001 x", "1001", "77 Somebody"] {
        assert!(bench.event("rename", bad).is_err(), "{bad}");
    }
}

// docs/providers/kongregate.md#players
#[tokio::test]
async fn players_are_answered_singly_with_pages_of_friends_or_in_lists() {
    let bench = Bench::new().await;
    let one = bench
        .get("/user_info.json?user_id=1004&friends=true&page_num=3")
        .await;
    assert!(
        one.header("content-type")
            .unwrap()
            .starts_with("application/json")
    );
    let one = one.json();
    assert_eq!(
        (&one["num_pages"], &one["page_num"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(one["friends"].as_array().unwrap().len(), 203);
    assert_eq!(one["friend_ids"].as_array().unwrap().len(), 203);
    let first = bench
        .get("/user_info.json?username=mapleGear&friends=true")
        .await
        .json();
    assert_eq!(first["friends"].as_array().unwrap().len(), 500);
    let past = bench
        .get("/user_info.json?user_id=1004&friends=true&page_num=99")
        .await;
    assert_eq!(past.json()["friends"], json!([]));
    let unasked = bench.get("/user_info.json?user_id=1004").await.json();
    assert_eq!(unasked["friends"], json!([]));
    let private = bench
        .get("/user_info.json?user_id=1003&friends=true")
        .await
        .json();
    assert_eq!(
        (&private["private"], &private["friends"]),
        (&json!(true), &json!([]))
    );
    let mut vars = Vec::new();
    for id in 1001..=1004 {
        let target = format!("/user_info.json?user_id={id}");
        vars.push(bench.get(&target).await.json()["user_vars"].clone());
    }
    for name in ["gender", "age"] {
        assert!(
            vars.iter().any(|vars| vars[name].is_null()),
            "{name} may be missing"
        );
        assert!(vars.iter().any(|vars| !vars[name].is_null()), "{name}");
    }
    let many = bench.get("/user_info.json?user_ids=1001,99,x,2000").await;
    assert!(
        many.header("content-type")
            .unwrap()
            .starts_with("text/plain")
    );
    let many = many.json();
    let names: Vec<_> = many["users"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 2, "who is not known is left out");
    let list = |count: u64| {
        let ids: Vec<String> = (2000..2000 + count).map(|id| id.to_string()).collect();
        format!("/user_info.json?user_ids={}", ids.join(","))
    };
    let fifty = bench.get(&list(50)).await.json();
    assert_eq!(fifty["users"].as_array().unwrap().len(), 50);
    assert_eq!(failure(&bench.get(&list(51)).await.json()).0, 400);
}

// docs/providers/kongregate.md#scores
#[tokio::test]
async fn scores_are_listed_by_scope_and_joined_by_the_statistics_kind() {
    let bench = Bench::new().await;
    let mut seen = Vec::new();
    for page in 1..=4 {
        let target = format!("/high_scores/lifetime/7001.json?lifetime_page={page}&today_page=9");
        let list = bench.get(&target).await.json();
        assert_eq!(
            (&list["page_count"], &list["per_page"]),
            (&json!(3), &json!(25))
        );
        let rows = list["lifetime_scores"].as_array().unwrap().clone();
        seen.push(rows.len());
    }
    assert_eq!(seen, [25, 25, 12, 0]);
    let mut counts = Vec::new();
    for scope in ["daily", "weekly"] {
        let list = bench
            .get(&format!("/high_scores/{scope}/7001.json"))
            .await
            .json();
        let rows = list[format!("{scope}_scores")].as_array().unwrap();
        let scores: Vec<u64> = rows
            .iter()
            .map(|row| row["score"].as_u64().unwrap())
            .collect();
        assert!(scores.is_sorted_by(|a, b| a >= b), "{scope}: {scores:?}");
        counts.push(list["page_count"].as_u64().unwrap());
    }
    assert_eq!(counts, [1, 2]);
    // Two posts each: the first sets the value, the second applies the statistic's kind.
    for values in [[50, 100, 7, 3], [40, 200, 5, 4]] {
        let [high, lap, rank, lanterns] = values;
        let form = format!(
            "user_id=1001&HighScore={high}&FastestLap={lap}&Rank={rank}&Lanterns={lanterns}&Nobody=1"
        );
        assert_eq!(
            bench.post("/submit_statistics.json", &form).await["success"],
            true
        );
    }
    let friends = bench
        .get("/high_scores/friends/7004/1001.json")
        .await
        .json();
    assert_eq!(friends["friends_scores"][0]["score"], 7);
    for (statistic, wanted) in [(7002, 100), (7003, 5), (7004, 7)] {
        let target = format!("/high_scores/lifetime/{statistic}.json");
        let list = bench.get(&target).await.json();
        assert_eq!(list["lifetime_scores"][0]["score"], wanted, "{statistic}");
    }
    // The next day starts at zero; the lifetime value stays.
    bench.pass(24 * 60 * 60);
    let today = bench.get("/high_scores/daily/7004.json").await.json();
    assert_eq!(today["daily_scores"], json!([]));
    let most = i64::MAX.to_string();
    for bad in ["-1", "1.5", "1e3", "", "9223372036854775808", "x"] {
        let form = format!("user_id=1001&Lanterns={most}&Rank={bad}");
        let answer = bench.post("/submit_statistics.json", &form).await;
        assert_eq!(failure(&answer).0, 400, "{bad}");
    }
    let list = bench.get("/high_scores/lifetime/7004.json").await.json();
    assert_eq!(
        list["lifetime_scores"][0]["score"], 7,
        "all of it or nothing"
    );
    let form = format!("user_id=1001&Lanterns={most}");
    assert_eq!(
        bench.post("/submit_statistics.json", &form).await["success"],
        true
    );
    let token = bench.post(
        "/submit_statistics.json",
        "user_id=1001&game_auth_token=x&Rank=1",
    );
    assert_eq!(failure(&token.await), (403, "Invalid credentials"));
}

// docs/providers/kongregate.md#simulator
#[tokio::test]
async fn downtime_blank_answers_and_undocumented_fields_can_be_switched_on() {
    let bench = Bench::new().await;
    let target = format!("/items.json?{KEY}");
    bench.set("downtime", "on").unwrap();
    let down = bench.get(&target).await;
    assert_eq!(down.status, 503);
    assert!(down.body.starts_with("<html>"));
    bench.set("downtime", "off").unwrap();
    bench.set("blank-answers", "on").unwrap();
    let blank = bench.get(&target).await;
    assert_eq!((blank.status, blank.body.as_str()), (200, ""));
    bench.set("blank-answers", "off").unwrap();
    let mut extras = 0;
    for _ in 0..20 {
        let rows = bench.get(&target).await.json();
        extras += usize::from(rows["items"][0].get("image_url").is_some());
    }
    assert!((1..20).contains(&extras), "at random: {extras} of 20");
    let owned = "/user_items.json?user_id=1001";
    for (value, has) in [("always", true), ("never", false)] {
        bench.set("extra-fields", value).unwrap();
        let answer = bench.keyed(owned).await;
        assert_eq!(answer.get("s").is_some(), has);
        assert_eq!(answer.get("signature").is_some(), has);
    }
    for (setting, value) in [
        ("downtime", "maybe"),
        ("patience", "0s"),
        ("patience", "2m"),
        ("x", "y"),
    ] {
        assert!(bench.set(setting, value).is_err(), "{setting} {value}");
    }
}

// docs/providers/kongregate.md#simulator
#[tokio::test]
async fn no_key_or_token_is_saved_or_shown_but_on_the_start_page() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("kept.json");
    let bench = Bench::with(|options| {
        options.state_file = Some(saved.clone());
        options
            .callback_urls
            .insert("kongregate".into(), "http://127.0.0.1:9/".into());
    })
    .await;
    let mut responses = Vec::new();
    for (event, subject) in [
        ("buy", "1001 lamp-oil"),
        ("change-password", "1001"),
        ("order", "1001 sword"),
        ("unknown-signed-event", "1001"),
    ] {
        responses.push(bench.event(event, subject).unwrap());
    }
    responses.push(bench.simulator().await.to_string());
    responses.push(std::fs::read_to_string(&saved).unwrap());
    for text in responses {
        assert!(
            !text.contains(API_KEY) && !text.contains("SANDBOX-TOKEN"),
            "{text}"
        );
    }
    // The start page shows one player's first token, so that users can try `player auth`.
    let index = bench.raw("GET /", "", "").await.unwrap();
    assert!(index.body.contains(TOKEN_1001) && index.body.contains(API_KEY));
}

#[tokio::test]
async fn a_restart_goes_on_and_another_seed_makes_other_players() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("kept.json");
    let keep = |seed| {
        let saved = saved.clone();
        move |options: &mut Options| {
            options.state_file = Some(saved);
            options.seed = seed;
        }
    };
    let bench = Bench::with(keep(1)).await;
    bench.event("change-password", "1001").unwrap();
    bench.event("give", "1002 sea-chart").unwrap();
    let before = (bench.player(1001).await, bench.player(1002).await);
    bench.0.sandbox.stop().await;
    let again = Bench::with(keep(1)).await;
    assert_eq!((again.player(1001).await, again.player(1002).await), before);
    again.0.sandbox.stop().await;
    let other = Bench::with(keep(2)).await;
    assert_ne!(other.player(1001).await, before.0);
}
