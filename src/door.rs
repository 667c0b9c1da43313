//! What the doors of all platforms do alike: reading a body that may be too long or come too slowly,
//! while there is room for it; keeping an event before it is acknowledged; and saying what became of
//! a request.
//!
//! Used by `slack/webhook.rs` and `linear/webhook.rs`; `web/door.rs` counts by [`Heard`].

use std::{
    fmt::Display,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    storage::{
        ingest::{Ingest, NewEvent, Stored},
        room::{Held, LEAST, Room},
    },
    time::Timestamp,
};

/// A body has to arrive within this. No platform waits longer for its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is over the limit is read for this long and thrown away, so that a sender that writes
/// before it reads gets to see the 413.
const PARTING: Duration = Duration::from_secs(1);
/// What a sender is told to wait for when there is no room, in seconds.
const LATER: &str = "1";
/// Lines a second about requests that are turned away.
const MOST_LINES: u64 = 20;

/// What became of a request: an extension of the response, for whoever counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    New,
    Duplicate,
    /// Signed, and not for us.
    Ignored(&'static str),
    /// The platform asks whether we are there.
    Probe,
    /// Answered at once; there is nothing to store.
    Asked,
    /// Turned away, or not stored.
    Refused,
    /// Turned away unread, because there was no room for it.
    Shed,
}

/// Why a body was not read. The text is the answer's one-line reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    #[error("the body is larger than {} MiB", limit >> 20)]
    TooLarge { limit: usize },
    #[error("the body did not arrive in time")]
    TooSlow,
    #[error("the body broke off")]
    BrokenOff,
    #[error("too much is under way; try again")]
    NoRoom,
}

/// A body, and the room that it takes until this is dropped.
#[derive(Debug)]
pub struct Read {
    pub bytes: Vec<u8>,
    pub held: Held,
}

/// Tells of those who are turned away, in so many lines a second that nobody can fill a disk with
/// them. All are counted in the metrics. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    second: i64,
    lines: u64,
    /// Not told, since the last line.
    untold: u64,
}

/// Why a header that has to be there once is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOne {
    Missing,
    /// There are several, or it is not text.
    Malformed,
}

/// `answer`, marked with what became of its request.
pub fn heard(word: Heard, answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    response.extensions_mut().insert(word);
    response
}

/// The whole body, when it has at most `limit` bytes, arrives in time, and there is room for it.
/// `headers` are those that came with it.
pub async fn read(headers: &HeaderMap, body: Body, limit: usize, room: &Room) -> Result<Read, Unread> {
    let held = room.take().ok_or(Unread::NoRoom)?;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let read = collect(body, announced, limit, held);
    tokio::time::timeout(PATIENCE, read).await.map_err(|_| Unread::TooSlow)?
}

/// The header's one value; a second one would leave open which was checked.
pub fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, NotOne> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(NotOne::Missing)?;
    if values.next().is_some() {
        return Err(NotOne::Malformed);
    }
    value.to_str().map_err(|_| NotOne::Malformed)
}

/// What is at a JSON pointer of plain names. `Value::pointer` makes two strings of each name, to undo
/// escapes that no platform's names have.
#[must_use]
pub fn at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    pointer.split('/').skip(1).try_fold(value, |value, name| match value {
        Value::Object(members) => members.get(name),
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => None,
    })
}

/// The text at a JSON pointer; none when it is absent, empty or something other than text.
#[must_use]
pub fn text_at<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    at(value, pointer)?.as_str().filter(|text| !text.is_empty())
}

/// A name from outside as it can be kept: the databases do not index texts of any length.
#[must_use]
pub fn known_by(name: String) -> String {
    const LONGEST: usize = 200;
    if name.len() <= LONGEST { name } else { hex::encode(Sha256::digest(name)) }
}

