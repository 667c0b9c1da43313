//! An orchestration that waits for nobody and nothing: the reconciler found neither a delivery under
//! way, nor a run being followed, nor a timer, nor a person to wait for. That should never be; what
//! was lost is done again.

use super::Turn;
use crate::domain::{
    effect::{Effect, PostKey, Purpose, Slot},
    input::AnswerPath,
    orchestration::{ChildState, Seen, Stage},
    run::Mode,
    words::prompt,
};

impl Turn<'_> {
    pub(super) fn idle(&mut self) {
        if self.it.waits_for_people() {
            return;
        }
        self.note("nothing was under way: what was lost is done again");
        match self.it.stage {
            Stage::Gathering => self.gathered(),
            Stage::Planning { .. } => self.plan_again(),
            Stage::Running => self.run_again(),
            Stage::Summarising { asked: true } => self.hear_again(),
            Stage::Summarising { asked: false } => self.results_again(),
            Stage::Stopping { .. } => self.stop_again(),
            Stage::Deciding { .. } | Stage::Ended { .. } => {}
        }
    }

    fn plan_again(&mut self) {
        if !self.it.posts.contains_key(&PostKey::board()) {
            return self.act(Effect::PostBoard { answer: AnswerPath::default() });
        }
        match &self.it.parent {
            None => self.begin(),
            Some(parent) if parent.run.is_none() => self.begin(),
            Some(_) => self.hear_again(),
        }
    }

    /// Whatever it says now is heard. A follow-up that never left is forgotten: its words went with it.
    fn hear_again(&mut self) {
        let Some(parent) = &mut self.it.parent else { return };
        parent.told = parent.told.filter(|told| told.taken);
        parent.reading = false;
        parent.heard_out = false;
        if parent.told.is_none() && self.it.waiting.iter().any(|waiting| waiting.slot == Slot::Parent) {
            return self.flush(Slot::Parent);
        }
        self.read_parent();
    }

    fn run_again(&mut self) {
        if self.run_of(Slot::Parent).is_none() {
            let specs: Vec<_> = self.it.children.iter().map(|child| child.spec.clone()).collect();
            return self.start_parent(Mode::Normal, prompt::fan_out(self.it, &specs));
        }
        let numbers: Vec<u32> = self.it.children.iter().map(|child| child.number).collect();
        for number in numbers {
            self.child_again(number);
        }
        self.start_children();
        if !self.all_settled() {
            return;
        }
        let unheard = self.it.parent.as_ref().is_some_and(|parent| parent.told.is_none_or(|told| !told.taken));
        if self.it.children.is_empty() && unheard {
            self.launch(); // it was never told that it may
        } else if self.it.children.is_empty() || self.children_start_themselves() {
            self.hear_again();
        } else {
            self.child_settled(Slot::Parent);
        }
    }

    fn child_again(&mut self, number: u32) {
        let Some(child) = self.it.child_mut(number) else { return };
        match child.state {
            ChildState::Starting | ChildState::Retrying { .. } if child.is_startable() => {
                child.state = ChildState::Waiting;
            }
            ChildState::Reading => {
                child.state = ChildState::Working;
                self.read_child(number);
            }
            ChildState::Working => {
                child.told = child.told.filter(|told| told.taken);
                if child.told.is_some() {
                    self.read_child(number);
                } else {
                    self.child_moved(number, &Seen::default());
                }
            }
            ChildState::Waiting
            | ChildState::Starting
            | ChildState::Retrying { .. }
            | ChildState::Blocked
            | ChildState::Done { .. }
            | ChildState::Failed { .. }
            | ChildState::Cancelled => {}
        }
    }

    fn results_again(&mut self) {
        self.set_told(Slot::Parent, None);
        self.it.waiting.retain(|waiting| waiting.purpose != Purpose::Results);
        self.give_results();
    }

    fn stop_again(&mut self) {
        let Stage::Stopping { answers, parent_asked, .. } = &mut self.it.stage else { return };
        *parent_asked = false;
        let answered = answers.clone();
        let unsettled = self.it.children.iter().filter(|child| !child.state.is_settled());
        let open: Vec<_> = unsettled.map(|child| (Slot::Child(child.number), child.run.is_some())).collect();
        for (slot, has_run) in open {
            if !has_run {
                self.not_started(slot);
            } else if !answered.contains_key(&slot.to_string()) {
                self.cancel(slot);
            }
        }
        if self.run_of(Slot::Parent).is_none() {
            self.not_started(Slot::Parent);
        }
        self.stop_on();
    }
}
