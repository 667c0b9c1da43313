//! Runs, conversations, timelines and artifacts as the Oz API writes them.
//!
//! These structs are the simulator's own, so that a mistake in Baton's client is not mirrored here.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    run::{Artifact, Made, Run, State, Status, What},
    world::World,
};
use crate::time::Timestamp;

/// A download link works for this long.
pub const LINK_LIFE: Duration = Duration::from_mins(15);

/// `RunItem` of the published API, without the fields that nobody here can have.
#[derive(Debug, Serialize)]
pub struct RunItem<'a> {
    run_id: &'a str,
    task_id: &'a str,
    title: &'a str,
    state: &'a str,
    prompt: &'a str,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_message: Option<StatusMessage<'a>>,
    source: &'a str,
    execution_location: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_run_id: Option<&'a str>,
    creator: Value,
    agent_config: &'a Value,
    metadata: &'a BTreeMap<String, String>,
    /// All in credits, whatever the names say.
    request_usage: Value,
    is_sandbox_running: bool,
    is_run_type_cancellable: bool,
    artifacts: Vec<Value>,
    scope: Value,
}

#[derive(Debug, Serialize)]
struct StatusMessage<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retryable: Option<bool>,
}

/// One run, as `GET /agent/runs/{runId}` answers it.
pub fn run_item(world: &World, run: &Run) -> Value {
    let item = RunItem {
        run_id: &run.id,
        task_id: &run.id,
        title: &run.title,
        state: if world.knobs.strange && run.state == State::Claimed { "REHYDRATING" } else { run.state.as_str() },
        prompt: &run.prompt,
        created_at: run.created_at.to_rfc3339(),
        updated_at: run.updated_at.to_rfc3339(),
        started_at: run.started_at.map(Timestamp::to_rfc3339),
        run_time: run.started_at.map(|at| format!("PT{}S", run.updated_at.since(at).as_secs())),
        status_message: run.status.as_ref().map(status_message),
        source: if world.knobs.strange { "TELEPORT" } else { run.source },
        execution_location: "REMOTE",
        session_id: run.session.as_deref(),
        session_link: run.session.as_ref().map(|session| format!("{}/sessions/{session}", world.base_url)),
        conversation_id: run.conversation.as_deref(),
        parent_run_id: run.parent.as_deref(),
        creator: json!({ "type": "service_account", "uid": "sa-baton", "display_name": "Baton" }),
        agent_config: &run.config,
        metadata: &run.metadata,
        request_usage: json!({
            "inference_cost": run.credits, "compute_cost": run.credits / 5.0, "platform_cost": 0.0,
        }),
        is_sandbox_running: run.state == State::InProgress,
        // Self-hosted runs say true as well, although their cancel is refused.
        is_run_type_cancellable: true,
        artifacts: run.artifacts.iter().map(|artifact| listed(world, artifact)).collect(),
        scope: json!({ "type": "Team", "uid": "team-acme" }),
    };
    let mut item = serde_json::to_value(item).unwrap_or_default();
    if world.knobs.strange
        && let Some(fields) = item.as_object_mut()
    {
        fields.extend([
            ("schedule".to_owned(), Value::Null),
            ("request_usage".to_owned(), Value::Null),
            ("trigger_url".to_owned(), Value::Null),
            ("weather".to_owned(), json!({ "sky": ["clear", 7] })),
        ]);
        if let Some(Value::Array(artifacts)) = fields.get_mut("artifacts") {
            let created_at = run.created_at.to_rfc3339();
            artifacts.push(json!({ "artifact_type": "HOLOGRAM", "created_at": created_at, "data": { "depth": 3 } }));
        }
    }
    item
}

/// The normalized conversation: one step for each time the run was told something.
pub fn conversation(world: &World, run: &Run) -> Value {
    let mut steps: Vec<Value> = Vec::new();
    let mut messages: Vec<Value> = Vec::new();
    let mut after_words_of_its_own = false;
    for (at, line) in run.lines.iter().enumerate() {
        let told = matches!(line.what, What::Told(_));
        if told && after_words_of_its_own {
            steps.push(step(run, steps.len(), &messages));
            messages.clear();
        }
        after_words_of_its_own = !told;
        let stamp = line.at.to_rfc3339();
        let message = |role: &str, content: Value| json!({ "role": role, "content": content, "message_ids": [line.id], "timestamp": stamp });
        match &line.what {
            What::Told(text) => messages.push(message("user", json!([text_block(&line.id, text)]))),
            What::Said(text) => messages.push(message("assistant", json!([text_block(&line.id, text)]))),
            What::Did { category, name, input } => {
                let action = json!({
                    "type": "action", "id": line.id, "category": category, "name": name, "input": input,
                    "message_id": line.id,
                });
                messages.push(message("assistant", json!([action])));
                let still = at + 1 == run.lines.len() && run.state.is_working();
                let result = json!({
                    "type": "action_result", "action_id": line.id, "category": category, "name": name,
                    "state": if still { "running" } else { "completed" }, "output": {},
                });
                messages.push(message("tool", json!([result])));
            }
        }
        if world.knobs.strange {
            messages
                .push(message("system", json!([{ "type": "event", "name": "conversation_compacted", "data": {} }])));
            messages.push(message("narrator", json!([{ "type": "hologram", "depth": 3 }])));
        }
    }
    steps.push(step(run, steps.len(), &messages));
    json!({ "conversation_id": run.conversation, "steps": steps })
}

