//! Baton's record of carrying one request through.
//!
//! ```text
//!             ┌──────────── request changes, replies ───────────┐
//!             ▼                                                  │
//!  start → Planning → Deciding → Running → Summarising → Ended ──┘ (a reply continues it)
//!             │          │          │           │
//!             └──────────┴── stop ──┴───────────┴→ Stopping → Ended
//! ```
//!
//! The stage says what we are waiting for, and holds only what is true while we do.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    actor::Actor,
    artifact::Artifact,
    command::{Ask, Verb},
    conversation::Conversation,
    edit::Draft,
    effect::{PostKey, Purpose, Slot},
    failure::Problem,
    input::Remark,
    issue::Issue,
    policy::{Policy, Vote},
    proposal::{ChildSpec, Digest, Proposal},
    route::Launch,
    run::{CancelAnswer, Mode, Reading, RunSettings, RunState},
    wish::{Known, Wished},
};
use crate::{
    ids::{DispatchId, OrchestrationId, RunId},
    time::Timestamp,
};

/// A run that shows its old state this long after a follow-up has done its work unseen.
pub const STALE: Duration = Duration::from_secs(45);
/// After this long, whatever is there is taken.
const LONGEST_STALE: Duration = Duration::from_mins(5);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Orchestration {
    pub id: OrchestrationId,
    pub conversation: Conversation,
    /// A second conversation that shows the same, and where people may decide as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Conversation>,
    pub request: Request,
    /// The route's settings with the request's own options over them.
    pub settings: RunSettings,
    pub launch: Launch,
    pub max_children: Option<u32>,
    pub policy: Policy,
    pub stage: Stage,
    /// None while a fan-out with `each:` has not been approved.
    pub parent: Option<Parent>,
    /// How often a parent was started: no two starts have the same dispatch.
    #[serde(default)]
    pub parent_starts: u32,
    pub children: Vec<Child>,
    /// The newest proposal. Only [`Stage::Deciding`] makes it decidable.
    pub proposal: Option<Proposal>,
    /// What became of the versions, oldest first.
    pub versions: Vec<Version>,
    /// Told to the parent as soon as it can hear it.
    pub waiting: Vec<Waiting>,
    /// Artifacts that have been brought back, by [`Artifact::key`]: each is told once.
    pub artifacts: BTreeMap<String, Artifact>,
    /// Our messages that are edited later, by key.
    pub posts: BTreeMap<PostKey, String>,
    /// What could not be brought back, by name.
    pub missing: Vec<String>,
    /// The messages of people that were passed on, by id: their corrections are passed on as well.
    pub heard: Vec<String>,
    /// What people want to do about the proposal, while it is found out whether they may.
    #[serde(default)]
    pub wishes: Vec<Wished>,
    /// What people have changed of the standing proposal and not sent off yet.
    #[serde(default)]
    pub drafts: Vec<Draft>,
    /// Children that were left out for now: they are proposed again when the others have ended.
    #[serde(default)]
    pub held: Vec<ChildSpec>,
    /// What was given for the newest proposal, while the parent changes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub votes_before: Vec<Vote>,
    /// What was found out of people a moment ago.
    #[serde(default)]
    pub known: Vec<Known>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What was asked, in their words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub verb: Verb,
    pub ask: Ask,
    pub by: Actor,
    pub at: Timestamp,
    /// The message that it came as, where it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Earlier messages of the thread.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<Remark>,
    /// What the platform gives agents to read beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<String>,
    /// The issue that it is about (Linear).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<Issue>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// The thread's earlier messages are being read.
    Gathering,
    /// The parent is at work; when it rests, what it says is a proposal, a question or an answer.
    Planning {
        asked: Asked,
    },
    /// The newest proposal waits for people.
    Deciding {
        votes: Vec<Vote>,
        expires_at: Option<Timestamp>,
        posted_at: Timestamp,
        /// Has chosen to ask for changes where there is no form for it: what they say next is that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wording: Option<Actor>,
        /// It is what was held of an earlier version, whose children have ended.
        #[serde(default)]
        rest: bool,
    },
    /// Approved: the children are started and followed.
    Running,
    /// All children are at rest and the parent was given their results.
    /// `asked` once the parent has taken them.
    Summarising {
        asked: bool,
    },
    /// Nothing starts any more; what runs is being cancelled, the children before the parent.
    /// `how` is what it ends as then.
    Stopping {
        by: Actor,
        how: Ending,
        answers: BTreeMap<String, CancelAnswer>,
        /// The children are answered for, and the parent's cancel is on its way.
        parent_asked: bool,
    },
    Ended {
        how: Ending,
        at: Timestamp,
    },
}

