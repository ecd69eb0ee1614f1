//! How a machine is reached: from inventory entries to what `ssh` dials.

use std::fmt;
use std::path::Path;

use super::Machine;
use crate::ssh::Target;

/// Where SSH finds a machine, and as whom it logs in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The login name.
    pub user: String,
    /// The id of the link to go through: an address behind another one is another place.
    pub jump: Option<String>,
}

impl Place {
    /// Where the inventory has a machine.
    pub fn of(machine: &Machine) -> Place {
        let Machine { host, port, user, proxy_jump, .. } = machine.clone();
        Place { host, port, user, jump: proxy_jump }
    }

    /// The same machine, but at this place.
    pub fn with(self, machine: Machine) -> Machine {
        let Place { host, port, user, jump } = self;
        Machine { host, port, user, proxy_jump: jump, ..machine }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{} port {}", self.user, self.host, self.port)?;
        self.jump.as_ref().map_or(Ok(()), |jump| write!(f, " through {jump}"))
    }
}

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
