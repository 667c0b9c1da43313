//! What the parent says when it comes to rest: a proposal, a question, an answer, a summary.

use super::{
    Turn,
    children::{FIRST_WAIT, MOST_STARTS},
};
use crate::domain::{
    artifact::Artifact,
    effect::{Effect, PostKey, Purpose, Slot, TimerName},
    failure::Problem,
    orchestration::{Asked, Ending, Fate, Stage, Version},
    proposal::{self, Content, Digest, Found, Proposal},
    run::{Mode, Reading, RunState},
    words::{cards, problems, prompt},
};
use std::time::Duration;

/// A PLAN is synced a little after the agent rests; it is asked for again after this, for
/// [`LONGEST_SYNC`] at the most.
const SYNC: Duration = Duration::from_secs(2);
const LONGEST_SYNC: Duration = Duration::from_secs(30);
/// A run that shows its old state this long after a follow-up has done its work unseen.
pub(super) const STALE: Duration = Duration::from_secs(45);
/// After this long, whatever is there is taken.
const LONGEST_STALE: Duration = Duration::from_mins(5);

impl Turn<'_> {
    /// What the parent said and made has been read.
    pub(super) fn parent_read(&mut self, reading: Reading) {
        let Some(parent) = &mut self.it.parent else { return };
        parent.reading = false;
        if let Some(state) = &reading.state {
            parent.seen.state = state.clone();
        }
        if reading.session_link.is_some() {
            parent.seen.link.clone_from(&reading.session_link);
        }
        parent.seen.credits = reading.credits.or(parent.seen.credits);
        if parent.seen.state.is_working() {
            // It went on meanwhile; its next rest is read again.
            if let Some(told) = &mut parent.told {
                told.worked |= told.taken;
            }
            return;
        }
        let mut purpose = Purpose::None;
        if let Some(told) = parent.told.filter(|told| told.taken) {
            let answered = match reading.turns {
                Some(turns) => turns > parent.turns && reading.last_words.is_some(),
                None => self.now.since(told.at) >= STALE,
            };
            if !told.worked && !answered && self.now.since(told.at) < LONGEST_STALE {
                self.set_timer(TimerName::Stale { slot: Slot::Parent }, self.now + STALE / 4);
                return;
            }
            purpose = told.purpose;
        }
        if self.plan_is_unsynced(&reading) {
            self.set_timer(TimerName::PlanSync, self.now + SYNC);
            return;
        }
        let Some(parent) = &mut self.it.parent else { return };
        parent.told = parent.told.filter(|told| !told.taken);
        parent.heard_out = true;
        parent.turns = reading.turns.unwrap_or(parent.turns);
        self.clear_timer(TimerName::Stale { slot: Slot::Parent });
        self.bring(None, &reading.artifacts);
        self.hear_out(purpose, reading);
        self.flush(Slot::Parent);
    }

    fn plan_is_unsynced(&self, reading: &Reading) -> bool {
        let seen = self.it.parent.as_ref().map_or(self.now, |parent| parent.seen.updated_at);
        let unsynced = reading.plan.is_none()
            && reading.artifacts.iter().any(|artifact| matches!(artifact, Artifact::Plan { artifact: None, .. }));
        let wanted = matches!(self.it.stage, Stage::Planning { .. } | Stage::Deciding { .. });
        let has_block = reading.last_words.as_deref().is_some_and(|words| proposal::find(words) != Found::Nothing);
        wanted && unsynced && !has_block && self.now.since(seen) < LONGEST_SYNC
    }

    fn hear_out(&mut self, purpose: Purpose, reading: Reading) {
        match (&self.it.stage, purpose) {
            (Stage::Planning { asked }, _) => {
                let asked = *asked;
                self.hear_planning(asked, reading);
            }
            (Stage::Deciding { .. }, _) => self.hear_deciding(reading),
            (Stage::Running, _) if self.children_start_themselves() && self.all_settled() => {
                self.summarised(reading.last_words.as_deref());
            }
            (Stage::Summarising { asked: true }, _) => self.summarised(reading.last_words.as_deref()),
            (Stage::Running | Stage::Summarising { .. }, Purpose::Reply) => {
                if let Some(words) = reading.last_words {
                    self.say(cards::words(&words, false));
                }
            }
            (
                Stage::Gathering
                | Stage::Running
                | Stage::Summarising { .. }
                | Stage::Stopping { .. }
                | Stage::Ended { .. },
                _,
            ) => {}
        }
    }

    fn hear_planning(&mut self, asked: Asked, reading: Reading) {
        let state = self.it.parent.as_ref().map(|parent| (parent.seen.state.clone(), parent.mode));
        let Some((state, mode)) = state else { return };
        let words = reading.last_words.clone();
        match (state, words) {
            (RunState::Failed | RunState::Error | RunState::Cancelled, _) => self.parent_failed(),
            (RunState::Blocked, words)
                if !words.as_deref().is_some_and(|words| matches!(proposal::find(words), Found::Proposal(_))) =>
            {
                self.say_blocked(Slot::Parent);
            }
            (_, None) if reading.plan.is_none() => {
                self.fail("The agent said nothing.", Problem::new(problems::SAID_NOTHING));
            }
            (_, words) if mode == Mode::Normal => self.summarised(words.as_deref()),
            (_, words) => {
                let words = words.unwrap_or_default();
                let plan = reading.plan.filter(|plan| !self.is_carried_out(&plan.content));
                match (proposal::find(&words), plan) {
                    (Found::Proposal(content), _) => self.propose(content),
                    (Found::Unusable(reason), _) if asked != Asked::Repair => {
                        self.note(format!("the proposal block is unusable: {reason}"));
                        self.it.stage = Stage::Planning { asked: Asked::Repair };
                        self.send(Slot::Parent, prompt::repair(&reason), mode, Purpose::Repair, None);
                    }
                    (Found::Unusable(_), None) => self.propose(Content::Words { text: words }),
                    (Found::Unusable(_) | Found::Nothing, Some(plan)) => {
                        self.propose(Content::Words { text: with_plan(&words, &plan.content) });
                    }
                    (Found::Nothing, None) => {
                        self.say(cards::words(&words, false));
                        self.end_and_go_on(Ending::Answered);
                    }
                }
            }
        }
    }

    /// The standing proposal stays valid until a new one comes.
    fn hear_deciding(&mut self, reading: Reading) {
        let failed = self
            .it
            .parent
            .as_ref()
            .is_some_and(|parent| matches!(parent.seen.state, RunState::Failed | RunState::Error));
        if failed {
            let problem = self.parent_problem();
            return self
                .say(cards::problem("The agent failed while it answered; the proposal still stands.", &problem));
        }
        let words = reading.last_words.unwrap_or_default();
        match (proposal::find(&words), reading.plan) {
            (Found::Proposal(content), _) => self.propose(content),
            (Found::Nothing, Some(plan)) if self.plan_changed(&plan.content) => {
                self.propose(Content::Words { text: with_plan(&words, &plan.content) });
            }
            _ if words.is_empty() => {}
            _ => self.say(cards::words(&proposal::without_block(&words), true)),
        }
    }

    /// The plan is the one that was approved: it still stands there, and proposes nothing new.
    fn is_carried_out(&self, plan: &str) -> bool {
        let approved = self.it.versions.last().is_some_and(|last| matches!(last.fate, Fate::Approved { .. }));
        approved && !self.plan_changed(plan)
    }

    /// The last proposal is in words, and the plan is not in it.
    fn plan_changed(&self, plan: &str) -> bool {
        match self.it.proposal.as_ref().map(|proposal| &proposal.content) {
            Some(Content::Words { text }) => !text.contains(plan.trim()),
            Some(Content::Children { .. }) | None => false,
        }
    }

    /// A new version waits for people.
    pub(super) fn propose(&mut self, content: Content) {
        if let Some(problem) = self.too_many(&content) {
            self.fail("That cannot be proposed here.", problem);
            return;
        }
        let version = self.it.versions.last().map_or(1, |last| last.version + 1);
        let digest = Digest::of(&self.it.request.ask.task, &self.it.settings, &content);
        let same = self.it.proposal.as_ref().is_some_and(|standing| standing.digest == digest);
        if same && matches!(self.it.stage, Stage::Deciding { .. }) {
            self.note("the same proposal again");
            return;
        }
        self.close_proposal(&Fate::Replaced { by: version });
        let expires_at = self.now + self.it.policy.expires_after;
        self.set_timer(TimerName::Expiry { version }, expires_at);
        self.it.stage = Stage::Deciding { votes: Vec::new(), expires_at: Some(expires_at), posted_at: self.now };
        self.it.versions.push(Version { version, digest: digest.clone(), fate: Fate::Standing });
        self.note(format!("version {version} ({}) waits for a decision", digest.short()));
        let proposal = Proposal { version, digest, content };
        let message = cards::proposal(self.it, &proposal);
        self.it.proposal = Some(proposal);
        self.act(Effect::Say { post: Some(PostKey::proposal(version)), message });
    }

    fn too_many(&self, content: &Content) -> Option<Problem> {
        let most = self.it.max_children?;
        let many = content.children().len();
        (u32::try_from(many).unwrap_or(u32::MAX) > most).then(|| {
            Problem::new(problems::TOO_MANY_CHILDREN).with_detail(format!("{many} children, and {most} are the most"))
        })
    }

    /// The parent has ended badly while planning.
    pub(super) fn parent_failed(&mut self) {
        let Some(parent) = &self.it.parent else { return };
        let first = matches!(self.it.stage, Stage::Planning { asked: Asked::First });
        if first && parent.seen.retryable && parent.attempt < MOST_STARTS {
            let wait = FIRST_WAIT * 2_u32.pow(parent.attempt.saturating_sub(1));
            self.note("the parent run failed and is started again");
            self.set_timer(TimerName::Retry { slot: Slot::Parent }, self.now + wait);
            return;
        }
        let problem = self.parent_problem();
        self.fail("The parent run failed.", problem);
    }

    fn parent_problem(&self) -> Problem {
        let Some(parent) = &self.it.parent else { return Problem::new("failed") };
        if parent.seen.state == RunState::Cancelled {
            return Problem::new(problems::CANCELLED_ELSEWHERE);
        }
        let problem = Problem::new(parent.seen.code.clone().unwrap_or_else(|| "failed".into()));
        match &parent.seen.note {
            Some(note) => problem.with_detail(note.clone()),
            None => problem,
        }
    }

    /// The wait before another start is over.
    pub(super) fn restart_parent(&mut self) {
        let resting = self.it.parent.as_ref().is_some_and(|parent| parent.seen.state.is_at_rest());
        if resting && matches!(self.it.stage, Stage::Planning { asked: Asked::First }) {
            self.start_parent(self.it.request.verb.mode(), prompt::opening(self.it));
        }
    }

    /// A run waits for a person, in its session.
    pub(super) fn say_blocked(&mut self, slot: Slot) {
        let (who, seen) = match slot {
            Slot::Parent => (Some("The agent"), self.it.parent.as_ref().map(|parent| &parent.seen)),
            Slot::Child(number) => {
                let child = self.it.child(number);
                (child.map(|child| child.spec.name.as_str()), child.map(|child| &child.seen))
            }
        };
        if let (Some(who), Some(seen)) = (who, seen) {
            self.say(cards::blocked(who, seen.note.as_deref(), seen.link.as_deref()));
        }
    }

    fn all_settled(&self) -> bool {
        self.it.children.iter().all(|child| child.state.is_settled())
    }

    /// The last words: they are said with everything that was brought back.
    pub(super) fn summarised(&mut self, words: Option<&str>) {
        let words = words.map(proposal::without_block).filter(|words| !words.is_empty());
        self.say(cards::summary(self.it, words.as_deref()));
        self.end_and_go_on(Ending::Done);
    }

    /// Ends well, unless somebody has said something in the meantime: that continues it.
    fn end_and_go_on(&mut self, how: Ending) {
        let waiting = std::mem::take(&mut self.it.waiting);
        let goes_on = !waiting.is_empty();
        self.end(how);
        if goes_on {
            self.it.waiting = waiting;
            self.it.stage = Stage::Planning { asked: Asked::Again };
        }
    }

    /// The approval let the parent start its children itself.
    pub(super) fn children_start_themselves(&self) -> bool {
        let words = self.it.proposal.as_ref().is_some_and(|proposal| matches!(proposal.content, Content::Words { .. }));
        words || self.it.launch == crate::domain::route::Launch::Agent
    }
}

fn with_plan(words: &str, plan: &str) -> String {
    let words = proposal::without_block(words);
    if words.is_empty() || words.contains(plan.trim()) {
        plan.trim().to_owned()
    } else {
        format!("{words}\n\n---\n\n{}", plan.trim())
    }
}
