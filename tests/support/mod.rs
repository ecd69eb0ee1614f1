//! What several test files need: real servers and real repositories, in directories of their own.

pub(crate) mod repository;
