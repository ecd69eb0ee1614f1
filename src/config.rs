//! The configuration: one struct, read from one INI file and the environment, checked whole, all
//! problems reported at once, immutable afterwards. Section 9 of the contract lists the keys.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};

use reader::Reader;

mod reader;

/// The file read when no `--config` is given.
pub const DEFAULT_PATH: &str = "/etc/linkops/config.ini";

/// All that can be configured.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each section is documented at its struct")]
pub struct Config {
    pub api: Api,
    pub database: PathBuf,
    pub git: Git,
    pub ssh: Ssh,
    pub security: Security,
    pub operations: Operations,
    pub terminal: Terminal,
    pub health: Health,
    pub logging: Logging,
}

/// `[api]`: the HTTP server and its tokens.
#[derive(Debug, Clone)]
pub struct Api {
    /// The address to bind.
    pub host: IpAddr,
    /// The port to bind; 0 takes a free one.
    pub port: u16,
    /// The key that signs tokens, at least 32 bytes.
    pub jwt_secret: Secret,
    /// How long a token lives.
    pub jwt_expiration: Duration,
    /// Origins that browsers may call from; `*` for any.
    pub cors_origins: Vec<String>,
    /// The largest request body, in bytes.
    pub max_request_size: usize,
    /// From the first byte of a request to its answer.
    pub request_timeout: Duration,
    /// Threads that run handlers.
    pub worker_threads: usize,
    /// Open connections, in all.
    pub max_connections: usize,
    /// Open connections of one client address.
    pub max_connections_per_address: usize,
    /// Event streams and terminals, each with a thread of its own.
    pub max_streams: usize,
    /// Proxies whose X-Forwarded-For is believed: addresses or networks.
    pub trusted_proxies: Vec<String>,
}

/// `[git]`: the repository with the inventory and the scripts.
#[derive(Debug, Clone)]
pub struct Git {
    /// Where it is; none until it is configured.
    pub repository_url: Option<String>,
    /// The branch that is followed.
    pub branch: String,
    /// The directory for our copy.
    pub local_path: PathBuf,
    /// Time between syncs.
    pub sync_interval: Duration,
    /// The private key for an SSH repository.
    pub ssh_key_path: Option<PathBuf>,
    /// The longest one git command may take.
    pub timeout: Duration,
}

/// `[ssh]`: how machines are reached.
#[derive(Debug, Clone)]
pub struct Ssh {
    /// Where `keyRef` names are looked up.
    pub keys_directory: PathBuf,
    /// The pinned host keys.
    pub known_hosts_path: PathBuf,
    /// Whether an unknown host key is learned on first sight.
    pub accept_new_host_keys: bool,
    /// Address, handshake and login together, per try.
    pub connection_timeout: Duration,
    /// For our own short commands on a machine.
    pub command_timeout: Duration,
    /// Tries to connect, for transport errors.
    pub max_retries: u32,
    /// The pause after the first failed try; it grows.
    pub retry_delay: Duration,
    /// Sessions kept open between uses, in all.
    pub pool_size: usize,
    /// How long an unused session is kept.
    pub pool_idle: Duration,
}

/// `[security]`
#[derive(Debug, Clone)]
pub struct Security {
    /// Failed logins that lock an account.
    pub max_failed_attempts: u32,
    /// How long it stays locked, and the span in which failures count.
    pub lockout_duration: Duration,
    /// Whether operations on machines that are not enrolled are refused for everybody.
    pub enrollment_required: bool,
}

/// `[operations]`
#[derive(Debug, Clone)]
pub struct Operations {
    /// Executions at a time when the request does not say.
    pub default_concurrency: usize,
    /// The most a request may ask for.
    pub max_concurrency: usize,
    /// How long one script may run.
    pub script_timeout: Duration,
    /// Bytes kept per stream of an execution.
    pub output_buffer_size: usize,
    /// Between TERM and KILL when a script is stopped.
    pub stop_grace: Duration,
    /// Operations that run at the same time.
    pub max_running: usize,
    /// Operations that wait for their turn.
    pub queue_size: usize,
    /// How long a stopping server waits for operations before it leaves them to the next start.
    pub drain_timeout: Duration,
}

