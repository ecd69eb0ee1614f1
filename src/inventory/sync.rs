//! Syncing: the database and the tree of scripts are brought to the branch's commit, both or
//! neither. One sync runs at a time; who asks meanwhile shares its result.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use serde_json::json;

use super::catalogue::{read_inside, trees, warnings};
use super::git::{Git, make_directory, redact, remove};
use super::store::{SyncRecord, Synced};
use super::{Changes, Inventory, store, yaml};
use crate::audit::{self, Actor, Entry, Refusals};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::store::Store;
use crate::threads::{Bell, Handle, Latch, guard, lock, spawn};

/// How the repository is reached and kept. It holds secrets and cannot be printed.
#[derive(Clone)]
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
    /// What a Git server signs its webhook with; none when there is no webhook.
    pub webhook_secret: Option<Vec<u8>>,
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
    /// The scripts that cannot be run as they are, a sentence for each.
    pub warnings: Vec<String>,
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

impl Phase {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Never => "never",
            Phase::Synced => "synced",
            Phase::Syncing => "syncing",
            Phase::Failed => "failed",
        }
    }
}

/// Asks the repository for the commit of its branch, without keeping anything.
///
/// # Errors
/// It cannot be reached, refuses us, or has no such branch.
pub fn reach(settings: &Settings, stop: Arc<Latch>) -> Result<String> {
    Git::new(settings, stop)?.reach()
}

/// The handle of syncing.
pub struct Sync {
    pub(super) settings: Settings,
    pub(super) store: Arc<Store>,
    pub(super) clock: Clock,
    pub(super) refusals: Refusals,
    stop: Arc<Latch>,
    state: Mutex<State>,
    told: OnceLock<Box<dyn Fn() + Send + std::marker::Sync>>,
}

#[derive(Default)]
struct State {
    running: Option<Arc<Run>>,
    next: Option<i64>,
    /// Wakes the thread `git-sync`; none when there is none.
    bell: Option<Arc<Bell>>,
}

/// Where a caller stands: first, so that it syncs, or later, so that it waits.
enum Place {
    First(Arc<Run>),
    Later(Arc<Run>),
}

/// A sync that runs, and its result for those who wait.
#[derive(Default)]
struct Run {
    result: Mutex<Option<Result<Outcome>>>,
    ended: Condvar,
}

impl Sync {
    /// Syncing as the settings say. Nothing is reached yet, and what the last good sync brought is
    /// in the database.
    pub fn new(mut settings: Settings, store: Arc<Store>, clock: Clock, stop: Arc<Latch>) -> Sync {
        // Git changes its directory, so it is not told relative ones.
        if let Ok(path) = std::path::absolute(&settings.local_path) {
            settings.local_path = path;
        }
        let (refusals, state, told) = (Refusals::default(), Mutex::default(), OnceLock::new());
        Sync { settings, store, clock, refusals, stop, state, told }
    }

    /// Calls `tell` after each sync that worked; only the first call counts. It
    /// must not wait.
    pub fn when_synced(&self, tell: impl Fn() + Send + std::marker::Sync + 'static) {
        let _ = self.told.set(Box::new(tell));
    }

