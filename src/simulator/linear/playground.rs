//! What the playground's page of Linear asks of the simulated one: a picture of its issues, and the
//! gestures of a person. Mounted by [`super::Linear::router`] below `/playground/api`.
//!
//! Every POST wants `Content-Type: application/json`: another site's form or script cannot send
//! that without asking first, so nobody else can act through a visitor's browser.
//!
//! ```text
//! GET  state?user=U0ADA   → { me: User, users: [User], teams: [{ key, name }], labels: [NAME], states: [NAME],
//!                            issues: [Issue], now: 1764000000123 /* milliseconds */, version: 12 }
//!      400 { ok: false, error: "no such user" } for an unknown user; without `user` it is Ada.
//! GET  changes            → text/event-stream: `event: changed`, `data: <version>` at once and
//!                            whenever something changed (several changes may come as one)
//!
//! User    = { id: "U0ADA", name, handle, is_bot }       people are called as in the simulated Slack
//! Issue   = { identifier: "ENG-1", title, description, team, state: { name, type }, labels: [NAME], project,
//!             assignee: User?, delegate: User?, creator: User?, at, attachments: [{ id, title, subtitle, url, source }],
//!             comments: [Comment] /* those of sessions' threads too */, sessions: [Session] }   newest first
//! Comment = { id, parent, author: User, body, at, edited, mirrors /* an activity says the same */,
//!             reactions: [{ emoji, users: [NAME] }] }                                           oldest first
//! Session = { id, comment /* the root of its thread */, status, unresponsive, creator: User?, summary, at,
//!             links: [{ label, url }], plan: [{ content, status }], activities: [Activity] }   oldest first
//! Activity = { id, type, body?, action?, parameter?, result?, ephemeral, by: User, at, signal,
//!              options: [{ label, value }] /* of the newest question */, auth: URL?,
//!              chose: LABEL? /* of the option whose value a person sent */ }
//! Times are milliseconds.
//!
//! POST issue     { user, team, title, description }     POST delegate  { user, issue }
//! POST mention   { user, issue, text }                  POST unassign  { user, issue }
//! POST comment   { user, issue, parent?, text }         POST label     { user, issue, label, on }
//! POST prompt    { user, session, text }                POST move      { user, issue, state }
//! POST choose    { user, session, value }               POST stop      { user, session }
//! POST edit      { user, comment, text }
//!
//! Every answer to a POST is 200 { ok, error?, id? }: `error` is one sentence for the person.
//! 415 for another content type, 400/422 for a body that cannot be read.
//! ```

use std::convert::Infallible;

use axum::{
    Json, Router,
    extract::{Query, State},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use futures_util::{Stream, StreamExt};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_stream::wrappers::WatchStream;

use super::{
    Linear,
    transcript::issue_view,
    world::{Activity, Author, Comment, Content, Issue, Link, Session, User, World},
};

pub fn router() -> Router<Linear> {
    Router::new()
        .route("/state", get(state))
        .route("/changes", get(changes))
        .route("/issue", post(issue))
        .route("/delegate", post(delegate))
        .route("/unassign", post(unassign))
        .route("/mention", post(mention))
        .route("/comment", post(comment))
        .route("/edit", post(edit))
        .route("/label", post(label))
        .route("/move", post(move_to))
        .route("/prompt", post(prompt))
        .route("/choose", post(choose))
        .route("/stop", post(stop))
}

#[derive(Debug, Deserialize)]
struct Viewer {
    #[serde(default = "ada")]
    user: String,
}

fn ada() -> String {
    "U0ADA".to_owned()
}

async fn state(State(linear): State<Linear>, Query(viewer): Query<Viewer>) -> Response {
    let version = *linear.inner.changed.borrow();
    let picture = linear.read(|world| {
        let me = world.user(&viewer.user).filter(|user| !user.app)?;
        Some(picture(world, me, version))
    });
    match picture {
        Some(picture) => Json(picture).into_response(),
        None => (StatusCode::BAD_REQUEST, Json(json!({"ok": false, "error": "no such user"}))).into_response(),
    }
}

async fn changes(State(linear): State<Linear>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let versions = WatchStream::new(linear.changed());
    let events = versions.map(|version| Ok(Event::default().event("changed").data(version.to_string())));
    Sse::new(events).keep_alive(KeepAlive::default())
}

/// What a gesture may name; which of it counts depends on the gesture.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    user: String,
    team: String,
    title: String,
    description: String,
    issue: String,
    session: String,
    comment: String,
    parent: Option<String>,
    text: String,
    label: String,
    on: bool,
    state: String,
    value: String,
}

