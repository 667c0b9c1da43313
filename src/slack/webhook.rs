//! The door: the three addresses that Slack sends to.
//!
//! A handler's argument is a [`Verified`] request, and only [`check`] makes one, so the signature
//! cannot be skipped. What is for us is stored as it came, and 200 follows the commit. Understanding
//! it is the inbox worker's business (`inbound.rs`). Mounted by `app.rs`.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{FromRequest, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use secrecy::SecretString;
use serde_json::Value;
use url::form_urlencoded;

use super::{
    envelope::{self, Kind},
    intake::{self, Taken},
    signature::{self, Unbelieved},
    suggest::Asked,
};
use crate::{
    door::{self, Heard, Refusals, Unread, heard, text_at},
    storage::{
        Store,
        ingest::Ingest,
        room::{Held, Room},
    },
    time::{Clock, Timestamp},
};

/// A body may have this many bytes.
pub const LIMIT: usize = 1 << 20;

/// What the door needs.
#[derive(Clone, Debug)]
pub struct Door {
    /// Several while rotating; any of them counts.
    pub secrets: Vec<SecretString>,
    pub store: Store,
    pub ingest: Ingest,
    pub refusals: Refusals,
    pub clock: Clock,
}

/// The routes `/slack/commands`, `/slack/interactivity` and `/slack/events`.
pub fn router(door: Door) -> Router {
    Router::new()
        .route("/slack/commands", post(commands))
        .route("/slack/interactivity", post(interactivity))
        .route("/slack/events", post(events))
        .with_state(Arc::new(door))
}

async fn commands(State(door): State<Arc<Door>>, request: Verified) -> Response {
    receive(&door, Kind::Commands, request).await
}

async fn interactivity(State(door): State<Arc<Door>>, request: Verified) -> Response {
    receive(&door, Kind::Interactivity, request).await
}

async fn events(State(door): State<Arc<Door>>, request: Verified) -> Response {
    receive(&door, Kind::Events, request).await
}

async fn receive(door: &Door, kind: Kind, request: Verified) -> Response {
    let payload = match envelope::open(kind, &request.body) {
        Ok(payload) => payload,
        Err(reason) => return TurnedAway::Unreadable(reason).into_response(),
    };
    if kind == Kind::Events && text_at(&payload, "/type") == Some("url_verification") {
        return challenge(&payload);
    }
    let Verified { timestamp, body, held } = request;
    let taken = intake::take(kind, &payload, &timestamp, body, door.clock.now());
    // Read, it takes many times the room of its body.
    drop(payload);
    match taken {
        Taken::Ignored(reason) => heard(Heard::Ignored(reason), StatusCode::OK),
        Taken::Suggestion(asked) => suggestion(&door.store, &asked).await,
        Taken::Event { event, answer } => {
            let acknowledgement =
                answer.map_or_else(|| StatusCode::OK.into_response(), |answer| Json(answer).into_response());
            door::keep(&door.ingest, held, event, acknowledgement).await
        }
    }
}

