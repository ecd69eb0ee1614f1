//! What LinkOps itself stands on: the database, the keys, the repository, the disk.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::fs::statvfs;

use crate::error::Result;
use crate::inventory::sync::{Phase, Sync};
use crate::store::Store;
use crate::threads::lock;

use super::store;

/// With less room than this on the disk, nothing can be written for long.
const LEAST_ROOM: u64 = 64 << 20;

/// A database that has taken a write is only asked for its lock until then: whoever asks how we
/// are must not be able to make the disk work.
const UNTIL_NEXT_WRITE: Duration = Duration::from_secs(60);

/// How a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It works.
    Up,
    /// It does not.
    Down,
    /// It is not configured, so nothing is missing.
    Off,
}

impl State {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Up => "up",
            State::Down => "down",
            State::Off => "off",
        }
    }
}

/// A component and how it is. The detail is for people who may not know the host: no paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its name.
    pub name: &'static str,
    /// How it is.
    pub state: State,
    /// Why, or with what figures.
    pub detail: String,
}

/// Where to look.
pub struct Vitals {
    /// The database.
    pub store: Arc<Store>,
    /// The repository.
    pub sync: Arc<Sync>,
    /// The directory of the private keys.
    pub keys: PathBuf,
    /// The file of the database: the disk that must not be full.
    pub database: PathBuf,
    /// A machine that answers slower than this is shown as slow.
    pub latency_warning: Duration,
    /// A machine that answers slower than this is shown as very slow.
    pub latency_critical: Duration,
    /// When the database has last taken what was written only to try it.
    pub written: Mutex<Option<Instant>>,
}

impl Vitals {
    /// Looks at everything: database, ssh, git, storage.
    #[must_use]
    pub fn look(&self) -> Vec<Component> {
        vec![self.database(), self.ssh(), self.git(), self.storage()]
    }

    /// Bytes that are free on the disk of the database; none when nobody can say.
    #[must_use]
    pub fn room(&self) -> Option<u64> {
        statvfs(&self.database).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn database(&self) -> Component {
        let mut written = lock(&self.written);
        let recently = written.is_some_and(|at| at.elapsed() < UNTIL_NEXT_WRITE);
        let asked = self.store.write(|tx| store::touch(tx, !recently));
        if asked.is_ok() && !recently {
            *written = Some(Instant::now());
        }
        judge("database", asked.map(|()| "reads and writes".to_owned()))
    }

    fn ssh(&self) -> Component {
        let readable = std::fs::read_dir(&self.keys).is_ok();
        let (state, detail) = match readable {
            true => (State::Up, "the keys can be read"),
            false => (State::Down, "the keys directory cannot be read"),
        };
        Component { name: "ssh", state, detail: detail.to_owned() }
    }

    fn git(&self) -> Component {
        let status = match self.sync.status() {
            Ok(status) => status,
            Err(error) => return judge("git", Err(error)),
        };
        let (state, detail) = match (status.repository_url, status.phase) {
            (None, _) => (State::Off, "no repository is configured".to_owned()),
            (_, Phase::Failed) => (State::Down, status.error.unwrap_or_default()),
            (_, phase) => (State::Up, phase.as_str().to_owned()),
        };
        Component { name: "git", state, detail }
    }

    fn storage(&self) -> Component {
        let (state, detail) = match self.room() {
            None => (State::Down, "the disk of the database cannot be asked".to_owned()),
            Some(room) if room < LEAST_ROOM => (
                State::Down,
                format!("{} MiB are free, {} are needed", room >> 20, LEAST_ROOM >> 20),
            ),
            Some(room) => (State::Up, format!("{} MiB are free", room >> 20)),
        };
        Component { name: "storage", state, detail }
    }
}

/// Our own failures are told in the log.
fn judge(name: &'static str, result: Result<String>) -> Component {
    match result {
        Ok(detail) => Component { name, state: State::Up, detail },
        Err(error) => {
            log::error!(component = name; "{}", error.chain());
            Component { name, state: State::Down, detail: "see the log".to_owned() }
        }
    }
}
