//! Machines on the command line: from and to the files of other tools, and enrolled by hand.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use super::arguments::Format;
use super::say;
use crate::config::Config;
use crate::enrollment::Placed;
use crate::error::{Error, Noun, Result};
use crate::exchange::{self, Defaults, Imported, ansible, csv, ssh_config};
use crate::inventory::Machine;
use crate::server::{self, settings};
use crate::ssh::KnownKey;

/// Prints a links.yaml; what should be known about it goes to standard error.
pub(super) fn import(format: Format, file: &Path, defaults: &Defaults) -> Result<()> {
    let text = read(file)?;
    let Imported { machines, remarks } = match format {
        Format::Ansible => ansible::import(&text, defaults)?,
        Format::SshConfig => ssh_config::import(&text, defaults)?,
        Format::Csv | Format::KnownHosts => csv::import(&text, defaults)?,
    };
    remarks.iter().for_each(|one| eprintln!("linkopsd: note: {one}"));
    let beside = |name: &str| file.parent().is_some_and(|one| one.join(name).is_dir());
    if matches!(format, Format::Ansible) && (beside("group_vars") || beside("host_vars")) {
        eprintln!(
            "linkopsd: note: group_vars and host_vars are not read; with them: \
             ansible-inventory -i {} --list | linkopsd import ansible -",
            file.display()
        );
    }
    say(&exchange::write_links(&machines))
}

/// `-` is standard input.
fn read(file: &Path) -> Result<String> {
    let mut text = String::new();
    let read = match file.to_str() {
        Some("-") => std::io::stdin().lock().read_to_string(&mut text).map(|_| text),
        _ => std::fs::read_to_string(file),
    };
    read.map_err(|error| Error::io(format!("read {file:?}"), error))
}

/// Prints the inventory for another tool.
pub(super) fn export(format: Format, config: &Config) -> Result<()> {
    let machines = server::machines(config)?;
    let keys = settings::keys(config);
    say(&match format {
        Format::Ansible | Format::Csv => ansible::export(&machines, &keys),
        Format::SshConfig => ssh_config::export(&machines, &keys, &config.ssh.known_hosts_path),
        Format::KnownHosts => known_hosts(config, &machines)?,
    })
}

/// The keys of the machines' hosts, also under the machines' ids.
fn known_hosts(config: &Config, machines: &[Machine]) -> Result<String> {
    let mut text = String::new();
    for machine in machines {
        for KnownKey { host, key, .. } in server::known_keys(config, machine)? {
            let names = if host == machine.id { host } else { format!("{},{host}", machine.id) };
            let _ = writeln!(text, "{names} {key}");
        }
    }
    Ok(text)
}

/// Prints the steps that enrol a machine, or does them.
pub(super) fn enroll(config: &Config, target: &str, run: bool, replace: bool) -> Result<()> {
    let machines = server::machines(config)?;
    let Some(machine) = machines.iter().find(|one| one.id == target) else {
        return Err(Error::NotFound { noun: Noun::Link, id: target.to_owned() });
    };
    if !run {
        return say(&steps(config, machine, &machines));
    }
    let before = server::known_keys(config, machine)?;
    let (placed, checked) = server::enroll(config, target, replace)?;
    let mut text = String::new();
    for key in server::known_keys(config, machine)? {
        let new =
            if before.contains(&key) { "known" } else { "NEW, compare it with the machine's own" };
        let _ = writeln!(text, "host key {}: {new}", key.fingerprint);
    }
    let file = &machine.enrollment.path;
    let _ = match placed {
        Placed::Written => writeln!(text, "client id: written to {file}"),
        Placed::Same => writeln!(text, "client id: in {file} already"),
    };
    match checked.error {
        None => {
            let _ = writeln!(text, "{target} is enrolled");
            say(&text)
        }
        Some(error) => {
            say(&text)?;
            Err(Error::Found(vec![format!("{target} is not enrolled: {error}")]))
        }
    }
}

/// Shell commands, with what each is for.
fn steps(config: &Config, machine: &Machine, machines: &[Machine]) -> String {
    let Machine { id, host, port, user, enrollment, .. } = machine;
    let known = config.ssh.known_hosts_path.display();
    let key = settings::keys(config).file(machine.key_ref.as_deref());
    let way = exchange::way(machine, machines).map(|way| format!("-J {} ", word(&way)));
    let mut text = String::new();
    match &way {
        None => {
            let scan = format!("ssh-keyscan -p {port} {}", word(host));
            let _ = write!(
                text,
                "# 1. The key of the host. Compare what the first command prints with what this one\n\
                 #    prints on the machine: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\n\
                 {scan} | ssh-keygen -lf -\n{scan} >>{known}\n"
            );
        }
        Some(_) => {
            let _ = writeln!(text, "# 1. The key of the host becomes known with the next step.");
        }
    }
    let path = &enrollment.path;
    let directory = path.rsplit_once('/').map_or("/", |(directory, _)| directory);
    let there = format!(
        "sudo mkdir -p {} && echo {} | sudo tee {}",
        word(directory),
        word(&enrollment.id),
        word(path)
    );
    let _ = write!(
        text,
        "# 2. The client id.\n\
         ssh {}-p {port} -i {} -l {} -o UserKnownHostsFile={known} {} {}\n\
         # 3. The check. Or all of it at once: linkopsd enroll {id} --run\n\
         # POST /api/links/{id}/verify\n",
        way.unwrap_or_default(),
        word(&key.to_string_lossy()),
        word(user),
        word(host),
        word(&there)
    );
    text
}

/// One word for a shell.
fn word(text: &str) -> String {
    let plain = |one: char| one.is_ascii_alphanumeric() || "._-/:@".contains(one);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}
