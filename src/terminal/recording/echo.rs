//! Which of what is typed may be recorded: what the PTY shows. A password is typed while the remote
//! side shows nothing, and nothing tells us so; so characters wait until they are seen in the
//! output, and are forgotten when something else is seen instead. Keys that write nothing (Enter,
//! arrows, Ctrl-C) are no secret.

use std::iter::Peekable;
use std::str::Chars;

/// Bytes of keys that wait; with more they are forgotten, as nobody types as far ahead.
const MOST: usize = 4096;

/// Typed characters that nobody has seen yet.
#[derive(Debug, Default)]
pub(super) struct Echo {
    waiting: Vec<Token>,
}

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// It writes this.
    Character(char),
    /// It writes nothing: a control character, or an escape sequence.
    Key(String),
}

impl Token {
    /// In bytes; at least one.
    fn len(&self) -> usize {
        match self {
            Token::Character(one) => one.len_utf8(),
            Token::Key(key) => key.len(),
        }
    }
}

impl Echo {
    /// Takes what was typed, and gives what can be recorded at once.
    pub(super) fn typed(&mut self, data: &str) -> Option<String> {
        let mut now = String::new();
        for token in tokens(data) {
            match token {
                Token::Key(key) if self.waiting.is_empty() => now += &key,
                token => self.waiting.push(token),
            }
        }
        if self.waiting.iter().map(Token::len).sum::<usize>() > MOST {
            now += &self.forget();
        }
        Some(now).filter(|text| !text.is_empty())
    }

    /// Looks at output, and gives what was typed and is shown by it.
    pub(super) fn shown(&mut self, output: &str) -> Option<String> {
        if self.waiting.is_empty() {
            return None;
        }
        let (mut seen, mut matched) = (String::new(), 0);
        let mut output = visible(output).into_iter().peekable();
        while let Some(token) = self.waiting.get(matched) {
            match (token, output.peek()) {
                (Token::Key(key), _) => {
                    seen += key;
                    // Enter shows itself as the end of the line.
                    let ends = key == "\r" || key == "\n";
                    while ends && output.next_if(|one| matches!(one, '\r' | '\n')).is_some() {}
                }
                (Token::Character(wanted), Some(shown)) if wanted == shown => {
                    seen.push(*wanted);
                    output.next();
                }
                (Token::Character(_), None) => break,
                (Token::Character(_), Some(_)) => {
                    self.waiting.drain(..matched);
                    seen += &self.forget();
                    return Some(seen).filter(|text| !text.is_empty());
                }
            }
            matched += 1;
        }
        self.waiting.drain(..matched);
        Some(seen).filter(|text| !text.is_empty())
    }

    /// Forgets the characters that wait, and gives the keys between them.
    fn forget(&mut self) -> String {
        let keys = self.waiting.drain(..).filter_map(|token| match token {
            Token::Key(key) => Some(key),
            Token::Character(_) => None,
        });
        keys.collect()
    }
}

/// The keys of a text.
fn tokens(text: &str) -> Vec<Token> {
    let (mut tokens, mut rest) = (Vec::new(), text.chars().peekable());
    while let Some(one) = rest.next() {
        tokens.push(match one {
            '\x1b' => Token::Key(sequence(&mut rest)),
            one if one.is_control() => Token::Key(one.to_string()),
            one => Token::Character(one),
        });
    }
    tokens
}

/// The characters that a text shows, with the ends of its lines.
fn visible(text: &str) -> Vec<char> {
    let (mut shown, mut rest) = (Vec::new(), text.chars().peekable());
    while let Some(one) = rest.next() {
        match one {
            '\x1b' => drop(sequence(&mut rest)),
            '\r' | '\n' => shown.push(one),
            one if one.is_control() => {}
            one => shown.push(one),
        }
    }
    shown
}

