//! The simulated Oz itself: its runs, and an agenda of what happens to them when.
//!
//! Nothing runs in the background. [`World::advance`] takes the agenda's steps in order of time up
//! to the moment it is given, so that the same requests at the same times always make the same
//! world. What an agent does within a turn is in `turns.rs`.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    knobs::{Knobs, Steering},
    problem::Problem,
    run::{Line, Milestone, Mode, Run, State, Status, Told, Turn, What},
    task,
};
use crate::time::Timestamp;

const QUEUED: Duration = Duration::from_millis(500);
/// How long a run stays QUEUED when the account is at capacity.
const QUEUED_AT_CAPACITY: Duration = Duration::from_secs(20);
const PENDING: Duration = Duration::from_millis(500);
const CLAIMED: Duration = Duration::from_secs(1);
/// Between the answer to a cancel and CANCELLED.
const STOPPING: Duration = Duration::from_millis(500);
/// Steps in one go; more than a world of stories ever needs, and an end to a loop that has none.
const MOST_STEPS: usize = 100_000;

#[derive(Debug)]
pub struct World {
    pub now: Timestamp,
    pub base_url: String,
    pub speed: f64,
    pub knobs: Knobs,
    pub steering: Steering,
    /// In the order of creation.
    pub runs: Vec<Run>,
    /// Pull requests so far: the run that opened each, and its branch.
    pub pulls: Vec<(usize, String)>,
    /// Problem documents so far.
    pub refusals: usize,
    agenda: BTreeMap<(Timestamp, u64), (usize, Step)>,
    /// Worlds that begin at different moments have different ids.
    seed: i64,
    minted: u64,
}

/// Something that happens to a run at its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Pend,
    Claim,
    Start,
    /// A turn's work is over.
    Finish,
    /// A parent starts its approved children.
    Launch,
    /// A parent starts a child that nobody approved.
    Breach,
    SyncPlan,
    /// The dispatcher picks up what the run was told.
    Wake,
    Cancel,
}

/// What a new run is made of.
#[derive(Debug, Default)]
pub struct New {
    pub prompt: String,
    pub title: Option<String>,
    pub mode: Mode,
    pub config: Value,
    pub metadata: BTreeMap<String, String>,
    pub parent: Option<String>,
    /// Started by its parent's agent, not through the API.
    pub by_agent: bool,
}

