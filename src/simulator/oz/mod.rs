//! The simulated Oz: the runs API over real HTTP, agents that follow a script, and pages to look at.
//!
//! It is driven by the [`Clock`] alone. At every request, and whenever a story asks, the world is
//! brought forward to the present; nothing happens in between and nothing is random. Used by
//! `baton dev` and by the stories.

mod api;
mod catalogue;
mod create;
mod knobs;
mod list;
mod pages;
mod picture;
mod problem;
mod revision;
mod run;
mod script;
mod task;
#[cfg(test)]
mod tests;
mod turns;
mod wire;
mod world;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, Path, RawQuery, State as Shared},
    response::{IntoResponse, Redirect, Response},
    routing::{any, get},
};
use bytes::Bytes;
use http::{
    HeaderMap, Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_DISPOSITION, CONTENT_TYPE},
};
use serde::Deserialize;

use self::{
    api::Request,
    problem::Problem,
    task::Child,
    world::{New, World},
};
pub use self::{
    knobs::Knobs,
    run::{Ending, Made, Mode, RunView, State},
};
use super::{
    faults::{Call, Faults},
    http::{Refusal, carry_out},
};
use crate::time::{Clock, Timestamp};

/// Five attachments of a few megabytes fit.
const LARGEST_BODY: usize = 32 * 1024 * 1024;

/// A handle on one simulated Oz; clones share it.
#[derive(Clone)]
pub struct Oz {
    clock: Clock,
    faults: Faults,
    world: Arc<Mutex<World>>,
}

impl fmt::Debug for Oz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oz").finish_non_exhaustive()
    }
}

impl Oz {
    #[must_use]
    pub fn new(clock: Clock, faults: Faults) -> Self {
        let world = Arc::new(Mutex::new(World::new(clock.now())));
        Self { clock, faults, world }
    }

    /// Where [`Oz::router`] is reached, without a slash at the end: the beginning of every link.
    pub fn set_base_url(&self, url: impl AsRef<str>) {
        url.as_ref().trim_end_matches('/').clone_into(&mut self.world().base_url);
    }

    /// 10 makes agents ten times faster. What is under way keeps its pace.
    pub fn set_speed(&self, speed: f64) {
        self.world().speed = if speed.is_finite() { speed.max(0.001) } else { 1.0 };
    }

    /// The API below `/api/v1`, and the pages that its links lead to.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/api/v1/{*path}", any(api_request))
            .route("/runs/{id}", get(run_page))
            .route("/sessions/{id}", get(session_page).post(session_answer))
            .route("/pull/{number}", get(pull_page))
            .route("/plans/{document}", get(plan_page))
            .route("/downloads/{uid}", get(download))
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
            .with_state(self.clone())
    }

    /// From their next turn on parents propose exactly these children, name and prompt of each.
    pub fn propose(&self, children: &[(&str, &str)]) {
        let children = children
            .iter()
            .map(|(name, prompt)| Child { name: (*name).into(), prompt: (*prompt).into(), returns: None })
            .collect();
        let steering = &mut self.world().steering;
        let version = steering.proposal.as_ref().map_or(1, |(version, _)| version + 1);
        steering.proposal = Some((version, children));
    }

    /// The next parent that would propose something says this instead. Several are said one after the other.
    pub fn say(&self, words: &str) {
        self.world().steering.sayings.push_back((words.into(), None));
    }

    /// The same, with a plan beside the words.
    pub fn say_with_plan(&self, words: &str, plan: &str) {
        self.world().steering.sayings.push_back((words.into(), Some(plan.into())));
    }

    /// Somebody edits the plans that there are: all of them say this now.
    pub fn edit_plans(&self, plan: &str) {
        self.world().edit_plans(plan);
    }

    /// How the next run of the child with that name ends, the one that is under way included.
    pub fn child_ends(&self, name: &str, ending: Ending) {
        self.world().steering.endings.push((name.into(), ending));
    }

    /// How the next turn of a run without a parent ends.
    pub fn parent_ends(&self, ending: Ending) {
        self.world().steering.parent_endings.push_back(ending);
    }

    /// Children do not end until [`Oz::release`].
    pub fn hold(&self) {
        self.world().steering.holding = true;
    }

    pub fn release(&self) {
        self.world().release();
    }

    /// Starts a child that nobody approved; gives its id.
    pub fn spawn_child(&self, parent: &str, title: &str) -> String {
        let mut world = self.world();
        let run = world.create(New {
            prompt: title.into(),
            title: Some(title.into()),
            parent: Some(parent.into()),
            by_agent: true,
            ..New::default()
        });
        world.runs[run].id.clone()
    }

    /// Every run so far, in the order of creation.
    pub fn runs(&self) -> Vec<RunView> {
        self.world().runs.iter().map(run::Run::view).collect()
    }

    pub fn knobs(&self, turn: impl FnOnce(&mut Knobs)) {
        turn(&mut self.world().knobs);
    }

    /// When the world will next change by itself.
    pub fn next_change(&self) -> Option<Timestamp> {
        self.world().next_change()
    }

    /// The world at the present moment.
    fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance(self.clock.now());
        world
    }
}

