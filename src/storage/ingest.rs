//! The inbox writer: concurrent events share one commit, and each is answered only when its own
//! row is on disk. Called by the webhook handlers.
//!
//! One task writes. While a commit is under way the next events gather, so the group grows with the
//! load and with the slowness of the disk, and an event that comes alone waits for nobody.

use std::{collections::HashSet, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

use super::{
    Result, Store, StoreError,
    room::{self, Held, Room},
    sql::{Arg, Sql, clean, items},
    wakes::Topic,
};
use crate::{ids::EventId, time::Timestamp};

/// Senders wait three seconds at the most (Slack), and the answer has to travel; so all of it,
/// waiting for room included, is over before 2.5 seconds.
const PATIENCE: Duration = Duration::from_millis(2300);
/// For one group. Longer than the database waits for a lock, shorter than the patience.
const WRITE: Duration = Duration::from_secs(2);
/// Events in one commit. Beyond this a larger group gains nothing.
const GROUP: usize = 256;
/// Events that wait for the writer. Those beyond wait for room.
const QUEUE: usize = 512;

/// All events of a group in one statement. Each database reads a list in its own way, and this is
/// the path that has to be fast, so each gets its own text: one parameter a column in PostgreSQL; in
/// SQLite a JSON array of rows, and beside it all bodies in one, from which each row takes its part:
/// a body as JSON would be written and read several times. What conflicts is `dedupe` or `delivery`:
/// nothing else of the inbox has to be unique but the number that it gives itself.
macro_rules! add {
    ($name:literal, $($conflict:literal)?) => {
        Sql {
            name: $name,
            sqlite: concat!(
                "INSERT INTO inbox (id, source, kind, dedupe, delivery, lane, due_at_ms, received_at_ms, body)
                SELECT event.value ->> 0, event.value ->> 1, event.value ->> 2, event.value ->> 3, event.value ->> 4,
                       event.value ->> 5, event.value ->> 6, event.value ->> 6,
                       CAST(SUBSTR($2, event.value ->> 7, event.value ->> 8) AS TEXT)
                FROM json_each($1) AS event WHERE TRUE ORDER BY event.key",
                $($conflict)?
            ),
            postgres: concat!(
                "INSERT INTO inbox (id, source, kind, dedupe, delivery, lane, due_at_ms, received_at_ms, body)
                SELECT id, source, kind, dedupe, NULLIF(delivery, ''), lane, received_at_ms, received_at_ms, body
                FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
                            $8::text[])
                     WITH ORDINALITY AS event (id, source, kind, dedupe, delivery, lane, received_at_ms, body, place)
                ORDER BY place",
                $($conflict)?
            ),
        }
    };
}
const ADD: Sql = add!("baton::storage::ingest ADD", " ON CONFLICT DO NOTHING RETURNING source, dedupe");
/// Fails as a whole when one of them is there already.
const ADD_NEW: Sql = add!("baton::storage::ingest ADD_NEW",);
pub(super) const STATEMENTS: &[Sql] = &[ADD, ADD_NEW];

/// An event as it came in, not yet understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    pub id: EventId,
    /// `slack` or `linear`.
    pub source: &'static str,
    /// What sort of body it is: Slack's `commands`, `interactivity` or `events`.
    pub kind: &'static str,
    /// Equal for the same event of the same source delivered again.
    pub dedupe: String,
    /// The platform's own id of the attempt to deliver it, where it has one: what comes under an id
    /// that was seen is a duplicate, whatever it says.
    pub delivery: Option<String>,
    /// Events of one lane are decided in the order of their arrival.
    pub lane: String,
    pub body: String,
    pub received_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    New,
    Duplicate,
}

/// The event could not be stored; the sender has to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event could not be stored")]
pub struct Unavailable;

/// Hands events to the writer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ingest {
    queue: mpsc::Sender<Waiting>,
    room: Room,
}

#[derive(Debug)]
struct Waiting {
    event: NewEvent,
    answer: oneshot::Sender<Result<Stored, Unavailable>>,
    /// Given back when the event is on disk, also after its sender has given up.
    held: Option<Held>,
}

impl Ingest {
    /// Starts the writer. It ends, after the last event, when every [`Ingest`] is dropped.
    #[must_use]
    pub fn start(store: Store) -> (Self, JoinHandle<()>) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        (Self { queue, room: Room::of(room::WHOLE) }, tokio::spawn(write(store, waiting)))
    }

    /// For the bodies of events that are on their way here.
    #[must_use]
    pub const fn room(&self) -> &Room {
        &self.room
    }

    /// Returns when the event is on disk, within 2.5 seconds in any case.
    ///
    /// # Errors
    /// When it is not known to be on disk by then. It may be there all the same: the sender's next
    /// attempt is then a duplicate.
    pub async fn store(&self, event: NewEvent) -> Result<Stored, Unavailable> {
        self.store_from(None, event).await
    }

    /// The same for an event whose body holds room.
    ///
    /// # Errors
    /// As [`Ingest::store`].
    pub async fn store_from(&self, held: Option<Held>, event: NewEvent) -> Result<Stored, Unavailable> {
        let stored = async {
            let (answer, answered) = oneshot::channel();
            self.queue.send(Waiting { event, answer, held }).await.map_err(|_| Unavailable)?;
            answered.await.map_err(|_| Unavailable)?
        };
        timeout(PATIENCE, stored).await.unwrap_or(Err(Unavailable))
    }
}

