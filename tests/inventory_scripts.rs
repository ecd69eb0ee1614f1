//! P15, and the texts of scripts: bash alone, inside the repository alone.

use std::sync::Arc;

use linkops::error::Error;
use linkops::inventory::catalogue::{Catalogue, bash_shebang};
use proptest::prelude::*;

use crate::git_sync::{Lab, files};
use crate::support::repository::Repository;

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..Default::default() }
}

proptest! {
    #![proptest_config(cases(500))]

    /// P15: any interpreter but bash is refused, whatever stands around it.
    #[test]
    fn p15_other_interpreters_are_refused(
        directory in "(/usr|/opt|/home/x|/tmp)?(/local)?(/bin|/sbin)?/",
        program in "[a-zA-Z0-9._+-]{1,12}",
        arguments in "( -?[a-z]{1,5}){0,2}",
        end in "\n|\necho bash\n|",
    ) {
        let path = format!("{directory}{program}");
        prop_assume!(!["/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash"].contains(&path.as_str()));
        prop_assume!(program != "env" || !arguments.starts_with(" bash"));
        let text = format!("#!{path}{arguments}{end}");
        prop_assert!(bash_shebang(text.as_bytes()).is_err(), "{text:?}");
        prop_assume!(program != "bash");
        let text = format!("#!/usr/bin/env {program}{arguments}{end}");
        prop_assert!(bash_shebang(text.as_bytes()).is_err(), "{text:?}");
        let text = format!("#!/usr/bin/env -S {program}{arguments}{end}");
        prop_assert!(bash_shebang(text.as_bytes()).is_err(), "{text:?}");
    }

    /// P15: bash is accepted in each of its places, with any arguments and any text after it.
    #[test]
    fn p15_bash_is_accepted(
        path in prop::sample::select(vec![
            "/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash", "/usr/bin/env bash",
            "/usr/bin/env -S bash",
        ]),
        space in "[ \t]{0,2}",
        arguments in "( -[a-z]{1,5}){0,2}[ \t]?",
        rest in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        let mut text = format!("#!{space}{path}{arguments}\n").into_bytes();
        text.extend(rest);
        prop_assert_eq!(bash_shebang(&text), Ok(()));
    }

    /// P15: bytes that do not begin with one of these are refused.
    #[test]
    fn p15_anything_else_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        prop_assert!(bash_shebang(&bytes).is_err());
        prop_assert!(bash_shebang(&[b"#!".as_slice(), &bytes].concat()).is_err());
    }
}

#[test]
fn refusals_say_what_would_be_right() {
    let cases: [(&str, &str); 7] = [
        ("", "does not name an interpreter\nwrite \"#!/bin/bash\""),
        ("echo hello\n", "does not name an interpreter"),
        ("#!/bin/sh\n", "names \"/bin/sh\"\nwrite \"#!/bin/bash\""),
        ("#!/usr/bin/env python3\n", "names \"/usr/bin/env python3\""),
        ("#!/bin/bashful\n", "names"),
        ("#!/bin/bash\r\necho\r\n", "CR LF\nsave the file with LF"),
        ("\u{feff}#!/bin/bash\n", "byte order mark"),
    ];
    for (text, says) in cases {
        let reason = bash_shebang(text.as_bytes()).unwrap_err();
        assert!(reason.contains(says), "{text:?}: {reason}");
    }
}

#[test]
fn a_text_comes_with_its_sum_and_its_commit() {
    let repository = Repository::with(&files("#!/bin/bash -eu\necho hello\n"));
    let lab = Lab::new(&repository.url());
    let outcome = lab.sync.sync_now().unwrap();
    let text = lab.catalogue().script_text("greet").unwrap();
    assert_eq!(text.text, b"#!/bin/bash -eu\necho hello\n");
    assert_eq!(text.sha256, "b97f8233cf0f830d652a0b7bc80027bccab513ab669497aad89ecc394ec45c01");
    assert_eq!(text.commit, outcome.commit);
    assert_eq!(text.script.name, "Greet");
    let error = lab.catalogue().script_text("nothing").unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }));
}

