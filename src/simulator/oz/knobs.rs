//! What a story can turn and arrange: how the simulated Oz behaves, and what its agents do next.

use std::{collections::VecDeque, time::Duration};

use super::{run::Ending, task::Child};

/// How the simulated Oz behaves where the real one may behave either way.
#[derive(Clone, Debug)]
pub struct Knobs {
    /// Lists can be filtered by metadata; else 403 `feature_not_available`.
    pub metadata_filter: bool,
    /// `ancestor_run_id` lists the parent's own row too.
    pub ancestor_includes_parent: bool,
    /// A run shows its old state for this long after a follow-up was accepted.
    pub stale_reads_after_follow_up: Duration,
    /// A BLOCKED run takes answers in its session only; a follow-up gets 400.
    pub blocked_refuses_follow_up: bool,
    /// A working run takes no follow-up: 400.
    pub working_refuses_follow_up: bool,
    /// Creates say `at_capacity`, and runs stay QUEUED longer.
    pub at_capacity: bool,
    /// A page of a list holds no more than this, whatever `limit` says.
    pub page_cap: usize,
    /// The account has credits; else starting and continuing runs gets 403 `insufficient_credits`.
    pub credits: bool,
    /// Requests need a key that starts with `wk-`.
    pub require_auth: bool,
    /// Answers use words and fields that nobody has documented, and leave out optional ones.
    pub strange: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            metadata_filter: true,
            ancestor_includes_parent: true,
            stale_reads_after_follow_up: Duration::from_secs(2),
            blocked_refuses_follow_up: false,
            working_refuses_follow_up: false,
            at_capacity: false,
            page_cap: 100,
            credits: true,
            require_auth: true,
            strange: false,
        }
    }
}

/// What a story has arranged.
#[derive(Debug, Default)]
pub struct Steering {
    /// What parents propose, and how often that was changed.
    pub proposal: Option<(u32, Vec<Child>)>,
    /// Words, and the plan that is written beside them.
    pub sayings: VecDeque<(String, Option<String>)>,
    /// Names of children, and how their next run ends.
    pub endings: Vec<(String, Ending)>,
    pub parent_endings: VecDeque<Ending>,
    pub holding: bool,
}
