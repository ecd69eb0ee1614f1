//! Where a machine is: what decides which one a run is on.

use std::fmt;

use super::Machine;

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
