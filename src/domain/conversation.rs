//! The place we talk in: a Slack thread, a Linear agent session or comment thread.

use serde::{Deserialize, Serialize};

use super::actor::Platform;

/// Where an orchestration was asked for, and where everything about it is said.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Conversation {
    pub platform: Platform,
    /// Slack's team (or enterprise, for org-wide installs); Linear's organization.
    pub workspace: String,
    /// Slack's channel; Linear's issue, or `session:` and its id where there is none.
    pub place: String,
    /// Slack's thread (the root message's `ts`); Linear's agent session (`session:` and its id) or
    /// root comment (`comment:` and its id). None until the board has been posted where that is the
    /// root: for a slash command, or a label.
    pub thread: Option<String>,
}

impl Conversation {
    pub fn slack(workspace: impl Into<String>, channel: impl Into<String>, thread: Option<String>) -> Self {
        Self { platform: Platform::Slack, workspace: workspace.into(), place: channel.into(), thread }
    }

    pub fn linear(organization: impl Into<String>, issue: impl Into<String>, thread: Option<String>) -> Self {
        Self { platform: Platform::Linear, workspace: organization.into(), place: issue.into(), thread }
    }

    /// The agent session that it is, in Linear.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.thread.as_deref().filter(|_| self.platform == Platform::Linear)?.strip_prefix("session:")
    }

    /// Names the place, thread aside: `slack:T1:C1`.
    #[must_use]
    pub fn place_key(&self) -> String {
        format!("{}:{}:{}", self.platform.as_str(), self.workspace, self.place)
    }

    /// Names the conversation, once it has a thread: `slack:T1:C1:1712345678.000100`.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        self.thread.as_ref().map(|thread| format!("{}:{thread}", self.place_key()))
    }
}
