//! `POST /agent/runs`: what the request must hold, and what is refused.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    catalogue,
    problem::Problem,
    run::Mode,
    world::{New, World},
};

/// `RunAgentRequest`, as far as it changes anything here; other fields are taken and ignored.
#[derive(Debug, Deserialize)]
struct Request {
    prompt: Option<String>,
    mode: Option<Mode>,
    skill: Option<String>,
    config: Option<Value>,
    title: Option<String>,
    parent_run_id: Option<String>,
    conversation_id: Option<String>,
    #[serde(default)]
    attachments: Vec<Attachment>,
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
struct Attachment {
    #[serde(rename = "file_name")]
    _file_name: String,
    #[serde(rename = "mime_type")]
    _mime_type: String,
    #[serde(rename = "data")]
    _data: String,
}

/// Reads and checks a request.
///
/// # Errors
/// 400 for what the API's description does not allow, 404 for an environment that the account does not have.
pub fn read(world: &World, body: &[u8]) -> Result<New, Problem> {
    let request: Request = serde_json::from_slice(body).map_err(|error| Problem::invalid(error.to_string()))?;
    let config = request.config.unwrap_or_default();
    if !(config.is_object() || config.is_null()) {
        return Err(Problem::invalid("config must be an object"));
    }
    let has_text = |value: Option<&Value>| value.and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let has_skill = request.skill.as_ref().is_some_and(|skill| !skill.is_empty())
        || has_text(config.get("skill_spec"))
        || config.get("skills").and_then(Value::as_array).is_some_and(|skills| !skills.is_empty());
    let prompt = request.prompt.unwrap_or_default();
    if prompt.trim().is_empty() && !has_skill && request.conversation_id.is_none() {
        return Err(Problem::invalid("one of prompt, skill, config.skill_spec and config.skills is required"));
    }
    if request.attachments.len() > 5 {
        return Err(Problem::invalid("at most 5 attachments"));
    }
    check_config(&config)?;
    let metadata = request.metadata.unwrap_or_default();
    check_metadata(&metadata)?;
    if let Some(parent) = &request.parent_run_id {
        let parent = world.find(parent).ok_or_else(|| Problem::invalid("parent_run_id does not exist"))?;
        if world.runs[parent].parent.is_some() {
            return Err(Problem::invalid("the maximum orchestration depth is reached"));
        }
    }
    Ok(New {
        prompt,
        title: request.title.filter(|title| !title.is_empty()),
        mode: request.mode.unwrap_or_default(),
        config,
        metadata,
        parent: request.parent_run_id,
        by_agent: false,
    })
}

fn check_config(config: &Value) -> Result<(), Problem> {
    for key in ["name", "model_id", "base_prompt", "environment_id", "skill_spec", "worker_host"] {
        if config.get(key).is_some_and(|value| !(value.is_string() || value.is_null())) {
            return Err(Problem::invalid(format!("config.{key} must be a string")));
        }
    }
    if let Some(environment) = config.get("environment_id").and_then(Value::as_str) {
        if environment.len() != 22 || !environment.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(Problem::invalid("config.environment_id must be 22 letters and digits"));
        }
        if !catalogue::has_environment(environment) {
            return Err(Problem::not_found("The environment does not exist or belongs to another team."));
        }
    }
    let harness = config.pointer("/harness/type");
    let known = |harness: &Value| matches!(harness.as_str(), Some("oz" | "claude" | "gemini" | "codex"));
    if harness.is_some_and(|harness| !known(harness)) {
        return Err(Problem::invalid("config.harness.type is not one of oz, claude, gemini, codex"));
    }
    let idle = config.get("idle_timeout_minutes");
    if idle.is_some_and(|idle| !idle.as_u64().is_some_and(|minutes| (1..=60).contains(&minutes))) {
        return Err(Problem::invalid("config.idle_timeout_minutes must be between 1 and 60"));
    }
    Ok(())
}

fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), Problem> {
    let good_key = |key: &str| {
        (1..=64).contains(&key.len()) && key.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
    };
    if metadata.len() > 20 {
        return Err(Problem::invalid("at most 20 metadata keys"));
    }
    if !metadata.keys().all(|key| good_key(key)) {
        return Err(Problem::invalid("metadata keys are 1 to 64 of the characters a-z, A-Z, 0-9, '.', '_', '-'"));
    }
    if !metadata.values().all(|value| value.len() <= 256 && !value.contains('\0')) {
        return Err(Problem::invalid("metadata values are at most 256 bytes without NUL"));
    }
    Ok(())
}
