//! R3 and the rules of a sync by example: what lists give, and which results of checks survive.

use std::path::Path;

use linkops::error::{Error, Noun};
use linkops::inventory::store::{self, SyncRecord, Synced};
use linkops::inventory::{
    Enrollment, EnrollmentCheck, Filter, Health, Inventory, Kind, Machine, Script, Sort, Status,
};
use linkops::store::Store;

pub(crate) fn open(directory: &Path) -> Store {
    Store::open(&directory.join("linkops.db")).unwrap()
}

pub(crate) fn machine(id: &str) -> Machine {
    Machine {
        id: id.to_owned(),
        name: format!("the {id}"),
        kind: Kind::Vps,
        provider: None,
        icon: None,
        tags: Vec::new(),
        host: format!("{id}.example"),
        port: 22,
        user: "root".to_owned(),
        key_ref: None,
        proxy_jump: None,
        enrollment: Enrollment {
            id: "LINKOPS-0e3b7a52-1111-4222-8333-444455556666".to_owned(),
            path: "/etc/linkops/client_id".to_owned(),
            required: true,
            ..Enrollment::default()
        },
        health: Health::default(),
        metadata: serde_json::json!({}),
    }
}

fn script(id: &str) -> Script {
    Script {
        id: id.to_owned(),
        name: id.to_owned(),
        emoji: None,
        description: "does it".to_owned(),
        path: format!("{id}.sh"),
        flags: vec!["--fast".to_owned()],
        estimated_duration: Some(3),
        tags: Vec::new(),
    }
}

fn put(store: &Store, machines: &[Machine]) -> linkops::inventory::Changes {
    let inventory = Inventory { machines: machines.to_vec(), scripts: Vec::new() };
    store.write(|tx| store::replace(tx, &inventory)).unwrap()
}

fn get(store: &Store, id: &str) -> Machine {
    store.read(|connection| store::machine(connection, id)).unwrap()
}

fn check(matches: bool, at: i64) -> EnrollmentCheck {
    let error = (!matches).then(|| "another id".to_owned());
    EnrollmentCheck { found: true, matches, error, at }
}

/// A store with the machine `a`, enrolled and online.
fn checked() -> (tempfile::TempDir, Store, Machine) {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let a = machine("a");
    put(&store, &[a.clone(), machine("gate")]);
    store
        .write(|tx| {
            assert!(store::record_enrollment(tx, &a, &check(true, 5))?);
            assert!(store::record_health(tx, &a, Some(7), 6)?);
            Ok(())
        })
        .unwrap();
    (directory, store, a)
}

#[test]
fn a_machine_has_enrolment_ssh_settings_and_health() {
    // R3.2, R3.3
    let (_directory, store, a) = checked();
    let found = get(&store, "a");
    let enrollment = Enrollment {
        enrolled: true,
        found: true,
        matches: true,
        verified_at: Some(5),
        ..a.enrollment.clone()
    };
    let health = Health { status: Status::Online, latency: Some(7), last_seen: Some(6) };
    assert_eq!(found, Machine { enrollment, health, ..a });
    assert!(found.health.reachable());
}

#[test]
fn what_is_not_there_is_not_found() {
    let (_directory, store, _) = checked();
    let link = store.read(|connection| store::machine(connection, "b")).unwrap_err();
    assert!(matches!(link, Error::NotFound { noun: Noun::Link, id } if id == "b"));
    let script = store.read(|connection| store::script(connection, "b")).unwrap_err();
    assert!(matches!(script, Error::NotFound { noun: Noun::Script, .. }));
    assert!(store.read(|connection| store::chain(connection, "b")).is_err());
}

#[test]
fn results_survive_a_sync_that_changes_something_else() {
    let (_directory, store, a) = checked();
    let before = get(&store, "a");
    let changed = Machine {
        name: "new".to_owned(),
        tags: vec!["x".to_owned()],
        metadata: serde_json::json!({"a": 1}),
        ..a
    };
    let changes = put(&store, &[changed.clone(), machine("b")]);
    assert_eq!(changes.links.changed, ["a"]);
    assert_eq!(changes.links.added, ["b"]);
    assert_eq!(changes.links.removed, ["gate"]);
    let after = get(&store, "a");
    assert_eq!((after.enrollment, after.health), (before.enrollment, before.health));
    assert_eq!(after.name, "new");
}

