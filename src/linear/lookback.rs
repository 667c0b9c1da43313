//! Reading back: what was said before a message, sessions and prompts that webhooks may have failed
//! to tell of, and a session whose creation was lost.
//!
//! A missed session is given in the form of the webhook that would have told of it
//! (<https://linear.app/developers/agent-interaction>), so that one reader reads both and both make
//! the same event. Used by the reconciler and by `deliver.rs`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    client::{Linear, Named, Page},
    failure::Again,
    queries,
    text::cut_plain,
};
use crate::{
    domain::{failure::Failure, input::Remark},
    door::text_at,
    time::Timestamp,
};

/// Pages of sessions, of fifty each, and of one session's prompts.
const MOST_PAGES: usize = 5;
/// As much of a thread is context: its root and what was said last, each up to so many characters.
const MOST_REMARKS: usize = 50;
const LONGEST_REMARK: usize = 4_000;

/// A session of ours as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Missed {
    pub session: String,
    /// In Linear's word, which may be one of tomorrow: `pending`, `active`, `awaitingInput`,
    /// `complete`, `error`, `stale`, `stopping`.
    pub status: String,
    /// We have said something in it.
    pub answered: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// The body of the webhook that tells of its beginning.
    pub created: Value,
    /// Those that tell of what was said in it, in order.
    pub prompts: Vec<Value>,
}

/// A session as far as finding a lost one goes.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Newest {
    pub id: String,
    created_at: String,
    pub app_user: Named,
    pub creator: Option<Named>,
    pub issue: Option<Named>,
    pub activities: Page<Named>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: Deserialize<'de>")]
struct Sessions<T> {
    agent_sessions: Page<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: Deserialize<'de>")]
struct Session<T> {
    agent_session: Activities<T>,
}

#[derive(Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
struct Activities<T> {
    activities: Page<T>,
}

impl Linear {
    /// Our sessions that changed since then, with what people said in them, oldest first.
    pub async fn missed(&self, organization: Option<&str>, since: Timestamp) -> Result<Vec<Missed>, Failure> {
        let viewer = match organization {
            Some(organization) => self.us_in(organization).await?,
            None => self.viewer(None).await?,
        };
        let mut missed = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let variables = json!({"after": after});
            let asked = self.exchange.ask(organization, &queries::SESSIONS, variables, Again::Harmless);
            let page: Sessions<Value> = asked.await?;
            let page = page.agent_sessions;
            let oldest = page.nodes.iter().filter_map(|session| moment(session, "/updatedAt")).min();
            for session in page.nodes {
                let is_ours = text_at(&session, "/appUser/id") == Some(&viewer.id);
                if is_ours && moment(&session, "/updatedAt").is_some_and(|at| at >= since) {
                    missed.extend(self.as_missed(organization, &viewer.organization.id, session).await?);
                }
            }
            after = page.page_info.next();
            if after.is_none() || oldest.is_none_or(|oldest| oldest < since) {
                break;
            }
        }
        missed.sort_by_key(|missed| missed.updated_at);
        Ok(missed)
    }

