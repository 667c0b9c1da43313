//! A run in Oz as Baton sees it: what it is started with, its state, and what it reports.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::artifact::Artifact;
use crate::{ids::RunId, time::Timestamp};

/// Oz's modes of a run or follow-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Normal,
    Plan,
    Orchestrate,
}

impl Mode {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Plan => "plan",
            Self::Orchestrate => "orchestrate",
        }
    }
}

/// Oz's run states. None is final: a follow-up revives a run. Unknown words are kept and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum RunState {
    Queued,
    Pending,
    Claimed,
    InProgress,
    Succeeded,
    Failed,
    Blocked,
    Error,
    Cancelled,
    Other(String),
}

impl RunState {
    /// Oz is doing something about it, or will. An unknown word counts as working: it is followed on.
    #[must_use]
    pub const fn is_working(&self) -> bool {
        matches!(self, Self::Queued | Self::Pending | Self::Claimed | Self::InProgress | Self::Other(_))
    }

    #[must_use]
    pub const fn is_at_rest(&self) -> bool {
        !self.is_working()
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
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
            Self::Other(word) => word,
        }
    }
}

impl From<String> for RunState {
    fn from(word: String) -> Self {
        match word.as_str() {
            "QUEUED" => Self::Queued,
            "PENDING" => Self::Pending,
            "CLAIMED" => Self::Claimed,
            "INPROGRESS" | "IN_PROGRESS" => Self::InProgress,
            "SUCCEEDED" => Self::Succeeded,
            "FAILED" => Self::Failed,
            "BLOCKED" => Self::Blocked,
            "ERROR" => Self::Error,
            "CANCELLED" => Self::Cancelled,
            _ => Self::Other(word),
        }
    }
}

impl From<RunState> for String {
    fn from(state: RunState) -> Self {
        state.as_str().to_owned()
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What applies to every run of an orchestration, unless a child says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `oz`, `claude`, `codex` or `gemini`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub harness: Option<String>,
    /// `warp`, or the id of a self-hosted worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// An Oz skill such as `org/repo:name`, the base prompt of the parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skill: Option<String>,
    /// The name of a secret in Oz that a third-party harness signs in with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_secret: Option<String>,
    /// How many children run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<u32>,
}

/// Everything that `POST /agent/runs` is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSpec {
    pub title: String,
    pub prompt: String,
    pub mode: Mode,
    pub settings: RunSettings,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<RunId>,
    /// `baton.orchestration`, `baton.dispatch` and, for children, `baton.proposal` and `baton.child`.
    pub metadata: BTreeMap<String, String>,
}

/// What Oz says about a run when asked for its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    pub run: RunId,
    pub parent: Option<RunId>,
    pub title: String,
    pub state: RunState,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Where a person can watch and type; absent at first.
    pub session_link: Option<String>,
    pub status: Option<RunStatus>,
    pub artifacts: Vec<Artifact>,
    /// Credits used so far.
    pub credits: Option<f64>,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// `status_message` of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStatus {
    pub message: String,
    pub code: Option<String>,
    pub retryable: Option<bool>,
}

/// What a run has said and made, read from its normalized conversation and its PLAN.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The assistant's last words: the text after the last thing it was told. None while there are
    /// none, and when the harness offers no conversation.
    pub last_words: Option<String>,
    /// How many times the run has been told something (its prompt is the first). None when the
    /// harness offers no conversation.
    pub turns: Option<u32>,
    pub plan: Option<PlanDocument>,
    pub artifacts: Vec<Artifact>,
    /// The run as it was when it was read.
    pub state: Option<RunState>,
    /// Credits used by then.
    #[serde(default)]
    pub credits: Option<f64>,
    pub session_link: Option<String>,
    /// One line for each thing it did, newest last: name, category and state.
    pub steps: Vec<String>,
}

/// The newest PLAN artifact with its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanDocument {
    pub document: String,
    pub title: Option<String>,
    pub url: Option<String>,
    /// Markdown.
    pub content: String,
}

/// What Oz answered to a cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelAnswer {
    Stopped,
    /// By an earlier request, or by somebody else.
    WasStopped,
    WasAtRest,
    /// It runs on a worker of the team's own, or locally: only there can it be stopped.
    OwnInfrastructure,
    Gone,
    /// Oz could not be brought to answer.
    Unanswered,
}
