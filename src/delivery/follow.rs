//! Following runs: one sweep of Oz for all orchestrations asks what changed since the last one, so
//! that the cost grows with what changes and not with what exists. A run that has been silent for
//! long is asked for by itself, in case a sweep missed it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use super::{Core, Result, apply::apply, work::Round};
use crate::{
    domain::{failure::Failure, input::Input, run::RunReport},
    ids::{InputId, OrchestrationId, RunId},
    oz::limits::Call,
    storage::{kept, leases, paces, runs},
    time::Timestamp,
};

/// Where the last sweep came to, in Oz's time.
const CURSOR: &str = "oz.sweep";
const LEASE: Duration = Duration::from_secs(30);
/// Reports are asked for again from so long before the newest one: clocks and commits differ.
const OVERLAP: Duration = Duration::from_secs(10);
/// Where a first sweep begins, and where the cursor is kept while nothing is followed.
const LOOK_BACK: Duration = Duration::from_mins(2);
/// Pages of one sweep; what is beyond is found by the next.
const MOST_PAGES: usize = 40;
/// After so many sweeps without news, they are three times rarer.
const QUIET: u32 = 20;
/// A run at work that has said nothing for this long is asked for by itself, this often.
const SILENT: Duration = Duration::from_mins(2);
const MOST_SILENT: u32 = 5;

#[derive(Debug)]
pub struct Follow {
    core: Arc<Core>,
    poll_interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: Timestamp,
    quiet: u32,
    asked: HashMap<RunId, Timestamp>,
}

impl Follow {
    pub(super) fn new(core: Arc<Core>, poll_interval: Duration) -> Self {
        Self { core, poll_interval, state: Mutex::new(State::default()) }
    }

    /// One sweep, when it is time for one.
    pub async fn run_once(&self) -> Result<Round> {
        let now = self.core.clock.now();
        let next = self.next(now);
        if now < next {
            return Ok(Round { did: 0, next: Some(next) });
        }
        let changed = self.sweep(now).await?;
        let mut state = self.lock();
        state.quiet = if changed > 0 { 0 } else { state.quiet.saturating_add(1) };
        let interval = if state.quiet > QUIET { self.poll_interval * 3 } else { self.poll_interval };
        state.next = now + interval;
        Ok(Round { did: changed, next: Some(state.next) })
    }

    /// When the next sweep is due. News of our own brings the pace back.
    fn next(&self, now: Timestamp) -> Timestamp {
        let mut state = self.lock();
        if state.quiet > QUIET && self.core.moved.since_last_sweep.swap(false, Ordering::Relaxed) {
            state.quiet = 0;
            state.next = state.next.min(now + self.poll_interval);
        }
        state.next
    }

    async fn sweep(&self, now: Timestamp) -> Result<usize> {
        if !self.leads(now).await? {
            return Ok(0);
        }
        if !runs::is_anything_open(&self.core.store).await? {
            self.keep_cursor(now - LOOK_BACK, now).await?;
            return Ok(0);
        }
        let cursor = self.cursor(now).await?;
        let mut reports = match self.reports(cursor - OVERLAP).await {
            Ok(reports) => reports,
            Err(failure) => {
                tracing::warn!(problem = %failure.problem().code, "the sweep of Oz failed");
                return Ok(0);
            }
        };
        let newest = reports.iter().map(|report| report.updated_at).max();
        reports.extend(self.silent(now).await?);
        let changed = self.report(reports, now).await?;
        if let Some(newest) = newest.filter(|newest| *newest > cursor) {
            self.keep_cursor(newest, now).await?;
        }
        Ok(changed)
    }

    async fn leads(&self, now: Timestamp) -> Result<bool> {
        let mut tx = self.core.store.begin("lead the sweep").await?;
        let leads = leases::acquire(&mut tx, "follow", &self.core.replica, now, LEASE).await?;
        tx.commit().await?;
        Ok(leads)
    }

    async fn cursor(&self, now: Timestamp) -> Result<Timestamp> {
        let kept = kept::get(&self.core.store, CURSOR).await?;
        Ok(kept.and_then(|(millis, _)| millis.parse().ok()).map_or(now - LOOK_BACK, Timestamp::from_millis))
    }

