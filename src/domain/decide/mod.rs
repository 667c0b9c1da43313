//! The rules: an orchestration and one input make a changed orchestration, effects, timers and a
//! trail. One file for each kind of input; this one holds what they share.
//!
//! The same orchestration with the same input always decides the same. Nothing here fails: what
//! cannot be is told to somebody or leaves a line in the trail.

mod artifacts;
mod asked;
mod children;
mod delivered;
mod due;
mod failed;
mod follow_up;
mod heard;
mod open;
mod parent;
mod pressed;
mod progress;
mod replied;
mod stop;
mod strangers;

pub use open::{Opening, open};

use super::{
    actor::Actor,
    board,
    effect::{Effect, PostKey, Purpose, Slot, TimerChange, TimerName},
    failure::Problem,
    input::{AnswerPath, Input},
    message::{Message, Tone},
    orchestration::{Asked, Ending, Fate, Orchestration, Stage, Waiting},
    proposal::Proposal,
    words::cards,
};
use crate::{ids::RunId, time::Timestamp};

/// What follows from one input.
#[derive(Debug, Default)]
pub struct Decision {
    /// In the order in which they are to be carried out, within each lane.
    pub effects: Vec<Effect>,
    pub timers: Vec<TimerChange>,
    pub trail: Vec<Line>,
}

/// One line of the trail: what was decided, and because of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub what: String,
    pub by: Option<Actor>,
}

/// Applies `input` at `now`.
pub fn decide(orchestration: &mut Orchestration, input: Input, now: Timestamp) -> Decision {
    let before = board::message(orchestration, None);
    let mut turn = Turn::new(orchestration, now);
    match input {
        Input::Reply { actor, text, message, correction } => turn.replied(&actor, &text, message, correction),
        Input::Asked { actor, command, message, answer } => turn.asked(&actor, command, message, answer),
        Input::Pressed { actor, press, about, answer } => turn.pressed(&actor, press, &about, answer),
        Input::Submitted { actor, filled, answer } => turn.submitted(&actor, filled, &answer),
        Input::Progress(report) => turn.progressed(&report),
        Input::Delivered { slot, purpose, outcome } => turn.delivered(slot, purpose, outcome),
        Input::Failed { effect, problem } => turn.failed(effect, problem),
        Input::Due(timer) => turn.due(&timer),
    }
    turn.finish(&before)
}

/// One decision being made.
struct Turn<'a> {
    it: &'a mut Orchestration,
    now: Timestamp,
    out: Decision,
}

impl<'a> Turn<'a> {
    fn new(it: &'a mut Orchestration, now: Timestamp) -> Self {
        Self { it, now, out: Decision::default() }
    }

    fn finish(mut self, before: &Message) -> Decision {
        let posted = self.it.posts.contains_key(&PostKey::board());
        if posted && *before != board::message(self.it, None) {
            self.act(Effect::ShowBoard);
        }
        self.it.updated_at = self.now;
        self.out
    }

    fn act(&mut self, effect: Effect) {
        self.out.effects.push(effect);
    }

    fn say(&mut self, message: Message) {
        self.act(Effect::Say { post: None, message });
    }

    fn tell(&mut self, to: &Actor, answer: AnswerPath, message: Message) {
        self.act(Effect::SayPrivately { to: to.clone(), message, answer });
    }

    fn set_timer(&mut self, name: TimerName, at: Timestamp) {
        self.out.timers.push(TimerChange::Set(name, at));
    }

    fn clear_timer(&mut self, name: TimerName) {
        self.out.timers.push(TimerChange::Clear(name));
    }

    fn note(&mut self, what: impl Into<String>) {
        self.out.trail.push(Line { what: what.into(), by: None });
    }

    fn note_by(&mut self, by: &Actor, what: impl Into<String>) {
        self.out.trail.push(Line { what: what.into(), by: Some(by.clone()) });
    }

    fn run_of(&self, slot: Slot) -> Option<RunId> {
        match slot {
            Slot::Parent => self.it.parent.as_ref()?.run.clone(),
            Slot::Child(number) => self.it.child(number)?.run.clone(),
        }
    }

    /// The standing proposal stops deciding anything, and its message says why.
    fn close_proposal(&mut self, fate: &Fate) {
        let Some(proposal) = self.it.proposal.clone() else { return };
        let standing = self.it.versions.iter_mut().rev().find(|version| version.version == proposal.version);
        let Some(version) = standing.filter(|version| version.fate == Fate::Standing) else { return };
        version.fate.clone_from(fate);
        self.clear_timer(TimerName::Expiry { version: proposal.version });
        self.act(Effect::Edit {
            post: PostKey::proposal(proposal.version),
            message: cards::closed_proposal(&proposal, fate),
        });
    }

    /// The proposal that waits for a decision, if it is the one meant.
    fn standing(&self, version: u32, digest: Option<&str>) -> Option<&Proposal> {
        let proposal = self.it.proposal.as_ref().filter(|_| matches!(self.it.stage, Stage::Deciding { .. }))?;
        let meant = proposal.version == version && digest.is_none_or(|digest| digest == proposal.digest.short());
        meant.then_some(proposal)
    }

    /// Ends it. What waits for a child that has a run is passed on all the same, unless it was stopped.
    fn end(&mut self, how: Ending) {
        let stopped = matches!(how, Ending::Stopped { .. });
        let (kept, lost): (Vec<Waiting>, Vec<Waiting>) = std::mem::take(&mut self.it.waiting)
            .into_iter()
            .partition(|waiting| !stopped && waiting.slot != Slot::Parent && self.run_of(waiting.slot).is_some());
        self.it.waiting = kept;
        if lost.iter().any(|waiting| matches!(waiting.purpose, Purpose::Reply | Purpose::Revise)) {
            self.say(cards::unheard());
        }
        self.it.stage = Stage::Ended { how, at: self.now };
        self.note(format!("ended: {}", self.it.stage_word()));
    }

    /// Ends it, unless somebody has said something to the parent in the meantime: that continues it.
    fn end_and_go_on(&mut self, how: Ending) {
        let goes_on = self.it.waiting.iter().any(|waiting| waiting.slot == Slot::Parent);
        if goes_on && self.run_of(Slot::Parent).is_some() {
            self.it.stage = Stage::Planning { asked: Asked::Again };
            self.flush(Slot::Parent);
        } else {
            self.end(how);
        }
    }

    fn fail(&mut self, lead: &str, problem: Problem) {
        self.say(cards::problem(lead, &problem).tone(Tone::Failure));
        self.end_and_go_on(Ending::Failed { problem });
    }

    fn is_waiting(&self, purpose: Purpose) -> bool {
        self.it.waiting.iter().any(|waiting| waiting.purpose == purpose)
    }
}
