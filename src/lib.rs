//! Baton.
pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod http;
pub mod ids;
pub mod manifest;
pub mod secret;
pub mod simulator;
pub mod storage;
pub mod telemetry;
pub mod time;
