//! The private key's file: who may read it, and whether it holds a key that we can use.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Failure, Kind, Target};

/// No private key is longer; a wrong path must not fill the memory.
const MAX_SIZE: u64 = 256 * 1024;

/// Which state of which file a session was made with; another one is another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    seconds: i64,
    nanoseconds: i64,
}

/// Checks the key files of a target and of the machines on the way to it, without reading them.
///
/// # Errors
/// A file is missing, is not ours, or has another mode than 600.
pub(super) fn stamps(target: &Target) -> Result<Vec<Stamp>, Failure> {
    let mut stamps = Vec::new();
    let mut hop = Some(target);
    while let Some(target) = hop {
        let file = fs::metadata(&target.key).map_err(|error| unreadable(target, &error))?;
        stamps.push(check(target, &file)?);
        hop = target.via.as_deref();
    }
    Ok(stamps)
}

/// Reads a target's private key. Checks are made on the open file, so that it cannot be another
/// one than the one that is read.
///
/// # Errors
/// As for [`stamps`]; or the file holds no private key, or one with a passphrase.
pub(super) fn read(target: &Target) -> Result<String, Failure> {
    let mut file = File::open(&target.key).map_err(|error| unreadable(target, &error))?;
    let metadata = file.metadata().map_err(|error| unreadable(target, &error))?;
    check(target, &metadata)?;
    let mut text = String::new();
    let read = file.by_ref().take(MAX_SIZE).read_to_string(&mut text);
    read.map_err(|error| unreadable(target, &error))?;
    if !text.contains("PRIVATE KEY-----") {
        return Err(fail(target, "is not a private key", "name the file without \".pub\""));
    }
    if has_passphrase(&text) {
        let next = "remove it with: ssh-keygen -p";
        return Err(fail(target, "has a passphrase, which nobody is here to type", next));
    }
    Ok(text)
}

fn check(target: &Target, file: &Metadata) -> Result<Stamp, Failure> {
    let path = &target.key;
    if !file.is_file() {
        return Err(fail(target, "is not a file", "name the private key itself"));
    }
    let mode = file.mode() & 0o7777;
    if mode != 0o600 {
        let what = format!("has mode {mode:03o}, but others must not be able to read it");
        return Err(fail(target, &what, &format!("run: chmod 600 {path:?}")));
    }
    let us = rustix::process::geteuid().as_raw();
    if file.uid() != us {
        let what = format!("belongs to user {}, but LinkOps runs as user {us}", file.uid());
        return Err(fail(target, &what, &format!("run: chown {us} {path:?}")));
    }
    Ok(Stamp {
        device: file.dev(),
        inode: file.ino(),
        length: file.len(),
        seconds: file.mtime(),
        nanoseconds: file.mtime_nsec(),
    })
}

/// Whether a key is encrypted: RFC 7468 and RFC 1421 say so in the header, OpenSSH's own format
/// (PROTOCOL.key) in the name of the cipher, the first string behind its magic.
fn has_passphrase(text: &str) -> bool {
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return true;
    }
    let body: String = text.lines().filter(|line| !line.contains("-----")).map(str::trim).collect();
    let Ok(bytes) = STANDARD.decode(body) else { return false };
    let Some(rest) = bytes.strip_prefix(b"openssh-key-v1\0") else { return false };
    !rest.starts_with(b"\0\0\0\x04none")
}

fn unreadable(target: &Target, error: &io::Error) -> Failure {
    let what = format!("cannot be read: {error}");
    fail(target, &what, "put the key there, with mode 600 and owned by the user of LinkOps")
}

fn fail(target: &Target, what: &str, next: &str) -> Failure {
    let text = format!("the private key {:?} {what}\n{next}", target.key);
    Failure::new(&target.name, Kind::KeyFile, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    const PLAIN: &str = "-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n";

    fn target(key: &Path) -> Target {
        Target {
            name: "vps-01".into(),
            host: "localhost".into(),
            port: 22,
            user: "nobody".into(),
            key: key.to_owned(),
            via: None,
        }
    }

    fn with_content(content: &str) -> Result<String, Failure> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        read(&target(&path))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        /// R10.3, P29: any key mode but 600 is refused.
        #[test]
        fn any_mode_but_600_is_refused(mode in prop_oneof![0u32..0o10000, Just(0o600u32)]) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("key");
            fs::write(&path, PLAIN).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let answer = stamps(&target(&path));
            if mode == 0o600 {
                prop_assert!(answer.is_ok());
            } else {
                let failure = answer.unwrap_err();
                prop_assert_eq!(failure.kind, Kind::KeyFile);
                prop_assert!(failure.message.contains("chmod 600"), "{}", failure);
                prop_assert!(read(&target(&path)).is_err());
            }
        }
    }

    #[test]
    fn the_mode_behind_a_link_and_on_the_way_counts() {
        let directory = tempfile::tempdir().unwrap();
        let (open, link) = (directory.path().join("open"), directory.path().join("link"));
        let good = directory.path().join("good");
        fs::write(&open, PLAIN).unwrap();
        fs::write(&good, PLAIN).unwrap();
        fs::set_permissions(&open, Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(&good, Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&open, &link).unwrap();
        assert!(stamps(&target(&link)).unwrap_err().message.contains("mode 644"));
        let jump = Target { name: "bastion".into(), ..target(&open) };
        let inner = Target { via: Some(Box::new(jump)), ..target(&good) };
        assert_eq!(stamps(&inner).unwrap_err().target, "bastion");
    }

    #[test]
    fn what_is_no_usable_key_is_said() {
        assert!(with_content(PLAIN).is_ok());
        let said = |content| with_content(content).unwrap_err().message;
        assert!(said("ssh-ed25519 AAAA comment\n").contains("is not a private key"));
        assert!(said("").contains("is not a private key"));
        assert!(said("-----BEGIN ENCRYPTED PRIVATE KEY-----\n").contains("passphrase"));
        let encrypted = STANDARD.encode(b"openssh-key-v1\0\0\0\0\x0aaes256-ctr\0\0");
        let text = format!(
            "-----BEGIN OPENSSH PRIVATE KEY-----\n{encrypted}\n-----END OPENSSH PRIVATE KEY-----\n"
        );
        assert!(said(&text).contains("passphrase"));
        let missing = target(Path::new("/nowhere/key"));
        assert!(read(&missing).unwrap_err().message.contains("/nowhere/key"));
        assert!(stamps(&target(Path::new("/"))).unwrap_err().message.contains("is not a file"));
    }
}
