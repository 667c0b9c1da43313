//! What happens in a run's turn, from the moment it starts to the moment it rests.
//!
//! The script follows from the prompt (`task.rs`), from the directives in the parent's task, and
//! from what a story has arranged.

use std::time::Duration;

use serde_json::json;

use super::{
    revision,
    run::{Artifact, Ending, Made, Mode, Run, State, Status, Turn, What},
    script::{self, Outcome},
    task::{self, Child},
    world::{New, Step, World},
};

const PLANNING: Duration = Duration::from_secs(6);
/// Into the planning, a parent that does not wait for its approval starts a child.
const BREACH: Duration = Duration::from_secs(2);
/// Into its turn, an approved parent starts its children.
const LAUNCH: Duration = Duration::from_secs(1);
/// Children work between 8 and 20 seconds, each one differently.
const SHORTEST_WORK: u64 = 8;
const WORK_SPREAD: u64 = 13;
const TALKING: Duration = Duration::from_secs(4);
/// A plan has no artifact id before this.
const PLAN_SYNC: Duration = Duration::from_secs(1);
/// How much longer everything takes with `[slow]`.
const SLOWNESS: u32 = 5;

impl World {
    /// INPROGRESS: acts on the first thing that it has been told and has not acted on.
    pub fn start(&mut self, run: usize) {
        let turn = self.next_turn(run);
        let (session, conversation) = (self.mint("session"), self.mint("conversation"));
        let now = self.now;
        let started = &mut self.runs[run];
        started.current = started.told.pop_front().unwrap_or_default();
        started.turn = turn;
        started.execution += 1;
        started.status = None;
        started.started_at.get_or_insert(now);
        started.session.get_or_insert(session);
        started.conversation.get_or_insert(conversation);
        self.enter(run, State::InProgress);
        for event in ["worker_container_ready", "shared_session_started", "agent_started"] {
            self.reached(run, event);
        }
        self.say(run, What::Did { category: "files", name: "read_files", input: json!({ "path": "README.md" }) });

        let directives = self.directives_of(run);
        let pace = if directives.slow { SLOWNESS } else { 1 };
        let length = match turn {
            Turn::Propose => {
                if directives.breach && self.runs[run].execution == 1 {
                    self.after(BREACH * pace, run, Step::Breach);
                }
                PLANNING
            }
            Turn::Launch => return self.after(LAUNCH * pace, run, Step::Launch),
            Turn::Work => {
                let number = u64::try_from(self.child(run).0).unwrap_or(1);
                Duration::from_secs(SHORTEST_WORK + number.saturating_sub(1) * 7 % WORK_SPREAD)
            }
            Turn::StandBy | Turn::Summarise | Turn::Answer => TALKING,
        };
        self.after(length * pace, run, Step::Finish);
    }

    /// The turn's work is over: the run says what it did and rests, or ends otherwise.
    pub fn finish(&mut self, run: usize) {
        let is_kept = self.steering.holding || self.directives_of(run).endless;
        if is_kept && self.runs[run].parent.is_some() {
            self.runs[run].held = true;
            return;
        }
        self.runs[run].credits += 2.5;
        match self.ending_of(run) {
            Ending::Succeeds => {
                let words = self.succeed(run);
                self.say(run, What::Said(words));
                if self.runs[run].told.is_empty() {
                    self.rest(run, State::Succeeded, None);
                } else {
                    self.start(run);
                }
            }
            Ending::Fails { code, message, retryable } => {
                self.rest(run, State::Failed, Some(Status { message, code: Some(code), retryable: Some(retryable) }));
            }
            Ending::Errors { code, message, retryable } => {
                self.rest(run, State::Error, Some(Status { message, code: Some(code), retryable: Some(retryable) }));
            }
            Ending::Blocks => {
                let message = "The agent got stuck waiting for user confirmation on the action: \
                               run `npm publish --dry-run`";
                self.say(run, What::Said("May I run `npm publish --dry-run`?".into()));
                self.rest(run, State::Blocked, Some(Status { message: message.into(), code: None, retryable: None }));
            }
            Ending::Cancelled => self.rest(run, State::Cancelled, None),
        }
    }