/// Answers with `acknowledgement` once the event is on disk, now or earlier, and with 503 when it is
/// not, so that the sender tries again.
pub async fn keep(ingest: &Ingest, held: Held, event: NewEvent, acknowledgement: impl IntoResponse) -> Response {
    match store(ingest, held, event).await {
        Heard::Refused => heard(Heard::Refused, (StatusCode::SERVICE_UNAVAILABLE, "the event could not be stored\n")),
        stored => heard(stored, acknowledgement),
    }
}

/// Returns when the event is on disk, as [`Heard::New`] or [`Heard::Duplicate`], or with
/// [`Heard::Refused`] when it is not known to be there.
pub async fn store(ingest: &Ingest, held: Held, event: NewEvent) -> Heard {
    let (id, source, kind) = (event.id.clone(), event.source, event.kind);
    match ingest.store_from(Some(held), event).await {
        // Of what is new its decision tells.
        Ok(Stored::New) => {
            tracing::debug!(event.source = source, event.kind = kind, event.id = %id, "event stored");
            Heard::New
        }
        Ok(Stored::Duplicate) => {
            tracing::info!(event.source = source, event.kind = kind, event.id = %id, "event known already");
            Heard::Duplicate
        }
        Err(unavailable) => {
            tracing::error!(event.source = source, event.kind = kind, event.id = %id, "{unavailable}");
            Heard::Refused
        }
    }
}

impl Unread {
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenOff => StatusCode::BAD_REQUEST,
            Self::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Unread {
    fn into_response(self) -> Response {
        let answer = (self.status(), format!("{self}\n"));
        match self {
            Self::NoRoom => heard(Heard::Shed, ([(header::RETRY_AFTER, LATER)], answer)),
            Self::TooLarge { .. } | Self::TooSlow | Self::BrokenOff => heard(Heard::Refused, answer),
        }
    }
}

impl Refusals {
    /// A request to `path` was turned away.
    pub fn tell(&self, source: &str, path: &str, reason: &dyn Display, now: Timestamp) {
        if let Some(untold) = self.may_tell(now) {
            tracing::warn!(event.source = source, http.path = path, %reason, untold, "request turned away");
        }
    }

    /// Whether there may be one more line, and how many there were not since the last.
    fn may_tell(&self, now: Timestamp) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.second != now.as_secs() {
            (told.second, told.lines) = (now.as_secs(), 0);
        }
        if told.lines == MOST_LINES {
            told.untold += 1;
            return None;
        }
        told.lines += 1;
        Some(std::mem::take(&mut told.untold))
    }
}

async fn collect(body: Body, announced: Option<u64>, limit: usize, mut held: Held) -> Result<Read, Unread> {
    let announced = announced.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(chunks, limit).await);
    }
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Unread::BrokenOff)?;
        let length = bytes.len() + chunk.len();
        if length > limit {
            drop(bytes);
            return Err(too_large(chunks, limit).await);
        }
        if length > bytes.capacity() {
            // Never more than is held: a vector that grows by itself takes up to twice its length.
            let wanted = length.max(announced.unwrap_or(limit).min(bytes.len() + LEAST));
            if !held.grow(wanted) {
                return Err(Unread::NoRoom);
            }
            bytes.reserve_exact(wanted - bytes.len());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Read { bytes, held })
}