    /// Starts the thread `git-sync`: it syncs at once and then at each interval and each push that
    /// the webhook tells of, until the stop latch. Without a repository, or with neither interval
    /// nor webhook, it has nothing to do and ends.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(self: &Arc<Sync>) -> io::Result<Handle> {
        let bell = Arc::new(Bell::new()?);
        lock(&self.state).bell = Some(Arc::clone(&bell));
        let sync = Arc::clone(self);
        spawn("git-sync", move || sync.keep(&bell))
    }

    fn keep(&self, bell: &Bell) {
        let Settings { url, interval, webhook_secret, .. } = &self.settings;
        if url.is_none() || (interval.is_zero() && webhook_secret.is_none()) {
            return;
        }
        // Without an interval only a push makes a sync; the time to wait means nothing then.
        let time = if interval.is_zero() { Duration::from_secs(3_600) } else { *interval };
        let mut due = !interval.is_zero();
        while !self.stop.is_set() {
            if due {
                let _ = self.sync_afresh(); // told in the log and in the status
                self.plan();
            }
            due = bell.wait(&self.stop, time) || !interval.is_zero();
        }
    }

    fn plan(&self) {
        if !self.settings.interval.is_zero() {
            let millis = i64::try_from(self.settings.interval.as_millis()).unwrap_or(i64::MAX);
            lock(&self.state).next = Some(self.clock.now().saturating_add(millis));
        }
    }

    /// Has the thread `git-sync` sync soon. A sync that runs may have looked at the repository
    /// already, so there will be one more after it, for all who asked meanwhile.
    pub(super) fn wake(&self) {
        if let Some(bell) = &lock(&self.state).bell {
            bell.ring();
        }
    }

    /// Syncs now, or waits for the sync that runs and shares its result.
    ///
    /// # Errors
    /// Git failed, or the files are wrong; the database and the tree are as they were.
    pub fn sync_now(&self) -> Result<Outcome> {
        self.sync_by(&Actor::linkops())
    }

    /// [`Sync::sync_now`] because somebody asked for it.
    ///
    /// # Errors
    /// Those of [`Sync::sync_now`].
    pub fn sync_by(&self, by: &Actor) -> Result<Outcome> {
        match self.enter() {
            Place::First(run) => self.lead(&run, by),
            Place::Later(run) => {
                let outcome = run.wait()?;
                if !by.is_linkops() {
                    let entry = entry(&outcome.commit, outcome.links, outcome.scripts);
                    audit::note(&self.store, self.clock.now(), by, &entry)?;
                }
                Ok(outcome)
            }
        }
    }

    /// A sync that looks at the repository after this call.
    fn sync_afresh(&self) -> Result<Outcome> {
        loop {
            match self.enter() {
                Place::First(run) => return self.lead(&run, &Actor::linkops()),
                Place::Later(run) => drop(run.wait()),
            }
        }
    }

    fn enter(&self) -> Place {
        let mut state = lock(&self.state);
        match &state.running {
            Some(run) => Place::Later(Arc::clone(run)),
            None => Place::First(Arc::clone(state.running.insert(Arc::default()))),
        }
    }

    fn lead(&self, run: &Run, by: &Actor) -> Result<Outcome> {
        let result = guard("git-sync", || self.sync(by))
            .unwrap_or_else(|| Err(Error::Internal("the sync panicked".to_owned())));
        lock(&self.state).running = None;
        *lock(&run.result) = Some(copy(&result));
        run.ended.notify_all();
        result
    }

    /// Where syncing stands.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn status(&self) -> Result<Status> {
        let (running, next) = {
            let state = lock(&self.state);
            (state.running.is_some(), state.next)
        };
        let (last, good) = self.store.read(|connection| {
            Ok((store::syncs(connection, 1)?.pop(), store::last_success(connection)?))
        })?;
        let error = last.as_ref().and_then(|last| last.result.as_ref().err().cloned());
        let phase = match (&last, &error) {
            _ if running => Phase::Syncing,
            (None, _) => Phase::Never,
            (_, None) => Phase::Synced,
            (_, Some(_)) => Phase::Failed,
        };
        let (commit_hash, last_sync) = good.map(|(synced, at)| (synced.commit, at)).unzip();
        Ok(Status {
            phase,
            last_sync,
            commit_hash,
            error,
            repository_url: self.settings.url.as_deref().map(redact),
            branch: self.settings.branch.clone(),
            next_sync: next,
        })
    }

    fn sync(&self, by: &Actor) -> Result<Outcome> {
        let started_at = self.clock.now();
        let result = self.bring_up_to_date(started_at, by);
        match &result {
            Ok(outcome) => {
                let Outcome { commit, links, scripts, warnings, .. } = outcome;
                log::info!(commit, links, scripts; "synced");
                warnings.iter().for_each(|one| log::warn!(commit; "{one}"));
            }
            Err(Error::ShuttingDown) => {} // cut short by us: it says nothing about the repository
            Err(error) => self.note(started_at, by, error),
        }
        result
    }

    fn note(&self, started_at: i64, by: &Actor, error: &Error) {
        let url = self.settings.url.as_deref().map(redact).unwrap_or_default();
        log::error!(repository = url; "git sync failed: {}", error.chain());
        let (ended_at, triggered_by) = (self.clock.now(), by.name.clone());
        let record = SyncRecord { started_at, ended_at, triggered_by, result: Err(told(error)) };
        if let Err(error) = self.store.write(|tx| store::insert_sync(tx, &record)) {
            log::error!("the failed sync is not in the history: {}", error.chain());
        }
    }

    fn bring_up_to_date(&self, started_at: i64, by: &Actor) -> Result<Outcome> {
        let git = Git::new(&self.settings, Arc::clone(&self.stop))?;
        let _alone = self.lock_copy()?;
        let commit = git.fetch()?;
        let inventory = self.tree_of(&git, &commit)?;
        let (links, scripts) = (count(&inventory.machines), count(&inventory.scripts));
        let ended_at = self.clock.now();
        let synced = Synced { commit: commit.clone(), links, scripts };
        let triggered_by = by.name.clone();
        let record = SyncRecord { started_at, ended_at, triggered_by, result: Ok(synced) };
        let (changes, previous) = self.store.write(|tx| {
            let last = store::last_success(tx)?.map(|(synced, _)| synced.commit);
            let changes = store::replace(tx, &inventory)?;
            store::insert_sync(tx, &record)?;
            // Our own look at a repository where nothing is new changes nothing.
            if !by.is_linkops() || last.as_ref() != Some(&commit) {
                audit::store::record(tx, ended_at, by, &entry(&commit, links, scripts))?;
            }
            Ok((changes, store::commit_before(tx, &commit)?))
        })?;
        if let Some(tell) = self.told.get() {
            tell();
        }
        self.tidy(&[Some(commit.clone()), previous]);
        let warnings =
            warnings(&trees(&self.settings.local_path).join(&commit), &inventory.scripts);
        Ok(Outcome { commit, timestamp: ended_at, links, scripts, changes, warnings })
    }

    /// Makes sure that the commit's files are in its tree, and gives what they say. A tree has its
    /// name only when it is whole and right.
    fn tree_of(&self, git: &Git, commit: &str) -> Result<Inventory> {
        let trees = trees(&self.settings.local_path);
        let tree = trees.join(commit);
        if let Ok(inventory) = parse(&tree) {
            return Ok(inventory);
        }
        let new = trees.join(format!("{commit}.new"));
        let inventory = git.checkout(commit, &new).and_then(|()| parse(&new));
        if inventory.is_err() {
            remove(&new)?;
            return inventory;
        }
        remove(&tree)?; // one that somebody has damaged
        fs::rename(&new, &tree)
            .map_err(|error| Error::io(format!("move the new tree to {tree:?}"), error))?;
        inventory
    }

    /// Removes all trees but these. The one before the current one stays for those who read it.
    fn tidy(&self, kept: &[Option<String>]) {
        let Ok(entries) = fs::read_dir(trees(&self.settings.local_path)) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if !kept.iter().flatten().any(|one| name == one.as_str())
                && let Err(error) = remove(&entry.path())
            {
                log::warn!("an old tree stays: {}", error.chain());
            }
        }
    }

    /// Keeps other processes (`linkopsd sync` beside a server) away from our copy.
    fn lock_copy(&self) -> Result<File> {
        make_directory(&self.settings.local_path)?;
        let path = self.settings.local_path.join("lock");
        let failed = |error| Error::io(format!("lock {path:?}"), error);
        let file = File::create(&path).map_err(failed)?;
        let deadline = Instant::now() + self.settings.timeout;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(file),
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {}
                Err(error) => return Err(failed(error.into())),
            }
            if self.stop.wait(Duration::from_millis(50)) {
                return Err(Error::ShuttingDown);
            }
        }
    }
}

