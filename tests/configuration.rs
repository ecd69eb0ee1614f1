//! What is said about the configuration where people read it: made from the keys themselves.
//! `LINKOPS_REWRITE=1 cargo test --test suite configuration` writes the pages anew.

use std::fmt::Write;
use std::path::Path;

use linkops::config::{self, Key, Secrets};

fn held(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap_or_default()
}

/// The file must hold exactly this; with LINKOPS_REWRITE it is made so.
#[track_caller]
fn must_hold(file: &str, text: &str) {
    if std::env::var_os("LINKOPS_REWRITE").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), text).unwrap();
    }
    let found = held(file);
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
    let page = held("docs/CONFIGURATION.md");
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

/// What the installer makes the first configuration of.
#[test]
fn the_template_has_every_key() {
    let mut text = "# The configuration of LinkOps, read at the start of linkopsd. Each key stands \
        here with its\n# default; take away the # to set it. Comments stand on lines of their own.\n\
        # After a change: linkopsd check, then systemctl restart linkopsd. See linkops.ini(5).\n"
        .to_owned();
    for (section, keys) in sections() {
        write!(text, "\n[{section}]\n").unwrap();
        for key in keys {
            let mark = if key.name == "jwt_secret" { "" } else { "#" };
            let line = format!("{mark}{} = {}", key.name, key.default);
            for line in wrapped(&format!("{} Takes {}.", key.about, key.values)) {
                writeln!(text, "# {line}").unwrap();
            }
            writeln!(text, "{}", line.trim_end()).unwrap();
        }
    }
    must_hold("deploy/config.ini", &text);
}

/// Lines of at most 96 characters.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().unwrap();
        match line.len() + word.len() {
            0..96 if line.is_empty() => line.push_str(word),
            0..96 => line.extend([" ", word]),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The template with a secret, as the installer writes it, is a configuration with all defaults.
#[test]
fn the_template_is_a_configuration() {
    let template = held("deploy/config.ini");
    let parse = |text: &str| {
        let none = Vec::<(String, String)>::new();
        config::Config::parse(text, Path::new("/etc/linkops"), Secrets::default(), none)
    };
    assert!(parse(&template).unwrap_err().to_string().contains("jwt_secret: is required"));
    let secret = format!("\njwt_secret = {}\n", "5".repeat(64));
    let made = template.replace("\njwt_secret =\n", &secret);
    let least = format!("[api]{secret}");
    assert_eq!(format!("{:?}", parse(&made).unwrap()), format!("{:?}", parse(&least).unwrap()));
}

#[test]
fn the_manual_page_has_every_key() {
    const MARK: &str = ".\\\" The keys are made";
    let page = held("deploy/man/linkops.ini.5");
    let (prose, rest) = page.split_once(MARK).expect("the mark of the keys");
    let (mark, rest) = rest.split_once('\n').unwrap();
    let (_, end) = rest.split_once(".Sh FILES").expect("the files");
    let mut text = format!("{prose}{MARK}{mark}\n");
    for (section, keys) in sections() {
        writeln!(text, ".Ss [{section}]\n.Bl -tag -width Ds").unwrap();
        for key in keys {
            let default = match key.default.as_str() {
                "" if key.name == "jwt_secret" => "It is required.".to_owned(),
                "" => "There is no default.".to_owned(),
                text => format!("The default is\n.Ql {text} ."),
            };
            let values = format!("It takes {}.", key.values);
            let about = key.about.replace('`', "").replace(". ", ".\n");
            writeln!(text, ".It Ic {}\n{about}\n{values}\n{default}", key.name).unwrap();
        }
        writeln!(text, ".El").unwrap();
    }
    must_hold("deploy/man/linkops.ini.5", &format!("{text}.Sh FILES{end}"));
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