async fn issue(State(linear): State<Linear>, Json(asked): Json<Asked>) -> Json<Value> {
    if asked.title.trim().is_empty() {
        return impossible("An issue needs a title.");
    }
    let id = linear.issue_in(&asked.user, &asked.team, asked.title.trim(), asked.description.trim()).await;
    let identifier = id.map(|id| linear.issue_view(&id).map(|view| view.identifier).unwrap_or_default());
    outcome(identifier)
}

async fn delegate(State(linear): State<Linear>, Json(asked): Json<Asked>) -> Json<Value> {
    outcome(linear.delegate(&asked.user, &asked.issue).await)
}

async fn unassign(State(linear): State<Linear>, Json(asked): Json<Asked>) -> Json<Value> {
    outcome(linear.unassign(&asked.user, &asked.issue).await.map(|()| String::new()))
}

async fn mention(State(linear): State<Linear>, Json(asked): Json<Asked>) -> Json<Value> {
    outcome(linear.mention(&asked.user, &asked.issue, asked.text.trim()).await)
}

async fn comment(State(linear): State<Linear>, Json(asked): Json<Asked>) -> Json<Value> {
    if asked.text.trim().is_empty() {
        return impossible("There is nothing to say.");
    }
    outcome(linear.comment(&asked.user, &asked.issue, asked.parent.as_deref(), asked.text.trim()).await)
}

async fn edit(State(linear): State<Linear>, Json(asked): Json<Asked>) -> Json<Value> {
    let edited = linear.edit_comment(&asked.user, &asked.comment, asked.text.trim()).await;
    outcome(edited.map(|()| String::new()))
}

async fn label(State(linear): State<Linear>, Json(asked): Json<Asked>) -> Json<Value> {
    if asked.label.trim().is_empty() {
        return impossible("A label needs a name.");
    }
    if asked.on {
        return outcome(linear.label(&asked.issue, asked.label.trim(), &asked.user).await);
    }
    outcome(linear.unlabel(&asked.issue, &asked.label, &asked.user).await.map(|()| String::new()))
}

async fn move_to(State(linear): State<Linear>, Json(asked): Json<Asked>) -> Json<Value> {
    outcome(linear.move_to(&asked.user, &asked.issue, &asked.state).await.map(|()| String::new()))
}

async fn prompt(State(linear): State<Linear>, Json(asked): Json<Asked>) -> Json<Value> {
    if asked.text.trim().is_empty() {
        return impossible("There is nothing to say.");
    }
    outcome(linear.prompt(&asked.user, &asked.session, asked.text.trim()).await)
}

/// A click on an option says its value.
async fn choose(State(linear): State<Linear>, Json(asked): Json<Asked>) -> Json<Value> {
    let offered = linear.activities(&asked.session);
    let newest = offered.iter().rev().find(|activity| activity.signal.as_deref() == Some("select"));
    let place = newest.and_then(|asking| asking.options().iter().position(|(_, value)| *value == asked.value));
    match place {
        Some(place) => outcome(linear.choose(&asked.user, &asked.session, place).await),
        None => impossible("This is not offered any more."),
    }
}

async fn stop(State(linear): State<Linear>, Json(asked): Json<Asked>) -> Json<Value> {
    outcome(linear.stop(&asked.user, &asked.session).await)
}

fn outcome(done: Result<String, String>) -> Json<Value> {
    match done {
        Ok(id) => Json(json!({"ok": true, "id": id})),
        Err(sentence) => impossible(&sentence),
    }
}

fn impossible(sentence: &str) -> Json<Value> {
    Json(json!({"ok": false, "error": sentence}))
}

fn picture(world: &World, me: &User, version: u64) -> Value {
    let states =
        world.states.iter().take_while(|state| Some(&state.team) == world.states.first().map(|first| &first.team));
    json!({
        "me": user_json(me),
        "users": world.users.iter().map(user_json).collect::<Vec<_>>(),
        "teams": world.teams.iter().map(|team| json!({"key": team.key, "name": team.name})).collect::<Vec<_>>(),
        "labels": world.labels.iter().map(|label| label.name.clone()).collect::<Vec<_>>(),
        "states": states.map(|state| state.name).collect::<Vec<_>>(),
        "issues": world.issues.iter().rev().map(|issue| issue_json(world, issue)).collect::<Vec<_>>(),
        "now": world.clock.now(),
        "version": version,
    })
}