#[test]
fn a_machine_whose_check_would_differ_must_prove_itself_again() {
    type Change = fn(&mut Machine);
    let cases: [(&str, Change, bool); 7] = [
        ("host", |one| one.host = "other".to_owned(), true),
        ("port", |one| one.port = 2222, true),
        ("proxyJump", |one| one.proxy_jump = Some("gate".to_owned()), true),
        ("user", |one| one.user = "ops".to_owned(), false),
        ("keyRef", |one| one.key_ref = Some("k".to_owned()), false),
        ("clientId", |one| one.enrollment.id.push('0'), false),
        ("path", |one| one.enrollment.path.push('x'), false),
    ];
    for (field, change, elsewhere) in cases {
        let (_directory, store, a) = checked();
        let mut changed = a.clone();
        change(&mut changed);
        put(&store, &[changed.clone(), machine("gate")]);
        let after = get(&store, "a");
        assert!(!after.enrollment.enrolled && !after.enrollment.matches, "{field}");
        assert_eq!(after.enrollment.verified_at, None, "{field}");
        assert_eq!(
            after.enrollment.error.as_deref(),
            Some("changed by a sync, verify again"),
            "{field}"
        );
        let expected = if elsewhere { Status::Unknown } else { Status::Online };
        assert_eq!(after.health.status, expected, "{field}");
        // A check of the old machine that ends only now says nothing about the new one.
        let stored = store.write(|tx| store::record_enrollment(tx, &a, &check(true, 9))).unwrap();
        assert!(!stored && !get(&store, "a").enrollment.enrolled, "{field}");
        let stored = store.write(|tx| store::record_health(tx, &a, Some(1), 9)).unwrap();
        assert_eq!(stored, !elsewhere, "{field}");
        // The reason stays through the next sync, until a check.
        put(&store, &[changed.clone(), machine("gate")]);
        assert!(get(&store, "a").enrollment.error.is_some(), "{field}");
        assert!(store.write(|tx| store::record_enrollment(tx, &changed, &check(true, 9))).unwrap());
        assert_eq!(get(&store, "a").enrollment.error, None, "{field}");
    }
}

#[test]
fn checks_of_a_machine_that_is_gone_are_dropped() {
    let (_directory, store, a) = checked();
    put(&store, &[]);
    assert!(!store.write(|tx| store::record_enrollment(tx, &a, &check(true, 9))).unwrap());
    assert!(!store.write(|tx| store::record_health(tx, &a, None, 9)).unwrap());
}

#[test]
fn a_failed_check_ends_the_enrolment_and_keeps_the_time_of_the_last_answer() {
    let (_directory, store, a) = checked();
    store
        .write(|tx| {
            store::record_enrollment(tx, &a, &check(false, 9))?;
            store::record_health(tx, &a, None, 9)
        })
        .unwrap();
    let after = get(&store, "a");
    assert!(!after.enrollment.enrolled && after.enrollment.found);
    assert_eq!(after.enrollment.error.as_deref(), Some("another id"));
    let health = Health { status: Status::Offline, latency: None, last_seen: Some(6) };
    assert_eq!(after.health, health);
}

#[test]
fn a_chain_leads_from_the_first_hop_to_the_machine() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let jump = |id: &str, to: &str| Machine { proxy_jump: Some(to.to_owned()), ..machine(id) };
    put(&store, &[jump("c", "b"), jump("b", "a"), machine("a")]);
    let ids = |id: &str| -> Vec<String> {
        let chain = store.read(|connection| store::chain(connection, id)).unwrap();
        chain.into_iter().map(|one| one.id).collect()
    };
    assert_eq!(ids("c"), ["a", "b", "c"]);
    assert_eq!(ids("a"), ["a"]);
    // Turning the chain round, and removing its middle, in one sync each.
    put(&store, &[jump("a", "b"), jump("b", "c"), machine("c")]);
    assert_eq!(ids("a"), ["c", "b", "a"]);
    put(&store, &[jump("a", "c"), machine("c")]);
    assert_eq!(ids("a"), ["c", "a"]);
}

