//! Where control sequences (ECMA-48, as in xterm) begin and end in a stream of bytes.

/// The longest sequence whose content is looked at; titles may be this long.
const LONGEST: usize = 1024;

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;

/// What a byte was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// Text, or a control character.
    Plain,
    /// Part of a sequence.
    Inside,
    /// The end of a sequence, which is given from its ESC on; one that is too long or was broken
    /// off is given empty.
    Sequence(&'a [u8]),
}

/// Reads byte by byte.
#[derive(Debug, Clone, Default)]
pub(super) struct Scanner {
    place: Place,
    sequence: Vec<u8>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Ground,
    /// Behind an ESC, and behind the intermediate bytes after it.
    Escape,
    /// In a control sequence, `ESC [`.
    Control,
    /// In a string (OSC, DCS, SOS, PM, APC), which ST ends, or BEL.
    Text,
    /// Behind an ESC in a string.
    TextEscape,
}

impl Scanner {
    /// Whether no sequence is open.
    pub(super) fn is_ground(&self) -> bool {
        self.place == Place::Ground
    }

    /// Takes the next byte.
    pub(super) fn push(&mut self, byte: u8) -> Step<'_> {
        if self.is_ground() && byte != ESC {
            return Step::Plain;
        }
        let text = matches!(self.place, Place::Text | Place::TextEscape);
        if matches!(byte, CAN | SUB) {
            return self.end(None);
        }
        if byte == ESC && !text {
            self.sequence.clear();
            self.place = Place::Escape;
            return self.keep(byte);
        }
        match self.place {
            Place::Ground => Step::Plain,
            Place::Escape => self.escape(byte),
            // Control characters are obeyed in the middle of a sequence and are not part of it.
            Place::Control if byte < 0x20 => Step::Inside,
            Place::Control if (0x40..=0x7e).contains(&byte) => self.end(Some(byte)),
            Place::Control if byte < 0x7f => self.keep(byte),
            Place::Control => self.end(None),
            Place::Text => match byte {
                BEL => self.end(Some(byte)),
                ESC => {
                    self.place = Place::TextEscape;
                    Step::Inside
                }
                _ => self.keep(byte),
            },
            Place::TextEscape if byte == b'\\' => self.end(Some(BEL)),
            Place::TextEscape => {
                // Another sequence has begun.
                self.sequence.clear();
                self.sequence.push(ESC);
                self.place = Place::Escape;
                if byte == ESC { Step::Inside } else { self.escape(byte) }
            }
        }
    }

    fn escape(&mut self, byte: u8) -> Step<'_> {
        match byte {
            0x00..=0x1f => Step::Inside,
            0x20..=0x2f => self.keep(byte),
            b'[' if self.sequence.len() == 1 => {
                self.place = Place::Control;
                self.keep(byte)
            }
            b']' | b'P' | b'X' | b'^' | b'_' if self.sequence.len() == 1 => {
                self.place = Place::Text;
                self.keep(byte)
            }
            0x30..=0x7e => self.end(Some(byte)),
            _ => self.end(None),
        }
    }

    fn keep(&mut self, byte: u8) -> Step<'_> {
        if self.sequence.len() < LONGEST {
            self.sequence.push(byte);
        }
        Step::Inside
    }

    fn end(&mut self, last: Option<u8>) -> Step<'_> {
        self.place = Place::Ground;
        match last {
            Some(byte) if self.sequence.len() < LONGEST => self.sequence.push(byte),
            _ => self.sequence.clear(),
        }
        Step::Sequence(&self.sequence)
    }
}

