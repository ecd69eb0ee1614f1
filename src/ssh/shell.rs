//! What terminals need of SSH: a login shell on a PTY, with its size and what happens on it.

use std::time::Instant;

use super::{Exit, Failure, Pause};
use crate::threads::Bell;

/// A login shell on a PTY (RFC 4254 section 6.2), on a connection of its own, which is left alive
/// by keepalives as long as somebody calls [`Shell::next`].
///
/// Dropping it cuts the connection without waiting; the server then hangs up what runs on the
/// PTY. [`Shell::close`] does the same in words that the server answers.
pub trait Shell: Send {
    /// The next thing that happens, and what was to be sent is sent meanwhile. A deadline that has
    /// passed asks for what is there already. With `read` false no output is told: it stays where
    /// it is, the server's window closes, and the program on the PTY is held back.
    ///
    /// # Errors
    /// The connection died or the machine has fallen silent: how the shell ended is not known, and
    /// what came in with the end of the connection is lost with it.
    fn next(&mut self, read: bool, wake: &Bell, deadline: Instant) -> Result<ShellEvent, Failure>;

    /// What to wait for until the deadline when [`Shell::next`] had nothing to tell: so a shell that
    /// several threads use in turn is waited for while it is free.
    fn pause(&mut self, deadline: Instant) -> Pause;

    /// Sends now the size and what fits of the input that was taken. True when whoever waits for the shell has to
    /// look at it: what came in meanwhile, or could not be sent, does not end a pause. A failure
    /// shows at [`Shell::next`]. Never blocks.
    fn push(&mut self) -> bool;

    /// Takes input as far as there is room, and says how many bytes it took: `next` sends them.
    /// When it took less than all, [`ShellEvent::Room`] tells when to come again. Never blocks.
    fn write(&mut self, data: &[u8]) -> usize;

    /// Has `next` or `push` tell the other side a new size, before input that waits; only the last
    /// one counts. Never blocks.
    fn resize(&mut self, size: Size);

    /// Ends the shell: what runs on the PTY is hung up, channel and connection are closed, at the
    /// latest at the deadline.
    fn close(self: Box<Self>, deadline: Instant);
}

/// What happens on a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShellEvent {
    /// The PTY gave something: at least one byte, at most 32 KiB.
    Output(Vec<u8>),
    /// There is room for input again, after [`Shell::write`] could not take all.
    Room,
    /// The bell has rung; it is silent again.
    Woken,
    /// The shell has ended and all of its output was told. Later calls say it again.
    End(Exit),
    /// The deadline has passed.
    TimedOut,
}

/// The size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    cols: u16,
    rows: u16,
}

impl Size {
    /// The most columns, and the most rows.
    pub const MOST: u16 = 1000;

    /// What a terminal has that nobody has given a size.
    pub const USUAL: Size = Size { cols: 80, rows: 24 };

    /// A size, if both figures are in 1..=[`Size::MOST`].
    pub fn new(cols: u16, rows: u16) -> Option<Size> {
        let fits = |figure| (1..=Size::MOST).contains(&figure);
        (fits(cols) && fits(rows)).then_some(Size { cols, rows })
    }

    /// Characters in a row.
    pub fn cols(self) -> u16 {
        self.cols
    }

    /// Rows.
    pub fn rows(self) -> u16 {
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_at_least_one_and_at_most_a_thousand() {
        for (cols, rows, fits) in [
            (1, 1, true),
            (80, 24, true),
            (1000, 1000, true),
            (0, 24, false),
            (80, 0, false),
            (1001, 24, false),
            (80, 1001, false),
        ] {
            let size = Size::new(cols, rows);
            assert_eq!(size.map(|size| (size.cols(), size.rows())), fits.then_some((cols, rows)));
        }
    }
}
