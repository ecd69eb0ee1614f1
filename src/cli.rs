//! The command line: which subcommands there are, and what each does.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::audit::Head;
use crate::auth::Role;
use crate::config::{Config, DEFAULT_PATH};
use crate::error::{Error, Result};
use crate::server;

const HELP: &str = "\
linkopsd: self-hosted, agentless SSH control plane

usage: linkopsd [serve] [--config FILE]   serve until SIGTERM
       linkopsd check                     say all that is wrong with configuration, keys, database
       linkopsd user add NAME --role admin|operator|viewer --password-stdin
       linkopsd user passwd NAME --password-stdin
       linkopsd user list
       linkopsd user remove NAME
       linkopsd sync                      sync once from the repository, say what changed
       linkopsd audit verify [--head ID:HASH]
                                          whether the audit log is whole, and its head now
       linkopsd backup FILE               a consistent copy of the database, also while it is used
       linkopsd version
       linkopsd help

All take --config FILE (default /etc/linkops/config.ini).
";

/// Wrong usage, as an exit code.
const USAGE: u8 = 2;

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Serve,
    Check,
    UserAdd { name: String, role: Role },
    UserPassword { name: String },
    UserList,
    UserRemove { name: String },
    Sync,
    Backup { file: PathBuf },
    AuditVerify { head: Option<Head> },
    Version,
    Help,
}

/// Runs the command: 0 done, 1 failed, 2 wrong usage. Failures go to standard error.
pub fn main(arguments: Vec<String>) -> ExitCode {
    let (command, config) = match parse(&arguments) {
        Ok(parsed) => parsed,
        Err(problem) => {
            eprintln!("linkopsd: {problem}\ntry: linkopsd help");
            return ExitCode::from(USAGE);
        }
    };
    match run(&command, &config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("linkopsd: {}", error.chain());
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: &[String]) -> Result<(Command, PathBuf), String> {
    let mut config = PathBuf::from(DEFAULT_PATH);
    let mut role = None;
    let mut head = None;
    let mut password_stdin = false;
    let mut words = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = |name: &str| {
            rest.next().cloned().ok_or_else(|| format!("{name} needs a value behind it"))
        };
        match argument.as_str() {
            "--config" => config = PathBuf::from(value("--config")?),
            "--role" => {
                role = Some(value("--role")?.parse().map_err(|error: Error| error.to_string())?)
            }
            "--head" => head = Some(value("--head")?.parse()?),
            "--password-stdin" => password_stdin = true,
            "--help" | "-h" => return Ok((Command::Help, config)),
            "--version" | "-V" => return Ok((Command::Version, config)),
            other if other.starts_with('-') => return Err(format!("unknown option {other:?}")),
            other => words.push(other),
        }
    }
    let command = match words.as_slice() {
        [] | ["serve"] => Command::Serve,
        ["check"] => Command::Check,
        ["sync"] => Command::Sync,
        ["backup", file] => Command::Backup { file: PathBuf::from(file) },
        ["audit", "verify"] => Command::AuditVerify { head: head.take() },
        ["version"] => Command::Version,
        ["help"] => Command::Help,
        ["user", "list"] => Command::UserList,
        ["user", "remove", name] => Command::UserRemove { name: (*name).to_owned() },
        ["user", "add" | "passwd", _] if !password_stdin => {
            return Err("the password is read from standard input: add --password-stdin".into());
        }
        ["user", "add", name] => {
            let role = role.take().ok_or("a new user needs --role admin|operator|viewer")?;
            Command::UserAdd { name: (*name).to_owned(), role }
        }
        ["user", "passwd", name] => Command::UserPassword { name: (*name).to_owned() },
        other => return Err(format!("unknown command {:?}", other.join(" "))),
    };
    if role.is_some() {
        return Err("--role goes with user add".into());
    }
    if head.is_some() {
        return Err("--head goes with audit verify".into());
    }
    let reads = matches!(command, Command::UserAdd { .. } | Command::UserPassword { .. });
    if password_stdin && !reads {
        return Err("--password-stdin goes with user add and user passwd".into());
    }
    Ok((command, config))
}

fn run(command: &Command, config: &Path) -> Result<()> {
    match command {
        Command::Version => say(&format!("linkopsd {}\n", env!("CARGO_PKG_VERSION"))),
        Command::Help => say(HELP),
        Command::Serve => serve(config),
        Command::Check => check(config),
        Command::Sync => sync(Config::load(config)?),
        Command::Backup { file } => {
            server::backup(&Config::load(config)?, file)?;
            say(&format!("copied the database to {}\n", file.display()))
        }
        Command::AuditVerify { head } => audit(config, head.as_ref()),
        Command::UserAdd { name, role } => {
            let password = password()?;
            users(config)?.add_user(name, *role, &password)?;
            say(&format!("added {name}\n"))
        }
        Command::UserPassword { name } => {
            let password = password()?;
            users(config)?.set_password(name, &password)?;
            say(&format!("changed the password of {name}\n"))
        }
        Command::UserRemove { name } => {
            users(config)?.remove_user(name)?;
            say(&format!("removed {name}\n"))
        }
        Command::UserList => {
            let users = users(config)?.list_users()?;
            let lines: String =
                users.iter().map(|one| format!("{}\t{}\n", one.username, one.role)).collect();
            say(&lines)
        }
    }
}

/// R10.5: what is wrong stands in the log, too, where that can be written.
fn serve(path: &Path) -> Result<()> {
    server::run(Config::load(path).inspect_err(|error| server::refuse(path, error))?)
}

fn audit(config: &Path, expected: Option<&Head>) -> Result<()> {
    let verdict = server::audit(&Config::load(config)?, expected)?;
    match verdict.broken {
        None => say(&format!("intact: {} rows, head {}\n", verdict.rows, verdict.head)),
        Some(broken) => Err(Error::Config(vec![format!("the audit log is broken: {broken}")])),
    }
}

fn users(config: &Path) -> Result<Arc<crate::auth::Auth>> {
    server::users(&Config::load(config)?)
}

fn check(path: &Path) -> Result<()> {
    let problems = match Config::load(path) {
        Ok(config) => server::check(&config),
        Err(Error::Config(problems)) => problems,
        Err(other) => vec![other.chain()],
    };
    if problems.is_empty() {
        return say("everything is in order\n");
    }
    Err(Error::Config(problems))
}

fn sync(config: Config) -> Result<()> {
    let outcome = server::sync_once(config)?;
    let mut text = format!(
        "synced {}: {} links, {} scripts\n",
        outcome.commit, outcome.links, outcome.scripts
    );
    for (noun, difference) in
        [("link", &outcome.changes.links), ("script", &outcome.changes.scripts)]
    {
        for (verb, ids) in [
            ("added", &difference.added),
            ("changed", &difference.changed),
            ("removed", &difference.removed),
        ] {
            ids.iter().for_each(|id| text.push_str(&format!("{verb} {noun} {id}\n")));
        }
    }
    say(&text)
}

/// The first line of standard input, without its end.
fn password() -> Result<String> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Error::io("read the password from standard input", error))?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

fn say(text: &str) -> Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Error::io("write to standard output", error))
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
            ("audit verify --head 7", "\"7\" is not ID:HASH"),
            ("check --role admin", "--role goes with user add"),
        ] {
            let problem = parsed(line).unwrap_err();
            assert!(problem.contains(part), "{line:?}: {problem}");
        }
    }
}
