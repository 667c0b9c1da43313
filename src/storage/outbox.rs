//! The outbox: effects that were decided, waiting to be carried out. [`add`] is part of the
//! transaction that decides; the outbox workers claim, renew and settle.
//!
//! A lane is a queue: only its head, the earliest delivery that is neither done nor parked, can be
//! claimed. A claim is a lease with a random token, and whoever settles has to know it: `false` from
//! a settling function means that the lease was lost, and another worker has the delivery now.
//! Those that wait for something stand in its [line](super::lines), and only the first of it is claimed.

use std::{collections::HashMap, time::Duration};

use serde::Serialize;

use super::{
    Result, Store, StoreError, Tx, lines,
    sql::{Arg, Row, args, clean, items, statements},
    wakes::Topic,
};
use crate::{
    ids::{DeliveryId, OrchestrationId},
    time::Timestamp,
};

statements! {
    ADD = "INSERT INTO outbox (id, orchestration_id, lane, kind, effect, coalesce_key, urgent, due_at_ms,
                               expires_at_ms, created_at_ms)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT (id) DO NOTHING";
    ADD_ALL = "INSERT INTO outbox (id, orchestration_id, lane, kind, effect, urgent, due_at_ms, expires_at_ms,
                                   created_at_ms)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, CAST(value ->> 5 AS BOOLEAN),
               CAST(value ->> 6 AS BIGINT), CAST(value ->> 7 AS BIGINT), CAST(value ->> 8 AS BIGINT)
        FROM " items_1 " ON CONFLICT (id) DO NOTHING";
    REPLACE = "UPDATE outbox
        SET id = $1, orchestration_id = $2, kind = $4, effect = $5, urgent = (urgent OR $7),
            due_at_ms = CASE WHEN due_at_ms < $8 THEN due_at_ms ELSE $8 END, expires_at_ms = $9, created_at_ms = $10,
            tried_since_ms = NULL
        WHERE seq = (SELECT MAX(seq) FROM outbox
                     WHERE coalesce_key = $6 AND lane = $3 AND state = 'waiting'
                       AND attempts = 0 AND unsure_since_ms IS NULL)
          AND state = 'waiting' AND attempts = 0
          AND NOT EXISTS (SELECT 1 FROM outbox AS same WHERE same.id = $1)";
    // What stands before something urgent is as urgent.
    HURRY = "UPDATE outbox SET urgent = TRUE
        WHERE state = 'waiting' AND NOT urgent AND lane" among_1
        "  AND seq < (SELECT MAX(behind.seq) FROM outbox AS behind
                      WHERE behind.lane = outbox.lane AND behind.state = 'waiting' AND behind.urgent)";
    LINE_UP = "SELECT " our_turn_to_claim;
    // Urgent ones and others apart, so that either is read in the order of its index, from what has been
    // due longest to what is not due, however much waits behind. Beside them the firsts of lines ($5).
    // Once a row is locked, PostgreSQL looks again at the conditions beside the lock, and only at those: they
    // stand there a second time, for what another transaction has settled or claimed meanwhile.
    CLAIM = "WITH candidates AS MATERIALIZED (
                SELECT seq FROM (
                    SELECT head.seq FROM outbox AS head
                    WHERE head.state = 'waiting' AND head.line IS NULL AND head.urgent = TRUE AND head.due_at_ms <= $1
                      AND (head.lease_until_ms IS NULL OR head.lease_until_ms <= $1)
                      AND NOT EXISTS (SELECT 1 FROM outbox AS earlier
                                      WHERE earlier.lane = head.lane AND earlier.state = 'waiting'
                                        AND earlier.seq < head.seq)
                    ORDER BY head.due_at_ms, head.seq LIMIT $2) AS urgent
                UNION ALL
                SELECT seq FROM (
                    SELECT head.seq FROM outbox AS head
                    WHERE head.state = 'waiting' AND head.line IS NULL AND head.urgent = FALSE AND head.due_at_ms <= $1
                      AND (head.lease_until_ms IS NULL OR head.lease_until_ms <= $1)
                      AND NOT EXISTS (SELECT 1 FROM outbox AS earlier
                                      WHERE earlier.lane = head.lane AND earlier.state = 'waiting'
                                        AND earlier.seq < head.seq)
                    ORDER BY head.due_at_ms, head.seq LIMIT $2) AS others
                UNION ALL
                SELECT seq FROM outbox AS head WHERE head.id" among_5 "),
        heads AS MATERIALIZED (
            SELECT seq FROM outbox WHERE seq IN (SELECT seq FROM candidates)
              AND state = 'waiting' AND (due_at_ms <= $1 OR line IS NOT NULL)
              AND (lease_until_ms IS NULL OR lease_until_ms <= $1)
            ORDER BY urgent DESC, due_at_ms, seq LIMIT $2" skip_locked ")
        UPDATE outbox
        SET lease_token = $3, lease_until_ms = $4, attempts = attempts + 1, line = NULL,
            tried_since_ms = COALESCE(tried_since_ms, $1),
            unsure_before_ms = unsure_since_ms, unsure_since_ms = COALESCE(unsure_since_ms, $1)
        WHERE seq IN (SELECT seq FROM heads)
        RETURNING seq, id, orchestration_id, lane, kind, effect, urgent, due_at_ms, attempts, unsure_before_ms,
                  tried_since_ms, created_at_ms, expires_at_ms";
    RENEW = "UPDATE outbox SET lease_until_ms = $4
        WHERE id = $1 AND lease_token = $2 AND state = 'waiting' AND lease_until_ms > $3";
    RELEASE_ALL = "UPDATE outbox SET lease_token = NULL, lease_until_ms = NULL
        WHERE state = 'waiting' AND lease_token IS NOT NULL";
    DONE = "UPDATE outbox
        SET state = 'done', settled_at_ms = $3, problem = NULL, lease_token = NULL, lease_until_ms = NULL,
            unsure_since_ms = NULL, unsure_before_ms = NULL
        WHERE id = $1 AND lease_token = $2 AND state = 'waiting'";
    PUT_BACK = "UPDATE outbox
        SET due_at_ms = $3, problem = $5, lease_token = NULL, lease_until_ms = NULL,
            unsure_since_ms = CASE WHEN $4 THEN unsure_before_ms ELSE unsure_since_ms END
        WHERE id = $1 AND lease_token = $2 AND state = 'waiting'";
    WAIT = "UPDATE outbox
        SET due_at_ms = CAST(item.value ->> 1 AS BIGINT), line = item.value ->> 2, attempts = attempts - 1,
            tried_since_ms = CAST(item.value ->> 3 AS BIGINT),
            lease_token = NULL, lease_until_ms = NULL, unsure_since_ms = unsure_before_ms
        FROM " each_1 " WHERE outbox.id = item.value ->> 0 AND lease_token = $2 AND state = 'waiting'";
    TRIED_WITH = "UPDATE outbox
        SET tried_since_ms = CASE WHEN created_at_ms > $2 THEN created_at_ms ELSE $2 END
        WHERE lane = $1 AND state = 'waiting' AND tried_since_ms IS NULL";
    PARK = "UPDATE outbox
        SET state = 'parked', settled_at_ms = $3, problem = $4, lease_token = NULL, lease_until_ms = NULL
        WHERE id = $1 AND lease_token = $2 AND state = 'waiting'";
    RETRY = "UPDATE outbox
        SET state = 'waiting', line = NULL, due_at_ms = $2, expires_at_ms = NULL, attempts = 0, tried_since_ms = NULL,
            settled_at_ms = NULL
        WHERE id = $1 AND state = 'parked'
        RETURNING id";
    SEND_AGAIN = "UPDATE outbox
        SET state = 'waiting', line = NULL, due_at_ms = $2, expires_at_ms = NULL, attempts = 0, settled_at_ms = NULL
        WHERE id = $1 AND state = 'parked'
        RETURNING id";
    // A board is shown as it is by then: only the newest of those that were given up is worth sending.
    DROP_OLD_BOARDS = "DELETE FROM outbox
        WHERE state = 'parked' AND kind = 'show_board'
          AND EXISTS (SELECT 1 FROM outbox AS newer
                      WHERE newer.orchestration_id = outbox.orchestration_id AND newer.lane = outbox.lane
                        AND newer.kind = 'show_board' AND newer.seq > outbox.seq)";
    GIVEN_UP = "SELECT id, orchestration_id, kind, lane, state, problem, attempts, created_at_ms, due_at_ms, line
        FROM outbox WHERE state = 'parked' AND problem = $1 AND created_at_ms >= $2 AND settled_at_ms <= $3
        ORDER BY settled_at_ms, seq LIMIT $4";
    PARKED = "SELECT id, orchestration_id, kind, lane, state, problem, attempts, created_at_ms, due_at_ms, line
        FROM outbox WHERE state = 'parked' ORDER BY seq LIMIT $1";
    // Each part is read in the order of its index.
    PENDING = "SELECT id, orchestration_id, kind, lane, state, problem, attempts, created_at_ms,
               COALESCE(lines.due_at_ms, waits.due_at_ms) AS due_at_ms, line
        FROM (SELECT * FROM (SELECT * FROM outbox WHERE state = 'waiting' AND line IS NULL
                             ORDER BY urgent DESC, due_at_ms, seq LIMIT $1) AS ready
              UNION ALL
              SELECT * FROM (SELECT * FROM outbox WHERE state = 'waiting' AND line IS NOT NULL
                             ORDER BY line, (kind = 'cancel_run') DESC, urgent DESC, seq LIMIT $1) AS standing) AS waits
        LEFT JOIN lines ON lines.name = waits.line
        ORDER BY line IS NOT NULL, line, (kind = 'cancel_run') DESC, urgent DESC,
                 CASE WHEN line IS NULL THEN waits.due_at_ms END, seq
        LIMIT $1";
    OF = "SELECT id, orchestration_id, kind, lane, state, problem, attempts, created_at_ms,
               COALESCE(lines.due_at_ms, outbox.due_at_ms) AS due_at_ms, line
        FROM outbox LEFT JOIN lines ON lines.name = outbox.line AND outbox.state = 'waiting'
        WHERE orchestration_id = $1 ORDER BY seq";
    // What is leased is a few rows, and so are lines; of the others the first head counts.
    NEXT_DUE = "SELECT MIN(due_at_ms) AS due_at_ms FROM (
            SELECT MIN(lease_until_ms) AS due_at_ms FROM outbox
            WHERE state = 'waiting' AND lease_until_ms IS NOT NULL AND line IS NULL
            UNION ALL
            SELECT MIN(due_at_ms) AS due_at_ms FROM lines
            UNION ALL
            SELECT due_at_ms FROM (
                SELECT head.due_at_ms FROM outbox AS head
                WHERE head.state = 'waiting' AND head.line IS NULL AND head.urgent = TRUE AND head.lease_until_ms IS NULL
                  AND NOT EXISTS (SELECT 1 FROM outbox AS earlier
                                  WHERE earlier.lane = head.lane AND earlier.state = 'waiting'
                                    AND earlier.seq < head.seq)
                ORDER BY head.due_at_ms LIMIT 1) AS urgent
            UNION ALL
            SELECT due_at_ms FROM (
                SELECT head.due_at_ms FROM outbox AS head
                WHERE head.state = 'waiting' AND head.line IS NULL AND head.urgent = FALSE AND head.lease_until_ms IS NULL
                  AND NOT EXISTS (SELECT 1 FROM outbox AS earlier
                                  WHERE earlier.lane = head.lane AND earlier.state = 'waiting'
                                    AND earlier.seq < head.seq)
                ORDER BY head.due_at_ms LIMIT 1) AS others) AS times";
    FORGET = "DELETE FROM outbox
        WHERE seq IN (SELECT seq FROM outbox WHERE state = 'done' AND settled_at_ms < $1 ORDER BY settled_at_ms LIMIT $2)
        RETURNING seq";
    COUNTS = "SELECT (SELECT COUNT(*) FROM outbox WHERE state = 'waiting') AS waiting,
               (SELECT COUNT(*) FROM outbox WHERE state = 'parked') AS parked,
               (SELECT MIN(created_at_ms) FROM outbox WHERE state = 'waiting') AS oldest_at_ms";
}