/// `GET …/timeline`.
pub fn timeline(run: &Run) -> Value {
    let events: Vec<Value> = run
        .milestones
        .iter()
        .map(|milestone| {
            json!({
                "event_uuid": milestone.id, "run_id": run.id, "event_type": milestone.event,
                "occurred_at": milestone.at.to_rfc3339(), "execution_id": milestone.execution,
            })
        })
        .collect();
    json!({ "events": events })
}

/// `GET /agent/artifacts/{artifactUid}`; None for a kind that has nothing to fetch, or not yet.
pub fn fetched(world: &World, artifact: &Artifact) -> Option<Value> {
    let (download_url, expires_at) = download_link(world, &artifact.uid);
    let (kind, data) = match &artifact.made {
        Made::Plan { synced: false, .. } | Made::PullRequest { .. } => return None,
        Made::Plan { document, title, content, .. } => (
            "PLAN",
            json!({
                "document_uid": document, "title": title, "url": plan_url(world, document),
                "content": content, "content_type": "text/markdown",
            }),
        ),
        Made::Screenshot { description } => (
            "SCREENSHOT",
            json!({
                "download_url": download_url, "expires_at": expires_at, "content_type": "image/png",
                "description": description,
            }),
        ),
        Made::File { filename, mime_type, description, content } => (
            "FILE",
            json!({
                "download_url": download_url, "expires_at": expires_at, "content_type": mime_type,
                "filename": filename, "filepath": format!("reports/{filename}"), "description": description,
                "size_bytes": content.len(),
            }),
        ),
    };
    let created_at = artifact.created_at.to_rfc3339();
    Some(json!({ "artifact_type": kind, "artifact_uid": artifact.uid, "created_at": created_at, "data": data }))
}

/// A link that needs no key and stops working, and when.
pub fn download_link(world: &World, uid: &str) -> (String, String) {
    let expires = world.now + LINK_LIFE;
    (format!("{}/downloads/{uid}?expires={}", world.base_url, expires.as_millis()), expires.to_rfc3339())
}

/// An artifact as it stands in its run.
fn listed(world: &World, artifact: &Artifact) -> Value {
    let (kind, data) = match &artifact.made {
        Made::Plan { document, title, synced: false, .. } => {
            ("PLAN", json!({ "document_uid": document, "title": title }))
        }
        Made::Plan { document, title, .. } => (
            "PLAN",
            json!({
                "document_uid": document, "title": title, "artifact_uid": artifact.uid,
                "url": plan_url(world, document),
            }),
        ),
        Made::PullRequest { branch, .. } => {
            ("PULL_REQUEST", json!({ "url": world.pull_url(artifact), "branch": branch }))
        }
        Made::Screenshot { description } => (
            "SCREENSHOT",
            json!({ "artifact_uid": artifact.uid, "mime_type": "image/png", "description": description }),
        ),
        Made::File { filename, mime_type, description, content } => (
            "FILE",
            json!({
                "artifact_uid": artifact.uid, "filename": filename, "filepath": format!("reports/{filename}"),
                "mime_type": mime_type, "description": description, "size_bytes": content.len(),
            }),
        ),
    };
    json!({ "artifact_type": kind, "created_at": artifact.created_at.to_rfc3339(), "data": data })
}

fn plan_url(world: &World, document: &str) -> String {
    format!("{}/plans/{document}", world.base_url)
}

fn status_message(status: &Status) -> StatusMessage<'_> {
    StatusMessage { message: &status.message, error_code: status.code.as_deref(), retryable: status.retryable }
}

fn step(run: &Run, number: usize, messages: &[Value]) -> Value {
    json!({ "id": format!("{}-{number}", run.id), "description": run.title, "messages": messages, "steps": [] })
}

fn text_block(id: &str, text: &str) -> Value {
    json!({ "type": "text", "text": text, "message_id": id })
}
