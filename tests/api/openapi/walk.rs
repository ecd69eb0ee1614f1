//! Every documented operation against a running server: with success, by each of its examples, and
//! with each of its main refusals. All of it is made from the document; only what an example needs
//! to be true is prepared here.

use std::cell::Cell;
use std::fmt::Display;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::super::tokens::expired;
use super::super::{PASSWORD, failure, login, person, structured};
use super::{each, examples};
use crate::support::client::{Reply, send};
use crate::support::document::{DOCUMENT, meant, operation};
use crate::support::fleet::{Fleet, closed};
use crate::support::linkops::LinkOps;
use crate::support::schema::problems;

/// The largest body, in bytes.
const LIMIT: usize = 2_048;

/// Operations whose success takes more than one request, each with the test, as `file::name`, that
/// shows it.
const ELSEWHERE: &[(&str, &str)] = &[
    ("receivePush", "tests/api/webhook.rs::works"),
    ("openTerminal", "tests/terminal/typing.rs::what_is_typed_is_run_and_what_is_printed_is_shown"),
];

/// A request, to be changed before it is sent.
#[derive(Clone)]
struct Ask {
    operation: &'static Value,
    method: String,
    template: &'static str,
    /// Parameters by where they stand, name and value.
    parameters: Vec<(String, String, String)>,
    token: Option<String>,
    content_type: &'static str,
    body: Vec<u8>,
}

impl Ask {
    /// The operation with the examples of its path, and with no more parameters or body than it
    /// must have.
    fn new(template: &'static str, method: &str, operation: &'static Value) -> Ask {
        let method = method.to_uppercase();
        let (token, content_type) = (None, "application/json");
        let (parameters, body) = (Vec::new(), Vec::new());
        let mut ask = Ask { operation, method, template, parameters, token, content_type, body };
        for one in ask.described(|one| one["required"] == true) {
            ask.set(one, &text(&one["example"]));
        }
        if operation["requestBody"]["required"] == true {
            ask.body = examples(ask.media())[0].to_string().into_bytes();
        }
        ask
    }

    fn id(&self) -> &'static str {
        self.operation["operationId"].as_str().unwrap()
    }

    /// The parameters of the document for which this holds.
    fn described(&self, holds: impl Fn(&Value) -> bool) -> Vec<&'static Value> {
        let all = self.operation["parameters"].as_array().into_iter().flatten();
        all.filter(|one| holds(one)).collect()
    }

    /// The JSON body of the document.
    fn media(&self) -> &'static Value {
        &self.operation["requestBody"]["content"]["application/json"]
    }

    fn takes_json(&self) -> bool {
        self.operation["responses"].get("415").is_some()
    }

    fn is_open(&self) -> bool {
        self.operation["security"] == json!([])
    }

    fn set(&mut self, parameter: &Value, value: &str) {
        let word = |key: &str| parameter[key].as_str().unwrap().to_owned();
        self.parameters.retain(|(place, name, _)| (place, name) != (&word("in"), &word("name")));
        self.parameters.push((word("in"), word("name"), value.to_owned()));
    }

    fn with(&self, place: &str, name: &str, value: &str) -> Ask {
        let mut ask = self.clone();
        ask.set(&json!({ "in": place, "name": name }), value);
        ask
    }

    fn body(&self, body: &Value) -> Ask {
        Ask { body: body.to_string().into_bytes(), ..self.clone() }
    }

    fn by(&self, token: Option<&str>) -> Ask {
        Ask { token: token.map(str::to_owned), ..self.clone() }
    }

    /// Path and query.
    fn target(&self) -> String {
        let (mut path, mut query) = (self.template.to_owned(), String::new());
        for (place, name, value) in &self.parameters {
            match &place[..] {
                "path" => path = path.replace(&format!("{{{name}}}"), value),
                "query" => query += &format!("&{name}={value}"),
                _ => {}
            }
        }
        path + &query.replacen('&', "?", 1)
    }

    fn send(&self, linkops: &LinkOps) -> Reply {
        let headers = self.parameters.iter().filter(|(place, ..)| place == "header");
        let mut headers: Vec<_> = headers.map(|(_, name, value)| (&name[..], &value[..])).collect();
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
        if !self.body.is_empty() {
            headers.push(("Content-Type", self.content_type));
        }
        send(linkops.address(), &self.method, &self.target(), &headers, &self.body)
    }
}

