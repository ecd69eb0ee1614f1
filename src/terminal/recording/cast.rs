//! The lines of a recording: asciicast v2, a header and an event per line, each a piece of JSON.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::time::Duration;

use serde_json::{Value, json};

use crate::ssh::Size;

/// What terminals say they are.
const TERM: &str = "xterm-256color";

/// The longest end of a file that is looked at, in bytes: more than the longest line.
const TAIL: u64 = 1 << 20;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Output,
    Input,
    Resize,
    Marker,
}

impl Event {
    fn code(self) -> &'static str {
        match self {
            Event::Output => "o",
            Event::Input => "i",
            Event::Resize => "r",
            Event::Marker => "m",
        }
    }
}

/// The first line. `started` is in milliseconds since the epoch.
pub(super) fn header(size: Size, started: i64, title: &str) -> String {
    let header = json!({
        "version": 2,
        "width": size.cols(),
        "height": size.rows(),
        "timestamp": started.div_euclid(1000),
        "title": title,
        "env": { "TERM": TERM },
    });
    format!("{header}\n")
}

/// A line of what happened so long after the beginning.
pub(super) fn line(after: Duration, event: Event, data: &str) -> String {
    format!("[{:.6}, \"{}\", {}]\n", after.as_secs_f64(), event.code(), Value::from(data))
}

/// The bytes up to the end of the last whole line, and the time of that line after the beginning,
/// in milliseconds.
pub(super) fn whole(file: &mut File) -> io::Result<(u64, i64)> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    let Some(end) = tail.iter().rposition(|byte| *byte == b'\n') else { return Ok((from, 0)) };
    let start = tail[..end].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let last: Value = serde_json::from_slice(&tail[start..end]).unwrap_or_default();
    let seconds = last[0].as_f64().unwrap_or(0.0);
    Ok((from + end as u64 + 1, (seconds * 1000.0) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn file(text: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        file
    }

    #[test]
    fn the_end_of_a_file_is_that_of_its_last_whole_line() {
        let size = Size::new(80, 24).unwrap();
        let header = header(size, 1_795_234_660_014, "vps-01");
        let one = line(Duration::from_millis(1_500), Event::Output, "a\u{1b}[1m\n\"");
        assert_eq!(one, "[1.500000, \"o\", \"a\\u001b[1m\\n\\\"\"]\n");
        for (text, wanted, time) in [
            (String::new(), 0, 0),
            ("{\"version\"".to_owned(), 0, 0),
            (header.clone(), header.len(), 0),
            (format!("{header}[1.0"), header.len(), 0),
            (format!("{header}{one}"), header.len() + one.len(), 1_500),
            (format!("{header}{one}[2.0, \"o\", \"x"), header.len() + one.len(), 1_500),
        ] {
            assert_eq!(whole(&mut file(text.as_bytes())).unwrap(), (wanted as u64, time), "{text}");
        }
        let long = format!("{header}{}{one}", "x".repeat(3 << 20));
        assert_eq!(whole(&mut file(long.as_bytes())).unwrap().0, long.len() as u64);
    }

    proptest! {
        /// Any text is one line of JSON that says it again.
        #[test]
        fn a_line_says_what_was_shown(data: String, millis in 0_u64..10_000_000) {
            let text = line(Duration::from_millis(millis), Event::Output, &data);
            prop_assert_eq!(text.matches('\n').count(), 1);
            let back: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&back[2], &Value::from(data));
            prop_assert_eq!((back[0].as_f64().unwrap() * 1000.0).round() as u64, millis);
        }
    }
}
