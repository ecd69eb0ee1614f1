//! Any file of known hosts: what it says about a host does not depend on the order of its lines or
//! on lines that cannot be read, and what we add to it is found again. The file is taken in as it
//! is, because nothing outside `ssh` may name it.
#![no_main]
#![allow(dead_code)]

#[path = "../../src/ssh/known_hosts.rs"]
mod known_hosts;

use known_hosts::{HostKey, KnownHosts, Verdict, name};
use libfuzzer_sys::fuzz_target;

const PLACES: [(&str, u16); 4] =
    [("example.com", 22), ("example.com", 2222), ("10.0.0.1", 22), ("fe80::1", 2222)];

/// Two keys, the first of the seeds.
fn keys() -> [HostKey; 2] {
    let blob = |kind: &str, byte: u8| {
        let mut blob = (kind.len() as u32).to_be_bytes().to_vec();
        blob.extend_from_slice(kind.as_bytes());
        blob.extend_from_slice(&[byte; 4]);
        HostKey::from_blob(&blob).unwrap()
    };
    [blob("ssh-ed25519", 1), blob("ssh-rsa", 2)]
}

fn word(text: &str, place: (&str, u16), key: &HostKey) -> &'static str {
    match KnownHosts::parse(text).0.judge(place.0, place.1, key) {
        Verdict::Known => "known",
        Verdict::Unknown => "unknown",
        Verdict::Changed(entry) => {
            assert!(entry.key() != key && (1..=text.lines().count()).contains(&entry.line()));
            "changed"
        }
        Verdict::Revoked(entry) => {
            assert!(entry.key() == key);
            "revoked"
        }
    }
}

fuzz_target!(|text: &str| {
    let (hosts, remarks) = KnownHosts::parse(text);
    assert!(remarks.windows(2).all(|pair| pair[0].line < pair[1].line));
    assert!(remarks.iter().all(|one| (1..=text.lines().count()).contains(&one.line)));
    let reversed: Vec<&str> = text.lines().rev().collect();
    let reversed = format!("# first\n\n@unknown line\n{}\nx y\n", reversed.join("\n"));
    for place in PLACES {
        let kinds = hosts.kinds(place.0, place.1);
        for key in &keys() {
            let verdict = word(text, place, key);
            assert_eq!(word(&reversed, place, key), verdict);
            match verdict {
                "known" => assert!(kinds.contains(&key.kind())),
                "unknown" => assert!(kinds.is_empty()),
                "changed" => assert!(!kinds.is_empty()),
                _ => {}
            }
            let added = format!("{text}\n{} {}\n", name(place.0, place.1), key.fields());
            let wanted = if verdict == "revoked" { "revoked" } else { "known" };
            assert_eq!(word(&added, place, key), wanted);
        }
    }
});