    /// Every app's sessions that were created since then, newest first.
    pub(super) async fn newest_sessions(&self, organization: &str, since: Timestamp) -> Result<Vec<Newest>, Failure> {
        let mut found: Vec<Newest> = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let variables = json!({"after": after});
            let asked = self.exchange.ask(Some(organization), &queries::NEWEST_SESSIONS, variables, Again::Harmless);
            let page: Sessions<Newest> = asked.await?;
            let page = page.agent_sessions;
            let at = |session: &Newest| Timestamp::parse_rfc3339(&session.created_at);
            let is_over = page.nodes.iter().filter_map(at).any(|at| at < since);
            found.extend(page.nodes.into_iter().filter(|session| at(session).is_some_and(|at| at >= since)));
            after = page.page_info.next();
            if is_over || after.is_none() {
                break;
            }
        }
        found.sort_by(|one, other| other.created_at.cmp(&one.created_at));
        Ok(found)
    }

    /// What people said in a session before `message`, which is a comment's id or `activity:` and an
    /// activity's.
    pub(super) async fn session_remarks(
        &self,
        organization: &str,
        session: &str,
        message: &str,
    ) -> Result<Vec<Remark>, Failure> {
        let variables = json!({"id": session});
        let asked = self.exchange.ask(Some(organization), &queries::SESSION_THREAD, variables, Again::Harmless);
        let answer: Session<Value> = asked.await?;
        let activity = message.strip_prefix("activity:").unwrap_or(message);
        let is_it = |said: &Value| {
            text_at(said, "/id") == Some(activity) || text_at(said, "/sourceComment/id") == Some(message)
        };
        Ok(remarks(answer.agent_session.activities.nodes, is_it, "/content/body", None))
    }

    /// What people said in a comment's thread before `message`.
    pub(super) async fn comment_remarks(
        &self,
        organization: &str,
        root: &str,
        message: &str,
    ) -> Result<Vec<Remark>, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            comment: Value,
        }
        if root == message {
            return Ok(Vec::new());
        }
        let us = self.us_in(organization).await?;
        let variables = json!({"id": root});
        let asked = self.exchange.ask(Some(organization), &queries::COMMENT_THREAD, variables, Again::Harmless);
        let Answer { mut comment } = asked.await?;
        let replies = comment.pointer_mut("/children/nodes").map(Value::take);
        let replies = replies.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
        let said = std::iter::once(comment).chain(replies).collect();
        Ok(remarks(said, |said| text_at(said, "/id") == Some(message), "/body", Some(&us.id)))
    }

    async fn as_missed(
        &self,
        organization: Option<&str>,
        organization_id: &str,
        session: Value,
    ) -> Result<Option<Missed>, Failure> {
        let (Some(id), Some(created_at), Some(updated_at)) =
            (text_at(&session, "/id"), moment(&session, "/createdAt"), moment(&session, "/updatedAt"))
        else {
            return Ok(None);
        };
        let mut activities: Vec<Value> =
            session.pointer("/activities/nodes").and_then(Value::as_array).cloned().unwrap_or_default();
        if session.pointer("/activities/pageInfo/hasNextPage") == Some(&true.into()) {
            let after = text_at(&session, "/activities/pageInfo/endCursor").map(str::to_owned);
            activities.extend(self.more_prompts(organization, id, after).await?);
        }
        activities.retain(|activity| text_at(activity, "/content/type").is_none_or(|kind| kind == "prompt"));
        activities.sort_by_key(|activity| moment(activity, "/createdAt"));
        let told = told_session(&session, organization_id);
        let prompts = activities
            .iter()
            .filter_map(|activity| {
                Some(json!({
                    "type": "AgentSessionEvent", "action": "prompted", "organizationId": organization_id,
                    "appUserId": told["appUserId"], "createdAt": activity.get("createdAt"), "agentSession": told,
                    "agentActivity": told_activity(activity, id)?,
                }))
            })
            .collect();
        let created = json!({
            "type": "AgentSessionEvent", "action": "created", "organizationId": organization_id,
            "appUserId": told["appUserId"], "createdAt": told["createdAt"], "agentSession": told,
            "previousComments": session.get("sourceComment").and_then(told_comment).map(|comment| vec![comment]),
            "promptContext": null, "guidance": null,
        });
        let status = text_at(&session, "/status").unwrap_or_default().to_owned();
        let answered = session.pointer("/answers/nodes").and_then(Value::as_array).is_some_and(|said| !said.is_empty());
        Ok(Some(Missed { session: id.to_owned(), status, answered, created_at, updated_at, created, prompts }))
    }

    async fn more_prompts(
        &self,
        organization: Option<&str>,
        session: &str,
        mut after: Option<String>,
    ) -> Result<Vec<Value>, Failure> {
        let mut prompts = Vec::new();
        for _ in 0..MOST_PAGES {
            if after.is_none() {
                break;
            }
            let variables = json!({"session": session, "after": after});
            let asked = self.exchange.ask(organization, &queries::PROMPTS, variables, Again::Harmless);
            let page: Session<Value> = asked.await?;
            let page = page.agent_session.activities;
            prompts.extend(page.nodes);
            after = page.page_info.next();
        }
        Ok(prompts)
    }
}

