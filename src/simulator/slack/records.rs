//! What a workspace is made of: people, channels, messages, files, views, and the passes (trigger
//! ids, response addresses) that Slack hands out with an interaction.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{BOT_ID, BOT_USER, OTHER_BOT_ID};
use crate::{ids::short_hash, time::Timestamp};

/// A person.
#[derive(Clone, Debug)]
pub struct User {
    pub id: &'static str,
    pub name: &'static str,
    pub handle: &'static str,
}

impl User {
    pub fn email(&self) -> String {
        format!("{}@example.com", self.handle)
    }
}

#[derive(Clone, Debug)]
pub struct Channel {
    pub id: String,
    pub name: String,
    pub kind: ChannelKind,
    /// People only.
    pub members: BTreeSet<String>,
    pub bot_member: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    Public,
    Private,
    Direct,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    Person(String),
    /// Baton.
    Us,
    /// Another app's bot.
    OtherBot,
}

impl Author {
    pub fn id(&self) -> &str {
        match self {
            Self::Person(id) => id,
            Self::Us => BOT_USER,
            Self::OtherBot => OTHER_BOT_ID,
        }
    }

    pub const fn bot_id(&self) -> Option<&'static str> {
        match self {
            Self::Person(_) => None,
            Self::Us => Some(BOT_ID),
            Self::OtherBot => Some(OTHER_BOT_ID),
        }
    }
}

/// A message as Slack keeps it.
#[derive(Clone, Debug)]
pub struct Message {
    pub channel: String,
    pub ts: String,
    /// The root's `ts`, for a reply.
    pub thread_ts: Option<String>,
    pub author: Author,
    /// As on the wire: mrkdwn with `&`, `<` and `>` escaped.
    pub text: String,
    pub blocks: Vec<Value>,
    pub metadata: Option<Value>,
    /// Ids.
    pub files: Vec<String>,
    /// Name, and who reacted.
    pub reactions: Vec<(String, Vec<String>)>,
    /// When a person edited it, or we did without blocks: what Slack shows as "(edited)".
    pub edited: Option<(String, String)>,
    /// How often its content was replaced.
    pub edits: usize,
    /// Only this person sees it.
    pub only_to: Option<String>,
    /// A reply that is also shown in the channel.
    pub broadcast: bool,
    pub deleted: bool,
    pub last_update: Option<Timestamp>,
}

impl Message {
    pub fn new(channel: &str, author: Author, text: &str) -> Self {
        Self {
            channel: channel.to_owned(),
            ts: String::new(),
            thread_ts: None,
            author,
            text: text.to_owned(),
            blocks: Vec::new(),
            metadata: None,
            files: Vec::new(),
            reactions: Vec::new(),
            edited: None,
            edits: 0,
            only_to: None,
            broadcast: false,
            deleted: false,
            last_update: None,
        }
    }

    /// In a channel's history: neither ephemeral nor deleted.
    pub const fn stands(&self) -> bool {
        self.only_to.is_none() && !self.deleted
    }
}

#[derive(Clone, Debug)]
pub struct File {
    pub id: String,
    pub name: String,
    pub title: String,
    pub mimetype: &'static str,
    /// What was announced.
    pub length: usize,
    /// What came.
    pub bytes: Option<Vec<u8>>,
    pub created: Timestamp,
    /// Channel, message and thread of each share.
    pub shares: Vec<(String, String, Option<String>)>,
}

/// A modal or a Home tab, as shown to one person.
#[derive(Clone, Debug)]
pub struct View {
    pub id: String,
    pub user: String,
    pub root: String,
    pub previous: Option<String>,
    /// Counts the versions, for `hash`.
    pub version: u64,
    /// What the app sent, ids filled in.
    pub content: Value,
}

impl View {
    pub fn is_modal(&self) -> bool {
        self.content["type"] == "modal"
    }

    pub fn hash(&self) -> String {
        format!("{}.{}", self.version, short_hash(&[&self.id, &self.version.to_string()], 8))
    }
}

#[derive(Clone, Debug)]
pub struct Trigger {
    pub user: String,
    pub made: Timestamp,
    pub used: bool,
    /// The view in which the interaction happened.
    pub view: Option<String>,
}

/// What a `response_url` may be used for.
#[derive(Clone, Debug)]
pub struct ResponseUrl {
    pub user: String,
    pub channel: String,
    pub made: Timestamp,
    pub uses: u32,
    /// The message that was interacted with; a command has none.
    pub original: Option<String>,
    pub thread_ts: Option<String>,
}
