//! OpenSSH's client configuration, ssh_config(5): hosts by name, rules by pattern, of which the
//! first value for a keyword counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use super::{Defaults, Imported, key_name, machine};
use crate::error::{Error, Result};
use crate::inventory::Machine;
use crate::inventory::route::Keys;

/// A `Host` block: its patterns, and its keywords in lower case.
#[derive(Debug, Default)]
struct Block {
    patterns: Vec<String>,
    values: Vec<(String, String)>,
}

/// Reads the hosts that have a name without wildcards.
///
/// # Errors
/// [`Error::Found`] with what is wrong, by line.
pub fn import(text: &str, defaults: &Defaults) -> Result<Imported> {
    let mut remarks = BTreeSet::new();
    let blocks = blocks(text, &mut remarks)?;
    let (mut imported, mut jumps) = (Imported::default(), BTreeMap::new());
    let mut seen = BTreeSet::new();
    let plain = |pattern: &&String| !pattern.contains(['*', '?', '!']);
    for name in blocks.iter().flat_map(|block| &block.patterns).filter(plain) {
        if !seen.insert(name) {
            continue;
        }
        let value = |keyword: &str| first(&blocks, name, keyword);
        let mut one = machine(name, defaults);
        if let Some(host) = value("hostname") {
            one.host = expanded(host, name);
        }
        match value("user") {
            Some(user) => user.clone_into(&mut one.user),
            None => {
                let text = format!("{name}: there is no User, so it is {}", defaults.user);
                remarks.insert(text);
            }
        }
        if let Some(port) = value("port") {
            let wrong = || Error::Found(vec![format!("{name}: {port:?} is no port")]);
            one.port = port.parse().map_err(|_| wrong())?;
        }
        one.key_ref = value("identityfile").and_then(|path| key_name(path, &mut remarks));
        if let Some(jump) = value("proxyjump").filter(|jump| !jump.eq_ignore_ascii_case("none")) {
            jumps.insert(one.id.clone(), jump.to_owned());
        } else if value("proxycommand").is_some_and(|one| !one.eq_ignore_ascii_case("none")) {
            remarks.insert(format!("{name}: its ProxyCommand cannot be taken over"));
        }
        imported.machines.push(one);
    }
    imported.remarks.extend(remarks);
    imported.finish(&jumps, defaults)
}

fn blocks(text: &str, remarks: &mut BTreeSet<String>) -> Result<Vec<Block>> {
    // What stands above the first Host is for all.
    let mut blocks = vec![Block { patterns: vec!["*".to_owned()], values: Vec::new() }];
    for (number, line) in (1..).zip(text.lines()) {
        let Some((keyword, arguments)) = words(line)
            .map_err(|problem| Error::Found(vec![format!("line {number}: {problem}")]))?
        else {
            continue;
        };
        match keyword.as_str() {
            "host" => blocks.push(Block { patterns: arguments, values: Vec::new() }),
            "match" => {
                // Only this condition can be judged without a connection.
                let all = arguments.iter().any(|one| one.eq_ignore_ascii_case("all"));
                if !all {
                    remarks.insert(format!("line {number}: the block Match is left out"));
                }
                let patterns = if all { vec!["*".to_owned()] } else { Vec::new() };
                blocks.push(Block { patterns, values: Vec::new() });
            }
            "include" => {
                remarks.insert(format!("line {number}: the file of Include is not read"));
            }
            _ => {
                if let Some(block) = blocks.last_mut() {
                    block.values.push((keyword, arguments.join(" ")));
                }
            }
        }
    }
    Ok(blocks)
}

/// The keyword in lower case and its arguments; none for a line that says nothing.
fn words(line: &str) -> Result<Option<(String, Vec<String>)>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let end = line.find(|one: char| one.is_whitespace() || one == '=').unwrap_or(line.len());
    let rest = line[end..].trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut quoted = false;
    for one in rest.chars() {
        match one {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            one if one.is_whitespace() && !quoted => words.extend(word.take()),
            '#' if !quoted && word.is_none() => break,
            one => word.get_or_insert_default().push(one),
        }
    }
    words.extend(word);
    if quoted {
        return Err("a quote is not closed".to_owned());
    }
    Ok(Some((line[..end].to_ascii_lowercase(), words)))
}

/// The first value of a keyword in the blocks for this name.
fn first<'a>(blocks: &'a [Block], name: &str, keyword: &str) -> Option<&'a str> {
    let values =
        blocks.iter().filter(|block| fits(&block.patterns, name)).flat_map(|one| &one.values);
    values.into_iter().find(|(key, _)| key == keyword).map(|(_, value)| value.as_str())
}

/// The tokens of HostName: `%h` and `%%`.
fn expanded(host: &str, name: &str) -> String {
    let parts: Vec<_> = host.split("%%").map(|part| part.replace("%h", name)).collect();
    parts.join("%")
}

fn fits(patterns: &[String], name: &str) -> bool {
    let matches = |pattern: &str| wildcard(pattern.as_bytes(), name.as_bytes());
    let refused = patterns.iter().filter_map(|one| one.strip_prefix('!')).any(matches);
    !refused && patterns.iter().any(|one| !one.starts_with('!') && matches(one))
}

fn wildcard(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) if wildcard(rest, name) => true,
        (Some((b'*', _)), Some((_, left))) => wildcard(pattern, left),
        (Some((b'?', rest)), Some((_, left))) => wildcard(rest, left),
        (Some((one, rest)), Some((other, left))) => one == other && wildcard(rest, left),
        _ => false,
    }
}

/// The machines as hosts of ssh_config(5), with our keys and known hosts.
#[must_use]
pub fn export(machines: &[Machine], keys: &Keys, known_hosts: &Path) -> String {
    let mut text = "# Made by linkopsd export ssh-config.\n".to_owned();
    for one in machines {
        let mut line = |keyword: &str, value: &str| {
            let _ = writeln!(text, "{keyword} {}", quoted(value));
        };
        line("Host", &one.id);
        line("    HostName", &one.host.replace('%', "%%"));
        line("    Port", &one.port.to_string());
        line("    User", &one.user);
        line(
            "    IdentityFile",
            &keys.file(one.key_ref.as_deref()).to_string_lossy().replace('%', "%%"),
        );
        line("    IdentitiesOnly", "yes");
        line("    UserKnownHostsFile", &known_hosts.to_string_lossy().replace('%', "%%"));
        one.proxy_jump.iter().for_each(|jump| line("    ProxyJump", jump));
    }
    text
}

fn quoted(value: &str) -> String {
    match value.contains([' ', '\t', '#', '=']) || value.is_empty() {
        true => format!("\"{value}\""),
        false => value.to_owned(),
    }
}
