//! A Slack and an Oz that answer at once and say yes, and remember what they were asked: what stays
//! then is what Baton costs. Their time is told by the benchmark. (The platforms with all their rules
//! are `baton::simulator`.)

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{Method, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{any, post},
};
use baton::{
    simulator::slack::{APP_ID, BOT_USER, TEAM},
    time::{Clock, Timestamp},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify};

use super::process::NOT_BATON;

/// Runs on threads of its own, whose time is not counted as Baton's.
pub struct Platforms {
    pub address: String,
    pub world: Arc<World>,
    /// Taken when it ends: whoever drops it may be driven by another one.
    runtime: Option<tokio::runtime::Runtime>,
}

#[derive(Default)]
pub struct World {
    state: Mutex<Seen>,
    /// A message was posted or a run created.
    pub changed: Notify,
}

#[derive(Default)]
pub struct Seen {
    pub now: Timestamp,
    /// A run ends well after so long.
    pub life: Option<Duration>,
    pub runs: Vec<Run>,
    places: HashMap<String, usize>,
    working: VecDeque<usize>,
    /// Messages with the text of their blocks.
    pub posts: Vec<Post>,
    pub reads: u32,
    pub writes: u32,
    pub edits: u32,
}

pub struct Run {
    pub id: String,
    pub title: String,
    pub parent: Option<String>,
    pub state: &'static str,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// When its create was on the wire.
    pub came: Instant,
}

pub struct Post {
    pub channel: String,
    pub ts: String,
    pub blocks: Value,
}

impl Platforms {
    pub fn start() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(NOT_BATON)
            .enable_all()
            .build()?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address: SocketAddr = listener.local_addr()?;
        let world = Arc::new(World::default());
        world.seen().now = Clock::system().now();
        let router = Router::new()
            .route("/slack/{method}", post(slack))
            .route("/oz/{*path}", any(oz))
            .route("/now/{millis}", post(moved))
            .with_state(Arc::clone(&world));
        runtime.spawn(async move { axum::serve(TcpListener::from_std(listener)?, router).await });
        Ok(Self { address: format!("http://{address}"), world, runtime: Some(runtime) })
    }
}

impl Drop for Platforms {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl World {
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// A run that Baton knows of already.
    pub fn add(&mut self, id: String, parent: Option<String>) {
        let at = self.now;
        self.places.insert(id.clone(), self.runs.len());
        self.runs.push(Run {
            title: id.clone(),
            id,
            parent,
            state: "INPROGRESS",
            created_at: at,
            updated_at: at,
            came: Instant::now(),
        });
    }

    /// It says something new of itself.
    pub fn touch(&mut self, place: usize) {
        self.runs[place].updated_at = self.now;
    }

    fn move_to(&mut self, now: Timestamp) {
        self.now = now;
        let Some(life) = self.life else { return };
        while let Some(&place) = self.working.front()
            && self.runs[place].created_at + life <= now
        {
            self.working.pop_front();
            let run = &mut self.runs[place];
            run.state = "SUCCEEDED";
            run.updated_at = run.created_at + life;
        }
    }
}

async fn moved(State(world): State<Arc<World>>, Path(millis): Path<i64>) {
    world.seen().move_to(Timestamp::from_millis(millis));
}

async fn slack(State(world): State<Arc<World>>, Path(method): Path<String>, body: Bytes) -> Json<Value> {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    Json(match method.as_str() {
        "auth.test" => json!({"ok": true, "team_id": TEAM, "user_id": BOT_USER, "bot_id": "B0BATON", "app_id": APP_ID}),
        "chat.postMessage" => {
            let channel = body["channel"].as_str().unwrap_or_default().to_owned();
            let mut seen = world.seen();
            let ts = format!("1700000000.{:06}", seen.posts.len());
            seen.posts.push(Post { channel: channel.clone(), ts: ts.clone(), blocks: body["blocks"].clone() });
            drop(seen);
            world.changed.notify_waiters();
            json!({"ok": true, "channel": channel, "ts": ts, "message": {"ts": ts, "text": ""}})
        }
        "chat.update" => {
            world.seen().edits += 1;
            json!({"ok": true, "channel": body["channel"], "ts": body["ts"], "text": ""})
        }
        _ => json!({"ok": true}),
    })
}

async fn oz(
    State(world): State<Arc<World>>,
    method: Method,
    Path(path): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    body: Bytes,
) -> Response {
    let came = Instant::now();
    let mut seen = world.seen();
    if method == Method::GET {
        seen.reads += 1;
    } else {
        seen.writes += 1;
    }
    let parts: Vec<&str> = path.split('/').collect();
    let answer = match (method.as_str(), parts.as_slice()) {
        ("POST", ["agent", "runs"]) => {
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            let answer = created(&mut seen, &body, came);
            drop(seen);
            world.changed.notify_waiters();
            return Json(answer).into_response();
        }
        ("GET", ["agent", "runs"]) => list(&seen, &query),
        ("GET", ["agent", "runs", id]) => match seen.places.get(*id) {
            Some(place) => item(&seen.runs[*place]),
            None => return StatusCode::NOT_FOUND.into_response(),
        },
        ("GET", ["agent", "runs", _, "conversation" | "timeline"]) => return StatusCode::NOT_FOUND.into_response(),
        _ => json!({}),
    };
    Json(answer).into_response()
}

fn created(seen: &mut Seen, body: &Value, came: Instant) -> Value {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let place = seen.runs.len();
    let id = format!("00000000-0000-4000-8000-{place:012}");
    let now = seen.now;
    seen.places.insert(id.clone(), place);
    seen.working.push_back(place);
    seen.runs.push(Run {
        id: id.clone(),
        title: text(&body["title"]).unwrap_or_default(),
        parent: text(&body["parent_run_id"]),
        state: "INPROGRESS",
        created_at: now,
        updated_at: now,
        came,
    });
    json!({"run_id": id, "task_id": id, "state": "QUEUED"})
}

/// The first hundred that changed, by the time of their creation; the cursor counts.
fn list(seen: &Seen, query: &HashMap<String, String>) -> Value {
    let after = query.get("updated_after").and_then(|text| Timestamp::parse_rfc3339(text)).unwrap_or_default();
    let from: usize = query.get("cursor").and_then(|cursor| cursor.parse().ok()).unwrap_or_default();
    let parent = query.get("ancestor_run_id");
    let mut matching = seen
        .runs
        .iter()
        .enumerate()
        .skip(from)
        .filter(|(_, run)| run.updated_at > after && (parent.is_none() || run.parent.as_ref() == parent));
    let page: Vec<_> = matching.by_ref().take(100).map(|(_, run)| item(run)).collect();
    let next = matching.next().map(|(place, _)| place.to_string());
    json!({"runs": page, "page_info": {"has_next_page": next.is_some(), "next_cursor": next}})
}

fn item(run: &Run) -> Value {
    json!({
        "run_id": run.id, "task_id": run.id, "title": run.title, "state": run.state, "prompt": "…",
        "created_at": run.created_at.to_rfc3339(), "updated_at": run.updated_at.to_rfc3339(),
        "parent_run_id": run.parent, "session_link": format!("https://app.warp.dev/session/{}", run.id),
        "status_message": {"message": format!("at work, {}", run.updated_at.as_millis())},
        "artifacts": [], "metadata": {},
    })
}
