//! The outbox worker: claims deliveries, keeps the platforms' paces, has each carried out while it
//! holds the lease, and settled.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::join_all};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    Core, Result, ahead,
    apply::Parcel,
    brake::Pass,
    carry::{Brought, Carrier},
    lanes, lead,
    leave::Leave,
    pacing::paces,
    retry,
    settle::{lease_lost, park, settle},
    turns::{Turn, Turns, in_turn, is_expired},
    work::{Beat, Fails, POLL, Round, caught, until_due, until_taken},
};
use crate::{
    domain::failure::{Failure, Problem},
    http::EXCHANGE,
    pace::Pace,
    storage::{
        lines,
        outbox::{self, Claimed},
        paces as buckets,
    },
    time::Timestamp,
};

/// When the first of a line has to wait for something else, the next is looked at after this at the latest.
const NEXT_IN_LINE: Duration = Duration::from_secs(1);
/// Attempts under way at once in one replica.
const AT_ONCE: usize = 32;
/// What a replica had in hand when it died is taken up by another after this.
const LEASE: Duration = Duration::from_mins(1);
/// Whoever lives renews the lease this often.
const RENEW: Duration = Duration::from_secs(20);
/// Who cannot renew it says nothing more from here on: its last request is over when another begins,
/// and replicas whose clocks differ by as much do not speak at once.
const LEAVE: Duration = LEASE.saturating_sub(EXCHANGE);
const LONGEST_ATTEMPT: Duration = Duration::from_mins(2);
/// A graceful stop waits this long for what is under way; the rest is found again by its lease.
const FAREWELL: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub struct Outbox {
    core: Arc<Core>,
}

impl Outbox {
    pub(super) const fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Carries out one batch to its end.
    pub async fn run_once(&self) -> Result<Round> {
        let batch = claim(&self.core, AT_ONCE).await?;
        let did = batch.ready.len() + batch.waiting;
        let results = join_all(batch.ready.into_iter().map(|ready| deliver(Arc::clone(&self.core), ready))).await;
        results.into_iter().collect::<Result<Vec<()>>>()?;
        let next = if did == 0 { outbox::next_due(&self.core.store).await? } else { None };
        Ok(Round { did, next })
    }

    /// Keeps up to [`AT_ONCE`] attempts under way until `stop`.
    pub(super) async fn run(&self, stop: &CancellationToken, beat: &Beat) {
        let core = &self.core;
        let mut under_way = JoinSet::new();
        let mut fails = Fails::of("outbox");
        while !stop.is_cancelled() {
            beat("outbox");
            while let Some(ended) = under_way.try_join_next() {
                report(ended);
            }
            let wait = fails.note(caught(self.fill(&mut under_way)).await).unwrap_or_else(|wait| wait);
            tokio::select! {
                // Nothing new can be begun while there is no room.
                () = core.store.wakes().outbox.notified(), if under_way.len() < AT_ONCE => {}
                () = core.clock.sleep(wait) => {}
                Some(ended) = under_way.join_next(), if !under_way.is_empty() => report(ended),
                () = stop.cancelled() => {}
            }
        }
        let farewell = async {
            while let Some(ended) = under_way.join_next().await {
                report(ended);
            }
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }

    /// Begins what may go now, as far as there is room; returns how long there is nothing more to do.
    async fn fill(&self, under_way: &mut JoinSet<Result<()>>) -> Result<Duration> {
        let core = &self.core;
        let room = AT_ONCE - under_way.len();
        if room == 0 {
            return Ok(POLL);
        }
        let batch = claim(core, room).await?;
        if batch.is_empty() {
            return Ok(until_due(&core.clock, outbox::next_due(&core.store).await?, POLL));
        }
        for ready in batch.ready {
            under_way.spawn(deliver(Arc::clone(core), ready));
        }
        Ok(Duration::ZERO)
    }
}

fn report(ended: std::result::Result<Result<()>, tokio::task::JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::error!(%error, "a delivery could not be settled; it is repeated when its lease ends");
        }
        Err(error) => tracing::error!(%error, "a delivery was cut off; it is repeated when its lease ends"),
    }
}

/// A delivery whose turn it is.
struct Ready {
    delivery: Claimed,
    /// None when it cannot be read.
    parcel: Option<Parcel>,
    /// None when nobody is asked: it is of no use any more, or its platform is down for too long.
    pass: Option<Pass>,
    leave: Leave,
}

/// What a claim brought.
#[derive(Default)]
struct Batch {
    ready: Vec<Ready>,
    /// How many may not go yet. They wait, uncounted.
    waiting: usize,
}

impl Batch {
    const fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.waiting == 0
    }
}

