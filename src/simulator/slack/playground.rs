//! What the playground page asks of the simulated Slack: a picture of it as one person sees it,
//! and the gestures of a person. Mounted by [`super::Slack::router`] below `/playground/api`.
//!
//! Every POST wants `Content-Type: application/json`: another site's form or script cannot send
//! that without asking first, so nobody else can act through a visitor's browser.
//!
//! ```text
//! GET  state?user=U0ADA   → { me: User, users: [User], channels: [Channel], messages: { CHANNEL_ID: [Message] },
//!                            views: [{ id, view }], commands: [{ name, usage, description }],
//!                            now: 1764000000123 /* milliseconds */, version: 12 }
//!      400 { ok: false, error: "no such user" } for an unknown user; without `user` it is U0ADA.
//! GET  changes            → text/event-stream: `event: changed`, `data: <version>` at once and
//!                            whenever something changed (several changes may come as one)
//!
//! User    = { id, name /* "Ada Lovelace" */, handle /* "ada" */, is_bot }
//! Channel = { id, name /* without "#"; the partner's name in a DM */, private, bot_member, is_dm }
//!           only those the person is a member of; the DM with Baton is always among them, last
//! Message = { ts, thread_ts /* null at top level; a root has none here */, user: { id, name, is_bot },
//!             text /* mrkdwn, escaped by & < > */, blocks: [Block], attachments: [],
//!             files: [{ id, name, title, mimetype, url, size }],
//!             reactions: [{ name, users: [USER_ID] }],
//!             edited, ephemeral, reply_count, broadcast /* a reply shown in the channel too */, deleted }
//!           oldest first; replies are in the same list as the roots, with `thread_ts`. Ephemeral ones
//!           of that person are among them, placed by time. Deleted ones are only there as the root of
//!           a thread. `blocks` are Slack's, with `block_id` and `action_id` filled in.
//! view    = Slack's view object with `id`, `type` ("modal" or "home"), `title`, `blocks`, `submit`,
//!           `close`, `callback_id`. Modals are in the order they were opened: the last is on top.
//!
//! POST command       { user, channel, command: "/orchestrate", text }
//! POST say           { user, channel, thread_ts?, text, broadcast? }   "@baton" means our bot, "@ada" Ada
//! POST edit          { user, channel, ts, text }                       only one's own
//! POST delete        { user, channel, ts }                             only one's own
//! POST click         { user, channel, ts, action_id, block_id?, value?, selected? }
//! POST click_in_view { user, view_id, action_id, block_id?, value?, selected?, values? }
//! POST submit        { user, view_id, values }
//! POST close         { user, view_id }
//! POST shortcut      { user, channel, ts, callback_id? }               "baton.orchestrate_message"
//!
//! `value` tells apart several buttons with one `action_id`. `selected` is an option's value, or a
//! list of them. `values` is { BLOCK_ID: value }, the value being text, an option's value, a list of
//! options' values, or null for none; what is left out keeps its initial value.
//!
//! Every answer to a POST is 200 { ok, status, error?, response_action?, errors?, ts? }:
//!   ok               Baton's door answered 2xx and nothing below says otherwise
//!   status           the door's HTTP status; 0 when it could not be reached, or was not asked
//!   error            one sentence for the person, as Slack would show it
//!   response_action  what the door answered to a submission: "errors", "update", "push", "clear"
//!   errors           { BLOCK_ID: sentence }, for "errors" and for required fields left empty
//!   ts               of the message that was said
//! 415 for another content type, 400/422 for a body that cannot be read.
//! A slash command's answer with text becomes an ephemeral (or a message, for `in_channel`).
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
    Answer, BOT_USER, Refused, Slack, Use, forms,
    reading::name_of,
    wire,
    world::{Author, Channel, ChannelKind, Message, World},
};

/// What the manifest offers; the page lists them as the person types `/`.
const COMMANDS: [(&str, &str, &str); 3] = [
    ("/orchestrate", "[what to do]", "Plan a piece of work, have it approved and run by several agents"),
    ("/plan", "[what to do]", "Make a plan and have it approved before anything runs"),
    ("/oz", "[what to do] | help | status | list | cancel", "Run one agent, or look after those that run"),
];

pub fn router() -> Router<Slack> {
    Router::new()
        .route("/state", get(state))
        .route("/changes", get(changes))
        .route("/command", post(command))
        .route("/say", post(say))
        .route("/edit", post(edit))
        .route("/delete", post(delete))
        .route("/click", post(click))
        .route("/click_in_view", post(click_in_view))
        .route("/submit", post(submit))
        .route("/close", post(close))
        .route("/shortcut", post(shortcut))
}

#[derive(Debug, Deserialize)]
struct Viewer {
    #[serde(default = "ada")]
    user: String,
}

fn ada() -> String {
    "U0ADA".to_owned()
}