impl World {
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            base_url: "http://127.0.0.1:7300/simulator/oz".into(),
            speed: 1.0,
            knobs: Knobs::default(),
            steering: Steering::default(),
            runs: Vec::new(),
            pulls: Vec::new(),
            refusals: 0,
            agenda: BTreeMap::new(),
            seed: now.as_millis(),
            minted: 0,
        }
    }

    /// Takes every step that is due up to `to`.
    pub fn advance(&mut self, to: Timestamp) {
        for _ in 0..MOST_STEPS {
            let Some(next) = self.agenda.first_entry().filter(|next| next.key().0 <= to) else { break };
            self.now = self.now.max(next.key().0);
            let (run, step) = next.remove();
            self.take(run, step);
        }
        self.now = self.now.max(to);
    }

    pub fn next_change(&self) -> Option<Timestamp> {
        self.agenda.first_key_value().map(|((at, _), _)| *at)
    }

    /// A run's place in [`World::runs`].
    pub fn find(&self, id: &str) -> Option<usize> {
        self.runs.iter().position(|run| run.id == id)
    }

    /// Starts a run; it is QUEUED. Metadata is inherited from the parent, key by key.
    pub fn create(&mut self, new: New) -> usize {
        let parent = new.parent.as_deref().and_then(|id| self.find(id)).map(|parent| &self.runs[parent]);
        let mut metadata = parent.map(|parent| parent.metadata.clone()).unwrap_or_default();
        metadata.extend(new.metadata);
        let first_told = Told { text: new.prompt.clone(), mode: new.mode };
        let title = new.title.unwrap_or_else(|| {
            task::plain(task::words(&new.prompt)).lines().next().unwrap_or_default().chars().take(60).collect()
        });
        let run = Run {
            id: self.mint("run"),
            parent: new.parent,
            title,
            prompt: new.prompt,
            config: if new.config.is_object() { new.config } else { Value::Object(serde_json::Map::new()) },
            metadata,
            source: if new.by_agent { "ORCHESTRATION" } else { "API" },
            state: State::Queued,
            status: None,
            created_at: self.now,
            updated_at: self.now,
            started_at: None,
            milestones: Vec::new(),
            credits: 0.0,
            session: None,
            conversation: None,
            transcript: self.mint("transcript"),
            lines: Vec::new(),
            follow_ups: Vec::new(),
            artifacts: Vec::new(),
            told: VecDeque::new(),
            current: Told::default(),
            turn: Turn::Answer,
            execution: 0,
            done: false,
            held: false,
            waits_for_children: false,
            proposal: Vec::new(),
            proposal_version: 0,
        };
        self.runs.push(run);
        let run = self.runs.len() - 1;
        self.tell(run, first_told);
        self.reached(run, "oz_run_created");
        self.after(if self.knobs.at_capacity { QUEUED_AT_CAPACITY } else { QUEUED }, run, Step::Pend);
        run
    }

    /// Accepts a follow-up. The run goes on showing its old state until it is picked up.
    pub fn follow_up(&mut self, run: usize, told: Told) -> Result<(), Problem> {
        let state = self.runs[run].state;
        if state == State::Blocked && self.knobs.blocked_refuses_follow_up {
            return Err(Problem::invalid(
                "Blocked runs can't be continued. Respond to the prompt on the original run.",
            ));
        }
        if state.is_working() && self.knobs.working_refuses_follow_up {
            return Err(Problem::invalid("The run must be in a terminal state to accept a follow-up."));
        }
        self.runs[run].follow_ups.push(told.text.clone());
        self.tell(run, told);
        if !state.is_working() {
            self.wake_later(run);
        }
        Ok(())
    }

    /// Words that a person types into the session: taken at once when the run rests.
    pub fn type_in_session(&mut self, run: usize, text: String) {
        let mode = if task::is_approval(&text) { Mode::Normal } else { self.runs[run].current.mode };
        self.tell(run, Told { text, mode });
        if !self.runs[run].state.is_working() {
            self.forget(run);
            self.start(run);
        }
    }

    /// Asks for a run to be stopped. Its children go on.
    pub fn cancel(&mut self, run: usize) -> Result<(), Problem> {
        match self.runs[run].state {
            State::Succeeded | State::Failed | State::Error | State::Cancelled | State::Blocked => {
                Err(Problem::invalid("The run is already in a terminal state."))
            }
            _ if self.cannot_be_cancelled(run) => Err(Problem::of_code("operation_not_supported")
                .with("Self-hosted agent runs cannot be cancelled with the API.")),
            State::Pending => {
                Err(Problem::of_code("conflict").with("Pending agent runs cannot be cancelled, retry after a moment."))
            }
            State::Queued | State::Claimed | State::InProgress => {
                self.forget(run);
                self.after(STOPPING, run, Step::Cancel);
                Ok(())
            }
        }
    }

    /// Lets the children that were kept from ending end.
    pub fn release(&mut self) {
        self.steering.holding = false;
        for run in 0..self.runs.len() {
            if std::mem::take(&mut self.runs[run].held) {
                self.after(Duration::ZERO, run, Step::Finish);
            }
        }
    }

    /// An id in the form of a UUID.
    pub fn mint(&mut self, kind: &str) -> String {
        self.minted += 1;
        let hash = Sha256::digest(format!("{kind} {} {}", self.seed, self.minted));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// `by` at the world's speed from now on.
    pub fn after(&mut self, by: Duration, run: usize, step: Step) {
        self.minted += 1;
        self.agenda.insert((self.now + by.div_f64(self.speed), self.minted), (run, step));
    }

    pub fn say(&mut self, run: usize, what: What) {
        let line = Line { id: self.mint("message"), at: self.now, what };
        self.runs[run].lines.push(line);
    }

    /// Moves a run to a state in which it rests; its parent may be waiting for that.
    pub fn rest(&mut self, run: usize, state: State, status: Option<Status>) {
        self.enter(run, state);
        self.runs[run].status = status;
        self.reached(
            run,
            match state {
                State::Failed => "oz_run_failed",
                State::Blocked => "oz_run_blocked",
                State::Error => "oz_run_errored",
                State::Cancelled => "oz_run_cancelled",
                _ => "oz_run_done",
            },
        );
        if !self.runs[run].told.is_empty() {
            self.wake_later(run);
        }
        self.tell_parent_of(run);
    }

    pub fn enter(&mut self, run: usize, state: State) {
        let now = self.now;
        let run = &mut self.runs[run];
        run.state = state;
        run.updated_at = now;
    }

    pub fn reached(&mut self, run: usize, event: &'static str) {
        let milestone =
            Milestone { id: self.mint("event"), event, at: self.now, execution: self.runs[run].execution.max(1) };
        self.runs[run].milestones.push(milestone);
    }

    fn take(&mut self, run: usize, step: Step) {
        match step {
            Step::Pend => {
                self.enter(run, State::Pending);
                self.after(PENDING, run, Step::Claim);
            }
            Step::Claim => {
                self.enter(run, State::Claimed);
                self.reached(run, "oz_run_claimed");
                self.after(CLAIMED, run, Step::Start);
            }
            Step::Start => self.start(run),
            Step::Finish => self.finish(run),
            Step::Launch => self.launch(run),
            Step::Breach => self.breach(run),
            Step::SyncPlan => self.sync_plan(run),
            Step::Wake if self.runs[run].state == State::Blocked => self.start(run),
            Step::Wake => {
                self.runs[run].status = None;
                self.enter(run, State::Queued);
                self.after(QUEUED, run, Step::Pend);
            }
            Step::Cancel => {
                let stopped = &mut self.runs[run];
                stopped.told.clear();
                stopped.held = false;
                stopped.waits_for_children = false;
                self.rest(run, State::Cancelled, None);
            }
        }
    }

    /// The words stand in the conversation from the moment they are accepted.
    fn tell(&mut self, run: usize, told: Told) {
        self.say(run, What::Told(told.text.clone()));
        self.runs[run].told.push_back(told);
    }

    fn wake_later(&mut self, run: usize) {
        let waking = self.agenda.values().any(|planned| *planned == (run, Step::Wake));
        if !waking {
            self.after(self.knobs.stale_reads_after_follow_up, run, Step::Wake);
        }
    }

    /// Takes a run's own steps off the agenda. Its plan is synced all the same.
    fn forget(&mut self, run: usize) {
        self.agenda.retain(|_, (of, step)| *of != run || *step == Step::SyncPlan);
    }
}
