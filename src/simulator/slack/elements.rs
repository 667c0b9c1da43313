//! The rules of Block Kit for what stands inside a block: texts, buttons, menus, inputs.
//!
//! [`Check`] collects what is wrong, in Slack's words and with its JSON pointers, because a client
//! may read them. Limits: <https://docs.slack.dev/reference/block-kit/block-elements/>

use std::collections::BTreeSet;

use serde_json::Value;

/// Elements that a person can use; each has an `action_id`.
pub const INTERACTIVE: &[&str] = &[
    "button",
    "checkboxes",
    "channels_select",
    "conversations_select",
    "datepicker",
    "datetimepicker",
    "email_text_input",
    "external_select",
    "feedback_buttons",
    "file_input",
    "icon_button",
    "multi_channels_select",
    "multi_conversations_select",
    "multi_external_select",
    "multi_static_select",
    "multi_users_select",
    "number_input",
    "overflow",
    "plain_text_input",
    "radio_buttons",
    "rich_text_input",
    "static_select",
    "timepicker",
    "url_text_input",
    "users_select",
    "workflow_button",
];

/// Those that only an input block may hold.
const INPUT_ONLY: &[&str] =
    &["email_text_input", "file_input", "number_input", "plain_text_input", "rich_text_input", "url_text_input"];

/// What a text object may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Any,
}

/// Where an element stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Actions,
    Accessory,
    Input,
}

/// What is wrong so far.
#[derive(Debug, Default)]
pub struct Check {
    pub problems: Vec<String>,
    /// Of the block that is being looked at.
    pub action_ids: BTreeSet<String>,
}

impl Check {
    pub fn wrong(&mut self, at: &str, what: impl AsRef<str>) {
        self.problems.push(format!("{} [json-pointer:{at}]", what.as_ref()));
    }

    /// Only these fields; Slack refuses what it does not know.
    pub fn fields(&mut self, value: &Value, at: &str, allowed: &[&str]) {
        for name in value.as_object().into_iter().flat_map(|fields| fields.keys()) {
            if name != "type" && name != "block_id" && name != "action_id" && !allowed.contains(&name.as_str()) {
                self.wrong(at, format!("invalid additional property: {name}"));
            }
        }
    }

    /// A string of `least` to `most` characters.
    pub fn string(&mut self, value: &Value, at: &str, least: usize, most: usize) {
        let Some(text) = value.as_str() else {
            self.wrong(at, "must be a string");
            return;
        };
        let length = text.chars().count();
        if length > most {
            self.wrong(at, format!("must be less than {} characters", most + 1));
        } else if length < least {
            self.wrong(at, format!("must be more than {} characters", least.saturating_sub(1)));
        }
    }

    /// A string that may be left out.
    pub fn optional_string(&mut self, value: &Value, name: &str, at: &str, most: usize) {
        if let Some(found) = value.get(name) {
            self.string(found, &format!("{at}/{name}"), 0, most);
        }
    }

