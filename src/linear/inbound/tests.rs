//! Webhooks as Linear sends them, and what becomes of hostile ones.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::time::Timestamp;

fn us() -> Identity {
    Identity {
        organization: "org".into(),
        app_user: "app-1".into(),
        name: "Baton".into(),
        url_key: Some("acme".into()),
    }
}

fn from(payload: &Value) -> Event {
    let stored = event_of(payload, Timestamp::default()).expect("an event");
    assert_eq!(organization(&stored.body).as_deref(), Some("org"));
    read(stored.kind, &stored.body, &us())
}

fn done(payload: &Value) -> Act {
    match from(payload) {
        Event::Act(act) => *act,
        other => panic!("{other:?}"),
    }
}

fn opened(payload: &Value) -> (Act, Session) {
    let act = done(payload);
    let Deed::Session(session) = act.deed.clone() else { panic!("{act:?}") };
    (act, *session)
}

/// As captured in January 2026, with other names.
fn created() -> Value {
    json!({
        "type": "AgentSessionEvent", "action": "created", "createdAt": "2026-01-03T22:00:25.752Z",
        "organizationId": "org", "oauthClientId": "client", "appUserId": "app-1",
        "agentSession": {
            "id": "s1", "createdAt": "2026-01-03T22:00:25.700Z", "updatedAt": "2026-01-03T22:00:25.700Z",
            "archivedAt": null, "creatorId": "u1", "appUserId": "app-1", "commentId": "c1",
            "sourceCommentId": null, "issueId": "i1", "status": "pending", "type": "commentThread",
            "externalUrls": [],
            "sourceMetadata": {"type": "comment", "agentSessionMetadata": {"sourceCommentId": "c1"}},
            "creator": {"id": "u1", "name": "Ada", "email": "ada@example.com", "avatarUrl": "https://e.com/a",
                "url": "https://linear.app/acme/profiles/ada"},
            "comment": {"id": "c1", "body": "@baton ping. What do you see?", "userId": "u1", "issueId": "i1"},
            "issue": {"id": "i1", "title": "A test issue", "teamId": "t1",
                "team": {"id": "t1", "key": "ENG", "name": "Engineering"}, "identifier": "ENG-774",
                "url": "https://linear.app/acme/issue/ENG-774", "description": "It is a test"},
        },
        "previousComments": [{"id": "c1", "body": "@baton ping. What do you see?", "userId": "u1", "issueId": "i1"}],
        "guidance": null,
        "promptContext": "<issue identifier=\"ENG-774\"><title>A test issue</title><label>bug</label>\
            <project name=\"Checkout\">x</project></issue>",
        "webhookTimestamp": 1_767_477_625_781_i64, "webhookId": "w1",
    })
}

fn prompted(content: &Value, signal: &Value) -> Value {
    json!({
        "type": "AgentSessionEvent", "action": "prompted", "organizationId": "org", "appUserId": "app-1",
        "agentSession": {"id": "s1", "issueId": "i1", "appUserId": "app-1", "issue": {"id": "i1", "team": {"key": "ENG"}}},
        "agentActivity": {"id": "a1", "agentSessionId": "s1", "userId": "u1", "user": {"id": "u1", "name": "Ada"},
            "sourceCommentId": "c2", "content": content, "signal": signal, "signalMetadata": null},
    })
}

#[test]
fn a_mention_opens_a_session() {
    let (act, session) = opened(&created());
    assert_eq!(act.conversation, Conversation::linear("org", "i1", Some("session:s1".into())));
    assert_eq!((act.actor.id.as_str(), act.actor.name.as_deref()), ("u1", Some("Ada")));
    assert_eq!(session.text, "ping. What do you see?");
    assert_eq!((session.message.as_deref(), session.delegated), (Some("c1"), false));
    assert!(session.background.as_deref().is_some_and(|text| text.starts_with("<issue")));
    let issue = session.issue.expect("an issue");
    assert_eq!((issue.identifier.as_str(), issue.team.as_deref()), ("ENG-774", Some("ENG")));
    assert_eq!((issue.labels, issue.project.as_deref()), (vec!["bug".into()], Some("Checkout")));

    let mut short = created();
    short["action"] = "create".into();
    assert_eq!(opened(&short).1.text, "ping. What do you see?");
}

