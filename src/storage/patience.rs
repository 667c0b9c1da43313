//! A PostgreSQL that hangs, or is gone without a word: no statement is waited for without end, and a
//! connection on which one was given up is not used again. sqlx would ask it whether it lives before
//! it goes back into the pool, and wait for the answer for ever.

use std::{
    future::Future,
    io,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout};

/// The server itself gives a statement up after ten seconds: one that is not answered by now never is.
const ANSWER: Duration = Duration::from_secs(12);
/// What goes back into the pool so soon after may be that connection, and is closed.
const SUSPECT: Duration = Duration::from_secs(3);

/// Cheap to clone; all clones are about one pool.
#[derive(Clone, Debug, Default)]
pub(super) struct Patience {
    given_up: Arc<Mutex<Option<Instant>>>,
}

/// Notes that nobody waits for the answer any more, unless it has come.
struct Watch<'a> {
    patience: &'a Patience,
    answered: bool,
}

impl Patience {
    /// The answer, or an error that passes.
    pub async fn wait<T>(&self, answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
        self.wait_for(ANSWER, answer).await
    }

    async fn wait_for<T>(&self, limit: Duration, answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
        let mut answer = pin!(answer);
        // Dropped before the answer: its connection is suspect by the time it is returned.
        let mut watch = Watch { patience: self, answered: false };
        let answered = timeout(limit, &mut answer).await;
        watch.answered = answered.is_ok();
        answered.unwrap_or_else(|_| Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into())))
    }

    /// Whether a connection that is returned now may be one that hangs.
    pub fn is_suspect(&self) -> bool {
        let given_up = *self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        given_up.is_some_and(|at| at.elapsed() < SUSPECT)
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.answered {
            let mut given_up = self.patience.given_up.lock().unwrap_or_else(PoisonError::into_inner);
            *given_up = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn no_answer_is_waited_for_without_end_and_its_connection_is_suspect() {
        let patience = Patience::default();
        assert!(patience.wait(async { Ok(1) }).await.is_ok());
        assert!(!patience.is_suspect());
        let given_up = patience.wait_for(MOMENT, std::future::pending::<sqlx::Result<()>>()).await;
        assert!(matches!(given_up, Err(sqlx::Error::Io(_))));
        assert!(patience.is_suspect());
    }

    #[tokio::test]
    async fn whoever_waits_may_be_dropped() {
        let patience = Patience::default();
        let cut_off = timeout(MOMENT, patience.wait(std::future::pending::<sqlx::Result<()>>())).await;
        assert!(cut_off.is_err() && patience.is_suspect());
    }
}
