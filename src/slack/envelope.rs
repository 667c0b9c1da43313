//! The outside of a request from Slack: as much as the door has to know before it is stored.
//!
//! Bodies are read leniently, by pointers into JSON, because org-wide installs, new event types and
//! other apps' messages leave out, nullify and add fields. Used by the door (`webhook.rs`) to name
//! an event, and by `inbound.rs` to understand it.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use crate::{
    domain::message::Press,
    door::{at, known_by, text_at},
};

/// Which address a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Commands,
    Interactivity,
    Events,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Commands, Self::Interactivity, Self::Events];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Commands => "commands",
            Self::Interactivity => "interactivity",
            Self::Events => "events",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// The callback of the message shortcut "Orchestrate this".
pub const SHORTCUT: &str = "baton.orchestrate_message";

/// Reads a body into one JSON object: commands and interactivity are forms, the latter with the
/// JSON in its field `payload`. The error is the one-line reason for a 400.
pub fn open(kind: Kind, body: &str) -> Result<Value, &'static str> {
    let payload = match kind {
        Kind::Events => parse(body)?,
        Kind::Interactivity => {
            let field = form_urlencoded::parse(body.as_bytes()).find(|(name, _)| name == "payload");
            let (_, payload) = field.ok_or("the form has no payload")?;
            parse(&payload)?
        }
        Kind::Commands => {
            let fields = form_urlencoded::parse(body.as_bytes());
            Value::Object(fields.map(|(name, value)| (name.into(), value.into())).collect::<Map<_, _>>())
        }
    };
    let naming = if kind == Kind::Commands { "/command" } else { "/type" };
    text_at(&payload, naming).ok_or("the body does not say what it is")?;
    Ok(payload)
}

/// The workspaces and organizations through whose installation a request reached us, the likeliest
/// first. With Slack Connect an event's own `team_id` may be a stranger's, and so may that of who fills in
/// a form: an authorization, and the installation that a view belongs to, count before them.
#[must_use]
pub fn installations(payload: &Value) -> Vec<&str> {
    let pick = |pointers: &[&str]| pointers.iter().filter_map(|pointer| text_at(payload, pointer)).collect::<Vec<_>>();
    let is_org_wide = |pointer: &str| at(payload, pointer).is_some_and(|flag| flag == true || flag == "true");
    let authorized = pick(&["/authorizations/0/team_id", "/authorizations/0/enterprise_id"]);
    if !authorized.is_empty() {
        let org_first = is_org_wide("/authorizations/0/is_enterprise_install");
        return if org_first { authorized.into_iter().rev().collect() } else { authorized };
    }
    let view = pick(&["/view/app_installed_team_id"]);
    if !view.is_empty() {
        return view;
    }
    let team = ["/team_id", "/team/id", "/context_team_id"];
    let organization = ["/enterprise_id", "/enterprise/id", "/context_enterprise_id"];
    let mut named = if is_org_wide("/is_enterprise_install") {
        pick(&[organization, team].concat())
    } else {
        pick(&[team, organization].concat())
    };
    named.extend(text_at(payload, "/user/team_id"));
    named
}

/// Why nobody needs to see this request, as far as that can be said without knowing who we are.
/// Channels are full of messages that are not for us; they cost no database write.
#[must_use]
pub fn irrelevance(kind: Kind, payload: &Value) -> Option<&'static str> {
    match kind {
        Kind::Commands => None,
        Kind::Interactivity => irrelevant_interaction(payload),
        Kind::Events => irrelevant_event(payload),
    }
}

/// Equal for the same event, click or command delivered again, as `contract.md` has it: events by
/// their id, clicks by their trigger, and what has neither by its signed body and timestamp.
#[must_use]
pub fn dedupe(kind: Kind, payload: &Value, timestamp: &str, body: &str) -> String {
    let known = match kind {
        Kind::Events => match text_at(payload, "/event_id") {
            Some(id) => format!("event:{id}"),
            // Slack's retries carry the same body and a new timestamp.
            None => format!("body:{}", sha256(&[body])),
        },
        Kind::Interactivity => match text_at(payload, "/trigger_id") {
            Some(trigger) => format!("trigger:{trigger}"),
            None => format!("signed:{}", sha256(&[timestamp, body])),
        },
        Kind::Commands => format!("signed:{}", sha256(&[timestamp, body])),
    };
    known_by(known)
}

/// Requests about one channel are decided in the order of their arrival; a form without a channel
/// is ordered by its person.
#[must_use]
pub fn lane(payload: &Value) -> String {
    let workspace = installations(payload).first().copied().unwrap_or("unknown");
    let place = ["/channel_id", "/channel/id", "/container/channel_id", "/event/channel", "/user/id"]
        .iter()
        .find_map(|pointer| text_at(payload, pointer));
    let lane = match place {
        Some(place) => format!("slack:{workspace}:{place}"),
        None => format!("slack:{workspace}"),
    };
    known_by(lane)
}

