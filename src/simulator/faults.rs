//! What can go wrong between Baton and a platform, on demand.
//!
//! A simulated platform asks [`Faults::next`] before it handles a request and does what it is told.
//! Every request is also kept, so that a story can say that nothing unexpected was asked.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use crate::{ids::fraction, time::Timestamp};

/// What happens to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection closes before the request has had any effect.
    Drop,
    /// The request takes effect, and the connection closes before the answer.
    LoseAnswer,
    /// The request takes effect, and the answer never comes (until the client gives up).
    Hang,
    /// The answer comes late.
    Delay(Duration),
    /// The request is handled twice, as a proxy that repeats would do; the second answer is sent.
    Duplicate,
    /// 429 with or without `Retry-After` (seconds); no effect.
    RateLimited { retry_after: Option<u64> },
    /// This HTTP status with an HTML page from the edge; no effect.
    Html(u16),
    /// This HTTP status with the platform's own form of error, where it has one; no effect.
    Status(u16),
    /// HTTP 200 with the platform's own error `code` (Slack's `ok:false`); no effect.
    Refuse(String),
}

/// Which requests a fault meets.
#[derive(Clone, Debug)]
struct Rule {
    /// `slack`, `linear` or `oz`.
    platform: &'static str,
    /// A part of `METHOD /path`, such as `chat.postMessage` or `POST /agent/runs`.
    pattern: String,
    fault: Fault,
    /// Matching requests to let through first.
    skip: usize,
    /// How often it strikes then.
    times: usize,
}

/// A request that a simulated platform was sent.
#[derive(Clone, Debug)]
pub struct Call {
    pub platform: &'static str,
    /// `METHOD /path`, without the query.
    pub what: String,
    pub at: Timestamp,
    /// The request's body or query, for assertions.
    pub body: String,
}

/// Shared by the simulated platforms of one world.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    inner: Arc<Mutex<Inner>>,
    seen: Arc<watch::Sender<usize>>,
}

/// Many requests of a platform meet one of several faults.
#[derive(Clone, Debug)]
struct Storm {
    platform: &'static str,
    seed: u64,
    /// From 0 to 1.
    chance: f64,
    faults: Vec<Fault>,
    /// Requests so far.
    seen: u64,
}

impl Storm {
    /// What the next request meets: chance that comes out the same for the same seed.
    fn next(&mut self) -> Option<Fault> {
        self.seen += 1;
        let thrown = fraction(&["strikes", self.platform, &self.seed.to_string(), &self.seen.to_string()]);
        if thrown >= self.chance || self.faults.is_empty() {
            return None;
        }
        let faults = u64::try_from(self.faults.len()).unwrap_or(1);
        let which = self.seed.wrapping_mul(31).wrapping_add(self.seen) % faults;
        usize::try_from(which).ok().and_then(|which| self.faults.get(which).cloned())
    }
}

#[derive(Debug, Default)]
struct Inner {
    rules: Vec<Rule>,
    storms: Vec<Storm>,
    struck: usize,
    calls: Vec<Call>,
}

impl Faults {
    /// The next `times` requests of `platform` whose `METHOD /path` contains `pattern` meet `fault`.
    pub fn add(&self, platform: &'static str, pattern: &str, fault: Fault, times: usize) {
        self.after(platform, pattern, fault, 0, times);
    }

    /// As [`Faults::add`], letting the first `skip` of them through.
    pub fn after(&self, platform: &'static str, pattern: &str, fault: Fault, skip: usize, times: usize) {
        self.lock().rules.push(Rule { platform, pattern: pattern.to_owned(), fault, skip, times });
    }

    /// From now on requests of `platform` meet one of `faults` with that `chance` (0 to 1), on top of
    /// what else was asked for. The same `seed` is the same storm.
    pub fn storm(&self, platform: &'static str, seed: u64, chance: f64, faults: &[Fault]) {
        let faults = faults.to_vec();
        self.lock().storms.push(Storm { platform, seed, chance, faults, seen: 0 });
    }

    /// Every request of `platform` meets `fault`, until [`Faults::clear`].
    pub fn outage(&self, platform: &'static str, fault: Fault) {
        self.add(platform, "", fault, usize::MAX);
    }

    /// Called by a simulated platform for each request, before it is handled.
    pub fn next(&self, call: Call) -> Option<Fault> {
        let mut inner = self.lock();
        let found = inner
            .rules
            .iter_mut()
            .filter(|rule| rule.times > 0 && rule.platform == call.platform && call.what.contains(&rule.pattern))
            .find_map(|rule| {
                if rule.skip > 0 {
                    rule.skip -= 1;
                    None
                } else {
                    rule.times -= 1;
                    Some(rule.fault.clone())
                }
            });
        let found = found
            .or_else(|| inner.storms.iter_mut().filter(|storm| storm.platform == call.platform).find_map(Storm::next));
        inner.struck += usize::from(found.is_some());
        inner.calls.push(call);
        drop(inner);
        self.seen.send_modify(|seen| *seen += 1);
        found
    }

    /// Every request so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// How many of them met a fault.
    pub fn struck(&self) -> usize {
        self.lock().struck
    }

    /// How many requests there have been; changes wake whoever waits on it.
    pub fn seen(&self) -> watch::Receiver<usize> {
        self.seen.subscribe()
    }

    /// From now on nothing goes wrong.
    pub fn clear(&self) {
        let mut inner = self.lock();
        inner.rules.clear();
        inner.storms.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
