//! Timers that came due.

use super::Turn;
use crate::domain::{
    audit::Kind,
    effect::{Effect, Slot, TimerName},
    message::Tone,
    orchestration::{Asked, Ending, Fate, Stage},
    words::proposals,
};

impl Turn<'_> {
    pub(super) fn due(&mut self, timer: &TimerName) {
        match *timer {
            TimerName::Stale { slot } if matches!(self.it.stage, Stage::Stopping { .. }) => self.cancel(slot),
            TimerName::Expiry { version } => self.lapse(version),
            TimerName::Remind { version, nth } => self.remind(version, nth),
            TimerName::Stale { slot: Slot::Parent } => self.parent_stale(),
            TimerName::Stale { slot: Slot::Child(number) } => self.child_stale(number),
            TimerName::Retry { slot } => self.retry_due(slot),
            TimerName::PlanSync => self.reread_parent(),
            TimerName::Pulse => self.pulse(),
            TimerName::Halt => self.act(Effect::ShowBoard),
        }
    }

    /// Those who have not decided are reminded; with the last reminder others are told, too.
    fn remind(&mut self, version: u32, nth: u32) {
        if self.standing(version, None).is_none() {
            return;
        }
        let more = self.it.policy.remind_after.len() > nth as usize;
        self.note(format!("reminded of version {version}"));
        self.say(proposals::reminder(self.it, version, !more).tone(Tone::Ask));
        self.set_reminder(version, nth + 1);
    }

    /// The `nth` reminder, from 1, if there is one.
    pub(super) fn set_reminder(&mut self, version: u32, nth: u32) {
        let Stage::Deciding { posted_at, .. } = &self.it.stage else { return };
        if let Some(after) = self.it.policy.remind_after.get(nth.saturating_sub(1) as usize) {
            let at = *posted_at + *after;
            self.set_timer(TimerName::Remind { version, nth }, at);
        }
    }

    fn lapse(&mut self, version: u32) {
        if self.standing(version, None).is_none() {
            return;
        }
        self.record(Kind::Expired, None, format!("version {version} was not decided on in time"));
        self.close_proposal(&Fate::Expired);
        self.say(proposals::expired(self.it, version, self.now).tone(Tone::Final));
        if self.decides_on_the_rest() {
            self.give_results(); // only what was held lapsed
        } else if self.parent_is_busy() {
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
