//! Forgets what nobody needs any more, as the settings say for how long: decided events once no
//! platform can deliver them again, deliveries that were carried out, and orchestrations that ended.
//! And has what an older key sealed sealed anew. One replica does it for all, hourly.

use std::time::Duration;

use super::{
    Core, Result,
    lead::{Lead, leads},
    seals,
    work::Round,
};
use crate::{
    secret::Sealer,
    storage::{forget, inbox, kept, mended, outbox, paces, spending},
};

/// What was mended is looked at when something seems odd, which may be a while ago.
const MENDED: Duration = Duration::from_hours(90 * 24);
/// No pace reaches further back.
const PACES: Duration = Duration::from_hours(1);
const EVERY: Duration = Duration::from_hours(1);
const BATCH: u32 = 500;
/// Each brings a few dozen rows with it.
const ORCHESTRATIONS: u32 = 50;

/// What is kept, for how long, and with which keys.
#[derive(Clone, Debug)]
pub struct Upkeep {
    /// Events after they were decided: for so long a duplicate is known as one.
    pub events: Duration,
    /// Deliveries after they were carried out.
    pub deliveries: Duration,
    /// Orchestrations after they ended; none: for good.
    pub orchestrations: Option<Duration>,
    /// For tokens, where any are kept.
    pub sealer: Option<Sealer>,
}

pub(super) async fn run_once(core: &Core) -> Result<Round> {
    let now = core.clock.now();
    if !leads(core, Lead::Retention, now).await? {
        return Ok(Round { did: 0, next: Some(now + EVERY) });
    }
    let Upkeep { events, deliveries, orchestrations, sealer } = &core.upkeep;
    if let Some(sealer) = sealer {
        let renewed = seals::renew(&core.store, sealer, &core.replica, &core.clock).await?;
        if renewed > 0 {
            tracing::info!(workspaces = renewed, "tokens that an older key sealed were sealed with the first");
        }
    }
    kept::forget_conversations_before(&core.store, now - *deliveries).await?;
    mended::forget_before(&core.store, now - MENDED, BATCH).await?;
    spending::forget(&core.store, now).await?;
    paces::forget_before(&core.store, now - PACES, 20 * BATCH).await?;
    let events = inbox::forget_before(&core.store, now - *events, BATCH).await?;
    let deliveries = outbox::forget_before(&core.store, now - *deliveries, BATCH).await?;
    let orchestrations = match orchestrations {
        Some(kept) => forget::orchestrations_before(&core.store, now - *kept, ORCHESTRATIONS).await?,
        None => 0,
    };
    if events + deliveries + orchestrations > 0 {
        tracing::info!(events, deliveries, orchestrations, "forgot what is old");
        return Ok(Round { did: 1, next: None });
    }
    Ok(Round { did: 0, next: Some(now + EVERY) })
}
