//! A Slack workspace as it behaves, over real HTTP: the Web API with its rules and limits, people
//! who write, click and fill in forms, and signed webhooks to Baton's door.
//!
//! `baton dev` mounts it and shows it in the playground page; stories act in it and read what
//! Baton said. It has wire shapes of its own (`wire.rs`) and shares none of our client's code.

mod api;
mod archive;
mod blocks;
mod clicks;
mod composer;
mod deliver;
mod elements;
mod forms;
mod notices;
mod oauth;
mod people;
mod playground;
mod reading;
mod records;
mod responses;
mod socket;
mod tokens;
mod transcript;
mod views;
mod wire;
mod world;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{any, get, post},
};
use serde_json::Value;
use tokio::sync::watch;

pub use clicks::{Refused, Use};
pub use deliver::{Answer, sign};
pub use world::{Author, File, Message};

use super::faults::Faults;
use crate::time::{Clock, Timestamp};
use tokens::Tokens;
use world::{Team, World};

pub const SIGNING_SECRET: &str = "simulated0signing0secret00000000";
pub const BOT_TOKEN: &str = "xoxb-1764000000000-1764000000000-simulatedsimulatedsimula";

/// Of the app and not of a workspace: it opens sockets.
pub const APP_TOKEN: &str = "xapp-1-A0BATON-1764000000000-simulated";

pub const CLIENT_ID: &str = "1764000000000.1764000000000";
pub const CLIENT_SECRET: &str = "simulated0client0secret000000000";

pub const TEAM: &str = "T0BATON";
/// The workspace beside it, where our app can be installed.
pub const OTHER_TEAM: &str = "T0OTHER";
/// Where an org-wide install belongs to.
pub const ENTERPRISE: &str = "E0BATON";
pub const BOT_USER: &str = "U0BATON";
pub const BOT_ID: &str = "B0BATON";
pub const APP_ID: &str = "A0BATON";
pub const OTHER_BOT_ID: &str = "B0OTHER";

/// A group of people, as policies may name it.
pub const GROUP: &str = "S0LEADS";
pub const GROUP_MEMBERS: [&str; 2] = ["U0GRACE", "U0LINUS"];

/// The largest upload that is taken.
const LARGEST_UPLOAD: usize = 64 * 1024 * 1024;

/// The simulated Slack. Cheap to clone; all clones are one workspace.
#[derive(Clone, Debug)]
pub struct Slack {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    world: Mutex<World>,
    clock: Clock,
    faults: Faults,
    client: Option<reqwest::Client>,
    changed: watch::Sender<u64>,
    /// Held while events are sent, so that they arrive in order.
    sending: tokio::sync::Mutex<()>,
    /// The app's sockets, over which everything is sent while there are any.
    links: socket::Links,
    /// Other workspaces that are reached through the same API.
    beside: Vec<Slack>,
}

/// What can be set differently.
#[derive(Clone, Debug)]
pub struct Knobs {
    /// Of the bot's token.
    pub scopes: BTreeSet<String>,
    pub token_revoked: bool,
    /// The app is installed for a whole organisation: interactions have no team.
    pub org_install: bool,
    /// Refuse with 429 what is faster than Slack allows.
    pub enforce_pace: bool,
    /// Send events again that Baton did not take.
    pub deliver_retries: bool,
    /// Whoever is asked to allow an install does not.
    pub deny_installs: bool,
    /// Tokens that an install gives end after twelve hours.
    pub token_rotation: bool,
    /// Every event arrives twice.
    pub duplicate: bool,
    /// Events that wait together arrive newest first.
    pub reorder: bool,
    /// Whoever edits a message again sooner is complained of: 3 s by Slack's advice. Less where what
    /// left in time may arrive late, because the machine is busy.
    pub between_edits: Duration,
}

impl Default for Knobs {
    fn default() -> Self {
        let scopes = [
            "app_mentions:read",
            "channels:history",
            "channels:read",
            "chat:write",
            "commands",
            "files:read",
            "files:write",
            "groups:history",
            "groups:read",
            "im:history",
            "im:read",
            "im:write",
            "mpim:history",
            "mpim:read",
            "reactions:write",
            "usergroups:read",
            "users:read",
            "users:read.email",
        ];
        Self {
            scopes: scopes.map(str::to_owned).into(),
            token_revoked: false,
            org_install: false,
            enforce_pace: false,
            deliver_retries: true,
            deny_installs: false,
            token_rotation: false,
            duplicate: false,
            reorder: false,
            between_edits: Duration::from_secs(3),
        }
    }
}

impl Slack {
    /// A workspace with the app in it, and one beside it where it can be installed.
    pub fn new(clock: Clock, faults: Faults) -> Self {
        let team = Team { id: OTHER_TEAM, name: "Other Demo", domain: "other-demo", first_number: 1_000_000 };
        let other = World::new(clock.clone(), team, Tokens::new(OTHER_TEAM));
        let team = Team { id: TEAM, name: "Baton Demo", domain: "baton-demo", first_number: 0 };
        let mut world = World::new(clock, team, Tokens::new(TEAM).with_fixed(BOT_TOKEN));
        world.installed = true;
        let other = Self::of(other, faults.clone(), Vec::new());
        Self::of(world, faults, vec![other])
    }

