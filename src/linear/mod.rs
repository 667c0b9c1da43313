//! Baton's Linear edge: what comes in becomes events of the domain, what goes out is carried out
//! here, and nothing behind it sees JSON.
//!
//! In: `webhook` (the door, with `signature` and `envelope`) → the inbox → `inbound` (with `context`
//! and `mention`). Out: the outbox → `deliver` → `render` (with `text` and `markdown`) and `outline`
//! → `client` (its documents in `queries`, its files through `upload`) → `exchange` (with `token`,
//! errors told by `failure`), paced by `limits`. `lookback` reads back what webhooks may have failed to
//! tell. Installs: `install` → `oauth` → the store, where `installed` finds each workspace's tokens.
//! Only `webhook`, `client`, `deliver`, `exchange`, `lookback`, `token`, `upload`, `oauth`, `install`
//! and `installed` do I/O; the rest is pure.

pub mod client;
pub mod context;
pub mod deliver;
pub mod envelope;
mod exchange;
pub mod failure;
#[cfg(test)]
mod fake;
pub mod inbound;
pub mod limits;
pub mod lookback;
pub mod markdown;
pub mod mention;
pub mod oauth;
pub mod outline;
pub mod own_id;
pub mod queries;
pub mod render;
#[cfg(test)]
mod schema;
pub mod signature;
pub mod text;
pub mod token;
mod upload;
pub mod webhook;

pub use client::{Linear, Viewer};
pub use lookback::Missed;
pub use token::Tokens;
