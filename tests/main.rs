//! The test suite: one binary, one file per endpoint or promise.

mod auth;
mod auth_tokens;
mod auth_users;
mod http;
mod support;
