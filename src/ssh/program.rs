//! A bash program sent over a line. The login shell, which may be any, sees one constant command;
//! the program with its values travels on standard input and is never cut: a short one is not
//! run. What the login shell itself prints before the program speaks is told apart by a marker.

use std::fmt::Write as _;
use std::time::Instant;

use super::{Exit, Failure, Line, run};
use crate::threads::Latch;

/// The command for [`super::Line::exec`]. It reads a length, then that many bytes, then runs them.
/// Bash counts characters, so the locale is C until the program sets `LC_ALL` back to `$locale`.
pub const COMMAND: &str = "exec bash -c 'locale=${LC_ALL-}; LC_ALL=C; IFS= read -r length && \
                           IFS= read -r -N \"$length\" program && eval \"$program\"' linkops";

/// Starts every program: `say WORDS` ends what the login shell may have printed on both streams.
const PRELUDE: &str = "say() { printf '%s %s\\n' \"$marker\" \"$*\"; \
                       printf '%s \\n' \"$marker\" >&2; }\n";

/// A program with its values.
#[derive(Debug, Clone)]
pub struct Program {
    marker: String,
    values: String,
    body: &'static str,
}

impl Program {
    /// A program whose `say` lines stand behind a marker that nobody else can know.
    pub fn new(body: &'static str) -> Program {
        let marker = nonce();
        let program = Program { marker: marker.clone(), values: String::new(), body };
        program.set("marker", &marker)
    }

    /// What finds this program's `say` line in one of its streams.
    pub fn preamble(&self) -> Preamble {
        Preamble::new(&self.marker)
    }

    /// Gives the program a variable. `name` is one of ours; `value` may hold anything but NUL.
    #[must_use]
    pub fn set(mut self, name: &'static str, value: &str) -> Program {
        let _ = writeln!(self.values, "{name}={}", quote(value));
        self
    }

    /// Gives the program its arguments, `$1` and on.
    #[must_use]
    pub fn arguments(mut self, arguments: &[String]) -> Program {
        let words: Vec<_> = arguments.iter().map(|one| quote(one)).collect();
        let _ = writeln!(self.values, "set -- {}", words.join(" "));
        self
    }

    /// What goes to standard input: the length, the program, then `rest` for the program to read.
    pub fn input(&self, rest: &[u8]) -> Vec<u8> {
        let length = self.values.len() + PRELUDE.len() + self.body.len();
        let mut input = format!("{length}\n{}{PRELUDE}{}", self.values, self.body).into_bytes();
        input.extend_from_slice(rest);
        input
    }
}

/// What a program that was called said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The words of its `say` line; none when it never spoke.
    pub words: Option<String>,
    /// What it printed on standard output after them.
    pub rest: Vec<u8>,
    /// What came instead, for an error message.
    pub noise: String,
    /// How it ended.
    pub exit: Exit,
}

impl Program {
    /// Runs a short program to its end. At most `limit` bytes of what it prints are kept.
    ///
    /// # Errors
    /// As for [`run`].
    pub fn call(
        &self,
        line: &mut dyn Line,
        limit: usize,
        stop: Option<&Latch>,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let output = run(line, COMMAND, &self.input(b""), limit, stop, deadline)?;
        let mut preamble = self.preamble();
        let (words, rest) = match preamble.feed(&output.stdout) {
            Some((words, rest)) => (Some(words), rest.to_vec()),
            None => (None, Vec::new()),
        };
        let error = String::from_utf8_lossy(&output.stderr);
        let error = error.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("").trim();
        let noise = format!("{} {error}", preamble.noise()).trim().chars().take(300).collect();
        Ok(Answer { words, rest, noise, exit: output.exit })
    }
}

/// 128 random bits in hexadecimal.
///
/// # Panics
/// The operating system has no random numbers; nothing could be done safely then.
pub fn nonce() -> String {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).expect("the system gives random numbers");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One word for a POSIX shell, whatever it holds (IEEE 1003.1, 2.2.2 Single-Quotes).
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Finds the first `say` line in a stream and drops all before it.
#[derive(Debug)]
pub struct Preamble {
    marker: Vec<u8>,
    noise: Vec<u8>,
    over: bool,
}

