//! LinkOps: a self-hosted, agentless SSH control plane.

pub mod auth;
pub mod clock;
pub mod config;
pub mod error;
pub mod logging;
pub mod store;
pub mod threads;
