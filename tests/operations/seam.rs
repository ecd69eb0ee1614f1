//! Operations as a library, on a real database and a real repository, with a scripted stand-in
//! for the machines: what a real SSH server will not do on demand.

mod asked;
mod follow;
mod history;
mod queue;
mod split;
mod start;
mod stop;
mod transcript;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use linkops::clock::Clock;
use linkops::inventory::catalogue::Catalogue;
use linkops::inventory::route::Keys;
use linkops::inventory::sync;
use linkops::operations::{
    Event, ExecutionStatus, Id, Log, Operation, Operations, Request, ScriptOutput, Settings, Share,
    Targets, What,
};
use linkops::ssh::{Failure, Kind};
use linkops::store::Store;
use linkops::threads::Latch;

use crate::inventory::open;
use crate::support::fake_ssh::{Actor, Call, FakeSsh, Scene, Step};
use crate::support::repository::Repository;
use crate::support::{PATIENCE, deadline, somebody};
use asked::{Asked, Program};

/// The machines of the inventory.
const TARGETS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
/// The scripts of the catalogue.
const SCRIPTS: [&str; 3] = ["one", "two", "three"];

/// Operations with all that they need.
struct World {
    ssh: FakeSsh,
    store: Arc<Store>,
    catalogue: Arc<Catalogue>,
    clock: Clock,
    settings: Settings,
    operations: Arc<Operations>,
    directory: tempfile::TempDir,
}

/// Nothing waits between tries, and no time is over before a test is.
fn settings() -> Settings {
    Settings {
        default_concurrency: 5,
        max_concurrency: 20,
        script_timeout: 10 * PATIENCE,
        command_timeout: PATIENCE,
        output_limit: 8 * 1024 * 1024,
        stop_grace: Duration::ZERO,
        max_running: 4,
        queue_size: 20,
        retry_delay: Duration::ZERO,
        enrollment_required: false,
        keys: Keys::of("keys".as_ref()),
    }
}

fn repository() -> Repository {
    let (mut links, mut scripts) = ("links:\n".to_owned(), "scripts:\n".to_owned());
    for (number, id) in TARGETS.iter().enumerate() {
        links += &format!(
            "  {id}: {{type: VPS, host: {id}.example, port: 22, user: root, enrollment: {{clientId: \
             LINKOPS-00000000-0000-4000-8000-{number:012}}}}}\n"
        );
    }
    let mut files = Vec::new();
    for id in SCRIPTS {
        scripts += &format!(
            "  {id}: {{name: {id}, description: a test, path: {id}.sh, flags: [level=1]}}\n"
        );
        files.push((format!("{id}.sh"), format!("#!/bin/bash\necho {id}\n")));
    }
    files.extend([("links.yaml".to_owned(), links), ("scripts.yaml".to_owned(), scripts)]);
    let files: Vec<_> = files.iter().map(|(name, text)| (&name[..], &text[..])).collect();
    Repository::with(&files)
}

