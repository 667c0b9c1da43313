//! Files: an address to put the bytes to, which wants the headers that were handed out with it, and
//! the address where the file can be read then.
//! <https://linear.app/developers/how-to-upload-a-file-to-linear>

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{
    HeaderMap, StatusCode,
    header::{AUTHORIZATION, CONTENT_DISPOSITION, CONTENT_TYPE},
};
use serde_json::{Value, json};

use super::{
    Linear, ORGANIZATION,
    graphql::{nodes::Node, problem::Problem},
    world::{Upload, World},
};
use crate::simulator::{
    faults::Call,
    http::{Refusal, carry_out},
};

/// What may be uploaded at once.
const LARGEST: i64 = 64 * 1024 * 1024;
/// What the storage wants besides the headers that are handed out.
const CACHE_CONTROL: &str = "public, max-age=31536000";
const LENGTH_RANGE: &str = "x-goog-content-length-range";

/// The field `fileUpload`: nothing is stored yet.
pub fn announce(world: &mut World, args: &serde_json::Map<String, Value>) -> Result<Node, Problem> {
    let given = |name: &str| args.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (name, content_type) = (given("filename"), given("contentType"));
    let size = args.get("size").and_then(Value::as_i64).unwrap_or_default();
    if name.trim().is_empty() || name.contains('/') || !content_type.contains('/') {
        return Err(Problem::invalid("filename and contentType must name a file and its type"));
    }
    if !(1..=LARGEST).contains(&size) {
        return Err(Problem::invalid("size must be that of the file, at most 64 MiB here"));
    }
    let id = world.mint();
    let url = |kind: &str| format!("{}/{kind}/{ORGANIZATION}/{id}", world.base_url);
    let file = json!({
        "filename": name, "contentType": content_type, "size": size, "uploadUrl": url("upload"),
        "assetUrl": format!("{}/{}", url("assets"), encoded(&name)), "metaData": Value::Null,
        "headers": [
            {"key": LENGTH_RANGE, "value": format!("{size},{size}")},
            {"key": "Content-Disposition", "value": disposition(&name)},
        ],
    });
    let size = usize::try_from(size).unwrap_or_default();
    world.uploads.push(Upload { id, name, content_type, size, content: None });
    Ok(Node::Plain("UploadPayload", json!({"success": true, "lastSyncId": world.uploads.len(), "uploadFile": file})))
}

/// `PUT` to the address that was handed out.
pub async fn put(
    State(linear): State<Linear>,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body_told = format!("{} bytes", body.len());
    let call =
        Call { platform: "linear", what: "PUT /upload".to_owned(), at: linear.inner.clock.now(), body: body_told };
    let fault = linear.inner.faults.next(call);
    let refuse = |refusal| match refusal {
        Refusal::Status(status) => storage_error(status, "InternalError"),
        Refusal::Code(code) => storage_error(StatusCode::BAD_REQUEST, &code),
    };
    carry_out(fault, refuse, || async {
        linear.write(|world| match store(world, &id, &headers, &body) {
            Ok(()) => StatusCode::OK.into_response(),
            Err((status, why)) => {
                world.object(format!("PUT of a file: {why}"));
                storage_error(status, "SignatureDoesNotMatch")
            }
        })
    })
    .await
}

/// Where a file that was put can be read.
pub async fn asset(State(linear): State<Linear>, Path((_, id, _)): Path<(String, String, String)>) -> Response {
    let found = linear.read(|world| world.uploads.iter().find(|upload| upload.id == id).cloned());
    let Some((upload, content)) = found.and_then(|mut upload| upload.content.take().map(|content| (upload, content)))
    else {
        return StatusCode::NOT_FOUND.into_response();
    };
    ([(CONTENT_TYPE, upload.content_type), (CONTENT_DISPOSITION, disposition(&upload.name))], content).into_response()
}

fn store(world: &mut World, id: &str, headers: &HeaderMap, body: &Bytes) -> Result<(), (StatusCode, String)> {
    let Some(upload) = world.uploads.iter_mut().find(|upload| upload.id == id) else {
        return Err((StatusCode::FORBIDDEN, "the address was never handed out".to_owned()));
    };
    if headers.contains_key(AUTHORIZATION) {
        return Err((StatusCode::BAD_REQUEST, "a token was sent to the storage".to_owned()));
    }
    let wanted = [
        ("content-type", upload.content_type.clone()),
        ("cache-control", CACHE_CONTROL.to_owned()),
        (LENGTH_RANGE, format!("{0},{0}", upload.size)),
        ("content-disposition", disposition(&upload.name)),
    ];
    for (name, value) in wanted {
        let sent = headers.get(name).and_then(|sent| sent.to_str().ok());
        if sent != Some(value.as_str()) {
            return Err((StatusCode::FORBIDDEN, format!("the header {name} must be {value}")));
        }
    }
    if body.len() != upload.size {
        return Err((StatusCode::BAD_REQUEST, format!("{} bytes were announced, {} came", upload.size, body.len())));
    }
    upload.content = Some(body.clone());
    Ok(())
}

/// The storage is another company's, and speaks XML.
fn storage_error(status: StatusCode, code: &str) -> Response {
    let body = format!("<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code></Error>");
    (status, [(CONTENT_TYPE, "application/xml; charset=UTF-8")], body).into_response()
}

fn disposition(name: &str) -> String {
    format!("inline; filename=\"{}\"", encoded(name))
}

fn encoded(name: &str) -> String {
    name.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
