//! From the approval to the last child at rest: starting exactly the approved children, no more at
//! once than allowed, and giving their results to the parent.

use std::{collections::BTreeMap, time::Duration};

use super::Turn;
use crate::domain::{
    actor::Actor,
    audit::Kind,
    effect::{Effect, PostKey, Purpose, Slot, TimerName},
    failure::Problem,
    input::AnswerPath,
    orchestration::{Child, ChildState, STALE, Seen, Stage},
    policy::Wish,
    proposal::{ChildSpec, Content, Digest},
    run::{Mode, Reading, RunSettings, RunSpec, RunState},
    wish::{What, Wished},
    words::{answers, cards, prompt},
};
use crate::ids::DispatchId;

/// A child that Oz calls retryable is started so often in all.
pub(super) const MOST_STARTS: u32 = 3;
/// The wait before the second start; it doubles for the third.
pub(super) const FIRST_WAIT: Duration = Duration::from_secs(10);

impl Turn<'_> {
    /// The quorum is reached.
    pub(super) fn launch(&mut self) {
        self.it.stage = Stage::Running;
        let Some(content) = self.approved_content() else { return };
        if self.children_start_themselves() && self.it.parent.is_some() {
            let approved = match &content {
                Content::Words { text } => text.clone(),
                Content::Children { children, .. } => serde_json::to_string_pretty(children).unwrap_or_default(),
            };
            self.record(Kind::Launched, None, "lets the agent start what was approved");
            let text = prompt::go_on(self.it, &approved);
            self.send(Slot::Parent, text, Mode::Normal, Purpose::GoOn, None);
            return;
        }
        let digest = self.it.proposal.as_ref().map(|proposal| proposal.digest.clone());
        for spec in content.children() {
            let number = self.add_child(spec.clone());
            if let Some(child) = self.it.child_mut(number) {
                child.digest.clone_from(&digest);
            }
        }
        if self.it.parent.is_none() {
            let prompt = prompt::fan_out(self.it, content.children());
            self.start_parent(Mode::Normal, prompt);
        }
        self.start_children();
    }

    /// One more child, waiting; gives its number.
    pub(super) fn add_child(&mut self, spec: ChildSpec) -> u32 {
        let number = self.it.children.iter().map(|child| child.number).max().unwrap_or(0) + 1;
        self.it.children.push(Child {
            number,
            spec,
            attempt: 0,
            run: None,
            seen: Seen::default(),
            state: ChildState::Waiting,
            started_at: None,
            ended_at: None,
            told: None,
            turns: 0,
            artifacts: Vec::new(),
            digest: None,
            stranger: false,
        });
        number
    }

    /// Starts waiting children while there are places.
    pub(super) fn start_children(&mut self) {
        if !matches!(self.it.stage, Stage::Running) || self.run_of(Slot::Parent).is_none() {
            return;
        }
        let places = self.it.settings.parallelism.map_or(usize::MAX, |places| places as usize);
        let taken = self.it.children.iter().filter(|child| child.state.takes_place()).count();
        let next: Vec<u32> = self
            .it
            .children
            .iter()
            .filter(|child| child.state == ChildState::Waiting)
            .map(|child| child.number)
            .take(places.saturating_sub(taken))
            .collect();
        for number in next {
            self.start_child(number);
        }
    }

    fn start_child(&mut self, number: u32) {
        let (id, now) = (self.it.id.clone(), self.now);
        let parent = self.run_of(Slot::Parent);
        let settings = self.it.settings.clone();
        let Some(child) = self.it.child_mut(number) else { return };
        child.attempt += 1;
        child.run = None;
        child.seen = Seen::default();
        child.told = None;
        child.turns = 0;
        child.state = ChildState::Starting;
        child.started_at = Some(now);
        child.ended_at = None;
        let dispatch = DispatchId::of(&id, &format!("c{number}"), child.attempt);
        let mut metadata = BTreeMap::from([
            ("baton.orchestration".to_owned(), id.to_string()),
            ("baton.dispatch".to_owned(), dispatch.to_string()),
            ("baton.child".to_owned(), number.to_string()),
        ]);
        if let Some(digest) = &child.digest {
            metadata.insert("baton.proposal".to_owned(), digest.as_str().to_owned());
        }
        let own = RunSettings {
            environment: child.spec.environment.clone(),
            model: child.spec.model.clone(),
            ..RunSettings::default()
        };
        let spec = RunSpec {
            title: child.spec.name.trim().to_owned(),
            prompt: child.spec.prompt.clone(),
            mode: Mode::Normal,
            // The skill is the parent's base prompt: a child gets its prompt as approved and nothing else.
            settings: RunSettings { skill: None, ..own.over(&settings) },
            parent,
            metadata,
        };
        let attempt = child.attempt;
        self.record_child(Kind::Launched, None, number, format!("starts child {number} (start {attempt})"));
        self.act(Effect::StartRun { slot: Slot::Child(number), dispatch, spec });
    }

    /// What a child that rests has said was read; none when it could not be.
    pub(super) fn child_read(&mut self, number: u32, reading: Option<Reading>) {
        let now = self.now;
        let Some(child) = self.it.child_mut(number).filter(|child| child.state == ChildState::Reading) else { return };
        let given_up = reading.is_none();
        let reading = reading.unwrap_or_default();
        let went_on = reading.state.as_ref().is_some_and(RunState::is_working);
        let answered =
            given_up || child.told.is_none_or(|told| !told.taken || told.is_answered(child.turns, &reading, now));
        if went_on || !answered {
            child.state = ChildState::Working;
            if !went_on {
                self.set_timer(TimerName::Stale { slot: Slot::Child(number) }, now + STALE / 4);
            }
            return;
        }
        let before = child.seen.clone();
        if child.seen.state != RunState::Succeeded {
            // It moved on while it was being read.
            child.state = ChildState::Working;
            child.told = child.told.filter(|told| !told.taken);
            return self.child_moved(number, &before);
        }
        let talked = child.told.take_if(|told| told.taken).is_some_and(|told| told.purpose == Purpose::Reply);
        child.turns = reading.turns.unwrap_or(child.turns);
        child.seen.credits = reading.credits.or(child.seen.credits);
        child.state = ChildState::Done { said: reading.last_words.clone() };
        child.ended_at.get_or_insert(now);
        let message = reading.last_words.filter(|_| talked).map(|words| cards::child_words(child, &words));
        self.note(format!("child {number} is done"));
        self.clear_timer(TimerName::Stale { slot: Slot::Child(number) });
        self.bring(Some(number), &reading.artifacts);
        self.say_step(number);
        if let Some(message) = message {
            self.say(message);
        }
        self.child_settled(Slot::Child(number));
    }

    /// A child's start or run failed.
    pub(super) fn child_failed(&mut self, number: u32, problem: Problem, retryable: bool) {
        let now = self.now;
        let Some(child) = self.it.child_mut(number) else { return };
        child.told = None;
        if retryable && child.attempt < MOST_STARTS && child.is_startable() {
            let wait = FIRST_WAIT * 2_u32.pow(child.attempt.saturating_sub(1));
            child.state = ChildState::Retrying { problem };
            self.note(format!("child {number} failed and is started again"));
            self.set_timer(TimerName::Retry { slot: Slot::Child(number) }, now + wait);
            return;
        }
        child.state = ChildState::Failed { problem: problem.clone() };
        child.ended_at = Some(now);
        self.note(format!("child {number} failed: {}", problem.code));
        // The same refusal for every child is said once; the board shows the rest.
        let known = self.it.children.iter().any(|other| {
            other.number != number
                && other.run.is_none()
                && matches!(&other.state, ChildState::Failed { problem: told } if *told == problem)
        });
        if let Some(child) = self.it.child(number).filter(|child| child.run.is_some() || !known) {
            let post = PostKey::failure(number, child.attempt);
            self.act(Effect::Say { post: Some(post), message: cards::child_failed(self.it, child, &problem) });
        }
        self.child_settled(Slot::Child(number));
    }

    /// A place is free: the next child starts, or all have ended.
    pub(super) fn child_settled(&mut self, slot: Slot) {
        if matches!(self.it.stage, Stage::Stopping { .. }) {
            return self.stop_on();
        }
        self.flush(slot);
        if !matches!(self.it.stage, Stage::Running) {
            return;
        }
        self.start_children();
        let settled = self.it.children.iter().all(|child| child.state.is_settled());
        if !settled || self.it.children.is_empty() {
            return;
        }
        let parent = self.it.parent.as_ref();
        let resting =
            parent.is_some_and(|parent| parent.heard_out && parent.seen.state.is_at_rest() && parent.told.is_none());
        if self.children_start_themselves() && !resting {
            self.read_parent_at_rest(false); // its next words are the summary
            return;
        }
        let held = std::mem::take(&mut self.it.held);
        if held.is_empty() {
            self.give_results();
        } else {
            self.note("proposes what was held");
            let content = Content::Children { summary: None, children: held };
            let digest = Digest::of(&self.it.request.ask.task, &self.it.settings, &content);
            self.put_forward(content, digest, None, Vec::new());
        }
    }

    /// What waits for people is what was held; the others have ended and are not summed up yet.
    pub(super) const fn decides_on_the_rest(&self) -> bool {
        matches!(self.it.stage, Stage::Deciding { rest: true, .. })
    }

    /// There is work again: what was to be summed up is not any more.
    pub(super) fn back_to_running(&mut self) {
        self.it.stage = Stage::Running;
        self.it.waiting.retain(|waiting| waiting.purpose != Purpose::Results);
    }

    pub(super) fn give_results(&mut self) {
        self.it.stage = Stage::Summarising { asked: false };
        let text = prompt::results(self.it);
        self.note("gives the results to the parent");
        self.send(Slot::Parent, text, Mode::Normal, Purpose::Results, None);
    }

    /// Somebody wants a failed or stopped child again. After the end, that is like starting.
    pub(super) fn retry(&mut self, actor: &Actor, number: u32, answer: AnswerPath) {
        if self.it.is_ended() {
            let what = What::Retry { child: number };
            return self.wish(Wished::new(actor, self.now, answer, 0, None, what));
        }
        match self.it.policy.spent(self.means) {
            Some(refusal) => self.refuse(actor, answer, &refusal, Wish::Start),
            None => self.start_again(actor, number, answer),
        }
    }

    /// They may.
    pub(super) fn start_again(&mut self, actor: &Actor, number: u32, answer: AnswerPath) {
        let covered = matches!(self.it.stage, Stage::Running | Stage::Summarising { .. } | Stage::Ended { .. });
        let parent = self.run_of(Slot::Parent).is_some();
        let child = self.it.child(number).filter(|child| parent && child.is_startable());
        let state = child.map(|child| child.state.clone());
        match state {
            Some(ChildState::Failed { .. } | ChildState::Cancelled | ChildState::Retrying { .. }) if covered => {
                self.record_child(Kind::Retried, Some(actor), number, format!("wants child {number} again"));
                self.clear_timer(TimerName::Retry { slot: Slot::Child(number) });
                self.back_to_running();
                if let Some(child) = self.it.child_mut(number) {
                    let before = std::mem::replace(&mut child.state, ChildState::Waiting);
                    let problem = match &before {
                        ChildState::Failed { problem } | ChildState::Retrying { problem } => Some(problem),
                        _ => None,
                    };
                    let post = PostKey::failure(number, child.attempt);
                    let message = cards::child_retried(child, problem, actor);
                    self.act(Effect::Edit { post, message });
                }
                self.start_children();
            }
            Some(_) if covered => {
                self.tell(actor, answer, answers::warning("That child has not failed, so it is not started again."));
            }
            _ => self.tell(actor, answer, answers::warning("There is nothing to start again here.")),
        }
    }

    /// A retry by itself has come due.
    pub(super) fn retry_due(&mut self, slot: Slot) {
        let Slot::Child(number) = slot else { return self.restart_parent() };
        if let Some(child) = self.it.child_mut(number)
            && matches!(child.state, ChildState::Retrying { .. })
        {
            child.state = ChildState::Waiting;
            self.start_children();
        }
    }
}
