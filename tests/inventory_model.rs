//! Any inventory: what the properties draw from, how it is written as files, and how a database is
//! filled with it.

use std::collections::BTreeMap;

use linkops::inventory::{
    Enrollment, EnrollmentCheck, Health, Inventory, Kind, Machine, Script, Status, store,
};
use linkops::store::Store;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use serde_json::{Map, Value, json};

pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..Default::default() }
}

/// Text of one line with something in it, in any script.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9 .,:#'\"{}\\[\\]&*!|>%@`\\\\-]{1,12}",
        "\\PC{1,8}",
        select(vec!["null", "true", "~", "12", "1.5", "- x", "a: b", "é🖥", "<<", "=", "0x1F"])
            .prop_map(str::to_owned),
    ]
    .prop_filter("empty, or more than a line", |text| {
        !text.trim().is_empty() && !text.contains(char::is_control)
    })
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9][a-z0-9.-]{0,20}", "[a-f0-9:]{2,20}", "[!-,./-~][!-~]{0,10}"]
}

pub(crate) fn id() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,2}", "[A-Za-z0-9_][A-Za-z0-9._-]{0,63}"]
}

fn metadata() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("has no JSON", |n| n.is_finite()).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let tree = leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            btree_map(text(), inner, 0..3).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    btree_map(text(), tree, 0..3).prop_map(|map| Value::Object(map.into_iter().collect()))
}

prop_compose! {
    fn machine()(
        (name, provider, icon) in (option::of(text()), option::of(text()), option::of(text())),
        kind in select(vec![Kind::Vps, Kind::Proxmox, Kind::Vm]),
        tags in vec(prop_oneof![select(vec!["web", "db"]).prop_map(str::to_owned), text()], 0..3),
        (host, port, user) in (word(), 1..=u16::MAX, word()),
        key_ref in option::of("[a-z0-9_][a-z0-9_-]{0,10}(\\.[a-z]{1,3})?"),
        client in "LINKOPS-[0-9a-f]{8}-[0-9a-fA-F]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        path in option::of("/[a-z]{1,5}/[a-z _-]{0,5}x"),
        required in any::<bool>(),
        metadata in metadata(),
    ) -> Machine {
        Machine {
            id: String::new(),
            name: name.unwrap_or_default(),
            kind, provider, icon, tags, host, port, user, key_ref,
            proxy_jump: None,
            enrollment: Enrollment {
                id: client,
                path: path.unwrap_or_else(|| "/etc/linkops/client_id".to_owned()),
                required,
                ..Enrollment::default()
            },
            health: Health::default(),
            metadata,
        }
    }
}

prop_compose! {
    fn script()(
        (name, emoji, tags) in (text(), option::of(text()), vec(text(), 0..3)),
        description in prop_oneof![text(), "[a-z]{1,5}\n\n  [a-z]{1,5}\n"],
        path in "[a-z_][a-z0-9_-]{0,8}(/[a-z0-9 _-]{1,8}){0,2}\\.sh",
        flags in vec("(--)?[a-z][a-z-]{0,8}(=[ -~]{0,8})?", 0..4),
        estimated_duration in option::of(any::<u32>()),
    ) -> Script {
        Script { id: String::new(), name, emoji, description, path, flags, estimated_duration, tags }
    }
}

prop_compose! {
    /// Any inventory; machines jump over machines before them in the order of ids, so that no
    /// circle is made.
    pub(crate) fn inventory(most: usize)(
        machines in btree_map(id(), (machine(), option::of(any::<Index>())), 0..most),
        scripts in btree_map(id(), script(), 0..4),
    ) -> Inventory {
        let ids: Vec<String> = machines.keys().cloned().collect();
        let machines = machines.into_iter().enumerate().map(|(n, (id, (mut machine, jump)))| {
            machine.proxy_jump = jump.filter(|_| n > 0).map(|jump| ids[jump.index(n)].clone());
            if machine.name.is_empty() {
                machine.name.clone_from(&id);
            }
            Machine { id, ..machine }
        });
        let scripts = scripts.into_iter().map(|(id, script)| Script { id, ..script });
        Inventory { machines: machines.collect(), scripts: scripts.collect() }
    }
}

