//! A gate: at most so many at once for a name, in the order of arrival. Who waits can be stopped.
//! It keeps us under sshd's MaxStartups, which drops unauthenticated connections at random.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rustix::event::PollFlags;

use super::wait::{Woken, wait};
use crate::threads::{Latch, lock};

/// All names that somebody is at.
#[derive(Debug, Default)]
pub(super) struct Gate {
    places: Mutex<HashMap<String, Place>>,
}

#[derive(Debug, Default)]
struct Place {
    inside: usize,
    /// Whose latch is set is inside already: the place was handed over.
    waiting: VecDeque<Arc<Latch>>,
}

/// The right to be inside; dropping it lets the next one in.
#[derive(Debug)]
#[must_use]
pub(super) struct Permit<'a> {
    gate: &'a Gate,
    name: String,
}

impl Gate {
    /// Waits for a place.
    ///
    /// # Errors
    /// How the wait ended without one; no descriptor to wait with counts as a time-out.
    pub(super) fn enter(
        &self,
        name: &str,
        most: usize,
        stop: &Latch,
        deadline: Instant,
    ) -> Result<Permit<'_>, Woken> {
        let turn = match self.line_up(name, most) {
            Ok(None) => return Ok(self.permit(name)),
            Ok(Some(turn)) => turn,
            Err(_) => return Err(Woken::TimedOut),
        };
        loop {
            let woken = wait(&*turn, PollFlags::IN, Some(stop), deadline);
            if turn.is_set() {
                return Ok(self.permit(name));
            }
            if woken != Woken::Ready {
                drop(self.give_up(name, &turn));
                return Err(woken);
            }
        }
    }

    fn permit(&self, name: &str) -> Permit<'_> {
        Permit { gate: self, name: name.to_owned() }
    }

    /// Takes a free place, or a turn to wait for.
    fn line_up(&self, name: &str, most: usize) -> io::Result<Option<Arc<Latch>>> {
        let mut places = lock(&self.places);
        let place = places.entry(name.to_owned()).or_default();
        if place.inside < most {
            place.inside += 1;
            return Ok(None);
        }
        let turn = Arc::new(Latch::new()?);
        place.waiting.push_back(Arc::clone(&turn));
        Ok(Some(turn))
    }

    /// Leaves the line. Who was let in at that moment gets the permit, to drop it.
    fn give_up(&self, name: &str, turn: &Arc<Latch>) -> Option<Permit<'_>> {
        let mut places = lock(&self.places);
        if turn.is_set() {
            return Some(self.permit(name));
        }
        if let Some(place) = places.get_mut(name) {
            place.waiting.retain(|one| !Arc::ptr_eq(one, turn));
        }
        None
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut places = lock(&self.gate.places);
        let Some(place) = places.get_mut(&self.name) else { return };
        match place.waiting.pop_front() {
            Some(next) => next.set(),
            None => place.inside -= 1,
        }
        if place.inside == 0 {
            places.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::spawn;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn never_more_than_the_most_are_inside() {
        let gate = Arc::new(Gate::default());
        let (inside, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let threads: Vec<_> = (0..24)
            .map(|n| {
                let (gate, inside, peak) = (gate.clone(), inside.clone(), peak.clone());
                spawn(format!("visitor-{n}"), move || {
                    let stop = Latch::new().unwrap();
                    for _ in 0..20 {
                        let permit = gate.enter("host", 3, &stop, far()).unwrap();
                        let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                        peak.fetch_max(now, Ordering::SeqCst);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(permit);
                    }
                })
                .unwrap()
            })
            .collect();
        threads.into_iter().for_each(crate::threads::Handle::join);
        assert!(peak.load(Ordering::SeqCst) <= 3);
        assert!(lock(&gate.places).is_empty());
    }

    #[test]
    fn who_waits_can_be_stopped_and_leaves_nothing_behind() {
        let gate = Gate::default();
        let (stop, free) = (Latch::new().unwrap(), Latch::new().unwrap());
        let first = gate.enter("host", 1, &free, far()).unwrap();
        assert_eq!(gate.enter("host", 1, &free, Instant::now()).unwrap_err(), Woken::TimedOut);
        stop.set();
        assert_eq!(gate.enter("host", 1, &stop, far()).unwrap_err(), Woken::Stopped);
        let _other = gate.enter("other", 1, &free, far()).unwrap();
        drop(first);
        drop(gate.enter("host", 1, &free, far()).unwrap());
    }
}