    /// A parent starts the children that it proposed and that are not there yet.
    pub fn launch(&mut self, run: usize) {
        if self.runs[run].proposal.is_empty() {
            self.runs[run].proposal = task::children(task::words(&self.runs[run].prompt));
        }
        for child in self.runs[run].proposal.clone() {
            if !self.children_of(run).any(|known| known.title == child.name) {
                self.start_child(run, child);
            }
        }
        self.runs[run].waits_for_children = true;
    }

    pub fn breach(&mut self, run: usize) {
        let first = task::children(task::words(&self.runs[run].prompt)).into_iter().next();
        if let Some(child) = first {
            self.start_child(run, child);
        }
    }

    pub fn sync_plan(&mut self, run: usize) {
        for artifact in &mut self.runs[run].artifacts {
            if let Made::Plan { synced, .. } = &mut artifact.made {
                *synced = true;
            }
        }
    }

    /// A parent that waits goes on when its last child rests; a BLOCKED child may still go on itself.
    pub fn tell_parent_of(&mut self, run: usize) {
        let Some(parent) = self.parent_of(run) else { return };
        let all_rest = self.children_of(parent).all(|child| !child.state.is_working() && child.state != State::Blocked);
        if self.runs[parent].waits_for_children && all_rest {
            self.runs[parent].waits_for_children = false;
            self.after(TALKING, parent, Step::Finish);
        }
    }

    /// Which of its parent's children a run is, from 1, and what it is called there. A run that is
    /// started again has the number and the name of the one before.
    pub fn child(&self, run: usize) -> (usize, String) {
        let this = &self.runs[run];
        let Some(parent) = self.parent_of(run) else { return (1, this.title.clone()) };
        let proposed = &self.runs[parent].proposal;
        let same_prompt: Vec<usize> = (0..proposed.len()).filter(|at| proposed[*at].prompt == this.prompt).collect();
        let in_title = || {
            let named = (0..proposed.len()).filter(|at| task::contains_word(&this.title, &proposed[*at].name));
            named.max_by_key(|at| proposed[*at].name.len())
        };
        let found = if let [only] = same_prompt[..] { Some(only) } else { in_title() };
        if let Some(at) = found {
            return (at + 1, proposed[at].name.clone());
        }
        let key = child_key(this);
        let mut keys: Vec<&str> = Vec::new();
        for sibling in self.children_of(parent) {
            if !keys.contains(&child_key(sibling)) {
                keys.push(child_key(sibling));
            }
        }
        let position = keys.iter().position(|known| *known == key).unwrap_or(0) + 1;
        (key.trim_start_matches('c').parse().unwrap_or(position), this.title.clone())
    }

    pub fn cannot_be_cancelled(&self, run: usize) -> bool {
        let self_hosted = &self.directives_of(run).self_hosted;
        self.runs[run].is_self_hosted() || self.runs[run].parent.is_some() && self_hosted.contains(&self.child(run).0)
    }

    fn next_turn(&self, run: usize) -> Turn {
        let this = &self.runs[run];
        let Some(told) = this.told.front() else { return Turn::Answer };
        let first = this.execution == 0;
        let own_work = !this.done && (this.parent.is_some() || first || this.turn == Turn::Work);
        match told.mode {
            Mode::Plan | Mode::Orchestrate => Turn::Propose,
            Mode::Normal if first && this.parent.is_none() && task::stands_by(&this.prompt) => Turn::StandBy,
            Mode::Normal if own_work => Turn::Work,
            Mode::Normal if task::is_approval(&told.text) => Turn::Launch,
            Mode::Normal if task::brings_results(&told.text) && self.children_of(run).next().is_some() => {
                Turn::Summarise
            }
            Mode::Normal => Turn::Answer,
        }
    }

