//! A Linear on loopback that answers as a test tells it to, and remembers what it was asked.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::{client::Linear, token::Tokens};
use crate::time::{Clock, Timestamp};

pub(super) struct Fake {
    pub linear: Linear,
    pub clock: Clock,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The operation's name; where there is none, the last part of the path.
    pub what: String,
    pub path: String,
    pub text: String,
    /// Empty when there is none.
    pub authorization: String,
    headers: HeaderMap,
}

pub(super) enum Reply {
    Json(Value),
    Status(u16, Value),
    Text(u16, &'static str),
    /// So many seconds from now on, by the header.
    Limited(u64),
    /// The answer breaks off.
    Broken,
}

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

pub(super) fn credentials() -> Tokens {
    Tokens::ClientCredentials { client_id: "client".into(), client_secret: "secret".into() }
}

impl Fake {
    pub async fn start(answer: impl Fn(&Asked, &str) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(Tokens::Fixed("lin_oauth_test".into()), answer).await
    }

    pub async fn start_with(tokens: Tokens, answer: impl Fn(&Asked, &str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (heard, address, answer) = (Arc::clone(&asked), base.clone(), Arc::new(answer));
        let handler = move |headers: HeaderMap, uri: Uri, body: Bytes| {
            let text = String::from_utf8_lossy(&body).into_owned();
            let json: Value = serde_json::from_str(&text).unwrap_or_default();
            let last = uri.path().rsplit('/').next().unwrap_or_default();
            let authorization =
                headers.get(header::AUTHORIZATION).map(|value| value.to_str().expect("text").to_owned());
            let asked = Asked {
                what: json["operationName"].as_str().unwrap_or(last).to_owned(),
                path: uri.path().to_owned(),
                text,
                authorization: authorization.unwrap_or_default(),
                headers,
            };
            let reply = answer(&asked, &address);
            heard.lock().expect("no test panicked").push(asked);
            std::future::ready(reply)
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await });
        let clock = Clock::manual(NOW);
        let linear = Linear::new(Url::parse(&base).expect("an address"), tokens, clock.clone()).expect("a client");
        Self { linear, clock, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no test panicked").clone()
    }

    pub fn whats(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.what).collect()
    }
}

impl Asked {
    pub fn variables(&self) -> Value {
        serde_json::from_str::<Value>(&self.text).expect("JSON")["variables"].take()
    }

    pub fn form(&self) -> HashMap<String, String> {
        form_urlencoded::parse(self.text.as_bytes()).into_owned().collect()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

impl Reply {
    pub fn data(data: Value) -> Self {
        Self::Json(Value::Object([("data".to_owned(), data)].into_iter().collect()))
    }

    /// What a mutation answers that is done.
    pub fn done() -> Self {
        let payload = json!({"success": true, "agentSession": {"id": "s-new"}});
        Self::data(json!({"agentActivityCreate": payload, "agentSessionUpdate": payload, "commentCreate": payload,
            "agentSessionCreateOnIssue": payload}))
    }

    pub fn viewer() -> Self {
        Self::data(json!({"viewer": {
            "id": "app-1", "name": "Baton", "displayName": "baton", "url": "https://linear.app/acme/profiles/baton",
            "app": true, "supportsAgentSessions": true,
            "organization": {"id": "org", "name": "Acme", "urlKey": "acme"},
        }}))
    }

    pub fn error(code: &str, kind: &str, message: &str, field: &str) -> Self {
        Self::Json(json!({"data": null, "errors": [{
            "message": message, "path": [field], "extensions": {"code": code, "type": kind},
        }]}))
    }

    pub fn conflict(entity: &str, id: &str) -> Self {
        Self::Json(json!({"data": null, "errors": [{
            "message": format!("conflict on insert of {entity}"),
            "extensions": {"type": "invalid input", "code": "INPUT_ERROR", "statusCode": 400, "userError": true,
                "userPresentableMessage": format!("Entity {entity} with id {id} already exists.")},
        }]}))
    }

    pub fn gone(entity: &str) -> Self {
        Self::error("INPUT_ERROR", "invalid input", &format!("Entity not found: {entity}"), "x")
    }

    pub fn unauthorized() -> Self {
        Self::Status(
            401,
            json!({"errors": [{"message": "Authentication required, not authenticated",
            "extensions": {"type": "authentication error", "code": "AUTHENTICATION_ERROR"}}]}),
        )
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        match self {
            Self::Json(answer) => axum::Json(answer).into_response(),
            Self::Status(status, answer) => {
                (StatusCode::from_u16(status).expect("a status"), axum::Json(answer)).into_response()
            }
            Self::Text(status, text) => (StatusCode::from_u16(status).expect("a status"), text).into_response(),
            Self::Limited(seconds) => {
                let reset = (NOW + Duration::from_secs(seconds)).as_millis().to_string();
                let error = json!({"errors": [{"message": "Rate limit exceeded.",
                    "extensions": {"type": "ratelimited", "code": "RATELIMITED", "statusCode": 429}}]});
                let headers =
                    [("x-ratelimit-requests-remaining", "0".to_owned()), ("x-ratelimit-requests-reset", reset)];
                (StatusCode::BAD_REQUEST, headers, axum::Json(error)).into_response()
            }
            Self::Broken => {
                let broken = std::io::Error::other("the connection is gone");
                Body::from_stream(futures_util::stream::iter([Ok(Bytes::from("{")), Err(broken)])).into_response()
            }
        }
    }
}
