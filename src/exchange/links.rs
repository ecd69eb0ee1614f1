//! links.yaml as text.

use std::fmt::Write as _;

use crate::inventory::{CLIENT_ID_PATH, Machine};

/// Words that YAML reads as something else than text.
const TAKEN: [&str; 10] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "~"];

/// A links.yaml with these machines; values that say nothing are left out.
#[must_use]
pub fn write(machines: &[Machine]) -> String {
    if machines.is_empty() {
        return "links: {}\n".to_owned();
    }
    let mut text = "links:\n".to_owned();
    for one in machines {
        let _ = writeln!(text, "  {}:", scalar(&one.id));
        link(&mut text, one);
    }
    text
}

fn link(text: &mut String, one: &Machine) {
    let mut line = |depth: usize, key: &str, value: &str| {
        let _ = writeln!(text, "{:1$}{key}: {value}", "", 4 + 2 * depth);
    };
    if one.name != one.id {
        line(0, "name", &scalar(&one.name));
    }
    line(0, "type", one.kind.as_str());
    one.provider.iter().for_each(|value| line(0, "provider", &scalar(value)));
    one.icon.iter().for_each(|value| line(0, "icon", &scalar(value)));
    line(0, "host", &scalar(&one.host));
    line(0, "port", &one.port.to_string());
    line(0, "user", &scalar(&one.user));
    if !one.tags.is_empty() {
        let tags: Vec<_> = one.tags.iter().map(|tag| scalar(tag)).collect();
        line(0, "tags", &format!("[{}]", tags.join(", ")));
    }
    line(0, "enrollment", "");
    line(1, "clientId", &scalar(&one.enrollment.id));
    if one.enrollment.path != CLIENT_ID_PATH {
        line(1, "path", &scalar(&one.enrollment.path));
    }
    if !one.enrollment.required {
        line(1, "required", "false");
    }
    if one.key_ref.is_some() || one.proxy_jump.is_some() {
        line(0, "ssh", "");
    }
    one.key_ref.iter().for_each(|value| line(1, "keyRef", &scalar(value)));
    one.proxy_jump.iter().for_each(|value| line(1, "proxyJump", &scalar(value)));
    if one.metadata.as_object().is_some_and(|map| !map.is_empty()) {
        line(0, "metadata", &one.metadata.to_string());
    }
}

/// Text as it is where that is clear, and in quotes otherwise: JSON's quotes are YAML's.
pub(super) fn scalar(text: &str) -> String {
    let plain = text.starts_with(|one: char| one.is_ascii_alphabetic())
        && text.chars().all(|one| one.is_ascii_alphanumeric() || "._-/@".contains(one))
        && !TAKEN.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}
