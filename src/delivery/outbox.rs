//! The outbox worker: claims deliveries, keeps the platforms' paces, has each carried out, and
//! settles it together with the decision on what it brought back.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::join_all};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    Core, Result,
    apply::{Parcel, apply},
    carry::{Brought, Carrier, paces},
    lanes, retry,
    work::{Beat, POLL, RECOVER, Round, until_due, until_taken},
};
use crate::{
    domain::{
        effect::{Effect, Purpose, Slot},
        failure::{Failure, Problem},
        input::{FailedEffect, Input},
        words::problems,
    },
    ids::InputId,
    pace::Pace,
    storage::{
        Tx,
        outbox::{self, Claimed},
        paces as buckets,
    },
    time::Timestamp,
};

/// Attempts under way at once in one replica.
const AT_ONCE: usize = 32;
/// What a replica had in hand when it died is taken up by another after this.
const LEASE: Duration = Duration::from_mins(1);
/// Whoever lives renews the lease this often.
const RENEW: Duration = Duration::from_secs(20);
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
        let next = outbox::next_due(&self.core.store).await?;
        Ok(Round { did, next })
    }

    /// Keeps up to [`AT_ONCE`] attempts under way until `stop`.
    pub(super) async fn run(&self, stop: &CancellationToken, beat: &Beat) {
        let core = &self.core;
        let mut under_way = JoinSet::new();
        while !stop.is_cancelled() {
            beat("outbox");
            while let Some(ended) = under_way.try_join_next() {
                report(ended);
            }
            let wait = self.fill(&mut under_way).await.unwrap_or_else(|error| {
                tracing::error!(worker = "outbox", %error, "a round failed");
                RECOVER
            });
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

/// What a claim brought.
#[derive(Default)]
struct Batch {
    /// A parcel that cannot be read is none.
    ready: Vec<(Claimed, Option<Parcel>)>,
    /// How many a platform's pace does not allow yet. They wait, uncounted.
    waiting: usize,
}

impl Batch {
    const fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.waiting == 0
    }
}

async fn claim(core: &Core, limit: usize) -> Result<Batch> {
    let now = core.clock.now();
    let mut tx = core.store.begin("claim deliveries").await?;
    outbox::line_up(&mut tx).await?;
    let claimed = outbox::claim(&mut tx, now, LEASE, u32::try_from(limit).unwrap_or(1)).await?;
    if claimed.is_empty() {
        tx.rollback().await?;
        return Ok(Batch::default());
    }
    let mut batch = Batch::default();
    // Those that a pace makes wait come due one after the other, not all at once: where the queue of
    // each pace ends.
    let mut queues: HashMap<String, Timestamp> = HashMap::new();
    for delivery in claimed {
        let parcel: Option<Parcel> = serde_json::from_str(&delivery.effect).ok();
        let paces = parcel.as_ref().map(|parcel| paces(parcel, &delivery)).unwrap_or_default();
        let Some((pace, at)) = first_refusal(&mut tx, paces, now).await? else {
            batch.ready.push((delivery, parcel));
            continue;
        };
        let turn = queues.get(&pace.key).map_or(at, |end| *end + pace.before());
        outbox::wait(&mut tx, &delivery.id, &delivery.token, turn).await?;
        queues.insert(pace.key.clone(), turn + pace.after());
        batch.waiting += 1;
    }
    tx.commit().await?;
    Ok(batch)
}

/// Takes from every pace, or from none: the one that says to wait, and until when.
async fn first_refusal(tx: &mut Tx, paces: Vec<Pace>, now: Timestamp) -> Result<Option<(Pace, Timestamp)>> {
    tx.savepoint().await?;
    for pace in paces {
        let refused = buckets::take(tx, &pace.key, now, pace.interval, pace.burst, pace.requests).await?;
        if let Some(at) = refused {
            tx.rollback_to_savepoint().await?;
            return Ok(Some((pace, at)));
        }
    }
    tx.release().await?;
    Ok(None)
}

async fn deliver(core: Arc<Core>, (delivery, parcel): (Claimed, Option<Parcel>)) -> Result<()> {
    let now = core.clock.now();
    let started = tokio::time::Instant::now();
    let Some(parcel) = parcel else {
        tracing::error!(delivery.id = %delivery.id, kind = delivery.kind, "an unreadable delivery was parked");
        return until_taken(|| park(&core, &delivery, "unreadable")).await;
    };
    let result = if delivery.expires_at.is_some_and(|expires_at| expires_at < now) {
        Err(Failure::Gone(Problem::new("expired")))
    } else {
        tokio::select! {
            result = attempt(&core, &delivery, &parcel) => result,
            () = keep_lease(&core, &delivery) => {
                lease_lost(&delivery);
                return Ok(());
            }
        }
    };
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
        duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        "delivery attempted"
    );
    if let Err(Failure::Transient { after: Some(after), .. }) = &result {
        hold(&core, &paces(&parcel, &delivery), core.clock.now() + *after).await;
    }
    let settled = until_taken(|| settle(&core, &delivery, &parcel, &result)).await;
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
    let attempt = AssertUnwindSafe(carrier.attempt()).catch_unwind();
    match tokio::time::timeout(LONGEST_ATTEMPT, attempt).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Failure::Ambiguous(Problem::new("panicked"))),
        Err(_) => Err(Failure::Ambiguous(Problem::new("timeout"))),
    }
}

