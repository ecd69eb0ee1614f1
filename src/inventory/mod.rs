//! The inventory: the machines and scripts that a Git repository describes, what checks found out
//! about the machines, and how both come from the repository into the database.

pub mod catalogue;
mod git;
mod place;
pub mod route;
pub mod store;
pub mod sync;
mod webhook;
pub mod yaml;

pub use git::redact;
pub use place::Place;

use crate::error::{Error, Result, Unenrolled};
use crate::words::{unknown, words};

/// Where a machine keeps its client id unless the inventory says otherwise.
pub const CLIENT_ID_PATH: &str = "/etc/linkops/client_id";

/// Everything the repository's two files say.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Inventory {
    /// The machines of links.yaml, ordered by id, none of them checked.
    pub machines: Vec<Machine>,
    /// The scripts of scripts.yaml, ordered by id.
    pub scripts: Vec<Script>,
}

/// A machine: what the inventory says about it, and what the last checks found.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// Its key in links.yaml.
    pub id: String,
    /// What people call it; its id where the file has no name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Who runs it.
    pub provider: Option<String>,
    /// A picture for a front end.
    pub icon: Option<String>,
    /// Words to filter by.
    pub tags: Vec<String>,
    /// The name or address that SSH connects to.
    pub host: String,
    /// The port that SSH connects to.
    pub port: u16,
    /// The user that SSH logs in as.
    pub user: String,
    /// The file name of the private key in the keys directory.
    pub key_ref: Option<String>,
    /// The id of the machine that the connection goes through.
    pub proxy_jump: Option<String>,
    /// Whether it is the machine that the inventory means.
    pub enrollment: Enrollment,
    /// Whether it answers.
    pub health: Health,
    /// Whatever else the file says; always a JSON object.
    pub metadata: serde_json::Value,
}

/// What the inventory expects on a machine, and what the last check read there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Enrollment {
    /// The client id that the machine must show.
    pub id: String,
    /// The file on the machine that holds it.
    pub path: String,
    /// Whether operations and terminals need it.
    pub required: bool,
    /// Whether the last check read that id.
    pub enrolled: bool,
    /// Whether the last check found the file.
    pub found: bool,
    /// Whether its content was the id.
    pub matches: bool,
    /// Why the machine is not enrolled, where a check or a sync said so.
    pub error: Option<String>,
    /// When it was last checked, in milliseconds since the epoch.
    pub verified_at: Option<i64>,
}

/// What the last health check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    /// Whether the machine answered.
    pub status: Status,
    /// How long the answer took, in milliseconds; none unless it answered.
    pub latency: Option<u32>,
    /// When it last answered, in milliseconds since the epoch.
    pub last_seen: Option<i64>,
}

impl Health {
    /// Whether the machine answered the last check.
    pub fn reachable(&self) -> bool {
        self.status == Status::Online
    }
}

/// An entry of the script catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its key in scripts.yaml.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// A picture for a front end.
    pub emoji: Option<String>,
    /// What it does.
    pub description: String,
    /// Its file in the repository.
    pub path: String,
    /// The flags it accepts.
    pub flags: Vec<String>,
    /// How long it usually takes, in seconds.
    pub estimated_duration: Option<u32>,
    /// Words to filter by.
    pub tags: Vec<String>,
}

words!(
    /// What a machine is.
    Kind {
        /// A rented server.
        Vps = "VPS",
        /// A Proxmox host.
        Proxmox = "Proxmox",
        /// A virtual machine.
        Vm = "VM",
    }
);

words!(
    /// Whether a machine answers.
    #[derive(Default)]
    Status {
        /// The last check reached it.
        Online = "online",
        /// The last check did not.
        Offline = "offline",
        /// It was never checked.
        #[default]
        Unknown = "unknown",
    }
);

/// Which machines to list: those for which everything given is true.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// What it is.
    pub kind: Option<Kind>,
    /// Whether it answers.
    pub status: Option<Status>,
    /// Whether it is enrolled.
    pub enrolled: Option<bool>,
    /// One of its tags.
    pub tag: Option<String>,
}

/// The order of a list of machines. Missing values come last in both directions, and equal ones
/// in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    column: &'static str,
    descending: bool,
}

impl Sort {
    /// An order by its wire names: a column of [`Sort::columns`], and `asc` or `desc`.
    ///
    /// # Errors
    /// Another column or direction.
    pub fn parse(column: &str, dir: &str) -> Result<Sort> {
        let descending = match dir {
            "asc" => false,
            "desc" => true,
            _ => return Err(Error::invalid("dir", unknown(dir, &["asc", "desc"]))),
        };
        match store::SORT_COLUMNS.iter().find(|(name, _)| *name == column) {
            Some((_, column)) => Ok(Sort { column, descending }),
            None => {
                let known: Vec<_> = Sort::columns().collect();
                Err(Error::invalid("sort", unknown(column, &known)))
            }
        }
    }

    /// The columns that machines can be sorted by.
    pub fn columns() -> impl Iterator<Item = &'static str> {
        store::SORT_COLUMNS.iter().map(|(name, _)| *name)
    }
}

impl Default for Sort {
    fn default() -> Sort {
        Sort { column: "id", descending: false }
    }
}

/// What a check of the client id found on the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollmentCheck {
    /// Whether the file was there and could be read.
    pub found: bool,
    /// Whether its content was the client id.
    pub matches: bool,
    /// Why the machine is not enrolled.
    pub error: Option<String>,
    /// When, in milliseconds since the epoch.
    pub at: i64,
}

/// What a sync changed among the machines or the scripts, as ids in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// In the files, not in the database before.
    pub added: Vec<String>,
    /// In both, and not the same.
    pub changed: Vec<String>,
    /// Not in the files any more.
    pub removed: Vec<String>,
}

/// What a sync changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Among the machines.
    pub links: Difference,
    /// Among the scripts.
    pub scripts: Difference,
}

impl Machine {
    /// Whether SSH reaches the same place in the same way.
    pub(crate) fn same_address(&self, other: &Machine) -> bool {
        (&self.host, self.port, &self.proxy_jump) == (&other.host, other.port, &other.proxy_jump)
    }

    /// Whether a check of `other` says something about this machine as the inventory has it now.
    pub(crate) fn same_identity(&self, other: &Machine) -> bool {
        self.same_address(other)
            && (&self.user, &self.key_ref) == (&other.user, &other.key_ref)
            && (&self.enrollment.id, &self.enrollment.path)
                == (&other.enrollment.id, &other.enrollment.path)
    }

    /// What the last check of a machine found that is not enrolled.
    pub(crate) fn unenrolled(&self) -> Unenrolled {
        let Enrollment { found, matches, error, verified_at, .. } = &self.enrollment;
        Unenrolled {
            target: self.id.clone(),
            client_id_found: *found,
            client_id_matches: *matches,
            error: error.clone().unwrap_or_else(|| "never checked".to_owned()),
            verified_at: *verified_at,
        }
    }
}
