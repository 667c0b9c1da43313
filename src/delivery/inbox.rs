//! The inbox worker: finds out which orchestration an event is about and has it decided, in one
//! transaction with marking the event as decided.

use std::{sync::Arc, time::Duration};

use super::{
    Core, Result, Trouble,
    acting::Acting,
    work::{Round, caught},
};
use crate::{
    domain::input::Event,
    ids::InputId,
    storage::{
        Tx,
        inbox::{self, TakenEvent},
        installations,
    },
    time::Timestamp,
};

const BATCH: u32 = 64;
/// What comes from a platform that has not told yet who we are is looked at again after this.
const UNKNOWN: Duration = Duration::from_secs(5);
/// An event that cannot be decided is put back so often, then parked.
const MOST_ATTEMPTS: u32 = 5;

#[derive(Debug)]
pub struct Inbox {
    core: Arc<Core>,
}

impl Inbox {
    pub(super) const fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Decides a batch of events in one transaction. When one of them cannot be decided, each gets a
    /// transaction of its own.
    pub async fn run_once(&self) -> Result<Round> {
        self.core.platforms.learn(&self.core.store, &self.core.clock).await?;
        let now = self.core.clock.now();
        let did = match self.decide_batch(now).await {
            Err(error) if !error.is_passing() => self.one_by_one(now).await?,
            did => did?,
        };
        let next = if did == 0 { inbox::next_due(&self.core.store).await? } else { None };
        Ok(Round { did, next })
    }

    async fn decide_batch(&self, now: Timestamp) -> Result<usize> {
        let mut tx = self.core.store.begin("decide on events").await?;
        tx.gather_orchestrations();
        let events = inbox::take(&mut tx, now, BATCH).await?;
        self.decide_all(tx, &events, now).await?;
        Ok(events.len())
    }

    /// As many as are in a batch; what cannot be decided is put aside.
    async fn one_by_one(&self, now: Timestamp) -> Result<usize> {
        for did in 0..BATCH as usize {
            let mut tx = self.core.store.begin("decide on an event").await?;
            let Some(event) = inbox::take(&mut tx, now, 1).await?.pop() else {
                tx.rollback().await?;
                return Ok(did);
            };
            match self.decide_all(tx, std::slice::from_ref(&event), now).await {
                Err(error) if !error.is_passing() => self.put_aside(&event, &error, now).await?,
                decided => decided?,
            }
        }
        Ok(BATCH as usize)
    }

    /// Decides all of them, or none.
    async fn decide_all(&self, mut tx: Tx, events: &[TakenEvent], now: Timestamp) -> Result<()> {
        let mut decided = Vec::with_capacity(events.len());
        let mut waiting: Vec<&str> = Vec::new();
        for event in events {
            if waiting.contains(&event.lane.as_str()) {
                continue;
            }
            match caught(self.decide(&mut tx, event, now)).await {
                Ok(Some(result)) => decided.push((event, result)),
                Ok(None) => {
                    inbox::wait(&mut tx, event.seq, now + UNKNOWN).await?;
                    waiting.push(&event.lane);
                }
                Err(error) => {
                    tx.rollback().await?;
                    return Err(error);
                }
            }
        }
        if events.is_empty() {
            return Ok(tx.rollback().await?);
        }
        let seqs: Vec<i64> = decided.iter().map(|(event, _)| event.seq).collect();
        inbox::done(&mut tx, &seqs, now).await?;
        tx.commit().await?;
        for (event, result) in decided {
            let waited = self.core.clock.now().since(event.received_at);
            tracing::info!(
                event.id = %event.id,
                source = %event.source,
                kind = %event.kind,
                result,
                duration_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
                "event decided"
            );
        }
        Ok(())
    }

    /// Its lane waits a while for it; in the end it goes on without it.
    async fn put_aside(&self, event: &TakenEvent, error: &Trouble, now: Timestamp) -> Result<()> {
        tracing::error!(event.id = %event.id, %error, "event could not be decided");
        let mut tx = self.core.store.begin("put an event aside").await?;
        if event.attempts + 1 >= MOST_ATTEMPTS {
            inbox::park(&mut tx, event.seq, now, "undecidable").await?;
        } else {
            let wait = Duration::from_secs(2 << event.attempts.min(8));
            inbox::put_back(&mut tx, event.seq, now + wait, "undecidable").await?;
        }
        Ok(tx.commit().await?)
    }

    /// Returns a word for logs and metrics; none when it cannot be read yet.
    async fn decide(&self, tx: &mut Tx, event: &TakenEvent, now: Timestamp) -> Result<Option<&'static str>> {
        let Some(read) = self.core.platforms.read(event, &self.core.store).await? else { return Ok(None) };
        match read {
            Event::Ignored(why) => Ok(Some(why)),
            Event::Uninstalled { platform, workspace, at } => {
                // An installation that was made since then stays, also when this was told late.
                let at = at.map_or(event.received_at, |at| at.min(event.received_at));
                installations::revoke(tx, platform, &workspace, at).await?;
                tracing::warn!(
                    platform = platform.as_str(),
                    workspace,
                    "Baton was removed from the workspace, or its token was revoked"
                );
                Ok(Some("uninstalled"))
            }
            Event::Act(act) => {
                let cause = InputId::new(format!("event:{}", event.id));
                // On the heap: it is the largest future that there is.
                Box::pin(Acting { core: &self.core, tx, cause, now, at: None }.act(*act)).await.map(Some)
            }
        }
    }
}