#[test]
fn words_that_are_not_known_are_refused_with_the_nearest() {
    let says = |error: Error| error.to_string();
    assert!(
        says(Sort::parse("lastseen", "asc").unwrap_err()).contains("did you mean \"lastSeen\"")
    );
    assert!(says(Sort::parse("host; DROP", "asc").unwrap_err()).starts_with("sort: "));
    assert!(says(Sort::parse("host", "down").unwrap_err()).starts_with("dir: "));
    assert!(says(Kind::named("type", "vps").unwrap_err()).starts_with("type: "));
    assert!(
        says(Status::named("status", "onlin").unwrap_err()).contains("did you mean \"online\"")
    );
    for column in Sort::columns() {
        Sort::parse(column, "desc").unwrap();
    }
}

#[test]
fn scripts_come_and_go_with_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let put = |scripts: &[Script]| {
        let inventory = Inventory { machines: Vec::new(), scripts: scripts.to_vec() };
        store.write(|tx| store::replace(tx, &inventory)).unwrap().scripts
    };
    assert_eq!(put(&[script("a"), script("b")]).added, ["a", "b"]);
    let slower = Script { estimated_duration: None, ..script("b") };
    let changes = put(&[slower.clone(), script("c")]);
    assert_eq!(changes.added, ["c"]);
    assert_eq!(changes.changed, ["b"]);
    assert_eq!(changes.removed, ["a"]);
    assert_eq!(store.read(store::scripts).unwrap(), [slower.clone(), script("c")]);
    assert_eq!(store.read(|connection| store::script(connection, "b")).unwrap(), slower);
}

#[test]
fn the_history_forgets_old_syncs_and_never_the_last_good_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let good = Synced { commit: "c1".to_owned(), links: 1, scripts: 2 };
    let triggered_by = || "ann".to_owned();
    let sync =
        |result| SyncRecord { started_at: 1, ended_at: 2, triggered_by: triggered_by(), result };
    store
        .write(|tx| {
            store::insert_sync(tx, &sync(Err("first".to_owned())))?;
            store::insert_sync(tx, &sync(Ok(good.clone())))?;
            (0..10_010).try_for_each(|n| store::insert_sync(tx, &sync(Err(format!("no {n}")))))
        })
        .unwrap();
    let all = store.read(|connection| store::syncs(connection, u32::MAX)).unwrap();
    assert_eq!(all.len(), 10_001);
    assert_eq!(all[0], sync(Err("no 10009".to_owned())));
    assert_eq!(all[10_000], sync(Ok(good.clone())));
    assert_eq!(store.read(store::last_success).unwrap(), Some((good, 2)));
}

#[test]
fn filters_and_the_order_of_a_list() {
    // R3.1, R3.4, R3.5; the properties P9 and P10 say the same for any list.
    let (_directory, store, _) = checked();
    let list = |filter: &Filter, sort: Sort| -> Vec<String> {
        let list = store.read(|connection| store::machines(connection, filter, sort)).unwrap();
        list.into_iter().map(|one| one.id).collect()
    };
    let all = Filter::default();
    assert_eq!(list(&all, Sort::default()), ["a", "gate"]);
    assert_eq!(list(&all, Sort::parse("host", "desc").unwrap()), ["gate", "a"]);
    assert_eq!(list(&all, Sort::parse("latency", "desc").unwrap()), ["a", "gate"]);
    let enrolled = Filter { enrolled: Some(true), ..Filter::default() };
    assert_eq!(list(&enrolled, Sort::default()), ["a"]);
    let none = Filter { kind: Some(Kind::Vm), ..enrolled };
    assert!(list(&none, Sort::default()).is_empty());
}
