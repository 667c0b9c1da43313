//! How calls to Linear fail, in Baton's terms: one table of GraphQL error codes.
//!
//! What an error is, its `extensions` say and not the HTTP status: a limit that is reached answers
//! 400, an id that exists 200 (<https://linear.app/developers/graphql>,
//! <https://linear.app/developers/rate-limiting>). Used by `exchange.rs` for every call.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use crate::domain::failure::{Failure, Problem};

/// What is known by its words alone.
pub const SESSIONS_NOT_ENABLED: &str = "agent_sessions_not_enabled";

/// What sending a request again does, when its answer got lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// No harm: it reads, it carries an id of ours, or it sets something to what it is to be.
    Harmless,
    /// It may do it twice: look before repeating.
    Doubles,
}

/// Why a request brought no data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// What it would create exists. Linear names the id in these words.
    Exists(String),
    Failed {
        failure: Failure,
        /// The field of the operation that failed, where Linear says it. Those before it were carried out.
        field: Option<String>,
    },
}

impl Refusal {
    pub fn new(failure: Failure) -> Self {
        Self::Failed { failure, field: None }
    }

    /// An earlier attempt has created it.
    #[must_use]
    pub fn is_conflict_on(&self, id: &str) -> bool {
        matches!(self, Self::Exists(words) if words.contains(id))
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Exists(_) => Self::Refused(Problem::new("conflict")),
            Refusal::Failed { failure, .. } => failure,
        }
    }
}

/// What one of an answer's `errors` means. `after` is what the headers say about the limits.
#[must_use]
pub fn refusal(error: &Value, status: StatusCode, after: Option<Duration>, again: Again) -> Refusal {
    let text = |pointer| error.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let message = text("/message");
    if message.starts_with("conflict on insert of") && text("/extensions/code") == "INPUT_ERROR" {
        return Refusal::Exists(text("/extensions/userPresentableMessage").to_owned());
    }
    let failure = coded(text("/extensions/code"), text("/extensions/type"), message, status, after, again);
    Refusal::Failed { failure, field: error.pointer("/path/0").and_then(Value::as_str).map(str::to_owned) }
}

/// An answer that is not GraphQL's at all.
#[must_use]
pub fn of_status(status: StatusCode, after: Option<Duration>, again: Again) -> Failure {
    let problem = Problem::new(format!("http_{}", status.as_u16()));
    match status.as_u16() {
        401 => Failure::Unauthorized(problem),
        429 => rate_limited(after),
        408 | 500..=599 => lost(problem, again),
        200..=299 => lost(Problem::new("answer_unreadable"), again),
        _ => Failure::Refused(problem),
    }
}

/// The exchange broke off.
#[must_use]
pub fn of_exchange(error: &reqwest::Error, again: Again) -> Failure {
    if error.is_connect() || error.is_builder() {
        Failure::Transient { after: None, problem: Problem::new("unreachable") }
    } else {
        lost(Problem::new("answer_lost"), again)
    }
}

/// It may have had its effect.
#[must_use]
pub fn lost(problem: Problem, again: Again) -> Failure {
    match again {
        Again::Harmless => Failure::Transient { after: None, problem },
        Again::Doubles => Failure::Ambiguous(problem),
    }
}

fn rate_limited(after: Option<Duration>) -> Failure {
    Failure::Transient { after, problem: Problem::new("rate_limited") }
}

