//! Work that one replica does for all: following runs, keeping lists, forgetting. Whoever holds the
//! lease of its name does it. And the turn to read Oz, which comes with it in one transaction.
//!
//! What was asked as the one who leads is decided on only as that one: a replica that was stopped for
//! longer than its lease finds another at it, and what it brought is old.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use super::{Core, Result, leave::Leave};
use crate::{
    oz::limits::Call,
    storage::{Tx, leases, outbox::Waiting, paces},
    time::Timestamp,
};

/// Held while deliveries wait for their turn to read Oz.
const BEHIND: &str = "oz:read:behind";
/// Who was refused a turn this often no longer lets deliveries go first.
const MOST_WAITS: u32 = 2;
/// Clocks of replicas may differ by this much; whoever leads stops asking so long before its lease ends.
const CLOCKS_DIFFER: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lead {
    Follow,
    Choices,
    Retention,
    Reconcile,
}

impl Lead {
    const ALL: [Self; 4] = [Self::Follow, Self::Choices, Self::Retention, Self::Reconcile];

    const fn name(self) -> &'static str {
        match self {
            Self::Follow => "follow",
            Self::Choices => "choices",
            Self::Retention => "retention",
            Self::Reconcile => "reconcile",
        }
    }

    /// Longer than one step of the work; as long as another replica waits when this one dies.
    const fn lease(self) -> Duration {
        match self {
            Self::Follow => Duration::from_secs(30),
            Self::Choices | Self::Reconcile => Duration::from_mins(1),
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

/// Whether it leads as `tx` goes on: nobody else takes the lead before the commit.
pub(super) async fn still_leads(core: &Core, tx: &mut Tx, lead: Lead) -> Result<bool> {
    Ok(leases::acquire(tx, lead.name(), &core.replica, core.clock.now(), lead.lease()).await?)
}

/// Asks what it does as the one who leads since `since`. None when the lease ended first.
pub(super) async fn while_leading<T>(
    core: &Core,
    lead: Lead,
    since: Timestamp,
    ask: impl Future<Output = T>,
) -> Option<T> {
    let asked = Leave::given(&core.clock, since, lead.lease().saturating_sub(CLOCKS_DIFFER)).cover(ask).await;
    if asked.is_none() {
        tracing::warn!(lead = lead.name(), "lease lost");
    }
    asked
}

/// How often each lead had to wait for its turn since it last had one.
#[derive(Debug, Default)]
pub(super) struct Waits([AtomicU32; Lead::ALL.len()]);

/// Asks for the turn to make `call`, as the one who leads.
pub(super) async fn turn_to_read(core: &Core, lead: Lead, call: Call, now: Timestamp) -> Result<Turn> {
    let waits = &core.waits.0[lead as usize];
    let pace = call.pace();
    let mut tx = core.store.begin("take a turn to read Oz").await?;
    if !leases::acquire(&mut tx, lead.name(), &core.replica, now, lead.lease()).await? {
        tx.rollback().await?;
        return Ok(Turn::Others);
    }
    let refused = paces::take(&mut tx, &pace.key, now, pace.interval, pace.burst, pace.requests).await?;
    let refused = match refused {
        None if waits.load(Ordering::Relaxed) < MOST_WAITS => {
            paces::take(&mut tx, BEHIND, now, Duration::ZERO, 1, 1).await?
        }
        refused => refused,
    };
    if let Some(at) = refused {
        tx.rollback().await?;
        waits.fetch_add(1, Ordering::Relaxed);
        return Ok(Turn::At(at));
    }
    tx.commit().await?;
    waits.store(0, Ordering::Relaxed);
    Ok(Turn::Now)
}

/// Deliveries that wait for their turn to read Oz go before what one replica reads for all. One that
/// makes several requests needs a rest before them, and frequent sweeps would never leave it one.
pub(super) async fn let_go_first(tx: &mut Tx, waiting: &[Waiting]) -> Result<()> {
    let reads = Call::ReadWithPlan.pace();
    let in_line = waiting.iter().filter(|one| one.line.as_ref() == Some(&reads.key));
    if let Some(at) = in_line.map(|one| one.due_at).min() {
        paces::hold(tx, BEHIND, at + reads.after()).await?;
    }
    Ok(())
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
