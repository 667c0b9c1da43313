//! A proposal: the children that would be started, with a version and a digest.
//!
//! The parent writes it as a fenced block `baton-proposal`. The digest covers the task, the run-wide
//! settings and the children in order, so that what was approved is what runs.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{actor::Actor, run::RunSettings};

/// Prompts longer than this are refused: Oz and people both have limits.
pub const LONGEST_PROMPT: usize = 60_000;
/// More children than this are not a proposal that a person can decide on.
const MOST_CHILDREN: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    pub version: u32,
    pub digest: Digest,
    pub content: Content,
    /// What differs from an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
}

/// How a version differs from an earlier one, in lines for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    pub since: u32,
    /// Who edited it; none when the agent made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Actor>,
    pub lines: Vec<String>,
}

/// What the people decide on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Baton starts exactly these.
    Children { summary: Option<String>, children: Vec<ChildSpec> },
    /// Only words and perhaps a PLAN: on approval the parent is told to go on and starts its children itself.
    Words { text: String },
}

/// One child as it was proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildSpec {
    pub name: String,
    pub prompt: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returns: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl ChildSpec {
    /// As people tell names apart.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.name.trim().eq_ignore_ascii_case(name.trim())
    }
}

/// SHA-256 over the canonical JSON (RFC 8785) of what is proposed, in lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    #[must_use]
    pub fn of(task: &str, settings: &RunSettings, content: &Content) -> Self {
        let content = match content {
            Content::Children { children, .. } => json!({ "children": children }),
            Content::Words { text } => json!({ "text": text }),
        };
        let whole = json!({ "task": task, "settings": settings, "proposal": content });
        Self(hex::encode(Sha256::digest(canonical(&whole))))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 hex digits: what the card shows and a button carries.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

/// RFC 8785 for the JSON that we make: strings, whole numbers, arrays, and objects whose keys are
/// ASCII. There `serde_json` already writes strings as the RFC wants them; only keys need sorting,
/// which its default map does.
fn canonical(value: &Value) -> String {
    value.to_string()
}

impl Content {
    #[must_use]
    pub fn children(&self) -> &[ChildSpec] {
        match self {
            Self::Children { children, .. } => children,
            Self::Words { .. } => &[],
        }
    }
}

/// What a parent's last words hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Proposal(Content),
    /// A block is there and cannot be used; the reason is written for the parent.
    Unusable(String),
    Nothing,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    summary: Option<String>,
    children: Vec<ChildSpec>,
}

/// Looks for the last `baton-proposal` block in what an agent said: lenient about what surrounds
/// it, strict about what is inside.
#[must_use]
pub fn find(text: &str) -> Found {
    let Some(block) = last_block(text) else { return Found::Nothing };
    let block: Block = match serde_json::from_str(block) {
        Ok(block) => block,
        Err(error) => return Found::Unusable(format!("the JSON in the baton-proposal block is not usable: {error}")),
    };
    match fault(&block.children) {
        Some(reason) => Found::Unusable(reason),
        None => Found::Proposal(Content::Children { summary: block.summary, children: block.children }),
    }
}

/// The words around the block, for people: the block itself is shown as a card.
#[must_use]
pub fn without_block(text: &str) -> String {
    let mut kept = Vec::new();
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        let trimmed = line.trim();
        match fence {
            Some(open) if closes(trimmed, open) => fence = None,
            Some(_) => {}
            None => match opens(trimmed) {
                Some(open) => fence = Some(open),
                None => kept.push(line),
            },
        }
    }
    kept.join("\n").trim().to_owned()
}

/// Why these children cannot be proposed, in words for the parent.
#[must_use]
pub fn fault(children: &[ChildSpec]) -> Option<String> {
    if children.is_empty() {
        return Some("the proposal has no children".into());
    }
    if children.len() > MOST_CHILDREN {
        return Some(format!("the proposal has {} children; {MOST_CHILDREN} are the most", children.len()));
    }
    for (index, child) in children.iter().enumerate() {
        let name = child.name.trim();
        if name.is_empty() || name.chars().count() > 80 || name.chars().any(char::is_control) {
            return Some(format!("child {} needs a name of 1 to 80 printable characters", index + 1));
        }
        if child.prompt.trim().is_empty() {
            return Some(format!("the child {name} has an empty prompt"));
        }
        if child.prompt.len() > LONGEST_PROMPT {
            return Some(format!("the prompt of {name} is longer than {LONGEST_PROMPT} bytes"));
        }
        if children.iter().take(index).any(|other| other.name.trim().eq_ignore_ascii_case(name)) {
            return Some(format!("two children are named {name}"));
        }
    }
    None
}

