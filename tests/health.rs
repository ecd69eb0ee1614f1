//! The health monitor on real SSH servers (R9, P28), and what the server says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use linkops::clock::Clock;
use linkops::enrollment::{self, Checked, Enrollment, Inspection};
use linkops::health::{Health, Settings, store as history};
use linkops::inventory::route::Keys;
use linkops::inventory::{Inventory, Machine, Status, store};
use linkops::ssh::{self, HostKeyPolicy, Pool};
use linkops::store::Store;
use linkops::threads::Latch;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::inventory::{machine, open};
use crate::support::client::send;
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;
use crate::support::network::Silent;
use crate::support::{deadline, somebody, wait_until};

/// The library on a fleet, with a monitor that has little patience.
struct World {
    fleet: Fleet,
    store: Arc<Store>,
    pool: Arc<Pool>,
    enrollment: Enrollment,
    health: Option<Health>,
}

impl World {
    /// The monitor does not run yet.
    fn new(fleet: Fleet) -> World {
        let store = Arc::new(open(fleet.directory()));
        let pool = Pool::start(ssh::Settings {
            known_hosts: fleet.directory().join("known_hosts"),
            policy: HostKeyPolicy::AcceptNew,
            connect_timeout: Duration::from_secs(30),
            max_tries: 1,
            retry_delay: Duration::ZERO,
            max_idle: 32,
            idle_time: Duration::from_secs(600),
            keepalive: Duration::from_secs(600),
        })
        .unwrap();
        let stop = Arc::new(Latch::new().unwrap());
        let (dial, time) = (Arc::<Pool>::clone(&pool), Duration::from_secs(60));
        let keys = Keys::of(&fleet.keys());
        let enrollment = Enrollment::new(Arc::clone(&store), dial, Clock::System, keys, time, stop);
        let world = World { fleet, store, pool, enrollment, health: None };
        world.sync();
        world
    }

    /// The fleet, as a sync would store it.
    fn sync(&self) {
        let of_fleet = |one: &crate::support::fleet::Machine| {
            let host = one.host.clone();
            let mut found = Machine { host, port: one.port, ..machine(&one.id) };
            found.user = self.fleet.sshd.user().to_owned();
            found.enrollment.id.clone_from(&one.client_id);
            found.enrollment.path = one.client_file.to_str().unwrap().to_owned();
            found
        };
        let machines = self.fleet.machines.iter().map(of_fleet).collect();
        let inventory = Inventory { machines, scripts: Vec::new() };
        self.store.write(|tx| store::replace(tx, &inventory)).unwrap();
    }

    fn watch(&mut self, interval: Duration, timeout: Duration, concurrency: usize) {
        let history = Duration::from_secs(86_400);
        let settings = Settings { interval, timeout, concurrency, history };
        let store = Arc::clone(&self.store);
        let started = Health::start(self.enrollment.clone(), store, Clock::System, settings);
        self.health = Some(started.unwrap());
    }

    fn machine(&self, id: &str) -> Machine {
        self.store.read(|db| store::machine(db, id)).unwrap()
    }

    fn points(&self, id: &str) -> Vec<linkops::health::Point> {
        self.store.read(|db| history::history(db, id, 10_000)).unwrap()
    }

    fn wait(&self, what: &str, condition: impl Fn() -> bool) {
        wait_until(deadline(), what, condition);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(health) = self.health.take() {
            health.stop();
        }
        self.pool.close(Instant::now() + Duration::from_secs(10));
    }
}

