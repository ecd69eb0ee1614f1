//! LinkOps: a self-hosted, agentless SSH control plane.

pub mod clock;
pub mod error;
pub mod http;
pub mod threads;