/// `[terminal]`
#[derive(Debug, Clone)]
pub struct Terminal {
    /// Open workspaces.
    pub max_workspaces: usize,
    /// Panes of one workspace.
    pub max_panes_per_workspace: usize,
    /// Without input and output for this long, a pane is closed.
    pub websocket_timeout: Duration,
    /// Between pings.
    pub websocket_ping_interval: Duration,
    /// How long a pane lives without a browser.
    pub detach_timeout: Duration,
    /// Output kept for a browser that comes back, in bytes.
    pub scrollback: usize,
    /// Whether sessions are recorded.
    pub recording: bool,
    /// Whether recordings hold what was typed.
    pub record_input: bool,
    /// Where recordings are kept.
    pub recordings_directory: PathBuf,
}

/// `[health]`
#[derive(Debug, Clone)]
pub struct Health {
    /// Between two checks of a machine.
    pub check_interval: Duration,
    /// For one check.
    pub check_timeout: Duration,
    /// Slower than this is shown as a warning.
    pub latency_warning: Duration,
    /// Slower than this is shown as critical.
    pub latency_critical: Duration,
}

/// `[logging]`
#[derive(Debug, Clone)]
pub struct Logging {
    /// The least level that is written.
    pub level: log::LevelFilter,
    /// The file; none (written as `-`) for standard error.
    pub path: Option<PathBuf>,
    /// A file of this size is rotated, in bytes.
    pub max_size: u64,
    /// Rotated files that are kept.
    pub backup_count: usize,
    /// JSON lines, or text for people.
    pub json: bool,
}

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The secret itself, for the code that signs with it.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Secret {
        Secret(text.as_bytes().to_vec())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Config {
    /// Reads `path` and the process's environment.
    ///
    /// # Errors
    /// [`Error::Config`] with every problem found.
    pub fn load(path: &Path) -> Result<Config> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let hint = "name another file with --config FILE";
            Error::Config(vec![format!("cannot read {path:?}: {error}\n{hint}")])
        })?;
        let base = path.parent().unwrap_or(Path::new("."));
        Config::parse(&text, base, std::env::vars())
    }

    /// Reads the text of a file. Relative paths are taken from `base`; `environment` overrides
    /// the file with `LINKOPS_<SECTION>_<KEY>`.
    ///
    /// # Errors
    /// [`Error::Config`] with every problem found.
    pub fn parse(
        text: &str,
        base: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config> {
        let mut reader = Reader::new(text, base)?;
        reader.overrides(environment);
        let config = Config {
            api: api(&mut reader),
            database: reader.path("database", "path", "/var/lib/linkops/linkops.db"),
            git: git(&mut reader),
            ssh: ssh(&mut reader),
            security: security(&mut reader),
            operations: operations(&mut reader),
            terminal: terminal(&mut reader),
            health: health(&mut reader),
            logging: logging(&mut reader),
        };
        cross_check(&mut reader, &config);
        reader.finish(config)
    }
}

fn api(r: &mut Reader) -> Api {
    Api {
        host: r.address("api", "host", "127.0.0.1"),
        port: r.number("api", "port", 8000, 0..=65_535) as u16,
        jwt_secret: r.secret("api", "jwt_secret", 32),
        jwt_expiration: r.time("api", "jwt_expiration_hours", 24, 1..=8_760, 3_600),
        cors_origins: r.list("api", "cors_origins"),
        max_request_size: r.size("api", "max_request_size", 10_485_760, 1_024..=1 << 30),
        request_timeout: r.time("api", "request_timeout", 60, 1..=3_600, 1),
        worker_threads: r.size("api", "worker_threads", 10, 1..=512),
        max_connections: r.size("api", "max_connections", 1_024, 1..=65_536),
        max_connections_per_address: r.size("api", "max_connections_per_address", 256, 1..=65_536),
        max_streams: r.size("api", "max_streams", 600, 1..=65_536),
        trusted_proxies: r.list("api", "trusted_proxies"),
    }
}

fn git(r: &mut Reader) -> Git {
    Git {
        repository_url: r.text("git", "repository_url"),
        branch: r.text("git", "branch").unwrap_or_else(|| "main".to_owned()),
        local_path: r.path("git", "local_path", "/var/lib/linkops/git-repo"),
        sync_interval: r.time("git", "sync_interval_minutes", 15, 0..=10_080, 60),
        ssh_key_path: r.optional_path("git", "ssh_key_path"),
        timeout: r.time("git", "timeout", 120, 1..=3_600, 1),
    }
}

