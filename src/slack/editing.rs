//! The form in which a proposal is edited, as a view, and a sent view as what was filled in.
//!
//! Pure. Of each child: a checkbox with its name that keeps or drops it, its prompt, what it returns,
//! its environment and its model. What is too long for a field is shown as far as a text block holds
//! it, and stays as it is. Used by `forms.rs`.

use serde_json::Value;
use slack_morphism::prelude::{
    SlackActionId, SlackBlock, SlackBlockCheckboxesElement, SlackBlockChoiceItem, SlackBlockNumberInputElement,
    SlackBlockText, SlackHeaderBlock, SlackInputBlockElement,
};

use super::{
    forms::{HARNESSES, entered, field_of, input, pick, text_input},
    mrkdwn::{cut_plain, plain_line},
    render,
};
use crate::domain::{
    edit::{Entry, FilledChild, FilledPage, Page},
    errand::Choices,
    message::{Block, Text},
    proposal::ChildSpec,
    run::RunSettings,
};

/// What a text input holds, as Slack counts.
const LONGEST_INPUT: usize = 3_000;
/// As much of a longer text is shown.
const SHOWN: usize = 1_500;
const LONGEST_NAME: usize = 75;
/// Options in all menus of children on a page together: a view has room for no more.
const MOST_OPTIONS: usize = 600;

#[must_use]
pub fn blocks(page: &Page, choices: &Choices) -> Vec<SlackBlock> {
    let mut blocks = Vec::new();
    if page.of > 1 {
        blocks.extend(said(&format!(
            "Page {} of {}. Nothing is changed before the last one is sent.",
            page.number, page.of
        )));
    }
    let each = choices.environments.len() + choices.models.len();
    let has_room = each * page.children.len() <= MOST_OPTIONS;
    for (number, entry) in &page.children {
        child(*number, entry, (choices, has_room), &mut blocks);
    }
    if page.takes_more {
        blocks.extend(header("One more child"));
        blocks
            .push(input("more-name", "Name", text_input("text").with_max_length(80).into()).with_optional(true).into());
        let prompt = text_input("text").with_multiline(true).with_max_length(LONGEST_INPUT as u64);
        blocks.push(input("more-prompt", "Prompt", prompt.into()).with_optional(true).into());
    }
    if let Some(hold) = page.hold {
        let hold = ticked("hold", "Hold what is not kept, and propose it again when the rest has ended", hold);
        blocks
            .push(input("hold", "What becomes of children that are not kept", hold.into()).with_optional(true).into());
    }
    if let Some(settings) = &page.settings {
        run_wide(settings, choices, &mut blocks);
    }
    blocks
}

/// Reads a sent page that showed the children with these numbers.
#[must_use]
pub fn read(view: &Value, number: u32, children: &[u32], with_settings: bool) -> FilledPage {
    let text = |field: &str| entered(view, field);
    let filled = |number: &u32| {
        let of = |field: &str| field_of(view, &format!("{field}-{number}"));
        let child = FilledChild {
            keep: is_ticked(view, &format!("keep-{number}")),
            prompt: of("prompt"),
            returns: of("returns"),
            environment: of("environment"),
            model: of("model"),
        };
        (*number, child)
    };
    let more = match (text("more-name"), text("more-prompt")) {
        (None, None) => None,
        // What is missing is said when the whole is looked at.
        (name, prompt) => Some(ChildSpec {
            name: name.unwrap_or_default(),
            prompt: prompt.unwrap_or_default(),
            returns: None,
            environment: None,
            model: None,
        }),
    };
    let settings = with_settings.then(|| RunSettings {
        environment: field_of(view, "environment"),
        model: field_of(view, "model"),
        harness: field_of(view, "harness"),
        host: field_of(view, "host"),
        skill: None,
        auth_secret: field_of(view, "auth_secret"),
        parallelism: text("parallelism").and_then(|number| number.parse().ok()).filter(|&number| number > 0),
    });
    let children = children.iter().map(filled).collect();
    let hold = field_of(view, "hold").map(|_| is_ticked(view, "hold"));
    FilledPage { number, children, settings, more, hold }
}