    /// How this turn ends: as a story arranged it, or as a directive says for a child's first turn.
    fn ending_of(&mut self, run: usize) -> Ending {
        let (number, name) = self.child(run);
        if self.parent_of(run).is_none() {
            if let Some(ending) = self.steering.parent_endings.pop_front() {
                return ending;
            }
        } else if let Some(at) = self.steering.endings.iter().position(|(of, _)| {
            of.eq_ignore_ascii_case(&name) || name == self.runs[run].title && task::contains_word(&name, of)
        }) {
            return self.steering.endings.remove(at).1;
        }
        if self.runs[run].turn != Turn::Work || self.runs[run].execution > 1 || self.is_started_again(run) {
            return Ending::Succeeds;
        }
        let directives = self.directives_of(run);
        if directives.fail_retryable.contains(&number) {
            let message = "No sandbox was available in time.".into();
            return Ending::Errors { code: "resource_unavailable".into(), message, retryable: true };
        }
        if directives.fail.contains(&number) {
            let message = "Setting up the environment failed: `npm ci` ended with status 1.".into();
            return Ending::Fails { code: "environment_setup_failed".into(), message, retryable: false };
        }
        if directives.block.contains(&number) { Ending::Blocks } else { Ending::Succeeds }
    }

    /// An earlier run was the same child.
    fn is_started_again(&self, run: usize) -> bool {
        let Some(parent) = self.parent_of(run) else { return false };
        let number = self.child(run).0;
        (0..run).any(|other| self.parent_of(other) == Some(parent) && self.child(other).0 == number)
    }

    /// Carries out what a turn that ends well brings, and gives the agent's last words.
    fn succeed(&mut self, run: usize) -> String {
        let told = task::words(&self.runs[run].current.text).to_owned();
        match self.runs[run].turn {
            Turn::Propose => self.propose(run, &told),
            Turn::Work => {
                self.runs[run].done = true;
                self.deliver(run)
            }
            Turn::StandBy => {
                self.runs[run].done = true;
                script::stand_by()
            }
            Turn::Launch | Turn::Summarise => script::summary(&self.outcomes(run)),
            Turn::Answer if task::is_question(&told) => script::answer(&self.runs[run].proposal),
            Turn::Answer => script::acknowledgement(&told),
        }
    }

    fn propose(&mut self, run: usize, told: &str) -> String {
        if let Some((saying, plan)) = self.steering.sayings.pop_front() {
            if let Some(plan) = plan {
                self.write_plan(run, plan);
            }
            return saying;
        }
        let first = self.runs[run].execution == 1;
        let directives = self.directives_of(run);
        if first && directives.question {
            return script::question();
        }
        let task = task::words(&self.runs[run].prompt).to_owned();
        let standing =
            revision::as_told(&self.runs[run].current.text).unwrap_or_else(|| self.runs[run].proposal.clone());
        let arranged =
            self.steering.proposal.clone().filter(|(version, _)| *version != self.runs[run].proposal_version);
        // Being told that the block was unusable asks for the same block again.
        let repairs = directives.invalid && self.runs[run].execution == 2;
        let changed = if repairs { None } else { revision::revise(&standing, told, &task) };
        let (children, lead) = if let Some((version, children)) = arranged {
            self.runs[run].proposal_version = version;
            let lead = script::first_lead(&children);
            (children, lead)
        } else if standing.is_empty() {
            let children = task::children(&task);
            let lead = script::first_lead(&children);
            (children, lead)
        } else if let Some((children, changes)) = changed {
            (children, format!("I changed the proposal as you asked: {changes}."))
        } else if !repairs && task::is_question(told) {
            return script::answer(&standing);
        } else {
            (standing, "The proposal stands as it is.".into())
        };
        self.runs[run].proposal.clone_from(&children);
        let plan = script::plan(&self.runs[run].title, &children);
        self.write_plan(run, plan);
        if first && directives.invalid {
            return script::unusable_proposal(&children);
        }
        script::proposal(&lead, &children)
    }

