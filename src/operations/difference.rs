//! The difference between two outputs as people read it: unified, line by line, in bounded time.

use std::time::{Duration, Instant};

use similar::algorithms::{Capture, Replace, diff_deadline};
use similar::{Algorithm, DiffOp, DiffTag, group_diff_ops};

use super::ScriptOutput;
use crate::ssh::Stream;

/// Bytes of a stream beyond which it is not compared.
const LARGEST: usize = 256 * 1024;
/// Lines of a stream beyond which it is not compared.
const MOST_LINES: usize = 20_000;
/// The time for one stream; then the rest is told as changed altogether.
const EACH: Duration = Duration::from_millis(200);
/// The time for all comparisons of one answer.
const TOGETHER: Duration = Duration::from_secs(3);
/// Equal lines told around a change.
const CONTEXT: usize = 3;

/// What is different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// A unified difference of any bytes; empty when the outputs are equal.
    Told(Vec<u8>),
    /// It is left out, for this reason.
    Omitted(String),
}

/// Compares outputs, as long as there is time.
#[derive(Debug)]
pub struct Comparison {
    end: Instant,
}

impl Default for Comparison {
    fn default() -> Comparison {
        Comparison { end: Instant::now() + TOGETHER }
    }
}

/// An output with the name that the difference gives it.
pub type Named<'a> = (&'a str, &'a ScriptOutput);

impl Comparison {
    /// What is different in `new` from `old`: standard output, then standard error, each with its
    /// name in the header.
    pub fn of(&self, old: Named<'_>, new: Named<'_>) -> Difference {
        let mut told = Vec::new();
        for stream in [Stream::Stdout, Stream::Stderr] {
            let (before, after) = (old.1.of(stream), new.1.of(stream));
            if before == after {
                continue;
            }
            let name = stream.as_str();
            let (Some(before), Some(after)) = (lines(before), lines(after)) else {
                let bounds = format!("{LARGEST} bytes or {MOST_LINES} lines");
                return Difference::Omitted(format!("{name} has more than {bounds}"));
            };
            let now = Instant::now();
            if now >= self.end {
                let seconds = TOGETHER.as_secs();
                let text = format!("comparing the groups before took {seconds} s already");
                return Difference::Omitted(text);
            }
            told.extend(format!("--- {} {name}\n+++ {} {name}\n", old.0, new.0).into_bytes());
            unified(&before, &after, self.end.min(now + EACH), &mut told);
        }
        Difference::Told(told)
    }
}

/// The lines with their ends; none when there are too many to compare.
fn lines(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    if bytes.len() > LARGEST {
        return None;
    }
    let lines: Vec<_> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    (lines.len() <= MOST_LINES).then_some(lines)
}

fn unified(old: &[&[u8]], new: &[&[u8]], deadline: Instant, told: &mut Vec<u8>) {
    let mut found = Replace::new(Capture::new());
    let (all_old, all_new) = (0..old.len(), 0..new.len());
    // Capturing never fails.
    let _ = diff_deadline(Algorithm::Myers, &mut found, old, all_old, new, all_new, Some(deadline));
    for hunk in group_diff_ops(found.into_inner().into_ops(), CONTEXT) {
        let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { continue };
        let range = |of: fn(&DiffOp) -> std::ops::Range<usize>| {
            let (start, length) = (of(first).start, of(last).end - of(first).start);
            // An empty range is named by the line before it.
            format!("{},{length}", start + usize::from(length > 0))
        };
        let (from, to) = (range(DiffOp::old_range), range(DiffOp::new_range));
        told.extend(format!("@@ -{from} +{to} @@\n").into_bytes());
        for op in &hunk {
            if op.tag() == DiffTag::Equal {
                put(told, b' ', &old[op.old_range()]);
            } else {
                put(told, b'-', &old[op.old_range()]);
                put(told, b'+', &new[op.new_range()]);
            }
        }
    }
}

