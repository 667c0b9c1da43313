//! Reconciling, at start and every few minutes, by one replica for all: what was lost on the way is
//! found and put right, once, and told on the page `/mended`.
//!
//! A round looks at Linear's sessions (`sessions.rs`), sends again what was given up (`given_up.rs`),
//! lists the runs that Oz has since the last round (`runs.rs`, one request for a hundred of them), and
//! then looks for orchestrations that wait for nothing (`idle.rs`). What it costs grows with what is new.

mod given_up;
mod idle;
mod runs;
mod sessions;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    Core, Result,
    lead::{Lead, Turn, hold_reading, leads, turn_to_read},
    work::Round,
};
use crate::{
    domain::failure::Failure,
    ids::OrchestrationId,
    oz::limits::Call,
    storage::{
        Tx, kept,
        mended::{self, Finding, LAST_ROUND},
    },
    time::Timestamp,
};

/// Between two rounds, over all replicas.
const EVERY: Duration = Duration::from_mins(3);
/// A replica that has just started does not wait so long, unless there was a round a moment ago: many
/// that start at once, or one that starts again and again, are no storm.
const AT_START: Duration = Duration::from_secs(30);
const AFTER_FAILURE: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub struct Reconcile {
    core: Arc<Core>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// This replica has been through a round, or has left one to another.
    started: bool,
    /// The listing under way: a round that waits for its turn to read goes on from here.
    listing: Option<runs::Listing>,
}

impl Reconcile {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core, state: Mutex::default() }
    }

    /// One round, as far as it goes without waiting for the pace of reading Oz.
    pub async fn run_once(&self) -> Result<Round> {
        let now = self.core.clock.now();
        let begun = self.lock().listing.take();
        let listing = match begun {
            Some(listing) => listing,
            None => match self.begin(now).await? {
                Ok(listing) => listing,
                Err(at) => return Ok(Round { did: 0, next: Some(at) }),
            },
        };
        self.list(listing, now).await
    }

    /// The part of a round that asks nothing of Oz; or when the next one is due.
    async fn begin(&self, now: Timestamp) -> Result<std::result::Result<runs::Listing, Timestamp>> {
        let pause = if self.lock().started { EVERY } else { AT_START };
        let last = kept::get(&self.core.store, LAST_ROUND).await?.map(|(_, at)| at);
        // A clock that was set back is not waited for.
        if let Some(last) = last.filter(|last| *last <= now && now.since(*last) < pause) {
            return Ok(Err(last + pause));
        }
        if !leads(&self.core, Lead::Reconcile, now).await? {
            self.lock().started = true;
            return Ok(Err(now + EVERY));
        }
        sessions::run(&self.core, now).await?;
        given_up::run(&self.core, now).await?;
        Ok(Ok(runs::begin(&self.core, now).await?))
    }

    async fn list(&self, mut listing: runs::Listing, now: Timestamp) -> Result<Round> {
        let at = match turn_to_read(&self.core, Lead::Reconcile, Call::Sweep, now).await? {
            Turn::Now => match runs::read_page(&self.core, &mut listing, now).await? {
                Ok(true) => return self.end(&listing, now).await,
                Ok(false) => now,
                Err(failure) => self.failed(&failure, now).await?,
            },
            Turn::At(at) => at,
            Turn::Others => {
                self.lock().started = true;
                return Ok(Round { did: 0, next: Some(now + EVERY) });
            }
        };
        self.lock().listing = Some(listing);
        Ok(Round { did: usize::from(at == now), next: Some(at) })
    }

    /// When the same page is asked for again.
    async fn failed(&self, failure: &Failure, now: Timestamp) -> Result<Timestamp> {
        tracing::warn!(problem = %failure.problem().code, "Oz does not list its runs");
        let mut wait = AFTER_FAILURE;
        if let Failure::Transient { after: Some(after), .. } = failure {
            wait = wait.max(*after);
            hold_reading(&self.core, now + *after).await?;
        }
        Ok(now + wait)
    }

    /// All runs are known: what still waits for nothing hangs.
    async fn end(&self, listing: &runs::Listing, now: Timestamp) -> Result<Round> {
        idle::run(&self.core, now).await?;
        let mut tx = self.core.store.begin("end a round of reconciling").await?;
        runs::keep_cursor(&mut tx, listing, now).await?;
        kept::put(&mut tx, LAST_ROUND, "", now).await?;
        tx.commit().await?;
        self.lock().started = true;
        Ok(Round { did: 0, next: Some(now + EVERY) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The words for what is mended, on the page, in the log and in the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A start of ours whose answer was lost.
    RunAdopted,
    /// A run that one of ours started, and that nobody had told us of.
    ChildShown,
    /// It worked on, though all had been stopped.
    RunStopped,
    /// It names an orchestration, and is left alone.
    RunUnknown,
    /// The board had been given up, or deleted.
    BoardShown,
    /// The last message of an orchestration had been given up.
    EndingTold,
    /// Something else that was to be said.
    SaidAgain,
    /// A session that no webhook told of, or a part of it.
    SessionAdopted,
    /// A session that showed us at work when all had ended.
    SessionClosed,
    /// Nothing had been under way.
    WentOn,
    /// Nothing is under way, and nothing could be done about it.
    Hangs,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::RunAdopted => "run_adopted",
            Self::ChildShown => "child_shown",
            Self::RunStopped => "run_stopped",
            Self::RunUnknown => "run_unknown",
            Self::BoardShown => "board_shown",
            Self::EndingTold => "ending_told",
            Self::SaidAgain => "said_again",
            Self::SessionAdopted => "session_adopted",
            Self::SessionClosed => "session_closed",
            Self::WentOn => "went_on",
            Self::Hangs => "hangs",
        }
    }
}

/// Writes down what is mended, in the transaction that mends it. `key` names what was found.
pub(super) async fn tell(
    tx: &mut Tx,
    kind: Kind,
    orchestration: Option<&OrchestrationId>,
    key: String,
    what: String,
    now: Timestamp,
) -> Result<()> {
    let finding = Finding { key, kind: kind.as_str(), orchestration: orchestration.cloned(), what };
    if mended::add(tx, &finding, now).await? {
        let id = orchestration.map(tracing::field::display);
        if matches!(kind, Kind::RunUnknown | Kind::Hangs) {
            tracing::warn!(orchestration.id = id, kind = finding.kind, key = finding.key, "found amiss");
        } else {
            tracing::info!(orchestration.id = id, kind = finding.kind, key = finding.key, "mended");
        }
    }
    Ok(())
}
