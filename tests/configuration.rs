//! What is said about the configuration where people read it: made from the keys themselves.
//! `LINKOPS_REWRITE=1 cargo test --test suite configuration` writes the pages anew.

use std::fmt::Write;
use std::path::Path;

use linkops::config::{self, Key};

/// The file must hold exactly this; with LINKOPS_REWRITE it is made so.
#[track_caller]
fn must_hold(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("LINKOPS_REWRITE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let first = found.lines().zip(text.lines()).find(|(found, wanted)| found != wanted);
    assert!(
        found == text,
        "{file} is not what src/config/keys.rs says; run\n\
         LINKOPS_REWRITE=1 cargo test --test suite configuration\nfirst difference: {first:?}"
    );
}

/// The sections in their order, each with its keys.
fn sections() -> Vec<(&'static str, Vec<Key>)> {
    let mut sections: Vec<(&str, Vec<Key>)> = Vec::new();
    for key in config::keys() {
        match sections.last_mut() {
            Some((section, keys)) if *section == key.section => keys.push(key),
            _ => sections.push((key.section, vec![key])),
        }
    }
    sections
}

/// A default in back quotes, or why there is none.
fn default(key: &Key) -> String {
    match key.default.as_str() {
        "" if key.name == "jwt_secret" => "required".to_owned(),
        "" => "none".to_owned(),
        text => format!("`{text}`"),
    }
}

#[test]
fn the_page_says_what_the_code_reads() {
    const MARK: &str = "<!-- The tables are made";
    let page = include_str!("../docs/CONFIGURATION.md");
    let (prose, rest) = page.split_once(MARK).expect("the mark of the tables");
    let mut text = format!("{prose}{MARK}{}\n", rest.lines().next().unwrap());
    for (section, keys) in sections() {
        write!(
            text,
            "\n## [{section}]\n\n| key | default | value | |\n| --- | --- | --- | --- |\n"
        )
        .unwrap();
        for key in keys {
            let (name, default) = (key.name, default(&key));
            writeln!(text, "| `{name}` | {default} | {} | {} |", key.values, key.about).unwrap();
        }
    }
    must_hold("docs/CONFIGURATION.md", &text);
}

/// Each sentence can stand alone: it begins large, ends with a full stop, and is no table's end.
#[test]
fn every_key_says_what_it_is_for() {
    for key in config::keys() {
        let first = key.about.chars().next().unwrap_or_default();
        assert!(first.is_uppercase() && key.about.ends_with('.'), "{key:?}");
        assert!(!key.about.contains(['|', '\n']) && !key.values.is_empty(), "{key:?}");
    }
}
