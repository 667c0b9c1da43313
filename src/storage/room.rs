//! Room for what comes in: how much of it all doors together hold at a time, from the first byte of
//! a body until that body is on disk or turned away.
//!
//! A request takes its least when it comes, and more while its body grows. When there is no more, the
//! sender is told to come again, long before memory is short. `door.rs` takes it; `ingest.rs` keeps it
//! for as long as an event waits for the writer.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes for all. What bodies become while they are stored is a small multiple of it.
pub const WHOLE: usize = 32 << 20;
/// A request takes this much from the start, so that there are never more than 512: more than a
/// webhook of Slack's or Linear's has but for the largest.
pub const LEAST: usize = 64 << 10;

/// Cheap to clone; all clones share.
#[derive(Clone, Debug)]
pub struct Room(Arc<Semaphore>);

/// A part of a [`Room`], given back when it is dropped.
#[derive(Debug)]
pub struct Held(OwnedSemaphorePermit);

impl Room {
    #[must_use]
    pub fn of(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes)))
    }

    /// The least of a request. None when there is no room for it.
    #[must_use]
    pub fn take(&self) -> Option<Held> {
        take(&self.0, LEAST).map(Held)
    }
}

impl Held {
    /// Takes what is missing to hold `bytes` in all. False when there is no room for that.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let missing = bytes.saturating_sub(self.0.num_permits());
        let more = take(self.0.semaphore(), missing);
        more.map(|more| self.0.merge(more)).is_some()
    }
}

fn take(room: &Arc<Semaphore>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    Arc::clone(room).try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_missing_until_it_is_given_back() {
        let room = Room::of(3 * LEAST);
        let mut first = room.take().expect("room");
        let second = room.take().expect("room");
        assert!(first.grow(LEAST), "what it holds already");
        assert!(first.grow(2 * LEAST));
        assert!(!first.grow(2 * LEAST + 1));
        assert!(room.take().is_none());
        drop(second);
        assert!(first.grow(2 * LEAST + 1));
        drop(first);
        assert_eq!((0..4).map_while(|_| room.take()).collect::<Vec<_>>().len(), 3);
    }
}
