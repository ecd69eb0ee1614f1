//! The rules of the architecture, as tables. Whoever changes the architecture changes a line here
//! and the page docs/architecture.md, and nothing else lets a rule be broken.

/// What a module may use.
pub(super) struct Layer {
    /// A file or folder of `src/`, by the name of its module.
    pub(super) module: &'static str,
    /// Other modules of ours.
    pub(super) ours: &'static [&'static str],
    /// Crates of others.
    pub(super) crates: &'static [&'static str],
}

const fn layer(
    module: &'static str,
    ours: &'static [&'static str],
    crates: &'static [&'static str],
) -> Layer {
    Layer { module, ours, crates }
}

/// Every module, from the bottom up: each may use modules of the lines above it only, so there is
/// no circle. What stands here is used; what is not used any more is taken out.
#[rustfmt::skip]
pub(super) const LAYERS: &[Layer] = &[
    layer("error", &[], &[]),
    layer("clock", &[], &["jiff"]),
    layer("hex", &[], &[]),
    layer("random", &["error", "hex"], &["getrandom"]),
    layer("threads", &[], &["crossbeam_channel", "log", "rustix"]),
    layer("words", &["error"], &[]),
    layer("systemd", &["threads"], &["log"]),
    layer("config", &["error"], &["configparser", "log"]),
    layer("logging", &["clock", "config", "error", "threads"], &["log", "serde_json"]),
    layer("http", &["error", "threads"], &["base64", "crossbeam_channel", "httparse", "log", "rustix", "sha1", "tungstenite"]),
    layer("store", &["clock", "error", "threads"], &["rusqlite"]),
    layer("ssh", &["error", "threads", "words"], &["base64", "getrandom", "hmac", "log", "rustix", "sha1", "sha2", "ssh2"]),
    // Features.
    layer("audit", &["clock", "error", "hex", "store", "threads"], &["log", "rusqlite", "serde_json", "sha2"]),
    layer("auth", &["audit", "clock", "error", "hex", "random", "store", "threads"], &["argon2", "base64", "hmac", "jsonwebtoken", "log", "rusqlite", "serde", "serde_json", "sha2"]),
    layer("backup", &["audit", "clock", "error", "store"], &[]),
    layer("inventory", &["audit", "clock", "error", "hex", "ssh", "store", "threads", "words"], &["base64", "hmac", "log", "rusqlite", "rustix", "serde", "serde_json", "serde_yaml", "sha2"]),
    layer("exchange", &["error", "inventory", "ssh"], &["serde_json"]),
    layer("enrollment", &["audit", "clock", "error", "inventory", "ssh", "store", "threads"], &["log", "rusqlite", "serde_json"]),
    layer("health", &["clock", "enrollment", "error", "inventory", "store", "threads"], &["crossbeam_channel", "log", "rusqlite", "rustix"]),
    layer("operations", &["audit", "clock", "error", "inventory", "ssh", "store", "threads", "words"], &["crossbeam_channel", "log", "rusqlite", "serde", "serde_json", "sha2", "similar"]),
    layer("terminal", &["audit", "auth", "clock", "enrollment", "error", "inventory", "random", "ssh", "store", "threads", "words"], &["crossbeam_channel", "log", "rusqlite", "serde_json"]),
    layer("tables", &["auth", "clock", "error", "inventory", "operations", "store"], &["base64", "rusqlite", "serde_json", "sha2"]),
    // What brings them together.
    layer("api", &["audit", "auth", "clock", "enrollment", "error", "health", "http", "inventory", "operations", "ssh", "store", "tables", "terminal", "threads"], &["base64", "log", "serde", "serde_json", "serde_path_to_error"]),
    layer("console", &["http"], &[]),
    layer("server", &["api", "audit", "auth", "clock", "config", "console", "enrollment", "error", "health", "http", "inventory", "logging", "operations", "ssh", "store", "systemd", "terminal", "threads"], &["log", "rustix", "signal_hook"]),
    layer("doctor", &["audit", "auth", "clock", "config", "error", "inventory", "server", "ssh", "store", "threads"], &["rustix", "serde_json"]),
    layer("cli", &["audit", "auth", "backup", "clock", "config", "doctor", "enrollment", "error", "exchange", "inventory", "server", "ssh"], &[]),
];

/// A name that some files know and no others.
pub(super) struct Only {
    /// The beginning of a path; a macro ends with `!`.
    pub(super) name: &'static str,
    /// Files, folders (with a slash at the end); `*` stands for one name.
    pub(super) files: &'static [&'static str],
    /// Why.
    pub(super) because: &'static str,
}