async fn state(State(slack): State<Slack>, Query(viewer): Query<Viewer>) -> Response {
    let version = *slack.inner.changed.borrow();
    let picture = slack.adjust(|world| {
        world.user(&viewer.user)?;
        // Each person has a conversation with the app, also before its first message.
        world.direct_channel(&viewer.user);
        Some(picture(world, &viewer.user, version))
    });
    match picture {
        Some(picture) => Json(picture).into_response(),
        None => (StatusCode::BAD_REQUEST, Json(json!({"ok": false, "error": "no such user"}))).into_response(),
    }
}

async fn changes(State(slack): State<Slack>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let versions = WatchStream::new(slack.changed());
    let events = versions.map(|version| Ok(Event::default().event("changed").data(version.to_string())));
    Sse::new(events).keep_alive(KeepAlive::default())
}

#[derive(Debug, Deserialize)]
struct Slash {
    user: String,
    channel: String,
    command: String,
    #[serde(default)]
    text: String,
}

async fn command(State(slack): State<Slack>, Json(asked): Json<Slash>) -> Json<Value> {
    if let Err(sentence) = slack.read(|world| member(world, &asked.user, &asked.channel)) {
        return impossible(&sentence);
    }
    if !COMMANDS.iter().any(|(name, ..)| *name == asked.command) {
        return impossible(&format!("{} is not a command here", asked.command));
    }
    let answer = slack.command(&asked.user, &asked.channel, &asked.command, &asked.text).await;
    let mut told = outcome(&answer);
    if !answer.is_success() {
        let code = if answer.status == 0 { "operation_timeout" } else { "dispatch_failed" };
        told["error"] = json!(format!("{} failed with the error \"{code}\"", asked.command));
    }
    Json(told)
}

#[derive(Debug, Deserialize)]
struct Say {
    user: String,
    channel: String,
    thread_ts: Option<String>,
    text: String,
    #[serde(default)]
    broadcast: bool,
}

async fn say(State(slack): State<Slack>, Json(asked): Json<Say>) -> Json<Value> {
    if let Err(sentence) = slack.read(|world| member(world, &asked.user, &asked.channel)) {
        return impossible(&sentence);
    }
    if asked.text.trim().is_empty() {
        return impossible("there is nothing to say");
    }
    let ts = match asked.thread_ts.as_deref().filter(|ts| !ts.is_empty()) {
        Some(thread) if asked.broadcast => slack.broadcast(&asked.user, &asked.channel, thread, &asked.text).await,
        thread => slack.say(&asked.user, &asked.channel, thread, &asked.text).await,
    };
    // It stands in the channel, whether or not the app has heard of it yet.
    Json(json!({"ok": true, "status": 0, "ts": ts}))
}

#[derive(Debug, Deserialize)]
struct Place {
    user: String,
    channel: String,
    ts: String,
    #[serde(default)]
    text: String,
    #[serde(default = "orchestrate_message")]
    callback_id: String,
}

fn orchestrate_message() -> String {
    "baton.orchestrate_message".to_owned()
}

async fn edit(State(slack): State<Slack>, Json(asked): Json<Place>) -> Json<Value> {
    match slack.edit(&asked.user, &asked.channel, &asked.ts, &asked.text).await {
        Ok(answer) => Json(json!({"ok": true, "status": answer.status})),
        Err(sentence) => impossible(&sentence),
    }
}

async fn delete(State(slack): State<Slack>, Json(asked): Json<Place>) -> Json<Value> {
    match slack.delete(&asked.user, &asked.channel, &asked.ts).await {
        Ok(answer) => Json(json!({"ok": true, "status": answer.status})),
        Err(sentence) => impossible(&sentence),
    }
}

async fn shortcut(State(slack): State<Slack>, Json(asked): Json<Place>) -> Json<Value> {
    if let Err(sentence) = slack.read(|world| member(world, &asked.user, &asked.channel)) {
        return impossible(&sentence);
    }
    of_click(slack.shortcut(&asked.user, &asked.channel, &asked.ts, &asked.callback_id).await)
}

#[derive(Debug, Deserialize)]
struct Click {
    user: String,
    #[serde(default)]
    ts: String,
    #[serde(default)]
    view_id: String,
    action_id: String,
    block_id: Option<String>,
    value: Option<String>,
    selected: Option<Value>,
    #[serde(default)]
    values: Value,
}

impl Click {
    fn wanted(&self) -> Use<'_> {
        Use {
            action_id: &self.action_id,
            block_id: self.block_id.as_deref(),
            value: self.value.as_deref(),
            selected: self.selected.as_ref(),
        }
    }
}

async fn click(State(slack): State<Slack>, Json(asked): Json<Click>) -> Json<Value> {
    of_click(slack.click_on(&asked.user, &asked.ts, asked.wanted()).await)
}

async fn click_in_view(State(slack): State<Slack>, Json(asked): Json<Click>) -> Json<Value> {
    of_click(slack.click_in_view(&asked.user, &asked.view_id, asked.wanted(), &asked.values).await)
}

#[derive(Debug, Deserialize)]
struct Form {
    user: String,
    view_id: String,
    #[serde(default)]
    values: Value,
}

