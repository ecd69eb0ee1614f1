//! Ansible's inventories: INI, YAML, and what `ansible-inventory --list` prints. Groups become
//! tags, and variables that begin with `linkops_` hold what Ansible has no word for, so that an
//! export can be read back whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;

use super::links::scalar;
use super::{Defaults, Imported, ini, jump, key_name, machine};
use crate::error::{Error, Result};
use crate::inventory::route::Keys;
use crate::inventory::{Machine, yaml};

type Variables = BTreeMap<String, Value>;

/// Groups and hosts as they stand in an inventory.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: BTreeMap<String, Group>,
    hosts: BTreeMap<String, Variables>,
}

#[derive(Debug, Default)]
struct Group {
    hosts: BTreeSet<String>,
    children: BTreeSet<String>,
    variables: Variables,
}

impl Groups {
    pub(super) fn group(&mut self, name: &str) {
        self.groups.entry(name.to_owned()).or_default();
    }

    pub(super) fn host(&mut self, group: &str, host: &str, variables: Variables) {
        self.groups.entry(group.to_owned()).or_default().hosts.insert(host.to_owned());
        self.hosts.entry(host.to_owned()).or_default().extend(variables);
    }

    pub(super) fn child(&mut self, group: &str, child: &str) {
        self.group(child);
        self.groups.entry(group.to_owned()).or_default().children.insert(child.to_owned());
    }

    pub(super) fn set(&mut self, group: &str, name: &str, value: Value) {
        let group = self.groups.entry(group.to_owned()).or_default();
        group.variables.insert(name.to_owned(), value);
    }

    /// The groups that a host is in, by way of others too, each with its distance from `all`:
    /// the further away, the more its variables count.
    fn of(&self, host: &str) -> Vec<(usize, &str)> {
        let mut found: BTreeSet<&str> = BTreeSet::new();
        let mut next: Vec<&str> = self.with(|group| group.hosts.contains(host));
        while let Some(name) = next.pop() {
            if found.insert(name) {
                next.extend(self.with(|group| group.children.contains(name)));
            }
        }
        let mut found: Vec<_> = found.into_iter().map(|name| (self.depth(name), name)).collect();
        found.sort_unstable();
        found
    }

    fn with(&self, wanted: impl Fn(&Group) -> bool) -> Vec<&str> {
        self.groups
            .iter()
            .filter(|(_, group)| wanted(group))
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// The longest way up; groups that contain each other are of the same depth.
    fn depth(&self, name: &str) -> usize {
        let (mut depth, mut level) = (0, BTreeSet::from([name]));
        let mut seen = BTreeSet::new();
        loop {
            let fresh: Vec<_> = level.iter().copied().filter(|one| seen.insert(*one)).collect();
            let parents = self.with(|group| fresh.iter().any(|one| group.children.contains(*one)));
            level = parents.into_iter().filter(|one| *one != "all").collect();
            if level.is_empty() {
                return depth;
            }
            depth += 1;
        }
    }

    /// What counts for a host: of `all`, of its groups, its own.
    fn variables(&self, host: &str) -> Variables {
        let mut variables =
            self.groups.get("all").map(|all| all.variables.clone()).unwrap_or_default();
        for (_, group) in self.of(host) {
            if group != "all" {
                variables.extend(self.groups[group].variables.clone());
            }
        }
        variables.extend(self.hosts[host].clone());
        variables
    }
}

/// Reads an inventory.
///
/// # Errors
/// [`Error::Found`] with what is wrong.
pub fn import(text: &str, defaults: &Defaults) -> Result<Imported> {
    let found = |problem: String| Error::Found(vec![problem]);
    let groups = if is_yaml(text) {
        let mut groups = Groups::default();
        let value = yaml::value(text).map_err(found)?;
        for (name, group) in value.as_object().into_iter().flatten() {
            tree(&mut groups, name, group).map_err(found)?;
        }
        groups
    } else {
        ini::read(text).map_err(found)?
    };
    let (mut imported, mut jumps) = (Imported::default(), BTreeMap::new());
    let mut remarks = BTreeSet::new();
    for name in groups.hosts.keys() {
        let variables = Named { host: name, values: groups.variables(name) };
        if let Some(connection) = variables.text("ansible_connection")
            && !["ssh", "smart", "paramiko"].contains(&connection.as_str())
        {
            remarks.insert(format!("{name}: left out, as its ansible_connection is {connection}"));
            continue;
        }
        let machine = variables.machine(&groups, defaults, &mut remarks).map_err(found)?;
        if let Some(jump) = variables.jump() {
            jumps.insert(machine.id.clone(), jump);
        }
        imported.machines.push(machine);
    }
    imported.remarks.extend(remarks);
    imported.finish(&jumps, defaults)
}

/// INI begins with a host or a group in brackets; the others with a map.
fn is_yaml(text: &str) -> bool {
    let mut lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.next().is_some_and(|line| {
        let word = line.split_whitespace().next().unwrap_or_default();
        line == "---" || line.starts_with('{') || (word.len() > 1 && word.ends_with(':'))
    })
}

/// A group in either form: hosts and children are maps, or lists of names.
fn tree(groups: &mut Groups, name: &str, group: &Value) -> Result<(), String> {
    if name == "_meta" {
        for (host, variables) in group["hostvars"].as_object().into_iter().flatten() {
            let values = variables.as_object().into_iter().flatten();
            let own = groups.hosts.entry(host.clone()).or_default();
            own.extend(values.map(|(key, value)| (key.clone(), value.clone())));
        }
        return Ok(());
    }
    groups.group(name);
    if !group.is_object() && !group.is_null() {
        return Err(format!("the group {name:?} is no map"));
    }
    for (host, variables) in members(&group["hosts"], name, "hosts")? {
        let values = variables.as_object().into_iter().flatten();
        let values = values.map(|(key, value)| (key.clone(), value.clone())).collect();
        groups.host(name, host, values);
    }
    for (key, value) in group["vars"].as_object().into_iter().flatten() {
        groups.set(name, key, value.clone());
    }
    for (child, content) in members(&group["children"], name, "children")? {
        groups.child(name, child);
        tree(groups, child, content)?;
    }
    Ok(())
}

fn members<'a>(
    value: &'a Value,
    group: &str,
    part: &str,
) -> Result<Vec<(&'a str, &'a Value)>, String> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Object(map) => Ok(map.iter().map(|(name, value)| (name.as_str(), value)).collect()),
        Value::Array(names) => names
            .iter()
            .map(|name| name.as_str().map(|name| (name, &Value::Null)))
            .collect::<Option<_>>()
            .ok_or_else(|| format!("{part} of {group:?} are not names")),
        _ => Err(format!("{part} of {group:?} are neither a map nor a list")),
    }
}

