//! One run of a program under a time limit, together with all that it starts.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::threads::Latch;

/// How a run ended.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) end: End,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// What ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The program.
    Exit(ExitStatus),
    /// Its time was over.
    TimedOut,
    /// The stop latch.
    Stopped,
}

/// What is kept of each stream: the end, where the reason of a failure stands.
const KEPT: usize = 64 << 10;

/// Reads after the end: more than two pipes hold. A process that left the group and goes on
/// writing must not keep us.
const LAST_READS: usize = 512;

/// Time between asking and forcing; git uses it to remove its lock files.
const GRACE: Duration = Duration::from_secs(2);

/// Runs a command to its end, or until `limit` or `stop`. Nothing of it is left afterwards: it
/// leads a process group, and the group is ended with it.
pub(super) fn run(command: &mut Command, limit: Duration, stop: &Latch) -> io::Result<Output> {
    let deadline = Instant::now() + limit;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    let group = Pid::from_child(&child);
    let mut stdout = Stream::new(child.stdout.take());
    let mut stderr = Stream::new(child.stderr.take());
    let watched = watch(group, deadline, stop, &mut stdout, &mut stderr);
    // The leader is not waited for yet, so its number cannot belong to another group.
    let _ = kill_process_group(group, Signal::KILL);
    let status = child.wait()?;
    let cut = watched?;
    for _ in 0..LAST_READS {
        if !wait(&mut [&mut stdout, &mut stderr], &[], Duration::ZERO)?.0 {
            break;
        }
    }
    let end = cut.unwrap_or(End::Exit(status));
    Ok(Output { end, stdout: stdout.kept, stderr: stderr.kept })
}

/// Reads both streams until the program ends; says what ended it, if it did not end by itself.
fn watch(
    group: Pid,
    deadline: Instant,
    stop: &Latch,
    stdout: &mut Stream,
    stderr: &mut Stream,
) -> io::Result<Option<End>> {
    let exit = pidfd_open(group, PidfdFlags::empty())?;
    let cut = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break End::TimedOut;
        }
        let (_, ready) = wait(&mut [stdout, stderr], &[exit.as_fd(), stop.as_fd()], left)?;
        match ready[..] {
            [true, _] => return Ok(None),
            [_, true] => break End::Stopped,
            _ => {}
        }
    };
    let _ = kill_process_group(group, Signal::TERM);
    let deadline = Instant::now() + GRACE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let (_, ready) = wait(&mut [stdout, stderr], &[exit.as_fd()], left)?;
        if ready[0] || left.is_zero() {
            return Ok(Some(cut));
        }
    }
}

/// Waits for something to read or one of `others`; reads a piece of each stream that has one.
/// Says whether anything was read or ended, and which of `others` are ready.
fn wait(
    streams: &mut [&mut Stream],
    others: &[BorrowedFd<'_>],
    time: Duration,
) -> io::Result<(bool, Vec<bool>)> {
    let open: Vec<usize> = (0..streams.len()).filter(|n| streams[*n].pipe.is_some()).collect();
    let ready = {
        let pipes = open.iter().filter_map(|n| streams[*n].pipe.as_ref()).map(|one| one.as_fd());
        let mut fds: Vec<_> = pipes
            .chain(others.iter().copied())
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        let time = Timespec {
            tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: time.subsec_nanos().into(),
        };
        match poll(&mut fds, Some(&time)) {
            Ok(_) => fds.iter().map(|fd| !fd.revents().is_empty()).collect(),
            Err(rustix::io::Errno::INTR) => vec![false; fds.len()],
            Err(error) => return Err(error.into()),
        }
    };
    let (pipes, others) = ready.split_at(open.len());
    for (n, _) in open.iter().zip(pipes).filter(|(_, ready)| **ready) {
        streams[*n].read();
    }
    Ok((pipes.contains(&true), others.to_vec()))
}

/// A pipe and the end of what came out of it.
struct Stream {
    pipe: Option<File>,
    kept: Vec<u8>,
}

impl Stream {
    fn new(pipe: Option<impl Into<OwnedFd>>) -> Stream {
        Stream { pipe: pipe.map(|one| File::from(one.into())), kept: Vec::new() }
    }

    /// Reads once, which does not block after a poll said so.
    fn read(&mut self) {
        let mut piece = [0; 8 << 10];
        match self.pipe.as_mut().map(|pipe| pipe.read(&mut piece)) {
            Some(Ok(size)) if size > 0 => {
                self.kept.extend_from_slice(&piece[..size]);
                let over = self.kept.len().saturating_sub(KEPT);
                self.kept.drain(..over);
            }
            Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => self.pipe = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Output {
        let stop = Latch::new().unwrap();
        run(Command::new("sh").args(["-c", script]), limit, &stop).unwrap()
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn output_and_status_arrive() {
        let output = shell("echo out; echo err >&2; exit 3", LONG);
        assert!(matches!(output.end, End::Exit(status) if status.code() == Some(3)));
        assert_eq!(
            (output.stdout.as_slice(), output.stderr.as_slice()),
            (&b"out\n"[..], &b"err\n"[..])
        );
    }

    #[test]
    fn a_flood_on_both_streams_is_read_on_and_bounded() {
        let flood = "head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero; echo end";
        let output = shell(flood, LONG);
        assert_eq!((output.stdout.len(), output.stderr.len()), (KEPT, KEPT));
        assert!(output.stdout.ends_with(b"end\n"));
    }

    #[test]
    fn the_time_limit_ends_the_whole_group() {
        let output =
            shell("trap '' TERM; sleep 1000 & echo $!; sleep 1000", Duration::from_millis(300));
        assert_eq!(output.end, End::TimedOut);
        ends(&output);
    }

    #[test]
    fn a_child_that_keeps_the_pipes_does_not_hold_us() {
        let output = shell("sleep 1000 & echo $!", LONG);
        assert!(matches!(output.end, End::Exit(status) if status.success()));
        ends(&output);
    }

    #[test]
    fn the_stop_latch_interrupts() {
        let stop = Latch::new().unwrap();
        stop.set();
        let output = run(Command::new("sleep").arg("1000"), LONG, &stop).unwrap();
        assert_eq!(output.end, End::Stopped);
    }

    /// Waits for the end of the process whose number was printed: it was killed, which is quick
    /// but not at once. One whose parent is gone too may stay as a zombie until it is reaped.
    fn ends(output: &Output) {
        let pid = String::from_utf8(output.stdout.clone()).unwrap();
        let stat = format!("/proc/{}/stat", pid.trim());
        let deadline = Instant::now() + LONG;
        while std::fs::read_to_string(&stat)
            .is_ok_and(|stat| !stat.rsplit(") ").next().unwrap_or_default().starts_with(['Z', 'X']))
        {
            assert!(Instant::now() < deadline, "{pid} still runs");
            std::thread::yield_now();
        }
    }
}
