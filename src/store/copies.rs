//! Copies of a database: made of one in use, looked through, and put in its place.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{Store, failed, migrations, private};
use crate::error::{Error, Result};

/// Tables whose rows are counted, as people know them.
const COUNTED: [(&str, &str); 5] = [
    ("machines", "machines"),
    ("scripts", "scripts"),
    ("users", "users"),
    ("operations", "operations"),
    ("audit_log", "audit rows"),
];

/// Problems of one kind that are told; more would say nothing new.
const TOLD: u32 = 10;

/// What a look through a whole database found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// The version of its schema.
    pub version: u32,
    /// The version that this program works with.
    pub latest: u32,
    /// What is damaged, as SQLite says it.
    pub damage: Vec<String>,
    /// How many rows there are, by what they are.
    pub rows: Vec<(&'static str, i64)>,
}

impl Examined {
    /// The row counts as people read them: "3 machines, 1 users".
    #[must_use]
    pub fn counts(&self) -> String {
        let counts: Vec<_> =
            self.rows.iter().map(|(noun, rows)| format!("{rows} {noun}")).collect();
        counts.join(", ")
    }
}

impl Store {
    /// Opens an existing database of this program's version for reading only.
    ///
    /// # Errors
    /// There is none, or its schema is not the one of this program.
    pub fn look(path: &Path) -> Result<Store> {
        let connection = read_only(path)?;
        migrations::is_latest(&connection, path)?;
        Ok(Store { connection: connection.into(), path: path.to_owned() })
    }

    /// Looks through every page of a database, and changes nothing.
    ///
    /// # Errors
    /// There is none, it is no database of ours, or it was written by a newer LinkOps.
    pub fn examine(path: &Path) -> Result<Examined> {
        let connection = read_only(path)?;
        let (version, latest) = migrations::versions(&connection, path)?;
        if version == 0 {
            let text =
                format!("{path:?} is not a database of LinkOps\nname a file of linkopsd backup");
            return Err(Error::Found(vec![text]));
        }
        let looked = || format!("look through the database {path:?}");
        let damage = damage(&connection).map_err(|error| failed(looked(), error))?;
        let rows = rows(&connection).map_err(|error| failed(looked(), error))?;
        Ok(Examined { version, latest, damage, rows })
    }

    /// Copies a database into a new file, consistent also while a server writes to it.
    ///
    /// # Errors
    /// There is no database of ours, the copy exists already, or it cannot be written.
    pub fn copy(path: &Path, copy: &Path) -> Result<()> {
        Store::inspect(path)?;
        if copy.exists() {
            let text = format!("{copy:?} exists already\nname another file for the copy");
            return Err(Error::Found(vec![text]));
        }
        let doing = || format!("copy the database {path:?} to {copy:?}");
        let connection = Connection::open(path).map_err(|error| failed(doing(), error))?;
        copy_whole(&connection, copy)
    }

    /// Puts a copy in the place of the database, which is kept as `aside` if there is one.
    ///
    /// # Errors
    /// Somebody uses the database, the copy cannot be read, or the disk is full; the database is
    /// then as it was.
    pub fn replace(path: &Path, copy: &Path, aside: &Path) -> Result<()> {
        let new = beside(path, ".restoring");
        let written = write_whole(path, copy, &new).and_then(|()| {
            if path.exists() {
                only_ours(path)?;
                move_away(path, aside)?;
            }
            let doing = || format!("give {new:?} the name {path:?}");
            fs::rename(&new, path).map_err(|error| Error::io(doing(), error))
        });
        if written.is_err() {
            let _ = fs::remove_file(&new); // the failure that is told counts
        }
        written
    }
}

fn read_only(path: &Path) -> Result<Connection> {
    let doing = || format!("open the database {path:?}");
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|error| failed(doing(), error))?;
    connection.busy_timeout(Duration::from_secs(10)).map_err(|error| failed(doing(), error))?;
    Ok(connection)
}