/// Renews the lease for as long as it can be; returns when it is lost.
async fn keep_lease(core: &Core, delivery: &Claimed) {
    loop {
        core.clock.sleep(RENEW).await;
        let renewed = until_taken(|| async {
            let now = core.clock.now();
            let mut tx = core.store.begin("renew a lease").await?;
            let renewed = outbox::renew(&mut tx, &delivery.id, &delivery.token, now, now + LEASE).await?;
            tx.commit().await?;
            Ok(renewed)
        });
        match renewed.await {
            Ok(true) => {}
            Ok(false) => return,
            // The settling finds out whether it is still ours.
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

async fn park(core: &Core, delivery: &Claimed, problem: &str) -> Result<()> {
    let mut tx = core.store.begin("park a delivery").await?;
    if !outbox::park(&mut tx, &delivery.id, &delivery.token, core.clock.now(), problem).await? {
        lease_lost(delivery);
    }
    Ok(tx.commit().await?)
}

/// Writes down what an attempt came to, with the decision on it.
async fn settle(core: &Core, delivery: &Claimed, parcel: &Parcel, result: &Result<Brought, Failure>) -> Result<()> {
    let now = core.clock.now();
    let effect = &parcel.effect;
    let (id, token) = (&delivery.id, delivery.token.as_str());
    let mut tx = core.store.begin("settle a delivery").await?;
    let (settled, input) = match result {
        Ok(brought) => {
            let (slot, purpose) = slot_and_purpose(effect);
            let input = brought.outcome.clone().map(|outcome| Input::Delivered { slot, purpose, outcome });
            (outbox::done(&mut tx, id, token, now).await?, input)
        }
        Err(failure) => match retry::next(effect, failure.clone(), delivery.attempt, now.since(delivery.created_at)) {
            retry::Next::Again { after, sure } => {
                let problem = Some(failure.problem().code.as_str());
                (outbox::put_back(&mut tx, id, token, now + after, sure, problem).await?, None)
            }
            retry::Next::GiveUp { problem, park } => {
                tracing::warn!(delivery.id = %id, kind = lanes::kind(effect), problem = failure.problem().code, park, "delivery given up");
                let settled = if park {
                    outbox::park(&mut tx, id, token, now, &problem.code).await?
                } else {
                    outbox::done(&mut tx, id, token, now).await?
                };
                let problem = if problem.code.is_empty() { Problem::new(problems::GAVE_UP) } else { problem };
                (settled, failed_effect(effect).map(|effect| Input::Failed { effect, problem }))
            }
        },
    };
    if !settled {
        lease_lost(delivery);
        return Ok(tx.rollback().await?);
    }
    if let (Some(input), Some(orchestration)) = (input, &delivery.orchestration) {
        let input_id = InputId::new(format!("delivered:{id}:{}", delivery.attempt));
        apply(&mut tx, orchestration, input, &input_id, now).await?;
    }
    tx.commit().await?;
    if matches!(effect, Effect::StartRun { .. } | Effect::FollowUp { .. } | Effect::CancelRun { .. }) {
        core.runs_moved();
    }
    Ok(())
}

/// Another worker has the delivery by now; what we did it will look for.
fn lease_lost(delivery: &Claimed) {
    tracing::warn!(delivery.id = %delivery.id, "lease lost");
}

const fn slot_and_purpose(effect: &Effect) -> (Slot, Purpose) {
    match effect {
        Effect::FollowUp { slot, purpose, .. } => (*slot, *purpose),
        Effect::StartRun { slot, .. }
        | Effect::CancelRun { slot, .. }
        | Effect::ReadRun { slot, .. }
        | Effect::LookInto { slot, .. } => (*slot, Purpose::None),
        Effect::PostBoard { .. }
        | Effect::ShowBoard
        | Effect::Say { .. }
        | Effect::Edit { .. }
        | Effect::SayPrivately { .. }
        | Effect::React { .. }
        | Effect::Upload { .. }
        | Effect::UploadTranscript { .. }
        | Effect::ReadThread { .. }
        | Effect::OpenForm { .. } => (Slot::Parent, Purpose::None),
    }
}

/// What deciding needs to know of an effect that was given up; none where nothing follows from it.
fn failed_effect(effect: &Effect) -> Option<FailedEffect> {
    Some(match effect {
        Effect::StartRun { slot, dispatch, .. } => FailedEffect::StartRun { slot: *slot, dispatch: dispatch.clone() },
        Effect::FollowUp { slot, purpose, message, .. } => {
            FailedEffect::FollowUp { slot: *slot, purpose: *purpose, message: message.clone() }
        }
        Effect::CancelRun { slot, .. } => FailedEffect::CancelRun { slot: *slot },
        Effect::ReadRun { slot, .. } => FailedEffect::ReadRun { slot: *slot },
        Effect::ReadThread { .. } => FailedEffect::ReadThread,
        Effect::PostBoard { .. } => FailedEffect::PostBoard,
        Effect::Upload { artifact, of } => FailedEffect::Upload { name: super::carry::file_title(artifact, of) },
        Effect::UploadTranscript { of, .. } => FailedEffect::Upload { name: format!("transcript of {of}") },
        Effect::Say { .. } | Effect::Edit { .. } => FailedEffect::Say,
        Effect::ShowBoard
        | Effect::SayPrivately { .. }
        | Effect::React { .. }
        | Effect::LookInto { .. }
        | Effect::OpenForm { .. } => {
            return None;
        }
    })
}