/// R9.1 to R9.5: a machine that answers is online and one that does not is offline, again and
/// again, and it is known when it was last seen.
#[test]
fn r9_machines_go_and_come_back() {
    let mut fleet = Fleet::new(2);
    let port = fleet.sshd.port();
    fleet.add("away", "127.0.0.99", port);
    let mut world = World::new(fleet);
    assert_eq!(world.machine("vps-01").health.status, Status::Unknown);
    world.watch(Duration::from_millis(100), Duration::from_secs(30), 4);
    let is = |id: &str, status: Status| world.machine(id).health.status == status;
    world.wait("all are known", || {
        is("vps-01", Status::Online) && is("vps-02", Status::Online) && is("away", Status::Offline)
    });
    let away = world.machine("away");
    assert_eq!((away.health.latency, away.health.last_seen), (None, None));
    assert!(!away.enrollment.enrolled);
    let here = world.machine("vps-01");
    assert!(here.enrollment.enrolled, "R9 on the connection that also shows the client id");
    assert!(here.health.latency.is_some() && here.health.last_seen.is_some());
    world.wait("it is seen again and again", || {
        world.machine("vps-01").health.last_seen > here.health.last_seen
    });
    let logins = world.fleet.sshd.logins();
    assert!(logins <= 4, "the warm connections are used: {logins} logins");
    world.fleet.sshd.stop();
    world.wait("it is gone", || world.machine("vps-01").health.status == Status::Offline);
    let gone = world.machine("vps-01");
    assert!(gone.health.latency.is_none());
    assert!(gone.health.last_seen.is_some(), "R9.5: when it was seen is kept");
    assert!(gone.enrollment.enrolled, "silence says nothing about the client id");
    world.fleet.sshd.restart();
    world.wait("it is back", || world.machine("vps-01").health.status == Status::Online);
    assert!(world.machine("vps-01").health.last_seen > gone.health.last_seen);
    let points = world.points("vps-01");
    assert!(points.windows(2).all(|two| two[0].at < two[1].at), "oldest first: {points:?}");
    assert!(points.iter().all(|one| one.latency.is_none() == one.error.is_some()), "{points:?}");
}

/// `linkopsd sync` changes the database, and the server is not told.
#[test]
fn a_machine_that_comes_without_a_word_is_checked_too() {
    let mut world = World::new(Fleet::new(1));
    world.watch(Duration::from_millis(100), Duration::from_secs(30), 1);
    world.wait("online", || world.machine("vps-01").health.status == Status::Online);
    let port = world.fleet.sshd.port();
    world.fleet.add("late", "127.0.0.1", port);
    world.sync();
    world.wait("online, too", || world.machine("late").health.status == Status::Online);
}

/// A machine that says nothing costs its time-out and holds nobody back.
#[test]
fn a_silent_machine_is_cut_and_the_others_go_on() {
    let silent = Silent::start();
    let mut fleet = Fleet::new(2);
    fleet.add("silent", "127.0.0.1", silent.port());
    let mut world = World::new(fleet);
    let good = ["vps-01", "vps-02"];
    // A login may take longer than the time-out; a check over a warm connection does not.
    for id in good {
        assert!(world.enrollment.verify(id, &somebody()).unwrap().enrolled);
    }
    world.watch(Duration::from_millis(20), Duration::from_millis(400), 2);
    world.wait("it was cut three times", || world.points("silent").len() >= 3);
    let found = world.points("silent");
    let why = found[0].error.as_deref().unwrap();
    assert!(why.contains("no answer in time"), "{why}");
    assert_eq!(world.machine("silent").health.status, Status::Offline);
    for id in good {
        world.wait("it had its turns meanwhile", || world.points(id).len() > found.len());
    }
    let begun = Instant::now();
    world.health.take().unwrap().stop();
    assert!(begun.elapsed() < Duration::from_secs(30), "a check that runs is cut at a stop");
}

/// The client id is checked on the same connection: it follows what the machine shows.
#[test]
fn enrolment_follows_the_machine() {
    let mut world = World::new(Fleet::new(1));
    world.watch(Duration::from_millis(50), Duration::from_secs(30), 1);
    world.wait("enrolled", || world.machine("vps-01").enrollment.enrolled);
    let file = world.fleet.machines[0].client_file.clone();
    fs::write(&file, "LINKOPS-00000000-0000-4000-8000-00000000ffff").unwrap();
    world.wait("not any more", || !world.machine("vps-01").enrollment.enrolled);
    assert_eq!(world.machine("vps-01").health.status, Status::Online);
    let error = world.machine("vps-01").enrollment.error.unwrap();
    assert!(error.contains("ffff"), "{error}");
    fs::write(&file, &world.fleet.machines[0].client_id).unwrap();
    world.wait("again", || world.machine("vps-01").enrollment.enrolled);
}

