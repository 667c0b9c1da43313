//! An issue in Linear, as far as Baton needs to know it: what routes go by, and what people see.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    pub id: String,
    /// `ENG-123`
    pub identifier: String,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The team's key: `ENG`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The project's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The labels' names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

impl Issue {
    /// For an agent to read, where Linear gives it nothing.
    #[must_use]
    pub fn in_words(&self) -> String {
        let lines = [
            format!("The issue {}: {}", self.identifier, self.title.trim()),
            self.url.clone().unwrap_or_default(),
            if self.labels.is_empty() { String::new() } else { format!("Labels: {}", self.labels.join(", ")) },
            self.description.as_deref().map(|text| format!("\n{}", text.trim())).unwrap_or_default(),
        ];
        lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
    }
}
