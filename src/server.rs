//! The server: opens, wires and starts everything, waits for a signal, and stops in reverse. The
//! only file that sees the whole.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::audit;
use crate::auth::Auth;
use crate::clock::Clock;
use crate::config::Config;
use crate::console;
use crate::error::{Error, Result};
use crate::health::Health;
use crate::http::{self, Listener};
use crate::logging;
use crate::operations::Operations;
use crate::ssh::Pool;
use crate::store::Store;
use crate::systemd::Systemd;
use crate::terminal::{Recordings, Terminals};
use crate::threads::{Handle, Latch};

mod check;
mod commands;
mod features;
pub(crate) mod settings;

pub use check::check;
pub use commands::{audit, backup, enroll, known_keys, machines, sync_once, users};

use features::{Features, Ground};

/// How long requests and streams get to end when the server stops.
const CLOSING: Duration = Duration::from_secs(5);

/// A started server. The fields are in the order of their start; it stops in reverse.
struct Server {
    ground: Ground,
    syncing: Handle,
    retention: Option<Handle>,
    operations: Arc<Operations>,
    health: Arc<Health>,
    terminals: Arc<Terminals>,
    recordings: Arc<Recordings>,
    http: http::Server,
    watchdog: Option<Handle>,
    drain: Duration,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// Something that is needed cannot be opened or started.
pub fn run(config: &Config) -> Result<()> {
    logging::start(&config.logging)?;
    take_descriptors();
    // Before any thread starts, so that no signal is lost.
    let signals = signals()?;
    log::info!(version = env!("CARGO_PKG_VERSION"); "starting"); // R13.4
    let systemd = Arc::new(Systemd::from_environment());
    let server =
        Server::start(config, &systemd).inspect_err(|error| log::error!("{}", error.chain()))?;
    // Whoever started us may have closed it.
    let _ = writeln!(io::stdout(), "listening on http://{}", server.http.local_addr());
    log::info!("listening on {}", server.http.local_addr());
    systemd.ready(&format!("listening on http://{}", server.http.local_addr()));
    let signal = wait_for(signals);
    log::info!("stopping on signal {signal}"); // R13.5
    systemd.stopping(server.drain + 4 * CLOSING);
    server.stop();
    log::info!("stopped");
    Ok(())
}

/// Writes down why there is no start, where the configuration says so far as it can be read.
pub fn refuse(path: &Path, error: &Error) {
    if Config::logging(path).is_some_and(|settings| logging::start(&settings).is_ok()) {
        log::error!("not started: {}", error.chain());
    }
}

impl Server {
    fn start(config: &Config, systemd: &Arc<Systemd>) -> Result<Server> {
        check::default_key(config)?;
        let store = Arc::new(Store::open(&config.database)?);
        // Bound before anything runs: an address in use is found out without side effects.
        let listener = Listener::bind(settings::http(config)?)?;
        let no_latch = |error| Error::io("make a latch", error);
        let stop = Arc::new(Latch::new().map_err(no_latch)?);
        let pool = Pool::start(settings::ssh(config))?;
        let ground = Ground { clock: Clock::System, store, stop, pool };
        let features = Features::start(config, &ground)?;
        let syncing = features.sync.start().map_err(|error| Error::io("start syncing", error))?;
        let retention = retention(config, &ground)?;
        first_admin(&features.auth)?;
        let (operations, health) = (Arc::clone(&features.operations), Arc::clone(&features.health));
        let terminals = Arc::clone(&features.terminals);
        let recordings = Arc::clone(&features.recordings);
        let api = features.api(config, &ground)?;
        let handle =
            move |request| console::answer(&request).unwrap_or_else(|| api.handle(&request));
        let http = listener.serve(Arc::new(handle))?;
        let (pulse, answering) = (http.pulse(), Arc::clone(&ground.store));
        let watchdog = systemd
            .watch(move || answering.answers() && pulse(), Arc::clone(&ground.stop))
            .map_err(|error| Error::io("start the watchdog", error))?;
        let drain = config.operations.drain_timeout;
        Ok(Server {
            ground,
            syncing,
            retention,
            operations,
            health,
            terminals,
            recordings,
            http,
            watchdog,
            drain,
        })
    }

    /// No new work, then what runs, then the streams, then what they stood on.
    fn stop(self) {
        self.ground.stop.set();
        self.terminals.stop(Instant::now() + CLOSING);
        self.recordings.stop(Instant::now() + CLOSING);
        self.operations.stop(Instant::now() + self.drain);
        self.http.stop(Instant::now() + CLOSING);
        self.health.stop();
        self.syncing.join();
        self.retention.into_iter().for_each(Handle::join);
        self.watchdog.into_iter().for_each(Handle::join);
        self.ground.pool.close(Instant::now() + CLOSING);
        if let Err(error) = self.ground.store.checkpoint() {
            log::warn!("{}", error.chain());
        }
    }
}

fn retention(config: &Config, ground: &Ground) -> Result<Option<Handle>> {
    let (store, stop) = (Arc::clone(&ground.store), Arc::clone(&ground.stop));
    audit::retention::start(store, ground.clock.clone(), config.audit.retention, stop)
        .map_err(|error| Error::io("start the audit log's retention", error))
}

/// Section 10: the password is printed once and never logged.
fn first_admin(auth: &Auth) -> Result<()> {
    if let Some(password) = auth.first_start_admin()? {
        let line = format!("first start: the user \"admin\" has the password {password}\n");
        io::stderr()
            .write_all(line.as_bytes())
            .map_err(|error| Error::io("tell the first password on standard error", error))?;
        log::info!("first start: made the user \"admin\"");
    }
    Ok(())
}

/// Connections, sessions and operations take more descriptors than the usual soft limit of 1024.
fn take_descriptors() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        log::warn!("the limit of descriptors stays as it is: {error}");
    }
}

fn signals() -> Result<signal_hook::iterator::Signals> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    signal_hook::iterator::Signals::new([SIGTERM, SIGINT])
        .map_err(|error| Error::io("watch for signals", error))
}

fn wait_for(mut signals: signal_hook::iterator::Signals) -> i32 {
    signals.forever().next().unwrap_or_default()
}
