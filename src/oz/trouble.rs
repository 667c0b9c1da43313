//! What it means when a request brings no usable answer: Oz's problem documents, pages from the
//! edge in front of it, lost connections. One table, [`Trouble::failure`], says what follows.
//!
//! Oz describes its errors under "Troubleshooting / errors" of its API reference. The code is the
//! last part of a problem's `type`, which has been an absolute and a relative address, with dashes
//! and with underscores.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{
    lenient::{Flag, Text},
    links,
};
use crate::domain::failure::{Failure, Problem};

/// Longer details are cut: they are for a person to read in a thread.
const LONGEST_DETAIL: usize = 500;

/// What the request was for, which decides what a lost answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    ToRead,
    ToChange,
}

#[derive(Debug)]
pub(super) enum Trouble {
    /// Our settings make no request: an address without a path, a key that no header can carry.
    NotBuilt,
    /// Nobody was reached.
    Unsent,
    /// It was sent, and no answer came that can be read; the code of the problem.
    Lost(&'static str),
    /// The answer is more than we take.
    TooLarge,
    /// An answer other than success.
    Answer(Answer),
}

/// An answer other than success.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    /// It is a page for browsers: the edge turned the request away, and Oz never saw it.
    pub from_edge: bool,
    retryable: Option<bool>,
    after: Option<Duration>,
    pub problem: Problem,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    r#type: Text,
    title: Text,
    error: Text,
    detail: Text,
    retryable: Flag,
    auth_url: Text,
    setup_url: Text,
}

impl Trouble {
    /// The exchange broke.
    pub fn of_exchange(error: &reqwest::Error) -> Self {
        if error.is_builder() {
            Self::NotBuilt
        } else if error.is_connect() {
            Self::Unsent
        } else if error.is_timeout() {
            Self::Lost("timeout")
        } else {
            Self::Lost("connection_lost")
        }
    }

    /// Success was said, in words that cannot be read.
    pub fn unreadable() -> Self {
        Self::Lost("unreadable_answer")
    }

    pub fn of_answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let document: Document = serde_json::from_slice(body).unwrap_or_default();
        let code = document.r#type.as_deref().and_then(code).unwrap_or_else(|| format!("http_{}", status.as_u16()));
        let detail = document.detail.0.or(document.error.0).or(document.title.0);
        let url = [document.auth_url, document.setup_url].iter().find_map(|url| links::repair(url.as_deref()?));
        Self::Answer(Answer {
            status,
            from_edge: is_page(body),
            retryable: document.retryable.0,
            after: crate::http::retry_after(headers),
            problem: Problem { code, detail: detail.as_deref().map(readable), url },
        })
    }

    /// The status that Oz itself answered with.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answer(answer) if !answer.from_edge => Some(answer.status.as_u16()),
            Self::Answer(_) | Self::NotBuilt | Self::Unsent | Self::Lost(_) | Self::TooLarge => None,
        }
    }

    /// What a read that met this trouble fails with.
    pub fn reading(self) -> Failure {
        self.failure(Asked::ToRead)
    }

    /// What a change that met this trouble fails with: it may have had its effect.
    pub fn changing(self) -> Failure {
        self.failure(Asked::ToChange)
    }

    fn failure(self, asked: Asked) -> Failure {
        match self {
            Self::NotBuilt => Failure::Refused(Problem::new("request_not_built")),
            Self::Unsent => Failure::Transient { after: None, problem: Problem::new("unreachable") },
            Self::Lost(code) => unclear(asked, None, Problem::new(code)),
            Self::TooLarge if asked == Asked::ToRead => Failure::Refused(Problem::new("too_large")),
            Self::TooLarge => Failure::Ambiguous(Problem::new("too_large")),
            Self::Answer(answer) => answer.failure(asked),
        }
    }
}

impl Answer {
    /// 429 that says no time and means that capacity is full: Oz queues such a run by itself.
    pub fn may_have_queued(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS
            && self.after.is_none()
            && self.problem.code == "resource_unavailable"
    }

