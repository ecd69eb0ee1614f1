//! What a single value may be. Each rule gives the value, or the rest of a sentence that begins
//! with the field's name.

use super::tree::Node;
use crate::inventory::Kind;

/// Ids stand in URLs, in file names and in commands.
pub(super) fn id(id: &str) -> Result<(), String> {
    let good = |one: char| one.is_ascii_alphanumeric() || matches!(one, '.' | '_' | '-');
    if (1..=64).contains(&id.len()) && id.chars().all(good) && !id.starts_with(['-', '.']) {
        return Ok(());
    }
    Err("must be 1 to 64 of the characters A-Z a-z 0-9 . _ - and begin with none of - and ."
        .to_owned())
}

/// Text of one line.
pub(super) fn text(node: &Node) -> Result<String, String> {
    let text = lines(node)?;
    if text.contains(char::is_control) {
        return Err(format!("must be one line, not {text:?}"));
    }
    Ok(text)
}

/// Text that may have several lines.
pub(super) fn lines(node: &Node) -> Result<String, String> {
    match node {
        Node::Text(text) if text.trim().is_empty() => Err("is empty".to_owned()),
        Node::Text(text) => Ok(text.clone()),
        Node::Bool(_) | Node::Whole(_) | Node::Real(_) => {
            Err(format!("must be text, not {}\nwrite it in quotes", node.kind()))
        }
        _ => Err(format!("must be text, not {}", node.kind())),
    }
}

/// A host or a user: never taken for an option, never two words.
pub(super) fn word(node: &Node) -> Result<String, String> {
    let text = text(node)?;
    if text.contains(char::is_whitespace) {
        return Err(format!("must have no white space, not {text:?}"));
    }
    if text.starts_with('-') {
        return Err(format!("cannot start with \"-\", as {text:?} does"));
    }
    Ok(text)
}

/// VPS, Proxmox or VM.
pub(super) fn kind(node: &Node) -> Result<Kind, String> {
    let text = text(node)?;
    Kind::parse(&text)
        .ok_or_else(|| format!("must be one of {}, not {text:?}", Kind::WORDS.join(", ")))
}

/// A TCP port.
pub(super) fn port(node: &Node) -> Result<u16, String> {
    match whole(node)?.try_into() {
        Ok(0) | Err(_) => Err("must be a port from 1 to 65535".to_owned()),
        Ok(port) => Ok(port),
    }
}

/// A length of time in whole seconds.
pub(super) fn seconds(node: &Node) -> Result<u32, String> {
    whole(node)?.try_into().map_err(|_| format!("must be from 0 to {} seconds", u32::MAX))
}

fn whole(node: &Node) -> Result<i128, String> {
    match node {
        Node::Whole(number) => Ok(*number),
        Node::Real(number) => Err(format!("must be a whole number, not {number}")),
        _ => Err(format!("must be a whole number, not {}", node.kind())),
    }
}

/// true or false.
pub(super) fn truth(node: &Node) -> Result<bool, String> {
    match node {
        Node::Bool(value) => Ok(*value),
        _ => Err(format!("must be true or false, not {}", node.kind())),
    }
}

/// `LINKOPS-` and a UUID.
pub(super) fn client_id(node: &Node) -> Result<String, String> {
    let text = text(node)?;
    let groups: Vec<_> = text.strip_prefix("LINKOPS-").unwrap_or_default().split('-').collect();
    let lengths: Vec<_> = groups.iter().map(|group| group.len()).collect();
    let hex = groups.iter().all(|group| group.bytes().all(|one| one.is_ascii_hexdigit()));
    if hex && lengths == [8, 4, 4, 4, 12] {
        return Ok(text);
    }
    Err(format!("must be \"LINKOPS-\" and a UUID, not {text:?}"))
}

/// A file on a machine.
pub(super) fn absolute_path(node: &Node) -> Result<String, String> {
    let text = text(node)?;
    if text.starts_with('/') && !text.ends_with('/') {
        return Ok(text);
    }
    Err(format!("must be the absolute path of a file, not {text:?}"))
}

/// A file in the repository.
pub(super) fn relative_path(node: &Node) -> Result<String, String> {
    let text = text(node)?;
    if text.starts_with('/') || text.ends_with('/') || text.split('/').any(|part| part == "..") {
        return Err(format!("must be a file's path in the repository, not {text:?}"));
    }
    Ok(text)
}

/// A file of the keys directory, by its plain name.
pub(super) fn file_name(node: &Node) -> Result<String, String> {
    let text = text(node)?;
    if text.contains('/') || text == "." || text.contains("..") || text.starts_with('-') {
        return Err(format!("must be a file's name in the keys directory, not {text:?}"));
    }
    Ok(text)
}

/// A flag that a script accepts: `--verbose`, `level=1`.
pub(super) fn flag(node: &Node) -> Result<String, String> {
    let text = text(node)?;
    if text.starts_with('=') {
        return Err(format!("must have a name before the \"=\", not {text:?}"));
    }
    Ok(text)
}

/// A map of anything, as JSON.
pub(super) fn json_object(node: &Node) -> Result<serde_json::Value, String> {
    match node {
        Node::Map(_) => json(node),
        _ => Err(format!("must be a map, not {}", node.kind())),
    }
}

/// Anything, as JSON.
pub(super) fn json(node: &Node) -> Result<serde_json::Value, String> {
    use serde_json::Value;
    Ok(match node {
        Node::Null => Value::Null,
        Node::Bool(value) => Value::Bool(*value),
        Node::Whole(number) => serde_json::Number::from_i128(*number)
            .map(Value::Number)
            .ok_or_else(|| format!("has a number that is too large: {number}"))?,
        Node::Real(number) => serde_json::Number::from_f64(*number)
            .map(Value::Number)
            .ok_or_else(|| format!("has {number}, which is no number in JSON"))?,
        Node::Text(text) => Value::String(text.clone()),
        Node::List(items) => Value::Array(items.iter().map(json).collect::<Result<_, _>>()?),
        Node::Map(entries) => {
            let mut map = serde_json::Map::new();
            for (key, value) in entries {
                let key = match key {
                    Node::Text(key) => key.clone(),
                    Node::Bool(key) => key.to_string(),
                    Node::Whole(key) => key.to_string(),
                    _ => return Err(format!("has a key that is {}, not text", key.kind())),
                };
                if map.insert(key.clone(), json(value)?).is_some() {
                    return Err(format!("has the key {key:?} twice"));
                }
            }
            Value::Object(map)
        }
    })
}
