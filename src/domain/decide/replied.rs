//! A person's words in the conversation, which are for the parent or for a child.

use super::Turn;
use crate::domain::{
    actor::Actor,
    audit::Kind,
    effect::{Effect, PostKey, Purpose, Reaction, Slot},
    input::AnswerPath,
    orchestration::{Asked, Stage},
    parse,
    policy::Wish,
    run::Mode,
    text::shorten,
    wish::{What, Wished},
    words::{answers, prompt},
};

/// What is passed on of one message.
const LONGEST: usize = 20_000;
/// Corrections of older messages than these are not passed on.
const REMEMBERED: usize = 200;

impl Turn<'_> {
    pub(super) fn replied(&mut self, actor: &Actor, text: &str, message: String, correction: bool) {
        let known = self.it.heard.contains(&message);
        if correction && !known || !correction && known {
            return; // somebody edits what was never passed on, or the platform repeats itself
        }
        if correction && self.correct_waiting(actor, text, &message) {
            return;
        }
        if !known {
            self.hear(message.clone());
            self.act(Effect::React { message: message.clone(), reaction: Reaction::Stored });
        }
        if let Some((proposal, (name, prompt))) = self.edit_meant(text) {
            let what = What::Rewrite { name: name.to_owned(), prompt: prompt.to_owned() };
            return self.wish(Wished::new(actor, self.now, AnswerPath::default(), proposal, None, what));
        }
        if let Some(sentence) = self.edit_amiss(text) {
            return self.tell(actor, AnswerPath::default(), answers::warning(sentence));
        }
        match self.wish_to_say(text) {
            Some(wish) => {
                let what = What::Say { text: shorten(text, LONGEST), message, correction, wish };
                self.wish(Wished::new(actor, self.now, AnswerPath::default(), 0, None, what));
            }
            None => self.pass_on(actor, text, message, correction),
        }
    }

    /// What the policy calls it to say something here; none where everybody may.
    fn wish_to_say(&self, text: &str) -> Option<Wish> {
        let to_parent = || parse::addressee(self.it, text).0 == Slot::Parent;
        match self.it.stage {
            Stage::Ended { .. } => Some(Wish::Start),
            // What it starts then counts as approved.
            Stage::Running if self.children_start_themselves() && to_parent() => Some(Wish::Instruct),
            _ => None,
        }
    }

    /// They may.
    pub(super) fn pass_on(&mut self, actor: &Actor, text: &str, message: String, correction: bool) {
        if matches!(self.it.stage, Stage::Stopping { .. }) {
            let sentence = "This is being stopped. Reply again once it has, to go on.";
            self.tell(actor, AnswerPath::default(), answers::warning(sentence));
            return;
        }
        if self.it.is_ended() {
            self.record(Kind::Requested, Some(actor), "goes on after the end");
        }
        let (slot, words) = parse::addressee(self.it, text);
        let words = shorten(words, LONGEST);
        self.note_by(actor, format!("said something to {slot}"));
        let said = prompt::reply(&who(actor), &words, correction);
        let settled = |number| self.it.child(number).is_some_and(|child| child.state.is_settled());
        let said = match slot {
            Slot::Parent => said + &prompt::as_edited(self.it),
            Slot::Child(_) => said,
        };
        match slot {
            Slot::Child(number) if settled(number) && self.run_of(slot).is_none() => {
                let sentence = format!("{} was not started, so nothing can be said to it.", self.called(slot));
                self.tell(actor, AnswerPath::default(), answers::warning(sentence));
            }
            Slot::Child(_) => self.send(slot, said, Mode::Normal, Purpose::Reply, Some(message)),
            Slot::Parent => self.reply_to_parent(said, &words, message),
        }
    }

    /// Remembers a person's message.
    pub(super) fn hear(&mut self, message: String) {
        self.it.heard.push(message);
        if self.it.heard.len() > REMEMBERED {
            self.it.heard.remove(0);
        }
    }

    /// `edit NAME: …` about a child of the standing proposal, whose version it is then about.
    fn edit_meant<'a>(&self, text: &'a str) -> Option<(u32, (&'a str, &'a str))> {
        let proposal = self.it.proposal.as_ref().filter(|_| matches!(self.it.stage, Stage::Deciding { .. }))?;
        let (name, prompt) = parse::edit(text)?;
        let known = proposal.content.children().iter().any(|child| child.name.trim().eq_ignore_ascii_case(name));
        known.then_some((proposal.version, (name, prompt)))
    }

    /// What is wrong with a reply that was surely meant to edit a child of the standing proposal: as words for
    /// the agent it would have all proposed anew.
    fn edit_amiss(&self, text: &str) -> Option<String> {
        let proposal = self.it.proposal.as_ref().filter(|_| matches!(self.it.stage, Stage::Deciding { .. }))?;
        let names: Vec<&str> = proposal.content.children().iter().map(|child| child.name.trim()).collect();
        let meant = parse::nearly_edit(text).filter(|_| !names.is_empty())?;
        let first = meant.split_whitespace().next()?;
        let is_one_word = meant.len() == first.len();
        match names.iter().find(|name| name.eq_ignore_ascii_case(first)) {
            Some(name) => Some(format!(
                "To edit that prompt, put a colon and the whole new prompt after the name: `edit {name}: …`."
            )),
            None if is_one_word && text.contains(':') => Some(format!(
                "There is no child “{}”. There are: {}.",
                shorten(meant, 60),
                shorten(&names.join(", "), 600)
            )),
            None => None,
        }
    }

    fn reply_to_parent(&mut self, said: String, words: &str, message: String) {
        let started = self.it.parent.as_ref().is_some_and(|parent| parent.run.is_some());
        // Nothing starts before the board is up.
        let on_its_way = self.it.parent.is_some() || !self.it.posts.contains_key(&PostKey::board());
        let on_its_way = on_its_way && !self.it.is_ended();
        let mode = match self.it.stage {
            Stage::Running | Stage::Summarising { .. } => Mode::Normal,
            _ => self.it.request.verb.mode(),
        };
        let visible = self.it.posts.contains_key(&PostKey::board());
        if self.it.is_ended() {
            self.it.stage = Stage::Planning { asked: if visible { Asked::Again } else { Asked::First } };
            if !visible {
                self.act(Effect::PostBoard { answer: AnswerPath::default() });
            }
        }
        if started || on_its_way || !visible || matches!(self.it.stage, Stage::Gathering) {
            self.send(Slot::Parent, said, mode, Purpose::Reply, Some(message));
            return;
        }
        // There is no parent yet, or its start failed: a new one hears the request and these words.
        let prompt = if self.it.request.ask.each.is_empty() {
            format!("{}\n\n{said}", prompt::opening(self.it))
        } else {
            prompt::replan(self.it, words)
        };
        self.start_parent(mode, prompt);
        self.act(Effect::React { message, reaction: Reaction::Taken });
    }

    /// Words that have not been sent yet are corrected where they wait.
    fn correct_waiting(&mut self, actor: &Actor, text: &str, message: &str) -> bool {
        let words = shorten(parse::addressee(self.it, text).1, LONGEST);
        let said = prompt::reply(&who(actor), &words, false);
        match self.it.waiting.iter_mut().find(|waiting| waiting.message.as_deref() == Some(message)) {
            Some(waiting) => {
                waiting.text = said;
                true
            }
            None => false,
        }
    }
}

/// A person's name for an agent.
pub(super) fn who(actor: &Actor) -> String {
    actor.name.clone().unwrap_or_else(|| "Somebody in the conversation".into())
}
