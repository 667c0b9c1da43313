//! `chat.*`: saying, changing and taking back.
//! <https://docs.slack.dev/reference/methods/chat.postMessage/>

use serde_json::{Value, json};

use super::{Problem, args::Args, conversations::reachable};
use crate::simulator::slack::{
    blocks::check_message,
    people::root_of,
    wire,
    world::{Author, Message, World},
};

/// Longer text is cut by `chat.postMessage` and refused by `chat.update`.
const POST_TEXT: usize = 40_000;
const UPDATE_TEXT: usize = 4_000;
const MARKDOWN_TEXT: usize = 12_000;
/// The page names no size.
const METADATA_BYTES: usize = 8_000;

/// What a message is to say.
struct Content {
    text: String,
    /// None when nothing was said about blocks.
    blocks: Option<Vec<Value>>,
    metadata: Option<Value>,
}

pub fn post_message(world: &mut World, args: &Args) -> Result<Value, Problem> {
    let channel = postable(world, args)?;
    let content = content(args)?;
    let mut message = Message::new(&channel, Author::Us, &content.text);
    if message.text.chars().count() > POST_TEXT {
        message.text = message.text.chars().take(POST_TEXT).collect();
        world.warn(format!("`text` was cut at {POST_TEXT} characters in {channel}"));
    }
    message.blocks = content.blocks.unwrap_or_default();
    if content.metadata.is_none() {
        world.warn(format!("a post in {channel} has no metadata to find it again by"));
    }
    message.metadata = content.metadata;
    message.thread_ts = thread(world, args, &channel)?;
    message.broadcast = args.flag("reply_broadcast") && message.thread_ts.is_some();
    note_linked_names(world, args, &message);
    let ts = world.post(message);
    let said = world.message(&channel, &ts).map(|message| wire::message_json(world, message, true));
    Ok(json!({"channel": channel, "ts": ts, "message": said}))
}

/// Not kept, not in any history, and never to be edited by its `ts`.
/// <https://docs.slack.dev/reference/methods/chat.postEphemeral/>
pub fn post_ephemeral(world: &mut World, args: &Args) -> Result<Value, Problem> {
    let channel = postable(world, args)?;
    let user = args.required("user")?;
    let content = content(args)?;
    if !world.channel(&channel).is_some_and(|channel| channel.members.contains(&user)) {
        return Err("user_not_in_channel".into());
    }
    let mut message = Message::new(&channel, Author::Us, &content.text);
    message.blocks = content.blocks.unwrap_or_default();
    message.thread_ts = thread(world, args, &channel)?;
    message.only_to = Some(user);
    note_linked_names(world, args, &message);
    let ts = world.post(message);
    Ok(json!({"message_ts": ts}))
}

/// Text without blocks takes the old blocks away; metadata that is left out stays.
/// <https://docs.slack.dev/reference/methods/chat.update/>
pub fn update(world: &mut World, args: &Args) -> Result<Value, Problem> {
    let channel = args.required("channel")?;
    let ts = args.required("ts")?;
    reachable(world, &channel)?;
    own(world, &channel, &ts, "cant_update_message")?;
    let content = content(args)?;
    if content.text.chars().count() > UPDATE_TEXT {
        return Err("msg_too_long".into());
    }
    let at = world.next_ts();
    world.change(&channel, &ts, |message| {
        let with_blocks = content.blocks.as_ref().is_some_and(|blocks| !blocks.is_empty());
        message.edited = (!with_blocks).then(|| (message.author.id().to_owned(), at));
        message.text.clone_from(&content.text);
        message.blocks = content.blocks.unwrap_or_default();
        if content.metadata.is_some() {
            message.metadata = content.metadata;
        }
    });
    let said = world.message(&channel, &ts).map(|message| wire::message_json(world, message, true));
    Ok(json!({"channel": channel, "ts": ts, "text": content.text, "message": said}))
}

