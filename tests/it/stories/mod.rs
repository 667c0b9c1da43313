//! Stories: the real router, store and workers on a manual clock, with the simulated platforms over
//! real HTTP on loopback. A story says what people do and what they then see.

mod allowed;
mod approving_in_linear;
mod children_run;
mod clocks;
mod crashes;
mod deciding;
mod door;
mod editing;
mod happy;
mod installing;
mod keeping;
mod kill;
mod leases;
mod linear;
mod lines;
mod mended;
mod outages;
mod parked;
mod proof;
mod saying;
mod session;
mod socket;
mod storms;
mod story;
mod talking;
mod ways_in;

pub use story::Story;
