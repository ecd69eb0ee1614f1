//! R5: scripts run as they should, and their results are the truth.

use serde_json::{Value, json};

use crate::support::fleet::{Fleet, closed};
use crate::support::linkops::LinkOps;
use crate::support::{deadline, wait_until};

/// Status and exit code of the execution of `script` on `target`.
#[track_caller]
fn result(operation: &Value, target: &str, script: &str) -> (String, Value) {
    let log = log(operation, target, script);
    (log["status"].as_str().unwrap().to_owned(), log["exit_code"].clone())
}

#[track_caller]
fn log<'a>(operation: &'a Value, target: &str, script: &str) -> &'a Value {
    let logs = operation["logs"].as_array().unwrap();
    logs.iter()
        .find(|log| log["target"] == target && log["script"] == script)
        .unwrap_or_else(|| panic!("no log of {script} on {target} in {operation}"))
}

/// R5.3 to R5.7, R11.1, R11.3, P31, P33: everything about a run can be had afterwards.
#[test]
fn a_run_has_its_output_code_and_duration() {
    let mut fleet = Fleet::new(2);
    fleet.script("talk", "echo out; echo err >&2; exit 7").script("fine", "echo good");
    let commit = fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let operation = linkops.run_to_end(
        &["talk", "fine"],
        &fleet.ids(),
        json!({ "on_failure": "continue", "concurrency": 2 }),
    );
    assert_eq!(operation["status"], "failed");
    assert_eq!(operation["commit_hash"], commit);
    assert_eq!(operation["triggered_by"], "admin");
    assert_eq!(operation["concurrency"], 2);
    assert_eq!(
        operation["result"],
        json!({ "success": 2, "failed": 2, "stopped": 0, "skipped": 0 })
    );
    assert!(operation["duration"].as_i64().unwrap() >= 0);
    for id in fleet.ids() {
        assert_eq!(result(&operation, &id, "talk"), ("failed".into(), json!(7)));
        assert_eq!(result(&operation, &id, "fine"), ("success".into(), json!(0)));
        let talk = log(&operation, &id, "talk");
        assert_eq!((&talk["stdout"], &talk["stderr"]), (&json!("out\n"), &json!("err\n")));
        let (started, ended) = (talk["started"].as_i64(), talk["ended"].as_i64());
        assert_eq!(talk["duration"].as_i64(), Some(ended.unwrap() - started.unwrap()));
    }
    wait_until(deadline(), "the run directories are gone", || fleet.sshd.runs().is_empty());
}

/// P17 on real machines, and the rest of a target is skipped after a failure.
#[test]
fn a_failure_skips_the_rest_of_its_target_and_makes_the_result_partial() {
    let mut fleet = Fleet::new(3);
    fleet
        .script("first", "[[ $SSH_CONNECTION != *' 127.0.0.2 '* ]]")
        .script("second", "true")
        .script("third", "true");
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let operation = linkops.run_to_end(&["first", "second", "third"], &fleet.ids(), json!({}));
    assert_eq!(operation["status"], "partial", "{operation}");
    assert_eq!(result(&operation, "vps-02", "first"), ("failed".into(), json!(1)));
    for script in ["second", "third"] {
        assert_eq!(result(&operation, "vps-02", script), ("skipped".into(), Value::Null));
        assert_eq!(result(&operation, "vps-01", script), ("success".into(), json!(0)));
        assert_eq!(result(&operation, "vps-03", script), ("success".into(), json!(0)));
    }
}

/// Section 5: flags are single arguments whatever they hold; standard input is empty; the
/// script's own signal handling and locale are those of a login.
#[test]
fn a_script_gets_its_flags_exactly_and_an_empty_standard_input() {
    let mut fleet = Fleet::new(1);
    fleet.script_with("show", "printf '<%s>\\n' \"$#\" \"$@\"", &["--text", "--level=1"]);
    fleet.script("eat", "cat; read -r x; echo \"rest:$x:\"; ps -o pgid= -o pid= $$ | tr -s ' '");
    fleet.script(
        "pipe",
        "yes | head -n 1; echo \"${PIPESTATUS[*]}\"; ulimit -f; echo \"<$LINKOPS_RUN>\"",
    );
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let flags = ["--text=it's \"a\" $(test) `x` \\ ; * é\n  end ", "--level=", "--level=1"];
    let more = json!({ "flags": { "show": flags } });
    let operation = linkops.run_to_end(&["show", "eat", "pipe"], &fleet.ids(), more);
    let shown = log(&operation, "vps-01", "show")["stdout"].as_str().unwrap().to_owned();
    assert_eq!(shown, format!("<3>\n<{}>\n<{}>\n<{}>\n", flags[0], flags[1], flags[2]));
    let eaten = log(&operation, "vps-01", "eat")["stdout"].as_str().unwrap().to_owned();
    assert!(eaten.starts_with("rest::\n"), "{eaten:?}");
    let words: Vec<_> = eaten.split_whitespace().skip(1).collect();
    assert_eq!(words[0], words[1], "it leads its own process group");
    let piped = log(&operation, "vps-01", "pipe")["stdout"].as_str().unwrap().to_owned();
    let lines: Vec<_> = piped.lines().collect();
    assert_eq!(lines[..3], ["y", "141 0", "unlimited"], "no signal is ignored, no limit is set");
    assert_eq!(lines[3].len(), 34, "a run id of 32 characters");
}