#[test]
fn files_that_are_not_scripts_are_refused_with_the_reason() {
    let repository = Repository::new();
    let mut catalogue = "scripts:\n".to_owned();
    let paths =
        ["missing.sh", "out.sh", "far/out.sh", "loop.sh", "folder", "big.sh", "in.sh", "s.sh"];
    for (n, path) in paths.iter().enumerate() {
        catalogue.push_str(&format!("  s{n}: {{name: n, description: d, path: {path}}}\n"));
    }
    let link = |to: &str, name: &str| {
        std::os::unix::fs::symlink(to, repository.file(name)).unwrap();
    };
    link("/etc/passwd", "out.sh");
    link("../..", "far"); // the directory above the tree
    link("loop.sh", "loop.sh");
    link("deep/real.sh", "in.sh");
    let big = format!("#!/bin/bash\n{}", "#".repeat(1 << 20));
    repository.commit(&[
        ("links.yaml", "links: {}\n"),
        ("scripts.yaml", &catalogue),
        ("folder/x", ""),
        ("big.sh", &big),
        ("deep/real.sh", "#!/usr/bin/env bash\n"),
        ("s.sh", "#!/bin/sh\n"),
    ]);
    let lab = Lab::new(&repository.url());
    // What the second link will lead to exists, so that it is refused for where it is.
    std::fs::create_dir_all(lab.local_path()).unwrap();
    std::fs::write(lab.local_path().join("out.sh"), "#!/bin/bash\n").unwrap();
    let warnings = lab.sync.sync_now().unwrap().warnings;
    let reasons = [
        "there is no file \"missing.sh\"",
        "\"out.sh\" leads out of the repository",
        "\"far/out.sh\" leads out of the repository",
        "\"loop.sh\" cannot be read",
        "\"folder\" is not a file",
        "\"big.sh\" is larger than 1048576 bytes",
        "",
        "names \"/bin/sh\"",
    ];
    assert_eq!(warnings.len(), 7, "{warnings:?}");
    for (n, says) in reasons.iter().enumerate() {
        let warned = |one: &String| one.contains(&format!("\"s{n}\"")) && one.contains(says);
        assert_eq!(warnings.iter().any(warned), !says.is_empty(), "{says}: {warnings:?}");
        match lab.catalogue().script_text(&format!("s{n}")) {
            Ok(text) => {
                assert_eq!((*says, text.text.as_slice()), ("", &b"#!/usr/bin/env bash\n"[..]))
            }
            Err(Error::NotBash { script, reason }) => {
                assert_eq!(script, format!("s{n}"));
                assert!(!says.is_empty() && reason.contains(says), "{says}: {reason}");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_text_is_whole_while_syncs_swap_the_trees() {
    let text = |n: usize| format!("#!/bin/bash\necho {n}\n{}", format!("# {n}\n").repeat(5_000));
    let repository = Repository::with(&files(&text(0)));
    let lab = Lab::new(&repository.url());
    lab.sync.sync_now().unwrap();
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (catalogue, done): (Catalogue, _) = (lab.catalogue(), Arc::clone(&done));
            std::thread::spawn(move || {
                let mut seen = Vec::new();
                while !done.load(std::sync::atomic::Ordering::SeqCst) {
                    let found = catalogue.script_text("greet").unwrap();
                    seen.push((found.commit, String::from_utf8(found.text).unwrap()));
                    seen.dedup();
                }
                seen
            })
        })
        .collect();
    let mut commits = vec![repository.git(&["rev-parse", "HEAD"])];
    for n in 1..=8 {
        commits.push(repository.commit(&[("scripts/greet.sh", &text(n))]));
        lab.sync.sync_now().unwrap();
    }
    done.store(true, std::sync::atomic::Ordering::SeqCst);
    for reader in readers {
        for (commit, found) in reader.join().unwrap() {
            let n = commits.iter().position(|one| *one == commit).unwrap();
            assert!(found == text(n), "the text of another commit");
        }
    }
}
