//! Hints that there is new work, so that workers need not poll often. Only hints: a worker that
//! misses one finds the work at its next poll.
//!
//! Within the process they are [`Notify`]s. On PostgreSQL they also travel to the other replicas by
//! NOTIFY, sent by a task of its own: NOTIFY inside a transaction would make commits queue.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use sqlx::{
    Executor as _,
    postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions},
};
use tokio::{sync::Notify, time::timeout};

const CHANNEL: &str = "baton_wakes";
/// Replicas hear of new work this often at the most.
const GATHER: Duration = Duration::from_millis(20);
/// Between attempts to listen again after the connection was lost.
const RECONNECT: Duration = Duration::from_secs(2);
/// After so long without a word, the connection is tried out.
const SILENCE: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(5);

/// One for each queue. Each has room for one waiting worker: a hint that nobody waits for is kept
/// for the next `notified().await`.
#[derive(Debug, Default)]
pub struct Wakes {
    pub inbox: Notify,
    pub outbox: Notify,
    pub timers: Notify,
    /// Bits of [`Topic`] that the other replicas have not been told.
    untold: AtomicU8,
    tell: Notify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    Inbox = 1,
    Outbox = 2,
    Timers = 4,
}

impl Topic {
    pub(super) const ALL: [Self; 3] = [Self::Inbox, Self::Outbox, Self::Timers];

    pub(super) const fn bit(self) -> u8 {
        self as u8
    }
}

impl Wakes {
    /// Rows were added here, for these [`Topic`] bits.
    pub(super) fn wake(&self, topics: u8) {
        if topics == 0 {
            return;
        }
        self.heard(topics);
        self.untold.fetch_or(topics, Ordering::Relaxed);
        self.tell.notify_one();
    }

    fn heard(&self, topics: u8) {
        for topic in Topic::ALL {
            if topics & topic.bit() != 0 {
                match topic {
                    Topic::Inbox => self.inbox.notify_one(),
                    Topic::Outbox => self.outbox.notify_one(),
                    Topic::Timers => self.timers.notify_one(),
                }
            }
        }
    }
}

/// Tells the other replicas, for as long as the store lives. `own` marks what we say ourselves.
pub(super) async fn tell(pool: PgPool, wakes: Arc<Wakes>, own: String) {
    loop {
        wakes.tell.notified().await;
        let topics = wakes.untold.swap(0, Ordering::Relaxed);
        let told =
            sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(format!("{own} {topics}")).execute(&pool).await;
        if let Err(error) = told {
            tracing::debug!(%error, "the other replicas could not be told of new work");
        }
        tokio::time::sleep(GATHER).await;
    }
}

/// Hears the other replicas, until it is aborted.
pub(super) async fn listen(options: PgConnectOptions, wakes: Arc<Wakes>, own: String) {
    loop {
        if let Err(error) = hear(&options, &wakes, &own).await {
            tracing::debug!(%error, "not listening for new work of other replicas");
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

/// The connection is a pool of its own: one that hangs is left behind with it.
async fn hear(options: &PgConnectOptions, wakes: &Wakes, own: &str) -> sqlx::Result<()> {
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(ANSWER).connect_lazy_with(options.clone());
    let mut listener = in_time(PgListener::connect_with(&pool)).await?;
    in_time(listener.listen(CHANNEL)).await?;
    loop {
        let Ok(heard) = timeout(SILENCE, listener.recv()).await else {
            // Nobody said anything, or nobody can be heard any more.
            in_time(listener.execute("SELECT 1")).await?;
            continue;
        };
        if let Some((from, topics)) = heard?.payload().split_once(' ')
            && from != own
        {
            wakes.heard(topics.parse().unwrap_or_default());
        }
    }
}

async fn in_time<T>(answer: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    timeout(ANSWER, answer).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
