//! The door: the one address that Linear sends to.
//!
//! A handler's argument is a [`Verified`] request, and only [`check`] makes one, so neither signature
//! nor age can be skipped. What is for us is stored as it came, and 200 follows the commit.
//! Understanding it is the inbox worker's business (`inbound.rs`). Mounted by `app.rs`.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{FromRequest, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use secrecy::SecretString;
use serde_json::Value;

use super::{
    envelope,
    signature::{self, Unbelieved},
};
use crate::{
    door::{self, Heard, Refusals, Unread, heard},
    storage::{
        ingest::{Ingest, NewEvent},
        room::Held,
    },
    time::{Clock, Timestamp},
};

/// A body may have this many bytes.
pub const LIMIT: usize = 5 << 20;
/// A webhook older or younger than this is refused, unless the settings say otherwise.
pub const WINDOW: Duration = Duration::from_mins(1);

/// What the door needs.
#[derive(Clone, Debug)]
pub struct Door {
    /// Several while rotating; any of them counts.
    pub secrets: Vec<SecretString>,
    /// How far the signed time of a body may be away, usually [`WINDOW`].
    pub window: Duration,
    pub ingest: Ingest,
    pub refusals: Refusals,
    pub clock: Clock,
}

/// The route `/linear/webhooks`.
pub fn router(door: Door) -> Router {
    Router::new().route("/linear/webhooks", post(receive)).with_state(Arc::new(door))
}

async fn receive(State(door): State<Arc<Door>>, request: Verified) -> Response {
    let kind = envelope::kind(&request.payload);
    if let Some(reason) = envelope::irrelevance(&request.payload) {
        let kind = kind.map_or("other", envelope::Kind::as_str);
        tracing::debug!(event.source = "linear", event.kind = kind, reason, "event ignored");
        return heard(Heard::Ignored(reason), StatusCode::OK);
    }
    match new_event(request, door.clock.now()) {
        Some((event, held)) => door::keep(&door.ingest, held, event, StatusCode::OK).await,
        None => heard(Heard::Ignored("an event without a place"), StatusCode::OK),
    }
}

/// As the reconciler makes it, with the body as it was signed.
fn new_event(request: Verified, now: Timestamp) -> Option<(NewEvent, Held)> {
    let event = envelope::event_of(&request.payload, now)?;
    Some((NewEvent { body: request.body, delivery: request.delivery, ..event }, request.held))
}

/// A request whose signature and age have been checked. Only [`check`] makes one.
#[derive(Debug)]
struct Verified {
    /// `Linear-Delivery`.
    delivery: Option<String>,
    payload: Value,
    body: String,
    held: Held,
}

impl FromRequest<Arc<Door>> for Verified {
    type Rejection = TurnedAway;

    async fn from_request(request: Request, door: &Arc<Door>) -> Result<Self, TurnedAway> {
        check(request, door).await.inspect_err(|turned| {
            door.refusals.tell("linear", "/linear/webhooks", turned, door.clock.now());
        })
    }
}

/// Why a request gets no further than the door. The text is the answer's one-line reason.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum TurnedAway {
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
            Self::Unread(unread) => return unread.into_response(),
            Self::Unbelieved(_) => StatusCode::UNAUTHORIZED,
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
        };
        heard(Heard::Refused, (status, format!("{self}\n")))
    }
}

