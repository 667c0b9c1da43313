//! How fast something may be asked: a bucket that all replicas share. The platforms' `limits` say
//! which call takes from which; the outbox and the sweep wait for their turn.

use std::time::Duration;

/// `burst` at once, then one each `interval`, for everything with the same `key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    pub key: String,
    pub interval: Duration,
    pub burst: u32,
}

impl Pace {
    /// The pace of something that counts for `times`.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { interval: self.interval * times.max(1), ..self }
    }
}
