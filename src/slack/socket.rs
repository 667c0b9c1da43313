//! Socket Mode: what Slack sends comes over a WebSocket that we open, so that nobody has to reach us from
//! outside (<https://docs.slack.dev/apis/events-api/using-socket-mode>).
//!
//! An envelope is acknowledged when it is stored, as a webhook is answered, and one that is not
//! acknowledged comes again. Slack renews a connection every few hours and says so before: the next one
//! is opened while the last is still read, so that nothing falls between them. Each replica has its own,
//! and an envelope goes to one of them. Run by `app.rs`.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use reqwest::Upgraded;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use slack_morphism::{SlackApiToken, SlackApiTokenValue};
use tokio::{
    sync::oneshot,
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::WebSocketConfig},
};
use tokio_util::sync::CancellationToken;
use url::{Url, form_urlencoded};

use super::{
    connector::Connector,
    envelope::{self, Kind},
    failure::{self, Effect},
    intake::{self, Taken},
    webhook::LIMIT,
};
use crate::{
    domain::failure::{Failure, Problem},
    door::{self, Heard, text_at},
    storage::{Store, ingest::Ingest},
    time::Clock,
};

/// Between attempts to connect, in seconds, and up to half as long again; the last one repeats.
const DELAYS: [u64; 6] = [1, 2, 4, 8, 15, 30];
/// A connection that worked for so long is followed by the next at once.
const STEADY: Duration = Duration::from_secs(10);
/// A connection on which nothing comes for so long is asked whether it lives, and left when nothing
/// comes for as long again. Slack pings every few seconds.
const SILENCE: Duration = Duration::from_secs(20);
/// Slack closes a connection that it has renewed; one that stays open is left after this.
const FAREWELL: Duration = Duration::from_mins(1);
/// Opening one takes this long at the most, and saying goodbye.
const OPENING: Duration = Duration::from_secs(15);
const CLOSING: Duration = Duration::from_secs(1);
/// Envelopes of one connection that are being stored at a time.
const AT_ONCE: usize = 256;
/// The largest message: a body of the most bytes, as text in JSON.
const LARGEST: usize = 4 * LIMIT;

/// Told what became of each envelope, and how long its acknowledgement took.
pub type Count = Arc<dyn Fn(Kind, Heard, Duration) + Send + Sync>;

type Connection = WebSocketStream<Upgraded>;

/// Cheap to clone.
#[derive(Clone)]
pub struct Socket {
    connector: Connector,
    token: SlackApiToken,
    store: Store,
    ingest: Ingest,
    clock: Clock,
    count: Count,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket")
    }
}

/// A message of Slack's.
#[derive(Deserialize)]
struct Said {
    #[serde(rename = "type")]
    kind: String,
    envelope_id: Option<String>,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    accepts_response_payload: bool,
    reason: Option<String>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// Slack renews it, or it broke after it had worked.
    Worked,
    /// It never said hello.
    Unused,
}

