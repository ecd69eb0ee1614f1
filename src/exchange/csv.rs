//! Machines of a table: RFC 4180, with a line of names on top.

use std::collections::{BTreeMap, BTreeSet};

use super::{Defaults, Imported, key_name, machine};
use crate::error::{Error, Result, nearest};
use crate::inventory::Machine;

/// The columns; only `host` must be there.
const COLUMNS: [&str; 12] = [
    "id",
    "name",
    "type",
    "provider",
    "icon",
    "host",
    "port",
    "user",
    "tags",
    "clientId",
    "keyRef",
    "proxyJump",
];

/// Reads a table whose cells are separated by commas or semicolons.
///
/// # Errors
/// [`Error::Found`] with what is wrong, by line.
pub fn import(text: &str, defaults: &Defaults) -> Result<Imported> {
    let text = text.trim_start_matches('\u{feff}');
    let top = text.lines().next().unwrap_or_default();
    let separator = if top.contains(';') && !top.contains(',') { ';' } else { ',' };
    let mut records = records(text, separator)?.into_iter();
    let (_, names) = records.next().unwrap_or_default();
    let columns = columns(&names)?;
    let (mut problems, mut remarks) = (Vec::new(), BTreeSet::new());
    let (mut imported, mut jumps) = (Imported::default(), BTreeMap::new());
    for (line, cells) in records {
        if cells.len() != columns.len() {
            problems.push(format!("line {line}: {} cells, not {}", cells.len(), columns.len()));
            continue;
        }
        let row: BTreeMap<&str, &str> = columns
            .iter()
            .copied()
            .zip(cells.iter().map(|cell| cell.trim()))
            .filter(|(_, cell)| !cell.is_empty())
            .collect();
        match read(&row, defaults, &mut remarks) {
            Ok(machine) => {
                if let Some(jump) = row.get("proxyJump") {
                    jumps.insert(machine.id.clone(), (*jump).to_owned());
                }
                imported.machines.push(machine);
            }
            Err(problem) => problems.push(format!("line {line}: {problem}")),
        }
    }
    if !problems.is_empty() {
        return Err(Error::Found(problems));
    }
    imported.remarks.extend(remarks);
    imported.finish(&jumps, defaults)
}

fn columns(names: &[String]) -> Result<Vec<&'static str>> {
    let column = |name: &String| {
        let known = COLUMNS.iter().find(|known| known.eq_ignore_ascii_case(name.trim()));
        known.copied().ok_or_else(|| {
            let hint = nearest(name, COLUMNS.iter().copied());
            let hint =
                hint.map_or_else(|| COLUMNS.join(", "), |one| format!("did you mean {one:?}?"));
            Error::Found(vec![format!("line 1: {name:?} is no column\n{hint}")])
        })
    };
    let columns: Vec<_> = names.iter().map(column).collect::<Result<_>>()?;
    if !columns.contains(&"host") {
        let text =
            format!("line 1: there is no column \"host\"\nthe columns are {}", COLUMNS.join(", "));
        return Err(Error::Found(vec![text]));
    }
    Ok(columns)
}

fn read(
    row: &BTreeMap<&str, &str>,
    defaults: &Defaults,
    remarks: &mut BTreeSet<String>,
) -> Result<Machine, String> {
    let host = row.get("host").ok_or("there is no host")?;
    let text = |name: &str| row.get(name).map(|cell| (*cell).to_owned());
    let mut one = machine(host, defaults);
    // As it stands, not the nearest one that would do: what a sync refuses is told.
    one.id = text("id").unwrap_or(one.id);
    one.name = text("name").unwrap_or_else(|| one.id.clone());
    if let Some(kind) = row.get("type") {
        one.kind = super::kind(kind)?;
    }
    if let Some(port) = row.get("port") {
        one.port = port.parse().map_err(|_| format!("{port:?} is no port"))?;
    }
    one.user = text("user").unwrap_or(one.user);
    one.enrollment.id = text("clientId").unwrap_or(one.enrollment.id);
    (one.provider, one.icon) = (text("provider"), text("icon"));
    one.key_ref = row.get("keyRef").and_then(|path| key_name(path, remarks));
    let tags = row.get("tags").copied().unwrap_or_default();
    let parted = |one: char| one.is_whitespace() || ",;|".contains(one);
    one.tags = tags.split(parted).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    Ok(one)
}

/// Lines with their cells, numbered from 1; empty lines are left out.
fn records(text: &str, separator: char) -> Result<Vec<(usize, Vec<String>)>> {
    let mut records = Vec::new();
    let (mut line, mut began) = (1, 1);
    let (mut cells, mut cell) = (Vec::new(), String::new());
    let mut quoted = false;
    let mut rest = text.chars().peekable();
    while let Some(one) = rest.next() {
        line += usize::from(one == '\n');
        match one {
            '"' if quoted && rest.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' if quoted || cell.trim().is_empty() => {
                if !quoted {
                    cell.clear();
                }
                quoted = !quoted;
            }
            _ if quoted => cell.push(one),
            '\r' if rest.peek() == Some(&'\n') => {}
            '\n' => {
                cells.push(std::mem::take(&mut cell));
                end(&mut records, began, &mut cells);
                began = line;
            }
            one if one == separator => cells.push(std::mem::take(&mut cell)),
            one => cell.push(one),
        }
    }
    if quoted {
        return Err(Error::Found(vec![format!("line {began}: a quote is not closed")]));
    }
    cells.push(cell);
    end(&mut records, began, &mut cells);
    Ok(records)
}

fn end(records: &mut Vec<(usize, Vec<String>)>, line: usize, cells: &mut Vec<String>) {
    let cells = std::mem::take(cells);
    if cells.iter().any(|cell| !cell.trim().is_empty()) {
        records.push((line, cells));
    }
}
