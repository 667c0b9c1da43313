//! Lines: deliveries that wait for the same thing, a pace or the end of the halt. Only the first of a
//! line is looked at, when the line is due, so that ten thousand that wait cost no more than one. What
//! stops something stands before all else, what is urgent before what is not, then what was decided first.
//!
//! [`outbox::claim`](super::outbox::claim) takes the first of each line that is due out of it. The line
//! stays due, and the next is its first, until [`outbox::wait`](super::outbox::wait) puts a delivery into
//! it. Whoever moves a line has [lined up](super::outbox::line_up) for it, as claims do; one may leave
//! it at any time.

use std::collections::HashMap;

use super::{
    Result, Tx,
    sql::{args, clean, items, statements},
    wakes::Topic,
};
use crate::{
    ids::{DeliveryId, OrchestrationId},
    time::Timestamp,
};

statements! {
    DUE = "SELECT name,
            (SELECT head.id FROM outbox AS head
             WHERE head.line = lines.name AND head.state = 'waiting' AND head.line IS NOT NULL
               AND (head.lease_until_ms IS NULL OR head.lease_until_ms <= $1)
               AND NOT EXISTS (SELECT 1 FROM outbox AS earlier
                               WHERE earlier.lane = head.lane AND earlier.state = 'waiting'
                                 AND earlier.seq < head.seq)
             ORDER BY (head.kind = 'cancel_run') DESC, head.urgent DESC, head.seq LIMIT 1) AS id
        FROM lines WHERE due_at_ms <= $1 ORDER BY due_at_ms, name LIMIT $2";
    // One that is due has been looked at: it is due again as the new first says. One that is not due yet
    // only comes nearer.
    STAND = "INSERT INTO lines (name, due_at_ms)
        SELECT value ->> 0, CAST(value ->> 1 AS BIGINT) FROM " items_1 "
        ON CONFLICT (name) DO UPDATE SET due_at_ms = excluded.due_at_ms
        WHERE lines.due_at_ms <= $2 OR lines.due_at_ms > excluded.due_at_ms";
    // Whoever stands in it stands behind others in its lane: those are in the way, and not what the line waits for.
    DISBAND = "UPDATE outbox SET line = NULL, due_at_ms = $2 WHERE state = 'waiting' AND line" among_1;
    END = "DELETE FROM lines WHERE name" among_1;
    PUT_OFF = "UPDATE lines SET due_at_ms = $2 WHERE name" among_1;
    STANDING = "SELECT name, due_at_ms FROM lines
        WHERE due_at_ms > $1
          AND EXISTS (SELECT 1 FROM outbox AS head
                      WHERE head.line = lines.name AND head.state = 'waiting' AND head.line IS NOT NULL)";
    RESTORE = "INSERT INTO lines (name, due_at_ms)
        SELECT DISTINCT head.line, CAST($1 AS BIGINT) FROM outbox AS head
        WHERE head.state = 'waiting' AND head.line IS NOT NULL
        ON CONFLICT (name) DO NOTHING";
    CALL = "UPDATE lines SET due_at_ms = $2 WHERE name = $1 AND due_at_ms > $2";
    // Rows in no line, too: a claim may be about to put them into one, and is waited for then.
    LEAVE = "UPDATE outbox SET due_at_ms = CASE WHEN line IS NULL THEN due_at_ms ELSE $2 END, line = NULL
        WHERE orchestration_id = $1 AND state = 'waiting'";
}

/// The line of what is not to be launched while all is halted.
pub const HALT: &str = "halt";

/// The firsts of at most `limit` lines that are due, each with its line. Lines without one are ended.
pub(super) async fn firsts(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<HashMap<DeliveryId, String>> {
    let mut firsts = HashMap::new();
    let mut without = Vec::new();
    for row in tx.rows(DUE, args![now, limit]).await? {
        let name: String = row.get("name")?;
        match row.get("id")? {
            Some(id) => drop(firsts.insert(id, name)),
            None => without.push(name),
        }
    }
    if !without.is_empty() {
        tx.run(DISBAND, args![without.as_slice(), now]).await?;
        tx.run(END, args![without.as_slice()]).await?;
    }
    Ok(firsts)
}

/// Somebody stands in each of these lines from `now` on, and may go at the time beside it.
pub(super) async fn stand(tx: &mut Tx, lines: &HashMap<&str, Timestamp>, now: Timestamp) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let mut rows: Vec<_> = lines.iter().map(|(name, due)| (clean(name), *due)).collect();
    rows.sort_unstable(); // locked in one order
    tx.run(STAND, &[items(&rows)?, now.into()]).await.map(drop)
}

/// The lines that are not due, and when they will be.
pub async fn standing(tx: &mut Tx, now: Timestamp) -> Result<HashMap<String, Timestamp>> {
    let rows = tx.rows(STANDING, args![now]).await?;
    rows.iter().map(|row| Ok((row.get("name")?, row.get("due_at_ms")?))).collect()
}

/// Looks at every line that somebody stands in and that there is not: a replica of a version without
/// lines may have taken the last one out of it, and put it back.
pub(super) async fn restore(tx: &mut Tx, now: Timestamp) -> Result<()> {
    tx.run(RESTORE, args![now]).await.map(drop)
}

/// Nobody of these lines is looked at before `until`.
pub async fn put_off(tx: &mut Tx, lines: &[String], until: Timestamp) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    tx.run(PUT_OFF, args![lines, until]).await.map(drop)
}

/// What the line waits for has come.
pub(super) async fn call(tx: &mut Tx, line: &str, now: Timestamp) -> Result<()> {
    tx.wake(Topic::Outbox);
    tx.run(CALL, args![line, now]).await.map(drop)
}

/// Whatever the orchestration has in lines is looked at now: what is wanted of it has changed. Its row is
/// locked, as by whoever decides on it.
pub async fn leave(tx: &mut Tx, orchestration: &OrchestrationId, now: Timestamp) -> Result<()> {
    tx.wake(Topic::Outbox);
    tx.run(LEAVE, args![orchestration, now]).await.map(drop)
}
