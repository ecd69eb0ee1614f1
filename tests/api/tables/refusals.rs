//! Queries that are wrong, too large or hostile, and who may ask.

use serde_json::{Value, json};

use super::super::{call, failure, person};
use super::{COLUMNS, PATH, ask, page, rows};
use crate::support::linkops::LinkOps;

/// R8.1, P25, R12.5
pub(super) fn unknown_names(linkops: &LinkOps) {
    let error = failure(&ask(linkops, &json!({ "table": "tbl_linsk" })), 400, "UNKNOWN_TABLE");
    assert_eq!(error["details"], json!({ "table": "tbl_linsk", "did_you_mean": "tbl_links" }));
    for query in [
        json!({ "table": "tbl_links", "columns": ["hots"] }),
        json!({ "table": "tbl_links", "filters": [{ "col": "hots", "op": "eq", "val": "x" }] }),
        json!({ "table": "tbl_links", "sort": [{ "col": "hots" }] }),
    ] {
        let error = failure(&ask(linkops, &query), 400, "UNKNOWN_COLUMN");
        let wanted = json!({ "table": "tbl_links", "column": "hots", "did_you_mean": "host" });
        assert_eq!(error["details"], wanted);
    }
}

const TIME: &str = "a time, as 2026-05-01T10:00:00Z or in milliseconds since the epoch";

/// R8.3: each says what would be right.
#[rustfmt::skip]
pub(super) fn bad_filters(linkops: &LinkOps) {
    for (table, col, op, val, expected) in [
        ("tbl_links", "port", "eq", json!("22"), "a whole number"),
        ("tbl_links", "port", "gt", json!(1.5), "a whole number"),
        ("tbl_links", "port", "eq", json!(u64::MAX), "a whole number"),
        ("tbl_links", "port", "eq", json!(null), "a whole number"),
        ("tbl_links", "latency", "eq", json!("x"), "a whole number, or null"),
        ("tbl_links", "latency", "gt", json!(null), "a whole number"),
        ("tbl_links", "enrolled", "eq", json!(1), "true or false"),
        ("tbl_links", "enrolled", "gt", json!(true), "one of eq, in as \"op\""),
        ("tbl_links", "tags", "lt", json!("x"), "one of eq, in as \"op\""),
        ("tbl_links", "tags", "eq", json!(["x"]), "a text"),
        ("tbl_links", "name", "eq", json!(7), "a text"),
        (
            "tbl_links",
            "name",
            "like",
            json!("x"),
            "one of eq, in, gt, lt, gte, lte, contains as \"op\"",
        ),
        ("tbl_links", "port", "contains", json!("2"), "one of eq, in, gt, lt, gte, lte as \"op\""),
        ("tbl_links", "provider", "contains", json!(null), "a text"),
        ("tbl_links", "name", "in", json!("x"), "a list of at most 500 values, each a text"),
        ("tbl_links", "name", "in", json!(["x", 1]), "a list of at most 500 values, each a text"),
        ("tbl_links", "status", "eq", json!("up"), "one of the words online, offline, unknown"),
        ("tbl_operations", "id", "gt", json!(10001), "an operation's id, as OP-10001"),
        ("tbl_operations", "id", "eq", json!("10001"), "an operation's id, as OP-10001"),
        ("tbl_operations_history", "started", "gt", json!("yesterday"), TIME),
        ("tbl_operations_history", "started", "gt", json!("2026"), TIME),
        ("tbl_operations_history", "started", "gt", json!("2026-11-21T23:59:59"), TIME),
    ] {
        let query = json!({ "table": table, "filters": [{ "col": col, "op": op, "val": val }] });
        let error = failure(&ask(linkops, &query), 400, "INVALID_FILTER");
        let details = json!({ "column": col, "op": op, "expected": expected });
        assert_eq!(error["details"], details, "{query}");
    }
}

pub(super) fn bad_fields(linkops: &LinkOps) {
    for (query, field) in [
        (json!({}), "table"),
        (json!({ "table": "tbl_links", "filter": [] }), "filter"),
        (
            json!({ "table": "tbl_links", "filters": [{ "col": "id", "op": "eq" }] }),
            "filters[0].val",
        ),
        (
            json!({ "table": "tbl_links", "filters": [{ "col": "id", "op": "eq", "value": 1, "val": 1 }] }),
            "filters[0].value",
        ),
        (json!({ "table": "tbl_links", "sort": [{ "col": "id", "dir": "up" }] }), "sort[0].dir"),
        (
            json!({ "table": "tbl_links", "sort": [{ "col": "id" }, { "col": "id", "dir": "desc" }] }),
            "sort",
        ),
        (json!({ "table": "tbl_links", "columns": ["id", "name", "id"] }), "columns"),
        (json!({ "table": "tbl_links", "columns": [] }), "columns"),
        (json!({ "table": "tbl_links", "page": { "limit": 3 } }), "page.limit"),
    ] {
        let error = failure(&ask(linkops, &query), 400, "VALIDATION_FAILED");
        assert!(error["details"]["fields"][field].is_string(), "{query}: {error}");
    }
}

