//! What a run brings back: plans, pull requests, screenshots, files, references.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Artifact {
    Plan { document: String, artifact: Option<String>, title: Option<String>, url: Option<String> },
    PullRequest { url: String, branch: String },
    Screenshot { artifact: String, mime_type: String, description: Option<String> },
    File { artifact: String, filename: String, mime_type: String, description: Option<String>, size_bytes: Option<u64> },
    Reference { kind: String, url: String, title: Option<String> },
}

impl Artifact {
    /// Equal for the same artifact seen twice. Pull requests have no id of their own, and a plan
    /// has no artifact id until it has been synced.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Plan { document, .. } => format!("plan:{document}"),
            Self::PullRequest { url, .. } => format!("pull_request:{url}"),
            Self::Screenshot { artifact, .. } => format!("screenshot:{artifact}"),
            Self::File { artifact, .. } => format!("file:{artifact}"),
            Self::Reference { url, .. } => format!("reference:{url}"),
        }
    }

    /// The content has to be fetched from Oz and put where people can see it.
    #[must_use]
    pub const fn is_uploaded(&self) -> bool {
        matches!(self, Self::Plan { artifact: Some(_), .. } | Self::Screenshot { .. } | Self::File { .. })
    }
}
