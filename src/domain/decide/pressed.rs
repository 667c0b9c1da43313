//! Buttons and forms, and what follows from a decision on the proposal. Who may is in `wishes.rs`.

use super::{Turn, replied::who};
use crate::domain::{
    actor::{Actor, Platform},
    audit::Kind,
    effect::{Effect, PostKey, Purpose, Slot},
    input::AnswerPath,
    message::{About, Filled, Form, Press, Subject},
    orchestration::{Asked, Ending, Fate, Stage},
    policy::{Likeness, Vote},
    proposal::Content,
    run::Mode,
    wish::{What, Wished},
    words::{answers, prompt, proposals},
};

impl Turn<'_> {
    pub(super) fn pressed(&mut self, actor: &Actor, press: Press, about: &About, answer: AnswerPath) {
        if let (Some(what), Subject::Proposal { version, digest }) = (wanted(press, about), &about.subject) {
            return self.wish(Wished::new(actor, self.now, answer, *version, Some(digest), what));
        }
        match (press, &about.subject) {
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
        let about = match &filled {
            Filled::RequestChanges { about, .. } | Filled::Reject { about, .. } | Filled::Edit { about, .. } => about,
            Filled::Start { .. } => return,
        };
        let Some(About { subject: Subject::Proposal { version, digest }, .. }) = About::parse(about) else { return };
        let what = What::Send(filled);
        self.wish(Wished::new(actor, self.now, answer.clone(), version, Some(&digest), what));
    }

    /// They may.
    pub(super) fn grant(&mut self, wished: Wished) {
        let Wished { by, answer, digest, what, .. } = wished;
        match what {
            What::Approve => self.approve(&by, digest.is_none()),
            What::Open(Form::Reject { .. }) if !has_forms(&by) => self.reject(&by, None),
            What::Open(form) => {
                self.word_changes(&by);
                self.act(Effect::OpenForm { form, answer, to: by });
            }
            What::Send(Filled::RequestChanges { text, .. }) => self.request_changes(&by, &text),
            What::Send(Filled::Reject { reason, .. }) => self.reject(&by, reason),
            What::Edit => self.open_editor(&by, answer),
            What::Send(Filled::Edit { page, .. }) => self.page_filled(&by, *page, answer),
            What::Rewrite { name, prompt } => self.rewrite(&by, &name, &prompt, answer),
            What::Say { text, message, correction, .. } => self.pass_on(&by, &text, message, correction),
            What::Retry { child } => self.start_again(&by, child, answer),
            What::Send(Filled::Start { .. }) => {}
        }
    }

    fn approve(&mut self, actor: &Actor, in_words: bool) {
        let by = self.with_address(actor);
        let Some(proposal) = self.it.proposal.clone() else { return };
        let Stage::Deciding { votes, .. } = &mut self.it.stage else { return };
        // It takes the place of what they gave for an earlier version.
        votes.retain(|vote| self.it.policy.likeness(&vote.by, &by) != Likeness::Same);
        votes.push(Vote::new(by, self.now));
        let votes = votes.clone();
        let what = format!("approved version {} ({})", proposal.version, proposal.digest.short());
        self.record(Kind::Approved, Some(actor), what);
        let enough = self.it.policy.has_quorum(&votes);
        if enough {
            self.close_proposal(&Fate::approved(&votes));
        } else {
            let message = proposals::standing(self.it, &proposal);
            self.act(Effect::Edit { post: PostKey::proposal(proposal.version), message });
        }
        if in_words {
            self.say(proposals::approved_in_words(actor, proposal.version, &self.it.policy, &votes));
        }
        if enough {
            self.launch();
        }
    }

    /// Where there is no form, what they say next is what should change.
    fn word_changes(&mut self, actor: &Actor) {
        if let (Stage::Deciding { wording, .. }, false) = (&mut self.it.stage, has_forms(actor)) {
            *wording = Some(actor.clone());
        }
    }

    fn request_changes(&mut self, actor: &Actor, text: &str) {
        self.record(Kind::ChangesRequested, Some(actor), "asked for changes");
        self.close_proposal(&Fate::ChangesRequested { by: actor.clone() });
        // Elsewhere the words stand in the conversation already.
        if has_forms(actor) {
            self.say(proposals::changes_requested(actor, text));
        }
        let edited = prompt::as_edited(self.it);
        if let Stage::Deciding { votes, .. } = &self.it.stage {
            self.it.votes_before.clone_from(votes);
        }
        self.it.stage = Stage::Planning { asked: Asked::Again };
        let mode = match self.it.request.verb.mode() {
            Mode::Normal => Mode::Plan,
            mode => mode,
        };
        if self.it.parent.is_some() {
            self.send(Slot::Parent, prompt::changes(&who(actor), text) + &edited, mode, Purpose::Revise, None);
        } else {
            self.start_parent(mode, prompt::replan(self.it, text) + &edited);
        }
    }

    fn reject(&mut self, actor: &Actor, reason: Option<String>) {
        self.record(Kind::Rejected, Some(actor), "rejected");
        self.close_proposal(&Fate::Rejected { by: actor.clone() });
        if let Some(reason) = reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty()) {
            self.say(proposals::rejected(actor, reason));
        }
        self.it.held.clear();
        let how = Ending::Rejected { by: actor.clone(), reason };
        if self.decides_on_the_rest() {
            self.give_results(); // only what was held is rejected
        } else if self.parent_is_busy() {
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

const fn has_forms(actor: &Actor) -> bool {
    match actor.platform {
        Platform::Slack => true,
        Platform::Linear => false,
    }
}

/// What a button of a proposal asks for; none for the others.
fn wanted(press: Press, about: &About) -> Option<What> {
    let about = || about.to_string();
    match press {
        Press::Approve => Some(What::Approve),
        Press::Edit => Some(What::Edit),
        Press::RequestChanges => Some(What::Open(Form::RequestChanges { about: about() })),
        Press::Reject => Some(What::Open(Form::Reject { about: about() })),
        Press::Stop | Press::RetryChild | Press::Why | Press::Details | Press::Open => None,
    }
}
