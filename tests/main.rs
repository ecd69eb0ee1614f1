//! All tests that need more than one module: one binary, which links once.

mod auth;
mod auth_tokens;
mod auth_users;
mod http;
mod ssh;
mod support;
