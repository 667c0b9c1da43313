//! Buttons and forms: who may is asked of the policy, once; a refusal is told to the one refused and
//! changes nothing that others see.

use super::{Turn, replied::who};
use crate::domain::{
    actor::Actor,
    effect::{Effect, PostKey, Purpose, Slot},
    input::AnswerPath,
    message::{About, Filled, Form, Press, Subject},
    orchestration::{Asked, Ending, Fate, Stage},
    policy::{Verdict, Vote, Wish},
    proposal::Content,
    run::Mode,
    words::{answers, cards, prompt},
};

impl Turn<'_> {
    pub(super) fn pressed(&mut self, actor: &Actor, press: Press, about: &About, answer: AnswerPath) {
        match (press, &about.subject) {
            (Press::Approve, Subject::Proposal { version, digest }) => {
                self.approve(actor, *version, Some(digest), answer);
            }
            (Press::RequestChanges, Subject::Proposal { version, digest }) => {
                if self.may(actor, Wish::RequestChanges, *version, digest, &answer) {
                    self.act(Effect::OpenForm {
                        form: Form::RequestChanges { about: about.to_string() },
                        answer,
                        to: actor.clone(),
                    });
                }
            }
            (Press::Reject, Subject::Proposal { version, digest }) => {
                if self.may(actor, Wish::Reject, *version, digest, &answer) {
                    self.act(Effect::OpenForm {
                        form: Form::Reject { about: about.to_string() },
                        answer,
                        to: actor.clone(),
                    });
                }
            }
            (Press::Stop, _) => self.stop(actor, answer),
            (Press::RetryChild, Subject::Child(number)) => self.retry(actor, *number, answer),
            (Press::Why, _) => self.tell(actor, answer, answers::why(self.it)),
            (Press::Details, subject) => {
                let slot = if let Subject::Child(number) = subject { Slot::Child(*number) } else { Slot::Parent };
                match self.run_of(slot) {
                    Some(run) => self.act(Effect::LookInto { slot, run, to: Some(actor.clone()), answer }),
                    None => self.tell(actor, answer, answers::warning("It has not been started yet.")),
                }
            }
            // A link, or a button about something that it cannot be about.
            (
                Press::Open | Press::Edit | Press::Approve | Press::RequestChanges | Press::Reject | Press::RetryChild,
                _,
            ) => {}
        }
    }

    pub(super) fn submitted(&mut self, actor: &Actor, filled: Filled, answer: &AnswerPath) {
        let (about, wish) = match &filled {
            Filled::RequestChanges { about, .. } => (about, Wish::RequestChanges),
            Filled::Reject { about, .. } => (about, Wish::Reject),
            Filled::Start { .. } => return,
        };
        let Some(About { subject: Subject::Proposal { version, digest }, .. }) = About::parse(about) else { return };
        if !self.may(actor, wish, version, &digest, answer) {
            return;
        }
        match filled {
            Filled::RequestChanges { text, .. } => self.request_changes(actor, &text),
            Filled::Reject { reason, .. } => self.reject(actor, reason),
            Filled::Start { .. } => {}
        }
    }

    /// Approves `version`; a button also names the digest that it was shown with.
    pub(super) fn approve(&mut self, actor: &Actor, version: u32, digest: Option<&str>, answer: AnswerPath) {
        let Some(digest) = self.standing(version, digest).map(|proposal| proposal.digest.short().to_owned()) else {
            return self.tell(actor, answer, answers::stale(self.it, Some(version)));
        };
        if !self.may(actor, Wish::Approve, version, &digest, &answer) {
            return;
        }
        let (now, quorum) = (self.now, self.it.policy.quorum);
        let Stage::Deciding { votes, .. } = &mut self.it.stage else { return };
        votes.push(Vote { by: actor.clone(), at: now });
        let by: Vec<Actor> = votes.iter().map(|vote| vote.by.clone()).collect();
        self.note_by(actor, format!("approved version {version} ({digest})"));
        if u32::try_from(by.len()).unwrap_or(u32::MAX) >= quorum {
            self.close_proposal(&Fate::Approved { by });
            self.launch();
        } else if let Some(proposal) = &self.it.proposal {
            let message = cards::proposal(self.it, proposal);
            self.act(Effect::Edit { post: PostKey::proposal(version), message });
        }
    }

    /// Whether `actor` may do `wish` about that proposal now; if not, they are told why.
    fn may(&mut self, actor: &Actor, wish: Wish, version: u32, digest: &str, answer: &AnswerPath) -> bool {
        if self.standing(version, Some(digest)).is_none() {
            self.tell(actor, answer.clone(), answers::stale(self.it, Some(version)));
            return false;
        }
        let votes = if let Stage::Deciding { votes, .. } = &self.it.stage { votes.as_slice() } else { &[] };
        let asker = &self.it.request.by;
        match self.it.policy.verdict(wish, actor, asker, votes) {
            Verdict::Allowed => true,
            Verdict::Refused(refusal) => {
                let message = answers::refusal(&refusal, &self.it.policy, asker);
                self.note_by(actor, format!("was refused: {refusal:?}"));
                self.tell(actor, answer.clone(), message);
                false
            }
        }
    }

    fn request_changes(&mut self, actor: &Actor, text: &str) {
        self.note_by(actor, "asked for changes");
        self.close_proposal(&Fate::ChangesRequested { by: actor.clone() });
        self.it.stage = Stage::Planning { asked: Asked::Again };
        let mode = match self.it.request.verb.mode() {
            Mode::Normal => Mode::Plan,
            mode => mode,
        };
        if self.it.parent.is_some() {
            self.send(Slot::Parent, prompt::changes(&who(actor), text), mode, Purpose::Revise, None);
        } else {
            self.start_parent(mode, prompt::replan(self.it, text));
        }
    }

    fn reject(&mut self, actor: &Actor, reason: Option<String>) {
        self.note_by(actor, "rejected");
        self.close_proposal(&Fate::Rejected { by: actor.clone() });
        if let Some(reason) = reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty()) {
            self.say(cards::rejected(actor, reason));
        }
        let how = Ending::Rejected { by: actor.clone(), reason };
        if self.parent_is_busy() {
            self.stop_all(actor, how); // a reply has put it to work again
        } else {
            self.end(how);
        }
    }

    /// The approved content is what `launch` works from.
    pub(super) fn approved_content(&self) -> Option<Content> {
        self.it.proposal.as_ref().map(|proposal| proposal.content.clone())
    }
}
