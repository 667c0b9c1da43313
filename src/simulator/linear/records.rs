//! What the workspace is made of: people, teams with their states, labels, issues, comments, agent
//! sessions with their activities, attachments, uploads. Plain data; what happens to it is elsewhere.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::time::Timestamp;

/// A person, or an app's user.
#[derive(Clone, Debug)]
pub struct User {
    pub id: &'static str,
    pub name: &'static str,
    pub handle: &'static str,
    pub app: bool,
}

impl User {
    pub fn email(&self) -> String {
        if self.app { format!("{}@oauthapp.linear.app", self.id) } else { format!("{}@example.com", self.handle) }
    }
}

#[derive(Clone, Debug)]
pub struct Team {
    pub id: String,
    pub key: &'static str,
    pub name: &'static str,
    /// The number of its newest issue.
    pub newest: u32,
}

/// A state of a team's workflow.
#[derive(Clone, Debug)]
pub struct State {
    pub id: String,
    pub team: String,
    pub name: &'static str,
    /// `backlog`, `unstarted`, `started`, `completed`, `canceled`
    pub kind: &'static str,
    pub position: f64,
    pub color: &'static str,
}

#[derive(Clone, Debug)]
pub struct Label {
    pub id: String,
    pub name: String,
    pub color: &'static str,
}

#[derive(Clone, Debug)]
pub struct Project {
    pub id: String,
    pub name: &'static str,
    pub slug: &'static str,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Issue {
    pub id: String,
    pub team: String,
    pub number: u32,
    /// `ENG-12`
    pub identifier: String,
    pub title: String,
    /// In markdown, as it was typed.
    pub description: Option<String>,
    pub state: String,
    pub labels: Vec<String>,
    pub assignee: Option<String>,
    /// An app's user.
    pub delegate: Option<String>,
    pub project: Option<String>,
    pub parent: Option<String>,
    pub priority: u8,
    pub creator: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    pub canceled_at: Option<Timestamp>,
}

/// Who did or wrote something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// A person or an app, by the user's id.
    User(String),
    /// Linear itself.
    Linear,
    /// An automation of the workspace.
    Automation,
}

impl Author {
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::User(id) => Some(id),
            Self::Linear | Self::Automation => None,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Comment {
    pub id: String,
    pub issue: Option<String>,
    pub document: Option<String>,
    pub parent: Option<String>,
    pub body: String,
    pub author: Author,
    /// `createAsUser`
    pub shown_as: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub edited_at: Option<Timestamp>,
    /// Written by Linear for this activity.
    pub activity: Option<String>,
}

/// A link of a session to a page outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub label: String,
    pub url: String,
}

impl Link {
    pub fn json(&self) -> Value {
        json!({"label": self.label, "url": self.url})
    }
}

/// <https://linear.app/developers/agent-interaction#session-lifecycle>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Pending,
    Active,
    AwaitingInput,
    Complete,
    Error,
    Stale,
    Stopping,
}

impl Status {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::AwaitingInput => "awaitingInput",
            Self::Complete => "complete",
            Self::Error => "error",
            Self::Stale => "stale",
            Self::Stopping => "stopping",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Session {
    pub id: String,
    pub issue: Option<String>,
    pub document: Option<String>,
    /// The root of its thread.
    pub comment: String,
    /// The comment in another place of the thread that mentioned the app.
    pub source_comment: Option<String>,
    /// Nobody when an automation or an app began it.
    pub creator: Option<String>,
    pub status: Status,
    /// An array, or null.
    pub plan: Value,
    pub links: Vec<Link>,
    pub summary: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// The app has been heard of within ten seconds.
    pub acknowledged: bool,
    /// It was not, and Linear said so.
    pub unresponsive: bool,
    /// Since when nothing has been heard of the app.
    pub heard_at: Timestamp,
    /// A person said stop, and no final word has been said since.
    pub stopping: bool,
}

/// What an activity says. <https://linear.app/developers/agent-interaction#activity-content-payload>
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Thought { body: String },
    Action { action: String, parameter: String, result: Option<String> },
    Elicitation { body: String },
    Response { body: String },
    Error { body: String },
    Prompt { body: String },
}

impl Content {
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Thought { .. } => "thought",
            Self::Action { .. } => "action",
            Self::Elicitation { .. } => "elicitation",
            Self::Response { .. } => "response",
            Self::Error { .. } => "error",
            Self::Prompt { .. } => "prompt",
        }
    }

    /// The text of all but actions.
    pub fn body(&self) -> Option<&str> {
        match self {
            Self::Thought { body }
            | Self::Elicitation { body }
            | Self::Response { body }
            | Self::Error { body }
            | Self::Prompt { body } => Some(body),
            Self::Action { .. } => None,
        }
    }

    /// Linear writes it into the thread as a comment too.
    pub const fn is_said_aloud(&self) -> bool {
        matches!(self, Self::Elicitation { .. } | Self::Response { .. } | Self::Error { .. })
    }

    pub fn json(&self) -> Value {
        match self {
            Self::Action { action, parameter, result } => {
                json!({"type": "action", "action": action, "parameter": parameter, "result": result})
            }
            Self::Thought { body }
            | Self::Elicitation { body }
            | Self::Response { body }
            | Self::Error { body }
            | Self::Prompt { body } => json!({"type": self.kind(), "body": body}),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Activity {
    pub id: String,
    pub session: String,
    /// The app's user, or the person who prompted.
    pub user: String,
    pub content: Content,
    pub ephemeral: bool,
    /// An ephemeral one that a later activity has taken the place of.
    pub replaced: bool,
    pub signal: Option<String>,
    pub signal_metadata: Value,
    pub source_comment: Option<String>,
    pub created_at: Timestamp,
}

impl Activity {
    /// What a person can choose: label and value of each option.
    pub fn options(&self) -> Vec<(String, String)> {
        let offered = self.signal_metadata["options"].as_array().into_iter().flatten();
        offered
            .filter_map(|option| {
                let value = option["value"].as_str()?;
                Some((option["label"].as_str().unwrap_or(value).to_owned(), value.to_owned()))
            })
            .collect()
    }
}

#[derive(Clone, Debug)]
pub struct Attachment {
    pub id: String,
    pub issue: String,
    pub title: String,
    pub subtitle: Option<String>,
    pub url: String,
    pub metadata: Value,
    /// `github` for a pull request.
    pub source: Option<&'static str>,
    pub grouped: bool,
    pub creator: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct Reaction {
    pub id: String,
    pub comment: Option<String>,
    pub issue: Option<String>,
    pub user: String,
    pub emoji: String,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct Document {
    pub id: String,
    pub title: String,
    pub content: String,
    pub issue: Option<String>,
    pub project: Option<String>,
    pub creator: String,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct Upload {
    pub id: String,
    pub name: String,
    pub content_type: String,
    pub size: usize,
    /// Not there until the bytes have been put.
    pub content: Option<Bytes>,
}