/// `agentSession` of a webhook.
fn told_session(session: &Value, organization: &str) -> Value {
    let get = |name| session.get(name).cloned().unwrap_or_default();
    json!({
        "id": get("id"), "status": get("status"), "type": "commentThread", "organizationId": organization,
        "createdAt": get("createdAt"), "updatedAt": get("updatedAt"), "url": get("url"),
        "appUserId": text_at(session, "/appUser/id"),
        "creatorId": text_at(session, "/creator/id"), "creator": get("creator"),
        "commentId": text_at(session, "/comment/id"), "comment": session.get("comment").and_then(told_comment),
        "sourceCommentId": text_at(session, "/sourceComment/id"), "sourceMetadata": get("sourceMetadata"),
        "issueId": text_at(session, "/issue/id"), "issue": session.get("issue").and_then(told_issue),
    })
}

fn told_comment(comment: &Value) -> Option<Value> {
    text_at(comment, "/id")?;
    let get = |name| comment.get(name).cloned().unwrap_or_default();
    Some(
        json!({"id": get("id"), "body": get("body"), "userId": text_at(comment, "/user/id"), "issueId": get("issueId")}),
    )
}

fn told_issue(issue: &Value) -> Option<Value> {
    text_at(issue, "/id")?;
    let mut told = issue.clone();
    told["teamId"] = issue.pointer("/team/id").cloned().unwrap_or_default();
    told["labels"] = issue.pointer("/labels/nodes").cloned().unwrap_or_else(|| json!([]));
    Some(told)
}

/// `agentActivity` of a webhook.
fn told_activity(activity: &Value, session: &str) -> Option<Value> {
    text_at(activity, "/id")?;
    let get = |name| activity.get(name).cloned().unwrap_or_default();
    Some(json!({
        "id": get("id"), "agentSessionId": session, "createdAt": get("createdAt"), "updatedAt": get("updatedAt"),
        "userId": text_at(activity, "/user/id"), "user": get("user"), "content": get("content"),
        "sourceCommentId": text_at(activity, "/sourceComment/id"),
        "signal": get("signal"), "signalMetadata": get("signalMetadata"),
    }))
}

/// What was said before the message that `is_it` knows, or all if it is not there; without what `us` said.
fn remarks(mut said: Vec<Value>, is_it: impl Fn(&Value) -> bool, body: &str, us: Option<&str>) -> Vec<Remark> {
    let at = |said: &Value| moment(said, "/createdAt").unwrap_or_default();
    said.sort_by_key(at);
    let end = said.iter().position(is_it).unwrap_or(said.len());
    said.truncate(end);
    said.retain(|said| us.is_none() || text_at(said, "/user/id") != us);
    if said.len() > MOST_REMARKS {
        said.drain(1..=said.len() - MOST_REMARKS);
    }
    said.iter()
        .filter_map(|said| {
            let words = cut_plain(text_at(said, body)?.trim(), LONGEST_REMARK);
            let author = text_at(said, "/user/name").or(text_at(said, "/botActor/name")).unwrap_or("somebody");
            (!words.is_empty()).then(|| Remark { author: author.to_owned(), text: words, at: at(said) })
        })
        .collect()
}

