//! How output has set a terminal up: what a browser that comes later must be told, when the output
//! that told it is not kept any more. Positions and what stands on the screen are not followed.

use std::collections::BTreeMap;

use super::scanner::{Scanner, Step};

/// Private modes (`ESC [ ? … h`) that are restored, with how they are at first; in the order in
/// which they are set, as the alternate screen must be there first.
const PRIVATE: [(u16, bool); 19] = [
    (47, false),
    (1047, false),
    (1049, false),
    (1, false),
    (5, false),
    (6, false),
    (7, true),
    (9, false),
    (12, false),
    (25, true),
    (45, false),
    (66, false),
    (1000, false),
    (1002, false),
    (1003, false),
    (1004, false),
    (1006, false),
    (1015, false),
    (2004, false),
];

/// Which of them mean the alternate screen.
const ALTERNATE: [u16; 3] = [47, 1047, 1049];

/// The longest title that is kept, in bytes.
const TITLE: usize = 256;

/// The state of a terminal as far as it is followed.
#[derive(Debug, Clone, Default)]
pub(super) struct Modes {
    scanner: Scanner,
    /// Private modes that are not as they were at first.
    private: Vec<u16>,
    /// `ESC [ 4 h`.
    insert: bool,
    /// `ESC =`.
    keypad: bool,
    /// What G0 and G1 are, when it is not ASCII, and whether G1 is used.
    sets: [Option<u8>; 2],
    shifted: bool,
    /// The parameters of the scrolling region.
    region: Option<String>,
    /// The parameter of the cursor's form.
    cursor: Option<String>,
    rendition: Rendition,
    title: Option<String>,
}

/// Colours and the like: `ESC [ … m`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Rendition {
    /// What is on, by what it is that turns it off again.
    on: BTreeMap<u16, String>,
}

impl Modes {
    /// Follows output.
    pub(super) fn feed(&mut self, data: &[u8]) {
        let mut rest = data;
        while !rest.is_empty() {
            if self.scanner.is_ground() {
                // Most of it is text.
                let plain = rest.iter().position(|byte| matches!(byte, 0x1b | 0x0e | 0x0f));
                rest = &rest[plain.unwrap_or(rest.len())..];
            }
            let Some((byte, behind)) = rest.split_first() else { return };
            rest = behind;
            let sequence = match self.scanner.push(*byte) {
                Step::Plain => {
                    self.shifted = *byte == 0x0e;
                    continue;
                }
                Step::Inside => continue,
                Step::Sequence(sequence) => sequence.to_vec(),
            };
            self.obey(&sequence);
        }
    }

    /// Whether no sequence is open.
    pub(super) fn is_ground(&self) -> bool {
        self.scanner.is_ground()
    }

    /// Whether a program seems to run that fills the screen: not all of them use the alternate
    /// one, but those that do not want the keys or the cursor to be other than a shell does.
    pub(super) fn fills_screen(&self) -> bool {
        const OTHERS: [u16; 2] = [1, 25];
        let is = |mode: &u16| ALTERNATE.contains(mode) || OTHERS.contains(mode);
        self.keypad || self.private.iter().any(is)
    }

    fn obey(&mut self, sequence: &[u8]) {
        match sequence {
            [0x1b, b'c'] => *self = Modes { title: self.title.take(), ..Modes::default() },
            [0x1b, b'='] => self.keypad = true,
            [0x1b, b'>'] => self.keypad = false,
            [0x1b, b'(', set] => self.sets[0] = (*set != b'B').then_some(*set),
            [0x1b, b')', set] => self.sets[1] = (*set != b'B').then_some(*set),
            [0x1b, b'[', parameters @ .., last] => {
                if let Ok(parameters) = std::str::from_utf8(parameters) {
                    self.control(parameters, *last);
                }
            }
            [0x1b, b']', text @ .., _] => self.command(text),
            _ => {}
        }
    }

    fn control(&mut self, parameters: &str, last: u8) {
        match (parameters, last) {
            ("!", b'p') => self.soft_reset(),
            ("4", b'h') => self.insert = true,
            ("4", b'l') => self.insert = false,
            (_, b'h' | b'l') => {
                let modes = parameters.strip_prefix('?').unwrap_or_default().split(';');
                let modes: Vec<u16> = modes.filter_map(|mode| mode.parse().ok()).collect();
                modes.into_iter().for_each(|mode| self.set(mode, last == b'h'));
            }
            (form, b'q') if form.ends_with(' ') => self.cursor = Some(form.to_owned()),
            (_, b'r') if is_numbers(parameters) => {
                self.region = (!parameters.is_empty()).then(|| parameters.to_owned());
            }
            (_, b'm') => self.rendition.change(parameters),
            _ => {}
        }
    }

