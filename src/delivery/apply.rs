//! One decision, written down: state, outbox rows, timers and trail in the caller's transaction.

use serde::{Deserialize, Serialize};

use super::{Result, lanes};
use crate::{
    domain::{
        conversation::Conversation,
        decide::{self, Decision},
        effect::{Effect, Slot, TimerChange},
        input::Input,
        orchestration::Orchestration,
    },
    ids::{DeliveryId, InputId, OrchestrationId},
    storage::{
        Tx, conversations, orchestrations,
        outbox::{self, NewDelivery},
        runs, timers,
        trail::{self, TrailEntry},
    },
    time::Timestamp,
};

/// What an outbox row holds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Parcel {
    pub effect: Effect,
    /// Where it was decided; the thread may have been opened since.
    pub conversation: Conversation,
}

/// Decides `input` about the orchestration. False when there is no such orchestration.
pub(super) async fn apply(
    tx: &mut Tx,
    id: &OrchestrationId,
    input: Input,
    input_id: &InputId,
    now: Timestamp,
) -> Result<bool> {
    let Some(loaded) = orchestrations::load(tx, id).await? else { return Ok(false) };
    let mut orchestration = loaded.orchestration;
    let before = orchestration.clone();
    let decision = decide::decide(&mut orchestration, input, now);
    // The revision is part of the cause: the same report twice, in different states, is two causes.
    let cause = InputId::new(format!("{input_id}@{}", loaded.revision));
    // The row is locked since it was loaded, so nobody else can have saved it.
    orchestrations::save(tx, &orchestration, loaded.revision).await?;
    record(tx, Some(&before), &orchestration, decision, &cause, now).await?;
    Ok(true)
}

/// Writes down a new orchestration with its first decision. False when it is there already.
pub(super) async fn insert(
    tx: &mut Tx,
    orchestration: &Orchestration,
    decision: Decision,
    cause: &InputId,
    now: Timestamp,
) -> Result<bool> {
    if !orchestrations::insert(tx, orchestration).await? {
        return Ok(false);
    }
    record(tx, None, orchestration, decision, cause, now).await?;
    Ok(true)
}

/// Something to be said or done without an orchestration.
pub(super) async fn send_alone(
    tx: &mut Tx,
    conversation: &Conversation,
    effect: Effect,
    cause: &InputId,
    now: Timestamp,
) -> Result<()> {
    let id = DeliveryId::caused_by(&OrchestrationId::new(""), cause, 0);
    add(tx, None, id, Parcel { effect, conversation: conversation.clone() }, now).await
}

async fn record(
    tx: &mut Tx,
    before: Option<&Orchestration>,
    orchestration: &Orchestration,
    decision: Decision,
    cause: &InputId,
    now: Timestamp,
) -> Result<()> {
    let id = &orchestration.id;
    let key = orchestration.conversation.key();
    if let Some(key) = key.filter(|_| before.and_then(|before| before.conversation.key()).is_none()) {
        conversations::bind(tx, &key, id).await?;
    }
    for (slot, run) in runs_of(orchestration) {
        let known = before.is_some_and(|before| runs_of(before).any(|(_, other)| other == run));
        if !known {
            runs::put(tx, &run.0, id, slot, &run.1, run.2, true).await?;
        }
    }
    for change in decision.timers {
        match change {
            TimerChange::Set(name, at) => {
                let json = serde_json::to_string(&name).unwrap_or_default();
                timers::set(tx, id, &name.key(), &json, at).await?;
            }
            TimerChange::Clear(name) => timers::clear(tx, id, &name.key()).await?,
        }
    }
    for line in decision.trail {
        let actor = line.by.map(|by| by.handle());
        let entry = TrailEntry { at: now, input: cause.clone(), actor, what: line.what, detail: None };
        trail::add(tx, id, &entry).await?;
    }
    for (position, effect) in decision.effects.into_iter().enumerate() {
        let delivery = DeliveryId::caused_by(id, cause, position);
        let parcel = Parcel { effect, conversation: orchestration.conversation.clone() };
        add(tx, Some(id), delivery, parcel, now).await?;
    }
    Ok(())
}

async fn add(
    tx: &mut Tx,
    orchestration: Option<&OrchestrationId>,
    id: DeliveryId,
    parcel: Parcel,
    now: Timestamp,
) -> Result<()> {
    let place = lanes::place(&parcel.effect, orchestration, &id, now);
    let delivery = NewDelivery {
        orchestration: orchestration.cloned(),
        lane: place.lane,
        kind: place.kind,
        effect: serde_json::to_string(&parcel).unwrap_or_default(),
        coalesce: place.coalesce,
        urgent: place.urgent,
        due_at: now,
        expires_at: place.expires_at,
        id,
    };
    outbox::add(tx, &delivery, now).await?;
    Ok(())
}

type SeenRun = (crate::ids::RunId, crate::domain::run::RunState, Timestamp);

/// The runs that are known by now, with what was last seen of them.
fn runs_of(orchestration: &Orchestration) -> impl Iterator<Item = (Slot, SeenRun)> {
    let parent = orchestration.parent.iter().filter_map(|parent| {
        Some((Slot::Parent, (parent.run.clone()?, parent.seen.state.clone(), parent.seen.updated_at)))
    });
    let children = orchestration.children.iter().filter_map(|child| {
        Some((Slot::Child(child.number), (child.run.clone()?, child.seen.state.clone(), child.seen.updated_at)))
    });
    parent.chain(children)
}
