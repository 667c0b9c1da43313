//! The inbox worker: finds out which orchestration an event is about and has it decided, in one
//! transaction with marking the event as decided.

use std::{sync::Arc, time::Duration};

use super::{
    Core, Result,
    apply::{apply, insert, send_alone},
    work::{Round, caught},
};
use crate::{
    domain::{
        command::{Ask, Command, Verb},
        conversation::Conversation,
        decide::{self, Opening},
        effect::Effect,
        input::{Act, AnswerPath, Deed, Event, Input},
        message::{About, Filled, Form, Message},
        orchestration::Request,
        parse,
        words::answers,
    },
    ids::{InputId, OrchestrationId},
    slack,
    storage::{
        Tx, conversations,
        inbox::{self, TakenEvent},
        orchestrations,
    },
    time::Timestamp,
};

const BATCH: u32 = 64;
/// An event that cannot be decided is put back so often, then parked.
const MOST_ATTEMPTS: u32 = 5;
/// A list in a chat shows so many.
const LISTED: u32 = 15;

#[derive(Debug)]
pub struct Inbox {
    core: Arc<Core>,
}

impl Inbox {
    pub(super) const fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Decides a batch of events.
    pub async fn run_once(&self) -> Result<Round> {
        let Some(us) = self.core.slack_identity().await? else {
            return Ok(Round { did: 0, next: None });
        };
        let now = self.core.clock.now();
        let mut tx = self.core.store.begin("decide on events").await?;
        let events = inbox::take(&mut tx, now, BATCH).await?;
        if events.is_empty() {
            tx.rollback().await?;
            return Ok(Round { did: 0, next: inbox::next_due(&self.core.store).await? });
        }
        let mut skipped: Vec<String> = Vec::new();
        for event in &events {
            if skipped.contains(&event.lane) {
                continue;
            }
            tx.savepoint().await?;
            match caught(self.decide(&mut tx, event, us, now)).await {
                Ok(result) => {
                    tx.release().await?;
                    inbox::done(&mut tx, event.seq, now).await?;
                    tracing::info!(event.id = %event.id, source = %event.source, kind = %event.kind, result, "event decided");
                }
                // The whole batch is tried again.
                Err(error) if error.is_passing() => return Err(error),
                Err(error) => {
                    tx.rollback_to_savepoint().await?;
                    tracing::error!(event.id = %event.id, %error, "event could not be decided");
                    skipped.push(event.lane.clone());
                    if event.attempts + 1 >= MOST_ATTEMPTS {
                        inbox::park(&mut tx, event.seq, now, "undecidable").await?;
                    } else {
                        let wait = Duration::from_secs(2 << event.attempts.min(8));
                        inbox::put_back(&mut tx, event.seq, now + wait, "undecidable").await?;
                    }
                }
            }
        }
        tx.commit().await?;
        let next = inbox::next_due(&self.core.store).await?;
        Ok(Round { did: events.len(), next })
    }

    /// Returns a word for logs and metrics.
    async fn decide(
        &self,
        tx: &mut Tx,
        event: &TakenEvent,
        us: &slack::inbound::Identity,
        now: Timestamp,
    ) -> Result<&'static str> {
        match slack::inbound::read(&event.kind, &event.body, us) {
            Event::Ignored(why) => Ok(why),
            Event::Uninstalled { .. } => {
                tracing::warn!("Baton was removed from the Slack workspace, or its token was revoked");
                Ok("uninstalled")
            }
            Event::Act(act) => {
                Acting { core: &self.core, tx, cause: InputId::new(format!("event:{}", event.id)), now }.act(*act).await
            }
        }
    }
}

/// One act of a person on its way to an orchestration.
struct Acting<'a> {
    core: &'a Core,
    tx: &'a mut Tx,
    cause: InputId,
    now: Timestamp,
}

