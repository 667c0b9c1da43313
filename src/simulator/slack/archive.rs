//! What Slack's other addresses lead to: uploads, files, and a message by its permalink.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
};

use super::{Slack, api, people::root_of, transcript, world::World};
use crate::simulator::{faults::Call, http::carry_out};

/// `POST /upload/{id}`: the bytes of a file, and nothing but them. No token: the address is secret.
pub async fn upload(State(slack): State<Slack>, Path(id): Path<String>, body: Bytes) -> Response {
    let call = Call {
        platform: "slack",
        what: "POST /upload".to_owned(),
        at: slack.inner.clock.now(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let fault = slack.inner.faults.next(call);
    carry_out(fault, api::refuse, || async { slack.write(|world| take(world, &id, &body)) }).await
}

/// `GET /files/{id}/{name}`. Slack wants a session or a token here; the playground has neither. The
/// content is anybody's, so it is never run.
pub async fn download(State(slack): State<Slack>, Path((id, _name)): Path<(String, String)>) -> Response {
    let found = slack.read(|world| {
        let file = world.files.iter().find(|file| file.id == id)?;
        Some((file.mimetype, file.bytes.clone()?))
    });
    let Some((mimetype, bytes)) = found else { return StatusCode::NOT_FOUND.into_response() };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(mimetype));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    if !mimetype.starts_with("image/") && !mimetype.starts_with("text/") {
        headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    (headers, bytes).into_response()
}

/// `GET /archives/{channel}/p{digits}`: the thread that the message is in, as text.
pub async fn permalink(State(slack): State<Slack>, Path((channel, message)): Path<(String, String)>) -> Response {
    let told = slack.read(|world| {
        let wanted = |ts: &str| format!("p{}", ts.replace('.', "")) == message;
        let found = world.messages.iter().find(|m| m.channel == channel && m.stands() && wanted(&m.ts))?;
        Some(transcript::thread(world, &channel, &root_of(world, &channel, &found.ts)))
    });
    told.map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}

fn take(world: &mut World, id: &str, body: &[u8]) -> Response {
    let Some(file) = world.files.iter_mut().find(|file| file.id == id && file.shares.is_empty()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if body.len() != file.length {
        let told = format!("expected {} bytes, got {}", file.length, body.len());
        world.warn(format!("upload {id}: {told}"));
        return (StatusCode::BAD_REQUEST, told).into_response();
    }
    file.bytes = Some(body.to_vec());
    format!("OK - {}", body.len()).into_response()
}
