//! Syncing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Changes;
use crate::clock::Clock;
use crate::error::Result;
use crate::store::Store;
use crate::threads::{Handle, Latch};

/// How the repository is reached and kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it is; none until it is configured.
    pub url: Option<String>,
    /// The branch that is followed.
    pub branch: String,
    /// The directory for our copy.
    pub local_path: PathBuf,
    /// Time between syncs; zero when they are only made by hand.
    pub interval: Duration,
    /// The longest one git command may take.
    pub timeout: Duration,
    /// The private key for an SSH repository.
    pub key: Option<PathBuf>,
    /// The host keys that are trusted; none for those of the user.
    pub known_hosts: Option<PathBuf>,
    /// Whether the key of a host that is not known is accepted and remembered.
    pub accept_new: bool,
    /// The token for an HTTP repository.
    pub token: Option<String>,
}

/// What a successful sync brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The commit that the database now equals.
    pub commit: String,
    /// When it ended, in milliseconds since the epoch.
    pub timestamp: i64,
    /// How many machines there are.
    pub links: u32,
    /// How many scripts there are.
    pub scripts: u32,
    /// What is new.
    pub changes: Changes,
}

/// Where syncing stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What happened last, or happens now.
    pub phase: Phase,
    /// When the last successful sync ended, in milliseconds since the epoch.
    pub last_sync: Option<i64>,
    /// The commit that the database equals.
    pub commit_hash: Option<String>,
    /// Why the last sync failed.
    pub error: Option<String>,
    /// The repository, without credentials.
    pub repository_url: Option<String>,
    /// The branch that is followed.
    pub branch: String,
    /// When the next sync is due, in milliseconds since the epoch.
    pub next_sync: Option<i64>,
}

/// The word for where syncing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No sync has ended yet.
    Never,
    /// The last one succeeded.
    Synced,
    /// One runs now.
    Syncing,
    /// The last one failed.
    Failed,
}

/// The handle of syncing.
#[derive(Debug)]
pub struct Sync {}

impl Sync {
    /// Syncing as the settings say, with the last good state of the database.
    pub fn open(
        _settings: Settings,
        _store: Arc<Store>,
        _clock: Clock,
        _stop: Arc<Latch>,
    ) -> Result<Sync> {
        todo!()
    }

    /// Starts the thread `git-sync`: at once and then at each interval, until the stop latch.
    pub fn start(self: &Arc<Sync>) -> std::io::Result<Handle> {
        todo!()
    }

    /// Syncs now, or waits for the sync that runs and shares its result.
    pub fn sync_now(&self) -> Result<Outcome> {
        todo!()
    }

    /// Where syncing stands.
    pub fn status(&self) -> Result<Status> {
        todo!()
    }
}