impl Socket {
    /// `app_token` begins with `xapp-` and has the scope `connections:write`.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub fn new(
        api_url: Url,
        app_token: &SecretString,
        store: Store,
        ingest: Ingest,
        clock: Clock,
        count: Count,
    ) -> reqwest::Result<Self> {
        let token = as_token(app_token);
        Ok(Self { connector: Connector::new(api_url)?, token, store, ingest, clock, count })
    }

    /// Is connected until `stop`, then acknowledges what is being stored.
    pub async fn run(self, stop: CancellationToken) {
        let mut connections = JoinSet::new();
        let mut failures = 0;
        while let Some(opened) = stop.run_until_cancelled(self.open()).await {
            let began = Instant::now();
            let left = match opened {
                Ok(connection) => {
                    let (leaving, left) = oneshot::channel();
                    connections.spawn(Box::pin(self.clone().read(connection, leaving, stop.clone())));
                    left.await.unwrap_or(Left::Unused)
                }
                Err(failure) => {
                    tracing::warn!(problem = failure.problem().code, "Slack opens no socket");
                    Left::Unused
                }
            };
            while connections.try_join_next().is_some() {}
            // One that ends as soon as it has begun is no better than none.
            let is_steady = left == Left::Worked && began.elapsed() >= STEADY;
            failures = if is_steady { 0 } else { failures + 1 };
            if failures > 0 {
                let delay = Duration::from_secs(DELAYS[(failures - 1).min(DELAYS.len() - 1)]);
                let delay = delay.mul_f64(1.0 + rand::random::<f64>() / 2.0);
                stop.run_until_cancelled(tokio::time::sleep(delay)).await;
            }
        }
        while connections.join_next().await.is_some() {}
    }

    /// Whether Slack takes the app's token, for `baton check`.
    ///
    /// # Errors
    /// When it does not, or does not answer.
    pub async fn check(api_url: Url, app_token: &SecretString) -> Result<(), Failure> {
        let connector = Connector::new(api_url).map_err(|_| Failure::Refused(Problem::new("no_http_client")))?;
        address(&connector, &as_token(app_token)).await.map(|_| ())
    }

    async fn open(&self) -> Result<Connection, Failure> {
        let opened = async {
            let url = address(&self.connector, &self.token).await?;
            let limits = WebSocketConfig::default().max_message_size(Some(LARGEST)).max_frame_size(Some(LARGEST));
            let connection = self.connector.web_socket(url, limits).await;
            connection.map_err(|error| failure::failure(error, Effect::Read))
        };
        timeout(OPENING, opened).await.unwrap_or_else(|_| Err(Failure::Refused(Problem::new("timeout"))))
    }

    /// Reads until the connection ends or `stop`; `leaving` hears when another one is wanted.
    async fn read(self, connection: Connection, leaving: oneshot::Sender<Left>, stop: CancellationToken) {
        let mut link = Link { connection, storing: FuturesUnordered::new(), close_at: None };
        let mut leaving = Some(leaving);
        let mut left = Left::Unused;
        let mut silent = false;
        loop {
            let next = stop.run_until_cancelled(link.next()).await.unwrap_or(Next::Over);
            let goes_on = match next {
                Next::Over => false,
                Next::Stored(acknowledgement) => link.acknowledge(acknowledgement).await,
                Next::Silence => !std::mem::replace(&mut silent, true) && link.ping().await,
                Next::Said(said) => {
                    silent = false;
                    match said.as_ref().map(|said| said.kind.as_str()) {
                        None => {}
                        Some("hello") => {
                            tracing::info!("connected to Slack's socket");
                            left = Left::Worked;
                        }
                        Some("disconnect") => {
                            let reason = said.and_then(|said| said.reason);
                            tracing::info!(reason = reason.as_deref().map(known_reason), "Slack renews the socket");
                            link.close_at.get_or_insert_with(|| Instant::now() + FAREWELL);
                            if let Some(leaving) = leaving.take() {
                                // Whoever opens the next one may have stopped.
                                let _ = leaving.send(left);
                            }
                        }
                        Some(_) => link.storing.extend(said.map(|said| self.clone().envelope(said).boxed())),
                    }
                    true
                }
            };
            if !goes_on {
                break;
            }
        }
        link.finish().await;
        if let Some(leaving) = leaving {
            let _ = leaving.send(left);
        }
    }

    /// The acknowledgement, once there is nothing more to lose; none when it has to come again.
    async fn envelope(self, said: Said) -> Option<Value> {
        let id = said.envelope_id?;
        let kind = match said.kind.as_str() {
            "slash_commands" => Kind::Commands,
            "interactive" => Kind::Interactivity,
            "events_api" => Kind::Events,
            _ => return Some(json!({"envelope_id": id})),
        };
        let came = self.clock.now();
        let (heard, answer) = self.take(kind, &said.payload).await;
        (self.count)(kind, heard, self.clock.now().since(came));
        let mut acknowledgement = json!({"envelope_id": id});
        if let Some(answer) = answer.filter(|_| said.accepts_response_payload) {
            acknowledgement["payload"] = answer;
        }
        (!matches!(heard, Heard::Refused | Heard::Shed)).then_some(acknowledgement)
    }

    async fn take(&self, kind: Kind, payload: &Value) -> (Heard, Option<Value>) {
        let body = body(kind, payload);
        // It is read again as a webhook would be.
        if body.len() > LIMIT || envelope::open(kind, &body).is_err() {
            tracing::warn!(event.source = "slack", event.kind = kind.as_str(), "an envelope cannot be read");
            return (Heard::Ignored("unreadable"), None);
        }
        let Some(mut held) = self.ingest.room().take() else { return (Heard::Shed, None) };
        if !held.grow(body.len()) {
            return (Heard::Shed, None);
        }
        match intake::take(kind, payload, "", body, self.clock.now()) {
            Taken::Ignored(reason) => (Heard::Ignored(reason), None),
            Taken::Suggestion(asked) => match asked.answer(&self.store).await {
                Ok(options) => (Heard::Asked, Some(options)),
                Err(error) => {
                    tracing::warn!(%error, "what a menu offers could not be read");
                    (Heard::Refused, None)
                }
            },
            Taken::Event { event, answer } => (door::store(&self.ingest, held, event).await, answer),
        }
    }
}