/// The two files as values; `wordy` writes down defaults and nulls as well.
pub(crate) fn as_values(inventory: &Inventory, wordy: bool) -> (Value, Value) {
    let entry = |fields: Vec<(&str, Value)>, default: &[(&str, Value)]| {
        let kept =
            |(key, value): &(&str, Value)| wordy || !default.contains(&(*key, value.clone()));
        let fields = fields.into_iter().filter(kept).filter(|(_, value)| wordy || !value.is_null());
        Value::Object(fields.map(|(key, value)| (key.to_owned(), value)).collect())
    };
    let link = |one: &Machine| {
        let enrollment = entry(
            vec![
                ("required", json!(one.enrollment.required)),
                ("clientId", json!(one.enrollment.id)),
                ("path", json!(one.enrollment.path)),
            ],
            &[("required", json!(true)), ("path", json!("/etc/linkops/client_id"))],
        );
        let ssh =
            entry(vec![("keyRef", json!(one.key_ref)), ("proxyJump", json!(one.proxy_jump))], &[]);
        entry(
            vec![
                ("type", json!(one.kind.as_str())),
                ("name", json!(one.name)),
                ("provider", json!(one.provider)),
                ("icon", json!(one.icon)),
                ("host", json!(one.host)),
                ("port", json!(one.port)),
                ("user", json!(one.user)),
                ("tags", json!(one.tags)),
                ("enrollment", enrollment),
                ("ssh", ssh),
                ("metadata", one.metadata.clone()),
            ],
            &[
                ("name", json!(one.id)),
                ("tags", json!([])),
                ("ssh", json!({})),
                ("metadata", json!({})),
            ],
        )
    };
    let script = |one: &Script| {
        entry(
            vec![
                ("name", json!(one.name)),
                ("emoji", json!(one.emoji)),
                ("description", json!(one.description)),
                ("path", json!(one.path)),
                ("flags", json!(one.flags)),
                ("estimatedDuration", json!(one.estimated_duration)),
                ("tags", json!(one.tags)),
            ],
            &[("flags", json!([])), ("tags", json!([]))],
        )
    };
    let links: Map<_, _> =
        inventory.machines.iter().map(|one| (one.id.clone(), link(one))).collect();
    let scripts: Map<_, _> =
        inventory.scripts.iter().map(|one| (one.id.clone(), script(one))).collect();
    (json!({ "links": links }), json!({ "scripts": scripts }))
}

/// An inventory with at least a machine and a script.
pub(crate) fn full() -> impl Strategy<Value = Inventory> {
    inventory(5)
        .prop_filter("needs entries", |one| !one.machines.is_empty() && !one.scripts.is_empty())
}

#[derive(Debug, Clone)]
pub(crate) enum Checked {
    Enrolled(bool, i64),
    Health(Option<u32>, i64),
}

/// A database with any machines and any results of checks; gives the machines as they must be.
pub(crate) fn filled() -> impl Strategy<Value = (Inventory, Vec<(Index, Checked)>)> {
    let check = prop_oneof![
        (any::<bool>(), 0..9_i64).prop_map(|(matches, at)| Checked::Enrolled(matches, at)),
        (option::of(0..5_u32), 0..9_i64).prop_map(|(latency, at)| Checked::Health(latency, at)),
    ];
    (inventory(8), vec((any::<Index>(), check), 0..12))
}

pub(crate) fn fill(
    store: &Store,
    (inventory, checks): (Inventory, Vec<(Index, Checked)>),
) -> Vec<Machine> {
    let mut machines = inventory.machines.clone();
    store
        .write(|tx| {
            store::replace(tx, &Inventory::default())?;
            store::replace(tx, &inventory)?;
            for (index, check) in checks.iter().filter(|_| !inventory.machines.is_empty()) {
                let machine = &mut machines[index.index(inventory.machines.len())];
                match *check {
                    Checked::Enrolled(matches, at) => {
                        let error = (!matches).then(|| "not it".to_owned());
                        machine.enrollment = Enrollment {
                            enrolled: matches,
                            found: true,
                            matches,
                            error: error.clone(),
                            verified_at: Some(at),
                            ..machine.enrollment.clone()
                        };
                        let check = EnrollmentCheck { found: true, matches, error, at };
                        assert!(store::record_enrollment(tx, machine, &check)?);
                    }
                    Checked::Health(latency, at) => {
                        machine.health = Health {
                            status: latency.map_or(Status::Offline, |_| Status::Online),
                            latency,
                            last_seen: latency.map(|_| at).or(machine.health.last_seen),
                        };
                        assert!(store::record_health(tx, machine, latency, at)?);
                    }
                }
            }
            Ok(())
        })
        .unwrap();
    machines
}

#[test]
fn the_models_have_something_to_say() {
    // A generator that gives empty lists only would make every property true.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = BTreeMap::new();
    for _ in 0..100 {
        let (inventory, checks) = filled().new_tree(&mut runner).unwrap().current();
        let mut count = |name, number: usize| *seen.entry(name).or_insert(0) += number;
        count("machines", inventory.machines.len());
        count("jumps", inventory.machines.iter().filter(|one| one.proxy_jump.is_some()).count());
        count("tags", inventory.machines.iter().map(|one| one.tags.len()).sum());
        count("scripts", inventory.scripts.len());
        count("checks", checks.len());
    }
    assert!(seen.values().all(|number| *number > 50), "{seen:?}");
}
