//! Stories: the real router, store and workers on a manual clock, with the simulated platforms over
//! real HTTP on loopback. A story says what people do and what they then see.

mod children_run;
mod crashes;
mod deciding;
mod door;
mod happy;
mod kill;
mod saying;
mod story;
mod talking;
mod ways_in;

pub use story::Story;
