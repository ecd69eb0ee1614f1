//! What a script prints on its way to the transcript: cut at the limit, characters kept whole.

use crate::ssh::Stream;

/// One output stream of one execution.
#[derive(Debug)]
pub(super) struct Intake {
    limit: usize,
    /// Bytes taken from the machine, also those that were not kept.
    received: u64,
    kept: usize,
    /// The beginning of a character whose rest has not come yet.
    held: Vec<u8>,
    truncated: bool,
}

impl Intake {
    /// A stream of which at most `limit` bytes are kept and `kept` are safe already.
    pub(super) fn new(limit: usize, kept: usize) -> Intake {
        Intake { limit, received: kept as u64, kept, held: Vec::new(), truncated: false }
    }

    /// Where to go on after the connection was lost, in bytes from the beginning.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Takes what the machine sent; gives what can be shown now, which may be nothing.
    pub(super) fn take(&mut self, data: &[u8]) -> Vec<u8> {
        self.received += data.len() as u64;
        // The limit may have been lowered since the first part was kept.
        let room = self.limit.saturating_sub(self.kept).min(data.len());
        self.truncated |= room < data.len();
        self.kept += room;
        let mut whole = std::mem::take(&mut self.held);
        whole.extend_from_slice(&data[..room]);
        self.held = whole.split_off(complete(&whole));
        whole
    }

    /// What is left at the end. A character that the limit has cut is dropped.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let rest = std::mem::take(&mut self.held);
        if self.truncated { Vec::new() } else { rest }
    }
}

/// Where an incomplete UTF-8 character begins at the end of `data`, or its length.
fn complete(data: &[u8]) -> usize {
    for back in 1..=data.len().min(3) {
        let at = data.len() - back;
        let needed = match data[at] {
            0x80..=0xBF => continue,
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            _ => 1,
        };
        return if needed > back { at } else { data.len() };
    }
    data.len()
}

/// The two streams of one execution.
#[derive(Debug)]
pub(super) struct Intakes {
    out: Intake,
    err: Intake,
}

impl Intakes {
    /// Both streams with the same limit; what is safe already as (stdout, stderr).
    pub(super) fn new(limit: usize, kept: (usize, usize)) -> Intakes {
        Intakes { out: Intake::new(limit, kept.0), err: Intake::new(limit, kept.1) }
    }

    /// The one of `stream`.
    pub(super) fn of(&mut self, stream: Stream) -> &mut Intake {
        match stream {
            Stream::Stdout => &mut self.out,
            Stream::Stderr => &mut self.err,
        }
    }

    /// Whether either was cut.
    pub(super) fn truncated(&self) -> bool {
        self.out.truncated || self.err.truncated
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_stream_that_was_cut_is_told() {
        for (out, err) in [(0, 0), (3, 0), (0, 3), (3, 3)] {
            let mut intakes = Intakes::new(2, (0, 0));
            intakes.of(Stream::Stdout).take(&vec![b'x'; out]);
            intakes.of(Stream::Stderr).take(&vec![b'x'; err]);
            assert_eq!(intakes.truncated(), out + err > 0, "{out}, {err}");
        }
    }

    proptest! {
        /// P16: any bytes in any pieces arrive unchanged, up to the limit.
        #[test]
        fn p16_any_bytes_arrive_unchanged_up_to_the_limit(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..20),
            limit in 0_usize..200,
        ) {
            let all = pieces.concat();
            let mut intake = Intake::new(limit, 0);
            let mut got: Vec<u8> = pieces.iter().flat_map(|piece| intake.take(piece)).collect();
            got.extend(intake.finish());
            prop_assert_eq!(intake.truncated, all.len() > limit);
            prop_assert_eq!(intake.received(), all.len() as u64);
            prop_assert!(all.starts_with(&got));
            let least = if all.len() > limit { limit.saturating_sub(3) } else { all.len() };
            prop_assert!(got.len() >= least && got.len() <= limit);
        }

        #[test]
        fn text_is_never_cut_inside_a_character(text in "\\PC{0,40}", size in 1_usize..5) {
            let mut intake = Intake::new(1_000, 0);
            let mut got = String::new();
            for piece in text.as_bytes().chunks(size) {
                got.push_str(std::str::from_utf8(&intake.take(piece)).unwrap());
            }
            prop_assert_eq!(got, text);
            prop_assert!(intake.finish().is_empty());
        }
    }
}