/// Of so many lines that are due the firsts are looked at in one claim.
const MOST_LINES: u32 = 64;

/// An effect to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    pub id: DeliveryId,
    pub orchestration: Option<OrchestrationId>,
    pub lane: String,
    /// The effect's word, for lists and metrics.
    pub kind: &'static str,
    /// JSON.
    pub effect: String,
    /// One that waits in the same lane with the same key, and was never attempted, is replaced.
    pub coalesce: Option<String>,
    /// Goes before what is not, and hurries what stands before it in its lane.
    pub urgent: bool,
    pub due_at: Timestamp,
    /// Of no use after. The worker looks at it; the store hands out expired deliveries too.
    pub expires_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    New,
    /// The same decision was taken before; nothing was changed.
    Existed,
    /// An older one gave it its place in the lane and in a line, and its time if that was earlier.
    Replaced,
}

/// A delivery that the holder of `token` may attempt until the lease ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    pub id: DeliveryId,
    pub orchestration: Option<OrchestrationId>,
    pub lane: String,
    pub kind: String,
    pub effect: String,
    pub urgent: bool,
    /// From 1.
    pub attempt: u32,
    pub token: String,
    /// An earlier attempt, begun then, may have had its effect.
    pub unsure_since: Option<Timestamp>,
    pub created_at: Timestamp,
    /// When its turn first came, or that of one before it that was given up: waiting in lines does not count.
    pub tried_since: Timestamp,
    pub expires_at: Option<Timestamp>,
    /// The line that it was the first of.
    pub line: Option<String>,
}

