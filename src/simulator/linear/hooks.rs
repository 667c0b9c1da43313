//! What Linear tells the app: the bodies of its webhooks, queued in the order in which things happen.
//! <https://linear.app/developers/webhooks>, types `*WebhookPayload` of the published schema.

use serde_json::{Map, Value, json};

use super::{
    APP_USER, CLIENT_ID, ORGANIZATION, WEBHOOK_ID,
    context::prompt_context,
    deliver::Delivery,
    world::{Activity, Author, Comment, Issue, Session, User, World, escaped, iso},
};

pub fn issue_created(world: &mut World, id: &str, actor: &Author) {
    let Some(data) = world.issue(id).map(|issue| issue_json(world, issue)) else { return };
    entity(world, "Issue", "create", actor, &data, None);
}

/// Tells what an issue is now and what of it was different `before`; the app also hears of it in its
/// inbox when it is taken off the issue.
pub fn issue_changed(world: &mut World, before: &Issue, actor: &Author) {
    let Some(issue) = world.issue(&before.id).cloned() else { return };
    let (was, is) = (issue_json(world, before), issue_json(world, &issue));
    let mut changed = Map::new();
    for (name, value) in was.as_object().into_iter().flatten() {
        let is_plain = !value.is_object() && name != "labels" && !matches!(&is[name], Value::Object(_));
        if is_plain && is[name] != *value {
            changed.insert(name.clone(), value.clone());
        }
    }
    entity(world, "Issue", "update", actor, &is, Some(Value::Object(changed)));
    let was_ours = before.delegate.as_deref() == Some(APP_USER);
    let is_ours = issue.delegate.as_deref() == Some(APP_USER);
    if actor.user() == Some(APP_USER) {
        return;
    }
    if was_ours && !is_ours {
        notification(world, "issueUnassignedFromYou", &issue, None, actor);
    }
    if is_ours && !was_ours {
        notification(world, "issueAssignedToYou", &issue, None, actor);
    }
    let ended = |issue: &Issue| issue.completed_at.is_some() || issue.canceled_at.is_some();
    if is_ours && ended(&issue) && !ended(before) {
        notification(world, "issueStatusChanged", &issue, None, actor);
    }
}

pub fn comment_created(world: &mut World, id: &str) {
    let Some(comment) = world.comment(id).cloned() else { return };
    let data = comment_json(world, &comment);
    entity(world, "Comment", "create", &comment.author, &data, None);
    let Some(issue) = comment.issue.as_deref().and_then(|id| world.issue(id)).cloned() else { return };
    if comment.author.user().is_none_or(|author| author == APP_USER) {
        return;
    }
    if world.mentions_app(&comment.body) {
        notification(world, "issueCommentMention", &issue, Some(&comment), &comment.author);
    } else if issue.delegate.as_deref() == Some(APP_USER) {
        notification(world, "issueNewComment", &issue, Some(&comment), &comment.author);
    }
}

pub fn comment_changed(world: &mut World, id: &str, before: &str) {
    let Some(comment) = world.comment(id).cloned() else { return };
    let data = comment_json(world, &comment);
    let updated_from = json!({"body": before, "updatedAt": iso(comment.created_at)});
    entity(world, "Comment", "update", &comment.author, &data, Some(updated_from));
}

pub fn comment_removed(world: &mut World, comment: &Comment) {
    let data = comment_json(world, comment);
    entity(world, "Comment", "remove", &comment.author, &data, None);
}

pub fn session_created(world: &mut World, id: &str) {
    let Some(session) = world.session(id).cloned() else { return };
    let root = world.comment(&session.comment);
    let thread = world
        .comments
        .iter()
        .filter(|comment| comment.id == session.comment || comment.parent.as_ref() == Some(&session.comment));
    let previous: Vec<Value> = thread.map(comment_child).collect();
    let guidance = if world.knobs.guidance.is_empty() {
        Value::Null
    } else {
        json!([{"body": world.knobs.guidance, "origin": {"type": "Organization"}}])
    };
    let more = json!({
        "agentSession": session_json(world, &session),
        "previousComments": if root.is_some() && session.source_comment.is_some() { json!(previous) } else { Value::Null },
        "guidance": guidance,
        "promptContext": prompt_context(world, &session),
    });
    to_app(world, "AgentSessionEvent", "created", more);
}

pub fn session_prompted(world: &mut World, activity: &str) {
    let Some(activity) = world.activity(activity).cloned() else { return };
    let Some(session) = world.session(&activity.session).cloned() else { return };
    let more = json!({
        "agentSession": session_json(world, &session),
        "agentActivity": activity_json(world, &activity),
        "guidance": Value::Null,
    });
    to_app(world, "AgentSessionEvent", "prompted", more);
}

