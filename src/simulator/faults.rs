//! What can go wrong between Baton and a platform, on demand.
//!
//! A simulated platform asks [`Faults::next`] before it handles a request and does what it is told.
//! Every request is also kept, so that a story can say that nothing unexpected was asked.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use crate::time::Timestamp;

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
    /// `slack` or `oz`.
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

#[derive(Debug, Default)]
struct Inner {
    rules: Vec<Rule>,
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
        inner.calls.push(call);
        drop(inner);
        self.seen.send_modify(|seen| *seen += 1);
        found
    }

    /// Every request so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// How many requests there have been; changes wake whoever waits on it.
    pub fn seen(&self) -> watch::Receiver<usize> {
        self.seen.subscribe()
    }

    pub fn clear(&self) {
        self.lock().rules.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