/// A value as it stands in a path, a query or a header.
fn text(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    };
    let plain = |one: char| one.is_ascii_alphanumeric() || "._:,-".contains(one);
    assert!(text.chars().all(plain), "{text:?} would have to be encoded");
    text
}

/// The world in which the examples of the document are true.
struct World {
    fleet: Fleet,
    linkops: LinkOps,
    viewer: String,
    operator: String,
    people: Cell<usize>,
}

impl World {
    fn new() -> World {
        let mut fleet = Fleet::new(2);
        let gate = fleet.directory().join("go");
        fleet.script_with("hello", "echo hello", &["--fast", "n=3"]);
        fleet.script("uptime", "uptime");
        fleet.script("fail", "exit 1");
        fleet.machines[0].tags = vec!["web".to_owned()];
        fleet.script("wait", &format!("while {}; do sleep 0.05; done", closed(&gate)));
        fleet.commit();
        let settings =
            format!("api.max_request_size = {LIMIT}\nterminal.recordings_directory = recordings");
        let linkops = LinkOps::start_with(&fleet, &settings);
        let viewer = person(&linkops, "vera", "viewer");
        let operator = person(&linkops, "ann", "operator");
        World { fleet, linkops, viewer, operator, people: Cell::new(0) }
    }

    /// Makes true what the example of an operation needs, before each call that shall succeed.
    fn prepare(&self, mut ask: Ask) -> Ask {
        match ask.id() {
            "logout" => {
                let reply = login(&self.linkops, "ann", PASSWORD).expect(200);
                ask.token = Some(reply["token"].as_str().unwrap().to_owned());
            }
            "changeOwnPassword" => {
                self.people.set(self.people.get() + 1);
                let name = format!("person-{}", self.people.get());
                ask.token = Some(person(&self.linkops, &name, "viewer"));
            }
            "stopOperation" => {
                let id = self.linkops.run(&["wait"], &self.fleet.ids(), Value::Null);
                ask = ask.with("path", "id", &id);
            }
            "retryOperation" => {
                let failed = self.linkops.run_to_end(&["fail"], &self.fleet.ids(), Value::Null);
                ask = ask.with("path", "id", failed["id"].as_str().unwrap());
            }
            "createUser" => self.bob(&["DELETE"]),
            "changeUser" | "deleteUser" => self.bob(&["DELETE", "POST"]),
            "deleteToken" => {
                let token = ask.token.as_deref().unwrap();
                let new = json!({ "name": "x" });
                let made =
                    super::super::call(&self.linkops, token, "POST", "/api/tokens", Some(&new));
                ask = ask.with("path", "id", made.expect(201)["id"].as_str().unwrap());
            }
            "getWorkspace" | "deleteWorkspace" | "assignPanes" | "connectWorkspace" => {
                ask = ask.with("path", "id", &self.workspace());
            }
            "getRecording" | "deleteRecording" => {
                ask = ask.with("path", "id", &self.recording());
            }
            _ => {}
        }
        ask
    }

    /// Has the user of the examples removed, or removed and made.
    fn bob(&self, steps: &[&str]) {
        for method in steps {
            let new = json!({ "username": "bob", "role": "viewer", "password": PASSWORD });
            let (path, body) = match *method {
                "DELETE" => ("/api/users/bob", None),
                _ => ("/api/users", Some(&new)),
            };
            super::super::call(&self.linkops, self.linkops.token(), method, path, body);
        }
    }

