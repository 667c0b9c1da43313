//! The outside of a webhook from Linear: as much as the door has to know before it is stored.
//!
//! Bodies are read leniently, by pointers into JSON, because Linear leaves out, nullifies and adds
//! fields. Used by the door (`webhook.rs`) and the reconciler to name an event, and by `inbound.rs` to
//! understand it. The payloads are described at <https://linear.app/developers/webhooks> and
//! <https://linear.app/developers/agent-interaction>.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    door::{at, known_by, text_at},
    ids::{EventId, short_hash},
    storage::ingest::NewEvent,
    time::Timestamp,
};

/// The webhooks that we use, by Linear's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Somebody opened an agent session with us, or wrote in one.
    AgentSessionEvent,
    Issue,
    Comment,
    /// What a person in our place would find in the inbox.
    AppUserNotification,
    /// Our app was removed.
    OAuthApp,
}

impl Kind {
    pub const ALL: [Self; 5] =
        [Self::AgentSessionEvent, Self::Issue, Self::Comment, Self::AppUserNotification, Self::OAuthApp];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AgentSessionEvent => "AgentSessionEvent",
            Self::Issue => "Issue",
            Self::Comment => "Comment",
            Self::AppUserNotification => "AppUserNotification",
            Self::OAuthApp => "OAuthApp",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What it is, if it is one that we use.
#[must_use]
pub fn kind(payload: &Value) -> Option<Kind> {
    Kind::parse(text_at(payload, "/type")?)
}

/// Reads a body. The error is the one-line reason for a 400.
pub fn open(body: &str) -> Result<Value, &'static str> {
    let payload: Value = serde_json::from_str(body).map_err(|_| "the body is not JSON")?;
    if payload.is_object() { Ok(payload) } else { Err("the body is not a JSON object") }
}

/// The organization that a stored body is from. It was signed; the address it came to says nothing,
/// because the app's one secret serves all organizations that installed it.
#[must_use]
pub fn organization(body: &str) -> Option<String> {
    text_at(&open(body).ok()?, "/organizationId").map(str::to_owned)
}

/// Why nobody needs to see this webhook, as far as that can be said without knowing who we are.
/// Issues and comments change all the time; what is not for us costs no database write.
#[must_use]
pub fn irrelevance(payload: &Value) -> Option<&'static str> {
    let Some(kind) = kind(payload) else { return Some("event type we do not use") };
    if text_at(payload, "/organizationId").is_none() {
        return Some("an event without an organization");
    }
    let action = text_at(payload, "/action").unwrap_or_default();
    match kind {
        Kind::AgentSessionEvent => irrelevant_session(payload, action),
        Kind::Issue => irrelevant_issue(payload, action),
        Kind::Comment => irrelevant_comment(payload, action),
        Kind::AppUserNotification => {
            let issue = text_at(payload, "/notification/issueId").or(text_at(payload, "/notification/issue/id"));
            (action != "issueUnassignedFromYou" || issue.is_none()).then_some("a notification we do not use")
        }
        Kind::OAuthApp => (action != "revoked").then_some("event action we do not use"),
    }
}

/// The event to store for a body in webhook form, signed or made up from what Linear's API lists; none
/// when nobody needs to see it. Both ways of learning of the same thing make the same event.
#[must_use]
pub fn event_of(body: &Value, now: Timestamp) -> Option<NewEvent> {
    if irrelevance(body).is_some() {
        return None;
    }
    let kind = kind(body)?;
    let dedupe = known_by(dedupe(kind, body));
    Some(NewEvent {
        id: EventId::new(format!("e{}", short_hash(&["linear", &dedupe], 20))),
        source: "linear",
        kind: kind.as_str(),
        lane: known_by(lane(kind, body)),
        dedupe,
        delivery: None,
        body: body.to_string(),
        received_at: now,
    })
}

/// The id of an agent session's issue, or `session:` and its own id where it has none.
#[must_use]
pub fn place_of(session: &Value) -> Option<String> {
    let issue = text_at(session, "/issueId").or(text_at(session, "/issue/id"));
    issue.map(str::to_owned).or_else(|| Some(format!("session:{}", text_at(session, "/id")?)))
}

