//! What every failure looks like to a person: one sentence and the next step. Codes are those of
//! Oz's error catalogue, of Slack's `ok:false`, and our own; an unknown one still reads well.

use crate::domain::{
    failure::Problem,
    message::{Mark, Text},
    text::shorten,
};

/// A run was cancelled by somebody, and not through us.
pub const CANCELLED_ELSEWHERE: &str = "cancelled_elsewhere";
/// A child appeared that nobody approved.
pub const UNAPPROVED_CHILD: &str = "unapproved_child";
/// The run ended without having said anything.
pub const SAID_NOTHING: &str = "said_nothing";
/// Its harness offers no conversation, so that nothing can be read from it.
pub const NO_CONVERSATION: &str = "no_conversation";
/// The proposal has more children than are allowed.
pub const TOO_MANY_CHILDREN: &str = "too_many_children";
/// The run's plan is not there, or not yet.
pub const NO_PLAN: &str = "no_plan";
/// Tried for as long as it makes sense.
pub const GAVE_UP: &str = "gave_up";
/// Slack's words for what somebody has deleted.
pub const MESSAGE_GONE: &str = "message_not_found";
pub const THREAD_GONE: &str = "thread_not_found";

/// The sentence and the next step, with the address where it can be repaired if there is one.
#[must_use]
pub fn text(problem: &Problem) -> Text {
    let (what, next) = sentence(&problem.code);
    let mut text = Text::default().mark(Mark::Warning).then(format!(" {what}"));
    if let Some(detail) = problem.detail.as_deref().map(str::trim).filter(|detail| !detail.is_empty()) {
        text = text.then(format!(" Oz says: “{}”", shorten(&detail.replace('\n', " "), 280)));
    }
    if !next.is_empty() {
        text = text.then(format!(" {next}"));
    }
    match &problem.url {
        Some(url) => text.then(" ").link("Repair it here", url.clone()),
        None => text,
    }
}

/// One line for a list: the sentence alone.
#[must_use]
pub fn short(problem: &Problem) -> String {
    let (what, _) = sentence(&problem.code);
    match problem.detail.as_deref() {
        Some(detail) if what == UNKNOWN => shorten(&detail.replace('\n', " "), 160),
        _ => what.trim_end_matches('.').to_owned(),
    }
}

const UNKNOWN: &str = "It failed in Oz.";

fn sentence(code: &str) -> (&'static str, &'static str) {
    match code {
        "invalid_request" => {
            ("Oz did not accept the request.", "Check the options of the request, such as the environment.")
        }
        "integration_not_configured" => {
            ("An integration that this needs is not set up in Oz.", "Ask whoever administers Oz to set it up.")
        }
        "authentication_required" => (
            "Baton's key for Oz is missing, expired or revoked.",
            "Ask whoever operates Baton to renew `WARP_API_KEY`.",
        ),
        "external_authentication_required" => {
            ("GitHub is not authorised for this, or a repository cannot be reached.", "Authorise it and ask again.")
        }
        "insufficient_credits" => ("The Oz account has no credits left.", "Add credits, then reply here to go on."),
        "budget_exceeded" => {
            ("The spending limit of the Oz account is reached.", "Raise it or wait, then reply here to go on.")
        }
        "feature_not_available" => ("The Oz account's plan does not include this.", "Ask whoever administers Oz."),
        "not_authorized" => ("Baton's key for Oz may not do this.", "Ask whoever administers Oz for the permission."),
        "integration_disabled" => {
            ("The integration is switched off in Oz.", "Ask whoever administers Oz to switch it on.")
        }
        "content_policy_violation" => {
            ("Oz refused the request because of its content policy.", "Put it in other words.")
        }
        "resource_not_found" => (
            "Oz does not know something that the request names, such as the environment.",
            "Check the name and ask again.",
        ),
        "conflict" => ("Oz was busy with this run.", "Try again in a moment."),
        "operation_not_supported" => ("Oz does not offer this for this kind of run.", ""),
        "resource_unavailable" => ("Oz had no free capacity.", "Try again later."),
        "environment_setup_failed" => {
            ("The environment could not be set up.", "Repair its set-up commands or repositories, then retry.")
        }
        "internal_error" => ("Oz had an internal error.", "Try again later."),
        "infrastructure_timeout" => ("The machine of the run did not come up in time.", "Try again later."),
        "agent_process_failed" => ("The agent's process ended unexpectedly.", "Retry it."),
        "not_in_channel" | "channel_not_found" => {
            ("Baton is not in this channel.", "Invite it with `/invite @Baton` and ask again.")
        }
        CANCELLED_ELSEWHERE => ("The run was cancelled outside Baton.", "Reply here to go on."),
        UNAPPROVED_CHILD => {
            ("A child was started that nobody approved.", "Everything was stopped. Reply here to go on.")
        }
        SAID_NOTHING => {
            ("The agent came to rest without saying anything.", "Open the run to see why, or reply here to go on.")
        }
        TOO_MANY_CHILDREN => {
            ("The proposal has more children than are allowed here.", "Reply here to have it changed.")
        }
        NO_CONVERSATION => (
            "Its harness offers no conversation that can be read here.",
            "Open the run, or ask again with another harness.",
        ),
        NO_PLAN => ("Oz does not hand out the plan now.", "Try again in a moment."),
        "missing_scope" => (
            "Baton's app lacks a permission in Slack that the policy needs.",
            "Ask whoever operates Baton to run `baton check`.",
        ),
        "no_such_subteam" => {
            ("Slack does not know a group that the policy names.", "Ask whoever operates Baton to correct the policy.")
        }
        "user_not_found" | "no_such_member" => ("The platform does not know who you are.", "Try again in a moment."),
        GAVE_UP => ("It was tried several times without success.", "Try again later."),
        _ => (UNKNOWN, "Open the run for the details, or reply here to go on."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_of_oz_has_its_sentence_and_a_next_step() {
        // The table of Oz's error catalogue.
        for code in [
            "invalid_request",
            "integration_not_configured",
            "authentication_required",
            "external_authentication_required",
            "insufficient_credits",
            "feature_not_available",
            "not_authorized",
            "budget_exceeded",
            "integration_disabled",
            "content_policy_violation",
            "resource_not_found",
            "conflict",
            "resource_unavailable",
            "environment_setup_failed",
            "internal_error",
            "infrastructure_timeout",
            "agent_process_failed",
        ] {
            let (what, next) = sentence(code);
            assert_ne!(what, UNKNOWN, "{code}");
            assert!(next.ends_with('.'), "{code}");
        }
        assert_eq!(short(&Problem::new("teapot").with_detail("It is a teapot")), "It is a teapot");
    }
}
