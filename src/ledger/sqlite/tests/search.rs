//! A search of the request log reads indexes, and bodies of the found rows alone.

use super::*;
use crate::domain::Search;
use crate::ledger::sql::exchanges::plan;

#[tokio::test]
async fn a_search_reads_an_index_that_has_all_it_compares() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    for (text, expected) in [
        ("", "SCAN exchanges USING INDEX exchanges_by_words"),
        (
            "timed out",
            "SEARCH exchanges USING INDEX exchanges_by_words (id>?)",
        ),
        (
            "status:4xx method:post account:shop operator:anna",
            "SCAN exchanges USING INDEX exchanges_by_words",
        ),
        (
            "about:A-17 shop",
            "SEARCH exchanges USING INDEX exchanges_by_about (about=?)",
        ),
    ] {
        let query = LogQuery {
            since: Some(START),
            profile: Some("live".into()),
            search: Search::of_requests(text),
            limit: 100,
            ..LogQuery::default()
        };
        let ledger = shared(&ledger);
        let plan = ledger.read(move |sql| plan(sql, &query, ("EXPLAIN QUERY PLAN", 3)));
        let plan = plan.await.unwrap();
        let plan = plan.replace("COVERING ", "");
        assert!(plan.contains(expected), "{text}: {plan}");
        assert!(!plan.contains("SCAN exchanges\n"), "{text}: {plan}");
    }
}
