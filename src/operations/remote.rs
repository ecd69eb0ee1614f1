//! The programs that run on the targets, and what they say. One bash file each in `remote/`.

use super::worker::Job;
use crate::ssh::program::{Program, nonce};

/// Makes ready for a script of which at most `limit` bytes are kept per stream; its input ends with
/// that of `start`, which may come later.
pub(super) fn prepare(limit: usize) -> Program {
    // One block more than is kept: whoever follows sees that something was cut.
    let blocks = limit.div_ceil(1024) + 1;
    Program::new(include_str!("remote/run.sh"))
        .set("slot", &format!("slot-{}", nonce()))
        .set("blocks", &blocks.to_string())
}

/// Starts the script and passes its output on; its input ends with the script's text.
pub(super) fn start(job: &Job) -> Program {
    let (file, id) = job.client.clone().unwrap_or_default();
    Program::new("begin \"$@\"\n")
        .set("id", &job.run_id)
        .set("length", &job.text.len().to_string())
        .set("whole", if job.text.contains(&0) { "1" } else { "" })
        .set("client_file", &file)
        .set("client_id", &id)
        .set("switches", &switches(&job.text))
        .arguments(&job.flags)
}

/// The switches of bash in a script's first line, such as `-eu`: a script that counts on them must
/// not run without.
fn switches(text: &[u8]) -> String {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let words = line.split_ascii_whitespace().skip_while(|word| !word.ends_with("bash")).skip(1);
    let mut switches: Vec<&str> = Vec::new();
    for word in words {
        let plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-+_".contains(&byte));
        let value = switches.last().is_some_and(|last| last.ends_with(['o', 'O']));
        if !plain || !(value || (word.starts_with(['-', '+']) && word.len() > 1)) {
            break;
        }
        switches.push(word);
    }
    switches.join(" ")
}

/// Says how the run stands and prints its output from the given bytes on.
pub(super) fn follow(run_id: &str, received: (u64, u64)) -> Program {
    Program::new(include_str!("remote/follow.sh"))
        .set("id", run_id)
        .set("out", &received.0.to_string())
        .set("err", &received.1.to_string())
}

/// Ends the run and everything it has started.
pub(super) fn stop(run_id: &str, grace_seconds: u64) -> Program {
    Program::new(include_str!("remote/stop.sh"))
        .set("id", run_id)
        .set("grace", &grace_seconds.to_string())
}

/// Removes the directories of runs whose results are safe.
pub(super) fn clean(run_ids: &[String]) -> Program {
    Program::new(include_str!("remote/clean.sh")).arguments(run_ids)
}

/// The first line of `run` and `follow`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Says {
    /// The script runs; its output follows.
    Running,
    /// The script was not started, and never will be by this run.
    Refused(String),
    /// There was no such run, and there never will be.
    Absent,
    /// The run is over; what is left of its output follows.
    Ended(i32),
    /// The machine rebooted before the run had ended; what is left of its output follows.
    Rebooted,
    /// The run was killed, nobody knows how it would have ended; what is left of it follows.
    Killed,
}

impl Says {
    /// Reads the words of a `say` line.
    pub(super) fn parse(words: &str) -> Says {
        let (first, rest) = words.split_once(' ').unwrap_or((words, ""));
        match (first, rest.trim().parse::<i32>()) {
            ("started" | "running", _) => Says::Running,
            ("absent", _) => Says::Absent,
            ("ended", Ok(code)) => Says::Ended(code),
            ("rebooted", _) => Says::Rebooted,
            ("killed", _) => Says::Killed,
            ("refused", _) => Says::Refused(refusal(rest)),
            _ => Says::Refused(format!("the machine said {words:?}")),
        }
    }
}

fn refusal(words: &str) -> String {
    let (kind, rest) = words.split_once(' ').unwrap_or((words, ""));
    let rest = rest.trim();
    match kind {
        "missing" => format!("not enrolled: the client id file {rest}"),
        "different" => format!("not enrolled: the client id on the machine is {rest:?}"),
        "directory" => format!("no run directory could be made: {rest}"),
        "taken" => "the run was declared absent before it started".to_owned(),
        _ => rest.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_taken_from_the_first_line() {
        for (line, expected) in [
            ("#!/bin/bash", ""),
            ("#!/bin/bash -eu", "-eu"),
            ("#! /usr/bin/env -S bash -e -o pipefail +B", "-e -o pipefail +B"),
            ("#!/bin/bash -e $(x) -u", "-e"),
            ("#!/bin/bash other -e", ""),
            ("#!/bin/bash -", ""),
        ] {
            assert_eq!(switches(format!("{line}\ntrue -x\n").as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn each_word_of_the_programs_is_understood() {
        assert_eq!(Says::parse("started 17"), Says::Running);
        assert_eq!(Says::parse("running"), Says::Running);
        assert_eq!(Says::parse("ended 137"), Says::Ended(137));
        assert_eq!(Says::parse("absent"), Says::Absent);
        assert_eq!(Says::parse("rebooted"), Says::Rebooted);
        assert_eq!(
            Says::parse("refused missing /etc/x does not exist"),
            Says::Refused("not enrolled: the client id file /etc/x does not exist".into())
        );
        assert!(matches!(Says::parse("ended x"), Says::Refused(_)));
    }
}