/// Noise beyond this is dropped from its middle; a banner is shorter, a `say` line too.
const MOST_NOISE: usize = 16 * 1024;

impl Preamble {
    fn new(marker: &str) -> Preamble {
        Preamble { marker: format!("{marker} ").into_bytes(), noise: Vec::new(), over: false }
    }

    /// Whether the line has come.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Takes the next bytes of the stream. Once the line is complete: its words, and what follows
    /// it in `data`. A line that does not end is noise too.
    pub fn feed<'a>(&mut self, data: &'a [u8]) -> Option<(String, &'a [u8])> {
        let before = self.noise.len();
        self.noise.extend_from_slice(data);
        let Some(start) = find(&self.noise, &self.marker) else {
            self.shorten();
            return None;
        };
        let words = start + self.marker.len();
        let Some(length) = self.noise[words..].iter().position(|byte| *byte == b'\n') else {
            self.shorten();
            return None;
        };
        let end = words + length;
        let text = String::from_utf8_lossy(&self.noise[words..end]).into_owned();
        self.over = true;
        let rest = &data[end + 1 - before..];
        self.noise = Vec::new();
        Some((text, rest))
    }

    /// What came instead of the line, for an error message: the last line that says something.
    pub fn noise(&self) -> String {
        let text = String::from_utf8_lossy(&self.noise);
        let last = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("");
        last.chars().filter(|c| !c.is_control()).take(300).collect()
    }

    fn shorten(&mut self) {
        if self.noise.len() > MOST_NOISE {
            // The beginning of the marker may be at the end.
            let keep = self.noise.len() - MOST_NOISE / 2;
            self.noise.drain(..keep);
        }
    }
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    fn bash(input: &[u8]) -> Vec<u8> {
        let mut child = Command::new("sh")
            .args(["-c", COMMAND])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap().stdout
    }

    proptest::proptest! {
        #[test]
        fn values_and_arguments_arrive_whatever_they_hold(
            value in "[^\0]{0,40}",
            arguments in proptest::collection::vec("[^\0]{0,20}", 0..5),
        ) {
            let body = "LC_ALL=$locale\nsay ready\nprintf '%s\\0' \"$value\" \"$@\"";
            let program = Program::new(body).set("value", &value).arguments(&arguments);
            let output = bash(&program.input(b""));
            let mut expected = format!("{} ready\n{value}\0", program.marker).into_bytes();
            arguments.iter().for_each(|one| expected.extend_from_slice(format!("{one}\0").as_bytes()));
            proptest::prop_assert_eq!(output, expected);
        }

        #[test]
        fn a_preamble_is_found_in_any_pieces(
            noise in proptest::collection::vec(0_u8..128, 0..60),
            rest in proptest::collection::vec(proptest::num::u8::ANY, 0..60),
            size in 1_usize..20,
        ) {
            let mut stream = noise.clone();
            stream.extend_from_slice(b"\n~mark~ some words\n");
            stream.extend_from_slice(&rest);
            let mut preamble = Preamble::new("~mark~");
            let mut words = None;
            let mut got = Vec::new();
            for piece in stream.chunks(size) {
                if preamble.is_over() {
                    got.extend_from_slice(piece);
                } else if let Some((text, left)) = preamble.feed(piece) {
                    words = Some(text);
                    got.extend_from_slice(left);
                }
            }
            proptest::prop_assert_eq!(words.as_deref(), Some("some words"));
            proptest::prop_assert_eq!(got, rest);
        }
    }

    /// Whatever a machine says, and however much: it may know the marker.
    #[test]
    fn what_does_not_end_is_bounded() {
        for text in [&b"noise "[..], b"~mark~ ", b"~mark~\n", b"~mark~ words without an end "] {
            let mut preamble = Preamble::new("~mark~");
            for _ in 0..10 {
                assert!(preamble.feed(&text.repeat(1 + MOST_NOISE / text.len())).is_none());
                assert!(preamble.noise.len() <= MOST_NOISE, "{}", preamble.noise.len());
            }
            assert!(preamble.noise().chars().count() <= 300);
        }
    }

    #[test]
    fn a_cut_program_is_not_run() {
        let input = Program::new("say ready").input(b"");
        assert!(bash(&input[..input.len() - 1]).is_empty());
    }
}