fn coded(code: &str, kind: &str, message: &str, status: StatusCode, after: Option<Duration>, again: Again) -> Failure {
    let name = if code.is_empty() { kind } else { code };
    let problem = Problem::new(printable(name));
    let words = message.to_ascii_lowercase();
    if words.contains("agent sessions are not enabled") {
        return Failure::Refused(Problem::new(SESSIONS_NOT_ENABLED));
    }
    if words.starts_with("entity not found") {
        return Failure::Gone(Problem::new("not_found"));
    }
    match (code, kind) {
        ("RATELIMITED", _) | (_, "ratelimited") => rate_limited(after),
        ("AUTHENTICATION_ERROR", _) | (_, "authentication error") => Failure::Unauthorized(problem),
        ("INTERNAL_SERVER_ERROR" | "LOCK_TIMEOUT", _)
        | (_, "lock timeout" | "internal error" | "network error" | "bootstrap error") => lost(problem, again),
        _ if name.is_empty() => of_status(status, after, again),
        _ if status.is_server_error() => lost(problem, again),
        _ => Failure::Refused(problem),
    }
}

/// A code is logged; what does not look like one is not.
fn printable(name: &str) -> String {
    let code: String = name.to_ascii_lowercase().replace([' ', '-'], "_");
    let is_code = code.len() <= 64 && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if is_code && !code.is_empty() { code } else { "unknown_error".to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(code: &str, kind: &str, message: &str, status: u16, again: Again) -> Refusal {
        let error = json!({"message": message, "path": ["commentCreate"], "extensions": {
            "type": kind, "code": code, "userPresentableMessage": "Entity Comment with id abc already exists."}});
        refusal(&error, StatusCode::from_u16(status).expect("a status"), Some(Duration::from_secs(9)), again)
    }

    #[test]
    fn the_table() {
        let problem = Problem::new;
        let passing = |after: Option<u64>, code: &str| Failure::Transient {
            after: after.map(Duration::from_secs),
            problem: Problem::new(code),
        };
        for (code, kind, message, status, failure) in [
            ("RATELIMITED", "ratelimited", "Rate limit exceeded.", 400, passing(Some(9), "rate_limited")),
            (
                "AUTHENTICATION_ERROR",
                "authentication error",
                "",
                401,
                Failure::Unauthorized(problem("authentication_error")),
            ),
            (
                "AUTHENTICATION_ERROR",
                "authentication error",
                "",
                200,
                Failure::Unauthorized(problem("authentication_error")),
            ),
            ("INPUT_ERROR", "invalid input", "Entity not found: Issue", 400, Failure::Gone(problem("not_found"))),
            (
                "INVALID_INPUT",
                "invalid input",
                "Argument Validation Error",
                200,
                Failure::Refused(problem("invalid_input")),
            ),
            (
                "GRAPHQL_VALIDATION_FAILED",
                "graphql error",
                "",
                400,
                Failure::Refused(problem("graphql_validation_failed")),
            ),
            ("FORBIDDEN", "forbidden", "", 200, Failure::Refused(problem("forbidden"))),
            ("", "lock timeout", "", 200, passing(None, "lock_timeout")),
            ("INTERNAL_SERVER_ERROR", "internal error", "", 200, passing(None, "internal_server_error")),
            ("SOMETHING_NEW", "", "", 503, passing(None, "something_new")),
            ("<b>Bad</b>", "", "", 200, Failure::Refused(problem("unknown_error"))),
            ("", "", "", 429, passing(Some(9), "rate_limited")),
            (
                "X",
                "",
                "Agent sessions are not enabled for this application.",
                200,
                Failure::Refused(problem(SESSIONS_NOT_ENABLED)),
            ),
        ] {
            let field = Some("commentCreate".to_owned());
            assert_eq!(of(code, kind, message, status, Again::Harmless), Refusal::Failed { failure, field }, "{code}");
        }
        let lost: Failure = of("", "internal error", "", 500, Again::Doubles).into();
        assert_eq!(lost, Failure::Ambiguous(problem("internal_error")));
    }

    #[test]
    fn what_exists_is_told_by_its_id() {
        let exists = of("INPUT_ERROR", "invalid input", "conflict on insert of Comment", 200, Again::Harmless);
        assert!(exists.is_conflict_on("abc") && !exists.is_conflict_on("abd"));
        assert_eq!(Failure::from(exists), Failure::Refused(Problem::new("conflict")));
    }
}
