//! P4 to P10: what is true of any inventory, at the seam from the files' bytes to a real database.

use linkops::error::{Error, Noun, YamlProblem};
use linkops::inventory::{
    Enrollment, Filter, Health, Inventory, Kind, Machine, Sort, Status, store, yaml,
};
use linkops::store::Store;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

use crate::git_sync::Lab;
use crate::inventory::open;
use crate::inventory_model::{as_values, cases, fill, filled, full, id, inventory, text};
use crate::support::repository::Repository;

fn write(value: &Value) -> String {
    serde_yaml::to_string(value).unwrap()
}

fn parse(links: &str, scripts: &str) -> linkops::error::Result<Inventory> {
    yaml::parse(|file| {
        Ok(if file == yaml::LINKS { links.into() } else { scripts.as_bytes().to_vec() })
    })
}

/// What a sync does once it has the files.
fn sync(store: &Store, links: &str, scripts: &str) -> linkops::error::Result<()> {
    let inventory = parse(links, scripts)?;
    store.write(|tx| store::replace(tx, &inventory)).map(|_| ())
}

fn stored(store: &Store) -> Inventory {
    store
        .read(|connection| {
            let machines = store::machines(connection, &Filter::default(), Sort::default())?;
            Ok(Inventory { machines, scripts: store::scripts(connection)? })
        })
        .unwrap()
}

/// Without the results of checks.
fn definitions(mut inventory: Inventory) -> Inventory {
    for machine in &mut inventory.machines {
        machine.health = Health::default();
        machine.enrollment = Enrollment {
            enrolled: false,
            found: false,
            matches: false,
            error: None,
            verified_at: None,
            ..machine.enrollment.clone()
        };
    }
    inventory
}

/// One database for all cases of a property: syncing makes it what each case needs.
fn with_store(check: impl FnOnce(&Store)) {
    let directory = tempfile::tempdir().unwrap();
    check(&open(directory.path()));
}

fn run<S: Strategy>(
    cases: ProptestConfig,
    strategy: S,
    check: impl Fn(&Store, S::Value) -> Result<(), TestCaseError>,
) {
    with_store(|store| {
        let mut runner = proptest::test_runner::TestRunner::new(cases);
        runner
            .run(&strategy, |value| check(store, value))
            .unwrap_or_else(|error| panic!("{error}"));
    });
}

#[test]
fn p4_after_a_sync_the_database_equals_the_files() {
    let strategy = (inventory(6), inventory(6), any::<bool>(), any::<bool>());
    run(cases(150), strategy, |store, (first, second, wordy, flow)| {
        for inventory in [&first, &second] {
            let (links, scripts) = as_values(inventory, wordy);
            let (links, scripts) = match flow {
                // JSON is YAML's flow style, but for three characters that YAML reads in its own way.
                true => {
                    let plain = |value: &Value| {
                        let json = serde_json::to_string_pretty(value).unwrap();
                        ['\u{2028}', '\u{2029}', '\u{feff}'].iter().fold(json, |text, one| {
                            text.replace(*one, &format!("\\u{:04x}", u32::from(*one)))
                        })
                    };
                    (plain(&links), plain(&scripts))
                }
                false => (write(&links), write(&scripts)),
            };
            if let Err(error) = sync(store, &links, &scripts) {
                return Err(TestCaseError::fail(format!("{error}\n{links}\n{scripts}")));
            }
            prop_assert_eq!(&definitions(stored(store)), inventory);
        }
        Ok(())
    });
}

/// Takes a required field away, or makes it null; gives the words that must be named.
fn take_away(values: &mut (Value, Value), entry: Index, field: usize, null: bool) -> [String; 3] {
    const LINK: [&str; 5] = ["type", "host", "port", "user", "enrollment.clientId"];
    const SCRIPT: [&str; 3] = ["name", "description", "path"];
    let (file, top, value, field) = match field.checked_sub(LINK.len()) {
        None => (yaml::LINKS, "links", &mut values.0, LINK[field]),
        Some(n) => (yaml::SCRIPTS, "scripts", &mut values.1, SCRIPT[n]),
    };
    let entries = value[top].as_object_mut().unwrap();
    let id = entries.keys().nth(entry.index(entries.len())).unwrap().clone();
    let mut map = entries[&id].as_object_mut().unwrap();
    let mut key = field;
    if let Some((outer, inner)) = field.split_once('.') {
        map = map[outer].as_object_mut().unwrap();
        key = inner;
    }
    match null {
        true => drop(map.insert(key.to_owned(), Value::Null)),
        false => drop(map.shift_remove(key)),
    }
    [file.to_owned(), format!("{id:?}"), format!("{field:?} is missing")]
}

fn names(error: Error, [file, entry, field]: &[String; 3]) -> Result<(), TestCaseError> {
    let Error::Yaml(problems) = error else { return Err(TestCaseError::fail(error.to_string())) };
    let named = |one: &YamlProblem| {
        one.file == *file
            && one.line.is_some()
            && one.message.contains(entry)
            && one.message.contains(field)
    };
    prop_assert!(problems.iter().any(named), "{:?} of {} {} {}", problems, file, entry, field);
    Ok(())
}

