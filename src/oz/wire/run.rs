//! Runs, as a list or by themselves.

use serde::Deserialize;
use serde_json::Value;

use super::artifact::{self, Item};
use crate::{
    domain::run::{RunReport, RunState, RunStatus},
    ids::RunId,
    oz::{
        lenient::{Flag, List, Number, Part, Text, Texts},
        links, trouble,
    },
    time::Timestamp,
};

/// `GET /agent/runs`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Runs {
    runs: List<RunItem>,
    page_info: Part<PageInfo>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PageInfo {
    has_next_page: Flag,
    next_cursor: Text,
}

impl Runs {
    /// The runs, and the cursor of the next page when there is one.
    pub fn read(self) -> (Vec<RunReport>, Option<String>) {
        let info = self.page_info.0.unwrap_or_default();
        let next = if info.has_next_page.0 == Some(false) { None } else { info.next_cursor.0 };
        (self.runs.0.into_iter().filter_map(RunItem::report).collect(), next)
    }
}

/// `RunItem`. The answer to a create is a small part of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RunItem {
    run_id: Text,
    /// The old name of `run_id`.
    task_id: Text,
    parent_run_id: Text,
    title: Text,
    state: Text,
    created_at: Text,
    updated_at: Text,
    session_link: Text,
    status_message: Value,
    artifacts: List<Item>,
    request_usage: Part<Usage>,
    metadata: Texts,
}

/// `request_usage`: credits, whatever the names say.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Usage {
    #[serde(rename = "inference_cost")]
    inference: Number,
    #[serde(rename = "compute_cost")]
    compute: Number,
    #[serde(rename = "platform_cost")]
    platform: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StatusMessage {
    message: Text,
    error_code: Text,
    retryable: Flag,
}

impl RunItem {
    /// None when it does not even say which run it is. A time that is missing is zero.
    pub fn report(self) -> Option<RunReport> {
        let time = |text: &Text| text.as_deref().and_then(Timestamp::parse_rfc3339);
        let created_at = time(&self.created_at).unwrap_or_default();
        Some(RunReport {
            run: RunId::new(self.run_id.0.or(self.task_id.0)?),
            parent: self.parent_run_id.0.map(RunId::new),
            title: self.title.0.unwrap_or_default(),
            state: RunState::from(self.state.0.unwrap_or_else(|| "UNKNOWN".into())),
            created_at,
            updated_at: time(&self.updated_at).unwrap_or(created_at),
            session_link: self.session_link.as_deref().and_then(links::shown),
            status: status(self.status_message),
            artifacts: artifact::newest_last(self.artifacts.0),
            credits: self.request_usage.0.and_then(|usage| usage.credits()),
            metadata: self.metadata.0,
        })
    }
}

impl Usage {
    fn credits(&self) -> Option<f64> {
        let used = [self.inference, self.compute, self.platform];
        used.iter().filter_map(|credits| credits.0).reduce(|sum, credits| sum + credits)
    }
}

/// `status_message` is an object; a bare text is taken as its message.
fn status(value: Value) -> Option<RunStatus> {
    let status = match value {
        Value::String(message) => StatusMessage { message: Text(Some(message)), ..StatusMessage::default() },
        object => serde_json::from_value(object).ok()?,
    };
    Some(RunStatus {
        message: status.message.0.filter(|message| !message.is_empty())?,
        code: status.error_code.as_deref().and_then(trouble::code),
        retryable: status.retryable.0,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(value: Value) -> Option<RunReport> {
        serde_json::from_value::<RunItem>(value).ok()?.report()
    }

    #[test]
    fn a_run_with_everything() {
        let run = report(json!({
            "run_id": "r1", "task_id": "r1", "parent_run_id": "r0", "title": "Fix", "state": "FAILED",
            "created_at": "2026-08-01T10:00:00Z", "updated_at": "2026-08-01T10:00:01.5Z",
            "session_link": "https://app.warp.dev/session/1", "source": "ORCHESTRATION",
            "status_message": {"message": "No credits", "error_code": "insufficient_credits", "retryable": false},
            "request_usage": {"inference_cost": 1.5, "compute_cost": 2, "platform_cost": null, "inference_cost_usd": 9},
            "metadata": {"baton.dispatch": "o1.c1.1", "ticket_id": 42, "gone": null},
        }))
        .expect("a report");
        assert_eq!((run.run.as_str(), run.parent.as_ref().map(RunId::as_str)), ("r1", Some("r0")));
        assert_eq!(run.updated_at.since(run.created_at).as_millis(), 1500);
        assert_eq!(run.session_link.as_deref(), Some("https://app.warp.dev/session/1"));
        let status = run.status.expect("a status");
        assert_eq!((status.code.as_deref(), status.retryable), (Some("insufficient_credits"), Some(false)));
        assert_eq!(run.credits, Some(3.5));
        assert_eq!(run.metadata.get("ticket_id").map(String::as_str), Some("42"));
        assert_eq!(run.metadata.len(), 2);
    }

    #[test]
    fn a_run_with_null_everywhere() {
        let run = report(json!({
            "run_id": null, "task_id": "r1", "parent_run_id": null, "title": null, "state": null, "created_at": null,
            "updated_at": null, "session_link": null, "status_message": null, "artifacts": null, "request_usage": null,
            "metadata": null, "agent_config": null, "scope": null,
        }))
        .expect("a report");
        assert_eq!(run, report(json!({"run_id": "r1"})).expect("the same as with nothing at all"));
        assert_eq!(run.state, RunState::Other("UNKNOWN".into()));
        assert_eq!((run.credits, run.status, run.parent), (None, None, None));
        assert_eq!(report(json!({"state": "QUEUED"})), None, "a run without an id is none");
    }

    #[test]
    fn unknown_states_are_kept_and_odd_ones_read() {
        for (word, state) in [
            (json!("HIBERNATING"), RunState::Other("HIBERNATING".into())),
            (json!("IN_PROGRESS"), RunState::InProgress),
            (json!("BLOCKED"), RunState::Blocked),
            (json!(7), RunState::Other("7".into())),
        ] {
            assert_eq!(report(json!({"run_id": "r", "state": word})).map(|run| run.state), Some(state));
        }
        let run = report(json!({"run_id": "r", "status_message": "It broke", "session_link": "javascript:x"}));
        let run = run.expect("a report");
        assert_eq!((run.status.map(|status| status.message), run.session_link), (Some("It broke".into()), None));
    }
}
