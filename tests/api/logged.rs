//! Whatever goes wrong stands in the log, with what is needed to find out why (R12.1 to R12.4, P35).

use std::cell::Cell;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::errors::{Attempt, attempt};
use super::login;
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;

/// Something that goes wrong.
#[derive(Debug, Clone)]
enum Trouble {
    /// A request is refused, by the API or by the transport.
    Request(Attempt),
    /// Somebody who is not there signs in.
    Login(String),
    /// A machine cannot be reached.
    Machine,
    /// The repository's files are wrong, at this place.
    Sync(String),
    /// A script ends with this exit code.
    Script(u8),
}

fn trouble(token: String) -> impl Strategy<Value = Trouble> {
    prop_oneof![
        6 => attempt(token).prop_map(Trouble::Request),
        1 => "[a-z]{1,12}".prop_map(Trouble::Login),
        1 => Just(Trouble::Machine),
        1 => "[a-z]{1,12}".prop_map(Trouble::Sync),
        2 => (1_u8..=255).prop_map(Trouble::Script),
    ]
}

/// The world in which things go wrong, and how much of its log was read.
struct World {
    fleet: Fleet,
    linkops: LinkOps,
    read: Cell<usize>,
}

impl World {
    fn new() -> World {
        let mut fleet = Fleet::new(1);
        let port = fleet.sshd.port();
        fleet.add("away", "127.0.0.99", port); // nobody listens there
        fleet.script_with("fail", "exit \"${1#code=}\"", &["code=1"]);
        fleet.commit();
        let settings = "api.max_request_size = 2048\nssh.max_retries = 1\nlogging.level = INFO\n\
                        security.max_failed_attempts = 1000\napi.login_rate_limit = 0\n\
                        api.rate_limit = 0";
        let linkops = LinkOps::start_with(&fleet, settings);
        World { fleet, linkops, read: Cell::new(0) }
    }

    /// The records since the last time.
    fn records(&self) -> Vec<Value> {
        let log = self.linkops.log();
        let new = &log[self.read.replace(log.len())..];
        new.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// What must stand in a record; none when nothing went wrong.
    fn make(&self, trouble: &Trouble) -> Option<Vec<(&'static str, String)>> {
        match trouble {
            Trouble::Request(attempt) => {
                let reply = attempt.send(&self.linkops);
                let id = reply.header("x-request-id").unwrap().to_owned();
                let code = reply.json()["error"]["code"].as_str().map(str::to_owned);
                let wanted =
                    Some(("request", id)).into_iter().chain(code.map(|code| ("code", code)));
                (reply.status >= 400).then(|| wanted.collect())
            }
            Trouble::Login(name) => {
                login(&self.linkops, name, "a wrong password").expect(401);
                Some(vec![("user", name.clone()), ("address", "127.0.0.1".to_owned())])
            }
            Trouble::Machine => {
                self.linkops.post("/api/links/away/verify", &json!({})).expect(503);
                Some(vec![("link", "away".to_owned()), ("kind", "Refused".to_owned())])
            }
            Trouble::Sync(word) => {
                self.fleet.repository.commit(&[("links.yaml", &format!("links: {{{word}: 1}}\n"))]);
                self.linkops.post("/api/git/sync", &json!({})).expect(400);
                self.fleet.commit();
                Some(vec![("repository", self.fleet.repository.url()), ("message", word.clone())])
            }
            Trouble::Script(code) => {
                let flags = json!({ "flags": { "fail": [format!("code={code}")] } });
                let target = vec!["vps-01".to_owned()];
                let one = self.linkops.run_to_end(&["fail"], &target, flags);
                Some(vec![
                    ("operation", one["id"].as_str().unwrap().to_owned()),
                    ("link", "vps-01".to_owned()),
                    ("script", "fail".to_owned()),
                    ("message", format!("exit code {code}")),
                ])
            }
        }
    }
}

/// Whether a record says all of it, and has a time and words.
fn says(record: &Value, wanted: &[(&str, String)]) -> bool {
    let text = |name: &str| record[name].as_str().unwrap_or_default();
    let timed = linkops::clock::parse_time(text("time")).is_some();
    let all = wanted.iter().all(|(name, value)| match *name {
        "message" => text(name).contains(value),
        _ => text(name) == value,
    });
    timed && !text("message").is_empty() && !text("level").is_empty() && all
}

/// P35, R12.1 to R12.4: at the level that servers have unless it is changed.
#[test]
fn p35_any_error_leaves_a_record_with_time_context_and_detail() {
    let world = World::new();
    let check = |trouble: Trouble| {
        world.records();
        let Some(wanted) = world.make(&trouble) else { return Ok(()) };
        let records = world.records();
        let found = records.iter().any(|one| says(one, &wanted));
        prop_assert!(found, "{:?}\n{:#?}", wanted, records);
        Ok(())
    };
    let troubles = trouble(world.linkops.token().to_owned());
    proptest!(ProptestConfig::with_cases(150), |(one in troubles)| check(one)?);
}
