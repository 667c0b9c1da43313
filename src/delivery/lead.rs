//! Work that one replica does for all: following runs, keeping lists, forgetting. Whoever holds the
//! lease of its name does it. And the turn to read Oz, which comes with it in one transaction.

use std::time::Duration;

use super::{Core, Result};
use crate::{
    oz::limits::Call,
    storage::{leases, paces},
    time::Timestamp,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lead {
    Follow,
    Choices,
    Retention,
}

impl Lead {
    const ALL: [Self; 3] = [Self::Follow, Self::Choices, Self::Retention];

    const fn name(self) -> &'static str {
        match self {
            Self::Follow => "follow",
            Self::Choices => "choices",
            Self::Retention => "retention",
        }
    }

    /// Longer than one step of the work; as long as another replica waits when this one dies.
    const fn lease(self) -> Duration {
        match self {
            Self::Follow => Duration::from_secs(30),
            Self::Choices => Duration::from_mins(1),
            Self::Retention => Duration::from_mins(10),
        }
    }
}

/// Whether Oz may be read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Now,
    At(Timestamp),
    /// It is another replica's business.
    Others,
}

/// Takes the lead, or keeps it.
pub(super) async fn leads(core: &Core, lead: Lead, now: Timestamp) -> Result<bool> {
    let mut tx = core.store.begin("lead").await?;
    let leads = leases::acquire(&mut tx, lead.name(), &core.replica, now, lead.lease()).await?;
    tx.commit().await?;
    Ok(leads)
}

/// Asks for the turn to make `call`, as the one who leads.
pub(super) async fn turn_to_read(core: &Core, lead: Lead, call: Call, now: Timestamp) -> Result<Turn> {
    let pace = call.pace();
    let mut tx = core.store.begin("take a turn to read Oz").await?;
    if !leases::acquire(&mut tx, lead.name(), &core.replica, now, lead.lease()).await? {
        tx.rollback().await?;
        return Ok(Turn::Others);
    }
    let refused = paces::take(&mut tx, &pace.key, now, pace.interval, pace.burst, pace.requests).await?;
    if let Some(at) = refused {
        tx.rollback().await?;
        return Ok(Turn::At(at));
    }
    tx.commit().await?;
    Ok(Turn::Now)
}

/// Oz said how long to wait with reading.
pub(super) async fn hold_reading(core: &Core, until: Timestamp) -> Result<()> {
    let mut tx = core.store.begin("hold the reading of Oz").await?;
    paces::hold(&mut tx, &Call::Sweep.pace().key, until).await?;
    Ok(tx.commit().await?)
}

/// Another replica may go on at once.
pub(super) async fn resign(core: &Core) {
    let resigned = async {
        let mut tx = core.store.begin("resign").await?;
        for lead in Lead::ALL {
            leases::release(&mut tx, lead.name(), &core.replica).await?;
        }
        tx.commit().await
    };
    if let Err(error) = resigned.await {
        tracing::warn!(%error, "another replica goes on only when the leases end");
    }
}
