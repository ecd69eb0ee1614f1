//! A pane: what browsers and the thread of its shell know of each other. Browsers leave orders and
//! ring; the thread leaves output on the screen and rings all browsers.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::audience::Audience;
use super::recording::Recorder;
use super::{PaneName, PaneState, PaneStatus, Told};
use crate::ssh::{Shell, Size};
use crate::threads::{Bell, Handle, Latch, lock};

use screen::{FLOWS_AT, HELD_AT, Mark, Piece, Screen};
use utf8::Characters;

mod modes;
pub(super) mod relay;
mod scanner;
mod screen;
mod utf8;

/// Input that waits for the PTY, in bytes, at which no more is read from browsers.
const INPUT: usize = 64 << 10;

/// Another browser is not held up for longer by one that takes nothing.
pub(super) const SLOWEST: Duration = Duration::from_secs(10);

/// One of the panes of a workspace, connected or not.
pub(super) struct Pane {
    name: PaneName,
    /// Rung for the thread of the shell.
    bell: Bell,
    audience: Arc<Audience>,
    /// None while there is no shell. Before `state`, when both are locked.
    live: Mutex<Option<Live>>,
    state: Mutex<State>,
    /// The status has changed.
    changed: Condvar,
}

struct State {
    screen: Screen,
    status: PaneStatus,
    error: Option<String>,
    size: Size,
    /// What was typed and is not on its way.
    input: VecDeque<u8>,
    /// When somebody has typed last.
    typed: Instant,
    /// The size is to be told.
    resized: bool,
    /// What fills the screen is to draw it again.
    redraw: bool,
    /// Why the shell is to end.
    end: Option<Why>,
    /// Ends the dialling.
    cancel: Option<Arc<Latch>>,
    /// The PTY is held back until browsers have taken more.
    held: bool,
    thread: Option<Handle>,
    /// The workspace has ended: there will be no other shell.
    closed: bool,
}

/// Why a shell ends, or was not there at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    /// A user asked for it.
    Asked,
    /// What ran on the PTY has ended.
    Exited,
    /// Anything else, with the words for the user.
    Failed(String),
}

impl Why {
    /// No browser has looked at it for this time.
    pub(super) fn alone(time: Duration) -> Why {
        Why::Failed(format!("closed after {} s without a browser", time.as_secs()))
    }
}

/// What the thread is to do.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// The shell is to end.
    pub(super) end: Option<Why>,
    /// The screen is to be drawn again.
    pub(super) redraw: bool,
}

/// A shell that is there, for the pane's thread and for whoever types.
struct Live {
    shell: Box<dyn Shell>,
    recorder: Option<Recorder>,
    /// What was typed, for the recording.
    typed: Characters,
}

