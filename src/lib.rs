//! Baton.
pub mod config;
pub mod domain;
pub mod http;
pub mod ids;
pub mod secret;
pub mod simulator;
pub mod storage;
pub mod telemetry;
pub mod time;
