//! Waves while they run: what a stream of events tells of them, and a stop, a crash and a restart in
//! the middle of the second one.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::client::Event;
use crate::support::fleet::{Fleet, closed};
use crate::support::linkops::LinkOps;
use crate::support::{deadline, wait_until};

/// Machines of which each waits at a gate of its own, and fails if it is bad. They are known by the
/// last number of their address.
struct Stage {
    fleet: Fleet,
    linkops: LinkOps,
    place: PathBuf,
}

fn stage(count: u8, settings: &str) -> Stage {
    let mut fleet = Fleet::new(count);
    let place = fleet.directory().join("place");
    fs::create_dir(&place).unwrap();
    let at = place.display();
    let wait = format!("while {}; do sleep 0.02; done", closed(&place.join("go.$me")));
    let who = "set -- $SSH_CONNECTION; me=${3##*.}";
    fleet.script("wait", &format!("{who}; echo $me >>{at}/begun; {wait}; [[ ! -e {at}/bad.$me ]]"));
    fleet.script("after", "true");
    fleet.commit();
    let linkops = LinkOps::start_with(&fleet, settings);
    Stage { fleet, linkops, place }
}

impl Stage {
    fn run(&self, more: Value) -> String {
        self.linkops.run(&["wait", "after"], &self.fleet.ids(), more)
    }

    fn mark(&self, what: &str, numbers: &[u8]) {
        for number in numbers {
            fs::write(self.place.join(format!("{what}.{number}")), "").unwrap();
        }
    }

    /// The machines on which the first script began, in order, each as often as it did.
    fn begun(&self) -> Vec<u8> {
        let text = fs::read_to_string(self.place.join("begun")).unwrap_or_default();
        let mut numbers: Vec<u8> = text.lines().map(|line| line.parse().unwrap()).collect();
        numbers.sort_unstable();
        numbers
    }

    fn wait_begun(&self, numbers: &[u8]) {
        wait_until(deadline(), "a wave has begun", || self.begun() == numbers);
    }
}

/// The statuses of the first script, machine by machine.
fn statuses(operation: &Value) -> Vec<&str> {
    let logs = operation["logs"].as_array().unwrap().iter();
    logs.step_by(2).map(|log| log["status"].as_str().unwrap()).collect()
}

/// Where in the stream the events of this name are that are about these targets.
fn places(events: &[Event], name: &str, targets: &Value) -> Vec<usize> {
    let targets = targets.as_array().unwrap();
    let meant = |event: &Event| event.name == name && targets.contains(&event.data["target"]);
    (0..events.len()).filter(|place| meant(&events[*place])).collect()
}

/// Section 6 with waves: one stream for all, `index` and `total` count all executions, and nothing
/// of a wave starts before everything of the one before is complete.
#[test]
fn a_stream_tells_wave_after_wave() {
    let stage = stage(21, "");
    stage.mark("go", &(1..=21).collect::<Vec<u8>>());
    let id = stage.run(json!({ "waves": [1, "10%", "rest"], "concurrency": 10 }));
    let events = stage.linkops.wait(&id);
    assert!(events.iter().map(|event| event.id).eq(1..=events.len() as u64), "{events:?}");
    let waves = stage.linkops.operation(&id)["waves"].clone();
    let sizes: Vec<usize> =
        waves.as_array().unwrap().iter().map(|one| one.as_array().unwrap().len()).collect();
    assert_eq!(sizes, [1, 3, 17], "a tenth of 21 is rounded up");
    for (wave, size) in waves.as_array().unwrap().iter().zip(sizes) {
        let (starts, ends) = (places(&events, "start", wave), places(&events, "complete", wave));
        assert_eq!((starts.len(), ends.len()), (2 * size, 2 * size), "{wave}");
        let outside = |place: usize| place < starts[0] || place > ends[ends.len() - 1];
        let others = places(&events, "start", &json!(stage.fleet.ids()));
        let apart = |place: &usize| outside(*place) || starts.contains(place);
        assert!(others.iter().all(apart), "{wave} is mixed with another one");
    }
    let starts: Vec<&Event> = events.iter().filter(|event| event.name == "start").collect();
    let mut indices: Vec<u64> =
        starts.iter().map(|event| event.data["index"].as_u64().unwrap()).collect();
    indices.sort_unstable();
    assert!(indices.into_iter().eq(1..=42), "each execution has a number of its own");
    assert!(starts.iter().all(|event| event.data["total"] == 42));
    let end = &events.last().unwrap().data;
    assert_eq!(end["result"], json!({ "success": 42, "failed": 0, "stopped": 0, "skipped": 0 }));
}

