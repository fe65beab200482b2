//! Responses in Kongregate's terms: tables of items, inventories, players and scores.

use serde_json::Value;

use super::{catalogue, wire};
use crate::domain::catalogue::find;
use crate::domain::explore::NOTHING;
use crate::domain::{Column, Digest, RawCall, RawReply, fill};
use crate::providers::redacted;

/// More rows in one answer are not shown as a table.
const ROWS_MAX: usize = 1_000;

/// A response as a table, for the calls that are known here.
pub fn digest(call: &RawCall, reply: &RawReply) -> Option<Digest> {
    let fields = wire::outcome(reply.status, &reply.body).ok()?;
    let known = find(&catalogue::CATALOGUE, &call.method, &call.path)?;
    let mut digest = match known.path {
        catalogue::ITEMS => items(&fields),
        catalogue::USER_ITEMS => user_items(&fields),
        catalogue::USER_INFO => user_info(&fields),
        catalogue::HIGH_SCORES | catalogue::FRIENDS_SCORES => scores(&fields),
        catalogue::KONGPANIONS | catalogue::USER_KONGPANIONS => kongpanions(&fields),
        _ => None,
    }?;
    // A page of scores says how many there are, and not which one it is.
    if let Some(pages) = wire::whole(fields.get("page_count")) {
        let values = fill::values(known, &call.path);
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let page = known.page_param(&values).map(|(at, paging)| {
            let page = values[at].parse();
            page.unwrap_or(u64::from(paging.first))
        });
        digest.has_more = page.is_some_and(|page| page < pages);
    }
    Some(redacted(digest))
}

fn table(
    what: &str,
    fields: &wire::Fields,
    list: &str,
    columns: &[Column],
    row: fn(&wire::Fields) -> Vec<String>,
    note: &'static str,
) -> Option<Digest> {
    let rows = wire::rows(fields, list)?;
    Some(Digest {
        title: format!("{what}: {}", rows.len()),
        columns: columns.to_vec(),
        rows: rows.into_iter().take(ROWS_MAX).map(row).collect(),
        note,
        has_more: false,
    })
}

fn text(row: &wire::Fields, name: &str) -> String {
    match row.get(name) {
        Some(Value::Bool(yes)) => if *yes { "yes" } else { "no" }.to_owned(),
        other => wire::text(other)
            .filter(|text| !text.is_empty())
            .unwrap_or_else(|| NOTHING.into()),
    }
}

fn items(fields: &wire::Fields) -> Option<Digest> {
    let columns = [
        Column::text("name"),
        Column::number("Kreds"),
        Column::word("identifier"),
        Column::text("tags"),
        Column::text("description"),
        Column::word("definition"),
    ];
    let row = |row: &wire::Fields| {
        let tags = row.get("tags").and_then(Value::as_array);
        let tags = tags.into_iter().flatten().filter_map(Value::as_str);
        let tags: Vec<&str> = tags.collect();
        vec![
            text(row, "name"),
            text(row, "price"),
            text(row, "identifier"),
            if tags.is_empty() {
                NOTHING.into()
            } else {
                tags.join(", ")
            },
            text(row, "description"),
            text(row, "id"),
        ]
    };
    let note = "an item definition's number differs from the number of a player's item";
    table("items", fields, "items", &columns, row, note)
}

fn user_items(fields: &wire::Fields) -> Option<Digest> {
    let columns = [
        Column::id("item", "id"),
        Column::text("name"),
        Column::number("uses left"),
        Column::word("identifier"),
        Column::text("data"),
        Column::text("description"),
    ];
    let row = |row: &wire::Fields| {
        let uses = match row.get("remaining_uses") {
            // `docs/providers/kongregate.md#items`: null means without limit.
            Some(Value::Null) => "unlimited".into(),
            _ => text(row, "remaining_uses"),
        };
        vec![
            text(row, "id"),
            text(row, "name"),
            uses,
            text(row, "identifier"),
            text(row, "data"),
            text(row, "description"),
        ]
    };
    let note = "use_item takes the item's number; used-up items are not listed";
    table("owned items", fields, "items", &columns, row, note)
}

