//! Failures of every kind have one shape (R12.5, P36), whoever refuses: the API or the transport.

use std::io::{Read, Write};
use std::net::TcpStream;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::{call, failure, post_text, structured};
use crate::support::PATIENCE;
use crate::support::client::{Reply, send};
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;

const LIMIT: usize = 2_048;

#[test]
fn failures() {
    let settings =
        format!("api.max_request_size = {LIMIT}\napi.cors_origins = https://console.example");
    let linkops = LinkOps::unsynced(&Fleet::new(0), &settings);
    paths_and_methods(&linkops);
    the_largest_body(&linkops);
    other_origins(&linkops);
    broken_framing(&linkops);
    any_failure(&linkops);
}

/// What somebody sends is told back to them, and to the log, as far as it helps: not a mebibyte of it,
/// three times over. The first two need no token.
#[test]
fn what_is_long_is_not_repeated() {
    let mut fleet = Fleet::new(1);
    fleet.script("hello", "echo hello");
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let long = "n".repeat(1 << 20);
    let query = |more: Value| {
        let mut query = json!({ "table": "tbl_links" });
        more.as_object().unwrap().iter().for_each(|(name, one)| query[name] = one.clone());
        query
    };
    let run = |more: Value| {
        let mut run = json!({ "scripts": ["hello"], "targets": ["vps-01"] });
        more.as_object().unwrap().iter().for_each(|(name, one)| run[name] = one.clone());
        run
    };
    for (path, body, code) in [
        ("/api/auth/login", json!({ &long: 1 }), "VALIDATION_FAILED"),
        ("/api/auth/login", json!({ "a\n".repeat(1 << 19): 1 }), "VALIDATION_FAILED"),
        ("/api/auth/login", json!({ "username": &long, "password": &long }), "VALIDATION_FAILED"),
        ("/api/tables/query", query(json!({ "table": &long })), "UNKNOWN_TABLE"),
        ("/api/tables/query", query(json!({ "columns": [&long] })), "UNKNOWN_COLUMN"),
        (
            "/api/tables/query",
            query(json!({ "filters": [{ "col": "id", "op": &long, "val": 1 }] })),
            "INVALID_FILTER",
        ),
        ("/api/links/verify", json!({ "targets": [&long] }), "LINK_NOT_FOUND"),
        ("/api/operations/run", run(json!({ "flags": { &long: [] } })), "VALIDATION_FAILED"),
        ("/api/operations/run", run(json!({ "flags": { &long: [1] } })), "VALIDATION_FAILED"),
        ("/api/operations/run", run(json!({ "flags": { "hello": [&long] } })), "INVALID_FLAG"),
        ("/api/operations/run", run(json!({ "on_failure": &long })), "VALIDATION_FAILED"),
        ("/api/operations/run", run(json!({ "waves": [&long] })), "VALIDATION_FAILED"),
        ("/api/operations/run", run(json!({ "targets": { "tags": [&long] } })), "NO_TARGETS"),
        ("/api/terminal/workspaces", json!({ "layout": &long }), "VALIDATION_FAILED"),
        (
            "/api/users",
            json!({ "username": "a", "password": &long, "role": &long }),
            "VALIDATION_FAILED",
        ),
    ] {
        let before = linkops.log().len();
        let reply = linkops.post(path, &body);
        assert_eq!(reply.code(), code, "{path}");
        assert!(reply.body.len() < 5_000, "{path}: {} bytes", reply.body.len());
        let logged = linkops.log().len() - before;
        assert!(logged < 5_000, "{path}: {logged} bytes in the log");
    }
}