fn last_block(text: &str) -> Option<&str> {
    let mut found = None;
    let mut open: Option<(&str, usize)> = None;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        match open {
            Some((fence, start)) if closes(trimmed, fence) => {
                found = text.get(start..offset);
                open = None;
            }
            Some(_) => {}
            None => open = opens(trimmed).map(|fence| (fence, offset + line.len())),
        }
        offset += line.len();
    }
    // A block that the agent forgot to close still says what it means.
    if let Some((_, start)) = open {
        found = text.get(start..);
    }
    found
}

/// The fence of a line that opens a `baton-proposal` block.
fn opens(line: &str) -> Option<&str> {
    let info = line.trim_start_matches(['`', '~']);
    let fence = line.get(..line.len() - info.len())?;
    (fence.len() >= 3 && info.split_whitespace().next() == Some("baton-proposal")).then_some(fence)
}

fn closes(line: &str, fence: &str) -> bool {
    line.len() >= fence.len() && line.chars().all(|c| fence.starts_with(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(name: &str, prompt: &str) -> ChildSpec {
        ChildSpec { name: name.into(), prompt: prompt.into(), returns: None, environment: None, model: None }
    }

    #[test]
    fn the_last_block_counts_and_the_words_around_it_stay() {
        let text = "First:\n```baton-proposal\n{\"children\":[{\"name\":\"a\",\"prompt\":\"x\"}]}\n```\nNo, better:\n~~~~ baton-proposal v2\n{\"children\":[{\"name\":\"b\",\"prompt\":\"y\"}]}\n~~~~\nDone.";
        let Found::Proposal(content) = find(text) else { panic!("{:?}", find(text)) };
        assert_eq!(content.children(), [child("b", "y")]);
        assert_eq!(without_block(text), "First:\nNo, better:\nDone.");
    }

    #[test]
    fn inside_the_block_it_is_strict() {
        for (block, reason) in [
            ("{\"children\":[]}", "no children"),
            ("{\"children\":[{\"name\":\"a\"}]}", "missing field `prompt`"),
            ("{\"children\":[{\"name\":\"a\",\"prompt\":\" \"}]}", "empty prompt"),
            ("{\"children\":[{\"name\":\"a\",\"prompt\":\"x\"},{\"name\":\"A \",\"prompt\":\"y\"}]}", "two children"),
            ("{\"kids\":[]}", "unknown field `kids`"),
            ("not json", "not usable"),
        ] {
            let Found::Unusable(why) = find(&format!("```baton-proposal\n{block}\n```")) else { panic!("{block}") };
            assert!(why.contains(reason), "{why}");
        }
        assert_eq!(find("```json\n{}\n```"), Found::Nothing);
    }

    #[test]
    fn the_digest_covers_task_settings_and_every_prompt_and_nothing_else() {
        let content = |prompt: &str, summary: Option<&str>| Content::Children {
            summary: summary.map(Into::into),
            children: vec![child("a", prompt)],
        };
        let settings = RunSettings::default();
        let digest = Digest::of("task", &settings, &content("x", None));
        assert_eq!(digest, Digest::of("task", &settings, &content("x", Some("words about it"))));
        assert_ne!(digest, Digest::of("task2", &settings, &content("x", None)));
        assert_ne!(digest, Digest::of("task", &settings, &content("y", None)));
        let other = RunSettings { model: Some("auto".into()), ..RunSettings::default() };
        assert_ne!(digest, Digest::of("task", &other, &content("x", None)));
        assert_eq!(digest.short().len(), 12);
    }

    #[test]
    fn keys_are_sorted_as_the_rfc_wants() {
        assert_eq!(canonical(&json!({"b": 1, "a": {"d": "é", "c": null}})), r#"{"a":{"c":null,"d":"é"},"b":1}"#);
    }
}
