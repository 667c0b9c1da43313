//! Words in an agent session, or under a comment: where nothing can be pressed, a decision is an
//! option said exactly, with its version. Everything else is a command or an instruction, and never
//! an approval.

use super::Turn;
use crate::domain::{
    actor::Actor,
    command::Command,
    input::AnswerPath,
    message::{About, Filled, Press, Subject},
    options,
    orchestration::Stage,
    parse,
};

impl Turn<'_> {
    pub(super) fn prompted(&mut self, actor: &Actor, text: &str, message: String) {
        if self.it.heard.contains(&message) {
            return; // the platform repeats itself
        }
        if let Some((press, version, digest)) = options::read_option(text) {
            self.hear(message);
            return self.chosen(actor, press, version, digest);
        }
        if let Some((press, version, words)) = options::read_option_with_words(text) {
            self.hear(message);
            return self.chosen_with_words(actor, press, version, words);
        }
        match parse::mention(text) {
            Some(command @ Command::Start(..)) => self.asked(actor, command, Some(message), AnswerPath::default()),
            Some(command) => {
                self.hear(message.clone());
                self.asked(actor, command, Some(message), AnswerPath::default());
            }
            None => match self.words_changes(actor) {
                Some(version) => {
                    self.hear(message);
                    self.chosen_with_words(actor, Press::RequestChanges, version, text.to_owned());
                }
                None => self.replied(actor, text, message, false),
            },
        }
    }

    fn chosen(&mut self, actor: &Actor, press: Press, version: u32, digest: Option<String>) {
        let digest = digest.unwrap_or_else(|| self.digest_of(version));
        let about = About { orchestration: self.it.id.clone(), subject: Subject::Proposal { version, digest } };
        self.pressed(actor, press, &about, AnswerPath::default());
    }

    fn chosen_with_words(&mut self, actor: &Actor, press: Press, version: u32, words: String) {
        let subject = Subject::Proposal { version, digest: self.digest_of(version) };
        let about = About { orchestration: self.it.id.clone(), subject }.to_string();
        let filled = match press {
            Press::Reject => Filled::Reject { about, reason: Some(words) },
            _ => Filled::RequestChanges { about, text: words },
        };
        self.submitted(actor, filled, &AnswerPath::default());
    }

    /// The version that they chose to have changed, where this says how.
    fn words_changes(&self, actor: &Actor) -> Option<u32> {
        let chose = matches!(&self.it.stage, Stage::Deciding { wording: Some(by), .. } if by == actor);
        self.it.proposal.as_ref().filter(|_| chose).map(|proposal| proposal.version)
    }

    /// What was shown with that version; nothing when it does not stand any more.
    fn digest_of(&self, version: u32) -> String {
        let proposal = self.it.proposal.as_ref().filter(|proposal| proposal.version == version);
        proposal.map(|proposal| proposal.digest.short().to_owned()).unwrap_or_default()
    }
}
