//! One exchange with a token endpoint: a bounded answer, read as JSON, and failures told alike. No
//! token or code is in an error. Used by the platforms' `oauth.rs`.

use std::time::Duration;

use serde_json::Value;

use crate::{
    domain::failure::{Failure, Problem},
    http,
};

const LONGEST_ANSWER: usize = 1 << 20;

/// The status, and the answer's JSON if it is that.
///
/// # Errors
/// When there is no answer, or one that says to come again later.
pub async fn send(request: reqwest::RequestBuilder) -> Result<(u16, Value), Failure> {
    let lost = |_| passing(None, "answer_lost");
    let mut response = http::send(request)
        .await
        .map_err(|error| passing(None, if error.is_connect() { "unreachable" } else { "answer_lost" }))?;
    let status = response.status().as_u16();
    if status == 429 {
        return Err(passing(http::retry_after(response.headers()), "rate_limited"));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Err(Failure::Refused(Problem::new("answer_too_long")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
}

/// The text at a path; none when it is absent, empty or something other than text.
#[must_use]
pub fn text(value: &Value, path: &[&str]) -> Option<String> {
    let found = value.pointer(&format!("/{}", path.join("/")))?.as_str()?;
    (!found.is_empty()).then(|| found.to_owned())
}

#[must_use]
pub fn passing(after: Option<Duration>, code: &str) -> Failure {
    Failure::Transient { after, problem: Problem::new(code) }
}

/// A code is logged and shown; what does not look like one is not.
#[must_use]
pub fn printable(code: &str) -> String {
    let code = code.to_ascii_lowercase().replace([' ', '-'], "_");
    let is_code =
        code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte));
    if is_code && !code.is_empty() { code } else { "unknown_error".to_owned() }
}
