//! The rules that Linear has for what its schema calls JSON, and for texts that stand for more:
//! contents of activities, signals, plans, links, ids.
//! <https://linear.app/developers/agent-interaction>, <https://linear.app/developers/agent-signals>

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use uuid::{Uuid, Variant};

use super::problem::Problem;
use crate::simulator::linear::world::{Content, Link};

const PLAN_STATUSES: [&str; 4] = ["pending", "inProgress", "completed", "canceled"];

/// What an agent may say. Prompts are for people.
pub fn content(value: &Value) -> Result<Content, Problem> {
    let fields = value.as_object().ok_or_else(|| wrong("content must be an object"))?;
    let kind = fields.get("type").and_then(Value::as_str).ok_or_else(|| wrong("content.type is missing"))?;
    let known: &[&str] = match kind {
        "thought" | "elicitation" | "response" | "error" => &["type", "body"],
        "action" => &["type", "action", "parameter", "result"],
        "prompt" => return Err(wrong("an agent cannot create a prompt")),
        _ => return Err(wrong(&format!("content.type `{kind}` is not known"))),
    };
    if let Some(name) = fields.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(wrong(&format!("content of type `{kind}` has no `{name}`")));
    }
    let body = || text(fields, "body");
    Ok(match kind {
        "thought" => Content::Thought { body: body()? },
        "elicitation" => Content::Elicitation { body: body()? },
        "response" => Content::Response { body: body()? },
        "error" => Content::Error { body: body()? },
        _ => Content::Action {
            action: text(fields, "action")?,
            parameter: match fields.get("parameter") {
                Some(Value::String(parameter)) => parameter.clone(),
                _ => return Err(wrong("content.parameter must be a string")),
            },
            result: match fields.get("result") {
                None | Some(Value::Null) => None,
                Some(_) => Some(text(fields, "result")?),
            },
        },
    })
}

/// What goes beside a content: whether it passes, and what the person can do with it.
pub fn signal(content: &Content, ephemeral: bool, signal: Option<&str>, metadata: &Value) -> Result<(), Problem> {
    let is_passing = matches!(content, Content::Thought { .. } | Content::Action { .. });
    if ephemeral && !is_passing {
        return Err(wrong("only thoughts and actions can be ephemeral"));
    }
    let asks = matches!(content, Content::Elicitation { .. });
    match signal {
        None if metadata.is_null() => Ok(()),
        None => Err(wrong("signalMetadata without a signal")),
        Some("select" | "auth") if !asks => Err(wrong("this signal is for elicitations only")),
        Some("select") => options(metadata),
        Some("auth") => auth(metadata),
        Some("stop") => Err(wrong("the signal `stop` is for people only")),
        Some(other) => Err(wrong(&format!("nothing is known of the signal `{other}` from an agent"))),
    }
}

/// The whole plan: a list of rows.
pub fn plan(value: &Value) -> Result<(), Problem> {
    let rows = value.as_array().ok_or_else(|| wrong("plan must be an array"))?;
    for row in rows {
        let fields = row.as_object().ok_or_else(|| wrong("a row of the plan must be an object"))?;
        only(fields, &["content", "status"], "a row of the plan")?;
        text(fields, "content")?;
        let status = fields.get("status").and_then(Value::as_str).unwrap_or_default();
        if !PLAN_STATUSES.contains(&status) {
            return Err(wrong(&format!("a row of the plan has the status `{status}`")));
        }
    }
    Ok(())
}

/// Links with an address each of its own.
pub fn links(value: &Value) -> Result<Vec<Link>, Problem> {
    let mut seen = BTreeSet::new();
    let mut links = Vec::new();
    for link in value.as_array().into_iter().flatten() {
        let (label, address) = (link["label"].as_str().unwrap_or_default(), link["url"].as_str().unwrap_or_default());
        if label.trim().is_empty() {
            return Err(wrong("an external URL has no label"));
        }
        url(address)?;
        if !seen.insert(address) {
            return Err(wrong("external URLs must be unique"));
        }
        links.push(Link { label: label.to_owned(), url: address.to_owned() });
    }
    Ok(links)
}

pub fn url(text: &str) -> Result<(), Problem> {
    let parsed = url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    if parsed.is_some() { Ok(()) } else { Err(wrong("url must be a valid URL")) }
}

/// An id that the client chose.
pub fn id(text: &str) -> Result<(), Problem> {
    let is_v4 =
        Uuid::parse_str(text).is_ok_and(|uuid| uuid.get_version_num() == 4 && uuid.get_variant() == Variant::RFC4122);
    let is_plain = text.len() == 36 && text.to_lowercase() == text;
    if is_v4 && is_plain { Ok(()) } else { Err(wrong("id must be a UUID v4")) }
}

/// Numbers and texts, nothing nested. <https://linear.app/developers/attachments>
pub fn attachment_metadata(value: &Value) -> Result<(), Problem> {
    let fields = value.as_object().ok_or_else(|| wrong("metadata must be an object"))?;
    match fields.iter().find(|(_, value)| !value.is_string() && !value.is_number()) {
        Some((name, _)) => Err(wrong(&format!("metadata.{name} must be a string or a number"))),
        None => Ok(()),
    }
}

/// A text with something in it.
pub fn text(fields: &Map<String, Value>, name: &str) -> Result<String, Problem> {
    match fields.get(name).and_then(Value::as_str) {
        Some(text) if !text.trim().is_empty() => Ok(text.to_owned()),
        Some(_) => Err(wrong(&format!("{name} must not be empty"))),
        None => Err(wrong(&format!("{name} must be a string"))),
    }
}

fn options(metadata: &Value) -> Result<(), Problem> {
    let fields = metadata.as_object().ok_or_else(|| wrong("signalMetadata must be an object"))?;
    only(fields, &["options"], "signalMetadata")?;
    let options = fields.get("options").and_then(Value::as_array).filter(|options| !options.is_empty());
    for option in options.ok_or_else(|| wrong("signalMetadata.options must be a list with something in it"))? {
        let option = option.as_object().ok_or_else(|| wrong("an option must be an object"))?;
        only(option, &["label", "value"], "an option")?;
        text(option, "value")?;
        if option.contains_key("label") {
            text(option, "label")?;
        }
    }
    Ok(())
}

fn auth(metadata: &Value) -> Result<(), Problem> {
    let fields = metadata.as_object().ok_or_else(|| wrong("signalMetadata must be an object"))?;
    only(fields, &["url", "userId", "providerName"], "signalMetadata")?;
    url(&text(fields, "url")?)
}

fn only(fields: &Map<String, Value>, known: &[&str], of: &str) -> Result<(), Problem> {
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(wrong(&format!("{of} has no `{name}`"))),
        None => Ok(()),
    }
}

fn wrong(why: &str) -> Problem {
    Problem::invalid(why)
}