const fn only(name: &'static str, files: &'static [&'static str], because: &'static str) -> Only {
    Only { name, files, because }
}

/// Narrower than the table of layers: names that are known in one place.
#[rustfmt::skip]
pub(super) const ONLY: &[Only] = &[
    only("rusqlite", &["src/store/", "src/*/store.rs", "src/*/store/"], "SQL stands in store files, where it can be read as a whole"),
    only("ssh2", &["src/ssh/"], "features depend on Dial and Line, so that tests can script them"),
    only("tungstenite", &["src/http/websocket.rs"], "features see messages, not frames"),
    only("httparse", &["src/http/parse.rs"], "there is one way from bytes to a request"),
    only("serde_yaml", &["src/inventory/yaml/tree.rs"], "everybody else sees a tree with line numbers"),
    only("configparser", &["src/config/reader.rs"], "everybody else sees a checked Config"),
    only("jsonwebtoken", &["src/auth/token.rs"], "there is one place where a token is believed"),
    only("argon2", &["src/auth/password.rs"], "hashing takes memory and happens in slots"),
    only("similar", &["src/operations/difference.rs"], "what it may cost is bounded in one place"),
    only("serde", &["src/api/", "src/auth/", "src/inventory/", "src/operations/store.rs"], "wire shapes stand in api, beside their handlers"),
    only("serde_path_to_error", &["src/api/json.rs"], "bodies are read in one place"),
    only("std::process::Command", &["src/inventory/git.rs", "src/inventory/git/", "src/doctor/proxy.rs"], "git is the only program that the server runs; the doctor has curl ask the proxy"),
    only("std::thread::spawn", &[], "threads are started with threads::spawn: named, logged, joined"),
    only("std::thread::scope", &[], "threads are started with threads::spawn: named, logged, joined"),
    only("std::thread::Builder", &["src/threads.rs"], "threads are started with threads::spawn: named, logged, joined"),
    only("std::thread::sleep", &[], "who waits can be woken: Latch::wait, or a channel with a deadline"),
    only("std::panic::catch_unwind", &["src/threads.rs"], "a panic is caught by threads::guard, which logs it"),
    only("std::time::SystemTime", &["src/clock.rs", "src/http/answer.rs"], "rules about the time of day take a Clock; the Date header is the exception"),
    only("std::net::TcpListener", &["src/http/"], "there is one port"),
    only("std::net::TcpStream", &["src/http/"], "sockets of clients belong to http, those of machines to ssh"),
    only("std::env::vars_os", &["src/config.rs"], "the environment is part of the configuration"),
    only("std::env::var_os", &["src/inventory/git.rs", "src/systemd.rs"], "git gets a chosen part of the environment; systemd speaks through it"),
    only("std::env::args_os", &["src/main.rs"], "arguments are parsed by cli"),
    only("println!", &[], "everything else goes to the log"),
    only("eprintln!", &["src/cli.rs", "src/cli/"], "everything else goes to the log"),
    only("print!", &[], "everything else goes to the log"),
    only("eprint!", &[], "everything else goes to the log"),
    only("dbg!", &[], "it is for the time of writing; use log::debug!"),
    only("todo!", &[], "what is not done is not merged"),
    only("unimplemented!", &[], "what is not done is not merged"),
];

/// Functions over [`LONGEST_FUNCTION`] lines, each with its reason.
pub(super) const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[
    ("src/error/words.rs", "fmt", "one text per cause, side by side so that they sound alike"),
    ("src/api/error.rs", "every_cause_has_its_status_and_code", "a row per cause"),
    ("src/api/error.rs", "classify", "one code per cause: a table, which a split would hide"),
];

/// Calls that end the thread when they fail, each with its reason.
pub(super) const UNWRAPS: &[(&str, &str)] =
    &[("src/ssh/program.rs", "without random numbers nothing can be done safely")];

/// Texts that look like the path of somebody's machine and are none.
pub(super) const NO_MACHINE_PATHS: &[(&str, &str)] =
    &[("tests/inventory_scripts.rs", "made-up places of interpreters")];

/// Lines of a function.
pub(super) const LONGEST_FUNCTION: usize = 60;

/// Lines of a file.
pub(super) const LONGEST_FILE: usize = 500;

/// Names that say nothing about what is inside.
pub(super) const EMPTY_NAMES: &[&str] =
    &["utils", "util", "helpers", "helper", "common", "manager", "service", "engine", "misc"];
