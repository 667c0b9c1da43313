//! A transaction on either database. Everything that writes takes one; what was added in it wakes
//! the workers once it is committed.

use std::sync::Arc;

use sqlx::{Postgres, Sqlite, Transaction};

use super::{
    Result, StoreError, audit,
    checkpoints::Checkpoints,
    orchestrations,
    outbox::{self, NewDelivery},
    patience::Patience,
    sql::{Arg, Row, Sql, args, for_postgres, for_sqlite, statements},
    trail::{self, TrailEntry},
    wakes::{Topic, Wakes},
};
use crate::{ids::OrchestrationId, time::Timestamp};

statements! {
    SAVEPOINT = "SAVEPOINT step";
    UNDO = "ROLLBACK TO SAVEPOINT step";
    RELEASE = "RELEASE SAVEPOINT step";
}

/// Rolled back when it is dropped, a moment later; [`Tx::rollback`] waits for it.
#[must_use = "a transaction that is not committed is rolled back"]
pub struct Tx {
    open: Open,
    name: &'static str,
    wakes: Arc<Wakes>,
    /// Bits of the [`Topic`]s to wake after the commit.
    topics: u8,
    gathered: Gathered,
    gathers_orchestrations: bool,
    /// How much there was at the savepoint.
    mark: [usize; 3],
    /// A statement changed something.
    wrote: bool,
}

/// What is added at the commit, all rows of a table in one statement.
#[derive(Default)]
struct Gathered {
    /// JSON arrays. Added before the next statement that there is, so that none misses them.
    orchestrations: Vec<String>,
    // What follows is read by nothing in the transaction.
    deliveries: Vec<(NewDelivery, Timestamp)>,
    trail: Vec<(OrchestrationId, TrailEntry)>,
    audit: Vec<audit::NewEntry>,
}

