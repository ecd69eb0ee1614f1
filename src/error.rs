//! What can go wrong, by cause. The text is for people: lower case, no full stop, the value
//! quoted; where the reader can act, the next step stands on a second line. The cause is in
//! `source` and is never repeated in the text. `api::error` maps each cause to status and code.

use std::error::Error as StdError;
use std::fmt;
use std::io;

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A cause of failure.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something; `doing` names it ("read \"/etc/…\"").
    Io {
        /// What was being done, as a verb phrase.
        doing: String,
        /// The system's answer.
        source: io::Error,
    },
    /// SQLite failed.
    Database {
        /// What was being done, as a verb phrase.
        doing: String,
        /// SQLite's answer.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The configuration, the keys or the secrets are wrong: every problem found.
    Config(Vec<String>),
    /// What a subcommand found wrong: every problem, each a sentence of its own.
    Found(Vec<String>),
    /// The body of a request is not JSON.
    Json {
        /// Where and why.
        message: String,
    },
    /// The body of a request is not said to be JSON.
    MediaType,
    /// A cursor that did not come from here.
    Cursor,
    /// Fields of a request are wrong.
    Invalid(Vec<Field>),
    /// A thing named by the caller does not exist.
    NotFound {
        /// What kind of thing.
        noun: Noun,
        /// The id that was asked for.
        id: String,
    },
    /// User name or password are wrong; which of them is not said.
    Credentials,
    /// Too many failed logins; `until` is in milliseconds since the epoch.
    Locked {
        /// When the account can be used again.
        until: i64,
    },
    /// No token was sent.
    TokenMissing,
    /// The token was right once.
    TokenExpired,
    /// The token was never right, or was revoked.
    TokenInvalid,
    /// The caller's role does not allow it.
    Forbidden {
        /// The role that would.
        needs: &'static str,
    },
    /// An API token was sent for something that needs a person who signed in.
    SignIn,
    /// There is a user of that name.
    UserExists {
        /// The name.
        name: String,
    },
    /// Nobody could manage users any more.
    LastAdmin {
        /// The one admin that there is.
        name: String,
    },
    /// What was sent is not signed with the secret of the webhook.
    Signature,
    /// Targets of an operation are not enrolled.
    NotEnrolled(Vec<Unenrolled>),
    /// An operation without targets.
    NoTargets {
        /// Why there are none, or what to name.
        hint: String,
    },
    /// The script cannot be run as bash.
    NotBash {
        /// The script's id.
        script: String,
        /// Why.
        reason: String,
    },
    /// A flag that the script does not declare.
    Flag {
        /// The script's id.
        script: String,
        /// The refused flag.
        flag: String,
        /// The flags the script declares.
        declared: Vec<String>,
    },
    /// The queue of operations is full.
    TooManyOperations,
    /// Too many requests of a kind; try again after some seconds.
    RateLimited {
        /// Seconds to wait.
        retry_after: u64,
    },
    /// The operation has ended and cannot be changed.
    Finished {
        /// The operation's id.
        id: String,
    },
    /// The operation has not ended yet.
    Running {
        /// The operation's id.
        id: String,
    },
    /// A file of the repository is wrong: every problem found.
    Yaml(Vec<YamlProblem>),
    /// The Git server did not accept our credentials.
    GitAuthentication {
        /// The repository, without credentials.
        url: String,
        /// What git said.
        message: String,
    },
    /// The Git server could not be reached, or did not answer in time.
    GitUnreachable {
        /// The repository, without credentials.
        url: String,
        /// What git said.
        message: String,
    },
    /// No such repository, or no such branch in it.
    RepositoryNotFound {
        /// The repository, without credentials; empty when none is configured.
        url: String,
        /// What git said.
        message: String,
    },
    /// A machine could not be reached over SSH.
    Ssh {
        /// The link's id.
        target: String,
        /// What happened.
        message: String,
    },
    /// LinkOps is stopping and takes no new work.
    ShuttingDown,
    /// Something that should not happen; the text is for the log only.
    Internal(String),
}