    /// A list of `least` to `most` items.
    pub fn list<'a>(&mut self, value: &'a Value, at: &str, least: usize, most: usize) -> &'a [Value] {
        let Some(items) = value.as_array() else {
            self.wrong(at, "must be an array");
            return &[];
        };
        if items.len() > most {
            self.wrong(at, format!("no more than {most} items allowed"));
        } else if items.len() < least {
            self.wrong(at, format!("no fewer than {least} items allowed"));
        }
        items
    }

    /// A text object under `name`.
    pub fn text(&mut self, of: &Value, name: &str, at: &str, kind: Kind, most: usize) {
        let at = format!("{at}/{name}");
        match of.get(name) {
            Some(text) => self.text_object(text, &at, kind, most),
            None => self.wrong(&at, format!("missing required field: {name}")),
        }
    }

    pub fn optional_text(&mut self, of: &Value, name: &str, at: &str, kind: Kind, most: usize) {
        if let Some(text) = of.get(name) {
            self.text_object(text, &format!("{at}/{name}"), kind, most);
        }
    }

    pub fn text_object(&mut self, text: &Value, at: &str, kind: Kind, most: usize) {
        match (text["type"].as_str(), kind) {
            (Some("plain_text"), _) => self.fields(text, at, &["text", "emoji"]),
            (Some("mrkdwn"), Kind::Any) => self.fields(text, at, &["text", "verbatim"]),
            _ => self.wrong(at, "failed to match all allowed schemas"),
        }
        self.string(&text["text"], &format!("{at}/text"), 1, most);
    }

    /// An element in a block that takes elements.
    pub fn element(&mut self, element: &Value, at: &str, place: Place) {
        let kind = element["type"].as_str().unwrap_or_default();
        if let Some(id) = element.get("action_id") {
            self.string(id, &format!("{at}/action_id"), 1, 255);
            if !self.action_ids.insert(id.to_string()) {
                self.wrong(at, format!("`action_id` {id} already exists"));
            }
        }
        let misplaced = match place {
            Place::Actions => INPUT_ONLY.contains(&kind) || kind == "image",
            Place::Accessory => INPUT_ONLY.contains(&kind),
            Place::Input => matches!(kind, "button" | "image" | "overflow" | "icon_button" | "feedback_buttons"),
        };
        if misplaced {
            self.wrong(&format!("{at}/type"), format!("unsupported type: {kind}"));
            return;
        }
        if let Some(confirm) = element.get("confirm") {
            self.confirm(confirm, &format!("{at}/confirm"));
        }
        self.optional_text(element, "placeholder", at, Kind::Plain, 150);
        match kind {
            "button" => self.button(element, at),
            "static_select" | "multi_static_select" => self.menu(element, at, 100),
            "external_select" => self.external_menu(element, at),
            "checkboxes" | "radio_buttons" => self.menu(element, at, 10),
            "overflow" => self.menu(element, at, 5),
            "plain_text_input" => self.text_input(element, at),
            "image" => self.image(element, at),
            _ if INTERACTIVE.contains(&kind) => {}
            _ => self.wrong(&format!("{at}/type"), format!("unsupported type: {kind}")),
        }
    }

    pub fn image(&mut self, image: &Value, at: &str) {
        if image.get("slack_file").is_none() {
            self.string(&image["image_url"], &format!("{at}/image_url"), 1, 3000);
        }
        self.string(&image["alt_text"], &format!("{at}/alt_text"), 1, 2000);
    }

    fn button(&mut self, button: &Value, at: &str) {
        self.fields(button, at, &["text", "url", "value", "style", "confirm", "accessibility_label"]);
        self.text(button, "text", at, Kind::Plain, 75);
        self.optional_string(button, "value", at, 2000);
        self.optional_string(button, "url", at, 3000);
        self.optional_string(button, "accessibility_label", at, 75);
        if button.get("style").is_some_and(|style| style != "primary" && style != "danger") {
            self.wrong(&format!("{at}/style"), "must be a valid enum value");
        }
    }

    fn menu(&mut self, menu: &Value, at: &str, most: usize) {
        const FIELDS: &[&str] = &[
            "options",
            "option_groups",
            "initial_option",
            "initial_options",
            "confirm",
            "placeholder",
            "max_selected_items",
            "focus_on_load",
        ];
        self.fields(menu, at, FIELDS);
        let mut values = BTreeSet::new();
        if let Some(groups) = menu.get("option_groups") {
            for (number, group) in self.list(groups, &format!("{at}/option_groups"), 1, 100).iter().enumerate() {
                let at = format!("{at}/option_groups/{number}");
                self.text(group, "label", &at, Kind::Plain, 75);
                self.options(&group["options"], &format!("{at}/options"), most, &mut values);
            }
        } else {
            self.options(&menu["options"], &format!("{at}/options"), most, &mut values);
        }
        let initial = menu.get("initial_option").into_iter();
        let initials = menu["initial_options"].as_array().into_iter().flatten();
        for chosen in initial.chain(initials) {
            if !values.contains(&chosen.to_string()) {
                self.wrong(at, "initial_option must exactly match a provided option");
            }
        }
    }

    /// Its options are asked of the app.
    fn external_menu(&mut self, menu: &Value, at: &str) {
        self.fields(menu, at, &["initial_option", "min_query_length", "confirm", "placeholder", "focus_on_load"]);
        if let Some(initial) = menu.get("initial_option") {
            let at = format!("{at}/initial_option");
            self.text(initial, "text", &at, Kind::Any, 75);
            self.string(&initial["value"], &format!("{at}/value"), 1, 150);
        }
        if menu.get("min_query_length").is_some_and(|least| least.as_u64().is_none()) {
            self.wrong(&format!("{at}/min_query_length"), "must be a non-negative integer");
        }
    }

    /// What an app answers when it is asked for the options of a menu.
    pub fn suggested(&mut self, answer: &Value) {
        self.fields(answer, "", &["options", "option_groups"]);
        for (number, option) in self.list(&answer["options"], "/options", 0, 100).iter().enumerate() {
            let at = format!("/options/{number}");
            self.fields(option, &at, &["text", "value", "description"]);
            self.text(option, "text", &at, Kind::Plain, 75);
            self.string(&option["value"], &format!("{at}/value"), 1, 150);
        }
    }

    fn options(&mut self, options: &Value, at: &str, most: usize, values: &mut BTreeSet<String>) {
        for (number, option) in self.list(options, at, 1, most).iter().enumerate() {
            let at = format!("{at}/{number}");
            self.fields(option, &at, &["text", "value", "description", "url"]);
            self.text(option, "text", &at, Kind::Any, 75);
            self.string(&option["value"], &format!("{at}/value"), 1, 150);
            self.optional_text(option, "description", &at, Kind::Any, 75);
            values.insert(option.to_string());
        }
    }

    fn text_input(&mut self, input: &Value, at: &str) {
        const FIELDS: &[&str] = &[
            "placeholder",
            "initial_value",
            "multiline",
            "min_length",
            "max_length",
            "dispatch_action_config",
            "focus_on_load",
        ];
        self.fields(input, at, FIELDS);
        self.optional_string(input, "initial_value", at, 3000);
        if input["max_length"].as_u64().is_some_and(|most| most == 0 || most > 3000) {
            self.wrong(&format!("{at}/max_length"), "must be less than 3001");
        }
    }

    fn confirm(&mut self, confirm: &Value, at: &str) {
        self.fields(confirm, at, &["title", "text", "confirm", "deny", "style"]);
        self.text(confirm, "title", at, Kind::Plain, 100);
        self.text(confirm, "text", at, Kind::Any, 300);
        self.text(confirm, "confirm", at, Kind::Plain, 30);
        self.text(confirm, "deny", at, Kind::Plain, 30);
    }
}
