//! Slack's modals: a form of the domain as a view, and a sent view as what was filled in.
//!
//! Pure. What a form is about travels in `private_metadata`, so that nothing has to be remembered
//! between opening and sending (<https://docs.slack.dev/surfaces/modals>). `view` is called by
//! `deliver.rs`, `read` by `inbound.rs`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use slack_morphism::prelude::{
    SlackActionId, SlackBlock, SlackBlockChoiceItem, SlackBlockExternalSelectElement, SlackBlockId,
    SlackBlockNumberInputElement, SlackBlockPlainTextInputElement, SlackBlockPlainTextOnly,
    SlackBlockStaticSelectElement, SlackInputBlock, SlackInputBlockElement, SlackModalView, SlackView,
};

use super::{
    editing,
    mrkdwn::{cut_plain, plain_line},
};
use crate::{
    domain::{
        command::Verb,
        errand::Choices,
        message::{Filled, Form},
        run::RunSettings,
    },
    door::text_at,
};

const START: &str = "baton.start";
const REQUEST_CHANGES: &str = "baton.request_changes";
const REJECT: &str = "baton.reject";
const EDIT: &str = "baton.edit";

/// What one select may offer, and how long an option's text and value may be.
const MOST_OPTIONS: usize = 100;
const LONGEST_OPTION: usize = 75;
const LONGEST_VALUE: usize = 150;
/// What one text input holds.
const LONGEST_INPUT: u64 = 3_000;

pub(super) const HARNESSES: [(&str, &str); 4] =
    [("oz", "Oz"), ("claude", "Claude Code"), ("codex", "Codex"), ("gemini", "Gemini")];

/// What a view carries for us, unseen.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Carried {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verb: Option<Verb>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    about: Option<String>,
    /// Of the form for editing: the page, the children on it, whether the settings are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    page: Option<(u32, Vec<u32>, bool)>,
}

#[must_use]
pub fn view(form: &Form, choices: &Choices) -> SlackView {
    match form {
        Form::Start { place, verb } => {
            let carried = Carried { place: Some(place.clone()), verb: Some(*verb), ..Carried::default() };
            modal(START, start_title(*verb), "Start", &carried, start_inputs(choices))
        }
        Form::RequestChanges { about } => {
            let field = input("text", "What should be different?", long_text());
            modal(REQUEST_CHANGES, "Request changes", "Send", &carried(about), vec![field.into()])
        }
        Form::Reject { about } => {
            let field = input("reason", "Why?", long_text()).with_optional(true);
            modal(REJECT, "Reject", "Reject", &carried(about), vec![field.into()])
        }
        Form::Edit { about, page } => {
            let children = page.children.iter().map(|(number, _)| *number).collect();
            let page_carried = Some((page.number, children, page.settings.is_some()));
            let carried = Carried { page: page_carried, ..carried(about) };
            let send = if page.number < page.of { "Next page" } else { "Propose" };
            modal(EDIT, "Edit the proposal", send, &carried, editing::blocks(page, choices))
        }
    }
}

/// Reads the `view` of a `view_submission`. The error is the reason for the log.
pub fn read(view: &Value) -> Result<Filled, &'static str> {
    let carried: Carried = text_at(view, "/private_metadata")
        .and_then(|json| serde_json::from_str(json).ok())
        .ok_or("a form that is not ours")?;
    let about = || carried.about.clone().ok_or("a form that does not say what it is about");
    let text = |field| entered(view, field);
    match text_at(view, "/callback_id") {
        Some(START) => Ok(Filled::Start {
            place: carried.place.clone().ok_or("a form without a place")?,
            verb: carried.verb.ok_or("a form without a verb")?,
            text: text("task").ok_or("a form without a task")?,
            settings: RunSettings {
                environment: text("environment"),
                model: text("model"),
                harness: text("harness"),
                host: text("host"),
                skill: text("skill"),
                auth_secret: text("auth_secret"),
                parallelism: text("parallelism").and_then(|number| number.parse().ok()).filter(|&number| number > 0),
            },
        }),
        Some(REQUEST_CHANGES) => {
            Ok(Filled::RequestChanges { about: about()?, text: text("text").ok_or("a form without words")? })
        }
        Some(REJECT) => Ok(Filled::Reject { about: about()?, reason: text("reason") }),
        Some(EDIT) => {
            let (number, children, settings) = carried.page.clone().ok_or("a form without a page")?;
            Ok(Filled::Edit { about: about()?, page: Box::new(editing::read(view, number, &children, settings)) })
        }
        _ => Err("a form that is not ours"),
    }
}

