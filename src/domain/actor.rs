//! Who does something: a member of a workspace on one platform.

use serde::{Deserialize, Serialize};

/// Where conversations happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    Slack,
    Linear,
}

impl Platform {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Linear => "linear",
        }
    }
}

/// A member of a workspace. Two actors are the same when platform, workspace and id are: the name
/// is only for people to read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Actor {
    pub platform: Platform,
    pub workspace: String,
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Actor {
    pub fn slack(workspace: impl Into<String>, id: impl Into<String>) -> Self {
        Self { platform: Platform::Slack, workspace: workspace.into(), id: id.into(), name: None }
    }

    /// As settings and the audit trail write it: `slack:U024BE7LH`.
    #[must_use]
    pub fn handle(&self) -> String {
        format!("{}:{}", self.platform.as_str(), self.id)
    }
}

impl PartialEq for Actor {
    fn eq(&self, other: &Self) -> bool {
        self.platform == other.platform && self.workspace == other.workspace && self.id == other.id
    }
}

impl Eq for Actor {}