async fn write(store: Store, mut queue: mpsc::Receiver<Waiting>) {
    let mut group = Vec::with_capacity(GROUP);
    while queue.recv_many(&mut group, GROUP).await > 0 {
        // Whoever gave up was told to send it again; storing it now might do it twice.
        group.retain(|waiting| !waiting.answer.is_closed());
        let whole = group.drain(..).map(|one| (one.event, (one.answer, one.held)));
        let (events, answers): (Vec<_>, Vec<_>) = whole.unzip();
        for ((answer, _), stored) in answers.into_iter().zip(add_each(&store, &events).await) {
            // The caller may be gone by now; its event is stored.
            let _ = answer.send(stored);
        }
    }
}

/// One answer for each event.
async fn add_each(store: &Store, events: &[NewEvent]) -> Vec<Result<Stored, Unavailable>> {
    match add(store, events).await {
        Ok(stored) => return stored.into_iter().map(Ok).collect(),
        // The database says no to one of them: let the others through.
        Err(error) if !error.is_retryable() && events.len() > 1 => {}
        Err(error) => {
            tracing::warn!(%error, events = events.len(), "events could not be stored");
            return vec![Err(Unavailable); events.len()];
        }
    }
    let mut answers = vec![Err(Unavailable); events.len()];
    // What is left when the time is up has to be sent again.
    let _ = timeout(WRITE, one_by_one(store, events, &mut answers)).await;
    answers
}

async fn one_by_one(store: &Store, events: &[NewEvent], answers: &mut [Result<Stored, Unavailable>]) {
    for (event, answer) in events.iter().zip(answers) {
        match add(store, std::slice::from_ref(event)).await {
            Ok(stored) => *answer = stored.first().copied().ok_or(Unavailable),
            Err(error) => tracing::warn!(%error, event.id = %event.id, "an event could not be stored"),
        }
    }
}

async fn add(store: &Store, events: &[NewEvent]) -> Result<Vec<Stored>> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let stored = timeout(WRITE, insert(store, events)).await.unwrap_or(Err(StoreError::Slow))?;
    if stored.contains(&Stored::New) {
        store.wakes().wake(Topic::Inbox.bit());
    }
    Ok(stored)
}

async fn insert(store: &Store, events: &[NewEvent]) -> Result<Vec<Stored>> {
    const NAME: &str = "store events";
    let is_sqlite = store.kind() == "sqlite";
    let args = if is_sqlite { rows_and_bodies(events)? } else { column_by_column(events) };
    // As it mostly is. SQLite's rows go from thread to thread one by one, so it is not asked for any.
    // PostgreSQL would write each failure into its log.
    if is_sqlite {
        match store.execute(NAME, ADD_NEW, &args).await {
            Err(error) if error.is_conflict() => {}
            added => return added.map(|()| vec![Stored::New; events.len()]),
        }
    }
    let rows = store.write(NAME, ADD, &args).await?;
    if rows.len() == events.len() {
        return Ok(vec![Stored::New; events.len()]);
    }
    let added = rows.iter().map(|row| Ok((row.get("source")?, row.get("dedupe")?)));
    let mut added = added.collect::<Result<HashSet<(String, String)>>>()?;
    // The first of equal events is the one that was added.
    let is_new = |event: &NewEvent| added.remove(&(event.source.to_owned(), clean(&event.dedupe).into_owned()));
    Ok(events.iter().map(is_new).map(|new| if new { Stored::New } else { Stored::Duplicate }).collect())
}

fn rows_and_bodies(events: &[NewEvent]) -> Result<Vec<Arg<'static>>> {
    let mut bodies = Vec::with_capacity(events.iter().map(|event| event.body.len()).sum());
    let mut rows = Vec::with_capacity(events.len());
    for NewEvent { id, source, kind, dedupe, delivery, lane, body, received_at } in events {
        let delivery = delivery.as_deref().filter(|delivery| !delivery.is_empty()).map(clean);
        let body = clean(body);
        // SQLite counts from 1.
        let part = (bodies.len() + 1, body.len());
        bodies.extend_from_slice(body.as_bytes());
        rows.push((id, *source, *kind, clean(dedupe), delivery, clean(lane), *received_at, part.0, part.1));
    }
    Ok(vec![items(&rows)?, Arg::Bytes(bodies)])
}

fn column_by_column(events: &[NewEvent]) -> Vec<Arg<'_>> {
    fn texts<'a>(events: &'a [NewEvent], of: impl Fn(&'a NewEvent) -> &'a str) -> Arg<'a> {
        Arg::Texts(events.iter().map(|event| clean(of(event))).collect())
    }
    vec![
        texts(events, |event| event.id.as_str()),
        texts(events, |event| event.source),
        texts(events, |event| event.kind),
        texts(events, |event| &event.dedupe),
        texts(events, |event| event.delivery.as_deref().unwrap_or_default()),
        texts(events, |event| &event.lane),
        Arg::Ints(events.iter().map(|event| event.received_at.as_millis()).collect()),
        texts(events, |event| &event.body),
    ]
}