/// A wrong field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The field's name as sent, with dots between levels.
    pub name: String,
    /// What is wrong with it, and what would be right.
    pub message: String,
}

/// A problem in a file of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlProblem {
    /// The file's name in the repository.
    pub file: String,
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

/// A target that is not enrolled, with what its last check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unenrolled {
    /// The link's id.
    pub target: String,
    /// Whether the file was read.
    pub client_id_found: bool,
    /// Whether its content matched.
    pub client_id_matches: bool,
    /// Why the check failed; "never checked" when there was none.
    pub error: String,
    /// When it was last checked, in milliseconds since the epoch.
    pub verified_at: Option<i64>,
}

/// The kinds of things that callers name by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    /// A path of the API.
    Path,
    /// A machine of the inventory.
    Link,
    /// A script of the catalogue.
    Script,
    /// An operation.
    Operation,
    /// A terminal workspace.
    Workspace,
    /// A user.
    User,
    /// An API token.
    Token,
}

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Noun::Path => "path",
            Noun::Link => "link",
            Noun::Script => "script",
            Noun::Operation => "operation",
            Noun::Workspace => "workspace",
            Noun::User => "user",
            Noun::Token => "API token",
        })
    }
}

impl Error {
    /// An operating-system failure while doing something.
    pub fn io(doing: impl Into<String>, source: io::Error) -> Error {
        Error::Io { doing: doing.into(), source }
    }

    /// One wrong field.
    pub fn invalid(name: impl Into<String>, message: impl Into<String>) -> Error {
        Error::Invalid(vec![Field { name: name.into(), message: message.into() }])
    }

    /// A thing that does not exist.
    pub fn not_found(noun: Noun, id: impl Into<String>) -> Error {
        Error::NotFound { noun, id: id.into() }
    }

    /// The text with all its causes, for logs and for standard error.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

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
            Error::NotEnrolled(targets) => not_enrolled(f, targets),
            Error::NoTargets { hint } => write!(f, "the operation has no targets\n{hint}"),
            Error::NotBash { script, reason } => {
                write!(f, "script {script:?} is not a bash script: {reason}")
            }
            Error::Flag { script, flag, declared } => write!(
                f,
                "script {script:?} does not declare the flag {flag:?}\nit declares {declared:?}"
            ),
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

/// The known word that `word` was probably meant to be: at most two edits away, or a third of it.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|one| (distance(word, one), one))
        // Not when all of it would have to change: every short word is near then.
        .filter(|(edits, one)| *edits <= (one.len() / 3).max(2) && *edits < one.len())
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, one)| one)
}

/// The Levenshtein distance, in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let edits = (corner + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            corner = std::mem::replace(&mut row[j + 1], edits);
        }
    }
    row[b.len()]
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

fn not_enrolled(f: &mut fmt::Formatter<'_>, targets: &[Unenrolled]) -> fmt::Result {
    let names: Vec<_> = targets.iter().map(|one| one.target.as_str()).collect();
    match names.as_slice() {
        [one] => write!(f, "target {one} is not enrolled")?,
        many => write!(f, "targets {} are not enrolled", many.join(", "))?,
    }
    f.write_str("\nput the client id on the machine and verify it")
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            Error::Database { source, .. } => Some(source.as_ref()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_names_each_cause_once() {
        let error = Error::io("read \"/nowhere\"", io::Error::other("the disk is gone"));
        assert_eq!(error.chain(), "cannot read \"/nowhere\": the disk is gone");
    }

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        assert_eq!(nearest("hots", ["host", "port"]), Some("host"));
        assert_eq!(nearest("repositry_url", ["branch", "repository_url"]), Some("repository_url"));
        assert_eq!(nearest("colour", ["host", "port"]), None);
        assert_eq!(nearest("", ["VM"]), None);
    }

    #[test]
    fn several_problems_get_a_line_each() {
        let error = Error::Config(vec!["[api] port: 0".into(), "[git] branch: empty".into()]);
        assert_eq!(
            error.to_string(),
            "the configuration is not usable:\n  [api] port: 0\n  [git] branch: empty"
        );
    }
}