    fn failure(self, asked: Asked) -> Failure {
        let Self { status, from_edge, retryable, after, problem } = self;
        match status.as_u16() {
            401 => Failure::Unauthorized(problem),
            429 => Failure::Transient { after, problem },
            403 | 404 | 409 | 410 if from_edge => Failure::Transient { after, problem },
            404 | 410 => Failure::Gone(problem),
            409 if retryable != Some(false) => Failure::Transient { after, problem },
            // Its set-up failed, and will again.
            500 if problem.code == "environment_setup_failed" => Failure::Refused(problem),
            500..=599 if retryable == Some(false) => Failure::Refused(problem),
            408 | 500..=599 => unclear(asked, after, problem),
            _ if retryable == Some(true) => Failure::Transient { after, problem },
            _ => Failure::Refused(problem),
        }
    }
}

/// Reading again does no harm; changing again might.
fn unclear(asked: Asked, after: Option<Duration>, problem: Problem) -> Failure {
    match asked {
        Asked::ToRead => Failure::Transient { after, problem },
        Asked::ToChange => Failure::Ambiguous(problem),
    }
}

/// A code as we write it: lower case with underscores. None for what is not a code, which might be
/// anything and would end up in the log.
pub(super) fn code(kind: &str) -> Option<String> {
    let path = kind.split(['?', '#']).next().unwrap_or(kind);
    let last = path.trim_end_matches('/').rsplit('/').next()?;
    let code = last.to_ascii_lowercase().replace('-', "_");
    let is_code = (1..=64).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    is_code.then_some(code)
}

/// Whether this is a page for browsers.
pub(super) fn is_page(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"<")
}

