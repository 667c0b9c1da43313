//! What people can ask Baton to do, in their words.

use serde::{Deserialize, Serialize};

use super::run::{Mode, RunSettings};

/// Which of the commands started an orchestration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// A parent that proposes children: `/orchestrate`, a mention, a direct message, the shortcut.
    Orchestrate,
    /// A plan and its approval: `/plan`.
    Plan,
    /// One agent, no fan-out: `/oz`.
    Run,
}

impl Verb {
    #[must_use]
    pub const fn mode(self) -> Mode {
        match self {
            Self::Orchestrate => Mode::Orchestrate,
            Self::Plan => Mode::Plan,
            Self::Run => Mode::Normal,
        }
    }

    /// The slash command that means it.
    #[must_use]
    pub const fn command(self) -> &'static str {
        match self {
            Self::Orchestrate => "/orchestrate",
            Self::Plan => "/plan",
            Self::Run => "/oz",
        }
    }
}

/// A command, read from a slash command's or a mention's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Start(Verb, Ask),
    /// A start with no text: the modal, where the platform has one.
    Blank(Verb),
    Help,
    /// One orchestration's state: the named one, or what runs here.
    Status(Option<String>),
    /// The orchestrations of this workspace.
    List,
    /// Stop the named one, or what runs here.
    Stop(Option<String>),
    /// A look inside: the parent, or a child by number or name.
    Show {
        child: Option<String>,
        transcript: bool,
    },
    /// Start a failed child again.
    Retry(String),
    Why,
    /// `approve v2`: approval typed out, only ever with the version.
    Approve {
        version: u32,
    },
    /// The text starts like a command and is wrong; the sentence says how.
    Wrong(String),
}

/// What is asked of a new orchestration: the task and the inline options before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    pub task: String,
    pub settings: RunSettings,
    /// `max:`: more children than this are not accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_children: Option<u32>,
    /// `each:`: one child for each; `{item}` in the task stands for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub each: Vec<String>,
}
