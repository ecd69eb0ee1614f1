//! The command line: which subcommands there are, and what each does.

use std::ffi::OsString;
use std::io::{BufRead, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use crate::audit::{Actor, Head, Verdict};
use crate::auth::{Change, Listed};
use crate::backup::{self, Report};
use crate::clock::Clock;
use crate::config::Config;
use crate::doctor;
use crate::error::{Error, Result};
use crate::server;
use arguments::{Command, parse};

mod arguments;
mod machines;

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
       linkopsd restore FILE --verify     whether a copy is good and what is in it
       linkopsd restore FILE              put a copy in the place of the database of a stopped server
       linkopsd doctor [--url URL [--token-stdin]]
                                          look at everything that an installation needs, and say
                                          what to do; with --url through the proxy, by a login
                                          that fails, with a token also by a workspace that is
                                          removed again
       linkopsd import ansible|ssh-config|csv FILE [--type TYPE] [--user USER]
                                          print a links.yaml; FILE may be -
       linkopsd export ansible|ssh-config|known-hosts
                                          print the inventory for another tool
       linkopsd enroll TARGET             print the steps that put the client id on a machine
       linkopsd enroll TARGET --run [--replace]
                                          do them: make its host key known, write the id, check
       linkopsd version
       linkopsd help

All take --config FILE (default /etc/linkops/config.ini).
";

/// Wrong usage, as an exit code.
const USAGE: u8 = 2;

/// Runs the command: 0 done, 1 failed, 2 wrong usage. Failures go to standard error.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let (command, config) = match texts(arguments).and_then(|arguments| parse(&arguments)) {
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

fn texts(arguments: Vec<OsString>) -> Result<Vec<String>, String> {
    let text = |one: OsString| one.into_string().map_err(|odd| format!("{odd:?} is not UTF-8"));
    arguments.into_iter().map(text).collect()
}

fn run(command: &Command, config: &Path) -> Result<()> {
    match command {
        Command::Import { format, file, defaults } => machines::import(*format, file, defaults),
        Command::Export { format } => machines::export(*format, &Config::load(config)?),
        Command::Enroll { target, run, replace } => {
            machines::enroll(&Config::load(config)?, target, *run, *replace)
        }
        Command::Version => say(&format!("linkopsd {}\n", env!("CARGO_PKG_VERSION"))),
        Command::Help => say(HELP),
        Command::Serve => serve(config),
        Command::Check => check(config),
        Command::Sync => sync(Config::load(config)?),
        Command::Backup { file } => {
            server::backup(&Config::load(config)?, file)?;
            say(&format!("copied the database to {}\n", file.display()))
        }
        Command::BackupVerify { file } => verify(file),
        Command::Restore { file } => restore(config, file),
        Command::Doctor { url, token } => look(config, url.as_deref(), *token),
        Command::AuditVerify { head } => audit(config, head.as_ref()),
        Command::UserAdd { name, role } => {
            let password = password()?;
            users(config)?.add_user(name, *role, &password, &Actor::command_line())?;
            say(&format!("added {name}\n"))
        }
        Command::UserPassword { name } => {
            let password = password()?;
            let change = Change { password: Some(&password), ..Change::default() };
            users(config)?.change_user(name, &change, &Actor::command_line())?;
            say(&format!("changed the password of {name}\n"))
        }
        Command::UserRemove { name } => {
            users(config)?.remove_user(name, &Actor::command_line())?;
            say(&format!("removed {name}\n"))
        }
        Command::UserList => {
            let users = users(config)?.list_users()?;
            let line = |one: &Listed| format!("{}\t{}\n", one.user.username, one.user.role);
            say(&users.iter().map(line).collect::<String>())
        }
    }
}

/// R10.5: what is wrong stands in the log, too, where that can be written.
fn serve(path: &Path) -> Result<()> {
    server::run(&Config::load(path).inspect_err(|error| server::refuse(path, error))?)
}

fn audit(config: &Path, expected: Option<&Head>) -> Result<()> {
    let verdict = server::audit(&Config::load(config)?, expected)?;
    intact(&verdict)?;
    say(&format!("intact: {} rows, head {}\n", verdict.rows, verdict.head))
}

fn intact(verdict: &Verdict) -> Result<()> {
    let broken = |at| Err(Error::Found(vec![format!("the audit log is broken: {at}")]));
    verdict.broken.as_ref().map_or(Ok(()), broken)
}

fn verify(file: &Path) -> Result<()> {
    let report = backup::verify(file)?;
    say(&described(file, &report))?;
    report.audit.as_ref().map_or(Ok(()), intact)
}

fn restore(config: &Path, file: &Path) -> Result<()> {
    let database = Config::load(config)?.database;
    let (report, aside) = backup::restore(&database, file, &Clock::System)?;
    let mut text = described(file, &report);
    if let Some(aside) = aside {
        text.push_str(&format!("the database from before is kept as {}\n", aside.display()));
    }
    text.push_str(&format!("restored {}\n", database.display()));
    text.push_str(
        "tokens that were revoked since are valid again: to end all, set a new jwt_secret\n",
    );
    say(&text)
}

fn described(file: &Path, report: &Report) -> String {
    let (version, latest) = (report.examined.version, report.examined.latest);
    let mut text = format!("{}: whole; {}\n", file.display(), report.examined.counts());
    if version < latest {
        let line = format!("it has version {version}: the next start brings it to {latest}\n");
        text.push_str(&line);
    }
    match &report.audit {
        Some(verdict) => match &verdict.broken {
            None => text.push_str(&format!("audit log: intact, head {}\n", verdict.head)),
            Some(broken) => text.push_str(&format!("audit log: BROKEN, {broken}\n")),
        },
        None => text.push_str("audit log: not checked before it has the version of this program\n"),
    }
    text
}

/// Findings go to standard output; the exit code says whether something is wrong.
fn look(config: &Path, url: Option<&str>, token: bool) -> Result<()> {
    let token = if token { Some(line("token")?) } else { None };
    let mut wrong = 0;
    doctor::examine(config, url, token.as_deref(), &mut |finding| {
        wrong += u32::from(finding.is_wrong());
        say(&finding.to_string())
    })?;
    match wrong {
        0 => say("nothing is wrong\n"),
        1 => Err(Error::Found(vec!["1 thing is wrong, see above".to_owned()])),
        many => Err(Error::Found(vec![format!("{many} things are wrong, see above")])),
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
    line("password")
}

fn line(what: &str) -> Result<String> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Error::io(format!("read the {what} from standard input"), error))?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

fn say(text: &str) -> Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Error::io("write to standard output", error))
}