fn ssh(r: &mut Reader) -> Ssh {
    Ssh {
        keys_directory: r.path("ssh", "keys_directory", "/var/lib/linkops/keys"),
        known_hosts_path: r.path("ssh", "known_hosts_path", "/var/lib/linkops/ssh/known_hosts"),
        accept_new_host_keys: r.choice("ssh", "host_key_policy", "accept-new", "strict"),
        connection_timeout: r.time("ssh", "connection_timeout", 30, 1..=600, 1),
        command_timeout: r.time("ssh", "command_timeout", 300, 1..=86_400, 1),
        max_retries: r.number("ssh", "max_retries", 3, 1..=20) as u32,
        retry_delay: r.time("ssh", "retry_delay", 5, 0..=600, 1),
        pool_size: r.size("ssh", "pool_size", 128, 0..=10_000),
        pool_idle: r.time("ssh", "pool_idle", 300, 0..=86_400, 1),
    }
}

fn security(r: &mut Reader) -> Security {
    Security {
        max_failed_attempts: r.number("security", "max_failed_attempts", 5, 1..=1_000) as u32,
        lockout_duration: r.time("security", "lockout_duration_minutes", 5, 1..=10_080, 60),
        enrollment_required: r.flag("security", "enrollment_required", true),
    }
}

fn operations(r: &mut Reader) -> Operations {
    Operations {
        default_concurrency: r.size("operations", "default_concurrency", 5, 1..=1_000),
        max_concurrency: r.size("operations", "max_concurrency", 20, 1..=1_000),
        script_timeout: r.time("operations", "script_timeout", 300, 1..=604_800, 1),
        output_buffer_size: r.size("operations", "output_buffer_size", 1_048_576, 1_024..=1 << 30),
        stop_grace: r.time("operations", "stop_grace", 10, 0..=600, 1),
        max_running: r.size("operations", "max_running", 10, 1..=1_000),
        queue_size: r.size("operations", "queue_size", 100, 1..=100_000),
        drain_timeout: r.time("operations", "drain_timeout", 5, 0..=3_600, 1),
    }
}

fn terminal(r: &mut Reader) -> Terminal {
    Terminal {
        max_workspaces: r.size("terminal", "max_workspaces", 100, 1..=10_000),
        max_panes_per_workspace: r.size("terminal", "max_panes_per_workspace", 4, 1..=4),
        websocket_timeout: r.time("terminal", "websocket_timeout", 3_600, 1..=604_800, 1),
        websocket_ping_interval: r.time("terminal", "websocket_ping_interval", 30, 1..=3_600, 1),
        detach_timeout: r.time("terminal", "detach_timeout", 1_800, 0..=604_800, 1),
        scrollback: r.size("terminal", "scrollback", 262_144, 0..=1 << 28),
        recording: r.flag("terminal", "recording", false),
        record_input: r.flag("terminal", "record_input", false),
        recordings_directory: r.path(
            "terminal",
            "recordings_directory",
            "/var/lib/linkops/recordings",
        ),
    }
}

fn health(r: &mut Reader) -> Health {
    let millis = |number: i64| Duration::from_millis(number.unsigned_abs());
    Health {
        check_interval: r.time("health", "check_interval_minutes", 5, 1..=10_080, 60),
        check_timeout: r.time("health", "check_timeout", 10, 1..=600, 1),
        latency_warning: millis(r.number("health", "latency_warning", 100, 1..=600_000)),
        latency_critical: millis(r.number("health", "latency_critical", 500, 1..=600_000)),
    }
}

fn logging(r: &mut Reader) -> Logging {
    Logging {
        level: r.level("logging", "level"),
        path: r.path_or_stderr("logging", "path", "/var/log/linkops/api.log"),
        max_size: r.number("logging", "max_size_mb", 100, 1..=10_000).unsigned_abs() << 20,
        backup_count: r.size("logging", "backup_count", 5, 0..=1_000),
        json: r.choice("logging", "format", "json", "text"),
    }
}