/// A thousand machines, each over a connection of its own, are checked once and none twice within
/// the interval that is configured when nobody says otherwise.
#[test]
fn a_thousand_machines_take_their_turns() {
    const MACHINES: usize = 1_000;
    let mut fleet = Fleet::new(1);
    let (host, port) = ("127.0.0.1", fleet.sshd.port());
    for number in 1..MACHINES {
        fleet.add(&format!("vm-{number:03}"), host, port);
    }
    let mut world = World::new(fleet);
    world.watch(Duration::from_secs(86_400), Duration::from_secs(60), 16);
    let count = || world.health.as_ref().unwrap().figures();
    let interval = Duration::from_secs(300);
    wait_until(Instant::now() + interval, "all were checked", || count().0 >= MACHINES as u64);
    assert_eq!(count(), (MACHINES as u64, 0));
    for id in world.fleet.ids() {
        let found = world.machine(&id);
        assert_eq!((found.health.status, world.points(&id).len()), (Status::Online, 1), "{id}");
        assert!(found.enrollment.enrolled, "{id}: {:?}", found.enrollment.error);
    }
    assert_eq!(world.fleet.sshd.logins(), MACHINES);
}

/// A check that ended, as the monitor stores it: (milliseconds after the one before, latency).
type Step = (u16, Option<u32>);

/// P28: after any checks, status and latency are those of the last one, and last seen is the time
/// of the last answer.
#[test]
fn p28_results_set_status_latency_and_last_seen() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let steps = prop::collection::vec((1_u16.., prop::option::of(0_u32..100_000)), 1..20);
    proptest!(ProptestConfig::with_cases(120), |(steps in steps)| p28(&store, &steps)?);
}

fn p28(store: &Store, steps: &[Step]) -> Result<(), TestCaseError> {
    let one = machine("vps-01");
    let inventory = Inventory { machines: vec![one.clone()], scripts: Vec::new() };
    store.write(|tx| store::replace(tx, &Inventory { machines: vec![], scripts: vec![] })).unwrap();
    store.write(|tx| store::replace(tx, &inventory)).unwrap();
    let (mut at, mut seen) = (1_700_000_000_000, None);
    for (pause, latency) in steps {
        at += i64::from(*pause);
        seen = latency.map_or(seen, |_| Some(at));
        let checked = Checked {
            reached: latency.is_some(),
            enrolled: false,
            client_id_found: false,
            client_id_matches: false,
            error: Some("none".to_owned()),
            verified_at: at,
        };
        let found = Inspection { machine: one.clone(), checked, latency: *latency };
        prop_assert!(store.write(|tx| enrollment::store::record(tx, &found)).unwrap());
        let health = store.read(|db| store::machine(db, "vps-01")).unwrap().health;
        let status = if latency.is_some() { Status::Online } else { Status::Offline };
        prop_assert_eq!((health.status, health.latency), (status, *latency));
        prop_assert_eq!(health.last_seen, seen);
    }
    Ok(())
}

/// A check that ends after a sync made another machine of the id is not stored for it.
#[test]
fn a_result_for_what_the_machine_was_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let before = machine("vps-01");
    let after = Machine { host: "192.0.2.99".to_owned(), ..before.clone() };
    let set = |one: &Machine| {
        let inventory = Inventory { machines: vec![one.clone()], scripts: Vec::new() };
        store.write(|tx| store::replace(tx, &inventory)).unwrap();
    };
    set(&before);
    set(&after);
    let checked = Checked {
        reached: true,
        enrolled: true,
        client_id_found: true,
        client_id_matches: true,
        error: None,
        verified_at: 1,
    };
    let found = Inspection { machine: before, checked, latency: Some(1) };
    assert!(!store.write(|tx| enrollment::store::record(tx, &found)).unwrap());
    let stored = store.read(|db| store::machine(db, "vps-01")).unwrap();
    assert_eq!((stored.health.status, stored.enrollment.enrolled), (Status::Unknown, false));
}

