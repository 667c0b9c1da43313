//! The rules of Block Kit for messages and views: which blocks there are, how many and how long.
//!
//! Limits: <https://docs.slack.dev/reference/block-kit/blocks/>. The sum of a message's text has no
//! published limit: Slack has refused 11,341 characters (slackapi/bolt-js#2867), so here 10,000 is it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::elements::{Check, Kind, Place};

/// Characters in all blocks of a message.
pub const MESSAGE_TEXT: usize = 10_000;
pub const MESSAGE_BLOCKS: usize = 50;
const VIEW_BLOCKS: usize = 100;
/// Characters in all `markdown` blocks of a message.
const MARKDOWN: usize = 12_000;
/// Bytes of a view in JSON.
const VIEW_BYTES: usize = 250_000;

/// Newer blocks that are taken as they come; Baton does not depend on their details.
const UNCHECKED: &[&str] = &[
    "alert",
    "card",
    "carousel",
    "container",
    "data_table",
    "data_visualization",
    "file",
    "plan",
    "rich_text",
    "task_card",
    "video",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Surface {
    Message,
    View,
}

/// A refusal: Slack's error code and what it says about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    pub code: &'static str,
    pub messages: Vec<String>,
}

/// Checks the blocks of a message.
pub fn check_message(blocks: &Value) -> Result<(), Wrong> {
    let Some(list) = blocks.as_array() else {
        return Err(Wrong { code: "invalid_blocks_format", messages: Vec::new() });
    };
    let mut check = Check::default();
    check.list(blocks, "/blocks", 0, MESSAGE_BLOCKS);
    check_each(&mut check, list, "/blocks", Surface::Message);
    if !check.problems.is_empty() {
        return Err(Wrong { code: "invalid_blocks", messages: check.problems });
    }
    if text_length(blocks) > MESSAGE_TEXT {
        return Err(Wrong { code: "msg_blocks_too_long", messages: Vec::new() });
    }
    Ok(())
}

/// Checks a modal or a Home tab.
/// <https://docs.slack.dev/reference/views/modal-views/>
pub fn check_view(view: &Value) -> Result<(), Wrong> {
    const FIELDS: &[&str] = &[
        "title",
        "blocks",
        "close",
        "submit",
        "private_metadata",
        "callback_id",
        "clear_on_close",
        "notify_on_close",
        "external_id",
        "submit_disabled",
    ];
    if view.to_string().len() > VIEW_BYTES {
        return Err(Wrong { code: "view_too_large", messages: Vec::new() });
    }
    let mut check = Check::default();
    check.fields(view, "/view", FIELDS);
    match view["type"].as_str() {
        Some("modal") => check.text(view, "title", "/view", Kind::Plain, 24),
        Some("home") => {}
        _ => check.wrong("/view/type", "must be a valid enum value"),
    }
    check.optional_text(view, "submit", "/view", Kind::Plain, 24);
    check.optional_text(view, "close", "/view", Kind::Plain, 24);
    check.optional_string(view, "private_metadata", "/view", 3000);
    check.optional_string(view, "callback_id", "/view", 255);
    let blocks = check.list(&view["blocks"], "/view/blocks", 0, VIEW_BLOCKS);
    check_each(&mut check, blocks, "/view/blocks", Surface::View);
    let has_input = blocks.iter().any(|block| block["type"] == "input");
    if view["type"] == "modal" && has_input && view.get("submit").is_none() {
        check.wrong("/view", "missing required field: submit");
    }
    if check.problems.is_empty() { Ok(()) } else { Err(Wrong { code: "invalid_arguments", messages: check.problems }) }
}

/// Characters in all texts.
pub fn text_length(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(text_length).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| match field {
                Value::String(text) if name == "text" => text.chars().count(),
                other => text_length(other),
            })
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn check_each(check: &mut Check, blocks: &[Value], at: &str, surface: Surface) {
    let mut ids = BTreeSet::new();
    let mut markdown = 0;
    let mut tables = 0;
    for (number, block) in blocks.iter().enumerate() {
        let at = format!("{at}/{number}");
        if let Some(id) = block.get("block_id") {
            check.string(id, &format!("{at}/block_id"), 1, 255);
            if !ids.insert(id.to_string()) {
                check.wrong(&at, format!("`block_id` {id} already exists"));
            }
        }
        check.action_ids.clear();
        match block["type"].as_str() {
            Some("markdown") if surface == Surface::Message => {
                check.fields(block, &at, &["text"]);
                check.string(&block["text"], &format!("{at}/text"), 1, MARKDOWN);
                markdown += block["text"].as_str().unwrap_or_default().chars().count();
            }
            Some("table") if surface == Surface::Message => {
                tables += 1;
                check_table(check, block, &at);
            }
            Some("context_actions") if surface == Surface::Message => {
                check.list(&block["elements"], &format!("{at}/elements"), 1, 5);
            }
            Some(kind) => check_block(check, block, kind, &at),
            None => check.wrong(&at, "missing required field: type"),
        }
    }
    if markdown > MARKDOWN {
        check.wrong(at, format!("markdown text must be less than {} characters in all", MARKDOWN + 1));
    }
    if tables > 1 {
        check.wrong(at, "only one table allowed");
    }
}

