//! A Slack on loopback that answers as a test tells it to, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::{client::Slack, token::Tokens};
use crate::time::{Clock, Timestamp};

pub(super) struct Fake {
    pub slack: Slack,
    pub base: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The last part of the path: the method's name.
    pub what: String,
    pub body: Value,
    pub authorized: bool,
    /// The token.
    pub bearer: String,
    query: String,
}

pub(super) enum Reply {
    Json(Value),
    Text(u16, &'static str),
    Limited(&'static str),
    /// The answer breaks off.
    Broken,
}

impl Fake {
    pub async fn start(answer: impl Fn(&Asked, &str) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(Tokens::Fixed("xoxb-test".into()), answer).await
    }

    pub async fn start_with(tokens: Tokens, answer: impl Fn(&Asked, &str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (heard, address, answer) = (Arc::clone(&asked), base.clone(), Arc::new(answer));
        let handler = move |headers: HeaderMap, uri: Uri, body: Bytes| {
            let asked = Asked {
                what: uri.path().rsplit('/').next().unwrap_or_default().to_owned(),
                body: serde_json::from_slice(&body).unwrap_or_default(),
                authorized: headers.contains_key(header::AUTHORIZATION),
                bearer: bearer(&headers),
                query: uri.query().unwrap_or_default().to_owned(),
            };
            let reply = answer(&asked, &address);
            heard.lock().expect("no test panicked").push(asked);
            std::future::ready(reply)
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await });
        let api = Url::parse(&format!("{base}/api")).expect("an address");
        let slack = Slack::new(api, tokens, Clock::manual(Timestamp::from_secs(1_000))).expect("a client");
        Self { slack, base, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no test panicked").clone()
    }

    pub fn whats(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.what).collect()
    }
}

fn bearer(headers: &HeaderMap) -> String {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    value.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default().to_owned()
}

impl Asked {
    pub fn query(&self, name: &str) -> String {
        let found = form_urlencoded::parse(self.query.as_bytes()).find(|(key, _)| key == name);
        found.map_or_else(String::new, |(_, value)| value.into_owned())
    }
}

impl Reply {
    pub fn ok(mut answer: Value) -> Self {
        answer["ok"] = true.into();
        Self::Json(answer)
    }

    pub fn refused(code: &str) -> Self {
        Self::Json(json!({"ok": false, "error": code}))
    }

    pub fn identity() -> Self {
        Self::ok(json!({"team_id": "T1", "user_id": "UBATON", "bot_id": "BBATON"}))
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        match self {
            Self::Json(answer) => ([("x-oauth-scopes", "chat:write, commands")], axum::Json(answer)).into_response(),
            Self::Text(status, text) => (StatusCode::from_u16(status).expect("a status"), text).into_response(),
            Self::Limited(seconds) => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds)]).into_response(),
            Self::Broken => {
                let broken = std::io::Error::other("the connection is gone");
                Body::from_stream(futures_util::stream::iter([Ok(Bytes::from("{")), Err(broken)])).into_response()
            }
        }
    }
}