async fn suggestion(store: &Store, asked: &Asked) -> Response {
    match asked.answer(store).await {
        Ok(options) => heard(Heard::Asked, Json(options)),
        Err(error) => {
            tracing::warn!(%error, "what a menu offers could not be read");
            heard(Heard::Refused, StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

/// <https://docs.slack.dev/reference/events/url_verification>: the signature has been checked.
fn challenge(payload: &Value) -> Response {
    match text_at(payload, "/challenge") {
        Some(challenge) => heard(Heard::Probe, challenge.to_owned()),
        None => TurnedAway::Unreadable("the verification has no challenge").into_response(),
    }
}

/// A request whose signature has been checked. Only [`check`] makes one.
#[derive(Debug)]
struct Verified {
    /// As it was signed.
    timestamp: String,
    body: String,
    held: Held,
}

impl FromRequest<Arc<Door>> for Verified {
    type Rejection = TurnedAway;

    async fn from_request(request: Request, door: &Arc<Door>) -> Result<Self, TurnedAway> {
        let address = request.uri().clone();
        check(request, &door.secrets, door.ingest.room(), door.clock.now()).await.inspect_err(|turned| {
            if !matches!(turned, TurnedAway::SslCheck) {
                door.refusals.tell("slack", address.path(), turned, door.clock.now());
            }
        })
    }
}

/// Why a request gets no further than the door. The text is the answer's one-line reason.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum TurnedAway {
    /// Slack's unsigned probe of the certificate; it is answered, and nothing else happens.
    #[error("")]
    SslCheck,
    #[error(transparent)]
    Unread(#[from] Unread),
    #[error(transparent)]
    Unbelieved(#[from] Unbelieved),
    #[error("{0}")]
    Unreadable(&'static str),
}

impl IntoResponse for TurnedAway {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::SslCheck => return heard(Heard::Probe, StatusCode::OK),
            Self::Unread(unread) => return unread.into_response(),
            Self::Unbelieved(_) => StatusCode::UNAUTHORIZED,
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
        };
        heard(Heard::Refused, (status, format!("{self}\n")))
    }
}

async fn check(
    request: Request,
    secrets: &[SecretString],
    room: &Room,
    now: Timestamp,
) -> Result<Verified, TurnedAway> {
    let (parts, body) = request.into_parts();
    let door::Read { bytes, held } = door::read(&parts.headers, body, LIMIT, room).await?;
    if is_ssl_check(&parts.headers, &bytes) {
        return Err(TurnedAway::SslCheck);
    }
    let timestamp = signature::verify(secrets, &parts.headers, &bytes, now)?;
    let body = String::from_utf8(bytes).map_err(|_| TurnedAway::Unreadable("the body is not UTF-8"))?;
    Ok(Verified { timestamp, body, held })
}

/// <https://docs.slack.dev/interactivity/implementing-slash-commands>: `ssl_check=1`, not signed.
/// Nothing else of such a request is ever looked at.
fn is_ssl_check(headers: &HeaderMap, body: &[u8]) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.starts_with("application/x-www-form-urlencoded")
        && form_urlencoded::parse(body).any(|(name, value)| name == "ssl_check" && value == "1")
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use hmac::{Hmac, KeyInit, Mac};
    use serde_json::json;
    use sha2::Sha256;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn request(body: impl Into<Vec<u8>>, signed: bool) -> Request {
        let body = body.into();
        let mut request =
            Request::post("/slack/events").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if signed {
            let mac = Hmac::<Sha256>::new_from_slice(b"secret").expect("a key of any length");
            let mac = mac.chain_update("v0:1700000000:").chain_update(&body).finalize().into_bytes();
            request = request
                .header("X-Slack-Request-Timestamp", "1700000000")
                .header("X-Slack-Signature", format!("v0={}", hex::encode(mac)));
        }
        request.body(Body::from(body)).expect("a request")
    }

    async fn checked(request: Request) -> Result<Verified, TurnedAway> {
        check(request, &["secret".into()], &Room::of(4 * LIMIT), NOW).await
    }

    async fn told(response: Response) -> (StatusCode, String) {
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), LIMIT).await.expect("a body");
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn a_signed_request_passes_with_its_body_as_it_came() {
        let verified = checked(request("payload=%7B%7D", true)).await.expect("a verified request");
        assert_eq!((verified.body.as_str(), verified.timestamp.as_str()), ("payload=%7B%7D", "1700000000"));
    }

    #[tokio::test]
    async fn others_are_turned_away_with_a_reason() {
        for (request, status) in [
            (request("x=1", false), StatusCode::UNAUTHORIZED),
            (request(vec![b'a'; LIMIT + 1], true), StatusCode::PAYLOAD_TOO_LARGE),
            (request(vec![0xff, 0xfe], true), StatusCode::BAD_REQUEST),
        ] {
            let (answered, reason) = told(checked(request).await.expect_err("a refusal").into_response()).await;
            assert_eq!(answered, status);
            assert_eq!(reason.lines().count(), 1, "{reason}");
        }
        assert!(checked(request(vec![b'a'; LIMIT], true)).await.is_ok());
    }

    #[tokio::test]
    async fn an_ssl_check_is_answered_without_a_signature_and_goes_no_further() {
        let probe =
            checked(request("token=x&ssl_check=1&command=%2Forchestrate&text=go", false)).await.expect_err("a refusal");
        assert_eq!(probe, TurnedAway::SslCheck);
        assert_eq!(told(probe.into_response()).await, (StatusCode::OK, String::new()));
        assert_ne!(checked(request("ssl_check=0", false)).await.expect_err("a refusal"), TurnedAway::SslCheck);
    }

    #[tokio::test]
    async fn a_verification_answers_its_challenge() {
        let payload = json!({"type": "url_verification", "challenge": "3eZbrw1aB"});
        assert_eq!(told(challenge(&payload)).await, (StatusCode::OK, "3eZbrw1aB".into()));
        assert_eq!(told(challenge(&json!({"challenge": 7}))).await.0, StatusCode::BAD_REQUEST);
    }
}
