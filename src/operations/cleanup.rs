//! Removes run directories from the targets once their results are safe in the database: some
//! time after an operation has ended, all directories of a target with one command. What the next
//! script needs is made ready on the same occasion, when nobody waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::queue::Shared;
use super::store::{self, Spot};
use super::{remote, way};
use crate::error::{Error, Result};
use crate::ssh::Target;
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
    let mut later: BTreeMap<Spot, Instant> = BTreeMap::new();
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

fn sweep(shared: &Shared, stop: &Latch, later: &mut BTreeMap<Spot, Instant>) -> Result<()> {
    later.retain(|_, time| *time > Instant::now());
    for (spot, litter) in shared.store.read(store::litter)? {
        if stop.is_set() || later.contains_key(&spot) {
            continue;
        }
        let unknown = litter.unknown.chunks(1).map(|one| (one, true));
        let ended = litter.ended.chunks(AT_ONCE).map(|some| (some, false));
        for (run_ids, unknown) in unknown.chain(ended) {
            match clean(shared, stop, &spot, run_ids, unknown) {
                Ok(()) => shared.store.write(|tx| store::cleaned(tx, run_ids))?,
                Err(error) => {
                    let link = spot.target.as_str();
                    log::debug!(link = link; "not cleaned yet: {}", error.chain());
                    later.insert(spot.clone(), Instant::now() + AGAIN);
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Removes what is left of runs, where it is.
fn clean(
    shared: &Shared,
    stop: &Latch,
    spot: &Spot,
    run_ids: &[String],
    unknown: bool,
) -> Result<()> {
    let to = |place| way::to(&shared.store, &shared.settings.keys, &spot.target, place);
    let way = match to(spot.place.as_ref()) {
        // Not ours any more; there is no way to it.
        Err(Error::NotFound { .. }) => return Ok(()),
        way => way?,
    };
    if unknown {
        stop_runs(shared, stop, &way.target, run_ids)?;
    }
    let done = remove(shared, stop, &way.target, run_ids);
    if done.is_err() && way.moved.is_some() && !unknown {
        // The machine may be the same, with another address.
        return remove(shared, stop, &to(None)?.target, run_ids);
    }
    done
}

/// Stops what may still be running although its time is over: nobody would know of it any more.
fn stop_runs(shared: &Shared, stop: &Latch, target: &Target, run_ids: &[String]) -> Result<()> {
    let deadline = Instant::now() + shared.settings.command_timeout;
    for run_id in run_ids {
        let mut line = shared.dial.dial(target, stop)?;
        let program = remote::stop(run_id, shared.settings.stop_grace.as_secs());
        let answer = program.call(line.as_mut(), 4096, Some(stop), deadline)?;
        if !matches!(answer.words.as_deref(), Some("over" | "clean")) {
            let message = format!("run {run_id} may still be running: {}", answer.noise);
            return Err(Error::Ssh { target: target.name.clone(), message });
        }
    }
    Ok(())
}

fn remove(shared: &Shared, stop: &Latch, target: &Target, run_ids: &[String]) -> Result<()> {
    let deadline = Instant::now() + shared.settings.command_timeout;
    let mut line = shared.dial.dial(target, stop)?;
    let answer = remote::clean(run_ids).call(line.as_mut(), 4096, Some(stop), deadline)?;
    if answer.words.is_some() {
        // The machine is in use: the next script finds everything ready.
        let ready = remote::prepare(shared.settings.output_limit).input(b"");
        if let Err(failure) = line.prepare(COMMAND, &ready, deadline) {
            log::debug!(link = target.name.as_str(); "nothing prepared: {failure}");
        }
        return Ok(());
    }
    let message = format!("the run directories were not removed: {}", answer.noise);
    Err(Error::Ssh { target: target.name.clone(), message })
}
