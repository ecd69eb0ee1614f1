//! The test suite: one binary, one file per endpoint or promise.
mod http;
mod support;