/// A block that messages and views both have.
fn check_block(check: &mut Check, block: &Value, kind: &str, at: &str) {
    match kind {
        "section" => {
            check.fields(block, at, &["text", "fields", "accessory", "expand"]);
            if block.get("fields").is_none() {
                check.text(block, "text", at, Kind::Any, 3000);
            } else {
                check.optional_text(block, "text", at, Kind::Any, 3000);
                for (number, field) in check.list(&block["fields"], &format!("{at}/fields"), 1, 10).iter().enumerate() {
                    check.text_object(field, &format!("{at}/fields/{number}"), Kind::Any, 2000);
                }
            }
            if let Some(accessory) = block.get("accessory") {
                check.element(accessory, &format!("{at}/accessory"), Place::Accessory);
            }
        }
        "header" => {
            check.fields(block, at, &["text", "level"]);
            check.text(block, "text", at, Kind::Plain, 150);
        }
        "divider" => check.fields(block, at, &[]),
        "context" => {
            check.fields(block, at, &["elements"]);
            for (number, element) in check.list(&block["elements"], &format!("{at}/elements"), 1, 10).iter().enumerate()
            {
                let at = format!("{at}/elements/{number}");
                if element["type"] == "image" {
                    check.image(element, &at);
                } else {
                    check.text_object(element, &at, Kind::Any, 3000);
                }
            }
        }
        "actions" => {
            check.fields(block, at, &["elements"]);
            for (number, element) in check.list(&block["elements"], &format!("{at}/elements"), 1, 25).iter().enumerate()
            {
                check.element(element, &format!("{at}/elements/{number}"), Place::Actions);
            }
        }
        "input" => {
            check.fields(block, at, &["label", "element", "hint", "optional", "dispatch_action"]);
            check.text(block, "label", at, Kind::Plain, 2000);
            check.optional_text(block, "hint", at, Kind::Plain, 2000);
            check.element(&block["element"], &format!("{at}/element"), Place::Input);
        }
        "image" => {
            check.fields(block, at, &["image_url", "slack_file", "alt_text", "title"]);
            check.image(block, at);
            check.optional_text(block, "title", at, Kind::Plain, 2000);
        }
        _ if UNCHECKED.contains(&kind) => {}
        _ => check.wrong(&format!("{at}/type"), format!("unsupported type: {kind}")),
    }
}

fn check_table(check: &mut Check, block: &Value, at: &str) {
    check.fields(block, at, &["rows", "column_settings"]);
    for (number, row) in check.list(&block["rows"], &format!("{at}/rows"), 1, 100).iter().enumerate() {
        check.list(row, &format!("{at}/rows/{number}"), 1, 20);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn section(text: &str) -> Value {
        json!({"type": "section", "text": {"type": "mrkdwn", "text": text}})
    }

    fn button(id: &str) -> Value {
        json!({"type": "button", "action_id": id, "text": {"type": "plain_text", "text": "Go"}, "value": "v"})
    }

    fn problem(blocks: &Value) -> String {
        let wrong = check_message(blocks).expect_err("refused");
        assert!(!wrong.messages.is_empty(), "{}", wrong.code);
        wrong.messages.join("; ")
    }

    #[test]
    fn ordinary_messages_pass() {
        let blocks = json!([
            {"type": "header", "text": {"type": "plain_text", "text": "Title"}},
            section("text"),
            {"type": "section", "fields": [{"type": "mrkdwn", "text": "a"}], "accessory": button("a")},
            {"type": "divider"},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": "small"}]},
            {"type": "actions", "elements": [button("a"), button("b")]},
            {"type": "markdown", "text": "**bold**"},
        ]);
        assert_eq!(check_message(&blocks), Ok(()));
    }

    #[test]
    fn limits_are_told_with_their_place() {
        for (blocks, said) in [
            (
                json!([section(&"x".repeat(3001))]),
                "must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
            ),
            (json!(vec![section("x"); 51]), "no more than 50 items allowed [json-pointer:/blocks]"),
            (json!([{"type": "sectoin"}]), "unsupported type: sectoin [json-pointer:/blocks/0/type]"),
            (json!([{"type": "divider", "text": "x"}]), "invalid additional property: text [json-pointer:/blocks/0]"),
            (
                json!([{"type": "actions", "elements": (0..26).map(|n| button(&n.to_string())).collect::<Vec<_>>()}]),
                "no more than 25 items allowed [json-pointer:/blocks/0/elements]",
            ),
            (
                json!([{"type": "actions", "elements": [button("a"), button("a")]}]),
                "`action_id` \"a\" already exists [json-pointer:/blocks/0/elements/1]",
            ),
            (
                json!([{"type": "divider", "block_id": "b"}, {"type": "divider", "block_id": "b"}]),
                "`block_id` \"b\" already exists [json-pointer:/blocks/1]",
            ),
            (
                json!([{"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "x"},
                    "value": "v".repeat(2001)}]}]),
                "must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]",
            ),
            (
                json!([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]),
                "failed to match all allowed schemas [json-pointer:/blocks/0/text]",
            ),
        ] {
            assert_eq!(problem(&blocks), said);
        }
    }

    #[test]
    fn all_text_together_has_a_limit_of_its_own() {
        let blocks = json!(vec![section(&"x".repeat(2501)); 4]);
        assert_eq!(check_message(&blocks).map_err(|wrong| wrong.code), Err("msg_blocks_too_long"));
    }

    #[test]
    fn a_modal_with_inputs_needs_a_way_to_send_them() {
        let input = json!({"type": "input", "label": {"type": "plain_text", "text": "What"},
            "element": {"type": "plain_text_input", "action_id": "text"}});
        let mut view = json!({"type": "modal", "title": {"type": "plain_text", "text": "Changes"}, "blocks": [input]});
        let wrong = check_view(&view).expect_err("refused");
        assert_eq!(wrong.messages, ["missing required field: submit [json-pointer:/view]"]);
        view["submit"] = json!({"type": "plain_text", "text": "Send"});
        assert_eq!(check_view(&view), Ok(()));
        view["title"]["text"] = json!("a title of more than 24 characters");
        assert!(check_view(&view).is_err());
    }
}
