//! A run as the simulated Oz keeps it: its state, its conversation and what it made.
//!
//! `world.rs` moves runs through time, `wire.rs` shows them to clients, `pages.rs` to people.

use std::collections::{BTreeMap, VecDeque};

use serde::Deserialize;
use serde_json::Value;

use super::task::Child;
use crate::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Queued,
    Pending,
    Claimed,
    InProgress,
    Succeeded,
    Failed,
    Blocked,
    Error,
    Cancelled,
}

impl State {
    /// As the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Pending => "PENDING",
            Self::Claimed => "CLAIMED",
            Self::InProgress => "INPROGRESS",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Blocked => "BLOCKED",
            Self::Error => "ERROR",
            Self::Cancelled => "CANCELLED",
        }
    }

    #[must_use]
    pub const fn is_working(self) -> bool {
        matches!(self, Self::Queued | Self::Pending | Self::Claimed | Self::InProgress)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    #[default]
    Normal,
    Plan,
    Orchestrate,
}

/// How the work of a run ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    Succeeds,
    /// FAILED: the user's side is at fault.
    Fails {
        code: String,
        message: String,
        retryable: bool,
    },
    /// ERROR: the platform is at fault.
    Errors {
        code: String,
        message: String,
        retryable: bool,
    },
    /// BLOCKED, until it is told something.
    Blocks,
    /// CANCELLED, by somebody in Warp's own app.
    Cancelled,
}

/// A run, for stories to look at.
#[derive(Clone, Debug)]
pub struct RunView {
    pub id: String,
    pub parent: Option<String>,
    pub title: String,
    pub prompt: String,
    pub state: State,
    /// Of the last thing it was told.
    pub mode: Mode,
    pub metadata: BTreeMap<String, String>,
    /// What it was told through the API after its prompt.
    pub follow_ups: Vec<String>,
    pub config: Value,
    pub made: Vec<Made>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Something that a run is told: its prompt, a follow-up, words typed into its session.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub text: String,
    pub mode: Mode,
}

/// What a run does from one thing it was told until it rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Proposes children, or talks about what it proposed.
    Propose,
    /// Does the work and opens a pull request.
    Work,
    /// Learns that results will follow, and waits for them.
    StandBy,
    /// Starts the proposed children and waits for them.
    Launch,
    Summarise,
    Answer,
}

#[derive(Clone, Debug)]
pub struct Run {
    pub id: String,
    pub parent: Option<String>,
    pub title: String,
    pub prompt: String,
    /// `config` of the request, an object.
    pub config: Value,
    pub metadata: BTreeMap<String, String>,
    pub source: &'static str,

    pub state: State,
    pub status: Option<Status>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub milestones: Vec<Milestone>,
    pub credits: f64,

    /// Where a person can watch and type; there from the first INPROGRESS on.
    pub session: Option<String>,
    pub conversation: Option<String>,
    pub transcript: String,
    pub lines: Vec<Line>,
    pub follow_ups: Vec<String>,
    pub artifacts: Vec<Artifact>,

    /// Told and not yet acted on.
    pub told: VecDeque<Told>,
    /// What it acts on, or did last.
    pub current: Told,
    pub turn: Turn,
    /// Counts the turns.
    pub execution: u64,
    /// It started with work of its own, and that is done.
    pub done: bool,
    /// Its work is over, and only [`Oz::hold`](super::Oz::hold) keeps it from ending.
    pub held: bool,
    pub waits_for_children: bool,
    pub proposal: Vec<Child>,
    /// Which [`Oz::propose`](super::Oz::propose) the proposal came from.
    pub proposal_version: u32,
}

impl Run {
    /// Runs on a worker of the team's own: the API cannot cancel it.
    pub fn is_self_hosted(&self) -> bool {
        self.setting("worker_host").is_some_and(|host| host != "warp")
    }

    /// A text in the run's `config`.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.config.get(key)?.as_str()
    }

    /// `oz`, or the third-party harness that offers no normalized conversation.
    pub fn harness(&self) -> &str {
        self.config.pointer("/harness/type").and_then(Value::as_str).unwrap_or("oz")
    }

    pub fn view(&self) -> RunView {
        RunView {
            id: self.id.clone(),
            parent: self.parent.clone(),
            title: self.title.clone(),
            prompt: self.prompt.clone(),
            state: self.state,
            mode: self.told.back().unwrap_or(&self.current).mode,
            metadata: self.metadata.clone(),
            follow_ups: self.follow_ups.clone(),
            config: self.config.clone(),
            made: self.artifacts.iter().map(|artifact| artifact.made.clone()).collect(),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

/// `status_message`.
#[derive(Clone, Debug)]
pub struct Status {
    pub message: String,
    pub code: Option<String>,
    pub retryable: Option<bool>,
}

/// One event of the timeline.
#[derive(Clone, Debug)]
pub struct Milestone {
    pub id: String,
    pub event: &'static str,
    pub at: Timestamp,
    pub execution: u64,
}

/// One entry of the conversation.
#[derive(Clone, Debug)]
pub struct Line {
    pub id: String,
    pub at: Timestamp,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    Told(String),
    Said(String),
    Did { category: &'static str, name: &'static str, input: Value },
}

#[derive(Clone, Debug)]
pub struct Artifact {
    pub uid: String,
    pub created_at: Timestamp,
    pub made: Made,
}

#[derive(Clone, Debug)]
pub enum Made {
    /// Until it is synced it has a document, but no artifact id and no address.
    Plan {
        document: String,
        title: String,
        content: String,
        synced: bool,
    },
    PullRequest {
        number: usize,
        branch: String,
    },
    Screenshot {
        description: String,
    },
    File {
        filename: String,
        mime_type: &'static str,
        description: String,
        content: String,
    },
}
