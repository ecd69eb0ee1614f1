//! The repository's copy: the only code that runs git. It knows commits and directories, and
//! nothing of what stands in the files.
//!
//! Git is run without a shell, without the user's and the system's configuration, without hooks
//! and without a way to ask anybody. Secrets reach it by its environment alone.

mod address;
mod process;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

pub use address::redact;

use super::sync::Settings;
use crate::error::{Error, Result};
use crate::threads::Latch;
use address::Address;
use process::{End, Output};

/// A copy of one branch of a repository.
pub(super) struct Git {
    address: Address,
    branch: String,
    repository: PathBuf,
    /// Files and directories that messages name without saying where they are.
    places: Vec<PathBuf>,
    environment: Vec<(String, OsString)>,
    timeout: Duration,
    stop: Arc<Latch>,
}

/// Why git failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Disk,
    Authentication,
    NotFound,
    Unreachable,
    /// Perhaps our copy; a new one will tell.
    Unclear,
}

impl Git {
    /// The copy that the settings mean.
    ///
    /// # Errors
    /// No repository is configured, or what is configured cannot be one.
    pub(super) fn new(settings: &Settings, stop: Arc<Latch>) -> Result<Git> {
        let Some(url) = &settings.url else {
            let message = "none is configured\nset repository_url in the section [git]".to_owned();
            return Err(Error::RepositoryNotFound { url: String::new(), message });
        };
        let unusable = |message| Error::RepositoryNotFound { url: redact(url), message };
        let address = Address::parse(url, settings.token.as_deref()).map_err(unusable)?;
        let places =
            [Some(&settings.local_path), settings.key.as_ref(), settings.known_hosts.as_ref()];
        Ok(Git {
            places: places.into_iter().flatten().cloned().collect(),
            branch: settings.branch.clone(),
            repository: settings.local_path.join("repository.git"),
            environment: environment(settings, address.authorization.as_deref()),
            timeout: settings.timeout,
            stop,
            address,
        })
    }

    /// Brings the copy up to date and gives the branch's commit.
    ///
    /// # Errors
    /// The repository cannot be reached, or refuses us, or has no such branch; or the disk is full.
    pub(super) fn fetch(&self) -> Result<String> {
        let reference = format!("refs/heads/{}", self.branch);
        if !succeeded(&self.run(&["check-ref-format", &reference])?) {
            let message = format!("{:?} cannot be the name of a branch", self.branch);
            return Err(Error::RepositoryNotFound { url: self.address.clean.clone(), message });
        }
        let kept = self.is_ours()?;
        if !kept {
            self.start_anew()?;
        }
        let mut output = self.fetch_branch(&reference)?;
        if kept && cause(&output) == Some(Cause::Unclear) {
            log::warn!(repository = self.address.clean; "the copy is made anew: {}", self.said(&output));
            self.start_anew()?;
            output = self.fetch_branch(&reference)?;
        }
        match cause(&output) {
            None => self.commit_of(&reference),
            Some(cause) => Err(self.failed(cause, &output)),
        }
    }