/// Each limit at its edge and one beyond.
pub(super) fn limits(linkops: &LinkOps) {
    let filter = json!({ "col": "id", "op": "gte", "val": "" });
    let in_values = |count: usize| json!([{ "col": "port", "op": "in", "val": vec![1; count] }]);
    let sort: Vec<Value> =
        COLUMNS[0].1.split_whitespace().map(|one| json!({ "col": one })).collect();
    let invalid = Some("VALIDATION_FAILED");
    for (part, value, code) in [
        ("filters", json!(vec![&filter; 20]), None),
        ("filters", json!(vec![&filter; 21]), invalid),
        ("filters", in_values(0), None),
        ("filters", in_values(500), None),
        ("filters", in_values(501), Some("INVALID_FILTER")),
        ("filters", json!(vec![in_values(500)[0].clone(); 20]), None),
        ("sort", json!(&sort[..8]), None),
        ("sort", json!(&sort[..9]), invalid),
        ("page", json!({ "size": 1 }), None),
        ("page", json!({ "size": 500 }), None),
        ("page", json!({ "size": 0 }), invalid),
        ("page", json!({ "size": 501 }), invalid),
        ("page", json!({ "size": -1 }), invalid),
        ("page", json!({ "size": 1.5 }), invalid),
        ("page", json!({ "size": "10" }), invalid),
    ] {
        let query = json!({ "table": "tbl_links", part: value });
        match code {
            Some(code) => drop(failure(&ask(linkops, &query), 400, code)),
            None => drop(page(linkops, &query)),
        }
    }
    let none = json!({ "table": "tbl_links", "filters": in_values(0) });
    assert_eq!(rows(linkops, &none), Vec::<Value>::new());
}

/// What is meant to be taken for SQL is a value that nothing equals, or a name that is not known.
pub(super) fn hostile_texts(linkops: &LinkOps) {
    for text in [
        "' OR '1'='1",
        "'; DROP TABLE machines; --",
        "\" OR \"\"=\"",
        "1); DELETE FROM operations; --",
        "id FROM users; --",
        "password_hash",
        "rowid",
        "*",
        "?1",
        "\u{0}",
        "' UNION SELECT password_hash FROM users --",
    ] {
        let filter = |op: &str, val: Value| json!({ "table": "tbl_links", "filters": [{ "col": "name", "op": op, "val": val }] });
        assert_eq!(rows(linkops, &filter("eq", json!(text))), Vec::<Value>::new(), "{text:?}");
        assert_eq!(rows(linkops, &filter("in", json!([text, text]))), Vec::<Value>::new());
        assert_eq!(rows(linkops, &filter("contains", json!(text))), Vec::<Value>::new());
        let tag = json!({ "table": "tbl_links", "filters": [{ "col": "tags", "op": "eq", "val": text }] });
        assert_eq!(rows(linkops, &tag), Vec::<Value>::new(), "{text:?}");
        for (query, code) in [
            (json!({ "table": text }), "UNKNOWN_TABLE"),
            (json!({ "table": "tbl_links", "columns": [text] }), "UNKNOWN_COLUMN"),
            (json!({ "table": "tbl_links", "sort": [{ "col": text }] }), "UNKNOWN_COLUMN"),
            (
                json!({ "table": "tbl_links", "sort": [{ "col": "id", "dir": text }] }),
                "VALIDATION_FAILED",
            ),
            (filter(text, json!("x")), "INVALID_FILTER"),
            (json!({ "table": "tbl_links", "page": { "cursor": text } }), "INVALID_CURSOR"),
        ] {
            let error = failure(&ask(linkops, &query), 400, code);
            let message = error["message"].as_str().unwrap().to_lowercase();
            assert!(!message.contains("sql") && !message.contains("syntax"), "{message}");
        }
    }
    assert_eq!(page(linkops, &json!({ "table": "tbl_links" }))["meta"]["total"], 3);
}

/// The audit log is for admins, also to ask wrongly about.
pub(super) fn who_may_read_what(linkops: &LinkOps) {
    for role in ["viewer", "operator", "admin"] {
        let token = person(linkops, &format!("{role}-of-tables"), role);
        for (table, _) in COLUMNS {
            for query in [json!({ "table": table }), json!({ "table": table, "columns": ["x"] })] {
                let reply = call(linkops, &token, "POST", PATH, Some(&query));
                if *table == "tbl_audit" && role != "admin" {
                    let error = failure(&reply, 403, "FORBIDDEN");
                    assert_eq!(error["details"], json!({ "role": "admin" }));
                } else if query["columns"].is_null() {
                    reply.expect(200);
                } else {
                    failure(&reply, 400, "UNKNOWN_COLUMN");
                }
            }
        }
    }
}
