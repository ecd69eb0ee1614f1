//! What can go wrong, by cause. The text is for people: lower case, no full stop, the value
//! quoted; where the reader can act, the next step stands on a second line. The cause is in
//! `source` and is never repeated in the text. `api::error` maps each cause to status and code.

use std::error::Error as StdError;
use std::fmt;
use std::io;

mod words;

pub use words::without_value;

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
    /// There is no such table.
    UnknownTable {
        /// The name that was asked for.
        table: String,
        /// The one that was probably meant.
        nearest: Option<&'static str>,
    },
    /// The table has no such column.
    UnknownColumn {
        /// The table.
        table: &'static str,
        /// The name that was asked for.
        column: String,
        /// The one that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A filter that the column cannot have.
    Filter {
        /// The column.
        column: &'static str,
        /// The comparison, as sent.
        op: String,
        /// What would be right.
        expected: String,
    },
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
    /// The thing belongs to somebody else.
    NotOwner {
        /// The user it belongs to.
        owner: String,
    },
    /// There is no room for another workspace.
    TooManyWorkspaces {
        /// How many there can be.
        most: usize,
    },
    /// A recording that still runs cannot be removed.
    RecordingRuns {
        /// The recording's id.
        id: String,
    },
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
    /// The pane is connected and cannot be given another target.
    PaneAssigned {
        /// Its name.
        pane: &'static str,
    },
    /// The call is made by opening a WebSocket.
    Upgrade,
    /// A page of this origin may not open a WebSocket.
    Origin(String),
    /// There is no place for another call that waits for machines or for Git.
    Busy,
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
    /// A recording of a terminal.
    Recording,
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
            Noun::Recording => "recording",
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

/// A longer word, in bytes, is not compared with others: no id is longer, and it would take long.
const LONGEST_WORD: usize = 64;

/// The known word that `word` was probably meant to be: at most two edits away, or a third of it.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .filter(|_| word.len() <= LONGEST_WORD)
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
        let (longest, longer) = ("x".repeat(LONGEST_WORD), "x".repeat(LONGEST_WORD + 1));
        assert_eq!(nearest(&longest, [&longest[1..]]), Some(&longest[1..]));
        assert_eq!(nearest(&longer, [&longer[1..]]), None);
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
