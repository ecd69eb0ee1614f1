//! Output of any bytes and any size arrives unchanged, in bounded memory.

use std::collections::HashMap;
use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;

fn exact(log: &serde_json::Value, stream: &str) -> Vec<u8> {
    match log[format!("{stream}_base64")].as_str() {
        Some(text) => STANDARD.decode(text).unwrap(),
        None => log[stream].as_str().unwrap().as_bytes().to_vec(),
    }
}

/// P16 on a real machine: any bytes on both streams, any interleaving, any exit code. One
/// operation runs ten cases, each with a file of its own.
#[test]
fn p16_any_output_is_captured_unchanged() {
    let mut fleet = Fleet::new(10);
    let place = fleet.directory().join("cases");
    fs::create_dir(&place).unwrap();
    // Pieces are written to the stream that their name says, in order.
    fleet.script(
        "play",
        &format!(
            "cd {}/${{SSH_CONNECTION#*127.0.0.* 127.0.0.}} 2>/dev/null || cd {}/$(set -- $SSH_CONNECTION; echo ${{3##*.}})\n\
             for f in *.out *.err; do :; done\n\
             for f in $(ls | sort -n); do case $f in *.out) cat $f;; *.err) cat $f >&2;; esac; done\n\
             exit $(cat code)",
            place.display(),
            place.display()
        ),
    );
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let case = (
        proptest::collection::vec(
            (any::<bool>(), proptest::collection::vec(any::<u8>(), 1..400)),
            0..6,
        ),
        0_i32..=255,
    );
    let ten = proptest::collection::vec(case, 10);
    let mut runner = TestRunner::new(Config { cases: 10, ..Config::default() });
    let run = runner.run(&ten, |cases| {
        for (number, (pieces, code)) in cases.iter().enumerate() {
            let place = place.join((number + 1).to_string());
            let _ = fs::remove_dir_all(&place);
            fs::create_dir(&place).unwrap();
            for (at, (out, bytes)) in pieces.iter().enumerate() {
                let end = if *out { "out" } else { "err" };
                fs::write(place.join(format!("{at}.{end}")), bytes).unwrap();
            }
            fs::write(place.join("code"), code.to_string()).unwrap();
        }
        let operation = linkops.run_to_end(&["play"], &fleet.ids(), json!({ "concurrency": 10 }));
        for ((pieces, code), log) in cases.iter().zip(operation["logs"].as_array().unwrap()) {
            let of = |out: bool| -> Vec<u8> {
                pieces.iter().filter(|one| one.0 == out).flat_map(|one| one.1.clone()).collect()
            };
            prop_assert_eq!(&log["exit_code"], &json!(code), "{}", log);
            prop_assert_eq!(exact(log, "stdout"), of(true));
            prop_assert_eq!(exact(log, "stderr"), of(false));
            prop_assert!(log["duration"].as_i64().unwrap() >= 0);
        }
        Ok(())
    });
    run.unwrap();
}

/// The limit: exactly up to it, then cut while the script runs on to its own end.
#[test]
fn output_is_kept_up_to_the_limit() {
    let mut fleet = Fleet::new(1);
    fleet.script("under", "head -c 4096 /dev/zero | tr '\\0' x").script(
        "over",
        "head -c 4097 /dev/zero | tr '\\0' x; head -c 9000000 /dev/zero >&2; exit 5",
    );
    fleet.commit();
    let linkops = LinkOps::start_with(&fleet, "operations.output_buffer_size = 4096");
    let operation = linkops.run_to_end(&["under", "over"], &fleet.ids(), json!({}));
    let (under, over) = (&operation["logs"][0], &operation["logs"][1]);
    assert_eq!(
        (under["stdout"].as_str().unwrap().len(), &under["truncated"]),
        (4096, &json!(false))
    );
    assert_eq!((over["stdout"].as_str().unwrap().len(), &over["truncated"]), (4096, &json!(true)));
    assert_eq!((exact(over, "stderr").len(), &over["exit_code"]), (4096, &json!(5)));
}

/// 50 MB from ten machines at once, without loss, in bounded memory, seen by two readers of
/// which one reads nothing until the end.
#[test]
fn fifty_megabytes_from_ten_machines_arrive_in_bounded_memory() {
    const EACH: usize = 5_000_000;
    let mut fleet = Fleet::new(10);
    let seed = fleet.directory().join("seed");
    fs::write(
        &seed,
        (0..=255_u8).cycle().take(70_000).map(|b| b.wrapping_mul(31)).collect::<Vec<_>>(),
    )
    .unwrap();
    fleet.script(
        "flood",
        &format!("yes {0} | head -n 80 | xargs cat 2>/dev/null | head -c {EACH}", seed.display()),
    );
    fleet.commit();
    let linkops = LinkOps::start_with(&fleet, "operations.output_buffer_size = 10485760");
    let id = linkops.run(&["flood"], &fleet.ids(), json!({ "concurrency": 10 }));
    let idle = linkops.events(&id, 0); // opened, not read
    let (before, _) = linkops.memory();
    let mut sums: HashMap<String, (usize, Sha256)> = HashMap::new();
    for event in linkops.events(&id, 0) {
        if event.name == "output" {
            let bytes = event.bytes();
            let sum = sums.entry(event.data["target"].as_str().unwrap().to_owned()).or_default();
            sum.0 += bytes.len();
            sum.1.update(bytes);
        }
    }
    let seed = fs::read(seed).unwrap();
    let expected: Vec<u8> = seed.iter().copied().cycle().take(EACH).collect();
    let expected = Sha256::digest(&expected);
    assert_eq!(sums.len(), 10);
    for (target, (size, sum)) in sums {
        assert_eq!((size, sum.finalize()), (EACH, expected), "{target}");
    }
    let (_, most) = linkops.memory();
    assert!(most < before + 64 * 1024, "{before} KiB grew to {most} KiB");
    // All of it can be had at once, which takes no more memory either.
    let logs = linkops.operation(&id)["logs"].clone();
    for log in logs.as_array().unwrap() {
        assert_eq!(exact(log, "stdout").len(), EACH);
    }
    let (_, most) = linkops.memory();
    assert!(most < before + 96 * 1024, "{before} KiB grew to {most} KiB");
    // Who was dropped for not reading comes back for the rest.
    let last = idle.last().unwrap();
    assert!(last.name == "end" || linkops.events(&id, last.id).last().unwrap().name == "end");
}
