//! The ninth invariant, checked: an orchestration that has not ended has a delivery under way, a run
//! being followed, a timer, or a person to wait for. Where it has none something was lost, as with a
//! database that was restored; it is done again, or the operator is told that nothing could be.

use std::time::Duration;

use super::{Kind, tell};
use crate::{
    delivery::{Core, Result, apply::apply, work::caught},
    domain::input::Input,
    ids::{InputId, OrchestrationId},
    storage::orchestrations,
    time::Timestamp,
};

/// What has changed since is about to go on.
const REST: Duration = Duration::from_mins(2);
const PAGE: u32 = 100;

pub(super) async fn run(core: &Core, now: Timestamp) -> Result<()> {
    let mut after = OrchestrationId::new("");
    loop {
        let page = orchestrations::idle(&core.store, now - REST, &after, PAGE).await?;
        for id in &page {
            match caught(move_on(core, id, now)).await {
                Ok(()) => {}
                Err(error) if error.is_passing() => return Err(error),
                Err(error) => tracing::error!(orchestration.id = %id, %error, "it could not be moved on"),
            }
        }
        let Some(last) = page.last().filter(|_| page.len() >= PAGE as usize) else { return Ok(()) };
        after.clone_from(last);
    }
}

async fn move_on(core: &Core, id: &OrchestrationId, now: Timestamp) -> Result<()> {
    let mut tx = core.store.begin("move an orchestration on").await?;
    let loaded = orchestrations::load(&mut tx, id).await?.map(|loaded| loaded.orchestration);
    let Some(before) = loaded.filter(|loaded| !loaded.waits_for_people()) else { return Ok(tx.rollback().await?) };
    if !orchestrations::is_idle(&mut tx, id).await? {
        return Ok(tx.rollback().await?);
    }
    let (stage, since) = (before.stage_word(), before.updated_at.as_millis());
    apply(&mut tx, id, Input::Idle, &InputId::new(format!("idle:{since}")), now).await?;
    if !orchestrations::is_idle(&mut tx, id).await? {
        let what = format!("Nothing was under way ({stage}); what was lost is done again.");
        tell(&mut tx, Kind::WentOn, Some(id), format!("idle:{id}:{since}"), what, now).await?;
        return Ok(tx.commit().await?);
    }
    // What was tried did not help, and is not to look like a change.
    tx.rollback().await?;
    let mut tx = core.store.begin("tell that an orchestration hangs").await?;
    let what = format!("Nothing is under way ({stage}), and nothing could be done about it. Stop it, or reply in it.");
    tell(&mut tx, Kind::Hangs, Some(id), format!("hangs:{id}:{since}"), what, now).await?;
    Ok(tx.commit().await?)
}