async fn claim(core: &Core, limit: usize) -> Result<Batch> {
    ahead::look(core).await?;
    let now = core.clock.now();
    let leave = || Leave::given(&core.clock, now, LEAVE);
    let mut tx = core.store.begin("claim deliveries").await?;
    outbox::line_up(&mut tx).await?;
    let claimed = outbox::claim(&mut tx, now, LEASE, u32::try_from(limit).unwrap_or(1)).await?;
    let Some(token) = claimed.first().map(|first| first.token.clone()) else {
        tx.commit_if_changed().await?; // lines may have ended
        return Ok(Batch::default());
    };
    let mut batch = Batch::default();
    let mut turns = Turns::default();
    let mut waiting = Vec::new();
    // Lines whose first waits for something else now; so will most of those behind it.
    let mut left = Vec::new();
    for (delivery, parcel) in in_turn(claimed) {
        let turn = match &parcel {
            Some(parcel) if !is_expired(&delivery, now) => turns.of(core, &mut tx, &delivery, parcel, now).await?,
            // It comes to nothing, and no platform is asked for that.
            _ => Turn::Now(None),
        };
        match turn {
            Turn::Now(pass) => batch.ready.push(Ready { delivery, parcel, pass, leave: leave() }),
            Turn::Later(later) => {
                let one = later.of(&delivery, now);
                left.extend(
                    delivery.line.filter(|left| Some(left) != one.line.as_ref()).map(|left| (left, one.due_at)),
                );
                waiting.push(one);
            }
        }
    }
    batch.waiting = waiting.len();
    outbox::wait(&mut tx, &token, &waiting, now).await?;
    for (line, at) in left {
        lines::put_off(&mut tx, &[line], at.min(now + NEXT_IN_LINE)).await?;
    }
    lead::let_go_first(&mut tx, &waiting).await?;
    tx.commit().await?;
    Ok(batch)
}

async fn deliver(core: Arc<Core>, ready: Ready) -> Result<()> {
    let Ready { delivery, parcel, pass, leave } = ready;
    let started = tokio::time::Instant::now();
    let Some(parcel) = parcel else {
        tracing::error!(delivery.id = %delivery.id, kind = delivery.kind, "an unreadable delivery was parked");
        return until_taken(|| park(&core, &delivery, "unreadable")).await;
    };
    let result = match &pass {
        None if is_expired(&delivery, core.clock.now()) => Err(Failure::Gone(Problem::new("expired"))),
        None => Err(Failure::Transient { after: None, problem: Problem::new("unreachable") }),
        Some(_) => {
            let attempted = tokio::select! {
                attempted = leave.cover(Box::pin(attempt(&core, &delivery, &parcel))) => attempted,
                () = keep_lease(&core, &delivery, &leave) => None,
            };
            let Some(result) = attempted else {
                lease_lost(&delivery);
                return Ok(());
            };
            result
        }
    };
    let rest = pass.and_then(|pass| pass.leave(&result, core.clock.now()));
    let word = match &result {
        Ok(_) => "done",
        Err(Failure::Transient { .. }) => "transient",
        Err(Failure::Ambiguous(_)) => "ambiguous",
        Err(Failure::Refused(_)) => "refused",
        Err(Failure::Gone(_)) => "gone",
        Err(Failure::Unauthorized(_)) => "unauthorized",
    };
    let duration = started.elapsed();
    core.metrics.delivery(lanes::kind(&parcel.effect), word, duration);
    tracing::info!(
        delivery.id = %delivery.id,
        delivery.attempt = delivery.attempt,
        orchestration.id = delivery.orchestration.as_ref().map(tracing::field::display),
        kind = lanes::kind(&parcel.effect),
        result = word,
        problem = result.as_ref().err().map(|failure| failure.problem().code.as_str()),
        because = parcel.because,
        duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        "delivery attempted"
    );
    if let Err(Failure::Transient { after: Some(after), .. }) = &result {
        hold(&core, &paces(&parcel, &delivery), core.clock.now() + (*after).min(retry::LONGEST_WAIT)).await;
    }
    let settled = until_taken(|| Box::pin(settle(&core, &delivery, &parcel, &result, rest))).await;
    match settled {
        Err(error) if !error.is_passing() => {
            tracing::error!(delivery.id = %delivery.id, kind = delivery.kind, %error, "what a delivery brought could not be decided on");
            until_taken(|| park(&core, &delivery, "undecidable")).await
        }
        settled => settled,
    }
}

/// One attempt. One that hangs or panics may have had its effect.
async fn attempt(core: &Core, delivery: &Claimed, parcel: &Parcel) -> Result<Brought, Failure> {
    let carrier = Carrier { core, delivery, parcel };
    let attempt = AssertUnwindSafe(Box::pin(carrier.attempt())).catch_unwind();
    match tokio::time::timeout(LONGEST_ATTEMPT, attempt).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Failure::Ambiguous(Problem::new("panicked"))),
        Err(_) => Err(Failure::Ambiguous(Problem::new("timeout"))),
    }
}

/// Renews the lease, and the leave with it, for as long as it can be; returns when it is lost.
async fn keep_lease(core: &Core, delivery: &Claimed, leave: &Leave) {
    loop {
        core.clock.sleep(RENEW).await;
        let renewed = until_taken(|| async {
            let now = core.clock.now();
            let mut tx = core.store.begin("renew a lease").await?;
            let renewed = outbox::renew(&mut tx, &delivery.id, &delivery.token, now, now + LEASE).await?;
            tx.commit().await?;
            Ok(renewed.then_some(now))
        });
        match renewed.await {
            Ok(Some(since)) => leave.renew(since, LEAVE),
            Ok(None) => return,
            // Until the leave ends it is tried again.
            Err(error) => tracing::warn!(delivery.id = %delivery.id, %error, "a lease could not be renewed"),
        }
    }
}

/// The platform said how long to wait: everything that takes from the same paces does. Each in a
/// transaction of its own, so that nobody waits for one pace with another in hand.
async fn hold(core: &Core, paces: &[Pace], until: Timestamp) {
    for pace in paces {
        let held = until_taken(|| async {
            let mut tx = core.store.begin("hold a pace").await?;
            buckets::hold(&mut tx, &pace.key, until).await?;
            Ok(tx.commit().await?)
        });
        if let Err(error) = held.await {
            tracing::warn!(pace = pace.key, %error, "a pace could not be held");
        }
    }
}
