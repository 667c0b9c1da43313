//! What both ways in from Slack do with a request that is known to be Slack's: `webhook.rs`, and
//! `socket.rs` where nobody reaches us from outside.

use serde_json::{Value, json};

use super::{
    envelope::{self, Kind},
    inbound,
    suggest::Asked,
};
use crate::{
    domain::{command::Command, parse},
    door::text_at,
    ids::{EventId, short_hash},
    storage::ingest::NewEvent,
    time::Timestamp,
};

/// A request, as far as the way in is concerned.
#[derive(Debug)]
pub(super) enum Taken {
    /// Nobody needs to see it.
    Ignored(&'static str),
    /// Somebody looks what a menu offers, and is answered at once (`suggest.rs`).
    Suggestion(Asked),
    /// To be acknowledged with `answer` once it is stored.
    Event { event: NewEvent, answer: Option<Value> },
}

/// `timestamp` is that of the signature, where there is one.
pub(super) fn take(kind: Kind, payload: &Value, timestamp: &str, body: String, now: Timestamp) -> Taken {
    if kind == Kind::Interactivity && text_at(payload, "/type") == Some("block_suggestion") {
        return Taken::Suggestion(Asked::of(payload));
    }
    if let Some(reason) = envelope::irrelevance(kind, payload) {
        tracing::debug!(event.source = "slack", event.kind = kind.as_str(), reason, "event ignored");
        return Taken::Ignored(reason);
    }
    let dedupe = envelope::dedupe(kind, payload, timestamp, &body);
    let event = NewEvent {
        id: EventId::new(format!("e{}", short_hash(&["slack", &dedupe], 20))),
        source: "slack",
        kind: kind.as_str(),
        lane: envelope::lane(payload),
        dedupe,
        delivery: None,
        body,
        received_at: now,
    };
    Taken::Event { event, answer: answer(kind, payload) }
}

/// Slack shows the answer to a command to the one who typed it. The empty answer to a form closes it.
fn answer(kind: Kind, payload: &Value) -> Option<Value> {
    let line = "On its way: the board will appear in this channel in a moment.";
    (kind == Kind::Commands && starts_something(payload)).then(|| json!({"response_type": "ephemeral", "text": line}))
}

fn starts_something(payload: &Value) -> bool {
    inbound::slash(payload).is_some_and(|(verb, text)| matches!(parse::slash(verb, &text), Command::Start(..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_start_with_words_is_answered_with_a_line() {
        for (command, text, line) in [
            ("/orchestrate", "Migrate the tests", true),
            ("/orchestrate", "stop using Jest everywhere", true),
            ("/orchestrate", "", false),
            ("/orchestrate", "help", false),
            ("/plan", "  ", false),
            ("/oz", "fix the build", true),
            ("/oz", "Cancel", false),
            ("/oz", "cancel o1a2b3c4d5e", false),
            ("/orchestrate", "harness:vim Migrate", false),
            ("/else", "hello", false),
        ] {
            let answer = answer(Kind::Commands, &json!({"command": command, "text": text}));
            assert_eq!(answer.is_some(), line, "{command} {text}");
        }
        assert_eq!(answer(Kind::Interactivity, &json!({"type": "view_submission"})), None);
    }

    #[test]
    fn the_same_request_makes_the_same_event() {
        let payload = json!({"type": "event_callback", "event_id": "Ev1", "team_id": "T1",
            "event": {"type": "app_mention", "channel": "C1", "user": "U1"}});
        let event = |timestamp: &str| {
            let now = Timestamp::from_secs(1_700_000_000);
            match take(Kind::Events, &payload, timestamp, payload.to_string(), now) {
                Taken::Event { event, .. } => event,
                taken => panic!("{taken:?}"),
            }
        };
        let first = event("1");
        assert_eq!(first, event("2"));
        assert_eq!((first.lane.as_str(), first.dedupe.as_str()), ("slack:T1:C1", "event:Ev1"));
    }
}