/// Equal for the same thing told again, by what it is about: an attempt to deliver it again may be
/// stamped anew, and `webhookId` names the subscription.
fn dedupe(kind: Kind, payload: &Value) -> String {
    let text = |pointer| text_at(payload, pointer);
    let known = match kind {
        Kind::AgentSessionEvent if is_created(text("/action").unwrap_or_default()) => {
            text("/agentSession/id").map(|id| format!("session:{id}:created"))
        }
        Kind::AgentSessionEvent => text("/agentActivity/id").map(|id| format!("activity:{id}")),
        Kind::Issue | Kind::Comment => text("/data/id").zip(text("/action")).and_then(|(id, action)| {
            let at = text("/data/updatedAt").or(text("/createdAt"))?;
            Some(format!("{}:{id}:{action}:{at}", kind.as_str()))
        }),
        Kind::AppUserNotification => text("/notification/id").map(|id| format!("notification:{id}")),
        Kind::OAuthApp => text("/organizationId").zip(text("/createdAt")).map(|(organization, at)| {
            format!("revoked:{organization}:{}:{at}", text("/oauthClientId").unwrap_or_default())
        }),
    };
    known.unwrap_or_else(|| format!("body:{}", hash_of(payload)))
}

/// Webhooks about one agent session, one thread or one issue are decided in the order of their arrival.
fn lane(kind: Kind, payload: &Value) -> String {
    let text = |pointer| text_at(payload, pointer);
    let place = match kind {
        Kind::AgentSessionEvent => text("/agentSession/id").map(|id| format!("session:{id}")),
        Kind::Comment => text("/data/parentId").or(text("/data/id")).map(|root| format!("comment:{root}")),
        Kind::Issue => text("/data/id").map(str::to_owned),
        Kind::AppUserNotification => {
            text("/notification/issueId").or(text("/notification/issue/id")).map(str::to_owned)
        }
        Kind::OAuthApp => None,
    };
    let organization = text("/organizationId").unwrap_or("unknown");
    match place {
        Some(place) => format!("linear:{organization}:{place}"),
        None => format!("linear:{organization}"),
    }
}

/// Whether an action of an `AgentSessionEvent` says that the session is new. Linear has been seen to
/// send the shorter word.
pub(super) fn is_created(action: &str) -> bool {
    matches!(action, "created" | "create")
}

fn irrelevant_session(payload: &Value, action: &str) -> Option<&'static str> {
    if text_at(payload, "/agentSession/id").is_none() {
        return Some("an agent session without an id");
    }
    match action {
        "prompted" => match text_at(payload, "/agentActivity/content/type") {
            None | Some("prompt") => None,
            Some(_) => Some("an activity that is not a prompt"),
        },
        _ if is_created(action) => None,
        _ => Some("event action we do not use"),
    }
}

fn irrelevant_issue(payload: &Value, action: &str) -> Option<&'static str> {
    let labels = || at(payload, "/data/labelIds").or(at(payload, "/data/labels")).and_then(Value::as_array);
    match action {
        _ if text_at(payload, "/data/id").is_none() => Some("an issue without an id"),
        "create" | "update" if labels().is_none_or(Vec::is_empty) => Some("an issue without labels"),
        "create" => None,
        "update" if at(payload, "/updatedFrom/labelIds").is_some() => None,
        "update" => Some("the labels did not change"),
        _ => Some("event action we do not use"),
    }
}

fn irrelevant_comment(payload: &Value, action: &str) -> Option<&'static str> {
    let is_there = |pointer: &str| at(payload, pointer).is_some_and(|value| !value.is_null());
    if text_at(payload, "/data/id").is_none() {
        return Some("a comment without an id");
    }
    if text_at(payload, "/data/userId").or(text_at(payload, "/data/user/id")).is_none() || is_there("/data/botActor") {
        return Some("not a person's comment");
    }
    match action {
        "create" if text_at(payload, "/data/parentId").or(text_at(payload, "/data/parent/id")).is_none() => {
            Some("a comment outside a thread")
        }
        "create" => None,
        "update" if is_there("/updatedFrom/body") => None,
        "update" => Some("the words did not change"),
        _ => Some("event action we do not use"),
    }
}

