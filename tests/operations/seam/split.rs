//! P16 where a real connection cannot be cut at will: output in any pieces, with the login
//! shell's noise before it, cut anywhere and followed from the right byte.

use std::sync::{Arc, Mutex};

use linkops::operations::ExecutionStatus;
use linkops::ssh::{Failure, Stream};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::asked::{Asked, Program, end, output};
use super::{World, actor, lost, request};
use crate::support::fake_ssh::Step;
use crate::support::somebody;

/// What one connection does with what it has to say.
#[derive(Debug, Clone)]
struct Connection {
    noise: [Vec<u8>; 2],
    /// The size of each piece; the streams take turns.
    sizes: Vec<usize>,
    /// Pieces until it is cut, if it is.
    cut: Option<usize>,
}

#[derive(Debug, Clone)]
struct Case {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    code: i32,
    /// The first one starts, the others follow; when none is left none is cut any more.
    connections: Vec<Connection>,
}

/// Bytes as scripts write them, most of them text.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => "[a-z\näß€🦀]{0,40}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..60),
    ]
}

fn cases() -> impl Strategy<Value = Case> {
    let noise = || "(Welcome to [a-z]{1,9}\r?\n){0,3}[ -~]{0,9}".prop_map(String::into_bytes);
    let connection = (
        [noise(), noise()],
        proptest::collection::vec(1_usize..30, 1..20),
        proptest::option::weighted(0.7, 0_usize..12),
    );
    let connection = connection.prop_map(|(noise, sizes, cut)| Connection { noise, sizes, cut });
    (bytes(), bytes(), 0_i32..256, proptest::collection::vec(connection, 1..5))
        .prop_map(|(stdout, stderr, code, connections)| Case { stdout, stderr, code, connections })
}

impl Connection {
    fn plays<'a>(&self, mut stdout: &'a [u8], mut stderr: &'a [u8], last: Step) -> Vec<Step> {
        let mut steps = Vec::new();
        for (turn, size) in self.sizes.iter().cycle().enumerate() {
            if stdout.is_empty() && stderr.is_empty() {
                break;
            }
            let (stream, left) = match turn % 2 {
                0 => (Stream::Stdout, &mut stdout),
                _ => (Stream::Stderr, &mut stderr),
            };
            let (piece, rest) = left.split_at((*size).min(left.len()));
            *left = rest;
            if !piece.is_empty() {
                steps.push(output(stream, piece));
            }
        }
        steps.push(last);
        if let Some(cut) = self.cut.filter(|cut| *cut < steps.len()) {
            steps.truncate(cut);
            steps.push(Step::Tells(Err(lost(true))));
        }
        steps
    }
}

/// The machine: it has run the script, and prints from where it is asked to.
fn plays(case: &mut Case, asked: &Asked) -> Result<Vec<Step>, Failure> {
    let connection = if case.connections.is_empty() {
        Connection { noise: [Vec::new(), Vec::new()], sizes: vec![100], cut: None }
    } else {
        case.connections.remove(0)
    };
    let (words, (out, err), last) = match asked.program {
        Program::Start => ("started".to_owned(), (0, 0), end(case.code)),
        Program::Follow => (format!("ended {}", case.code), asked.offsets(), end(0)),
        Program::Stop | Program::Clean => return Ok(asked.answer("removed")),
    };
    let [noise, noise_on_stderr] = &connection.noise;
    let stdout = [&noise[..], &asked.words(&words), &case.stdout[out..]].concat();
    let stderr = [&noise_on_stderr[..], &asked.says_on_stderr(), &case.stderr[err..]].concat();
    Ok(connection.plays(&stdout, &stderr, last))
}

/// P16: also a marker or a character that comes in pieces, a cut in the middle of either, and any
/// number of cuts. A run is started once, and each follow begins at the byte after the last.
#[test]
fn p16_output_in_any_pieces_and_with_any_cuts_is_complete() {
    let world = World::new();
    let now: Arc<Mutex<Option<Case>>> = Arc::default();
    let of_machine = Arc::clone(&now);
    world.ssh.always(actor(move |asked| {
        if !asked.is_ours() {
            return Ok(asked.answer("removed"));
        }
        plays(of_machine.lock().unwrap().as_mut().unwrap(), &asked)
    }));
    let mut runner = TestRunner::new(Config { cases: 250, ..Config::default() });
    let run = runner.run(&cases(), |case| {
        world.ssh.take_calls();
        *now.lock().unwrap() = Some(case.clone());
        let id = world.operations.submit(request(&["a"], &["one"]), &somebody()).unwrap();
        world.wait(id);
        let (_, logs) = world.view(id);
        let (log, output) = &logs[0];
        prop_assert_eq!((log.exit_code, &log.error), (Some(case.code), &None));
        prop_assert_eq!(log.status == ExecutionStatus::Success, case.code == 0);
        prop_assert_eq!(&output.stdout, &case.stdout);
        prop_assert_eq!(&output.stderr, &case.stderr);
        let starts = world.programs("a").iter().filter(|one| **one == Program::Start).count();
        prop_assert_eq!(starts, 1);
        Ok(())
    });
    run.unwrap();
}
