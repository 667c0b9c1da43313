//! The runs that Oz has and we do not: starts whose answer was lost and that were given up or
//! forgotten, children that appeared unseen, runs that work on after a stop.
//!
//! All runs created since the last listing are looked at, not only those with our name: children that
//! an agent starts have a name of their own. What belongs to nothing that we know is told and left alone.

use std::time::Duration;

use super::{Kind, tell};
use crate::{
    delivery::{Core, Result, apply::apply, work::caught},
    domain::{
        effect::Slot,
        failure::Failure,
        input::Input,
        orchestration::{Ending, Orchestration, Stage},
        run::RunReport,
        text::{first_line, shorten},
    },
    ids::{InputId, OrchestrationId},
    storage::{Tx, kept, orchestrations, runs},
    time::Timestamp,
};

/// The creation of the newest run that has been looked at, in Oz's time.
const CURSOR: &str = "reconcile.runs";
/// Runs are listed again from so long before it: Oz may have been slow to list one.
const OVERLAP: Duration = Duration::from_mins(5);
/// Where the first listing begins.
const LOOK_BACK: Duration = Duration::from_hours(24);
/// The answer to a start that is younger may still be on its way, and following finds children sooner.
const SETTLED: Duration = Duration::from_mins(2);
/// What is beyond is for the next round.
const MOST_PAGES: usize = 1000;
/// An id from outside is shown so far.
const LONGEST_ID: usize = 64;

/// A listing under way.
#[derive(Debug)]
pub(super) struct Listing {
    since: Timestamp,
    page: Option<String>,
    read: usize,
    newest: Timestamp,
}

pub(super) async fn begin(core: &Core, now: Timestamp) -> Result<Listing> {
    let kept = kept::get(&core.store, CURSOR).await?;
    let cursor = kept.and_then(|(millis, _)| millis.parse().ok()).map(Timestamp::from_millis);
    let since = cursor.map_or(now - LOOK_BACK, |cursor| cursor - OVERLAP);
    Ok(Listing { since, page: None, read: 0, newest: cursor.unwrap_or_default() })
}

/// Looks at the next hundred runs, the oldest first, so that parents come before their children.
/// True when there are no more.
pub(super) async fn read_page(
    core: &Core,
    listing: &mut Listing,
    now: Timestamp,
) -> Result<std::result::Result<bool, Failure>> {
    let page = match core.oz.created(listing.since, listing.page.as_deref()).await {
        Ok(page) => page,
        Err(failure) => return Ok(Err(failure)),
    };
    let settled = |report: &RunReport| now.since(report.created_at) >= SETTLED;
    let all_settled = page.runs.iter().all(settled);
    for report in page.runs.into_iter().filter(settled) {
        listing.newest = listing.newest.max(report.created_at);
        match caught(look_at(core, &report, now)).await {
            Ok(()) => {}
            Err(error) if error.is_passing() => return Err(error),
            // The others are not to wait for it.
            Err(error) => tracing::error!(run.id = %report.run, %error, "a run could not be adopted"),
        }
    }
    listing.read += 1;
    // A cursor that does not move would be read for ever.
    let next = page.next.filter(|next| listing.page.as_ref() != Some(next));
    let more = all_settled && listing.read < MOST_PAGES && next.is_some();
    listing.page = next;
    Ok(Ok(!more))
}

/// The next listing goes on from what this one has seen.
pub(super) async fn keep_cursor(tx: &mut Tx, listing: &Listing, now: Timestamp) -> Result<()> {
    if listing.newest > Timestamp::default() {
        kept::put(tx, CURSOR, &listing.newest.as_millis().to_string(), now).await?;
    }
    Ok(())
}

async fn look_at(core: &Core, report: &RunReport, now: Timestamp) -> Result<()> {
    let mut tx = core.store.begin("adopt a run").await?;
    if runs::find(&mut tx, &report.run).await?.is_some() {
        return Ok(tx.rollback().await?); // it is followed
    }
    let by = match &report.parent {
        Some(parent) => runs::find(&mut tx, parent).await?.map(|parent| parent.orchestration),
        None => None,
    };
    let named = report.metadata.get("baton.orchestration").map(OrchestrationId::new);
    let Some(id) = by.or(named) else {
        return Ok(tx.rollback().await?); // somebody else's
    };
    if let Some(before) = orchestrations::load(&mut tx, &id).await? {
        adopt(&mut tx, &before.orchestration, report, now).await?;
    } else {
        let name = shorten(id.as_str(), LONGEST_ID);
        let what = format!(
            "Oz has runs of an orchestration {name}, which is not known here; the first of them is {}. \
             They are left alone. Another Baton may use the same API key.",
            report.run
        );
        tell(&mut tx, Kind::RunUnknown, None, format!("orchestration:{name}"), what, now).await?;
    }
    tx.commit().await?;
    core.runs_moved();
    Ok(())
}

async fn adopt(tx: &mut Tx, before: &Orchestration, report: &RunReport, now: Timestamp) -> Result<()> {
    let (id, run) = (&before.id, &report.run);
    let key = format!("run:{run}");
    let input_id = InputId::new(format!("found:{run}:{}", report.updated_at.as_millis()));
    apply(tx, id, Input::Found(report.clone()), &input_id, now).await?;
    let Some(known) = runs::find(tx, run).await? else {
        if report.state.is_working() {
            let what =
                format!("Run {run} names this orchestration, and none of its runs started it. It is left alone.");
            tell(tx, Kind::RunUnknown, Some(id), key, what, now).await?;
        }
        return Ok(());
    };
    runs::put(tx, run, id, known.slot, &report.state, report.updated_at, report.state.is_working()).await?;
    let after = orchestrations::load(tx, id).await?.map(|loaded| loaded.orchestration);
    let child = match known.slot {
        Slot::Parent => None,
        Slot::Child(number) => after.as_ref().and_then(|after| after.child(number)),
    };
    let called = child.map_or_else(
        || "the parent".to_owned(),
        |child| format!("child {} ({})", child.number, first_line(child.spec.name.trim(), 80)),
    );
    let started_by_us = child.is_none_or(|child| child.digest.is_some());
    let (kind, what) = if was_stopped(before) && report.state.is_working() {
        (Kind::RunStopped, format!("Run {run}, {called}, worked on after the stop and is being stopped."))
    } else if started_by_us {
        (Kind::RunAdopted, format!("Run {run}, whose start had been given up or forgotten, is {called}."))
    } else {
        (Kind::ChildShown, format!("Run {run}, which nobody here had heard of, is shown as {called}."))
    };
    tell(tx, kind, Some(id), key, what, now).await
}

const fn was_stopped(orchestration: &Orchestration) -> bool {
    matches!(orchestration.stage, Stage::Stopping { .. } | Stage::Ended { how: Ending::Stopped { .. }, .. })
}
