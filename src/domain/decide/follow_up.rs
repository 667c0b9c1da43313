//! Telling a run something: at once when it can hear it, else as soon as it can.

use super::Turn;
use crate::domain::{
    effect::{Effect, Purpose, Reaction, Slot, TimerName},
    orchestration::{ChildState, STALE, Stage, Told, Waiting},
    run::{Mode, RunState},
};

impl Turn<'_> {
    /// Tells the run of `slot`, behind whatever already waits for it.
    pub(super) fn send(&mut self, slot: Slot, text: String, mode: Mode, purpose: Purpose, message: Option<String>) {
        let waiting = Waiting { slot, text, mode, purpose, message };
        let queue = self.it.waiting.iter().any(|other| other.slot == slot);
        self.it.waiting.push(waiting);
        if !queue {
            self.flush(slot);
        }
    }

    /// Sends the first of what waits for `slot`, if its run can be told anything.
    pub(super) fn flush(&mut self, slot: Slot) {
        if matches!(self.it.stage, Stage::Stopping { .. }) {
            return;
        }
        let Some(run) = self.run_of(slot) else { return };
        let Some(at) = self.it.waiting.iter().position(|waiting| waiting.slot == slot) else { return };
        if self.is_busy(slot) {
            return; // what it says next is heard first
        }
        let Waiting { slot, text, mode, purpose, message } = self.it.waiting.remove(at);
        if let (Slot::Parent, Some(parent)) = (slot, &mut self.it.parent) {
            parent.mode = mode;
        }
        self.set_told(slot, Some(Told { at: self.now, purpose, taken: false, worked: false }));
        self.act(Effect::FollowUp { slot, run, text, mode, purpose, message });
    }

    /// It has been told something, or will be, and its words on that are still to come.
    pub(super) fn parent_is_busy(&self) -> bool {
        let waiting = self.it.waiting.iter().any(|waiting| waiting.slot == Slot::Parent);
        self.it.parent.as_ref().is_some_and(|parent| {
            waiting || parent.run.is_none() || parent.told.is_some() || parent.seen.state.is_working()
        })
    }

    /// Another follow-up is under way, what it says is still to be heard, or it is about to be started.
    /// A child that is at work may be told more.
    fn is_busy(&self, slot: Slot) -> bool {
        match slot {
            Slot::Child(number) => self.it.child(number).is_some_and(|child| match child.state {
                ChildState::Waiting | ChildState::Starting | ChildState::Retrying { .. } | ChildState::Reading => true,
                ChildState::Working
                | ChildState::Blocked
                | ChildState::Done { .. }
                | ChildState::Failed { .. }
                | ChildState::Cancelled => child.told.is_some_and(|told| !told.taken || child.seen.state.is_at_rest()),
            }),
            Slot::Parent => self.it.parent.as_ref().is_some_and(|parent| {
                let proposes = matches!(self.it.stage, Stage::Planning { .. }) && parent.mode != Mode::Normal;
                parent.told.is_some() || parent.reading || (proposes && parent.seen.state.is_working())
            }),
        }
    }

    pub(super) fn set_told(&mut self, slot: Slot, told: Option<Told>) {
        match slot {
            Slot::Parent => {
                if let Some(parent) = &mut self.it.parent {
                    parent.told = told;
                }
            }
            Slot::Child(number) => {
                if let Some(child) = self.it.child_mut(number) {
                    child.told = told;
                }
            }
        }
    }

    /// Oz has taken it: the run's old state is stale from now on.
    pub(super) fn taken(&mut self, slot: Slot, purpose: Purpose, message: Option<String>) {
        if self.run_of(slot).is_none() {
            return self.note(format!("an earlier run of {slot} was told {}", purpose.what()));
        }
        self.set_told(slot, Some(Told { at: self.now, purpose, taken: true, worked: false }));
        match slot {
            Slot::Parent => {
                let Some(parent) = &mut self.it.parent else { return };
                parent.heard_out = false;
                if let (Stage::Summarising { asked }, Purpose::Results) = (&mut self.it.stage, purpose) {
                    *asked = true;
                }
            }
            Slot::Child(number) => {
                let Some(child) = self.it.child_mut(number) else { return };
                child.state = ChildState::Working;
                child.ended_at = None;
                match self.it.stage {
                    Stage::Summarising { .. } | Stage::Ended { .. } => self.back_to_running(),
                    // It was being told this when the stop came.
                    Stage::Stopping { .. } => self.cancel(slot),
                    Stage::Gathering | Stage::Planning { .. } | Stage::Deciding { .. } | Stage::Running => {}
                }
            }
        }
        self.set_timer(TimerName::Stale { slot }, self.now + STALE);
        self.note(format!("{slot} was told {}", purpose.what()));
        if let Some(message) = message {
            self.act(Effect::React { message, reaction: Reaction::Taken });
        }
        self.flush(slot);
    }

    /// The run takes nothing now: it is told when it rests.
    pub(super) fn held(&mut self, slot: Slot, text: String, mode: Mode, purpose: Purpose, message: Option<String>) {
        self.set_told(slot, None);
        if matches!(self.it.stage, Stage::Stopping { .. }) && purpose != Purpose::Reply {
            return;
        }
        let first = self.it.waiting.iter().position(|waiting| waiting.slot == slot).unwrap_or(self.it.waiting.len());
        self.it.waiting.insert(first, Waiting { slot, text, mode, purpose, message });
        if matches!(self.it.stage, Stage::Stopping { .. }) {
            return;
        }
        let blocked = match slot {
            Slot::Parent => self.it.parent.as_ref().is_some_and(|parent| parent.seen.state == RunState::Blocked),
            Slot::Child(number) => self.it.child(number).is_some_and(|child| child.seen.state == RunState::Blocked),
        };
        if blocked {
            // Followed on: when somebody has answered it there, it hears what waits here.
            self.say_blocked(slot);
        } else {
            self.set_timer(TimerName::Stale { slot }, self.now + STALE);
        }
    }
}
