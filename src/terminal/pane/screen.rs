//! What a pane has shown: the newest output, and a cursor into it for each browser. A browser is
//! told what lies behind its cursor, so all of them see the same, each at its own pace. What no
//! cursor needs any more is kept up to `scrollback`, for browsers that come later.

use std::collections::VecDeque;
use std::time::Instant;

use super::modes::Modes;
use super::scanner::{Scanner, Step, is_question};
use crate::ssh::Size;

/// Output that the slowest browser has not taken, in bytes, at which the PTY is held back.
pub(super) const HELD_AT: u64 = 256 << 10;

/// It flows again when this much is left.
pub(super) const FLOWS_AT: u64 = HELD_AT / 2;

/// How far one looks for the beginning of a line for a snapshot to begin at, in bytes.
const LINE: usize = 4096;

/// Changes of state that are kept for a browser that does not take anything.
const MOST_MARKS: usize = 200;

/// What happened besides output, at its place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mark {
    /// The pane's status, as it is told.
    Status(String),
    /// The size was changed, by the browser of this number.
    Size(Size, u64),
}

/// What a browser is told next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Output: whole characters.
    Output(String),
    /// Something else.
    Mark(Mark),
}

/// A browser's place.
#[derive(Debug)]
struct Reader {
    id: u64,
    /// The first byte that it was not told.
    at: u64,
    /// The number of the first mark that it was not told.
    mark: u64,
    /// When it last took something, or had nothing to take.
    moved: Instant,
}

/// See above.
#[derive(Debug)]
pub(super) struct Screen {
    scrollback: usize,
    kept: VecDeque<u8>,
    /// The place of the first byte that is kept.
    start: u64,
    /// How the terminal is set up there.
    before: Modes,
    /// How it is set up now.
    now: Modes,
    /// Each with its place in the output.
    marks: VecDeque<(u64, Mark)>,
    /// The number of the first mark that is kept.
    first_mark: u64,
    readers: Vec<Reader>,
}

impl Screen {
    /// Keeps so many bytes.
    pub(super) fn new(scrollback: usize) -> Screen {
        Screen {
            scrollback,
            kept: VecDeque::new(),
            start: 0,
            before: Modes::default(),
            now: Modes::default(),
            marks: VecDeque::new(),
            first_mark: 0,
            readers: Vec::new(),
        }
    }

    /// Appends output.
    pub(super) fn push(&mut self, text: &str) {
        let now = Instant::now();
        let end = self.end();
        self.readers.iter_mut().filter(|one| one.at == end).for_each(|one| one.moved = now);
        self.now.feed(text.as_bytes());
        self.kept.extend(text.as_bytes());
        self.trim();
    }

    /// Appends a mark.
    pub(super) fn mark(&mut self, mark: Mark) {
        self.marks.push_back((self.end(), mark));
        self.trim();
    }

    /// Leaves the state that a program has left behind: another shell begins here.
    pub(super) fn begin_again(&mut self) {
        if self.end() > 0 {
            let undo = self.now.undo();
            self.push(&undo);
        }
    }

    /// Forgets the output; whoever reads loses what it was not told.
    pub(super) fn clear(&mut self) {
        let (end, marks) = (self.end(), self.next_mark());
        self.readers.iter_mut().for_each(|one| (one.at, one.mark) = (end, marks));
        self.start = end;
        self.kept = VecDeque::new();
        self.before = Modes::default();
        self.now = Modes::default();
        self.trim();
    }

    fn end(&self) -> u64 {
        self.start + self.kept.len() as u64
    }

    fn next_mark(&self) -> u64 {
        self.first_mark + self.marks.len() as u64
    }

    /// Whether a program seems to run that fills the screen.
    pub(super) fn is_filled(&self) -> bool {
        self.now.fills_screen()
    }

    /// Bytes that the slowest browser has not taken.
    pub(super) fn unread(&self) -> u64 {
        let slowest = self.readers.iter().map(|one| one.at).min();
        slowest.map_or(0, |at| self.end() - at)
    }

    /// The slowest browser, and since when it takes nothing, if another one waits for it.
    pub(super) fn slowest(&self) -> Option<(u64, Instant)> {
        let slowest = self.readers.iter().min_by_key(|one| one.at)?;
        let left = |one: &Reader| self.end() - one.at;
        let waits = |one: &Reader| left(one) <= FLOWS_AT && left(slowest) > FLOWS_AT;
        self.readers.iter().any(waits).then_some((slowest.id, slowest.moved))
    }