fn child(number: u32, entry: &Entry, (choices, has_room): (&Choices, bool), blocks: &mut Vec<SlackBlock>) {
    let spec = &entry.spec;
    let name = plain_line(&spec.name);
    let label = |what: &str| format!("{number} {}: {what}", cut_plain(&name, 60));
    let keep = ticked("keep", &cut_plain(&name, LONGEST_NAME), entry.keep);
    blocks.push(
        input(&format!("keep-{number}"), &format!("Child {number}: keep it"), keep.into()).with_optional(true).into(),
    );
    let long_text = |value: &str| {
        let field = text_input("text").with_multiline(true).with_max_length(LONGEST_INPUT as u64);
        field.opt_initial_value(Some(value.to_owned()).filter(|value| !value.is_empty())).into()
    };
    if fits(&spec.prompt) {
        blocks.push(input(&format!("prompt-{number}"), &label("prompt"), long_text(&spec.prompt)).into());
    } else {
        let how = format!("This prompt is too long for a form. Reply `edit {name}: …` in the thread to change it.");
        blocks.extend([cut(&spec.prompt), how].iter().flat_map(|text| said(text)));
    }
    let mut optional = |field: &str, what: &str, value: Option<&str>, element: Element<'_>| {
        blocks.extend(one_of(&format!("{field}-{number}"), &label(what), value, element));
    };
    let (environment, model) = (spec.environment.as_deref(), spec.model.as_deref());
    optional("returns", "expected result", spec.returns.as_deref(), &|value| long_text(value.unwrap_or_default()));
    optional("environment", "environment, when not the one of all", environment, &|value| {
        pick("environment", &choices.environments, value, has_room)
    });
    optional("model", "model, when not the one of all", model, &|value| {
        pick("model", &choices.models, value, has_room)
    });
}

type Element<'a> = &'a dyn Fn(Option<&str>) -> SlackInputBlockElement;

/// An optional field that shows `value`. One that is too long is shown without a field, so that it
/// cannot come back cut.
fn one_of(field: &str, label: &str, value: Option<&str>, element: Element<'_>) -> Vec<SlackBlock> {
    match value.filter(|value| !fits(value)) {
        Some(long) => said(&format!("{label} (too long for a form, and stays as it is): {}", cut(long))),
        None => vec![input(field, label, element(value)).with_optional(true).into()],
    }
}

fn fits(text: &str) -> bool {
    text.encode_utf16().count() <= LONGEST_INPUT
}

fn cut(text: &str) -> String {
    format!("{}…", text.chars().take(SHOWN).collect::<String>())
}

fn run_wide(settings: &RunSettings, choices: &Choices, blocks: &mut Vec<SlackBlock>) {
    let harnesses: Vec<_> = HARNESSES.iter().map(|&(id, name)| (id.to_owned(), name.to_owned())).collect();
    let parallelism = SlackBlockNumberInputElement::new(false)
        .with_action_id(SlackActionId("parallelism".into()))
        .with_min_value("1".into())
        .with_max_value("100".into())
        .opt_initial_value(settings.parallelism.map(|at_once| at_once.to_string()));
    blocks.extend(header("For all children"));
    let mut optional = |field: &str, label: &str, value: &Option<String>, element: Element<'_>| {
        blocks.extend(one_of(field, label, value.as_deref(), element));
    };
    let text = |value: Option<&str>| text_input("text").opt_initial_value(value.map(str::to_owned)).into();
    optional("environment", "Environment", &settings.environment, &|value| {
        pick("environment", &choices.environments, value, true)
    });
    optional("model", "Model", &settings.model, &|value| pick("model", &choices.models, value, true));
    optional("harness", "Harness", &settings.harness, &|value| pick("harness", &harnesses, value, true));
    optional("host", "Host (warp, or the id of your own worker)", &settings.host, &text);
    optional("parallelism", "How many children run at once", &None, &|_| parallelism.clone().into());
    optional("auth_secret", "Name of the secret that the harness signs in with", &settings.auth_secret, &text);
}

fn ticked(action: &str, label: &str, on: bool) -> SlackBlockCheckboxesElement {
    let option = || SlackBlockChoiceItem::new(SlackBlockText::Plain(label.to_owned().into()), "yes".to_owned());
    SlackBlockCheckboxesElement::new(vec![option()])
        .with_action_id(SlackActionId(action.to_owned()))
        .opt_initial_options(on.then(|| vec![option()]))
}

