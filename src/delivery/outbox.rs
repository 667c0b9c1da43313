//! The outbox worker: claims deliveries, keeps the platforms' paces, has each carried out, and
//! settles it together with the decision on what it brought back.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    Core, Result,
    apply::{Parcel, apply},
    carry::{Brought, Carrier, paces},
    lanes, retry,
    work::{Beat, POLL, Round},
};
use crate::{
    domain::{
        effect::{Effect, Purpose, Slot},
        failure::{Failure, Problem},
        input::{FailedEffect, Input},
        words::problems,
    },
    ids::InputId,
    storage::{
        outbox::{self, Claimed, Sure},
        paces as buckets,
    },
    time::Timestamp,
};

/// Attempts under way at once in one replica.
const AT_ONCE: usize = 32;
/// Longer than any attempt may take.
const LEASE: Duration = Duration::from_mins(3);
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
        let (claimed, waiting) = claim(&self.core, AT_ONCE).await?;
        let did = claimed.len() + waiting;
        let results = join_all(claimed.into_iter().map(|delivery| deliver(Arc::clone(&self.core), delivery))).await;
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
            let wait = match claim(core, AT_ONCE - under_way.len()).await {
                Ok((claimed, 0)) if claimed.is_empty() => match outbox::next_due(&core.store).await {
                    Ok(next) => next.map_or(POLL, |next| next.since(core.clock.now()).min(POLL)),
                    Err(_) => Duration::from_secs(1),
                },
                Ok((claimed, _)) => {
                    for delivery in claimed {
                        under_way.spawn(deliver(Arc::clone(core), delivery));
                    }
                    if under_way.len() < AT_ONCE { Duration::ZERO } else { POLL }
                }
                Err(error) => {
                    tracing::error!(worker = "outbox", %error, "a round failed");
                    Duration::from_secs(1)
                }
            };
            tokio::select! {
                () = core.store.wakes().outbox.notified() => {}
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
}

fn report(ended: std::result::Result<Result<()>, tokio::task::JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::error!(%error, "a delivery could not be settled; it is repeated when its lease ends");
        }
        Err(error) => tracing::error!(%error, "a delivery panicked; it is repeated when its lease ends"),
    }
}

/// Claims what may go now. What a platform's pace does not allow yet waits, uncounted; the second
/// number says how many did.
async fn claim(core: &Core, limit: usize) -> Result<(Vec<(Claimed, Option<Parcel>)>, usize)> {
    if limit == 0 {
        return Ok((Vec::new(), 0));
    }
    let now = core.clock.now();
    let mut tx = core.store.begin("claim deliveries").await?;
    let mut ready = Vec::new();
    let mut waiting = 0;
    // Those that a pace makes wait come due one after the other, not all at once.
    let mut queues: HashMap<String, Timestamp> = HashMap::new();
    'deliveries: for delivery in outbox::claim(&mut tx, now, LEASE, u32::try_from(limit).unwrap_or(1)).await? {
        let parcel: Option<Parcel> = serde_json::from_str(&delivery.effect).ok();
        let paces = match &parcel {
            Some(parcel) => paces(parcel, delivery.orchestration.as_ref()),
            None => Vec::new(),
        };
        for pace in paces {
            let allowed = buckets::take(&mut tx, &pace.key, now, pace.interval, pace.burst).await?;
            if let Some(at) = allowed {
                let turn = queues.get(&pace.key).map_or(at, |last| *last + pace.interval);
                outbox::wait(&mut tx, &delivery.id, &delivery.token, turn).await?;
                queues.insert(pace.key, turn);
                waiting += 1;
                continue 'deliveries;
            }
        }
        ready.push((delivery, parcel));
    }
    tx.commit().await?;
    Ok((ready, waiting))
}

async fn deliver(core: Arc<Core>, (delivery, parcel): (Claimed, Option<Parcel>)) -> Result<()> {
    let now = core.clock.now();
    let started = tokio::time::Instant::now();
    let Some(parcel) = parcel else {
        let mut tx = core.store.begin("park a delivery").await?;
        outbox::park(&mut tx, &delivery.id, &delivery.token, now, "unreadable").await?;
        return tx.commit().await;
    };
    let result = if delivery.expires_at.is_some_and(|expires_at| expires_at < now) {
        Err(Failure::Gone(Problem::new("expired")))
    } else {
        let carrier = Carrier { core: &core, delivery: &delivery, parcel: &parcel };
        let attempt = carrier.attempt();
        // An attempt that hangs may have had its effect.
        tokio::time::timeout(LONGEST_ATTEMPT, attempt)
            .await
            .unwrap_or_else(|_| Err(Failure::Ambiguous(Problem::new("timeout"))))
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
    settle(&core, &delivery, parcel, result).await
}

/// Writes down what an attempt came to, with the decision on it.
async fn settle(
    core: &Core,
    delivery: &Claimed,
    parcel: Parcel,
    result: std::result::Result<Brought, Failure>,
) -> Result<()> {
    let now = core.clock.now();
    let effect = &parcel.effect;
    let mut tx = core.store.begin("settle a delivery").await?;
    let input = match result {
        Ok(brought) => {
            if !outbox::done(&mut tx, &delivery.id, &delivery.token, now).await? {
                lease_lost(delivery);
                return Ok(());
            }
            brought.outcome.map(|outcome| {
                let (slot, purpose) = slot_and_purpose(effect);
                Input::Delivered { slot, purpose, outcome }
            })
        }
        Err(failure) => {
            let problem_code = failure.problem().code.clone();
            let limited = matches!(&failure, Failure::Transient { after: Some(_), .. });
            match retry::next(effect, failure, delivery.attempt, now.since(delivery.created_at)) {
                retry::Next::Again { after, sure } => {
                    if limited {
                        for pace in paces(&parcel, delivery.orchestration.as_ref()) {
                            buckets::hold(&mut tx, &pace.key, now + after).await?;
                        }
                    }
                    let sure = if matches!(sure, Sure::NoEffect) { Sure::NoEffect } else { Sure::Unknown };
                    if !outbox::put_back(&mut tx, &delivery.id, &delivery.token, now + after, sure, Some(&problem_code))
                        .await?
                    {
                        lease_lost(delivery);
                        return Ok(());
                    }
                    None
                }
                retry::Next::GiveUp { problem, park } => {
                    let settled = if park {
                        outbox::park(&mut tx, &delivery.id, &delivery.token, now, &problem.code).await?
                    } else {
                        outbox::done(&mut tx, &delivery.id, &delivery.token, now).await?
                    };
                    if !settled {
                        lease_lost(delivery);
                        return Ok(());
                    }
                    tracing::warn!(delivery.id = %delivery.id, kind = lanes::kind(effect), problem = %problem_code, park, "delivery given up");
                    let problem = if problem.code.is_empty() { Problem::new(problems::GAVE_UP) } else { problem };
                    failed_effect(effect).map(|effect| Input::Failed { effect, problem })
                }
            }
        }
    };
    if let (Some(input), Some(orchestration)) = (input, &delivery.orchestration) {
        let input_id = InputId::new(format!("delivered:{}:{}", delivery.id, delivery.attempt));
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