pub fn app_revoked(world: &mut World) {
    let mut body = envelope(world, "OAuthApp", "revoked", json!({}));
    body["oauthClientId"] = json!(CLIENT_ID);
    queue(world, "OAuthApp", body);
}

/// Any event, with what stands in its envelope besides.
pub fn any(world: &mut World, event: &str, action: &str, more: Value) {
    to_app(world, event, action, more);
}

fn notification(world: &mut World, action: &str, issue: &Issue, comment: Option<&Comment>, actor: &Author) {
    let (id, at) = (world.mint(), iso(world.clock.now()));
    let actor_user = actor.user().and_then(|id| world.user(id));
    let mut told = json!({
        "id": id, "type": action, "createdAt": at, "updatedAt": at, "archivedAt": Value::Null, "userId": APP_USER,
        "actorId": actor.user(), "actor": actor_user.map(|user| user_child(world, user)),
        "externalUserActorId": Value::Null, "issueId": issue.id, "issue": issue_child(world, issue, true),
    });
    if let Some(comment) = comment {
        told["commentId"] = json!(comment.id);
        told["comment"] = comment_child(comment);
    }
    to_app(world, "AppUserNotification", action, json!({"notification": told}));
}

/// Something of the workspace has changed, whoever it concerns.
fn entity(world: &mut World, event: &str, action: &str, actor: &Author, data: &Value, updated_from: Option<Value>) {
    let user = actor.user().and_then(|id| world.user(id));
    let mut actor_json = user.map_or(Value::Null, |user| user_child(world, user));
    if actor_json.is_object() {
        actor_json["type"] = json!("user");
    }
    let mut more = json!({"actor": actor_json, "url": data["url"], "data": data});
    if let Some(updated_from) = updated_from {
        more["updatedFrom"] = updated_from;
    }
    let body = envelope(world, event, action, more);
    queue(world, event, body);
}

/// Something is said to the app itself.
fn to_app(world: &mut World, event: &str, action: &str, more: Value) {
    let mut body = envelope(world, event, action, more);
    body["oauthClientId"] = json!(CLIENT_ID);
    body["appUserId"] = json!(APP_USER);
    queue(world, event, body);
}

