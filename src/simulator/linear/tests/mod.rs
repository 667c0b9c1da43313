//! The simulated Linear seen from outside: over loopback, with a door that only writes down.

mod agents;
mod graph;
mod oauth;
mod playground;
mod webhooks;
mod workspace;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{ACCESS_TOKEN, Linear};
use crate::{
    simulator::faults::Faults,
    time::{Clock, Timestamp},
};

/// A workspace with a door that answers as told.
struct Stage {
    linear: Linear,
    clock: Clock,
    faults: Faults,
    base: String,
    client: reqwest::Client,
    door: Door,
}

/// What Baton would have got.
#[derive(Clone, Debug)]
struct Received {
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Received {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// `Issue update` and the like.
    fn what(&self) -> String {
        let body = self.json();
        format!("{} {}", body["type"].as_str().expect("a type"), body["action"].as_str().expect("an action"))
    }
}

#[derive(Clone, Default)]
struct Door {
    seen: Arc<Mutex<Vec<Received>>>,
    status: Arc<Mutex<Option<u16>>>,
}

impl Door {
    fn answers(&self, status: u16) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
    }

    fn seen(&self) -> Vec<Received> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn clear(&self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn whats(&self) -> Vec<String> {
        self.seen().iter().map(Received::what).collect()
    }

    /// The newest webhook of that type and action.
    fn last(&self, what: &str) -> Value {
        let seen = self.seen();
        let found = seen.iter().rev().find(|got| got.what() == what);
        found.unwrap_or_else(|| panic!("no {what} in {:?}", self.whats())).json()
    }
}

async fn take(State(door): State<Door>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    door.seen.lock().unwrap_or_else(PoisonError::into_inner).push(Received {
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body: body.to_vec(),
    });
    let status = door.status.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(200);
    StatusCode::from_u16(status).expect("a status").into_response()
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

impl Stage {
    async fn new() -> Self {
        let clock = Clock::manual(Timestamp::from_secs(1_764_000_000));
        let faults = Faults::default();
        let linear = Linear::new(clock.clone(), faults.clone());
        let base = serve(Router::new().nest("/simulator/linear", linear.router())).await + "/simulator/linear";
        linear.set_base_url(&base);
        let door = Door::default();
        linear.set_target(&serve(Router::new().fallback(take).with_state(door.clone())).await);
        let client = crate::http::client().expect("a client");
        Self { linear, clock, faults, base, client, door }
    }

    async fn send(&self, token: &str, body: &Value) -> (u16, Value) {
        let request = self.client.post(format!("{}/graphql", self.base)).bearer_auth(token).json(body);
        let response = request.send().await.expect("an answer");
        (response.status().as_u16(), response.json().await.expect("JSON"))
    }

    /// Asks as the app, and gives the whole answer with its status.
    async fn ask(&self, query: &str, variables: Value) -> (u16, Value) {
        self.send(ACCESS_TOKEN, &json!({"query": query, "variables": variables})).await
    }

    /// Asks as the app, and gives the data, which is there.
    async fn data(&self, query: &str, variables: Value) -> Value {
        let (status, answer) = self.ask(query, variables).await;
        assert!(status == 200 && answer.get("errors").is_none(), "{answer:#}");
        answer["data"].clone()
    }

    /// An activity of the app's; gives the first error, or nothing.
    async fn activity(&self, session: &str, content: Value, more: Value) -> Value {
        let mut input = json!({"agentSessionId": session, "content": content});
        for (name, value) in more.as_object().into_iter().flatten() {
            input[name] = value.clone();
        }
        let query = "mutation($input: AgentActivityCreateInput!) \
                     { agentActivityCreate(input: $input) { success agentActivity { id } } }";
        let (_, answer) = self.ask(query, json!({"input": input})).await;
        answer["errors"][0].clone()
    }

    async fn says(&self, session: &str, kind: &str, body: &str) {
        let error = self.activity(session, json!({"type": kind, "body": body}), json!({})).await;
        assert!(error.is_null(), "{error:#}");
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn status(&self, session: &str) -> &'static str {
        self.linear.session(session).expect("a session").status.as_str()
    }
}

const UUID: &str = "4f3a2b1c-1111-4222-8333-0123456789ab";
