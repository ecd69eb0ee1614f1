//! `GET /api/operations/{id}/groups`, on real machines: equal results stand together, differences
//! can be applied, and much output costs little memory.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{call, failure, keys, person};
use crate::support::fleet::{Fleet, closed};
use crate::support::linkops::LinkOps;
use crate::support::{deadline, wait_until};

const WHO: &str = "set -- $SSH_CONNECTION; me=${3##*.}";
/// Bytes kept of each stream.
const LIMIT: usize = 250_000;

/// What a machine shall print.
#[derive(Clone)]
struct Printed {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    code: u8,
}

fn result(stdout: impl AsRef<[u8]>, stderr: &str, code: u8) -> Printed {
    Printed { stdout: stdout.as_ref().to_vec(), stderr: stderr.into(), code }
}

/// Machines that print what the files of a directory say.
fn stage(results: &[Printed]) -> (Fleet, LinkOps) {
    let mut fleet = Fleet::new(u8::try_from(results.len()).unwrap());
    let place = fleet.directory().join("place");
    fs::create_dir(&place).unwrap();
    for (number, result) in results.iter().enumerate() {
        let file = |kind: &str| place.join(format!("{kind}.{}", number + 1));
        fs::write(file("out"), &result.stdout).unwrap();
        fs::write(file("err"), &result.stderr).unwrap();
        fs::write(file("code"), result.code.to_string()).unwrap();
    }
    let say = "cat out.$me; cat err.$me >&2; exit $(<code.$me)";
    fleet.script("say", &format!("{WHO}; cd {}; {say}", place.display()));
    fleet.script("same", "echo same");
    let wait = format!("while {}; do sleep 0.02; done", closed(&fleet.directory().join("go.$me")));
    fleet.script("wait", &format!("{WHO}; echo here; {wait}"));
    fleet.commit();
    let linkops = LinkOps::start_with(&fleet, &format!("operations.output_buffer_size = {LIMIT}"));
    (fleet, linkops)
}

fn groups(linkops: &LinkOps, id: &str, query: &str) -> Value {
    let answer = linkops.get(&format!("/api/operations/{id}/groups{query}")).expect(200);
    assert_eq!(
        (keys(&answer), &answer["operation_id"]),
        (vec!["operation_id", "scripts"], &json!(id))
    );
    answer["scripts"].clone()
}

/// The exact bytes of a field.
fn exact(group: &Value, field: &str) -> Vec<u8> {
    match group[format!("{field}_base64")].as_str() {
        Some(text) => STANDARD.decode(text).unwrap(),
        None => group[field].as_str().unwrap().as_bytes().to_vec(),
    }
}

/// What `patch` makes of the old output of one stream with the part of a difference that is about it.
fn patched(place: &Path, old: &[u8], difference: &[u8], stream: &str, name: &str) -> Vec<u8> {
    let head = |stream: &str| format!("--- vps-01 {stream}\n+++ {name} {stream}\n").into_bytes();
    let find = |head: &[u8]| difference.windows(head.len()).position(|window| window == head);
    let Some(start) = find(&head(stream)) else { return old.to_vec() };
    let end = match stream {
        "stdout" => find(&head("stderr")).unwrap_or(difference.len()),
        _ => difference.len(),
    };
    let (before, after) = (place.join("before"), place.join("after"));
    fs::write(&before, old).unwrap();
    let mut patch = Command::new("patch")
        .args(["--binary", "--quiet", "--force", "--fuzz=0", "--output"])
        .args([&after, &before])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    patch.stdin.take().unwrap().write_all(&difference[start..end]).unwrap();
    let done = patch.wait_with_output().unwrap();
    assert!(done.status.success(), "{name} {stream}: {done:?}");
    fs::read(&after).unwrap()
}

fn numbered(change: impl Fn(usize) -> Option<String>) -> Vec<u8> {
    (1..=60).filter_map(change).collect::<String>().into_bytes()
}

