//! Trust in hosts: the file of known keys, what it decides about a connection, and how a new host
//! is written down.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::known_hosts::{Entry, HostKey, KnownHosts, Remark, Verdict, name};
use super::{Failure, HostKeyPolicy, Kind, Target};
use crate::threads::lock;

/// A known key of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// The host as it stands in a file of known hosts, with its port.
    pub host: String,
    /// Type and key, as they stand there.
    pub key: String,
    /// The type and the fingerprint, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
}

/// The keys that a file of known hosts has for a host; none where there is no file.
///
/// # Errors
/// The file cannot be read.
pub fn known_keys(file: &Path, host: &str, port: u16) -> io::Result<Vec<KnownKey>> {
    let bytes = match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read?,
    };
    let (known, _) = KnownHosts::parse(&String::from_utf8_lossy(&bytes));
    let one = |key: &HostKey| KnownKey {
        host: name(host, port),
        key: key.fields(),
        fingerprint: format!("{} {}", key.kind(), key.fingerprint()),
    };
    Ok(known.keys(host, port).into_iter().map(one).collect())
}

/// The algorithms that we accept from hosts, the best first. RSA never signs with SHA-1.
const ALGORITHMS: [(&str, &str); 6] = [
    ("ssh-ed25519", "ssh-ed25519"),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"),
    ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"),
    ("ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"),
    ("ssh-rsa", "rsa-sha2-512"),
    ("ssh-rsa", "rsa-sha2-256"),
];

/// The judge of host keys.
#[derive(Debug)]
pub(super) struct Trust {
    path: PathBuf,
    policy: HostKeyPolicy,
    /// Held while the file is changed; holds which state of the file has been complained about.
    state: Mutex<Option<State>>,
}

/// Inode, length and time of change of the file.
type State = (u64, u64, i64, i64);

impl Trust {
    pub(super) fn new(path: PathBuf, policy: HostKeyPolicy) -> Trust {
        Trust { path, policy, state: Mutex::new(None) }
    }

    /// The host key algorithms to ask a host for: those of the keys that we know first, so that a
    /// host with several keys shows the one that can be compared.
    pub(super) fn algorithms(&self, target: &Target) -> Result<String, Failure> {
        let known = self.read(target)?;
        let kinds = known.kinds(&target.host, target.port);
        let (first, rest): (Vec<_>, Vec<_>) =
            ALGORITHMS.iter().partition(|(kind, _)| kinds.contains(kind));
        let all: Vec<_> = first.iter().chain(&rest).map(|(_, algorithm)| *algorithm).collect();
        Ok(all.join(","))
    }

    /// Judges the key that the target shows, and writes a new one down where that is allowed.
    ///
    /// # Errors
    /// The key is changed, revoked, or unknown under the strict policy; or the file cannot be
    /// read or written.
    pub(super) fn check(&self, target: &Target, blob: &[u8]) -> Result<(), Failure> {
        let Some(key) = HostKey::from_blob(blob) else {
            return Err(fail(target, Kind::Algorithms, "the host key cannot be read".to_owned()));
        };
        if self.judge(target, &key, &self.read(target)?)? {
            return Ok(());
        }
        if self.policy == HostKeyPolicy::Strict {
            return Err(self.unknown(target, &key));
        }
        let _changing = lock(&self.state);
        // Somebody else may have met the host in the meantime, and another key.
        let (text, known, _) = self.load(target)?;
        if !self.judge(target, &key, &known)? {
            self.append(&text, target, &key).map_err(|error| {
                let text = format!("cannot write the host key to {:?}: {error}", self.path);
                fail(target, Kind::KnownHosts, text)
            })?;
            let (host, fingerprint) = (name(&target.host, target.port), key.fingerprint());
            let link = target.name.as_str();
            log::info!(link, host = host.as_str(), fingerprint = fingerprint.as_str();
                "a new host key is known");
        }
        Ok(())
    }

    /// Whether the key is known; a bad one is a failure.
    fn judge(&self, target: &Target, key: &HostKey, known: &KnownHosts) -> Result<bool, Failure> {
        match known.judge(&target.host, target.port, key) {
            Verdict::Known => Ok(true),
            Verdict::Unknown => Ok(false),
            Verdict::Changed(entry) => Err(self.changed(target, key, entry)),
            Verdict::Revoked(entry) => {
                let text = format!(
                    "the host key of {:?} is revoked ({} {}, {:?} line {})\ngive the host a new \
                     key; nobody must be trusted with this one",
                    name(&target.host, target.port),
                    key.kind(),
                    key.fingerprint(),
                    self.path,
                    entry.line()
                );
                Err(fail(target, Kind::HostKeyRevoked, text))
            }
        }
    }

    fn changed(&self, target: &Target, key: &HostKey, entry: &Entry) -> Failure {
        let host = name(&target.host, target.port);
        let text = format!(
            "the host key of {host:?} has changed: known is {} {} ({:?} line {}), the host shows \
             {} {}\nsomebody may be listening in; if the host was set up anew, check the key on \
             the host and remove the old one: ssh-keygen -R '{host}' -f {:?}",
            entry.key().kind(),
            entry.key().fingerprint(),
            self.path,
            entry.line(),
            key.kind(),
            key.fingerprint(),
            self.path
        );
        fail(target, Kind::HostKeyChanged, text)
    }

    fn unknown(&self, target: &Target, key: &HostKey) -> Failure {
        let text = format!(
            "the host key of {:?} is not known: it shows {} {}\ncheck the key on the host and add \
             it to {:?}, for example with: ssh-keyscan -p {} {}",
            name(&target.host, target.port),
            key.kind(),
            key.fingerprint(),
            self.path,
            target.port,
            target.host
        );
        fail(target, Kind::HostKeyUnknown, text)
    }

    /// Reads the file and complains about its bad lines, once for each state of the file.
    fn read(&self, target: &Target) -> Result<KnownHosts, Failure> {
        // The lock is free but for the moment in which somebody writes.
        let mut state = lock(&self.state);
        let (_, known, remarks) = self.load(target)?;
        let now = fs::metadata(&self.path)
            .map(|file| (file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
            .ok();
        if now != *state {
            *state = now;
            let file = self.path.display().to_string();
            for Remark { line, text } in remarks {
                log::warn!(file = file.as_str(), line;
                    "a line of the known host keys is ignored: {text}");
            }
        }
        Ok(known)
    }

    fn load(&self, target: &Target) -> Result<(Vec<u8>, KnownHosts, Vec<Remark>), Failure> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                let text = format!("cannot read the known host keys {:?}: {error}", self.path);
                return Err(fail(target, Kind::KnownHosts, text));
            }
        };
        let (known, remarks) = KnownHosts::parse(&String::from_utf8_lossy(&bytes));
        Ok((bytes, known, remarks))
    }

    /// Writes the file anew with one line more, so that no reader and no crash sees half of it.
    fn append(&self, old: &[u8], target: &Target, key: &HostKey) -> io::Result<()> {
        // Behind a link the file is replaced, not the link.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let directory = path.parent().filter(|path| !path.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let mode = fs::metadata(&path).map_or(0o600, |file| file.permissions().mode() & 0o7777);

        let temporary = path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(old)?;
        if old.last().is_some_and(|&last| last != b'\n') {
            file.write_all(b"\n")?;
        }
        writeln!(file, "{} {}", name(&target.host, target.port), key.fields())?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        File::open(directory)?.sync_all()
    }
}

fn fail(target: &Target, kind: Kind, text: String) -> Failure {
    Failure::new(&target.name, kind, text)
}