    /// One PLAN for a run; a revision changes what stands in it.
    fn write_plan(&mut self, run: usize, written: String) {
        for artifact in &mut self.runs[run].artifacts {
            if let Made::Plan { content, .. } = &mut artifact.made {
                *content = written;
                return;
            }
        }
        let document = self.mint("document");
        let title = self.runs[run].title.clone();
        self.make(run, Made::Plan { document, title, content: written, synced: false });
        self.after(PLAN_SYNC, run, Step::SyncPlan);
    }

    pub fn edit_plans(&mut self, plan: &str) {
        for artifact in self.runs.iter_mut().flat_map(|run| &mut run.artifacts) {
            if let Made::Plan { content, .. } = &mut artifact.made {
                plan.clone_into(content);
            }
        }
    }

    /// A pull request, and from the first two children something to upload besides.
    fn deliver(&mut self, run: usize) -> String {
        let (number, name) = self.child(run);
        let slug: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
        let branch = format!("oz/{}", slug.trim_matches('-'));
        self.pulls.push((run, branch.clone()));
        let pull = self.pulls.len();
        let input = json!({ "command": "gh pr create --fill" });
        self.say(run, What::Did { category: "command", name: "run_command", input });
        self.make(run, Made::PullRequest { number: pull, branch: branch.clone() });
        if self.runs[run].parent.is_some() && number == 1 {
            self.make(run, Made::Screenshot { description: format!("Tests before and after, {name}") });
        }
        if self.runs[run].parent.is_some() && number == 2 {
            let content = script::csv(&name);
            let description = format!("Tests by file, {name}");
            self.make(run, Made::File { filename: "report.csv".into(), mime_type: "text/csv", description, content });
        }
        script::report(&name, pull, &branch)
    }

    fn make(&mut self, run: usize, made: Made) {
        let artifact = Artifact { uid: self.mint("artifact"), created_at: self.now, made };
        self.runs[run].artifacts.push(artifact);
    }

    fn start_child(&mut self, parent: usize, child: Child) {
        self.create(New {
            prompt: child.prompt,
            title: Some(child.name),
            config: self.runs[parent].config.clone(),
            parent: Some(self.runs[parent].id.clone()),
            by_agent: true,
            ..New::default()
        });
    }

    /// The last run of each child, in the children's order.
    fn outcomes(&self, parent: usize) -> Vec<Outcome> {
        let mut outcomes: Vec<(usize, Outcome)> = Vec::new();
        for run in (0..self.runs.len()).filter(|run| self.parent_of(*run) == Some(parent)) {
            let (number, name) = self.child(run);
            let child = &self.runs[run];
            let problem = child.status.as_ref().map_or_else(|| child.state.as_str().into(), |s| s.message.clone());
            let pulls = child.artifacts.iter().filter_map(|artifact| self.pull_url(artifact)).collect();
            let outcome = Outcome { name, done: child.state == State::Succeeded, problem, pulls };
            outcomes.retain(|(known, _)| *known != number);
            outcomes.push((number, outcome));
        }
        outcomes.sort_by_key(|(number, _)| *number);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    pub fn pull_url(&self, artifact: &Artifact) -> Option<String> {
        match artifact.made {
            Made::PullRequest { number, .. } => Some(format!("{}/pull/{number}", self.base_url)),
            _ => None,
        }
    }

    pub fn parent_of(&self, run: usize) -> Option<usize> {
        self.find(self.runs[run].parent.as_deref()?)
    }

    pub fn children_of(&self, parent: usize) -> impl Iterator<Item = &Run> {
        let id = self.runs[parent].id.as_str();
        self.runs.iter().filter(move |run| run.parent.as_deref() == Some(id))
    }

    /// The directives that steer a run: its parent's, else its own.
    fn directives_of(&self, run: usize) -> task::Directives {
        let source = self.parent_of(run).unwrap_or(run);
        task::directives(task::words(&self.runs[source].prompt))
    }
}

/// What tells a child from its siblings, the same for a run that is started again.
fn child_key(run: &Run) -> &str {
    run.metadata.get("baton.child").unwrap_or(&run.title)
}
