//! Removes run directories from the targets once their results are safe in the database: some
//! time after an operation has ended, all directories of a target with one command. What the next
//! script needs is made ready on the same occasion, when nobody waits for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::queue::Shared;
use super::{remote, store};
use crate::error::{Error, Result};
use crate::inventory::{self, route};
use crate::ssh::program::COMMAND;
use crate::threads::Latch;

/// After an operation, so that one that follows at once has the warm connections to itself.
const QUIET: Duration = Duration::from_millis(500);
/// Until a target that could not be reached is tried again.
const AGAIN: Duration = Duration::from_secs(300);
/// Directories removed by one command: its arguments must fit into one line.
const AT_ONCE: usize = 500;

/// The body of the thread `cleanup`. The first sweep takes what an earlier process left.
pub(super) fn run(shared: &Arc<Shared>, wake: &Receiver<()>, stop: &Latch) {
    let mut later: HashMap<String, Instant> = HashMap::new();
    while !stop.is_set() {
        if let Err(error) = sweep(shared, stop, &mut later) {
            log::error!("run directories cannot be listed: {}", error.chain());
        }
        // Woken by the end of an operation, by the stop, or when a target is due again.
        let due = later.values().min().copied();
        let _ = match due {
            Some(time) => wake.recv_deadline(time).is_ok(),
            None => wake.recv().is_ok(),
        };
        stop.wait(QUIET);
    }
}

fn sweep(shared: &Shared, stop: &Latch, later: &mut HashMap<String, Instant>) -> Result<()> {
    later.retain(|_, time| *time > Instant::now());
    for (target, litter) in shared.store.read(store::litter)? {
        if stop.is_set() || later.contains_key(&target) {
            continue;
        }
        let unknown = litter.unknown.chunks(1).map(|one| (one, true));
        let ended = litter.ended.chunks(AT_ONCE).map(|some| (some, false));
        for (run_ids, unknown) in unknown.chain(ended) {
            match clean(shared, stop, &target, run_ids, unknown) {
                Ok(()) => shared.store.write(|tx| store::cleaned(tx, run_ids))?,
                Err(error) => {
                    log::debug!(link = target.as_str(); "not cleaned yet: {}", error.chain());
                    later.insert(target.clone(), Instant::now() + AGAIN);
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Removes what is left of runs. One that may still be running although its time is over is
/// stopped first: nobody would know of it any more.
fn clean(
    shared: &Shared,
    stop: &Latch,
    target: &str,
    run_ids: &[String],
    unknown: bool,
) -> Result<()> {
    let chain = match shared.store.read(|db| inventory::store::chain(db, target)) {
        // Not ours any more; there is no way to it.
        Err(Error::NotFound { .. }) => return Ok(()),
        chain => chain?,
    };
    let Some(route) = route::target(&chain, &shared.settings.keys) else { return Ok(()) };
    let deadline = Instant::now() + shared.settings.command_timeout;
    for run_id in run_ids.iter().filter(|_| unknown) {
        let mut line = shared.dial.dial(&route, stop)?;
        let program = remote::stop(run_id, shared.settings.stop_grace.as_secs());
        let answer = program.call(line.as_mut(), 4096, Some(stop), deadline)?;
        if !matches!(answer.words.as_deref(), Some("over" | "clean")) {
            let message = format!("run {run_id} may still be running: {}", answer.noise);
            return Err(Error::Ssh { target: target.to_owned(), message });
        }
    }
    let mut line = shared.dial.dial(&route, stop)?;
    let answer = remote::clean(run_ids).call(line.as_mut(), 4096, Some(stop), deadline)?;
    if answer.words.is_some() {
        // The machine is in use: the next script finds everything ready.
        let ready = remote::prepare(shared.settings.output_limit).input(b"");
        if let Err(failure) = line.prepare(COMMAND, &ready, deadline) {
            log::debug!(link = target; "nothing prepared: {failure}");
        }
        return Ok(());
    }
    let message = format!("the run directories were not removed: {}", answer.noise);
    Err(Error::Ssh { target: target.to_owned(), message })
}