    /// A workspace of the operator, with a pane that can be connected.
    fn workspace(&self) -> String {
        let ask = |method: &str, path: &str, body: Value| {
            let bearer = format!("Bearer {}", self.operator);
            self.linkops.call(method, path, &[("Authorization", &bearer)], Some(&body))
        };
        let path = "/api/terminal/workspaces";
        let made = ask("POST", path, json!({ "layout": "grid2x1" })).expect(201);
        let id = made["workspace_id"].as_str().unwrap().to_owned();
        let panes = json!({ "panes": [{ "pane": "A", "target": "vps-01" }] });
        ask("PUT", &format!("{path}/{id}/panes"), panes).expect(200);
        id
    }

    /// A recording that has ended.
    fn recording(&self) -> String {
        self.people.set(self.people.get() + 1);
        let id = format!("REC-{}", self.people.get());
        let directory = self.linkops.path("recordings");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(format!("{id}.cast")), "{\"version\":2}\n").unwrap();
        let db = rusqlite::Connection::open(self.linkops.path("linkops.db")).unwrap();
        let sql =
            "INSERT INTO recordings VALUES (?1, 'WS-1', 'A', 'vps-01', 'ann', 1, 2, 14, NULL)";
        db.execute(sql, [&id]).unwrap();
        id
    }

    /// Somebody who may do it, and nothing more.
    fn allowed(&self, ask: &Ask) -> Option<&str> {
        match ask.operation["x-required-role"].as_str() {
            Some("viewer") => Some(&self.viewer),
            Some("operator") => Some(&self.operator),
            Some(_) => Some(self.linkops.token()),
            None => None,
        }
    }

    fn succeed(&self, ask: &Ask) {
        let reply = self.prepare(ask.clone()).send(&self.linkops);
        let text = String::from_utf8_lossy(&reply.body);
        assert!((200..300).contains(&reply.status), "{}: {} {text}", ask.id(), reply.status);
        if let Some(action) = ask.operation["x-audit-action"].as_str() {
            self.is_audited(&reply, action);
        }
    }

    /// What the audit log has under the request's id: the act, once or once for each target.
    fn is_audited(&self, reply: &Reply, action: &str) {
        let db = rusqlite::Connection::open(self.linkops.path("linkops.db")).unwrap();
        let sql = "SELECT count(*) FROM audit_log WHERE request_id = ?1 AND action = ?2
                   AND result = 'ok' AND address = '127.0.0.1' AND actor <> 'anonymous'";
        let id = reply.header("x-request-id");
        let found: i64 = db.query_row(sql, (id, action), |row| row.get(0)).unwrap();
        assert!(found > 0, "{action} is not in the audit log");
    }

    #[track_caller]
    fn refuse(&self, ask: &Ask, status: u16, code: &str) -> Value {
        failure(&ask.send(&self.linkops), status, code)
    }
}

#[test]
fn every_operation_keeps_its_word() {
    let world = World::new();
    for (template, method, operation) in each() {
        let ask = Ask::new(template, method, operation);
        let ask = ask.by(world.allowed(&ask));
        successes(&world, &ask);
        strangers(&world, &ask);
        parameters(&world, &ask);
        bodies(&world, &ask);
        methods(&world, &ask);
    }
}

#[test]
fn what_is_shown_elsewhere_is_shown() {
    for (id, shown) in ELSEWHERE {
        assert!(each().any(|(_, _, one)| one["operationId"] == *id), "there is no {id} any more");
        let (file, name) = shown.split_once("::").unwrap();
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        assert!(text.contains(&format!("fn {name}(")), "{id}: there is no {shown}");
    }
}

