//! Who may do what: one table, checked once, that answers with a reason.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::actor::{Actor, Platform};
use crate::time::Timestamp;

/// The rules for one orchestration, as they were when it started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The name in the settings; `default` when no route names one.
    pub name: String,
    /// Who may decide; none means anyone in the conversation.
    pub approvers: Vec<Approver>,
    /// How many distinct people have to approve.
    pub quorum: u32,
    /// May the one who asked count.
    pub self_approval: bool,
    /// Who may start; none means anyone.
    pub starters: Vec<Approver>,
    /// A proposal that nobody decided lapses after this.
    #[serde(with = "millis")]
    pub expires_after: Duration,
    pub breach: Breach,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            name: "default".into(),
            approvers: Vec::new(),
            quorum: 1,
            self_approval: true,
            starters: Vec::new(),
            expires_after: Duration::from_hours(24),
            breach: Breach::Cancel,
        }
    }
}

/// One entry of `approvers` or `starters`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approver {
    /// `slack:U024BE7LH`, `linear:9c3e…`
    Member { platform: Platform, id: String },
}

/// What happens when a child appears before the approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Breach {
    /// Cancel its fleet.
    Cancel,
    /// Tell it only.
    Report,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    pub by: Actor,
    pub at: Timestamp,
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Start,
    Approve,
    Reject,
    RequestChanges,
}

/// The answer, with its reason when it is no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    Refused(Refusal),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    NotAStarter,
    NotAnApprover,
    OwnRequest,
    AlreadyApproved,
}

impl Policy {
    /// Whether `actor` may do `wish` about a request that `asker` made and that `votes` approved so far.
    #[must_use]
    pub fn verdict(&self, wish: Wish, actor: &Actor, asker: &Actor, votes: &[Vote]) -> Verdict {
        match wish {
            Wish::Start if !listed(&self.starters, actor) => Verdict::Refused(Refusal::NotAStarter),
            // Whoever asked may always take it back or have it changed.
            Wish::Reject | Wish::RequestChanges if actor == asker => Verdict::Allowed,
            Wish::Approve | Wish::Reject | Wish::RequestChanges if !listed(&self.approvers, actor) => {
                Verdict::Refused(Refusal::NotAnApprover)
            }
            Wish::Approve if !self.self_approval && actor == asker => Verdict::Refused(Refusal::OwnRequest),
            Wish::Approve if votes.iter().any(|vote| vote.by == *actor) => Verdict::Refused(Refusal::AlreadyApproved),
            Wish::Start | Wish::Approve | Wish::Reject | Wish::RequestChanges => Verdict::Allowed,
        }
    }
}

impl Approver {
    fn covers(&self, actor: &Actor) -> bool {
        match self {
            Self::Member { platform, id } => *platform == actor.platform && *id == actor.id,
        }
    }
}

fn listed(list: &[Approver], actor: &Actor) -> bool {
    list.is_empty() || list.iter().any(|entry| entry.covers(actor))
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        let ada = Actor::slack("T", "UADA");
        let grace = Actor::slack("T", "UGRACE");
        let listed = |people: &[&str]| {
            people.iter().map(|id| Approver::Member { platform: Platform::Slack, id: (*id).into() }).collect::<Vec<_>>()
        };
        let open = Policy::default();
        let strict = Policy { approvers: listed(&["UGRACE", "UADA"]), self_approval: false, ..Policy::default() };
        let closed = Policy { starters: listed(&["UGRACE"]), ..Policy::default() };
        let graces = [Vote { by: grace.clone(), at: Timestamp::default() }];
        let refused = Verdict::Refused;

        for (policy, wish, actor, votes, verdict) in [
            (&open, Wish::Start, &ada, &[][..], Verdict::Allowed),
            (&open, Wish::Approve, &ada, &[], Verdict::Allowed),
            (&open, Wish::Approve, &grace, &graces, refused(Refusal::AlreadyApproved)),
            (&closed, Wish::Start, &ada, &[], refused(Refusal::NotAStarter)),
            (&strict, Wish::Approve, &ada, &[], refused(Refusal::OwnRequest)),
            (&strict, Wish::Approve, &grace, &[], Verdict::Allowed),
            (&strict, Wish::Approve, &Actor::slack("T", "ULINUS"), &[], refused(Refusal::NotAnApprover)),
            (&strict, Wish::Reject, &Actor::slack("T", "ULINUS"), &[], refused(Refusal::NotAnApprover)),
            (&strict, Wish::Reject, &ada, &[], Verdict::Allowed),
        ] {
            assert_eq!(policy.verdict(wish, actor, &ada, votes), verdict, "{wish:?} by {}", actor.id);
        }
    }
}
