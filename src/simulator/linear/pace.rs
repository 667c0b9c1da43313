//! How much may be asked in an hour: requests, and points of complexity. Buckets that leak evenly.
//! <https://linear.app/developers/rate-limiting>

use std::time::Duration;

use serde_json::{Value, json};

use super::{Knobs, graphql::problem::Problem};
use crate::time::Timestamp;

const HOUR: f64 = 3_600_000.0;
/// Of a single request, in points.
const MOST_AT_ONCE: f64 = 10_000.0;

#[derive(Debug, Default)]
struct Bucket {
    level: f64,
    at: Timestamp,
}

#[derive(Debug, Default)]
pub struct Pace {
    requests: Bucket,
    complexity: Bucket,
    /// Of the last request.
    last: f64,
}

impl Pace {
    pub fn admit_request(&mut self, knobs: &Knobs, now: Timestamp) -> Result<(), Problem> {
        let limit = knobs.requests_per_hour;
        if self.requests.admit(1.0, limit, now) { Ok(()) } else { Err(Problem::rate_limited(limit, "requests")) }
    }

    pub fn admit_complexity(&mut self, knobs: &Knobs, points: f64, now: Timestamp) -> Result<(), Problem> {
        self.last = points;
        if points > MOST_AT_ONCE {
            return Err(Problem::validation(format!(
                "Query too complex: {points:.0} points, {MOST_AT_ONCE:.0} are the most"
            )));
        }
        let limit = knobs.complexity_per_hour;
        if self.complexity.admit(points, limit, now) { Ok(()) } else { Err(Problem::rate_limited(limit, "points")) }
    }

    /// What each answer says of it.
    pub fn headers(&self, knobs: &Knobs, now: Timestamp) -> [(&'static str, i64); 7] {
        let (requests, points) = (knobs.requests_per_hour, knobs.complexity_per_hour);
        [
            ("x-ratelimit-requests-limit", whole(limit(requests))),
            ("x-ratelimit-requests-remaining", whole(self.requests.left(requests, now))),
            ("x-ratelimit-requests-reset", self.requests.empty_at(requests, now).as_millis()),
            ("x-ratelimit-complexity-limit", whole(limit(points))),
            ("x-ratelimit-complexity-remaining", whole(self.complexity.left(points, now))),
            ("x-ratelimit-complexity-reset", self.complexity.empty_at(points, now).as_millis()),
            ("x-complexity", whole(self.last.ceil())),
        ]
    }

    /// `RateLimitPayload`
    pub fn status(&self, knobs: &Knobs, now: Timestamp) -> Value {
        let one = |kind: &str, bucket: &Bucket, most: u64| {
            json!({"type": kind, "requestedAmount": 1.0, "allowedAmount": limit(most), "period": HOUR,
                "remainingAmount": bucket.left(most, now), "reset": bucket.empty_at(most, now).as_millis()})
        };
        json!({"identifier": Value::Null, "kind": "app", "limits": [
            one("requests", &self.requests, knobs.requests_per_hour),
            one("complexity", &self.complexity, knobs.complexity_per_hour),
        ]})
    }
}

impl Bucket {
    fn admit(&mut self, amount: f64, most: u64, now: Timestamp) -> bool {
        let left = self.left(most, now);
        self.level = limit(most) - left;
        self.at = now;
        let fits = amount <= left;
        if fits {
            self.level += amount;
        }
        fits
    }

    fn left(&self, most: u64, now: Timestamp) -> f64 {
        let leaked = now.since(self.at).as_secs_f64() * 1000.0 / HOUR * limit(most);
        limit(most) - (self.level - leaked).max(0.0)
    }

    fn empty_at(&self, most: u64, now: Timestamp) -> Timestamp {
        let used = limit(most) - self.left(most, now);
        now + Duration::from_secs_f64(used / limit(most).max(1.0) * HOUR / 1000.0)
    }
}

#[expect(clippy::cast_precision_loss, reason = "limits are in the millions at the most")]
const fn limit(most: u64) -> f64 {
    most as f64
}

#[expect(clippy::cast_possible_truncation, reason = "as above")]
const fn whole(number: f64) -> i64 {
    number as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_comes_back_evenly() {
        let (mut bucket, start) = (Bucket::default(), Timestamp::from_secs(1_764_000_000));
        for _ in 0..60 {
            assert!(bucket.admit(1.0, 60, start));
        }
        assert!(!bucket.admit(1.0, 60, start));
        assert_eq!(bucket.empty_at(60, start), start + Duration::from_hours(1));
        let later = start + Duration::from_mins(1);
        assert!(bucket.admit(1.0, 60, later) && !bucket.admit(1.0, 60, later));
    }
}
