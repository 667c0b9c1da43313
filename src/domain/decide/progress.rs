//! What Oz reports about the parent and about children.

use super::Turn;
use crate::domain::{
    effect::{Effect, Slot},
    failure::Problem,
    orchestration::{Asked, ChildState, Ending, Seen, Stage},
    run::{RunReport, RunState},
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
        let before = parent.seen.clone();
        see(&mut parent.seen, report);
        parent.heard_out &= report.state == before.state;
        if report.state.is_working() {
            if let Some(told) = &mut parent.told {
                told.worked |= told.taken;
            }
            self.parent_woken();
        }
        self.bring(None, &report.artifacts);
        let Some(parent) = &self.it.parent else { return };
        if report.state.is_working() {
            return;
        }
        // It may have worked between two looks, and what it shows is news then.
        let changed = report.updated_at > before.updated_at;
        if parent.told.is_some_and(|told| told.is_unheard()) {
            if changed {
                self.read_parent();
            }
            return; // else its old state
        }
        self.read_parent_at_rest(changed);
        if matches!(self.it.stage, Stage::Planning { .. } | Stage::Deciding { .. }) {
            return; // its words are read first
        }
        if report.state != RunState::Blocked {
            self.flush(Slot::Parent);
        } else if before.state != RunState::Blocked && !self.it.is_ended() {
            self.say_blocked(Slot::Parent);
        }
    }

    /// Somebody talks to it in its session after the end, or it answers when nobody waited any longer:
    /// that continues it as a reply here does.
    fn parent_woken(&mut self) {
        if let Stage::Ended { how: Ending::Done | Ending::Answered | Ending::Failed { .. }, .. } = self.it.stage {
            self.note("the parent was woken in Oz");
            self.it.stage = Stage::Planning { asked: Asked::Again };
        }
    }

    /// Reads what the parent said, when it rests and anybody waits for its words; also `again`.
    pub(super) fn read_parent_at_rest(&mut self, again: bool) {
        let agent_launch = matches!(self.it.stage, Stage::Running) && self.children_start_themselves();
        let Some(parent) = &self.it.parent else { return };
        if (parent.heard_out && !again) || parent.seen.state.is_working() {
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
            self.read_parent();
        }
    }

    pub(super) fn read_parent(&mut self) {
        let Some(parent) = &mut self.it.parent else { return };
        if let (Some(run), false) = (parent.run.clone(), parent.reading) {
            parent.reading = true;
            self.act(Effect::ReadRun { slot: Slot::Parent, run });
        }
    }

    pub(super) fn child_progressed(&mut self, number: u32, report: &RunReport) {
        let Some(child) = self.it.child_mut(number) else { return };
        if report.updated_at < child.seen.updated_at {
            return;
        }
        let before = child.seen.clone();
        see(&mut child.seen, report);
        if report.state.is_working()
            && let Some(told) = &mut child.told
        {
            told.worked |= told.taken;
        }
        self.bring(Some(number), &report.artifacts);
        let Some(child) = self.it.child(number) else { return };
        if child.told.is_some_and(|told| told.is_unheard()) {
            // Its old state, unless it may have worked between two looks.
            if report.updated_at > before.updated_at {
                self.read_child(number);
            }
        } else if child.state != ChildState::Reading {
            self.child_moved(number, &before);
        }
        if report.state.is_working() {
            self.flush(Slot::Child(number));
        }
    }

    /// Acts on what a child's run shows now, and did not `before`.
    pub(super) fn child_moved(&mut self, number: u32, before: &Seen) {
        let now = self.now;
        let stopping = matches!(self.it.stage, Stage::Stopping { .. });
        let Some(child) = self.it.child_mut(number) else { return };
        let was = child.state.clone();
        match &child.seen.state {
            // Oz has taken the cancel, and is slow to show it.
            state if state.is_working() && was == ChildState::Cancelled && before.state.is_working() => {}
            state if state.is_working() => {
                child.state = ChildState::Working;
                child.ended_at = None;
                if was.is_settled() {
                    self.child_woken(number);
                }
            }
            RunState::Blocked if was != ChildState::Blocked => {
                child.state = ChildState::Blocked;
                self.say_blocked(Slot::Child(number));
                self.note(format!("child {number} is blocked"));
                // It gives its place to another while it waits for a person.
                self.start_children();
            }
            RunState::Succeeded if !matches!(was, ChildState::Done { .. }) => self.read_child(number),
            RunState::Failed | RunState::Error
                if !matches!(was, ChildState::Failed { .. } | ChildState::Retrying { .. }) =>
            {
                let (problem, retryable) = (problem(&child.seen), child.seen.retryable);
                self.child_failed(number, problem, retryable && !stopping);
            }
            RunState::Cancelled if was != ChildState::Cancelled => {
                child.state = ChildState::Cancelled;
                child.ended_at = Some(now);
                self.note(format!("child {number} was cancelled"));
                if !stopping {
                    let who = format!("Child {}", self.called(Slot::Child(number)));
                    self.say(cards::problem(&who, &Problem::new(problems::CANCELLED_ELSEWHERE)));
                }
                self.child_settled(Slot::Child(number));
            }
            _ => {}
        }
    }

    /// It had ended, and works again: its new result is waited for, unless all is being stopped.
    pub(super) fn child_woken(&mut self, number: u32) {
        let slot = Slot::Child(number);
        if let Stage::Stopping { answers, .. } = &mut self.it.stage {
            answers.remove(&slot.to_string());
            self.cancel(slot);
        } else if matches!(self.it.stage, Stage::Summarising { .. } | Stage::Ended { how: Ending::Done, .. }) {
            self.back_to_running();
        }
    }

    /// Reads what a child that rests has said.
    pub(super) fn read_child(&mut self, number: u32) {
        let Some(child) = self.it.child_mut(number).filter(|child| child.state != ChildState::Reading) else { return };
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

/// How a run failed.
pub(super) fn problem(seen: &Seen) -> Problem {
    if seen.state == RunState::Cancelled {
        return Problem::new(problems::CANCELLED_ELSEWHERE);
    }
    let problem = Problem::new(seen.code.clone().unwrap_or_else(|| "failed".into()));
    match &seen.note {
        Some(note) => problem.with_detail(note.clone()),
        None => problem,
    }
}
