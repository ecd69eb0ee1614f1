//! Each keyword is broken once here, so that it is known that the checker sees it; and a reply
//! that the document does not allow is found.

use serde_json::{Value, json};

use crate::support::client::Reply;
use crate::support::document;
use crate::support::schema::problems;

#[track_caller]
fn check(schema: Value, good: &[Value], bad: &[Value]) {
    let document = json!({ "a": { "type": "string" } });
    for value in good {
        assert_eq!(problems(&document, &schema, value), Vec::<String>::new(), "{schema} {value}");
    }
    for value in bad {
        assert!(!problems(&document, &schema, value).is_empty(), "{schema} {value}");
    }
}

#[test]
fn values_of_the_wrong_type_or_size_are_found() {
    check(json!({ "type": "integer" }), &[json!(-1), json!(u64::MAX)], &[json!(1.5), json!("1")]);
    check(json!({ "type": ["string", "null"] }), &[json!(""), json!(null)], &[json!(0)]);
    check(json!({ "type": "object" }), &[json!({})], &[json!([]), json!(null)]);
    check(json!({ "type": "boolean" }), &[json!(false)], &[json!(0)]);
    check(json!({ "type": "number" }), &[json!(1.5)], &[json!("1")]);
    check(json!({ "enum": ["a", 1] }), &[json!("a"), json!(1)], &[json!("1")]);
    check(json!({ "const": true }), &[json!(true)], &[json!(false)]);
    check(
        json!({ "minLength": 1, "maxLength": 2 }),
        &[json!("ü"), json!(3)],
        &[json!(""), json!("abc")],
    );
    check(
        json!({ "minimum": 1, "maximum": 2 }),
        &[json!(1), json!(2), json!("x")],
        &[json!(0), json!(3)],
    );
    check(
        json!({ "minItems": 1, "maxItems": 1 }),
        &[json!([0]), json!("")],
        &[json!([]), json!([0, 0])],
    );
    check(json!({ "minProperties": 1 }), &[json!({ "a": 0 }), json!([])], &[json!({})]);
    check(json!({ "uniqueItems": true }), &[json!([1, "1"])], &[json!([1, 2, 1])]);
    check(
        json!({ "pattern": "^OP-[0-9]+$" }),
        &[json!("OP-1"), json!(7)],
        &[json!("OP-"), json!("xOP-1")],
    );
    check(json!({ "contentEncoding": "base64" }), &[json!("YQ==")], &[json!("Y!")]);
    check(json!({ "format": "int64" }), &[json!(-1)], &[json!(u64::MAX), json!(1.5)]);
    let time = json!({ "format": "date-time" });
    check(
        time,
        &[json!("2026-11-21T04:17:40.061Z")],
        &[json!("2026-11-21"), json!("2026-11-21T04:17:40+01:00")],
    );
}

#[test]
fn what_is_inside_is_looked_at() {
    let closed = json!({
        "required": ["a"],
        "properties": { "a": { "type": "string" }, "b": { "items": { "type": "null" } } },
        "additionalProperties": false,
    });
    let good = json!({ "a": "", "b": [null] });
    let bad =
        [json!({}), json!({ "a": 0 }), json!({ "a": "", "b": [0] }), json!({ "a": "", "c": 0 })];
    check(closed, &[good], &bad);
    let map = json!({ "additionalProperties": { "type": "integer" } });
    check(map, &[json!({ "x": 1 })], &[json!({ "x": "1" })]);
    let any = json!({ "anyOf": [{ "$ref": "#/a" }, { "type": "null" }] });
    check(any, &[json!(""), json!(null)], &[json!(0)]);
    // What stands beside a reference counts, too.
    check(json!({ "$ref": "#/a", "minLength": 1 }), &[json!("x")], &[json!(""), json!(1)]);
    check(json!(true), &[json!(0)], &[]);
    check(json!(false), &[], &[json!(0)]);
}

#[test]
#[should_panic(expected = "does not know the keyword oneOf")]
fn an_unknown_keyword_is_not_passed_over() {
    problems(&Value::Null, &json!({ "oneOf": [] }), &Value::Null);
}

#[test]
#[should_panic(expected = "does not know the format email")]
fn an_unknown_format_is_not_passed_over() {
    problems(&Value::Null, &json!({ "format": "email" }), &Value::Null);
}

/// A reply that is right, to be made wrong.
fn reply(status: u16, body: Value) -> Reply {
    let headers = [("x-request-id", "r"), ("content-type", "application/json")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Reply { status, headers, body: body.to_string().into_bytes() }
}

fn error(code: &str) -> Value {
    let timestamp = "2026-11-21T04:17:40.061Z";
    let details = json!({ "id": "x" });
    json!({ "error": {
        "code": code, "message": "m", "details": details, "timestamp": timestamp, "request_id": "r",
    } })
}

fn is_allowed(method: &str, target: &str, reply: &Reply) -> bool {
    document::faults(method, target, reply).is_empty()
}

#[test]
fn replies_that_are_not_documented_are_found() {
    let alive = json!({ "status": "healthy", "version": "1" });
    let missing = error("LINK_NOT_FOUND");
    for (method, target, status, body, good) in [
        ("GET", "/health", 200, alive.clone(), true),
        ("GET", "/health?x=1", 200, json!({ "status": "healthy" }), false),
        ("GET", "/health", 201, alive.clone(), false),
        ("GET", "/nothing", 200, alive.clone(), false),
        ("GET", "/api/links/x", 404, missing.clone(), true),
        ("GET", "/api/%6Cinks/x", 404, missing.clone(), true),
        ("GET", "/api/scripts/x", 404, missing.clone(), false),
        ("GET", "/api/links/x", 409, missing.clone(), false),
        ("GET", "/nothing", 404, error("NOT_FOUND"), true),
        ("GET", "/nothing", 404, error("NOT_THERE"), false),
        ("GET", "/api/links/x", 405, error("METHOD_NOT_ALLOWED"), false), // it has no details
    ] {
        let is = is_allowed(method, target, &reply(status, body.clone()));
        assert_eq!(is, good, "{method} {target} {status} {body}");
    }
    let mut nameless = reply(200, alive);
    nameless.headers.remove(0);
    assert!(!is_allowed("GET", "/health", &nameless));
    let mut other = reply(404, missing);
    other.headers[0].1 = "another".to_owned();
    assert!(!is_allowed("GET", "/api/links/x", &other));
}