/// Copies what a connection sees into a file for its owner alone. It gets its name when it is whole
/// and safe on the disk: neither a full disk nor a crash leaves something that looks like a copy.
pub(super) fn copy_whole(connection: &Connection, copy: &Path) -> Result<()> {
    let part = beside(copy, ".part");
    let doing = || format!("copy the database to {copy:?}");
    let written = write_new(connection, &part)
        .and_then(|()| fs::rename(&part, copy).map_err(|error| Error::io(doing(), error)));
    if written.is_err() {
        let _ = fs::remove_file(&part); // the failure that is told counts
    }
    written
}

/// Writes a copy to a new file for its owner alone, safe on the disk.
pub(super) fn write_new(connection: &Connection, new: &Path) -> Result<()> {
    let doing = || format!("write {new:?}");
    let failed_io = |error: io::Error| Error::io(doing(), error);
    // What a crash has left.
    match fs::remove_file(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed_io(error)),
        _ => {}
    }
    private(new, OpenOptions::new().create_new(true)).map_err(failed_io)?;
    connection
        .busy_timeout(Duration::from_secs(10))
        .and_then(|()| connection.execute("VACUUM INTO ?1", [new.to_string_lossy()]))
        .map_err(|error| failed(doing(), error))?;
    File::open(new).and_then(|file| file.sync_all()).map_err(failed_io)
}

fn damage(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut found: Vec<String> = connection
        .prepare(&format!("PRAGMA integrity_check({TOLD})"))?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    found.retain(|line| line != "ok");
    let orphans: Vec<String> = connection
        .prepare("SELECT \"table\", rowid, \"parent\" FROM pragma_foreign_key_check() LIMIT ?1")?
        .query_map([TOLD], |row| {
            let (table, id, parent): (String, Option<i64>, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(format!("row {} of {table} has no row of {parent}", id.unwrap_or_default()))
        })?
        .collect::<rusqlite::Result<_>>()?;
    found.extend(orphans);
    Ok(found)
}

/// Counts what there is; older versions lack some tables.
fn rows(connection: &Connection) -> rusqlite::Result<Vec<(&'static str, i64)>> {
    let mut counts = Vec::new();
    for (table, noun) in COUNTED {
        if connection.table_exists(None, table)? {
            let sql = format!("SELECT count(*) FROM {table}");
            counts.push((noun, connection.query_row(&sql, [], |row| row.get(0))?));
        }
    }
    Ok(counts)
}

/// Writes the copy out beside the database, complete and for the database's owner alone.
fn write_whole(path: &Path, copy: &Path, new: &Path) -> Result<()> {
    copy_whole(&read_only(copy)?, new)?;
    // Root may do it for the user of the server.
    let failed_io = |error: io::Error| Error::io(format!("copy {copy:?} to {new:?}"), error);
    let owner = fs::metadata(directory(path)).map_err(failed_io)?;
    if fs::metadata(new).map_err(failed_io)?.uid() != owner.uid() {
        chown(new, Some(owner.uid()), Some(owner.gid())).map_err(failed_io)?;
    }
    Ok(())
}

/// Refuses while somebody else has the database open: leaving WAL mode needs it alone, and brings
/// what is in the log into the file.
fn only_ours(path: &Path) -> Result<()> {
    let alone = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).and_then(
        |connection| {
            connection.busy_timeout(Duration::ZERO)?;
            connection.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
        },
    );
    match alone {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
            let text =
                format!("{path:?} is in use\nstop the server first: systemctl stop linkopsd");
            Err(Error::Found(vec![text]))
        }
        // A damaged one is what a backup is for.
        _ => Ok(()),
    }
}

/// Moves a database and what lies beside it to another name, which must be free.
fn move_away(path: &Path, aside: &Path) -> Result<()> {
    for end in ["-wal", "-shm", ""] {
        let (from, to) = (beside(path, end), beside(aside, end));
        let doing = || format!("move {from:?} to {to:?}");
        if to.exists() {
            let taken = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(Error::io(doing(), taken));
        }
        if from.exists() {
            fs::rename(&from, &to).map_err(|error| Error::io(doing(), error))?;
        }
    }
    Ok(())
}

/// The path with this behind its name.
#[must_use]
pub fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

pub(super) fn directory(path: &Path) -> &Path {
    path.parent().filter(|one| !one.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
