//! The shapes in which Slack tells of things: messages, events, files, views, people.
//!
//! Written from the platform's pages and recorded payloads, on purpose without a type of our own
//! client, so that a field it misreads is misread in the stories as well.

use serde_json::{Map, Value, json};

use super::{
    APP_ID, BOT_ID, BOT_USER, ENTERPRISE, OTHER_BOT_ID,
    composer::Typed,
    elements::INTERACTIVE,
    world::{Author, Channel, ChannelKind, File, Message, View, World},
};
use crate::ids::short_hash;

/// The deprecated token that still stands in every payload.
pub const VERIFICATION_TOKEN: &str = "simulatedverificationtok";

/// A message as `conversations.history`, interactions and events have it.
/// <https://docs.slack.dev/reference/events/message/>
pub fn message_json(world: &World, message: &Message, full_metadata: bool) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            fields.insert(name.to_owned(), value);
        }
    };
    put("type", json!("message"));
    put("ts", json!(message.ts));
    put("text", json!(message.text));
    put("team", json!(world.team.id));
    match &message.author {
        Author::Person(id) => {
            put("user", json!(id));
            put("client_msg_id", json!(client_message_id(&message.ts)));
        }
        Author::Us => {
            put("user", json!(BOT_USER));
            put("bot_id", json!(BOT_ID));
            put("app_id", json!(APP_ID));
            put(
                "bot_profile",
                json!({"id": BOT_ID, "app_id": APP_ID, "name": "Baton", "deleted": false, "team_id": world.team.id}),
            );
        }
        Author::OtherBot => {
            put("subtype", json!("bot_message"));
            put("bot_id", json!(OTHER_BOT_ID));
            put("username", json!("Other Bot"));
        }
    }
    if !message.blocks.is_empty() {
        put("blocks", json!(message.blocks));
    }
    if let Some(root) = &message.thread_ts {
        put("thread_ts", json!(root));
        if let Some(parent) = world.message(&message.channel, root) {
            put("parent_user_id", json!(parent.author.id()));
            if message.broadcast {
                put("subtype", json!("thread_broadcast"));
                put("root", message_json(world, parent, false));
            }
        }
    }
    if let Some((user, ts)) = &message.edited {
        put("edited", json!({"user": user, "ts": ts}));
    }
    if !message.files.is_empty() {
        let files = world.files.iter().filter(|file| message.files.contains(&file.id));
        put("files", files.map(|file| file_json(world, file)).collect());
        put("upload", json!(false));
    }
    if !message.reactions.is_empty() {
        let reactions = message.reactions.iter();
        put(
            "reactions",
            reactions.map(|(name, users)| json!({"name": name, "users": users, "count": users.len()})).collect(),
        );
    }
    if let Some(metadata) = &message.metadata {
        let shown = if full_metadata { metadata.clone() } else { json!({"event_type": metadata["event_type"]}) };
        put("metadata", shown);
    }
    let replies: Vec<&Message> =
        world.thread(&message.channel, &message.ts).filter(|reply| reply.ts != message.ts).collect();
    if let Some(latest) = replies.last() {
        let mut users: Vec<&str> = replies.iter().map(|reply| reply.author.id()).collect();
        users.sort_unstable();
        users.dedup();
        put("thread_ts", json!(message.ts));
        put("reply_count", json!(replies.len()));
        put("reply_users_count", json!(users.len()));
        put("reply_users", json!(users));
        put("latest_reply", json!(latest.ts));
        put("is_locked", json!(false));
        put("subscribed", json!(false));
    }
    Value::Object(fields)
}

/// The `message` event of a new message.
pub fn message_event(world: &World, message: &Message) -> Value {
    let mut event = message_json(world, message, true);
    event["channel"] = json!(message.channel);
    event["event_ts"] = json!(message.ts);
    event["channel_type"] = json!(channel_type(world, &message.channel));
    if !message.files.is_empty() {
        event["subtype"] = json!("file_share");
    }
    event
}

/// The same message again, for an app that it mentions. Not sent in direct messages.
/// <https://docs.slack.dev/reference/events/app_mention/>
pub fn app_mention_event(world: &World, message: &Message) -> Value {
    let mut event = message_event(world, message);
    event["type"] = json!("app_mention");
    if let Some(fields) = event.as_object_mut() {
        fields.remove("channel_type");
        fields.remove("subtype");
        fields.remove("parent_user_id");
    }
    event
}

