//! Recordings of terminals: asciicast v2 files, a row for each, and a thread that writes them.
//! Sessions hand over what happens and never wait for a disk.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use serde_json::json;

use super::store::recordings::{self, Recording};
use super::{PaneName, id};
use crate::audit::{self, Actor, Entry};
use crate::clock::Clock;
use crate::error::{Error, Noun, Result};
use crate::ssh::Size;
use crate::store::Store;
use crate::threads::{Handle, lock, spawn};

use recorder::{Job, Tape};
use retention::Kept;
use writer::Writer;

mod cast;
mod echo;
mod recorder;
mod retention;
mod writer;

pub use recorder::Recorder;

/// What can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether terminals are recorded.
    pub on: bool,
    /// Whether what is typed is recorded too, as far as the terminal shows it.
    pub input: bool,
    /// Where the files are.
    pub directory: PathBuf,
    /// Recordings that ended longer ago are removed; zero keeps them.
    pub max_age: Duration,
    /// When the files take more bytes than this, the oldest are removed; 0 for no limit.
    pub max_size: u64,
}

/// All recordings, those that run and those that have ended.
pub struct Recordings {
    shared: Arc<Shared>,
    jobs: Sender<Job>,
    thread: Mutex<Option<Handle>>,
}

/// What the writer and the others know.
struct Shared {
    store: Arc<Store>,
    clock: Clock,
    settings: Settings,
}

impl Recordings {
    /// Finishes the recordings of an earlier process, and starts the thread.
    ///
    /// # Errors
    /// The directory cannot be made though terminals are to be recorded, the database fails, or
    /// there is no thread.
    pub fn start(settings: Settings, store: Arc<Store>, clock: Clock) -> Result<Recordings> {
        if settings.on {
            let directory = &settings.directory;
            DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| {
                Error::io(format!("make the directory for recordings {directory:?}"), error)
            })?;
        }
        let shared = Arc::new(Shared { store, clock, settings });
        shared.recover()?;
        let (jobs, told) = crossbeam_channel::unbounded(); // each recording has its own bound
        let writer = Writer::new(Arc::clone(&shared), told);
        let thread = spawn("recordings", move || writer.run())
            .map_err(|error| Error::io("start writing recordings", error))?;
        Ok(Recordings { shared, jobs, thread: Mutex::new(Some(thread)) })
    }

    /// Begins to record a pane, if terminals are recorded. What hinders it is logged, and is no
    /// reason not to open the terminal.
    pub fn record(
        &self,
        workspace: &str,
        pane: PaneName,
        target: &str,
        actor: &str,
        size: Size,
    ) -> Option<Recorder> {
        let settings = &self.shared.settings;
        if !settings.on {
            return None;
        }
        let begun = id::random("REC").and_then(|id| {
            let recording = Recording {
                id,
                workspace: workspace.to_owned(),
                pane,
                target: target.to_owned(),
                actor: actor.to_owned(),
                started_at: self.shared.clock.now(),
                ended_at: None,
                bytes: 0,
                error: None,
            };
            self.shared.store.write(|tx| recordings::insert(tx, &recording))?;
            Ok(recording)
        });
        match begun {
            Ok(Recording { id, started_at, .. }) => {
                let path = self.shared.path(&id);
                let header = cast::header(size, started_at, target);
                let tape = Arc::new(Tape::new(id, path));
                Some(Recorder::new(tape, self.jobs.clone(), header, settings.input))
            }
            Err(error) => {
                log::error!(link = target; "not recorded: {}", error.chain());
                None
            }
        }
    }

    /// All recordings, the newest first.
    ///
    /// # Errors
    /// The database fails.
    pub fn list(&self) -> Result<Vec<Recording>> {
        let mut found = self.shared.store.read(recordings::list)?;
        for one in found.iter_mut().filter(|one| one.ended_at.is_none()) {
            one.bytes = fs::metadata(self.shared.path(&one.id)).map_or(0, |data| data.len());
        }
        Ok(found)
    }

    /// The file of a recording and how much of it there is to read: whole lines, also while it
    /// runs. That somebody looks at it is audited.
    ///
    /// # Errors
    /// There is no such recording, its file is gone, or the database fails.
    pub fn open(&self, id: &str, actor: &Actor) -> Result<(File, u64)> {
        let one = self.shared.store.read(|db| recordings::one(db, id))?;
        let path = self.shared.path(&one.id);
        let gone = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Error::not_found(Noun::Recording, id),
            _ => Error::io(format!("read the recording {path:?}"), error),
        };
        let mut file = File::open(&path).map_err(gone)?;
        let (size, _) = cast::whole(&mut file).map_err(gone)?;
        let entry = Entry::done("recording.read", id).with(json!({ "target": one.target }));
        let now = self.shared.clock.now();
        self.shared.store.write(|tx| audit::store::record(tx, now, actor, &entry))?;
        io::Seek::rewind(&mut file).map_err(gone)?;
        Ok((file, size))
    }

    /// Removes a recording.
    ///
    /// # Errors
    /// There is no such recording, it still runs, its file cannot be removed, or the database
    /// fails.
    pub fn delete(&self, id: &str, actor: &Actor) -> Result<()> {
        let one = self.shared.store.read(|db| recordings::one(db, id))?;
        if one.ended_at.is_none() {
            return Err(Error::RecordingRuns { id: id.to_owned() });
        }
        let detail = json!({ "target": one.target, "actor": one.actor });
        self.shared.remove(id, actor, &Entry::done("recording.delete", id).with(detail))
    }

    /// Finishes what runs and waits for it until the deadline. Nothing can be recorded any more.
    pub fn stop(&self, deadline: Instant) {
        let _ = self.jobs.send(Job::Stop);
        let thread = lock(&self.thread).take();
        if let Some(Err(thread)) = thread.map(|thread| thread.join_until(deadline)) {
            log::warn!(task = thread.name(); "the thread did not end in time");
        }
    }
}

