//! The form of what Baton says: text as data, without anybody's markup.
//!
//! A platform's `render` turns a [`Message`] into blocks or Markdown. Text that came from outside
//! stays in [`Span::Plain`], [`Span::Code`] or [`Block::Markdown`], which every renderer escapes, so
//! that nobody can be pinged and nothing can be forged by it. The words are in `words.rs`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::actor::Actor;
use crate::{ids::OrchestrationId, time::Timestamp};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub blocks: Vec<Block>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<Button>,
    #[serde(default)]
    pub tone: Tone,
}

/// What a message is in the course of an orchestration. Linear gives each its own kind of activity;
/// Slack shows them all alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// By the way.
    #[default]
    Notice,
    /// Something was done: a child ended, a pull request was opened.
    Step,
    /// People have to answer: a proposal with its buttons, a question.
    Ask,
    /// The last word.
    Final,
    /// The last word, and it is bad.
    Failure,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    Heading(String),
    Line(Text),
    List(Vec<Text>),
    /// Label and value.
    Facts(Vec<(String, Text)>),
    /// Somebody's words.
    Quote(String),
    /// An agent's words, in `CommonMark`. Too long for a message, they go to a file with this name.
    Markdown {
        text: String,
        file: String,
    },
    /// Small print.
    Note(Text),
    Divider,
}

/// A line: spans one after the other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(pub Vec<Span>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    Plain(String),
    Bold(String),
    Code(String),
    Link {
        label: String,
        url: String,
    },
    /// Mentions the person where the platform can.
    Person(Actor),
    /// In the reader's time zone where the platform can.
    When(Timestamp),
    Mark(Mark),
}

/// A sign before a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    Waiting,
    Working,
    Blocked,
    Done,
    Failed,
    Stopped,
    Question,
    Warning,
    PullRequest,
    Document,
    Picture,
}

/// The words alone, without markup; a moment in UTC.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for span in &self.0 {
            match span {
                Span::Plain(text) | Span::Bold(text) | Span::Code(text) | Span::Link { label: text, .. } => {
                    f.write_str(text)?;
                }
                Span::Person(actor) => f.write_str(actor.name.as_deref().unwrap_or(&actor.id))?,
                Span::When(at) => write!(f, "{at}")?,
                Span::Mark(_) => {}
            }
        }
        Ok(())
    }
}

impl Text {
    pub fn plain(text: impl Into<String>) -> Self {
        Self(vec![Span::Plain(text.into())])
    }

    #[must_use]
    pub fn then(mut self, text: impl Into<String>) -> Self {
        self.0.push(Span::Plain(text.into()));
        self
    }

    #[must_use]
    pub fn bold(mut self, text: impl Into<String>) -> Self {
        self.0.push(Span::Bold(text.into()));
        self
    }

    #[must_use]
    pub fn code(mut self, text: impl Into<String>) -> Self {
        self.0.push(Span::Code(text.into()));
        self
    }

    #[must_use]
    pub fn link(mut self, label: impl Into<String>, url: impl Into<String>) -> Self {
        self.0.push(Span::Link { label: label.into(), url: url.into() });
        self
    }

    #[must_use]
    pub fn person(mut self, actor: &Actor) -> Self {
        self.0.push(Span::Person(actor.clone()));
        self
    }

    #[must_use]
    pub fn when(mut self, at: Timestamp) -> Self {
        self.0.push(Span::When(at));
        self
    }

    #[must_use]
    pub fn mark(mut self, mark: Mark) -> Self {
        self.0.push(Span::Mark(mark));
        self
    }
}

impl Message {
    /// One line of our own words.
    pub fn line(text: impl Into<String>) -> Self {
        Self::of(vec![Block::Line(Text::plain(text))])
    }

    #[must_use]
    pub fn of(blocks: Vec<Block>) -> Self {
        Self { blocks, ..Self::default() }
    }

    #[must_use]
    pub fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    #[must_use]
    pub fn with(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    #[must_use]
    pub fn button(mut self, button: Button) -> Self {
        self.buttons.push(button);
        self
    }
}

/// Something to click.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Button {
    pub press: Press,
    pub label: String,
    #[serde(default)]
    pub style: ButtonStyle,
    /// What the button is about; for a link, where it leads.
    pub value: String,
    /// Asked before it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ButtonStyle {
    #[default]
    Plain,
    Primary,
    Danger,
}

/// What a button does. The names after `baton.` are relied on from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Press {
    Approve,
    Edit,
    RequestChanges,
    Reject,
    Stop,
    RetryChild,
    Why,
    Details,
    /// A link; nothing is decided by it.
    Open,
}

impl Press {
    pub const ALL: [Self; 9] = [
        Self::Approve,
        Self::Edit,
        Self::RequestChanges,
        Self::Reject,
        Self::Stop,
        Self::RetryChild,
        Self::Why,
        Self::Details,
        Self::Open,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Edit => "edit",
            Self::RequestChanges => "request_changes",
            Self::Reject => "reject",
            Self::Stop => "stop",
            Self::RetryChild => "retry_child",
            Self::Why => "why",
            Self::Details => "details",
            Self::Open => "open",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|press| press.as_str() == word)
    }
}

/// What a button is about: the orchestration and, where it matters, the proposal's version and
/// digest, or the child. Written `o1a2b3c4d5e/2/9f86d081884c` and `o1a2b3c4d5e/c3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    pub orchestration: OrchestrationId,
    pub subject: Subject,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    Whole,
    Proposal { version: u32, digest: String },
    Child(u32),
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Subject::Whole => write!(f, "{}", self.orchestration),
            Subject::Proposal { version, digest } => write!(f, "{}/{version}/{digest}", self.orchestration),
            Subject::Child(number) => write!(f, "{}/c{number}", self.orchestration),
        }
    }
}

impl About {
    /// Reads what [`fmt::Display`] wrote; none for anything else, which is then nobody's button.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let orchestration = OrchestrationId::new(parts.next().filter(|id| !id.is_empty())?);
        let subject = match (parts.next(), parts.next(), parts.next()) {
            (None, None, None) => Subject::Whole,
            (Some(child), None, None) => Subject::Child(child.strip_prefix('c')?.parse().ok()?),
            (Some(version), Some(digest), None) => {
                Subject::Proposal { version: version.parse().ok()?, digest: digest.to_owned() }
            }
            _ => return None,
        };
        Some(Self { orchestration, subject })
    }
}

/// What a person fills in: a modal in Slack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// An empty `/orchestrate` or `/plan`. The pickers' choices are filled in on delivery.
    Start {
        place: String,
        verb: super::command::Verb,
    },
    RequestChanges {
        about: String,
    },
    Reject {
        about: String,
    },
    Edit {
        about: String,
        page: super::edit::Page,
    },
}

/// The content of a form that was sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filled {
    Start { place: String, verb: super::command::Verb, text: String, settings: super::run::RunSettings },
    RequestChanges { about: String, text: String },
    Reject { about: String, reason: Option<String> },
    Edit { about: String, page: Box<super::edit::FilledPage> },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_button_is_about_survives_the_way_out_and_back() {
        let orchestration = OrchestrationId::new("o1");
        for subject in
            [Subject::Whole, Subject::Child(3), Subject::Proposal { version: 2, digest: "9f86d081884c".into() }]
        {
            let about = About { orchestration: orchestration.clone(), subject };
            assert_eq!(About::parse(&about.to_string()), Some(about));
        }
        for forged in ["", "/1/x", "o1/x", "o1/1/x/y", "o1/c"] {
            assert_eq!(About::parse(forged), None, "{forged}");
        }
    }
}
