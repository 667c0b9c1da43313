//! What stands before the replicas: each webhook goes to the next of them, and to the one after it
//! when it cannot be reached.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use tokio::net::TcpListener;

const LARGEST: usize = 8 << 20;

/// Cheap to clone.
#[derive(Clone)]
pub struct Front {
    client: reqwest::Client,
    turns: Arc<Mutex<Turns>>,
}

#[derive(Default)]
struct Turns {
    replicas: Vec<String>,
    next: usize,
    /// How many webhooks each has answered with 200.
    taken: BTreeMap<String, usize>,
}

impl Front {
    /// Returns its address too.
    pub async fn open() -> (Self, String) {
        let front = Self { client: baton::http::client().unwrap(), turns: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(forward).with_state(front.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (front, address)
    }

    /// From now on webhooks go to these.
    pub fn lead_to(&self, replicas: impl IntoIterator<Item = String>) {
        self.lock().replicas = replicas.into_iter().collect();
    }

    pub fn taken(&self) -> BTreeMap<String, usize> {
        self.lock().taken.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap()
    }

    /// All of them, beginning with the one whose turn it is.
    fn turn(&self) -> Vec<String> {
        let mut turns = self.lock();
        turns.next += 1;
        let mut replicas = turns.replicas.clone();
        let first = turns.next % replicas.len().max(1);
        replicas.rotate_left(first);
        replicas
    }
}

async fn forward(State(front): State<Front>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    for replica in front.turn() {
        match front.pass_on(&replica, &parts.method, path, &parts.headers, &body).await {
            Ok(answer) => return answer,
            Err(error) if error.is_connect() => {}
            Err(_) => return StatusCode::GATEWAY_TIMEOUT.into_response(),
        }
    }
    StatusCode::BAD_GATEWAY.into_response()
}

impl Front {
    async fn pass_on(
        &self,
        replica: &str,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> reqwest::Result<Response> {
        let mut headers = headers.clone();
        headers.remove(header::HOST);
        headers.remove(header::CONTENT_LENGTH);
        let request = self.client.request(method.clone(), format!("{replica}{path}")).headers(headers);
        let answer = request.body(body.clone()).send().await?;
        let (status, kind) = (answer.status(), answer.headers().get(header::CONTENT_TYPE).cloned());
        let body = answer.bytes().await?;
        if status == StatusCode::OK {
            *self.lock().taken.entry(replica.to_owned()).or_default() += 1;
        }
        let mut answer = (status, body).into_response();
        if let Some(kind) = kind {
            answer.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        Ok(answer)
    }
}