async fn too_large(chunks: BodyDataStream, limit: usize) -> Unread {
    let rest = chunks.for_each(|_| std::future::ready(()));
    // Whether it came to an end or not, the answer is the same.
    let _ = tokio::time::timeout(PARTING, rest).await;
    Unread::TooLarge { limit }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    async fn read(body: Body, limit: usize, room: &Room) -> Result<Read, Unread> {
        super::read(&HeaderMap::new(), body, limit, room).await
    }

    async fn bytes(body: Body, limit: usize) -> Result<Vec<u8>, Unread> {
        let room = Room::of(4 << 20);
        let read = read(body, limit, &room).await.map(|read| read.bytes);
        let mut whole = room.take().expect("room");
        assert!(whole.grow(4 << 20), "all of it was given back");
        read
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_the_limit_and_not_beyond() {
        assert_eq!(bytes(Body::from("abc"), 3).await, Ok(b"abc".to_vec()));
        let refused = bytes(Body::from(vec![b'a'; (1 << 20) + 1]), 1 << 20).await.expect_err("a refusal");
        assert_eq!(
            (refused.status(), refused.to_string()),
            (StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB".into())
        );
        let broken = Body::from_stream(stream::iter([Ok("a"), Err(std::io::Error::other("gone"))]));
        assert_eq!(bytes(broken, 3).await, Err(Unread::BrokenOff));
    }

    #[tokio::test]
    async fn who_never_stops_sending_is_told_all_the_same() {
        let endless = stream::iter([Ok("abcd")]).chain(stream::pending::<Result<&str, std::io::Error>>());
        assert_eq!(bytes(Body::from_stream(endless), 3).await, Err(Unread::TooLarge { limit: 3 }));
    }

    #[tokio::test]
    async fn what_is_announced_as_too_long_is_not_waited_for() {
        let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, "268435456".parse().expect("a value"))]);
        let never = Body::from_stream(stream::pending::<Result<&str, std::io::Error>>());
        let read = super::read(&headers, never, 1 << 20, &Room::of(LEAST)).await;
        assert_eq!(read.err(), Some(Unread::TooLarge { limit: 1 << 20 }));
    }

    #[tokio::test]
    async fn a_body_in_many_pieces_takes_no_more_memory_than_it_holds_room() {
        for pieces in [1, 17, 1000] {
            let piece = vec![b'x'; 1_000_000 / pieces];
            let length = piece.len() * pieces;
            let all = stream::iter(vec![piece; pieces].into_iter().map(Ok::<_, std::io::Error>));
            let room = Room::of(2 << 20);
            let read = read(Body::from_stream(all), 1 << 20, &room).await.expect("a body");
            assert_eq!(read.bytes.len(), length);
            let spare = (2 << 20) - read.bytes.capacity();
            let rest = Room::take(&room).map(|mut rest| rest.grow(spare + 1));
            assert_ne!(rest, Some(true), "more was free than is not in use");
        }
    }

    #[tokio::test]
    async fn without_room_the_sender_is_told_to_come_again() {
        let room = Room::of(LEAST * 3);
        let first = read(Body::from(vec![b'a'; LEAST * 2]), 1 << 20, &room).await.expect("a body");
        let unread = read(Body::from(vec![b'a'; LEAST + 1]), 1 << 20, &room).await.expect_err("no room to grow");
        let answer = unread.into_response();
        assert_eq!(
            (answer.status(), answer.headers()[header::RETRY_AFTER].as_bytes()),
            (StatusCode::SERVICE_UNAVAILABLE, &b"1"[..])
        );
        assert_eq!(answer.extensions().get::<Heard>(), Some(&Heard::Shed));
        let second = read(Body::from("abc"), 1 << 20, &room).await.expect("a small one fits");
        assert_eq!(read(Body::empty(), 1 << 20, &room).await.err(), Some(Unread::NoRoom));
        drop((first, second));
        assert!(read(Body::from(vec![b'a'; LEAST * 3]), 1 << 20, &room).await.is_ok());
    }

    #[test]
    fn lines_about_the_refused_are_few_and_none_is_lost() {
        let refusals = Refusals::default();
        let told = |second| refusals.may_tell(Timestamp::from_secs(second));
        assert!((0..MOST_LINES).all(|_| told(7) == Some(0)));
        assert!((0..30).all(|_| told(7).is_none()));
        assert_eq!((told(8), told(8)), (Some(30), Some(0)));
    }

    #[test]
    fn a_header_counts_when_it_is_there_once() {
        let mut headers = HeaderMap::new();
        assert_eq!(only(&headers, "x"), Err(NotOne::Missing));
        headers.append("x", "1".parse().expect("a value"));
        assert_eq!(only(&headers, "x"), Ok("1"));
        headers.append("x", "2".parse().expect("a value"));
        assert_eq!(only(&headers, "x"), Err(NotOne::Malformed));
    }
}