pub fn delete(world: &mut World, args: &Args) -> Result<Value, Problem> {
    let channel = args.required("channel")?;
    let ts = args.required("ts")?;
    reachable(world, &channel)?;
    own(world, &channel, &ts, "cant_delete_message")?;
    world.delete(&channel, &ts);
    Ok(json!({"channel": channel, "ts": ts}))
}

pub fn permalink(world: &mut World, args: &Args) -> Result<Value, Problem> {
    let channel = args.required("channel")?;
    let ts = args.required("message_ts")?;
    reachable(world, &channel)?;
    let message = world.message(&channel, &ts).ok_or("message_not_found")?;
    Ok(json!({"channel": channel, "permalink": world.permalink(message)}))
}

/// The channel to post in. A person's id means the direct conversation with them.
fn postable(world: &mut World, args: &Args) -> Result<String, Problem> {
    let asked = args.required("channel")?;
    let id = if world.user(&asked).is_some() { world.direct_channel(&asked) } else { asked };
    let channel = reachable(world, &id)?;
    if !channel.bot_member && !world.knobs.scopes.contains("chat:write.public") {
        return Err("not_in_channel".into());
    }
    Ok(id)
}

fn content(args: &Args) -> Result<Content, Problem> {
    let text = args.text("text");
    let blocks = args.json("blocks", "invalid_blocks_format")?;
    let markdown = args.text("markdown_text");
    if let Some(blocks) = &blocks {
        check_message(blocks)?;
    }
    if let Some(markdown) = &markdown {
        if text.is_some() || blocks.is_some() {
            return Err("markdown_text_conflict".into());
        }
        if markdown.chars().count() > MARKDOWN_TEXT {
            return Err("msg_too_long".into());
        }
    }
    let blocks = match (blocks, &markdown) {
        (Some(blocks), _) => blocks.as_array().cloned(),
        (None, Some(markdown)) => Some(vec![json!({"type": "markdown", "text": markdown})]),
        (None, None) => None,
    };
    let text = text.or(markdown).unwrap_or_default();
    if text.trim().is_empty() && blocks.as_ref().is_none_or(Vec::is_empty) {
        return Err("no_text".into());
    }
    Ok(Content { text, blocks, metadata: metadata(args)? })
}

/// <https://docs.slack.dev/messaging/message-metadata/>
fn metadata(args: &Args) -> Result<Option<Value>, Problem> {
    let Some(metadata) = args.json("metadata", "invalid_metadata_format")? else { return Ok(None) };
    if !metadata["event_type"].is_string() || !metadata["event_payload"].is_object() {
        return Err("invalid_metadata_format".into());
    }
    if metadata.to_string().len() > METADATA_BYTES {
        return Err("metadata_too_large".into());
    }
    Ok(Some(metadata))
}

/// The thread to post in. A reply's `ts` leads to its root, as in Slack, and is a mistake all the same.
fn thread(world: &mut World, args: &Args, channel: &str) -> Result<Option<String>, Problem> {
    let Some(ts) = args.text("thread_ts") else { return Ok(None) };
    let root = root_of(world, channel, &ts);
    if root != ts {
        world.warn(format!("thread_ts {ts} in {channel} is a reply's"));
    }
    // A deleted root's thread goes on as long as there are replies.
    if world.message(channel, &root).is_none() && world.thread(channel, &root).next().is_none() {
        return Err("thread_not_found".into());
    }
    Ok(Some(root))
}

fn own(world: &World, channel: &str, ts: &str, code: &str) -> Result<(), Problem> {
    match world.message(channel, ts) {
        None => Err("message_not_found".into()),
        Some(message) if message.author != Author::Us => Err(code.into()),
        Some(_) => Ok(()),
    }
}

/// With `link_names` or `parse=full` a bare `@here` in the text pings.
fn note_linked_names(world: &mut World, args: &Args, message: &Message) {
    let linked = args.flag("link_names") || args.text("parse").is_some_and(|parse| parse == "full");
    if linked && message.text.contains('@') {
        world.pings.push(format!("names are linked in {}", message.channel));
    }
}