/// A connection, and what came over it and is being stored.
struct Link {
    connection: Connection,
    storing: FuturesUnordered<BoxFuture<'static, Option<Value>>>,
    /// When it is left, if Slack does not close it before.
    close_at: Option<Instant>,
}

enum Next {
    /// An envelope has been stored, or not.
    Stored(Option<Value>),
    /// Slack said something, which may be of no interest.
    Said(Option<Said>),
    Silence,
    Over,
}

impl Link {
    async fn next(&mut self) -> Next {
        let Self { connection, storing, close_at } = self;
        let close = async {
            match *close_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let has_room = storing.len() < AT_ONCE;
        tokio::select! {
            biased;
            () = close => Next::Over,
            Some(acknowledgement) = storing.next() => Next::Stored(acknowledgement),
            said = timeout(SILENCE, connection.next()), if has_room => match said {
                Err(_) => Next::Silence,
                Ok(Some(Ok(Message::Text(text)))) => {
                    let said = serde_json::from_str(&text);
                    Next::Said(said.inspect_err(|_| tracing::warn!("what came over the socket is not read")).ok())
                }
                // A ping is answered below us.
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_)))) => {
                    Next::Said(None)
                }
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => Next::Over,
            },
        }
    }

    /// False when the connection does not take it.
    async fn acknowledge(&mut self, acknowledgement: Option<Value>) -> bool {
        match acknowledgement {
            Some(acknowledgement) => self.connection.send(Message::text(acknowledgement.to_string())).await.is_ok(),
            None => true,
        }
    }

    async fn ping(&mut self) -> bool {
        self.connection.send(Message::Ping(Bytes::new())).await.is_ok()
    }

    /// What is stored by now is not sent again, where Slack still listens.
    async fn finish(mut self) {
        while let Some(acknowledgement) = self.storing.next().await {
            if !self.acknowledge(acknowledgement).await {
                return;
            }
        }
        let _ = timeout(CLOSING, self.connection.close(None)).await;
    }
}

fn as_token(app_token: &SecretString) -> SlackApiToken {
    SlackApiToken::new(SlackApiTokenValue(app_token.expose_secret().to_owned()))
}

/// <https://docs.slack.dev/reference/methods/apps.connections.open>
async fn address(connector: &Connector, token: &SlackApiToken) -> Result<Url, Failure> {
    let opened = connector.call_with_headers::<Value>("apps.connections.open", token).await;
    let (_, opened) = opened.map_err(|error| failure::failure(error, Effect::Read))?;
    let url = text_at(&opened, "/url").and_then(|url| Url::parse(url).ok());
    // As every address that Slack hands out.
    let over_http = url.and_then(|mut url| {
        let scheme = match url.scheme() {
            "wss" => "https",
            "ws" => "http",
            _ => return None,
        };
        url.set_scheme(scheme).ok().map(|()| url)
    });
    over_http.filter(|url| connector.trusts(url)).ok_or_else(|| Failure::Refused(Problem::new("untrusted_address")))
}

