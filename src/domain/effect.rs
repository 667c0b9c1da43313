//! Everything Baton can do, as values: `decide` returns them, the outbox keeps them, a worker
//! carries them out, and what comes back is an [`Outcome`].

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    actor::Actor,
    artifact::Artifact,
    decide::Opening,
    input::{AnswerPath, Remark},
    message::{Form, Message},
    policy::Rights,
    run::{CancelAnswer, Mode, Reading, RunSpec},
};
use crate::{
    ids::{DispatchId, RunId},
    time::Timestamp,
};

/// The parent or one of the children, by its number (from 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    Parent,
    Child(u32),
}

impl Slot {
    /// Reads what `Display` writes.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        match word.strip_prefix('c') {
            Some(number) => number.parse().ok().map(Self::Child),
            None => (word == "parent").then_some(Self::Parent),
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parent => f.write_str("parent"),
            Self::Child(number) => write!(f, "c{number}"),
        }
    }
}

/// What a follow-up is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A person's words.
    Reply,
    /// Changes that were asked for.
    Revise,
    /// The proposal block was unusable; this says why.
    Repair,
    /// Approved; go on (agent launch).
    GoOn,
    /// The children's results; summarise.
    Results,
    /// Not a follow-up.
    None,
}

impl Purpose {
    /// For the trail: what somebody was told.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::Reply => "what somebody said",
            Self::Revise => "what is to be different",
            Self::Repair => "that its proposal cannot be used",
            Self::GoOn => "that it is approved",
            Self::Results => "the children's results",
            Self::None => "something",
        }
    }
}

/// What is in the mirror, and not in the conversation that the orchestration belongs to: before the
/// key of a post of ours, and before the id of a person's message.
pub const MIRROR: &str = "mirror/";

/// Names a message of ours within its orchestration, so that it can be edited later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PostKey(pub String);

impl PostKey {
    /// The board.
    #[must_use]
    pub fn board() -> Self {
        Self("board".into())
    }

    #[must_use]
    pub fn proposal(version: u32) -> Self {
        Self(format!("proposal-{version}"))
    }

    /// What is said when the start `attempt` of a child has failed.
    #[must_use]
    pub fn failure(child: u32, attempt: u32) -> Self {
        Self(format!("failed-{child}-{attempt}"))
    }

    /// The same message in the mirror.
    #[must_use]
    pub fn mirrored(&self) -> Self {
        Self(format!("{MIRROR}{}", self.0))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// A person's message has been stored.
    Stored,
    /// Oz has taken it.
    Taken,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    // In Oz.
    StartRun {
        slot: Slot,
        dispatch: DispatchId,
        spec: RunSpec,
    },
    /// `message` is the person's message that these words came from.
    FollowUp {
        slot: Slot,
        run: RunId,
        text: String,
        mode: Mode,
        purpose: Purpose,
        message: Option<String>,
    },
    CancelRun {
        slot: Slot,
        run: RunId,
    },
    /// The run has come to rest: read what it said and made.
    ReadRun {
        slot: Slot,
        run: RunId,
    },
    /// Somebody wants to look inside; `to` when only they see the answer.
    LookInto {
        slot: Slot,
        run: RunId,
        to: Option<Actor>,
        answer: AnswerPath,
    },
    /// The PLAN that somebody approves may have been changed since it was proposed.
    ReadPlan {
        run: RunId,
    },

    // About people.
    /// Find out what somebody's platform knows of them, as far as the policy needs it.
    LookUp {
        person: Actor,
        groups: Vec<String>,
    },
    /// The same of somebody who wants to start something: it begins when they may.
    Admit {
        opening: Box<Opening>,
        groups: Vec<String>,
    },

    // In the conversation.
    /// The first message: root of the thread for a command, a message in the thread otherwise.
    PostBoard {
        answer: AnswerPath,
    },
    /// Edit the board to what the orchestration is at the moment of delivery.
    ShowBoard,
    Say {
        post: Option<PostKey>,
        message: Message,
    },
    Edit {
        post: PostKey,
        message: Message,
    },
    /// Only `to` sees it.
    SayPrivately {
        to: Actor,
        message: Message,
        answer: AnswerPath,
    },
    React {
        message: String,
        reaction: Reaction,
    },
    /// Fetch an artifact from Oz and put it into the conversation.
    Upload {
        artifact: Artifact,
        of: String,
    },
    /// Put the raw transcript of a run into the conversation as a file.
    UploadTranscript {
        run: RunId,
        of: String,
    },
    /// Put a pull request on the issue, beside saying it (Linear).
    Attach {
        url: String,
        of: String,
    },
    /// Take the issue up for the person who delegated it (Linear).
    TakeUp {
        issue: String,
    },
    /// A sign of life, for a session that goes stale without one (Linear).
    Pulse,
    /// The same in the mirror, a second conversation that shows the same.
    Mirrored {
        what: Box<Effect>,
    },
    /// Read the messages before `message`, as context.
    ReadThread {
        message: String,
    },
    OpenForm {
        form: Form,
        answer: AnswerPath,
        to: Actor,
    },
}

/// What a delivery brought back, where anybody waits for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    RunStarted {
        run: RunId,
        dispatch: DispatchId,
    },
    FollowUpTaken {
        message: Option<String>,
    },
    /// The run is working and takes nothing now; send it again when it rests.
    FollowUpHeld {
        text: String,
        mode: Mode,
        message: Option<String>,
    },
    Cancelled(CancelAnswer),
    Read(Reading),
    Looked {
        reading: Box<Reading>,
        to: Option<Actor>,
        answer: AnswerPath,
    },
    ThreadRead(Vec<Remark>),
    /// A message with a key of its own has been posted.
    Posted {
        post: PostKey,
        message: String,
    },
    /// A start that nobody wanted any more by the time its turn came: it was not made.
    Unwanted {
        dispatch: DispatchId,
    },
    PlanRead(Box<Reading>),
    Rights {
        person: Actor,
        rights: Rights,
    },
}

/// A durable timer of one orchestration. Setting one that is set moves it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimerName {
    /// The standing proposal lapses.
    Expiry { version: u32 },
    /// Nobody has decided yet: those who may are reminded, for the `nth` time.
    Remind { version: u32, nth: u32 },
    /// A follow-up was taken, and the run still shows its old state: read it all the same.
    Stale { slot: Slot },
    /// A failed start or run is started again.
    Retry { slot: Slot },
    /// The PLAN was not synced when it was read.
    PlanSync,
    /// A session wants a sign of life.
    Pulse,
    /// Launches were halted or resumed: the board says so.
    Halt,
}

impl TimerName {
    /// The name in the store.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Expiry { version } => format!("expiry-{version}"),
            Self::Remind { version, .. } => format!("remind-{version}"),
            Self::Stale { slot } => format!("stale-{slot}"),
            Self::Retry { slot } => format!("retry-{slot}"),
            Self::PlanSync => "plan-sync".into(),
            Self::Pulse => "pulse".into(),
            Self::Halt => "halt".into(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimerChange {
    Set(TimerName, Timestamp),
    Clear(TimerName),
}