impl Run {
    fn wait(&self) -> Result<Outcome> {
        let mut result = lock(&self.result);
        loop {
            if let Some(result) = &*result {
                return copy(result);
            }
            result = self.ended.wait(result).unwrap_or_else(|error| error.into_inner());
        }
    }
}

/// What the audit log is told of a sync.
fn entry(commit: &str, links: u32, scripts: u32) -> Entry<'_> {
    Entry::done("sync.run", commit).with(json!({ "links": links, "scripts": scripts }))
}

fn parse(tree: &Path) -> Result<Inventory> {
    yaml::parse(|file| read_inside(tree, file, yaml::MAX_FILE).map_err(|error| error.about(file)))
}

fn count<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).unwrap_or(u32::MAX)
}

/// What the status and the history tell: causes that the repository's owner can act on in full,
/// others without our paths.
fn told(error: &Error) -> String {
    match error {
        Error::Yaml(_)
        | Error::GitAuthentication { .. }
        | Error::GitUnreachable { .. }
        | Error::RepositoryNotFound { .. } => error.to_string(),
        _ => "an error on our side\nsee the log".to_owned(),
    }
}

/// A result once more, for each of those who share it.
fn copy(result: &Result<Outcome>) -> Result<Outcome> {
    let error = match result {
        Ok(outcome) => return Ok(outcome.clone()),
        Err(error) => error,
    };
    Err(match error {
        Error::Yaml(problems) => Error::Yaml(problems.clone()),
        Error::GitAuthentication { url, message } => {
            Error::GitAuthentication { url: url.clone(), message: message.clone() }
        }
        Error::GitUnreachable { url, message } => {
            Error::GitUnreachable { url: url.clone(), message: message.clone() }
        }
        Error::RepositoryNotFound { url, message } => {
            Error::RepositoryNotFound { url: url.clone(), message: message.clone() }
        }
        Error::ShuttingDown => Error::ShuttingDown,
        other => Error::Internal(other.chain()),
    })
}
