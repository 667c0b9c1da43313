//! How a worker goes on in production: as long as there is something to do, then until it is woken,
//! something comes due, or a poll finds what a lost hint did not tell. And what it does about what
//! goes wrong on the way: a database that is busy, a piece of work that panics.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Result, Trouble};
use crate::time::{Clock, Timestamp};

/// A hint may be lost; the work of the queues is found after this long at the latest.
pub(super) const POLL: Duration = Duration::from_secs(5);
/// For workers that say when they want to go on.
pub(super) const RARELY: Duration = Duration::from_hours(1);
/// After an error, which is mostly the database being away.
const RECOVER: Duration = Duration::from_secs(1);
/// While rounds fail one after the other, that is told this often.
const TELL: Duration = Duration::from_mins(1);
/// What is due and cannot be had is with another replica, which is about to commit.
pub(super) const MOMENT: Duration = Duration::from_millis(20);
/// Between the attempts at one transaction, doubled each time.
const BUSY: Duration = Duration::from_millis(50);
/// Some twelve seconds in all: a database that restarts is back by then.
const MOST_TRIES: u32 = 9;

/// For workers that nothing wakes.
pub(super) static NEVER: Notify = Notify::const_new();

/// What one round of a worker did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// How many things it did; another round follows at once unless it was none.
    pub did: usize,
    /// When there will be something to do, as far as it knows.
    pub next: Option<Timestamp>,
}

pub(super) type Beat = Arc<dyn Fn(&'static str) + Send + Sync>;

/// What wakes a worker: a hint, and `poll` where there is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wake<'a> {
    pub hint: &'a Notify,
    pub poll: Duration,
}

/// Runs `round` again and again until `stop`.
pub(super) async fn until<F, R>(
    clock: &Clock,
    stop: &CancellationToken,
    name: &'static str,
    wake: Wake<'_>,
    beat: &Beat,
    round: F,
) where
    F: Fn() -> R,
    R: Future<Output = Result<Round>>,
{
    let mut fails = Fails::of(name);
    while !stop.is_cancelled() {
        beat(name);
        let wait = match fails.note(caught(round()).await) {
            Ok(Round { did: 0, next }) => until_due(clock, next, wake.poll),
            Ok(_) => continue,
            Err(wait) => wait,
        };
        tokio::select! {
            () = wake.hint.notified() => {}
            () = clock.sleep(wait) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// The rounds of a worker that fail: the first is told, then one a minute, then that it works again.
#[derive(Debug)]
pub(super) struct Fails {
    worker: &'static str,
    in_a_row: u32,
    told: Option<Instant>,
}

impl Fails {
    pub const fn of(worker: &'static str) -> Self {
        Self { worker, in_a_row: 0, told: None }
    }

    /// Passes on what a round brought, or how long to wait after one that failed.
    pub fn note<T>(&mut self, round: Result<T>) -> std::result::Result<T, Duration> {
        let worker = self.worker;
        match round {
            Ok(did) => {
                if self.in_a_row > 0 {
                    tracing::info!(worker, failed = self.in_a_row, "it works again");
                    *self = Self::of(worker);
                }
                Ok(did)
            }
            Err(error) => {
                self.in_a_row = self.in_a_row.saturating_add(1);
                if self.told.is_none_or(|told| told.elapsed() >= TELL) {
                    tracing::error!(worker, %error, failed = self.in_a_row, "a round failed");
                    self.told = Some(Instant::now());
                }
                Err(RECOVER)
            }
        }
    }
}

/// How long to wait for what is due at `next`, `poll` at the most.
pub(super) fn until_due(clock: &Clock, next: Option<Timestamp>, poll: Duration) -> Duration {
    next.map_or(poll, |next| next.since(clock.now()).clamp(MOMENT, poll))
}

/// A panic in a piece of work is an error like another, and its worker goes on.
pub(super) async fn caught<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or(Err(Trouble::Panicked))
}

/// Runs a transaction until the database takes it. Another may have gone first, or the connection is
/// gone; in that case it is not known whether it took effect, so it has to be fit for running twice.
pub(super) async fn until_taken<F, R, T>(transaction: F) -> Result<T>
where
    F: Fn() -> R,
    R: Future<Output = Result<T>>,
{
    let mut pause = BUSY;
    for _ in 1..MOST_TRIES {
        match caught(transaction()).await {
            Err(error) if error.is_passing() => tokio::time::sleep(pause).await,
            taken => return taken,
        }
        pause *= 2;
    }
    caught(transaction()).await
}
