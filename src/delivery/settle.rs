//! What an attempt came to, written down together with the decision on it; and what deciding is told
//! of each effect. Used by `outbox.rs`.

use std::time::Duration;

use super::{
    Core, Result, admit,
    apply::{Parcel, apply},
    carry::{Brought, file_title},
    lanes, reconcile,
    retry::{self, Tried},
};
use crate::{
    domain::{
        effect::{Effect, Outcome, Purpose, Slot},
        failure::{Failure, Problem},
        input::{FailedEffect, Input},
        words::problems,
    },
    ids::{InputId, OrchestrationId},
    storage::{
        Tx, orchestrations,
        outbox::{self, Claimed},
    },
    time::Timestamp,
};

/// Writes down what an attempt came to, with the decision on it. The decision comes first, as its
/// orchestration is locked before what belongs to it; when the lease is lost, neither is written.
pub(super) async fn settle(
    core: &Core,
    delivery: &Claimed,
    parcel: &Parcel,
    result: &Result<Brought, Failure>,
    rest: Option<Duration>,
) -> Result<()> {
    let now = core.clock.now();
    let tried = Tried { id: &delivery.id, attempt: delivery.attempt, age: now.since(delivery.tried_since), rest };
    let effect = &parcel.effect;
    let (slot, purpose) = slot_and_purpose(effect);
    let mut tx = core.store.begin("settle a delivery").await?;
    let settled = match result {
        Ok(brought) => {
            let input = brought.outcome.clone().map(|outcome| Input::Delivered { slot, purpose, outcome });
            decide(&mut tx, delivery, effect, input, None, now).await?;
            outbox::done(&mut tx, &delivery.id, &delivery.token, now).await?
        }
        Err(failure) => failed(&mut tx, (delivery, tried), effect, failure, now).await?,
    };
    if !settled {
        lease_lost(delivery);
        return Ok(tx.rollback().await?);
    }
    tx.commit().await?;
    if matches!(effect, Effect::StartRun { .. } | Effect::FollowUp { .. } | Effect::CancelRun { .. }) {
        core.runs_moved();
    }
    Ok(())
}

/// Gives up a delivery on which nothing can be decided.
pub(super) async fn park(core: &Core, delivery: &Claimed, problem: &str) -> Result<()> {
    let mut tx = core.store.begin("park a delivery").await?;
    if !outbox::park(&mut tx, &delivery.id, &delivery.token, core.clock.now(), problem).await? {
        lease_lost(delivery);
    }
    Ok(tx.commit().await?)
}

/// Another worker has the delivery by now; what we did it will look for.
pub(super) fn lease_lost(delivery: &Claimed) {
    tracing::warn!(delivery.id = %delivery.id, "lease lost");
}