/// A script of several lines is never cut, holds any bytes, and a signal is a failure.
#[test]
fn odd_scripts_run_whole() {
    let mut fleet = Fleet::new(1);
    fleet
        .script("long", &(0..20_000).map(|n| format!("x={n} # a line\n")).collect::<String>())
        .script("killed", "kill -9 $$")
        .script("bytes", "# \u{fffd}é\necho 'ü' | od -An -tx1\nexit 0\n\0\u{1}binary tail")
        .script("daemon", "sleep 300 & echo $!")
        .script("last", "echo $x; exit 255");
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let scripts = ["long", "killed", "bytes", "daemon", "last"];
    let more = json!({ "on_failure": "continue" });
    let operation = linkops.run_to_end(&scripts, &fleet.ids(), more);
    assert_eq!(result(&operation, "vps-01", "long"), ("success".into(), json!(0)));
    assert_eq!(result(&operation, "vps-01", "killed"), ("failed".into(), json!(137)));
    assert_eq!(result(&operation, "vps-01", "bytes"), ("success".into(), json!(0)));
    assert_eq!(log(&operation, "vps-01", "bytes")["stdout"], " c3 bc 0a\n");
    // A process left behind that holds the output does not hold the operation.
    assert_eq!(result(&operation, "vps-01", "daemon"), ("success".into(), json!(0)));
    assert_eq!(result(&operation, "vps-01", "last"), ("failed".into(), json!(255)));
    let daemon = log(&operation, "vps-01", "daemon")["stdout"].as_str().unwrap().trim().to_owned();
    end(&daemon);
}

fn end(pid: &str) {
    let pid = pid.parse().ok().and_then(rustix::process::Pid::from_raw).unwrap();
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

/// R5.8, P18: never more than `concurrency` at a time, and that many when there is work.
#[test]
fn at_most_concurrency_executions_run_at_a_time() {
    let mut fleet = Fleet::new(6);
    let place = fleet.directory().join("running");
    std::fs::create_dir(&place).unwrap();
    // Each counts those that run, itself included, and waits until it has seen two or all began.
    fleet.script(
        "count",
        &format!(
            "cd {}; touch run.$$ begun.$$; for i in {{1..200}}; do set -- run.*; echo $#; \
             seen=(begun.*); [[ $# -ge 2 || ${{#seen[@]}} -eq 6 ]] && break; sleep 0.02; done; \
             sleep 0.05; set -- run.*; echo $#; rm run.$$",
            place.display()
        ),
    );
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let operation = linkops.run_to_end(&["count"], &fleet.ids(), json!({ "concurrency": 2 }));
    assert_eq!(operation["status"], "success");
    let most = operation["logs"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|log| log["stdout"].as_str().unwrap().lines())
        .map(|line| line.parse::<u32>().unwrap())
        .max();
    assert_eq!(most, Some(2));
}

/// Section 5: the text is the one of the commit at submission, also when a sync comes between.
#[test]
fn a_sync_does_not_change_what_was_submitted() {
    let mut fleet = Fleet::new(1);
    let gate = fleet.directory().join("gate");
    let wait = format!("while {}; do sleep 0.02; done", closed(&gate));
    fleet.script("wait", &wait).script("text", "echo old");
    let old = fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let id = linkops.run(&["wait", "text"], &fleet.ids(), json!({}));
    fleet.repository.commit(&[("scripts/text.sh", "#!/bin/bash\necho new\n")]);
    linkops.post("/api/git/sync", &json!({})).expect(200);
    std::fs::write(gate, "").unwrap();
    linkops.wait(&id);
    let operation = linkops.operation(&id);
    assert_eq!(log(&operation, "vps-01", "text")["stdout"], "old\n");
    assert_eq!(operation["commit_hash"], old);
    let operation = linkops.run_to_end(&["text"], &fleet.ids(), json!({}));
    assert_eq!(log(&operation, "vps-01", "text")["stdout"], "new\n");
}

/// A machine behind another one is reached through it.
#[test]
fn a_machine_behind_another_is_reached_through_it() {
    let mut fleet = Fleet::new(2);
    fleet.script("who", "echo ${SSH_CONNECTION%% *}");
    fleet.machines[1].jump = Some("vps-01".to_owned());
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let operation = linkops.run_to_end(&["who"], &fleet.ids(), json!({}));
    assert_eq!(operation["status"], "success", "{operation}");
}

/// BusyBox has its own tee, tail and grep; a run works with them, too.
#[test]
fn a_machine_with_busybox_only_works() {
    let directory = tempfile::tempdir().unwrap();
    let tools = directory.path().join("bin");
    std::fs::create_dir(&tools).unwrap();
    for tool in ["tee", "tail", "head", "wc", "mkdir", "rm", "grep", "sleep", "cat"] {
        std::os::unix::fs::symlink("/bin/busybox", tools.join(tool)).unwrap();
    }
    std::os::unix::fs::symlink("/bin/bash", tools.join("bash")).unwrap();
    // Only the first such line of a configuration counts.
    let environment =
        format!("SetEnv PATH={} HOME={}", tools.display(), directory.path().display());
    let mut fleet = Fleet::with(1, &environment);
    fleet.script(
        "busy",
        "type -P tee; echo out; echo err >&2; for i in {1..2000}; do echo $i; done",
    );
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let operation = linkops.run_to_end(&["busy"], &fleet.ids(), json!({}));
    let log = log(&operation, "vps-01", "busy");
    assert_eq!(log["status"], "success", "{operation}");
    let out = log["stdout"].as_str().unwrap();
    assert!(out.starts_with(&format!("{}/tee\nout\n1\n", tools.display())), "{out}");
    assert_eq!((out.lines().count(), &log["stderr"]), (2002, &json!("err\n")));
}