/// As it is, with each parameter, and with each example of the body.
fn successes(world: &World, ask: &Ask) {
    if ELSEWHERE.iter().any(|(id, _)| *id == ask.id()) {
        return;
    }
    world.succeed(ask);
    for one in ask.described(|one| one["required"] != true) {
        let name = one["name"].as_str().unwrap();
        world.succeed(&ask.with(one["in"].as_str().unwrap(), name, &text(&one["example"])));
    }
    for example in examples(ask.media()) {
        world.succeed(&ask.body(example));
    }
    if ask.operation["security"].as_array().unwrap().contains(&json!({ "ticket": [] })) {
        let reply = world.linkops.post("/api/auth/ticket", &json!({})).expect(200);
        let ticket = reply["ticket"].as_str().unwrap();
        world.succeed(&ask.by(None).with("query", "ticket", ticket));
        world.refuse(&ask.by(None).with("query", "ticket", ticket), 401, "TOKEN_INVALID");
    }
}

/// Without a token, with a wrong one or an expired one, and with too small a role.
fn strangers(world: &World, ask: &Ask) {
    if ask.is_open() {
        return;
    }
    world.refuse(&ask.by(None), 401, "TOKEN_MISSING");
    world.refuse(&ask.by(Some("no.real.token")), 401, "TOKEN_INVALID");
    let old = expired(ask.token.as_ref().unwrap());
    world.refuse(&ask.by(Some(&old)), 401, "TOKEN_EXPIRED");
    let role = &ask.operation["x-required-role"];
    let below: &[&str] = match role.as_str().unwrap() {
        "viewer" => &[],
        "operator" => &[&world.viewer],
        _ => &[&world.viewer, &world.operator],
    };
    for token in below {
        let error = world.refuse(&ask.by(Some(token)), 403, "FORBIDDEN");
        assert_eq!(error["details"]["role"], *role, "{}", ask.id());
    }
}

/// An unknown field in each object within an example, and the object in another form.
fn inner_fields(world: &World, ask: &Ask, example: &Value) {
    let mut places = vec![String::new()];
    while let Some(place) = places.pop() {
        let within = |name: &dyn Display| format!("{place}/{name}");
        match example.pointer(&place).unwrap() {
            Value::Object(fields) => places.extend(fields.keys().map(|name| within(name))),
            Value::Array(items) => places.extend((0..items.len()).map(|number| within(&number))),
            _ => continue,
        }
        other_forms(world, ask, example, &place);
        let mut unknown = example.clone();
        if let Some(Value::Object(fields)) = unknown.pointer_mut(&place) {
            fields.insert("colour".to_owned(), json!("red"));
            if !problems(&DOCUMENT, &ask.media()["schema"], &unknown).is_empty() {
                unsuitable(world, &ask.body(&unknown));
            }
        }
    }
}

