//! Following runs: one sweep of Oz for all orchestrations asks what changed since the last one, so
//! that the cost grows with what changes and not with what exists. A run that has been silent for
//! long is asked for by itself, in case a sweep missed it.
//!
//! One replica follows for all. A round makes one request, when its turn has come.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use super::{
    Core, Result,
    apply::apply,
    lead::{Lead, Turn, hold_reading, still_leads, turn_to_read, while_leading},
    retry::LONGEST_WAIT,
    work::{Round, caught},
};
use crate::{
    domain::{
        failure::Failure,
        input::Input,
        run::{RunReport, RunState, RunStatus},
    },
    ids::{InputId, OrchestrationId, RunId},
    oz::limits::{BETWEEN_SWEEPS, Call},
    storage::{
        kept,
        runs::{self, KnownRun},
    },
    time::Timestamp,
};

/// Where the last sweep came to, in Oz's time.
const CURSOR: &str = "oz.sweep";
/// Reports are asked for again from so long before the newest one: clocks and commits differ.
const OVERLAP: Duration = Duration::from_secs(10);
/// Where a first sweep begins. Oz's clock may be as much behind ours.
const LOOK_BACK: Duration = Duration::from_mins(10);
/// Pages of one sweep. What is beyond is found when it turns out to be silent.
const MOST_PAGES: usize = 1000;
/// Oz is asked for so long after everything has ended: an answer may be late, and people talk to an
/// agent in its session.
const LINGER: Duration = Duration::from_hours(1);
/// After so many sweeps without news, they are three times rarer.
const QUIET: u32 = 20;
/// The wait after a sweep that failed doubles this often.
const MOST_DOUBLINGS: u32 = 4;
/// Nobody asks us to wait longer than we then do.
const FURTHEST: Duration = Duration::from_mins(15);
/// So many silent runs are asked for after one sweep; those that were not have their turn after the next.
const MOST_SILENT: u32 = 5;
/// One that has nothing new to say is asked again when it has been silent twice as long, and after this
/// at the latest: runs that only exist are to cost little.
const LONGEST_SILENCE: Duration = Duration::from_hours(4);
/// Oz may be slow to know what it has just started. Told so often, we believe that a run is gone.
const GONE: u32 = 2;

#[derive(Debug)]
pub struct Follow {
    core: Arc<Core>,
    poll_interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: Timestamp,
    /// Sweeps without news, one after the other.
    quiet: u32,
    /// Requests that failed, one after the other.
    failures: u32,
    /// When there was last anything to follow.
    open_at: Option<Timestamp>,
    /// Nothing is followed, and the cursor has been forgotten.
    idle: bool,
    /// What is under way.
    sweep: Option<Sweep>,
    /// How often Oz did not know a silent run.
    gone: HashMap<RunId, u32>,
}

#[derive(Debug)]
struct Sweep {
    step: Step,
    /// How many reports were news so far.
    changed: usize,
}

/// The next request.
#[derive(Debug)]
enum Step {
    Page(Pages),
    Silent(VecDeque<KnownRun>),
}

#[derive(Debug)]
struct Pages {
    since: Timestamp,
    cursor: Option<String>,
    read: usize,
    newest: Timestamp,
    /// Those about us.
    reports: Vec<(OrchestrationId, RunReport)>,
}

impl Follow {
    pub(super) fn new(core: Arc<Core>, poll_interval: Duration) -> Self {
        Self { core, poll_interval: poll_interval.max(BETWEEN_SWEEPS), state: Mutex::new(State::default()) }
    }

