//! The thread that writes recordings: all files are its own, so a slow disk makes nobody wait. What
//! it cannot write ends the recording, not the session.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};

use super::recorder::{Job, Tape};
use super::{Shared, cut};

/// How long lines may wait in memory while there are always more.
const FLUSH: Duration = Duration::from_secs(1);

/// How often old recordings are looked for.
const SWEEP: Duration = Duration::from_secs(3600);

/// A file that is written.
struct Open {
    tape: Arc<Tape>,
    file: BufWriter<File>,
    bytes: u64,
}

/// What the thread owns.
pub(super) struct Writer {
    shared: Arc<Shared>,
    jobs: Receiver<Job>,
    open: HashMap<String, Open>,
    flushed: Instant,
    swept: Option<Instant>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, jobs: Receiver<Job>) -> Writer {
        Writer { shared, jobs, open: HashMap::new(), flushed: Instant::now(), swept: None }
    }

    /// The body of the thread.
    pub(super) fn run(mut self) {
        while let Some(job) = self.next() {
            match job {
                Job::Begin(tape, header) => self.begin(tape, &header),
                Job::Line(tape, line) => self.write(&tape, &line),
                Job::End(tape) => self.end(&tape),
                Job::Stop => break,
            }
        }
        let left: Vec<_> = self.open.values().map(|one| Arc::clone(&one.tape)).collect();
        left.iter().for_each(|tape| self.end(tape));
    }

    /// The next job; files are flushed and old ones looked for while there is none.
    fn next(&mut self) -> Option<Job> {
        loop {
            if self.flushed.elapsed() >= FLUSH {
                self.flush();
            }
            match self.jobs.try_recv() {
                Ok(job) => return Some(job),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => self.flush(),
            }
            let due = self.swept.map_or_else(Instant::now, |last| last + SWEEP);
            match self.jobs.recv_deadline(due) {
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.sweep(),
            }
        }
    }

    fn begin(&mut self, tape: Arc<Tape>, header: &str) {
        match create(&tape.path) {
            Ok(file) => {
                let id = tape.id.clone();
                self.open.insert(id, Open { tape: Arc::clone(&tape), file, bytes: 0 });
                self.append(&tape, header);
            }
            Err(error) => self.give_up(&tape, &error),
        }
    }

    fn write(&mut self, tape: &Tape, line: &str) {
        self.append(tape, line);
        tape.taken(line.len());
    }

    fn append(&mut self, tape: &Tape, text: &str) {
        let Some(one) = self.open.get_mut(&tape.id) else { return };
        one.bytes += text.len() as u64;
        if let Err(error) = one.file.write_all(text.as_bytes()) {
            self.give_up(tape, &error);
        }
    }

    fn flush(&mut self) {
        self.flushed = Instant::now();
        let failed: Vec<_> = self
            .open
            .values_mut()
            .filter_map(|one| Some((Arc::clone(&one.tape), one.file.flush().err()?)))
            .collect();
        failed.iter().for_each(|(tape, error)| self.give_up(tape, error));
    }

    fn end(&mut self, tape: &Tape) {
        let Some(one) = self.open.get_mut(&tape.id) else { return };
        match one.file.flush() {
            Err(error) => self.give_up(tape, &error),
            Ok(()) => {
                let bytes = one.bytes;
                self.open.remove(&tape.id);
                self.shared.ended(&tape.id, bytes, None);
                self.sweep();
            }
        }
    }

    /// The disk is full, or worse: the recording ends here.
    fn give_up(&mut self, tape: &Tape, error: &io::Error) {
        tape.give_up();
        if let Some(one) = self.open.remove(&tape.id) {
            drop(one.file.into_parts()); // what is in its buffer cannot be written either
        }
        log::error!(recording = tape.id.as_str(); "the recording has ended: cannot write {:?}: {error}", tape.path);
        let bytes = cut(&tape.path).map_or(0, |(size, _)| size);
        self.shared.ended(&tape.id, bytes, Some(&format!("cannot write: {error}")));
        self.sweep();
    }

    fn sweep(&mut self) {
        self.swept = Some(Instant::now());
        self.shared.sweep(self.open.values().map(|one| one.bytes).sum());
    }
}

/// A new file for us alone.
fn create(path: &Path) -> io::Result<BufWriter<File>> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(BufWriter::new(file))
}

#[cfg(test)]
mod tests {
    use super::super::{Recordings, Settings};
    use super::*;
    use crate::clock::Clock;
    use crate::ssh::Size;
    use crate::store::Store;
    use crate::terminal::PaneName;
    use crate::terminal::store::recordings;

    /// A kernel's own answer that nothing is left on the device.
    #[test]
    fn a_full_disk_ends_the_recording_and_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&directory.path().join("a.db")).unwrap());
        let settings = Settings {
            on: true,
            input: false,
            directory: directory.path().join("recordings"),
            max_age: Duration::ZERO,
            max_size: 0,
        };
        let recordings = Recordings::start(settings, Arc::clone(&store), Clock::fixed(5_000));
        let recordings = recordings.unwrap();
        // The thread has ended; its work is done here.
        recordings.stop(Instant::now() + Duration::from_secs(60));
        let (jobs, told) = crossbeam_channel::unbounded();
        let mut writer = Writer::new(Arc::clone(&recordings.shared), told);
        let recordings = Recordings { jobs, ..recordings };
        let size = Size::USUAL;
        let mut recorder = recordings.record("WS-1", PaneName::A, "vps-01", "ann", size).unwrap();
        let Some(Job::Begin(tape, header)) = writer.next() else { panic!("it begins") };
        writer.begin(Arc::clone(&tape), &header);
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let one = writer.open.get_mut(&tape.id).unwrap();
        one.file.flush().unwrap();
        one.file = BufWriter::new(full);
        recorder.output("what nobody will see");
        let Some(Job::Line(_, line)) = writer.next() else { panic!("it goes on") };
        writer.write(&tape, &line);
        writer.flush();
        assert!(tape.is_broken() && writer.open.is_empty());
        let one = store.read(|db| recordings::one(db, &tape.id)).unwrap();
        assert_eq!((one.ended_at, one.bytes), (Some(5_000), header.len() as u64));
        let error = one.error.unwrap();
        assert!(error.starts_with("cannot write: No space left"), "{error}");
        assert_eq!(std::fs::read_to_string(&tape.path).unwrap(), header);
        // The session goes on, and its end changes nothing.
        recorder.output("more");
        drop(recorder);
        let Some(Job::End(tape)) = writer.next() else { panic!("nothing more is written") };
        writer.end(&tape);
        assert_eq!(store.read(|db| recordings::one(db, &tape.id)).unwrap().error, Some(error));
    }
}
