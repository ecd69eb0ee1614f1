//! The machines: whether each can be reached, shows its known host key, lets us in, and agrees
//! with us about the time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use super::{Finding, Tell};
use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::inventory::{Filter, Machine, Sort, route, store as rows};
use crate::server::settings;
use crate::ssh::program::Program;
use crate::ssh::{self, Dial, Failure, HostKeyPolicy, Kind, Pool, Target};
use crate::store::Store;
use crate::threads::{Handle, Latch, lock, spawn};

const PART: &str = "machine";
/// The most machines that are looked at at the same time.
const SIDE_BY_SIDE: usize = 16;
/// A clock that is further away is told.
const APART: i64 = 60_000;
/// For the one short command.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the threads share.
struct Work {
    pool: Arc<Pool>,
    stop: Latch,
    targets: Mutex<VecDeque<(Machine, Option<Target>)>>,
}

/// Looks at all machines side by side; findings come as they are made.
pub(super) fn examine(config: &Config, store: &Store, tell: Tell<'_>) -> Result<()> {
    let machines = store.read(|db| rows::machines(db, &Filter::default(), Sort::default()))?;
    if machines.is_empty() {
        let advice = "write links.yaml in the repository, then: linkopsd sync";
        return tell(Finding::note(PART, "the inventory is empty", advice));
    }
    let keys = settings::keys(config);
    let mut targets = VecDeque::new();
    for machine in machines {
        let chain = store.read(|db| rows::chain(db, &machine.id))?;
        targets.push_back((machine, route::target(&chain, &keys)));
    }
    // Looking must not make a host known, and one try tells enough.
    let settings =
        ssh::Settings { policy: HostKeyPolicy::Strict, max_tries: 1, ..settings::ssh(config) };
    let stop = Latch::new().map_err(|error| Error::io("make a latch", error))?;
    let count = targets.len().min(SIDE_BY_SIDE);
    let targets = Mutex::new(targets);
    let work = Arc::new(Work { pool: Pool::start(settings)?, stop, targets });
    let (sender, findings) = mpsc::channel();
    let threads = (0..count)
        .map(|number| {
            let (work, sender) = (Arc::clone(&work), sender.clone());
            spawn(format!("doctor-{number}"), move || work.run(&sender))
                .map_err(|error| Error::io("start a thread", error))
        })
        .collect::<Result<Vec<Handle>>>()?;
    drop(sender);
    let told = findings.iter().try_for_each(tell);
    work.stop.set(); // only if nobody listens any more is there something left to stop
    threads.into_iter().for_each(Handle::join);
    told
}

impl Work {
    fn run(&self, findings: &mpsc::Sender<Finding>) {
        while !self.stop.is_set() {
            let Some((machine, target)) = lock(&self.targets).pop_front() else { return };
            let finding = match target {
                Some(target) => self.look(&machine, &target),
                None => Finding::wrong(PART, format!("{}: no way leads to it", machine.id), "sync"),
            };
            if findings.send(finding).is_err() {
                return;
            }
        }
    }

    fn look(&self, machine: &Machine, target: &Target) -> Finding {
        match self.time_on(target) {
            Err(failure) => {
                let text = format!("{}: {failure}", machine.id);
                Finding::failed(PART, &text, advice(failure.kind))
            }
            Ok(None) => {
                let text = format!("{}: bash does not start there", machine.id);
                Finding::wrong(PART, text, "install bash on the machine")
            }
            Ok(Some(time)) => judged(machine, time - Clock::System.now()),
        }
    }

    /// The machine's time of day in milliseconds; none when its bash does not answer.
    fn time_on(&self, target: &Target) -> Result<Option<i64>, Failure> {
        let mut line = self.pool.dial(target, &self.stop)?;
        let program = Program::new("say \"$(date +%s)\"");
        let answer =
            program.call(line.as_mut(), 4_096, Some(&self.stop), Instant::now() + PATIENCE)?;
        let seconds: Option<i64> = answer.words.and_then(|words| words.trim().parse().ok());
        Ok(seconds.map(|seconds| seconds * 1_000))
    }
}

fn judged(machine: &Machine, apart: i64) -> Finding {
    let id = &machine.id;
    if apart.abs() > APART {
        let text = format!("{id}: its clock is {} s away from ours", apart / 1_000);
        return Finding::wrong(PART, text, "set the clock that is wrong: timedatectl set-ntp true");
    }
    match machine.enrollment.enrolled || !machine.enrollment.required {
        true => Finding::good(PART, format!("{id}: reached, host key known")),
        false => {
            let why = machine.enrollment.error.as_deref().unwrap_or("never checked");
            let text = format!("{id}: reached, but not enrolled: {why}");
            Finding::note(PART, text, format!("run: linkopsd enroll {id}"))
        }
    }
}

/// What to do where the failure itself does not say it.
fn advice(kind: Kind) -> &'static str {
    match kind {
        Kind::KeyFile => "put the private key into [ssh] keys_directory, mode 600",
        Kind::Resolve => "correct host in links.yaml, or the name server",
        Kind::Refused => "start sshd there, or correct port in links.yaml",
        Kind::Unreachable | Kind::TimedOut => {
            "start the machine, or open the way through firewalls"
        }
        Kind::Authentication => "put the public key into authorized_keys of that user there",
        Kind::HostKeyUnknown => "compare its key and make it known: linkopsd enroll TARGET",
        Kind::Jump => "allow AllowTcpForwarding on the machine in between",
        Kind::Channel => "allow commands for that user in the machine's sshd_config",
        _ => "look into sshd's log on the machine: journalctl -u ssh",
    }
}