    /// The branch's commit, asked for and not fetched.
    ///
    /// # Errors
    /// The repository cannot be reached, or refuses us, or has no such branch.
    pub(super) fn reach(&self) -> Result<String> {
        let reference = format!("refs/heads/{}", self.branch);
        let output = self.run(&["ls-remote", "--", &self.address.clean, &reference])?;
        if let Some(cause) = cause(&output) {
            return Err(self.failed(cause, &output));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        text.split_whitespace().next().map(str::to_owned).ok_or_else(|| {
            let message =
                format!("it has no branch {:?}\nset branch in the section [git]", self.branch);
            Error::RepositoryNotFound { url: self.address.clean.clone(), message }
        })
    }

    /// Writes the files of a commit into a new directory.
    ///
    /// # Errors
    /// The disk is full, or the copy is damaged.
    pub(super) fn checkout(&self, commit: &str, into: &Path) -> Result<()> {
        let index = into.with_extension("index");
        remove(into)?;
        remove(&index)?;
        make_directory(into)?;
        let mut command = self.command(&["read-tree", "--reset", "-u", commit]);
        command.env("GIT_WORK_TREE", into).env("GIT_INDEX_FILE", &index);
        let output = self.finish(command)?;
        remove(&index)?;
        self.local(output, "check out the repository").map(|_| ())
    }

    /// Whether the copy is there and is of this repository.
    fn is_ours(&self) -> Result<bool> {
        if !self.repository.is_dir() {
            return Ok(false);
        }
        let output = self.run(&["config", "--get", "remote.origin.url"])?;
        Ok(succeeded(&output) && output.stdout.trim_ascii() == self.address.clean.as_bytes())
    }

    fn start_anew(&self) -> Result<()> {
        remove(&self.repository)?;
        if let Some(parent) = self.repository.parent() {
            make_directory(parent)?;
        }
        // Without a template there are no hooks.
        let init = self.run(&["init", "--quiet", "--bare", "--template="])?;
        self.local(init, "make a copy of the repository")?;
        let config = self.run(&["config", "remote.origin.url", &self.address.clean])?;
        self.local(config, "make a copy of the repository").map(|_| ())
    }

    /// One branch, one commit deep: history is neither read nor kept.
    fn fetch_branch(&self, reference: &str) -> Result<Output> {
        let branch = format!("+{reference}:{reference}");
        self.run(&[
            "fetch",
            "--quiet",
            "--no-tags",
            "--depth=1",
            "--no-recurse-submodules",
            "--",
            "origin",
            &branch,
        ])
    }

    fn commit_of(&self, reference: &str) -> Result<String> {
        let output = self.run(&["rev-parse", "--verify", &format!("{reference}^{{commit}}")])?;
        let output = self.local(output, "read the branch's commit")?;
        Ok(String::from_utf8_lossy(output.stdout.trim_ascii()).into_owned())
    }

    fn run(&self, arguments: &[&str]) -> Result<Output> {
        self.finish(self.command(arguments))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.env_clear().envs(self.environment.iter().map(|(key, value)| (key, value)));
        // Said outright, so that git does not look for a repository around it.
        command.env("GIT_DIR", &self.repository).args(arguments);
        command
    }

    fn finish(&self, mut command: Command) -> Result<Output> {
        let output = process::run(&mut command, self.timeout, &self.stop)
            .map_err(|error| Error::io("run git", error))?;
        match output.end {
            End::Stopped => Err(Error::ShuttingDown),
            _ => Ok(output),
        }
    }

    /// The output of a command that needs nobody else.
    fn local(&self, output: Output, doing: &str) -> Result<Output> {
        if succeeded(&output) {
            return Ok(output);
        }
        Err(Error::io(doing, io::Error::other(self.said(&output))))
    }

    fn failed(&self, cause: Cause, output: &Output) -> Error {
        let (url, message) = (self.address.clean.clone(), self.said(output));
        match cause {
            Cause::Disk => Error::io("keep a copy of the repository", io::Error::other(message)),
            Cause::Authentication => Error::GitAuthentication { url, message },
            Cause::NotFound => Error::RepositoryNotFound { url, message },
            Cause::Unreachable | Cause::Unclear => Error::GitUnreachable { url, message },
        }
    }

    /// What git said, on one line, without secrets and without our paths.
    fn said(&self, output: &Output) -> String {
        let text = String::from_utf8_lossy(&output.stderr);
        let noise = |line: &&str| {
            line.is_empty()
                || line.starts_with('@')
                || line.starts_with("Warning: Permanently added")
        };
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !noise(line)).collect();
        let mut lines = lines[lines.len().saturating_sub(MAX_LINES)..].join("; ");
        if output.end == End::TimedOut {
            let time = format!("no answer within {} s", self.timeout.as_secs_f32());
            lines = if lines.is_empty() { time } else { format!("{time}; {lines}") };
        } else if lines.is_empty() {
            lines = format!("git ended without a word: {:?}", output.end);
        }
        let plain: String = lines.chars().filter(|one| !one.is_control()).collect();
        let plain = self.places.iter().fold(self.address.hide(&plain), |text, place| {
            match place.file_name() {
                Some(name) => text.replace(&*place.to_string_lossy(), &name.to_string_lossy()),
                None => text,
            }
        });
        // Cut last: half a secret would not be found.
        plain.chars().take(MAX_CHARS).collect()
    }
}

/// How much of git's words a message takes.
const MAX_LINES: usize = 12;
const MAX_CHARS: usize = 2_000;

fn succeeded(output: &Output) -> bool {
    matches!(output.end, End::Exit(status) if status.success())
}

/// Why a fetch failed, as far as its words tell; nothing when it did not.
fn cause(output: &Output) -> Option<Cause> {
    if succeeded(output) {
        return None;
    }
    if output.end == End::TimedOut {
        return Some(Cause::Unreachable);
    }
    let text = String::from_utf8_lossy(&output.stderr).to_lowercase();
    let says = |(_, words): &&(Cause, &[&str])| words.iter().any(|one| text.contains(one));
    Some(CAUSES.iter().find(says).map_or(Cause::Unclear, |(cause, _)| *cause))
}