impl Acting<'_> {
    async fn act(mut self, act: Act) -> Result<&'static str> {
        let here = self.orchestration_of(&act.conversation).await?;
        let Act { actor, conversation, deed, answer } = act;
        let from = From { actor, conversation, answer };
        match (deed, here) {
            (Deed::Slash { verb, text }, _) => self.command(from, parse::slash(verb, &text), None).await,
            (Deed::Mention { text, message } | Deed::Direct { text, message }, Some(id)) => {
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
            (Deed::Remark { text, message }, Some(id)) => self.input(&id, reply(from, text, message, false)).await,
            (Deed::Correction { text, message }, Some(id)) => self.input(&id, reply(from, text, message, true)).await,
            (Deed::Remark { .. } | Deed::Correction { .. } | Deed::StopControl, None) => {
                Ok("not about an orchestration")
            }
            (Deed::Shortcut { .. }, Some(_)) => {
                self.tell(&from, answers::warning("This thread already has an orchestration. Reply in it to go on."))
                    .await
            }
            (Deed::Shortcut { text, message }, None) => {
                let ask = Ask { task: text, ..Ask::default() };
                self.start(from, Verb::Orchestrate, ask, Some(message), false).await
            }
            (Deed::Pressed { press, about, .. }, _) => {
                let About { orchestration, .. } = about.clone();
                let input = Input::Pressed { actor: from.actor.clone(), press, about, answer: from.answer.clone() };
                self.input_from(&orchestration, &from, input).await
            }
            (Deed::Submitted(filled), _) => self.submitted(from, filled).await,
            (Deed::StopControl, Some(id)) => self.input(&id, asked(&from, Command::Stop(None), None)).await,
        }
    }

    async fn orchestration_of(&mut self, conversation: &Conversation) -> Result<Option<OrchestrationId>> {
        match conversation.key() {
            Some(key) => Ok(conversations::find(self.tx, &key).await?),
            None => Ok(None),
        }
    }

    async fn command(&mut self, from: From, command: Command, message: Option<String>) -> Result<&'static str> {
        match command {
            Command::Start(verb, ask) => self.start(from, verb, ask, message, true).await,
            Command::Blank(verb) => {
                let form = Form::Start { place: from.conversation.place.clone(), verb };
                let effect = Effect::OpenForm { form, answer: from.answer.clone(), to: from.actor.clone() };
                self.alone(&from, effect).await
            }
            Command::Help => self.tell(&from, answers::help()).await,
            Command::Wrong(sentence) => self.tell(&from, answers::warning(sentence)).await,
            Command::List => {
                let filter = orchestrations::Filter {
                    workspace: Some(from.conversation.workspace.clone()),
                    place: None,
                    open_only: false,
                    limit: LISTED,
                };
                let list = orchestrations::list(&self.core.store, &filter).await?;
                self.tell(&from, answers::listed(&list.iter().map(line).collect::<Vec<_>>())).await
            }
            Command::Status(Some(id)) | Command::Stop(Some(id)) if !self.is_ours(&from, &id).await? => {
                self.tell(&from, answers::warning(format!("There is no orchestration {id} in this workspace."))).await
            }
            Command::Status(Some(id)) => {
                self.input(&OrchestrationId::new(id), asked(&from, Command::Status(None), None)).await
            }
            Command::Stop(Some(id)) => {
                self.input(&OrchestrationId::new(id), asked(&from, Command::Stop(None), None)).await
            }
            Command::Status(None) => {
                let open = orchestrations::open_in(self.tx, &from.conversation.place_key()).await?;
                match open.as_slice() {
                    [] => self.tell(&from, Message::line("Nothing is under way in this channel.")).await,
                    [one] => self.input(&one.id, asked(&from, Command::Status(None), None)).await,
                    many => self.tell(&from, answers::listed(&many.iter().map(line).collect::<Vec<_>>())).await,
                }
            }
            Command::Stop(None) => {
                let open = orchestrations::open_in(self.tx, &from.conversation.place_key()).await?;
                match open.as_slice() {
                    [] => self.tell(&from, answers::warning("Nothing is under way in this channel.")).await,
                    [one] => self.input(&one.id, asked(&from, Command::Stop(None), None)).await,
                    many => {
                        let ids: Vec<_> = many.iter().map(|one| (one.id.to_string(), one.task.clone())).collect();
                        self.tell(&from, answers::which(&ids)).await
                    }
                }
            }
            Command::Show { .. } | Command::Retry(_) | Command::Why | Command::Approve { .. } => {
                self.tell(
                    &from,
                    answers::warning("There is no orchestration in this thread. Say that in the thread of one."),
                )
                .await
            }
        }
    }

    async fn start(
        &mut self,
        from: From,
        verb: Verb,
        ask: Ask,
        message: Option<String>,
        gather: bool,
    ) -> Result<&'static str> {
        let From { actor, mut conversation, answer } = from.clone();
        let gather = gather && conversation.thread.is_some() && conversation.thread != message;
        if conversation.thread.is_none() {
            conversation.thread.clone_from(&message);
        }
        // The same message, however it reaches us, starts one orchestration.
        let cause = match &message {
            Some(message) => format!("{}:{message}", conversation.place_key()),
            None => self.cause.to_string(),
        };
        let opening = Opening {
            id: OrchestrationId::caused_by(&cause),
            terms: self.core.routes.terms(&conversation),
            conversation,
            request: Request { verb, ask, by: actor, at: self.now, message, context: Vec::new() },
            answer,
            gather,
        };
        match decide::open(opening, self.now) {
            Ok((orchestration, decision)) => {
                let new = insert(self.tx, &orchestration, decision, &self.cause, self.now).await?;
                Ok(if new { "started" } else { "known" })
            }
            Err(refusal) => self.tell(&from, refusal).await,
        }
    }

    async fn submitted(&mut self, from: From, filled: Filled) -> Result<&'static str> {
        match filled {
            Filled::Start { place, verb, text, settings } => {
                let conversation = Conversation { place, thread: None, ..from.conversation.clone() };
                let from = From { conversation, ..from };
                match parse::ask(&text) {
                    Ok(ask) => {
                        let ask = Ask { settings: ask.settings.over(&settings), ..ask };
                        self.start(from, verb, ask, None, false).await
                    }
                    Err(sentence) => self.tell(&from, answers::warning(sentence)).await,
                }
            }
            Filled::RequestChanges { ref about, .. } | Filled::Reject { ref about, .. } => {
                let Some(about) = About::parse(about) else { return Ok("not one of our forms") };
                let input =
                    Input::Submitted { actor: from.actor.clone(), filled: filled.clone(), answer: from.answer.clone() };
                self.input_from(&about.orchestration, &from, input).await
            }
        }
    }

    /// A press or a form names its orchestration: it has to be one of the same workspace.
    async fn input_from(&mut self, id: &OrchestrationId, from: &From, input: Input) -> Result<&'static str> {
        if self.is_ours(from, id.as_str()).await? {
            self.input(id, input).await
        } else {
            Ok("not about an orchestration")
        }
    }

    async fn is_ours(&mut self, from: &From, id: &str) -> Result<bool> {
        let loaded = orchestrations::load(self.tx, &OrchestrationId::new(id)).await?;
        Ok(loaded.is_some_and(|loaded| {
            let theirs = &loaded.orchestration.conversation;
            theirs.platform == from.conversation.platform && theirs.workspace == from.conversation.workspace
        }))
    }

    async fn input(&mut self, id: &OrchestrationId, input: Input) -> Result<&'static str> {
        let applied = apply(self.tx, id, input, &self.cause, self.now).await?;
        Ok(if applied { "decided" } else { "not about an orchestration" })
    }

    async fn tell(&mut self, from: &From, message: Message) -> Result<&'static str> {
        let effect = Effect::SayPrivately { to: from.actor.clone(), message, answer: from.answer.clone() };
        self.alone(from, effect).await
    }

    async fn alone(&mut self, from: &From, effect: Effect) -> Result<&'static str> {
        send_alone(self.tx, &from.conversation, effect, &self.cause, self.now).await?;
        Ok("answered")
    }
}

/// Who did something, where, and how they can be answered.
#[derive(Clone)]
struct From {
    actor: crate::domain::actor::Actor,
    conversation: Conversation,
    answer: AnswerPath,
}

fn asked(from: &From, command: Command, message: Option<String>) -> Input {
    Input::Asked { actor: from.actor.clone(), command, message, answer: from.answer.clone() }
}

fn reply(from: From, text: String, message: String, correction: bool) -> Input {
    Input::Reply { actor: from.actor, text, message, correction }
}

fn line(summary: &orchestrations::Summary) -> (String, String, String) {
    (summary.id.to_string(), summary.stage.clone(), summary.task.clone())
}
