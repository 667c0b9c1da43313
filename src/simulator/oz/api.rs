//! The requests below `/api/v1`, one line each in [`answer`], as the Oz API documents them.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{
    Method, StatusCode,
    header::{CONTENT_TYPE, LOCATION},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    catalogue, create, list,
    problem::Problem,
    run::{Mode, Run, Told},
    wire,
    world::World,
};

/// One request, as far as the API looks at it.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// Below `/api/v1`, such as `/agent/runs`.
    pub path: String,
    pub query: Vec<(String, String)>,
    pub key: Option<String>,
    pub body: Bytes,
}

/// What a request is answered with when it is not refused.
enum Answer {
    Json(Value),
    /// 302 to a link that needs no key.
    Redirect(String),
}

/// Carries out a request and writes its answer or its problem document.
pub fn handle(world: &mut World, request: &Request) -> Response {
    match answer(world, request) {
        Ok(Answer::Json(json)) => ([(CONTENT_TYPE, "application/json")], json.to_string()).into_response(),
        Ok(Answer::Redirect(to)) => (StatusCode::FOUND, [(LOCATION, to)]).into_response(),
        Err(problem) => refuse(world, &problem),
    }
}

/// Writes a problem document; `type` takes its two forms by turns.
pub fn refuse(world: &mut World, problem: &Problem) -> Response {
    world.refusals += 1;
    problem.respond(world.refusals.is_multiple_of(2), world.knobs.strange)
}

fn answer(world: &mut World, request: &Request) -> Result<Answer, Problem> {
    authenticate(world, request)?;
    let path: Vec<&str> = request.path.split('/').filter(|part| !part.is_empty()).collect();
    let json = match (request.method.as_str(), path.as_slice()) {
        ("POST", ["agent", "runs" | "run"]) => create_run(world, &request.body)?,
        ("GET", ["agent", "runs"]) => list::answer(world, &request.query)?,
        ("GET", ["agent", "runs", id]) => wire::run_item(world, the_run(world, id)?),
        ("POST", ["agent", "runs", id, "followups"]) => follow_up(world, id, &request.body)?,
        ("POST", ["agent", "runs", id, "cancel"]) => {
            let run = place(world, id)?;
            world.cancel(run)?;
            json!(id)
        }
        ("GET", ["agent", "runs", id, "conversation"]) => conversation(world, the_run(world, id)?)?,
        ("GET", ["agent", "conversations", id]) => {
            let run = world.runs.iter().find(|run| run.conversation.as_deref() == Some(*id));
            conversation(world, run.ok_or_else(|| Problem::not_found("Conversation not found."))?)?
        }
        ("GET", ["agent", "runs", id, "transcript"]) => {
            let run = the_run(world, id)?;
            if run.conversation.is_none() {
                return Err(Problem::not_found("The run has no transcript yet."));
            }
            return Ok(Answer::Redirect(wire::download_link(world, &run.transcript).0));
        }
        ("GET", ["agent", "runs", id, "timeline"]) => wire::timeline(the_run(world, id)?),
        ("GET", ["agent", "artifacts", uid]) => artifact(world, uid)?,
        ("GET", ["agent", "artifacts", uid, "download"]) => {
            artifact(world, uid)?;
            return Ok(Answer::Redirect(wire::download_link(world, uid).0));
        }
        ("GET", ["agent", "environments"]) => {
            catalogue::environments(request.query.iter().any(|pair| pair.0 == "sort_by" && pair.1 == "name"))
        }
        ("GET", ["agent", "models"]) => catalogue::models(),
        ("GET", ["agent"]) => {
            let repo = request.query.iter().find(|pair| pair.0 == "repo");
            catalogue::skills(repo.map(|pair| pair.1.as_str()))
        }
        _ => return Err(Problem::not_found("There is nothing at this address.")),
    };
    Ok(Answer::Json(json))
}

fn authenticate(world: &World, request: &Request) -> Result<(), Problem> {
    let known = request.key.as_ref().is_some_and(|key| key.starts_with("wk-"));
    if known || !world.knobs.require_auth {
        return Ok(());
    }
    Err(Problem::of_code("authentication_required").with("The API key is missing, expired or revoked."))
}

fn create_run(world: &mut World, body: &[u8]) -> Result<Value, Problem> {
    let new = create::read(world, body)?;
    has_credits(world)?;
    let run = world.create(new);
    let run = &world.runs[run];
    let mut created = json!({ "run_id": run.id, "task_id": run.id, "state": run.state.as_str() });
    if world.knobs.at_capacity {
        created["at_capacity"] = json!(true);
    }
    Ok(created)
}

#[derive(Deserialize)]
struct FollowUp {
    message: String,
    mode: Option<Mode>,
}

fn follow_up(world: &mut World, id: &str, body: &[u8]) -> Result<Value, Problem> {
    let run = place(world, id)?;
    let follow_up: FollowUp = serde_json::from_slice(body).map_err(|error| Problem::invalid(error.to_string()))?;
    if follow_up.message.trim().is_empty() {
        return Err(Problem::invalid("message must not be empty"));
    }
    has_credits(world)?;
    world.follow_up(run, Told { text: follow_up.message, mode: follow_up.mode.unwrap_or_default() })?;
    Ok(json!({}))
}

fn conversation(world: &World, run: &Run) -> Result<Value, Problem> {
    if run.harness() != "oz" {
        return Err(Problem::of_code("operation_not_supported").with("The conversation format is not supported."));
    }
    if run.conversation.is_none() {
        return Err(Problem::not_found("The run has no conversation yet."));
    }
    Ok(wire::conversation(world, run))
}

fn artifact(world: &World, uid: &str) -> Result<Value, Problem> {
    let found = world.runs.iter().flat_map(|run| &run.artifacts).find(|artifact| artifact.uid == uid);
    found
        .and_then(|artifact| wire::fetched(world, artifact))
        .ok_or_else(|| Problem::not_found("Artifact not found, or unsupported artifact type."))
}

fn has_credits(world: &World) -> Result<(), Problem> {
    if world.knobs.credits {
        return Ok(());
    }
    Err(Problem::of_code("insufficient_credits").with("The team has no credits left."))
}

fn place(world: &World, id: &str) -> Result<usize, Problem> {
    world.find(id).ok_or_else(|| Problem::not_found("Run not found."))
}

fn the_run<'a>(world: &'a World, id: &str) -> Result<&'a Run, Problem> {
    Ok(&world.runs[place(world, id)?])
}
