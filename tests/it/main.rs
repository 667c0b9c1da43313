//! One binary for all integration tests. Each body runs on SQLite, and on PostgreSQL where
//! `BATON_TEST_POSTGRES_URL` names a server (`databases.rs`).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod databases;
mod leaks;
mod linear_sdk;
mod policy;
mod shape;
mod store;
mod stories;
mod walk;
