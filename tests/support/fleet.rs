//! A small world: real OpenSSH servers as machines with client ids, keys, and the repository that
//! describes them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::repository::Repository;
use super::sshd::{Options, Sshd};

/// A condition for scripts that wait: the gate is closed, and there is still a test that may open it.
pub fn closed(gate: &Path) -> String {
    let room = gate.parent().expect("a directory").display();
    format!("[[ -d {room} && ! -e {} ]]", gate.display())
}

/// A machine of the inventory.
#[derive(Clone)]
pub struct Machine {
    /// Its id.
    pub id: String,
    /// Where it is.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The client id that the inventory expects.
    pub client_id: String,
    /// The file that holds it.
    pub client_file: PathBuf,
    /// The machine to go through.
    pub jump: Option<String>,
    /// Its type.
    pub kind: String,
    /// Its tags.
    pub tags: Vec<String>,
}

/// A script of the catalogue.
struct Script {
    id: String,
    text: String,
    flags: Vec<String>,
}

/// Machines, scripts and their repository.
pub struct Fleet {
    /// The server behind [`Fleet::machines`].
    pub sshd: Sshd,
    /// The inventory; tests change entries to make them wrong.
    pub machines: Vec<Machine>,
    /// The repository.
    pub repository: Repository,
    directory: tempfile::TempDir,
    scripts: Vec<Script>,
}

impl Fleet {
    /// `count` machines, which are addresses of one server, all with the client id they should
    /// have. Nothing is committed yet.
    pub fn new(count: u8) -> Fleet {
        Fleet::with(count, "")
    }

    /// The same, with more lines for the server's configuration.
    pub fn with(count: u8, config: &str) -> Fleet {
        let sshd = Sshd::start(Options { config: config.to_owned(), addresses: count });
        let directory = tempfile::tempdir().unwrap();
        let keys = directory.path().join("keys");
        fs::create_dir(&keys).unwrap();
        fs::copy(sshd.key(), keys.join("id_ed25519")).unwrap();
        fs::set_permissions(keys.join("id_ed25519"), fs::Permissions::from_mode(0o600)).unwrap();
        let mut fleet = Fleet {
            machines: Vec::new(),
            repository: Repository::new(),
            directory,
            scripts: Vec::new(),
            sshd,
        };
        for number in 1..=count {
            let (host, port) = (format!("127.0.0.{number}"), fleet.sshd.port());
            fleet.add(&format!("vps-{number:02}"), &host, port);
        }
        fleet
    }

    /// Adds a machine with its own client-id file, which holds what it should.
    pub fn add(&mut self, id: &str, host: &str, port: u16) -> &mut Machine {
        let number = self.machines.len() + 1;
        let client_id = format!("LINKOPS-00000000-0000-4000-8000-{number:012}");
        let client_file = self.directory.path().join(format!("client_id_{id}"));
        fs::write(&client_file, format!("{client_id}\n")).unwrap();
        let (id, host, jump) = (id.to_owned(), host.to_owned(), None);
        let (kind, tags) = ("VPS".to_owned(), Vec::new());
        let machine = Machine { id, host, port, client_id, client_file, jump, kind, tags };
        self.machines.push(machine);
        self.machines.last_mut().unwrap()
    }

    /// Adds a bash script; `text` is what follows the first line.
    pub fn script(&mut self, id: &str, text: &str) -> &mut Fleet {
        self.script_with(id, text, &[])
    }

    /// The same, with flags.
    pub fn script_with(&mut self, id: &str, text: &str, flags: &[&str]) -> &mut Fleet {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        self.scripts.push(Script { id: id.to_owned(), text: text.to_owned(), flags });
        self
    }

    /// The ids of all machines.
    pub fn ids(&self) -> Vec<String> {
        self.machines.iter().map(|one| one.id.clone()).collect()
    }

    /// Where the keys are.
    pub fn keys(&self) -> PathBuf {
        self.directory.path().join("keys")
    }

    /// A directory that goes with the fleet.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Writes the inventory and the scripts, and commits them.
    pub fn commit(&self) -> String {
        let links = self.links();
        let mut scripts = "scripts:\n".to_owned();
        let mut files: Vec<(String, String)> = Vec::new();
        for Script { id, text, flags } in &self.scripts {
            scripts += &format!(
                "  {id}:\n    name: {id}\n    description: a test\n    path: scripts/{id}.sh\n"
            );
            if !flags.is_empty() {
                scripts += &format!("    flags: {}\n", serde_json::to_string(flags).unwrap());
            }
            files.push((format!("scripts/{id}.sh"), format!("#!/bin/bash\n{text}\n")));
        }
        if self.scripts.is_empty() {
            scripts = "scripts: {}\n".to_owned();
        }
        files.push(("links.yaml".to_owned(), links));
        files.push(("scripts.yaml".to_owned(), scripts));
        let files: Vec<_> = files.iter().map(|(name, text)| (&name[..], &text[..])).collect();
        self.repository.commit(&files)
    }

    fn links(&self) -> String {
        let mut text = "links:\n".to_owned();
        for one in &self.machines {
            let jump = one.jump.as_deref().unwrap_or("null");
            text += &format!(
                "  {}:\n    type: {}\n    tags: {}\n    host: {}\n    port: {}\n    user: {}\n    \
                 enrollment:\n      clientId: {}\n      path: {}\n    ssh:\n      proxyJump: {jump}\n",
                one.id,
                one.kind,
                serde_json::to_string(&one.tags).unwrap(),
                one.host,
                one.port,
                self.sshd.user(),
                one.client_id,
                one.client_file.display(),
            );
        }
        text
    }
}