/// What belongs to an escape that was just read: a control sequence (ECMA-48 section 5.4), the key
/// of an application keypad, or nothing.
fn sequence(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut text = "\x1b".to_owned();
    if rest.peek() == Some(&'O') {
        text.extend(rest.next());
        text.extend(rest.next_if(|one| ('\x40'..='\x7e').contains(one)));
    } else if rest.peek() == Some(&'[') {
        text.extend(rest.next());
        while let Some(one) = rest.next_if(|one| ('\x20'..='\x3f').contains(one)) {
            text.push(one);
        }
        text.extend(rest.next_if(|one| ('\x40'..='\x7e').contains(one)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Types and shows in turns; gives all that was recorded.
    fn recorded(steps: &[(&str, &str)]) -> String {
        let mut echo = Echo::default();
        let mut all = String::new();
        for (typed, shown) in steps {
            all.extend(echo.typed(typed));
            all.extend(echo.shown(shown));
        }
        all
    }

    #[test]
    fn what_is_shown_is_recorded_and_what_is_not_is_forgotten() {
        for (steps, wanted) in [
            (&[("l", "l"), ("s", "s"), ("\r", "\r\nfile\r\n$ ")][..], "ls\r"),
            (&[("ls -l\r", "ls -l\r\ntotal 0\r\n")], "ls -l\r"),
            (&[("abc", "a"), ("", "b\x1b[Kc")], "abc"),
            // A password, at once and by the letter.
            (&[("secret\r", "\r\nSorry\r\n")], "\r"),
            (&[("s", ""), ("e", ""), ("c\r", "\r\n$ ")], "\r"),
            // Between two lines that are shown.
            (
                &[("sudo x\r", "sudo x\r\npassword: "), ("pw\r", "\r\n$ "), ("id", "id")],
                "sudo x\r\rid",
            ),
            // Keys that write nothing, alone and with others.
            (&[("\x03", "^C\r\n$ "), ("\x1b[A\x1bOP\t", "ls")], "\x03\x1b[A\x1bOP\t"),
            // What is pasted is no key.
            (&[("\x1b[200~secret\x1b[201~", "\r\n")], "\x1b[200~\x1b[201~"),
            (&[("é漢", "é漢")], "é漢"),
            (&[("x", "\x1b[?2004h"), ("", "x")], "x"),
        ] {
            assert_eq!(recorded(steps), wanted, "{steps:?}");
        }
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut echo = Echo::default();
        assert_eq!(echo.typed(&"x".repeat(MOST)), None);
        assert_eq!(echo.typed("y\r"), Some("\r".to_owned()));
        assert_eq!(echo.shown("xx"), None);
        // A sequence can be as long as a message.
        let long = format!("\x1b[{}A", "1;".repeat(MOST));
        assert!(echo.typed(&format!("x{long}")) == Some(long));
        assert!(echo.waiting.is_empty());
    }

    proptest! {
        /// Where nothing of it is shown, nothing that writes something is recorded.
        #[test]
        fn what_is_typed_blindly_is_never_recorded(secret in "[a-z]{1,20}", pieces in 1_usize..5) {
            let mut echo = Echo::default();
            let mut all = String::new();
            let letters: Vec<char> = secret.chars().collect();
            for piece in letters.chunks(letters.len().div_ceil(pieces)) {
                all.extend(echo.typed(&piece.iter().collect::<String>()));
                all.extend(echo.shown(""));
            }
            all.extend(echo.typed("\r"));
            all.extend(echo.shown("\r\n# "));
            prop_assert_eq!(all, "\r");
        }

        /// Where all of it is shown, all of it is recorded, in any pieces.
        #[test]
        fn what_is_shown_is_recorded_whole(text in "[ -~é]{1,60}", pieces in 1_usize..9) {
            let mut echo = Echo::default();
            let mut all = String::new();
            all.extend(echo.typed(&text));
            let letters: Vec<char> = text.chars().collect();
            for piece in letters.chunks(letters.len().div_ceil(pieces)) {
                all.extend(echo.shown(&piece.iter().collect::<String>()));
            }
            prop_assert_eq!(all, text);
        }
    }
}