async fn check(request: Request, door: &Door) -> Result<Verified, TurnedAway> {
    let (parts, body) = request.into_parts();
    let door::Read { bytes, held } = door::read(&parts.headers, body, LIMIT, door.ingest.room()).await?;
    signature::verify(&door.secrets, &parts.headers, &bytes)?;
    let body = String::from_utf8(bytes).map_err(|_| TurnedAway::Unreadable("the body is not UTF-8"))?;
    let payload = envelope::open(&body).map_err(TurnedAway::Unreadable)?;
    signature::fresh(&payload, door.clock.now(), door.window)?;
    let delivery = parts.headers.get("linear-delivery").and_then(|value| value.to_str().ok());
    Ok(Verified {
        delivery: delivery.map(|id| door::known_by(id.to_owned())).filter(|id| !id.is_empty()),
        payload,
        body,
        held,
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use hmac::{Hmac, KeyInit, Mac};
    use serde_json::json;
    use sha2::Sha256;
    use tower::ServiceExt;

    use super::*;
    use crate::storage::Store;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    /// A door with a database of its own, which goes away with the folder.
    async fn door() -> (Door, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&format!("sqlite://{}", folder.path().join("baton.db").display()), 2).await;
        let store = store.expect("a store");
        store.migrate().await.expect("a schema");
        let (ingest, _writer) = Ingest::start(store);
        let secrets = vec!["new".into(), "secret".into()];
        (Door { secrets, window: WINDOW, ingest, refusals: Refusals::default(), clock: Clock::manual(NOW) }, folder)
    }

    fn signed(body: impl Into<Vec<u8>>, delivery: &str) -> Request {
        let body = body.into();
        let mac = Hmac::<Sha256>::new_from_slice(b"secret").expect("a key of any length");
        let signature = hex::encode(mac.chain_update(&body).finalize().into_bytes());
        Request::post("/linear/webhooks")
            .header("Linear-Signature", signature)
            .header("Linear-Delivery", delivery)
            .body(Body::from(body))
            .expect("a request")
    }

    fn removed(at: Timestamp, created: &str) -> String {
        json!({
            "type": "OAuthApp", "action": "revoked", "createdAt": created, "organizationId": "org",
            "oauthClientId": "client", "webhookId": "the same for all", "webhookTimestamp": at.as_millis(),
        })
        .to_string()
    }

    async fn answer(door: &Door, request: Request) -> (u16, Option<Heard>) {
        let response = router(door.clone()).oneshot(request).await.expect("an answer");
        let heard = response.extensions().get::<Heard>().copied();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), LIMIT).await.expect("a body");
        let lines = usize::from(!status.is_success());
        if heard.is_some() {
            assert_eq!(String::from_utf8_lossy(&body).lines().count(), lines, "{status}");
        }
        (status.as_u16(), heard)
    }

    #[tokio::test]
    async fn what_is_signed_and_fresh_is_stored_once() {
        let (door, _folder) = door().await;
        let first = removed(NOW, "2026-01-03T22:00:25.752Z");
        assert_eq!(answer(&door, signed(first.clone(), "d1")).await, (200, Some(Heard::New)));
        assert_eq!(answer(&door, signed(first, "d1")).await, (200, Some(Heard::Duplicate)));
        // An attempt of Linear's to deliver it again, stamped anew.
        let again = removed(NOW - Duration::from_secs(1), "2026-01-03T22:00:25.752Z");
        assert_eq!(answer(&door, signed(again, "d2")).await, (200, Some(Heard::Duplicate)));
        let other = removed(NOW, "2026-01-04T00:00:00.000Z");
        assert_eq!(answer(&door, signed(other.clone(), "d1")).await, (200, Some(Heard::Duplicate)));
        assert_eq!(answer(&door, signed(other, "")).await, (200, Some(Heard::New)));
        let third = removed(NOW, "2026-01-05T00:00:00.000Z");
        assert_eq!(answer(&door, signed(third, "")).await, (200, Some(Heard::New)), "no id is no id");
    }

    #[tokio::test]
    async fn others_are_turned_away_with_a_reason() {
        let (door, _folder) = door().await;
        let good = removed(NOW, "2026-01-03T22:00:25.752Z");
        let unsigned = Request::post("/linear/webhooks").body(Body::from(good.clone())).expect("a request");
        let late = removed(NOW - WINDOW - Duration::from_millis(1), "2026-01-03T22:00:25.752Z");
        let early = removed(NOW + WINDOW + Duration::from_millis(1), "2026-01-03T22:00:25.752Z");
        let mut misled = signed(late.clone(), "d");
        misled.headers_mut().insert("Linear-Timestamp", NOW.as_millis().into());
        for (request, status) in [
            (unsigned, 401),
            (signed(late, "d"), 401),
            (signed(early, "d"), 401),
            (misled, 401),
            (signed(good.replace("webhookTimestamp", "webhookTimestomp"), "d"), 401),
            (signed(vec![b'a'; LIMIT + 1], "d"), 413),
            (signed(vec![0xff, 0xfe], "d"), 400),
            (signed("{", "d"), 400),
            (signed("[1]", "d"), 400),
            (signed("", "d"), 400),
        ] {
            assert_eq!(answer(&door, request).await, (status, Some(Heard::Refused)));
        }
        let get = Request::get("/linear/webhooks").body(Body::empty()).expect("a request");
        assert_eq!(answer(&door, get).await, (405, None));
        assert_eq!(answer(&door, signed(good, "d")).await, (200, Some(Heard::New)), "nothing was stored before");
    }

    #[tokio::test]
    async fn what_we_do_not_use_is_taken_and_left_alone() {
        let (door, _folder) = door().await;
        for (kind, action) in [
            ("PermissionChange", "teamAccessChanged"),
            ("OAuthAuthorization", "create"),
            ("Reaction", "create"),
            ("Tomorrow", "invented"),
            ("AgentSessionEvent", "forgotten"),
        ] {
            let body = json!({
                "type": kind, "action": action, "organizationId": "org", "webhookTimestamp": NOW.as_millis(),
            });
            let (status, heard) = answer(&door, signed(body.to_string(), "d")).await;
            assert!(status == 200 && matches!(heard, Some(Heard::Ignored(_))), "{kind}: {status} {heard:?}");
        }
        let nameless = json!({"webhookTimestamp": NOW.as_millis()});
        let (status, heard) = answer(&door, signed(nameless.to_string(), "d")).await;
        assert!(status == 200 && matches!(heard, Some(Heard::Ignored(_))), "{status} {heard:?}");
    }

    #[tokio::test]
    async fn the_window_may_be_set() {
        let (mut door, _folder) = door().await;
        door.window = Duration::from_hours(7);
        let late = removed(NOW - Duration::from_hours(6), "2026-01-03T22:00:25.752Z");
        assert_eq!(answer(&door, signed(late, "d")).await, (200, Some(Heard::New)));
    }
}
