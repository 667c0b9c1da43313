//! Everything that can happen: to a conversation ([`Event`]), and to an orchestration ([`Input`]).
//!
//! A platform's `inbound` makes events out of webhooks. The inbox worker finds out which
//! orchestration an event is about and turns it into an input; progress, timers and deliveries are
//! inputs from the start.

use serde::{Deserialize, Serialize};

use super::{
    actor::{Actor, Platform},
    command::{Command, Verb},
    conversation::Conversation,
    effect::{Outcome, Purpose, Slot, TimerName},
    failure::Problem,
    issue::Issue,
    message::{About, Filled, Press},
    run::RunReport,
};
use crate::time::Timestamp;

/// Something that a webhook told us.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A person did something in a conversation.
    Act(Box<Act>),
    /// Our app was removed from a workspace, or its tokens revoked.
    Uninstalled {
        platform: Platform,
        workspace: String,
        /// When that was, as far as the platform says.
        at: Option<Timestamp>,
    },
    /// Nothing for us; the reason is for the log.
    Ignored(&'static str),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    pub actor: Actor,
    /// Where; its thread is None at the top level of a channel.
    pub conversation: Conversation,
    pub deed: Deed,
    pub answer: AnswerPath,
    /// When, as far as the platform says: it may be told hours later.
    pub at: Option<Timestamp>,
}

/// What a person did.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// A slash command.
    Slash { verb: Verb, text: String },
    /// A message that mentions us, in a channel or in a thread. `message` is its id (Slack's `ts`);
    /// the mention itself is taken out of the text.
    Mention { text: String, message: String },
    /// A message in a direct conversation with us.
    Direct { text: String, message: String },
    /// Any other message in a thread.
    Remark { text: String, message: String },
    /// A message was edited; this is what it says now.
    Correction { text: String, message: String },
    /// "Orchestrate this" on somebody's message.
    Shortcut { text: String, message: String },
    /// A button; `message` is the one that it is on.
    Pressed { press: Press, about: About, message: Option<String> },
    /// A form was sent.
    Submitted(Filled),
    /// The platform's own stop control.
    StopControl,
    /// An agent session was opened for us (Linear).
    Session(Box<Session>),
    /// Words in an agent session. `message` is the comment that they came from or, without one,
    /// `activity:` and the activity's id. The issue is without its labels and project.
    Prompt { text: String, message: String, issue: Option<Box<Issue>> },
    /// Labels were put on an issue (Linear); a route may start an orchestration by one of them.
    Labelled { added: Vec<String>, issue: Box<Issue> },
}

/// How an agent session began: somebody mentioned us, delegated an issue to us, or an automation did.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// What is asked: the words beside the mention, or the issue where it was delegated.
    pub text: String,
    /// The comment that it came as.
    pub message: Option<String>,
    /// The root of the thread that it was opened in.
    pub root: Option<String>,
    /// What Linear gives agents to read: the issue, its thread, the team's guidance.
    pub background: Option<String>,
    /// A person made us the issue's delegate.
    pub delegated: bool,
    /// None for documents and projects.
    pub issue: Option<Issue>,
}

/// Ways to answer one person at once, as far as the platform gave any. They lapse.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerPath {
    /// Opens a form; lives three seconds in Slack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// Slack's `response_url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where they did it, when that may be elsewhere than the conversation it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Conversation>,
}

/// Everything that can happen to an orchestration.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Words of a person for the parent or a child. `message` gets the reactions.
    Reply {
        actor: Actor,
        text: String,
        message: String,
        correction: bool,
    },
    /// Words in an agent session, where an option is chosen by saying it.
    Prompted {
        actor: Actor,
        text: String,
        message: String,
    },
    /// A command in the conversation. `message` is the mention's id, if it was one.
    Asked {
        actor: Actor,
        command: Command,
        message: Option<String>,
        answer: AnswerPath,
    },
    Pressed {
        actor: Actor,
        press: Press,
        about: About,
        answer: AnswerPath,
    },
    Submitted {
        actor: Actor,
        filled: Filled,
        answer: AnswerPath,
    },
    /// Oz reports a run of ours, or a child that one of ours started.
    Progress(RunReport),
    /// The reconciler found a run in Oz that belongs here and that nobody here knew.
    Found(RunReport),
    /// The reconciler found nothing under way, and nobody to wait for.
    Idle,
    /// A delivery came back with this.
    Delivered {
        slot: Slot,
        purpose: Purpose,
        outcome: Outcome,
    },
    /// A delivery was given up.
    Failed {
        effect: FailedEffect,
        problem: Problem,
    },
    /// A timer came due.
    Due(TimerName),
}

/// What a delivery that was given up would have done, as far as deciding needs to know.
#[derive(Clone, Debug, PartialEq)]
pub enum FailedEffect {
    StartRun {
        slot: Slot,
        dispatch: crate::ids::DispatchId,
    },
    FollowUp {
        slot: Slot,
        purpose: Purpose,
        message: Option<String>,
    },
    CancelRun {
        slot: Slot,
    },
    ReadRun {
        slot: Slot,
    },
    ReadThread,
    ReadPlan,
    LookUp {
        person: Actor,
    },
    /// The first thing to be said: without it there is no conversation.
    PostBoard,
    Upload {
        name: String,
    },
    /// Somebody waits for what is inside a run; `to` when only they do.
    LookInto {
        slot: Slot,
        to: Option<Actor>,
        answer: AnswerPath,
    },
    /// Something else that was to be said.
    Say,
    /// The board of the mirror.
    Mirror,
    /// The board, or that of the mirror, was not there any more when it was to be edited.
    ShowBoard {
        mirrored: bool,
    },
}

/// One message of a thread, as context for the parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    pub author: String,
    pub text: String,
    pub at: Timestamp,
}