fn issue_json(world: &World, issue: &Issue) -> Value {
    let user = |id: &Option<String>| id.as_deref().and_then(|id| world.user(id)).map(user_json);
    let view = issue_view(world, issue);
    let sessions = world.sessions.iter().filter(|session| session.issue.as_ref() == Some(&issue.id));
    let attachments = view.attachments.iter().map(|attachment| {
        json!({"id": attachment.id, "title": attachment.title, "subtitle": attachment.subtitle, "url": attachment.url,
            "source": attachment.source})
    });
    json!({
        "identifier": issue.identifier, "title": issue.title, "description": issue.description,
        "team": world.team(&issue.team).map(|team| team.key),
        "state": {"name": view.state, "type": world.state(&issue.state).map(|state| state.kind)},
        "labels": view.labels, "assignee": user(&issue.assignee), "delegate": user(&issue.delegate),
        "project": issue.project.as_deref().and_then(|id| world.project(id)).map(|project| project.name),
        "creator": user(&Some(issue.creator.clone())), "at": issue.created_at,
        "attachments": attachments.collect::<Vec<_>>(),
        "comments": view.comments.iter().map(|comment| comment_json(world, comment)).collect::<Vec<_>>(),
        "sessions": sessions.map(|session| session_json(world, session)).collect::<Vec<_>>(),
    })
}

fn comment_json(world: &World, comment: &Comment) -> Value {
    let prompts = |activity: &Activity| activity.source_comment.as_ref() == Some(&comment.id);
    let mirrors = comment.activity.is_some() || world.activities.iter().any(prompts);
    let mut author = author_json(world, &comment.author);
    if let Some(name) = &comment.shown_as {
        author["name"] = json!(name);
    }
    let reactions = world
        .reactions
        .iter()
        .filter(|reaction| reaction.comment.as_ref() == Some(&comment.id))
        .map(|reaction| json!({"emoji": reaction.emoji, "users": [world.name_of(&reaction.user)]}));
    json!({
        "id": comment.id, "parent": comment.parent, "author": author, "body": comment.body, "at": comment.created_at,
        "edited": comment.edited_at.is_some(), "mirrors": mirrors, "reactions": reactions.collect::<Vec<_>>(),
    })
}

fn session_json(world: &World, session: &Session) -> Value {
    let said: Vec<&Activity> =
        world.activities.iter().filter(|activity| activity.session == session.id && !activity.replaced).collect();
    let newest = said.iter().rev().find(|activity| !activity.ephemeral).map(|activity| activity.id.as_str());
    let activities = said.iter().map(|activity| activity_json(world, activity, newest == Some(&activity.id)));
    json!({
        "id": session.id, "comment": session.comment, "status": session.status.as_str(),
        "unresponsive": session.unresponsive && !session.acknowledged,
        "creator": session.creator.as_deref().and_then(|id| world.user(id)).map(user_json),
        "summary": session.summary, "at": session.created_at,
        "links": session.links.iter().map(Link::json).collect::<Vec<_>>(),
        "plan": session.plan.as_array().cloned().unwrap_or_default(),
        "activities": activities.collect::<Vec<_>>(),
    })
}

/// Options can be chosen as long as nothing has been said since.
fn activity_json(world: &World, activity: &Activity, is_newest: bool) -> Value {
    let mut told = activity.content.json();
    let options = activity.options().into_iter().filter(|_| is_newest);
    told["id"] = json!(activity.id);
    told["ephemeral"] = json!(activity.ephemeral);
    told["by"] = json!(world.user(&activity.user).map(user_json));
    told["at"] = json!(activity.created_at);
    told["signal"] = json!(activity.signal);
    told["options"] = options.map(|(label, value)| json!({"label": label, "value": value})).collect();
    if let Content::Prompt { body } = &activity.content {
        let asked = world.activities.iter().filter(|asked| asked.session == activity.session);
        let chosen = asked.flat_map(Activity::options).find(|(_, value)| value == body);
        told["chose"] = json!(chosen.map(|(label, _)| label));
    }
    told["auth"] = if is_newest { activity.signal_metadata["url"].clone() } else { Value::Null };
    told
}

fn author_json(world: &World, author: &Author) -> Value {
    let user = author.user().and_then(|id| world.user(id)).map(user_json);
    user.unwrap_or_else(|| json!({"id": "linear", "name": "Linear", "handle": "linear", "is_bot": true}))
}

/// As the simulated Slack calls them: one person on both pages.
fn user_json(user: &User) -> Value {
    let id = format!("U0{}", user.handle.to_uppercase());
    json!({"id": id, "name": user.name, "handle": user.handle, "is_bot": user.app})
}
