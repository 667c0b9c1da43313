//! How long a worker may speak for what it has claimed: until a while before its lease ends, by the
//! clock on the wall and by one that nobody sets. A process that was stopped in between finds its leave
//! ended, however much of its work is left; what it had begun is looked for by whoever took it over.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    http::{MaySpeak, speaking_while},
    time::{Clock, Timestamp},
};

/// Cheap to clone; all clones are one leave.
#[derive(Clone, Debug)]
pub(super) struct Leave {
    clock: Clock,
    ends: Arc<Mutex<Ends>>,
}

/// The clock that is set may be set back, the other one may stand still while the machine sleeps.
#[derive(Clone, Copy, Debug)]
struct Ends {
    at: Timestamp,
    by: Instant,
}

impl Leave {
    /// For `length` from `since`, when the lease was asked for.
    pub fn given(clock: &Clock, since: Timestamp, length: Duration) -> Self {
        Self { clock: clock.clone(), ends: Arc::new(Mutex::new(Ends::after(since, length))) }
    }

    /// The lease was renewed.
    pub fn renew(&self, since: Timestamp, length: Duration) {
        *self.lock() = Ends::after(since, length);
    }

    /// Does `work`, in which requests are sent while the leave lasts. None when it ended first: the
    /// work is dropped then, wherever it is.
    pub async fn cover<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let leave = self.clone();
        let may_speak: MaySpeak = Arc::new(move || leave.lasts());
        tokio::select! {
            biased;
            () = self.end() => None,
            done = speaking_while(may_speak, work) => Some(done),
        }
    }

    fn lasts(&self) -> bool {
        let ends = *self.lock();
        self.clock.now() < ends.at && Instant::now() < ends.by
    }

    /// Returns when it has ended.
    async fn end(&self) {
        while self.lasts() {
            let Ends { at, by } = *self.lock();
            tokio::select! {
                () = self.clock.sleep_until(at) => {}
                () = tokio::time::sleep_until(by.into()) => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ends {
    fn after(since: Timestamp, length: Duration) -> Self {
        Self { at: since + length, by: Instant::now() + length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(40);

    #[tokio::test]
    async fn work_is_dropped_when_the_leave_ends_and_goes_on_while_it_is_renewed() {
        let clock = Clock::manual(Timestamp::from_secs(1_000_000));
        let leave = Leave::given(&clock, clock.now(), LENGTH);
        assert_eq!(leave.cover(async { 1 }).await, Some(1));
        let work = async {
            clock.advance(LENGTH / 2);
            leave.renew(clock.now(), LENGTH);
            clock.advance(LENGTH / 2);
            tokio::task::yield_now().await;
            assert!(leave.lasts(), "it was renewed");
            clock.advance(LENGTH / 2);
            tokio::task::yield_now().await;
            unreachable!("the leave has ended");
        };
        assert_eq!(leave.cover(work).await, None::<()>);
        assert_eq!(leave.cover(async { 2 }).await, None, "nothing is begun after it");
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_does_not_make_it_longer() {
        let clock = Clock::manual(Timestamp::from_secs(1_000_000));
        let leave = Leave::given(&clock, clock.now() + Duration::from_hours(1), Duration::from_millis(20));
        assert_eq!(leave.cover(std::future::pending::<()>()).await, None);
    }
}
