//! How fast a platform may be called, over all replicas: the generic cell rate algorithm in one
//! row for each limit. The outbox worker asks before an attempt.

use std::time::Duration;

use super::{
    Result, Store, Tx,
    sql::{args, statements},
};
use crate::time::Timestamp;

statements! {
    // Goes through, and moves the row, only when the pace allows it.
    TAKE = "INSERT INTO paces (key, next_at_ms, held_until_ms) VALUES ($1, $3, 0)
        ON CONFLICT (key) DO UPDATE
        SET next_at_ms = CASE WHEN paces.next_at_ms > $2 THEN paces.next_at_ms + $4 ELSE $3 END
        WHERE paces.next_at_ms <= $5 AND paces.held_until_ms <= $2";
    LOOK = "SELECT next_at_ms, held_until_ms FROM paces WHERE key = $1";
    FORGET = "DELETE FROM paces WHERE key IN (
            SELECT key FROM paces WHERE next_at_ms < $1 AND held_until_ms < $1 LIMIT $2)";
    HOLD = "INSERT INTO paces (key, next_at_ms, held_until_ms) VALUES ($1, 0, $2)
        ON CONFLICT (key) DO UPDATE
        SET held_until_ms = CASE WHEN paces.held_until_ms > $2 THEN paces.held_until_ms ELSE $2 END";
}

/// Asks to make so many `requests` (at least 1) now, where one each `interval` is allowed and
/// `burst` (at least 1) may come at once after a rest. More than the burst need as long a rest before
/// them as after them. None: go, they are counted. Some: not before then, and nothing is counted.
///
/// Whoever takes several paces in one transaction has lined up for it (`outbox::line_up`): two that
/// take the same ones in different orders would wait for each other.
pub async fn take(
    tx: &mut Tx,
    key: &str,
    now: Timestamp,
    interval: Duration,
    burst: u32,
    requests: u32,
) -> Result<Option<Timestamp>> {
    let ahead = interval * burst.saturating_sub(1);
    let before = interval * requests.saturating_sub(1);
    let step = interval * requests;
    let millis = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
    if tx.run(TAKE, args![key, now, now + step, millis, now + ahead - before]).await? == 1 {
        return Ok(None);
    }
    let Some(row) = tx.row(LOOK, args![key]).await? else { return Ok(Some(now)) };
    let allowed = row.get::<Timestamp>("next_at_ms")? - ahead + before;
    Ok(Some(allowed.max(row.get("held_until_ms")?)))
}

/// Removes at most `limit` rows that have said nothing since `before`: without one, all may go at once.
pub async fn forget_before(store: &Store, before: Timestamp, limit: u32) -> Result<()> {
    store.write("forget old paces", FORGET, args![before, limit]).await.map(drop)
}

/// Nothing goes before `until`, because the platform said so. An earlier hold that is longer stays.
pub async fn hold(tx: &mut Tx, key: &str, until: Timestamp) -> Result<()> {
    tx.run(HOLD, args![key, until]).await.map(drop)
}
