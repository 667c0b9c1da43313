//! The workers: they turn stored events into decisions, carry out what was decided, and bring back
//! what came of it. `app` starts them; stories call their `run_once` one after the other.
//!
//! ```text
//! inbox ──► decide ──► state + outbox rows (one commit) ──► outbox ──► Slack, Oz
//!              ▲                                               │
//!              └──── progress (follow) · timers · what a delivery brought back ◄┘
//! ```

mod apply;
mod carry;
mod choices;
mod follow;
mod inbox;
mod lanes;
mod lead;
mod outbox;
mod retention;
mod retry;
mod timers;
mod work;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::{Notify, OnceCell};
use tokio_util::sync::CancellationToken;

pub use follow::Follow;
pub use inbox::Inbox;
pub use outbox::Outbox;
pub use timers::Timers;

use crate::{
    domain::{
        actor::Platform,
        errand::{Carried, Errand},
        failure::{Failure, Problem},
        route::Routes,
    },
    oz::Oz,
    slack::{client::Slack, inbound::Identity},
    storage::{Store, StoreError, kept},
    telemetry::Metrics,
    time::Clock,
};

use work::{Round, Wake};

type Result<T, E = Trouble> = std::result::Result<T, E>;

/// Why a piece of work was not done.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A mistake of ours. It will happen again, so whatever it is about has to be put aside.
    #[error("it panicked")]
    Panicked,
}

impl Trouble {
    /// The same work may succeed when it is done again.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Panicked => false,
        }
    }
}

/// What every worker works with.
#[derive(Debug)]
pub struct Core {
    pub store: Store,
    pub clock: Clock,
    pub routes: Routes,
    pub slack: Slack,
    pub oz: Oz,
    /// The address of the operator's pages, for links.
    pub pages: Option<String>,
    pub metrics: Metrics,
    /// Tells replicas apart in leases.
    pub replica: String,
    /// A run was started or told something: its progress is worth asking for.
    moved: Moved,
    slack_identity: OnceCell<Identity>,
}

/// What a [`Core`] is made of.
#[derive(Debug)]
pub struct Parts {
    pub store: Store,
    pub clock: Clock,
    pub routes: Routes,
    pub slack: Slack,
    pub oz: Oz,
    pub pages: Option<String>,
    pub metrics: Metrics,
}

#[derive(Debug, Default)]
struct Moved {
    since_last_sweep: AtomicBool,
    hint: Notify,
}

/// Where the identity that Slack told us is kept, so that a start does not need Slack.
const SLACK_IDENTITY: &str = "slack.identity";

impl Core {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { store, clock, routes, slack, oz, pages, metrics } = parts;
        let replica = uuid::Uuid::new_v4().simple().to_string();
        Self {
            store,
            clock,
            routes,
            slack,
            oz,
            pages,
            metrics,
            replica,
            moved: Moved::default(),
            slack_identity: OnceCell::new(),
        }
    }

    fn runs_moved(&self) {
        self.moved.since_last_sweep.store(true, Ordering::Relaxed);
        self.moved.hint.notify_one();
    }

    /// Who we are in Slack: asked once, then kept. None while neither Slack nor the store can tell.
    async fn slack_identity(&self) -> Result<Option<&Identity>> {
        if let Some(identity) = self.slack_identity.get() {
            return Ok(Some(identity));
        }
        let identity = match self.slack.identity().await {
            Ok(identity) => {
                let identity = identity.clone();
                let json = serde_json::to_string(&identity).unwrap_or_default();
                let mut tx = self.store.begin("keep identity").await?;
                kept::put(&mut tx, SLACK_IDENTITY, &json, self.clock.now()).await?;
                tx.commit().await?;
                Some(identity)
            }
            Err(failure) => {
                tracing::warn!(problem = %failure.problem().code, "Slack does not tell who we are");
                let kept = kept::get(&self.store, SLACK_IDENTITY).await?;
                kept.and_then(|(json, _)| serde_json::from_str(&json).ok())
            }
        };
        match identity {
            Some(identity) => Ok(Some(self.slack_identity.get_or_init(|| async { identity }).await)),
            None => Ok(None),
        }
    }

    /// Has the platform of the errand's conversation carry it out.
    async fn carry_out(&self, errand: &Errand) -> std::result::Result<Carried, Failure> {
        match errand.conversation.platform {
            Platform::Slack => self.slack.carry_out(errand).await,
            Platform::Linear => Err(Failure::Refused(Problem::new("platform_not_configured"))),
        }
    }
}

/// All workers of one process.
#[derive(Debug)]
pub struct Workers {
    pub inbox: Inbox,
    pub outbox: Outbox,
    pub timers: Timers,
    pub follow: Follow,
    core: Arc<Core>,
}

impl Workers {
    #[must_use]
    pub fn new(core: &Arc<Core>, poll_interval: std::time::Duration) -> Self {
        Self {
            inbox: Inbox::new(Arc::clone(core)),
            outbox: Outbox::new(Arc::clone(core)),
            timers: Timers::new(Arc::clone(core)),
            follow: Follow::new(Arc::clone(core), poll_interval),
            core: Arc::clone(core),
        }
    }

    /// Asks Oz for what the form's pickers offer, when it is time; [`Workers::run`] does so by itself.
    pub async fn refresh_choices(&self) -> Result<Round> {
        choices::run_once(&self.core).await
    }

    /// Works until `stop`; then finishes what is under way. `beat` is told which worker is alive.
    pub async fn run(self, stop: CancellationToken, beat: impl Fn(&'static str) + Send + Sync + 'static) {
        let beat: Arc<dyn Fn(&'static str) + Send + Sync> = Arc::new(beat);
        let Self { inbox, outbox, timers, follow, core } = self;
        let wakes = core.store.wakes();
        let queue = |hint| Wake { hint, poll: work::POLL };
        let rarely = Wake { hint: &work::NEVER, poll: work::RARELY };
        tokio::join!(
            work::until(&core.clock, &stop, "inbox", queue(&wakes.inbox), &beat, || inbox.run_once()),
            outbox.run(&stop, &beat),
            work::until(&core.clock, &stop, "timers", queue(&wakes.timers), &beat, || timers.run_once()),
            work::until(&core.clock, &stop, "follow", queue(&core.moved.hint), &beat, || follow.run_once()),
            work::until(&core.clock, &stop, "choices", rarely, &beat, || choices::run_once(&core)),
            work::until(&core.clock, &stop, "retention", rarely, &beat, || retention::run_once(&core)),
        );
        lead::resign(&core).await;
    }
}
