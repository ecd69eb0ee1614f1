//! links.yaml and scripts.yaml: what they may say, checked whole. Either both files are right and
//! give an [`Inventory`], or every problem of both is told with file and line.

mod fields;
mod rules;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use super::{CLIENT_ID_PATH, Enrollment, Health, Inventory, Kind, Machine, Script};
use crate::error::{Error, Result, YamlProblem};
use fields::{Map, Report};
use tree::{Node, Step};

/// The file with the machines, at the top of the repository.
pub const LINKS: &str = "links.yaml";
/// The file with the scripts, beside it.
pub const SCRIPTS: &str = "scripts.yaml";

/// The largest file: 1,000 machines take about a tenth of it, and the worst that can be written in
/// it takes some 300 MiB of memory to refuse.
pub const MAX_FILE: u64 = 2 << 20;

/// Reads both files; `read` gives the bytes of a file, or says why there are none.
///
/// # Errors
/// `Error::Yaml` with all problems of both.
pub fn parse(read: impl Fn(&str) -> Result<Vec<u8>, String>) -> Result<Inventory> {
    let (machines, mut problems) = file(LINKS, "links", read(LINKS), links);
    let (scripts, more) = file(SCRIPTS, "scripts", read(SCRIPTS), scripts);
    problems.extend(more);
    if problems.is_empty() {
        Ok(Inventory { machines, scripts })
    } else {
        Err(Error::Yaml(problems))
    }
}

/// Reads any one document.
///
/// # Errors
/// What is wrong with its form, with its line.
pub fn value(text: &str) -> Result<serde_json::Value, String> {
    let fault = |(line, text): tree::Fault| match line {
        Some(line) => format!("line {line}: {text}"),
        None => text,
    };
    let (_, root) = tree::read(text.as_bytes()).map_err(fault)?;
    rules::json(&root)
}

/// Reads the entries below the one top key of a file.
fn file<T>(
    name: &'static str,
    top: &str,
    bytes: Result<Vec<u8>, String>,
    entries: impl Fn(&Report<'_>, &Map<'_>) -> Vec<T>,
) -> (Vec<T>, Vec<YamlProblem>) {
    let whole = |(line, message): tree::Fault| {
        vec![YamlProblem { file: name.to_owned(), line, message: fields::short(message) }]
    };
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(message) => return (Vec::new(), whole((None, message))),
    };
    let (text, root) = match tree::read(&bytes) {
        Ok(read) => read,
        Err(fault) => return (Vec::new(), whole(fault)),
    };
    let report = Report::new(name, text);
    // An empty file is most likely an accident, which must not empty the inventory.
    let missing = || report.add(&[], format!("{top:?} is missing\nwrite \"{top}: {{}}\" for none"));
    let mut found = Vec::new();
    if root == Node::Null {
        missing();
    } else {
        let root = Map::new(&report, String::new(), "", Vec::new(), &root);
        root.only(&[top]);
        match root.get(top) {
            Some((node, path)) => {
                found = entries(&report, &Map::new(&report, format!("{top:?}"), "", path, node));
            }
            None => missing(),
        }
    }
    (found, report.finish())
}

fn links(report: &Report<'_>, map: &Map<'_>) -> Vec<Machine> {
    let mut machines = Vec::new();
    let mut jumps = BTreeMap::new();
    for (id, node, key, value) in map.entries() {
        let what = format!("link {id:?}");
        if let Err(message) = rules::id(id) {
            report.add(&key, format!("{what}: the id {message}"));
        }
        let (machine, jump) = link(id, &Map::new(report, what, "", value, node));
        if let (Some(to), Some(place)) = (&machine.proxy_jump, jump) {
            jumps.insert(machine.id.clone(), (to.clone(), place));
        }
        machines.push(machine);
    }
    check_jumps(report, &machines, &jumps);
    machines
}

