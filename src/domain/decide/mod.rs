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
mod editing;
mod failed;
mod follow_up;
mod found;
mod heard;
mod idle;
mod open;
mod parent;
mod pressed;
mod progress;
mod prompted;
mod replied;
mod session;
mod stop;
mod strangers;
mod wishes;

pub use open::{Opening, Refused, admit, open};

use super::{
    actor::Actor,
    audit::{self, Kind},
    board,
    effect::{Effect, PostKey, Purpose, Slot, TimerChange, TimerName},
    failure::Problem,
    input::{AnswerPath, Input},
    message::{About, Message, Subject, Tone},
    orchestration::{Asked, Ending, Fate, Orchestration, Stage, Version, Waiting},
    policy::Means,
    proposal::Proposal,
    words::{cards, proposals},
};
use crate::{ids::RunId, time::Timestamp};

/// What follows from one input.
#[derive(Debug, Default)]
pub struct Decision {
    /// In the order in which they are to be carried out, within each lane.
    pub effects: Vec<Effect>,
    pub timers: Vec<TimerChange>,
    pub trail: Vec<Line>,
    pub audit: Vec<audit::Entry>,
}

/// One line of the trail: what was decided, and because of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub what: String,
    pub by: Option<Actor>,
}

/// Applies `input` at `now`, where nothing is used up.
pub fn decide(orchestration: &mut Orchestration, input: Input, now: Timestamp) -> Decision {
    decide_within(&Means::default(), orchestration, input, now)
}

/// Applies `input` at `now`, within what is left of what the policy limits.
pub fn decide_within(means: &Means, orchestration: &mut Orchestration, input: Input, now: Timestamp) -> Decision {
    let before = board::message(orchestration, None);
    let had_ended = orchestration.is_ended();
    let mut turn = Turn::new(means, orchestration, now);
    match input {
        Input::Reply { actor, text, message, correction } => turn.replied(&actor, &text, message, correction),
        Input::Prompted { actor, text, message } => turn.prompted(&actor, &text, message),
        Input::Asked { actor, command, message, answer } => turn.asked(&actor, command, message, answer),
        Input::Pressed { actor, press, about, answer } => turn.pressed(&actor, press, &about, answer),
        Input::Submitted { actor, filled, answer } => turn.submitted(&actor, filled, &answer),
        Input::Progress(report) => turn.progressed(&report),
        Input::Found(report) => turn.found(&report),
        Input::Idle => turn.idle(),
        Input::Delivered { slot, purpose, outcome } => turn.delivered(slot, purpose, outcome),
        Input::Failed { effect, problem } => turn.failed(effect, problem),
        Input::Due(timer) => turn.due(&timer),
    }
    if had_ended && !turn.it.is_ended() {
        turn.set_pulse(); // it goes on, and may go stale again
    }
    turn.finish(&before)
}

/// One decision being made.
struct Turn<'a> {
    it: &'a mut Orchestration,
    means: &'a Means,
    now: Timestamp,
    out: Decision,
}

impl<'a> Turn<'a> {
    fn new(means: &'a Means, it: &'a mut Orchestration, now: Timestamp) -> Self {
        Self { it, means, now, out: Decision::default() }
    }

    fn finish(mut self, before: &Message) -> Decision {
        let posted = self.it.posts.contains_key(&PostKey::board());
        if posted && *before != board::message(self.it, None) {
            self.act(Effect::ShowBoard);
        }
        self.keep_session();
        self.it.updated_at = self.now;
        self.out
    }

    /// What all see is shown in the mirror as well, where there is one.
    fn act(&mut self, effect: Effect) {
        let for_all =
            matches!(effect, Effect::PostBoard { .. } | Effect::ShowBoard | Effect::Say { .. } | Effect::Edit { .. });
        let mirrored =
            (for_all && self.it.mirror.is_some()).then(|| Effect::Mirrored { what: Box::new(effect.clone()) });
        self.out.effects.push(effect);
        self.out.effects.extend(mirrored);
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

    /// A line of the trail that has to be proven as well.
    fn record(&mut self, kind: Kind, by: Option<&Actor>, what: impl Into<String>) {
        let about = self.it.proposal.as_ref().map(|proposal| (proposal.version, proposal.digest.as_str().to_owned()));
        self.record_about(about, kind, by, what);
    }

    /// The same about a child, with the version that it was approved in.
    fn record_child(&mut self, kind: Kind, by: Option<&Actor>, number: u32, what: impl Into<String>) {
        let approved =
            |version: &&Version| matches!(version.fate, Fate::Approved { .. } | Fate::ApprovedByPolicy { .. });
        let digest = self.it.child(number).and_then(|child| child.digest.as_ref());
        let mut versions = self.it.versions.iter().rev().filter(|version| Some(&version.digest) == digest);
        let version = versions.find(approved);
        let about = version.map(|version| (version.version, version.digest.as_str().to_owned()));
        self.record_about(about, kind, by, what);
    }

    fn record_about(&mut self, about: Option<(u32, String)>, kind: Kind, by: Option<&Actor>, what: impl Into<String>) {
        let what = what.into();
        self.out.audit.push(audit::Entry { kind, by: by.cloned(), about, detail: what.clone() });
        self.out.trail.push(Line { what, by: by.cloned() });
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
        self.it.drafts.clear();
        self.clear_timer(TimerName::Expiry { version: proposal.version });
        self.clear_timer(TimerName::Remind { version: proposal.version, nth: 0 });
        self.act(Effect::Edit {
            post: PostKey::proposal(proposal.version),
            message: proposals::closed(&proposal, fate),
        });
    }

    /// What the buttons and forms of a proposal are about.
    fn about(&self, proposal: &Proposal) -> String {
        let subject = Subject::Proposal { version: proposal.version, digest: proposal.digest.short().to_owned() };
        About { orchestration: self.it.id.clone(), subject }.to_string()
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
        self.it.votes_before.clear();
        self.it.stage = Stage::Ended { how, at: self.now };
        self.record(Kind::Ended, None, format!("ended: {}", self.it.stage_word()));
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