/// What one key alone cannot show.
fn cross_check(r: &mut Reader, config: &Config) {
    if config.operations.default_concurrency > config.operations.max_concurrency {
        r.problem("operations", "default_concurrency", "is larger than max_concurrency");
    }
    if config.health.latency_warning > config.health.latency_critical {
        r.problem("health", "latency_warning", "is larger than latency_critical");
    }
    if config.git.branch.starts_with('-') {
        r.problem("git", "branch", "cannot start with \"-\"");
    }
    if config.git.repository_url.as_ref().is_some_and(|url| url.starts_with('-')) {
        r.problem("git", "repository_url", "cannot start with \"-\"");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "[api]\njwt_secret = 0123456789#abcdef;0123456789abcdef\n";

    fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Config> {
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Config::parse(text, Path::new("/etc/linkops"), environment)
    }

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let config = parse(SECRET, &[]).unwrap();
        assert_eq!(config.api.port, 8000);
        assert_eq!(config.api.jwt_expiration, Duration::from_secs(24 * 3600));
        assert_eq!(config.api.jwt_secret.expose().len(), 34, "no comment is cut out of a value");
        assert_eq!(config.git.sync_interval, Duration::from_secs(900));
        assert_eq!(config.operations.output_buffer_size, 1_048_576);
        assert!(config.ssh.accept_new_host_keys && config.security.enrollment_required);
        assert_eq!(config.database, Path::new("/var/lib/linkops/linkops.db"));
        assert_eq!(config.logging.path.as_deref(), Some(Path::new("/var/log/linkops/api.log")));
    }

    /// R10.1, and "every problem at once".
    #[test]
    fn every_problem_is_reported_at_once() {
        let text = "[api]\njwt_secret = short\nprot = 1\nport = many\n[git]\nbranch = -x\n\
                    [ssh]\nhost_key_policy = none\n[logging]\nlevel = loud\n[nonsense]\na = 1\n";
        let Err(Error::Config(problems)) = parse(text, &[]) else { panic!("accepted") };
        let all = problems.join("\n");
        for part in [
            "[api] jwt_secret: has 5 bytes",
            "[api] prot: unknown key, did you mean \"port\"?",
            "[api] port: \"many\" is not a whole number from 0 to 65535",
            "[git] branch: cannot start",
            "[ssh] host_key_policy: \"none\"",
            "[logging] level: \"loud\"",
            "[nonsense] a: unknown key",
        ] {
            assert!(all.contains(part), "{part:?} is missing in:\n{all}");
        }
        assert_eq!(problems.len(), 7, "{all}");
    }

    #[test]
    fn the_environment_overrides_the_file_and_is_checked_too() {
        let config = parse(SECRET, &[("LINKOPS_API_PORT", "0"), ("OTHER_API_PORT", "9")]).unwrap();
        assert_eq!(config.api.port, 0);
        assert!(parse(SECRET, &[("LINKOPS_API_PROT", "0")]).is_err());
        parse(SECRET, &[("LINKOPS_RUN", "x")]).unwrap();
    }

    #[test]
    fn every_limit_is_accepted_at_its_edge_and_refused_beyond() {
        for (section, key, least, most) in [
            ("api", "port", 0, 65_535),
            ("api", "max_request_size", 1_024, 1 << 30),
            ("ssh", "max_retries", 1, 20),
            ("operations", "script_timeout", 1, 604_800),
            ("terminal", "max_panes_per_workspace", 1, 4),
        ] {
            let name = format!("LINKOPS_{}_{}", section.to_uppercase(), key.to_uppercase());
            let with = |number: i64| parse(SECRET, &[(&name, &number.to_string())]);
            assert!(with(least).is_ok() && with(most).is_ok(), "{key}");
            assert!(with(least - 1).is_err() && with(most + 1).is_err(), "{key}");
        }
    }

    #[test]
    fn relative_paths_start_at_the_file_and_secrets_are_not_printed() {
        let config = parse(&format!("{SECRET}[database]\npath = data/a.db\n"), &[]).unwrap();
        assert_eq!(config.database, Path::new("/etc/linkops/data/a.db"));
        assert!(!format!("{config:?}").contains("abcdef"));
    }
}
