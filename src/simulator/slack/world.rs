//! The workspace itself: its [records](super::records) and what happens to them.
//!
//! Plain data behind one lock. The Web API ([`super::api`]) and the people ([`super::people`]) change
//! it; nothing in here speaks HTTP.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

pub use super::records::{Author, Channel, ChannelKind, File, Message, ResponseUrl, Trigger, User, View};
use super::{Knobs, api::pace::Pace, deliver::Delivery, notices, tokens::Tokens, wire};
use crate::{
    ids::short_hash,
    time::{Clock, Timestamp},
};

/// What a workspace is called.
#[derive(Clone, Copy, Debug)]
pub struct Team {
    pub id: &'static str,
    pub name: &'static str,
    pub domain: &'static str,
    /// Ids count from here: Slack's are unique over all workspaces.
    pub first_number: u64,
}

#[derive(Debug)]
pub struct World {
    pub clock: Clock,
    pub team: Team,
    /// Whether our app is, and hears of what happens.
    pub installed: bool,
    pub tokens: Tokens,
    pub base_url: String,
    pub target: Option<String>,
    pub knobs: Knobs,
    pub users: Vec<User>,
    pub channels: Vec<Channel>,
    /// All messages of all channels, ephemerals too, in the order of their `ts`.
    pub messages: Vec<Message>,
    pub files: Vec<File>,
    pub views: Vec<View>,
    pub triggers: BTreeMap<String, Trigger>,
    pub responses: BTreeMap<String, ResponseUrl>,
    pub pace: Pace,
    /// Events that nobody has been told of yet.
    pub outgoing: VecDeque<Delivery>,
    /// Events whose delivery failed, to be sent again when they are due.
    pub retries: Vec<Delivery>,
    /// Webhooks that were answered with a success.
    pub taken: usize,
    pub last_sent: Option<super::deliver::Sent>,
    pub pings: Vec<String>,
    pub warnings: Vec<String>,
    /// Metadata of our posts, to notice equal ones.
    pub metadata_seen: BTreeSet<(String, String)>,
    counter: u64,
    last_second: (i64, u32),
}

impl World {
    pub fn new(clock: Clock, team: Team, tokens: Tokens) -> Self {
        let people = || ["U0ADA", "U0GRACE", "U0LINUS"].map(str::to_owned);
        let channel = |id: &str, name: &str, kind, members: BTreeSet<String>, bot_member| Channel {
            id: id.to_owned(),
            name: name.to_owned(),
            kind,
            members,
            bot_member,
        };
        Self {
            clock,
            team,
            installed: false,
            tokens,
            base_url: "http://127.0.0.1/simulator/slack".to_owned(),
            target: None,
            knobs: Knobs::default(),
            users: vec![
                User { id: "U0ADA", name: "Ada Lovelace", handle: "ada" },
                User { id: "U0GRACE", name: "Grace Hopper", handle: "grace" },
                User { id: "U0LINUS", name: "Linus", handle: "linus" },
            ],
            channels: vec![
                channel("C0ENG", "engineering", ChannelKind::Public, people().into(), true),
                channel("C0OPS", "operations", ChannelKind::Public, people().into(), true),
                channel(
                    "C0PRIV",
                    "secret",
                    ChannelKind::Private,
                    ["U0ADA", "U0GRACE"].map(str::to_owned).into(),
                    false,
                ),
            ],
            messages: Vec::new(),
            files: Vec::new(),
            views: Vec::new(),
            triggers: BTreeMap::new(),
            responses: BTreeMap::new(),
            pace: Pace::default(),
            outgoing: VecDeque::new(),
            retries: Vec::new(),
            taken: 0,
            last_sent: None,
            pings: Vec::new(),
            warnings: Vec::new(),
            metadata_seen: BTreeSet::new(),
            counter: team.first_number,
            last_second: (0, 0),
        }
    }

    /// Counts on from `start`, which has more milliseconds than a workspace that began before has ids.
    pub fn number_from(&mut self, start: Timestamp) {
        let millis = start.as_millis();
        self.counter += millis.unsigned_abs();
        // Of a second in which the former one posted as well, the posts of this one come later.
        self.last_second = (start.as_secs(), u32::try_from(millis.rem_euclid(1000)).unwrap_or_default());
    }

