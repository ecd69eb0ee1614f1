//! How a machine is reached: from inventory entries to what `ssh` dials.

use std::path::Path;

use super::Machine;
use crate::ssh::Target;

/// The key of machines that name none, in the keys directory.
pub const DEFAULT_KEY: &str = "id_ed25519";

/// The login on the last machine of `chain`, through those before it, with keys from `keys`.
/// None for an empty chain.
pub fn target(chain: &[Machine], keys: &Path) -> Option<Target> {
    chain.iter().fold(None, |via, machine| {
        Some(Target {
            name: machine.id.clone(),
            host: machine.host.clone(),
            port: machine.port,
            user: machine.user.clone(),
            key: keys.join(machine.key_ref.as_deref().unwrap_or(DEFAULT_KEY)),
            via: via.map(Box::new),
        })
    })
}
