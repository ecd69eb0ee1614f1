//! The transcript under subscribers that come, go and come back while it grows.

use std::sync::{Arc, Mutex};

use linkops::operations::{Event, Id, Operations, Request, What};
use linkops::ssh::Stream;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::asked::{end, output};
use super::{TARGETS, World, actor, read_to_end, request};
use crate::support::{PATIENCE, somebody};

/// What an execution prints, piece by piece, and its exit code.
#[derive(Debug, Clone)]
struct Prints {
    pieces: Vec<(Stream, usize)>,
    code: i32,
}

/// Somebody who watches.
#[derive(Debug, Clone)]
struct Subscriber {
    /// Comes when the event with this number is there.
    comes: u64,
    /// Has seen everything up to this number.
    after: u64,
    /// Goes away after so many events, again and again, and stays at last.
    visits: Vec<usize>,
}

/// Above the 512 KiB that are kept in memory when `large`.
fn prints(large: bool) -> impl Strategy<Value = Prints> {
    let stream = prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)];
    let (size, count) = if large { (30_000_usize..60_000, 15_usize..20) } else { (1..200, 0..20) };
    (proptest::collection::vec((stream, size), count), prop_oneof![Just(0), 0_i32..256])
        .prop_map(|(pieces, code)| Prints { pieces, code })
}

fn subscribers() -> impl Strategy<Value = Vec<Subscriber>> {
    let visits = proptest::collection::vec(1_usize..12, 0..5);
    let one = (0_u64..40, prop_oneof![Just(0), 0_u64..40], visits);
    let one = one.prop_map(|(comes, after, visits)| Subscriber { comes, after, visits });
    proptest::collection::vec(one, 1..4)
}

fn cases() -> impl Strategy<Value = (Vec<Prints>, Vec<Subscriber>)> {
    let all = prop_oneof![
        4 => proptest::collection::vec(prints(false), 1..4),
        1 => proptest::collection::vec(prints(true), 1..3),
    ];
    (all, subscribers())
}

/// The next events, at most so many of them; whether there are no more.
fn visit(operations: &Operations, id: Id, after: u64, most: usize) -> (Vec<Event>, bool) {
    let (_, mut reader) = operations.events(id, after).unwrap();
    let mut events = Vec::new();
    while events.len() < most {
        let batch = reader.next(PATIENCE).unwrap();
        if batch.ended {
            return (events, true);
        }
        assert!(!batch.events.is_empty(), "nothing comes after {after}");
        events.extend(batch.events);
    }
    events.truncate(most); // the rest was on its way when it went
    (events, false)
}

impl Subscriber {
    /// Everything that it sees.
    fn watches(&self, operations: &Operations, id: Id) -> Vec<Event> {
        visit(operations, id, self.comes.saturating_sub(1), 1);
        let mut seen: Vec<Event> = Vec::new();
        for most in self.visits.iter().copied().chain([usize::MAX]) {
            let after = seen.last().map_or(self.after, |event| event.seq);
            let (events, ended) = visit(operations, id, after, most);
            seen.extend(events);
            if ended {
                break;
            }
        }
        seen
    }
}

/// What the view must show of one execution, from its events (P31, P33).
fn told(events: &[Event], wanted: usize) -> (Vec<u8>, Vec<u8>, Option<What>) {
    let (mut out, mut err, mut complete) = (Vec::new(), Vec::new(), None);
    for event in events {
        match &event.what {
            What::Output { position, stream, data } if *position == wanted => match stream {
                Stream::Stdout => out.extend_from_slice(data),
                Stream::Stderr => err.extend_from_slice(data),
            },
            What::Complete { position, .. } if *position == wanted => {
                assert!(complete.replace(event.what.clone()).is_none());
            }
            _ => {}
        }
    }
    (out, err, complete)
}

/// What was printed to one stream: each piece with a byte of its own.
fn printed(prints: &Prints, wanted: Stream) -> Vec<u8> {
    let pieces = prints.pieces.iter().enumerate().filter(|(_, (stream, _))| *stream == wanted);
    pieces.flat_map(|(number, (_, size))| vec![byte(number); *size]).collect()
}

fn byte(number: usize) -> u8 {
    b'a' + (number % 26) as u8
}

