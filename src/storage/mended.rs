//! What reconciling mended: one row for each thing that was found amiss, for the page `/mended` and
//! `baton mended`, and a count of each kind for the metrics. A finding has a key, so that it is told
//! once, however often and by however many replicas it is found.

use super::{
    Result, Store, Tx,
    sql::{Row, args, statements},
};
use crate::{ids::OrchestrationId, time::Timestamp};

statements! {
    ADD = "INSERT INTO mended (key, at_ms, kind, orchestration_id, what) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (key) DO NOTHING";
    COUNT = "INSERT INTO mended_counts (kind, times) VALUES ($1, 1)
        ON CONFLICT (kind) DO UPDATE SET times = mended_counts.times + 1";
    NEWEST = "SELECT at_ms, kind, orchestration_id, what FROM mended ORDER BY seq DESC LIMIT $1";
    COUNTS = "SELECT kind, times FROM mended_counts ORDER BY kind";
    FORGET = "DELETE FROM mended
        WHERE seq IN (SELECT seq FROM mended WHERE at_ms < $1 ORDER BY at_ms LIMIT $2)
        RETURNING seq";
}

/// Kept when a round of reconciling comes to its end.
pub const LAST_ROUND: &str = "reconcile.round";

/// Something that was found amiss and put right, or is told because it cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The same for the same thing found again.
    pub key: String,
    /// One word: `run_adopted`.
    pub kind: &'static str,
    pub orchestration: Option<OrchestrationId>,
    /// In words.
    pub what: String,
}

/// A finding as it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mended {
    pub at: Timestamp,
    pub kind: String,
    pub orchestration: Option<OrchestrationId>,
    pub what: String,
}

/// False when it has been told before.
pub async fn add(tx: &mut Tx, finding: &Finding, now: Timestamp) -> Result<bool> {
    let Finding { key, kind, orchestration, what } = finding;
    let orchestration = orchestration.as_ref().map(OrchestrationId::as_str);
    if tx.run(ADD, args![key, now, *kind, orchestration, what]).await? == 0 {
        return Ok(false);
    }
    tx.run(COUNT, args![*kind]).await?;
    Ok(true)
}

/// The newest first.
pub async fn newest(store: &Store, limit: u32) -> Result<Vec<Mended>> {
    store.rows(NEWEST, args![limit]).await?.iter().map(mended).collect()
}

/// How often each kind was mended since the beginning.
pub async fn counts(store: &Store) -> Result<Vec<(String, u64)>> {
    let rows = store.rows(COUNTS, args![]).await?;
    rows.iter().map(|row| Ok((row.get("kind")?, row.get("times")?))).collect()
}

/// Forgets what was mended before `before`, at most `limit`, and says how many. The counts stay.
pub async fn forget_before(store: &Store, before: Timestamp, limit: u32) -> Result<u64> {
    Ok(store.write("forget what was mended", FORGET, args![before, limit]).await?.len() as u64)
}

fn mended(row: &Row) -> Result<Mended> {
    Ok(Mended {
        at: row.get("at_ms")?,
        kind: row.get("kind")?,
        orchestration: row.get("orchestration_id")?,
        what: row.get("what")?,
    })
}
