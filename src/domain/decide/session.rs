//! What a conversation in Linear wants beyond what is said everywhere. The state of an agent session
//! is that of its last activity, so what is said last has to fit how the orchestration stands; and a
//! session in which nothing is said for half an hour goes stale.

use std::time::Duration;

use super::Turn;
use crate::domain::{
    actor::Platform,
    effect::{Effect, PostKey, Slot, TimerName},
    input::AnswerPath,
    message::{Message, Tone},
    orchestration::{Ending, Stage},
    words::{cards, proposals},
};

/// Well under the half hour after which Linear calls a session stale.
const PULSE: Duration = Duration::from_mins(10);

impl Turn<'_> {
    /// The last thing said must leave the session in the state that is true: waiting for an answer
    /// while people have to decide, complete when it has ended.
    pub(super) fn keep_session(&mut self) {
        self.complete_others();
        if self.it.conversation.session().is_none() {
            return;
        }
        let tone = match &self.it.stage {
            Stage::Deciding { .. } | Stage::Ended { how: Ending::Answered, .. } => Tone::Ask,
            Stage::Ended { .. } => Tone::Final,
            Stage::Gathering
            | Stage::Planning { .. }
            | Stage::Running
            | Stage::Summarising { .. }
            | Stage::Stopping { .. } => return,
        };
        let standing = match (&self.it.stage, &self.it.proposal) {
            (Stage::Deciding { .. }, Some(proposal)) => Some(proposals::in_short(self.it, proposal)),
            _ => None,
        };
        let said = |effect: &&mut Effect| match effect {
            Effect::Say { .. } | Effect::Edit { .. } => true,
            Effect::SayPrivately { to, answer, .. } => to.platform == Platform::Linear && answer.at.is_none(),
            _ => false,
        };
        self.say_below_files(standing.as_ref(), said);
        let Some(last) = self.out.effects.iter_mut().rfind(said) else { return };
        match last {
            // Nothing can be edited there: what would be is said again, in short.
            Effect::Edit { message, .. } => {
                let message = standing.unwrap_or_else(|| std::mem::take(message).tone(tone));
                *last = Effect::Say { post: None, message };
            }
            Effect::Say { message, .. } | Effect::SayPrivately { message, .. } => fit(message, tone, standing),
            _ => {}
        }
    }

    /// In a session in which somebody only asked about this one, nothing more is to come.
    fn complete_others(&mut self) {
        for effect in &mut self.out.effects {
            if let Effect::SayPrivately { message, answer: AnswerPath { at: Some(at), .. }, .. } = effect
                && at.session().is_some()
                && *at != self.it.conversation
            {
                *message = std::mem::take(message).tone(Tone::Final);
            }
        }
    }

    /// A file is a row of its own, and takes the options away.
    fn say_below_files(&mut self, standing: Option<&Message>, said: impl Fn(&&mut Effect) -> bool) {
        let is_file = |effect: &Effect| matches!(effect, Effect::Upload { .. } | Effect::UploadTranscript { .. });
        let Some(file) = self.out.effects.iter().rposition(is_file) else { return };
        let is_last = !self.out.effects[file..].iter_mut().any(|mut effect| said(&mut effect));
        if let Some(message) = standing.filter(|_| is_last) {
            self.out.effects.push(Effect::Say { post: None, message: message.clone() });
        }
    }

    /// A person delegated the issue: it is taken up, unless the agent is only asked something.
    pub(super) fn take_up(&mut self) {
        if let Some(issue) = self.it.request.issue.as_ref().filter(|_| self.it.request.proposes()) {
            self.act(Effect::TakeUp { issue: issue.id.clone() });
        }
    }

    /// A pull request is put on the issue that it is for.
    pub(super) fn attach(&mut self, url: &str, of: &str) {
        if self.it.conversation.platform == Platform::Linear && self.it.request.issue.is_some() {
            self.act(Effect::Attach { url: url.to_owned(), of: of.to_owned() });
        }
    }

    /// A child's end is a step of the session; elsewhere the board alone shows it.
    pub(super) fn say_step(&mut self, number: u32) {
        if self.it.conversation.session().is_none() {
            return;
        }
        if let Some(child) = self.it.child(number) {
            let message = cards::child_ended(&self.called(Slot::Child(number)), child);
            self.out.effects.push(Effect::Say { post: None, message });
        }
    }

    /// Nothing new is to be decided. In a session what was said in between has taken the options away.
    pub(super) fn ask_again(&mut self) {
        let deciding = matches!(self.it.stage, Stage::Deciding { .. }) && self.it.conversation.session().is_some();
        // It is told more: what comes of the last of it asks.
        let last = !self.it.waiting.iter().any(|waiting| waiting.slot == Slot::Parent);
        if let Some(proposal) = self.it.proposal.as_ref().filter(|_| deciding && last) {
            let message = proposals::in_short(self.it, proposal);
            self.out.effects.push(Effect::Say { post: None, message });
        }
    }

    pub(super) fn set_pulse(&mut self) {
        if self.it.conversation.platform == Platform::Linear {
            self.set_timer(TimerName::Pulse, self.now + PULSE);
        }
    }

    /// Ten minutes have passed. While a person has to answer, the session keeps waiting by itself.
    pub(super) fn pulse(&mut self) {
        match &self.it.stage {
            Stage::Gathering
            | Stage::Planning { .. }
            | Stage::Running
            | Stage::Summarising { .. }
            | Stage::Stopping { .. } => {
                if self.it.posts.contains_key(&PostKey::board()) && self.it.conversation.session().is_some() {
                    self.act(Effect::Pulse);
                }
                self.set_pulse();
            }
            Stage::Deciding { .. } => self.set_pulse(),
            Stage::Ended { .. } => {}
        }
    }
}

/// Gives the last thing said the tone that the session needs, with what is still to be decided.
fn fit(message: &mut Message, tone: Tone, standing: Option<Message>) {
    if matches!(message.tone, Tone::Final | Tone::Failure) && tone == Tone::Final {
        return;
    }
    message.tone = tone;
    if let Some(standing) = standing {
        message.buttons = standing.buttons;
    }
}
