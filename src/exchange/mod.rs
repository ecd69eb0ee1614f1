//! What other tools know of machines: their files are read into a links.yaml, and the inventory is
//! written as theirs. Nothing is stored: people look at what is printed, and commit it.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result, YamlProblem};
use crate::inventory::{CLIENT_ID_PATH, Enrollment, Health, Kind, Machine, yaml};
use crate::ssh::program::nonce;

pub mod ansible;
pub mod csv;
mod ini;
mod jump;
mod links;
pub mod ssh_config;

pub use jump::way;
pub use links::write as write_links;

/// Machines that were read, and what could not be taken over.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Imported {
    /// The machines, ordered by id; each has a client id, made where the file had none.
    pub machines: Vec<Machine>,
    /// What people should know about them, a sentence each.
    pub remarks: Vec<String>,
}

/// What stands for values that other tools do not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    /// What the machines are.
    pub kind: Kind,
    /// The login name.
    pub user: String,
}

impl Default for Defaults {
    fn default() -> Defaults {
        Defaults { kind: Kind::Vps, user: "root".to_owned() }
    }
}

impl Imported {
    /// Names jumps by ids, orders the machines, and makes sure that a sync would take them.
    ///
    /// # Errors
    /// [`Error::Found`] with everything that a sync would refuse.
    fn finish(mut self, jumps: &BTreeMap<String, String>, defaults: &Defaults) -> Result<Imported> {
        jump::name(&mut self, jumps, defaults);
        self.machines.sort_by(|a, b| a.id.cmp(&b.id));
        let mut seen = BTreeSet::new();
        for machine in &self.machines {
            if !seen.insert(&machine.id) {
                let text = format!("{} is there twice\ngive one of them another name", machine.id);
                return Err(Error::Found(vec![text]));
            }
        }
        check(&write_links(&self.machines))?;
        Ok(self)
    }
}

/// Whether a sync would take this text.
fn check(text: &str) -> Result<()> {
    let read = |file: &str| match file {
        yaml::LINKS => Ok(text.as_bytes().to_vec()),
        _ => Ok(b"scripts: {}".to_vec()),
    };
    match yaml::parse(read) {
        Ok(_) => Ok(()),
        Err(Error::Yaml(problems)) => {
            let text = |one: &YamlProblem| one.message.clone();
            Err(Error::Found(problems.iter().map(text).collect()))
        }
        Err(other) => Err(other),
    }
}

/// A machine that only has a name.
fn machine(name: &str, defaults: &Defaults) -> Machine {
    let id = id(name);
    Machine {
        name: id.clone(),
        id,
        kind: defaults.kind,
        provider: None,
        icon: None,
        tags: Vec::new(),
        host: name.to_owned(),
        port: 22,
        user: defaults.user.clone(),
        key_ref: None,
        proxy_jump: None,
        enrollment: Enrollment {
            id: client_id(),
            path: CLIENT_ID_PATH.to_owned(),
            required: true,
            ..Enrollment::default()
        },
        health: Health::default(),
        metadata: serde_json::Value::Object(serde_json::Map::new()),
    }
}

/// The id that is nearest to another tool's name.
fn id(name: &str) -> String {
    let good = |one: char| match one {
        one if one.is_ascii_alphanumeric() || matches!(one, '.' | '_' | '-') => one,
        _ => '-',
    };
    let id: String = name.chars().map(good).take(64).collect();
    id.trim_start_matches(['-', '.']).to_owned()
}

/// A new client id.
fn client_id() -> String {
    let hex = nonce();
    // A random UUID (RFC 9562, version 4).
    let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..]);
    format!("LINKOPS-{a}-{b}-4{c}-a{d}-{e}")
}

/// What a machine is, by its word.
///
/// # Errors
/// The words that there are.
pub fn kind(word: &str) -> Result<Kind, String> {
    Kind::parse(word).ok_or_else(|| format!("{word:?} is not one of {}", Kind::WORDS.join(", ")))
}

/// The name of a key file: where it lies is our matter.
fn key_name(path: &str, remarks: &mut BTreeSet<String>) -> Option<String> {
    let name = path.rsplit('/').next().filter(|name| !name.is_empty())?;
    if path.contains('/') {
        remarks.insert(format!("copy the key {path:?} into [ssh] keys_directory, with mode 600"));
    }
    Some(name.to_owned())
}

#[cfg(test)]
mod tests;
