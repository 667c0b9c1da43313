//! Timers that came due.

use super::Turn;
use crate::domain::{
    effect::{Effect, Slot, TimerName},
    message::Tone,
    orchestration::{Ending, Fate, Stage},
    words::cards,
};

impl Turn<'_> {
    pub(super) fn due(&mut self, timer: &TimerName) {
        if let (TimerName::Stale { slot }, Stage::Stopping { .. }) = (timer, &self.it.stage) {
            let slot = *slot;
            if let Some(run) = self.run_of(slot) {
                self.act(Effect::CancelRun { slot, run });
            }
            return;
        }
        match *timer {
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
        self.end(Ending::Expired);
    }

    /// A follow-up to the parent shows no effect, or could not be given to it.
    fn parent_stale(&mut self) {
        let Some(parent) = &self.it.parent else { return };
        match parent.told {
            None => self.flush(Slot::Parent),
            Some(_) if parent.seen.state.is_working() => {}
            Some(_) => self.reread_parent(),
        }
    }

    fn reread_parent(&mut self) {
        if matches!(self.it.stage, Stage::Stopping { .. } | Stage::Ended { .. }) {
            return;
        }
        let Some(parent) = &mut self.it.parent else { return };
        if let (Some(run), false) = (parent.run.clone(), parent.reading) {
            parent.reading = true;
            self.act(Effect::ReadRun { slot: Slot::Parent, run });
        }
    }
}
