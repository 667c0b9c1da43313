//! `conversations.*`: reading channels and threads, and opening direct messages.
//! <https://docs.slack.dev/reference/methods/conversations.replies/>

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Problem, args::Args, need_scope};
use crate::simulator::slack::{
    BOT_USER, wire,
    world::{Channel, ChannelKind, Message, World},
};

/// A channel that our bot can see: private ones and direct messages only as a member.
pub fn reachable(world: &World, id: &str) -> Result<Channel, Problem> {
    let channel = world.channel(id).filter(|channel| channel.bot_member || channel.kind == ChannelKind::Public);
    channel.cloned().ok_or_else(|| "channel_not_found".into())
}

/// Newest first; of threads only the roots, and replies that were sent to the channel too.
pub fn history(world: &mut World, args: &Args) -> Result<Value, Problem> {
    let channel = readable(world, args)?;
    let window = Window::read(args, 100, 999)?;
    let in_channel = |message: &&Message| {
        message.channel == channel.id && message.stands() && (message.thread_ts.is_none() || message.broadcast)
    };
    let mut found: Vec<&Message> =
        world.messages.iter().filter(in_channel).filter(|message| window.contains(&message.ts)).collect();
    found.reverse();
    let start = window.cursor.as_ref().map_or(0, |next| found.iter().take_while(|m| m.ts > *next).count());
    Ok(page(world, &found[start..], &window))
}

/// Oldest first. The root comes first whatever the window.
pub fn replies(world: &mut World, args: &Args) -> Result<Value, Problem> {
    let channel = readable(world, args)?;
    let root = args.required("ts")?;
    let window = Window::read(args, 1000, 1000)?;
    let thread: Vec<&Message> = world.thread(&channel.id, &root).collect();
    if thread.is_empty() {
        return Err("thread_not_found".into());
    }
    let found: Vec<&Message> =
        thread.into_iter().filter(|message| message.ts == root || window.contains(&message.ts)).collect();
    let start = window.cursor.as_ref().map_or(0, |next| found.iter().take_while(|m| m.ts < *next).count());
    Ok(page(world, &found[start..], &window))
}

pub fn info(world: &mut World, args: &Args) -> Result<Value, Problem> {
    let channel = reachable(world, &args.required("channel")?)?;
    need_scope(world, &[scope(&channel, "read")])?;
    let direct = channel.kind == ChannelKind::Direct;
    let mut told = json!({
        "id": channel.id, "is_channel": channel.kind == ChannelKind::Public,
        "is_group": channel.kind == ChannelKind::Private, "is_im": direct, "is_mpim": false,
        "is_private": channel.kind != ChannelKind::Public, "is_archived": false,
        "created": 1_700_000_000, "is_org_shared": false, "context_team_id": world.team.id,
    });
    if direct {
        told["user"] = json!(channel.members.first());
    } else {
        told["name"] = json!(channel.name);
        told["name_normalized"] = json!(channel.name);
        told["is_member"] = json!(channel.bot_member);
        told["is_general"] = json!(false);
    }
    if args.flag("include_num_members") {
        told["num_members"] = json!(members_of(&channel).len());
    }
    Ok(json!({"channel": told}))
}

pub fn members(world: &mut World, args: &Args) -> Result<Value, Problem> {
    let channel = reachable(world, &args.required("channel")?)?;
    need_scope(world, &[scope(&channel, "read")])?;
    let all = members_of(&channel);
    let limit = args.number("limit").unwrap_or(100).clamp(1, 1000);
    let start = cursor(args)?.and_then(|cursor| cursor.parse().ok()).unwrap_or(0).min(all.len());
    let end = (start + limit).min(all.len());
    let next = if end < all.len() { STANDARD.encode(format!("next:{end}")) } else { String::new() };
    Ok(json!({"members": all[start..end], "response_metadata": {"next_cursor": next}}))
}

