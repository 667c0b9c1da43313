//! The client against small servers on loopback that answer as the facts about Oz say.

mod content;
mod reads;
mod writes;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};
use url::Url;

use super::Oz;
use crate::domain::{
    failure::Failure,
    run::{Mode, RunSettings, RunSpec},
};

const KEY: &str = "wk-secret";
const DISPATCH: &str = "o1.parent.1";

/// A request as the server saw it.
#[derive(Clone, Debug)]
struct Seen {
    /// `GET /agent/runs`
    what: String,
    /// Decoded, in the order of its keys.
    query: BTreeMap<String, String>,
    headers: HeaderMap,
    body: Value,
}

impl Seen {
    fn query(&self, key: &str) -> Option<&str> {
        self.query.get(key).map(String::as_str)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A server that answers as a function says, and the requests that it saw.
struct Server {
    /// With the version, as the client gets it.
    base: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    async fn start(answer: impl Fn(&Seen) -> Response + Clone + Send + Sync + 'static) -> Self {
        let (listener, base) = listen().await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let app = Router::new().fallback(move |request: Request| {
            let (answer, log) = (answer.clone(), Arc::clone(&log));
            async move {
                let seen = understood(request).await;
                log.lock().unwrap_or_else(PoisonError::into_inner).push(seen.clone());
                answer(&seen)
            }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { base, seen }
    }

    /// Always the same answer.
    async fn saying(status: u16, body: Value) -> Self {
        Self::start(move |_| answer(status, &body)).await
    }

    fn oz(&self) -> Oz {
        oz(self.base.clone())
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn asked(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.what).collect()
    }
}

fn oz(base: Url) -> Oz {
    Oz::new(base, SecretString::from(KEY)).expect("a client")
}

async fn listen() -> (TcpListener, Url) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, Url::parse(&format!("http://{address}/api/v1")).expect("a URL"))
}

async fn understood(request: Request) -> Seen {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let path = head.uri.path().strip_prefix("/api/v1").unwrap_or(head.uri.path());
    let query = head.uri.query().unwrap_or_default();
    Seen {
        what: format!("{} {path}", head.method),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers: head.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    }
}

/// A server that reads the request and closes the connection without an answer; after `prefix`, if
/// it is not empty.
async fn dropping(prefix: &'static str) -> Url {
    let (listener, base) = listen().await;
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(cut(connection, prefix));
        }
    });
    base
}

async fn cut(mut connection: TcpStream, prefix: &str) {
    let _ = connection.read(&mut [0; 8192]).await;
    let _ = tokio::io::AsyncWriteExt::write_all(&mut connection, prefix.as_bytes()).await;
}

/// An address where nobody listens.
async fn nobody() -> Url {
    listen().await.1
}

fn answer(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn ok(body: &Value) -> Response {
    answer(200, body)
}

fn page(status: u16) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(header::CONTENT_TYPE, "text/html")], "<html><title>Sorry</title></html>").into_response()
}

fn redirect(to: &str) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, to.to_owned())], Bytes::new()).into_response()
}

/// A problem document in the form that is seen in practice.
fn problem(status: u16, code: &str) -> Response {
    let kind = format!("/reference/api-and-sdk/troubleshooting/errors/{}/", code.replace('_', "-"));
    answer(status, &json!({"type": kind, "title": "T", "status": status, "error": "T (why)", "trace_id": "t"}))
}

fn run(id: &str, state: &str) -> Value {
    json!({"run_id": id, "task_id": id, "title": "Review", "state": state, "prompt": "…",
           "created_at": "2026-08-01T10:00:00Z", "updated_at": "2026-08-01T10:05:00Z",
           "metadata": {"baton.orchestration": "o1", "baton.dispatch": DISPATCH}})
}

fn child(id: &str, parent: &str) -> Value {
    let mut run = run(id, "INPROGRESS");
    run["parent_run_id"] = json!(parent);
    run
}

fn list(runs: &[Value], next: Option<&str>) -> Value {
    json!({"runs": runs, "page_info": {"has_next_page": next.is_some(), "next_cursor": next}})
}

fn spec() -> RunSpec {
    RunSpec {
        title: "Review".into(),
        prompt: "Review the open PRs.".into(),
        mode: Mode::Orchestrate,
        settings: RunSettings { environment: Some("9fJ2mQ7xLw0PzR4sVb1TdK".into()), ..RunSettings::default() },
        parent: None,
        metadata: [("baton.orchestration", "o1"), ("baton.dispatch", DISPATCH)]
            .map(|(key, value)| (key.into(), value.into()))
            .into(),
    }
}

/// `transient http_503`
fn told<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
    let failure = result.expect_err("a failure");
    let word = match &failure {
        Failure::Transient { .. } => "transient",
        Failure::Ambiguous(_) => "ambiguous",
        Failure::Refused(_) => "refused",
        Failure::Gone(_) => "gone",
        Failure::Unauthorized(_) => "unauthorized",
    };
    format!("{word} {}", failure.problem().code)
}
