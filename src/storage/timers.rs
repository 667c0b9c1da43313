//! Durable timers of orchestrations. A timer that is taken is gone; its input is decided in the
//! same transaction.

use super::{
    Result, Store, Tx,
    sql::{Row, args, statements},
    wakes::Topic,
};
use crate::{ids::OrchestrationId, time::Timestamp};

statements! {
    SET = "INSERT INTO timers (orchestration_id, key, name, due_at_ms) VALUES ($1, $2, $3, $4)
        ON CONFLICT (orchestration_id, key) DO UPDATE SET name = $3, due_at_ms = $4";
    CLEAR = "DELETE FROM timers WHERE orchestration_id = $1 AND key = $2";
    // With its orchestration: whoever decides on that may be about to set this very timer.
    TAKE_DUE = "WITH due AS MATERIALIZED (
            SELECT timers.orchestration_id, timers.key FROM timers
            JOIN orchestrations ON orchestrations.id = timers.orchestration_id
            WHERE timers.due_at_ms <= $1
            ORDER BY timers.due_at_ms LIMIT $2" skip_locked ")
        DELETE FROM timers WHERE (orchestration_id, key) IN (SELECT orchestration_id, key FROM due)
        RETURNING orchestration_id, name, due_at_ms";
    NEXT_DUE = "SELECT MIN(due_at_ms) AS due_at_ms FROM timers";
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueTimer {
    pub orchestration: OrchestrationId,
    /// The timer's name, as it was set.
    pub name_json: String,
    pub due_at: Timestamp,
}

/// Sets the timer, or moves it. `key` is its name as one word.
pub async fn set(
    tx: &mut Tx,
    orchestration: &OrchestrationId,
    key: &str,
    name_json: &str,
    due_at: Timestamp,
) -> Result<()> {
    tx.run(SET, args![orchestration, key, name_json, due_at]).await?;
    tx.wake(Topic::Timers);
    Ok(())
}

pub async fn clear(tx: &mut Tx, orchestration: &OrchestrationId, key: &str) -> Result<()> {
    tx.run(CLEAR, args![orchestration, key]).await.map(drop)
}

/// Takes the timers that are due, oldest first, at most `limit`, and removes them.
pub async fn take_due(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<Vec<DueTimer>> {
    let mut due = tx.rows(TAKE_DUE, args![now, limit]).await?.iter().map(timer).collect::<Result<Vec<_>>>()?;
    // RETURNING has no order.
    due.sort_by_key(|timer| timer.due_at);
    Ok(due)
}

pub async fn next_due(store: &Store) -> Result<Option<Timestamp>> {
    store.row(NEXT_DUE, args![]).await?.map_or(Ok(None), |row| row.get("due_at_ms"))
}

fn timer(row: &Row) -> Result<DueTimer> {
    Ok(DueTimer {
        orchestration: row.get("orchestration_id")?,
        name_json: row.get("name")?,
        due_at: row.get("due_at_ms")?,
    })
}
