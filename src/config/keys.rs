//! The keys: each once, with its type, name, default, range and meaning. The structs, their
//! reading and docs/CONFIGURATION.md all come from here.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Secret;
use super::reader::Reader;

/// The name of a key: that of its field, unless another one is given.
macro_rules! name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $name:literal) => {
        $name
    };
}

/// A section: `field [as "key"]: type = kind(default, range)`. The kinds are the methods of
/// `reader::Entry`; a doc comment is what users read.
macro_rules! section {
    (#[doc = $title:literal] $section:ident $text:literal {$(
        $(#[doc = $about:literal])+
        $field:ident $(as $name:literal)?: $type:ty = $kind:ident($($argument:expr),*);
    )*}) => {
        #[doc = concat!("`[", $text, "]`:", $title)]
        #[derive(Debug, Clone)]
        pub struct $section {$($(#[doc = $about])+ pub $field: $type,)*}

        impl $section {
            pub(super) fn read(reader: &mut Reader) -> $section {
                $section {$(
                    $field: reader
                        .at($text, name!($field $($name)?), concat!($($about),+))
                        .$kind($($argument),*),
                )*}
            }
        }
    };
}

section! {
/// the HTTP server and its tokens.
Api "api" {
    /// The address to listen on.
    host: IpAddr = address("127.0.0.1");
    /// The port to listen on; 0 takes a free one.
    port: u16 = number(8_000, 0..=65_535);
    /// The key that signs tokens, at least 32 bytes; whoever has it can sign in as anybody.
    jwt_secret: Secret = secret(32);
    /// How long a token lives.
    jwt_expiration as "jwt_expiration_hours": Duration = hours(24, 1..=8_760);
    /// Origins whose pages may call the API from a browser; `*` for any.
    cors_origins: Vec<String> = list();
    /// The largest request body.
    max_request_size: usize = bytes(10_485_760, 1_024..=1 << 30);
    /// How long a request may take to arrive, then to wait for a worker, and how long a call begins checks of machines.
    request_timeout: Duration = seconds(60, 1..=3_600);
    /// Requests that are worked on at the same time; half of them may wait for machines or for Git.
    worker_threads: usize = number(10, 1..=512);
    /// Open connections in all.
    max_connections: usize = number(1_024, 1..=65_536);
    /// Open connections of one client address.
    max_connections_per_address: usize = number(256, 1..=65_536);
    /// Event streams and terminals that are open at the same time.
    max_streams: usize = number(600, 1..=65_536);
    /// Addresses or networks of proxies whose X-Forwarded-For is believed.
    trusted_proxies: Vec<String> = list();
    /// Whether `GET /metrics` demands a token.
    metrics_auth: bool = flag(false);
    /// Calls per minute of one user, of one API token, or of one address that is not signed in; 0 for no limit.
    rate_limit: u32 = number(600, 0..=1_000_000);
    /// Logins per minute from one address; 0 for no limit.
    login_rate_limit: u32 = number(30, 0..=1_000_000);
}}

section! {
/// where everything is kept.
Database "database" {
    /// The SQLite database.
    path: PathBuf = path("/var/lib/linkops/linkops.db");
}}

section! {
/// the repository with the inventory and the scripts.
Git "git" {
    /// Where the repository is, as `git clone` takes it; without it nothing is synced.
    repository_url: Option<String> = optional();
    /// The branch that is followed.
    branch: String = text("main");
    /// The directory for the copy of the repository.
    local_path: PathBuf = path("/var/lib/linkops/git-repo");
    /// Time between syncs; 0 syncs only when asked.
    sync_interval as "sync_interval_minutes": Duration = minutes(15, 0..=10_080);
    /// The private key for a repository that is reached over SSH.
    ssh_key_path: Option<PathBuf> = optional_path();
    /// The longest that one git command may take.
    timeout: Duration = seconds(120, 1..=3_600);
}}

section! {
/// how machines are reached.
Ssh "ssh" {
    /// The directory with the private keys that `keyRef` names.
    keys_directory: PathBuf = path("/var/lib/linkops/keys");
    /// The file with the pinned host keys.
    known_hosts_path: PathBuf = path("/var/lib/linkops/ssh/known_hosts");
    /// Whether an unknown host key is pinned at first sight or refused; a changed one is always
    /// refused.
    accept_new_host_keys as "host_key_policy": bool = choice("accept-new", "strict");
    /// For looking up the address, the handshake and the login together, per try.
    connection_timeout: Duration = seconds(30, 1..=600);
    /// For LinkOps's own short commands on a machine.
    command_timeout: Duration = seconds(300, 1..=86_400);
    /// Tries to connect, when the network is the trouble.
    max_retries: u32 = number(3, 1..=20);
    /// The pause after the first failed try; it grows from try to try.
    retry_delay: Duration = seconds(5, 0..=600);
    /// Connections to machines that are kept open between uses.
    pool_size: usize = number(128, 0..=10_000);
    /// How long an unused connection is kept.
    pool_idle: Duration = seconds(300, 0..=86_400);
    /// How often a machine that says nothing is asked whether it is there; after three times this
    /// its connection is given up.
    keepalive_interval: Duration = seconds(30, 2..=3_600);
}}

section! {
/// who may do what.
Security "security" {
    /// Failed logins that lock an account.
    max_failed_attempts: u32 = number(5, 1..=1_000);
    /// How long it stays locked, and the span in which failures count.
    lockout_duration as "lockout_duration_minutes": Duration = minutes(5, 1..=10_080);
    /// Whether operations on machines that are not enrolled are refused for everybody.
    enrollment_required: bool = flag(true);
}}

section! {
/// runs of scripts.
Operations "operations" {
    /// Scripts that one operation runs at the same time, when the request does not say.
    default_concurrency: usize = number(5, 1..=1_000);
    /// The most that a request may ask for.
    max_concurrency: usize = number(20, 1..=1_000);
    /// How long one script may run on one machine.
    script_timeout: Duration = seconds(300, 1..=604_800);
    /// Output that is kept of one script on one machine, per stream; the rest is cut.
    output_buffer_size: usize = bytes(1_048_576, 1_024..=1 << 30);
    /// Between TERM and KILL when a script is stopped.
    stop_grace: Duration = seconds(10, 0..=600);
    /// Operations that run at the same time.
    max_running: usize = number(10, 1..=1_000);
    /// Operations that may wait for their turn.
    queue_size: usize = number(100, 1..=100_000);
    /// How long a stopping server waits for operations before it leaves them to the next start.
    drain_timeout: Duration = seconds(5, 0..=3_600);
}}

section! {
/// terminals in the browser.
Terminal "terminal" {
    /// Open workspaces.
    max_workspaces: usize = number(100, 1..=10_000);
    /// Panes of one workspace.
    max_panes_per_workspace: usize = number(4, 1..=4);
    /// Without input and output for this long, a pane is closed.
    websocket_timeout: Duration = seconds(3_600, 1..=604_800);
    /// Between two pings of a browser.
    websocket_ping_interval: Duration = seconds(30, 1..=3_600);
    /// How long a pane lives without a browser; with 0 it is closed at once.
    detach_timeout: Duration = seconds(1_800, 0..=604_800);
    /// Output that is kept of a pane for a browser that comes back.
    scrollback: usize = bytes(262_144, 0..=4 << 20);
    /// Whether terminals are recorded.
    recording: bool = flag(false);
    /// Whether recordings hold what was typed, too; that can be passwords.
    record_input: bool = flag(false);
    /// The directory for recordings.
    recordings_directory: PathBuf = path("/var/lib/linkops/recordings");
    /// Recordings that are older are removed; 0 keeps them.
    recordings_max_age as "recordings_max_age_days": Duration = days(90, 0..=3_650);
    /// When recordings take more than this, the oldest are removed; 0 for no limit.
    recordings_max_size as "recordings_max_mb": u64 = megabytes(1_024, 0..=1_048_576);
}}

section! {
/// checks of the machines.
Health "health" {
    /// Between two checks of a machine; 0 for none, also after a sync.
    check_interval as "check_interval_minutes": Duration = minutes(5, 0..=10_080);
    /// For one check.
    check_timeout: Duration = seconds(10, 1..=600);
    /// Checks at the same time.
    concurrency: usize = number(20, 1..=1_000);
    /// A machine that answers slower than this is shown as slow.
    latency_warning: Duration = milliseconds(100, 1..=600_000);
    /// A machine that answers slower than this is shown as very slow.
    latency_critical: Duration = milliseconds(500, 1..=600_000);
    /// How long the results of checks are kept.
    history as "history_days": Duration = days(7, 1..=365);
}}

section! {
/// the record of who did what.
Audit "audit" {
    /// Older rows are removed; 0 keeps all.
    retention as "retention_days": Duration = days(0, 0..=36_500);
}}

section! {
/// the log.
Logging "logging" {
    /// The least level that is written.
    level: log::LevelFilter = level("INFO");
    /// The file; `-` for standard error.
    path: Option<PathBuf> = path_or_stderr("/var/log/linkops/api.log");
    /// A file of this size is put aside and a new one begun.
    max_size as "max_size_mb": u64 = megabytes(100, 1..=10_000);
    /// Files that are kept beside the one that is written.
    backup_count: usize = number(5, 0..=1_000);
    /// JSON lines for machines, or text for people.
    json as "format": bool = choice("json", "text");
}}