fn is_ticked(view: &Value, field: &str) -> bool {
    let element = view.pointer("/state/values").and_then(|values| values.get(field)?.as_object()?.values().next());
    let options = element.and_then(|element| element.get("selected_options")?.as_array());
    options.is_some_and(|options| !options.is_empty())
}

/// Our words, or text from outside, as a block that shows them.
fn said(text: &str) -> Vec<SlackBlock> {
    render::without_files(&crate::domain::message::Message::of(vec![Block::Line(Text::plain(text))])).blocks
}

fn header(text: &str) -> Vec<SlackBlock> {
    vec![SlackHeaderBlock::new(text.into()).into()]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(name: &str, prompt: &str) -> Entry {
        let spec = ChildSpec {
            name: name.into(),
            prompt: prompt.into(),
            returns: None,
            environment: Some("env9".into()),
            model: None,
        };
        Entry { spec, keep: true }
    }

    fn shown(page: &Page) -> Value {
        let choices = Choices {
            environments: (0..9).map(|n| (format!("env{n}"), format!("Environment {n}"))).collect(),
            models: vec![("auto".into(), "Auto".into())],
            skills: Vec::new(),
        };
        serde_json::to_value(blocks(page, &choices)).expect("JSON")
    }

    #[test]
    fn a_child_has_a_checkbox_with_its_name_and_its_whole_prompt() {
        let page = Page {
            number: 1,
            of: 1,
            children: vec![(1, entry("pkg <a>", "Do & \n it ")), (2, entry("long", &"x".repeat(3_001)))],
            settings: Some(RunSettings { model: Some("auto".into()), ..RunSettings::default() }),
            takes_more: true,
            hold: Some(true),
        };
        let shown = shown(&page);
        let block = |id: &str| {
            let blocks = shown.as_array().expect("a list").iter();
            blocks.clone().find(|block| block["block_id"] == id).cloned().unwrap_or_default()
        };
        assert_eq!(block("keep-1")["element"]["options"][0]["text"]["text"], "pkg ‹a›");
        assert_eq!(block("keep-1")["element"]["initial_options"][0]["value"], "yes");
        assert_eq!(block("prompt-1")["element"]["initial_value"], "Do & \n it ");
        assert_eq!(
            block("environment-1")["element"]["initial_option"]["value"],
            "env9",
            "also one that is not offered"
        );
        assert_eq!(block("hold")["element"]["initial_options"][0]["value"], "yes");
        assert_eq!(block("prompt-2"), Value::Null);
        assert!(shown.to_string().contains("edit long: …"), "{shown}");
        assert_eq!(block("model")["element"]["initial_option"]["value"], "auto");
        assert!(!shown.to_string().contains("null"), "{shown}");
    }

    #[test]
    fn what_was_filled_in_is_read() {
        let view = json!({"state": {"values": {
            "keep-1": {"keep": {"type": "checkboxes", "selected_options": []}},
            "prompt-1": {"text": {"value": "new"}},
            "keep-2": {"keep": {"type": "checkboxes", "selected_options": [{"value": "yes"}]}},
            "returns-1": {"text": {"value": null}},
            "environment-1": {"environment": {"selected_option": null}},
            "returns-2": {"text": {"value": "a report"}},
            "model-2": {"model": {"selected_option": {"value": "auto"}}},
            "more-name": {"text": {"value": "docs"}}, "more-prompt": {"text": {"value": "Write."}},
            "hold": {"hold": {"selected_options": [{"value": "yes"}]}},
            "parallelism": {"parallelism": {"value": "3"}},
        }}});
        let page = read(&view, 2, &[1, 2], true);
        assert_eq!((page.number, page.hold), (2, Some(true)));
        let first = FilledChild {
            keep: false,
            prompt: Some("new".into()),
            returns: Some(String::new()),
            environment: Some(String::new()),
            model: None,
        };
        assert_eq!(page.children[0].1, first, "emptied, and none at all");
        let second = &page.children[1].1;
        assert_eq!(
            (second.keep, second.returns.as_deref(), second.model.as_deref()),
            (true, Some("a report"), Some("auto"))
        );
        assert_eq!(page.more.map(|more| more.name), Some("docs".into()));
        assert_eq!(page.settings.and_then(|settings| settings.parallelism), Some(3));
    }
}