    fn set(&mut self, mode: u16, on: bool) {
        let Some((_, first)) = PRIVATE.iter().find(|(one, _)| *one == mode) else { return };
        if ALTERNATE.contains(&mode) {
            // They are one screen: it is left by each of them.
            self.private.retain(|one| !ALTERNATE.contains(one));
        }
        self.private.retain(|one| *one != mode);
        if on != *first {
            self.private.push(mode);
        }
    }

    /// What `ESC [ ! p` does.
    fn soft_reset(&mut self) {
        [(1, false), (6, false), (7, true), (25, true), (66, false)]
            .into_iter()
            .for_each(|(mode, on)| self.set(mode, on));
        (self.insert, self.keypad, self.shifted) = (false, false, false);
        (self.sets, self.region, self.rendition) = ([None; 2], None, Rendition::default());
    }

    /// `ESC ] …`: the title.
    fn command(&mut self, text: &[u8]) {
        let title = text.strip_prefix(b"0;").or_else(|| text.strip_prefix(b"2;"));
        if let Some(title) = title {
            let text = String::from_utf8_lossy(title);
            self.title = (title.len() <= TITLE && !title.is_empty()).then(|| text.into_owned());
        }
    }

    /// What brings a terminal that was reset into this state.
    pub(super) fn prelude(&self) -> String {
        let mut text = String::new();
        for (mode, first) in PRIVATE {
            if self.private.contains(&mode) {
                text += &format!("\x1b[?{mode}{}", if first { 'l' } else { 'h' });
            }
        }
        if let Some(title) = &self.title {
            text += &format!("\x1b]2;{title}\x07");
        }
        if let Some(region) = &self.region {
            text += &format!("\x1b[{region}r");
        }
        if let Some(form) = &self.cursor {
            text += &format!("\x1b[{form}q");
        }
        for (set, open) in self.sets.iter().zip(['(', ')']) {
            text.extend(set.iter().map(|set| format!("\x1b{open}{}", char::from(*set))));
        }
        let single = [(self.insert, "\x1b[4h"), (self.keypad, "\x1b="), (self.shifted, "\x0e")];
        text.extend(single.iter().filter(|(on, _)| *on).map(|(_, sequence)| *sequence));
        text + &self.rendition.sequence()
    }

    /// What brings a terminal out of this state, for the shell that comes next.
    pub(super) fn undo(&self) -> String {
        let mut text = String::new();
        if !self.is_ground() {
            text.push('\x18');
        }
        for (mode, first) in PRIVATE.into_iter().rev() {
            if self.private.contains(&mode) {
                text += &format!("\x1b[?{mode}{}", if first { 'h' } else { 'l' });
            }
        }
        text + "\x1b[!p\x1b(B\x1b)B\x0f\x1b[m"
    }
}

fn is_numbers(parameters: &str) -> bool {
    parameters.bytes().all(|byte| byte.is_ascii_digit() || byte == b';')
}

