//! Socket Mode from Slack's side: addresses for sockets, and envelopes over them instead of webhooks.
//! <https://docs.slack.dev/apis/events-api/using-socket-mode>

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    extract::{
        Query, State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use url::form_urlencoded;

use super::{
    APP_TOKEN, Slack,
    deliver::{Answer, COMMANDS, Delivery, INTERACTIVITY, PATIENCE},
    world::World,
};

/// It knows the app by a token of its own.
pub const OPEN: &str = "apps.connections.open";
/// In the address of a socket.
const TICKET: &str = "simulated-ticket";

/// The sockets that are open, oldest first.
#[derive(Debug, Default)]
pub struct Links {
    open: Mutex<Vec<Link>>,
    opened: AtomicU64,
}

#[derive(Clone, Debug)]
pub struct Link {
    number: u64,
    envelopes: mpsc::UnboundedSender<Envelope>,
}

/// What is sent, and who hears of the acknowledgement, if there is to be one.
type Envelope = (Value, Option<oneshot::Sender<Value>>);

impl Links {
    /// Slack may choose any.
    pub fn newest(&self) -> Option<Link> {
        self.lock().last().cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Link>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// The answer, once the envelope is acknowledged.
    pub async fn transmit(&self, delivery: &Delivery) -> Option<Answer> {
        let (acknowledge, acknowledged) = oneshot::channel();
        self.envelopes.send((envelope(delivery), Some(acknowledge))).ok()?;
        let answer: Value = timeout(PATIENCE, acknowledged).await.ok()?.ok()?;
        let body = answer.get("payload").map(Value::to_string).unwrap_or_default();
        Some(Answer { status: 200, body })
    }
}

impl Slack {
    /// How many sockets are open.
    pub fn sockets(&self) -> usize {
        self.inner.links.lock().len()
    }

    /// Asks the app to leave its sockets, as Slack does every few hours.
    pub fn renew_sockets(&self) {
        let warning = json!({"type": "disconnect", "reason": "warning", "debug_info": {"host": "simulated"}});
        for link in self.inner.links.lock().iter() {
            // One that has just ended needs none.
            let _ = link.envelopes.send((warning.clone(), None));
        }
    }

    /// Every socket breaks, without a word.
    pub fn break_sockets(&self) {
        self.inner.links.lock().clear();
    }
}

/// The answer of `apps.connections.open`.
pub fn open(world: &World, token: &str) -> Result<Value, &'static str> {
    if token != APP_TOKEN {
        return Err("not_allowed_token_type");
    }
    let address = world.base_url.replacen("http", "ws", 1);
    Ok(json!({"ok": true, "url": format!("{address}/link?ticket={TICKET}")}))
}

#[derive(Debug, Deserialize)]
pub struct Admission {
    ticket: String,
}

pub async fn connect(
    State(slack): State<Slack>,
    Query(admission): Query<Admission>,
    upgrade: WebSocketUpgrade,
) -> Response {
    if admission.ticket != TICKET {
        return StatusCode::FORBIDDEN.into_response();
    }
    upgrade.on_upgrade(move |socket| async move { serve(&slack, socket).await })
}

/// Sends what there is to send, until either side has had enough.
async fn serve(slack: &Slack, mut socket: WebSocket) {
    let (envelopes, mut waiting) = mpsc::unbounded_channel::<Envelope>();
    let number = slack.inner.links.opened.fetch_add(1, Ordering::Relaxed);
    let hello = json!({"type": "hello", "num_connections": 1, "debug_info": {"approximate_connection_time": 18060}});
    if socket.send(Message::text(hello.to_string())).await.is_err() {
        return;
    }
    slack.inner.links.lock().push(Link { number, envelopes });
    let mut answers: Vec<(String, oneshot::Sender<Value>)> = Vec::new();
    loop {
        tokio::select! {
            envelope = waiting.recv() => {
                // The last sender went with the link: it is broken off.
                let Some((envelope, acknowledge)) = envelope else { return };
                if let (Some(id), Some(acknowledge)) = (envelope["envelope_id"].as_str(), acknowledge) {
                    answers.push((id.to_owned(), acknowledge));
                }
                if socket.send(Message::text(envelope.to_string())).await.is_err() {
                    break;
                }
            }
            said = socket.recv() => match said {
                Some(Ok(Message::Text(text))) => {
                    let acknowledgement: Value = serde_json::from_str(&text).unwrap_or_default();
                    let is_it = |(id, _): &(String, _)| acknowledgement["envelope_id"] == id.as_str();
                    if let Some(at) = answers.iter().position(is_it) {
                        // Nobody may wait for it any more.
                        let _ = answers.swap_remove(at).1.send(acknowledgement);
                    }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            },
        }
    }
    slack.inner.links.lock().retain(|link| link.number != number);
}

/// A webhook as an envelope.
fn envelope(delivery: &Delivery) -> Value {
    let form = || form_urlencoded::parse(&delivery.body);
    let (kind, payload) = match delivery.path {
        COMMANDS => {
            let fields = form().map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())));
            ("slash_commands", Value::Object(fields.collect()))
        }
        INTERACTIVITY => {
            let payload = form().find(|(name, _)| name == "payload").map(|(_, payload)| payload.into_owned());
            ("interactive", serde_json::from_str(&payload.unwrap_or_default()).unwrap_or_default())
        }
        _ => ("events_api", serde_json::from_slice(&delivery.body).unwrap_or_default()),
    };
    let mut envelope = json!({
        "envelope_id": uuid::Uuid::new_v4(), "type": kind, "payload": payload,
        "accepts_response_payload": kind != "events_api",
    });
    if delivery.attempt > 0 {
        envelope["retry_attempt"] = delivery.attempt.into();
        envelope["retry_reason"] = delivery.reason.into();
    }
    envelope
}