/// P19: whoever joins, whenever, and however often it goes and comes back, has the same events in
/// the same order, from memory or from the database. P20: then the stream ends. P31 and P33: the
/// view shows the same, and all of it.
#[test]
fn p19_every_subscriber_sees_the_same_whenever_it_joins() {
    let world = World::new();
    let now: Arc<Mutex<Vec<Prints>>> = Arc::default();
    let of_machines = Arc::clone(&now);
    world.ssh.always(actor(move |asked| {
        if !asked.is_ours() {
            return Ok(asked.answer("removed"));
        }
        let target = TARGETS.iter().position(|one| *one == asked.target).unwrap();
        let prints = of_machines.lock().unwrap()[target].clone();
        let pieces = prints.pieces.iter().enumerate();
        let pieces =
            pieces.map(|(number, (stream, size))| output(*stream, &vec![byte(number); *size]));
        let begin = [asked.says("started"), super::asked::err(&asked.says_on_stderr())];
        Ok(begin.into_iter().chain(pieces).chain([end(prints.code)]).collect())
    }));
    let mut runner = TestRunner::new(Config { cases: 120, ..Config::default() });
    let run = runner.run(&cases(), |(prints, subscribers)| {
        *now.lock().unwrap() = prints.clone();
        let targets = &TARGETS[..prints.len()];
        let request = Request { concurrency: Some(3), ..request(targets, &["one"]) };
        let id = world.operations.submit(request, &somebody()).unwrap();
        let operations = &world.operations;
        let seen: Vec<Vec<Event>> = std::thread::scope(|scope| {
            let watch = |one| scope.spawn(move || Subscriber::watches(one, operations, id));
            let watching: Vec<_> = subscribers.iter().map(watch).collect();
            watching.into_iter().map(|one| one.join().unwrap()).collect()
        });
        // A replay after the end, which is all from the database.
        let all = read_to_end(operations, id, 0);
        prop_assert!(all.iter().zip(1..).all(|(event, number)| event.seq == number));
        let ended = matches!(all.last().unwrap().what, What::End { .. });
        prop_assert!(ended);
        for (one, seen) in subscribers.iter().zip(&seen) {
            let after = all.len().min(one.after as usize);
            prop_assert!(seen[..] == all[after..], "{:?} saw {}", one, seen.len());
        }
        let (operation, logs) = world.view(id);
        prop_assert!(operation.status.is_final() && operation.ended_at.is_some());
        for (position, (log, output)) in logs.iter().enumerate() {
            let (out, err, complete) = told(&all, position);
            prop_assert!(out == output.stdout && err == output.stderr);
            prop_assert!(out == printed(&prints[position], Stream::Stdout));
            prop_assert!(err == printed(&prints[position], Stream::Stderr));
            let (status, exit_code) = (log.status, log.exit_code);
            let (duration, error) = (log.duration(), log.error.clone());
            let expected = What::Complete { position, status, exit_code, duration, error };
            prop_assert_eq!(complete, Some(expected));
            prop_assert_eq!(exit_code, Some(prints[position].code));
        }
        Ok(())
    });
    run.unwrap();
}

/// P19 with an operation that goes on after a restart: numbers and events are those of before.
#[test]
fn a_subscriber_that_comes_back_after_a_restart_has_missed_nothing() {
    let mut world = World::new();
    world.scene("a", |asked| {
        let pieces = (0..20).map(|number| output(Stream::Stdout, &vec![byte(number); 40_000]));
        Ok([asked.says("started")].into_iter().chain(pieces).chain([super::for_ever()]).collect())
    });
    let id = world.run(&["a"]);
    let mut size = 0;
    let (_, mut reader) = world.operations.events(id, 0).unwrap();
    let mut before: Vec<Event> = Vec::new();
    while size < 20 * 40_000 {
        before.extend(reader.next(PATIENCE).unwrap().events);
        size = told(&before, 0).0.len();
    }
    world.scene("a", |asked| {
        assert_eq!(asked.offsets(), (800_000, 0));
        Ok(vec![asked.says("ended 0"), output(Stream::Stdout, b"the rest"), end(0)])
    });
    world.restart(|_| ());
    let rest = read_to_end(&world.operations, id, before.len() as u64);
    let all = read_to_end(&world.operations, id, 0);
    assert!(all[..before.len()] == before[..] && all[before.len()..] == rest[..]);
    let text: Vec<_> = (0..20).flat_map(|number| vec![byte(number); 40_000]).collect();
    assert!(told(&all, 0).0 == [&text[..], b"the rest"].concat());
    assert!(matches!(all.last().unwrap().what, What::End { .. }));
}
