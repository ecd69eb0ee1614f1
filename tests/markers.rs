//! No secret, token, ticket, key or password appears in the clear where it does not belong: every
//! kind of secret is a marker, all are used in all ways, right and wrong, and then everything that
//! the server has written, stored or answered is searched for them.

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use rusqlite::types::ValueRef;
use serde_json::json;

use crate::support::client::{Reply, send};
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;

/// Named by a test that must find it, so that the search is known to find something.
const CONTROL: &str = "marker-of-control";

const PASSWORD: &str = "MARKER password of the first day";
const NEXT_PASSWORD: &str = "MARKER password of the second day";
const WRONG_PASSWORD: &str = "MARKER password that was never right";
const NUMBER: u64 = 7_700_277_002_770;
const JWT_SECRET: &str = "MARKER-secret-that-signs-the-tokens-of-all";
const WEBHOOK_SECRET: &str = "MARKER-secret-that-the-Git-server-knows";
const GIT_TOKEN: &str = "MARKER-token-for-the-Git-server";
const FLAG: &str = "MARKER-password-behind-a-flag-with-a-typing-error";
const URL_USER: &str = "MARKER-user-in-the-address";
const URL_PASSWORD: &str = "MARKER-password-in-the-address";

/// A secret, by a name that can be told.
struct Secret {
    name: &'static str,
    forms: Vec<Vec<u8>>,
    /// The one reply that gives it: a path and its field.
    given_by: Option<&'static str>,
}

/// As it is, and as programs write bytes down.
fn secret(name: &'static str, text: &str, given_by: Option<&'static str>) -> Secret {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent = text.replace(' ', "%20");
    let forms = [
        text.to_owned(),
        text.replace(' ', "+"),
        percent,
        hex.to_uppercase(),
        hex,
        STANDARD.encode(text),
        STANDARD_NO_PAD.encode(text),
        URL_SAFE_NO_PAD.encode(text),
    ];
    Secret { name, forms: forms.map(String::into_bytes).to_vec(), given_by }
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Everything that was found somewhere, to be searched.
#[derive(Default)]
struct Seen(RefCell<Vec<(String, Vec<u8>)>>);

impl Seen {
    fn add(&self, place: impl Into<String>, text: impl Into<Vec<u8>>) {
        self.0.borrow_mut().push((place.into(), text.into()));
    }

    /// Sends a request and keeps what comes back.
    fn call(&self, linkops: &LinkOps, token: &str, ask: (&str, &str, &str)) -> Reply {
        let (method, path, body) = ask;
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("Content-Type", "application/json")];
        if !token.is_empty() {
            headers.push(("Authorization", &bearer));
        }
        let reply = send(linkops.address(), method, path, &headers, body.as_bytes());
        let heads: String =
            reply.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let path = path.split('?').next().unwrap();
        self.add(format!("reply {method} {path}"), [heads.as_bytes(), &reply.body].concat());
        reply
    }

    fn places_of(&self, secret: &Secret) -> Vec<String> {
        let seen = self.0.borrow();
        let allowed = secret.given_by.map(|place| format!("reply {place}"));
        let found = seen.iter().filter(|(place, text)| {
            Some(place) != allowed.as_ref() && secret.forms.iter().any(|one| holds(text, one))
        });
        found.map(|(place, _)| format!("{} is in {place}", secret.name)).collect()
    }
}

fn text(reply: &Reply, field: &str) -> String {
    reply.json()[field].as_str().unwrap_or_else(|| panic!("{field}: {}", reply.json())).to_owned()
}

/// The lines of the private key that say something about it.
fn key_lines(fleet: &Fleet) -> Vec<Secret> {
    let key = fs::read_to_string(fleet.keys().join("id_ed25519")).unwrap();
    let lines: Vec<_> = key.lines().filter(|line| !line.starts_with("-----")).collect();
    // The first one is the same in every key of the kind.
    lines[1..].iter().map(|line| secret("a private key", line, None)).collect()
}

