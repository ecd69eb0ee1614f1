//! All tests that need more than one module: one binary, which links once.

mod api;
mod audit;
mod auth;
mod auth_tokens;
mod auth_users;
mod backup;
mod cli;
mod configuration;
mod doctor;
mod enrollment;
mod exchange;
mod git_sync;
mod git_sync_servers;
mod health;
mod http;
mod inventory;
mod inventory_model;
mod inventory_properties;
mod inventory_scripts;
mod operations;
mod secrets;
mod ssh;
mod support;
mod systemd;
mod tidy;