/// Direct messages with one person; Baton needs no groups.
pub fn open(world: &mut World, args: &Args) -> Result<Value, Problem> {
    let id = match (args.text("channel"), args.text("users")) {
        (Some(channel), _) => reachable(world, &channel)?.id,
        (None, Some(user)) if world.user(&user).is_some() => world.direct_channel(&user),
        (None, Some(users)) if users.contains(',') => return Err("method_not_supported_for_channel_type".into()),
        (None, Some(_)) => return Err("user_not_found".into()),
        (None, None) => return Err("users_list_not_supplied".into()),
    };
    Ok(json!({"channel": {"id": id}}))
}

pub fn join(world: &mut World, args: &Args) -> Result<Value, Problem> {
    let id = args.required("channel")?;
    if reachable(world, &id)?.kind != ChannelKind::Public {
        return Err("method_not_supported_for_channel_type".into());
    }
    if let Some(channel) = world.channel_mut(&id) {
        channel.bot_member = true;
    }
    info(world, args)
}

/// A channel whose messages our bot may read: it has to be in it.
fn readable(world: &World, args: &Args) -> Result<Channel, Problem> {
    let channel = reachable(world, &args.required("channel")?)?;
    need_scope(world, &[scope(&channel, "history")])?;
    if channel.bot_member { Ok(channel) } else { Err("not_in_channel".into()) }
}

fn scope(channel: &Channel, what: &str) -> &'static str {
    match (channel.kind, what) {
        (ChannelKind::Public, "history") => "channels:history",
        (ChannelKind::Private, "history") => "groups:history",
        (ChannelKind::Direct, "history") => "im:history",
        (ChannelKind::Public, _) => "channels:read",
        (ChannelKind::Private, _) => "groups:read",
        (ChannelKind::Direct, _) => "im:read",
    }
}

fn members_of(channel: &Channel) -> Vec<&str> {
    let bot = channel.bot_member.then_some(BOT_USER);
    channel.members.iter().map(String::as_str).chain(bot).collect()
}

/// Which part of a channel was asked for.
struct Window {
    oldest: Option<i64>,
    latest: Option<i64>,
    inclusive: bool,
    limit: usize,
    /// The first message of the page.
    cursor: Option<String>,
    all_metadata: bool,
}

impl Window {
    fn read(args: &Args, default: usize, most: usize) -> Result<Self, Problem> {
        let bound = |name: &str, code: &str| match args.text(name) {
            None => Ok(None),
            Some(ts) => micros(&ts).map(Some).ok_or_else(|| Problem::from(code)),
        };
        Ok(Self {
            oldest: bound("oldest", "invalid_ts_oldest")?,
            latest: bound("latest", "invalid_ts_latest")?,
            inclusive: args.flag("inclusive"),
            limit: args.number("limit").unwrap_or(default).clamp(1, most),
            cursor: cursor(args)?,
            all_metadata: args.flag("include_all_metadata"),
        })
    }

    fn contains(&self, ts: &str) -> bool {
        let Some(at) = micros(ts) else { return false };
        let after = self.oldest.is_none_or(|oldest| at > oldest || (self.inclusive && at == oldest));
        let before = self.latest.is_none_or(|latest| at < latest || (self.inclusive && at == latest));
        after && before
    }
}

fn page(world: &World, found: &[&Message], window: &Window) -> Value {
    let shown = found.iter().take(window.limit).map(|message| wire::message_json(world, message, window.all_metadata));
    let messages: Vec<Value> = shown.collect();
    let mut body = json!({"messages": messages, "has_more": false});
    if let Some(next) = found.get(window.limit) {
        body["has_more"] = json!(true);
        body["response_metadata"] = json!({"next_cursor": STANDARD.encode(format!("next:{}", next.ts))});
    }
    body
}

fn cursor(args: &Args) -> Result<Option<String>, Problem> {
    let Some(cursor) = args.text("cursor") else { return Ok(None) };
    let decoded = STANDARD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let next = decoded.and_then(|text| text.strip_prefix("next:").map(str::to_owned));
    next.map(Some).ok_or_else(|| "invalid_cursor".into())
}

/// A `ts` in microseconds; callers may leave out the fraction or part of it.
fn micros(ts: &str) -> Option<i64> {
    let (seconds, fraction) = ts.split_once('.').unwrap_or((ts, ""));
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    seconds.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(fraction.parse().ok()?)
}
