//! One decision, written down: state, outbox rows, timers and trail in the caller's transaction.

use serde::{Deserialize, Serialize};

use super::{Result, admit, lanes};
use crate::{
    domain::{
        audit,
        conversation::Conversation,
        decide::{self, Decision},
        effect::{Effect, Slot, TimerChange},
        input::Input,
        message::Tone,
        orchestration::{Orchestration, Stage},
        policy::Means,
        run::RunState,
    },
    ids::{DeliveryId, InputId, OrchestrationId, RunId},
    storage::{
        StoreError, Tx,
        audit::NewEntry,
        conversations, lines, orchestrations,
        outbox::{self, NewDelivery},
        runs, spending, timers,
        trail::TrailEntry,
    },
    time::Timestamp,
};

/// What an outbox row holds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Parcel {
    pub effect: Effect,
    /// Where it was decided; the thread may have been opened since.
    pub conversation: Conversation,
    /// The decision, for traces.
    #[serde(default)]
    pub because: String,
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
    let policy = &orchestration.policy;
    let means = if policy.has_ceilings() {
        admit::means(tx, policy, (id, &orchestration.conversation), now).await?
    } else {
        Means::default()
    };
    let decision = decide::decide_within(&means, &mut orchestration, input, now);
    // The revision is part of the cause: the same report twice, in different states, is two causes.
    let cause = InputId::new(format!("{input_id}@{}", loaded.revision));
    // The row is locked since it was loaded, so nobody else can have saved it.
    orchestrations::save(tx, &orchestration, loaded.revision).await?;
    if is_over(&orchestration) && !is_over(&before) {
        lines::leave(tx, id, now).await?; // nothing is launched any more, however long the line
    }
    record(tx, Some(&before), &orchestration, decision, &cause, now).await?;
    Ok(true)
}

const fn is_over(orchestration: &Orchestration) -> bool {
    matches!(orchestration.stage, Stage::Stopping { .. } | Stage::Ended { .. })
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
    let effect = match effect {
        // In a session nothing more is to come then.
        Effect::SayPrivately { to, message, answer } if conversation.session().is_some() => {
            Effect::SayPrivately { to, message: message.tone(Tone::Final), answer }
        }
        effect => effect,
    };
    add(tx, None, id, Parcel { effect, conversation: conversation.clone(), because: cause.to_string() }, now).await
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
    let keys = |it: &Orchestration| [it.conversation.key(), it.mirror.as_ref().and_then(Conversation::key)];
    let bound = before.map(keys).unwrap_or_default();
    for key in keys(orchestration).into_iter().flatten().filter(|key| !bound.contains(&Some(key.clone()))) {
        let is_ours = conversations::bind(tx, &key, id).await?;
        // Two that begin in one thread at the same time have both found it free: the second looks again.
        if !is_ours && before.is_none() {
            return Err(StoreError::Overtaken.into());
        }
    }
    for (slot, run) in runs_of(orchestration) {
        let known = before.is_some_and(|before| runs_of(before).any(|(_, other)| other == run));
        if !known {
            runs::put(tx, &run.0, id, slot, &run.1, run.2, true).await?;
        }
    }
    for (slot, environment, millicredits) in newly_used(before, orchestration) {
        spending::add(tx, id, slot, &orchestration.policy.name, &environment, millicredits, now).await?;
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
        tx.note(id, entry);
    }
    for entry in decision.audit {
        tx.audit(audit_entry(orchestration, entry, cause, now));
    }
    for (position, effect) in decision.effects.into_iter().enumerate() {
        let delivery = DeliveryId::caused_by(id, cause, position);
        let conversation = match (&effect, &orchestration.mirror) {
            (Effect::Mirrored { .. }, Some(mirror)) => mirror.clone(),
            _ => orchestration.conversation.clone(),
        };
        let parcel = Parcel { effect, conversation, because: format!("{id}/{cause}") };
        add(tx, Some(id), delivery, parcel, now).await?;
    }
    // At times taken again, when the database would not have it; with the same ids.
    tracing::debug!(
        orchestration.id = %id,
        decision.cause = cause.as_str(),
        because = cause.as_str().split('@').next(),
        stage = orchestration.stage_word(),
        "decided"
    );
    Ok(())
}

/// Who acts on a platform does so in the orchestration's conversation there.
fn audit_entry(orchestration: &Orchestration, entry: audit::Entry, cause: &InputId, now: Timestamp) -> NewEntry {
    let (home, mirror) = (&orchestration.conversation, orchestration.mirror.as_ref());
    let elsewhere = entry.by.as_ref().and_then(|by| mirror.filter(|mirror| mirror.platform == by.platform));
    let place = elsewhere.unwrap_or(home);
    let (version, digest) = entry.about.unzip();
    NewEntry {
        at: now,
        orchestration: Some(orchestration.id.clone()),
        input: cause.clone(),
        kind: entry.kind.as_str(),
        actor: entry.by.map(|by| by.handle()),
        place: Some(place.key().unwrap_or_else(|| place.place_key())),
        version,
        digest,
        detail: entry.detail,
    }
}

async fn add(
    tx: &mut Tx,
    orchestration: Option<&OrchestrationId>,
    id: DeliveryId,
    parcel: Parcel,
    now: Timestamp,
) -> Result<()> {
    let place = lanes::place(&parcel.effect, &parcel.conversation, orchestration, &id, now);
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
    Ok(outbox::enqueue(tx, delivery, now).await?)
}

type SeenRun = (RunId, RunState, Timestamp);

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

/// What each run is known to have used beyond what was known before, in thousandths of a credit.
fn newly_used(before: Option<&Orchestration>, after: &Orchestration) -> Vec<(Slot, String, i64)> {
    let usual = || after.settings.environment.clone();
    let mut used = Vec::new();
    let mut add = |slot, run: Option<&RunId>, environment: Option<String>, credits: Option<f64>, known: Option<f64>| {
        // A run that took the place of another starts from nothing.
        let more = millis(credits) - millis(known);
        if run.is_some() && more > 0 {
            used.push((slot, environment.unwrap_or_default(), more));
        }
    };
    if let Some(parent) = &after.parent {
        let known = before.and_then(|before| before.parent.as_ref()).filter(|known| known.run == parent.run);
        let known = known.and_then(|known| known.seen.credits);
        add(Slot::Parent, parent.run.as_ref(), usual(), parent.seen.credits, known);
    }
    for child in &after.children {
        let known = before.and_then(|before| before.child(child.number)).filter(|known| known.run == child.run);
        let known = known.and_then(|known| known.seen.credits);
        let environment = child.spec.environment.clone().or_else(usual);
        add(Slot::Child(child.number), child.run.as_ref(), environment, child.seen.credits, known);
    }
    used
}

#[expect(clippy::cast_possible_truncation, reason = "credits are few")]
fn millis(credits: Option<f64>) -> i64 {
    (credits.unwrap_or_default().max(0.0) * 1000.0).round() as i64
}