impl Pane {
    pub(super) fn new(
        name: PaneName,
        audience: Arc<Audience>,
        scrollback: usize,
    ) -> io::Result<Pane> {
        let state = State {
            screen: Screen::new(scrollback),
            status: PaneStatus::Assigned,
            error: None,
            size: Size::USUAL,
            input: VecDeque::new(),
            typed: Instant::now(),
            resized: false,
            redraw: false,
            end: None,
            cancel: None,
            held: false,
            thread: None,
            closed: false,
        };
        let bell = Bell::new()?;
        let (live, state) = (Mutex::new(None), Mutex::new(state));
        Ok(Pane { name, bell, audience, live, state, changed: Condvar::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// How it is; none when it was never connected.
    pub(super) fn view(&self) -> Option<PaneState> {
        let state = self.state();
        let (cols, rows) = (state.size.cols(), state.size.rows());
        let (status, error) = (state.status, state.error.clone());
        (status != PaneStatus::Assigned).then_some(PaneState { status, error, cols, rows })
    }

    /// Whether it is connecting or connected.
    pub(super) fn is_live(&self) -> bool {
        self.state().is_live()
    }

    /// Waits while it is connecting, at most until the deadline.
    pub(super) fn settled(&self, deadline: Instant) -> Option<PaneState> {
        self.wait_while(|state| state.status == PaneStatus::Connecting, deadline);
        self.view()
    }

    fn wait_while(&self, condition: impl Fn(&State) -> bool, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = self.changed.wait_timeout_while(self.state(), left, |state| condition(state));
        drop(waited);
    }

    // What browsers do.

    /// Begins to connect with `start`, which is given what ends the dialling, unless it is
    /// connecting or connected already. False when the workspace has ended.
    pub(super) fn begin(
        &self,
        start: impl FnOnce(Arc<Latch>) -> io::Result<Handle>,
    ) -> io::Result<bool> {
        let mut state = self.state();
        if state.is_live() || state.closed {
            return Ok(!state.closed);
        }
        let cancel = Arc::new(Latch::new()?);
        let before = state.thread.take();
        state.screen.begin_again();
        state.input.clear();
        (state.end, state.redraw, state.held) = (None, false, false);
        state.cancel = Some(Arc::clone(&cancel));
        state.error = None;
        // The thread may begin at once; nobody sees the pane before it is connecting.
        match start(cancel) {
            Ok(thread) => {
                state.thread = Some(thread);
                self.tell(state, PaneStatus::Connecting, "connecting".to_owned());
            }
            Err(error) => {
                state.cancel = None;
                let words = format!("there is no thread for it: {error}");
                state.error = Some(words.clone());
                self.tell(state, PaneStatus::Disconnected, format!("error: {words}"));
            }
        }
        // It has nothing left to do but to end.
        before.into_iter().for_each(Handle::join);
        Ok(true)
    }

    /// Types. False when there is no shell, not even one that is on its way. Where the pane's thread
    /// has nothing to do but to wait, it is not woken for that.
    pub(super) fn input(&self, data: &[u8]) -> bool {
        let mut state = self.state();
        if !state.is_live() {
            return false;
        }
        state.input.extend(data);
        state.typed = Instant::now();
        drop(state);
        let waits = match self.live.try_lock() {
            Ok(mut live) => live.as_mut().is_none_or(|live| {
                self.feed(live);
                live.shell.push()
            }),
            Err(_) => true,
        };
        if waits {
            self.bell.ring();
        }
        true
    }

    /// Whether more may be typed.
    pub(super) fn has_room(&self) -> bool {
        self.state().input.len() < INPUT
    }

    /// Sets the size for the shell that is there or comes.
    pub(super) fn resize(&self, size: Size, by: u64) {
        let mut state = self.state();
        if state.size == size {
            return;
        }
        state.size = size;
        state.resized = true;
        state.screen.mark(Mark::Size(size, by));
        drop(state);
        self.bell.ring();
        self.audience.ring();
    }

    /// Has the shell end, if there is one. Does not wait for it.
    pub(super) fn end(&self, why: Why) {
        self.end_if(State::is_live, why);
    }

    /// Has it end while it is connecting.
    pub(super) fn give_up(&self, why: Why) {
        self.end_if(|state| state.status == PaneStatus::Connecting, why);
    }

    fn end_if(&self, condition: impl Fn(&State) -> bool, why: Why) {
        let mut state = self.state();
        if condition(&state) {
            state.end.get_or_insert(why);
            state.cancel.iter().for_each(|cancel| cancel.set());
        }
        drop(state);
        self.bell.ring();
    }

    /// Has the shell end, and no other one begin.
    pub(super) fn close(&self, why: Why) {
        self.state().closed = true;
        self.end(why);
    }

    /// Waits until nothing lives, at most until the deadline; true when that is so.
    pub(super) fn wait_for_end(&self, deadline: Instant) -> bool {
        self.wait_while(State::is_live, deadline);
        let thread = {
            let mut state = self.state();
            if state.is_live() {
                return false;
            }
            state.thread.take()
        };
        thread.is_none_or(|thread| thread.join_until(deadline).is_ok())
    }

    /// The thread is to look at the time again.
    pub(super) fn wake(&self) {
        self.bell.ring();
    }

    /// A browser comes. It is told what was on the screen and how the pane is, if there was ever
    /// anything.
    pub(super) fn join(&self, id: u64) -> Option<(Told, Told)> {
        let mut state = self.state();
        let data = state.screen.join(id);
        if state.status == PaneStatus::Assigned {
            return None;
        }
        if state.screen.is_filled() && state.status == PaneStatus::Connected {
            state.redraw = true;
            self.bell.ring();
        }
        let (pane, size, data_of_status) = (self.name, state.size, state.told_status());
        let snapshot = Told::Snapshot { pane, data, cols: size.cols(), rows: size.rows() };
        Some((snapshot, Told::Status { pane, data: data_of_status }))
    }

    /// A browser goes.
    pub(super) fn leave(&self, id: u64) {
        self.state().screen.leave(id);
        self.bell.ring();
    }

    /// What the browser is told next.
    pub(super) fn take(&self, id: u64, most: usize) -> Option<Told> {
        let mut state = self.state();
        let pane = self.name;
        loop {
            let piece = state.screen.take(id, most)?;
            if state.held && state.screen.unread() <= FLOWS_AT {
                state.held = false;
                self.bell.ring();
            }
            return Some(match piece {
                Piece::Output(data) => Told::Output { pane, data },
                Piece::Mark(Mark::Status(data)) => Told::Status { pane, data },
                Piece::Mark(Mark::Size(_, by)) if by == id => continue,
                Piece::Mark(Mark::Size(size, _)) => {
                    Told::Size { pane, cols: size.cols(), rows: size.rows() }
                }
            });
        }
    }

    /// Forgets the screen of a pane that is not connected.
    pub(super) fn forget(&self) {
        let mut state = self.state();
        if !state.is_live() {
            state.screen.clear();
        }
    }

    // What the thread of the shell does.

    /// The bell of the thread.
    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// The size that the shell is to have.
    pub(super) fn size(&self) -> Size {
        self.state().size
    }

    /// The same for a shell that begins with it: it need not be told.
    pub(super) fn first_size(&self) -> Size {
        let mut state = self.state();
        state.resized = false;
        state.size
    }

    /// The shell is there; it may be that it is to end already, which its thread sees next.
    pub(super) fn connected(&self) {
        let mut state = self.state();
        state.cancel = None;
        self.tell(state, PaneStatus::Connected, "connected".to_owned());
    }

    /// Nothing of the shell is left.
    pub(super) fn disconnected(&self, why: &Why) {
        let mut state = self.state();
        state.cancel = None;
        state.input = VecDeque::new();
        state.error = match why {
            Why::Asked | Why::Exited => None,
            Why::Failed(words) => Some(words.clone()),
        };
        let words = state.error.as_ref().map(|words| format!("error: {words}"));
        let words = words.unwrap_or_else(|| "disconnected".to_owned());
        self.tell(state, PaneStatus::Disconnected, words);
    }

    /// The status has changed.
    fn tell(&self, mut state: MutexGuard<'_, State>, status: PaneStatus, words: String) {
        state.status = status;
        state.screen.mark(Mark::Status(words));
        drop(state);
        self.changed.notify_all();
        self.audience.ring();
    }

    /// What is to be done now.
    pub(super) fn orders(&self) -> Orders {
        let mut state = self.state();
        Orders { end: state.end.clone(), redraw: std::mem::take(&mut state.redraw) }
    }

    /// The shell, for as long as it is needed, and without waiting for anything meanwhile.
    fn live(&self) -> MutexGuard<'_, Option<Live>> {
        lock(&self.live)
    }

    /// Gives the shell its new size, and as much of the input as it takes. In this order, since what
    /// is typed after a resize is meant for the new size.
    fn feed(&self, live: &mut Live) {
        let mut state = self.state();
        if std::mem::take(&mut state.resized) {
            let size = state.size;
            live.shell.resize(size);
            live.recorder.iter_mut().for_each(|one| one.resize(size.cols(), size.rows()));
        }
        let full = state.input.len() >= INPUT;
        loop {
            let (front, _) = state.input.as_slices();
            let taken = if front.is_empty() { 0 } else { live.shell.write(front) };
            if taken == 0 {
                break;
            }
            if let Some(recorder) = &mut live.recorder {
                recorder.input(&live.typed.push(&front[..taken]));
            }
            state.input.drain(..taken);
        }
        if full && state.input.len() < INPUT {
            drop(state);
            self.audience.ring();
        }
    }

    /// Shows output.
    pub(super) fn show(&self, text: &str) {
        if !text.is_empty() {
            self.state().screen.push(text);
            self.audience.output();
        }
    }

    /// When somebody has typed last.
    pub(super) fn typed(&self) -> Instant {
        self.state().typed
    }

    /// Whether browsers take what comes.
    pub(super) fn flows(&self) -> bool {
        let mut state = self.state();
        if !state.held && state.screen.unread() >= HELD_AT {
            state.held = true;
        }
        if state.held && state.screen.unread() <= FLOWS_AT {
            state.held = false;
        }
        !state.held
    }

    /// When a browser that takes nothing has held another one up for too long; the browser, too.
    pub(super) fn slowest(&self) -> Option<(u64, Instant)> {
        let (id, since) = self.state().screen.slowest()?;
        Some((id, since + SLOWEST))
    }
}

impl State {
    fn is_live(&self) -> bool {
        matches!(self.status, PaneStatus::Connecting | PaneStatus::Connected)
    }

    /// The status in words, as it was told last.
    fn told_status(&self) -> String {
        match &self.error {
            Some(words) => format!("error: {words}"),
            None => self.status.as_str().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pane_begins_nothing_and_says_so() {
        let pane = Pane::new(PaneName::A, Arc::default(), 1000).unwrap();
        pane.close(Why::Asked);
        assert!(!pane.begin(|_| panic!("it was begun")).unwrap());
        assert_eq!(pane.view(), None);
    }
}