fn paths_and_methods(linkops: &LinkOps) {
    let token = linkops.token();
    let ask = |method: &str, path: &str| call(linkops, token, method, path, None);
    for path in ["/nothing", "/api", "/api/", "/api/nothing", "/api/links/a/b", "//", "/API/links"]
    {
        failure(&ask("GET", path), 404, "NOT_FOUND");
    }
    for (method, path, allow) in [
        ("POST", "/health", "GET, HEAD"),
        ("PUT", "/api/links", "GET, HEAD"),
        ("DELETE", "/api/links/x/verify", "POST"),
        ("GET", "/api/auth/login", "POST"),
        ("HEAD", "/api/auth/ticket", "POST"),
        ("OPTIONS", "/api/git/status", "GET, HEAD"),
        ("BREW", "/api/git/sync", "POST"),
        ("get", "/api/links", "GET, HEAD"),
    ] {
        let reply = ask(method, path);
        assert_eq!(reply.header("allow"), Some(allow), "{method} {path}");
        match method {
            "HEAD" => assert_eq!((reply.status, reply.body.len()), (405, 0)),
            _ => _ = failure(&reply, 405, "METHOD_NOT_ALLOWED"),
        }
    }
    // Strangers learn nothing of what there is.
    for path in ["/api/links", "/api/nothing", "/api/operations/OP-1"] {
        failure(&linkops.call("PUT", path, &[], None), 401, "TOKEN_MISSING");
    }
    let (get, head) = (ask("GET", "/api/auth/me"), ask("HEAD", "/api/auth/me"));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    assert_eq!(head.header("content-type"), Some("application/json"));
}

/// 413 at its edge: the limit itself is accepted.
fn the_largest_body(linkops: &LinkOps) {
    let post = |length: usize| {
        let mut body = json!({ "scripts": [], "targets": [] }).to_string();
        body.push_str(&" ".repeat(length - body.len()));
        post_text(linkops, "/api/operations/run", "application/json", body.as_bytes())
    };
    failure(&post(LIMIT), 400, "NO_TARGETS");
    failure(&post(LIMIT + 1), 413, "BODY_TOO_LARGE");
    // Refused before it is read, and whoever asks.
    let head = "POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n";
    failure(&raw(linkops, head.as_bytes()), 413, "BODY_TOO_LARGE");
}

fn other_origins(linkops: &LinkOps) {
    let ask = |method: &str, origin: &str| {
        let headers = [("Origin", origin), ("Access-Control-Request-Method", "GET")];
        linkops.call(method, "/api/links", &headers, None)
    };
    let allowed = ask("OPTIONS", "https://console.example");
    assert_eq!((allowed.status, allowed.body.len()), (204, 0));
    let origin = |reply: &Reply| reply.header("access-control-allow-origin").map(str::to_owned);
    assert_eq!(origin(&allowed).as_deref(), Some("https://console.example"));
    assert!(allowed.header("access-control-allow-headers").unwrap().contains("Authorization"));
    // A failure can be read by the page that caused it.
    let refused = ask("GET", "https://console.example");
    failure(&refused, 401, "TOKEN_MISSING");
    assert_eq!(origin(&refused).as_deref(), Some("https://console.example"));
    for method in ["OPTIONS", "GET"] {
        let other = ask(method, "https://evil.example");
        failure(&other, 401, "TOKEN_MISSING");
        assert_eq!(origin(&other), None);
    }
}

/// Sends bytes and reads the answer up to the end of the connection.
fn raw(linkops: &LinkOps, bytes: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(linkops.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    // What is closed with bytes unread may be reset after its answer.
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Reply { status, headers, body: answer[end + 4..].to_vec() }
}

fn broken_framing(linkops: &LinkOps) {
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(20_000));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(200));
    for (bytes, status, code) in [
        ("GARBAGE\r\n\r\n", 400, "BAD_REQUEST"),
        ("GET / HTTP/1.1\r\n\r\n", 400, "BAD_REQUEST"),
        ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "BAD_REQUEST"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400, "BAD_REQUEST"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0",
            400,
            "BAD_REQUEST",
        ),
        ("GET / HTTP/9.9\r\nHost: a\r\n\r\n", 505, "HTTP_VERSION_NOT_SUPPORTED"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n",
            417,
            "EXPECTATION_FAILED",
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 400, "BAD_REQUEST"),
        (&many, 431, "HEADERS_TOO_LARGE"),
    ] {
        failure(&raw(linkops, bytes.as_bytes()), status, code);
    }
    let reply = raw(linkops, long.as_bytes());
    structured(&reply);
    assert!([414, 431].contains(&reply.status), "{}", reply.status);
}

/// A request that may well fail.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    method: String,
    path: String,
    content_type: &'static str,
    body: Vec<u8>,
    token: Option<String>,
}