fn user_info(fields: &wire::Fields) -> Option<Digest> {
    let columns = [
        Column::id("number", "user_id"),
        Column::id("player", "username"),
        Column::word("private"),
    ];
    let row = |row: &wire::Fields| {
        vec![
            text(row, "user_id"),
            text(row, "username"),
            text(row, "private"),
        ]
    };
    if fields.contains_key("users") {
        return table("players", fields, "users", &columns, row, "");
    }
    let vars = fields.get("user_vars").and_then(Value::as_object);
    let facts = ["username", "user_id", "private", "page_num", "num_pages"];
    let mut rows: Vec<_> = facts
        .iter()
        .map(|name| vec![(*name).to_owned(), text(fields, name)])
        .collect();
    let friends = fields.get("friends").and_then(Value::as_array);
    if let Some(friends) = friends {
        rows.push(vec![
            "friends on this page".into(),
            friends.len().to_string(),
        ]);
    }
    for (name, _) in vars.into_iter().flatten().take(ROWS_MAX) {
        let value = vars.map_or_else(String::new, |vars| text(vars, name));
        rows.push(vec![name.clone(), value]);
    }
    Some(Digest {
        title: "player".into(),
        columns: vec![Column::word("what"), Column::text("value")],
        rows,
        note: "the number stays; the name may change",
        has_more: wire::whole(fields.get("page_num")) < wire::whole(fields.get("num_pages")),
    })
}

fn scores(fields: &wire::Fields) -> Option<Digest> {
    // The list is named by its scope: `lifetime_scores` (`docs/providers/kongregate.md#scores`).
    let list = fields.keys().find(|name| name.ends_with("_scores"))?;
    let columns = [
        Column::id("player", "username"),
        Column::number("score"),
        Column::number("level"),
    ];
    let row = |row: &wire::Fields| {
        vec![
            text(row, "username"),
            text(row, "score"),
            text(row, "level"),
        ]
    };
    let what = list.replace('_', " ");
    let mut digest = table(&what, fields, list, &columns, row, "")?;
    if let Some(pages) = wire::whole(fields.get("page_count")) {
        digest.title = format!("{} on this page, pages: {pages}", digest.title);
    }
    Some(digest)
}

fn kongpanions(fields: &wire::Fields) -> Option<Digest> {
    let columns = [
        Column::text("name"),
        Column::word("shiny"),
        Column::text("description"),
        Column::word("number"),
    ];
    let row = |row: &wire::Fields| {
        vec![
            text(row, "name"),
            text(row, "shiny"),
            text(row, "description"),
            text(row, "id"),
        ]
    };
    table("kongpanions", fields, "kongpanions", &columns, row, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn read(path: &str, body: &str) -> Option<Digest> {
        let call = RawCall {
            method: "GET".into(),
            path: path.into(),
            body: None,
            auth: None,
        };
        let reply = RawReply {
            status: 200,
            content_type: None,
            body: body.into(),
            took: Duration::ZERO,
        };
        digest(&call, &reply)
    }

    #[test]
    fn lists_become_tables_and_odd_rows_hide_no_others() {
        let owned = read(
            "/user_items.json?user_id=7",
            r#"{"success":true,"items":[{"id":5,"identifier":"a","name":"A","remaining_uses":null,"data":{"x":1}},7,{"id":"6","remaining_uses":3}]}"#,
        )
        .unwrap();
        assert_eq!(owned.title, "owned items: 2");
        assert_eq!(owned.rows[0], ["5", "A", "unlimited", "a", "–", "–"]);
        assert_eq!(owned.rows[1], ["6", "–", "3", "–", "–", "–"]);
        let best = read(
            "/high_scores/weekly/7001.json",
            r#"{"success":true,"weekly_scores":[{"username":"A","score":9,"level":1}],"page_count":3,"per_page":25}"#,
        )
        .unwrap();
        assert_eq!(best.title, "weekly scores: 1 on this page, pages: 3");
        assert!(best.has_more);
        let page = |page: &str| {
            let body = r#"{"success":true,"weekly_scores":[],"page_count":3}"#;
            read(&format!("/high_scores/weekly/7001.json?{page}"), body)
                .unwrap()
                .has_more
        };
        assert!(page("weekly_page=2") && !page("weekly_page=3") && page("lifetime_page=3"));
        assert_eq!(best.rows, [["A", "9", "1"]]);
        let items = read(
            "/items.json",
            r#"{"success":true,"items":[{"id":1,"name":"A","price":9,"tags":["x",1,"y"]}]}"#,
        );
        assert_eq!(items.unwrap().rows[0][3], "x, y");
        let player = read(
            "/user_info.json?user_id=7",
            r#"{"success":true,"user_id":7,"username":"A","user_vars":{"level":3,"age":null}}"#,
        );
        assert_eq!(player.unwrap().rows[5..], [["level", "3"], ["age", "–"]]);
    }

    #[test]
    fn what_failed_or_is_not_known_is_no_table() {
        let failed = r#"{"success":false,"items":[]}"#;
        assert_eq!(read("/items.json", failed), None);
        assert_eq!(read("/items.json", r#"{"success":true}"#), None);
        assert_eq!(read("/other.json", r#"{"success":true,"items":[]}"#), None);
    }
}