impl World {
    fn new() -> World {
        World::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut Settings)) -> World {
        let (directory, repository) = (tempfile::tempdir().unwrap(), repository());
        let (store, clock) = (Arc::new(open(directory.path())), Clock::fixed(1_000_000));
        let local_path = directory.path().join("git-repo");
        let of_sync = sync::Settings {
            url: Some(repository.url()),
            branch: "main".to_owned(),
            local_path: local_path.clone(),
            interval: Duration::ZERO,
            timeout: PATIENCE,
            key: None,
            known_hosts: None,
            accept_new: false,
            token: None,
            webhook_secret: None,
        };
        let stop = Arc::new(Latch::new().unwrap());
        sync::Sync::new(of_sync, Arc::clone(&store), clock.clone(), stop).sync_now().unwrap();
        let catalogue = Arc::new(Catalogue::new(Arc::clone(&store), &local_path));
        let mut settings = settings();
        change(&mut settings);
        let ssh = FakeSsh::default();
        let operations = start(&store, &catalogue, &ssh, &clock, &settings);
        World { ssh, store, catalogue, clock, settings, operations, directory }
    }

    /// Leaves what runs, and starts again on the same database with other settings.
    fn restart(&mut self, change: impl FnOnce(&mut Settings)) {
        self.operations.stop(Instant::now());
        change(&mut self.settings);
        self.operations =
            start(&self.store, &self.catalogue, &self.ssh, &self.clock, &self.settings);
    }

    /// The target's next dial meets this.
    fn scene(
        &self,
        target: &str,
        act: impl Fn(Asked) -> Result<Vec<Step>, Failure> + Send + Sync + 'static,
    ) {
        self.ssh.scene(target, Scene::Acts(actor(act)));
    }

    /// The target's next dial fails.
    fn unreachable(&self, kind: Kind) {
        self.ssh.scene("a", Scene::Unreachable(failure(kind, false)));
    }

    /// Queues the first script.
    fn run(&self, targets: &[&str]) -> Id {
        self.operations.submit(request(targets, &SCRIPTS[..1]), &somebody()).unwrap()
    }

    /// All events to the end of an operation.
    #[track_caller]
    fn wait(&self, id: Id) -> Vec<Event> {
        read_to_end(&self.operations, id, 0)
    }

    /// Runs the first script on the machine `a` to its end.
    #[track_caller]
    fn result(&self) -> Log {
        self.result_of(self.run(&["a"]))
    }

    /// Waits for an operation with one execution.
    #[track_caller]
    fn result_of(&self, id: Id) -> Log {
        self.wait(id);
        self.view(id).1.remove(0).0
    }

    fn view(&self, id: Id) -> (Operation, Vec<(Log, ScriptOutput)>) {
        let (operation, logs, _) = self.operations.view(id).unwrap();
        let output = |log: Log| {
            let output = self.operations.output(id, log.position).unwrap();
            (log, output)
        };
        (operation, logs.into_iter().map(output).collect())
    }

    /// The first event of an operation for which `wanted` holds.
    #[track_caller]
    fn event(&self, id: Id, wanted: impl Fn(&What) -> bool) {
        let (_, mut reader) = self.operations.events(id, 0).unwrap();
        let end = deadline();
        loop {
            let batch = reader.next(PATIENCE).unwrap();
            if batch.events.iter().any(|event| wanted(&event.what)) {
                return;
            }
            assert!(!batch.ended && Instant::now() < end, "it did not happen");
        }
    }

    /// The programs that the machine was given, in order, without those of the cleanup.
    fn asked(&self, target: &str) -> Vec<Asked> {
        let calls = self.ssh.calls(target).into_iter();
        calls.filter_map(|call| Asked::of(&call)).filter(|one| one.is_ours()).collect()
    }

    fn programs(&self, target: &str) -> Vec<Program> {
        self.asked(target).into_iter().map(|one| one.program).collect()
    }

    /// How often the machine was dialled.
    fn dials(&self, target: &str) -> usize {
        self.ssh.calls(target).iter().filter(|call| **call == Call::Dial).count()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.operations.stop(Instant::now());
    }
}

fn start(
    store: &Arc<Store>,
    catalogue: &Arc<Catalogue>,
    ssh: &FakeSsh,
    clock: &Clock,
    settings: &Settings,
) -> Arc<Operations> {
    let (store, catalogue) = (Arc::clone(store), Arc::clone(catalogue));
    let dial = Arc::new(ssh.clone());
    Arc::new(Operations::start(store, catalogue, dial, clock.clone(), settings.clone()).unwrap())
}

fn request(targets: &[&str], scripts: &[&str]) -> Request {
    let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    Request {
        scripts: owned(scripts),
        targets: Targets::Named(owned(targets)),
        flags: BTreeMap::new(),
        concurrency: None,
        require_enrollment: false,
        keep_going: false,
        waves: None,
        max_failures: Share::Count(0),
        retry_of: None,
    }
}

/// What comes after the event numbered `after`, to the end.
#[track_caller]
fn read_to_end(operations: &Operations, id: Id, after: u64) -> Vec<Event> {
    let (_, mut reader) = operations.events(id, after).unwrap();
    let (mut events, end) = (Vec::new(), deadline());
    loop {
        let batch = reader.next(PATIENCE).unwrap();
        events.extend(batch.events);
        if batch.ended {
            return events;
        }
        assert!(Instant::now() < end, "{id} does not end: {events:?}");
    }
}

fn actor(act: impl Fn(Asked) -> Result<Vec<Step>, Failure> + Send + Sync + 'static) -> Actor {
    Arc::new(move |target, input| act(Asked::parse(target, input)))
}

fn failure(kind: Kind, input_sent: bool) -> Failure {
    Failure { input_sent, ..Failure::new("a", kind, format!("a failure of kind {kind:?}")) }
}

/// The connection broke; with `input_sent` after the whole input was given away.
fn lost(input_sent: bool) -> Failure {
    failure(Kind::Lost, input_sent)
}

/// Something that happens on the caller's thread.
fn does(deed: impl Fn() + Send + Sync + 'static) -> Step {
    Step::Does(Arc::new(deed))
}

/// Nothing more happens until the caller is asked to look up.
fn for_ever() -> Step {
    Step::Until(Arc::new(Latch::new().unwrap()))
}

/// Status, exit code and the words of the error.
fn ending(log: &Log) -> (ExecutionStatus, Option<i32>, &str) {
    (log.status, log.exit_code, log.error.as_deref().unwrap_or(""))
}
