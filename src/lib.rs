//! Baton.
pub mod app;
pub mod cli;
pub mod config;
pub mod delivery;
pub mod domain;
pub mod http;
pub mod ids;
pub mod manifest;
pub mod oz;
pub mod pace;
pub mod secret;
pub mod simulator;
pub mod slack;
pub mod storage;
pub mod telemetry;
pub mod time;
pub mod web;