fn put(told: &mut Vec<u8>, sign: u8, lines: &[&[u8]]) {
    for line in lines {
        told.push(sign);
        told.extend_from_slice(line);
        if !line.ends_with(b"\n") {
            told.extend_from_slice(b"\n\\ No newline at end of file\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn output(stdout: &[u8], stderr: &[u8]) -> ScriptOutput {
        ScriptOutput { stdout: stdout.to_vec(), stderr: stderr.to_vec() }
    }

    fn told(old: &ScriptOutput, new: &ScriptOutput) -> String {
        match Comparison::default().of(("a", old), ("b", new)) {
            Difference::Told(bytes) => String::from_utf8(bytes).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn streams_are_told_one_after_the_other() {
        let (old, new) = (output(b"1\n2\n3\n", b"x"), output(b"1\n3\n", b"x\ny\n"));
        let wanted = "--- a stdout\n+++ b stdout\n@@ -1,3 +1,2 @@\n 1\n-2\n 3\n\
            --- a stderr\n+++ b stderr\n@@ -1,1 +1,2 @@\n-x\n\\ No newline at end of file\n+x\n+y\n";
        assert_eq!(told(&old, &new), wanted);
        assert_eq!(told(&old, &old), "");
        let only = told(&output(b"same", b""), &output(b"same", b"new\n"));
        assert_eq!(only, "--- a stderr\n+++ b stderr\n@@ -0,0 +1,1 @@\n+new\n");
    }

    #[test]
    fn distant_changes_are_hunks_of_their_own() {
        let text = |change: &str| {
            let lines =
                (1..=20).map(|n| if n == 2 || n == 19 { change.into() } else { n.to_string() });
            lines.map(|line| line + "\n").collect::<String>()
        };
        let told = told(&output(text("old").as_bytes(), b""), &output(text("new").as_bytes(), b""));
        let hunks: Vec<&str> = told.lines().filter(|line| line.starts_with("@@")).collect();
        assert_eq!(hunks, ["@@ -1,5 +1,5 @@", "@@ -16,5 +16,5 @@"]);
    }

    #[test]
    fn what_is_too_large_is_left_out_and_says_so() {
        let comparison = Comparison::default();
        let small = output(b"", b"");
        for (large, words) in [
            (output(&[b'x'; LARGEST + 1], b""), "stdout has more than"),
            (output(b"", &b"\n".repeat(MOST_LINES + 1)), "stderr has more than"),
        ] {
            for (old, new) in [(&large, &small), (&small, &large)] {
                let Difference::Omitted(text) = comparison.of(("a", old), ("b", new)) else {
                    panic!("it was compared")
                };
                assert!(text.starts_with(words), "{text}");
            }
            assert_eq!(comparison.of(("a", &large), ("b", &large)), Difference::Told(Vec::new()));
        }
        let late = Comparison { end: Instant::now() };
        let changed = output(b"1", b"");
        assert!(matches!(late.of(("a", &small), ("b", &changed)), Difference::Omitted(_)));
    }

    /// What hunks make of the old lines.
    fn apply(old: &[u8], hunks: &[u8]) -> Vec<u8> {
        let old: Vec<&[u8]> = old.split_inclusive(|byte| *byte == b'\n').collect();
        let (mut at, mut new) = (0, Vec::new());
        for line in hunks.split_inclusive(|byte| *byte == b'\n') {
            if let Some(range) = line.strip_prefix(b"@@ -") {
                let text = String::from_utf8_lossy(range);
                let (start, rest) = text.split_once(',').unwrap();
                let length = rest.split_once(' ').unwrap().0;
                let start = start.parse::<usize>().unwrap() - usize::from(length != "0");
                new.extend_from_slice(&old[at..start].concat());
                at = start;
            } else {
                let (sign, text) = line.split_at(1);
                at += usize::from(sign != b"+");
                if sign != b"-" {
                    new.extend_from_slice(text);
                }
            }
        }
        new.extend_from_slice(&old[at..].concat());
        new
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![4 => Just(b'a'), 4 => Just(b'\n'), 1 => any::<u8>()];
        // Whole lines: their last ends are looked at above.
        proptest::collection::vec(byte, 0..80).prop_map(|bytes| [&bytes[..], b"\n"].concat())
    }

    proptest! {
        /// Any bytes: applied to the old output, the difference makes the new one of it.
        #[test]
        fn a_difference_leads_from_one_output_to_the_other(old in bytes(), new in bytes()) {
            let outputs = (output(&old, b""), output(&new, b""));
            let difference = Comparison::default().of(("a", &outputs.0), ("b", &outputs.1));
            let Difference::Told(told) = difference else { panic!("{difference:?}") };
            let hunks = told.strip_prefix(b"--- a stdout\n+++ b stdout\n").unwrap_or(b"");
            prop_assert_eq!(apply(&old, hunks), new);
        }
    }
}