/// Signing in, right and wrong, with bodies that cannot be read, and all else on accounts.
fn accounts(linkops: &LinkOps, seen: &Seen, secrets: &mut Vec<Secret>) -> String {
    let admin = linkops.token();
    let user = json!({ "username": CONTROL, "role": "operator", "password": PASSWORD }).to_string();
    seen.call(linkops, admin, ("POST", "/api/users", &user)).expect(201);
    seen.call(linkops, admin, ("POST", "/api/users", &user)).expect(409);
    let login = |password: &str| json!({ "username": CONTROL, "password": password }).to_string();
    let wrong_ways = [
        login(WRONG_PASSWORD),
        json!({ "username": CONTROL, "passwrd": PASSWORD }).to_string(),
        json!({ "username": CONTROL, "password": [PASSWORD] }).to_string(),
        json!({ "username": { "a": PASSWORD }, "password": NUMBER }).to_string(),
        format!("{{\"username\":\"x\",\"password\":\"{PASSWORD}\" oops"),
        format!("\"{PASSWORD}\""),
        format!("username=x&password={PASSWORD}"),
    ];
    for body in &wrong_ways {
        assert!(seen.call(linkops, "", ("POST", "/api/auth/login", body)).status >= 400);
    }
    let path = format!("/api/auth/login?password={}", PASSWORD.replace(' ', "%20"));
    seen.call(linkops, "", ("POST", &path, &login(PASSWORD))).expect(400);
    let session = seen.call(linkops, "", ("POST", "/api/auth/login", &login(PASSWORD)));
    let session = text(&session, "token");
    secrets.push(secret("a token", &session, Some("POST /api/auth/login")));
    let refreshed = seen.call(linkops, &session, ("POST", "/api/auth/refresh", ""));
    secrets.push(secret("a new token", &text(&refreshed, "token"), Some("POST /api/auth/refresh")));
    for (current, new) in [
        (WRONG_PASSWORD, NEXT_PASSWORD),
        (PASSWORD, &NEXT_PASSWORD[..7]),
        (PASSWORD, NEXT_PASSWORD),
    ] {
        let body = json!({ "current_password": current, "new_password": new }).to_string();
        seen.call(linkops, &session, ("POST", "/api/auth/password", &body));
    }
    let reply = seen.call(linkops, "", ("POST", "/api/auth/login", &login(NEXT_PASSWORD)));
    let session = text(&reply, "token");
    secrets.push(secret("a third token", &session, Some("POST /api/auth/login")));
    let change = json!({ "password": PASSWORD }).to_string();
    let path = format!("/api/users/{CONTROL}");
    seen.call(linkops, admin, ("PATCH", &path, &change)).expect(200);
    let session =
        text(&seen.call(linkops, "", ("POST", "/api/auth/login", &login(PASSWORD))), "token");
    secrets.push(secret("a fourth token", &session, Some("POST /api/auth/login")));
    session
}

/// Tokens and tickets, where they belong and where they do not.
fn doors(linkops: &LinkOps, seen: &Seen, secrets: &mut Vec<Secret>, session: &str) {
    let body = json!({ "name": CONTROL }).to_string();
    let api = text(&seen.call(linkops, session, ("POST", "/api/tokens", &body)), "token");
    secrets.push(secret("an API token", &api, Some("POST /api/tokens")));
    for token in [&*api, session, "lko_no-such-token", "a.b.c"] {
        seen.call(linkops, token, ("GET", "/api/auth/me", ""));
        seen.call(linkops, "", ("GET", &format!("/api/links?token={token}"), "")).expect(401);
        seen.call(linkops, session, ("GET", &format!("/api/links?token={token}"), "")).expect(400);
        seen.call(linkops, session, ("POST", "/api/tokens", &json!({ "name": 1 }).to_string()));
    }
    // In the wrong places; what a path names is told, so no token stands in one.
    let path = format!("/api/operations/OP-1/events?ticket={api}");
    seen.call(linkops, "", ("GET", &path, "")).expect(401);
    for token in [session, &api] {
        let ticket = text(&seen.call(linkops, token, ("POST", "/api/auth/ticket", "")), "ticket");
        secrets.push(secret("a ticket", &ticket, Some("POST /api/auth/ticket")));
        let path = format!("/api/operations/OP-10001/events?ticket={ticket}");
        seen.call(linkops, "", ("GET", &path, "")).expect(200);
        seen.call(linkops, "", ("GET", &path, "")).expect(401);
        let unused = text(&seen.call(linkops, token, ("POST", "/api/auth/ticket", "")), "ticket");
        secrets.push(secret("an unused ticket", &unused, Some("POST /api/auth/ticket")));
    }
}

/// Runs, checks, syncs and webhooks, which use keys and secrets.
fn work(linkops: &LinkOps, seen: &Seen, session: &str) {
    seen.call(linkops, session, ("POST", "/api/git/sync", "")).expect(200);
    seen.call(linkops, session, ("POST", "/api/links/verify", "")).expect(200);
    let run = json!({ "scripts": ["hello"], "targets": ["vps-01"] }).to_string();
    seen.call(linkops, session, ("POST", "/api/operations/run", &run)).expect(202);
    linkops.wait("OP-10001");
    let flags = json!({ "hello": [format!("--pasword={FLAG}")] });
    let run = json!({ "scripts": ["hello"], "targets": ["vps-01"], "flags": flags }).to_string();
    seen.call(linkops, session, ("POST", "/api/operations/run", &run)).expect(400);
    for (name, value) in
        [("X-Hub-Signature-256", WEBHOOK_SECRET), ("X-Gitea-Signature", &"0".repeat(64))]
    {
        let reply =
            send(linkops.address(), "POST", "/api/git/webhook", &[(name, value)], b"{\"ref\":1}");
        assert_eq!(reply.status, 401);
        seen.add("reply POST /api/git/webhook", reply.body);
    }
}

