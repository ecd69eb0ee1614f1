//! Terminals: shells on real machines, in panes, over real WebSockets.

use std::fs;

use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;
use crate::support::network::Cuttable;
use crate::support::terminal::{Tab, workspace};
use crate::support::{deadline, wait_until};

mod detach;
mod ends;
mod flood;
mod opening;
mod programs;
mod properties;
mod recordings;
mod typing;
mod workspaces;

/// LinkOps with machines and a workspace on them.
struct Lab {
    fleet: Fleet,
    linkops: LinkOps,
    workspace: String,
}

impl Lab {
    /// Four panes on as many machines.
    fn new() -> Lab {
        Lab::with("")
    }

    /// The same with more configuration.
    fn with(settings: &str) -> Lab {
        let fleet = Fleet::new(4);
        fleet.commit();
        let linkops = LinkOps::start_with(&fleet, settings);
        let panes = [("A", "vps-01"), ("B", "vps-02"), ("C", "vps-03"), ("D", "vps-04")];
        let workspace = workspace(&linkops, &panes);
        Lab { fleet, linkops, workspace }
    }

    /// One pane, whose machine is reached over a link.
    fn over_a_link(settings: &str) -> (Lab, Cuttable) {
        let mut fleet = Fleet::new(1);
        let link = Cuttable::start(fleet.sshd.port());
        fleet.machines[0].port = link.port();
        fleet.commit();
        let linkops = LinkOps::start_with(&fleet, settings);
        let workspace = workspace(&linkops, &[("A", "vps-01")]);
        (Lab { fleet, linkops, workspace }, link)
    }

    fn open(&self) -> Tab {
        Tab::open(&self.linkops, &self.workspace)
    }

    fn connected(&self, panes: &[&str]) -> Tab {
        Tab::connected(&self.linkops, &self.workspace, panes)
    }

    /// The workspace as it is told.
    fn view(&self) -> serde_json::Value {
        let path = format!("/api/terminal/workspaces/{}", self.workspace);
        self.linkops.get(&path).expect(200)
    }

    /// What is there when somebody has looked and gone again.
    fn before(&self) -> Count {
        drop(self.open());
        wait_until(deadline(), "nobody looks", || self.view()["sockets"] == 0);
        let mut now = self.count();
        wait_until(deadline(), "no thread is left", || {
            now = self.count();
            now.threads.is_empty()
        });
        now
    }

    fn count(&self) -> Count {
        let path = |name: &str| format!("/proc/{}/{name}", self.linkops.id());
        let entries = |name: &str| fs::read_dir(path(name)).unwrap().flatten();
        let name = |path: std::path::PathBuf| fs::read_to_string(path).unwrap_or_default();
        let threads = entries("task").map(|task| name(task.path().join("comm")).trim().to_owned());
        let mut threads: Vec<String> = threads.collect();
        threads.retain(|name| name.starts_with("pane-") || name.starts_with("stream-"));
        Count {
            shells: self.fleet.sshd.running("bash").len(),
            descriptors: entries("fd").count(),
            threads,
        }
    }

    /// Everything that terminals take is given back.
    #[track_caller]
    fn is_as_it_was(&self, before: &Count) {
        wait_until(deadline(), "everything was given back", || {
            let now = self.count();
            now.descriptors <= before.descriptors
                && now.shells <= before.shells
                && now.threads == before.threads
        });
    }
}

/// What terminals take.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Count {
    /// Processes on the machines.
    shells: usize,
    /// Of the server.
    descriptors: usize,
    /// Those of panes and sockets.
    threads: Vec<String>,
}
