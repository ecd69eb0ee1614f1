//! The schema's history: numbered steps, run in order, each in a transaction of its own.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::copies::{beside, copy_whole};
use super::failed;
use crate::error::{Error, Result};

/// Each step once and for ever: a released one is never edited.
const STEPS: &[&str] = &[
    include_str!("../../sql/0001_core.sql"),
    include_str!("../../sql/0002_audit.sql"),
    include_str!("../../sql/0003_terminal.sql"),
    include_str!("../../sql/0004_health.sql"),
    include_str!("../../sql/0005_tokens.sql"),
    include_str!("../../sql/0006_waves.sql"),
    include_str!("../../sql/0007_tables.sql"),
];

const LATEST: u32 = STEPS.len() as u32;

/// Brings the schema up to date.
pub(super) fn run(connection: &mut Connection, path: &Path) -> Result<()> {
    let version = version(connection, path)?;
    if version > 0 && version < LATEST {
        copy(connection, path, version)?;
    }
    for (number, step) in (1_u32..).zip(STEPS.iter()).skip(version as usize) {
        let doing = || format!("bring the database {path:?} to version {number}");
        let apply = |connection: &mut Connection| {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            tx.execute_batch(step)?;
            tx.pragma_update(None, "user_version", number)?;
            tx.commit()
        };
        apply(connection).map_err(|error| failed(doing(), error))?;
    }
    Ok(())
}

/// Says whether the schema can be used by this program, without changing it.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<()> {
    version(connection, path).map(|_| ())
}

/// The version of the database, and the one that this program works with.
pub(super) fn versions(connection: &Connection, path: &Path) -> Result<(u32, u32)> {
    version(connection, path).map(|version| (version, LATEST))
}

/// Refuses all versions but the one that this program works with.
pub(super) fn is_latest(connection: &Connection, path: &Path) -> Result<()> {
    match version(connection, path)? {
        LATEST => Ok(()),
        version => Err(Error::Config(vec![format!(
            "the database {path:?} has version {version}, this program works with {LATEST}\n\
             start the server once: it keeps a copy and brings the database up to date"
        )])),
    }
}

fn version(connection: &Connection, path: &Path) -> Result<u32> {
    let version: u32 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|error| failed(format!("read the database {path:?}"), error))?;
    if version > LATEST {
        return Err(Error::Config(vec![format!(
            "the database {path:?} has version {version}, this program knows up to {LATEST}\n\
             start the newer linkopsd that wrote it, or restore the copy made before its upgrade"
        )]));
    }
    Ok(version)
}

/// Copies the database beside itself, so that there is a way back.
fn copy(connection: &Connection, path: &Path, version: u32) -> Result<()> {
    let copy = beside(path, &format!(".before-v{}", version + 1));
    if copy.exists() {
        return Ok(()); // an earlier try got this far; its copy is the older, better one
    }
    copy_whole(connection, &copy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn a_database_of_a_newer_version_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        drop(Store::open(&path).unwrap());
        let newer = LATEST + 1;
        Connection::open(&path).unwrap().pragma_update(None, "user_version", newer).unwrap();
        let error = Store::open(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("has version {newer}")), "{error}");
        assert!(Store::inspect(&path).is_err());
    }

    #[test]
    fn opening_twice_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("below/a.db");
        drop(Store::open(&path).unwrap());
        drop(Store::open(&path).unwrap());
        Store::inspect(&path).unwrap();
    }

    #[test]
    fn a_step_that_fails_leaves_no_half_of_it() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE scripts (id)").unwrap(); // collides half-way
        assert!(run(&mut connection, Path::new("a.db")).is_err());
        let tables: u32 = connection
            .query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", [], |r| r.get(0))
            .unwrap();
        assert_eq!(tables, 1);
    }
}
