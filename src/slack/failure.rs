//! How calls to Slack fail, in Baton's terms: one table of error codes.
//!
//! Slack answers most errors with HTTP 200, `ok:false` and a code; the codes are those of
//! <https://docs.slack.dev/reference/methods>. Some say that the call may have had its effect all the
//! same. Used by `client.rs` for every call.

use std::time::Duration;

use slack_morphism::errors::SlackClientError;

use crate::domain::failure::{Failure, Problem};

/// Whether a call that got lost may have left something behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Asking again does no harm.
    Read,
    /// It may have had its effect: look before repeating.
    Write,
}

/// What an error of a call means.
#[must_use]
pub fn failure(error: SlackClientError, effect: Effect) -> Failure {
    match error {
        SlackClientError::ApiError(refusal) => {
            let failure = coded(&refusal.code, effect);
            match refusal.errors.as_deref() {
                // A missing scope is named, so that somebody can add it.
                Some([needed, ..]) => detailed(failure, needed),
                _ => failure,
            }
        }
        SlackClientError::RateLimitError(limit) => rate_limited(limit.retry_after),
        SlackClientError::HttpError(http) => {
            let problem = Problem::new(format!("http_{}", http.status_code.as_u16()));
            match http.status_code.as_u16() {
                408 | 500..=599 => lost(problem, effect),
                _ => Failure::Refused(problem),
            }
        }
        SlackClientError::HttpProtocolError(lost_call) => {
            let never_sent = lost_call
                .cause
                .as_ref()
                .and_then(|cause| cause.downcast_ref::<reqwest::Error>())
                .is_some_and(|cause| cause.is_connect() || cause.is_builder());
            if never_sent {
                Failure::Transient { after: None, problem: Problem::new("unreachable") }
            } else {
                lost(Problem::new("answer_lost"), effect)
            }
        }
        SlackClientError::ProtocolError(_) => lost(Problem::new("answer_unreadable"), effect),
        SlackClientError::EndOfStream(_)
        | SlackClientError::SystemError(_)
        | SlackClientError::SocketModeProtocolError(_) => Failure::Refused(Problem::new("client_error")),
    }
}

/// 429, or `ratelimited` inside a 200: nothing happened.
#[must_use]
pub fn rate_limited(after: Option<Duration>) -> Failure {
    Failure::Transient { after, problem: Problem::new("rate_limited") }
}

/// The post or edit failed for its blocks; the plain text alone may still get through.
#[must_use]
pub fn is_about_blocks(failure: &Failure) -> bool {
    matches!(
        failure.problem().code.as_str(),
        "invalid_blocks" | "invalid_blocks_format" | "block_mismatch" | "msg_blocks_too_long" | "msg_blocks_too_many"
    )
}

/// We are not in the place (`channel_not_found` is what a private one answers).
#[must_use]
pub fn is_not_invited(failure: &Failure) -> bool {
    matches!(failure.problem().code.as_str(), "not_in_channel" | "channel_not_found")
}

/// The place does not take messages from us, and an invitation would not help.
#[must_use]
pub fn is_closed_to_us(failure: &Failure) -> bool {
    let code = failure.problem().code.as_str();
    code.starts_with("restricted_action")
        || matches!(code, "is_archived" | "no_permission" | "ekm_access_denied" | "cannot_reply_to_message")
}

fn coded(code: &str, effect: Effect) -> Failure {
    let problem = Problem::new(printable(code));
    match code {
        "ratelimited" | "rate_limited" => rate_limited(None),
        "message_limit_exceeded"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org"
        | "org_login_required"
        | "external_channel_migrating" => Failure::Transient { after: None, problem },
        "internal_error" | "fatal_error" | "messaging_processing_failed" | "update_failed" => lost(problem, effect),
        "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "app_access_restricted"
        | "missing_scope"
        | "not_allowed_token_type"
        | "access_denied"
        | "accesslimited"
        | "two_factor_setup_required"
        | "enterprise_is_restricted"
        | "team_access_not_granted" => Failure::Unauthorized(problem),
        "channel_not_found"
        | "message_not_found"
        | "thread_not_found"
        | "cant_update_message"
        | "edit_window_closed"
        | "is_inactive"
        | "file_not_found"
        | "user_not_found"
        | "users_not_found"
        | "user_disabled"
        | "expired_url"
        | "used_url" => Failure::Gone(problem),
        _ => Failure::Refused(problem),
    }
}

fn lost(problem: Problem, effect: Effect) -> Failure {
    match effect {
        Effect::Read => Failure::Transient { after: None, problem },
        Effect::Write => Failure::Ambiguous(problem),
    }
}

fn detailed(failure: Failure, detail: &str) -> Failure {
    match failure {
        Failure::Transient { after, problem } => Failure::Transient { after, problem: problem.with_detail(detail) },
        Failure::Ambiguous(problem) => Failure::Ambiguous(problem.with_detail(detail)),
        Failure::Refused(problem) => Failure::Refused(problem.with_detail(detail)),
        Failure::Gone(problem) => Failure::Gone(problem.with_detail(detail)),
        Failure::Unauthorized(problem) => Failure::Unauthorized(problem.with_detail(detail)),
    }
}

/// A code is logged; what does not look like one is not.
fn printable(code: &str) -> &str {
    let is_code = code.len() <= 64 && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if is_code && !code.is_empty() { code } else { "unknown_error" }
}

#[cfg(test)]
mod tests {
    use slack_morphism::errors::SlackClientApiError;

    use super::*;

    fn of(code: &str, effect: Effect) -> Failure {
        failure(SlackClientError::ApiError(SlackClientApiError::new(code.into())), effect)
    }

    #[test]
    fn the_table() {
        let problem = Problem::new;
        for (code, failure) in [
            ("not_in_channel", Failure::Refused(problem("not_in_channel"))),
            ("channel_not_found", Failure::Gone(problem("channel_not_found"))),
            ("message_not_found", Failure::Gone(problem("message_not_found"))),
            ("token_revoked", Failure::Unauthorized(problem("token_revoked"))),
            ("internal_error", Failure::Ambiguous(problem("internal_error"))),
            ("ratelimited", Failure::Transient { after: None, problem: problem("rate_limited") }),
            ("an_error_of_tomorrow", Failure::Refused(problem("an_error_of_tomorrow"))),
            ("<b>Bad</b> words", Failure::Refused(problem("unknown_error"))),
        ] {
            assert_eq!(of(code, Effect::Write), failure);
        }
        let harmless = Failure::Transient { after: None, problem: problem("fatal_error") };
        assert_eq!(of("fatal_error", Effect::Read), harmless);
    }

    #[test]
    fn a_missing_scope_is_named() {
        let error = SlackClientApiError::new("missing_scope".into()).with_errors(vec!["files:write".into()]);
        let failure = failure(SlackClientError::ApiError(error), Effect::Write);
        assert_eq!(failure, Failure::Unauthorized(Problem::new("missing_scope").with_detail("files:write")));
    }
}
