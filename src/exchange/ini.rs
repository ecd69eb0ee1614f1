//! Ansible's INI inventories: groups in brackets, hosts with variables on a line.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ansible::Groups;

/// Reads the text of an inventory.
///
/// # Errors
/// What is wrong, with its line.
pub(super) fn read(text: &str) -> Result<Groups, String> {
    let mut groups = Groups::default();
    let mut section = ("ungrouped".to_owned(), Part::Hosts);
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let wrong = |problem: String| format!("line {number}: {problem}");
        if let Some(name) = line.strip_prefix('[') {
            section = heading(name).map_err(wrong)?;
            groups.group(&section.0);
            continue;
        }
        let words = words(line).map_err(wrong)?;
        let Some((first, rest)) = words.split_first() else { continue };
        match section.1 {
            Part::Hosts => {
                let (pattern, port) = ported(first);
                let mut values = variables(rest).map_err(wrong)?;
                if let Some(port) = port {
                    values.entry("ansible_port".to_owned()).or_insert(Value::from(port));
                }
                for host in expand(pattern).map_err(wrong)? {
                    groups.host(&section.0, &host, values.clone());
                }
            }
            Part::Children => groups.child(&section.0, first),
            Part::Variables => {
                let (name, value) = line.split_once('=').ok_or_else(|| wrong("no \"=\"".into()))?;
                let value = unquoted(value.trim());
                groups.set(&section.0, name.trim(), Value::from(value));
            }
        }
    }
    Ok(groups)
}

enum Part {
    Hosts,
    Children,
    Variables,
}

fn heading(text: &str) -> Result<(String, Part), String> {
    let (inside, rest) = text.split_once(']').ok_or("there is no \"]\"")?;
    if !rest.trim().is_empty() && !rest.trim().starts_with(['#', ';']) {
        return Err(format!("{rest:?} stands behind the group"));
    }
    let (name, part) = match inside.split_once(':') {
        None => (inside, Part::Hosts),
        Some((name, "children")) => (name, Part::Children),
        Some((name, "vars")) => (name, Part::Variables),
        Some((_, other)) => return Err(format!("{other:?} is neither children nor vars")),
    };
    Ok((name.trim().to_owned(), part))
}

/// Words as a shell parts them; a comment ends the line.
fn words(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut quote = None;
    let mut rest = line.chars();
    while let Some(one) = rest.next() {
        match (quote, one) {
            (Some(open), one) if one == open => quote = None,
            (Some('\''), one) => word.get_or_insert_default().push(one),
            (_, '\\') => word.get_or_insert_default().extend(rest.next()),
            (Some(_), one) => word.get_or_insert_default().push(one),
            (None, '"' | '\'') => {
                quote = Some(one);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, one) if one.is_whitespace() => words.extend(word.take()),
            (None, one) => word.get_or_insert_default().push(one),
        }
    }
    words.extend(word);
    if quote.is_some() { Err("a quote is not closed".to_owned()) } else { Ok(words) }
}

fn unquoted(text: &str) -> &str {
    let inside = |mark| text.strip_prefix(mark).and_then(|rest| rest.strip_suffix(mark));
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

fn variables(words: &[String]) -> Result<BTreeMap<String, Value>, String> {
    let variable = |word: &String| {
        let (name, value) = word.split_once('=').ok_or_else(|| format!("{word:?} has no \"=\""))?;
        Ok((name.to_owned(), Value::from(value)))
    };
    words.iter().map(variable).collect()
}

/// `host:port`; an address of IPv6 has more colons, and a range stands in brackets.
fn ported(word: &str) -> (&str, Option<u16>) {
    let bare = |host: &str| !host.contains(':') || host.ends_with(']');
    match word.rsplit_once(':') {
        Some((host, port)) if bare(host) => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (word, None),
        },
        _ => (word, None),
    }
}

/// The most hosts that one range may stand for.
const MOST: u32 = 10_000;

/// `web[01:03]` and `db[a:c]`, also several and with a step behind a second colon.
fn expand(pattern: &str) -> Result<Vec<String>, String> {
    let Some((before, rest)) = pattern.split_once('[') else {
        return Ok(vec![pattern.to_owned()]);
    };
    let (range, after) = rest.split_once(']').ok_or_else(|| format!("{pattern:?} has no \"]\""))?;
    let parts: Vec<_> = range.split(':').collect();
    let ([from, to] | [from, to, _]) = parts[..] else {
        // An address of IPv6.
        return Ok(vec![format!("{range}{after}")]);
    };
    let step: usize = match parts.get(2) {
        Some(step) => step.parse().map_err(|_| format!("{range:?} is no range"))?,
        None => 1,
    };
    let items = items(from, to).ok_or_else(|| format!("{range:?} is no range"))?;
    let tails = expand(after)?;
    let mut names = Vec::new();
    for item in items.iter().step_by(step.max(1)) {
        names.extend(tails.iter().map(|tail| format!("{before}{item}{tail}")));
    }
    if names.len() > MOST as usize {
        return Err(format!("{pattern:?} stands for more than {MOST} hosts"));
    }
    Ok(names)
}

fn items(from: &str, to: &str) -> Option<Vec<String>> {
    let letter = |text: &str| {
        let mut all = text.chars();
        all.next().filter(|one| one.is_ascii_alphabetic() && all.next().is_none())
    };
    if let (Some(from), Some(to)) = (letter(from), letter(to)) {
        return Some((from..=to).map(String::from).collect());
    }
    let (low, high): (u32, u32) =
        (if from.is_empty() { 0 } else { from.parse().ok()? }, to.parse().ok()?);
    // Zeros in front count.
    let width = if from.starts_with('0') && from.len() > 1 { from.len() } else { 0 };
    (high >= low && high - low < MOST)
        .then(|| (low..=high).map(|number| format!("{number:0width$}")).collect())
}