/// A sync is enough: what it brings is checked at once, without anybody asking.
#[test]
fn what_a_sync_brings_is_checked_at_once() {
    let mut fleet = Fleet::new(2);
    fleet.commit();
    let linkops = LinkOps::unsynced(&fleet, "health.check_interval_minutes = 1440");
    linkops.post("/api/git/sync", &json!({})).expect(200);
    let status = |id: &str| linkops.get(&format!("/api/links/{id}")).expect(200)["status"].clone();
    wait_until(deadline(), "both are online", || {
        status("vps-01") == "online" && status("vps-02") == "online"
    });
    let shown = linkops.get("/api/links/vps-01/health").expect(200);
    assert_eq!(shown["id"], "vps-01");
    let checks = shown["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 1, "{shown}");
    assert_eq!((&checks[0]["reachable"], &checks[0]["error"]), (&json!(true), &Value::Null));
    fleet.machines[1].port = 1;
    fleet.commit();
    linkops.post("/api/git/sync", &json!({})).expect(200);
    wait_until(deadline(), "the moved one is offline", || status("vps-02") == "offline");
    let all = linkops.get("/api/health/links?points=1").expect(200);
    let line =
        json!([{ "at": checks[0]["at"], "reachable": true, "latency": checks[0]["latency"] }]);
    assert_eq!(all["vps-01"], line, "it had not changed");
    assert_eq!(all["vps-02"][0]["reachable"], json!(false));
    assert_eq!(all["vps-02"].as_array().unwrap().len(), 1, "of two, the newest: {all}");
    let both = linkops.get("/api/links/vps-02/health?limit=2").expect(200);
    assert_eq!(both["checks"].as_array().unwrap().len(), 2, "{both}");
    linkops.get("/api/links/nobody/health").expect(404);
    for wrong in ["/api/links/vps-01/health?limit=0", "/api/health/links?points=289"] {
        assert_eq!(linkops.get(wrong).code(), "VALIDATION_FAILED", "{wrong}");
    }
}

#[test]
fn the_server_says_what_it_stands_on() {
    let fleet = Fleet::new(1);
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let shown = linkops.get("/api/health").expect(200);
    assert_eq!(shown["status"], "healthy");
    assert_eq!(shown["latency"], json!({ "warning": 100, "critical": 500 }));
    let names: Vec<&String> = shown["components"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["database", "ssh", "git", "storage"]);
    assert!(shown["components"].as_object().unwrap().values().all(|one| one["status"] == "up"));
    let stranger = send(linkops.address(), "GET", "/api/health", &[], b"");
    assert_eq!((stranger.status, stranger.code()), (401, "TOKEN_MISSING".to_owned()));
    let down = || {
        let shown = linkops.get("/api/health").expect(503);
        assert_eq!(
            (&shown["status"], &shown["error"]["code"]),
            (&json!("unhealthy"), &json!("UNHEALTHY"))
        );
        assert_eq!(shown["components"].as_object().unwrap().len(), 4, "{shown}");
        shown["error"]["details"]["down"].clone()
    };
    let hidden = fleet.keys().with_extension("hidden");
    fs::rename(fleet.keys(), &hidden).unwrap();
    assert_eq!(down(), json!(["ssh"]));
    fs::rename(&hidden, fleet.keys()).unwrap();
    let other = rusqlite::Connection::open(linkops.path("linkops.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(down(), json!(["database"]));
    other.execute_batch("ROLLBACK").unwrap();
    fleet.repository.commit(&[("links.yaml", "links: [")]);
    linkops.post("/api/git/sync", &json!({}));
    assert_eq!(down(), json!(["git"]));
    fleet.commit();
    linkops.post("/api/git/sync", &json!({})).expect(200);
    linkops.get("/api/health").expect(200);
}

/// Whoever asks often has nothing written for it: neither by figures, which strangers may ask for.
#[test]
fn asking_how_the_server_is_does_not_write_each_time() {
    let fleet = Fleet::new(0);
    let linkops = LinkOps::unsynced(&fleet, "");
    let other = rusqlite::Connection::open(linkops.path("linkops.db")).unwrap();
    let version =
        || -> i64 { other.pragma_query_value(None, "data_version", |row| row.get(0)).unwrap() };
    linkops.get("/api/health").expect(200);
    let before = version();
    for _ in 0..3 {
        linkops.get("/api/health").expect(200);
        assert_eq!(send(linkops.address(), "GET", "/metrics", &[], b"").status, 200);
    }
    assert_eq!(version(), before);
}

#[test]
fn metrics_have_the_conventional_form_and_few_labels() {
    let mut fleet = Fleet::new(3);
    fleet.script("hello", "echo hello").script("fail", "exit 1");
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    linkops.run_to_end(&["hello"], &fleet.ids(), json!({}));
    linkops.run_to_end(&["fail"], &fleet.ids(), json!({}));
    linkops.get("/api/links/nobody").expect(404);
    let metrics = || {
        let reply = send(linkops.address(), "GET", "/metrics", &[], b"");
        assert_eq!(reply.status, 200);
        let kind = reply.header("content-type").unwrap();
        assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
        samples(&String::from_utf8(reply.body).unwrap())
    };
    let found = metrics();
    let links = r#"linkops_links{type="VPS",status="online",enrolled="true"}"#;
    assert_eq!(found[links], 3.0, "{found:?}");
    assert_eq!(found[r#"linkops_operations_finished_total{status="success"}"#], 1.0);
    assert_eq!(found[r#"linkops_operations_finished_total{status="failed"}"#], 1.0);
    assert_eq!(found[r#"linkops_http_requests_total{call="getLink",status="4xx"}"#], 1.0);
    assert_eq!(found[r#"linkops_component_up{component="database"}"#], 1.0);
    assert!(found["linkops_git_last_sync_timestamp_seconds"] > 1.7e9);
    assert!(found["process_resident_memory_bytes"] > 1e6);
    assert!(found["process_open_fds"] > 5.0 && found["process_threads"] > 5.0);
    let (count, last) = ("linkops_http_request_duration_seconds_count", r#"_bucket{le="+Inf"}"#);
    assert_eq!(found[count], found[&count.replace("_count", last)]);
    assert!(found.keys().all(|key| !key.contains("vps-0")), "no label names a machine");
    let again = metrics();
    let call = r#"linkops_http_requests_total{call="getMetrics",status="2xx"}"#;
    assert_eq!(again[call], found.get(call).unwrap_or(&0.0) + 1.0);
}

/// The page, checked line by line: each sample below its family's HELP and TYPE, each name in the
/// form that Prometheus asks for.
fn samples(page: &str) -> BTreeMap<String, f64> {
    let name = regex::Regex::new("^(linkops|process)_[a-z_]+$").unwrap();
    let sample = regex::Regex::new(r#"^([a-z_]+)(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? ([^ ]+)$"#);
    let sample = sample.unwrap();
    let (mut family, mut kind, mut found) = (String::new(), String::new(), BTreeMap::new());
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(help.ends_with('.') && help.len() > 5, "{line}");
            name.clone_into(&mut family);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, what) = rest.split_once(' ').unwrap();
            assert_eq!(name, family);
            assert_eq!(what == "counter", name.ends_with("_total"), "{line}");
            what.clone_into(&mut kind);
        } else {
            let parts = sample.captures(line).unwrap_or_else(|| panic!("{line}"));
            let base =
                ["_bucket", "_sum", "_count"].iter().find_map(|end| parts[1].strip_suffix(end));
            let base = base.filter(|_| kind == "histogram").unwrap_or(&parts[1]);
            assert_eq!(base, family, "{line}");
            assert!(name.is_match(base), "{line}");
            let (key, value) = line.rsplit_once(' ').unwrap();
            let old = found.insert(key.to_owned(), value.parse().unwrap());
            assert!(old.is_none(), "twice: {line}");
        }
    }
    found
}

#[test]
fn metrics_can_ask_for_a_token() {
    let fleet = Fleet::new(0);
    fleet.commit();
    let linkops = LinkOps::unsynced(&fleet, "api.metrics_auth = on");
    let reply = send(linkops.address(), "GET", "/metrics", &[], b"");
    assert_eq!((reply.status, reply.code()), (401, "TOKEN_MISSING".to_owned()));
    let reply = linkops.get("/metrics");
    assert_eq!(reply.status, 200);
    samples(&String::from_utf8(reply.body).unwrap());
}

/// The dashboard asks only for what there is, and for everything but what needs no panel.
#[test]
fn the_dashboard_is_of_these_metrics() {
    let text = fs::read_to_string("deploy/grafana/linkops.json").unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let name = regex::Regex::new("(linkops|process)_[a-z_]+").unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let asked = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let asked: BTreeSet<String> = asked
        .flat_map(|target| name.find_iter(target["expr"].as_str().unwrap()))
        .map(|found| found.as_str().to_owned())
        .collect();
    let mut fleet = Fleet::new(1);
    fleet.script("hello", "echo hello");
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    linkops.run_to_end(&["hello"], &fleet.ids(), json!({}));
    let reply = send(linkops.address(), "GET", "/metrics", &[], b"");
    let page = String::from_utf8(reply.body).unwrap();
    let shown = samples(&page).into_keys();
    let shown: BTreeSet<String> =
        shown.map(|key| name.find(&key).unwrap().as_str().to_owned()).collect();
    let missing: Vec<_> = asked.difference(&shown).collect();
    assert!(missing.is_empty(), "no such figure: {missing:?}");
    let unused: Vec<_> = shown.difference(&asked).map(String::as_str).collect();
    let plain = [
        "linkops_build_info",
        "linkops_http_request_duration_seconds_count",
        "linkops_http_request_duration_seconds_sum",
        "process_start_time_seconds",
    ];
    assert_eq!(unused, plain);
}
