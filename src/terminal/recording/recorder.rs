//! The session's end of a recording. It never waits: what the writer cannot take in time is left
//! out, and a marker says how much that was.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use crossbeam_channel::Sender;

use super::cast::{self, Event};
use super::echo::Echo;

/// How much of one recording may wait for the writer, in bytes.
const WAITING: usize = 1 << 20;

/// What the session and the writer know of a recording.
#[derive(Debug)]
pub(super) struct Tape {
    pub(super) id: String,
    pub(super) path: PathBuf,
    /// Bytes on their way to the writer.
    waiting: AtomicUsize,
    /// The writer has given up.
    broken: AtomicBool,
}

impl Tape {
    pub(super) fn new(id: String, path: PathBuf) -> Tape {
        Tape { id, path, waiting: AtomicUsize::new(0), broken: AtomicBool::new(false) }
    }

    /// The writer has taken this much.
    pub(super) fn taken(&self, size: usize) {
        self.waiting.fetch_sub(size, Ordering::SeqCst);
    }

    /// Nothing more is written.
    pub(super) fn give_up(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::SeqCst)
    }
}

/// What the writer is to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Make the file, with this first line.
    Begin(Arc<Tape>, String),
    /// Append a line.
    Line(Arc<Tape>, String),
    /// Finish the file.
    End(Arc<Tape>),
    /// End when all before this is done.
    Stop,
}

/// A recording that runs. It is finished when this is dropped.
#[derive(Debug)]
pub struct Recorder {
    tape: Arc<Tape>,
    jobs: Sender<Job>,
    begun: Instant,
    /// Input is recorded, as far as it is shown.
    echo: Option<Echo>,
    /// Bytes of output that were left out since the last marker.
    lost: u64,
}

impl Recorder {
    pub(super) fn new(
        tape: Arc<Tape>,
        jobs: Sender<Job>,
        header: String,
        with_input: bool,
    ) -> Recorder {
        let _ = jobs.send(Job::Begin(Arc::clone(&tape), header));
        let echo = with_input.then(Echo::default);
        Recorder { tape, jobs, begun: Instant::now(), echo, lost: 0 }
    }

    /// Records output. Never blocks.
    pub fn output(&mut self, data: &str) {
        if let Some(typed) = self.echo.as_mut().and_then(|echo| echo.shown(data)) {
            self.event(Event::Input, &typed);
        }
        if !data.is_empty() {
            self.event(Event::Output, data);
        }
    }

    /// Records what was typed, where that is asked for, as soon as the terminal shows it. Never
    /// blocks.
    pub fn input(&mut self, data: &str) {
        if let Some(typed) = self.echo.as_mut().and_then(|echo| echo.typed(data)) {
            self.event(Event::Input, &typed);
        }
    }

    /// Records a new size. Never blocks.
    pub fn resize(&mut self, cols: u16, rows: u16) {
        self.event(Event::Resize, &format!("{cols}x{rows}"));
    }

    fn event(&mut self, event: Event, data: &str) {
        if self.tape.is_broken() {
            return;
        }
        let line = cast::line(self.begun.elapsed(), event, data);
        // Who adds has the recorder for itself, so that there is room is true until it is used.
        if self.tape.waiting.load(Ordering::SeqCst) + line.len() > WAITING {
            self.lost += if event == Event::Output { data.len() as u64 } else { 0 };
            return;
        }
        self.mark_lost();
        self.send(line);
    }

    /// Says where something is missing.
    fn mark_lost(&mut self) {
        let lost = std::mem::take(&mut self.lost);
        if lost > 0 {
            log::warn!(recording = self.tape.id.as_str(); "{lost} bytes of output were left out");
            let text = format!("{lost} bytes of output are missing here: the disk was too slow");
            self.send(cast::line(self.begun.elapsed(), Event::Marker, &text));
        }
    }

    fn send(&self, line: String) {
        self.tape.waiting.fetch_add(line.len(), Ordering::SeqCst);
        let _ = self.jobs.send(Job::Line(Arc::clone(&self.tape), line));
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.mark_lost();
        let _ = self.jobs.send(Job::End(Arc::clone(&self.tape)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::{Receiver, unbounded};

    fn recorder(with_input: bool) -> (Recorder, Receiver<Job>) {
        let (jobs, told) = unbounded();
        let tape = Arc::new(Tape::new("REC-1".to_owned(), PathBuf::new()));
        (Recorder::new(tape, jobs, "header\n".to_owned(), with_input), told)
    }

    /// The lines that wait, without their times.
    fn lines(told: &Receiver<Job>) -> Vec<(String, String)> {
        let lines = told.try_iter().filter_map(|job| match job {
            Job::Line(tape, line) => {
                tape.taken(line.len());
                let line: serde_json::Value = serde_json::from_str(&line).unwrap();
                Some((line[1].as_str()?.to_owned(), line[2].as_str()?.to_owned()))
            }
            _ => None,
        });
        lines.collect()
    }

    fn pairs(wanted: &[(&str, &str)]) -> Vec<(String, String)> {
        wanted.iter().map(|(code, data)| ((*code).to_owned(), (*data).to_owned())).collect()
    }

    #[test]
    fn what_the_writer_cannot_take_is_counted_and_marked_and_nobody_waits() {
        let (mut recorder, told) = recorder(false);
        let piece = "x".repeat(30_000);
        for _ in 0..1_000 {
            recorder.output(&piece); // 30 MB, while nothing is taken
        }
        let taken = lines(&told).len();
        assert!((30..36).contains(&taken), "{taken} pieces wait");
        recorder.resize(100, 50);
        let lost = (1_000 - taken) * piece.len();
        let marker = format!("{lost} bytes of output are missing here: the disk was too slow");
        assert_eq!(lines(&told), pairs(&[("m", &marker), ("r", "100x50")]));
        recorder.output("more");
        assert_eq!(lines(&told), pairs(&[("o", "more")]));
    }

    #[test]
    fn what_is_missing_at_the_end_is_marked_too() {
        let (mut recorder, told) = recorder(false);
        recorder.output(&"x".repeat(WAITING));
        drop(recorder);
        let marker = format!("{WAITING} bytes of output are missing here: the disk was too slow");
        assert_eq!(lines(&told), pairs(&[("m", &marker)]));
    }

    #[test]
    fn input_is_recorded_where_it_is_asked_for_and_shown() {
        let (mut without, told) = recorder(false);
        without.input("ls\r");
        without.output("ls\r\n");
        assert_eq!(lines(&told), pairs(&[("o", "ls\r\n")]));
        let (mut with, told) = recorder(true);
        with.input("l");
        with.output("l");
        with.input("s\r");
        with.output("s\r\npassword: ");
        with.input("hunter2\r");
        with.output("\r\n");
        let wanted = [
            ("i", "l"),
            ("o", "l"),
            ("i", "s\r"),
            ("o", "s\r\npassword: "),
            ("i", "\r"),
            ("o", "\r\n"),
        ];
        assert_eq!(lines(&told), pairs(&wanted));
    }

    #[test]
    fn a_broken_recording_costs_nothing_more() {
        let (mut recorder, told) = recorder(false);
        recorder.tape.give_up();
        recorder.output("x");
        drop(recorder);
        let jobs: Vec<Job> = told.try_iter().collect();
        assert!(matches!(&jobs[..], [Job::Begin(..), Job::End(_)]), "{jobs:?}");
    }
}
