//! The inbox after the acknowledgement: events that wait for their decision, lane by lane. Called
//! by the inbox worker, in the transaction that also saves what was decided.

use super::{
    Result, Store, Tx,
    sql::{Row, args, statements},
    wakes::Topic,
};
use crate::{ids::EventId, time::Timestamp};

statements! {
    // An event can be decided when it is due and no earlier one of its lane waits for its time. Those that
    // wait were put off, and have an index of their own: they are few however many events there are.
    OPEN_LANES = "SELECT lane FROM (
            SELECT DISTINCT lane FROM (
                SELECT event.lane FROM inbox AS event
                WHERE event.state = 'undecided' AND event.due_at_ms <= $1
                  AND NOT EXISTS (SELECT 1 FROM inbox AS earlier
                                  WHERE earlier.lane = event.lane AND earlier.state = 'undecided'
                                    AND earlier.due_at_ms <> earlier.received_at_ms
                                    AND earlier.seq < event.seq AND earlier.due_at_ms > $1)
                ORDER BY event.seq LIMIT $2) AS oldest) AS lanes
        WHERE " lane_is_ours;
    TAKE = "SELECT event.seq, event.id, event.source, event.kind, event.lane, event.body, event.attempts,
               event.received_at_ms
        FROM inbox AS event
        WHERE event.state = 'undecided' AND event.due_at_ms <= $1 AND event.lane" among_3
        "  AND NOT EXISTS (SELECT 1 FROM inbox AS earlier
                           WHERE earlier.lane = event.lane AND earlier.state = 'undecided'
                             AND earlier.due_at_ms <> earlier.received_at_ms
                             AND earlier.seq < event.seq AND earlier.due_at_ms > $1)
        ORDER BY event.seq LIMIT $2";
    // What was said in it lives on in what was decided; to know a duplicate by, its names are enough.
    DONE = "UPDATE inbox SET state = 'done', body = '', problem = NULL, settled_at_ms = $2
        WHERE state = 'undecided' AND seq" among_1;
    PUT_BACK = "UPDATE inbox SET due_at_ms = $2, problem = $3, attempts = attempts + 1
        WHERE seq = $1 AND state = 'undecided'";
    WAIT = "UPDATE inbox SET due_at_ms = $2 WHERE seq = $1 AND state = 'undecided'";
    PARK = "UPDATE inbox SET state = 'parked', settled_at_ms = $2, problem = $3, attempts = attempts + 1
        WHERE seq = $1 AND state = 'undecided'";
    PARKED = "SELECT id, source, kind, attempts, received_at_ms FROM inbox WHERE state = 'parked' ORDER BY seq LIMIT $1";
    RETRY = "UPDATE inbox
        SET state = 'undecided', due_at_ms = $2, attempts = 0, settled_at_ms = NULL, problem = NULL
        WHERE id = $1 AND state = 'parked'
        RETURNING id";
    // Only the head of a lane counts: what is behind one that was put off waits for it. Of those that
    // were not, the first is due.
    NEXT_DUE = "SELECT MIN(due_at_ms) AS due_at_ms FROM (
            SELECT due_at_ms FROM (
                SELECT event.due_at_ms FROM inbox AS event
                WHERE event.state = 'undecided' AND event.due_at_ms = event.received_at_ms
                  AND NOT EXISTS (SELECT 1 FROM inbox AS earlier
                                  WHERE earlier.lane = event.lane AND earlier.state = 'undecided'
                                    AND earlier.due_at_ms <> earlier.received_at_ms AND earlier.seq < event.seq)
                ORDER BY event.seq LIMIT 1) AS oldest
            UNION ALL
            SELECT MIN(event.due_at_ms) FROM inbox AS event
            WHERE event.state = 'undecided' AND event.due_at_ms <> event.received_at_ms
              AND NOT EXISTS (SELECT 1 FROM inbox AS earlier
                              WHERE earlier.lane = event.lane AND earlier.state = 'undecided'
                                AND earlier.due_at_ms <> earlier.received_at_ms AND earlier.seq < event.seq)) AS times";
    FORGET = "DELETE FROM inbox
        WHERE seq IN (SELECT seq FROM inbox WHERE settled_at_ms < $1 ORDER BY settled_at_ms LIMIT $2)
        RETURNING seq";
    COUNTS = "SELECT (SELECT COUNT(*) FROM inbox WHERE state = 'undecided') AS undecided,
               (SELECT COUNT(*) FROM inbox WHERE state = 'parked') AS parked,
               (SELECT received_at_ms FROM inbox WHERE state = 'undecided' ORDER BY seq LIMIT 1) AS oldest_at_ms";
}