/// What a `block_actions` payload's button does: the first of ours among its actions.
#[must_use]
pub fn press(payload: &Value) -> Option<(Press, &str)> {
    payload.get("actions")?.as_array()?.iter().find_map(|action| {
        let press = Press::parse(text_at(action, "/action_id")?.strip_prefix("baton.")?)?;
        Some((press, text_at(action, "/value").unwrap_or_default()))
    })
}

fn parse(json: &str) -> Result<Value, &'static str> {
    serde_json::from_str(json).map_err(|_| "the body is not JSON")
}

fn irrelevant_interaction(payload: &Value) -> Option<&'static str> {
    match text_at(payload, "/type") {
        Some("block_actions") => match press(payload) {
            None => Some("not a button of ours"),
            Some((Press::Open, _)) => Some("a link was followed"),
            Some(_) => None,
        },
        Some("message_action") if text_at(payload, "/callback_id") == Some(SHORTCUT) => None,
        Some("view_submission") => None,
        _ => Some("interaction we do not use"),
    }
}

fn irrelevant_event(payload: &Value) -> Option<&'static str> {
    if text_at(payload, "/type") != Some("event_callback") {
        return Some("not an event");
    }
    match text_at(payload, "/event/type") {
        Some("app_uninstalled" | "tokens_revoked" | "agent_session_stopped") => None,
        Some("app_mention") => by_a_bot(payload, "/event"),
        Some("message") => match text_at(payload, "/event/subtype") {
            Some("message_changed") => irrelevant_change(payload),
            None | Some("file_share" | "thread_broadcast" | "me_message") => {
                let top_level = text_at(payload, "/event/thread_ts").is_none();
                by_a_bot(payload, "/event")
                    .or((top_level && !is_direct(payload)).then_some("a message outside a thread"))
            }
            Some(_) => Some("message subtype we do not use"),
        },
        _ => Some("event type we do not use"),
    }
}

/// Slack reports a change for every unfurled link and for each of our own edits, too.
fn irrelevant_change(payload: &Value) -> Option<&'static str> {
    let before = at(payload, "/event/previous_message/text");
    by_a_bot(payload, "/event/message")
        .or((before.is_some() && before == at(payload, "/event/message/text")).then_some("the words did not change"))
}

fn by_a_bot(payload: &Value, message: &str) -> Option<&'static str> {
    let is_there = |field| at(payload, message).and_then(|message| text_at(message, field)).is_some();
    (is_there("/bot_id") || !is_there("/user")).then_some("a bot's message")
}

/// Whether an event's channel is a direct conversation with us.
#[must_use]
pub fn is_direct(payload: &Value) -> bool {
    match text_at(payload, "/event/channel_type") {
        Some(kind) => kind == "im",
        None => text_at(payload, "/event/channel").is_some_and(|channel| channel.starts_with('D')),
    }
}

