//! Deliveries that were given up: what they were for decides what follows, and somebody is told.

use super::{Turn, parent::Brought};
use crate::domain::{
    effect::{Effect, PostKey, Purpose, Slot},
    failure::Problem,
    input::{AnswerPath, FailedEffect},
    orchestration::{ChildState, Ending, Stage},
    run::{CancelAnswer, RunState},
    words::{cards, problems},
};
use crate::ids::DispatchId;

impl Turn<'_> {
    pub(super) fn failed(&mut self, effect: FailedEffect, problem: Problem) {
        match effect {
            FailedEffect::PostBoard => {
                if self.it.parent_starts > 0 || self.it.proposal.is_some() {
                    return self.board_again(&problem);
                }
                // Nobody can be told here; the one who asked has been told in private.
                self.note(format!("nothing can be posted here: {}", problem.code));
                if !self.it.posts.contains_key(&PostKey::board()) {
                    self.end(Ending::Failed { problem });
                }
            }
            FailedEffect::ReadThread => {
                self.note(format!("the thread could not be read: {}", problem.code));
                if matches!(self.it.stage, Stage::Gathering) {
                    self.gathered();
                }
            }
            FailedEffect::LookUp { person } => self.rights_unknown(&person, &problem),
            FailedEffect::ReadPlan => self.plan_unread(&problem),
            FailedEffect::StartRun { slot, dispatch } => self.start_failed(slot, &dispatch, problem),
            FailedEffect::FollowUp { slot, purpose, .. } => self.follow_up_failed(slot, purpose, problem),
            FailedEffect::CancelRun { slot } => self.cancelled(slot, CancelAnswer::Unanswered),
            FailedEffect::ReadRun { slot } => self.read_failed(slot, problem),
            FailedEffect::Upload { name } => {
                if self.it.missing.contains(&name) {
                    return; // it has been told
                }
                self.note(format!("could not be brought: {name}"));
                if self.it.is_ended() {
                    self.say(cards::missing(&name));
                }
                self.it.missing.push(name);
            }
            FailedEffect::LookInto { slot, to, answer } => {
                let message = cards::problem(&format!("{} could not be looked into.", self.called(slot)), &problem);
                match to {
                    Some(to) => self.tell(&to, answer, message),
                    None => self.say(message),
                }
            }
            FailedEffect::Mirror
                if problem.code == problems::THREAD_GONE
                    && self.it.mirror.as_mut().is_some_and(|mirror| mirror.thread.take().is_some()) =>
            {
                let post = Effect::PostBoard { answer: AnswerPath::default() };
                self.out.effects.push(Effect::Mirrored { what: Box::new(post) });
            }
            FailedEffect::Mirror => {
                self.note(format!("there is no board in the mirror: {}", problem.code));
                self.it.mirror = None;
            }
            FailedEffect::ShowBoard { mirrored } => self.board_gone(mirrored),
            FailedEffect::Say => self.note(format!("could not be said: {}", problem.code)),
        }
    }

    /// Somebody deleted the board: as long as there is anything to show, there is one.
    fn board_gone(&mut self, mirrored: bool) {
        if self.it.is_ended() {
            return;
        }
        self.note("the board was gone and is posted anew");
        let post = Effect::PostBoard { answer: AnswerPath::default() };
        if mirrored {
            self.it.posts.remove(&PostKey::board().mirrored());
            self.out.effects.push(Effect::Mirrored { what: Box::new(post) });
        } else {
            self.it.posts.remove(&PostKey::board());
            self.out.effects.push(post);
        }
    }

    /// The board could not be posted anew. Where its thread went with it, a new one begins.
    fn board_again(&mut self, problem: &Problem) {
        self.note(format!("the board cannot be posted anew: {}", problem.code));
        if problem.code == problems::THREAD_GONE && self.it.conversation.thread.take().is_some() {
            self.out.effects.push(Effect::PostBoard { answer: AnswerPath::default() });
        }
    }

    fn start_failed(&mut self, slot: Slot, dispatch: &DispatchId, problem: Problem) {
        if !self.it.awaits_start(slot, dispatch) {
            return;
        }
        if matches!(self.it.stage, Stage::Stopping { .. }) {
            self.not_started(slot);
            return self.stop_on();
        }
        match slot {
            Slot::Child(number) => self.child_failed(number, problem, false),
            Slot::Parent if self.it.is_ended() => {}
            Slot::Parent => {
                self.not_started(slot);
                let lead = "The parent run could not be started.";
                if matches!(self.it.stage, Stage::Deciding { .. }) {
                    return self.say(cards::problem(lead, &problem)); // what stands can be decided without it
                }
                for child in &mut self.it.children {
                    if !child.state.is_settled() {
                        child.state = ChildState::Cancelled;
                    }
                }
                self.fail(lead, problem);
            }
        }
    }

    fn follow_up_failed(&mut self, slot: Slot, purpose: Purpose, problem: Problem) {
        self.set_told(slot, None);
        if matches!(self.it.stage, Stage::Stopping { .. }) {
            return;
        }
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
        if let Slot::Child(number) = slot {
            return self.child_read(number, None);
        }
        let Some(parent) = &mut self.it.parent else { return };
        parent.reading = false;
        if parent.seen.state.is_working() {
            return; // its next rest is read again
        }
        parent.heard_out = true;
        let told = parent.told.take_if(|told| told.taken);
        let purpose = told.map_or(Purpose::None, |told| told.purpose);
        let lead = "What the agent said could not be read.";
        match self.it.stage {
            Stage::Planning { .. } => self.fail(lead, problem),
            _ if purpose == Purpose::Reply => self.say(cards::problem(lead, &problem)),
            _ => self.hear_out(purpose, Brought::default()),
        }
        self.flush(slot);
    }
}
