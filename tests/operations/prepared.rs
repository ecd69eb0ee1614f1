//! A warm machine has everything ready for its next script, and keeps nothing when it is not used.

use serde_json::json;

use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;
use crate::support::{deadline, wait_until};

fn stage() -> (Fleet, LinkOps) {
    let mut fleet = Fleet::new(1);
    fleet.script_with("say", "echo \"$1\"; echo err >&2; exit 3", &["--text"]);
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    (fleet, linkops)
}

/// Runs the script once, as it always ends.
#[track_caller]
fn run(fleet: &Fleet, linkops: &LinkOps, text: &str) {
    let flags = json!({ "flags": { "say": [format!("--text={text}")] } });
    let operation = linkops.run_to_end(&["say"], &fleet.ids(), flags);
    let log = &operation["logs"][0];
    assert_eq!((&log["exit_code"], &log["error"]), (&json!(3), &json!(null)), "{log}");
    assert_eq!(log["stdout"], format!("--text={text}\n"));
    assert_eq!(log["stderr"], "err\n");
}

fn is_empty(file: &std::path::Path) -> bool {
    std::fs::metadata(file).is_ok_and(|file| file.len() == 0)
}

/// Waits until the run is cleaned up and the next one can come: all that is left is a directory
/// without a script, in which the tees have begun.
fn wait_ready(fleet: &Fleet) {
    wait_until(deadline(), "the machine is ready", || match &fleet.sshd.traces()[..] {
        [slot] => slot.join("stderr").exists() && is_empty(&slot.join("script")),
        _ => false,
    });
}

#[test]
fn the_next_script_starts_no_command_on_the_server() {
    let (fleet, linkops) = stage();
    run(&fleet, &linkops, "first");
    wait_ready(&fleet);
    let commands = || fleet.sshd.logged("Starting session: command");
    let before = commands();
    run(&fleet, &linkops, "second");
    assert_eq!(commands(), before, "it was started already");
    assert_eq!(fleet.sshd.logins(), 1, "one connection for everything");
    wait_ready(&fleet); // and again
}

#[test]
fn a_prepared_shell_checks_the_client_id_of_its_script() {
    let (fleet, linkops) = stage();
    run(&fleet, &linkops, "first");
    wait_ready(&fleet);
    std::fs::write(&fleet.machines[0].client_file, "LINKOPS-other").unwrap();
    let operation = linkops.run_to_end(&["say"], &fleet.ids(), json!({}));
    let log = &operation["logs"][0];
    assert_eq!((&log["status"], &log["exit_code"]), (&json!("failed"), &json!(null)));
    assert!(log["error"].as_str().unwrap().contains("LINKOPS-other"), "{log}");
    wait_until(deadline(), "nothing is left", || fleet.sshd.traces().is_empty());
}

#[test]
fn a_prepared_shell_that_was_killed_is_replaced() {
    let (fleet, linkops) = stage();
    run(&fleet, &linkops, "first");
    wait_ready(&fleet);
    fleet.sshd.end_commands();
    run(&fleet, &linkops, "second");
    wait_ready(&fleet); // what the killed one had made ready is gone
}

#[test]
fn a_connection_that_died_in_its_sleep_is_replaced() {
    let (mut fleet, linkops) = stage();
    run(&fleet, &linkops, "first");
    wait_ready(&fleet);
    fleet.sshd.end_sessions();
    run(&fleet, &linkops, "second");
    fleet.sshd.stop();
    fleet.sshd.restart();
    run(&fleet, &linkops, "third");
}

/// P24's spirit for runs: nothing of ours stays on a machine, however LinkOps goes.
#[test]
fn nothing_is_left_on_the_machine_when_linkops_goes() {
    let (fleet, mut linkops) = stage();
    for crash in [false, true] {
        run(&fleet, &linkops, "again");
        wait_ready(&fleet);
        if crash {
            linkops.crash();
        } else {
            assert!(linkops.terminate().success());
        }
        wait_until(deadline(), "nothing is left", || fleet.sshd.traces().is_empty());
        linkops.launch();
    }
}
