//! How fast something may be asked: a bucket that all replicas share. The platforms' `limits` say
//! which call takes from which; the outbox and the sweep wait for their turn.

use std::time::Duration;

/// `burst` requests at once, then one each `interval`, for everything with the same `key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    pub key: String,
    pub interval: Duration,
    pub burst: u32,
    /// What is asked makes so many requests, one right after the other. Where that is more than the
    /// burst, there is as much room before them as after them.
    pub requests: u32,
}

impl Pace {
    /// The pace of something that makes so many requests.
    #[must_use]
    pub fn of_requests(self, requests: u32) -> Self {
        Self { requests: requests.max(1), ..self }
    }

    /// The room that it needs before it.
    #[must_use]
    pub fn before(&self) -> Duration {
        self.interval * (self.requests - 1)
    }

    /// The room that it needs from its first request on.
    #[must_use]
    pub fn after(&self) -> Duration {
        self.interval * self.requests
    }
}