#[test]
fn p5_a_missing_field_is_named_and_nothing_changes() {
    let strategy = (full(), full(), any::<Index>(), 0..8_usize, any::<bool>(), any::<bool>());
    run(cases(150), strategy, |store, (before, after, entry, field, null, wordy)| {
        let (links, scripts) = as_values(&before, wordy);
        sync(store, &write(&links), &write(&scripts)).unwrap();
        let before = stored(store);
        let mut values = as_values(&after, wordy);
        let expected = take_away(&mut values, entry, field, null);
        let error = sync(store, &write(&values.0), &write(&values.1)).unwrap_err();
        names(error, &expected)?;
        prop_assert_eq!(stored(store), before);
        Ok(())
    });
}

/// Lines that are wrong wherever they stand, since they begin at the margin. In flow style only
/// brackets are: other words go on with the plain text of the line before.
const BROKEN: [&str; 6] = ["@bad", "`bad", "]", "}", "%x y", "*nowhere"];

#[test]
fn p6_malformed_files_are_refused_with_file_and_line() {
    let strategy = (full(), any::<Index>(), select(BROKEN.to_vec()), any::<[bool; 3]>());
    run(cases(200), strategy, |store, (inventory, at, broken, [first, flow, wordy])| {
        let flow = flow && ["]", "}"].contains(&broken);
        let before = stored(store);
        let (links, scripts) = as_values(&inventory, wordy);
        let written = |value: &Value| match flow {
            true => serde_json::to_string_pretty(value).unwrap(),
            false => write(value),
        };
        let (mut links, mut scripts) = (written(&links), written(&scripts));
        let (file, text) =
            if first { (yaml::LINKS, &mut links) } else { (yaml::SCRIPTS, &mut scripts) };
        let mut lines: Vec<_> = text.lines().collect();
        lines.insert(at.index(lines.len() + 1), broken);
        let count = lines.len();
        *text = lines.join("\n");
        match sync(store, &links, &scripts) {
            Err(Error::Yaml(problems)) => {
                let of_file: Vec<_> = problems.iter().filter(|one| one.file == file).collect();
                prop_assert!(!of_file.is_empty());
                for problem in of_file {
                    let line = problem.line.unwrap_or_default();
                    prop_assert!((1..=count + 1).contains(&line), "{}", problem);
                }
            }
            other => return Err(TestCaseError::fail(format!("{other:?}\n{links}\n{scripts}"))),
        }
        prop_assert_eq!(stored(store), before);
        Ok(())
    });
}

proptest! {
    #![proptest_config(cases(1_000))]

    /// P6 for any bytes: an answer, never a panic, and each problem names its file.
    #[test]
    fn p6_any_bytes_are_read_or_refused(
        bytes in prop_oneof![
            vec(any::<u8>(), 0..200),
            "(links|a|  b|\\? |- |: |&x |\\*x|\\{|\\}|\\[|\\]|\"|'|\\||>|!t |#|---\n|\\.\\.\\.\n|\n|\t| |,|<<|é|\u{85}|\u{2028}|\u{feff}){0,30}"
                .prop_map(String::into_bytes),
            "links:\n(  [a-c]:( \\{\\}| ~| &x| \\*x|\n    (type|port|ssh|tags):( 1| \\[a\\]| x)?)?\n){0,6}"
                .prop_map(String::into_bytes),
        ]
    ) {
        if let Err(error) = yaml::parse(|_| Ok(bytes.clone())) {
            let Error::Yaml(problems) = error else { panic!("{error}") };
            prop_assert!(!problems.is_empty());
            for problem in problems {
                prop_assert!([yaml::LINKS, yaml::SCRIPTS].contains(&problem.file.as_str()));
                prop_assert!(!problem.message.is_empty());
            }
        }
    }
}

fn list(store: &Store, filter: &Filter, sort: Sort) -> Vec<Machine> {
    store.read(|connection| store::machines(connection, filter, sort)).unwrap()
}

#[test]
fn p7_the_list_is_complete_with_enrolment_ssh_and_health() {
    run(cases(100), filled(), |store, filled| {
        let machines = fill(store, filled);
        prop_assert_eq!(list(store, &Filter::default(), Sort::default()), machines);
        Ok(())
    });
}

#[test]
fn p8_an_id_gives_exactly_that_machine() {
    run(cases(100), (filled(), id()), |store, (filled, other)| {
        let machines = fill(store, filled);
        let get = |id: &str| store.read(|connection| store::machine(connection, id));
        for machine in &machines {
            prop_assert_eq!(&get(&machine.id).unwrap(), machine);
        }
        if !machines.iter().any(|one| one.id == other) {
            let error = get(&other).unwrap_err();
            let missing =
                matches!(&error, Error::NotFound { noun: Noun::Link, id } if *id == other);
            prop_assert!(missing, "{}", error);
        }
        Ok(())
    });
}

