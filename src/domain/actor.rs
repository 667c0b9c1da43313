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

    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slack => "Slack",
            Self::Linear => "Linear",
        }
    }
}

/// No member has this id.
const AUTOMATION: &str = "automation";

/// A member of a workspace. Two actors are the same when platform, workspace and id are: the name
/// is only for people to read, and the address is a fact about the member.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Actor {
    pub platform: Platform,
    pub workspace: String,
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// As far as it is known; verified by the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

impl Actor {
    pub fn slack(workspace: impl Into<String>, id: impl Into<String>) -> Self {
        Self::new(Platform::Slack, workspace.into(), id.into())
    }

    pub fn linear(organization: impl Into<String>, id: impl Into<String>) -> Self {
        Self::new(Platform::Linear, organization.into(), id.into())
    }

    /// Something that acts without a person behind it, as an automation of Linear does.
    pub fn automation(platform: Platform, workspace: impl Into<String>) -> Self {
        Self { name: Some("An automation".into()), ..Self::new(platform, workspace.into(), AUTOMATION.into()) }
    }

    const fn new(platform: Platform, workspace: String, id: String) -> Self {
        Self { platform, workspace, id, name: None, email: None }
    }

    #[must_use]
    pub fn is_person(&self) -> bool {
        self.id != AUTOMATION
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
