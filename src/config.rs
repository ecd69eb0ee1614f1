//! The configuration: one struct, read from one INI file and the environment, checked whole, all
//! problems reported at once, immutable afterwards. Section 9 of the contract lists the keys.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

pub use keys::{Api, Audit, Database, Git, Health, Logging, Operations, Security, Ssh, Terminal};
use reader::Reader;
use secrets::MOVABLE;
pub use secrets::Secrets;

mod keys;
mod reader;
mod secrets;

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
    pub audit: Audit,
    pub logging: Logging,
    pub secrets: Secrets,
}

/// A key as users see it.
#[derive(Debug, Clone)]
pub struct Key {
    /// The name of its section.
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What stands for it when it is absent; empty when nothing does.
    pub default: String,
    /// What it takes, as in "a whole number of seconds from 1 to 600".
    pub values: String,
    /// What it is good for, in sentences.
    pub about: &'static str,
}

/// Every key, in the order of the contract.
pub fn keys() -> Vec<Key> {
    let mut reader = Reader::default();
    Config::read(&mut reader);
    reader.finish().0
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
    /// Reads `path`, secrets.ini beside it and the process's environment.
    ///
    /// # Errors
    /// [`Error::Config`] with every problem found.
    pub fn load(path: &Path) -> Result<Config> {
        let text = read(path)?;
        let base = path.parent().unwrap_or(Path::new("."));
        match Secrets::load(base) {
            Ok(secrets) => Config::parse(&text, base, secrets, environment()),
            Err(Error::Config(problems)) => Err(without_secrets(&text, base, problems)),
            Err(other) => Err(other),
        }
    }

    /// Where records go, when everything else may be wrong: what is wrong belongs in the log.
    pub fn logging(path: &Path) -> Option<Logging> {
        let base = path.parent().unwrap_or(Path::new("."));
        let mut reader = Reader::new(&read(path).ok()?, base, environment()).ok()?;
        let logging = Logging::read(&mut reader);
        let problem = reader.finish().1.iter().any(|one| one.starts_with("[logging]"));
        (!problem).then_some(logging)
    }

    /// Reads the text of a file. Relative paths are taken from `base`; `secrets` stand beside
    /// the file's own values, and `environment` overrides both with `LINKOPS_<SECTION>_<KEY>`.
    ///
    /// # Errors
    /// [`Error::Config`] with every problem found.
    pub fn parse(
        text: &str,
        base: &Path,
        secrets: Secrets,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config> {
        let mut reader = Reader::new(text, base, environment)?;
        reader.take_secrets(&secrets);
        let config = Config { secrets, ..Config::read(&mut reader) };
        cross_check(&mut reader, &config);
        let (_, problems) = reader.finish();
        if problems.is_empty() { Ok(config) } else { Err(Error::Config(problems)) }
    }

    fn read(reader: &mut Reader) -> Config {
        Config {
            api: Api::read(reader),
            database: Database::read(reader).path,
            git: Git::read(reader),
            ssh: Ssh::read(reader),
            security: Security::read(reader),
            operations: Operations::read(reader),
            terminal: Terminal::read(reader),
            health: Health::read(reader),
            audit: Audit::read(reader),
            logging: Logging::read(reader),
            secrets: Secrets::default(),
        }
    }
}

/// Our part of the process's environment. What is no UTF-8 is read as U+FFFD, which no value may
/// hold.
fn environment() -> impl Iterator<Item = (String, String)> {
    let ours = |name: &OsString| name.as_encoded_bytes().starts_with(b"LINKOPS_");
    let text = |text: OsString| text.to_string_lossy().into_owned();
    std::env::vars_os()
        .filter(move |(name, _)| ours(name))
        .map(move |(name, value)| (text(name), text(value)))
}

/// What is wrong beside the secrets. What they may have said is not missed.
fn without_secrets(text: &str, base: &Path, mut problems: Vec<String>) -> Error {
    let missing = |problem: &String| {
        MOVABLE
            .iter()
            .any(|(section, key)| problem.starts_with(&format!("[{section}] {key}: is required")))
    };
    match Config::parse(text, base, Secrets::default(), environment()) {
        Err(Error::Config(more)) => problems.extend(more.into_iter().filter(|one| !missing(one))),
        Err(other) => return other,
        Ok(_) => {}
    }
    Error::Config(problems)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        let hint = "name another file with --config FILE";
        Error::Config(vec![format!("cannot read {path:?}: {error}\n{hint}")])
    })
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
mod tests;
