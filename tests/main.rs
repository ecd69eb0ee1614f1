//! All tests that need more than one module: one binary, which links once.

mod git_sync;
mod git_sync_servers;
mod inventory;
mod inventory_model;
mod inventory_properties;
mod inventory_scripts;
mod support;
