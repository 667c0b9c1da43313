//! What deliveries bring back.

use super::Turn;
use crate::{
    domain::{
        effect::{Effect, Outcome, PostKey, Purpose, Slot},
        orchestration::{Asked, ChildState, Stage},
        words::answers,
    },
    ids::{DispatchId, RunId},
};

impl Turn<'_> {
    pub(super) fn delivered(&mut self, slot: Slot, purpose: Purpose, outcome: Outcome) {
        match outcome {
            Outcome::Posted { post, message } => self.posted(post, message),
            Outcome::ThreadRead(remarks) => {
                if matches!(self.it.stage, Stage::Gathering) {
                    self.it.request.context = remarks;
                    self.gathered();
                }
            }
            Outcome::RunStarted { run, dispatch } => self.run_started(slot, run, &dispatch),
            Outcome::FollowUpTaken { message } => self.taken(slot, purpose, message),
            Outcome::FollowUpHeld { text, mode, message } => self.held(slot, text, mode, purpose, message),
            Outcome::Cancelled(answer) => self.cancelled(slot, answer),
            Outcome::Read(reading) => match slot {
                Slot::Parent => self.parent_read(reading),
                Slot::Child(number) => self.child_read(number, reading),
            },
            Outcome::Looked { reading, to, answer } => {
                let message = answers::inside(&self.called(slot), &reading);
                match to {
                    Some(to) => self.tell(&to, answer, message),
                    None => self.say(message),
                }
            }
            Outcome::Unwanted => self.unwanted(slot),
        }
    }

    fn posted(&mut self, post: PostKey, message: String) {
        let is_board = post == PostKey::board();
        if is_board && self.it.conversation.thread.is_none() {
            self.it.conversation.thread = Some(message.clone());
        }
        let first = self.it.posts.insert(post, message).is_none();
        if is_board && first && matches!(self.it.stage, Stage::Planning { .. }) && self.it.parent.is_none() {
            self.begin();
        } else if is_board {
            self.act(Effect::ShowBoard);
        }
    }

    /// The thread has been read, or could not be.
    pub(super) fn gathered(&mut self) {
        self.it.stage = Stage::Planning { asked: Asked::First };
        self.begin();
    }

    fn run_started(&mut self, slot: Slot, run: RunId, dispatch: &DispatchId) {
        let stopping = matches!(self.it.stage, Stage::Stopping { .. });
        let id = self.it.id.clone();
        let current = |attempt: u32| *dispatch == DispatchId::of(&id, &slot.to_string(), attempt);
        match slot {
            Slot::Parent => {
                let Some(parent) = self.it.parent.as_mut().filter(|parent| current(parent.attempt)) else {
                    return self.note(format!("an earlier start of the parent is run {run}"));
                };
                parent.run = Some(run.clone());
                self.note(format!("the parent run is {run}"));
                if stopping {
                    return self.stop_on();
                }
                if self.it.is_ended() {
                    return self.cancel_late(slot, run);
                }
                self.start_children();
                self.flush(Slot::Parent);
            }
            Slot::Child(number) => {
                let Some(child) = self.it.child_mut(number).filter(|child| current(child.attempt)) else {
                    return self.note(format!("an earlier start of child {number} is run {run}"));
                };
                child.run = Some(run.clone());
                if child.state == ChildState::Starting {
                    child.state = ChildState::Working;
                }
                self.note(format!("child {number} is run {run}"));
                if stopping || self.it.is_ended() {
                    return self.cancel_late(slot, run);
                }
                self.flush(slot);
            }
        }
    }

    /// A start was not made, because by its turn everything was being stopped.
    fn unwanted(&mut self, slot: Slot) {
        match slot {
            Slot::Parent => {
                if self.it.parent.as_ref().is_some_and(|parent| parent.run.is_none()) {
                    self.it.parent = None;
                }
            }
            Slot::Child(number) => {
                if let Some(child) = self.it.child_mut(number).filter(|child| child.state == ChildState::Starting) {
                    child.state = ChildState::Cancelled;
                }
            }
        }
        self.stop_on();
    }
}
