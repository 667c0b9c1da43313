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
    /// The sweep under way, page by page.
    sweep: Option<Sweep>,
    /// Silent runs, and when they were last asked for.
    asked: HashMap<RunId, Timestamp>,
}

enum Read {
    Page(Sweep),
    Whole(Vec<RunReport>),
}

#[derive(Debug)]
struct Sweep {
    since: Timestamp,
    page: Option<String>,
    pages: usize,
    reports: Vec<RunReport>,
}

impl Follow {
    pub(super) fn new(core: Arc<Core>, poll_interval: Duration) -> Self {
        Self { core, poll_interval, state: Mutex::new(State::default()) }
    }

    /// One page of a sweep, when it is time for one.
    pub async fn run_once(&self) -> Result<Round> {
        let now = self.core.clock.now();
        let next = self.next(now);
        if now < next {
            return Ok(Round { did: 0, next: Some(next) });
        }
        let begun = self.lock().sweep.take();
        let sweep = match begun {
            Some(sweep) => Some(sweep),
            None => self.begin(now).await?,
        };
        let Some(sweep) = sweep else { return Ok(self.rest(now, 0)) };
        if let Some(at) = self.turn(now).await? {
            let mut state = self.lock();
            state.sweep = Some(sweep);
            state.next = at;
            return Ok(Round { did: 0, next: Some(at) });
        }
        match self.read_page(sweep).await {
            Ok(Read::Page(sweep)) => {
                self.lock().sweep = Some(sweep);
                Ok(Round { did: 1, next: None })
            }
            Ok(Read::Whole(reports)) => {
                let changed = self.end(reports, now).await?;
                Ok(self.rest(now, changed))
            }
            Err(failure) => {
                tracing::warn!(problem = %failure.problem().code, "the sweep of Oz failed");
                Ok(self.rest(now, 0))
            }
        }
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

    fn rest(&self, now: Timestamp, changed: usize) -> Round {
        let mut state = self.lock();
        state.quiet = if changed > 0 { 0 } else { state.quiet.saturating_add(1) };
        state.next = now + if state.quiet > QUIET { self.poll_interval * 3 } else { self.poll_interval };
        Round { did: changed, next: Some(state.next) }
    }

    /// A new sweep, if this replica leads and there is anything to follow.
    async fn begin(&self, now: Timestamp) -> Result<Option<Sweep>> {
        if !self.leads(now).await? {
            return Ok(None);
        }
        if !runs::is_anything_open(&self.core.store).await? {
            self.keep_cursor(now - LOOK_BACK, now).await?;
            return Ok(None);
        }
        let since = self.cursor(now).await? - OVERLAP;
        Ok(Some(Sweep { since, page: None, pages: 0, reports: Vec::new() }))
    }

    async fn read_page(&self, mut sweep: Sweep) -> Result<Read, Failure> {
        let page = self.core.oz.sweep(sweep.since, sweep.page.as_deref()).await?;
        sweep.reports.extend(page.runs);
        sweep.pages += 1;
        sweep.page = page.next;
        if sweep.page.is_some() && sweep.pages < MOST_PAGES {
            return Ok(Read::Page(sweep));
        }
        if sweep.page.is_some() {
            tracing::warn!("a sweep of Oz had more pages than are read at once");
        }
        Ok(Read::Whole(sweep.reports))
    }

    async fn end(&self, mut reports: Vec<RunReport>, now: Timestamp) -> Result<usize> {
        let newest = reports.iter().map(|report| report.updated_at).max();
        reports.extend(self.silent(now).await?);
        let changed = self.report(reports, now).await?;
        if let Some(newest) = newest {
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

    /// Runs that should be at work and have not been heard of.
    async fn silent(&self, now: Timestamp) -> Result<Vec<RunReport>> {
        let mut reports = Vec::new();
        for known in runs::working(&self.core.store, MOST_SILENT).await? {
            let asked = self.lock().asked.get(&known.run).copied().unwrap_or_default();
            if now.since(known.updated_at) < SILENT || now.since(asked) < SILENT {
                continue;
            }
            if self.turn(now).await?.is_some() {
                break; // the next sweep asks
            }
            self.lock().asked.insert(known.run.clone(), now);
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

    /// None when a request may go now, else when it may.
    async fn turn(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        let pace = Call::Sweep.pace();
        let mut tx = self.core.store.begin("pace a read of Oz").await?;
        let wait = paces::take(&mut tx, &pace.key, now, pace.interval, pace.burst).await?;
        tx.commit().await?;
        Ok(wait)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