/// Whether a sequence asks the terminal something: what it answers would be typed into the shell.
pub(super) fn is_question(sequence: &[u8]) -> bool {
    let within = |from: usize| {
        let end = sequence.len().saturating_sub(1).max(from);
        sequence.get(from..end).unwrap_or_default()
    };
    match sequence {
        [ESC, b'Z'] => true,
        [ESC, b'[', .., last] => match last {
            b'c' | b'x' => true,
            b'n' => !within(2).starts_with(b">"),
            b'q' => within(2).starts_with(b">"),
            b'p' => within(2).ends_with(b"$"),
            b'w' => within(2).ends_with(b"$"),
            b'y' => within(2).ends_with(b"*"),
            b'u' => within(2).starts_with(b"?"),
            b't' => {
                matches!(
                    within(2),
                    b"11" | b"13" | b"14" | b"15" | b"16" | b"18" | b"19" | b"20" | b"21"
                ) || within(2).starts_with(b"13;")
                    || within(2).starts_with(b"14;")
            }
            _ => false,
        },
        [ESC, b']', ..] => within(2).ends_with(b";?"),
        [ESC, b'P', ..] => within(2).starts_with(b"+q") || within(2).starts_with(b"$q"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequences(text: &[u8]) -> Vec<Vec<u8>> {
        let mut scanner = Scanner::default();
        let found = text.iter().filter_map(|byte| match scanner.push(*byte) {
            Step::Sequence(sequence) => Some(sequence.to_vec()),
            _ => None,
        });
        found.collect()
    }

    #[test]
    fn sequences_are_found_in_text() {
        for (text, found) in [
            (&b"plain\r\n"[..], &[][..]),
            (b"a\x1b[0mb", &[&b"\x1b[0m"[..]]),
            (b"\x1b[?1049h\x1b[2J", &[b"\x1b[?1049h", b"\x1b[2J"]),
            (b"\x1b]0;title\x07x", &[b"\x1b]0;title\x07"]),
            (b"\x1b]0;title\x1b\\x", &[b"\x1b]0;title\x07"]),
            (b"\x1bP+q544e\x1b\\", &[b"\x1bP+q544e\x07"]),
            (b"\x1b(0qqq\x1b(B", &[b"\x1b(0", b"\x1b(B"]),
            (b"\x1bc", &[b"\x1bc"]),
            (b"\x1b[1\r;2H", &[b"\x1b[1;2H"]),
            (b"\x1b[3\x18m", &[b""]),
            (b"\x1b[3\x1b[4m", &[b"\x1b[4m"]),
            (b"\x1b]0;cut\x1b[4m", &[b"\x1b[4m"]),
            ("\u{1b}[3\u{e9}m".as_bytes(), &[b""]),
        ] {
            assert_eq!(sequences(text), found, "{text:?}");
        }
    }

    #[test]
    fn an_endless_sequence_takes_bounded_memory() {
        let mut scanner = Scanner::default();
        for byte in b"\x1b]0;".iter().chain(std::iter::repeat_n(&b'x', 1 << 20)) {
            scanner.push(*byte);
        }
        assert_eq!(scanner.sequence.len(), LONGEST);
        assert_eq!(scanner.push(BEL), Step::Sequence(b""));
        assert!(scanner.is_ground());
    }

    #[test]
    fn questions_are_told_from_orders() {
        for (sequence, is) in [
            (&b"\x1b[c"[..], true),
            (b"\x1b[>c", true),
            (b"\x1b[6n", true),
            (b"\x1b[?6n", true),
            (b"\x1b[>4n", false),
            (b"\x1b[>q", true),
            (b"\x1b[2 q", false),
            (b"\x1b[?2026$p", true),
            (b"\x1b[!p", false),
            (b"\x1b[?u", true),
            (b"\x1b[u", false),
            (b"\x1b[18t", true),
            (b"\x1b[22;0t", false),
            (b"\x1b]11;?\x07", true),
            (b"\x1b]4;1;?\x07", true),
            (b"\x1b]0;what?\x07", false),
            (b"\x1bP+q544e\x07", true),
            (b"\x1b[0m", false),
            (b"\x1b[m", false),
            (b"\x1b[", false),
            (b"", false),
        ] {
            assert_eq!(is_question(sequence), is, "{sequence:?}");
        }
    }
}
