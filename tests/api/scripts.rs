//! `/api/scripts`: the catalogue and its texts.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{failure, ids, keys};
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;

const SHAPE: [&str; 8] =
    ["id", "name", "emoji", "description", "path", "flags", "estimatedDuration", "tags"];

#[test]
fn scripts() {
    let fleet = Fleet::new(0);
    let catalogue = "scripts:
  full: {name: All of it, emoji: X, description: does it, path: scripts/full.sh,
    flags: [--dry-run, --level=3], estimatedDuration: 90, tags: [a, b]}
  least: {name: Least, description: d, path: scripts/least.sh}
  python: {name: P, description: d, path: scripts/python.sh}
  gone: {name: G, description: d, path: scripts/gone.sh}
  out: {name: O, description: d, path: scripts/out.sh}
";
    let full = "#!/usr/bin/env bash\necho \"ü\"\n";
    std::os::unix::fs::symlink("/etc/passwd", fleet.repository.file("scripts/out.sh")).unwrap();
    let commit = fleet.repository.commit(&[
        ("links.yaml", "links: {}\n"),
        ("scripts.yaml", catalogue),
        ("scripts/full.sh", full),
        ("scripts/least.sh", "#!/bin/bash\nprintf '\\xff'\n"),
        ("scripts/python.sh", "#!/usr/bin/python3\nprint(1)\n"),
    ]);
    let linkops = LinkOps::unsynced(&fleet, "");
    assert_eq!(linkops.get("/api/scripts").expect(200), json!([]));
    linkops.post("/api/git/sync", &json!({})).expect(200);

    let list = linkops.get("/api/scripts").expect(200);
    assert_eq!(ids(&list), ["full", "gone", "least", "out", "python"]);
    list.as_array().unwrap().iter().for_each(|one| assert_eq!(keys(one), SHAPE));
    let wanted = json!({
        "id": "full", "name": "All of it", "emoji": "X", "description": "does it",
        "path": "scripts/full.sh", "flags": ["--dry-run", "--level=3"],
        "estimatedDuration": 90, "tags": ["a", "b"],
    });
    assert_eq!(list[0], wanted);
    assert_eq!((&list[2]["emoji"], &list[2]["flags"]), (&Value::Null, &json!([])));

    let one = linkops.get("/api/scripts/full").expect(200);
    assert_eq!(keys(&one)[..8], SHAPE);
    let sum: String = Sha256::digest(full).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((&one["source"], &one["sha256"]), (&json!(full), &json!(sum)));
    assert_eq!((&one["commit_hash"], &one["error"]), (&json!(commit), &Value::Null));
    unusable(&linkops);
    for id in ["nobody", "FULL", "scripts%2Ffull.sh", ".."] {
        failure(&linkops.get(&format!("/api/scripts/{id}")), 404, "SCRIPT_NOT_FOUND");
    }
    failure(&linkops.get("/api/scripts?tag=a"), 400, "VALIDATION_FAILED");
}

/// Those that cannot be run say why, and show nothing that is not theirs (P15).
fn unusable(linkops: &LinkOps) {
    for (id, why) in [("python", "python3"), ("gone", "no file"), ("out", "out of the repository")]
    {
        let one = linkops.get(&format!("/api/scripts/{id}")).expect(200);
        assert!(one["source"].is_null() && one["sha256"].is_null(), "{one}");
        let error = one["error"].as_str().unwrap();
        assert!(error.contains(why), "{error}");
        assert!(!error.contains(linkops.directory().to_str().unwrap()), "{error}");
        let body = json!({ "scripts": [id], "targets": ["any"] });
        let reply = linkops.post("/api/operations/run", &body);
        failure(&reply, 404, "LINK_NOT_FOUND"); // nothing is looked at before it is known
    }
}