/// All that can be read, by somebody who may read all.
fn read_all(linkops: &LinkOps, seen: &Seen) {
    let admin = linkops.token();
    for path in [
        "/health",
        "/metrics",
        "/api/health",
        "/api/auth/me",
        "/api/users",
        "/api/tokens",
        "/api/audit/verify",
        "/api/links",
        "/api/links/vps-01",
        "/api/scripts",
        "/api/scripts/hello",
        "/api/operations",
        "/api/operations/OP-10001",
        "/api/git/status",
        "/api/openapi.json",
    ] {
        seen.call(linkops, admin, ("GET", path, ""));
    }
    for table in ["tbl_audit", "tbl_recent_activity", "tbl_git_sync_history"] {
        let body = json!({ "table": table, "page": { "size": 500 } }).to_string();
        seen.call(linkops, admin, ("POST", "/api/tables/query", &body));
    }
}

/// Every column of every table.
fn read_database(path: &Path, seen: &Seen) {
    let db = rusqlite::Connection::open(path).unwrap();
    let mut tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let tables: Vec<String> =
        tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for table in tables {
        let mut rows = db.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns: Vec<String> = rows.column_names().map(str::to_owned).collect();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for (number, column) in columns.iter().enumerate() {
                if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) = row.get_ref(number).unwrap()
                {
                    seen.add(format!("column {table}.{column}"), bytes);
                }
            }
        }
    }
}

/// Every file in the server's directory except those that hold its secrets: also what the
/// database has forgotten, and the copy of the repository.
fn read_files(directory: &Path, seen: &Seen) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            read_files(&path, seen);
        } else if !["config.ini", "secrets.ini"].contains(&&*name) {
            seen.add(format!("file {name}"), fs::read(&path).unwrap());
        }
    }
}

#[test]
fn no_secret_is_anywhere_in_the_clear() {
    let mut fleet = Fleet::new(1);
    fleet.script("hello", "echo hello");
    fleet.commit();
    let settings = format!("api.jwt_secret = {JWT_SECRET}\nlogging.level = TRACE");
    let ini = format!("[git]\nwebhook_secret = {WEBHOOK_SECRET}\ntoken = {GIT_TOKEN}\n");
    let mut linkops = LinkOps::with_secrets(&fleet, &settings, &ini);
    let seen = Seen::default();
    let mut secrets = vec![
        secret("a password", PASSWORD, None),
        secret("a new password", NEXT_PASSWORD, None),
        secret("a wrong password", WRONG_PASSWORD, None),
        secret("a password that is a number", &NUMBER.to_string(), None),
        secret("jwt_secret", JWT_SECRET, None),
        secret("webhook_secret", WEBHOOK_SECRET, None),
        secret("the token for Git", GIT_TOKEN, None),
        secret("the value of a flag that was refused", FLAG, None),
        secret("a name in an address", URL_USER, None),
        secret("a password in an address", URL_PASSWORD, None),
        secret("the admin's token", linkops.token(), None),
    ];
    secrets.extend(key_lines(&fleet));
    let session = accounts(&linkops, &seen, &mut secrets);
    work(&linkops, &seen, &session);
    doors(&linkops, &seen, &mut secrets, &session);
    read_all(&linkops, &seen);

    // A repository whose address has credentials, and a server that is not there.
    assert!(linkops.terminate().success());
    let url = format!("http://{URL_USER}:{URL_PASSWORD}@127.0.0.1:1/infrastructure.git");
    linkops.set("git", "repository_url", &url);
    linkops.launch();
    seen.call(&linkops, &session, ("POST", "/api/git/sync", "")).expect(503);
    read_all(&linkops, &seen);
    let check = linkops.command(&["check"]).output().unwrap();
    seen.add("linkopsd check", [check.stdout, check.stderr].concat());
    let sync = linkops.command(&["sync"]).output().unwrap();
    seen.add("linkopsd sync", [sync.stdout, sync.stderr].concat());
    assert!(linkops.terminate().success());

    seen.add("standard streams", linkops.printed());
    seen.add("log", linkops.log());
    read_database(&linkops.path("linkops.db"), &seen);
    read_files(linkops.directory(), &seen);
    // The first password is told once, by the contract, and nowhere else.
    let first = secret("the first password", linkops.password(), None);
    let places = seen.places_of(&first);
    assert!(places.iter().all(|one| one.ends_with("standard streams")), "{places:?}");
    let found: Vec<String> = secrets.iter().flat_map(|one| seen.places_of(one)).collect();
    assert!(found.is_empty(), "{found:#?}");
    the_search_finds_what_there_is(&seen);
}

/// Names are no secrets: each kind of place has one, and it is found there.
fn the_search_finds_what_there_is(seen: &Seen) {
    let places = seen.places_of(&secret("control", CONTROL, None));
    for place in ["reply GET /api/users", "log", "column audit_log.target", "file linkops.db"] {
        let wanted = format!("control is in {place}");
        assert!(places.contains(&wanted), "{wanted}: {places:?}");
    }
}