fn sha256(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(event: &Value) -> Value {
        json!({"type": "event_callback", "team_id": "T1", "event_id": "Ev1", "event": event})
    }

    #[test]
    fn bodies_open_by_their_kind() {
        let command = open(Kind::Commands, "command=%2Forchestrate&text=do+it%21&team_id=T1").expect("a payload");
        assert_eq!(text_at(&command, "/text"), Some("do it!"));
        let click = open(Kind::Interactivity, "payload=%7B%22type%22%3A%22block_actions%22%7D").expect("a payload");
        assert_eq!(text_at(&click, "/type"), Some("block_actions"));
        for (kind, body) in [
            (Kind::Events, "{"),
            (Kind::Events, "[]"),
            (Kind::Events, r#"{"type": 7}"#),
            (Kind::Interactivity, "payload=%7B"),
            (Kind::Interactivity, "type=block_actions"),
            (Kind::Commands, "text=hello"),
        ] {
            assert!(open(kind, body).is_err(), "{body}");
        }
    }

    #[test]
    fn an_event_is_known_by_its_id_a_click_by_its_trigger_and_a_command_by_what_was_signed() {
        let known = |kind, payload: &Value, at: &str, body: &str| dedupe(kind, payload, at, body);
        let event = json!({"event_id": "Ev1"});
        assert_eq!(known(Kind::Events, &event, "1", "a"), "event:Ev1");
        assert_eq!(known(Kind::Events, &json!({}), "1", "a"), known(Kind::Events, &json!({}), "2", "a"));
        assert_eq!(known(Kind::Interactivity, &json!({"trigger_id": "1.2"}), "1", "a"), "trigger:1.2");
        let command = json!({"trigger_id": "1.2"});
        assert_eq!(known(Kind::Commands, &command, "1", "a"), known(Kind::Commands, &command, "1", "a"));
        assert_ne!(known(Kind::Commands, &command, "1", "a"), known(Kind::Commands, &command, "2", "a"));
        assert_ne!(known(Kind::Commands, &command, "1", "2a"), known(Kind::Commands, &command, "12", "a"));
    }

    #[test]
    fn lanes_are_channels_and_people_where_there_is_none() {
        assert_eq!(lane(&json!({"team_id": "T1", "channel_id": "C1", "user_id": "U1"})), "slack:T1:C1");
        assert_eq!(lane(&event(&json!({"type": "message", "channel": "C2"}))), "slack:T1:C2");
        assert_eq!(lane(&json!({"team": {"id": "T1"}, "user": {"id": "U1"}})), "slack:T1:U1");
        assert_eq!(lane(&json!({"team": null, "enterprise": {"id": "E1"}, "user": {"id": "U1"}})), "slack:E1:U1");
        assert_eq!(lane(&json!({"enterprise_id": "E1", "event": {"type": "app_uninstalled"}})), "slack:E1");
    }

    #[test]
    fn names_of_any_length_can_be_kept() {
        let long = "x".repeat(5_000);
        let payload = json!({"event_id": long, "trigger_id": long, "team_id": long, "channel_id": long});
        for kind in Kind::ALL {
            assert!(dedupe(kind, &payload, "1", "a").len() <= 200);
        }
        assert_eq!(lane(&payload).len(), 64);
        assert_ne!(lane(&payload), lane(&json!({"team_id": long, "channel_id": "C1"})));
    }

    #[test]
    fn the_authorization_says_whose_installation_it_is() {
        let foreign = json!({"team_id": "TSTRANGER", "authorizations": [{"team_id": "T1", "enterprise_id": null}]});
        assert_eq!(installations(&foreign), ["T1"]);
        let org = json!({"team_id": "T1", "authorizations": [{"team_id": null, "enterprise_id": "E1"}]});
        assert_eq!(installations(&org), ["E1"]);
        // Of a workspace in an organization, and of the whole organization.
        for (is_org_wide, first) in [(false, ["T1", "E1"]), (true, ["E1", "T1"])] {
            let authorization = json!({"team_id": "T1", "enterprise_id": "E1", "is_enterprise_install": is_org_wide});
            assert_eq!(installations(&json!({"team_id": "T2", "authorizations": [authorization]})), first);
        }
        let command = json!({"team_id": "T1", "enterprise_id": "E1", "is_enterprise_install": "true"});
        assert_eq!(installations(&command), ["E1", "T1"]);
        let form = json!({"type": "view_submission", "team": {"id": "TSTRANGER"}, "user": {"team_id": "TSTRANGER"},
            "view": {"app_installed_team_id": "T1", "team_id": "TSTRANGER"}});
        assert_eq!(installations(&form), ["T1"]);
    }

    #[test]
    fn what_is_not_for_us_is_seen_without_knowing_who_we_are() {
        for (payload, wanted) in [
            (event(&json!({"type": "app_mention", "user": "U1"})), true),
            (event(&json!({"type": "app_mention", "user": "U1", "bot_id": "B1"})), false),
            (event(&json!({"type": "app_home_opened", "user": "U1"})), false),
            (event(&json!({"type": "message", "user": "U1", "channel": "D1", "channel_type": "im"})), true),
            (event(&json!({"type": "message", "user": "U1", "channel": "C1", "thread_ts": "1.0"})), true),
            (event(&json!({"type": "message", "user": "U1", "channel": "C1"})), false),
            (event(&json!({"type": "message", "subtype": "channel_join", "user": "U1", "thread_ts": "1.0"})), false),
            (event(&json!({"type": "message", "subtype": "bot_message", "bot_id": "B1", "thread_ts": "1.0"})), false),
            (json!({"type": "app_rate_limited", "team_id": "T1"}), false),
        ] {
            assert_eq!(irrelevance(Kind::Events, &payload).is_none(), wanted, "{payload}");
        }
    }

    #[test]
    fn a_change_counts_when_a_person_changed_words() {
        let change = |before: &str, after: &str, bot: Value| {
            event(&json!({
                "type": "message", "subtype": "message_changed", "channel": "C1",
                "message": {"user": "U1", "text": after, "bot_id": bot}, "previous_message": {"text": before},
            }))
        };
        assert_eq!(irrelevance(Kind::Events, &change("a", "b", Value::Null)), None);
        assert!(irrelevance(Kind::Events, &change("a", "a", Value::Null)).is_some());
        assert!(irrelevance(Kind::Events, &change("a", "b", "B1".into())).is_some());
    }

    #[test]
    fn of_interactions_only_ours_count() {
        let click = |action: &str| json!({"type": "block_actions", "actions": [{"action_id": action, "value": "o1"}]});
        assert_eq!(irrelevance(Kind::Interactivity, &click("baton.stop")), None);
        for payload in
            [click("baton.open"), click("other"), json!({"type": "view_closed"}), json!({"type": "shortcut"})]
        {
            assert!(irrelevance(Kind::Interactivity, &payload).is_some(), "{payload}");
        }
        assert_eq!(irrelevance(Kind::Interactivity, &json!({"type": "message_action", "callback_id": SHORTCUT})), None);
    }
}
