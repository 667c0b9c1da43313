//! Timers that came due.

use super::Turn;
use crate::domain::{
    effect::{Slot, TimerName},
    message::Tone,
    orchestration::{Asked, Ending, Fate, Stage},
    words::cards,
};

impl Turn<'_> {
    pub(super) fn due(&mut self, timer: &TimerName) {
        match *timer {
            TimerName::Stale { slot } if matches!(self.it.stage, Stage::Stopping { .. }) => self.cancel(slot),
            TimerName::Expiry { version } => self.lapse(version),
            TimerName::Stale { slot: Slot::Parent } => self.parent_stale(),
            TimerName::Stale { slot: Slot::Child(number) } => self.child_stale(number),
            TimerName::Retry { slot } => self.retry_due(slot),
            TimerName::PlanSync => self.reread_parent(),
        }
    }

    fn lapse(&mut self, version: u32) {
        if self.standing(version, None).is_none() {
            return;
        }
        self.close_proposal(&Fate::Expired);
        self.say(cards::lapsed(version, self.now).tone(Tone::Final));
        if self.parent_is_busy() {
            // Somebody is talking with it: what it says next may be a new version.
            self.it.stage = Stage::Planning { asked: Asked::Again };
            self.flush(Slot::Parent);
        } else {
            self.end(Ending::Expired);
        }
    }

    /// A follow-up to the parent shows no effect, or could not be given to it.
    fn parent_stale(&mut self) {
        let Some(parent) = &self.it.parent else { return };
        match parent.told {
            None => self.flush(Slot::Parent),
            Some(told) if told.taken && parent.seen.state.is_at_rest() => self.reread_parent(),
            Some(_) => {}
        }
    }

    fn reread_parent(&mut self) {
        if !matches!(self.it.stage, Stage::Stopping { .. } | Stage::Ended { .. }) {
            self.read_parent();
        }
    }

    /// A child's follow-up shows no effect, or could not be given to it.
    fn child_stale(&mut self, number: u32) {
        match self.it.child(number).and_then(|child| child.told) {
            None => self.flush(Slot::Child(number)),
            Some(told) => {
                let rests = self.it.child(number).is_some_and(|child| child.seen.state.is_at_rest());
                if told.is_unheard() && rests {
                    self.read_child(number);
                }
            }
        }
    }
}
