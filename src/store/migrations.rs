//! The schema's history: numbered steps, run in order, each in a transaction of its own.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::copies::{beside, directory, write_new};
use super::failed;
use crate::clock::{Clock, rfc3339};
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
    include_str!("../../sql/0008_syncs.sql"),
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

/// Copies the database beside itself, so that there is a way back. The name says that a copy is
/// whole: until then it has another one.
fn copy(connection: &Connection, path: &Path, version: u32) -> Result<()> {
    let name = beside(path, &format!(".before-v{}", version + 1));
    let new = beside(path, ".upgrading"); // not the beginning of a name that people look for
    let doing = || format!("copy the database to {name:?}");
    let kept = write_new(connection, &new)
        .and_then(|()| keep(&new, &name).map_err(|error| Error::io(doing(), error)));
    if kept.is_err() {
        let _ = fs::remove_file(&new); // the failure that is told counts
    }
    kept
}

/// Gives a copy its name, and one with the time where that is taken by another copy, which may be
/// from an upgrade that somebody went back from. A start that is tried again and again makes the
/// same copy each time: one of them is enough.
fn keep(new: &Path, name: &Path) -> io::Result<()> {
    let directory = directory(name);
    for entry in fs::read_dir(directory)? {
        let other = name.with_file_name(entry?.file_name());
        let of_ours = other.as_os_str().as_bytes().starts_with(name.as_os_str().as_bytes());
        // One that cannot be read is another one: it may be of root.
        if of_ours && other != new && same(new, &other).unwrap_or(false) {
            return fs::remove_file(new);
        }
    }
    let time = rfc3339(Clock::System.now()).replace([':', '.'], "-");
    let name = if name.exists() { beside(name, &format!("-{time}")) } else { name.to_owned() };
    fs::rename(new, name)?;
    File::open(directory)?.sync_all()
}

fn same(one: &Path, other: &Path) -> io::Result<bool> {
    let (one, other) = (File::open(one)?, File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (BufReader::new(one), BufReader::new(other));
    loop {
        let (here, there) = (one.fill_buf()?, other.fill_buf()?);
        let count = here.len().min(there.len());
        if count == 0 || here[..count] != there[..count] {
            return Ok(here.is_empty() && there.is_empty());
        }
        one.consume(count);
        other.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

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

    /// A directory with a database of the released version, and the database's path.
    fn released() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        write_released(&path);
        (directory, path)
    }

    fn write_released(path: &Path) {
        let db = Connection::open(path).unwrap();
        db.execute_batch(STEPS[0]).unwrap();
        db.pragma_update(None, "user_version", 1).unwrap();
    }

    fn add_user(path: &Path, name: &str) {
        let sql = "INSERT INTO users VALUES (?1, '', '', 'viewer', 0)";
        Connection::open(path).unwrap().execute(sql, [name]).unwrap();
    }

    /// The copies beside a database, the oldest first, and who is in them; each is private and whole.
    fn copies(path: &Path) -> Vec<Vec<String>> {
        let files = fs::read_dir(path.parent().unwrap()).unwrap().map(|one| one.unwrap().path());
        let mut files: Vec<_> =
            files.filter(|one| one.to_str().unwrap().contains(".before-v")).collect();
        files.sort();
        let users = |file: &PathBuf| {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
            assert!(Store::examine(file).unwrap().damage.is_empty(), "{file:?}");
            let db = Connection::open(file).unwrap();
            let mut query = db.prepare("SELECT username FROM users ORDER BY username").unwrap();
            query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        files.iter().map(users).collect()
    }

    /// Killed while it wrote the copy: what is there is no copy, and the next start makes one.
    #[test]
    fn a_copy_has_its_name_when_it_is_whole() {
        let (_directory, path) = released();
        add_user(&path, "ann");
        fs::write(beside(&path, ".upgrading"), "half a database").unwrap();
        drop(Store::open(&path).unwrap());
        assert_eq!(copies(&path), [["ann"]]);
    }

    /// Up, back, some work, and up again: the second copy has that work.
    #[test]
    fn each_upgrade_has_its_own_copy() {
        let (_directory, path) = released();
        add_user(&path, "ann");
        drop(Store::open(&path).unwrap());
        fs::copy(beside(&path, ".before-v2"), &path).unwrap();
        add_user(&path, "bob");
        drop(Store::open(&path).unwrap());
        assert_eq!(copies(&path), [vec!["ann"], vec!["ann", "bob"]]);
    }

    /// A supervisor starts what cannot start again and again: the disk does not fill up.
    #[test]
    fn a_start_that_fails_again_and_again_keeps_one_copy() {
        let (_directory, path) = released();
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE audit_log (id)").unwrap();
        for name in ["ann", "bob"] {
            add_user(&path, name);
            (0..3).for_each(|_| assert!(Store::open(&path).is_err()));
        }
        assert_eq!(copies(&path), [vec!["ann"], vec!["ann", "bob"]]);
    }
}