/// <https://docs.slack.dev/reference/events/message/message_changed/>
pub fn changed_event(world: &World, before: &Message, after: &Message, at: &str) -> Value {
    json!({
        "type": "message", "subtype": "message_changed", "hidden": true,
        "channel": after.channel, "channel_type": channel_type(world, &after.channel),
        "ts": at, "event_ts": at,
        "message": message_json(world, after, true),
        "previous_message": message_json(world, before, true),
    })
}

/// <https://docs.slack.dev/reference/events/message/message_deleted/>
pub fn deleted_event(world: &World, before: &Message, at: &str) -> Value {
    json!({
        "type": "message", "subtype": "message_deleted", "hidden": true,
        "channel": before.channel, "channel_type": channel_type(world, &before.channel),
        "ts": at, "event_ts": at, "deleted_ts": before.ts,
        "previous_message": message_json(world, before, true),
    })
}

/// The envelope of the Events API. An org-wide install has no team of its own, and what concerns
/// the whole installation then names none at all.
/// <https://docs.slack.dev/apis/events-api/>
pub fn event_callback(world: &mut World, event: &Value) -> Value {
    let org = world.knobs.org_install;
    let of_installation = event["type"] == "app_uninstalled" || event["type"] == "tokens_revoked";
    let id = world.next_id("Ev");
    let enterprise = if org { json!(ENTERPRISE) } else { Value::Null };
    let mut body = json!({
        "token": VERIFICATION_TOKEN, "team_id": world.team.id, "context_team_id": world.team.id, "context_enterprise_id": enterprise,
        "api_app_id": APP_ID, "event": event, "type": "event_callback",
        "event_id": id, "event_time": world.clock.now().as_secs(),
        "authorizations": [{
            "enterprise_id": enterprise, "team_id": if org { Value::Null } else { json!(world.team.id) },
            "user_id": BOT_USER, "is_bot": true, "is_enterprise_install": org,
        }],
        "is_ext_shared_channel": false,
        "event_context": format!("4-{}", short_hash(&["context", &id], 40)),
    });
    if let (true, Some(fields)) = (org, body.as_object_mut()) {
        fields.insert("enterprise_id".to_owned(), enterprise);
        if of_installation {
            fields.remove("team_id");
        }
    }
    body
}

/// The fields of a slash command's form, in Slack's order.
/// <https://docs.slack.dev/interactivity/implementing-slash-commands/>
pub fn command_form(world: &mut World, user: &str, channel: &Channel, command: &str, typed: &Typed) -> String {
    let org = world.knobs.org_install;
    let handle = world.user(user).map_or("", |user| user.handle);
    let response_url = world.response_url(user, &channel.id, None, None);
    let trigger = world.trigger(user, None);
    let text = typed.command_text();
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("token", VERIFICATION_TOKEN)
        .append_pair("team_id", world.team.id)
        .append_pair("team_domain", world.team.domain)
        .append_pair("channel_id", &channel.id)
        .append_pair("channel_name", channel_name(channel))
        .append_pair("user_id", user)
        .append_pair("user_name", handle)
        .append_pair("command", command)
        .append_pair("text", &text)
        .append_pair("api_app_id", APP_ID)
        .append_pair("is_enterprise_install", if org { "true" } else { "false" });
    if org {
        form.append_pair("enterprise_id", ENTERPRISE).append_pair("enterprise_name", "Baton Org");
    }
    form.append_pair("response_url", &response_url).append_pair("trigger_id", &trigger);
    form.finish()
}

/// What all interactions have in common: type, team, user, app, trigger.
/// <https://docs.slack.dev/reference/interaction-payloads/>
pub fn interaction(world: &mut World, kind: &str, user: &str, view: Option<&str>) -> Value {
    let handle = world.user(user).map_or("", |user| user.handle);
    let mut payload = json!({
        "type": kind,
        "team": world.team_json(),
        "user": {"id": user, "username": handle, "name": handle, "team_id": world.team.id},
        "api_app_id": APP_ID,
        "token": VERIFICATION_TOKEN,
        "enterprise": world.enterprise_json(),
        "is_enterprise_install": world.knobs.org_install,
    });
    if kind != "view_closed" && kind != "block_suggestion" {
        payload["trigger_id"] = json!(world.trigger(user, view));
    }
    payload
}

