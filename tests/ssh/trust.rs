//! Host keys: who is trusted, what is written down, and what is always refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use linkops::ssh::{Exit, HostKeyPolicy, Kind};

use super::{Lab, known_hosts, run_on};
use crate::support::sshd::Options;

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn strict() -> Lab {
    Lab::with(Options::default(), |settings| settings.policy = HostKeyPolicy::Strict)
}

#[test]
fn a_new_host_is_written_down_and_held_to_it() {
    let mut lab = Lab::new();
    let path = known_hosts(&lab.sshd);
    lab.run("true").unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, format!("{}\n", lab.sshd.known_hosts_line()));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));

    lab.sshd.change_host_key();
    let failure = lab.run("true").unwrap_err();
    assert_eq!(failure.kind, Kind::HostKeyChanged, "{failure}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "the file is as it was");
    for part in ["ssh-ed25519", "SHA256:", "known_hosts", "line 1", "ssh-keygen -R '[127.0.0.1]:"] {
        assert!(failure.message.contains(part), "{part:?} is missing in: {failure}");
    }
    assert_eq!(failure.message.matches("SHA256:").count(), 2, "{failure}");

    // What it tells to do helps.
    let removed = Command::new("ssh-keygen")
        .args(["-R", &format!("[127.0.0.1]:{}", lab.sshd.port()), "-f"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(removed.status.success(), "{removed:?}");
    assert_eq!(lab.run("true").unwrap().exit, Exit::Code(0));
}

#[test]
fn the_rest_of_the_file_stays_as_it_is() {
    let lab = Lab::new();
    let path = known_hosts(&lab.sshd);
    write(&path, "# ours\nnonsense\n[127.0.0.1]:1 ssh-ed25519 AAAA"); // no newline at the end
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let old = fs::read_to_string(&path).unwrap();
    let link = path.with_file_name("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    lab.run("true").unwrap();
    let line = lab.sshd.known_hosts_line();
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{old}\n{line}\n"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    let names = fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(names, 2, "nothing lies beside the file");
}

#[test]
fn a_strict_pool_takes_only_who_is_known() {
    let lab = strict();
    let failure = lab.run("true").unwrap_err();
    assert_eq!(failure.kind, Kind::HostKeyUnknown, "{failure}");
    assert!(failure.message.contains("ssh-keyscan"), "{failure}");
    assert!(!known_hosts(&lab.sshd).exists());
    write(&known_hosts(&lab.sshd), &lab.sshd.known_hosts_line());
    assert_eq!(lab.run("true").unwrap().exit, Exit::Code(0));
}

#[test]
fn a_hashed_name_is_recognised() {
    let lab = strict();
    let path = known_hosts(&lab.sshd);
    write(&path, &format!("{}\n", lab.sshd.known_hosts_line()));
    let hashed = Command::new("ssh-keygen").args(["-H", "-f"]).arg(&path).output().unwrap();
    assert!(hashed.status.success(), "{hashed:?}");
    assert!(fs::read_to_string(&path).unwrap().starts_with("|1|"));
    assert_eq!(lab.run("true").unwrap().exit, Exit::Code(0));
}

#[test]
fn a_revoked_key_is_refused() {
    let lab = Lab::new();
    let revoked = format!("@revoked * {}\n", lab.sshd.public_host_key());
    write(&known_hosts(&lab.sshd), &format!("{}\n{revoked}", lab.sshd.known_hosts_line()));
    let failure = lab.run("true").unwrap_err();
    assert_eq!(failure.kind, Kind::HostKeyRevoked, "{failure}");
    assert!(failure.message.contains("line 2"), "{failure}");
}

#[test]
fn another_port_is_another_host() {
    let (lab, other) = (Lab::new(), Lab::new());
    let line = lab.sshd.known_hosts_line().replace(
        &format!("[127.0.0.1]:{}", lab.sshd.port()),
        &format!("127.0.0.1,[127.0.0.1]:{}", other.sshd.port()),
    );
    let path = known_hosts(&lab.sshd);
    write(&path, &line);
    lab.run("true").unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, format!("{line}\n{}\n", lab.sshd.known_hosts_line()));
}

/// The host has two keys; the one that we know is asked for, though another is preferred.
#[test]
fn the_type_of_the_known_key_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("ecdsa");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ecdsa", "-N", "", "-f"])
        .arg(&key)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let config = format!("HostKey {}", key.display());
    let lab = Lab::with(Options { config, addresses: 1 }, |settings| {
        settings.policy = HostKeyPolicy::Strict;
    });
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    let path = known_hosts(&lab.sshd);
    write(&path, &format!("[127.0.0.1]:{} {public}", lab.sshd.port()));
    assert_eq!(lab.run("true").unwrap().exit, Exit::Code(0));
    write(&path, &format!("{}\n", lab.sshd.known_hosts_line()));
    lab.sshd.end_sessions();
    assert_eq!(lab.run("true").unwrap().exit, Exit::Code(0));
}

#[test]
fn many_new_hosts_at_once_are_all_written_down() {
    let lab = Lab::with(Options { addresses: 20, ..Options::default() }, |_| {});
    let runs: Vec<_> = (1..=20)
        .map(|n| {
            let (pool, target) = (Arc::clone(&lab.pool), lab.sshd.target_at(n));
            std::thread::spawn(move || run_on(&pool, &target, "true", b"").unwrap())
        })
        .collect();
    runs.into_iter().for_each(|run| assert_eq!(run.join().unwrap().exit, Exit::Code(0)));
    let text = fs::read_to_string(known_hosts(&lab.sshd)).unwrap();
    assert_eq!(text.lines().count(), 20, "{text}");
}

#[test]
fn a_file_that_cannot_be_used_lets_nobody_in() {
    let lab = Lab::new();
    fs::create_dir_all(known_hosts(&lab.sshd)).unwrap(); // a directory
    let failure = lab.run("true").unwrap_err();
    assert_eq!(failure.kind, Kind::KnownHosts, "{failure}");
}
