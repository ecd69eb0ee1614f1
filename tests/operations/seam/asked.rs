//! What a machine was asked to run, recognised by the text of the program, and its answers.

use linkops::ssh::{Event, Exit, Stream};

use crate::support::fake_ssh::{Call, Step};

/// The programs of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Start,
    Follow,
    Stop,
    Clean,
}

const BODIES: [(Program, &str); 4] = [
    (Program::Start, "begin \"$@\"\n"),
    (Program::Follow, include_str!("../../../src/operations/remote/follow.sh")),
    (Program::Stop, include_str!("../../../src/operations/remote/stop.sh")),
    (Program::Clean, include_str!("../../../src/operations/remote/clean.sh")),
];

/// A program with its values, as it came to a machine.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) target: String,
    pub(super) program: Program,
    text: String,
}

impl Asked {
    pub(super) fn parse(target: &str, input: &[u8]) -> Asked {
        let text = String::from_utf8_lossy(input).into_owned();
        let known = BODIES.iter().find(|(_, body)| text.contains(body));
        let (program, _) = known.unwrap_or_else(|| panic!("an unknown program: {text}"));
        Asked { target: target.to_owned(), program: *program, text }
    }

    /// The program that a call brought.
    pub(super) fn of(call: &Call) -> Option<Asked> {
        match call {
            Call::Exec(_, input) | Call::Beside(_, input) | Call::Send(input) => {
                Some(Asked::parse("", input))
            }
            _ => None,
        }
    }

    /// Whether an operation wants it, not the cleanup after it.
    pub(super) fn is_ours(&self) -> bool {
        self.program != Program::Clean
    }

    /// The last one of that name: a program that makes ready stands before the one that starts.
    fn value(&self, name: &str) -> &str {
        let start = format!("\n{name}='");
        let at = self.text.rfind(&start).unwrap_or_else(|| panic!("no {name} in {}", self.text));
        let rest = &self.text[at + start.len()..];
        &rest[..rest.find('\'').unwrap()]
    }

    /// The run.
    pub(super) fn id(&self) -> &str {
        self.value("id")
    }

    /// Bytes that are there already, of standard output and standard error.
    pub(super) fn offsets(&self) -> (usize, usize) {
        (self.value("out").parse().unwrap(), self.value("err").parse().unwrap())
    }

    /// The text of the script.
    pub(super) fn script(&self) -> &str {
        let (_, script) = self.text.rsplit_once("begin \"$@\"\n").unwrap();
        script
    }

    pub(super) fn client_id(&self) -> &str {
        self.value("client_id")
    }

    pub(super) fn grace(&self) -> &str {
        self.value("grace")
    }

    /// A `say` line on standard output.
    pub(super) fn words(&self, words: &str) -> Vec<u8> {
        format!("\n{} {words}\n", self.value("marker")).into_bytes()
    }

    /// The same, happening.
    pub(super) fn says(&self, words: &str) -> Step {
        out(&self.words(words))
    }

    /// What `say` writes to standard error.
    pub(super) fn says_on_stderr(&self) -> Vec<u8> {
        self.words("")
    }

    /// The whole answer of a program that says one thing and exits with 0.
    pub(super) fn answer(&self, words: &str) -> Vec<Step> {
        vec![self.says(words), err(&self.says_on_stderr()), end(0)]
    }

    /// The whole answer of a script that prints something and exits.
    pub(super) fn runs(&self, stdout: &[u8], code: i32) -> Vec<Step> {
        vec![self.says("started"), err(&self.says_on_stderr()), out(stdout), end(code)]
    }
}

pub(super) fn output(stream: Stream, data: &[u8]) -> Step {
    Step::Tells(Ok(Event::Output { stream, data: data.to_vec() }))
}

pub(super) fn out(data: &[u8]) -> Step {
    output(Stream::Stdout, data)
}

pub(super) fn err(data: &[u8]) -> Step {
    output(Stream::Stderr, data)
}

pub(super) fn end(code: i32) -> Step {
    Step::Tells(Ok(Event::End(Exit::Code(code))))
}

/// The stop program beside the script has ended.
pub(super) fn beside_ended() -> Step {
    Step::Tells(Ok(Event::Beside { exit: Exit::Code(0), output: Vec::new() }))
}