/// A claimed delivery that may not go yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub id: DeliveryId,
    /// When it is looked at again; in a line, when it may go if it is the first by then.
    pub due_at: Timestamp,
    pub line: Option<String>,
    /// Since when it counts as tried.
    pub tried_since: Option<Timestamp>,
}

/// Whether an attempt that failed can have had its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sure {
    /// It had none. What was unsure before this attempt still is.
    NoEffect,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    Waiting,
    Done,
    Parked,
}

/// A delivery for people to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    pub id: DeliveryId,
    pub orchestration: Option<OrchestrationId>,
    pub kind: String,
    pub lane: String,
    pub state: DeliveryState,
    /// Why the last attempt failed.
    pub problem: Option<String>,
    pub attempts: u32,
    pub created_at: Timestamp,
    /// When it, or the first of its line, is looked at next.
    pub due_at: Timestamp,
    /// The line that it stands in.
    pub line: Option<String>,
}

impl DeliveryRow {
    /// Why it is not done.
    #[must_use]
    pub fn reason(&self) -> String {
        match (&self.problem, &self.line) {
            (problem, Some(line)) => {
                format!("in line for {line}{}", problem.as_ref().map_or(String::new(), |it| format!(" after {it}")))
            }
            (Some(problem), None) => problem.clone(),
            (None, None) => String::new(),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub waiting: u64,
    pub parked: u64,
    /// When the oldest that waits was decided.
    pub oldest: Option<Timestamp>,
}

pub async fn add(tx: &mut Tx, new: &NewDelivery, now: Timestamp) -> Result<Added> {
    let args: &[Arg<'_>] = args![
        &new.id,
        new.orchestration.as_ref().map(OrchestrationId::as_str),
        &new.lane,
        new.kind,
        &new.effect,
        new.coalesce.as_deref(),
        new.urgent,
        new.due_at,
        new.expires_at,
        now,
    ];
    let added = if new.coalesce.is_some() && tx.run(REPLACE, args).await? == 1 {
        Added::Replaced
    } else if tx.run(ADD, args).await? == 1 {
        Added::New
    } else {
        return Ok(Added::Existed);
    };
    if new.urgent {
        tx.run(HURRY, args![std::slice::from_ref(&new.lane)]).await?;
    }
    tx.wake(Topic::Outbox);
    Ok(added)
}

/// Has it added when the transaction is committed, together with all others; at once where it may
/// replace another.
pub async fn enqueue(tx: &mut Tx, new: NewDelivery, now: Timestamp) -> Result<()> {
    if new.coalesce.is_some() {
        return add(tx, &new, now).await.map(drop);
    }
    tx.deliver(new, now);
    Ok(())
}

/// Adds what the transaction gathered.
pub(super) async fn append(tx: &mut Tx, deliveries: &[(NewDelivery, Timestamp)]) -> Result<()> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = deliveries.iter().map(|(new, now)| columns(new, *now)).collect();
    tx.run(ADD_ALL, &[items(&rows)?]).await?;
    let urgent: Vec<String> =
        deliveries.iter().filter(|(new, _)| new.urgent).map(|(new, _)| new.lane.clone()).collect();
    if !urgent.is_empty() {
        tx.run(HURRY, args![urgent.as_slice()]).await?;
    }
    Ok(())
}

fn columns(new: &NewDelivery, now: Timestamp) -> impl Serialize {
    let NewDelivery { id, orchestration, lane, kind, effect, coalesce: _, urgent, due_at, expires_at } = new;
    (id, orchestration, clean(lane), *kind, clean(effect), *urgent, *due_at, *expires_at, now)
}

/// Waits until nobody else claims, for the rest of the transaction: for whoever takes paces with it.
pub async fn line_up(tx: &mut Tx) -> Result<()> {
    tx.rows(LINE_UP, args![]).await.map(drop)
}

/// The heads of lanes that are due and that nobody holds, and the firsts of lines that are, at most
/// `limit`: urgent lanes first, then what has been due longest. From here on each counts as attempted.
/// Whoever claims has [lined up](line_up) for it.
pub async fn claim(tx: &mut Tx, now: Timestamp, lease: Duration, limit: u32) -> Result<Vec<Claimed>> {
    let token = uuid::Uuid::new_v4().simple().to_string();
    // However little room there is: what must go first may stand in any line.
    let mut firsts = lines::firsts(tx, now, limit.max(MOST_LINES)).await?;
    let ids: Vec<String> = firsts.keys().map(ToString::to_string).collect();
    let rows = tx.rows(CLAIM, args![now, limit, &token, now + lease, ids.as_slice()]).await?;
    // RETURNING has no order.
    let mut claimed = rows.iter().map(|row| claimed(row, &token)).collect::<Result<Vec<_>>>()?;
    claimed.sort_by_key(|(order, _)| *order);
    let with_line = |(_, claimed): (Order, Claimed)| Claimed { line: firsts.remove(&claimed.id), ..claimed };
    Ok(claimed.into_iter().map(with_line).collect())
}

/// Makes the lease last until `until`. One that has ended by `now` is lost, even when nobody else has
/// the delivery yet.
pub async fn renew(tx: &mut Tx, id: &DeliveryId, token: &str, now: Timestamp, until: Timestamp) -> Result<bool> {
    Ok(tx.run(RENEW, args![id, token, now, until]).await? == 1)
}

/// Ends every lease, for one who knows that nobody is at work. What was claimed is unsure from now on.
pub async fn release_all(tx: &mut Tx) -> Result<u64> {
    tx.run(RELEASE_ALL, args![]).await
}

pub async fn done(tx: &mut Tx, id: &DeliveryId, token: &str, now: Timestamp) -> Result<bool> {
    Ok(tx.run(DONE, args![id, token, now]).await? == 1)
}

/// The attempt failed; there will be another, not before `due_at`. The lane waits for it.
pub async fn put_back(
    tx: &mut Tx,
    id: &DeliveryId,
    token: &str,
    due_at: Timestamp,
    sure: Sure,
    problem: Option<&str>,
) -> Result<bool> {
    Ok(tx.run(PUT_BACK, args![id, token, due_at, sure == Sure::NoEffect, problem]).await? == 1)
}

/// There was no attempt of these after all, all claimed `now` with the one `token`. It does not count.
/// Returns of how many the lease was still held.
pub async fn wait(tx: &mut Tx, token: &str, waiting: &[Waiting], now: Timestamp) -> Result<u64> {
    if waiting.is_empty() {
        return Ok(0);
    }
    let mut due: HashMap<&str, Timestamp> = HashMap::new();
    for (line, at) in waiting.iter().filter_map(|one| Some((one.line.as_deref()?, one.due_at))) {
        due.entry(line).and_modify(|due| *due = at.min(*due)).or_insert(at);
    }
    lines::stand(tx, &due, now).await?;
    let row = |one: &'_ Waiting| (one.id.clone(), one.due_at, one.line.clone(), one.tried_since);
    let rows: Vec<_> = waiting.iter().map(row).collect();
    tx.run(WAIT, &[items(&rows)?, token.into()]).await
}

/// What waits behind a delivery that was tried in vain since `since` has been tried with it: a lane of
/// ten is not given up one after the other, each after its own patience.
pub async fn tried_with(tx: &mut Tx, lane: &str, since: Timestamp) -> Result<()> {
    tx.run(TRIED_WITH, args![lane, since]).await.map(drop)
}

/// Gives the delivery up, for an operator to look at; its lane goes on without it.
pub async fn park(tx: &mut Tx, id: &DeliveryId, token: &str, now: Timestamp, problem: &str) -> Result<bool> {
    Ok(tx.run(PARK, args![id, token, now, problem]).await? == 1)
}

pub async fn parked(store: &Store, limit: u32) -> Result<Vec<DeliveryRow>> {
    store.rows(PARKED, args![limit]).await?.iter().map(delivery).collect()
}

/// At most `limit` of what waits: first what does as soon as it is due, then line by line, each in its order.
pub async fn pending(store: &Store, limit: u32) -> Result<Vec<DeliveryRow>> {
    store.rows(PENDING, args![limit]).await?.iter().map(delivery).collect()
}

/// Everything of one orchestration, in the order in which it was decided.
pub async fn of(store: &Store, orchestration: &OrchestrationId) -> Result<Vec<DeliveryRow>> {
    store.rows(OF, args![orchestration]).await?.iter().map(delivery).collect()
}

/// Puts a parked delivery back into its lane, with all its attempts before it and without a time
/// after which it is of no use. False when it is not parked.
pub async fn retry(store: &Store, id: &DeliveryId, now: Timestamp) -> Result<bool> {
    let retried = !store.write("retry a delivery", RETRY, args![id, now]).await?.is_empty();
    if retried {
        store.wakes().wake(Topic::Outbox.bit());
    }
    Ok(retried)
}

/// As [`retry`], with whatever else the transaction does. What has been tried for too long is tried once.
pub async fn send_again(tx: &mut Tx, id: &DeliveryId, now: Timestamp) -> Result<bool> {
    let sent = tx.row(SEND_AGAIN, args![id, now]).await?.is_some();
    if sent {
        tx.wake(Topic::Outbox);
    }
    Ok(sent)
}

/// What was decided since `from` and parked because of `problem` until `to`, in the order in which it was decided.
/// Boards that were decided on again since are removed.
pub async fn given_up(
    store: &Store,
    problem: &str,
    from: Timestamp,
    to: Timestamp,
    limit: u32,
) -> Result<Vec<DeliveryRow>> {
    if store.row(GIVEN_UP, args![problem, from, to, 1_u32]).await?.is_none() {
        return Ok(Vec::new()); // as nearly always: nothing is written
    }
    let mut tx = store.begin("drop old boards").await?;
    tx.run(DROP_OLD_BOARDS, args![]).await?;
    tx.commit().await?;
    store.rows(GIVEN_UP, args![problem, from, to, limit]).await?.iter().map(delivery).collect()
}

/// When there is something to claim again: a head or a line comes due, or a lease lapses.
pub async fn next_due(store: &Store) -> Result<Option<Timestamp>> {
    store.row(NEXT_DUE, args![]).await?.map_or(Ok(None), |row| row.get("due_at_ms"))
}

/// Removes deliveries that were done before `before`, at most `limit`, and says how many.
pub async fn forget_before(store: &Store, before: Timestamp, limit: u32) -> Result<u64> {
    Ok(store.write("forget old deliveries", FORGET, args![before, limit]).await?.len() as u64)
}

pub async fn counts(store: &Store) -> Result<Counts> {
    let Some(row) = store.row(COUNTS, args![]).await? else { return Ok(Counts::default()) };
    Ok(Counts { waiting: row.get("waiting")?, parked: row.get("parked")?, oldest: row.get("oldest_at_ms")? })
}

type Order = (bool, i64, i64);

fn claimed(row: &Row, token: &str) -> Result<(Order, Claimed)> {
    let urgent: bool = row.get("urgent")?;
    let order = (!urgent, row.get("due_at_ms")?, row.get("seq")?);
    let claimed = Claimed {
        id: row.get("id")?,
        orchestration: row.get("orchestration_id")?,
        lane: row.get("lane")?,
        kind: row.get("kind")?,
        effect: row.get("effect")?,
        urgent,
        attempt: row.get("attempts")?,
        token: token.to_owned(),
        unsure_since: row.get("unsure_before_ms")?,
        created_at: row.get("created_at_ms")?,
        tried_since: row.get("tried_since_ms")?,
        expires_at: row.get("expires_at_ms")?,
        line: None,
    };
    Ok((order, claimed))
}

fn delivery(row: &Row) -> Result<DeliveryRow> {
    let state = match row.get::<String>("state")?.as_str() {
        "waiting" => DeliveryState::Waiting,
        "done" => DeliveryState::Done,
        "parked" => DeliveryState::Parked,
        _ => return Err(StoreError::UnknownWord { what: "a delivery's state" }),
    };
    Ok(DeliveryRow {
        id: row.get("id")?,
        orchestration: row.get("orchestration_id")?,
        kind: row.get("kind")?,
        lane: row.get("lane")?,
        state,
        problem: row.get("problem")?,
        attempts: row.get("attempts")?,
        created_at: row.get("created_at_ms")?,
        due_at: row.get("due_at_ms")?,
        line: row.get("line")?,
    })
}
