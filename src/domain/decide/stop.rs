//! Stop means stop: nothing new starts, the children are cancelled, then the parent, and what became
//! of each is told.

use std::{collections::BTreeMap, time::Duration};

use super::Turn;
use crate::domain::{
    actor::Actor,
    audit::Kind,
    effect::{Effect, Purpose, Slot, TimerName},
    input::AnswerPath,
    message::{Message, Tone},
    orchestration::{ChildState, Ending, Fate, STALE, Stage},
    run::CancelAnswer,
    words::{answers, cards},
};

/// A run that may yet wake is cancelled again after this.
const AGAIN: Duration = Duration::from_secs(5);

impl Turn<'_> {
    pub(super) fn stop(&mut self, actor: &Actor, answer: AnswerPath) {
        match &self.it.stage {
            Stage::Ended { .. } => {
                self.tell(actor, answer, answers::warning("This has ended; there is nothing to stop."));
            }
            Stage::Stopping { .. } => self.tell(actor, answer, answers::warning("This is already being stopped.")),
            Stage::Gathering
            | Stage::Planning { .. }
            | Stage::Deciding { .. }
            | Stage::Running
            | Stage::Summarising { .. } => {
                self.record(Kind::Stopped, Some(actor), "stopped it");
                // In a session elsewhere nothing else would say so.
                if answer.at.as_ref().is_some_and(|at| at.session().is_some() && *at != self.it.conversation) {
                    self.tell(actor, answer, Message::line("It is being stopped."));
                }
                self.stop_all(actor, Ending::Stopped { by: actor.clone() });
            }
        }
    }

    /// Stops everything; it ends as `how` then.
    pub(super) fn stop_all(&mut self, by: &Actor, how: Ending) {
        self.close_proposal(&Fate::Stopped { by: by.clone() });
        self.it.held.clear();
        self.it.waiting.retain(|waiting| waiting.purpose == Purpose::Reply);
        self.it.stage = Stage::Stopping { by: by.clone(), how, answers: BTreeMap::new(), parent_asked: false };
        self.clear_timer(TimerName::Stale { slot: Slot::Parent });
        let numbers: Vec<u32> = self.it.children.iter().map(|child| child.number).collect();
        for number in numbers {
            self.stop_child(number);
        }
        self.stop_on();
    }

    fn stop_child(&mut self, number: u32) {
        let slot = Slot::Child(number);
        let Some(child) = self.it.child_mut(number) else { return };
        match child.state {
            ChildState::Waiting | ChildState::Retrying { .. } => {
                child.state = ChildState::Cancelled;
                self.clear_timer(TimerName::Retry { slot });
            }
            ChildState::Working | ChildState::Blocked | ChildState::Reading => {
                self.clear_timer(TimerName::Stale { slot });
                self.cancel(slot);
            }
            // A start on its way is cancelled as soon as its run is known.
            ChildState::Starting | ChildState::Done { .. } | ChildState::Failed { .. } | ChildState::Cancelled => {}
        }
    }

    /// Oz has answered a cancel.
    pub(super) fn cancelled(&mut self, slot: Slot, answer: CancelAnswer) {
        if matches!(answer, CancelAnswer::WasAtRest | CancelAnswer::WasStopped) && self.may_wake(slot) {
            // It was told something a moment ago and still shows its old state: it will work yet.
            return self.set_timer(TimerName::Stale { slot }, self.now + AGAIN);
        }
        self.set_told(slot, None);
        if let Slot::Child(number) = slot
            && let Some(child) = self.it.child_mut(number)
            && !matches!(answer, CancelAnswer::OwnInfrastructure | CancelAnswer::Unanswered)
            && !child.state.is_settled()
        {
            child.state = ChildState::Cancelled;
            child.ended_at = Some(self.now);
        }
        if let Stage::Stopping { answers, .. } = &mut self.it.stage {
            answers.insert(slot.to_string(), answer);
            self.note(format!("{slot}: {answer:?}"));
            self.stop_on();
        } else {
            // A single stranger was stopped while the others went on.
            self.child_settled(slot);
        }
    }

    /// A follow-up has been given to it, whose effect has not been seen.
    fn may_wake(&self, slot: Slot) -> bool {
        let told = match slot {
            Slot::Parent => self.it.parent.as_ref().and_then(|parent| parent.told),
            Slot::Child(number) => self.it.child(number).and_then(|child| child.told),
        };
        told.is_some_and(|told| !told.worked && self.now.since(told.at) < STALE)
    }

    /// The next step of stopping: the parent once every child has been answered for, then the end.
    pub(super) fn stop_on(&mut self) {
        let Stage::Stopping { by, how, answers, parent_asked } = &self.it.stage else { return };
        let answered = |slot: Slot| answers.contains_key(&slot.to_string());
        let waits =
            self.it.children.iter().any(|child| !child.state.is_settled() && !answered(Slot::Child(child.number)));
        if waits {
            return;
        }
        let parent = answers.get(&Slot::Parent.to_string()).copied();
        if let (Some(there), None) = (&self.it.parent, parent) {
            // Its start may be on its way, and is cancelled when it is known.
            if there.run.is_some() && !parent_asked {
                if let Stage::Stopping { parent_asked, .. } = &mut self.it.stage {
                    *parent_asked = true;
                }
                self.cancel(Slot::Parent);
            }
            return;
        }
        let (by, how) = (by.clone(), how.clone());
        self.say(cards::stopped(self.it, &by, parent).tone(Tone::Final));
        self.end(how);
    }

    pub(super) fn cancel(&mut self, slot: Slot) {
        if let Some(run) = self.run_of(slot) {
            self.act(Effect::CancelRun { slot, run });
        }
    }
}
