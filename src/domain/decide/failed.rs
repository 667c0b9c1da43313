//! Deliveries that were given up: what they were for decides what follows, and somebody is told.

use super::Turn;
use crate::domain::{
    effect::{Purpose, Slot},
    failure::Problem,
    input::FailedEffect,
    orchestration::{ChildState, Ending, Stage},
    run::{CancelAnswer, Reading, RunState},
    words::cards,
};
use crate::ids::DispatchId;

impl Turn<'_> {
    pub(super) fn failed(&mut self, effect: FailedEffect, problem: Problem) {
        match effect {
            FailedEffect::PostBoard => {
                // Nobody can be told here; the one who asked has been told in private.
                self.note(format!("nothing can be posted here: {}", problem.code));
                self.end(Ending::Failed { problem });
            }
            FailedEffect::ReadThread => {
                self.note(format!("the thread could not be read: {}", problem.code));
                if matches!(self.it.stage, Stage::Gathering) {
                    self.gathered();
                }
            }
            FailedEffect::StartRun { slot, dispatch } => self.start_failed(slot, &dispatch, problem),
            FailedEffect::FollowUp { slot, purpose, .. } => self.follow_up_failed(slot, purpose, problem),
            FailedEffect::CancelRun { slot } => self.cancelled(slot, CancelAnswer::Unanswered),
            FailedEffect::ReadRun { slot } => self.read_failed(slot, problem),
            FailedEffect::Upload { name } => {
                self.note(format!("could not be brought: {name}"));
                if self.it.is_ended() {
                    self.say(cards::missing(&name));
                }
                self.it.missing.push(name);
            }
            FailedEffect::Say => self.note(format!("could not be said: {}", problem.code)),
        }
    }

    fn start_failed(&mut self, slot: Slot, dispatch: &DispatchId, problem: Problem) {
        let id = self.it.id.clone();
        let current = |attempt: u32| *dispatch == DispatchId::of(&id, &slot.to_string(), attempt);
        let stopping = matches!(self.it.stage, Stage::Stopping { .. });
        match slot {
            Slot::Parent => {
                if !self.it.parent.as_ref().is_some_and(|parent| current(parent.attempt)) {
                    return;
                }
                if stopping {
                    self.it.parent = None;
                    return self.stop_on();
                }
                if self.it.is_ended() {
                    return;
                }
                for child in &mut self.it.children {
                    if !child.state.is_settled() {
                        child.state = ChildState::Cancelled;
                    }
                }
                self.fail("The parent run could not be started.", problem);
            }
            Slot::Child(number) => {
                let Some(child) = self.it.child_mut(number).filter(|child| current(child.attempt)) else { return };
                if stopping {
                    child.state = ChildState::Cancelled;
                    return self.stop_on();
                }
                self.child_failed(number, problem, false);
            }
        }
    }

    fn follow_up_failed(&mut self, slot: Slot, purpose: Purpose, problem: Problem) {
        if matches!(self.it.stage, Stage::Stopping { .. } | Stage::Ended { .. }) {
            return;
        }
        self.set_told(slot, None);
        let blocked = match slot {
            Slot::Parent => self.it.parent.as_ref().map(|parent| &parent.seen.state),
            Slot::Child(number) => self.it.child(number).map(|child| &child.seen.state),
        } == Some(&RunState::Blocked);
        match (purpose, &self.it.stage) {
            // It hears nothing here before somebody has answered it there.
            (Purpose::Reply, _) if blocked => self.say_blocked(slot),
            (Purpose::Results, Stage::Summarising { .. }) => {
                self.note(format!("the parent could not be told the results: {}", problem.code));
                self.summarised(None);
            }
            (Purpose::GoOn, _) => self.fail("The agent could not be told that it is approved.", problem),
            (_, Stage::Planning { .. }) if slot == Slot::Parent => self.fail("The agent could not be told.", problem),
            _ => {
                let lead = format!("{} could not be told that.", self.called(slot));
                self.say(cards::problem(&lead, &problem));
                self.flush(slot);
            }
        }
    }

    fn read_failed(&mut self, slot: Slot, problem: Problem) {
        match slot {
            Slot::Child(number) => self.child_read(number, Reading::default()),
            Slot::Parent => {
                if let Some(parent) = &mut self.it.parent {
                    parent.reading = false;
                    parent.heard_out = true;
                    parent.told = parent.told.filter(|told| !told.taken);
                }
                match &self.it.stage {
                    Stage::Planning { .. } => self.fail("What the agent said could not be read.", problem),
                    Stage::Summarising { .. } => self.summarised(None),
                    Stage::Running if self.children_start_themselves() => {
                        if self.it.children.iter().all(|child| child.state.is_settled()) {
                            self.summarised(None);
                        }
                    }
                    Stage::Gathering
                    | Stage::Deciding { .. }
                    | Stage::Running
                    | Stage::Stopping { .. }
                    | Stage::Ended { .. } => {}
                }
            }
        }
    }
}
