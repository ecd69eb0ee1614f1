//! What can be seen to be wrong before a start, without changing anything.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::settings;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::store::Store;

/// All that is wrong with what the configuration names, without changing anything.
pub fn check(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    if config.database.exists()
        && let Err(error) = Store::inspect(&config.database)
    {
        problems.push(error.chain());
    }
    if let Err(Error::Config(found)) = settings::trusted_proxies(config) {
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
pub(super) fn default_key(config: &Config) -> Result<()> {
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
