//! `/healthz` and `/readyz`: whether the process lives, and whether it can do its work.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::Web;
use crate::{
    storage::{Schema, Store},
    time::Timestamp,
};

/// The workers without which nothing gets done. Others may rest for longer than [`SILENT`].
const WORKERS: [&str; 4] = ["inbox", "outbox", "timers", "follow"];
/// A write that was taken so long ago still counts.
const FRESH: Duration = Duration::from_secs(1);
/// A worker that has not been heard of for so long hangs, or is gone.
const SILENT: Duration = Duration::from_mins(1);

/// When each worker was last heard of, and when the database last took a write. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Ready(Arc<Mutex<Beats>>);

#[derive(Debug, Default)]
struct Beats {
    workers: BTreeMap<&'static str, Timestamp>,
    wrote: Timestamp,
}

impl Ready {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The worker is alive at `now`.
    pub fn worker_beat(&self, name: &'static str, now: Timestamp) {
        self.lock().workers.insert(name, now);
    }

    fn has_written_at(&self, now: Timestamp) -> bool {
        let wrote = self.lock().wrote;
        wrote <= now && now.since(wrote) < FRESH
    }

    fn wrote(&self, now: Timestamp) {
        self.lock().wrote = now;
    }

    fn lock(&self) -> MutexGuard<'_, Beats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn silent(&self, now: Timestamp) -> Vec<&'static str> {
        let beats = self.lock();
        let heard = |name: &&str| beats.workers.get(name).is_some_and(|beat| now.since(*beat) <= SILENT);
        WORKERS.into_iter().filter(|name| !heard(name)).collect()
    }
}

pub(super) async fn live() -> &'static str {
    "alive\n"
}

pub(super) async fn ready(State(web): State<Web>) -> Response {
    let mut missing = Vec::new();
    let now = web.clock.now();
    missing.extend(database(&web.store, &web.ready, now).await);
    let silent = web.ready.silent(now);
    if !silent.is_empty() {
        missing.push(format!("workers ({})", silent.join(", ")));
    }
    if missing.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", missing.join(", "))).into_response()
}

/// A newer schema is fine while we run: it was expanded for the replicas that come after us.
async fn database(store: &Store, ready: &Ready, now: Timestamp) -> Option<String> {
    if store.ping().await.is_err() {
        return Some("database".into());
    }
    match store.check_schema().await {
        Ok(Schema::Current | Schema::Newer) => {}
        Ok(Schema::Behind) => return Some("migrations".into()),
        Err(_) => return Some("database".into()),
    }
    // Whoever asks often is not to make us write often.
    if ready.has_written_at(now) {
        return None;
    }
    if store.try_write(now).await.is_err() {
        return Some("database (it cannot be written to)".into());
    }
    ready.wrote(now);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_is_not_heard_of_for_a_minute_is_silent() {
        let start = Timestamp::from_secs(1000);
        let ready = Ready::new();
        assert_eq!(ready.silent(start), WORKERS);
        for name in WORKERS {
            ready.worker_beat(name, start);
        }
        assert!(ready.silent(start + SILENT).is_empty());
        ready.worker_beat("inbox", start + SILENT);
        assert_eq!(ready.silent(start + SILENT + Duration::from_millis(1)), ["outbox", "timers", "follow"]);
    }
}