/// Of all that it says but when it was sent.
fn hash_of(payload: &Value) -> String {
    let mut said = payload.clone();
    if let Some(fields) = said.as_object_mut() {
        fields.remove("webhookTimestamp");
    }
    hex::encode(Sha256::digest(said.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(payload: &Value) -> (String, String) {
        let event = event_of(payload, Timestamp::default()).expect("an event");
        (event.dedupe, event.lane)
    }

    fn issue(action: &str, data: &Value, before: &Value) -> Value {
        json!({"type": "Issue", "action": action, "organizationId": "org", "data": data, "updatedFrom": before})
    }

    fn comment(action: &str, data: &Value, before: &Value) -> Value {
        json!({"type": "Comment", "action": action, "organizationId": "org", "data": data, "updatedFrom": before})
    }

    #[test]
    fn an_event_is_known_by_what_it_is_about() {
        let session = json!({"id": "s1", "issueId": "i1"});
        let created = |action: &str, at: i64| {
            json!({"type": "AgentSessionEvent", "action": action, "organizationId": "org", "webhookId": "w",
                "agentSession": session, "webhookTimestamp": at})
        };
        let expected = ("session:s1:created".to_owned(), "linear:org:session:s1".to_owned());
        assert_eq!(named(&created("created", 1)), expected);
        assert_eq!(named(&created("create", 2)), expected);
        let prompted = json!({"type": "AgentSessionEvent", "action": "prompted", "organizationId": "org",
            "agentSession": session, "agentActivity": {"id": "a1"}});
        assert_eq!(named(&prompted), ("activity:a1".into(), "linear:org:session:s1".into()));
        let labelled =
            issue("update", &json!({"id": "i1", "updatedAt": "now", "labelIds": ["l"]}), &json!({"labelIds": []}));
        assert_eq!(named(&labelled), ("Issue:i1:update:now".into(), "linear:org:i1".into()));
        let reply =
            comment("create", &json!({"id": "c2", "updatedAt": "now", "parentId": "c1", "userId": "u"}), &json!(null));
        assert_eq!(named(&reply), ("Comment:c2:create:now".into(), "linear:org:comment:c1".into()));
        let unassigned = json!({"type": "AppUserNotification", "action": "issueUnassignedFromYou",
            "organizationId": "org", "notification": {"id": "n1", "issueId": "i1"}});
        assert_eq!(named(&unassigned), ("notification:n1".into(), "linear:org:i1".into()));
    }

    #[test]
    fn what_has_no_id_is_known_by_all_that_it_says_but_when() {
        let prompted = |at: i64, text: &str| {
            json!({"type": "AgentSessionEvent", "action": "prompted", "organizationId": "org",
                "agentSession": {"id": "s1"}, "agentActivity": {"content": {"body": text}}, "webhookTimestamp": at})
        };
        assert_eq!(named(&prompted(1, "a")), named(&prompted(2, "a")));
        assert_ne!(named(&prompted(1, "a")), named(&prompted(1, "b")));
    }

    #[test]
    fn ids_of_any_length_can_be_kept() {
        let long = json!({"type": "AgentSessionEvent", "action": "created", "organizationId": "o".repeat(5000),
            "agentSession": {"id": "s".repeat(5000)}});
        let (dedupe, lane) = named(&long);
        assert!(dedupe.len() == 64 && lane.len() == 64);
    }

    #[test]
    fn of_issues_and_comments_few_are_for_us() {
        let labels = json!(["l1"]);
        for (payload, wanted) in [
            (issue("update", &json!({"id": "i", "labelIds": labels}), &json!({"labelIds": null})), true),
            (issue("update", &json!({"id": "i", "labelIds": labels}), &json!({"title": "before"})), false),
            (issue("update", &json!({"id": "i", "labelIds": []}), &json!({"labelIds": ["l1"]})), false),
            (issue("create", &json!({"id": "i", "labelIds": labels}), &json!(null)), true),
            (issue("create", &json!({"id": "i"}), &json!(null)), false),
            (issue("remove", &json!({"id": "i", "labelIds": labels}), &json!(null)), false),
            (comment("create", &json!({"id": "c", "parentId": "p", "userId": "u"}), &json!(null)), true),
            (comment("create", &json!({"id": "c", "parentId": "p", "userId": null}), &json!(null)), false),
            (
                comment("create", &json!({"id": "c", "parentId": "p", "userId": "u", "botActor": "{}"}), &json!(null)),
                false,
            ),
            (comment("create", &json!({"id": "c", "parentId": null, "userId": "u"}), &json!(null)), false),
            (comment("update", &json!({"id": "c", "userId": "u"}), &json!({"body": "before"})), true),
            (comment("update", &json!({"id": "c", "userId": "u"}), &json!({"resolvedAt": null})), false),
            (comment("remove", &json!({"id": "c", "userId": "u"}), &json!(null)), false),
            (json!({"type": "AppUserNotification", "action": "issueMention", "organizationId": "org"}), false),
            (json!({"type": "AgentSessionEvent", "action": "created", "agentSession": {"id": "s"}}), false),
            (json!({"type": 7}), false),
            (json!({}), false),
        ] {
            assert_eq!(irrelevance(&payload).is_none(), wanted, "{payload}");
        }
    }

    #[test]
    fn the_organization_is_the_one_that_was_signed() {
        assert_eq!(organization(r#"{"organizationId": "org"}"#).as_deref(), Some("org"));
        for none in ["{", "[]", "{}", r#"{"organizationId": null}"#] {
            assert_eq!(organization(none), None, "{none}");
        }
    }
}
