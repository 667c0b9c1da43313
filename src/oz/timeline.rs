//! The timeline of a run: its milestones, which Oz has for every harness. Read where there is no
//! conversation to tell what a run did.

use serde::Deserialize;

use super::lenient::{List, Text};

/// The newest milestones.
const MOST: usize = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Timeline {
    events: List<Event>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Event {
    event_type: Text,
    occurred_at: Text,
}

impl Timeline {
    /// One line for each milestone, newest last: `agent started, 2026-08-01T10:00:00Z`. Words that
    /// are not known yet read as well.
    pub fn milestones(&self) -> Vec<String> {
        let lines: Vec<String> = self
            .events
            .0
            .iter()
            .filter_map(|event| {
                let word = event.event_type.as_deref()?.trim_start_matches("oz_").replace('_', " ");
                Some(event.occurred_at.as_deref().map_or_else(|| word.clone(), |at| format!("{word}, {at}")))
            })
            .collect();
        lines[lines.len().saturating_sub(MOST)..].to_vec()
    }
}