    async fn keep_cursor(&self, cursor: Timestamp, now: Timestamp) -> Result<()> {
        let mut tx = self.core.store.begin("keep the sweep's cursor").await?;
        kept::put(&mut tx, CURSOR, &cursor.as_millis().to_string(), now).await?;
        tx.commit().await
    }

    /// All runs that changed after `since`.
    async fn reports(&self, since: Timestamp) -> Result<Vec<RunReport>, Failure> {
        let mut reports = Vec::new();
        let mut cursor = None;
        for _ in 0..MOST_PAGES {
            self.pace().await;
            let page = self.core.oz.sweep(since, cursor.as_deref()).await?;
            reports.extend(page.runs);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(reports);
            }
        }
        tracing::warn!("a sweep of Oz had more pages than are read at once");
        Ok(reports)
    }

    /// Runs that should be at work and have not been heard of.
    async fn silent(&self, now: Timestamp) -> Result<Vec<RunReport>> {
        let mut reports = Vec::new();
        for known in runs::working(&self.core.store, MOST_SILENT).await? {
            let asked = self.lock().asked.get(&known.run).copied().unwrap_or_default();
            if now.since(known.updated_at) < SILENT || now.since(asked) < SILENT {
                continue;
            }
            self.lock().asked.insert(known.run.clone(), now);
            self.pace().await;
            match self.core.oz.get(&known.run).await {
                Ok(report) => reports.push(report),
                Err(failure) => {
                    tracing::warn!(run.id = %known.run, problem = %failure.problem().code, "a silent run could not be asked for");
                }
            }
        }
        let mut state = self.lock();
        state.asked.retain(|_, asked| now.since(*asked) < SILENT * 4);
        drop(state);
        Ok(reports)
    }

    /// Decides on every report that is news; returns how many were.
    async fn report(&self, mut reports: Vec<RunReport>, now: Timestamp) -> Result<usize> {
        // A parent rests after its children have appeared, so children are told first.
        reports.sort_by_key(|report| (report.parent.is_none(), report.updated_at));
        let mut by_orchestration: BTreeMap<OrchestrationId, Vec<RunReport>> = BTreeMap::new();
        let mut tx = self.core.store.begin("look up runs").await?;
        for report in reports {
            let known = runs::find(&mut tx, &report.run).await?;
            let owner = match (&known, &report.parent) {
                (Some(known), _) if known.state == report.state && known.updated_at == report.updated_at => None,
                (Some(known), _) => Some(known.orchestration.clone()),
                (None, Some(parent)) => runs::find(&mut tx, parent).await?.map(|parent| parent.orchestration),
                (None, None) => None,
            };
            if let Some(owner) = owner {
                by_orchestration.entry(owner).or_default().push(report);
            }
        }
        tx.commit().await?;
        let mut changed = 0;
        for (orchestration, reports) in by_orchestration {
            let mut tx = self.core.store.begin("decide on progress").await?;
            for report in &reports {
                let input_id = InputId::new(format!("progress:{}:{}", report.run, report.updated_at.as_millis()));
                apply(&mut tx, &orchestration, Input::Progress(report.clone()), &input_id, now).await?;
                if let Some(known) = runs::find(&mut tx, &report.run).await? {
                    let working = report.state.is_working();
                    runs::put(
                        &mut tx,
                        &report.run,
                        &orchestration,
                        known.slot,
                        &report.state,
                        report.updated_at,
                        working,
                    )
                    .await?;
                    changed += 1;
                }
            }
            tx.commit().await?;
        }
        Ok(changed)
    }

    /// Waits for this replica's turn among all reads of the key.
    async fn pace(&self) {
        for _ in 0..20 {
            match self.turn().await {
                Ok(Some(at)) => self.core.clock.sleep_until(at).await,
                Ok(None) => return,
                Err(error) => return tracing::warn!(%error, "the pace of Oz could not be kept"),
            }
        }
    }

    async fn turn(&self) -> Result<Option<Timestamp>> {
        let pace = Call::Sweep.pace();
        let mut tx = self.core.store.begin("pace a read of Oz").await?;
        let wait = paces::take(&mut tx, &pace.key, self.core.clock.now(), pace.interval, pace.burst).await?;
        tx.commit().await?;
        Ok(wait)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
