//! The scripts' texts, read from the tree of the commit that the database is of. A text is given
//! to bash alone, and only when it lies inside the repository.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::Script;
use super::store::{self, Synced};
use crate::error::{Error, Result};
use crate::hex;
use crate::store::Store;

/// A script as it stands in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptText {
    /// Its entry in the catalogue.
    pub script: Script,
    /// Its bytes.
    pub text: Vec<u8>,
    /// Their SHA-256 in hexadecimal.
    pub sha256: String,
    /// The commit they were read from.
    pub commit: String,
}

/// Reads scripts' texts.
#[derive(Debug, Clone)]
pub struct Catalogue {
    store: Arc<Store>,
    trees: PathBuf,
}

/// The largest script.
const MAX_SCRIPT: u64 = 1 << 20;

impl Catalogue {
    /// The catalogue of the database, with the trees that syncs leave below `local_path`.
    pub fn new(store: Arc<Store>, local_path: &Path) -> Catalogue {
        Catalogue { store, trees: trees(local_path) }
    }

    /// The text of a script at the commit of the last good sync.
    ///
    /// # Errors
    /// There is no such script, or its file is missing, too large, outside the repository or not
    /// for bash.
    pub fn script_text(&self, id: &str) -> Result<ScriptText> {
        let mut looked_in = None;
        loop {
            let (script, commit) = self.store.read(|connection| {
                Ok((store::script(connection, id)?, store::last_success(connection)?))
            })?;
            let Some((Synced { commit, .. }, _)) = commit else {
                return Err(Error::Internal("there are scripts of no sync".to_owned()));
            };
            match read_script(&self.trees.join(&commit), &script) {
                Ok(text) => {
                    let sha256 = hex::write(&Sha256::digest(&text));
                    return Ok(ScriptText { script, text, sha256, commit });
                }
                // A sync may have removed the tree since the database named it: look once more.
                Err(Unreadable::Missing) if looked_in.as_ref() != Some(&commit) => {
                    looked_in = Some(commit);
                }
                Err(error) => {
                    let reason = error.about(&script.path);
                    return Err(Error::NotBash { script: script.id, reason });
                }
            }
        }
    }
}

/// Where the trees are: one directory for each commit in use.
pub(super) fn trees(local_path: &Path) -> PathBuf {
    local_path.join("trees")
}

/// What is wrong with the files of these scripts, a sentence for each that cannot be run. A sync
/// succeeds with them: one bad script must not keep all the others from being updated.
pub(super) fn warnings(tree: &Path, scripts: &[Script]) -> Vec<String> {
    let warning = |script: &Script| {
        let error = read_script(tree, script).err()?;
        let (id, reason) = (&script.id, error.about(&script.path));
        Some(Error::NotBash { script: id.clone(), reason }.to_string())
    };
    scripts.iter().filter_map(warning).collect()
}

fn read_script(tree: &Path, script: &Script) -> std::result::Result<Vec<u8>, Unreadable> {
    let text = read_inside(tree, &script.path, MAX_SCRIPT)?;
    bash_shebang(&text).map_err(Unreadable::NotBash)?;
    Ok(text)
}

/// Why a file of a tree is not given.
#[derive(Debug)]
pub(super) enum Unreadable {
    Missing,
    Outside,
    NoFile,
    TooLarge(u64),
    NotBash(String),
    Failed(io::ErrorKind),
}

impl Unreadable {
    /// The reason, with the file's path in the repository.
    pub(super) fn about(&self, path: &str) -> String {
        match self {
            Unreadable::Missing => format!("there is no file {path:?} in the repository"),
            Unreadable::Outside => format!("{path:?} leads out of the repository"),
            Unreadable::NoFile => format!("{path:?} is not a file"),
            Unreadable::TooLarge(limit) => format!("{path:?} is larger than {limit} bytes"),
            Unreadable::NotBash(reason) => reason.clone(),
            Unreadable::Failed(error) => format!("{path:?} cannot be read: {error}"),
        }
    }
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Unreadable {
        match error.kind() {
            // A path through a file, or a link that leads nowhere.
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Unreadable::Missing,
            kind => Unreadable::Failed(kind),
        }
    }
}

/// Reads a regular file that lies in `tree`, also after links are resolved. Nobody but us writes
/// there, so what was looked at is what is opened.
pub(super) fn read_inside(
    tree: &Path,
    path: &str,
    limit: u64,
) -> std::result::Result<Vec<u8>, Unreadable> {
    let tree = tree.canonicalize()?;
    let file = tree.join(path).canonicalize()?;
    if !file.starts_with(&tree) {
        return Err(Unreadable::Outside);
    }
    // Before opening: to open a pipe would wait for its writer.
    if !file.metadata()?.is_file() {
        return Err(Unreadable::NoFile);
    }
    let mut bytes = Vec::new();
    File::open(file)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(Unreadable::TooLarge(limit));
    }
    Ok(bytes)
}

/// Whether a script's first line names bash.
///
/// # Errors
/// It does not; the text says why, and what would be right.
pub fn bash_shebang(text: &[u8]) -> std::result::Result<(), String> {
    const WANTED: &str = "write \"#!/bin/bash\" or \"#!/usr/bin/env bash\"";
    if text.starts_with(b"\xef\xbb\xbf#!") {
        return Err("it starts with a byte order mark\nsave the file without one".to_owned());
    }
    let Some(rest) = text.strip_prefix(b"#!") else {
        return Err(format!("its first line does not name an interpreter\n{WANTED}"));
    };
    let line = rest.split(|one| *one == b'\n').next().unwrap_or_default();
    if line.ends_with(b"\r") {
        return Err("its lines end with CR LF\nsave the file with LF alone".to_owned());
    }
    let mut words = line.split(|one| matches!(one, b' ' | b'\t')).filter(|one| !one.is_empty());
    let interpreter = match words.next() {
        Some(b"/usr/bin/env") => match words.next() {
            Some(b"-S") => words.next(),
            word => word,
        }
        .filter(|one| *one == b"bash"),
        path => path.filter(|one| {
            [&b"/bin/bash"[..], b"/usr/bin/bash", b"/usr/local/bin/bash"].contains(one)
        }),
    };
    match interpreter {
        Some(_) => Ok(()),
        None => {
            let line: String = String::from_utf8_lossy(line).chars().take(80).collect();
            Err(format!("its first line names {line:?}\n{WANTED}"))
        }
    }
}
