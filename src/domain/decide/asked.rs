//! Commands in a conversation that already has an orchestration.

use super::Turn;
use crate::domain::{
    actor::Actor,
    command::Command,
    effect::{Effect, Slot},
    input::AnswerPath,
    wish::{What, Wished},
    words::answers,
};

impl Turn<'_> {
    pub(super) fn asked(&mut self, actor: &Actor, command: Command, message: Option<String>, answer: AnswerPath) {
        match command {
            Command::Help | Command::Blank(_) => self.tell(actor, answer, answers::help()),
            Command::Wrong(sentence) => self.tell(actor, answer, answers::warning(sentence)),
            Command::Status(_) => self.tell(actor, answer, answers::status(self.it)),
            Command::Why => self.tell(actor, answer, answers::why(self.it)),
            Command::Stop(_) => self.stop(actor, answer),
            Command::Retry(child) => match self.it.child_called(&child).map(|child| child.number) {
                Some(number) => self.retry(actor, number, answer),
                None => self.tell(actor, answer, self.no_such_child(&child)),
            },
            Command::Approve { version } => {
                self.wish(Wished::new(actor, self.now, answer, version, None, What::Approve));
            }
            Command::Show { child, transcript } => self.show(actor, child.as_deref(), transcript, answer),
            // A request in words for the agent, and commands that no conversation answers.
            Command::Start(_, ask) => {
                if let Some(message) = message {
                    self.replied(actor, &ask.task, message, false);
                }
            }
            Command::List => {}
        }
    }

    fn show(&mut self, actor: &Actor, child: Option<&str>, transcript: bool, answer: AnswerPath) {
        let slot = match child.map(|word| (word, self.it.child_called(word).map(|child| child.number))) {
            None => Slot::Parent,
            Some((_, Some(number))) => Slot::Child(number),
            Some((word, None)) => return self.tell(actor, answer, self.no_such_child(word)),
        };
        let Some(run) = self.run_of(slot) else {
            return self.tell(actor, answer, answers::warning("It has not been started yet."));
        };
        if transcript {
            self.act(Effect::UploadTranscript { run, of: self.called(slot) });
        } else {
            self.act(Effect::LookInto { slot, run, to: None, answer: AnswerPath::default() });
        }
    }

    fn no_such_child(&self, word: &str) -> crate::domain::message::Message {
        let names: Vec<String> =
            self.it.children.iter().take(20).map(|child| format!("{} {}", child.number, child.spec.name)).collect();
        let word = crate::domain::text::shorten(word, 60);
        answers::warning(if names.is_empty() {
            format!("There is no child “{word}”: no children have been started.")
        } else {
            format!("There is no child “{word}”. There are: {}.", names.join(", "))
        })
    }

    /// What people call the run of `slot`.
    pub(super) fn called(&self, slot: Slot) -> String {
        match slot {
            Slot::Parent => "The parent run".into(),
            Slot::Child(number) => self
                .it
                .child(number)
                .map_or_else(|| format!("Child {number}"), |child| format!("{number} {}", child.spec.name.trim())),
        }
    }
}