    pub fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    pub fn channel(&self, id: &str) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.id == id)
    }

    pub fn channel_mut(&mut self, id: &str) -> Option<&mut Channel> {
        self.channels.iter_mut().find(|channel| channel.id == id)
    }

    /// The conversation between a person and our bot, made when first needed.
    pub fn direct_channel(&mut self, user: &str) -> String {
        let id = format!("D{}", user.trim_start_matches('U'));
        if self.channel(&id).is_none() {
            self.channels.push(Channel {
                id: id.clone(),
                name: "directmessage".to_owned(),
                kind: ChannelKind::Direct,
                members: [user.to_owned()].into(),
                bot_member: true,
            });
        }
        id
    }

    /// A message of the channel's history.
    pub fn message(&self, channel: &str, ts: &str) -> Option<&Message> {
        self.messages.iter().find(|message| message.channel == channel && message.ts == ts && message.stands())
    }

    pub fn message_mut(&mut self, channel: &str, ts: &str) -> Option<&mut Message> {
        self.messages.iter_mut().find(|message| message.channel == channel && message.ts == ts && message.stands())
    }

    /// A root and its replies, oldest first.
    pub fn thread<'a>(&'a self, channel: &'a str, root: &'a str) -> impl Iterator<Item = &'a Message> {
        self.messages.iter().filter(move |message| {
            message.channel == channel
                && message.stands()
                && (message.ts == root || message.thread_ts.as_deref() == Some(root))
        })
    }

    /// Puts a message into its channel and tells the app about it if it can see it there.
    pub fn post(&mut self, mut message: Message) -> String {
        let ts = self.next_ts();
        message.ts.clone_from(&ts);
        wire::complete_blocks(&mut message.blocks, &ts);
        if message.author == Author::Us {
            notices::of_post(self, &message);
        }
        let event = message.only_to.is_none().then(|| wire::message_event(self, &message));
        let channel = message.channel.clone();
        self.messages.push(message);
        if let Some(event) = event {
            self.announce(&channel, &event);
        }
        ts
    }

    /// Replaces what a message says. The closure gets the message; Slack's event follows.
    pub fn change(&mut self, channel: &str, ts: &str, change: impl FnOnce(&mut Message)) {
        let Some(before) = self.message(channel, ts).cloned() else { return };
        let now = self.clock.now();
        if let Some(message) = self.message_mut(channel, ts) {
            change(message);
            message.edits += 1;
            message.last_update = Some(now);
            wire::complete_blocks(&mut message.blocks, ts);
        }
        let Some(after) = self.message(channel, ts).cloned() else { return };
        if after.author == Author::Us {
            notices::of_edit(self, &before, &after);
        }
        let at = self.next_ts();
        let event = wire::changed_event(self, &before, &after, &at);
        self.announce(channel, &event);
    }

    /// A root with replies stays as a tombstone in Slack; here it is marked, and its thread stays.
    pub fn delete(&mut self, channel: &str, ts: &str) {
        let Some(before) = self.message(channel, ts).cloned() else { return };
        self.take_away(channel, ts);
        let at = self.next_ts();
        let event = wire::deleted_event(self, &before, &at);
        self.announce(channel, &event);
    }

    pub fn take_away(&mut self, channel: &str, ts: &str) {
        if let Some(message) = self.message_mut(channel, ts) {
            message.deleted = true;
        }
    }

    /// Queues an event for our app, which hears only of channels that it is in.
    pub fn announce(&mut self, channel: &str, event: &Value) {
        if self.installed && self.channel(channel).is_some_and(|channel| channel.bot_member) {
            self.tell_app(event);
        }
    }

    pub fn tell_app(&mut self, event: &Value) {
        let body = wire::event_callback(self, event);
        self.outgoing.push_back(Delivery::event(&body, self.clock.now()));
    }

    /// A new pass for opening a view.
    pub fn trigger(&mut self, user: &str, view: Option<&str>) -> String {
        let number = self.next_number();
        let id = format!("{number:013}.1764000000000.{}", short_hash(&["trigger", &number.to_string()], 32));
        let trigger =
            Trigger { user: user.to_owned(), made: self.clock.now(), used: false, view: view.map(str::to_owned) };
        self.triggers.insert(id.clone(), trigger);
        id
    }

    /// A new address to answer an interaction at.
    pub fn response_url(
        &mut self,
        user: &str,
        channel: &str,
        original: Option<&str>,
        thread_ts: Option<&str>,
    ) -> String {
        let number = self.next_number();
        let id = format!("{number}-{}", short_hash(&["response", &number.to_string()], 24));
        let url = format!("{}/response/{id}", self.base_url);
        let response = ResponseUrl {
            user: user.to_owned(),
            channel: channel.to_owned(),
            made: self.clock.now(),
            uses: 0,
            original: original.map(str::to_owned),
            thread_ts: thread_ts.map(str::to_owned),
        };
        self.responses.insert(id, response);
        url
    }

    /// Unique, in order, and readable: `1764000000.000100`, then `.000200` within the same second.
    pub fn next_ts(&mut self) -> String {
        let second = self.clock.now().as_secs().max(self.last_second.0);
        self.last_second = if second == self.last_second.0 { (second, self.last_second.1 + 1) } else { (second, 1) };
        format!("{second}.{:06}", self.last_second.1 * 100)
    }

    /// `V0000000007` and the like.
    pub fn next_id(&mut self, prefix: &str) -> String {
        format!("{prefix}{:010}", self.next_number())
    }

    pub fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// Where a message can be looked at: Slack's form of a permalink.
    pub fn permalink(&self, message: &Message) -> String {
        let digits = message.ts.replace('.', "");
        let thread = message
            .thread_ts
            .as_ref()
            .map_or_else(String::new, |root| format!("?thread_ts={root}&cid={}", message.channel));
        format!("{}/archives/{}/p{digits}{thread}", self.base_url, message.channel)
    }

    /// What `fields` of an installation say about where it is: an org-wide one has no team.
    pub fn team_json(&self) -> Value {
        if self.knobs.org_install { Value::Null } else { json!({"id": self.team.id, "domain": self.team.domain}) }
    }

    pub fn enterprise_json(&self) -> Value {
        if self.knobs.org_install { json!({"id": super::ENTERPRISE, "name": "Baton Org"}) } else { Value::Null }
    }

    fn next_number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }
}
