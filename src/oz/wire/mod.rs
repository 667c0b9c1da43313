//! Oz's words for runs, artifacts and choices, and what they are in ours.
//!
//! Fields that Baton has no use for are left out. All that is read may be absent, null or new: see
//! `lenient`. Names follow Warp's "Agent API" reference.

mod artifact;
mod choices;
mod request;
mod run;

pub use artifact::{Data, Fetched};
pub use choices::{Environments, Models, Skills};
pub(super) use request::{NewFollowUp, NewRun};
pub use run::{RunItem, Runs};

/// `config.name` of every run of ours; lists can be filtered by it.
pub(super) const CONFIG_NAME: &str = "baton";
/// The metadata key that names one start of a run.
pub(super) const DISPATCH: &str = "baton.dispatch";