/// The words of git, ssh and the known servers; the first cause that fits counts, since one
/// failure is often followed by the words of another.
const CAUSES: [(Cause, &[&str]); 4] = [
    (Cause::Disk, &["no space left", "disk quota exceeded", "read-only file system"]),
    (
        Cause::Authentication,
        &[
            "permission denied (",
            "authentication failed",
            "could not read username",
            "could not read password",
            "host key verification failed",
            "returned error: 401",
            "returned error: 403",
            "too many authentication failures",
            "http basic: access denied",
            "no matching host key type",
        ],
    ),
    (
        Cause::NotFound,
        &[
            "couldn't find remote ref",
            "does not appear to be a git repository",
            "repository not found",
            "' not found",
            "does not exist",
            "not exported",
            "returned error: 404",
            "could not be found",
            "is not supported",
            "not allowed",
            "unable to find remote helper",
            "dubious ownership",
        ],
    ),
    (
        Cause::Unreachable,
        &[
            "could not resolve",
            "unable to access",
            "unable to connect",
            "connection refused",
            "connection reset",
            "connection closed",
            "timed out",
            "unreachable",
            "no route to host",
            "hung up",
            "early eof",
            "could not read from remote repository",
        ],
    ),
];

/// Everything git is told by its environment, and all that it sees of ours.
fn environment(settings: &Settings, authorization: Option<&str>) -> Vec<(String, OsString)> {
    const KEPT: [&str; 15] = [
        "HOME",
        "USER",
        "LOGNAME",
        "SSH_AUTH_SOCK",
        "http_proxy",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
        "no_proxy",
        "NO_PROXY",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "GIT_SSL_CAINFO",
        "TMPDIR",
    ];
    const SET: [(&str, &str); 9] = [
        ("LC_ALL", "C"), // the words are read by a program
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_ASKPASS", ""),
        ("SSH_ASKPASS", ""),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh"), // not ext, which runs commands
        ("GIT_SSH_VARIANT", "ssh"),
        ("GIT_LFS_SKIP_SMUDGE", "1"),
    ];
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let mut all = vec![("PATH".to_owned(), path)];
    let kept = |key: &&str| Some(((*key).to_owned(), std::env::var_os(key)?));
    all.extend(KEPT.iter().filter_map(kept));
    all.extend(SET.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())));
    all.push(("GIT_SSH_COMMAND".to_owned(), ssh_command(settings).into()));
    let mut config = vec![
        ("core.hooksPath", "/dev/null".to_owned()),
        ("credential.helper", String::new()),
        ("submodule.recurse", "false".to_owned()),
        // Tidying up happens inside the time limit, not in a process that is left behind.
        ("gc.autoDetach", "false".to_owned()),
        ("maintenance.autoDetach", "false".to_owned()),
    ];
    if let Some(authorization) = authorization {
        config.push(("http.extraHeader", format!("Authorization: {authorization}")));
    }
    all.push(("GIT_CONFIG_COUNT".to_owned(), config.len().to_string().into()));
    for (n, (key, value)) in config.into_iter().enumerate() {
        all.push((format!("GIT_CONFIG_KEY_{n}"), key.into()));
        all.push((format!("GIT_CONFIG_VALUE_{n}"), value.into()));
    }
    all
}

/// The ssh that git runs, for the shell that git runs it with. The user's configuration is left
/// out: it could leave a shared connection behind.
fn ssh_command(settings: &Settings) -> String {
    let policy = if settings.accept_new { "accept-new" } else { "yes" };
    let mut words = vec![
        "ssh".to_owned(),
        "-F".to_owned(),
        "none".to_owned(),
        "-oBatchMode=yes".to_owned(),
        format!("-oConnectTimeout={}", settings.timeout.as_secs().clamp(1, 30)),
        format!("-oStrictHostKeyChecking={policy}"),
    ];
    // ssh splits the value at white space and replaces %h and the like.
    let file = |option: &str, path: &Path| {
        let path = path.to_string_lossy().replace('%', "%%");
        let path = path.replace('\\', "\\\\").replace('"', "\\\"");
        format!("-o{option}=\"{path}\"")
    };
    words.extend(settings.known_hosts.as_ref().map(|path| file("UserKnownHostsFile", path)));
    if let Some(path) = &settings.key {
        words.extend(["-oIdentitiesOnly=yes".to_owned(), file("IdentityFile", path)]);
    }
    let quoted: Vec<_> =
        words.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect();
    quoted.join(" ")
}

/// Makes a directory that nobody else can look into: scripts may hold what is not for everybody.
pub(super) fn make_directory(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Error::io(format!("make the directory {path:?}"), error))
}

/// Removes a file or a directory with all that is in it, if there is one. Links are not followed.
pub(super) fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(format!("remove {path:?}"), error))
        }
        _ => Ok(()),
    }
}
