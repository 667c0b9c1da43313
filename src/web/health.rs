//! `/healthz` and `/readyz`: whether the process lives, and whether it can do its work.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
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
/// A worker that has not been heard of for so long hangs, or is gone.
const SILENT: Duration = Duration::from_mins(1);

/// When each worker was last heard of. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Ready(Arc<Mutex<BTreeMap<&'static str, Timestamp>>>);

impl Ready {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The worker is alive at `now`.
    pub fn worker_beat(&self, name: &'static str, now: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, now);
    }

    fn silent(&self, now: Timestamp) -> Vec<&'static str> {
        let beats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = |name: &&str| beats.get(name).is_some_and(|beat| now.since(*beat) <= SILENT);
        WORKERS.into_iter().filter(|name| !heard(name)).collect()
    }
}

pub(super) async fn live() -> &'static str {
    "alive\n"
}

pub(super) async fn ready(State(web): State<Web>) -> Response {
    let mut missing = Vec::new();
    missing.extend(database(&web.store).await);
    let silent = web.ready.silent(web.clock.now());
    if !silent.is_empty() {
        missing.push(format!("workers ({})", silent.join(", ")));
    }
    if missing.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", missing.join(", "))).into_response()
}

/// A newer schema is fine while we run: it was expanded for the replicas that come after us.
async fn database(store: &Store) -> Option<String> {
    if store.ping().await.is_err() {
        return Some("database".into());
    }
    match store.check_schema().await {
        Ok(Schema::Current | Schema::Newer) => None,
        Ok(Schema::Behind) => Some("migrations".into()),
        Err(_) => Some("database".into()),
    }
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
