//! Any links.yaml and scripts.yaml, in one input with a line `%%` between them: they are right,
//! and then keep every rule that others rely on, or every problem names its file and line.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use linkops::error::{Error, YamlProblem};
use linkops::inventory::yaml::{self, LINKS, SCRIPTS};
use linkops::inventory::{Inventory, Machine};

fuzz_target!(|bytes: &[u8]| {
    let at = bytes.windows(4).position(|four| four == b"\n%%\n").unwrap_or(bytes.len());
    let (links, scripts) = (&bytes[..at], bytes.get(at + 4..).unwrap_or_default());
    let read = |name: &str| Ok(if name == LINKS { links } else { scripts }.to_vec());
    match yaml::parse(read) {
        Ok(inventory) => check(&inventory),
        Err(Error::Yaml(problems)) => {
            assert!(!problems.is_empty());
            problems.iter().for_each(|one| refused(one, links, scripts));
        }
        Err(other) => panic!("{other}"),
    }
});

fn refused(problem: &YamlProblem, links: &[u8], scripts: &[u8]) {
    let bytes = match &problem.file[..] {
        LINKS => links,
        SCRIPTS => scripts,
        other => panic!("a problem in {other:?}"),
    };
    assert!(!problem.message.is_empty());
    if let Some(line) = problem.line {
        // To the parser some characters are line ends, too, and the end of the file is a line.
        let ends = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
        let lines = String::from_utf8_lossy(bytes).matches(ends).count() + 2;
        assert!((1..=lines).contains(&line), "{line} of {lines}: {}", problem.message);
    }
}

fn check(inventory: &Inventory) {
    let by_id: BTreeMap<&str, &Machine> =
        inventory.machines.iter().map(|one| (&one.id[..], one)).collect();
    assert_eq!(by_id.len(), inventory.machines.len());
    for machine in &inventory.machines {
        for text in [&machine.id, &machine.name, &machine.host, &machine.user] {
            assert!(!text.is_empty() && !text.contains(['\0', '\n']), "{machine:?}");
        }
        assert!(machine.port > 0 && machine.metadata.is_object());
        assert!(machine.enrollment.id.starts_with("LINKOPS-"), "{machine:?}");
        let key_file = machine.key_ref.as_deref().unwrap_or("-");
        assert!(!key_file.contains('/') && ![".", ".."].contains(&key_file), "{machine:?}");
        let mut hops = 0;
        let mut to = machine.proxy_jump.as_deref();
        while let Some(id) = to {
            hops += 1;
            assert!(hops <= by_id.len(), "a circle of jumps at {id}");
            to = by_id[id].proxy_jump.as_deref();
        }
    }
    for script in &inventory.scripts {
        let inside = !script.path.starts_with('/') && !script.path.split('/').any(|one| one == "..");
        assert!(inside && !script.path.is_empty(), "{script:?}");
        assert!(!script.name.is_empty() && !script.id.is_empty());
    }
}
