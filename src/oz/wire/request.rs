//! What Oz is asked: a new run, a follow-up.

use std::collections::BTreeMap;

use serde::Serialize;

use super::CONFIG_NAME;
use crate::{
    domain::run::{Mode, RunSpec},
    ids::RunId,
};

/// The body of `POST /agent/runs`.
#[derive(Serialize)]
pub struct NewRun<'a> {
    title: &'a str,
    prompt: &'a str,
    /// Oz never infers it from the prompt.
    mode: Mode,
    config: Config<'a>,
    metadata: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skill: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_run_id: Option<&'a RunId>,
}

#[derive(Serialize)]
struct Config<'a> {
    name: &'static str,
    /// Agents make the screenshots that Baton brings back; the platform's default has changed before.
    computer_use_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker_host: Option<&'a str>,
    /// For Oz's own harness; the others have a model of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    model_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    harness: Option<Harness<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    harness_auth_secrets: Option<AuthSecrets<'a>>,
}

#[derive(Serialize)]
struct Harness<'a> {
    r#type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_id: Option<&'a str>,
}

/// Only these two harnesses sign in with a secret.
#[derive(Serialize)]
enum AuthSecrets<'a> {
    #[serde(rename = "claude_auth_secret_name")]
    Claude(&'a str),
    #[serde(rename = "codex_auth_secret_name")]
    Codex(&'a str),
}

impl<'a> From<&'a RunSpec> for NewRun<'a> {
    fn from(spec: &'a RunSpec) -> Self {
        let settings = &spec.settings;
        let model = settings.model.as_deref();
        let (own_model, harness) = match settings.harness.as_deref() {
            None => (model, None),
            Some("oz") => (model, Some(Harness { r#type: "oz", model_id: None })),
            Some(other) => (None, Some(Harness { r#type: other, model_id: model })),
        };
        let secret = settings.auth_secret.as_deref();
        let harness_auth_secrets = match settings.harness.as_deref() {
            Some("claude") => secret.map(AuthSecrets::Claude),
            Some("codex") => secret.map(AuthSecrets::Codex),
            _ => None,
        };
        Self {
            title: &spec.title,
            prompt: &spec.prompt,
            mode: spec.mode,
            config: Config {
                name: CONFIG_NAME,
                computer_use_enabled: true,
                environment_id: settings.environment.as_deref(),
                worker_host: settings.host.as_deref(),
                model_id: own_model,
                harness,
                harness_auth_secrets,
            },
            metadata: &spec.metadata,
            skill: settings.skill.as_deref(),
            parent_run_id: spec.parent.as_ref(),
        }
    }
}

/// The body of `POST /agent/runs/{id}/followups`.
#[derive(Serialize)]
pub struct NewFollowUp<'a> {
    pub message: &'a str,
    pub mode: Mode,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::run::RunSettings;

    fn sent(settings: RunSettings) -> Value {
        let spec = RunSpec {
            title: "T".into(),
            prompt: "P".into(),
            mode: Mode::Orchestrate,
            settings,
            parent: None,
            metadata: BTreeMap::new(),
        };
        serde_json::to_value(NewRun::from(&spec)).expect("JSON")
    }

    #[test]
    fn the_model_goes_to_the_harness_that_runs_it() {
        let settings = |harness: Option<&str>| RunSettings {
            model: Some("m".into()),
            harness: harness.map(Into::into),
            auth_secret: Some("s".into()),
            ..RunSettings::default()
        };
        for (harness, config) in [
            (None, json!({"model_id": "m"})),
            (Some("oz"), json!({"model_id": "m", "harness": {"type": "oz"}})),
            (
                Some("claude"),
                json!({"harness": {"type": "claude", "model_id": "m"},
                       "harness_auth_secrets": {"claude_auth_secret_name": "s"}}),
            ),
            (
                Some("codex"),
                json!({"harness": {"type": "codex", "model_id": "m"},
                       "harness_auth_secrets": {"codex_auth_secret_name": "s"}}),
            ),
            (Some("gemini"), json!({"harness": {"type": "gemini", "model_id": "m"}})),
        ] {
            let mut expected = json!({"name": "baton", "computer_use_enabled": true});
            for (key, value) in config.as_object().into_iter().flatten() {
                expected[key] = value.clone();
            }
            assert_eq!(sent(settings(harness))["config"], expected, "{harness:?}");
        }
        assert_eq!(
            sent(RunSettings::default()),
            json!({"title": "T", "prompt": "P", "mode": "orchestrate", "metadata": {},
                   "config": {"name": "baton", "computer_use_enabled": true}})
        );
    }
}
