//! How a machine is reached: from inventory entries to what `ssh` dials.

use std::path::{Path, PathBuf};

use super::Machine;
use crate::ssh::Target;

/// The key of machines that name none, in the keys directory, unless another one is configured.
pub const DEFAULT_KEY: &str = "id_ed25519";

/// Where the private keys are.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The directory in which `keyRef` names a file.
    pub directory: PathBuf,
    /// The key of machines that name none.
    pub default: PathBuf,
}

impl Keys {
    /// Keys of a directory, with [`DEFAULT_KEY`] as the default.
    #[must_use]
    pub fn of(directory: &Path) -> Keys {
        Keys { directory: directory.to_owned(), default: directory.join(DEFAULT_KEY) }
    }

    /// The file of a key, or of the default one.
    #[must_use]
    pub fn file(&self, name: Option<&str>) -> PathBuf {
        name.map_or_else(|| self.default.clone(), |name| self.directory.join(name))
    }
}

/// The login on the last machine of `chain`, through those before it, with a key of `keys`.
/// None for an empty chain.
pub fn target(chain: &[Machine], keys: &Keys) -> Option<Target> {
    chain.iter().fold(None, |via, machine| {
        Some(Target {
            name: machine.id.clone(),
            host: machine.host.clone(),
            port: machine.port,
            user: machine.user.clone(),
            key: keys.file(machine.key_ref.as_deref()),
            via: via.map(Box::new),
        })
    })
}
