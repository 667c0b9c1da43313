//! How fast Linear may be asked, and what its answers say about that.
//!
//! Pure. Linear counts requests and their complexity for an hour, by app user and workspace, and says
//! in its headers where that stands (<https://linear.app/developers/rate-limiting>). The outbox worker
//! keeps one bucket for each key, in a row, so that replicas share it.

use std::time::Duration;

use http::HeaderMap;

use crate::{domain::conversation::Conversation, pace::Pace, time::Timestamp};

/// Of 5,000 requests an hour the reads, the reconciler and people's patience want their part.
const WORKSPACE_INTERVAL: Duration = Duration::from_millis(800);
const WORKSPACE_BURST: u32 = 120;
/// Rows of a session are read by people.
const SAY_INTERVAL: Duration = Duration::from_secs(1);
const SAY_BURST: u32 = 4;
/// The plan and a board's comment are replaced whole.
const EDIT_INTERVAL: Duration = Duration::from_secs(2);
/// Who is told to wait longer asks again after it.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// What is asked of Linear, as far as its limits tell things apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// The first board: opening a session, or the root comment.
    Open,
    /// An activity or a comment.
    Say,
    /// The last word, or the answer to a stop: it goes even when the workspace has to wait.
    LastWord,
    /// The plan and the links, or a comment's new text.
    Edit,
    React,
    File,
    Attach,
    TakeUp,
    ReadThread,
}

/// The buckets that `call` takes from.
#[must_use]
pub fn paces(organization: &str, conversation: &Conversation, call: Call) -> Vec<Pace> {
    let workspace = |requests| {
        Pace {
            key: format!("linear:{organization}"),
            interval: WORKSPACE_INTERVAL,
            burst: WORKSPACE_BURST,
            requests: 1,
        }
        .of_requests(requests)
    };
    let thread = conversation.thread.as_deref().unwrap_or(&conversation.place);
    let say = || Pace {
        key: format!("linear:{organization}:say:{thread}"),
        interval: SAY_INTERVAL,
        burst: SAY_BURST,
        requests: 1,
    };
    let edit =
        || Pace { key: format!("linear:{organization}:edit:{thread}"), interval: EDIT_INTERVAL, burst: 1, requests: 1 };
    match call {
        // The narrowest first: who is refused stands in its line, and that of the workspace goes on.
        Call::Open if conversation.thread.is_some() => vec![say(), workspace(1)],
        // A session is created first and opened then; a file is announced, and named where it is to be seen.
        Call::Open | Call::File => vec![say(), workspace(2)],
        Call::Say => vec![say(), workspace(1)],
        Call::LastWord => vec![say()],
        Call::Edit => vec![edit(), workspace(1)],
        Call::React | Call::Attach | Call::ReadThread => vec![workspace(1)],
        Call::TakeUp => vec![workspace(2)],
    }
}

/// How long to wait after a refusal: until the last of the limits that have run out starts anew, or
/// as `Retry-After` says.
#[must_use]
pub fn wait(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let limits = ["x-ratelimit-requests", "x-ratelimit-complexity", "x-ratelimit-endpoint-requests"];
    let resets: Vec<(bool, Timestamp)> = limits
        .iter()
        .filter_map(|limit| {
            let reset = number(&format!("{limit}-reset")).filter(|reset| reset.is_finite() && *reset >= 0.0)?;
            let used_up = number(&format!("{limit}-remaining")).is_some_and(|remaining| remaining < 1.0);
            Some((used_up, Timestamp::from_millis(whole(reset))))
        })
        .collect();
    // Complexity may be too little for this request, and not yet none.
    let any_used_up = resets.iter().any(|(used_up, _)| *used_up);
    let reset = resets.iter().filter(|(used_up, _)| *used_up || !any_used_up).map(|(_, at)| at.since(now)).max();
    let wait = reset.into_iter().chain(crate::http::retry_after(headers)).max()?;
    Some(wait.clamp(Duration::from_secs(1), LONGEST_WAIT))
}

#[expect(clippy::cast_possible_truncation, reason = "a float that is too large becomes the largest integer")]
const fn whole(number: f64) -> i64 {
    number as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn headers(pairs: &[(&'static str, String)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    fn at(seconds: i64) -> String {
        Timestamp::from_secs(NOW.as_secs() + seconds).as_millis().to_string()
    }

    #[test]
    fn the_last_limit_that_ran_out_says_how_long() {
        let reset = |remaining: &str| {
            headers(&[
                ("x-ratelimit-requests-remaining", remaining.to_owned()),
                ("x-ratelimit-requests-reset", at(90)),
                ("x-ratelimit-complexity-remaining", "5000".into()),
                ("x-ratelimit-complexity-reset", at(600)),
            ])
        };
        assert_eq!(wait(&reset("0"), NOW), Some(Duration::from_secs(90)));
        assert_eq!(wait(&reset("7"), NOW), Some(Duration::from_mins(10)), "nobody says which it was");
        assert_eq!(wait(&headers(&[("retry-after", "12".into())]), NOW), Some(Duration::from_secs(12)));
        assert_eq!(wait(&headers(&[("x-ratelimit-requests-reset", at(-5))]), NOW), Some(Duration::from_secs(1)));
        assert_eq!(wait(&headers(&[("x-ratelimit-requests-reset", at(99_999))]), NOW), Some(LONGEST_WAIT));
        assert_eq!(wait(&headers(&[("x-ratelimit-requests-reset", "soon".into())]), NOW), None);
    }

    #[test]
    fn what_is_said_is_paced_by_conversation_and_the_last_word_goes_first() {
        let session = |id: &str| Conversation::linear("org", "i1", Some(format!("session:{id}")));
        let keys =
            |call, id: &str| paces("org", &session(id), call).into_iter().map(|pace| pace.key).collect::<Vec<_>>();
        assert_eq!(keys(Call::Say, "s1"), ["linear:org:say:session:s1", "linear:org"]);
        assert_eq!(keys(Call::LastWord, "s1"), ["linear:org:say:session:s1"]);
        assert_ne!(keys(Call::Edit, "s1"), keys(Call::Edit, "s2"));
        let label = Conversation::linear("org", "i1", None);
        assert_eq!(paces("org", &label, Call::Open)[1].requests, 2);
    }
}