fn moment(value: &Value, pointer: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(text_at(value, pointer)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            conversation::Conversation,
            effect::Outcome,
            errand::{Errand, Talk},
        },
        ids::DeliveryId,
        linear::fake::{Fake, Reply},
    };

    fn session(id: &str, app: &str, updated_at: &str) -> Value {
        json!({
            "id": id, "status": "somethingNew", "createdAt": "2026-01-03T22:00:00.000Z", "updatedAt": updated_at,
            "url": null, "sourceMetadata": {"type": "comment"}, "appUser": {"id": app},
            "creator": {"id": "u1", "name": "Ada", "url": "https://linear.app/acme/profiles/ada"},
            "issue": {"id": "i1", "identifier": "ENG-1", "title": "T", "description": "D", "url": "u",
                "team": {"id": "t1", "key": "ENG", "name": "Engineering"}, "project": null,
                "labels": {"nodes": [{"id": "l1", "name": "bug"}]}},
            "comment": {"id": "c1", "body": "root", "issueId": "i1", "user": null},
            "sourceComment": {"id": "c3", "body": "@baton, look", "issueId": "i1", "user": {"id": "u1"}},
            "activities": {"nodes": [prompt("a1", "2026-01-03T22:01:00Z")], "pageInfo": {"hasNextPage": false}},
            "answers": {"nodes": [{"id": "a2"}]},
        })
    }

    fn prompt(id: &str, at: &str) -> Value {
        json!({"id": id, "createdAt": at, "updatedAt": at, "signal": null, "signalMetadata": null,
            "sourceComment": {"id": "c4"}, "user": {"id": "u1", "name": "Ada"},
            "content": {"type": "prompt", "body": "Use tabs"}})
    }

    #[tokio::test]
    async fn what_was_missed_has_the_form_of_its_webhooks() {
        let fake = Fake::start(|asked, _| match asked.what.as_str() {
            "Viewer" => Reply::viewer(),
            _ => Reply::data(json!({"agentSessions": {"nodes": [
                session("s1", "app-1", "2026-01-03T22:05:00.000Z"),
                session("s2", "another", "2026-01-03T22:04:00.000Z"),
                session("s3", "app-1", "2026-01-01T00:00:00.000Z"),
                {"id": "s4", "odd": true},
            ], "pageInfo": {"hasNextPage": true, "endCursor": "next"}}})),
        })
        .await;
        let since = Timestamp::parse_rfc3339("2026-01-03T00:00:00Z").expect("a moment");
        let missed = fake.linear.missed(None, since).await.expect("sessions");
        assert_eq!(fake.whats(), ["Viewer", "Sessions"], "the page goes back further than was asked");
        let [missed] = missed.as_slice() else { panic!("{missed:?}") };
        let (session, status) = (missed.session.as_str(), missed.status.as_str());
        assert_eq!((session, status, missed.answered), ("s1", "somethingNew", true));
        let created = &missed.created;
        assert_eq!((&created["type"], &created["action"]), (&json!("AgentSessionEvent"), &json!("created")));
        assert_eq!((&created["organizationId"], &created["appUserId"]), (&json!("org"), &json!("app-1")));
        let told = &created["agentSession"];
        assert_eq!(
            (&told["creatorId"], &told["commentId"], &told["sourceCommentId"]),
            (&json!("u1"), &json!("c1"), &json!("c3"))
        );
        assert_eq!((&told["issueId"], &told["issue"]["teamId"]), (&json!("i1"), &json!("t1")));
        assert_eq!(told["issue"]["labels"], json!([{"id": "l1", "name": "bug"}]));
        let previous = json!([{"id": "c3", "body": "@baton, look", "userId": "u1", "issueId": "i1"}]);
        assert_eq!(created["previousComments"], previous);
        let prompted = &missed.prompts[0];
        assert_eq!((&prompted["action"], &prompted["agentSession"]["id"]), (&json!("prompted"), &json!("s1")));
        let activity = &prompted["agentActivity"];
        assert_eq!(
            (&activity["id"], &activity["userId"], &activity["sourceCommentId"]),
            (&json!("a1"), &json!("u1"), &json!("c4"))
        );
        assert_eq!(activity["content"]["body"], "Use tabs");
    }

    #[tokio::test]
    async fn pages_are_followed_and_bounded() {
        let fake = Fake::start(|asked, _| {
            let mut long = session("s1", "app-1", "2026-01-03T22:05:00.000Z");
            long["activities"]["pageInfo"] = json!({"hasNextPage": true, "endCursor": "more"});
            let more = json!({"hasNextPage": true, "endCursor": "next"});
            match asked.what.as_str() {
                "Viewer" => Reply::viewer(),
                "Prompts" if asked.variables()["after"] == "more" => Reply::data(json!({"agentSession": {"activities": {
                    "nodes": [prompt("a0", "2026-01-03T22:00:30Z")], "pageInfo": {"hasNextPage": false}}}})),
                "Prompts" => Reply::gone("Cursor"),
                _ if asked.variables()["after"].is_null() => {
                    Reply::data(json!({"agentSessions": {"nodes": [long], "pageInfo": more}}))
                }
                _ => Reply::data(json!({"agentSessions": {"nodes": [session("s2", "other", "2026-01-03T22:05:00Z")], "pageInfo": more}})),
            }
        })
        .await;
        let missed = fake.linear.missed(Some("org"), Timestamp::default()).await.expect("sessions");
        let ids: Vec<&str> =
            missed[0].prompts.iter().filter_map(|prompt| text_at(prompt, "/agentActivity/id")).collect();
        assert_eq!(ids, ["a0", "a1"]);
        assert_eq!(fake.whats().iter().filter(|what| *what == "Sessions").count(), MOST_PAGES);
    }

    #[tokio::test]
    async fn a_thread_is_read_up_to_the_message() {
        let fake = Fake::start(|asked, _| match asked.what.as_str() {
            "Viewer" => Reply::viewer(),
            "SessionThread" => Reply::data(json!({"agentSession": {"activities": {"nodes": [
                {"id": "a2", "createdAt": "2026-01-03T22:02:00Z", "user": {"id": "u1", "name": "Ada"},
                    "sourceComment": {"id": "c2"}, "content": {"body": "and now?"}},
                {"id": "a1", "createdAt": "2026-01-03T22:01:00Z", "user": {"id": "u1", "name": "Ada"},
                    "sourceComment": null, "content": {"body": " Use tabs "}},
                {"id": "a0", "createdAt": "2026-01-03T22:00:00Z", "user": {"id": "u1"}, "content": {}},
            ]}}})),
            _ => Reply::data(json!({"comment": {
                "id": "c0", "body": "It broke", "createdAt": "2026-01-03T22:00:00Z", "user": null, "botActor": {"name": "CI"},
                "children": {"nodes": [
                    {"id": "c2", "body": "@baton fix it", "createdAt": "2026-01-03T22:02:00Z", "user": {"id": "u1", "name": "Ada"}},
                    {"id": "c1", "body": "Ours", "createdAt": "2026-01-03T22:01:00Z", "user": {"id": "app-1", "name": "Baton"}},
                ]},
            }})),
        })
        .await;
        let read = |thread: &'static str, message: &'static str| {
            let fake = &fake;
            async move {
                let conversation = Conversation::linear("org", "i1", Some(thread.into()));
                let talk = Talk::ReadThread { message: message.into() };
                let errand = Errand { delivery: DeliveryId::new("d1"), unsure_since: None, conversation, talk };
                let carried = fake.linear.carry_out(&errand).await.expect("carried");
                let Some(Outcome::ThreadRead(remarks)) = carried.outcome else { panic!() };
                remarks.into_iter().map(|remark| format!("{}: {}", remark.author, remark.text)).collect::<Vec<_>>()
            }
        };
        assert_eq!(read("session:s1", "c2").await, ["Ada: Use tabs"]);
        assert_eq!(read("session:s1", "activity:a1").await, Vec::<String>::new());
        assert_eq!(read("comment:c0", "c2").await, ["CI: It broke"]);
        assert_eq!(read("comment:c0", "c0").await, Vec::<String>::new());
    }
}