#[test]
fn a_mention_further_down_is_what_counts() {
    let mut child = created();
    child["agentSession"]["sourceMetadata"]["agentSessionMetadata"]["sourceCommentId"] = "c3".into();
    child["agentSession"]["comment"]["body"] = "This thread is for an agent session with baton.".into();
    child["previousComments"] = json!([{"id": "c1", "body": "root"}, {"id": "c3", "body": "@baton, look"}]);
    let (_, session) = opened(&child);
    assert_eq!((session.text.as_str(), session.message.as_deref(), session.delegated), ("look", Some("c3"), false));

    child["previousComments"] = json!(null);
    child["promptContext"] = "<primary-directive-thread comment-id=\"c1\"><comment author=\"Ada\">root</comment>\
        <comment author=\"Ada\"><user id=\"app-1\">baton</user> look again</comment></primary-directive-thread>"
        .into();
    assert_eq!(opened(&child).1.text, "look again");
}

#[test]
fn a_delegation_asks_for_the_issue_and_not_for_the_stub() {
    let mut delegated = created();
    delegated["agentSession"]["comment"]["body"] = "This thread is for an agent session with baton.".into();
    delegated["agentSession"]["sourceMetadata"] = json!(null);
    let (_, session) = opened(&delegated);
    assert_eq!(session.text, "A test issue\n\nIt is a test");
    assert_eq!((session.message, session.delegated), (None, true));

    delegated["agentSession"]["comment"] = json!(null);
    delegated["agentSession"]["commentId"] = json!(null);
    delegated["agentSession"]["issue"]["description"] = json!(null);
    let (_, session) = opened(&delegated);
    assert_eq!((session.text.as_str(), session.delegated), ("A test issue", true));

    delegated["agentSession"]["creator"] = json!(null);
    delegated["agentSession"]["creatorId"] = json!(null);
    let (act, session) = opened(&delegated);
    assert!(!act.actor.is_person() && !session.delegated, "an automation leaves the issue where it is");
}

#[test]
fn only_our_name_means_the_issue() {
    let mut bare = created();
    bare["agentSession"]["comment"]["body"] = "@Baton".into();
    let (_, session) = opened(&bare);
    assert_eq!(session.text, "A test issue\n\nIt is a test");
    assert_eq!((session.message.as_deref(), session.delegated), (Some("c1"), false));
}

#[test]
fn everything_that_may_be_missing_may_be_missing() {
    let bare = json!({
        "type": "AgentSessionEvent", "action": "created", "organizationId": "org", "appUserId": "app-1",
        "agentSession": {"id": "s1", "issue": null, "issueId": null, "creator": null, "comment": null,
            "commentId": null, "sourceMetadata": null},
        "previousComments": null, "guidance": null, "promptContext": null,
    });
    let (act, session) = opened(&bare);
    assert_eq!(act.conversation, Conversation::linear("org", "session:s1", Some("session:s1".into())));
    assert!(!act.actor.is_person());
    let nothing =
        Session { text: String::new(), message: None, root: None, background: None, delegated: false, issue: None };
    assert_eq!(session, nothing);
}

#[test]
fn the_guidance_is_read_where_the_context_lacks_it() {
    let mut guided = created();
    guided["guidance"] = json!([
        {"body": "Be kind", "origin": {"type": "Organization"}},
        {"body": "Use tabs", "origin": {"type": "Team", "team": {"displayName": "Engineering"}}},
        {"body": null}, 7,
    ]);
    let background = opened(&guided).1.background.expect("a background");
    assert!(
        background.ends_with("Guidance of the workspace:\nBe kind\n\nGuidance of the team Engineering:\nUse tabs"),
        "{background}"
    );
    guided["promptContext"] = "<guidance><guidance-rule>Be kind</guidance-rule></guidance>".into();
    let background = opened(&guided).1.background.expect("a background");
    assert_eq!(background.matches("Be kind").count(), 1);
    guided["promptContext"] = "x".repeat(200_000).into();
    assert!(opened(&guided).1.background.expect("a background").len() < LONGEST_BACKGROUND + 10);
}

#[test]
fn what_we_do_ourselves_is_not_heard() {
    let mut ours = created();
    ours["agentSession"]["creatorId"] = "app-1".into();
    ours["agentSession"]["creator"] = json!(null);
    assert!(matches!(from(&ours), Event::Ignored(_)));
    let mut ours = prompted(&json!({"type": "prompt", "body": "hello"}), &json!(null));
    ours["agentActivity"]["user"]["id"] = "app-1".into();
    assert!(matches!(from(&ours), Event::Ignored(_)));
}

