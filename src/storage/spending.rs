//! What runs used, hour by hour: the ceilings of policies and their estimates are read from it.
//! Thousandths of a credit, so that sums are exact.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Result, Store, Tx,
    sql::{Row, args, statements},
};
use crate::{domain::effect::Slot, ids::OrchestrationId, time::Timestamp};

statements! {
    ADD = "INSERT INTO spending (orchestration_id, slot, hour_ms, policy, environment, millicredits)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (orchestration_id, slot, hour_ms) DO UPDATE
        SET millicredits = spending.millicredits + $6";
    SINCE = "SELECT CAST(COALESCE(SUM(millicredits), 0) AS BIGINT) AS millicredits
        FROM spending WHERE policy = $1 AND hour_ms > $2";
    ALL_SINCE = "SELECT CAST(COALESCE(SUM(millicredits), 0) AS BIGINT) AS millicredits
        FROM spending WHERE hour_ms > $1";
    USUAL = "SELECT environment, CAST(AVG(used) AS BIGINT) AS millicredits
        FROM (SELECT environment, SUM(millicredits) AS used FROM spending
              WHERE hour_ms > $1 AND slot <> 'parent' GROUP BY environment, orchestration_id, slot) AS children
        GROUP BY environment";
    FORGET = "DELETE FROM spending WHERE hour_ms < $1";
    TURN = "SELECT CAST($1 AS TEXT) AS policy, " turn_on_policy " AS turn";
}

const HOUR: i64 = 3_600_000;
const DAY: Duration = Duration::from_hours(24);
/// Older runs tell nothing of what a run uses now.
const RECENT: Duration = Duration::from_hours(30 * 24);

/// A run used more than was known.
pub async fn add(
    tx: &mut Tx,
    orchestration: &OrchestrationId,
    slot: Slot,
    policy: &str,
    environment: &str,
    millicredits: i64,
    now: Timestamp,
) -> Result<()> {
    let hour = now.as_millis() - now.as_millis().rem_euclid(HOUR);
    let slot = slot.to_string();
    tx.run(ADD, args![orchestration, &slot, hour, policy, environment, millicredits]).await.map(drop)
}

/// Credits within the last 24 hours on a policy. An hour that only partly belongs to them counts whole.
pub async fn today(tx: &mut Tx, policy: &str, now: Timestamp) -> Result<f64> {
    sum(tx.row(SINCE, args![policy, a_day_before(now)]).await?)
}

/// The same on all policies.
pub async fn today_in_all(tx: &mut Tx, now: Timestamp) -> Result<f64> {
    sum(tx.row(ALL_SINCE, args![a_day_before(now)]).await?)
}

/// What a child run used on average lately, by environment.
pub async fn usual(tx: &mut Tx, now: Timestamp) -> Result<BTreeMap<String, f64>> {
    let rows = tx.rows(USUAL, args![now - RECENT]).await?;
    rows.iter().map(|row| Ok((row.get("environment")?, credits(row.get("millicredits")?)))).collect()
}

/// Whoever counts and then adds to a policy does so alone, until the transaction ends.
pub async fn take_turn(tx: &mut Tx, policy: &str) -> Result<()> {
    tx.rows(TURN, args![policy]).await.map(drop)
}

/// Forgets what no estimate looks at any more.
pub async fn forget(store: &Store, now: Timestamp) -> Result<u64> {
    let mut tx = store.begin("forget spending").await?;
    let forgotten = tx.run(FORGET, args![now - RECENT]).await?;
    tx.commit().await?;
    Ok(forgotten)
}

fn a_day_before(now: Timestamp) -> Timestamp {
    now - DAY - Duration::from_hours(1)
}

fn sum(row: Option<Row>) -> Result<f64> {
    row.map_or(Ok(0.0), |row| row.get("millicredits").map(credits))
}

#[expect(clippy::cast_precision_loss, reason = "a sum of credits is far below what a float holds exactly")]
fn credits(millicredits: i64) -> f64 {
    millicredits as f64 / 1000.0
}
