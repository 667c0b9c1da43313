//! How a worker goes on in production: as long as there is something to do, then until it is woken,
//! something comes due, or a poll finds what a lost hint did not tell.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Result;
use crate::time::{Clock, Timestamp};

/// A hint may be lost; the work of the queues is found after this long at the latest.
pub(super) const POLL: Duration = Duration::from_secs(5);
/// For workers that say when they want to go on.
pub(super) const RARELY: Duration = Duration::from_hours(1);
/// After an error, which is mostly the database being away.
const RECOVER: Duration = Duration::from_secs(1);

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
    while !stop.is_cancelled() {
        beat(name);
        let wait = match round().await {
            Ok(Round { did: 0, next }) => next.map_or(wake.poll, |next| next.since(clock.now()).min(wake.poll)),
            Ok(_) => continue,
            Err(error) => {
                tracing::error!(worker = name, %error, "a round failed");
                RECOVER
            }
        };
        tokio::select! {
            () = wake.hint.notified() => {}
            () = clock.sleep(wait) => {}
            () = stop.cancelled() => {}
        }
    }
}
