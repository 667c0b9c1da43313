//! What the simulated account has: environments, models, skills.
//!
//! The shapes of environments and skills are those of the published SDK; for models only the outer
//! object is documented.

use serde_json::{Value, json};

/// Ids and names. An id is exactly 22 letters and digits.
const ENVIRONMENTS: [(&str, &str, &str); 3] = [
    ("9fJ2mQ7xLw0PzR4sVb1TdK", "shop", "The shop's monorepo with Node and PostgreSQL"),
    ("3hC8kWn5Yt6GaE2uXo9DfS", "mobile", "The mobile apps, Android toolchain included"),
    ("7rB4jVq1Mz8HcU5iKp0LsN", "sandbox", "An empty Ubuntu to try things in"),
];

/// `GET /agent/environments`, by `sort_by` (`name`, or as last updated).
pub fn environments(by_name: bool) -> Value {
    let mut sorted = ENVIRONMENTS;
    if by_name {
        sorted.sort_by_key(|(_, name, _)| *name);
    }
    let environments: Vec<Value> = sorted
        .iter()
        .map(|(uid, name, description)| {
            json!({
                "uid": uid,
                "config": {
                    "name": name,
                    "description": description,
                    "docker_image": "warpdotdev/dev-base:latest",
                    "github_repos": [{ "owner": "acme", "repo": name }],
                    "setup_commands": ["npm ci"],
                },
                "last_updated": "2026-07-01T09:00:00Z",
                "setup_failed": false,
                "scope": { "type": "Team", "uid": "team-acme" },
            })
        })
        .collect();
    json!({ "environments": environments })
}

pub fn has_environment(uid: &str) -> bool {
    ENVIRONMENTS.iter().any(|(known, _, _)| *known == uid)
}

/// `GET /agent/models`.
pub fn models() -> Value {
    let models: Vec<Value> = [
        ("auto", "Auto (Responsive)"),
        ("auto-efficient", "Auto (Cost-efficient)"),
        ("auto-genius", "Auto (Genius)"),
        ("auto-open", "Auto (Open-weights)"),
    ]
    .iter()
    .map(|(id, name)| json!({ "id": id, "display_name": name }))
    .collect();
    json!({ "default_model_id": "auto", "models": models })
}

/// `GET /agent`: skills that can be the base prompt of a run, of one repository where one is given.
pub fn skills(repo: Option<&str>) -> Value {
    let agents: Vec<Value> = [
        ("code-review", "shop", "Reviews a pull request", "Review the pull request for correctness first."),
        ("migrate-tests", "shop", "Moves tests to another runner", "Move one folder of tests at a time."),
        ("release-notes", "mobile", "Writes release notes", "Write for people who use the app."),
    ]
    .iter()
    .filter(|(_, owner_repo, _, _)| repo.is_none_or(|wanted| wanted == format!("acme/{owner_repo}")))
    .map(|(name, repo, description, prompt)| {
        json!({
            "name": name,
            "variants": [{
                "id": format!("acme/{repo}:.agents/skills/{name}/SKILL.md"),
                "description": description,
                "base_prompt": prompt,
                "source": { "owner": "acme", "name": repo, "skill_path": format!(".agents/skills/{name}/SKILL.md") },
                "environments": ENVIRONMENTS.iter().filter(|(_, environment, _)| environment == repo)
                    .map(|(uid, name, _)| json!({ "uid": uid, "name": name })).collect::<Vec<_>>(),
                "last_run_timestamp": null,
            }],
        })
    })
    .collect();
    json!({ "agents": agents })
}