/// What is skipped by the stop rule is told after the wave that brought it, before the end, and
/// without a start.
#[test]
fn a_stream_tells_what_the_stop_rule_skips() {
    let stage = stage(4, "");
    stage.mark("go", &[1, 2, 3, 4]);
    stage.mark("bad", &[2]);
    let events = stage.linkops.wait(&stage.run(json!({ "waves": [2, "rest"] })));
    let told: Vec<_> = events
        .iter()
        .filter(|event| ["vps-03", "vps-04"].iter().any(|id| event.data["target"] == *id))
        .collect();
    assert_eq!(told.len(), 4, "{events:?}");
    for (event, late) in told.iter().zip(&events[events.len() - 5..]) {
        assert_eq!((event, &event.name[..]), (&late, "complete"));
        let wanted = ("skipped", "stopped after wave 1: 1 targets failed");
        assert_eq!(
            (&event.data["status"], &event.data["error"]),
            (&json!(wanted.0), &json!(wanted.1))
        );
        assert_eq!(
            (&event.data["exit_code"], &event.data["duration"]),
            (&json!(null), &json!(null))
        );
    }
    let result = json!({ "success": 2, "failed": 1, "stopped": 0, "skipped": 5 });
    assert_eq!(events.last().unwrap().data["result"], result);
    assert_eq!(stage.begun(), [1, 2]);
}

/// One machine of the wave has ended, one runs, and the later waves have not begun.
#[test]
fn a_stop_in_a_wave_ends_the_operation() {
    let stage = stage(5, "");
    let id = stage.run(json!({ "waves": [1, 2, "rest"] }));
    stage.wait_begun(&[1]);
    stage.mark("go", &[1]);
    stage.wait_begun(&[1, 2, 3]);
    stage.mark("go", &[2]);
    let ended = |event: &Event| {
        let Event { name, data, .. } = event;
        name == "complete" && data["target"] == "vps-02" && data["script"] == "after"
    };
    assert!(stage.linkops.events(&id, 0).any(|event| ended(&event)));
    stage.linkops.post(&format!("/api/operations/{id}/stop"), &json!({})).expect(200);
    let events = stage.linkops.wait(&id);
    assert_eq!(events.last().unwrap().data["status"], "stopped", "{events:?}");
    let one = stage.linkops.operation(&id);
    assert_eq!(statuses(&one), ["success", "success", "stopped", "stopped", "stopped"]);
    for log in &one["logs"].as_array().unwrap()[6..] {
        assert_eq!(
            (&log["started"], &log["error"]),
            (&Value::Null, &json!("stopped before it started"))
        );
    }
    assert_eq!(stage.begun(), [1, 2, 3]);
}

/// The first machine has failed, the second wave waits at its gates, and LinkOps is gone.
fn away_in_the_second_wave(crash: bool) -> (Stage, String) {
    let mut stage = stage(5, "operations.drain_timeout = 0");
    stage.mark("bad", &[1]);
    stage.mark("go", &[1]);
    let id = stage.run(json!({ "waves": [1, 2, "rest"], "max_failures": 1 }));
    stage.wait_begun(&[1, 2, 3]);
    if crash {
        stage.linkops.crash();
    } else {
        assert!(stage.linkops.terminate().success());
    }
    (stage, id)
}

/// kill -9 in the second wave, which ends while nobody looks: the failure of the first wave still
/// counts.
#[test]
fn a_crash_in_a_wave_keeps_the_count_of_failures() {
    let (mut stage, id) = away_in_the_second_wave(true);
    stage.mark("bad", &[2]);
    stage.mark("go", &[2, 3, 4, 5]);
    stage.linkops.launch();
    let events = stage.linkops.wait(&id);
    assert_eq!(events.last().unwrap().data["status"], "partial", "{events:?}");
    let one = stage.linkops.operation(&id);
    assert_eq!(statuses(&one), ["failed", "failed", "success", "skipped", "skipped"]);
    assert_eq!(one["logs"][9]["error"], "stopped after wave 2: 2 targets failed");
    assert_eq!(stage.begun(), [1, 2, 3], "nothing began twice, or too late");
}

/// The second wave is still the open one after a restart, by a crash or in order; the third begins
/// when it has ended.
#[test]
fn a_restart_in_a_wave_goes_on_in_it() {
    for crash in [true, false] {
        let (mut stage, id) = away_in_the_second_wave(crash);
        stage.linkops.launch();
        stage.mark("go", &[2, 4, 5]);
        let ended = |event: &Event| event.name == "complete" && event.data["target"] == "vps-02";
        assert!(stage.linkops.events(&id, 0).filter(ended).nth(1).is_some());
        let running = stage.linkops.operation(&id);
        assert_eq!(statuses(&running), ["failed", "success", "running", "queued", "queued"]);
        assert_eq!(stage.begun(), [1, 2, 3], "the wave has not ended");
        stage.mark("go", &[3]);
        stage.linkops.wait(&id);
        let one = stage.linkops.operation(&id);
        assert_eq!(statuses(&one), ["failed", "success", "success", "success", "success"]);
        assert_eq!(stage.begun(), [1, 2, 3, 4, 5]);
    }
}