/// A host with all that counts for it.
struct Named<'a> {
    host: &'a str,
    values: Variables,
}

impl Named<'_> {
    /// A variable as text; what has to be computed says nothing.
    fn text(&self, name: &str) -> Option<String> {
        match self.values.get(name)? {
            Value::String(text) if text.is_empty() => None,
            Value::String(text) if text.contains("{{") && !name.starts_with("linkops_") => None,
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn one_of(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.text(name))
    }

    fn machine(
        &self,
        groups: &Groups,
        defaults: &Defaults,
        remarks: &mut BTreeSet<String>,
    ) -> Result<Machine, String> {
        let host = self.host;
        let mut one = machine(host, defaults);
        if one.id != host {
            remarks.insert(format!("{host}: is called {} here", one.id));
        }
        for (name, value) in &self.values {
            let computed = value.as_str().is_some_and(|text| text.contains("{{"));
            if computed && name.starts_with("ansible_") {
                remarks.insert(format!("{host}: {name} is computed by Ansible and left out"));
            }
        }
        one.host = self.one_of(&["ansible_host", "ansible_ssh_host"]).unwrap_or(one.host);
        one.user = self.one_of(&["ansible_user", "ansible_ssh_user"]).unwrap_or(one.user);
        if let Some(port) = self.one_of(&["ansible_port", "ansible_ssh_port"]) {
            one.port = port.parse().map_err(|_| format!("{host}: {port:?} is no port"))?;
        }
        let key = self.one_of(&["ansible_ssh_private_key_file", "ansible_private_key_file"]);
        one.key_ref = match self.text("linkops_key_ref") {
            Some(name) => Some(name),
            None if self.values.contains_key("linkops_client_id") => None,
            None => key.and_then(|path| key_name(&path, remarks)),
        };
        let tags = groups.of(host).into_iter().map(|(_, group)| group.to_owned());
        one.tags = match self.values.get("linkops_tags") {
            Some(Value::Array(tags)) => {
                tags.iter().filter_map(|tag| tag.as_str().map(str::to_owned)).collect()
            }
            _ => tags.filter(|group| !["all", "ungrouped"].contains(&group.as_str())).collect(),
        };
        one.tags.sort();
        self.ours(&mut one)?;
        Ok(one)
    }

    /// What an export has written down.
    fn ours(&self, one: &mut Machine) -> Result<(), String> {
        if let Some(kind) = self.text("linkops_type") {
            one.kind = super::kind(&kind).map_err(|problem| format!("{}: {problem}", self.host))?;
        }
        one.name = self.text("linkops_name").unwrap_or_else(|| one.id.clone());
        (one.provider, one.icon) = (self.text("linkops_provider"), self.text("linkops_icon"));
        if let Some(id) = self.text("linkops_client_id") {
            one.enrollment.id = id;
        }
        if let Some(path) = self.text("linkops_client_id_path") {
            one.enrollment.path = path;
        }
        if let Some(Value::Bool(required)) = self.values.get("linkops_enrollment_required") {
            one.enrollment.required = *required;
        }
        if let Some(metadata @ Value::Object(_)) = self.values.get("linkops_metadata") {
            one.metadata = metadata.clone();
        }
        Ok(())
    }

    /// The way to the host, from our own word or from the arguments of ssh.
    fn jump(&self) -> Option<String> {
        if let Some(jump) = self.text("linkops_proxy_jump") {
            return Some(jump);
        }
        let arguments = self.one_of(&["ansible_ssh_common_args", "ansible_ssh_extra_args"])?;
        let words: Vec<_> =
            arguments.split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
        words.iter().enumerate().find_map(|(at, word)| {
            let option = word.strip_prefix("-o").unwrap_or(word);
            match (option.strip_prefix("ProxyJump="), *word) {
                (Some(jump), _) => Some(jump.to_owned()),
                (None, "-J" | "ProxyJump") => words.get(at + 1).map(|jump| (*jump).to_owned()),
                _ => None,
            }
        })
    }
}