/// Why the parent is at work while planning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    First,
    /// Its block was unusable and it was told so; the next one is shown as it is.
    Repair,
    /// Somebody asked for changes, or replied.
    Again,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Ending {
    /// The children are done and summarised, or the one agent has ended.
    Done,
    /// The agent asked or said something instead of proposing; a reply goes on.
    Answered,
    Failed {
        problem: Problem,
    },
    Stopped {
        by: Actor,
    },
    Rejected {
        by: Actor,
        reason: Option<String>,
    },
    Expired,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parent {
    /// Which start it is: the first is 1.
    pub attempt: u32,
    pub run: Option<RunId>,
    pub mode: Mode,
    pub seen: Seen,
    /// A follow-up whose effect has not been seen yet.
    pub told: Option<Told>,
    /// The turns of its conversation that have been read.
    pub turns: u32,
    /// A reading is under way.
    pub reading: bool,
    /// What it said when it last came to rest has been dealt with.
    pub heard_out: bool,
    /// A hash of its PLAN when it was last read: a plan proposes something only when it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}

/// What Oz last said about a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    pub state: RunState,
    pub updated_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The code of its failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Oz says that another start may work.
    #[serde(default)]
    pub retryable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credits: Option<f64>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            state: RunState::Queued,
            updated_at: Timestamp::default(),
            link: None,
            note: None,
            code: None,
            retryable: false,
            credits: None,
        }
    }
}

/// A follow-up under way, or taken: the run goes on showing its old state for a while then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub at: Timestamp,
    pub purpose: Purpose,
    /// Oz has it; before that it is on its way.
    pub taken: bool,
    /// The run has been seen at work since.
    pub worked: bool,
}

impl Told {
    /// What the run shows is older than the follow-up.
    #[must_use]
    pub const fn is_unheard(&self) -> bool {
        self.taken && !self.worked
    }

    /// What a run that rests was read to have said answers the follow-up: it has been at work since,
    /// or it has been told more often than the `turns` that were known and said something after it.
    /// In the end whatever is there is taken.
    #[must_use]
    pub fn is_answered(&self, turns: u32, reading: &Reading, now: Timestamp) -> bool {
        let waited = now.since(self.at);
        let answered = match reading.turns {
            Some(known) => known > turns && reading.last_words.is_some(),
            None => waited >= STALE,
        };
        self.worked || answered || waited >= LONGEST_STALE
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Child {
    /// From 1, for good: a child keeps its number when others are dropped.
    pub number: u32,
    pub spec: ChildSpec,
    pub attempt: u32,
    pub run: Option<RunId>,
    pub seen: Seen,
    pub state: ChildState,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// A follow-up whose effect has not been seen yet.
    pub told: Option<Told>,
    pub turns: u32,
    pub artifacts: Vec<Artifact>,
    /// Of the proposal by which it was approved; none for a child that some run started by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Nobody approved it.
    #[serde(default)]
    pub stranger: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "child", rename_all = "snake_case")]
pub enum ChildState {
    /// For a free place among those that run at once.
    Waiting,
    /// A start is on its way to Oz.
    Starting,
    Working,
    /// It waits for a person, in its session.
    Blocked,
    /// It ended well and its last words are being read.
    Reading,
    Done {
        said: Option<String>,
    },
    /// It will be started again by itself.
    Retrying {
        problem: Problem,
    },
    Failed {
        problem: Problem,
    },
    Cancelled,
}

impl ChildState {
    /// It takes one of the places that the parallelism allows.
    #[must_use]
    pub const fn takes_place(&self) -> bool {
        matches!(self, Self::Starting | Self::Working | Self::Reading)
    }

    /// Nothing more comes of it by itself.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Failed { .. } | Self::Cancelled)
    }
}

