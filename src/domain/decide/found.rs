//! Runs that the reconciler found in Oz and that nobody here knew: starts of ours whose answer was
//! lost and that were given up, and whatever else one of our runs has started.

use super::Turn;
use crate::domain::{
    effect::{Slot, TimerName},
    orchestration::{Asked, Child, ChildState, Ending, Fate, Parent, Seen, Stage},
    proposal::ChildSpec,
    run::{Mode, RunReport},
    words::cards,
};

impl Turn<'_> {
    pub(super) fn found(&mut self, report: &RunReport) {
        let slots = std::iter::once(Slot::Parent).chain(self.it.children.iter().map(|child| Slot::Child(child.number)));
        if slots.into_iter().any(|slot| self.run_of(slot).as_ref() == Some(&report.run)) {
            return self.progressed(report);
        }
        match self.start_of(report) {
            Some((slot, attempt)) if self.is_missed(slot, attempt) => self.adopt(slot, attempt, report),
            Some((slot, _)) => self.stop_second(slot, report),
            None => self.unknown_child(report),
        }
    }

    /// Which start of ours made it. Children that an agent starts inherit the metadata of their
    /// parent, so where it hangs has to fit as well.
    fn start_of(&self, report: &RunReport) -> Option<(Slot, u32)> {
        let dispatch = report.metadata.get("baton.dispatch")?;
        let (slot, attempt) = dispatch.strip_prefix(self.it.id.as_str())?.strip_prefix('.')?.rsplit_once('.')?;
        let attempt = attempt.parse().ok().filter(|attempt| *attempt > 0)?;
        let slot = Slot::of_word(slot)?;
        let fits = match slot {
            Slot::Parent => report.parent.is_none(),
            Slot::Child(number) => {
                let startable = self.it.child(number).is_some_and(Child::is_startable);
                startable && report.parent.is_some() && report.parent == self.run_of(Slot::Parent)
            }
        };
        fits.then_some((slot, attempt))
    }

    /// It is the start that we know of, or a later one that we have forgotten: a database that was
    /// restored knows less than Oz.
    fn is_missed(&self, slot: Slot, attempt: u32) -> bool {
        let (known, has_run) = match slot {
            Slot::Parent => (self.it.parent_starts, self.run_of(Slot::Parent).is_some()),
            Slot::Child(number) => {
                let Some(child) = self.it.child(number) else { return false };
                (child.attempt, child.run.is_some())
            }
        };
        attempt > known || (attempt == known && !has_run)
    }

    fn adopt(&mut self, slot: Slot, attempt: u32, report: &RunReport) {
        self.note(format!("the lost start of {slot} is run {}", report.run));
        self.clear_timer(TimerName::Retry { slot });
        match slot {
            Slot::Parent => self.adopt_parent(attempt, report),
            Slot::Child(number) => self.adopt_child(number, attempt, report),
        }
    }

    fn adopt_parent(&mut self, attempt: u32, report: &RunReport) {
        let listed = !self.it.request.ask.each.is_empty();
        self.it.parent_starts = attempt;
        self.it.parent = Some(Parent {
            attempt,
            run: Some(report.run.clone()),
            mode: if listed { Mode::Normal } else { self.it.request.verb.mode() },
            seen: Seen::default(),
            told: None,
            turns: 0,
            reading: false,
            heard_out: false,
            plan: None,
        });
        if self.nobody_wants_it(Slot::Parent, report) {
            return;
        }
        if let Stage::Ended { how: Ending::Failed { .. }, .. } = self.it.stage {
            self.say(cards::started_after_all("The parent run"));
            self.go_on_with_parent();
        }
        self.start_children();
        self.flush(Slot::Parent);
        self.progressed(report);
    }

    /// It had failed because the parent could not be started.
    fn go_on_with_parent(&mut self) {
        let approved = self
            .it
            .versions
            .last()
            .is_some_and(|version| matches!(version.fate, Fate::Approved { .. } | Fate::ApprovedByPolicy { .. }));
        if !approved {
            self.it.stage = Stage::Planning { asked: Asked::First };
            return;
        }
        self.it.stage = Stage::Running;
        let never_started =
            |child: &&mut Child| child.attempt == 0 && child.is_startable() && child.state == ChildState::Cancelled;
        for child in self.it.children.iter_mut().filter(never_started) {
            child.state = ChildState::Waiting;
        }
    }

    fn adopt_child(&mut self, number: u32, attempt: u32, report: &RunReport) {
        let Some(child) = self.it.child_mut(number) else { return };
        let had_failed = matches!(child.state, ChildState::Failed { .. });
        child.attempt = attempt;
        child.run = Some(report.run.clone());
        child.seen = Seen::default();
        child.told = None;
        child.turns = 0;
        child.state = ChildState::Working;
        child.started_at.get_or_insert(report.created_at);
        child.ended_at = None;
        let name = child.spec.name.clone();
        if self.nobody_wants_it(Slot::Child(number), report) {
            return;
        }
        if had_failed {
            self.say(cards::started_after_all(&name));
        }
        // Its result is given to the parent with those of the others, again if need be.
        self.child_woken(number);
        self.child_progressed(number, report);
    }

    /// Stop means stop, also for what turns up later.
    fn nobody_wants_it(&mut self, slot: Slot, report: &RunReport) -> bool {
        let ended = matches!(
            self.it.stage,
            Stage::Ended { how: Ending::Stopped { .. } | Ending::Rejected { .. } | Ending::Expired, .. }
        );
        if matches!(self.it.stage, Stage::Stopping { .. }) && slot == Slot::Parent {
            self.stop_on();
            self.progressed(report);
            return true;
        }
        if ended && report.state.is_working() {
            self.cancel(slot);
            self.progressed(report);
        }
        ended
    }

    /// One start made two runs, or a later one took its place: one is enough. It is shown, because it
    /// has worked and cost something, and stopped.
    fn stop_second(&mut self, slot: Slot, report: &RunReport) {
        if report.state.is_at_rest() {
            return self.note(format!("an earlier start of {slot} is run {}", report.run));
        }
        let name = format!("{} (a second start)", self.called(slot));
        self.note(format!("a second start of {slot} is run {}", report.run));
        self.say(cards::second_start(&self.called(slot)));
        let number =
            self.add_child(ChildSpec { name, prompt: String::new(), returns: None, environment: None, model: None });
        let Some(child) = self.it.child_mut(number) else { return };
        child.attempt = 1;
        child.run = Some(report.run.clone());
        child.state = ChildState::Working;
        child.started_at = Some(report.created_at);
        child.stranger = true;
        self.cancel(Slot::Child(number));
        self.child_progressed(number, report);
    }
}
