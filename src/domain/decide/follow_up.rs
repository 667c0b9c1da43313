//! Telling a run something: at once when it can hear it, else as soon as it can.

use super::{Turn, parent::STALE};
use crate::domain::{
    effect::{Effect, Purpose, Reaction, Slot, TimerName},
    orchestration::{ChildState, Stage, Told, Waiting},
    run::{Mode, RunState},
    words::cards,
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
        let Waiting { slot, text, mode, purpose, message } = self.it.waiting.remove(at);
        if let (Slot::Parent, Some(parent)) = (slot, &mut self.it.parent) {
            parent.mode = mode;
        }
        self.act(Effect::FollowUp { slot, run, text, mode, purpose, message });
    }

    /// Oz has taken it: the run's old state is stale from now on.
    pub(super) fn taken(&mut self, slot: Slot, purpose: Purpose, message: Option<String>) {
        let told = Some(Told { at: self.now, purpose, worked: false });
        match slot {
            Slot::Parent => {
                let Some(parent) = &mut self.it.parent else { return };
                parent.told = told;
                parent.heard_out = false;
                if let (Stage::Summarising { asked }, Purpose::Results) = (&mut self.it.stage, purpose) {
                    *asked = true;
                }
            }
            Slot::Child(number) => {
                let Some(child) = self.it.child_mut(number) else { return };
                child.told = told;
                child.state = ChildState::Working;
                child.ended_at = None;
                if matches!(self.it.stage, Stage::Summarising { .. } | Stage::Ended { .. }) {
                    self.it.stage = Stage::Running;
                }
            }
        }
        self.set_timer(TimerName::Stale { slot }, self.now + STALE);
        self.note(format!("{slot} was told ({purpose:?})"));
        if let Some(message) = message {
            self.act(Effect::React { message, reaction: Reaction::Taken });
        }
        self.flush(slot);
    }

    /// The run takes nothing now: it is told when it rests.
    pub(super) fn held(&mut self, slot: Slot, text: String, mode: Mode, purpose: Purpose, message: Option<String>) {
        let first = self.it.waiting.iter().position(|waiting| waiting.slot == slot).unwrap_or(self.it.waiting.len());
        self.it.waiting.insert(first, Waiting { slot, text, mode, purpose, message });
        let (who, seen) = match slot {
            Slot::Parent => (Some("The agent".to_owned()), self.it.parent.as_ref().map(|parent| parent.seen.clone())),
            Slot::Child(number) => {
                let child = self.it.child(number);
                (child.map(|child| child.spec.name.clone()), child.map(|child| child.seen.clone()))
            }
        };
        if let (Some(who), Some(seen)) = (who, seen)
            && seen.state == RunState::Blocked
        {
            // Followed on: when somebody has answered it there, it hears what waits here.
            self.say(cards::blocked(&who, seen.note.as_deref(), seen.link.as_deref()));
        } else {
            self.set_timer(TimerName::Stale { slot }, self.now + STALE);
        }
    }
}
