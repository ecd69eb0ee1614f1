//! Any output of a program, in any pieces: who watches is told all of it as text, once and in order;
//! who comes later is given a bounded snapshot that asks the terminal nothing and leaves it in the
//! state in which the program has set it. The files are taken in as they are, because nothing outside `terminal` may name them.
#![no_main]
#![allow(dead_code)]

/// The part of the crate that the files name.
mod ssh {
    pub use linkops::ssh::Size;
}

#[path = "../../src/terminal/pane/modes.rs"]
mod modes;
#[path = "../../src/terminal/pane/scanner.rs"]
mod scanner;
#[path = "../../src/terminal/pane/screen.rs"]
mod screen;
#[path = "../../src/terminal/pane/utf8.rs"]
mod utf8;

use libfuzzer_sys::fuzz_target;
use modes::Modes;
use scanner::{Scanner, Step, is_question};
use screen::{Piece, Screen};
use utf8::Characters;

/// Bytes that are kept for who comes later; few, so that inputs come to it.
const SCROLLBACK: usize = 48;

/// More than what restores a terminal's state can have.
const PRELUDE: usize = 4096;

fuzz_target!(|bytes: &[u8]| {
    let (mut characters, mut screen, mut modes) =
        (Characters::default(), Screen::new(SCROLLBACK), Modes::default());
    assert_eq!(screen.join(1), "");
    let mut told = String::new();
    // Pieces of 1 to 32 bytes; the sizes come from the bytes.
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        let (piece, after) = rest.split_at((usize::from(*first) % 32 + 1).min(rest.len()));
        rest = after;
        let text = characters.push(piece);
        modes.feed(text.as_bytes());
        screen.push(&text);
        while let Some(Piece::Output(more)) = screen.take(1, 7) {
            told += &more;
        }
        assert_eq!(screen.unread(), 0);
        snapshot(&screen.join(2), &modes);
        screen.leave(2);
    }
    told += characters.finish();
    assert_eq!(told, String::from_utf8_lossy(bytes));
});

fn snapshot(text: &str, modes: &Modes) {
    assert!(text.len() <= PRELUDE + SCROLLBACK, "{}", text.len());
    let mut scanner = Scanner::default();
    for byte in text.bytes() {
        if let Step::Sequence(sequence) = scanner.push(byte) {
            assert!(!is_question(sequence), "{text:?}");
        }
    }
    let mut again = Modes::default();
    again.feed(text.as_bytes());
    if modes.is_ground() {
        assert_eq!(again.prelude(), modes.prelude(), "{text:?}");
    }
}
