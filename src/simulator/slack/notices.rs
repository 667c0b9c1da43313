//! What a story wants to hear of, though Slack itself would let it pass: posts that ping people
//! who were not meant, and habits that break under load or lose messages.

use serde_json::Value;

use super::{
    blocks::{MESSAGE_BLOCKS, MESSAGE_TEXT, text_length},
    world::{Message, World},
};

/// Slack's advice for `text`.
const TEXT_ADVISED: usize = 4_000;
/// The page on metadata names no size; well below what anybody was refused with.
const METADATA_ADVISED: usize = 1_000;
/// Called for each post of ours, ephemerals included.
pub fn of_post(world: &mut World, message: &Message) {
    of_content(world, message);
    let Some(metadata) = &message.metadata else {
        return;
    };
    let values = metadata["event_payload"].as_object().into_iter().flatten();
    for (name, _) in values.filter(|(_, value)| !value.is_string()) {
        world.warn(format!("metadata value `{name}` is not a string"));
    }
    let text = metadata.to_string();
    if text.len() > METADATA_ADVISED {
        world.warn(format!("metadata of {} bytes", text.len()));
    }
    if !world.metadata_seen.insert((message.channel.clone(), text.clone())) {
        world.warn(format!("equal metadata posted twice in {}: {text}", message.channel));
    }
}

/// Called for each edit of a message of ours.
pub fn of_edit(world: &mut World, before: &Message, after: &Message) {
    of_content(world, after);
    if let (Some(last), Some(now)) = (before.last_update, after.last_update)
        && now.since(last) < world.knobs.between_edits
    {
        world.warn(format!("message {} edited twice within 3 s", after.ts));
    }
}

fn of_content(world: &mut World, message: &Message) {
    let mut found = pings_in_mrkdwn(&message.text);
    for block in &message.blocks {
        pings_in(block, &mut found);
    }
    for ping in found {
        world.pings.push(format!("{ping} in {} at {}", message.channel, message.ts));
    }
    if message.text.trim().is_empty() && message.files.is_empty() {
        world.warn(format!("a message in {} has no `text` for notifications and screen readers", message.channel));
    }
    let length = message.text.chars().count();
    if length > TEXT_ADVISED {
        world.warn(format!("`text` of {length} characters in {}", message.channel));
    }
    let blocks = message.blocks.len();
    if blocks * 10 > MESSAGE_BLOCKS * 9 {
        world.warn(format!("{blocks} of {MESSAGE_BLOCKS} blocks in {}", message.channel));
    }
    let length = message.blocks.iter().map(text_length).sum::<usize>();
    if length * 10 > MESSAGE_TEXT * 9 {
        world.warn(format!("{length} of {MESSAGE_TEXT} characters in all blocks in {}", message.channel));
    }
    for id in unknown_mentions(world, message) {
        world.warn(format!("<@{id}> in {} mentions nobody", message.channel));
    }
}

/// Texts that Slack reads for mentions, wherever they stand in a block.
fn pings_in(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| pings_in(item, found)),
        Value::Object(fields) => {
            match value["type"].as_str().unwrap_or_default() {
                "mrkdwn" | "markdown" => found.extend(pings_in_mrkdwn(value["text"].as_str().unwrap_or_default())),
                "broadcast" | "usergroup" => found.push(value.to_string()),
                _ => {}
            }
            for field in fields.values() {
                pings_in(field, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `<!channel>`, `<!here>`, `<!everyone>`, `<!group>` and user groups. A `<@person>` is meant: hostile
/// text that holds one must have been escaped, and then it is none.
fn pings_in_mrkdwn(text: &str) -> Vec<String> {
    tokens(text)
        .filter(|token| token.starts_with('!') && !token.starts_with("!date^"))
        .map(|t| format!("<{t}>"))
        .collect()
}

fn unknown_mentions(world: &World, message: &Message) -> Vec<String> {
    let blocks = message.blocks.iter().map(Value::to_string);
    let texts = blocks.chain([message.text.clone()]).collect::<Vec<_>>().join(" ");
    let mut ids: Vec<String> = tokens(&texts)
        .filter_map(|token| token.strip_prefix('@'))
        .filter_map(|id| id.split('|').next())
        .filter(|id| world.user(id).is_none() && *id != super::BOT_USER)
        .map(str::to_owned)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// What stands between `<` and `>`.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(token, _)| token)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_slack_would_obey_is_a_ping() {
        let mut found = Vec::new();
        for quiet in ["&lt;!channel&gt;", "@everyone", "<@U0ADA>", "<!date^1^{time}|now>", "<https://a.example|!here>"]
        {
            found.extend(pings_in_mrkdwn(quiet));
        }
        pings_in(&json!({"type": "plain_text", "text": "<!here>"}), &mut found);
        assert_eq!(found, Vec::<String>::new());
        pings_in(&json!([{"type": "section", "text": {"type": "mrkdwn", "text": "a <!channel> b"}}]), &mut found);
        pings_in(&json!({"type": "markdown", "text": "<!subteam^S1|team>"}), &mut found);
        assert_eq!(found, ["<!channel>", "<!subteam^S1|team>"]);
    }
}
