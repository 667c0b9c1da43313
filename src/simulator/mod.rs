//! Slack, Linear and Oz as they behave, over real HTTP on loopback.
//!
//! Used by `baton dev` and by the stories. Each simulated platform has wire structs of its own and
//! enforces its platform's rules, so that a mistake in our client is not mirrored here.

pub mod faults;
pub mod http;
pub mod linear;
mod names;
pub mod oz;
pub mod playground;
pub mod slack;
mod world;

pub use world::World;