/// The payload in the form in which a webhook would have brought it.
fn body(kind: Kind, payload: &Value) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    match kind {
        Kind::Events => payload.to_string(),
        Kind::Interactivity => form.append_pair("payload", &payload.to_string()).finish(),
        Kind::Commands => {
            for (name, value) in payload.as_object().unwrap_or(&Map::new()) {
                match value {
                    Value::String(text) => form.append_pair(name, text),
                    Value::Bool(_) | Value::Number(_) => form.append_pair(name, &value.to_string()),
                    Value::Null | Value::Array(_) | Value::Object(_) => continue,
                };
            }
            form.finish()
        }
    }
}

/// Slack's words for why, and none of anybody else's.
fn known_reason(reason: &str) -> &'static str {
    let known = ["warning", "refresh_requested", "link_disabled", "too_many_websockets"];
    known.into_iter().find(|known| *known == reason).unwrap_or("another")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn an_envelope_is_read_like_the_webhook_it_stands_for() {
        let command = json!({"command": "/oz", "text": "fix & go", "channel_id": "C1", "is_enterprise_install": false,
            "enterprise_id": null, "trigger_id": "1.2"});
        let read = envelope::open(Kind::Commands, &body(Kind::Commands, &command)).expect("a command");
        assert_eq!(
            (text_at(&read, "/text"), text_at(&read, "/is_enterprise_install")),
            (Some("fix & go"), Some("false"))
        );
        for (kind, payload) in [
            (Kind::Interactivity, json!({"type": "block_actions", "actions": [{"value": "a=b&c"}]})),
            (Kind::Events, json!({"type": "event_callback", "event": {"text": "ä%26"}})),
        ] {
            assert_eq!(envelope::open(kind, &body(kind, &payload)), Ok(payload));
        }
        assert!(envelope::open(Kind::Commands, &body(Kind::Commands, &json!("text"))).is_err());
    }

    #[tokio::test]
    async fn what_is_not_stored_is_not_acknowledged() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&format!("sqlite://{}", folder.path().join("baton.db").display()), 1).await;
        let store = store.expect("a database");
        let (ingest, _writer) = Ingest::start(store.clone());
        let counted: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let count: Count = {
            let counted = Arc::clone(&counted);
            Arc::new(move |_, heard, _| counted.lock().expect("a list").push(heard))
        };
        let api = Url::parse("http://127.0.0.1:9/api/").expect("an address");
        let socket =
            Socket::new(api, &"xapp-1".into(), store.clone(), ingest, Clock::system(), count).expect("a socket");
        let said = |kind: &str, payload: Value| Said {
            kind: kind.into(),
            envelope_id: Some("e1".into()),
            payload,
            accepts_response_payload: true,
            reason: None,
        };
        let command = || said("slash_commands", json!({"command": "/oz", "text": "go", "team_id": "T1"}));
        assert_eq!(socket.clone().envelope(command()).await, None, "there is no schema yet");
        store.migrate().await.expect("a schema");
        let acknowledged = socket.clone().envelope(command()).await.expect("an acknowledgement");
        assert_eq!(acknowledged["envelope_id"], "e1");
        assert!(acknowledged["payload"]["text"].as_str().is_some_and(|text| text.starts_with("On its way")));
        for (kind, payload) in
            [("events_api", json!("?")), ("events_api", json!({"type": "event_callback"})), ("new", json!({}))]
        {
            let acknowledged = socket.clone().envelope(said(kind, payload)).await;
            assert_eq!(acknowledged, Some(json!({"envelope_id": "e1"})), "what is of no use does not come again");
        }
        let counted = counted.lock().expect("a list").clone();
        assert!(
            matches!(counted[..], [Heard::Refused, Heard::New, Heard::Ignored(_), Heard::Ignored(_)]),
            "{counted:?}"
        );
    }
}
