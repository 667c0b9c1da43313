//! A transaction on either database. Everything that writes takes one; what was added in it wakes
//! the workers once it is committed.

use std::sync::Arc;

use sqlx::{Postgres, Sqlite, Transaction};

use super::{
    Result, StoreError,
    sql::{Arg, Row, Sql, args, for_postgres, for_sqlite, statements},
    wakes::{Topic, Wakes},
};

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
}

pub(super) enum Open {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    pub(super) fn new(open: Open, name: &'static str, wakes: Arc<Wakes>) -> Self {
        Self { open, name, wakes, topics: 0 }
    }

    /// After an error it is not known whether the transaction took effect; whatever it did has to
    /// be such that it can be done again.
    pub async fn commit(self) -> Result<()> {
        match self.open {
            Open::Sqlite(open) => open.commit().await?,
            Open::Postgres(open) => open.commit().await?,
        }
        committed(self.name);
        self.wakes.wake(self.topics);
        Ok(())
    }

    /// Undoes everything, and returns when what it held is free again.
    pub async fn rollback(self) -> Result<()> {
        match self.open {
            Open::Sqlite(open) => open.rollback().await?,
            Open::Postgres(open) => open.rollback().await?,
        }
        Ok(())
    }

    /// From here [`Tx::rollback_to_savepoint`] can undo. There is one savepoint at a time.
    pub async fn savepoint(&mut self) -> Result<()> {
        self.run(SAVEPOINT, args![]).await.map(drop)
    }

    /// Undoes everything since [`Tx::savepoint`], also after a failed statement, and ends it.
    pub async fn rollback_to_savepoint(&mut self) -> Result<()> {
        self.run(UNDO, args![]).await?;
        self.release().await
    }

    /// Ends the savepoint and keeps what was done since.
    pub async fn release(&mut self) -> Result<()> {
        self.run(RELEASE, args![]).await.map(drop)
    }

    pub(super) fn wake(&mut self, topic: Topic) {
        self.topics |= topic.bit();
    }

    /// Returns how many rows were changed.
    pub(super) async fn run(&mut self, sql: Sql, args: &[Arg<'_>]) -> Result<u64> {
        let done = match &mut self.open {
            Open::Sqlite(open) => for_sqlite(sql, args).execute(&mut **open).await.map(|done| done.rows_affected()),
            Open::Postgres(open) => for_postgres(sql, args).execute(&mut **open).await.map(|done| done.rows_affected()),
        };
        done.map_err(|cause| StoreError::Statement { name: sql.name, cause })
    }

    pub(super) async fn rows(&mut self, sql: Sql, args: &[Arg<'_>]) -> Result<Vec<Row>> {
        let rows = match &mut self.open {
            Open::Sqlite(open) => for_sqlite(sql, args)
                .fetch_all(&mut **open)
                .await
                .map(|rows| rows.into_iter().map(Row::Sqlite).collect()),
            Open::Postgres(open) => for_postgres(sql, args)
                .fetch_all(&mut **open)
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