/// Twelve machines with ten results. The first three are equal.
fn results() -> Vec<Printed> {
    let line = |n: usize| Some(format!("line {n}\n"));
    let base = numbered(line);
    let some = numbered(|n| match n {
        5 => Some("changed\n".to_owned()),
        30 => None,
        50 => Some("line 50\nand one more\n".to_owned()),
        _ => line(n),
    });
    let cut = base[..base.len() - 1].to_vec();
    let windows = numbered(|n| Some(format!("line {n}{}\n", if n % 20 == 0 { "\r" } else { "" })));
    let like_a_patch = numbered(|n| match n {
        10 => {
            Some("--- a\n+++ b\n@@ -1,1 +1,1 @@\n-x\n+y\n\\ No newline at end of file\n".to_owned())
        }
        _ => line(n),
    });
    let bytes = [&base[..100], &[0, 255, 254, b'\n', 0xC3], &base[100..]].concat();
    let ok = result(&base, "warned\n", 0);
    vec![
        ok.clone(),
        ok.clone(),
        result(&base, "warned\n", 3),
        result(some, "warned\n", 0),
        result(cut, "warned\n", 0),
        result("", "", 1),
        result(&base, "warned\nand more\n", 0),
        result(bytes, "warned\n", 0),
        result(windows, "warned", 0),
        result(like_a_patch, "", 0),
        ok,
        result(&base, "warned\n", 3),
    ]
}

/// The largest group comes first, equally large ones in the order of their targets; `patch` makes
/// each other output of the first one.
#[test]
fn equal_results_stand_together_and_differences_can_be_applied() {
    let results = results();
    let (fleet, linkops) = stage(&results);
    let one = linkops.run_to_end(&["say"], &fleet.ids(), json!({}));
    let scripts = groups(&linkops, one["id"].as_str().unwrap(), "");
    assert_eq!((scripts.as_array().unwrap().len(), &scripts[0]["script"]), (1, &json!("say")));
    let groups = scripts[0]["groups"].as_array().unwrap();
    let targets: Vec<_> = groups.iter().map(|group| group["targets"].clone()).collect();
    let mut wanted = vec![json!(["vps-01", "vps-02", "vps-11"]), json!(["vps-03", "vps-12"])];
    wanted.extend((4..=10).map(|number| json!([format!("vps-{number:02}")])));
    assert_eq!(targets, wanted);
    assert_eq!(groups[0]["diff"], Value::Null);
    assert_eq!(groups[1]["diff"], "", "only the exit code differs");
    let ids = fleet.ids();
    for group in groups {
        let name = group["targets"][0].as_str().unwrap();
        let result = &results[ids.iter().position(|id| id == name).unwrap()];
        let (stdout, stderr) = (exact(group, "stdout"), exact(group, "stderr"));
        assert!(stdout == result.stdout && stderr == result.stderr, "{group}");
        let status = if result.code == 0 { "success" } else { "failed" };
        assert_eq!((&group["status"], &group["exit_code"]), (&json!(status), &json!(result.code)));
        let count = group["targets"].as_array().unwrap().len();
        assert_eq!((&group["count"], &group["truncated"]), (&json!(count), &json!(false)));
        if group["diff"].is_null() {
            continue;
        }
        let difference = exact(group, "diff");
        let new = |old, stream| patched(fleet.directory(), old, &difference, stream, name);
        assert!(new(&results[0].stdout, "stdout") == stdout, "{group}");
        assert!(new(&results[0].stderr, "stderr") == stderr, "{group}");
    }
    let binary = &groups[6];
    assert!(
        binary["stdout"].as_str().unwrap().contains('\u{fffd}')
            && binary["diff_base64"].is_string()
    );
}

