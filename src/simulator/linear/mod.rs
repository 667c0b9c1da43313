//! A Linear workspace as it behaves, over real HTTP: the GraphQL API with its rules and limits,
//! OAuth, people who write issues and talk to an agent, and signed webhooks to Baton's door.
//!
//! `baton dev` mounts it and shows it in the playground page; stories act in it and read what
//! Baton said. It has wire shapes of its own (`hooks.rs`, `graphql/`) and shares none of our
//! client's code.

mod context;
mod deliver;
mod graphql;
mod hooks;
mod oauth;
mod pace;
mod people;
mod playground;
mod records;
mod sessions;
mod tokens;
mod transcript;
mod uploads;
mod world;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, RawPathParams, State},
    response::Redirect,
    routing::{get, post, put},
};
use http::{Method, StatusCode, Uri};
use tokio::sync::watch;

pub use deliver::{Answer, Retries, sign};
pub use graphql::UNSUCCESSFUL;
pub use people::Choice;
pub use records::{Activity, Attachment, Author, Comment, Content, Link, Session, Status};
pub use transcript::IssueView;

use super::faults::Faults;
use crate::time::{Clock, Timestamp};
use world::World;

pub const ORGANIZATION: &str = "0f9c1ea0-0000-4000-8000-000000000001";
pub const ORGANIZATION_NAME: &str = "Baton Demo";
pub const ORGANIZATION_KEY: &str = "baton-demo";
pub const APP_USER: &str = "ba700000-0000-4000-8000-000000000001";
pub const ADA: &str = "ada00000-0000-4000-8000-000000000001";
pub const GRACE: &str = "94ace000-0000-4000-8000-000000000002";
pub const LINUS: &str = "11a05000-0000-4000-8000-000000000003";

pub const CLIENT_ID: &str = "51a10000000000000000000000000001";
pub const CLIENT_SECRET: &str = "simulated0linear0client0secret00";
pub const WEBHOOK_SECRET: &str = "lin_wh_simulated0webhook0secret000";
/// The app's own, that does not end by itself: what `LINEAR_ACCESS_TOKEN` would be.
pub const ACCESS_TOKEN: &str = "lin_oauth_simulated0access0token00000000";
/// Ada's personal one, which goes without `Bearer`.
pub const API_KEY: &str = "lin_api_simulated0personal0key0000000000";

/// The id of the subscription, the same in every webhook.
const WEBHOOK_ID: &str = "7ed32400-0000-4000-8000-000000000001";
/// Where Baton's application is called back, below its own address.
const CALLBACK: &str = "/linear/oauth/callback";
const LARGEST_UPLOAD: usize = 64 * 1024 * 1024;

/// The simulated Linear. Cheap to clone; all clones are one workspace.
#[derive(Clone, Debug)]
pub struct Linear {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    world: Mutex<World>,
    clock: Clock,
    faults: Faults,
    client: Option<reqwest::Client>,
    changed: watch::Sender<u64>,
    /// Held while webhooks are sent, so that they arrive in order.
    sending: tokio::sync::Mutex<()>,
}

/// What can be set differently.
#[derive(Clone, Debug)]
pub struct Knobs {
    /// The types of webhooks that the app is subscribed to.
    pub subscribed: BTreeSet<String>,
    /// Every webhook arrives twice.
    pub duplicate: bool,
    /// Webhooks that wait together arrive newest first.
    pub reorder: bool,
    /// So many of the next webhooks never arrive.
    pub lose: usize,
    pub retries: Retries,
    /// Sessions have no creator, whoever began them.
    pub creator_null: bool,
    /// A session that the app begins itself is told to it like any other.
    pub announce_own_sessions: bool,
    /// What the workspace tells all agents.
    pub guidance: String,
    /// The app has agent sessions; otherwise it is only shown as a delegate.
    pub agent_sessions: bool,
    /// The workspace is connected to GitHub.
    pub github: bool,
    /// The app may ask for a token with its secret alone.
    pub client_credentials: bool,
    /// Where the app may be called back, besides its usual address.
    pub redirect_uris: BTreeSet<String>,
    pub requests_per_hour: u64,
    pub complexity_per_hour: u64,
}

impl Default for Knobs {
    fn default() -> Self {
        let subscribed = [
            "AgentSessionEvent",
            "AppUserNotification",
            "Comment",
            "Issue",
            "OAuthApp",
            "OAuthAuthorization",
            "PermissionChange",
        ];
        Self {
            subscribed: subscribed.map(str::to_owned).into(),
            duplicate: false,
            reorder: false,
            lose: 0,
            retries: Retries::default(),
            creator_null: false,
            announce_own_sessions: true,
            guidance: String::new(),
            agent_sessions: true,
            github: true,
            client_credentials: true,
            redirect_uris: BTreeSet::new(),
            requests_per_hour: 5_000,
            complexity_per_hour: 2_000_000,
        }
    }
}

