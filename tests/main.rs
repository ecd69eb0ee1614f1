//! The tests that need real servers, repositories and databases, in one binary.

mod auth;
