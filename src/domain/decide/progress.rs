//! What Oz reports about the parent, about children, and about children nobody approved.

use super::Turn;
use crate::domain::{
    artifact::Artifact,
    effect::{Effect, Slot},
    failure::Problem,
    orchestration::{Child, ChildState, Ending, Seen, Stage},
    policy::Breach,
    proposal::ChildSpec,
    run::{RunReport, RunState},
    text::first_line,
    words::{cards, problems},
};

impl Turn<'_> {
    pub(super) fn progressed(&mut self, report: &RunReport) {
        let parent = self.it.parent.as_ref().and_then(|parent| parent.run.as_ref());
        if parent == Some(&report.run) {
            return self.parent_progressed(report);
        }
        let child =
            self.it.children.iter().find(|child| child.run.as_ref() == Some(&report.run)).map(|child| child.number);
        match child {
            Some(number) => self.child_progressed(number, report),
            None => self.unknown_child(report),
        }
    }

    fn parent_progressed(&mut self, report: &RunReport) {
        let Some(parent) = &mut self.it.parent else { return };
        if report.updated_at < parent.seen.updated_at {
            return;
        }
        let before = parent.seen.state.clone();
        see(&mut parent.seen, report);
        if report.state.is_working() {
            parent.heard_out = false;
            if let Some(told) = &mut parent.told {
                told.worked |= told.taken;
            }
        }
        let unmoved = parent.told.is_some_and(|told| told.is_unheard());
        self.bring(None, &report.artifacts);
        if unmoved || report.state.is_working() {
            return;
        }
        self.read_parent_at_rest();
        if matches!(self.it.stage, Stage::Planning { .. } | Stage::Deciding { .. }) {
            return; // its words are read first
        }
        if report.state != RunState::Blocked {
            self.flush(Slot::Parent);
        } else if before != RunState::Blocked && !self.it.is_ended() {
            self.say_blocked(Slot::Parent);
        }
    }

    /// Reads what the parent said, when it rests and anybody waits for its words.
    pub(super) fn read_parent_at_rest(&mut self) {
        let agent_launch = matches!(self.it.stage, Stage::Running) && self.children_start_themselves();
        let Some(parent) = &mut self.it.parent else { return };
        let Some(run) = parent.run.clone() else { return };
        if parent.reading || parent.heard_out || parent.seen.state.is_working() {
            return;
        }
        let blocked = parent.seen.state == RunState::Blocked;
        let waited_for = match &self.it.stage {
            Stage::Planning { .. } | Stage::Deciding { .. } => true,
            Stage::Running => !blocked && (agent_launch || parent.told.is_some()),
            Stage::Summarising { .. } => !blocked && parent.told.is_some(),
            Stage::Gathering | Stage::Stopping { .. } | Stage::Ended { .. } => false,
        };
        if waited_for {
            parent.reading = true;
            self.act(Effect::ReadRun { slot: Slot::Parent, run });
        }
    }

    fn child_progressed(&mut self, number: u32, report: &RunReport) {
        let now = self.now;
        let stopping = matches!(self.it.stage, Stage::Stopping { .. });
        let Some(child) = self.it.child_mut(number) else { return };
        if report.updated_at < child.seen.updated_at {
            return;
        }
        see(&mut child.seen, report);
        if report.state.is_working()
            && let Some(told) = &mut child.told
        {
            told.worked |= told.taken;
        }
        let unmoved = child.told.is_some_and(|told| told.is_unheard());
        let was = child.state.clone();
        let mut read = false;
        if !unmoved && was != ChildState::Reading {
            match &report.state {
                state if state.is_working() => {
                    // Somebody woke it, or it was answered: it works again.
                    child.state = ChildState::Working;
                    child.ended_at = None;
                }
                RunState::Blocked => child.state = ChildState::Blocked,
                RunState::Succeeded if !matches!(was, ChildState::Done { .. }) => {
                    child.state = ChildState::Reading;
                    read = true;
                }
                RunState::Cancelled if was != ChildState::Cancelled => {
                    child.state = ChildState::Cancelled;
                    child.ended_at = Some(now);
                }
                _ => {}
            }
        }
        let (name, is) = (child.spec.name.clone(), child.state.clone());
        let run = report.run.clone();
        self.bring(Some(number), &report.artifacts);
        if unmoved {
            return;
        }
        if report.state.is_working() {
            self.flush(Slot::Child(number));
        }
        if read {
            self.act(Effect::ReadRun { slot: Slot::Child(number), run });
            return;
        }
        match (&report.state, &was) {
            (
                RunState::Failed | RunState::Error,
                ChildState::Failed { .. } | ChildState::Retrying { .. } | ChildState::Reading,
            ) => {}
            (RunState::Failed | RunState::Error, _) => {
                let (problem, retryable) = problem(report);
                self.child_failed(number, problem, retryable && !stopping);
            }
            (RunState::Blocked, was) if *was != ChildState::Blocked => {
                self.say_blocked(Slot::Child(number));
                self.note(format!("child {number} is blocked"));
                // It gives its place to another while it waits for a person.
                self.start_children();
            }
            (RunState::Cancelled, was) if *was != ChildState::Cancelled => {
                if !stopping {
                    self.say(cards::problem(
                        &format!("Child {number} {name}"),
                        &Problem::new(problems::CANCELLED_ELSEWHERE),
                    ));
                }
                self.note(format!("child {number} was cancelled"));
                self.child_settled(Slot::Child(number));
            }
            // Somebody woke it: its new result is waited for.
            (_, was) if is == ChildState::Working && was.is_settled() && self.is_summed_up() => {
                self.it.stage = Stage::Running;
            }
            _ => {}
        }
    }

    fn is_summed_up(&self) -> bool {
        matches!(self.it.stage, Stage::Summarising { .. } | Stage::Ended { how: Ending::Done, .. })
    }

    /// A run that one of ours started, or one of ours whose start has not been answered yet.
    fn unknown_child(&mut self, report: &RunReport) {
        let Some(by) = report.parent.clone() else { return };
        let ours = |run: Option<&crate::ids::RunId>| run == Some(&by);
        let by_parent = ours(self.it.parent.as_ref().and_then(|parent| parent.run.as_ref()));
        let by_child = self.it.children.iter().any(|child| ours(child.run.as_ref()));
        if !(by_parent || by_child) || (by_parent && self.is_own_start(report)) {
            return;
        }
        let title = first_line(&report.title, 80);
        let agent_launch =
            matches!(self.it.stage, Stage::Running | Stage::Summarising { .. }) && self.children_start_themselves();
        let approved = agent_launch && by_parent;
        let number = self.it.children.iter().map(|child| child.number).max().unwrap_or(0) + 1;
        self.it.children.push(Child {
            number,
            spec: ChildSpec {
                name: title.clone(),
                prompt: String::new(),
                returns: None,
                environment: None,
                model: None,
            },
            attempt: 1,
            run: Some(report.run.clone()),
            seen: Seen::default(),
            state: ChildState::Working,
            started_at: Some(report.created_at),
            ended_at: None,
            told: None,
            turns: 0,
            artifacts: Vec::new(),
            stranger: !approved,
        });
        if !approved {
            let cancelling = self.it.policy.breach == Breach::Cancel;
            self.note(format!("child {number} was started without an approval"));
            self.say(cards::breach(&title, report.session_link.as_deref(), cancelling));
            if cancelling {
                self.stop_breach(number, report.run.clone());
            }
        }
        self.child_progressed(number, report);
    }

    /// A child whose start is on its way, or an earlier start of one. Children inherit their
    /// parent's metadata, so only `baton.child` with a dispatch of ours tells.
    fn is_own_start(&self, report: &RunReport) -> bool {
        let Some(dispatch) = report.metadata.get("baton.dispatch") else { return false };
        self.it.children.iter().filter(|child| !child.stranger).any(|child| {
            (1..=child.attempt).any(|attempt| {
                crate::ids::DispatchId::of(&self.it.id, &format!("c{}", child.number), attempt).as_str() == dispatch
            })
        })
    }

    /// Brings what is new of a run's artifacts into the conversation.
    pub(super) fn bring(&mut self, child: Option<u32>, artifacts: &[Artifact]) {
        let of = match child {
            Some(number) => self.called(Slot::Child(number)),
            None => self.called(Slot::Parent),
        };
        for artifact in artifacts {
            let key = artifact.key();
            if let Some(child) = child.and_then(|number| self.it.child_mut(number)) {
                match child.artifacts.iter_mut().find(|known| known.key() == key) {
                    Some(known) => known.clone_from(artifact),
                    None => child.artifacts.push(artifact.clone()),
                }
            }
            let told = self.it.artifacts.get(&key).is_some_and(|known| known.is_uploaded() || !artifact.is_uploaded());
            if told {
                continue;
            }
            self.it.artifacts.insert(key, artifact.clone());
            match artifact {
                Artifact::PullRequest { url, .. } => self.say(cards::pull_request(&of, url)),
                Artifact::Plan { .. } | Artifact::Screenshot { .. } | Artifact::File { .. }
                    if artifact.is_uploaded() =>
                {
                    self.act(Effect::Upload { artifact: artifact.clone(), of: of.clone() });
                }
                Artifact::Plan { .. }
                | Artifact::Screenshot { .. }
                | Artifact::File { .. }
                | Artifact::Reference { .. } => {}
            }
        }
    }

    /// A child's follow-up shows no effect: whatever it rests at counts now.
    pub(super) fn child_stale(&mut self, number: u32) {
        let Some(child) = self.it.child_mut(number) else { return };
        let Some(told) = child.told else { return self.flush(Slot::Child(number)) };
        if !told.is_unheard() || child.seen.state.is_working() {
            return;
        }
        let Some(run) = child.run.clone() else { return };
        child.state = ChildState::Reading;
        self.act(Effect::ReadRun { slot: Slot::Child(number), run });
    }
}

fn see(seen: &mut Seen, report: &RunReport) {
    seen.state = report.state.clone();
    seen.updated_at = report.updated_at;
    if report.session_link.is_some() {
        seen.link.clone_from(&report.session_link);
    }
    seen.note = report.status.as_ref().map(|status| status.message.clone());
    seen.retryable = report.status.as_ref().is_some_and(|status| status.retryable == Some(true));
    seen.code = report.status.as_ref().and_then(|status| status.code.clone());
    if report.credits.is_some() {
        seen.credits = report.credits;
    }
}

/// How a run failed, and whether Oz says that it may work another time.
fn problem(report: &RunReport) -> (Problem, bool) {
    let Some(status) = &report.status else { return (Problem::new("failed"), false) };
    let code = status.code.clone().unwrap_or_else(|| "failed".into());
    (Problem::new(code).with_detail(status.message.clone()), status.retryable == Some(true))
}
