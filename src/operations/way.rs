//! The way to a machine: where the inventory has it, or where a run of ours was started. A sync
//! may move a link while a script runs; the script stays where it is.

use crate::error::{Error, Result};
use crate::inventory::route::{self, Keys};
use crate::inventory::{self, Machine, Place};
use crate::ssh::Target;
use crate::store::Store;

/// How a machine is reached.
pub(super) struct Way {
    /// The inventory's entry, with the place that is meant.
    pub(super) machine: Machine,
    /// What is dialled.
    pub(super) target: Target,
    /// Names both places, when the inventory has the link elsewhere by now.
    pub(super) moved: Option<String>,
}

/// The way to `link`: to where a run was started, or else to where the inventory has it now. The
/// keys are always those of now.
///
/// # Errors
/// The link, or a jump host on the way, is not in the inventory any more.
pub(super) fn to(db: &Store, keys: &Keys, link: &str, started: Option<&Place>) -> Result<Way> {
    let (machine, chain, moved) = db.read(|db| {
        let machine = inventory::store::machine(db, link)?;
        let now = Place::of(&machine);
        let moved = started
            .filter(|started| **started != now)
            .map(|started| format!("it was started on {started}, and the inventory now has {now}"));
        let machine = match started {
            Some(started) => started.clone().with(machine),
            None => machine,
        };
        Ok((machine.clone(), inventory::store::chain_to(db, machine)?, moved))
    })?;
    let no_route = || Error::Internal("the link has no route".to_owned());
    Ok(Way { machine, target: route::target(&chain, keys).ok_or_else(no_route)?, moved })
}
