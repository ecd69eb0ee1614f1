//! What the command line does without a server of its own, also beside one that runs.

use std::path::Path;
use std::sync::Arc;

use super::settings;
use crate::audit::{self, Actor};
use crate::auth::Auth;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::inventory::sync::{self, Sync};
use crate::store::Store;
use crate::threads::Latch;

/// The users.
///
/// # Errors
/// The database cannot be opened.
pub fn users(config: &Config) -> Result<Arc<Auth>> {
    let store = Arc::new(Store::open(&config.database)?);
    Ok(Arc::new(Auth::new(store, Clock::System, &settings::auth(config))))
}

/// A copy of the database, also while a server uses it.
///
/// # Errors
/// There is no database, the copy exists already, or it cannot be written.
pub fn backup(config: &Config, copy: &Path) -> Result<()> {
    Store::copy(&config.database, copy)
}

/// Whether the audit log is whole.
///
/// # Errors
/// The database cannot be opened.
pub fn audit(config: &Config, expected: Option<&audit::Head>) -> Result<audit::Verdict> {
    Store::inspect(&config.database)?;
    audit::verify(&Store::open(&config.database)?, expected)
}

/// One sync.
///
/// # Errors
/// Those of the sync.
pub fn sync_once(config: Config) -> Result<sync::Outcome> {
    let store = Arc::new(Store::open(&config.database)?);
    let stop = Arc::new(Latch::new().map_err(|error| Error::io("make a latch", error))?);
    Sync::new(settings::git(&config), store, Clock::System, stop).sync_by(&Actor::command_line())
}