/// One version of the proposal and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    pub version: u32,
    pub digest: Digest,
    pub fate: Fate,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    Standing,
    Approved {
        by: Vec<Actor>,
    },
    /// It needed nobody's approval.
    ApprovedByPolicy {
        policy: String,
    },
    Rejected {
        by: Actor,
    },
    ChangesRequested {
        by: Actor,
    },
    Replaced {
        by: u32,
    },
    Expired,
    Stopped {
        by: Actor,
    },
}

impl Fate {
    /// By those whose votes count.
    #[must_use]
    pub fn approved(votes: &[Vote]) -> Self {
        Self::Approved { by: votes.iter().filter(|vote| vote.counts()).map(|vote| vote.by.clone()).collect() }
    }
}

/// A follow-up that waits until the parent exists or rests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    pub slot: Slot,
    pub text: String,
    pub mode: Mode,
    pub purpose: Purpose,
    pub message: Option<String>,
}

impl Child {
    /// Its prompt was approved, so it may be started again. Of a child that its parent started we
    /// know no prompt.
    #[must_use]
    pub const fn is_startable(&self) -> bool {
        self.digest.is_some()
    }
}

impl Orchestration {
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended { .. })
    }

    /// Somebody stopped it after `moment`, or in the same one.
    #[must_use]
    pub fn was_stopped_after(&self, moment: Timestamp) -> bool {
        match &self.stage {
            Stage::Stopping { how: Ending::Stopped { .. }, .. } => true,
            Stage::Ended { how: Ending::Stopped { .. }, at } => moment <= *at,
            _ => false,
        }
    }

    /// The state's word, for columns, lists and metrics.
    #[must_use]
    pub const fn stage_word(&self) -> &'static str {
        match &self.stage {
            Stage::Gathering => "gathering",
            Stage::Planning { .. } => "planning",
            Stage::Deciding { .. } => "deciding",
            Stage::Running => "running",
            Stage::Summarising { .. } => "summarising",
            Stage::Stopping { .. } => "stopping",
            Stage::Ended { how, .. } => match how {
                Ending::Done => "done",
                Ending::Answered => "answered",
                Ending::Failed { .. } => "failed",
                Ending::Stopped { .. } => "stopped",
                Ending::Rejected { .. } => "rejected",
                Ending::Expired => "expired",
            },
        }
    }

    /// The start that is waited for, and not an earlier one.
    #[must_use]
    pub fn awaits_start(&self, slot: Slot, dispatch: &DispatchId) -> bool {
        let attempt = match slot {
            Slot::Parent => self.parent.as_ref().filter(|parent| parent.run.is_none()).map(|parent| parent.attempt),
            Slot::Child(number) => {
                self.child(number).filter(|child| child.state == ChildState::Starting).map(|child| child.attempt)
            }
        };
        attempt.is_some_and(|attempt| *dispatch == DispatchId::of(&self.id, &slot.to_string(), attempt))
    }

    #[must_use]
    pub fn child(&self, number: u32) -> Option<&Child> {
        self.children.iter().find(|child| child.number == number)
    }

    pub fn child_mut(&mut self, number: u32) -> Option<&mut Child> {
        self.children.iter_mut().find(|child| child.number == number)
    }

    /// A child by what a person calls it: its number, `#` and its number, or its name.
    #[must_use]
    pub fn child_called(&self, word: &str) -> Option<&Child> {
        let word = word.trim().trim_end_matches(':').trim_start_matches('#');
        if let Ok(number) = word.parse() {
            return self.child(number);
        }
        self.children.iter().find(|child| child.spec.name.trim().eq_ignore_ascii_case(word))
    }

    /// Nothing moves before somebody decides here, or answers a run in its session.
    #[must_use]
    pub fn waits_for_people(&self) -> bool {
        let parent = self.parent.as_ref().is_some_and(|parent| parent.seen.state == RunState::Blocked);
        let child = self.children.iter().any(|child| child.state == ChildState::Blocked);
        matches!(self.stage, Stage::Deciding { .. }) || ((parent || child) && !self.is_ended())
    }

    /// Credits of the parent and all children so far, when Oz has told any.
    #[must_use]
    pub fn credits(&self) -> Option<f64> {
        let parent = self.parent.iter().filter_map(|parent| parent.seen.credits);
        let children = self.children.iter().filter_map(|child| child.seen.credits);
        let known: Vec<f64> = parent.chain(children).collect();
        (!known.is_empty()).then(|| known.iter().sum())
    }
}
