//! What the command line does without a server of its own, also beside one that runs.

use std::path::Path;
use std::sync::Arc;

use super::settings;
use crate::audit::{self, Actor};
use crate::auth::Auth;
use crate::clock::Clock;
use crate::config::Config;
use crate::enrollment::{Checked, Enrollment, Placed};
use crate::error::{Error, Result};
use crate::inventory::sync::{self, Sync};
use crate::inventory::{self, Filter, Machine, Sort};
use crate::ssh::{self, HostKeyPolicy, KnownKey, Pool};
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

/// The machines of the inventory, ordered by id.
///
/// # Errors
/// There is no database of this program's version.
pub fn machines(config: &Config) -> Result<Vec<Machine>> {
    let store = Store::look(&config.database)?;
    store.read(|db| inventory::store::machines(db, &Filter::default(), Sort::default()))
}

/// The keys that are known of a machine's host.
///
/// # Errors
/// The file of known hosts cannot be read.
pub fn known_keys(config: &Config, machine: &Machine) -> Result<Vec<KnownKey>> {
    let file = &config.ssh.known_hosts_path;
    ssh::known_keys(file, &machine.host, machine.port)
        .map_err(|error| Error::io(format!("read {file:?}"), error))
}

/// Makes the key of a machine's host known, puts its client id there, and checks it.
///
/// # Errors
/// There is no such machine, it cannot be reached, or does not let us write.
pub fn enroll(config: &Config, id: &str, replace: bool) -> Result<(Placed, Checked)> {
    let store = Arc::new(Store::open(&config.database)?);
    // Whoever enrols a machine by hand means the one that answers now.
    let settings = ssh::Settings { policy: HostKeyPolicy::AcceptNew, ..settings::ssh(config) };
    let stop = Arc::new(Latch::new().map_err(|error| Error::io("make a latch", error))?);
    let enrollment = Enrollment::new(
        store,
        Pool::start(settings)?,
        Clock::System,
        settings::keys(config),
        config.ssh.command_timeout,
        stop,
    );
    let actor = Actor::command_line();
    let placed = enrollment.place(id, replace, &actor)?;
    Ok((placed, enrollment.verify(id, &actor)?))
}