async fn submit(State(slack): State<Slack>, Json(asked): Json<Form>) -> Json<Value> {
    match slack.submit(&asked.user, &asked.view_id, &asked.values).await {
        Ok(answer) => {
            let mut told = outcome(&answer);
            if !answer.is_success() {
                told["error"] = json!("We had some trouble connecting. Try again?");
            }
            let said: Value = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
            for name in ["response_action", "errors"] {
                if let (true, Some(value)) = (answer.is_success(), said.get(name)) {
                    told[name] = value.clone();
                }
            }
            Json(told)
        }
        Err(Refused::Incomplete(errors)) => Json(json!({"ok": false, "status": 0, "errors": errors})),
        Err(Refused::Impossible(sentence)) => impossible(&sentence),
    }
}

async fn close(State(slack): State<Slack>, Json(asked): Json<Form>) -> Json<Value> {
    match slack.close(&asked.user, &asked.view_id).await {
        Ok(answer) => Json(json!({"ok": true, "status": answer.status})),
        Err(sentence) => impossible(&sentence),
    }
}

fn outcome(answer: &Answer) -> Value {
    json!({"ok": answer.is_success(), "status": answer.status})
}

fn impossible(sentence: &str) -> Json<Value> {
    Json(json!({"ok": false, "status": 0, "error": sentence}))
}

fn of_click(done: Result<Answer, String>) -> Json<Value> {
    match done {
        Ok(answer) => {
            let mut told = outcome(&answer);
            if !answer.is_success() {
                told["error"] = json!("This did not work: the app did not answer.");
            }
            Json(told)
        }
        Err(sentence) => impossible(&sentence),
    }
}

fn member(world: &World, user: &str, channel: &str) -> Result<(), String> {
    let found = world.channel(channel).ok_or_else(|| format!("there is no channel {channel}"))?;
    if found.members.contains(user) { Ok(()) } else { Err(format!("{user} is not in {channel}")) }
}

fn picture(world: &World, user: &str, version: u64) -> Value {
    let mut channels: Vec<&Channel> = world.channels.iter().filter(|channel| channel.members.contains(user)).collect();
    channels.sort_by_key(|channel| channel.kind == ChannelKind::Direct);
    let mut messages = json!({});
    for channel in &channels {
        let seen = world.messages.iter().filter(|message| message.channel == channel.id && sees(world, user, message));
        messages[channel.id.as_str()] = seen.map(|message| message_json(world, message)).collect();
    }
    let views = world.views.iter().filter(|view| view.user == user).map(
        |view| json!({"id": view.id, "view": wire::view_json(world, view, &forms::initial_values(&view.content))}),
    );
    let commands =
        COMMANDS.map(|(name, usage, description)| json!({"name": name, "usage": usage, "description": description}));
    let people = world.users.iter().map(|user| user.id).chain([BOT_USER]);
    json!({
        "me": user_json(world, user),
        "users": people.map(|id| user_json(world, id)).collect::<Vec<_>>(),
        "channels": channels.iter().map(|channel| channel_json(channel)).collect::<Vec<_>>(),
        "messages": messages,
        "views": views.collect::<Vec<_>>(),
        "commands": commands,
        "now": world.clock.now(),
        "version": version,
    })
}

/// A deleted message is only seen while it holds a thread together.
fn sees(world: &World, user: &str, message: &Message) -> bool {
    let holds_thread = || world.thread(&message.channel, &message.ts).next().is_some();
    message.only_to.as_deref().is_none_or(|reader| reader == user) && (!message.deleted || holds_thread())
}

fn user_json(world: &World, id: &str) -> Value {
    let handle = world.user(id).map_or("baton", |user| user.handle);
    json!({"id": id, "name": name_of(world, id), "handle": handle, "is_bot": world.user(id).is_none()})
}

fn channel_json(channel: &Channel) -> Value {
    let is_dm = channel.kind == ChannelKind::Direct;
    json!({
        "id": channel.id, "name": if is_dm { "Baton" } else { &channel.name },
        "private": channel.kind != ChannelKind::Public, "bot_member": channel.bot_member, "is_dm": is_dm,
    })
}

fn message_json(world: &World, message: &Message) -> Value {
    let author = message.author.id();
    let files = world.files.iter().filter(|file| message.files.contains(&file.id)).map(|file| {
        json!({"id": file.id, "name": file.name, "title": file.title, "mimetype": file.mimetype,
            "url": wire::file_url(world, file), "size": file.length})
    });
    let reactions = message.reactions.iter().map(|(name, users)| json!({"name": name, "users": users}));
    let replies = world.thread(&message.channel, &message.ts).filter(|reply| reply.ts != message.ts).count();
    let (text, blocks) = if message.deleted { ("", &[][..]) } else { (message.text.as_str(), &message.blocks[..]) };
    json!({
        "ts": message.ts, "thread_ts": message.thread_ts,
        "user": {"id": author, "name": name_of(world, author), "is_bot": !matches!(message.author, Author::Person(_))},
        "text": text, "blocks": blocks, "attachments": [],
        "files": files.collect::<Vec<_>>(), "reactions": reactions.collect::<Vec<_>>(),
        "edited": message.edited.is_some(), "ephemeral": message.only_to.is_some(),
        "reply_count": replies, "broadcast": message.broadcast, "deleted": message.deleted,
    })
}