const fn start_title(verb: Verb) -> &'static str {
    match verb {
        Verb::Orchestrate => "Orchestrate",
        Verb::Plan => "Plan",
        Verb::Run => "Run one agent",
    }
}

fn start_inputs(choices: &Choices) -> Vec<SlackBlock> {
    let harnesses: Vec<_> = HARNESSES.iter().map(|&(id, name)| (id.to_owned(), name.to_owned())).collect();
    let parallelism = SlackBlockNumberInputElement::new(false)
        .with_action_id(SlackActionId("parallelism".into()))
        .with_min_value("1".into())
        .with_max_value("100".into());
    let optional = |field, label, element| SlackBlock::from(input(field, label, element).with_optional(true));
    vec![
        input("task", "What should be done?", long_text()).into(),
        optional("environment", "Environment", pick("environment", &choices.environments, None, true)),
        optional("model", "Model", pick("model", &choices.models, None, true)),
        optional("harness", "Harness", pick("harness", &harnesses, None, true)),
        optional("host", "Host (warp, or the id of your own worker)", short_text("host")),
        optional("parallelism", "How many children run at once", parallelism.into()),
        optional("skill", "Skill", pick("skill", &choices.skills, None, true)),
        optional("auth_secret", "Name of the secret that the harness signs in with", short_text("auth_secret")),
    ]
}

fn carried(about: &str) -> Carried {
    Carried { about: Some(about.to_owned()), ..Carried::default() }
}

fn modal(callback: &str, title: &str, submit: &str, carried: &Carried, blocks: Vec<SlackBlock>) -> SlackView {
    SlackView::Modal(
        SlackModalView::new(title.into(), blocks)
            .with_submit(submit.into())
            .with_close("Cancel".into())
            .with_callback_id(callback.into())
            .with_private_metadata(serde_json::to_string(carried).unwrap_or_default()),
    )
}

pub(super) fn input(field: &str, label: &str, element: SlackInputBlockElement) -> SlackInputBlock {
    SlackInputBlock::new(label.into(), element).with_block_id(SlackBlockId(field.to_owned()))
}

fn long_text() -> SlackInputBlockElement {
    text_input("text").with_multiline(true).with_max_length(LONGEST_INPUT).into()
}

fn short_text(field: &str) -> SlackInputBlockElement {
    text_input(field).into()
}

pub(super) fn text_input(field: &str) -> SlackBlockPlainTextInputElement {
    SlackBlockPlainTextInputElement::new().with_action_id(SlackActionId(field.to_owned()))
}

/// A select of `current` and these choices. Where they are more than it may hold, or than there is room for
/// in the view, Slack asks for them while somebody types (`suggest.rs`). A text input where there is nothing
/// to select, or no option can hold `current`.
pub(super) fn pick(
    field: &str,
    choices: &[(String, String)],
    current: Option<&str>,
    has_room: bool,
) -> SlackInputBlockElement {
    if choices.is_empty() || current.is_some_and(|current| !can_be_offered(current)) {
        return text_input(field).opt_initial_value(current.map(str::to_owned)).into();
    }
    let name_of = |id: &str| choices.iter().find(|(other, _)| other == id).map_or(id, |(_, name)| name).to_owned();
    let current_first = current.map(|current| (current.to_owned(), name_of(current)));
    let offered = options(current_first.iter().chain(choices));
    if offered.is_empty() {
        return text_input(field).into();
    }
    let action = SlackActionId(field.to_owned());
    let chosen = offered.iter().find(|option| Some(option.value.as_str()) == current).cloned();
    if choices.len() > MOST_OPTIONS || !has_room {
        return SlackBlockExternalSelectElement::new()
            .with_action_id(action)
            .with_min_query_length(0)
            .opt_initial_option(chosen)
            .into();
    }
    SlackBlockStaticSelectElement::new().with_action_id(action).with_options(offered).opt_initial_option(chosen).into()
}

fn can_be_offered(id: &str) -> bool {
    !id.is_empty() && id.encode_utf16().count() <= LONGEST_VALUE
}

/// As many options as a select may hold, each id once.
pub(super) fn options<'a>(
    choices: impl Iterator<Item = &'a (String, String)>,
) -> Vec<SlackBlockChoiceItem<SlackBlockPlainTextOnly>> {
    let mut seen = std::collections::HashSet::new();
    choices
        .filter(|(id, _)| can_be_offered(id) && seen.insert(id.as_str()))
        .take(MOST_OPTIONS)
        .map(|(id, name)| {
            let name = Some(plain_line(name)).filter(|name| !name.is_empty()).unwrap_or_else(|| plain_line(id));
            SlackBlockChoiceItem::new(cut_plain(&name, LONGEST_OPTION).into(), id.clone())
        })
        .collect()
}