/// Text from outside as one line of bounded length.
fn readable(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_DETAIL).collect();
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn trouble(status: u16, body: &str) -> Trouble {
        Trouble::of_answer(StatusCode::from_u16(status).expect("a status"), &HeaderMap::new(), body.as_bytes())
    }

    fn problem(kind: &str, retryable: impl Into<Value>) -> String {
        json!({"type": kind, "title": "Title", "status": 0, "error": "Title (why)", "retryable": retryable.into()})
            .to_string()
    }

    fn word(failure: &Failure) -> &'static str {
        match failure {
            Failure::Transient { .. } => "transient",
            Failure::Ambiguous(_) => "ambiguous",
            Failure::Refused(_) => "refused",
            Failure::Gone(_) => "gone",
            Failure::Unauthorized(_) => "unauthorized",
        }
    }

    #[test]
    fn the_table_of_codes() {
        let null = Value::Null;
        for (status, code, retryable, read, change) in [
            (400, "invalid_request", json!(false), "refused", "refused"),
            (400, "integration_not_configured", json!(false), "refused", "refused"),
            (401, "authentication_required", json!(false), "unauthorized", "unauthorized"),
            (401, "external_authentication_required", json!(false), "unauthorized", "unauthorized"),
            (402, "insufficient_credits", null.clone(), "refused", "refused"),
            (403, "insufficient_credits", json!(false), "refused", "refused"),
            (403, "feature_not_available", json!(false), "refused", "refused"),
            (403, "not_authorized", json!(false), "refused", "refused"),
            (403, "budget_exceeded", null.clone(), "refused", "refused"),
            (403, "integration_disabled", null.clone(), "refused", "refused"),
            (403, "content_policy_violation", null.clone(), "refused", "refused"),
            (404, "resource_not_found", json!(false), "gone", "gone"),
            (409, "conflict", json!(true), "transient", "transient"),
            (409, "conflict", null.clone(), "transient", "transient"),
            (409, "conflict", json!(false), "refused", "refused"),
            (422, "operation_not_supported", json!(false), "refused", "refused"),
            (429, "resource_unavailable", json!(true), "transient", "transient"),
            (500, "resource_unavailable", json!(true), "transient", "ambiguous"),
            (500, "environment_setup_failed", null.clone(), "refused", "refused"),
            (500, "internal_error", json!(true), "transient", "ambiguous"),
            (500, "internal_error", null.clone(), "transient", "ambiguous"),
            (418, "brand_new_code", json!(true), "transient", "transient"),
            (418, "brand_new_code", null.clone(), "refused", "refused"),
        ] {
            for kind in [
                format!("/reference/api-and-sdk/troubleshooting/errors/{}/", code.replace('_', "-")),
                format!("https://docs.warp.dev/reference/errors/{code}"),
            ] {
                for (asked, expected) in [(Asked::ToRead, read), (Asked::ToChange, change)] {
                    let failure = trouble(status, &problem(&kind, retryable.clone())).failure(asked);
                    assert_eq!(word(&failure), expected, "{status} {kind} {asked:?}");
                    assert_eq!(failure.problem().code, code);
                    assert_eq!(failure.problem().detail.as_deref(), Some("Title (why)"));
                }
            }
        }
    }

    #[test]
    fn without_a_problem_document_the_status_speaks() {
        let page = "\n<!doctype html><html><body>Sorry</body></html>";
        for (status, body, read, change) in [
            (403, page, "transient", "transient"),
            (404, page, "transient", "transient"),
            (429, page, "transient", "transient"),
            (502, page, "transient", "ambiguous"),
            (503, page, "transient", "ambiguous"),
            (504, "", "transient", "ambiguous"),
            (408, "", "transient", "ambiguous"),
            (400, page, "refused", "refused"),
            (403, "", "refused", "refused"),
            (404, "not found", "gone", "gone"),
            (413, page, "refused", "refused"),
            (302, "", "refused", "refused"),
            (500, r#"{"type":"about:blank"}"#, "transient", "ambiguous"),
        ] {
            for (asked, expected) in [(Asked::ToRead, read), (Asked::ToChange, change)] {
                let failure = trouble(status, body).failure(asked);
                assert_eq!(word(&failure), expected, "{status} {asked:?}");
                assert_eq!(failure.problem().code, format!("http_{status}"));
                assert_eq!(failure.problem().detail, None, "no page ends up in front of people");
            }
        }
    }

    #[test]
    fn the_time_to_wait_is_kept() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "7".parse().expect("a header"));
        let failure = Trouble::of_answer(StatusCode::TOO_MANY_REQUESTS, &headers, b"<html>").failure(Asked::ToChange);
        let Failure::Transient { after, problem } = failure else { panic!("{failure:?}") };
        assert_eq!((after, problem.code.as_str()), (Some(Duration::from_secs(7)), "http_429"));
    }

    #[test]
    fn a_person_is_sent_only_to_https() {
        for (field, url, kept) in [
            ("auth_url", "https://app.warp.dev/github", true),
            ("setup_url", "https://app.warp.dev/setup", true),
            ("auth_url", "http://app.warp.dev/github", false),
            ("auth_url", "javascript:alert(1)", false),
        ] {
            let body = json!({"type": "external-authentication-required", field: url, "detail": "a\u{0}b"}).to_string();
            let failure = trouble(401, &body).failure(Asked::ToChange);
            assert_eq!(failure.problem().url.as_deref(), kept.then_some(url));
            assert_eq!(failure.problem().detail.as_deref(), Some("a b"));
        }
    }

    #[test]
    fn a_code_is_a_plain_word_or_nothing() {
        assert_eq!(code("INSUFFICIENT-CREDITS").as_deref(), Some("insufficient_credits"));
        assert_eq!(code("https://x/errors/invalid-request/?v=1#top").as_deref(), Some("invalid_request"));
        for odd in ["", "/", "about:blank", "a b", "x\n", "é"] {
            assert_eq!(code(odd), None, "{odd:?}");
        }
        assert_eq!(code(&"a".repeat(65)), None);
    }

    #[test]
    fn nothing_in_a_problem_document_has_to_be_what_it_should() {
        for body in ["null", "[]", r#"{"type":null,"title":null,"error":null,"retryable":null}"#, r#"{"type":[1]}"#] {
            assert_eq!(trouble(503, body).failure(Asked::ToRead).problem().code, "http_503", "{body}");
        }
        let failure =
            trouble(400, r#"{"type":"invalid_request","detail":42,"retryable":"yes"}"#).failure(Asked::ToRead);
        assert_eq!(failure.problem().detail.as_deref(), Some("42"));
    }
}