/// An object of an example as a list of its values, with and without more that is null; and with a
/// name that stands in it twice.
fn other_forms(world: &World, ask: &Ask, example: &Value, place: &str) {
    let Some(Value::Object(fields)) = example.pointer(place) else { return };
    let values: Vec<Value> = fields.values().cloned().collect();
    for nulls in 0..3 {
        let mut other = example.clone();
        let list = values.iter().cloned().chain(vec![Value::Null; nulls]);
        *other.pointer_mut(place).unwrap() = list.collect();
        if !problems(&DOCUMENT, &ask.media()["schema"], &other).is_empty() {
            unsuitable(world, &ask.body(&other));
        }
    }
    if let Some((name, value)) = fields.iter().next() {
        let mut marked = example.clone();
        marked.pointer_mut(place).unwrap()["colour"] = json!("red");
        let twice = format!("{}:{value}", json!(name));
        let text = marked.to_string().replace(r#""colour":"red""#, &twice);
        let error =
            world.refuse(&Ask { body: text.into_bytes(), ..ask.clone() }, 400, "VALIDATION_FAILED");
        assert!(error["message"].as_str().unwrap().contains("duplicate"), "{}: {error}", ask.id());
    }
}

/// Refused for what is in it: by its shape, or because a value names nothing.
fn unsuitable(world: &World, ask: &Ask) {
    let reply = ask.send(&world.linkops);
    let body = String::from_utf8_lossy(&ask.body);
    assert!([400, 404].contains(&reply.status), "{} {body}: {}", ask.id(), reply.status);
    assert_ne!(structured(&reply)["code"], "NOT_FOUND", "{} {body}", ask.id());
}

/// Methods that no call of the path has; those that it has are told, but not to strangers.
fn methods(world: &World, ask: &Ask) {
    let target = ask.target();
    let has = |method: &&str| operation(method, &target).is_some();
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    let allowed: Vec<&str> = known.into_iter().filter(has).collect();
    for method in known.iter().chain(&["TRACE"]).filter(|one| !has(one) && **one != "HEAD") {
        let other = Ask { method: (*method).to_owned(), body: Vec::new(), ..ask.clone() };
        let reply = other.send(&world.linkops);
        failure(&reply, 405, "METHOD_NOT_ALLOWED");
        assert_eq!(reply.header("allow"), Some(&allowed.join(", ")[..]), "{method} {target}");
        if !ask.is_open() {
            world.refuse(&other.by(None), 401, "TOKEN_MISSING");
        }
    }
}

/// Unknown parameters, values of another type, ids of nothing.
fn parameters(world: &World, ask: &Ask) {
    let unknown = ask.with("query", "colour", "red");
    let error = world.refuse(&unknown, 400, "VALIDATION_FAILED");
    assert!(error["details"]["fields"]["colour"].is_string(), "{}: {error}", ask.id());
    for one in ask.described(|one| one["in"] != "path") {
        let name = one["name"].as_str().unwrap();
        let wrong = ask.with(one["in"].as_str().unwrap(), name, "!");
        let accepted = problems(&DOCUMENT, &one["schema"], &json!("!")).is_empty();
        let reply = wrong.send(&world.linkops);
        assert!(accepted || reply.status == 400, "{} {name}: {}", ask.id(), reply.status);
    }
    for one in ask.described(|one| one["in"] == "path") {
        let name = one["name"].as_str().unwrap();
        let reply = ask.with("path", name, "nothing-of-this-name").send(&world.linkops);
        assert_eq!(reply.status, 404, "{} {name}", ask.id());
        assert!(
            failure(&reply, 404, &reply.code())["code"].as_str().unwrap().ends_with("NOT_FOUND")
        );
    }
}

/// Bodies that are too large, no JSON, not said to be JSON, or not what the schema has.
fn bodies(world: &World, ask: &Ask) {
    let large = Ask { body: vec![b' '; LIMIT + 1], ..ask.clone() };
    world.refuse(&large, 413, "BODY_TOO_LARGE");
    if !ask.takes_json() {
        return;
    }
    let nothing = json!({});
    let good = examples(ask.media()).first().copied().unwrap_or(&nothing);
    let mut unknown = good.clone();
    unknown["colour"] = json!("red");
    let error = world.refuse(&ask.body(&unknown), 400, "VALIDATION_FAILED");
    assert!(error["details"]["fields"]["colour"].is_string(), "{}: {error}", ask.id());
    for example in examples(ask.media()) {
        inner_fields(world, ask, example);
    }
    world.refuse(&ask.body(&json!([])), 400, "VALIDATION_FAILED");
    world.refuse(&Ask { body: b"{".to_vec(), ..ask.clone() }, 400, "INVALID_JSON");
    let said = Ask { content_type: "text/plain", ..ask.body(good) };
    world.refuse(&said, 415, "UNSUPPORTED_MEDIA_TYPE");

    let schema = meant(&ask.media()["schema"]);
    let wrong =
        [json!(null), json!({ "x": [] }), json!(-1.5), json!("!"), json!([{}]), json!(true)];
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        for value in wrong.iter().filter(|one| !problems(&DOCUMENT, field, one).is_empty()) {
            let mut body = good.clone();
            body[name] = value.clone();
            unsuitable(world, &ask.body(&body));
        }
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        let mut less = good.clone();
        less.as_object_mut().unwrap().remove(name.as_str().unwrap());
        assert_eq!(ask.body(&less).send(&world.linkops).status, 400, "{} without {name}", ask.id());
    }
}