/// It is tried again, or given up. False when the lease was lost.
async fn failed(
    tx: &mut Tx,
    (delivery, tried): (&Claimed, Tried<'_>),
    effect: &Effect,
    failure: &Failure,
    now: Timestamp,
) -> Result<bool> {
    let (id, token) = (&delivery.id, delivery.token.as_str());
    match retry::next(effect, failure.clone(), tried) {
        retry::Next::Again { after, sure } => {
            let problem = Some(failure.problem().code.as_str());
            Ok(outbox::put_back(tx, id, token, now + after, sure, problem).await?)
        }
        retry::Next::GiveUp { problem, park } => {
            tracing::warn!(delivery.id = %id, kind = lanes::kind(effect), problem = failure.problem().code, park, "delivery given up");
            let code = problem.code.clone();
            let problem = if code.is_empty() { Problem::new(problems::GAVE_UP) } else { problem };
            let failed = failed_effect(effect, &problem);
            if let (Some(FailedEffect::ShowBoard { .. }), Some(orchestration)) = (&failed, &delivery.orchestration) {
                board_is_gone(tx, orchestration, delivery, now).await?;
            }
            let input = failed.map(|effect| Input::Failed { effect, problem: problem.clone() });
            decide(tx, delivery, effect, input, Some(&problem), now).await?;
            if matches!(failure, Failure::Transient { .. } | Failure::Ambiguous(_)) {
                outbox::tried_with(tx, &delivery.lane, delivery.tried_since).await?;
            }
            Ok(if park {
                outbox::park(tx, id, token, now, &code).await?
            } else {
                outbox::done(tx, id, token, now).await?
            })
        }
    }
}

/// What follows from the delivery's end; `given_up` says why it came to nothing.
async fn decide(
    tx: &mut Tx,
    delivery: &Claimed,
    effect: &Effect,
    input: Option<Input>,
    given_up: Option<&Problem>,
    now: Timestamp,
) -> Result<()> {
    let input_id = InputId::new(format!("delivered:{}:{}", delivery.id, delivery.attempt));
    match (input, &delivery.orchestration, effect) {
        (Some(input), Some(orchestration), _) => {
            Box::pin(apply(tx, orchestration, input, &input_id, now)).await?;
        }
        (
            Some(Input::Delivered { outcome: Outcome::Rights { rights, .. }, .. }),
            None,
            Effect::Admit { opening, .. },
        ) => {
            Box::pin(admit::admitted(tx, (**opening).clone(), rights, &input_id, now)).await?;
        }
        (None, None, Effect::Admit { opening, .. }) => {
            if let Some(problem) = given_up {
                Box::pin(admit::not_admitted(tx, opening, problem, &input_id, now)).await?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// It is posted anew, as long as there is anything to show.
async fn board_is_gone(tx: &mut Tx, id: &OrchestrationId, delivery: &Claimed, now: Timestamp) -> Result<()> {
    let open = orchestrations::load(tx, id).await?.is_some_and(|loaded| !loaded.orchestration.is_ended());
    if open {
        let what = "The board had been deleted, and is posted anew.".to_owned();
        reconcile::tell(tx, reconcile::Kind::BoardShown, Some(id), format!("gone:{}", delivery.id), what, now).await?;
    }
    Ok(())
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
        | Effect::Attach { .. }
        | Effect::TakeUp { .. }
        | Effect::Pulse
        | Effect::Mirrored { .. }
        | Effect::ReadThread { .. }
        | Effect::OpenForm { .. }
        | Effect::ReadPlan { .. }
        | Effect::LookUp { .. }
        | Effect::Admit { .. } => (Slot::Parent, Purpose::None),
    }
}

/// What deciding needs to know of an effect that was given up; none where nothing follows from it.
fn failed_effect(effect: &Effect, problem: &Problem) -> Option<FailedEffect> {
    Some(match effect {
        Effect::ShowBoard if problem.code == problems::MESSAGE_GONE => FailedEffect::ShowBoard { mirrored: false },
        Effect::Mirrored { what } if **what == Effect::ShowBoard && problem.code == problems::MESSAGE_GONE => {
            FailedEffect::ShowBoard { mirrored: true }
        }
        Effect::StartRun { slot, dispatch, .. } => FailedEffect::StartRun { slot: *slot, dispatch: dispatch.clone() },
        Effect::FollowUp { slot, purpose, message, .. } => {
            FailedEffect::FollowUp { slot: *slot, purpose: *purpose, message: message.clone() }
        }
        Effect::CancelRun { slot, .. } => FailedEffect::CancelRun { slot: *slot },
        Effect::ReadRun { slot, .. } => FailedEffect::ReadRun { slot: *slot },
        Effect::ReadThread { .. } => FailedEffect::ReadThread,
        Effect::ReadPlan { .. } => FailedEffect::ReadPlan,
        Effect::LookUp { person, .. } => FailedEffect::LookUp { person: person.clone() },
        Effect::PostBoard { .. } => FailedEffect::PostBoard,
        Effect::LookInto { slot, to, answer, .. } => {
            FailedEffect::LookInto { slot: *slot, to: to.clone(), answer: answer.clone() }
        }
        Effect::Upload { artifact, of } => FailedEffect::Upload { name: file_title(artifact, of) },
        Effect::UploadTranscript { of, .. } => FailedEffect::Upload { name: format!("transcript of {of}") },
        Effect::Mirrored { what } if matches!(**what, Effect::PostBoard { .. }) => FailedEffect::Mirror,
        Effect::Say { .. }
        | Effect::Edit { .. }
        | Effect::Attach { .. }
        | Effect::TakeUp { .. }
        | Effect::Mirrored { .. } => FailedEffect::Say,
        Effect::ShowBoard
        | Effect::SayPrivately { .. }
        | Effect::React { .. }
        | Effect::Pulse
        | Effect::Admit { .. }
        | Effect::OpenForm { .. } => {
            return None;
        }
    })
}
