//! Putting the client id on a machine, for the command line: the server itself never does it.

use std::time::Instant;

use super::Enrollment;
use crate::audit::{self, Actor, Entry};
use crate::error::{Error, Result};
use crate::inventory::{self, route};
use crate::ssh::program::Program;

/// What became of the client-id file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placed {
    /// It was written.
    Written,
    /// It held the client id already.
    Same,
}

impl Enrollment {
    /// Writes the inventory's client id into its file on a machine, with sudo where the user may
    /// not. A file with another id is left alone unless `replace` says otherwise.
    ///
    /// # Errors
    /// There is no such machine, it cannot be reached, it has another client id, or does not let
    /// us write.
    pub fn place(&self, id: &str, replace: bool, actor: &Actor) -> Result<Placed> {
        let chain = self.store.read(|db| inventory::store::chain(db, id))?;
        let failed = |message: String| Error::Ssh { target: id.to_owned(), message };
        let (Some(machine), Some(target)) = (chain.last(), route::target(&chain, &self.keys))
        else {
            return Err(Error::Internal(format!("{id:?} has no way to it")));
        };
        let mut line = self.dial.dial(&target, &self.stop)?;
        let program = Program::new(include_str!("place.sh"))
            .set("file", &machine.enrollment.path)
            .set("id", &machine.enrollment.id)
            .set("replace", if replace { "yes" } else { "" });
        let deadline = Instant::now() + self.command_timeout;
        let answer = program.call(line.as_mut(), 4_096, Some(&self.stop), deadline)?;
        match answer.words.as_deref() {
            Some("same") => Ok(Placed::Same),
            Some("placed") => {
                let entry = Entry::done("link.enroll", id);
                let now = self.clock.now();
                self.store.write(|tx| audit::store::record(tx, now, actor, &entry))?;
                Ok(Placed::Written)
            }
            Some("other") => {
                let other = String::from_utf8_lossy(&answer.rest).into_owned();
                Err(failed(format!(
                    "{} holds {other:?}, not {:?}\nif this is the right machine, say --replace",
                    machine.enrollment.path, machine.enrollment.id
                )))
            }
            Some(words) => {
                let reason = words.split_once(' ').map_or(words, |(_, reason)| reason);
                Err(failed(format!("{reason}\nwrite it by hand: linkopsd enroll {id}")))
            }
            None => Err(failed(format!("bash could not be started there: {:?}", answer.noise))),
        }
    }
}
