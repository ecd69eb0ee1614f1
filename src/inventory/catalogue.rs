//! The scripts' texts, read from the tree of the commit that the database is of.

use std::path::PathBuf;
use std::sync::Arc;

use super::Script;
use crate::error::Result;
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
#[derive(Debug)]
pub struct Catalogue {
    store: Arc<Store>,
    trees: PathBuf,
}

impl Catalogue {
    /// The text of a script at the commit of the last good sync.
    ///
    /// # Errors
    /// There is no such script, or its file is missing, too large, outside the repository or not
    /// for bash.
    pub fn script_text(&self, _id: &str) -> Result<ScriptText> {
        todo!()
    }
}

/// Whether a script's first line names bash.
///
/// # Errors
/// It does not; the text says why, and what would be right.
pub fn bash_shebang(_text: &[u8]) -> Result<(), String> {
    todo!()
}