impl Attempt {
    pub(super) fn send(&self, linkops: &LinkOps) -> Reply {
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let mut headers = vec![("Content-Type", self.content_type)];
        headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
        send(linkops.address(), &self.method, &self.path, &headers, &self.body)
    }
}

fn path() -> impl Strategy<Value = String> {
    let part = || {
        let known = select(vec![
            "api",
            "auth",
            "login",
            "me",
            "links",
            "verify",
            "scripts",
            "operations",
            "run",
            "stop",
            "events",
            "git",
            "sync",
            "status",
            "OP-1",
            "health",
            "..",
            "%2e%2e",
            "%00",
            "%",
        ]);
        prop_oneof![4 => known.prop_map(str::to_owned), 1 => "[!-~]{0,8}"]
    };
    let known = select(vec![
        "/api/auth/login",
        "/api/auth/password",
        "/api/links",
        "/api/links/x/verify",
        "/api/links/verify",
        "/api/scripts/x",
        "/api/operations/run",
        "/api/operations",
        "/api/operations/OP-1/stop",
        "/api/operations/OP-1/events",
        "/api/git/sync",
    ]);
    let parts =
        prop::collection::vec(part(), 0..5).prop_map(|parts| format!("/{}", parts.join("/")));
    let query = prop_oneof![
        3 => Just(String::new()),
        1 => "\\?(sort|dir|limit|cursor|from|status|ticket|x)=[!-~]{0,10}",
    ];
    (prop_oneof![known.prop_map(str::to_owned), parts], query)
        .prop_map(|(path, query)| path + &query)
}

pub(super) fn attempt(token: String) -> impl Strategy<Value = Attempt> {
    let method = prop_oneof![
        8 => select(vec!["GET", "POST", "PUT", "PATCH", "DELETE"]).prop_map(str::to_owned),
        1 => select(vec!["HEAD", "OPTIONS", "TRACE", "CONNECT"]).prop_map(str::to_owned),
        1 => "[A-Za-z]{1,10}",
    ];
    let bodies = vec![
        "",
        "{}",
        "[]",
        "null",
        "{",
        "\"",
        "{\"targets\":[\"x\"]}",
        "{\"username\":\"' OR 1=1\"}",
        "{\"scripts\":[\"../../etc/passwd\"],\"targets\":[\"x\"]}",
        "{\"scripts\":[1e999]}",
        "{\"concurrency\":18446744073709551616,\"scripts\":[],\"targets\":[]}",
    ];
    let body = prop_oneof![
        3 => select(bodies).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..100),
        1 => prop::collection::vec(any::<u8>(), LIMIT - 1..LIMIT + 2),
    ];
    let token = prop_oneof![
        4 => Just(Some(token)),
        1 => Just(None),
        1 => "[!-~]{0,40}".prop_map(Some),
    ];
    let kinds = vec!["application/json", "text/plain", "multipart/form-data", ""];
    (method, path(), select(kinds), body, token).prop_map(
        |(method, path, content_type, body, token)| Attempt {
            method,
            path,
            content_type,
            body,
            token,
        },
    )
}

/// P36, R12.5
fn any_failure(linkops: &LinkOps) {
    // What a body never tells: where we are, how we are made, what we said to the database.
    let ours = linkops.directory().to_str().unwrap().to_owned();
    let secrets =
        [&ours[..], "src/", ".rs", "panicked", "backtrace", "SELECT ", "sqlite", "rusqlite"];
    let check = |one: Attempt| {
        let reply = one.send(linkops);
        prop_assert!(reply.header("x-request-id").is_some_and(|id| !id.is_empty()));
        prop_assert!(reply.status < 500 || [501, 503].contains(&reply.status), "{}", reply.status);
        if reply.status < 400 || one.method == "HEAD" {
            return Ok(());
        }
        structured(&reply);
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        prop_assert!(!secrets.iter().any(|secret| text.contains(secret)), "{}", text);
        Ok(())
    };
    let attempts = attempt(linkops.token().to_owned());
    proptest!(ProptestConfig::with_cases(400), |(one in attempts)| check(one)?);
    linkops.call("GET", "/health", &[], None).expect(200);
}
