//! What goes into the audit log: who asked, proposed, decided and was refused, and what was launched
//! because of it. The trail tells how an orchestration came to its state; this proves who let it.

use super::actor::Actor;

/// One decision, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: Kind,
    pub by: Option<Actor>,
    /// The proposal that it is about: its version and whole digest.
    pub about: Option<(u32, String)>,
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Requested,
    Proposed,
    Edited,
    Approved,
    /// By the policy, without anybody.
    ApprovedByPolicy,
    Rejected,
    ChangesRequested,
    Refused,
    Launched,
    /// Somebody wanted a child again.
    Retried,
    Stopped,
    Expired,
    /// Something was started that nobody approved.
    Breach,
    Ended,
}

impl Kind {
    /// As it stands in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Proposed => "proposed",
            Self::Edited => "edited",
            Self::Approved => "approved",
            Self::ApprovedByPolicy => "approved_by_policy",
            Self::Rejected => "rejected",
            Self::ChangesRequested => "changes_requested",
            Self::Refused => "refused",
            Self::Launched => "launched",
            Self::Retried => "retried",
            Self::Stopped => "stopped",
            Self::Expired => "expired",
            Self::Breach => "breach",
            Self::Ended => "ended",
        }
    }
}
