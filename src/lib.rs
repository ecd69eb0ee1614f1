//! LinkOps: a self-hosted, agentless SSH control plane.

pub mod api;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod enrollment;
pub mod error;
pub mod http;
pub mod inventory;
pub mod logging;
pub mod operations;
pub mod server;
pub mod ssh;
pub mod store;
pub mod threads;
