//! Backups: whether one is good, and how it takes the place of a database.

use std::path::{Path, PathBuf};

use crate::audit::{self, Verdict};
use crate::clock::{Clock, rfc3339};
use crate::error::{Error, Result};
use crate::store::{self, Examined, Store};

/// What is known of a backup that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Version and contents.
    pub examined: Examined,
    /// Whether its audit log is whole, which is told and stops nobody; none where its version is older than that of the program.
    pub audit: Option<Verdict>,
}

/// Looks through a backup: every page, version, row counts and the audit log. Changes nothing.
///
/// # Errors
/// It is no backup of ours, is damaged, or was written by a newer LinkOps.
pub fn verify(file: &Path) -> Result<Report> {
    let examined = Store::examine(file)?;
    if !examined.damage.is_empty() {
        let text = |line: &String| format!("{file:?} is damaged: {line}");
        return Err(Error::Found(examined.damage.iter().map(text).collect()));
    }
    let audit = match examined.version == examined.latest {
        true => Some(audit::verify(&Store::look(file)?, None)?),
        false => None,
    };
    Ok(Report { examined, audit })
}

/// Puts a backup in the place of a database that nobody uses, and gives the name under which
/// that is kept, if there was one.
///
/// # Errors
/// The backup is damaged or of a newer LinkOps, a server runs, or the disk is full; the
/// database is then as it was.
pub fn restore(database: &Path, file: &Path, clock: &Clock) -> Result<(Report, Option<PathBuf>)> {
    let report = verify(file)?;
    let time = rfc3339(clock.now()).replace([':', '.'], "-");
    let aside = store::beside(database, &format!(".replaced-{time}"));
    let existed = database.exists();
    Store::replace(database, file, &aside)?;
    Ok((report, existed.then_some(aside)))
}