/// What was entered in the block of this name, if anything.
pub(super) fn entered(view: &Value, field: &str) -> Option<String> {
    field_of(view, field).filter(|text| !text.is_empty())
}

/// The content of the block of this name, whatever its element; none where the view has no such block.
pub(super) fn field_of(view: &Value, field: &str) -> Option<String> {
    let element = view.pointer("/state/values")?.get(field)?.as_object()?.values().next()?;
    let value = element.get("value").filter(|value| !value.is_null());
    Some(match value.or_else(|| element.pointer("/selected_option/value")) {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn choices() -> Choices {
        Choices {
            environments: vec![
                ("env1".into(), "sandbox".into()),
                ("env1".into(), "twice".into()),
                (String::new(), "x".into()),
            ],
            models: (0..150).map(|n| (format!("m{n}"), "m".repeat(90))).collect(),
            skills: Vec::new(),
        }
    }

    fn shown(form: &Form) -> Value {
        serde_json::to_value(view(form, &choices())).expect("JSON")
    }

    /// What Slack would send back for `view` with these values.
    fn sent(view: &Value, values: &Value) -> Value {
        json!({
            "id": "V1", "callback_id": view["callback_id"], "private_metadata": view["private_metadata"],
            "state": {"values": values},
        })
    }

    #[test]
    fn a_start_survives_the_way_out_and_back() {
        let shown = shown(&Form::Start { place: "C1".into(), verb: Verb::Plan });
        let filled = read(&sent(
            &shown,
            &json!({
                "task": {"text": {"type": "plain_text_input", "value": " Migrate \n"}},
                "environment": {"environment": {"type": "static_select", "selected_option": {"value": "env1"}}},
                "model": {"model": {"type": "static_select", "selected_option": null}},
                "parallelism": {"parallelism": {"type": "number_input", "value": "4"}},
                "skill": {"skill": {"type": "plain_text_input", "value": null}},
                "harness": {"harness": {"type": "static_select", "selected_option": {"value": "claude"}}},
            }),
        ));
        let settings = RunSettings {
            environment: Some("env1".into()),
            harness: Some("claude".into()),
            parallelism: Some(4),
            ..RunSettings::default()
        };
        let started = Filled::Start { place: "C1".into(), verb: Verb::Plan, text: "Migrate".into(), settings };
        assert_eq!(filled, Ok(started));
    }

    #[test]
    fn changes_and_rejections_say_what_they_are_about() {
        let about = "o1/2/9f86d081884c".to_owned();
        let changes = shown(&Form::RequestChanges { about: about.clone() });
        let filled = read(&sent(&changes, &json!({"text": {"text": {"value": "Use npm"}}})));
        assert_eq!(filled, Ok(Filled::RequestChanges { about: about.clone(), text: "Use npm".into() }));
        assert!(read(&sent(&changes, &json!({"text": {"text": {"value": "  "}}}))).is_err());
        let reject = shown(&Form::Reject { about: about.clone() });
        assert_eq!(read(&sent(&reject, &json!({}))), Ok(Filled::Reject { about, reason: None }));
    }

    #[test]
    fn the_start_view_keeps_slacks_limits() {
        let shown = shown(&Form::Start { place: "C1".into(), verb: Verb::Orchestrate });
        assert_eq!((&shown["type"], &shown["callback_id"]), (&json!("modal"), &json!("baton.start")));
        let elements: Vec<&Value> =
            shown["blocks"].as_array().expect("a list").iter().map(|block| &block["element"]).collect();
        assert_eq!(elements[1]["options"].as_array().expect("a list").len(), 1);
        assert_eq!((&elements[2]["type"], &elements[2]["min_query_length"]), (&json!("external_select"), &json!(0)));
        let models = options(choices().models.iter());
        let first = serde_json::to_value(&models[0]).expect("JSON");
        assert_eq!((models.len(), first["text"]["text"].as_str().expect("text").chars().count()), (100, 75));
        assert_eq!(elements[6]["type"], "plain_text_input");
        assert!(shown["title"]["text"].as_str().expect("text").len() <= 24);
        assert!(!shown.to_string().contains("null"), "{shown}");
    }

    #[test]
    fn forms_of_others_are_not_read() {
        for view in [
            json!({}),
            json!({"callback_id": "baton.start", "private_metadata": "{"}),
            json!({"callback_id": "baton.start", "private_metadata": "{}"}),
            json!({"callback_id": "baton.reject", "private_metadata": "{}"}),
            json!({"callback_id": "other", "private_metadata": "{\"about\":\"o1\"}"}),
        ] {
            assert!(read(&view).is_err(), "{view}");
        }
    }
}
