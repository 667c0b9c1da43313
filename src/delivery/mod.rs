//! The workers: they turn stored events into decisions, carry out what was decided, and bring back
//! what came of it. `app` starts them; stories call their `run_once` one after the other.
//!
//! ```text
//! inbox ──► decide ──► state + outbox rows (one commit) ──► outbox ──► Slack, Oz
//!              ▲                                               │
//!              └──── progress (follow) · timers · what a delivery brought back ◄┘
//! ```

mod acting;
mod admit;
mod ahead;
mod apply;
mod brake;
mod carry;
mod choices;
mod follow;
mod inbox;
mod lanes;
mod lead;
mod leave;
mod outbox;
mod pacing;
mod platforms;
mod reconcile;
mod retention;
mod retry;
pub mod seals;
mod settle;
mod timers;
mod turns;
mod work;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use follow::Follow;
pub use inbox::Inbox;
pub use outbox::Outbox;
pub use platforms::Platforms;
pub use reconcile::Reconcile;
pub use retention::Upkeep;
pub use timers::Timers;

use crate::{
    domain::route::Routes,
    oz::Oz,
    storage::{Store, StoreError, ingest::Ingest},
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
    pub platforms: Platforms,
    pub oz: Oz,
    /// The address of the operator's pages, for links.
    pub pages: Option<String>,
    pub metrics: Metrics,
    /// What is reconciled comes in by the same way as webhooks.
    pub ingest: Ingest,
    pub upkeep: Upkeep,
    /// Tells replicas apart in leases.
    pub replica: String,
    /// A run was started or told something: its progress is worth asking for.
    moved: Moved,
    brakes: brake::Brakes,
    looked_ahead: ahead::Looked,
    waits: lead::Waits,
}

/// What a [`Core`] is made of.
#[derive(Debug)]
pub struct Parts {
    pub store: Store,
    pub clock: Clock,
    pub routes: Routes,
    pub platforms: Platforms,
    pub oz: Oz,
    pub pages: Option<String>,
    pub metrics: Metrics,
    pub ingest: Ingest,
    pub upkeep: Upkeep,
}

#[derive(Debug, Default)]
struct Moved {
    since_last_sweep: AtomicBool,
    hint: Notify,
}

impl Core {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { store, clock, routes, platforms, oz, pages, metrics, ingest, upkeep } = parts;
        let replica = uuid::Uuid::new_v4().simple().to_string();
        let brakes = brake::Brakes::new(&replica);
        let (moved, looked_ahead) = (Moved::default(), ahead::Looked::default());
        Self {
            store,
            clock,
            routes,
            platforms,
            oz,
            pages,
            metrics,
            ingest,
            upkeep,
            replica,
            moved,
            brakes,
            looked_ahead,
            waits: lead::Waits::default(),
        }
    }

    fn runs_moved(&self) {
        self.moved.since_last_sweep.store(true, Ordering::Relaxed);
        self.moved.hint.notify_one();
    }
}

/// All workers of one process.
#[derive(Debug)]
pub struct Workers {
    pub inbox: Inbox,
    pub outbox: Outbox,
    pub timers: Timers,
    pub follow: Follow,
    reconcile: Reconcile,
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
            reconcile: Reconcile::new(Arc::clone(core)),
            core: Arc::clone(core),
        }
    }

    /// Asks Oz for what the form's pickers offer, when it is time; [`Workers::run`] does so by itself.
    pub async fn refresh_choices(&self) -> Result<Round> {
        choices::run_once(&self.core).await
    }

    /// Finds and mends what was lost; [`Workers::run`] does so by itself, every few minutes.
    pub async fn reconcile(&self) -> Result<Round> {
        self.reconcile.run_once().await
    }

    /// Forgets what is old and seals anew, when it is time; [`Workers::run`] does so by itself, hourly.
    pub async fn keep_up(&self) -> Result<Round> {
        retention::run_once(&self.core).await
    }

    /// Works until `stop`; then finishes what is under way. `beat` is told which worker is alive.
    pub async fn run(self, stop: CancellationToken, beat: impl Fn(&'static str) + Send + Sync + 'static) {
        let beat: Arc<dyn Fn(&'static str) + Send + Sync> = Arc::new(beat);
        let Self { inbox, outbox, timers, follow, reconcile, core } = self;
        let wakes = core.store.wakes();
        let queue = |hint| Wake { hint, poll: work::POLL };
        let rarely = Wake { hint: &work::NEVER, poll: work::RARELY };
        tokio::join!(
            work::until(&core.clock, &stop, "inbox", queue(&wakes.inbox), &beat, || inbox.run_once()),
            outbox.run(&stop, &beat),
            work::until(&core.clock, &stop, "timers", queue(&wakes.timers), &beat, || timers.run_once()),
            work::until(&core.clock, &stop, "follow", queue(&core.moved.hint), &beat, || follow.run_once()),
            work::until(&core.clock, &stop, "choices", rarely, &beat, || choices::run_once(&core)),
            work::until(&core.clock, &stop, "reconcile", rarely, &beat, || reconcile.run_once()),
            work::until(&core.clock, &stop, "retention", rarely, &beat, || retention::run_once(&core)),
        );
        lead::resign(&core).await;
    }
}
