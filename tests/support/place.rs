//! A configuration in a directory of its own, and commands that run with it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Long enough to sign with.
pub const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A configuration in a directory of its own.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new(more: &str) -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        fs::create_dir(place.path("keys")).unwrap();
        place.configure(&format!(
            "[api]\nport = 0\njwt_secret = {SECRET}\n[database]\npath = linkops.db\n\
             [git]\nrepository_url = /nowhere\nlocal_path = git-repo\nsync_interval_minutes = 0\n\
             [ssh]\nkeys_directory = keys\nknown_hosts_path = known_hosts\n\
             [logging]\npath = api.log\n{more}"
        ));
        place
    }

    pub fn configure(&self, text: &str) {
        fs::write(self.path("config.ini"), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_linkopsd"));
        command.args(arguments).arg("--config").arg(self.path("config.ini"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end with this on standard input.
    pub fn run(&self, arguments: &[&str], input: &str) -> Done {
        let mut child = self.command(arguments).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes()); // it may not read
        Done::from(child.wait_with_output().unwrap())
    }

    /// Starts the server, stops it when it listens, and gives all that it printed.
    pub fn serve_once(&self) -> Done {
        let mut child = self.command(&["serve"]).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        std::io::Read::read_to_string(&mut out, &mut line).unwrap();
        Done { out: line, ..Done::from(child.wait_with_output().unwrap()) }
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Done {
    /// The exit code; none for a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Done {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Done {
    #[track_caller]
    pub fn ok(&self, out: &str) {
        assert_eq!((self.code, &self.out[..], &self.err[..]), (Some(0), out, ""), "{self:?}");
    }

    /// It failed with this code, said why on standard error, and printed nothing else.
    #[track_caller]
    pub fn failed(&self, code: i32, parts: &[&str]) {
        assert_eq!((self.code, &self.out[..]), (Some(code), ""), "{self:?}");
        assert!(self.err.starts_with("linkopsd: "), "{self:?}");
        for part in parts {
            assert!(self.err.contains(part), "{part:?} is not in {self:?}");
        }
    }
}
