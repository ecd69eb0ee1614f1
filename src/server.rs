//! The server: opens, wires and starts everything, waits for a signal, and stops in reverse. The
//! only file that sees the whole.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::api::{self, Api, Document};
use crate::audit;
use crate::auth::{self, Auth};
use crate::clock::Clock;
use crate::config::Config;
use crate::enrollment::Enrollment;
use crate::error::{Error, Result};
use crate::http::{self, Listener};
use crate::inventory::catalogue::Catalogue;
use crate::inventory::route::Keys;
use crate::inventory::sync::{self, Sync};
use crate::logging;
use crate::operations::{self, Operations};
use crate::ssh::{self, Dial, HostKeyPolicy, Pool};
use crate::store::Store;
use crate::systemd::Systemd;
use crate::threads::{Handle, Latch};

/// How long requests and streams get to end when the server stops.
const CLOSING: Duration = Duration::from_secs(5);

/// A started server. The fields are in the order of their start; it stops in reverse.
struct Server {
    store: Arc<Store>,
    pool: Arc<Pool>,
    stop: Arc<Latch>,
    syncing: Handle,
    operations: Arc<Operations>,
    http: http::Server,
    watchdog: Option<Handle>,
    drain: Duration,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// Something that is needed cannot be opened or started.
pub fn run(config: Config) -> Result<()> {
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
    systemd.stopping(server.drain + 3 * CLOSING);
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
    fn start(config: Config, systemd: &Arc<Systemd>) -> Result<Server> {
        check_default_key(&config)?;
        let clock = Clock::System;
        let store = Arc::new(Store::open(&config.database)?);
        let auth = Arc::new(Auth::new(Arc::clone(&store), clock.clone(), &auth_settings(&config)));
        // Bound before anything runs: an address in use is found out without side effects.
        let listener = Listener::bind(http_settings(&config)?)?;
        let pool = Pool::start(ssh_settings(&config))?;
        let dial: Arc<dyn Dial> = Arc::<Pool>::clone(&pool);
        let no_latch = |error| Error::io("make a latch", error);
        let stop = Arc::new(Latch::new().map_err(no_latch)?);
        let sync = Arc::new(Sync::new(
            git_settings(&config),
            Arc::clone(&store),
            clock.clone(),
            Arc::clone(&stop),
        ));
        let catalogue = Arc::new(Catalogue::new(Arc::clone(&store), &config.git.local_path));
        let syncing = sync.start().map_err(|error| Error::io("start syncing", error))?;
        let operations = Arc::new(Operations::start(
            Arc::clone(&store),
            Arc::clone(&catalogue),
            Arc::clone(&dial),
            clock.clone(),
            operations_settings(&config),
        )?);
        let enrollment = Enrollment::new(
            Arc::clone(&store),
            dial,
            clock,
            keys(&config),
            config.ssh.command_timeout,
            Arc::clone(&stop),
        );
        first_admin(&auth)?;
        let api = Api {
            auth,
            store: Arc::clone(&store),
            catalogue,
            enrollment,
            operations: Arc::clone(&operations),
            sync,
            document: Document::new()?,
        };
        let http = listener.serve(Arc::new(move |request| api.handle(&request)))?;
        let (pulse, answering) = (http.pulse(), Arc::clone(&store));
        let watchdog = systemd
            .watch(move || answering.answers() && pulse(), Arc::clone(&stop))
            .map_err(|error| Error::io("start the watchdog", error))?;
        let drain = config.operations.drain_timeout;
        Ok(Server { store, pool, stop, syncing, operations, http, watchdog, drain })
    }

    /// No new work, then what runs, then the streams, then what they stood on.
    fn stop(self) {
        self.stop.set();
        self.operations.stop(Instant::now() + self.drain);
        self.http.stop(Instant::now() + CLOSING);
        self.syncing.join();
        self.watchdog.into_iter().for_each(Handle::join);
        self.pool.close(Instant::now() + CLOSING);
        if let Err(error) = self.store.checkpoint() {
            log::warn!("{}", error.chain());
        }
    }
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

/// The users, for the command line.
///
/// # Errors
/// The database cannot be opened.
pub fn users(config: &Config) -> Result<Arc<Auth>> {
    let store = Arc::new(Store::open(&config.database)?);
    Ok(Arc::new(Auth::new(store, Clock::System, &auth_settings(config))))
}

/// A copy of the database, also while a server uses it, for the command line.
///
/// # Errors
/// There is no database, the copy exists already, or it cannot be written.
pub fn backup(config: &Config, copy: &Path) -> Result<()> {
    Store::copy(&config.database, copy)
}

/// Whether the audit log is whole, for the command line.
///
/// # Errors
/// The database cannot be opened.
pub fn audit(config: &Config, expected: Option<&audit::Head>) -> Result<audit::Verdict> {
    Store::inspect(&config.database)?;
    audit::verify(&Store::open(&config.database)?, expected)
}

/// One sync, for the command line.
///
/// # Errors
/// Those of the sync.
pub fn sync_once(config: Config) -> Result<sync::Outcome> {
    let store = Arc::new(Store::open(&config.database)?);
    let stop = Arc::new(Latch::new().map_err(|error| Error::io("make a latch", error))?);
    Sync::new(git_settings(&config), store, Clock::System, stop).sync_now()
}

/// All that is wrong with what the configuration names, without changing anything.
pub fn check(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    if config.database.exists()
        && let Err(error) = Store::inspect(&config.database)
    {
        problems.push(error.chain());
    }
    if let Err(Error::Config(found)) = trusted_proxies(config) {
        problems.extend(found);
    }
    problems.extend(check_keys(&config.ssh.keys_directory));
    problems.extend(config.secrets.key_path().and_then(|key| check_key(&key)));
    if let Some(key) = &config.git.ssh_key_path {
        problems.extend(check_key(key));
    }
    if config.git.repository_url.is_none() {
        problems.push("[git] repository_url: is not set, there is nothing to sync from".into());
    }
    problems
}

/// R10.4: secrets.ini may name the key of machines that name none.
pub(crate) fn keys(config: &Config) -> Keys {
    let keys = Keys::of(&config.ssh.keys_directory);
    Keys { default: config.secrets.key_path().unwrap_or(keys.default), ..keys }
}

/// R10.2, R10.3: each file of the keys directory is a key for us alone.
fn check_keys(directory: &Path) -> Vec<String> {
    match std::fs::read_dir(directory) {
        Err(error) => vec![format!("cannot read the keys directory {directory:?}: {error}")],
        Ok(entries) => entries
            .filter_map(std::result::Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.is_file() && path.extension().is_none_or(|end| end != "pub"))
            .filter_map(|path| check_key(&path))
            .collect(),
    }
}

/// R10.5: a key that secrets.ini names must be there.
fn check_default_key(config: &Config) -> Result<()> {
    match config.secrets.key_path().and_then(|key| check_key(&key)) {
        Some(problem) => {
            Err(Error::Config(vec![format!("secrets.ini: [ssh] key_path: {problem}")]))
        }
        None => Ok(()),
    }
}

fn check_key(path: &Path) -> Option<String> {
    match std::fs::metadata(path) {
        Err(error) => Some(format!("cannot read the key {path:?}: {error}")),
        Ok(data) if data.permissions().mode() & 0o7777 != 0o600 => {
            let mode = data.permissions().mode() & 0o7777;
            Some(format!("the key {path:?} has mode {mode:o}\nrun: chmod 600 {}", path.display()))
        }
        Ok(_) => None,
    }
}

fn auth_settings(config: &Config) -> auth::Settings {
    auth::Settings {
        secret: config.api.jwt_secret.expose().to_vec(),
        token_life: config.api.jwt_expiration,
        max_failed: config.security.max_failed_attempts,
        lockout: config.security.lockout_duration,
        hash_cost: auth::HashCost::default(),
    }
}

fn http_settings(config: &Config) -> Result<http::Settings> {
    Ok(http::Settings {
        address: SocketAddr::new(config.api.host, config.api.port),
        workers: config.api.worker_threads,
        max_connections: config.api.max_connections,
        max_connections_per_address: config.api.max_connections_per_address,
        max_streams: config.api.max_streams,
        max_body: config.api.max_request_size,
        request_timeout: config.api.request_timeout,
        trusted_proxies: trusted_proxies(config)?,
        cors_origins: config.api.cors_origins.clone(),
        wording: api::wording,
        ..http::Settings::default()
    })
}

fn trusted_proxies(config: &Config) -> Result<Vec<http::Prefix>> {
    let parsed: Result<Vec<_>, String> =
        config.api.trusted_proxies.iter().map(|text| text.parse()).collect();
    parsed.map_err(|problem| Error::Config(vec![format!("[api] trusted_proxies: {problem}")]))
}

pub(crate) fn ssh_settings(config: &Config) -> ssh::Settings {
    let accept_new = config.ssh.accept_new_host_keys;
    ssh::Settings {
        known_hosts: config.ssh.known_hosts_path.clone(),
        policy: if accept_new { HostKeyPolicy::AcceptNew } else { HostKeyPolicy::Strict },
        connect_timeout: config.ssh.connection_timeout,
        max_tries: config.ssh.max_retries,
        retry_delay: config.ssh.retry_delay,
        max_idle: config.ssh.pool_size,
        idle_time: config.ssh.pool_idle,
        keepalive: Duration::from_secs(30),
    }
}

pub(crate) fn git_settings(config: &Config) -> sync::Settings {
    sync::Settings {
        url: config.git.repository_url.clone(),
        branch: config.git.branch.clone(),
        local_path: config.git.local_path.clone(),
        interval: config.git.sync_interval,
        timeout: config.git.timeout,
        key: config.git.ssh_key_path.clone(),
        known_hosts: Some(config.ssh.known_hosts_path.clone()),
        accept_new: config.ssh.accept_new_host_keys,
        token: config.secrets.git_token(),
    }
}

fn operations_settings(config: &Config) -> operations::Settings {
    operations::Settings {
        default_concurrency: config.operations.default_concurrency,
        max_concurrency: config.operations.max_concurrency,
        script_timeout: config.operations.script_timeout,
        command_timeout: config.ssh.command_timeout,
        output_limit: config.operations.output_buffer_size,
        stop_grace: config.operations.stop_grace,
        max_running: config.operations.max_running,
        queue_size: config.operations.queue_size,
        retry_delay: config.ssh.retry_delay,
        enrollment_required: config.security.enrollment_required,
        keys: keys(config),
    }
}
