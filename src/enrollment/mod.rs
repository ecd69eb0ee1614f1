//! Enrolment: a machine proves that it is the one the inventory means by a client-id file, which
//! is read over SSH and compared. A machine that cannot be reached has not proved anything.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::audit::{self, Actor, Entry};
use crate::clock::Clock;
use crate::error::{Error, Result, Unenrolled};
use crate::inventory::route::Keys;
use crate::inventory::{self, Machine, route};
use crate::ssh::program::Program;
use crate::ssh::{Dial, Failure, Kind, Line};
use crate::store::Store;
use crate::threads::Latch;

use turns::Turns;

mod many;
mod place;
pub mod store;
mod turns;

pub use place::Placed;

/// The longest file that is looked into; a client id is much shorter. The check that goes with a
/// script (operations/remote/run.sh) has the same limit.
const LONGEST_FILE: usize = 4095;

/// What is needed to check machines. Cheap to clone.
#[derive(Clone)]
pub struct Enrollment {
    store: Arc<Store>,
    dial: Arc<dyn Dial>,
    clock: Clock,
    keys: Keys,
    command_timeout: Duration,
    stop: Arc<Latch>,
    turns: Arc<Turns>,
}

/// A machine, and what a check of it found.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// Its entry when it was checked.
    pub machine: Machine,
    /// What it showed.
    pub checked: Checked,
    /// The milliseconds that it took to answer on an open connection; none when it did not.
    pub latency: Option<u32>,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Whether the file was read and matched.
    pub enrolled: bool,
    /// Whether the file was read.
    pub client_id_found: bool,
    /// Whether it holds the inventory's client id.
    pub client_id_matches: bool,
    /// Why the machine is not enrolled; always there when it is not.
    pub error: Option<String>,
    /// When, in milliseconds since the epoch.
    pub verified_at: i64,
    /// Whether SSH got as far as asking for the file.
    pub reached: bool,
}

impl Enrollment {
    /// Checks by way of `dial`, with keys from `keys`; `stop` ends checks that are under way.
    pub fn new(
        store: Arc<Store>,
        dial: Arc<dyn Dial>,
        clock: Clock,
        keys: Keys,
        command_timeout: Duration,
        stop: Arc<Latch>,
    ) -> Enrollment {
        let turns = Arc::default();
        Enrollment { store, dial, clock, keys, command_timeout, stop, turns }
    }

    /// Checks one machine and stores what was found; a machine that cannot be reached is not
    /// enrolled any more.
    ///
    /// # Errors
    /// There is no such machine, or the database fails. A check that fails is no error: it is a
    /// result that says why.
    pub fn verify(&self, id: &str, actor: &Actor) -> Result<Checked> {
        self.keep(self.inspect(id, &self.stop)?, actor)
    }

    /// Stores what a check found that somebody asked for.
    fn keep(&self, found: Inspection, actor: &Actor) -> Result<Checked> {
        let entry = entry(&found.machine.id, &found.checked);
        self.store.write(|tx| {
            store::record_verified(tx, &found)?;
            audit::store::record(tx, found.checked.verified_at, actor, &entry)
        })?;
        Ok(found.checked)
    }

    /// Checks one machine and stores nothing. `cut` ends it like a machine that does not answer.
    /// No machine is checked twice at the same time: who comes second waits.
    ///
    /// # Errors
    /// There is no such machine, the database fails, or the server stops.
    pub fn inspect(&self, id: &str, cut: &Latch) -> Result<Inspection> {
        let _turn = self.turns.take(id);
        self.look(id, cut)
    }

    /// [`Enrollment::inspect`] for whoever has the turn.
    fn look(&self, id: &str, cut: &Latch) -> Result<Inspection> {
        let chain = self.store.read(|db| inventory::store::chain(db, id))?;
        let Some(machine) = chain.last() else {
            return Err(Error::Internal(format!("{id:?} has no way to it")));
        };
        let (checked, latency) = self.check(&chain, machine, cut)?;
        Ok(Inspection { machine: machine.clone(), checked, latency })
    }

    /// What the machine shows, and the milliseconds it took to answer on an open connection.
    fn check(
        &self,
        chain: &[Machine],
        machine: &Machine,
        cut: &Latch,
    ) -> Result<(Checked, Option<u32>)> {
        let Some(target) = route::target(chain, &self.keys) else {
            return Ok((self.failed("no route".to_owned()), None));
        };
        let mut line = match self.dial.dial(&target, cut) {
            Ok(line) => line,
            Err(failure) => return self.unreached(machine, &failure),
        };
        match self.prove(line.as_mut(), machine, cut) {
            Ok((checked, latency)) => Ok((checked, Some(latency))),
            Err(failure) => self.unreached(machine, &failure),
        }
    }