async fn api_request(
    Shared(oz): Shared<Oz>,
    method: Method,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let query = query.unwrap_or_default();
    let key = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let request = Request {
        method,
        path: format!("/{path}"),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        key: key.map(str::to_owned),
        body,
    };
    let call = Call {
        platform: "oz",
        what: format!("{} {}", request.method, request.path),
        at: oz.clock.now(),
        body: if request.body.is_empty() { query } else { String::from_utf8_lossy(&request.body).into_owned() },
    };
    let fault = oz.faults.next(call);
    let refuse = |refusal| {
        let problem = match refusal {
            Refusal::Status(status) => Problem::of_status(status),
            Refusal::Code(code) => Problem::of_code(&code),
        };
        api::refuse(&mut oz.world(), &problem)
    };
    carry_out(fault, refuse, || async { api::handle(&mut oz.world(), &request) }).await
}

async fn run_page(Shared(oz): Shared<Oz>, Path(id): Path<String>) -> Response {
    let world = oz.world();
    world.find(&id).map_or_else(not_found, |run| pages::run(&world, &world.runs[run], false).into_response())
}

async fn session_page(Shared(oz): Shared<Oz>, Path(id): Path<String>) -> Response {
    let world = oz.world();
    let run = world.runs.iter().find(|run| run.session.as_ref() == Some(&id));
    run.map_or_else(not_found, |run| pages::run(&world, run, true).into_response())
}

#[derive(Deserialize)]
struct Typed {
    text: String,
}

async fn session_answer(Shared(oz): Shared<Oz>, Path(id): Path<String>, Form(typed): Form<Typed>) -> Response {
    let mut world = oz.world();
    let Some(run) = world.runs.iter().position(|run| run.session.as_ref() == Some(&id)) else { return not_found() };
    world.type_in_session(run, typed.text);
    Redirect::to(&format!("{}/sessions/{id}", world.base_url)).into_response()
}

async fn pull_page(Shared(oz): Shared<Oz>, Path(number): Path<usize>) -> Response {
    let world = oz.world();
    let pull = number.checked_sub(1).and_then(|at| world.pulls.get(at));
    pull.map_or_else(not_found, |(run, branch)| pages::pull(&world, number, &world.runs[*run], branch).into_response())
}

async fn plan_page(Shared(oz): Shared<Oz>, Path(wanted): Path<String>) -> Response {
    let world = oz.world();
    let mut made = world.runs.iter().flat_map(|run| &run.artifacts).map(|artifact| &artifact.made);
    let plan = made.find_map(|made| match made {
        Made::Plan { document, title, content, .. } if *document == wanted => Some(pages::plan(title, content)),
        _ => None,
    });
    plan.map_or_else(not_found, IntoResponse::into_response)
}

/// What a download link leads to. Like a signed link to object storage it needs no key, refuses a
/// request that sends one all the same, and stops working.
async fn download(
    Shared(oz): Shared<Oz>,
    Path(uid): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let world = oz.world();
    if headers.contains_key(AUTHORIZATION) {
        return (StatusCode::BAD_REQUEST, "Only one authentication mechanism is allowed.").into_response();
    }
    let expires = query.as_deref().and_then(|query| query.strip_prefix("expires=")?.parse().ok());
    if expires.is_none_or(|millis| Timestamp::from_millis(millis) < world.now) {
        return (StatusCode::FORBIDDEN, "The link has expired.").into_response();
    }
    let file = |mime_type: &str, name: &str, content: Vec<u8>| {
        let disposition = format!("inline; filename=\"{name}\"");
        ([(CONTENT_TYPE, mime_type.to_owned()), (CONTENT_DISPOSITION, disposition)], content).into_response()
    };
    if let Some(run) = world.runs.iter().find(|run| run.transcript == uid) {
        let transcript = wire::conversation(&world, run).to_string();
        return file("application/json", "transcript.json", transcript.into_bytes());
    }
    let artifact = world.runs.iter().flat_map(|run| &run.artifacts).find(|artifact| artifact.uid == uid);
    match artifact.map(|artifact| &artifact.made) {
        Some(Made::Screenshot { .. }) => file("image/png", "screenshot.png", picture::png()),
        Some(Made::File { filename, mime_type, content, .. }) => file(mime_type, filename, content.clone().into()),
        Some(Made::Plan { content, .. }) => file("text/markdown", "plan.md", content.clone().into()),
        Some(Made::PullRequest { .. }) | None => not_found(),
    }
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, pages::nothing()).into_response()
}
