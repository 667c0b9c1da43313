//! Baton.
pub mod http;
pub mod ids;
pub mod simulator;
pub mod time;
