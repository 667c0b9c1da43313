//! What Baton knows and decides, and nothing that reaches outside: no async, clock, randomness,
//! SQL, HTTP or tracing. `now` is an argument, timers are data, effects are values.

pub mod actor;
pub mod artifact;
pub mod audit;
pub mod board;
pub mod command;
pub mod conversation;
pub mod decide;
pub mod edit;
pub mod effect;
pub mod errand;
pub mod failure;
pub mod input;
pub mod issue;
pub mod message;
pub mod options;
pub mod orchestration;
pub mod parse;
pub mod policy;
pub mod proposal;
pub mod route;
pub mod run;
pub mod text;
pub mod wish;
pub mod words;