    /// A browser comes: it is given what was kept, and reads on from here.
    pub(super) fn join(&mut self, id: u64) -> String {
        self.leave(id);
        let snapshot = self.snapshot();
        let (at, mark, moved) = (self.end(), self.next_mark(), Instant::now());
        self.readers.push(Reader { id, at, mark, moved });
        snapshot
    }

    /// A browser goes.
    pub(super) fn leave(&mut self, id: u64) {
        self.readers.retain(|one| one.id != id);
        self.trim();
    }

    /// What the browser is told next: at most so many bytes of output, which must be four.
    pub(super) fn take(&mut self, id: u64, most: usize) -> Option<Piece> {
        let (end, first_mark, start) = (self.end(), self.first_mark, self.start);
        let reader = self.readers.iter_mut().find(|one| one.id == id)?;
        reader.moved = Instant::now();
        reader.mark = reader.mark.max(first_mark);
        let mark = self.marks.get((reader.mark - first_mark) as usize);
        let limit = mark.map_or(end, |(at, _)| *at);
        if reader.at >= limit {
            let (_, mark) = mark?.clone();
            reader.mark += 1;
            self.trim();
            return Some(Piece::Mark(mark));
        }
        let from = (reader.at - start) as usize;
        let mut to = (limit - start) as usize;
        if to - from > most {
            to = from + most;
            while to > from && !is_first(self.kept.get(to)) {
                to -= 1;
            }
        }
        reader.at = start + to as u64;
        let text = text_of(&self.kept, from, to);
        self.trim();
        Some(Piece::Output(text))
    }

    /// Forgets what nobody needs.
    fn trim(&mut self) {
        let end = self.end();
        let slowest = self.readers.iter().map(|one| one.at).min().unwrap_or(end);
        let keep = (end - slowest).max(self.scrollback as u64) as usize;
        let over = self.kept.len().saturating_sub(keep);
        if over > 0 {
            let (front, back) = self.kept.as_slices();
            self.before.feed(&front[..over.min(front.len())]);
            self.before.feed(&back[..over.saturating_sub(front.len())]);
            self.kept.drain(..over);
            self.start += over as u64;
        }
        let next = self.next_mark();
        let told = self.readers.iter().map(|one| one.mark).min().unwrap_or(next);
        let first = told.max(next.saturating_sub(MOST_MARKS as u64));
        while self.first_mark < first && self.marks.pop_front().is_some() {
            self.first_mark += 1;
        }
    }

    /// What was kept, from the beginning of a line on where there is one, for a terminal that was
    /// reset. It asks the terminal nothing: what asked has had its answer.
    fn snapshot(&self) -> String {
        let (from, modes) = self.beginning();
        let mut text = modes.prelude().into_bytes();
        let mut scanner = Scanner::default();
        let mut open = None;
        for byte in self.kept.iter().skip(from) {
            if scanner.is_ground() {
                open = Some(text.len());
            }
            text.push(*byte);
            if let Step::Sequence(sequence) = scanner.push(*byte)
                && is_question(sequence)
            {
                text.truncate(open.unwrap_or(text.len()));
            }
        }
        into_text(text)
    }

    /// Where a snapshot begins, and how the terminal is set up there.
    fn beginning(&self) -> (usize, Modes) {
        let mut modes = self.before.clone();
        if self.start == 0 {
            return (0, modes);
        }
        let mut first = None;
        for (at, byte) in self.kept.iter().take(LINE).enumerate() {
            if first.is_none() && modes.is_ground() && is_first(Some(byte)) {
                first = Some((at, modes.clone()));
            }
            modes.feed(&[*byte]);
            if *byte == b'\n' && modes.is_ground() {
                return (at + 1, modes);
            }
        }
        first.unwrap_or_else(|| (self.kept.len(), self.now.clone()))
    }
}

/// Whether a character begins with this byte, or ends before it.
fn is_first(byte: Option<&u8>) -> bool {
    byte.is_none_or(|byte| *byte & 0xc0 != 0x80)
}

fn text_of(kept: &VecDeque<u8>, from: usize, to: usize) -> String {
    let (front, back) = kept.as_slices();
    let middle = front.len();
    let mut bytes = Vec::with_capacity(to - from);
    bytes.extend_from_slice(&front[from.min(middle)..to.min(middle)]);
    bytes.extend_from_slice(&back[from.saturating_sub(middle)..to.saturating_sub(middle)]);
    into_text(bytes)
}

/// Only whole characters were ever put in.
fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests;
