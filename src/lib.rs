//! Baton lets a team run orchestrated agents from the conversations it already has.
//!
//! # The one flow
//!
//! ```text
//! webhook → verify → inbox row (commit) → 200
//!         → a worker takes the event → loads the orchestration → decide
//!                → state + outbox rows + timers + trail + audit (ONE commit)
//!         → a worker claims a delivery → Slack, Linear, Oz → settles it
//!         → what came back is an input again → decide → …
//! ```
//!
//! Progress in Oz, timers that come due and what a delivery brought back enter by the same door: as
//! an [`Input`](domain::input::Input) to [`decide`](domain::decide::decide).
//!
//! # The map
//!
//! | folder | what it is |
//! |---|---|
//! | [`cli`], [`app`] | the command line; putting a whole Baton together, starting and stopping it |
//! | [`config`], [`secret`], [`telemetry`], [`manifest`] | settings, secrets, logs, traces and metrics, what the platforms are told about us |
//! | [`web`] | the operator's pages, health and metrics |
//! | [`delivery`] | the workers: inbox, outbox, timers, following runs, reconciling, retention |
//! | [`simulator`] | Slack, Linear and Oz that behave, for `baton dev` and the stories |
//! | [`slack`], [`linear`], [`oz`] | the edges: door, reading, rendering, client; none of them knows another |
//! | [`door`], [`installs`] | what the platforms do alike: taking an event in, being installed by OAuth |
//! | [`storage`] | SQL, for SQLite and PostgreSQL; nowhere else |
//! | [`domain`] | what Baton knows and decides: pure, no async, clock, SQL or HTTP |
//! | [`ids`], [`time`], [`pace`], [`http`] | what everything stands on |
//!
//! Each may use only what is to its right (`tests/it/shape.rs` checks it):
//!
//! ```text
//! main → cli → app → { web, delivery, simulator } → { slack, linear, oz } → storage → domain → { ids, time }
//! ```
//!
//! # Invariants
//!
//! 1. No 200 and no acknowledgement before the commit; an event is known as seen in the transaction that stores it.
//! 2. State and the effects it causes are written in one transaction, or neither is. No HTTP inside
//!    a transaction.
//! 3. The same decision taken twice makes the same rows: an effect's id derives from the
//!    orchestration, the input with the revision it met, and the effect's position.
//! 4. Work is claimed with a lease and a random token; every settle checks the token, and "lease
//!    lost" is an ordinary outcome.
//! 5. Deliveries of one lane keep their order; lanes are independent; a board edit that is not sent
//!    yet is replaced by the newer one.
//! 6. A post whose answer was lost is looked for before it is repeated; a run whose create was lost
//!    likewise. What is made in Linear carries an id of ours, and a conflict that names it is success.
//! 7. Nothing that was not approved starts: a child's start comes from the approved version alone.
//!    While launches are halted nothing starts at all.
//! 8. A refused click changes nothing that others see.
//! 9. Every state that is not at rest has a delivery under way, a run being followed, a timer, or a
//!    person to wait for: nothing can hang. The reconciler checks it, and does again what was lost.
//! 10. The audit log is only ever added to, in the transaction that decides, and each row holds the
//!     hash of the row before.
//! 11. No secret, token, message text or body in a log line, a trace, a metric or an error.
//! 12. What an event said is gone when it is decided; its names stay, to know duplicates by.

pub mod app;
pub mod cli;
pub mod config;
pub mod delivery;
pub mod domain;
pub mod door;
pub mod http;
pub mod ids;
pub mod installs;
pub mod linear;
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
