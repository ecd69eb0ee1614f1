//! What each cause says: lower case, no full stop, the value quoted; a second line says what to do.

use std::fmt;

use super::{Error, Unenrolled, YamlProblem};

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io { doing, .. } | Error::Database { doing, .. } => {
                write!(f, "cannot {doing}")
            }
            Error::Config(problems) => lines(f, "the configuration is not usable", problems),
            Error::Found(problems) => f.write_str(&problems.join("\nlinkopsd: ")),
            Error::Invalid(fields) => {
                let fields: Vec<_> =
                    fields.iter().map(|one| format!("{}: {}", one.name, one.message)).collect();
                f.write_str(&fields.join("; "))
            }
            Error::Json { message } => write!(f, "the body is not JSON: {message}"),
            Error::MediaType => f.write_str(
                "the body is not said to be JSON\nsend \"Content-Type: application/json\"",
            ),
            Error::Cursor => {
                f.write_str("the cursor is not one of this list\nstart again without a cursor")
            }
            Error::UnknownTable { table, nearest } => {
                write!(f, "there is no table {table:?}")?;
                meant(f, *nearest)
            }
            Error::UnknownColumn { table, column, nearest } => {
                write!(f, "{table} has no column {column:?}")?;
                meant(f, *nearest)
            }
            Error::Filter { column, op, expected } => {
                write!(f, "the filter {op:?} on {column:?} needs {expected}")
            }
            Error::NotFound { noun, id } => write!(f, "there is no {noun} {id:?}"),
            Error::Credentials => f.write_str("user name or password is wrong"),
            Error::Locked { .. } => f.write_str("the account is locked after failed logins"),
            Error::TokenMissing => {
                f.write_str("no token was sent\nlog in and send it as \"Authorization: Bearer …\"")
            }
            Error::TokenExpired => f.write_str("the token has expired\nlog in again"),
            Error::TokenInvalid => f.write_str("the token is not valid\nlog in again"),
            Error::Forbidden { needs } => write!(f, "this needs the role {needs:?}"),
            Error::SignIn => f.write_str(
                "an API token cannot do this\nlog in with user name and password",
            ),
            Error::UserExists { name } => write!(f, "there is a user {name:?} already"),
            Error::LastAdmin { name } => {
                write!(f, "{name:?} is the last admin\nmake another one first")
            }
            Error::Signature => f.write_str(
                "the body is not signed with our secret\ngive the Git server the webhook_secret of secrets.ini",
            ),
            Error::NotOwner { owner } => {
                write!(f, "it belongs to {owner:?}\nmake one of your own, or ask its owner")
            }
            Error::TooManyWorkspaces { most } => {
                write!(f, "there are {most} workspaces already\ndelete one that is not needed")
            }
            Error::RecordingRuns { id } => {
                write!(f, "recording {id:?} still runs\ndisconnect its pane first")
            }
            Error::NotEnrolled(targets) => not_enrolled(f, targets),
            Error::NoTargets { hint } => write!(f, "the operation has no targets\n{hint}"),
            Error::NotBash { script, reason } => {
                write!(f, "script {script:?} is not a bash script: {reason}")
            }
            Error::Flag { script, flag, declared } => {
                let flag = without_value(flag);
                write!(f, "script {script:?} does not declare the flag {flag:?}\nit declares {declared:?}")
            }
            Error::TooManyOperations => {
                f.write_str("too many operations are waiting\ntry again when some have ended")
            }
            Error::RateLimited { retry_after } => {
                write!(f, "too many requests\ntry again in {retry_after} s")
            }
            Error::Finished { id } => write!(f, "operation {id:?} has already ended"),
            Error::Running { id } => {
                write!(f, "operation {id:?} has not ended yet\nwait for its end, or stop it")
            }
            Error::Yaml(problems) => {
                let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
                lines(f, "the repository's files are not usable", &problems)
            }
            Error::GitAuthentication { url, message } => {
                write!(f, "the Git server refused our credentials for {url:?}: {message}")
            }
            Error::GitUnreachable { url, message } => {
                write!(f, "the Git server of {url:?} cannot be reached: {message}")
            }
            Error::RepositoryNotFound { url, message } => {
                write!(f, "there is no usable repository {url:?}: {message}")
            }
            Error::Ssh { target, message } => write!(f, "{target}: {message}"),
            Error::PaneAssigned { pane } => {
                write!(f, "pane {pane} is connected\ndisconnect it before it gets another target")
            }
            Error::Upgrade => f.write_str("this call is made by opening a WebSocket, version 13"),
            Error::Origin(origin) => write!(
                f,
                "pages of {origin:?} may not open a WebSocket here\n\
                 add the origin to [api] cors_origins, or let the proxy pass the Host header on"
            ),
            Error::Busy => f.write_str(
                "too many calls wait for machines or for Git already\ntry again in a moment",
            ),
            Error::ShuttingDown => f.write_str("the server is stopping\ntry again in a moment"),
            Error::Internal(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for YamlProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

/// The name of a flag; behind it may be a password, even where the name has a typing error.
pub fn without_value(flag: &str) -> String {
    flag.split_once('=').map_or_else(|| flag.to_owned(), |(name, _)| format!("{name}=…"))
}

/// One problem stands behind the title; several get a line each.
fn lines(f: &mut fmt::Formatter<'_>, title: &str, problems: &[String]) -> fmt::Result {
    match problems {
        [one] => write!(f, "{title}: {one}"),
        many => {
            write!(f, "{title}:")?;
            many.iter().try_for_each(|one| write!(f, "\n  {one}"))
        }
    }
}

fn meant(f: &mut fmt::Formatter<'_>, nearest: Option<&str>) -> fmt::Result {
    nearest.map_or(Ok(()), |one| write!(f, "\ndid you mean {one:?}?"))
}

fn not_enrolled(f: &mut fmt::Formatter<'_>, targets: &[Unenrolled]) -> fmt::Result {
    let names: Vec<_> = targets.iter().map(|one| one.target.as_str()).collect();
    match names.as_slice() {
        [one] => write!(f, "target {one} is not enrolled")?,
        many => write!(f, "targets {} are not enrolled", many.join(", "))?,
    }
    f.write_str("\nput the client id on the machine and verify it")
}
