//! What a platform's edge is asked to carry out, with all that it needs to know, and what it brings
//! back. The outbox worker makes errands of effects; `slack/deliver.rs` and `linear/deliver.rs`
//! carry them out. Edges look nothing up in the store.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    actor::Actor,
    conversation::Conversation,
    effect::{Outcome, Reaction},
    input::AnswerPath,
    message::{Form, Message, Text},
};
use crate::{ids::DeliveryId, time::Timestamp};

#[derive(Clone, Debug)]
pub struct Errand {
    /// Unique to this delivery: a post carries it in its metadata.
    pub delivery: DeliveryId,
    /// An earlier attempt, begun at this moment, may have had its effect: look before repeating.
    pub unsure_since: Option<Timestamp>,
    pub conversation: Conversation,
    pub talk: Talk,
}

#[derive(Clone, Debug)]
pub enum Talk {
    /// Post a message: the root of a new thread when the conversation has none yet. `asker` is told
    /// in private when Baton cannot post there, through `answer` or directly.
    Post {
        message: Message,
        answer: AnswerPath,
        asker: Actor,
    },
    /// Post the board, or show it as it stands now where it was posted as `id`. Where a platform has
    /// better forms for it than a message, `outline` holds what they show.
    Board {
        id: Option<String>,
        message: Message,
        outline: Outline,
        answer: AnswerPath,
        asker: Actor,
    },
    /// Put a pull request on the issue (Linear).
    Attach {
        url: String,
        title: String,
        subtitle: String,
    },
    /// Take the issue up for the person who delegated it: its first started state, and us as its
    /// delegate (Linear).
    TakeUp {
        issue: String,
    },
    /// A sign of life, where a conversation goes stale without one (Linear).
    Pulse(Text),
    /// Edit the message with this id.
    Edit {
        id: String,
        message: Message,
    },
    Private {
        to: Actor,
        message: Message,
        answer: AnswerPath,
    },
    React {
        message: String,
        reaction: Reaction,
    },
    File(File),
    /// Read what was said in the thread before `message`.
    ReadThread {
        message: String,
    },
    /// What the platform knows of one of its members: the verified e-mail address, and which of these
    /// groups they are in.
    LookUp {
        person: Actor,
        groups: Vec<String>,
    },
    OpenForm {
        form: Form,
        to: Actor,
        answer: AnswerPath,
        choices: Choices,
    },
}

/// The board without words: what Linear shows as a plan, links and a card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    pub title: String,
    /// The state in one line, without markup.
    pub state: String,
    /// One for each child.
    pub rows: Vec<Row>,
    /// Label and address: the run, Baton's own page, pull requests.
    pub links: Vec<(String, String)>,
    pub ended: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub name: String,
    pub state: RowState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowState {
    Waiting,
    Working,
    Done,
    /// Failed or stopped.
    Cancelled,
}

/// A file for the conversation. Name and title together are unique in the conversation.
#[derive(Clone, Debug)]
pub struct File {
    pub name: String,
    pub title: String,
    pub mime_type: String,
    /// Shared, not copied: there may be many megabytes.
    pub bytes: Bytes,
}

/// What the pickers of a form offer, asked for ahead of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choices {
    /// Id and name.
    pub environments: Vec<(String, String)>,
    pub models: Vec<(String, String)>,
    pub skills: Vec<(String, String)>,
}

/// What an errand brought back.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    /// The id of the message that was posted or found.
    pub message: Option<String>,
    pub outcome: Option<Outcome>,
}
