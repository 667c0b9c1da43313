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
                Slot::Parent => self.parent_read(&reading),
                Slot::Child(number) => self.child_read(number, Some(reading)),
            },
            Outcome::Looked { reading, to, answer } => {
                let message = answers::inside(&self.called(slot), &reading);
                match to {
                    Some(to) => self.tell(&to, answer, message),
                    None => self.say(message),
                }
            }
            Outcome::Unwanted { dispatch } => self.unwanted(slot, &dispatch),
            Outcome::PlanRead(reading) => self.plan_read(&reading),
            Outcome::Rights { person, rights } => self.rights_known(person, rights),
        }
    }

    fn posted(&mut self, post: PostKey, message: String) {
        let is_board = post == PostKey::board();
        if is_board && self.it.conversation.thread.is_none() {
            self.it.conversation.thread = Some(message.clone());
        }
        if post == PostKey::board().mirrored()
            && let Some(mirror) = &mut self.it.mirror
        {
            mirror.thread = Some(message.clone());
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
        if !self.it.awaits_start(slot, dispatch) {
            return self.note(format!("an earlier start of {slot} is run {run}"));
        }
        self.note(format!("{slot} is run {run}"));
        match slot {
            Slot::Parent => {
                if let Some(parent) = &mut self.it.parent {
                    parent.run = Some(run);
                }
                if matches!(self.it.stage, Stage::Stopping { .. }) {
                    return self.stop_on();
                }
            }
            Slot::Child(number) => {
                if let Some(child) = self.it.child_mut(number) {
                    child.run = Some(run);
                    child.state = ChildState::Working;
                }
            }
        }
        if matches!(self.it.stage, Stage::Stopping { .. } | Stage::Ended { .. }) {
            return self.cancel(slot); // nobody wants it any more
        }
        self.start_children();
        self.flush(slot);
    }

    /// A start was not made, because by its turn everything was being stopped.
    fn unwanted(&mut self, slot: Slot, dispatch: &DispatchId) {
        if self.it.awaits_start(slot, dispatch) {
            self.not_started(slot);
            self.stop_on();
        }
    }

    pub(super) fn not_started(&mut self, slot: Slot) {
        match slot {
            Slot::Parent => self.it.parent = None,
            Slot::Child(number) => {
                if let Some(child) = self.it.child_mut(number) {
                    child.state = ChildState::Cancelled;
                }
            }
        }
    }
}
