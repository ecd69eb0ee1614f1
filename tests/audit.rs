//! The audit log: whoever changes, removes, puts in or moves a row is found out.

use std::sync::Arc;
use std::time::Duration;

use linkops::audit::{self, Actor, Break, Entry, Head, Verdict, retention};
use linkops::clock::Clock;
use linkops::error::Error;
use linkops::store::Store;
use linkops::threads::Latch;
use proptest::prelude::*;
use serde_json::json;

use crate::support::{deadline, wait_until};

struct Log {
    _directory: tempfile::TempDir,
    path: std::path::PathBuf,
    store: Store,
}

impl Log {
    /// A log with this many entries, one per second.
    fn of(entries: i64) -> Log {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let log = Log { store: Store::open(&path).unwrap(), path, _directory: directory };
        (1..=entries).for_each(|number| log.add(number));
        log
    }

    fn add(&self, number: i64) {
        let actor = Actor::user("otto", [192, 0, 2, 1].into(), &format!("r-{number}"));
        let target = format!("OP-{number}");
        let entry = Entry::done("operation.run", &*target).with(json!({ "number": number }));
        self.store.write(|tx| audit::store::record(tx, number * 1000, &actor, &entry)).unwrap();
    }

    fn verify(&self) -> Verdict {
        audit::verify(&self.store, None).unwrap()
    }

    /// What somebody with the file in hand can do.
    fn tamper(&self, sql: &str) {
        let db = rusqlite::Connection::open(&self.path).unwrap();
        db.execute_batch("DROP TRIGGER IF EXISTS audit_log_is_never_changed").unwrap();
        db.execute_batch(sql).unwrap();
    }
}

#[test]
fn an_untouched_log_is_intact_and_an_empty_one_too() {
    assert_eq!(Log::of(0).verify().broken, None);
    let verdict = Log::of(12).verify();
    assert_eq!((verdict.rows, verdict.head.id, verdict.broken), (12, 12, None));
}

#[test]
fn an_act_that_is_undone_leaves_no_entry() {
    let log = Log::of(1);
    let undone: Result<(), Error> = log.store.write(|tx| {
        let entry = Entry::done("operation.run", "OP-2");
        audit::store::record(tx, 2000, &Actor::linkops(), &entry)?;
        Err(Error::TooManyOperations)
    });
    assert!(undone.is_err());
    assert_eq!(log.verify().rows, 1);
}

#[test]
fn our_own_code_cannot_change_an_entry() {
    let log = Log::of(1);
    let db = rusqlite::Connection::open(&log.path).unwrap();
    let error = db.execute("UPDATE audit_log SET actor = 'nobody'", []).unwrap_err();
    assert!(error.to_string().contains("never changed"), "{error}");
}

#[test]
fn every_kind_of_tampering_is_found() {
    for (sql, found) in [
        ("UPDATE audit_log SET actor = 'nobody' WHERE id = 5", Break::Changed(5)),
        ("UPDATE audit_log SET address = NULL WHERE id = 5", Break::Changed(5)),
        ("UPDATE audit_log SET detail = '{}' WHERE id = 12", Break::Changed(12)),
        ("UPDATE audit_log SET hash = zeroblob(32) WHERE id = 5", Break::Changed(5)),
        ("DELETE FROM audit_log WHERE id = 5", Break::Moved(6)),
        ("DELETE FROM audit_log WHERE id = 1", Break::Moved(2)),
        ("DELETE FROM audit_log WHERE id > 10", Break::CutOff(12)),
        ("DELETE FROM audit_log", Break::CutOff(12)),
        (
            "UPDATE audit_log SET id = 99 WHERE id = 5; UPDATE audit_log SET id = 5 WHERE id = 6;
             UPDATE audit_log SET id = 6 WHERE id = 99",
            Break::Moved(5),
        ),
        (
            "INSERT INTO audit_log SELECT 13, at, actor, address, request_id, action, target,
             result, detail, hash, hash FROM audit_log WHERE id = 12",
            Break::Changed(13),
        ),
    ] {
        let log = Log::of(12);
        log.tamper(sql);
        assert_eq!(log.verify().broken, Some(found), "{sql}");
    }
}

