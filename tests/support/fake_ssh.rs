//! A scripted stand-in for SSH: each dial takes the next scene of its target, and everything that
//! was asked of it is written down.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use linkops::ssh::{Dial, Event, Failure, Kind, Line, Shell, Size, Target};
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
    /// It gets a line on which this is what happens once its command has its input.
    Acts(Actor),
}

/// What happens after the input of a target's command is known; or the command does not start.
pub type Actor = Arc<dyn Fn(&str, &[u8]) -> Result<Vec<Step>, Failure> + Send + Sync>;

/// A part of what happens on a line. As on a real one, the caller's latch and deadline come first.
#[derive(Clone)]
pub enum Step {
    /// The caller is told this.
    Tells(Result<Event, Failure>),
    /// Nothing happens until the caller's latch is set or its deadline passes.
    Waits,
    /// Nothing happens until this latch is set, or else the caller's latch, or its deadline passes.
    Until(Arc<Latch>),
    /// The caller's thread does this; then the next step follows, whatever was asked meanwhile.
    Does(Arc<dyn Fn() + Send + Sync>),
    /// The next command beside does not start.
    RefusesBeside(Failure),
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// A line to the target.
    Dial,
    /// A line with a prepared command was wanted, and there was one.
    DialPrepared,
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
    prepared: HashMap<String, VecDeque<Actor>>,
    always: Option<Actor>,
    lines: usize,
    calls: Vec<(usize, String, Call)>,
}

impl FakeSsh {
    /// Adds a scene for the target's next dial. A dial without a scene is unreachable.
    pub fn scene(&self, target: &str, scene: Scene) {
        let mut stage = self.stage.lock().unwrap();
        stage.scenes.entry(target.to_owned()).or_default().push_back(scene);
    }

    /// Adds a line with a prepared command; the actor gets what is sent to it.
    pub fn prepared(&self, target: &str, actor: Actor) {
        let mut stage = self.stage.lock().unwrap();
        stage.prepared.entry(target.to_owned()).or_default().push_back(actor);
    }

    /// What all dials without a scene meet from now on.
    pub fn always(&self, actor: Actor) {
        self.stage.lock().unwrap().always = Some(actor);
    }

    /// Everything that was asked for the target, in order.
    pub fn calls(&self, target: &str) -> Vec<Call> {
        let stage = self.stage.lock().unwrap();
        let of_target = stage.calls.iter().filter(|(_, name, _)| name == target);
        of_target.map(|(.., call)| call.clone()).collect()
    }

    /// Everything that was asked since the last time, in order, each with the number of its line.
    pub fn take_calls(&self) -> Vec<(usize, String, Call)> {
        std::mem::take(&mut self.stage.lock().unwrap().calls)
    }

    fn note(&self, line: usize, target: &str, call: Call) {
        self.stage.lock().unwrap().calls.push((line, target.to_owned(), call));
    }

    /// The number of a new line.
    fn line(&self) -> usize {
        let mut stage = self.stage.lock().unwrap();
        stage.lines += 1;
        stage.lines
    }
}

impl Dial for FakeSsh {
    fn dial(&self, target: &Target, stop: &Latch) -> Result<Box<dyn Line>, Failure> {
        let number = self.line();
        self.note(number, &target.name, Call::Dial);
        if stop.is_set() {
            return Err(Failure::new(&target.name, Kind::Stopped, "stopped"));
        }
        let mut stage = self.stage.lock().unwrap();
        let scene = stage.scenes.get_mut(&target.name).and_then(VecDeque::pop_front);
        let scene = scene.or_else(|| stage.always.clone().map(Scene::Acts));
        drop(stage);
        let (refusal, steps, actor) = match scene {
            None => return Err(Failure::new(&target.name, Kind::Unreachable, "no scene is left")),
            Some(Scene::Unreachable(failure)) => return Err(failure),
            Some(Scene::Refuses(failure)) => (Some(failure), VecDeque::new(), None),
            Some(Scene::Plays(events)) => {
                (None, events.into_iter().map(Step::Tells).collect(), None)
            }
            Some(Scene::Acts(actor)) => (None, VecDeque::new(), Some(actor)),
        };
        let (target, ssh) = (target.name.clone(), self.clone());
        Ok(Box::new(FakeLine { number, target, ssh, refusal, actor, steps }))
    }