impl Linear {
    pub fn new(clock: Clock, faults: Faults) -> Self {
        let inner = Inner {
            world: Mutex::new(World::new(clock.clone())),
            clock,
            faults,
            // Without certificates on the machine nobody is reached, and every answer has status 0.
            client: crate::http::client().ok(),
            changed: watch::Sender::new(0),
            sending: tokio::sync::Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// See [`super::World::number_from`].
    pub fn number_from(&self, start: Timestamp) {
        self.write(|world| world.number_from(start));
    }

    /// Where this is mounted: `http://127.0.0.1:7300/simulator/linear`. What Linear hands out as an
    /// address is below it.
    pub fn set_base_url(&self, url: &str) {
        self.write(|world| url.trim_end_matches('/').clone_into(&mut world.base_url));
    }

    /// Baton's base address: webhooks go to `/linear/webhooks` below it.
    pub fn set_target(&self, url: &str) {
        self.write(|world| world.target = Some(url.trim_end_matches('/').to_owned()));
    }

    /// The API, what Linear hands out addresses for, and the playground's API. The app nests it
    /// under `/simulator/linear`.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/graphql", post(graphql::handle))
            .route("/oauth/authorize", get(oauth::authorize))
            .route("/oauth/token", post(oauth::token))
            .route("/oauth/revoke", post(oauth::revoke))
            .route("/upload/{organization}/{id}", put(uploads::put))
            .route("/assets/{organization}/{id}/{name}", get(uploads::asset))
            .route("/baton-demo/{kind}/{id}", get(page))
            .route("/baton-demo/{kind}/{id}/{slug}", get(page))
            .layer(DefaultBodyLimit::max(LARGEST_UPLOAD))
            .fallback(unknown)
            .nest("/playground/api", playground::router())
            .with_state(self.clone())
    }

    pub fn knobs(&self, turn: impl FnOnce(&mut Knobs)) {
        self.write(|world| turn(&mut world.knobs));
    }

    /// A session with its issue as text for a snapshot; see `transcript.rs`.
    pub fn transcript(&self, session: &str) -> String {
        self.read(|world| world.session(session).map(|found| transcript::session(world, found)).unwrap_or_default())
    }

    /// An issue with all its sessions as text for a snapshot.
    pub fn issue_transcript(&self, issue: &str) -> String {
        self.read(|world| world.issue(issue).map(|found| transcript::issue(world, found)).unwrap_or_default())
    }

    pub fn session(&self, session: &str) -> Option<Session> {
        self.read(|world| world.session(session).cloned())
    }

    /// Every session, in the order of their beginning.
    pub fn sessions(&self) -> Vec<Session> {
        self.read(|world| world.sessions.clone())
    }

    /// All that was said in a session, oldest first, ephemeral ones that were replaced among them.
    pub fn activities(&self, session: &str) -> Vec<Activity> {
        self.read(|world| world.activities.iter().filter(|found| found.session == session).cloned().collect())
    }

    pub fn issue_view(&self, issue: &str) -> Option<IssueView> {
        self.read(|world| world.issue(issue).map(|found| transcript::issue_view(world, found)))
    }

    /// The sessions whose app was not heard of within ten seconds, even if it was later.
    pub fn unresponsive(&self) -> Vec<String> {
        self.read(|world| {
            let silent = world.sessions.iter().filter(|session| session.unresponsive);
            silent.map(|session| session.id.clone()).collect()
        })
    }

    /// Requests that no correct client sends, and habits that people would mind.
    pub fn objections(&self) -> Vec<String> {
        self.read(|world| world.objections.clone())
    }

    /// Changes whenever something in the workspace does.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
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

    /// As [`Linear::write`], for what nobody sees.
    fn adjust<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.lock())
    }

    /// The workspace at the present moment.
    fn lock(&self) -> MutexGuard<'_, World> {
        let mut world = self.inner.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance();
        world
    }
}

/// A request that Linear has no answer for.
async fn unknown(State(linear): State<Linear>, method: Method, uri: Uri) -> StatusCode {
    linear.write(|world| world.object(format!("{method} {}: there is nothing", uri.path())));
    StatusCode::NOT_FOUND
}

/// Where the addresses of issues and people lead: into the playground.
async fn page(params: RawPathParams) -> Redirect {
    let given = |name: &str| params.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
    if given("kind") == "issue" {
        return Redirect::to(&format!("/playground/linear#/{}", given("id")));
    }
    Redirect::to("/playground/linear")
}