#[test]
fn a_prompt_says_its_words_one_level_down() {
    let act = done(&prompted(&json!({"type": "prompt", "body": "Use the @baton frontend package"}), &json!(null)));
    let Deed::Prompt { text, message, issue } = act.deed else { panic!() };
    assert_eq!((text.as_str(), message.as_str()), ("Use the frontend package", "c2"));
    assert_eq!(issue.and_then(|issue| issue.team), Some("ENG".to_owned()));
    assert_eq!(act.conversation.key(), opened(&created()).0.conversation.key());
    let mut bare = prompted(&json!({"type": "prompt", "body": "yes"}), &json!(null));
    bare["agentActivity"]["sourceCommentId"] = json!(null);
    assert!(
        matches!(done(&bare).deed, Deed::Prompt { text, message, .. } if text == "yes" && message == "activity:a1")
    );
    let silent = prompted(&json!({"type": "prompt", "body": null}), &json!(null));
    assert!(matches!(from(&silent), Event::Ignored(_)));
}

#[test]
fn stop_is_a_signal_or_a_word() {
    let stop = |body: Value, signal: Value| done(&prompted(&json!({"type": "prompt", "body": body}), &signal)).deed;
    assert_eq!(stop(json!(null), json!("stop")), Deed::StopControl);
    assert_eq!(stop(json!("Anything"), json!("stop")), Deed::StopControl);
    for word in ["stop", " Stop! ", "STOP SESSION.", "stop working?!", "@baton stop"] {
        assert_eq!(stop(json!(word), json!(null)), Deed::StopControl, "{word}");
    }
    for words in ["stop using Jest", "don't stop", "stops"] {
        assert!(matches!(stop(json!(words), json!(null)), Deed::Prompt { .. }), "{words}");
    }
}

fn labelled(actor: &Value, updated_from: &Value) -> Value {
    json!({
        "type": "Issue", "action": "update", "organizationId": "org", "actor": actor, "updatedFrom": updated_from,
        "createdAt": "2026-11-02T09:00:00.000Z",
        "data": {"id": "i1", "identifier": "ENG-1", "title": "Build", "team": {"key": "ENG"}, "updatedAt": "now",
            "labelIds": ["l1", "l2"], "project": {"name": "Checkout"},
            "labels": [{"id": "l1", "name": "bug"}, {"id": "l2", "name": "orchestrate"}]},
    })
}

#[test]
fn a_label_that_was_added() {
    let ada = json!({"type": "user", "id": "u1", "name": "Ada"});
    let act = done(&labelled(&ada, &json!({"labelIds": ["l1"]})));
    assert_eq!(act.conversation, Conversation::linear("org", "i1", None));
    let Deed::Labelled { added, issue } = act.deed else { panic!() };
    assert_eq!((added, issue.labels.len()), (vec!["orchestrate".into()], 2));
    assert_eq!(act.at, Timestamp::parse_rfc3339("2026-11-02T09:00:00.000Z"));
    assert_eq!((issue.project.as_deref(), act.actor.id.as_str()), (Some("Checkout"), "u1"));

    for other in [
        json!({"type": "integration", "id": "x", "service": "slack"}),
        json!({"id": "x", "type": "oauthClient"}),
        json!(null),
    ] {
        assert!(!done(&labelled(&other, &json!({"labelIds": null}))).actor.is_person(), "{other}");
    }
    let us = json!({"type": "user", "id": "app-1"});
    assert!(matches!(from(&labelled(&us, &json!({"labelIds": []}))), Event::Ignored(_)));
    assert!(matches!(from(&labelled(&ada, &json!({"labelIds": ["l1", "l2", "l3"]}))), Event::Ignored(_)));
}

fn comment(action: &str, data: &Value) -> Value {
    json!({"type": "Comment", "action": action, "organizationId": "org", "data": data,
        "updatedFrom": {"body": "before"}, "actor": {"type": "user", "id": "u1"}})
}

