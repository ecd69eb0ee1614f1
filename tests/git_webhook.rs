//! Pushes that the webhook tells of, and the syncs that come of them.

use std::fs::File;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use linkops::error::Error;
use linkops::inventory::sync::{Phase, Sync};
use rustix::fs::{FlockOperation, flock};
use sha2::Sha256;

use crate::git_sync::{Lab, files};
use crate::support::repository::Repository;
use crate::support::{deadline, somebody, wait_until};

const SECRET: &[u8] = b"what the Git server knows";
const PUSH: &[u8] = br#"{"ref":"refs/heads/main"}"#;

fn lab(repository: &Repository) -> Lab {
    Lab::with(&repository.url(), |settings| settings.webhook_secret = Some(SECRET.to_vec()))
}

fn push(sync: &Sync) -> Option<bool> {
    let mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap().chain_update(PUSH).finalize();
    let tag: String = mac.into_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
    sync.push(Some(&tag), PUSH, &somebody()).unwrap()
}

/// Without an interval the thread waits for pushes and does nothing by itself. What comes while a
/// sync runs is one more sync, since the one that runs may have looked too early.
#[test]
fn pushes_while_a_sync_runs_are_one_more_sync() {
    let repository = Repository::with(&files("#!/bin/bash\n"));
    let lab = lab(&repository);
    lab.sync.sync_now().unwrap();
    let thread = lab.sync.start().unwrap();
    let copy = File::open(lab.settings.local_path.join("lock")).unwrap();
    flock(&copy, FlockOperation::LockExclusive).unwrap();
    assert_eq!(push(&lab.sync), Some(true));
    wait_until(deadline(), "the push begins a sync", || {
        lab.sync.status().unwrap().phase == Phase::Syncing
    });
    (0..7).for_each(|_| assert_eq!(push(&lab.sync), Some(true)));
    let shared = Arc::clone(&lab.sync);
    let caller = std::thread::spawn(move || shared.sync_by(&somebody()).unwrap().commit);
    let commit = repository.commit(&[("README", "new")]);
    flock(&copy, FlockOperation::Unlock).unwrap();
    wait_until(deadline(), "all syncs end", || {
        lab.syncs() >= 3 && lab.sync.status().unwrap().phase == Phase::Synced
    });
    caller.join().unwrap();
    lab.stop.set();
    thread.join();
    assert_eq!(lab.sync.status().unwrap().commit_hash, Some(commit));
    assert!((3..=4).contains(&lab.syncs()), "{}; the caller may have been late", lab.syncs());
}

#[test]
fn a_push_without_a_thread_or_a_secret_is_no_harm() {
    let repository = Repository::with(&files("#!/bin/bash\n"));
    let lab = lab(&repository);
    assert_eq!(push(&lab.sync), Some(true));
    assert_eq!(Lab::new(&repository.url()).sync.push(None, PUSH, &somebody()).unwrap(), None);
    for tag in [None, Some("")] {
        let refused = lab.sync.push(tag, PUSH, &somebody());
        assert!(matches!(refused, Err(Error::Signature)), "{refused:?}");
    }
}