/// An event that this transaction may decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenEvent {
    pub seq: i64,
    pub id: EventId,
    pub source: String,
    pub kind: String,
    pub lane: String,
    pub body: String,
    /// How often deciding it has failed.
    pub attempts: u32,
    pub received_at: Timestamp,
}

/// An event that was given up, for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedEvent {
    pub id: EventId,
    pub source: String,
    pub kind: String,
    pub attempts: u32,
    pub received_at: Timestamp,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub undecided: u64,
    pub parked: u64,
    /// When the oldest undecided event came in.
    pub oldest: Option<Timestamp>,
}

/// Undecided events that are due, oldest first, at most `limit`. An event is never taken before an
/// earlier one of its lane, and until the transaction ends nobody else gets one of these lanes.
///
/// When one is put back, the later ones of its lane in the same batch have to be left alone.
pub async fn take(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<Vec<TakenEvent>> {
    // First the lanes, then the events, so that these are read as whoever had a lane before us left
    // them: each statement sees what was committed before it began.
    let lanes = tx.rows(OPEN_LANES, args![now, limit]).await?;
    let lanes = lanes.iter().map(|row| row.get("lane")).collect::<Result<Vec<String>>>()?;
    if lanes.is_empty() {
        return Ok(Vec::new());
    }
    tx.rows(TAKE, args![now, limit, lanes.as_slice()]).await?.iter().map(taken).collect()
}

pub async fn done(tx: &mut Tx, seqs: &[i64], now: Timestamp) -> Result<()> {
    tx.run(DONE, args![seqs, now]).await.map(drop)
}

/// Deciding it failed; its lane waits until `due_at`.
pub async fn put_back(tx: &mut Tx, seq: i64, due_at: Timestamp, problem: &str) -> Result<()> {
    tx.run(PUT_BACK, args![seq, due_at, problem]).await.map(drop)
}

/// It cannot be decided yet, through no fault of its own; its lane waits until `due_at`.
pub async fn wait(tx: &mut Tx, seq: i64, due_at: Timestamp) -> Result<()> {
    tx.run(WAIT, args![seq, due_at]).await.map(drop)
}

/// Gives the event up; its lane goes on without it.
pub async fn park(tx: &mut Tx, seq: i64, now: Timestamp, problem: &str) -> Result<()> {
    tx.run(PARK, args![seq, now, problem]).await.map(drop)
}

/// What was given up and is still kept, oldest first.
pub async fn parked(store: &Store, limit: u32) -> Result<Vec<ParkedEvent>> {
    store.rows(PARKED, args![limit]).await?.iter().map(parked_event).collect()
}

/// Has a parked event decided again, in its lane. False when it is not parked.
pub async fn retry(store: &Store, id: &EventId, now: Timestamp) -> Result<bool> {
    let retried = !store.write("retry an event", RETRY, args![id, now]).await?.is_empty();
    if retried {
        store.wakes().wake(Topic::Inbox.bit());
    }
    Ok(retried)
}

/// When there is something to take again. In the past when another replica is at it.
pub async fn next_due(store: &Store) -> Result<Option<Timestamp>> {
    store.row(NEXT_DUE, args![]).await?.map_or(Ok(None), |row| row.get("due_at_ms"))
}

/// Removes events that were decided or parked before `before`, at most `limit`, and says how many.
/// A duplicate of them is new again.
pub async fn forget_before(store: &Store, before: Timestamp, limit: u32) -> Result<u64> {
    Ok(store.write("forget old events", FORGET, args![before, limit]).await?.len() as u64)
}

pub async fn counts(store: &Store) -> Result<Counts> {
    let Some(row) = store.row(COUNTS, args![]).await? else { return Ok(Counts::default()) };
    Ok(Counts { undecided: row.get("undecided")?, parked: row.get("parked")?, oldest: row.get("oldest_at_ms")? })
}

fn parked_event(row: &Row) -> Result<ParkedEvent> {
    Ok(ParkedEvent {
        id: row.get("id")?,
        source: row.get("source")?,
        kind: row.get("kind")?,
        attempts: row.get("attempts")?,
        received_at: row.get("received_at_ms")?,
    })
}

fn taken(row: &Row) -> Result<TakenEvent> {
    Ok(TakenEvent {
        seq: row.get("seq")?,
        id: row.get("id")?,
        source: row.get("source")?,
        kind: row.get("kind")?,
        lane: row.get("lane")?,
        body: row.get("body")?,
        attempts: row.get("attempts")?,
        received_at: row.get("received_at_ms")?,
    })
}
