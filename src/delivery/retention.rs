//! Forgets what nobody needs any more: decided events once no platform can deliver them again, and
//! deliveries that were carried out.

use std::time::Duration;

use super::{
    Core, Result,
    lead::{Lead, leads},
    work::Round,
};
use crate::storage::{inbox, outbox};

/// The contract promises 72 hours for duplicates; a day more costs little.
const EVENTS: Duration = Duration::from_hours(96);
const DELIVERIES: Duration = Duration::from_hours(7 * 24);
const EVERY: Duration = Duration::from_hours(1);
const BATCH: u32 = 500;

pub(super) async fn run_once(core: &Core) -> Result<Round> {
    let now = core.clock.now();
    if !leads(core, Lead::Retention, now).await? {
        return Ok(Round { did: 0, next: Some(now + EVERY) });
    }
    let events = inbox::forget_before(&core.store, now - EVENTS, BATCH).await?;
    let deliveries = outbox::forget_before(&core.store, now - DELIVERIES, BATCH).await?;
    if events + deliveries > 0 {
        tracing::info!(events, deliveries, "forgot what is old");
        return Ok(Round { did: 1, next: None });
    }
    Ok(Round { did: 0, next: Some(now + EVERY) })
}
