//! The pages of docs/ that show how to talk to LinkOps: their `sh` blocks are run as they stand, in
//! one shell per page, against a server of their own. A block that is no command but a program
//! says its name behind the language: "```bash follow".
//!
//! To let a page join, add a test that calls `run` with it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;

/// Where the pages say that the server is.
const SHOWN: &str = "http://127.0.0.1:8000";
/// What people type where a command reads a line.
const PASSWORD: &str = "correct horse battery";
/// Seconds for all commands of a page.
const PATIENCE: &str = "60";

/// A fenced block of a page.
struct Block {
    /// The line of its first fence.
    line: usize,
    /// What stands behind that fence.
    language: String,
    text: String,
}

/// The fenced blocks of a page.
fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (line, text) in (1..).zip(page.lines()) {
        match (text.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(language), None) => {
                open = Some(Block { line, language: language.to_owned(), text: String::new() });
            }
            (None, Some(block)) => block.text += &format!("{text}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block has no end");
    found
}

/// A server with an operator ann, two machines and the finished operation OP-10001; and a folder
/// of programs for the shell.
struct World {
    linkops: LinkOps,
    token: String,
    directory: tempfile::TempDir,
    _fleet: Fleet,
}

impl World {
    fn new() -> World {
        let mut fleet = Fleet::new(2);
        fleet.script("hello", "echo hello from $HOSTNAME");
        fleet.commit();
        let linkops = LinkOps::start(&fleet);
        let id = linkops.run(&["hello"], &fleet.ids(), Value::Null);
        assert_eq!(id, "OP-10001");
        linkops.wait(&id);
        let token = crate::api::person(&linkops, "ann", "operator");
        let world =
            World { linkops, token, directory: tempfile::tempdir().unwrap(), _fleet: fleet };
        let (program, directory) = (env!("CARGO_BIN_EXE_linkopsd"), world.linkops.directory());
        let configuration = directory.join("config.ini");
        let text = format!("exec {program} \"$@\" --config {}", configuration.display());
        world.program("linkopsd", &format!("#!/bin/sh\n{text}\n"));
        // A refusal ends the page, also where its reader would only have seen it.
        fs::write(world.path(".curlrc"), "fail\n").unwrap();
        fs::write(world.path("typed"), format!("{PASSWORD}\n")).unwrap();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn program(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The page as one script; each block finds the same line on its standard input.
    fn script(&self, page: &str) -> String {
        let mut script = "set -euo pipefail\n".to_owned();
        for Block { line, language, text } in blocks(page) {
            match language.split_once(' ').unwrap_or((&language, "")) {
                ("sh", "") => {
                    let text = text.replace(SHOWN, &format!("http://{}", self.linkops.address()));
                    script += &format!("echo '-- line {line}' >&2\n{{\n{text}}} <typed\n");
                }
                ("bash", name) if !name.is_empty() => self.program(name, &text),
                _ => {}
            }
        }
        script
    }
}

/// Runs a page; all of `expected` must stand in what its commands print.
fn run(file: &str, expected: &[&str]) {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let world = World::new();
    let script = world.script(&page);
    assert!(script.contains("-- line"), "{file} has no commands");
    fs::write(world.path("page"), script).unwrap();
    let path = format!("{}:{}", world.directory.path().display(), std::env::var("PATH").unwrap());
    let done = Command::new("timeout")
        .args([PATIENCE, "bash", "page"])
        .current_dir(&world.directory)
        .env("PATH", path)
        .env("CURL_HOME", world.directory.path())
        .env("LINKOPS", format!("http://{}", world.linkops.address()))
        .env("TOKEN", &world.token)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{file}: {}\n{out}\n{err}", done.status);
    for text in expected {
        assert!(out.contains(text), "{file}: no {text:?} in\n{out}\n{err}");
    }
}

#[test]
fn what_the_page_on_authentication_shows_works() {
    run("docs/AUTHENTICATION.md", &[r#""username":"ann","role":"operator""#]);
}

#[test]
fn what_the_page_on_events_shows_works() {
    run("docs/EVENTS.md", &["hello from "]);
}

#[test]
fn blocks_are_found_with_their_language_and_line() {
    let found = blocks("a\n```sh\none\n\ntwo\n```\n```\nplain\n```\n");
    let found: Vec<_> =
        found.iter().map(|one| (one.line, &one.language[..], &one.text[..])).collect();
    assert_eq!(found, [(2, "sh", "one\n\ntwo\n"), (7, "", "plain\n")]);
}