    /// One request of a sweep, when it is time for one.
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
        let Some(mut sweep) = sweep else { return Ok(self.rest(now, 0)) };
        match turn_to_read(&self.core, Lead::Follow, sweep.call(), now).await? {
            Turn::Now => {}
            Turn::At(at) => return Ok(self.go_on(sweep, at)),
            Turn::Others => return Ok(self.rest(now, 0)),
        }
        // On the heap: it decides, too.
        let ask = Box::pin(async {
            match &mut sweep.step {
                Step::Page(pages) => self.read_page(pages).await,
                Step::Silent(runs) => self.ask_next(runs, now).await,
            }
        });
        let Some(asked) = while_leading(&self.core, Lead::Follow, now, ask).await else {
            return Ok(self.rest(self.core.clock.now(), 0));
        };
        if let Err(failure) = asked? {
            return self.failed(sweep, &failure, now).await;
        }
        self.lock().failures = 0;
        let Sweep { step, mut changed } = sweep;
        let step = match step {
            Step::Page(pages) if pages.is_read() => {
                changed += self.end(pages, now).await?;
                Step::Silent(self.silent(now).await?)
            }
            step => step,
        };
        match step {
            Step::Silent(runs) if runs.is_empty() => Ok(self.rest(now, changed)),
            step => {
                self.go_on(Sweep { step, changed }, now);
                Ok(Round { did: 1, next: None })
            }
        }
    }

    /// When the next request is due. News of our own brings the pace back.
    fn next(&self, now: Timestamp) -> Timestamp {
        let mut state = self.lock();
        if state.quiet > QUIET && self.core.moved.since_last_sweep.swap(false, Ordering::Relaxed) {
            state.quiet = 0;
            state.next = state.next.min(now + self.poll_interval);
        }
        // What lies further ahead was said by a clock that has been set back.
        if state.next.since(now) > FURTHEST {
            state.next = now;
        }
        state.next
    }

    fn go_on(&self, sweep: Sweep, next: Timestamp) -> Round {
        let mut state = self.lock();
        state.sweep = Some(sweep);
        state.next = next;
        Round { did: 0, next: Some(next) }
    }

    fn rest(&self, now: Timestamp, changed: usize) -> Round {
        let mut state = self.lock();
        state.quiet = if changed > 0 { 0 } else { state.quiet.saturating_add(1) };
        state.next = now + if state.quiet > QUIET { self.poll_interval * 3 } else { self.poll_interval };
        Round { did: changed, next: Some(state.next) }
    }

    /// A new sweep, if there is anything to follow.
    async fn begin(&self, now: Timestamp) -> Result<Option<Sweep>> {
        let open = runs::is_anything_open(&self.core.store).await?;
        if !self.lingers(open, now) {
            let already = std::mem::replace(&mut self.lock().idle, true);
            if !already {
                self.keep_cursor(None, now).await?;
            }
            return Ok(None);
        }
        self.lock().idle = false;
        let kept = kept::get(&self.core.store, CURSOR).await?;
        let cursor = kept.and_then(|(millis, _)| millis.parse().ok()).map(Timestamp::from_millis);
        let since = cursor.map_or(now - LOOK_BACK, |cursor| cursor - OVERLAP);
        let pages = Pages { since, cursor: None, read: 0, newest: cursor.unwrap_or_default(), reports: Vec::new() };
        Ok(Some(Sweep { step: Step::Page(pages), changed: 0 }))
    }

    /// Something is `open`, or was not long ago.
    fn lingers(&self, open: bool, now: Timestamp) -> bool {
        let mut state = self.lock();
        if open {
            state.open_at = Some(now);
        }
        state.open_at.is_some_and(|at| now.since(at) < LINGER)
    }

    /// A page that could be had is read at once; a sweep that fails goes on from the same page.
    async fn failed(&self, sweep: Sweep, failure: &Failure, now: Timestamp) -> Result<Round> {
        tracing::warn!(problem = %failure.problem().code, "Oz could not be asked what changed");
        let mut wait = {
            let mut state = self.lock();
            let doublings = state.failures.min(MOST_DOUBLINGS);
            state.failures = state.failures.saturating_add(1);
            self.poll_interval * 2_u32.pow(doublings)
        };
        if let Failure::Transient { after: Some(after), .. } = failure {
            let after = (*after).min(LONGEST_WAIT);
            wait = wait.max(after);
            hold_reading(&self.core, now + after).await?;
        }
        if let (Failure::Transient { .. }, Step::Page(_)) = (failure, &sweep.step) {
            return Ok(self.go_on(sweep, now + wait));
        }
        let mut state = self.lock();
        state.next = now + wait;
        Ok(Round { did: 0, next: Some(state.next) })
    }

    async fn read_page(&self, pages: &mut Pages) -> Result<std::result::Result<(), Failure>> {
        let page = match self.core.oz.sweep(pages.since, pages.cursor.as_deref()).await {
            Ok(page) => page,
            Err(failure) => return Ok(Err(failure)),
        };
        pages.newest = page.runs.iter().map(|report| report.updated_at).fold(pages.newest, Timestamp::max);
        pages.reports.extend(self.about_us(page.runs).await?);
        pages.read += 1;
        // A cursor that does not move would be read for ever.
        pages.cursor = page.next.filter(|next| pages.cursor.as_ref() != Some(next));
        Ok(Ok(()))
    }

    /// The reports that are news about an orchestration.
    async fn about_us(&self, reports: Vec<RunReport>) -> Result<Vec<(OrchestrationId, RunReport)>> {
        let ids: Vec<RunId> =
            reports.iter().flat_map(|report| [Some(&report.run), report.parent.as_ref()]).flatten().cloned().collect();
        let known = runs::find_all(&self.core.store, &ids).await?;
        let owner = |report: &RunReport| match (known.get(&report.run), &report.parent) {
            (Some(known), _) if is_old(known, report) => None,
            (Some(known), _) => Some(known.orchestration.clone()),
            (None, Some(parent)) => known.get(parent).map(|parent| parent.orchestration.clone()),
            (None, None) => None,
        };
        Ok(reports.into_iter().filter_map(|report| Some((owner(&report)?, report))).collect())
    }

    /// All pages are read.
    async fn end(&self, pages: Pages, now: Timestamp) -> Result<usize> {
        if pages.cursor.is_some() {
            tracing::warn!("a sweep of Oz had more pages than are read");
        }
        let changed = self.report(pages.reports, now).await?;
        self.keep_cursor(Some(pages.newest), now).await?;
        Ok(changed)
    }

    async fn keep_cursor(&self, cursor: Option<Timestamp>, now: Timestamp) -> Result<()> {
        let value = cursor.map(|cursor| cursor.as_millis().to_string());
        let kept = kept::get(&self.core.store, CURSOR).await?.map(|(value, _)| value);
        if kept == value || cursor == Some(Timestamp::default()) {
            return Ok(());
        }
        let mut tx = self.core.store.begin("keep the sweep's cursor").await?;
        if !still_leads(&self.core, &mut tx, Lead::Follow).await? {
            return Ok(tx.rollback().await?);
        }
        match value {
            Some(value) => kept::put(&mut tx, CURSOR, &value, now).await?,
            None => kept::forget(&mut tx, CURSOR).await?,
        }
        Ok(tx.commit().await?)
    }

    /// Runs that should be at work and have not been heard of, the longest silent first.
    async fn silent(&self, now: Timestamp) -> Result<VecDeque<KnownRun>> {
        Ok(runs::silent(&self.core.store, now, MOST_SILENT).await?.into())
    }

    async fn ask_next(
        &self,
        silent: &mut VecDeque<KnownRun>,
        now: Timestamp,
    ) -> Result<std::result::Result<(), Failure>> {
        let Some(known) = silent.pop_front() else { return Ok(Ok(())) };
        let answer = self.core.oz.get(&known.run).await;
        let gone = self.count_gone(&known.run, matches!(answer, Err(Failure::Gone(_))));
        let patience = match answer {
            Ok(_) => now.since(known.updated_at).clamp(runs::PATIENCE, LONGEST_SILENCE),
            Err(_) => runs::PATIENCE,
        };
        self.look_again(&known.run, now + patience).await?;
        let report = match answer {
            Ok(report) if is_old(&known, &report) => return Ok(Ok(())),
            Ok(report) => report,
            Err(Failure::Gone(_)) if gone < GONE => return Ok(Ok(())),
            Err(Failure::Gone(_)) => lost(&known, now),
            Err(failure) => return Ok(Err(failure)),
        };
        tracing::info!(run.id = %known.run, state = %report.state, "a silent run was asked for");
        self.report(vec![(known.orchestration, report)], now).await?;
        Ok(Ok(()))
    }

    /// How often in a row Oz did not know the run.
    fn count_gone(&self, run: &RunId, gone: bool) -> u32 {
        let mut state = self.lock();
        if !gone {
            state.gone.remove(run);
            return 0;
        }
        let times = state.gone.entry(run.clone()).or_default();
        *times += 1;
        *times
    }

    async fn look_again(&self, run: &RunId, at: Timestamp) -> Result<()> {
        let mut tx = self.core.store.begin("look at a run again").await?;
        runs::look_again(&mut tx, run, at).await?;
        Ok(tx.commit().await?)
    }

    /// Decides on every report, one transaction for each orchestration; returns how many were news.
    /// What cannot be decided on is left alone: the rest is not to wait for it.
    async fn report(&self, mut reports: Vec<(OrchestrationId, RunReport)>, now: Timestamp) -> Result<usize> {
        // A parent rests after its children have appeared, so children are told first.
        reports.sort_by_key(|(_, report)| (report.parent.is_none(), report.updated_at));
        let mut by_orchestration: BTreeMap<OrchestrationId, Vec<RunReport>> = BTreeMap::new();
        for (orchestration, report) in reports {
            by_orchestration.entry(orchestration).or_default().push(report);
        }
        let mut changed = 0;
        for (orchestration, reports) in by_orchestration {
            match caught(self.decide(&orchestration, reports, now)).await {
                Ok(news) => changed += news,
                Err(error) if error.is_passing() => return Err(error),
                Err(error) => {
                    tracing::error!(orchestration.id = %orchestration, %error, "its progress could not be decided on");
                }
            }
        }
        Ok(changed)
    }

    async fn decide(&self, orchestration: &OrchestrationId, reports: Vec<RunReport>, now: Timestamp) -> Result<usize> {
        let mut changed = 0;
        let mut tx = self.core.store.begin("decide on progress").await?;
        if !still_leads(&self.core, &mut tx, Lead::Follow).await? {
            tracing::warn!(orchestration.id = %orchestration, "its progress is another replica's business by now");
            tx.rollback().await?;
            return Ok(0);
        }
        for report in reports {
            let (run, state, updated_at) = (report.run.clone(), report.state.clone(), report.updated_at);
            // Another replica may have led in between, and have seen more.
            if runs::find(&mut tx, &run).await?.is_some_and(|known| is_old(&known, &report)) {
                continue;
            }
            let input_id = InputId::new(format!("progress:{run}:{}", updated_at.as_millis()));
            apply(&mut tx, orchestration, Input::Progress(report), &input_id, now).await?;
            if let Some(known) = runs::find(&mut tx, &run).await? {
                let working = state.is_working();
                runs::put(&mut tx, &run, orchestration, known.slot, &state, updated_at, working).await?;
                changed += 1;
            }
        }
        tx.commit().await?;
        Ok(changed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sweep {
    const fn call(&self) -> Call {
        match self.step {
            Step::Page(_) => Call::Sweep,
            Step::Silent(_) => Call::Get,
        }
    }
}

impl Pages {
    const fn is_read(&self) -> bool {
        self.cursor.is_none() || self.read >= MOST_PAGES
    }
}

/// What is reported is known, or known to be older.
fn is_old(known: &KnownRun, report: &RunReport) -> bool {
    report.updated_at < known.updated_at || (report.updated_at == known.updated_at && report.state == known.state)
}

/// What we make of a run that Oz does not know (any more).
fn lost(known: &KnownRun, now: Timestamp) -> RunReport {
    RunReport {
        run: known.run.clone(),
        parent: None,
        title: String::new(),
        state: RunState::Error,
        created_at: known.updated_at,
        updated_at: now,
        session_link: None,
        status: Some(RunStatus {
            message: "The run is not there any more.".into(),
            code: Some("resource_not_found".into()),
            retryable: Some(false),
        }),
        artifacts: Vec::new(),
        credits: None,
        metadata: BTreeMap::new(),
    }
}