#[test]
fn p9_a_filter_gives_exactly_the_matching_machines() {
    let filter = (
        option::of(select(vec![Kind::Vps, Kind::Proxmox, Kind::Vm])),
        option::of(select(vec![Status::Online, Status::Offline, Status::Unknown])),
        option::of(any::<bool>()),
        option::of(prop_oneof![select(vec!["web", "db", ""]).prop_map(str::to_owned), text()]),
    )
        .prop_map(|(kind, status, enrolled, tag)| Filter { kind, status, enrolled, tag });
    run(cases(200), (filled(), filter), |store, (filled, filter)| {
        let mut machines = fill(store, filled);
        machines.retain(|one| {
            filter.kind.is_none_or(|kind| one.kind == kind)
                && filter.status.is_none_or(|status| one.health.status == status)
                && filter.enrolled.is_none_or(|enrolled| one.enrollment.enrolled == enrolled)
                && filter.tag.as_ref().is_none_or(|tag| one.tags.contains(tag))
        });
        prop_assert_eq!(list(store, &filter, Sort::default()), machines);
        Ok(())
    });
}

/// The value that a column sorts by, for comparing with what SQLite does.
fn key(machine: &Machine, column: &str) -> Option<(i64, String)> {
    let number = |value: i64| (value, String::new());
    let text = |value: &str| (0, value.to_owned());
    match column {
        "id" => Some(text(&machine.id)),
        "name" => Some(text(&machine.name)),
        "type" => Some(text(machine.kind.as_str())),
        "provider" => machine.provider.as_deref().map(text),
        "icon" => machine.icon.as_deref().map(text),
        "host" => Some(text(&machine.host)),
        "port" => Some(number(machine.port.into())),
        "user" => Some(text(&machine.user)),
        "keyRef" => machine.key_ref.as_deref().map(text),
        "proxyJump" => machine.proxy_jump.as_deref().map(text),
        "enrolled" => Some(number(machine.enrollment.enrolled.into())),
        "enrollmentId" => Some(text(&machine.enrollment.id)),
        "enrollmentRequired" => Some(number(machine.enrollment.required.into())),
        "enrollmentVerifiedAt" => machine.enrollment.verified_at.map(number),
        "status" => Some(text(machine.health.status.as_str())),
        "reachable" | "ssh" => Some(number(machine.health.reachable().into())),
        "latency" => machine.health.latency.map(|one| number(one.into())),
        "lastSeen" => machine.health.last_seen.map(number),
        other => panic!("{other} is not compared"),
    }
}

#[test]
fn p10_a_list_is_sorted_with_ties_in_the_order_of_ids() {
    let columns: Vec<_> = Sort::columns().collect();
    run(cases(200), (filled(), select(columns), any::<bool>()), |store, (filled, column, down)| {
        let mut machines = fill(store, filled); // in the order of ids, and the sort is stable
        machines.sort_by(|a, b| match (key(a, column), key(b, column)) {
            (Some(a), Some(b)) if down => b.cmp(&a),
            (Some(a), Some(b)) => a.cmp(&b),
            (a, b) => a.is_none().cmp(&b.is_none()), // missing ones last in both directions
        });
        let sort = Sort::parse(column, if down { "desc" } else { "asc" }).unwrap();
        prop_assert_eq!(list(store, &Filter::default(), sort), machines);
        Ok(())
    });
}

#[test]
fn p4_to_p6_hold_through_a_real_repository() {
    let repository =
        Repository::with(&[("links.yaml", "links: {}"), ("scripts.yaml", "scripts: {}")]);
    let lab = Lab::new(&repository.url());
    let mut runner = proptest::test_runner::TestRunner::new(cases(8));
    let strategy = (full(), any::<Index>(), 0..8_usize, any::<bool>(), select(BROKEN.to_vec()));
    let commit = |links: &str, scripts: &str| {
        repository.commit(&[("links.yaml", links), ("scripts.yaml", scripts)]);
        lab.sync.sync_now()
    };
    let check = |(inventory, entry, field, null, broken): (Inventory, Index, _, _, &str)| {
        let values = as_values(&inventory, false);
        let (links, scripts) = (write(&values.0), write(&values.1));
        commit(&links, &scripts).unwrap();
        prop_assert_eq!(&definitions(stored(&lab.store)), &inventory);
        let before = (stored(&lab.store), lab.trees(), lab.sync.status().unwrap().commit_hash);
        let mut less = values;
        let expected = take_away(&mut less, entry, field, null);
        names(commit(&write(&less.0), &write(&less.1)).unwrap_err(), &expected)?;
        let error = commit(&format!("{links}{broken}\n"), &scripts).unwrap_err();
        let located = |one: &YamlProblem| one.file == "links.yaml" && one.line.is_some();
        prop_assert!(matches!(&error, Error::Yaml(all) if all.iter().all(located)), "{}", error);
        let after = (stored(&lab.store), lab.trees(), lab.sync.status().unwrap().commit_hash);
        prop_assert_eq!(after, before);
        Ok(())
    };
    runner.run(&strategy, check).unwrap_or_else(|error| panic!("{error}"));
}