    fn of(world: World, faults: Faults, beside: Vec<Self>) -> Self {
        let inner = Inner {
            clock: world.clock.clone(),
            world: Mutex::new(world),
            faults,
            // Without certificates on the machine nobody is reached, and every answer has status 0.
            client: crate::http::client().ok(),
            changed: watch::Sender::new(0),
            sending: tokio::sync::Mutex::default(),
            links: socket::Links::default(),
            beside,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The workspace beside this one: other people and channels, by the same ids.
    #[must_use]
    pub fn other(&self) -> Self {
        self.inner.beside.first().unwrap_or(self).clone()
    }

    /// See [`super::World::number_from`].
    pub fn number_from(&self, start: Timestamp) {
        self.write(|world| world.number_from(start));
        self.inner.beside.iter().for_each(|slack| slack.number_from(start));
    }

    /// Where this is mounted: `http://127.0.0.1:7300/simulator/slack`. What Slack hands out as an
    /// address is below it.
    pub fn set_base_url(&self, url: &str) {
        let url = url.trim_end_matches('/');
        self.write(|world| url.clone_into(&mut world.base_url));
        for slack in &self.inner.beside {
            slack.set_base_url(&format!("{url}/{}", slack.read(|world| world.team.id)));
        }
    }

    /// Baton's base address: webhooks go to `/slack/…` below it.
    pub fn set_target(&self, url: &str) {
        self.write(|world| world.target = Some(url.trim_end_matches('/').to_owned()));
        self.inner.beside.iter().for_each(|slack| slack.set_target(url));
    }

    /// The Web API, what Slack hands out addresses for, and the playground's API. The app nests it
    /// under `/simulator/slack`.
    pub fn router(&self) -> Router {
        let router = Router::new()
            .route("/api/{method}", any(api::handle))
            .route("/link", get(socket::connect))
            .route("/oauth/v2/authorize", get(oauth::authorize))
            .route("/response/{id}", post(responses::handle))
            .route("/upload/{id}", post(archive::upload))
            .route("/files/{id}/{name}", get(archive::download))
            .route("/archives/{channel}/{message}", get(archive::permalink))
            .layer(DefaultBodyLimit::max(LARGEST_UPLOAD))
            .nest("/playground/api", playground::router())
            .with_state(self.clone());
        self.inner.beside.iter().fold(router, |router, slack| {
            router.nest(&format!("/{}", slack.read(|world| world.team.id)), slack.router())
        })
    }

    pub fn knobs(&self, turn: impl FnOnce(&mut Knobs)) {
        self.write(|world| turn(&mut world.knobs));
    }

    /// Takes the bot out of a channel.
    pub fn remove_bot(&self, channel: &str) {
        self.set_bot_member(channel, false);
    }

    pub fn invite_bot(&self, channel: &str) {
        self.set_bot_member(channel, true);
    }

    /// Every message of a channel that stands, replies too, oldest first.
    pub fn messages(&self, channel: &str) -> Vec<Message> {
        self.select(|message| message.channel == channel && message.stands())
    }

    /// A root and its replies, oldest first.
    pub fn thread(&self, channel: &str, root: &str) -> Vec<Message> {
        self.read(|world| world.thread(channel, root).cloned().collect())
    }

    /// What only this person sees, oldest first.
    pub fn ephemerals(&self, user: &str) -> Vec<Message> {
        self.select(|message| message.only_to.as_deref() == Some(user) && !message.deleted)
    }

    /// The views that a person has open, the top one last, as Slack hands them out.
    pub fn views(&self, user: &str) -> Vec<Value> {
        self.read(|world| {
            let views = world.views.iter().filter(|view| view.user == user);
            views.map(|view| wire::view_json(world, view, &forms::initial_values(&view.content))).collect()
        })
    }

    /// Files that were shared, oldest first.
    pub fn files(&self) -> Vec<File> {
        self.read(|world| world.files.iter().filter(|file| !file.shares.is_empty()).cloned().collect())
    }

    /// The whole channel as text for a snapshot; see `transcript.rs`.
    pub fn transcript(&self, channel: &str) -> String {
        self.read(|world| transcript::channel(world, channel))
    }

    /// What a message shows: its blocks as lines, or its text.
    pub fn shown(&self, message: &Message) -> String {
        self.read(|world| transcript::content(world, message).join("\n"))
    }

    /// How often a message was edited.
    pub fn edits(&self, ts: &str) -> usize {
        self.select(|message| message.ts == ts).first().map_or(0, |message| message.edits)
    }

    /// Changes whenever something in the workspace does.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }

    /// What Baton posted that pinged a channel or a group; see `notices.rs`.
    pub fn pings(&self) -> Vec<String> {
        self.read(|world| world.pings.clone())
    }

    /// Habits that real Slack lets pass until they hurt; see `notices.rs`.
    pub fn warnings(&self) -> Vec<String> {
        self.read(|world| world.warnings.clone())
    }

    fn set_bot_member(&self, id: &str, member: bool) {
        self.write(|world| {
            if let Some(channel) = world.channel_mut(id) {
                channel.bot_member = member;
            }
        });
    }

    fn select(&self, wanted: impl Fn(&&Message) -> bool) -> Vec<Message> {
        self.read(|world| world.messages.iter().filter(wanted).cloned().collect())
    }

    fn read<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.lock())
    }

    /// Changes the workspace and wakes whoever waits for that.
    fn write<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = change(&mut self.lock());
        self.inner.changed.send_modify(|version| *version += 1);
        result
    }

    /// As [`Slack::write`], for what nobody sees.
    fn adjust<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.inner.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