/// The machines as an inventory in YAML, whose groups are types and tags.
#[must_use]
pub fn export(machines: &[Machine], keys: &Keys) -> String {
    if machines.is_empty() {
        return "all: {}\n".to_owned();
    }
    let mut text = "# Made by linkopsd export ansible.\nall:\n  hosts:\n".to_owned();
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for one in machines {
        let _ = writeln!(text, "    {}:", scalar(&one.id));
        for (name, value) in variables(one, machines, keys) {
            let _ = writeln!(text, "      {name}: {value}");
        }
        let kind = format!("type_{}", one.kind.as_str().to_lowercase());
        for name in one.tags.iter().map(|tag| group_name(tag)).chain([kind]) {
            let taken = ["all", "ungrouped"].contains(&name.as_str());
            if !taken && !machines.iter().any(|one| one.id == name) {
                let members = groups.entry(name).or_default();
                if members.last() != Some(&one.id.as_str()) {
                    members.push(&one.id);
                }
            }
        }
    }
    text.push_str("  children:\n");
    for (name, members) in groups {
        let _ = writeln!(text, "    {name}:\n      hosts:");
        members.iter().for_each(|id| {
            let _ = writeln!(text, "        {}: {{}}", scalar(id));
        });
    }
    text
}

fn variables(one: &Machine, machines: &[Machine], keys: &Keys) -> Vec<(&'static str, String)> {
    let key = keys.file(one.key_ref.as_deref());
    let mut values = vec![
        ("ansible_host", text(&one.host)),
        ("ansible_port", one.port.to_string()),
        ("ansible_user", text(&one.user)),
        ("ansible_ssh_private_key_file", text(&key.to_string_lossy())),
    ];
    if let Some(way) = jump::way(one, machines) {
        values.push(("ansible_ssh_common_args", text(&format!("-o ProxyJump={way}"))));
    }
    values.push(("linkops_type", one.kind.as_str().to_owned()));
    values.push(("linkops_client_id", scalar(&one.enrollment.id)));
    values.push(("linkops_client_id_path", text(&one.enrollment.path)));
    values.push(("linkops_enrollment_required", one.enrollment.required.to_string()));
    values.push(("linkops_tags", Value::from(one.tags.clone()).to_string()));
    let optional = [
        ("linkops_name", Some(&one.name).filter(|name| **name != one.id)),
        ("linkops_provider", one.provider.as_ref()),
        ("linkops_icon", one.icon.as_ref()),
        ("linkops_key_ref", one.key_ref.as_ref()),
        ("linkops_proxy_jump", one.proxy_jump.as_ref()),
    ];
    values.extend(optional.into_iter().filter_map(|(name, value)| Some((name, text(value?)))));
    if one.metadata.as_object().is_some_and(|map| !map.is_empty()) {
        values.push(("linkops_metadata", one.metadata.to_string()));
    }
    values
}

fn text(value: &str) -> String {
    Value::from(value).to_string()
}

/// A name that Ansible takes for a group.
fn group_name(tag: &str) -> String {
    let good = |one: char| if one.is_ascii_alphanumeric() { one } else { '_' };
    let name: String = tag.chars().map(good).collect();
    if name.starts_with(|one: char| one.is_ascii_digit()) { format!("_{name}") } else { name }
}