/// A machine of the file, and the place of its proxyJump.
fn link(id: &str, map: &Map<'_>) -> (Machine, Option<Vec<Step>>) {
    const KEYS: [&str; 11] = [
        "type",
        "provider",
        "name",
        "icon",
        "host",
        "port",
        "user",
        "tags",
        "enrollment",
        "ssh",
        "metadata",
    ];
    map.only(&KEYS);
    let ssh = map.below("ssh");
    if let Some(ssh) = &ssh {
        ssh.only(&["keyRef", "proxyJump"]);
    }
    let ssh = ssh.as_ref();
    let machine = Machine {
        id: id.to_owned(),
        name: map.optional("name", rules::text).unwrap_or_else(|| id.to_owned()),
        kind: map.required("type", rules::kind).unwrap_or(Kind::Vps),
        provider: map.optional("provider", rules::text),
        icon: map.optional("icon", rules::text),
        tags: map.texts("tags", rules::text),
        host: map.required("host", rules::word).unwrap_or_default(),
        port: map.required("port", rules::port).unwrap_or_default(),
        user: map.required("user", rules::word).unwrap_or_default(),
        key_ref: ssh.and_then(|ssh| ssh.optional("keyRef", rules::file_name)),
        proxy_jump: ssh.and_then(|ssh| ssh.optional("proxyJump", rules::text)),
        enrollment: enrollment(map),
        health: Health::default(),
        metadata: map
            .optional("metadata", rules::json_object)
            .unwrap_or_else(|| serde_json::Value::Object(serde_json::Map::new())),
    };
    let place = ssh.and_then(|ssh| ssh.get("proxyJump")).map(|(_, place)| place);
    (machine, place)
}

fn enrollment(link: &Map<'_>) -> Enrollment {
    let Some(map) = link.below("enrollment") else {
        link.missing("enrollment.clientId");
        return Enrollment::default();
    };
    map.only(&["required", "clientId", "path"]);
    Enrollment {
        id: map.required("clientId", rules::client_id).unwrap_or_default(),
        path: map
            .optional("path", rules::absolute_path)
            .unwrap_or_else(|| CLIENT_ID_PATH.to_owned()),
        required: map.optional("required", rules::truth).unwrap_or(true),
        ..Enrollment::default()
    }
}

/// Every jump leads to a machine of the file, and none in a circle.
fn check_jumps(
    report: &Report<'_>,
    machines: &[Machine],
    jumps: &BTreeMap<String, (String, Vec<Step>)>,
) {
    let ids: BTreeSet<_> = machines.iter().map(|one| one.id.as_str()).collect();
    let mut met = BTreeSet::new();
    for (id, (to, place)) in jumps {
        if !ids.contains(to.as_str()) {
            let near = report.nearest(to, ids.iter().copied());
            let hint = near.map(|one| format!(", did you mean {one:?}?")).unwrap_or_default();
            let message = format!("link {id:?}: \"ssh.proxyJump\" is {to:?}, which is no link");
            report.add(place, message + &hint);
        }
        let (mut walk, mut at) = (Vec::new(), id);
        let circle = loop {
            if !met.insert(at) {
                // By an earlier walk, which told what there is, or by this one: a circle.
                break walk.iter().position(|one| *one == at);
            }
            walk.push(at);
            match jumps.get(at) {
                Some((next, _)) => at = next,
                None => break None,
            }
        };
        let last = walk.last().and_then(|one| jumps.get(*one));
        if let (Some(from), Some((_, place))) = (circle, last) {
            let names = walk[from..].iter().chain([&at]).map(|one| one.as_str());
            let names = names.collect::<Vec<_>>().join(" → ");
            report.add(place, format!("\"ssh.proxyJump\" goes in a circle: {names}"));
        }
    }
}

fn scripts(report: &Report<'_>, map: &Map<'_>) -> Vec<Script> {
    const KEYS: [&str; 7] =
        ["name", "emoji", "description", "path", "flags", "estimatedDuration", "tags"];
    let script = |(id, node, key, value): (&str, &Node, Vec<Step>, Vec<Step>)| {
        let what = format!("script {id:?}");
        if let Err(message) = rules::id(id) {
            report.add(&key, format!("{what}: the id {message}"));
        }
        let map = Map::new(report, what, "", value, node);
        map.only(&KEYS);
        Script {
            id: id.to_owned(),
            name: map.required("name", rules::text).unwrap_or_default(),
            emoji: map.optional("emoji", rules::text),
            description: map.required("description", rules::lines).unwrap_or_default(),
            path: map.required("path", rules::relative_path).unwrap_or_default(),
            flags: map.texts("flags", rules::flag),
            estimated_duration: map.optional("estimatedDuration", rules::seconds),
            tags: map.texts("tags", rules::text),
        }
    };
    map.entries().map(script).collect()
}

#[cfg(test)]
mod tests;