    fn dial_prepared(&self, target: &Target) -> Option<Box<dyn Line>> {
        let mut stage = self.stage.lock().unwrap();
        let actor = stage.prepared.get_mut(&target.name)?.pop_front()?;
        drop(stage);
        let (number, ssh, target) = (self.line(), self.clone(), target.name.clone());
        self.note(number, &target, Call::DialPrepared);
        let (refusal, steps, actor) = (None, VecDeque::new(), Some(actor));
        Some(Box::new(FakeLine { number, target, ssh, refusal, actor, steps }))
    }
}

struct FakeLine {
    number: usize,
    target: String,
    ssh: FakeSsh,
    refusal: Option<Failure>,
    actor: Option<Actor>,
    steps: VecDeque<Step>,
}

impl FakeLine {
    fn note(&self, call: Call) {
        self.ssh.note(self.number, &self.target, call);
    }

    /// The command has its input.
    fn act(&mut self, input: &[u8]) -> Result<(), Failure> {
        if let Some(actor) = self.actor.take() {
            self.steps = actor(&self.target, input)?.into();
        }
        self.refusal.take().map_or(Ok(()), Err)
    }

    fn interrupted(stop: Option<&Latch>, deadline: Instant) -> Option<Event> {
        if stop.is_some_and(Latch::is_set) {
            return Some(Event::Stopped);
        }
        (Instant::now() >= deadline).then_some(Event::TimedOut)
    }

    /// Waits for what the caller has named.
    fn wait(stop: Option<&Latch>, deadline: Instant) -> Event {
        let time = deadline.saturating_duration_since(Instant::now());
        let never = Latch::new().unwrap();
        if stop.unwrap_or(&never).wait(time) { Event::Stopped } else { Event::TimedOut }
    }
}

impl Line for FakeLine {
    fn name(&self) -> &str {
        &self.target
    }

    fn exec(&mut self, command: &str, input: &[u8], _: Instant) -> Result<(), Failure> {
        self.note(Call::Exec(command.to_owned(), input.to_vec()));
        self.act(input)
    }

    fn next(&mut self, stop: Option<&Latch>, deadline: Instant) -> Result<Event, Failure> {
        let mut hurried = false;
        loop {
            if !hurried && let Some(event) = FakeLine::interrupted(stop, deadline) {
                if let Some(Step::Waits) = self.steps.front() {
                    self.steps.pop_front();
                }
                return Ok(event);
            }
            match self.steps.front().cloned() {
                Some(Step::Until(latch)) if !latch.wait(Duration::from_millis(2)) => continue,
                Some(Step::Waits) | None => {
                    self.steps.pop_front();
                    return Ok(FakeLine::wait(stop, deadline));
                }
                Some(Step::Until(_) | Step::RefusesBeside(_)) => {}
                Some(Step::Does(deed)) => {
                    self.steps.pop_front();
                    deed();
                    hurried = true;
                    continue;
                }
                Some(Step::Tells(event)) => {
                    self.steps.pop_front();
                    return event;
                }
            }
            self.steps.pop_front();
        }
    }

    fn beside(&mut self, command: &str, input: &[u8], _: Instant) -> Result<(), Failure> {
        self.note(Call::Beside(command.to_owned(), input.to_vec()));
        match self.steps.front().cloned() {
            Some(Step::RefusesBeside(failure)) => {
                self.steps.pop_front();
                Err(failure)
            }
            _ => Ok(()),
        }
    }

    fn prepare(&mut self, command: &str, input: &[u8], _: Instant) -> Result<(), Failure> {
        self.note(Call::Prepare(command.to_owned(), input.to_vec()));
        Ok(())
    }

    fn send(&mut self, input: &[u8]) -> Result<(), Failure> {
        self.note(Call::Send(input.to_vec()));
        self.act(input)
    }

    fn end_input(&mut self) -> Result<(), Failure> {
        self.note(Call::EndInput);
        Ok(())
    }

    fn shell(self: Box<Self>, _: Size, _: &Latch, _: Instant) -> Result<Box<dyn Shell>, Failure> {
        let text = "the stand-in has no terminals: real servers have";
        Err(Failure::new(&self.target, Kind::Channel, text))
    }
}

impl Drop for FakeLine {
    fn drop(&mut self) {
        self.note(Call::Hangup);
    }
}