/// Output that was cut is compared as it was kept; what is too large is not compared, and says so.
#[test]
fn cut_and_large_output() {
    let long = vec![b'x'; LIMIT + 1];
    let many = b"\n".repeat(20_001);
    let all = [
        result(&long, "", 0),
        result(&long[..LIMIT], "", 0),
        result([&long[..LIMIT], b"other"].concat(), "", 0),
        result(&many, "", 0),
    ];
    let (fleet, linkops) = stage(&all);
    let one = linkops.run_to_end(&["say"], &fleet.ids(), json!({}));
    let scripts = groups(&linkops, one["id"].as_str().unwrap(), "");
    let groups = scripts[0]["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 2);
    assert_eq!(groups[0]["targets"], json!(["vps-01", "vps-02", "vps-03"]));
    assert_eq!(
        (&groups[0]["truncated"], groups[0]["stdout"].as_str().unwrap().len()),
        (&json!(true), LIMIT)
    );
    assert_eq!((&groups[1]["truncated"], &groups[1]["diff"]), (&json!(false), &Value::Null));
    let why = groups[1]["diff_omitted"].as_str().unwrap();
    assert!(why.starts_with("stdout has more than"), "{why}");
}

/// One script of several, an operation that runs, and what is refused.
#[test]
fn questions() {
    let (fleet, linkops) = stage(&[result("a", "", 0), result("b", "", 0), result("b", "", 0)]);
    let one = linkops.run_to_end(&["say", "same"], &fleet.ids(), json!({}));
    let id = one["id"].as_str().unwrap();
    let both = groups(&linkops, id, "");
    assert_eq!((&both[0]["script"], &both[1]["script"]), (&json!("say"), &json!("same")));
    assert_eq!(both[0]["groups"][0]["targets"], json!(["vps-02", "vps-03"]));
    assert_eq!(
        both[0]["groups"][1]["diff"].as_str().unwrap().lines().next(),
        Some("--- vps-02 stdout")
    );
    assert_eq!(both[1]["groups"].as_array().unwrap().len(), 1);
    assert_eq!(groups(&linkops, id, "?script=same"), json!([both[1]]));
    let path = format!("/api/operations/{id}/groups");
    let get = |query: &str| linkops.get(&format!("{path}{query}"));
    let error = failure(&get("?script=wait"), 400, "VALIDATION_FAILED");
    assert!(error["message"].as_str().unwrap().contains("use one of say, same"), "{error}");
    failure(&get("?scripts=say"), 400, "VALIDATION_FAILED");
    failure(&linkops.get("/api/operations/OP-99999/groups"), 404, "OPERATION_NOT_FOUND");
    failure(&linkops.call("GET", &path, &[], None), 401, "TOKEN_MISSING");
    let vera = person(&linkops, "vera", "viewer");
    call(&linkops, &vera, "GET", &path, None).expect(200);
    moments(&fleet, &linkops);
}

/// While an operation runs, the groups are those of the moment.
fn moments(fleet: &Fleet, linkops: &LinkOps) {
    fs::write(fleet.directory().join("go.1"), "").unwrap();
    let more = json!({ "waves": [2, "rest"] });
    let id = linkops.run(&["wait"], &fleet.ids(), more);
    let wanted = [
        ("success", "here\n", "vps-01"),
        ("running", "here\n", "vps-02"),
        ("queued", "", "vps-03"),
    ];
    let wanted: Vec<Value> =
        wanted.iter().map(|(status, out, who)| json!([status, out, [who]])).collect();
    wait_until(deadline(), "one has ended, one runs, one waits", || {
        let scripts = groups(linkops, &id, "");
        let shape = |group: &Value| json!([group["status"], group["stdout"], group["targets"]]);
        scripts[0]["groups"].as_array().unwrap().iter().map(shape).eq(wanted.iter().cloned())
    });
    fs::write(fleet.directory().join("go.2"), "").unwrap();
    fs::write(fleet.directory().join("go.3"), "").unwrap();
    linkops.wait(&id);
    assert_eq!(groups(linkops, &id, "")[0]["groups"][0]["count"], 3);
}

/// 200 machines with 200 results of 200 kB: 40 MB that are read and sent log by log.
#[test]
fn two_hundred_targets_are_grouped_in_bounded_memory() {
    const EACH: usize = 200_000;
    const MOST: usize = 16 * 1024; // KiB
    let mut fleet = Fleet::new(200);
    let line = "printf -v line '%-99s' \"machine $me\"";
    fleet.script("much", &format!("{WHO}; {line}; yes \"$line\" | head -c {EACH}"));
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let id = linkops.run(&["much"], &fleet.ids(), json!({ "concurrency": 20 }));
    linkops.wait(&id);
    let (before, _) = linkops.memory();
    let scripts = groups(&linkops, &id, "");
    let (_, most) = linkops.memory();
    assert!(most < before + MOST, "{before} KiB grew to {most} KiB");
    let groups = scripts[0]["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 200);
    let mut seen = HashSet::new();
    for group in groups {
        let target = group["targets"][0].as_str().unwrap();
        let number: usize = target.strip_prefix("vps-").unwrap().parse().unwrap();
        let line = format!("{:<99}\n", format!("machine {number}"));
        assert!(group["stdout"] == line.repeat(EACH / 100), "{target}");
        // The first has none; others have one, unless there was no time for it.
        assert!(seen.is_empty() || group["diff"].is_string() != group["diff_omitted"].is_string());
        assert!(seen.insert(target.to_owned()));
    }
}