#[test]
fn comments_in_a_thread_are_remarks_and_edits_are_corrections() {
    let data = json!({"id": "c2", "parentId": "c1", "issueId": "i1", "userId": "u1", "user": {"id": "u1", "name": "Ada"},
        "body": "use `tabs`"});
    let act = done(&comment("create", &data));
    assert_eq!(act.conversation, Conversation::linear("org", "i1", Some("comment:c1".into())));
    assert_eq!(act.deed, Deed::Remark { text: "use `tabs`".into(), message: "c2".into() });
    let act = done(&comment("update", &data));
    assert_eq!(act.deed, Deed::Correction { text: "use `tabs`".into(), message: "c2".into() });

    let root = json!({"id": "c1", "issue": {"id": "i1"}, "userId": "u1", "body": "edited"});
    assert_eq!(done(&comment("update", &root)).conversation.thread.as_deref(), Some("comment:c1"));
    let ours = json!({"id": "c2", "parentId": "c1", "issueId": "i1", "userId": "app-1", "body": "x"});
    assert!(matches!(from(&comment("create", &ours)), Event::Ignored(_)));
    let on_a_document = json!({"id": "c2", "parentId": "c1", "userId": "u1", "body": "x"});
    assert!(matches!(from(&comment("create", &on_a_document)), Event::Ignored(_)));
}

#[test]
fn taking_the_issue_from_us_stops_us_there() {
    let act = done(&json!({
        "type": "AppUserNotification", "action": "issueUnassignedFromYou", "organizationId": "org",
        "notification": {"id": "n1", "type": "issueUnassignedFromYou", "actor": {"id": "u1", "name": "Ada"},
            "issue": {"id": "i1"}},
    }));
    assert_eq!((act.deed, act.actor.id.as_str()), (Deed::StopControl, "u1"));
    assert_eq!(act.conversation, Conversation::linear("org", "i1", None));
}

#[test]
fn a_revoked_app_is_uninstalled_and_strangers_are_not_heard() {
    let mut revoked = json!({"type": "OAuthApp", "action": "revoked", "organizationId": "org",
        "createdAt": "1970-01-01T00:00:07.000Z"});
    let at = Some(Timestamp::from_secs(7));
    assert_eq!(from(&revoked), Event::Uninstalled { platform: Platform::Linear, workspace: "org".into(), at });
    revoked["organizationId"] = "another".into();
    assert_eq!(read("OAuthApp", &revoked.to_string(), &us()), Event::Ignored("unknown workspace"));
    assert!(matches!(read("Issue", &revoked.to_string(), &us()), Event::Ignored(_)));
    assert!(matches!(read("sessions", &revoked.to_string(), &us()), Event::Ignored(_)));
    assert!(matches!(read("Issue", "{", &us()), Event::Ignored(_)));
}

fn any_json() -> impl Strategy<Value = Value> {
    let words =
        proptest::sample::select(vec!["", "app-1", "u1", "stop", "prompt", "@baton é", "<issue><label>", "update"]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words.prop_map(Value::from)
    ];
    let keys = proptest::sample::select(vec![
        "id",
        "name",
        "body",
        "type",
        "content",
        "user",
        "userId",
        "creator",
        "comment",
        "issue",
        "labels",
        "labelIds",
        "team",
        "project",
        "agentSessionMetadata",
        "sourceMetadata",
        "origin",
        "parentId",
    ]);
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((keys.clone(), inner), 0..6)
                .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_json_is_read_without_harm(
        kind in proptest::sample::select(Kind::ALL.to_vec()),
        action in proptest::sample::select(vec!["created", "prompted", "create", "update", "revoked", "issueUnassignedFromYou"]),
        field in proptest::sample::select(vec![
            "agentSession", "agentActivity", "data", "updatedFrom", "notification", "actor", "guidance",
            "previousComments", "promptContext",
        ]),
        value in any_json(),
        other in any_json(),
    ) {
        let mut payload = json!({"type": kind.as_str(), "action": action, "organizationId": "org",
            "agentSession": {"id": "s1", "comment": other}, "agentActivity": {"id": "a1", "content": other},
            "data": {"id": "i1", "labelIds": ["l"], "labels": other, "userId": "u1", "parentId": "p", "issueId": "i1"},
            "updatedFrom": {"labelIds": other, "body": "x"}, "notification": {"issueId": "i1", "actor": other}});
        payload[field] = value;
        if let Some(stored) = event_of(&payload, Timestamp::default()) {
            let _ = read(stored.kind, &stored.body, &us());
        }
        let _ = read(kind.as_str(), &payload.to_string(), &us());
        let _ = read(kind.as_str(), &payload[field].to_string(), &us());
    }
}
