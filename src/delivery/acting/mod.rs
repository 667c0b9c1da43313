//! What a person did, on its way to an orchestration: which one it is about, or that it starts one.
//! Called by the inbox worker, in its transaction.

mod commands;
mod session;
mod start;

use std::time::Duration;

use super::{
    Core, Result,
    apply::{apply, send_alone},
};
use crate::{
    domain::{
        actor::{Actor, Platform},
        command::{Ask, Command, Verb},
        conversation::Conversation,
        effect::{Effect, MIRROR},
        input::{Act, AnswerPath, Deed, Input, Session},
        message::{About, Filled, Message},
        parse,
        words::answers,
    },
    ids::{InputId, OrchestrationId},
    storage::{Tx, conversations, orchestrations},
    time::Timestamp,
};

pub(super) use session::{opens_session, stopped_key};
use start::Wanted;

/// Platforms tell within seconds, or again after a minute.
const LATE: Duration = Duration::from_secs(30);

/// One act of a person on its way to an orchestration.
pub(super) struct Acting<'a> {
    pub core: &'a Core,
    pub tx: &'a mut Tx,
    pub cause: InputId,
    pub now: Timestamp,
    /// When it was done, as far as the platform says.
    pub at: Option<Timestamp>,
}

impl Acting<'_> {
    pub async fn act(mut self, act: Act) -> Result<&'static str> {
        let here = self.orchestration_of(&act.conversation).await?;
        let Act { actor, conversation, deed, answer, at } = act;
        let from = Origin { actor, conversation, answer };
        self.at = at;
        if let Some(id) = &here
            && is_words(&deed)
            && self.was_stopped_since(id).await?
        {
            return Ok("said before the stop, and told after it");
        }
        match (deed, here) {
            (Deed::Slash { verb, text }, _) => self.command(from, parse::slash(verb, &text), None).await,
            (Deed::Mention { text, message } | Deed::Direct { text, message }, Some(id)) => {
                let message = self.heard_as(&from, &id, message).await?;
                match parse::mention(&text) {
                    // Not about what stands here.
                    Some(command @ (Command::List | Command::Status(Some(_)) | Command::Stop(Some(_)))) => {
                        self.command(from, command, None).await
                    }
                    Some(command) => self.input(&id, asked(&from, command, Some(message))).await,
                    None => self.input(&id, reply(from, text, message, false)).await,
                }
            }
            (Deed::Mention { text, message } | Deed::Direct { text, message }, None) => {
                let command = parse::mention(&text).unwrap_or_else(|| parse::start(Verb::Orchestrate, &text));
                self.command(from, command, Some(message)).await
            }
            // Nothing can be pressed there: what is said may be a decision.
            (Deed::Remark { text, message }, Some(id)) if from.conversation.platform == Platform::Linear => {
                self.input(&id, Input::Prompted { actor: from.actor, text, message }).await
            }
            (Deed::Prompt { text, message, .. }, Some(id)) => {
                self.input(&id, Input::Prompted { actor: from.actor, text, message }).await
            }
            (Deed::Remark { text, message }, Some(id)) => {
                let message = self.heard_as(&from, &id, message).await?;
                self.input(&id, reply(from, text, message, false)).await
            }
            (Deed::Correction { text, message }, Some(id)) => {
                let message = self.heard_as(&from, &id, message).await?;
                self.input(&id, reply(from, text, message, true)).await
            }
            (Deed::Remark { .. } | Deed::Correction { .. }, None) => Ok("not about an orchestration"),
            (Deed::Shortcut { .. }, Some(_)) => {
                self.tell(&from, answers::warning("This thread already has an orchestration. Reply in it to go on."))
                    .await
            }
            (Deed::Shortcut { text, message }, None) => {
                let ask = Ask { task: text, ..Ask::default() };
                self.start(from, Wanted::by_message(Verb::Orchestrate, ask, message)).await
            }
            (Deed::Pressed { press, about, .. }, _) => {
                let orchestration = about.orchestration.clone();
                let input = Input::Pressed { actor: from.actor.clone(), press, about, answer: from.answer.clone() };
                self.input_from(&orchestration, &from, input).await
            }
            (Deed::Submitted(filled), _) => self.submitted(from, filled).await,
            (Deed::StopControl, Some(id)) => self.input(&id, asked(&from, Command::Stop(None), None)).await,
            (Deed::StopControl, None) => self.stop_unknown(from).await,
            (Deed::Session(session), here) => Box::pin(self.session(from, *session, here)).await,
            // The session's beginning has not reached us: this is all that we know of it.
            (Deed::Prompt { text, message, issue }, None) => {
                let known = self.issue_of(&from.conversation).await?;
                let session = Session {
                    text,
                    message: Some(message),
                    root: None,
                    background: None,
                    delegated: false,
                    issue: known.or(issue.map(|issue| *issue)),
                };
                Box::pin(self.session(from, session, None)).await
            }
            (Deed::Labelled { added, issue }, _) => self.labelled(from, &added, *issue).await,
        }
    }

    /// The id of a person's message, marked when it is not in the orchestration's own conversation.
    async fn heard_as(&mut self, from: &Origin, id: &OrchestrationId, message: String) -> Result<String> {
        let loaded = orchestrations::load(self.tx, id).await?;
        let elsewhere = loaded.is_some_and(|loaded| {
            let home = &loaded.orchestration.conversation;
            home.thread.is_some() && home.platform != from.conversation.platform
        });
        Ok(if elsewhere { format!("{MIRROR}{message}") } else { message })
    }

    /// What was said late was said before somebody stopped it.
    async fn was_stopped_since(&mut self, id: &OrchestrationId) -> Result<bool> {
        let Some(at) = self.at.filter(|at| self.now.since(*at) > LATE) else { return Ok(false) };
        let loaded = orchestrations::load(self.tx, id).await?;
        Ok(loaded.is_some_and(|loaded| loaded.orchestration.was_stopped_after(at)))
    }

    async fn orchestration_of(&mut self, conversation: &Conversation) -> Result<Option<OrchestrationId>> {
        match conversation.key() {
            Some(key) => Ok(conversations::find(self.tx, &key).await?),
            None => Ok(None),
        }
    }

    async fn submitted(&mut self, from: Origin, filled: Filled) -> Result<&'static str> {
        match filled {
            Filled::Start { place, verb, text, settings } => {
                let conversation = Conversation { place, thread: None, ..from.conversation.clone() };
                let from = Origin { conversation, ..from };
                match parse::ask(&text) {
                    Ok(ask) => {
                        let ask = Ask { settings: ask.settings.over(&settings), ..ask };
                        self.start(from, Wanted { verb, ask, ..Wanted::default() }).await
                    }
                    Err(sentence) => self.tell(&from, answers::warning(sentence)).await,
                }
            }
            Filled::RequestChanges { ref about, .. }
            | Filled::Reject { ref about, .. }
            | Filled::Edit { ref about, .. } => {
                let Some(about) = About::parse(about) else { return Ok("not one of our forms") };
                let input =
                    Input::Submitted { actor: from.actor.clone(), filled: filled.clone(), answer: from.answer.clone() };
                self.input_from(&about.orchestration, &from, input).await
            }
        }
    }

    /// A press or a form names its orchestration: it has to be one of the same workspace.
    async fn input_from(&mut self, id: &OrchestrationId, from: &Origin, input: Input) -> Result<&'static str> {
        if self.is_ours(from, id.as_str()).await? {
            self.input(id, input).await
        } else {
            Ok("not about an orchestration")
        }
    }

    async fn is_ours(&mut self, from: &Origin, id: &str) -> Result<bool> {
        let loaded = orchestrations::load(self.tx, &OrchestrationId::new(id)).await?;
        Ok(loaded.is_some_and(|loaded| {
            let (home, mirror) = (&loaded.orchestration.conversation, &loaded.orchestration.mirror);
            std::iter::once(home).chain(mirror).any(|theirs| {
                theirs.platform == from.conversation.platform && theirs.workspace == from.conversation.workspace
            })
        }))
    }

    async fn input(&mut self, id: &OrchestrationId, input: Input) -> Result<&'static str> {
        let applied = Box::pin(apply(self.tx, id, input, &self.cause, self.now)).await?;
        Ok(if applied { "decided" } else { "not about an orchestration" })
    }

    async fn tell(&mut self, from: &Origin, message: Message) -> Result<&'static str> {
        let effect = Effect::SayPrivately { to: from.actor.clone(), message, answer: from.answer.clone() };
        self.alone(from, effect).await
    }

    async fn alone(&mut self, from: &Origin, effect: Effect) -> Result<&'static str> {
        send_alone(self.tx, &from.conversation, effect, &self.cause, self.now).await?;
        Ok("answered")
    }
}

/// Words, which count only when they were said after the last stop.
const fn is_words(deed: &Deed) -> bool {
    matches!(
        deed,
        Deed::Mention { .. } | Deed::Direct { .. } | Deed::Remark { .. } | Deed::Prompt { .. } | Deed::Session(_)
    )
}

/// Who did something, where, and how they can be answered.
#[derive(Clone)]
struct Origin {
    actor: Actor,
    conversation: Conversation,
    answer: AnswerPath,
}

fn asked(from: &Origin, command: Command, message: Option<String>) -> Input {
    Input::Asked { actor: from.actor.clone(), command, message, answer: from.answer.clone() }
}

fn reply(from: Origin, text: String, message: String, correction: bool) -> Input {
    Input::Reply { actor: from.actor, text, message, correction }
}