impl Shared {
    fn path(&self, id: &str) -> PathBuf {
        self.settings.directory.join(format!("{id}.cast"))
    }

    /// Finishes what an earlier process has left: each ended with its last whole line.
    fn recover(&self) -> Result<()> {
        for one in self.store.read(recordings::running)? {
            let cut = cut(&self.path(&one.id));
            self.store.write(|tx| match &cut {
                Ok((size, time)) => {
                    recordings::end(tx, &one.id, one.started_at + time, *size, None)
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    recordings::delete(tx, &one.id)
                }
                Err(error) => {
                    let text = format!("cannot finish it: {error}");
                    recordings::end(tx, &one.id, one.started_at, 0, Some(&text))
                }
            })?;
        }
        Ok(())
    }

    /// A recording has ended, with an error before its session did.
    fn ended(&self, id: &str, bytes: u64, error: Option<&str>) {
        let now = self.clock.now();
        if let Err(failed) = self.store.write(|tx| recordings::end(tx, id, now, bytes, error)) {
            log::error!(recording = id; "its end is not written down: {}", failed.chain());
        }
    }

    /// Removes what is too old and what is too much; never what runs, which takes `running` bytes.
    fn sweep(&self, running: u64) {
        let age = i64::try_from(self.settings.max_age.as_millis()).unwrap_or(i64::MAX);
        let before = (age > 0).then(|| self.clock.now().saturating_sub(age));
        let most = (self.settings.max_size > 0).then_some(self.settings.max_size);
        let kept =
            |one: Recording| Some(Kept { id: one.id, ended_at: one.ended_at?, bytes: one.bytes });
        let removed = self.store.read(recordings::ended).map(|ended| {
            let ended = ended.into_iter().filter_map(kept).collect();
            retention::removed(ended, before, most, running)
        });
        let result = removed.and_then(|removed| {
            removed.iter().try_for_each(|one| {
                log::info!(recording = one.id.as_str(); "removed: too old, or too much");
                let detail = json!({ "ended_at": one.ended_at, "bytes": one.bytes });
                let entry = Entry::done("recording.delete", &*one.id).with(detail);
                self.remove(&one.id, &Actor::linkops(), &entry)
            })
        });
        if let Err(error) = result {
            log::error!("old recordings cannot be removed: {}", error.chain());
        }
    }

    /// Removes a file, then its row: what is left after a crash in between can be removed again.
    fn remove(&self, id: &str, actor: &Actor, entry: &Entry<'_>) -> Result<()> {
        let path = self.path(id);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io(format!("remove the recording {path:?}"), error));
            }
            _ => {}
        }
        self.store.write(|tx| {
            recordings::delete(tx, id)?;
            audit::store::record(tx, self.clock.now(), actor, entry)
        })
    }
}

/// Cuts a line that is not whole off the end of a file. Gives its size, and how long after the
/// beginning it ends, in milliseconds.
fn cut(path: &Path) -> io::Result<(u64, i64)> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let (size, time) = cast::whole(&mut file)?;
    file.set_len(size)?;
    Ok((size, time))
}
