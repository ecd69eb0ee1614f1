//! Jump hosts: other tools name them by address, an inventory by the id of a link.

use std::collections::BTreeMap;

use super::{Defaults, Imported, id, machine};
use crate::inventory::Machine;

/// Turns the jumps of machines, by id and as `[user@]host[:port],…`, into links.
pub(super) fn name(imported: &mut Imported, jumps: &BTreeMap<String, String>, defaults: &Defaults) {
    for (from, chain) in jumps {
        let mut last: Option<String> = None;
        for hop in chain.split(',').map(str::trim).filter(|hop| !hop.is_empty()) {
            let at = link_of(imported, hop, defaults);
            if let Some(before) = last.replace(at.clone()) {
                lead(imported, &at, &before);
            }
        }
        if let Some(last) = last {
            lead(imported, from, &last);
        }
    }
}

/// The link of a hop, which is made where there is none.
fn link_of(imported: &mut Imported, hop: &str, defaults: &Defaults) -> String {
    let (user, host, port) = parts(hop);
    let fits = |one: &&Machine| {
        let same =
            user.is_none_or(|user| user == one.user) && port.is_none_or(|port| port == one.port);
        one.id == host || (one.host == host && same)
    };
    if let Some(one) = imported.machines.iter().find(fits) {
        return one.id.clone();
    }
    let mut new = machine(host, defaults);
    new.user = user.map_or(new.user, str::to_owned);
    new.port = port.unwrap_or(22);
    let taken = |id: &str| imported.machines.iter().any(|one| one.id == id);
    if taken(&new.id) {
        new.id = id(&format!("{}-{}", new.id, new.port));
        new.name.clone_from(&new.id);
    }
    imported
        .remarks
        .push(format!("{}: a link of its own, as others are reached through it", new.id));
    let found = new.id.clone();
    imported.machines.push(new);
    found
}

fn lead(imported: &mut Imported, from: &str, to: &str) {
    let Some(machine) = imported.machines.iter_mut().find(|one| one.id == from) else { return };
    match &machine.proxy_jump {
        _ if from == to => {} // a rule for all machines that names one of them
        Some(other) if other != to => {
            let text = format!("{from}: is reached through {other}, elsewhere through {to}");
            imported.remarks.push(text);
        }
        _ => machine.proxy_jump = Some(to.to_owned()),
    }
}

/// `[ssh://][user@]host[:port]`, with brackets around an address that has colons.
fn parts(hop: &str) -> (Option<&str>, &str, Option<u16>) {
    let hop = hop.strip_prefix("ssh://").unwrap_or(hop);
    let (user, rest) = match hop.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, hop),
    };
    if let Some((host, port)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (user, host, port.trim_start_matches(':').parse().ok());
    }
    match rest.split_once(':') {
        Some((host, port)) if !port.contains(':') => (user, host, port.parse().ok()),
        _ => (user, rest, None),
    }
}

/// A machine as OpenSSH takes it for a jump.
fn spell(user: &str, host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("{user}@[{host}]:{port}"),
        false => format!("{user}@{host}:{port}"),
    }
}

/// The machines in between, the first one first, as ssh takes them.
#[must_use]
pub fn way(one: &Machine, machines: &[Machine]) -> Option<String> {
    let mut hops = Vec::new();
    let mut next = one.proxy_jump.as_deref();
    while let Some(jump) = next.and_then(|id| machines.iter().find(|one| one.id == id)) {
        hops.push(spell(&jump.user, &jump.host, jump.port));
        next = jump.proxy_jump.as_deref().filter(|_| hops.len() <= machines.len());
    }
    hops.reverse();
    (!hops.is_empty()).then(|| hops.join(","))
}
