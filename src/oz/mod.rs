//! The client of Warp's Oz runs API: starts runs, follows them, talks to them, stops them, and
//! brings back what they made.
//!
//! `client` has one method for each thing that Baton wants; `exchange` carries a request out;
//! `trouble` says what a failed one means; `wire` and `conversation` read answers; `links` guards
//! addresses; `limits` says how fast is polite. The outbox worker and the follower call it.

pub mod client;
pub mod conversation;
mod download;
mod exchange;
mod lenient;
pub mod limits;
mod links;
mod timeline;
mod trouble;
pub mod wire;

#[cfg(test)]
mod tests;

pub use client::{FollowUp, Oz, Page};
pub use download::Download;