pub(super) enum Open {
    Sqlite(Transaction<'static, Sqlite>, Checkpoints),
    Postgres(Transaction<'static, Postgres>, Patience),
}

impl Tx {
    pub(super) fn new(open: Open, name: &'static str, wakes: Arc<Wakes>) -> Self {
        Self {
            open,
            name,
            wakes,
            topics: 0,
            gathered: Gathered::default(),
            gathers_orchestrations: false,
            mark: [0; 3],
            wrote: false,
        }
    }

    /// After an error it is not known whether the transaction took effect; whatever it did has to
    /// be such that it can be done again.
    pub async fn commit(mut self) -> Result<()> {
        self.write_orchestrations().await?;
        self.write_deliveries().await?;
        let Gathered { trail, audit, .. } = std::mem::take(&mut self.gathered);
        trail::append(&mut self, &trail).await?;
        audit::append(&mut self, audit).await?;
        match self.open {
            Open::Sqlite(open, checkpoints) => {
                open.commit().await?;
                checkpoints.committed();
            }
            Open::Postgres(open, patience) => patience.wait(open.commit()).await?,
        }
        committed(self.name);
        self.wakes.wake(self.topics);
        Ok(())
    }

    /// Writes the deliveries that were added so far, for who has to see them before the commit.
    pub(super) async fn write_deliveries(&mut self) -> Result<()> {
        let deliveries = std::mem::take(&mut self.gathered.deliveries);
        outbox::append(self, &deliveries).await
    }

    async fn write_orchestrations(&mut self) -> Result<()> {
        if self.gathered.orchestrations.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.gathered.orchestrations);
        Box::pin(orchestrations::insert_all(self, &rows)).await
    }

    /// Commits what statements changed or added, if any did: for who looks far more often than there is something.
    pub async fn commit_if_changed(self) -> Result<()> {
        if self.wrote || self.topics != 0 { self.commit().await } else { self.rollback().await }
    }

    /// Undoes everything, and returns when what it held is free again.
    pub async fn rollback(self) -> Result<()> {
        match self.open {
            Open::Sqlite(open, _) => open.rollback().await?,
            Open::Postgres(open, patience) => patience.wait(open.rollback()).await?,
        }
        Ok(())
    }

    /// From here [`Tx::rollback_to_savepoint`] can undo. There is one savepoint at a time.
    pub async fn savepoint(&mut self) -> Result<()> {
        let Gathered { deliveries, trail, audit, .. } = &self.gathered;
        self.mark = [deliveries.len(), trail.len(), audit.len()];
        self.run(SAVEPOINT, args![]).await.map(drop)
    }

    /// Undoes everything since [`Tx::savepoint`], also after a failed statement, and ends it.
    pub async fn rollback_to_savepoint(&mut self) -> Result<()> {
        let [deliveries, trail, audit] = self.mark;
        self.gathered.orchestrations.clear();
        self.gathered.deliveries.truncate(deliveries);
        self.gathered.trail.truncate(trail);
        self.gathered.audit.truncate(audit);
        self.run(UNDO, args![]).await?;
        self.release().await
    }

    /// Ends the savepoint and keeps what was done since.
    pub async fn release(&mut self) -> Result<()> {
        self.run(RELEASE, args![]).await.map(drop)
    }

    /// From here on new orchestrations that follow each other are inserted together. When one of them is
    /// there already all of it fails, and does not pass when it is tried again.
    pub fn gather_orchestrations(&mut self) {
        self.gathers_orchestrations = true;
    }

    pub(super) const fn gathers_orchestrations(&self) -> bool {
        self.gathers_orchestrations
    }

    pub(super) fn gather_orchestration(&mut self, row: String) {
        self.gathered.orchestrations.push(row);
    }

    /// Has the entry added to the audit log when this is committed.
    pub fn audit(&mut self, entry: audit::NewEntry) {
        self.gathered.audit.push(entry);
    }

    /// Has the line added to the orchestration's trail when this is committed.
    pub fn note(&mut self, orchestration: &OrchestrationId, entry: TrailEntry) {
        self.gathered.trail.push((orchestration.clone(), entry));
    }

    /// Has the delivery added when this is committed.
    pub(super) fn deliver(&mut self, new: NewDelivery, now: Timestamp) {
        self.gathered.deliveries.push((new, now));
        self.wake(Topic::Outbox);
    }

    pub(super) fn wake(&mut self, topic: Topic) {
        self.topics |= topic.bit();
    }

    /// Returns how many rows were changed.
    pub(super) async fn run(&mut self, sql: Sql, args: &[Arg<'_>]) -> Result<u64> {
        self.write_orchestrations().await?;
        self.execute(sql, args).await
    }

    /// As [`Tx::run`], before what was gathered.
    pub(super) async fn execute(&mut self, sql: Sql, args: &[Arg<'_>]) -> Result<u64> {
        let done = match &mut self.open {
            Open::Sqlite(open, _) => for_sqlite(sql, args).execute(&mut **open).await.map(|done| done.rows_affected()),
            Open::Postgres(open, patience) => {
                patience.wait(for_postgres(sql, args).execute(&mut **open)).await.map(|done| done.rows_affected())
            }
        };
        let changed = done.map_err(|cause| StoreError::Statement { name: sql.name, cause })?;
        self.wrote |= changed > 0;
        Ok(changed)
    }

    pub(super) async fn rows(&mut self, sql: Sql, args: &[Arg<'_>]) -> Result<Vec<Row>> {
        self.write_orchestrations().await?;
        let rows = match &mut self.open {
            Open::Sqlite(open, _) => for_sqlite(sql, args)
                .fetch_all(&mut **open)
                .await
                .map(|rows| rows.into_iter().map(Row::Sqlite).collect()),
            Open::Postgres(open, patience) => patience
                .wait(for_postgres(sql, args).fetch_all(&mut **open))
                .await
                .map(|rows| rows.into_iter().map(Row::Postgres).collect()),
        };
        rows.map_err(|cause| StoreError::Statement { name: sql.name, cause })
    }

    pub(super) async fn row(&mut self, sql: Sql, args: &[Arg<'_>]) -> Result<Option<Row>> {
        Ok(self.rows(sql, args).await?.pop())
    }
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Tests that crash the process after each commit wait for this line.
pub(super) fn committed(name: &'static str) {
    tracing::trace!(target: "baton::storage", transaction = name, "committed");
}
