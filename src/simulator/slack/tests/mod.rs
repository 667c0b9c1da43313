//! The simulated Slack seen from outside: over loopback, with a door that only writes down.

mod acting;
mod files;
mod oauth;
mod playground;
mod posting;

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

use super::{BOT_TOKEN, Slack, sign};
use crate::{
    simulator::faults::Faults,
    time::{Clock, Timestamp},
};

/// A workspace with a door that answers as told.
struct Stage {
    slack: Slack,
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
    body: String,
}

impl Received {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    fn form(&self, name: &str) -> String {
        url::form_urlencoded::parse(self.body.as_bytes())
            .find(|(found, _)| found == name)
            .map_or_else(|| panic!("no field {name}"), |(_, value)| value.into_owned())
    }

    fn payload(&self) -> Value {
        serde_json::from_str(&self.form("payload")).expect("JSON")
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

#[derive(Clone, Default)]
struct Door {
    seen: Arc<Mutex<Vec<Received>>>,
    answer: Arc<Mutex<Option<(u16, String)>>>,
}

impl Door {
    fn answers(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some((status, body.to_owned()));
    }

    fn seen(&self) -> Vec<Received> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn last(&self) -> Received {
        self.seen().pop().expect("a webhook")
    }

    fn events(&self) -> Vec<Value> {
        self.seen().iter().filter(|got| got.path == "/slack/events").map(|got| got.json()["event"].clone()).collect()
    }
}

async fn take(State(door): State<Door>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    door.seen.lock().unwrap_or_else(PoisonError::into_inner).push(Received {
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    });
    let (status, body) =
        door.answer.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or((200, String::new()));
    (StatusCode::from_u16(status).expect("a status"), body).into_response()
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
        let slack = Slack::new(clock.clone(), faults.clone());
        let base = serve(Router::new().nest("/simulator/slack", slack.router())).await + "/simulator/slack";
        slack.set_base_url(&base);
        let door = Door::default();
        slack.set_target(&serve(Router::new().fallback(take).with_state(door.clone())).await);
        let client = crate::http::client().expect("a client");
        Self { slack, clock, faults, base, client, door }
    }

    async fn call(&self, method: &str, body: Value) -> Value {
        let response = self.post(method, &body).await;
        assert_eq!(response.status(), 200);
        response.json().await.expect("JSON")
    }

    async fn post(&self, method: &str, body: &Value) -> reqwest::Response {
        let request = self.client.post(format!("{}/api/{method}", self.base)).bearer_auth(BOT_TOKEN).json(body);
        request.send().await.expect("an answer")
    }

    async fn get(&self, method: &str, query: &[(&str, &str)]) -> Value {
        let request = self.client.get(format!("{}/api/{method}", self.base)).bearer_auth(BOT_TOKEN).query(query);
        request.send().await.expect("an answer").json().await.expect("JSON")
    }

    async fn error(&self, method: &str, body: Value) -> String {
        let answer = self.call(method, body).await;
        assert_eq!(answer["ok"], false, "{answer}");
        answer["error"].as_str().expect("an error").to_owned()
    }

    /// Posts in the engineering channel; gives the `ts`.
    async fn posted(&self, more: Value) -> String {
        let mut body = json!({"channel": "C0ENG", "text": "text"});
        for (name, value) in more.as_object().expect("an object") {
            body[name] = value.clone();
        }
        let answer = self.call("chat.postMessage", body).await;
        assert_eq!(answer["ok"], true, "{answer}");
        self.slack.deliver_outgoing().await;
        answer["ts"].as_str().expect("a ts").to_owned()
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn metadata(id: &str) -> Value {
    json!({"event_type": "baton_message", "event_payload": {"id": id}})
}

fn button(action_id: &str) -> Value {
    json!([{"type": "actions", "elements": [
        {"type": "button", "action_id": action_id, "text": {"type": "plain_text", "text": "Approve"}, "value": "o1/1/d"}
    ]}])
}
