//! Linear's sessions: what its webhooks did not bring is adopted, and a session that shows us at work
//! when all has ended is closed with the outcome.
//!
//! What Linear lists is given the form of a webhook, so that it is read, known again and decided like
//! one: whatever did reach us is a duplicate.

use std::time::Duration;

use serde_json::Value;

use super::{Kind, tell};
use crate::{
    delivery::{Core, Result, acting::opens_session},
    domain::{
        board,
        conversation::Conversation,
        orchestration::{Orchestration, Stage},
    },
    linear::{Linear, Missed, envelope},
    storage::{
        conversations,
        ingest::Stored,
        orchestrations,
        outbox::{self, DeliveryState},
    },
    time::Timestamp,
};

/// Well under the time for which duplicates are known.
const LOOK_BACK: Duration = Duration::from_hours(24);
/// What has just ended may still be about to go on.
const SETTLED: Duration = Duration::from_mins(5);

pub(super) async fn run(core: &Core, now: Timestamp) -> Result<()> {
    let Some(linear) = core.platforms.linear.as_ref() else { return Ok(()) };
    for organization in core.platforms.organizations(&core.store).await? {
        match linear.missed(Some(&organization), now - LOOK_BACK).await {
            Ok(sessions) => {
                for session in sessions {
                    reconcile(core, linear, &organization, &session, now).await?;
                }
            }
            Err(failure) => {
                tracing::warn!(problem = %failure.problem().code, "Linear does not tell its sessions");
            }
        }
    }
    Ok(())
}

async fn reconcile(core: &Core, linear: &Linear, organization: &str, session: &Missed, now: Timestamp) -> Result<()> {
    let known = orchestration_of(core, organization, session).await?;
    // A session that somebody answered once is not begun again by us.
    let unanswered = !session.answered || matches!(session.status.as_str(), "pending" | "stale");
    if known.is_none() && !unanswered {
        return Ok(());
    }
    // With nobody behind it, it may be one that we have opened or are just opening.
    let named = |pointer| session.created.pointer(pointer).and_then(Value::as_str);
    let is_ours = match named("/agentSession/creatorId") {
        Some(creator) => named("/agentSession/appUserId") == Some(creator),
        None => known.is_some() || is_being_opened(core, organization, session).await?,
    };
    let created = (!is_ours).then_some(&session.created);
    let mut adopted = 0;
    for body in created.into_iter().chain(&session.prompts) {
        let said_at = body.get("createdAt").and_then(Value::as_str).and_then(Timestamp::parse_rfc3339);
        if said_at.is_some_and(|at| at < now - LOOK_BACK) {
            continue; // it may have been forgotten that it is known
        }
        let Some(event) = envelope::event_of(body, now) else { continue };
        if let Ok(Stored::New) = core.ingest.store(event).await {
            adopted += 1;
        }
    }
    if adopted > 0 {
        let id = known.as_ref().map(|known| &known.id);
        let what = match id {
            None => "A session that no webhook told of begins.".to_owned(),
            Some(_) => format!("What no webhook told of was heard in a session ({adopted})."),
        };
        let key = format!("session:{}:{}", session.session, session.updated_at.as_millis());
        let mut tx = core.store.begin("tell that a session was adopted").await?;
        tell(&mut tx, Kind::SessionAdopted, id, key, what, now).await?;
        tx.commit().await?;
    }
    let shows_work = matches!(session.status.as_str(), "pending" | "active" | "stale");
    if let Some(known) = known.filter(|_| adopted == 0 && shows_work)
        && is_over(core, &known, now).await?
    {
        close(core, linear, organization, session, &known, now).await?;
    }
    Ok(())
}

async fn orchestration_of(core: &Core, organization: &str, session: &Missed) -> Result<Option<Orchestration>> {
    let Some(place) = session.created.get("agentSession").and_then(envelope::place_of) else { return Ok(None) };
    let thread = format!("session:{}", session.session);
    let Some(key) = Conversation::linear(organization, place, Some(thread)).key() else { return Ok(None) };
    let mut tx = core.store.begin("look up a session").await?;
    let found = match conversations::find(&mut tx, &key).await? {
        Some(id) => orchestrations::load(&mut tx, &id).await?.map(|loaded| loaded.orchestration),
        None => None,
    };
    tx.rollback().await?;
    Ok(found)
}

async fn is_being_opened(core: &Core, organization: &str, session: &Missed) -> Result<bool> {
    let Some(place) = session.created.get("agentSession").and_then(envelope::place_of) else { return Ok(false) };
    let mut tx = core.store.begin("look up a session's issue").await?;
    let is_being_opened = opens_session(&mut tx, &Conversation::linear(organization, place, None)).await?;
    tx.rollback().await?;
    Ok(is_being_opened)
}

/// It has ended, and nothing that would say so is on its way.
async fn is_over(core: &Core, known: &Orchestration, now: Timestamp) -> Result<bool> {
    if !matches!(known.stage, Stage::Ended { .. }) || now.since(known.updated_at) < SETTLED {
        return Ok(false);
    }
    let deliveries = outbox::of(&core.store, &known.id).await?;
    Ok(!deliveries.iter().any(|delivery| delivery.state == DeliveryState::Waiting))
}

/// The same seed gives the same activity: however often it is tried, it is said once.
async fn close(
    core: &Core,
    linear: &Linear,
    organization: &str,
    session: &Missed,
    known: &Orchestration,
    now: Timestamp,
) -> Result<()> {
    let seed = format!("close:{}:{}", known.id, known.updated_at.as_millis());
    let text = board::state(known).to_string();
    match linear.close_session(organization, &session.session, &seed, text.trim()).await {
        Ok(()) => {
            let what = "A session showed us at work when all had ended, and was closed.".to_owned();
            let mut tx = core.store.begin("tell that a session was closed").await?;
            tell(&mut tx, Kind::SessionClosed, Some(&known.id), seed, what, now).await?;
            tx.commit().await?;
        }
        Err(failure) => {
            tracing::warn!(orchestration.id = %known.id, problem = %failure.problem().code, "a session could not be closed");
        }
    }
    Ok(())
}
