//! From words to a command: which subcommands and options there are, and what is wrong usage.

use std::path::PathBuf;

use crate::audit::Head;
use crate::auth::Role;
use crate::config::DEFAULT_PATH;
use crate::error::Error;
use crate::exchange::{self, Defaults};

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Serve,
    Check,
    Doctor { url: Option<String> },
    UserAdd { name: String, role: Role },
    UserPassword { name: String },
    UserList,
    UserRemove { name: String },
    Sync,
    Backup { file: PathBuf },
    BackupVerify { file: PathBuf },
    Restore { file: PathBuf },
    AuditVerify { head: Option<Head> },
    Import { format: Format, file: PathBuf, defaults: Defaults },
    Export { format: Format },
    Enroll { target: String, run: bool, replace: bool },
    Version,
    Help,
}

/// A tool whose words are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Ansible,
    SshConfig,
    Csv,
    KnownHosts,
}

/// Options, whether a value stands behind them, and what they go with.
const OPTIONS: [(&str, bool, &str); 9] = [
    ("--role", true, "user add"),
    ("--password-stdin", false, "user add and user passwd"),
    ("--head", true, "audit verify"),
    ("--url", true, "doctor"),
    ("--verify", false, "restore"),
    ("--type", true, "import"),
    ("--user", true, "import"),
    ("--run", false, "enroll"),
    ("--replace", false, "enroll --run"),
];

/// The options that were given, each with its value; what is used is taken out.
struct Options(Vec<(&'static str, String)>);

impl Options {
    fn value(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(given, _)| *given == name)?;
        Some(self.0.remove(at).1)
    }

    fn flag(&mut self, name: &str) -> bool {
        self.value(name).is_some()
    }
}

/// The command, and the configuration to use.
///
/// # Errors
/// Wrong usage, as a sentence.
pub(super) fn parse(arguments: &[String]) -> Result<(Command, PathBuf), String> {
    let mut config = PathBuf::from(DEFAULT_PATH);
    let mut options = Options(Vec::new());
    let mut words = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = |name: &str| {
            rest.next().cloned().ok_or_else(|| format!("{name} needs a value behind it"))
        };
        let known = OPTIONS.iter().find(|(name, ..)| name == argument);
        match (argument.as_str(), known) {
            ("--config", _) => config = PathBuf::from(value("--config")?),
            ("--help" | "-h", _) => return Ok((Command::Help, config)),
            ("--version" | "-V", _) => return Ok((Command::Version, config)),
            (_, Some((name, true, _))) => options.0.push((name, value(name)?)),
            (_, Some((name, false, _))) => options.0.push((name, String::new())),
            (other, None) if other.starts_with('-') && other != "-" => {
                return Err(format!("unknown option {other:?}"));
            }
            (word, None) => words.push(word),
        }
    }
    let command = command(&words, &mut options)?;
    let left = OPTIONS.iter().find(|(name, ..)| options.flag(name));
    match left {
        Some((name, _, place)) => Err(format!("{name} goes with {place}")),
        None => Ok((command, config)),
    }
}

fn command(words: &[&str], options: &mut Options) -> Result<Command, String> {
    Ok(match words {
        [] | ["serve"] => Command::Serve,
        ["check"] => Command::Check,
        ["doctor"] => Command::Doctor { url: options.value("--url") },
        ["sync"] => Command::Sync,
        ["backup", file] => Command::Backup { file: PathBuf::from(file) },
        ["restore", file] if options.flag("--verify") => {
            Command::BackupVerify { file: PathBuf::from(file) }
        }
        ["restore", file] => Command::Restore { file: PathBuf::from(file) },
        ["audit", "verify"] => {
            let head = options.value("--head").map(|text| text.parse()).transpose()?;
            Command::AuditVerify { head }
        }
        ["import", format, file] => Command::Import {
            format: read_format(format)?,
            file: PathBuf::from(file),
            defaults: defaults(options)?,
        },
        ["export", format] => Command::Export { format: written_format(format)? },
        ["enroll", target] => {
            let run = options.flag("--run");
            let replace = run && options.flag("--replace");
            Command::Enroll { target: (*target).to_owned(), run, replace }
        }
        ["version"] => Command::Version,
        ["help"] => Command::Help,
        ["user", "list"] => Command::UserList,
        ["user", "remove", name] => Command::UserRemove { name: (*name).to_owned() },
        ["user", "add" | "passwd", _] if !options.flag("--password-stdin") => {
            return Err("the password is read from standard input: add --password-stdin".into());
        }
        ["user", "add", name] => {
            Command::UserAdd { name: (*name).to_owned(), role: role(options)? }
        }
        ["user", "passwd", name] => Command::UserPassword { name: (*name).to_owned() },
        other => return Err(format!("unknown command {:?}", other.join(" "))),
    })
}

