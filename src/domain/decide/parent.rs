//! The parent at rest: reading what it said, proposing it, and starting it again when it failed.
//! What follows from its words is in `heard.rs`.

use std::time::Duration;

use super::{
    Turn,
    children::{FIRST_WAIT, MOST_STARTS},
    progress,
};
use crate::domain::{
    artifact::Artifact,
    audit::Kind,
    effect::{Effect, PostKey, Purpose, Slot, TimerName},
    orchestration::{Asked, Fate, STALE, Stage, Version},
    policy::Vote,
    proposal::{self, Changes, ChildSpec, Content, Digest, Found, Proposal},
    route::Launch,
    run::{PlanDocument, Reading, RunState},
    words::{cards, prompt, proposals},
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
        if let Some(plan) = &reading.plan {
            brought.plan_is_new = self.is_new_plan(plan);
        }
        brought
    }

    /// What the agent wrote is a new version.
    pub(super) fn propose(&mut self, content: Content) {
        // What it proposes is held no more, and what it does not is still to be decided on.
        self.it.held.retain(|held| !content.children().iter().any(|child| child.is_called(&held.name)));
        if !self.revise(content, self.it.settings.clone(), None) {
            self.note("the same proposal again");
            self.ask_again();
        }
    }

    /// Makes a new version of what was written or edited, for people to decide on.
    pub(super) fn put_forward(&mut self, content: Content, digest: Digest, changes: Option<Changes>, votes: Vec<Vote>) {
        let version = self.it.versions.last().map_or(1, |last| last.version + 1);
        self.close_proposal(&Fate::Replaced { by: version });
        self.it.versions.push(Version { version, digest: digest.clone(), fate: Fate::Standing });
        let proposal = Proposal { version, digest, content, changes };
        self.it.proposal = Some(proposal.clone());
        if self.needs_nobody(&proposal.content) {
            let fate = Fate::ApprovedByPolicy { policy: self.it.policy.name.clone() };
            self.approve_at_once(&proposal, Kind::ApprovedByPolicy, &fate);
        } else if self.it.policy.has_quorum(&votes) && self.it.policy.spent(self.means).is_none() {
            // What was left out is all that some of them had not approved.
            self.approve_at_once(&proposal, Kind::Approved, &Fate::approved(&votes));
        } else {
            self.put_to_people(&proposal, votes);
        }
    }

    fn put_to_people(&mut self, proposal: &Proposal, votes: Vec<Vote>) {
        let version = proposal.version;
        let expires_at = self.now + self.it.policy.expires_after;
        self.set_timer(TimerName::Expiry { version }, expires_at);
        let rest = matches!(self.it.stage, Stage::Running | Stage::Deciding { rest: true, .. });
        self.it.stage =
            Stage::Deciding { votes, expires_at: Some(expires_at), posted_at: self.now, rest, wording: None };
        self.set_reminder(version, 1);
        let what = format!("version {version} ({}) waits for a decision", proposal.digest.short());
        self.record(Kind::Proposed, None, what);
        let message = proposals::standing(self.it, proposal);
        self.act(Effect::Say { post: Some(PostKey::proposal(version)), message });
    }

    /// Only of what Baton starts itself is it known how much it is. What was started before and what is
    /// held counts too: nothing passes in parts that would not as a whole.
    fn needs_nobody(&self, content: &Content) -> bool {
        let exact = self.it.launch == Launch::Exact && matches!(content, Content::Children { .. });
        let started = self.it.children.iter().map(|child| &child.spec);
        let all: Vec<ChildSpec> = started.chain(&self.it.held).chain(content.children()).cloned().collect();
        exact && self.it.policy.approves(&all, &self.it.settings, self.means)
    }

    /// Nobody has to decide on it any more.
    fn approve_at_once(&mut self, proposal: &Proposal, kind: Kind, fate: &Fate) {
        let who = if kind == Kind::ApprovedByPolicy { "the policy" } else { "earlier approvals" };
        self.record(kind, None, format!("{who} approved version {} ({})", proposal.version, proposal.digest.short()));
        if let Some(version) = self.it.versions.last_mut() {
            version.fate.clone_from(fate);
        }
        let message = proposals::approved_at_once(self.it, proposal, fate);
        self.act(Effect::Say { post: Some(PostKey::proposal(proposal.version)), message });
        self.launch();
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
