//! Stop means stop: nothing new starts, the children are cancelled, then the parent, and what became
//! of each is told.

use std::{collections::BTreeMap, time::Duration};

use super::{Turn, parent::STALE};
use crate::{
    domain::{
        actor::Actor,
        effect::{Effect, Purpose, Slot, TimerName},
        input::AnswerPath,
        message::Tone,
        orchestration::{ChildState, Ending, Fate, Stage},
        run::CancelAnswer,
        words::{answers, cards},
    },
    ids::RunId,
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
                self.note_by(actor, "stopped it");
                self.stop_all(actor);
            }
        }
    }

    fn stop_all(&mut self, by: &Actor) {
        self.close_proposal(&Fate::Stopped { by: by.clone() });
        self.it.waiting.retain(|waiting| waiting.purpose == Purpose::Reply);
        self.it.stage = Stage::Stopping { by: by.clone(), answers: BTreeMap::new(), parent_asked: false };
        let mut cancels = Vec::new();
        let mut timers = Vec::new();
        for child in &mut self.it.children {
            let slot = Slot::Child(child.number);
            match (&child.state, &child.run) {
                (ChildState::Waiting | ChildState::Retrying { .. }, _) => {
                    timers.push(TimerName::Retry { slot });
                    child.state = ChildState::Cancelled;
                }
                (ChildState::Working | ChildState::Blocked | ChildState::Reading, Some(run)) => {
                    cancels.push((slot, run.clone()));
                }
                // A start on its way is cancelled as soon as its run is known.
                (ChildState::Starting | ChildState::Working | ChildState::Blocked | ChildState::Reading, None)
                | (
                    ChildState::Done { .. } | ChildState::Failed { .. } | ChildState::Cancelled | ChildState::Starting,
                    _,
                ) => {}
            }
        }
        for timer in timers {
            self.clear_timer(timer);
        }
        for (slot, run) in cancels {
            self.act(Effect::CancelRun { slot, run });
        }
        self.stop_on();
    }

    /// Oz has answered a cancel.
    pub(super) fn cancelled(&mut self, slot: Slot, answer: CancelAnswer) {
        if answer == CancelAnswer::WasAtRest && self.may_wake(slot) {
            // It was told something a moment ago and still shows its old state: it will work yet.
            return self.set_timer(TimerName::Stale { slot }, self.now + AGAIN);
        }
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
        let Stage::Stopping { by, answers, parent_asked } = &self.it.stage else { return };
        let answered = |slot: Slot| answers.contains_key(&slot.to_string());
        let waits =
            self.it.children.iter().any(|child| !child.state.is_settled() && !answered(Slot::Child(child.number)));
        if waits {
            return;
        }
        let by = by.clone();
        let parent = answers.get(&Slot::Parent.to_string()).copied();
        if let (Some(there), None) = (&self.it.parent, parent) {
            // Its start may be on its way, and is cancelled when it is known.
            if let (Some(run), false) = (there.run.clone(), *parent_asked) {
                if let Stage::Stopping { parent_asked, .. } = &mut self.it.stage {
                    *parent_asked = true;
                }
                self.act(Effect::CancelRun { slot: Slot::Parent, run });
            }
            return;
        }
        self.say(cards::stopped(self.it, &by, parent).tone(Tone::Final));
        let how = if by == baton(&by) {
            Ending::Failed {
                problem: crate::domain::failure::Problem::new(crate::domain::words::problems::UNAPPROVED_CHILD),
            }
        } else {
            Ending::Stopped { by }
        };
        self.end(how);
    }

    /// A run was started that nobody wants any more.
    pub(super) fn cancel_late(&mut self, slot: Slot, run: RunId) {
        self.act(Effect::CancelRun { slot, run });
    }

    /// A child that nobody approved: before the approval its whole fleet is stopped, afterwards it
    /// alone.
    pub(super) fn stop_breach(&mut self, number: u32, run: RunId) {
        match &self.it.stage {
            Stage::Running | Stage::Summarising { .. } | Stage::Ended { .. } => {
                self.act(Effect::CancelRun { slot: Slot::Child(number), run });
            }
            Stage::Stopping { .. } => self.act(Effect::CancelRun { slot: Slot::Child(number), run }),
            Stage::Gathering | Stage::Planning { .. } | Stage::Deciding { .. } => {
                let by = baton(&self.it.request.by);
                self.stop_all(&by);
            }
        }
    }
}

/// Baton itself, as the one who stopped something.
fn baton(like: &Actor) -> Actor {
    Actor { platform: like.platform, workspace: like.workspace.clone(), id: "baton".into(), name: Some("Baton".into()) }
}
