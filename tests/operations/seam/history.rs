//! The history of operations: any content of the database, any filter, any size of page.

use linkops::operations::{Cursor, Filter, Operation, Page, Status};
use linkops::store::Store;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, TestRunner};
use rusqlite::params;

use super::{SCRIPTS, TARGETS, World};

/// What is written of one operation.
#[derive(Debug, Clone)]
struct Past {
    status: Status,
    created_at: i64,
    /// Later than it was asked for; none when it never began.
    started_at: Option<i64>,
    targets: Vec<&'static str>,
    scripts: Vec<&'static str>,
}

/// Times are few, so that many are the same.
fn past() -> impl Strategy<Value = Past> {
    let some = |ids: &'static [&'static str]| subsequence(ids, 1..=ids.len().min(3)).prop_shuffle();
    (statuses(), 0_i64..20, option::weighted(0.8, 0_i64..5), some(&TARGETS), some(&SCRIPTS))
        .prop_map(|(status, created_at, later, targets, scripts)| {
            let started_at = match status {
                Status::Queued => None,
                _ => later.map(|later| created_at + later),
            };
            Past { status, created_at, started_at, targets, scripts }
        })
}

fn statuses() -> impl Strategy<Value = Status> {
    let all = Status::WORDS.iter().map(|word| Status::parse(word).unwrap());
    select(all.collect::<Vec<_>>())
}

fn filter() -> impl Strategy<Value = Filter> {
    let moment = || option::of(-1_i64..30);
    let one_of = |ids: &'static [&'static str]| {
        option::weighted(0.3, prop_oneof![5 => select(ids), 1 => Just("nobody")])
            .prop_map(|id| id.map(str::to_owned))
    };
    (vec(statuses(), 0..4), moment(), moment(), one_of(&TARGETS), one_of(&SCRIPTS)).prop_map(
        |(statuses, from, to, target, script)| Filter { statuses, from, to, target, script },
    )
}

/// Replaces all operations; the first has the number 1.
fn write(store: &Store, all: &[Past]) {
    let list = |ids: &[&str]| serde_json::to_string(ids).unwrap();
    let written = store.write(|tx| {
        tx.execute("DELETE FROM operations", [])?;
        for (id, one) in (1_i64..).zip(all) {
            let ended_at = one.status.is_final().then_some(one.created_at + 100);
            tx.execute(
                "INSERT INTO operations (id, status, scripts, targets, flags, concurrency, keep_going,
                   check_ids, triggered_by, commit_hash, created_at, started_at, ended_at)
                 VALUES (?1, ?2, ?3, ?4, '{}', 1, 0, 0, 'ann', 'c', ?5, ?6, ?7)",
                params![
                    id,
                    one.status.as_str(),
                    list(&one.scripts),
                    list(&one.targets),
                    one.created_at,
                    one.started_at,
                    ended_at
                ],
            )?;
            let pairs = one.targets.iter().flat_map(|target| {
                one.scripts.iter().map(move |script| (target, script))
            });
            for (position, (target, script)) in (0_i64..).zip(pairs) {
                tx.execute(
                    "INSERT INTO operation_logs (operation, position, target, script, run_id, status)
                     VALUES (?1, ?2, ?3, ?4, ?5, 'failed')",
                    params![id, position, target, script, format!("{id}-{position}")],
                )?;
            }
        }
        Ok(())
    });
    written.unwrap();
}

/// The numbers that a filter lets through, newest first by start, then by number.
fn expected(all: &[Past], filter: &Filter) -> Vec<i64> {
    let begun = |one: &Past| one.started_at.unwrap_or(one.created_at);
    let has = |wanted: &Option<String>, ids: &[&str]| {
        wanted.as_ref().is_none_or(|one| ids.contains(&&one[..]))
    };
    let mut found: Vec<(i64, i64)> = (1..)
        .zip(all)
        .filter(|(_, one)| filter.statuses.is_empty() || filter.statuses.contains(&one.status))
        .filter(|(_, one)| filter.from.is_none_or(|from| begun(one) >= from))
        .filter(|(_, one)| filter.to.is_none_or(|to| begun(one) < to))
        .filter(|(_, one)| has(&filter.target, &one.targets) && has(&filter.script, &one.scripts))
        .map(|(id, one)| (begun(one), id))
        .collect();
    found.sort_unstable_by(|one, other| other.cmp(one));
    found.into_iter().map(|(_, id)| id).collect()
}

/// All pages; each but the last is full.
fn walk(world: &World, filter: &Filter, limit: usize) -> Vec<Operation> {
    let (mut seen, mut cursor): (Vec<Operation>, Option<Cursor>) = (Vec::new(), None);
    loop {
        let Page { operations, next } = world.operations.list(filter, cursor, limit).unwrap();
        assert!(operations.len() == limit || next.is_none(), "{operations:?}");
        seen.extend(operations);
        assert!(seen.len() < 1_000, "the pages have no end");
        match next {
            Some(next) => cursor = Some(next),
            None => return seen,
        }
    }
}

/// P32, R11.2: the history is newest first by start, page by page. P34, R11.4, R11.5: any filter on
/// status and dates, and on machine and script, gives exactly what matches.
#[test]
fn p32_p34_any_history_is_listed_in_order_and_as_filtered() {
    let world = World::with(|settings| settings.max_running = 0);
    let mut runner = TestRunner::new(Config { cases: 200, ..Config::default() });
    let cases = (vec(past(), 0..25), filter(), 1_usize..12);
    let run = runner.run(&cases, |(all, filter, limit)| {
        write(&world.store, &all);
        for filter in [&filter, &Filter::default()] {
            let seen = walk(&world, filter, limit);
            let ids: Vec<i64> = seen.iter().map(|one| one.id.0).collect();
            prop_assert_eq!(ids, expected(&all, filter));
        }
        Ok(())
    });
    run.unwrap();
}
