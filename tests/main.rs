//! All tests that need more than one module: one binary, which links once.

mod ssh;
mod support;
