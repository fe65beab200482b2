//! Responses in Kongregate's terms: tables of items, inventories, players and scores.

use serde_json::Value;

use super::{catalogue, wire};
use crate::domain::catalogue::find;
use crate::domain::{Column, Digest, RawCall, RawReply, fill};
use crate::providers::redacted;
use crate::providers::table::{self, Cell, facts, flag, or_nothing};

/// More rows in one answer are not shown as a table.
const ROWS_MAX: usize = 1_000;

/// A response as a table, for the calls that are known here.
pub fn digest(call: &RawCall, reply: &RawReply) -> Option<Digest> {
    let fields = wire::outcome(reply.status, &reply.body).ok()?;
    let known = find(&catalogue::CATALOGUE, &call.method, &call.path)?;
    let mut digest = match known.path {
        catalogue::ITEMS => {
            let note = "an item definition's number differs from the number of a player's item";
            table("items", fields.get("items"), ITEM, note)
        }
        catalogue::USER_ITEMS => {
            let note = "use_item takes the item's number; used-up items are not listed";
            table("owned items", fields.get("items"), OWNED_ITEM, note)
        }
        catalogue::USER_INFO if fields.contains_key("users") => {
            table("players", fields.get("users"), PLAYER, "")
        }
        catalogue::USER_INFO => Some(player(&fields)),
        catalogue::HIGH_SCORES | catalogue::FRIENDS_SCORES => scores(&fields),
        catalogue::KONGPANIONS | catalogue::USER_KONGPANIONS => {
            table("kongpanions", fields.get("kongpanions"), KONGPANION, "")
        }
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

fn table(what: &str, list: Option<&Value>, cells: &[Cell], note: &'static str) -> Option<Digest> {
    let rows = list?.as_array()?;
    let count = rows.iter().filter(|row| row.is_object()).count();
    Some(Digest {
        title: format!("{what}: {count}"),
        note,
        ..table::table(
            cells,
            rows.iter().filter(|row| row.is_object()).take(ROWS_MAX),
        )
    })
}

fn text(value: &Value) -> Option<String> {
    flag(value).or_else(|| wire::text(Some(value)))
}

const ITEM: &[Cell] = &[
    (Column::text("name"), "/name", text),
    (Column::number("Kreds"), "/price", text),
    (Column::word("identifier"), "/identifier", text),
    (Column::text("tags"), "/tags", tags),
    (Column::text("description"), "/description", text),
    (Column::word("definition"), "/id", text),
];

fn tags(tags: &Value) -> Option<String> {
    let tags = tags.as_array()?.iter().filter_map(Value::as_str);
    Some(tags.collect::<Vec<_>>().join(", "))
}

const OWNED_ITEM: &[Cell] = &[
    (Column::id("item", "id"), "/id", text),
    (Column::text("name"), "/name", text),
    (Column::number("uses left"), "/remaining_uses", uses),
    (Column::word("identifier"), "/identifier", text),
    (Column::text("data"), "/data", text),
    (Column::text("description"), "/description", text),
];

fn uses(uses: &Value) -> Option<String> {
    // `docs/providers/kongregate.md#items`: null means without limit.
    let unlimited = uses.is_null().then(|| "unlimited".to_owned());
    unlimited.or_else(|| text(uses))
}

const PLAYER: &[Cell] = &[
    (Column::id("number", "user_id"), "/user_id", text),
    (Column::id("player", "username"), "/username", text),
    (Column::word("private"), "/private", text),
];

fn player(fields: &wire::Fields) -> Digest {
    let [page, pages] = ["page_num", "num_pages"].map(|name| wire::whole(fields.get(name)));
    let names = ["username", "user_id", "private", "page_num", "num_pages"];
    let known = names.iter().map(|name| (*name, fields.get(*name)));
    let vars = fields.get("user_vars").and_then(Value::as_object);
    let vars = vars.into_iter().flatten().take(ROWS_MAX);
    let friends = fields.get("friends").and_then(Value::as_array);
    let friends = friends.map(|friends| Value::from(friends.len()));
    let rows = known
        .chain(
            friends
                .as_ref()
                .map(|many| ("friends on this page", Some(many))),
        )
        .chain(vars.map(|(name, value)| (name.as_str(), Some(value))));
    Digest {
        note: "the number stays; the name may change",
        has_more: page.zip(pages).is_some_and(|(page, pages)| page < pages),
        rows: rows
            .map(|(name, value)| vec![name.to_owned(), or_nothing(value.and_then(text))])
            .collect(),
        ..facts("player", &[], &Value::Null)
    }
}

const SCORE: &[Cell] = &[
    (Column::id("player", "username"), "/username", text),
    (Column::number("score"), "/score", text),
    (Column::number("level"), "/level", text),
];

fn scores(fields: &wire::Fields) -> Option<Digest> {
    // The list is named by its scope: `lifetime_scores` (`docs/providers/kongregate.md#scores`).
    let (list, rows) = fields.iter().find(|(name, _)| name.ends_with("_scores"))?;
    let mut digest = table(&list.replace('_', " "), Some(rows), SCORE, "")?;
    if let Some(pages) = wire::whole(fields.get("page_count")) {
        digest.title = format!("{} on this page, pages: {pages}", digest.title);
    }
    Some(digest)
}

const KONGPANION: &[Cell] = &[
    (Column::text("name"), "/name", text),
    (Column::word("shiny"), "/shiny", text),
    (Column::text("description"), "/description", text),
    (Column::word("number"), "/id", text),
];

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
        for (pages, has_more) in [
            (r#""page_num":1,"num_pages":2"#, true),
            (r#""page_num":2,"num_pages":2"#, false),
            (r#""num_pages":2"#, false),
            (r#""page_num":1"#, false),
        ] {
            let body = format!(r#"{{"success":true,"user_id":7,{pages}}}"#);
            let player = read("/user_info.json?user_id=7&friends=true", &body).unwrap();
            assert_eq!(player.has_more, has_more, "{pages}");
        }
    }

    #[test]
    fn what_failed_or_is_not_known_is_no_table() {
        let failed = r#"{"success":false,"items":[]}"#;
        assert_eq!(read("/items.json", failed), None);
        assert_eq!(read("/items.json", r#"{"success":true}"#), None);
        assert_eq!(read("/other.json", r#"{"success":true,"items":[]}"#), None);
    }
}
