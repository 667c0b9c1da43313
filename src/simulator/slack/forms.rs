//! What is filled in: the state of the elements in a view or message, as Slack keeps and sends it.
//! <https://docs.slack.dev/reference/interaction-payloads/view-interactions-payload/>

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::reading::usables;

/// Sentences by `block_id`, for what Slack itself refuses to send.
pub type Mistakes = BTreeMap<String, String>;

/// The state before anybody touched it: `{BLOCK_ID: {ACTION_ID: state}}`.
pub fn initial_values(content: &Value) -> Value {
    let blocks = content["blocks"].as_array().map_or(&[][..], Vec::as_slice);
    let mut values = Map::new();
    for usable in usables(blocks) {
        if let Some(state) = state_of(&usable.element, None) {
            let of_block = values.entry(usable.block_id.clone()).or_insert_with(|| json!({}));
            of_block[usable.action_id()] = state;
        }
    }
    Value::Object(values)
}

/// The state after a person filled in `chosen`, by `block_id` or `action_id`: text, an option's
/// value, a list of them, null for nothing, or Slack's own state object.
pub fn fill(content: &Value, chosen: &Value) -> Result<Value, Mistakes> {
    let blocks = content["blocks"].as_array().map_or(&[][..], Vec::as_slice);
    let mut values = initial_values(content);
    let mut mistakes = Mistakes::new();
    for usable in usables(blocks) {
        let (block_id, action_id) = (&usable.block_id, usable.action_id());
        let given = chosen.get(block_id).or_else(|| chosen.get(action_id));
        let given = given.map(|given| given.get(action_id).unwrap_or(given));
        if let Some(state) = given.and_then(|given| state_of(&usable.element, Some(given))) {
            values[block_id.as_str()][action_id] = state;
        }
    }
    for block in blocks.iter().filter(|block| block["type"] == "input") {
        let block_id = block["block_id"].as_str().unwrap_or_default();
        let state = &values[block_id][block["element"]["action_id"].as_str().unwrap_or_default()];
        if let Some(mistake) = mistake(block, state) {
            mistakes.insert(block_id.to_owned(), mistake);
        }
    }
    if mistakes.is_empty() { Ok(values) } else { Err(mistakes) }
}

/// What an element holds: its initial value, or what was chosen. None for elements without state.
pub fn state_of(element: &Value, chosen: Option<&Value>) -> Option<Value> {
    let kind = element["type"].as_str()?;
    if let Some(whole) = chosen.filter(|chosen| chosen.get("type").is_some_and(|found| found == kind)) {
        return Some(whole.clone());
    }
    let field = match kind {
        "plain_text_input" | "number_input" | "email_text_input" | "url_text_input" => "value",
        "static_select" | "external_select" | "radio_buttons" => "selected_option",
        "multi_static_select" | "multi_external_select" | "checkboxes" => "selected_options",
        "users_select" => "selected_user",
        "channels_select" => "selected_channel",
        "conversations_select" => "selected_conversation",
        "multi_users_select" => "selected_users",
        "multi_channels_select" => "selected_channels",
        "multi_conversations_select" => "selected_conversations",
        "datepicker" => "selected_date",
        "timepicker" => "selected_time",
        "datetimepicker" => "selected_date_time",
        _ => return None,
    };
    let value = match chosen {
        None => {
            let initial = format!("initial_{}", field.trim_start_matches("selected_"));
            let none = if field.ends_with('s') { json!([]) } else { Value::Null };
            element.get(initial).cloned().unwrap_or(none)
        }
        Some(chosen) => match field {
            "value" => chosen.as_str().filter(|text| !text.is_empty()).map_or(Value::Null, Value::from),
            "selected_option" => chosen.as_str().map_or(Value::Null, |value| option(element, value)),
            "selected_options" => {
                let values = chosen.as_array().into_iter().flatten().filter_map(Value::as_str);
                values.map(|value| option(element, value)).collect()
            }
            _ => chosen.clone(),
        },
    };
    Some(json!({"type": kind, field: value}))
}

/// The option with this value; one that the app suggested is known by its value alone.
fn option(element: &Value, value: &str) -> Value {
    let groups = element["option_groups"].as_array().into_iter().flatten();
    let options = groups.map(|group| &group["options"]).chain([&element["options"]]);
    let found = options.filter_map(Value::as_array).flatten().find(|option| option["value"] == value);
    match found {
        Some(option) => option.clone(),
        None if element["type"] == "external_select" || element["type"] == "multi_external_select" => {
            json!({"text": {"type": "plain_text", "text": value, "emoji": true}, "value": value})
        }
        None => Value::Null,
    }
}

/// Why Slack does not let a person send this, in its words.
fn mistake(block: &Value, state: &Value) -> Option<String> {
    let filled = state
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != "type")
        .any(|(_, value)| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()));
    if !filled {
        return (block["optional"] != true).then(|| "Please complete this required field.".to_owned());
    }
    let length = state["value"].as_str()?.chars().count();
    let (least, most) = (block["element"]["min_length"].as_u64(), block["element"]["max_length"].as_u64());
    if least.is_some_and(|least| (length as u64) < least) {
        return Some(format!("Please enter at least {} characters.", least.unwrap_or_default()));
    }
    let most = most.unwrap_or(3000);
    (length as u64 > most).then(|| format!("Please enter at most {most} characters."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> Value {
        let plain = |text: &str| json!({"type": "plain_text", "text": text});
        json!({"type": "modal", "blocks": [
            {"type": "input", "block_id": "what", "label": plain("What"),
             "element": {"type": "plain_text_input", "action_id": "text", "max_length": 10}},
            {"type": "input", "block_id": "model", "optional": true, "label": plain("Model"),
             "element": {"type": "static_select", "action_id": "pick", "options": [
                {"text": plain("Auto"), "value": "auto"}, {"text": plain("Fast"), "value": "fast"}]}},
            {"type": "input", "block_id": "keep", "optional": true, "label": plain("Keep"),
             "element": {"type": "checkboxes", "action_id": "keep",
                "options": [{"text": plain("a"), "value": "a"}],
                "initial_options": [{"text": plain("a"), "value": "a"}]}},
        ]})
    }

    #[test]
    fn what_is_chosen_takes_the_place_of_what_stood_there() {
        let values = fill(&view(), &json!({"what": "Go", "model": "fast"})).expect("filled in");
        assert_eq!(values["what"]["text"], json!({"type": "plain_text_input", "value": "Go"}));
        assert_eq!(values["model"]["pick"]["selected_option"]["text"]["text"], "Fast");
        assert_eq!(values["keep"]["keep"]["selected_options"][0]["value"], "a");
        let values = fill(&view(), &json!({"what": "Go", "keep": []})).expect("filled in");
        assert_eq!(values["keep"]["keep"]["selected_options"], json!([]));
    }

    #[test]
    fn slack_refuses_empty_and_long_fields_by_itself() {
        let missing = fill(&view(), &json!({})).expect_err("refused");
        assert_eq!(missing["what"], "Please complete this required field.");
        let long = fill(&view(), &json!({"what": "far too long for it"})).expect_err("refused");
        assert_eq!(long["what"], "Please enter at most 10 characters.");
    }
}