fn read_format(word: &str) -> Result<Format, String> {
    match word {
        "ansible" => Ok(Format::Ansible),
        "ssh-config" => Ok(Format::SshConfig),
        "csv" => Ok(Format::Csv),
        _ => Err(format!("cannot import {word:?}: it is ansible, ssh-config or csv")),
    }
}

fn written_format(word: &str) -> Result<Format, String> {
    match word {
        "ansible" => Ok(Format::Ansible),
        "ssh-config" => Ok(Format::SshConfig),
        "known-hosts" => Ok(Format::KnownHosts),
        _ => Err(format!("cannot export {word:?}: it is ansible, ssh-config or known-hosts")),
    }
}

fn defaults(options: &mut Options) -> Result<Defaults, String> {
    let mut defaults = Defaults::default();
    if let Some(word) = options.value("--type") {
        defaults.kind = exchange::kind(&word)?;
    }
    defaults.user = options.value("--user").unwrap_or(defaults.user);
    Ok(defaults)
}

fn role(options: &mut Options) -> Result<Role, String> {
    let role = options.value("--role").ok_or("a new user needs --role admin|operator|viewer")?;
    role.parse().map_err(|error: Error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&arguments).map(|(command, _)| command)
    }

    #[test]
    fn every_subcommand_is_understood() {
        assert_eq!(parsed(""), Ok(Command::Serve));
        assert_eq!(parsed("serve --config x"), Ok(Command::Serve));
        assert_eq!(parsed("--config x check"), Ok(Command::Check));
        assert_eq!(parsed("version"), Ok(Command::Version));
        assert_eq!(parsed("backup a.db"), Ok(Command::Backup { file: "a.db".into() }));
        assert_eq!(parsed("restore a.db"), Ok(Command::Restore { file: "a.db".into() }));
        let verify = Command::BackupVerify { file: "a.db".into() };
        assert_eq!(parsed("restore a.db --verify"), Ok(verify));
        let doctor = Command::Doctor { url: Some("https://a".into()) };
        assert_eq!(parsed("doctor --url https://a"), Ok(doctor));
        let add = Command::UserAdd { name: "ann".into(), role: Role::Viewer };
        assert_eq!(parsed("user add ann --role viewer --password-stdin"), Ok(add));
        assert_eq!(parsed("user remove ann"), Ok(Command::UserRemove { name: "ann".into() }));
    }

    #[test]
    fn wrong_usage_says_what_is_wrong() {
        for (line, part) in [
            ("srve", "unknown command \"srve\""),
            ("--confg x", "unknown option \"--confg\""),
            ("serve --config", "--config needs a value"),
            ("user add ann --role viewer", "--password-stdin"),
            ("user add ann --password-stdin", "--role"),
            ("user add", "unknown command"),
            ("user add ann --role boss --password-stdin", "\"boss\" is not"),
            ("check --password-stdin", "--password-stdin goes with"),
            ("restore a.db --url x", "--url goes with doctor"),
            ("restore", "unknown command"),
            ("import yaml x", "cannot import \"yaml\""),
            ("import csv x --type Box", "\"Box\" is not one of"),
            ("export csv", "cannot export \"csv\""),
            ("enroll a --replace", "--replace goes with enroll --run"),
            ("audit verify --head 7", "\"7\" is not ID:HASH"),
            ("check --role admin", "--role goes with user add"),
        ] {
            let problem = parsed(line).unwrap_err();
            assert!(problem.contains(part), "{line:?}: {problem}");
        }
    }
}
