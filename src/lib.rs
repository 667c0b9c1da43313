//! Baton.
pub mod domain;
pub mod http;
pub mod ids;
pub mod oz;
pub mod pace;
pub mod simulator;
pub mod slack;
pub mod storage;
pub mod time;
