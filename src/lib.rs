//! LinkOps: a self-hosted, agentless SSH control plane.
//!
//! One process serves HTTP on one side and speaks SSH on the other; between them stand one SQLite
//! database and a copy of one Git repository. All of it is threads and blocking calls.
//!
//! The modules, in the order in which they can be read: each uses only those before it.
//!
//! *What everybody uses.* [`error`] says what can go wrong, by cause. [`clock`] is the time of
//! day, `hex` bytes in digits, `random` what nobody can guess, [`threads`] every thread and what it can
//! wait for, `words` makes enums of words, [`systemd`] tells how we are, [`config`] is all that can be
//! set, [`logging`] where records go.
//!
//! *The three edges.* [`http`] turns bytes into requests, under limits and deadlines, and knows
//! nothing of what is served. [`ssh`] gives lines to machines. [`store`] lends the database and
//! names no feature.
//!
//! *The features*, a noun each, with their SQL in their `store.rs`. [`audit`]: who did what, for
//! all the others. [`auth`]: who is calling, and what they may do. [`backup`]: whether a copy of the
//! database is good, and how it is put back. [`inventory`]: the machines and scripts of the
//! repository. [`exchange`]: the same in the words of other tools. [`enrollment`]: machines prove
//! that they are the ones that are meant. [`health`]: whether they answer, and how fast.
//! [`operations`]: scripts run on machines, and a run outlives its connection and LinkOps itself.
//! [`terminal`]: shells in panes, which outlive the browser that looks at them. [`tables`]: all of
//! it as lists, with filters, orders and pages.
//!
//! *What brings them together.* [`api`] is the wire contract, with the table of calls. [`console`]
//! has the web page. [`server`] opens, wires, starts and stops everything, and is the only module
//! that sees the whole. [`doctor`] looks at an installation from outside. [`cli`] is the command
//! line.
//!
//! Which module may use which is a table in `tests/tidy/table.rs`, kept by a test. The reasons are
//! in docs/architecture.md, the threads and locks in docs/threads.md.

pub mod error;

pub mod clock;
mod hex;
mod random;
pub mod threads;
mod words;

pub mod systemd;

pub mod config;
pub mod logging;

pub mod http;
pub mod ssh;
pub mod store;

pub mod audit;
pub mod auth;
pub mod backup;
pub mod inventory;

pub mod exchange;

pub mod enrollment;
pub mod health;
pub mod operations;
pub mod terminal;

pub mod tables;

pub mod api;
pub mod console;
pub mod server;

pub mod doctor;

pub mod cli;