impl Rendition {
    fn change(&mut self, parameters: &str) {
        if !parameters.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b';' | b':')) {
            return;
        }
        let mut rest = parameters.split(';');
        while let Some(one) = rest.next() {
            // What stands behind a colon belongs to it.
            let code: u16 = one.split(':').next().and_then(|code| code.parse().ok()).unwrap_or(0);
            let mut whole = one.to_owned();
            if matches!(code, 38 | 48 | 58) && !one.contains(':') {
                let kind = rest.next().unwrap_or_default();
                let more = match kind {
                    "5" => 1,
                    "2" => 3,
                    _ => 0,
                };
                let parts: Vec<&str> = [kind].into_iter().chain(rest.by_ref().take(more)).collect();
                whole = format!("{code};{}", parts.join(";"));
            }
            self.take(code, whole);
        }
    }

    fn take(&mut self, code: u16, whole: String) {
        let ends = match code {
            1 | 2 => 22,
            3 => 23,
            4 | 21 => 24,
            5 | 6 => 25,
            7..=9 => 20 + code,
            30..=38 | 90..=97 => 39,
            40..=48 | 100..=107 => 49,
            53 => 55,
            58 => 59,
            0 => return self.on.clear(),
            other => {
                self.on.remove(&other);
                return;
            }
        };
        // Bold and faint can both be on.
        match self.on.get_mut(&ends) {
            Some(on) if ends == 22 && *on != whole => *on = "1;2".to_owned(),
            _ => drop(self.on.insert(ends, whole)),
        }
    }

    fn sequence(&self) -> String {
        if self.on.is_empty() {
            return String::new();
        }
        let codes: Vec<&str> = self.on.values().map(String::as_str).collect();
        format!("\x1b[{}m", codes.join(";"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn after(text: &str) -> Modes {
        let mut modes = Modes::default();
        modes.feed(text.as_bytes());
        modes
    }

    #[test]
    fn what_was_set_is_restored() {
        for (text, prelude) in [
            ("plain", ""),
            ("\x1b[?1049h\x1b[?25l", "\x1b[?1049h\x1b[?25l"),
            ("\x1b[?25l\x1b[?1049h\x1b[?25h", "\x1b[?1049h"),
            ("\x1b[?1049h\x1b[?47l", ""),
            ("\x1b[?1;2004h", "\x1b[?1h\x1b[?2004h"),
            ("\x1b[?1000h\x1b[?1006h\x1b[?1000l", "\x1b[?1006h"),
            ("\x1b[?9999h\x1b[20h", ""),
            ("\x1b[?7l\x1b=\x1b[4h", "\x1b[?7l\x1b[4h\x1b="),
            ("\x1b[3;20r\x1b[2 q", "\x1b[3;20r\x1b[2 q"),
            ("\x1b[3;20r\x1b[r", ""),
            ("\x1b(0\x0e", "\x1b(0\x0e"),
            ("\x1b(0\x0e\x0f\x1b(B", ""),
            ("\x1b[1;31mred", "\x1b[1;31m"),
            ("\x1b[1;31mred\x1b[0m", ""),
            ("\x1b[1;31mred\x1b[m", ""),
            ("\x1b[31;42m\x1b[39m", "\x1b[42m"),
            ("\x1b[38;5;208;4m", "\x1b[4;38;5;208m"),
            ("\x1b[38;2;1;2;3m\x1b[48:2::4:5:6m", "\x1b[38;2;1;2;3;48:2::4:5:6m"),
            ("\x1b[1m\x1b[2m\x1b[4:3m", "\x1b[1;2;4:3m"),
            ("\x1b[>4;2m\x1b[?4m", ""),
            ("\x1b]0;a title\x07", "\x1b]2;a title\x07"),
            ("\x1b]2;a title\x1b\\", "\x1b]2;a title\x07"),
            ("\x1b]8;;http://x\x07", ""),
            ("\x1b[?25l\x1b[4m\x1b[!p", ""),
            ("\x1b[?1049h\x1b[31m\x1bc", ""),
        ] {
            assert_eq!(after(text).prelude(), prelude, "{text:?}");
        }
    }

    #[test]
    fn what_was_set_is_undone() {
        let text = "\x1b[?1049h\x1b[?25l\x1b[?1002h\x1b[31m\x1b[2;3r\x1b(0\x0e\x1b=\x1b[4h";
        let undo = after(text).undo();
        assert_eq!(after(&format!("{text}{undo}")).prelude(), "");
        assert!(undo.contains("\x1b[?1049l"), "{undo:?}");
        let cut = after("\x1b]0;never ended");
        assert!(after(&format!("\x1b]0;never ended{}", cut.undo())).is_ground());
    }

    #[test]
    fn a_full_screen_program_is_seen() {
        for (text, fills) in [
            ("\x1b[?1049h", true),
            ("\x1b[?1047h", true),
            ("\x1b[?1049h\x1b[?1049l", false),
            ("\x1b[?1h\x1b=", true),
            ("\x1b[?25l", true),
            ("\x1b[?2004hprompt", false),
        ] {
            assert_eq!(after(text).fills_screen(), fills, "{text:?}");
        }
    }

    /// Pieces of sequences and text.
    fn output() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            "[a-z\r\n\u{e9}]{0,4}",
            "\x1b\\[\\??[0-9;:]{0,6}[hlmrHJpq]",
            "\x1b[c=>78]",
            "\x1b[()][0AB]",
            "\x1b\\][02];[a-z]{0,5}(\x07|\x1b\\\\)",
            "\x1b\\[[?!]?(1049|25|7|2004|1|66)[hl]",
            "[\x0e\x0f\x18\x1b]",
        ];
        proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        /// A terminal that is told the prelude is in the same state.
        #[test]
        fn a_prelude_leads_to_the_state_that_it_was_made_of(text in output()) {
            let modes = after(&text);
            let restored = after(&modes.prelude());
            prop_assert_eq!(restored.prelude(), modes.prelude());
            let undone = after(&format!("{text}{}", modes.undo()));
            let cursor_and_title = Modes {
                cursor: undone.cursor.clone(), title: undone.title.clone(), ..Modes::default() };
            prop_assert_eq!(undone.prelude(), cursor_and_title.prelude());
        }

        /// It makes no difference how the output is cut.
        #[test]
        fn cuts_make_no_difference(text in output(), at: prop::sample::Index) {
            let (one, two) = text.as_bytes().split_at(at.index(text.len() + 1));
            let mut modes = Modes::default();
            modes.feed(one);
            modes.feed(two);
            prop_assert_eq!(modes.prelude(), after(&text).prelude());
        }
    }
}
