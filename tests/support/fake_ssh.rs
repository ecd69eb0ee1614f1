//! A scripted stand-in for SSH: each dial takes the next scene of its target, and everything that
//! was asked of it is written down.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use linkops::ssh::{Dial, Event, Failure, Kind, Line, Target};
use linkops::threads::Latch;

/// What one dial meets.
#[derive(Clone)]
pub enum Scene {
    /// It fails.
    Unreachable(Failure),
    /// It gets a line whose command does not start.
    Refuses(Failure),
    /// It gets a line on which this happens. After that nothing does: `next` waits.
    Plays(Vec<Result<Event, Failure>>),
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// A line to the target.
    Dial,
    /// The main command, with its input.
    Exec(String, Vec<u8>),
    /// A command beside it, with its input.
    Beside(String, Vec<u8>),
    /// A command ahead of its use, with its input.
    Prepare(String, Vec<u8>),
    /// The input of a prepared command.
    Send(Vec<u8>),
    /// End of file for the main command.
    EndInput,
    /// The line was dropped.
    Hangup,
}

/// The stand-in; clones share scenes and calls.
#[derive(Clone, Default)]
pub struct FakeSsh {
    stage: Arc<Mutex<Stage>>,
}

#[derive(Default)]
struct Stage {
    scenes: HashMap<String, VecDeque<Scene>>,
    calls: Vec<(String, Call)>,
}

impl FakeSsh {
    /// Adds a scene for the target's next dial. A dial without a scene is unreachable.
    pub fn scene(&self, target: &str, scene: Scene) {
        let mut stage = self.stage.lock().unwrap();
        stage.scenes.entry(target.to_owned()).or_default().push_back(scene);
    }

    /// Everything that was asked for the target, in order.
    pub fn calls(&self, target: &str) -> Vec<Call> {
        let stage = self.stage.lock().unwrap();
        let of_target = stage.calls.iter().filter(|(name, _)| name == target);
        of_target.map(|(_, call)| call.clone()).collect()
    }

    fn note(&self, target: &str, call: Call) {
        self.stage.lock().unwrap().calls.push((target.to_owned(), call));
    }
}

impl Dial for FakeSsh {
    fn dial(&self, target: &Target, stop: &Latch) -> Result<Box<dyn Line>, Failure> {
        self.note(&target.name, Call::Dial);
        if stop.is_set() {
            return Err(Failure::new(&target.name, Kind::Stopped, "stopped"));
        }
        let mut stage = self.stage.lock().unwrap();
        let scene = stage.scenes.get_mut(&target.name).and_then(VecDeque::pop_front);
        let (refusal, events) = match scene {
            None => return Err(Failure::new(&target.name, Kind::Unreachable, "no scene is left")),
            Some(Scene::Unreachable(failure)) => return Err(failure),
            Some(Scene::Refuses(failure)) => (Some(failure), VecDeque::new()),
            Some(Scene::Plays(events)) => (None, events.into()),
        };
        let (target, ssh) = (target.name.clone(), self.clone());
        Ok(Box::new(FakeLine { target, ssh, refusal, events }))
    }

    /// The stand-in's lines have nothing prepared.
    fn dial_prepared(&self, _: &Target) -> Option<Box<dyn Line>> {
        None
    }
}

struct FakeLine {
    target: String,
    ssh: FakeSsh,
    refusal: Option<Failure>,
    events: VecDeque<Result<Event, Failure>>,
}

impl Line for FakeLine {
    fn name(&self) -> &str {
        &self.target
    }

    fn exec(&mut self, command: &str, input: &[u8], _: Instant) -> Result<(), Failure> {
        self.ssh.note(&self.target, Call::Exec(command.to_owned(), input.to_vec()));
        self.refusal.take().map_or(Ok(()), Err)
    }

    fn next(&mut self, stop: Option<&Latch>, deadline: Instant) -> Result<Event, Failure> {
        if stop.is_some_and(Latch::is_set) {
            return Ok(Event::Stopped);
        }
        if let Some(event) = self.events.pop_front() {
            return event;
        }
        let time = deadline.saturating_duration_since(Instant::now());
        let never = Latch::new().unwrap();
        Ok(if stop.unwrap_or(&never).wait(time) { Event::Stopped } else { Event::TimedOut })
    }

    fn beside(&mut self, command: &str, input: &[u8], _: Instant) -> Result<(), Failure> {
        self.ssh.note(&self.target, Call::Beside(command.to_owned(), input.to_vec()));
        Ok(())
    }

    fn prepare(&mut self, command: &str, input: &[u8], _: Instant) -> Result<(), Failure> {
        self.ssh.note(&self.target, Call::Prepare(command.to_owned(), input.to_vec()));
        Ok(())
    }

    fn send(&mut self, input: &[u8]) -> Result<(), Failure> {
        self.ssh.note(&self.target, Call::Send(input.to_vec()));
        Ok(())
    }

    fn end_input(&mut self) -> Result<(), Failure> {
        self.ssh.note(&self.target, Call::EndInput);
        Ok(())
    }
}

impl Drop for FakeLine {
    fn drop(&mut self) {
        self.ssh.note(&self.target, Call::Hangup);
    }
}