    /// What the machine shows on this line, and the milliseconds it took to answer.
    fn prove(
        &self,
        line: &mut dyn Line,
        machine: &Machine,
        cut: &Latch,
    ) -> Result<(Checked, u32), Failure> {
        let program = Program::new(include_str!("check.sh"));
        let program = program.set("file", &machine.enrollment.path);
        let begun = Instant::now();
        let deadline = begun + self.command_timeout;
        let answer = program.call(line, LONGEST_FILE * 2, Some(cut), deadline)?;
        let latency = u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX);
        let checked = match answer.words.as_deref() {
            Some("found") => self.compared(&answer.rest, &machine.enrollment.id),
            Some(words) => {
                let reason = words.split_once(' ').map_or(words, |(_, reason)| reason);
                Checked { reached: true, ..self.failed(format!("the client id file {reason}")) }
            }
            None => {
                let text = format!("bash could not be started on the machine: {:?}", answer.noise);
                Checked { reached: true, ..self.failed(text) }
            }
        };
        Ok((checked, latency))
    }

    /// A line to a machine that has proved on this line that it is the one that is meant; machines
    /// that need not prove it do only if `always`. Nothing is stored. `cut` ends the attempt.
    ///
    /// # Errors
    /// [`Error::NotEnrolled`] when it has not, [`Error::Ssh`] when it cannot be reached; there is
    /// no such machine, or the database fails.
    pub fn admit(&self, id: &str, always: bool, cut: &Latch) -> Result<Box<dyn Line>> {
        let chain = self.store.read(|db| inventory::store::chain(db, id))?;
        let lost = |failure: Failure| {
            log::warn!(link = id, kind = format!("{:?}", failure.kind).as_str(); "{failure}");
            Error::Ssh { target: failure.target.clone(), message: failure.told() }
        };
        let no_way = || Failure::new(id, Kind::Unreachable, "there is no way to it");
        let machine = chain.last().ok_or_else(no_way).map_err(lost)?;
        let target = route::target(&chain, &self.keys).ok_or_else(no_way).map_err(lost)?;
        let mut line = self.dial.dial(&target, cut).map_err(lost)?;
        if always || machine.enrollment.required {
            let (checked, _) = self.prove(line.as_mut(), machine, cut).map_err(lost)?;
            if let Some(error) = checked.error {
                return Err(Error::NotEnrolled(vec![Unenrolled {
                    target: id.to_owned(),
                    client_id_found: checked.client_id_found,
                    client_id_matches: checked.client_id_matches,
                    error,
                    verified_at: Some(checked.verified_at),
                }]));
            }
        }
        Ok(line)
    }

    fn compared(&self, content: &[u8], client_id: &str) -> Checked {
        let matches = content_matches(content, client_id);
        let error = (!matches).then(|| difference(content, client_id));
        Checked {
            enrolled: matches,
            client_id_found: true,
            client_id_matches: matches,
            error,
            verified_at: self.clock.now(),
            reached: true,
        }
    }

    /// R12.2: SSH failures are logged with target and kind.
    /// A check that our own stop has cut short says nothing about the machine.
    fn unreached(&self, machine: &Machine, failure: &Failure) -> Result<(Checked, Option<u32>)> {
        if failure.kind == Kind::Stopped {
            if self.stop.is_set() {
                return Err(Error::ShuttingDown);
            }
            return Ok((self.failed("no answer in time".to_owned()), None));
        }
        let kind = format!("{:?}", failure.kind);
        log::warn!(link = machine.id.as_str(), kind = kind.as_str(); "not verified: {failure}");
        let told = failure.told();
        let named = failure.target != machine.id;
        let told = if named { format!("{}: {told}", failure.target) } else { told };
        Ok((self.failed(told), None))
    }

    fn failed(&self, error: String) -> Checked {
        Checked {
            enrolled: false,
            client_id_found: false,
            client_id_matches: false,
            error: Some(error),
            verified_at: self.clock.now(),
            reached: false,
        }
    }
}

/// What the audit log is told of a check that somebody asked for.
fn entry<'a>(id: &'a str, checked: &Checked) -> Entry<'a> {
    let entry = if checked.reached {
        Entry::done("link.verify", id)
    } else {
        Entry::refused("link.verify", id, "SSH_CONNECTION_FAILED")
    };
    entry.with(json!({ "enrolled": checked.enrolled }))
}

/// P11: surrounding white space is ignored, case is kept, nothing else is forgiven.
#[must_use]
pub fn content_matches(content: &[u8], client_id: &str) -> bool {
    content.len() <= LONGEST_FILE && trim(content) == client_id.as_bytes()
}

/// P12: why a content does not match.
fn difference(content: &[u8], client_id: &str) -> String {
    if content.len() > LONGEST_FILE {
        return format!("the client id file is longer than {LONGEST_FILE} bytes");
    }
    let shown: String = String::from_utf8_lossy(trim(content)).chars().take(100).collect();
    format!("the client id on the machine is {shown:?}, not {client_id:?}")
}

fn trim(content: &[u8]) -> &[u8] {
    let space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = content.iter().position(|byte| !space(byte)).unwrap_or(content.len());
    let end = content.iter().rposition(|byte| !space(byte)).map_or(start, |last| last + 1);
    &content[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "LINKOPS-0c7d8f6e-1111-4222-8333-944455566677";

    proptest! {
        /// P11, the rule: only surrounding white space makes no difference.
        #[test]
        fn p11_only_surrounding_white_space_is_ignored(
            before in "[ \t\r\n\x0b\x0c]{0,5}",
            after in "[ \t\r\n\x0b\x0c]{0,5}",
            at in 0_usize..ID.len(),
            byte: u8,
        ) {
            let content = format!("{before}{ID}{after}");
            prop_assert!(content_matches(content.as_bytes(), ID));
            let mut other = ID.as_bytes().to_vec();
            other[at] = byte;
            prop_assert_eq!(content_matches(&other, ID), byte == ID.as_bytes()[at]);
            let mut longer = ID.as_bytes().to_vec();
            longer.insert(at, byte);
            let edge = at == 0 && matches!(byte, b' ' | b'\t'..=b'\r');
            prop_assert_eq!(content_matches(&longer, ID), edge);
        }
    }

    #[test]
    fn empty_long_and_lower_case_files_do_not_match() {
        assert!(!content_matches(b"", ID));
        assert!(!content_matches(b" \n", ID));
        assert!(!content_matches(ID.to_lowercase().as_bytes(), ID));
        let long = format!("{ID}{}", " ".repeat(LONGEST_FILE));
        assert!(!content_matches(long.as_bytes(), ID));
    }
}
