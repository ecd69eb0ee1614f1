//! The database: opening, pragmas, reading and writing under one lock. It names no feature; each
//! feature has its SQL in its own `store.rs`.

mod copies;
mod migrations;

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::error::{Error, Result};
use crate::threads::lock;

pub use copies::{Examined, beside};

/// One connection behind a mutex. Closures given to [`Store::read`] and [`Store::write`] hold SQL
/// only: whoever waits for a socket or a machine inside would stop everybody else.
#[derive(Debug)]
pub struct Store {
    connection: Mutex<Connection>,
    path: PathBuf,
}

/// Prepared statements kept, more than the program has.
const CACHED_STATEMENTS: usize = 128;

impl Store {
    /// Opens or makes the database and brings its schema up to date; before that a copy of an
    /// older one is made beside it.
    ///
    /// # Errors
    /// The file cannot be opened, is no database, or was written by a newer LinkOps.
    pub fn open(path: &Path) -> Result<Store> {
        let doing = || format!("open the database {path:?}");
        if let Some(directory) = path.parent().filter(|one| !one.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory).map_err(|error| Error::io(doing(), error))?;
        }
        private(path, OpenOptions::new().create(true))
            .map_err(|error| Error::io(doing(), error))?;
        let mut connection = Connection::open(path).map_err(|error| failed(doing(), error))?;
        prepare(&connection).map_err(|error| failed(doing(), error))?;
        migrations::run(&mut connection, path)?;
        Ok(Store { connection: Mutex::new(connection), path: path.to_owned() })
    }

    /// Opens an existing database for looking only: nothing is created or changed.
    ///
    /// # Errors
    /// There is none, it is no database, or its schema is not the one of this program.
    pub fn inspect(path: &Path) -> Result<()> {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = Connection::open_with_flags(path, flags)
            .map_err(|error| failed(format!("open the database {path:?}"), error))?;
        migrations::check(&connection, path)
    }

    /// Runs `body` with the connection.
    ///
    /// # Errors
    /// Those of `body`.
    pub fn read<T>(&self, body: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        body(&lock(&self.connection))
    }

    /// Runs `body` in one transaction, committed when it succeeds and undone when it fails.
    ///
    /// # Errors
    /// Those of `body`, and of the commit.
    pub fn write<T>(&self, body: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut connection = lock(&self.connection);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = body(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }

    /// Whether the database can be read, as soon as nobody else uses it.
    pub fn answers(&self) -> bool {
        let version = |db: &Connection| db.pragma_query_value(None, "user_version", |_| Ok(()));
        self.read(|db| Ok(version(db)?)).is_ok()
    }

    /// Moves the write-ahead log into the database file, as the last act before the process ends.
    ///
    /// # Errors
    /// The disk is full or gone; nothing is lost, the next start does it.
    pub fn checkpoint(&self) -> Result<()> {
        lock(&self.connection)
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(|error| failed(format!("checkpoint {:?}", self.path), error))
    }
}

/// Makes the file for us alone, as it holds password hashes. SQLite fills an empty file, and gives
/// those beside it the same mode.
fn private(path: &Path, options: &mut OpenOptions) -> io::Result<()> {
    options.write(true).mode(0o600).open(path).map(|_| ())
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    // WAL with NORMAL keeps every commit through kill -9; only a power cut can take the last ones.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(())
}

fn failed(doing: String, error: rusqlite::Error) -> Error {
    Error::Database { doing, source: Box::new(error) }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        failed("use the database".to_owned(), error)
    }
}
