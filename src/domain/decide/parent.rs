//! The parent at rest: reading what it said, proposing it, and starting it again when it failed.
//! What follows from its words is in `heard.rs`.

use std::time::Duration;

use super::{
    Turn,
    children::{FIRST_WAIT, MOST_STARTS},
    progress,
};
use crate::{
    domain::{
        artifact::Artifact,
        effect::{Effect, PostKey, Purpose, Slot, TimerName},
        orchestration::{Asked, Fate, STALE, Stage, Version},
        proposal::{self, Content, Digest, Found, Proposal},
        route::Launch,
        run::{PlanDocument, Reading, RunState},
        words::{cards, prompt},
    },
    ids::short_hash,
};

/// A PLAN is synced a little after the agent rests; it is asked for again after this, for
/// [`LONGEST_SYNC`] at the most.
const SYNC: Duration = Duration::from_secs(2);
const LONGEST_SYNC: Duration = Duration::from_secs(30);

/// What the parent brought when it came to rest.
#[derive(Default)]
pub(super) struct Brought {
    pub words: Option<String>,
    pub plan: Option<PlanDocument>,
    /// The plan has not been read before.
    pub plan_is_new: bool,
    /// Its harness offers no conversation, so that its words cannot be known.
    pub mute: bool,
}

impl Turn<'_> {
    /// What the parent said and made has been read.
    pub(super) fn parent_read(&mut self, reading: &Reading) {
        let now = self.now;
        let Some(parent) = &mut self.it.parent else { return };
        parent.reading = false;
        if matches!(self.it.stage, Stage::Stopping { .. } | Stage::Ended { .. }) {
            return; // nobody waits for its words any more
        }
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
        let told = parent.told.filter(|told| told.taken);
        if told.is_some_and(|told| !told.is_answered(parent.turns, reading, now)) {
            return self.set_timer(TimerName::Stale { slot: Slot::Parent }, now + STALE / 4);
        }
        if parent.heard_out && reading.turns.is_none_or(|turns| turns <= parent.turns) {
            return self.flush(Slot::Parent); // nobody has told it anything since
        }
        if self.plan_is_unsynced(reading) {
            return self.set_timer(TimerName::PlanSync, now + SYNC);
        }
        let brought = self.brought(reading);
        let Some(parent) = &mut self.it.parent else { return };
        parent.told = parent.told.filter(|told| !told.taken);
        parent.heard_out = true;
        parent.turns = reading.turns.unwrap_or(parent.turns);
        self.clear_timer(TimerName::Stale { slot: Slot::Parent });
        self.bring(None, &reading.artifacts);
        self.hear_out(told.map_or(Purpose::None, |told| told.purpose), brought);
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

    fn brought(&mut self, reading: &Reading) -> Brought {
        let mut brought = Brought {
            words: reading.last_words.clone(),
            plan: reading.plan.clone(),
            plan_is_new: false,
            mute: reading.turns.is_none(),
        };
        if let (Some(parent), Some(plan)) = (&mut self.it.parent, &reading.plan) {
            let hash = Some(short_hash(&[&plan.content], 20));
            brought.plan_is_new = parent.plan != hash;
            parent.plan = hash;
        }
        brought
    }

    /// A new version waits for people.
    pub(super) fn propose(&mut self, content: Content) {
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

    /// The parent has ended badly while planning.
    pub(super) fn parent_failed(&mut self) {
        let Some(parent) = &self.it.parent else { return };
        let stopped = parent.seen.state == RunState::Cancelled;
        if stopped && self.it.waiting.iter().any(|waiting| waiting.slot == Slot::Parent) {
            return; // somebody has gone on after a stop, and it is told that next
        }
        let first = matches!(self.it.stage, Stage::Planning { asked: Asked::First });
        if first && parent.seen.retryable && parent.attempt < MOST_STARTS {
            let wait = FIRST_WAIT * 2_u32.pow(parent.attempt.saturating_sub(1));
            self.note("the parent run failed and is started again");
            self.set_timer(TimerName::Retry { slot: Slot::Parent }, self.now + wait);
            return;
        }
        let problem = progress::problem(&parent.seen);
        self.fail("The parent run failed.", problem);
    }

    /// The wait before another start is over.
    pub(super) fn restart_parent(&mut self) {
        let resting =
            self.it.parent.as_ref().is_some_and(|parent| parent.seen.state.is_at_rest() && parent.told.is_none());
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

    pub(super) fn all_settled(&self) -> bool {
        self.it.children.iter().all(|child| child.state.is_settled())
    }

    /// The approval let the parent start its children itself.
    pub(super) fn children_start_themselves(&self) -> bool {
        self.stands_in_words() || self.it.launch == Launch::Agent
    }
}