/// A view as Slack hands it back, with what has been filled in.
/// <https://docs.slack.dev/reference/views/>
pub fn view_json(world: &World, view: &View, values: &Value) -> Value {
    let mut shown = json!({
        "id": view.id, "team_id": world.team.id, "app_id": APP_ID, "bot_id": BOT_ID, "app_installed_team_id": world.team.id,
        "type": "modal", "blocks": [], "private_metadata": "", "callback_id": "", "external_id": "",
        "state": {"values": values}, "hash": view.hash(), "root_view_id": view.root, "previous_view_id": view.previous,
        "title": null, "submit": null, "close": null, "clear_on_close": false, "notify_on_close": false,
        "submit_disabled": false,
    });
    if world.knobs.org_install {
        shown["app_installed_team_id"] = json!(ENTERPRISE);
    }
    if let (Some(shown), Some(content)) = (shown.as_object_mut(), view.content.as_object()) {
        shown.extend(content.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    shown
}

/// <https://docs.slack.dev/reference/objects/file-object/>
pub fn file_json(world: &World, file: &File) -> Value {
    let url = file_url(world, file);
    let seconds = file.created.as_secs();
    json!({
        "id": file.id, "created": seconds, "timestamp": seconds, "name": file.name, "title": file.title,
        "mimetype": file.mimetype, "filetype": file.name.rsplit('.').next().unwrap_or("binary"),
        "user": BOT_USER, "user_team": world.team.id, "mode": "hosted", "editable": false, "is_external": false,
        "size": file.length, "is_public": true, "public_url_shared": false,
        "url_private": url, "url_private_download": url,
        "permalink": format!("{}/files/{}/{}", world.base_url, file.id, encoded(&file.name)),
    })
}

pub fn file_url(world: &World, file: &File) -> String {
    format!("{}/files/{}/{}", world.base_url, file.id, encoded(&file.name))
}

/// The `shares` of `files.info`: by visibility, then by channel.
pub fn shares_json(world: &World, file: &File) -> Value {
    let mut shares = json!({});
    for (channel, ts, thread_ts) in &file.shares {
        let public = world.channel(channel).is_some_and(|channel| channel.kind == ChannelKind::Public);
        let share = json!({"ts": ts, "thread_ts": thread_ts, "team_id": world.team.id, "source": "UNKNOWN"});
        let of_channel = &mut shares[if public { "public" } else { "private" }][channel.as_str()];
        match of_channel.as_array_mut() {
            Some(list) => list.push(share),
            None => *of_channel = json!([share]),
        }
    }
    shares
}

pub fn channel_type(world: &World, id: &str) -> &'static str {
    match world.channel(id).map(|channel| channel.kind) {
        Some(ChannelKind::Private) => "group",
        Some(ChannelKind::Direct) => "im",
        Some(ChannelKind::Public) | None => "channel",
    }
}

/// Interactions and commands do not tell a private channel's name.
pub fn channel_name(channel: &Channel) -> &str {
    match channel.kind {
        ChannelKind::Public => &channel.name,
        ChannelKind::Private => "privategroup",
        ChannelKind::Direct => "directmessage",
    }
}

/// Fills in what Slack fills in: a `block_id` for each block, an `action_id` for each element that
/// can be used, and the text objects' flags.
pub fn complete_blocks(blocks: &mut [Value], seed: &str) {
    for (number, block) in blocks.iter_mut().enumerate() {
        if block.is_object() && block["block_id"].as_str().is_none_or(str::is_empty) {
            block["block_id"] = json!(short_hash(&["block", seed, &number.to_string()], 5));
        }
        complete_objects(block, &format!("{seed}.{number}"));
    }
}

fn complete_objects(value: &mut Value, seed: &str) {
    match value {
        Value::Array(items) => {
            for (number, item) in items.iter_mut().enumerate() {
                complete_objects(item, &format!("{seed}.{number}"));
            }
        }
        Value::Object(fields) => {
            let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
            if kind == "plain_text" {
                fields.entry("emoji").or_insert(json!(true));
            } else if kind == "mrkdwn" {
                fields.entry("verbatim").or_insert(json!(false));
            } else if INTERACTIVE.contains(&kind.as_str()) {
                fields.entry("action_id").or_insert_with(|| json!(short_hash(&["action", seed], 5)));
            }
            for (name, field) in fields.iter_mut() {
                complete_objects(field, &format!("{seed}.{name}"));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A UUID that follows from the message's time.
fn client_message_id(ts: &str) -> String {
    let hash = hex::encode(short_hash(&["client_msg_id", ts], 16));
    format!("{}-{}-4{}-8{}-{}", &hash[..8], &hash[8..12], &hash[13..16], &hash[17..20], &hash[20..32])
}

fn encoded(name: &str) -> String {
    url::form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20")
}