/// Without a key, hashes can be computed anew; the head that was written down elsewhere shows it.
#[test]
fn a_chain_that_was_made_anew_is_not_the_one_that_was_written_down() {
    let log = Log::of(12);
    let head = log.verify().head;
    let written: Head = head.to_string().parse().unwrap();
    log.add(13);
    assert_eq!(audit::verify(&log.store, Some(&written)).unwrap().broken, None);
    let forged = Log::of(11);
    forged.add(77);
    let verdict = audit::verify(&forged.store, Some(&written)).unwrap();
    assert_eq!(verdict.broken, Some(Break::NotAsWrittenDown(12)));
    let verdict = audit::verify(&Log::of(3).store, Some(&written)).unwrap();
    assert_eq!(verdict.broken, Some(Break::NotAsWrittenDown(12)));
    for wrong in ["", "12", "12:", "12:zz", "x:00"] {
        assert!(wrong.parse::<Head>().is_err(), "{wrong:?}");
    }
}

#[test]
fn old_entries_are_forgotten_from_the_old_end_and_the_rest_stays_a_chain() {
    let log = Log::of(12);
    let forget = |before| log.store.write(|tx| audit::store::forget(tx, before, 100)).unwrap();
    assert_eq!(forget(1000), 0, "an entry of just this age is kept");
    assert_eq!(forget(4000), 3);
    assert_eq!((log.verify().rows, log.verify().broken), (9, None));
    log.tamper("DELETE FROM audit_log WHERE id = 4");
    assert_eq!(log.verify().broken, Some(Break::Moved(5)));
    let log = Log::of(8);
    let forget = |most| log.store.write(|tx| audit::store::forget(tx, 9000, most)).unwrap();
    assert_eq!((forget(3), forget(3)), (3, 3), "a part at a time");
    assert_eq!((log.verify().rows, log.verify().broken), (2, None));
    assert_eq!((forget(3), forget(3)), (2, 0));
    log.add(9);
    assert_eq!((log.verify().rows, log.verify().broken), (1, None));
}

#[test]
fn entries_are_kept_as_long_as_the_configuration_says() {
    let log = Log::of(12);
    let store = Arc::new(Store::open(&log.path).unwrap());
    let kept = |seconds| {
        let stop = Arc::new(Latch::new().unwrap());
        let (clock, time) = (Clock::fixed(12_000), Duration::from_secs(seconds));
        retention::start(Arc::clone(&store), clock, time, Arc::clone(&stop)).unwrap().map(
            |keeper| {
                wait_until(deadline(), "old entries go", || log.verify().rows <= seconds + 1);
                stop.set();
                keeper.join();
                (log.verify().rows, log.verify().broken)
            },
        )
    };
    assert_eq!(kept(0), None, "for ever");
    assert_eq!(kept(7), Some((8, None)), "of 12 s, one at each second");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Any change of one character of any field of any row is found, at that row.
    #[test]
    fn any_change_of_any_field_is_found(
        id in 1..=8_i64,
        field in prop::sample::select(vec!["actor", "address", "request_id", "action", "target", "result"]),
        text in "[a-zA-Z0-9 .:-]{0,12}",
    ) {
        let log = Log::of(8);
        let db = rusqlite::Connection::open(&log.path).unwrap();
        let sql = format!("SELECT {field} FROM audit_log WHERE id = ?1");
        let before: String = db.query_row(&sql, [id], |row| row.get(0)).unwrap();
        prop_assume!(before != text);
        log.tamper(&format!("UPDATE audit_log SET {field} = '{text}' WHERE id = {id}"));
        prop_assert_eq!(log.verify().broken, Some(Break::Changed(id)));
    }
}