fn envelope(world: &World, event: &str, action: &str, more: Value) -> Value {
    let mut body = json!({
        "type": event, "action": action, "createdAt": iso(world.clock.now()),
        "organizationId": ORGANIZATION, "webhookId": WEBHOOK_ID,
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}

fn queue(world: &mut World, event: &str, body: Value) {
    if !world.knobs.subscribed.contains(event) {
        return;
    }
    if world.knobs.lose > 0 {
        world.knobs.lose -= 1;
        return;
    }
    let delivery = Delivery::new(event, body, world.mint(), world.clock.now());
    world.outgoing.push_back(delivery);
}

fn session_json(world: &World, session: &Session) -> Value {
    let creator = session.creator.as_deref().and_then(|id| world.user(id));
    let issue = session.issue.as_deref().and_then(|id| world.issue(id));
    let source = session.source_comment.as_ref().unwrap_or(&session.comment);
    json!({
        "id": session.id, "createdAt": iso(session.created_at), "updatedAt": iso(session.updated_at),
        "archivedAt": Value::Null, "startedAt": session.started_at.map(iso), "endedAt": session.ended_at.map(iso),
        "organizationId": ORGANIZATION, "appUserId": APP_USER, "status": session.status.as_str(),
        "type": "commentThread", "summary": session.summary,
        "externalUrls": session.links.iter().map(super::world::Link::json).collect::<Vec<_>>(),
        "url": issue.map(|issue| format!("{}#agent-session-{}", world.issue_url(issue), &session.id[..8])),
        "creatorId": session.creator, "creator": creator.map(|user| user_child(world, user)),
        "commentId": session.comment, "comment": world.comment(&session.comment).map(comment_child),
        "sourceCommentId": session.source_comment,
        "sourceMetadata": {"type": "comment", "agentSessionMetadata": {"sourceCommentId": source}},
        "issueId": session.issue, "issue": issue.map(|issue| issue_child(world, issue, true)),
    })
}

fn activity_json(world: &World, activity: &Activity) -> Value {
    let user = world.user(&activity.user);
    json!({
        "id": activity.id, "agentSessionId": activity.session, "createdAt": iso(activity.created_at),
        "updatedAt": iso(activity.created_at), "archivedAt": Value::Null, "userId": activity.user,
        "user": user.map(|user| user_child(world, user)), "sourceCommentId": activity.source_comment,
        "content": activity.content.json(), "signal": activity.signal, "signalMetadata": activity.signal_metadata,
    })
}

fn issue_json(world: &World, issue: &Issue) -> Value {
    let user = |id: &Option<String>| id.as_deref().and_then(|id| world.user(id)).map(|user| user_child(world, user));
    let labels = issue
        .labels
        .iter()
        .filter_map(|id| world.label(id))
        .map(|label| json!({"id": label.id, "name": label.name, "color": label.color, "parentId": Value::Null}));
    let state = world.state(&issue.state);
    let project = issue.project.as_deref().and_then(|id| world.project(id));
    json!({
        "id": issue.id, "createdAt": iso(issue.created_at), "updatedAt": iso(issue.updated_at),
        "archivedAt": Value::Null, "number": issue.number, "identifier": issue.identifier, "title": issue.title,
        "description": issue.description.as_deref().map(escaped), "url": world.issue_url(issue),
        "priority": issue.priority, "priorityLabel": priority_label(issue.priority), "sortOrder": 0.0,
        "prioritySortOrder": 0.0, "startedAt": issue.started_at.map(iso), "completedAt": issue.completed_at.map(iso),
        "canceledAt": issue.canceled_at.map(iso), "trashed": Value::Null,
        "teamId": issue.team, "team": world.team(&issue.team).map(|team| json!({"id": team.id, "key": team.key, "name": team.name})),
        "stateId": issue.state,
        "state": state.map(|state| json!({"id": state.id, "name": state.name, "type": state.kind, "color": state.color})),
        "labelIds": issue.labels, "labels": labels.collect::<Vec<_>>(),
        "assigneeId": issue.assignee, "assignee": user(&issue.assignee),
        "delegateId": issue.delegate, "delegate": user(&issue.delegate),
        "creatorId": issue.creator, "creator": user(&Some(issue.creator.clone())),
        "projectId": issue.project,
        "project": project.map(|project| json!({"id": project.id, "name": project.name, "url": project_url(world, project.slug)})),
        "parentId": issue.parent, "previousIdentifiers": [], "subscriberIds": [issue.creator], "reactionData": [],
    })
}

fn comment_json(world: &World, comment: &Comment) -> Value {
    let issue = comment.issue.as_deref().and_then(|id| world.issue(id));
    let parent = comment.parent.as_deref().and_then(|id| world.comment(id));
    let user = comment.author.user().and_then(|id| world.user(id));
    json!({
        "id": comment.id, "createdAt": iso(comment.created_at), "updatedAt": iso(comment.updated_at),
        "archivedAt": Value::Null, "editedAt": comment.edited_at.map(iso), "body": comment.body,
        "issueId": comment.issue, "issue": issue.map(|issue| issue_child(world, issue, false)),
        "documentContentId": comment.document, "parentId": comment.parent, "parent": parent.map(comment_child),
        "userId": comment.author.user(), "user": user.map(|user| user_child(world, user)),
        "botActor": Value::Null, "resolvedAt": Value::Null, "reactionData": [], "url": world.comment_url(comment),
    })
}

fn comment_child(comment: &Comment) -> Value {
    json!({
        "id": comment.id, "body": comment.body, "userId": comment.author.user(), "issueId": comment.issue,
        "documentContentId": comment.document,
    })
}

fn issue_child(world: &World, issue: &Issue, with_description: bool) -> Value {
    let team = world.team(&issue.team).map(|team| json!({"id": team.id, "key": team.key, "name": team.name}));
    let mut told = json!({
        "id": issue.id, "title": issue.title, "teamId": issue.team, "team": team, "identifier": issue.identifier,
        "url": world.issue_url(issue),
    });
    if with_description {
        told["description"] = json!(issue.description.as_deref().map(escaped));
    }
    told
}

fn user_child(world: &World, user: &User) -> Value {
    json!({
        "id": user.id, "name": user.name, "email": user.email(), "avatarUrl": Value::Null,
        "url": world.profile_url(user.handle),
    })
}

pub fn project_url(world: &World, slug: &str) -> String {
    format!("{}/{}/project/{slug}", world.base_url, super::ORGANIZATION_KEY)
}

pub const fn priority_label(priority: u8) -> &'static str {
    match priority {
        1 => "Urgent",
        2 => "High",
        3 => "Medium",
        4 => "Low",
        _ => "No priority",
    }
}
