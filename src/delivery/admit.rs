//! Starting an orchestration, when its policy lets the one who asks: what is used up is counted in
//! the transaction that adds to it, and what has to be known of a person is looked up before there is
//! anything at all.

use super::{
    Result,
    acting::stopped_key,
    apply::{apply, insert, send_alone},
};
use crate::{
    domain::{
        actor::Actor,
        audit::Kind,
        conversation::Conversation,
        decide::{self, Opening, Refused},
        effect::Effect,
        failure::Problem,
        input::Input,
        message::Message,
        policy::{Means, Policy, Rights, Wish},
        words::answers,
    },
    ids::{InputId, OrchestrationId},
    storage::{Tx, audit::NewEntry, conversations, kept, orchestrations, spending},
    time::Timestamp,
};

/// No policy has this name.
const EVERY_POLICY: &str = "";

/// What became of a request to start.
#[derive(Debug)]
pub(super) enum Started {
    New,
    /// The same request started one before.
    Known,
    /// Whether they may is being found out; the answer comes to [`admitted`] or [`not_admitted`].
    Asked,
    /// The reason for the one who asked.
    Refused(Message),
}

pub(super) async fn start(tx: &mut Tx, opening: Opening, cause: &InputId, now: Timestamp) -> Result<Started> {
    start_with(tx, opening, None, cause, now).await
}

/// What had to be known of the one who asked is known.
pub(super) async fn admitted(
    tx: &mut Tx,
    opening: Opening,
    rights: Rights,
    cause: &InputId,
    now: Timestamp,
) -> Result<()> {
    let taken = match opening.conversation.key() {
        Some(key) => conversations::find(tx, &key).await?.is_some_and(|other| other != opening.id),
        None => false,
    };
    if let Some(key) = opening.conversation.key()
        && kept::get_in(tx, &stopped_key(&key)).await?.is_some()
    {
        return Ok(()); // somebody has stopped it meanwhile, and was told
    }
    let (place, asker, answer) = (opening.conversation.clone(), opening.request.by.clone(), opening.answer.clone());
    let (id, text, message) = (opening.id.clone(), opening.request.ask.task.clone(), opening.request.message.clone());
    let refusal = if taken {
        answers::warning("This thread already has an orchestration. Reply in it to go on.")
    } else {
        match start_with(tx, opening, Some(rights), cause, now).await? {
            Started::Refused(message) => message,
            Started::New | Started::Asked => return Ok(()),
            // Something else was said while it was found out, and began it.
            Started::Known => {
                if let Some(message) = message {
                    let input = Input::Reply { actor: asker, text, message, correction: false };
                    Box::pin(apply(tx, &id, input, cause, now)).await?;
                }
                return Ok(());
            }
        }
    };
    let effect = Effect::SayPrivately { to: asker, message: refusal, answer };
    send_alone(tx, &place, effect, cause, now).await
}

/// It could not be found out.
pub(super) async fn not_admitted(
    tx: &mut Tx,
    opening: &Opening,
    problem: &Problem,
    cause: &InputId,
    now: Timestamp,
) -> Result<()> {
    refused(tx, opening, &problem.code, cause, now);
    let to: Actor = opening.request.by.clone();
    let message = answers::not_found_out(Wish::Start, problem);
    let effect = Effect::SayPrivately { to, message, answer: opening.answer.clone() };
    send_alone(tx, &opening.conversation, effect, cause, now).await
}

/// What is used up as far as the policy limits it, beside `but`, which is or would be in `place`.
pub(super) async fn means(
    tx: &mut Tx,
    policy: &Policy,
    (but, place): (&OrchestrationId, &Conversation),
    now: Timestamp,
) -> Result<Means> {
    let limits = &policy.limits;
    let mut means = Means::default();
    if policy.max_concurrent.is_some() {
        means.open = orchestrations::open_on(tx, &policy.name, but).await?;
    }
    if limits.max_per_place.is_some() {
        means.open_here = orchestrations::open_at(tx, &place.place_key(), but).await?;
    }
    if limits.max_concurrent.is_some() {
        means.open_in_all = orchestrations::open_in_all(tx, but).await?;
    }
    if policy.daily_credits.is_some() {
        means.credits_today = spending::today(tx, &policy.name, now).await?;
    }
    if limits.daily_credits.is_some() {
        means.credits_in_all = spending::today_in_all(tx, now).await?;
    }
    if policy.auto_approve.as_ref().is_some_and(|auto| auto.max_credits.is_some()) {
        means.usual = spending::usual(tx, now).await?;
    }
    Ok(means)
}

async fn start_with(
    tx: &mut Tx,
    opening: Opening,
    rights: Option<Rights>,
    cause: &InputId,
    now: Timestamp,
) -> Result<Started> {
    let policy = &opening.terms.policy;
    // First what is everybody's, so that nobody waits for it with a policy in hand.
    if policy.limits.max_concurrent.is_some() || policy.limits.max_per_place.is_some() {
        spending::take_turn(tx, EVERY_POLICY).await?;
    }
    if policy.max_concurrent.is_some() {
        spending::take_turn(tx, &policy.name).await?;
    }
    let means = means(tx, policy, (&opening.id, &opening.conversation), now).await?;
    match decide::admit(opening.clone(), rights, &means, now) {
        Ok((orchestration, decision)) => {
            let new = insert(tx, &orchestration, decision, cause, now).await?;
            Ok(if new { Started::New } else { Started::Known })
        }
        Err(Refused::Told { why, message }) => {
            refused(tx, &opening, why, cause, now);
            Ok(Started::Refused(message))
        }
        Err(Refused::Unknown { groups }) => {
            let place = opening.conversation.clone();
            send_alone(tx, &place, Effect::Admit { opening: Box::new(opening), groups }, cause, now).await?;
            Ok(Started::Asked)
        }
    }
}

/// Nothing was begun that the log could tell of otherwise.
fn refused(tx: &mut Tx, opening: &Opening, why: &str, cause: &InputId, now: Timestamp) {
    tx.audit(NewEntry {
        at: now,
        orchestration: None,
        input: cause.clone(),
        kind: Kind::Refused.as_str(),
        actor: Some(opening.request.by.handle()),
        place: Some(opening.conversation.key().unwrap_or_else(|| opening.conversation.place_key())),
        version: None,
        digest: None,
        detail: format!("was refused a start under the policy “{}”: {why}", opening.terms.policy.name),
    });
}
