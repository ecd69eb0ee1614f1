//! secrets.ini: what must not lie in a repository or be read by everybody. It stands beside the
//! configuration, and a secret has one place: what both files set is an error.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Secret;
use super::reader::sections;
use crate::error::{Error, Result};

/// The file's name, beside the configuration.
const FILE: &str = "secrets.ini";

/// No file of secrets is longer; a wrong path must not fill the memory.
const MAX_SIZE: u64 = 1 << 20;

/// Keys of the configuration that may stand in secrets.ini instead.
pub(super) const MOVABLE: [(&str, &str); 2] = [("api", "jwt_secret"), ("ssh", "known_hosts_path")];

/// All that stands in secrets.ini. Besides the keys that LinkOps reads there may be others.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    values: BTreeMap<(String, String), Secret>,
    base: PathBuf,
}

impl Secrets {
    /// Reads secrets.ini in `directory`. Without the file there are no secrets.
    ///
    /// # Errors
    /// [`Error::Config`]: the file cannot be read, may be read by everybody or written by others
    /// than its owner, is no INI file, or a value is empty or no text.
    pub fn load(directory: &Path) -> Result<Secrets> {
        let path = directory.join(FILE);
        let wrong = |text: String| Error::Config(vec![format!("{path:?}: {text}")]);
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Secrets::default()),
            opened => opened.map_err(|error| wrong(format!("cannot be read: {error}")))?,
        };
        let mode = file.metadata().map_err(|error| wrong(error.to_string()))?.mode() & 0o7777;
        if mode & 0o037 != 0 {
            let why = "others must not be able to read it";
            return Err(wrong(format!("has mode {mode:03o}, but {why}\nrun: chmod 600 {path:?}")));
        }
        let mut text = String::new();
        let read = file.by_ref().take(MAX_SIZE).read_to_string(&mut text);
        read.map_err(|error| wrong(format!("cannot be read: {error}")))?;
        Secrets::parse(&text, directory).map_err(|error| match error {
            Error::Config(problems) => wrong(problems.join("\n")),
            other => other,
        })
    }

    /// Reads the text of the file. Relative paths are taken from `base`.
    ///
    /// # Errors
    /// [`Error::Config`] with every problem; no value is quoted.
    pub fn parse(text: &str, base: &Path) -> Result<Secrets> {
        let mut secrets = Secrets { values: BTreeMap::new(), base: base.to_owned() };
        let mut problems = Vec::new();
        for ((section, key), value) in sections(text)? {
            match value.trim() {
                "" => problems.push(format!("[{section}] {key}: is empty")),
                value if value.contains(char::is_control) => {
                    problems.push(format!("[{section}] {key}: holds a control character"));
                }
                value => {
                    secrets.values.insert((section, key), Secret::from(value));
                }
            }
        }
        if problems.is_empty() { Ok(secrets) } else { Err(Error::Config(problems)) }
    }

    /// The value of any key; names of sections and keys are lower case.
    #[must_use]
    pub fn get(&self, section: &str, key: &str) -> Option<&Secret> {
        self.values.get(&(section.to_owned(), key.to_owned()))
    }

    /// `[ssh] key_path`: the private key for machines that name none.
    #[must_use]
    pub fn key_path(&self) -> Option<PathBuf> {
        self.text("ssh", "key_path").map(|path| self.base.join(path))
    }

    /// `[git] token`: for a repository that is reached over HTTP.
    #[must_use]
    pub fn git_token(&self) -> Option<String> {
        self.text("git", "token")
    }

    /// `[git] webhook_secret`: what signs the calls of the Git server.
    #[must_use]
    pub fn webhook_secret(&self) -> Option<&Secret> {
        self.get("git", "webhook_secret")
    }

    pub(super) fn text(&self, section: &str, key: &str) -> Option<String> {
        let secret = self.get(section, key)?;
        Some(String::from_utf8_lossy(secret.expose()).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Secrets> {
        Secrets::parse(text, Path::new("/etc/linkops"))
    }

    fn problems(result: Result<Secrets>) -> String {
        match result {
            Err(Error::Config(problems)) => problems.join("\n"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_keys_of_the_contract_are_read_and_free_ones_are_kept() {
        let text = "[ssh]\nkey_path = keys/id\n[git]\ntoken = a#b;c=d\nwebhook_secret = w\n\
                    [mail]\npassword = p\n";
        let secrets = parse(text).unwrap();
        assert_eq!(secrets.key_path().as_deref(), Some(Path::new("/etc/linkops/keys/id")));
        assert_eq!(secrets.git_token().as_deref(), Some("a#b;c=d"));
        assert_eq!(secrets.webhook_secret(), Some(&Secret::from("w")));
        assert_eq!(secrets.get("mail", "password"), Some(&Secret::from("p")));
        assert_eq!(secrets.get("mail", "user"), None);
        assert!(!format!("{secrets:?}").contains("a#b"));
    }

    /// R10.5: each problem with its place, and never the value.
    #[test]
    fn what_is_invalid_is_named_without_its_value() {
        let text = "[git]\ntoken =\n[ssh]\nkey_path = a\u{7}b\n";
        let all = problems(parse(text));
        assert!(all.contains("[git] token: is empty"), "{all}");
        assert!(all.contains("[ssh] key_path: holds a control character"), "{all}");
        let all = problems(parse("[git\nsecretly = x\n"));
        assert!(!all.contains("secretly"), "{all}");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_and_no_file_means_no_secrets() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Secrets::load(directory.path()).unwrap().git_token(), None);
        let path = directory.path().join(FILE);
        std::fs::write(&path, "[git]\ntoken = t\n").unwrap();
        for (mode, accepted) in
            [(0o600, true), (0o400, true), (0o640, true), (0o644, false), (0o660, false)]
        {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let loaded = Secrets::load(directory.path());
            assert_eq!(loaded.is_ok(), accepted, "{mode:o}");
            if !accepted {
                assert!(problems(loaded).contains("run: chmod 600"));
            }
        }
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::write(&path, b"[git]\ntoken = \xff\n").unwrap();
        assert!(problems(Secrets::load(directory.path())).contains("cannot be read"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// P30, R10.4: any valid secrets.ini gives all its key paths and tokens.
        #[test]
        fn any_valid_file_gives_all_its_values(
            values in prop::collection::btree_map(
                ("[a-z]{1,8}", "[a-z_]{1,12}"),
                "[!-~]([ -~]{0,30}[!-~])?",
                0..12,
            ),
        ) {
            let mut text = String::from("# secrets\n");
            for ((section, key), value) in &values {
                text.push_str(&format!("[{section}]\n{key} = {value}\n"));
            }
            let secrets = parse(&text).unwrap();
            for ((section, key), value) in &values {
                prop_assert_eq!(secrets.get(section, key), Some(&Secret::from(value.as_str())));
            }
        }
    }
}
