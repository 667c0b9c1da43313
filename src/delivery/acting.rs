//! What a person did, on its way to an orchestration: which one it is about, or that it starts one.
//! Called by the inbox worker, in its transaction.

use std::time::Duration;

use super::{
    Core, Result,
    admit::{self, Started},
    apply::{apply, send_alone},
};
use crate::{
    domain::{
        actor::{Actor, Platform},
        command::{Ask, Command, Verb},
        conversation::Conversation,
        decide::Opening,
        effect::{Effect, MIRROR},
        input::{Act, AnswerPath, Deed, Input, Session},
        issue::Issue,
        message::{About, Filled, Form, Message},
        orchestration::Request,
        parse,
        words::answers,
    },
    ids::{InputId, OrchestrationId},
    storage::{Tx, conversations, kept, orchestrations},
    time::Timestamp,
};

/// A list in a chat shows so many.
const LISTED: u32 = 15;
/// Platforms tell within seconds, or again after a minute.
const LATE: Duration = Duration::from_secs(30);
/// More orchestrations than this at once on one issue are a loop, or a mistake.
const MOST_ON_AN_ISSUE: usize = 3;

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
        let from = From { actor, conversation, answer };
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
                let About { orchestration, .. } = about.clone();
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
    async fn heard_as(&mut self, from: &From, id: &OrchestrationId, message: String) -> Result<String> {
        let loaded = orchestrations::load(self.tx, id).await?;
        let elsewhere = loaded.is_some_and(|loaded| {
            let home = &loaded.orchestration.conversation;
            home.thread.is_some() && home.platform != from.conversation.platform
        });
        Ok(if elsewhere { format!("{MIRROR}{message}") } else { message })
    }

    /// An agent session begins, or what we know already is told once more.
    async fn session(&mut self, from: From, session: Session, here: Option<OrchestrationId>) -> Result<&'static str> {
        // Whatever stands for the request is heard once.
        let message = session.message.clone().or_else(|| from.conversation.thread.clone()).unwrap_or_default();
        if !from.actor.is_person() && (here.is_some() || self.is_our_own(&from.conversation).await?) {
            return Ok("nobody says anything with it");
        }
        if let Some(id) = here {
            return self.input(&id, reply(from, session.text, message, false)).await;
        }
        if let Some(key) = from.conversation.key() {
            if let Some(stop) = kept::get_in(self.tx, &stopped_key(&key)).await? {
                if !self.is_after(&stop) {
                    return Ok("stopped before it began");
                }
                kept::forget(self.tx, &stopped_key(&key)).await?;
            }
            // Whatever becomes of this: what is said next in the session is under the same route.
            if let Some(issue) = &session.issue {
                kept::put(self.tx, &issue_key(&key), &serde_json::to_string(issue).unwrap_or_default(), self.now)
                    .await?;
            }
        }
        // Mentioned in the thread of an orchestration that has no session: what was said is heard there.
        if let Some(root) = &session.root {
            let thread = Conversation { thread: Some(format!("comment:{root}")), ..from.conversation.clone() };
            if let Some(id) = self.orchestration_of(&thread).await? {
                // So is what is said in it from now on.
                if let Some(key) = from.conversation.key() {
                    conversations::bind(self.tx, &key, &id).await?;
                }
                return self.tell(&from, answers::warning("This is heard in the thread, and answered there.")).await;
            }
        }
        if self.is_crowded(&from.conversation).await? {
            return self.tell(&from, answers::crowded()).await;
        }
        let (verb, text) = parse::leading_verb(&session.text);
        let command = match (session.delegated, parse::mention(text)) {
            (false, Some(command)) => command,
            (false, None) => parse::start(verb, text),
            // An issue is a task as it stands, whatever words it begins with.
            (true, _) => Command::Start(verb, Ask { task: text.to_owned(), ..Ask::default() }),
        };
        match command {
            Command::Start(verb, ask) => {
                let Session { background, delegated, issue, .. } = session;
                let background = background.or_else(|| issue.as_ref().map(Issue::in_words));
                let wanted = Wanted { background, delegated, issue, ..Wanted::by_message(verb, ask, message) };
                self.start(from, wanted).await
            }
            command => {
                // It is answered in the session, whatever it is about.
                let answer = AnswerPath { at: Some(from.conversation.clone()), ..from.answer.clone() };
                self.command(From { answer, ..from }, command, None).await
            }
        }
    }

    /// What was said late was said before somebody stopped it.
    async fn was_stopped_since(&mut self, id: &OrchestrationId) -> Result<bool> {
        let Some(at) = self.at.filter(|at| self.now.since(*at) > LATE) else { return Ok(false) };
        let loaded = orchestrations::load(self.tx, id).await?;
        Ok(loaded.is_some_and(|loaded| loaded.orchestration.was_stopped_after(at)))
    }

    /// Whether this was done after a stop that was kept.
    fn is_after(&self, stop: &str) -> bool {
        let stop = stop.parse().map(Timestamp::from_millis);
        self.at.zip(stop.ok()).is_some_and(|(at, stop)| at > stop)
    }

    /// As it was told when the session began.
    async fn issue_of(&mut self, session: &Conversation) -> Result<Option<Issue>> {
        let Some(key) = session.key() else { return Ok(None) };
        let kept = kept::get_in(self.tx, &issue_key(&key)).await?;
        Ok(kept.and_then(|json| serde_json::from_str(&json).ok()))
    }

    /// A session with nobody behind it may be one that we are just opening, or have opened since we
    /// looked: what is kept of it is looked up last.
    async fn is_our_own(&mut self, session: &Conversation) -> Result<bool> {
        Ok(opens_session(self.tx, session).await? || self.orchestration_of(session).await?.is_some())
    }

    /// Labels were put on an issue: a route may want an orchestration for one of them.
    async fn labelled(&mut self, from: From, added: &[String], issue: Issue) -> Result<&'static str> {
        if !self.core.routes.starts(&from.conversation, &issue, added) {
            return Ok("no route for that label");
        }
        let place = from.conversation.place_key();
        if !orchestrations::open_in(self.tx, &place).await?.is_empty() {
            return Ok("already under way on that issue");
        }
        // Linear tells what it could not tell at once an hour later: whoever asked again meanwhile has
        // what they wanted.
        if let Some(at) = self.at
            && orchestrations::asked_since(self.tx, &place, at).await?
        {
            return Ok("asked for again since then");
        }
        let task = match &issue.description {
            Some(description) => format!("{}\n\n{description}", issue.title),
            None => issue.title.clone(),
        };
        let ask = Ask { task, ..Ask::default() };
        let wanted = Wanted { verb: Verb::Orchestrate, ask, issue: Some(issue), ..Wanted::default() };
        self.start(from, wanted).await
    }

    async fn is_crowded(&mut self, conversation: &Conversation) -> Result<bool> {
        Ok(orchestrations::open_in(self.tx, &conversation.place_key()).await?.len() >= MOST_ON_AN_ISSUE)
    }

    /// Stop where nothing of ours is known: everything at that place or, in a session, whatever may
    /// yet be told of it.
    async fn stop_unknown(&mut self, from: From) -> Result<&'static str> {
        if let Some(key) = from.conversation.key() {
            if from.conversation.session().is_none() {
                return Ok("not about an orchestration");
            }
            let stop = self.at.unwrap_or(self.now).as_millis().to_string();
            kept::put(self.tx, &stopped_key(&key), &stop, self.now).await?;
            return self.tell(&from, Message::line("Nothing is under way here, and nothing will be started.")).await;
        }
        for open in orchestrations::open_in(self.tx, &from.conversation.place_key()).await? {
            self.input(&open.id, asked(&from, Command::Stop(None), None)).await?;
        }
        Ok("decided")
    }

    async fn orchestration_of(&mut self, conversation: &Conversation) -> Result<Option<OrchestrationId>> {
        match conversation.key() {
            Some(key) => Ok(conversations::find(self.tx, &key).await?),
            None => Ok(None),
        }
    }

    async fn command(&mut self, from: From, command: Command, message: Option<String>) -> Result<&'static str> {
        match command {
            Command::Start(verb, ask) => {
                self.start(from, Wanted { verb, ask, message, gather: true, ..Wanted::default() }).await
            }
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
                // Not everybody may read in every channel, and what is asked for in direct messages is nobody else's.
                let is_open = |one: &orchestrations::Summary| {
                    one.platform != Platform::Slack || one.place == from.conversation.place
                };
                let line = |one: &orchestrations::Summary| {
                    if is_open(one) {
                        line(one)
                    } else {
                        (one.id.to_string(), one.stage.clone(), "elsewhere".to_owned())
                    }
                };
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
                    [] => self.tell(&from, Message::line("Nothing is under way here.")).await,
                    [one] => self.input(&one.id, asked(&from, Command::Status(None), None)).await,
                    many => self.tell(&from, answers::listed(&many.iter().map(line).collect::<Vec<_>>())).await,
                }
            }
            Command::Stop(None) => {
                let open = orchestrations::open_in(self.tx, &from.conversation.place_key()).await?;
                match open.as_slice() {
                    [] => self.tell(&from, answers::warning("Nothing is under way here.")).await,
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

    async fn start(&mut self, from: From, wanted: Wanted) -> Result<&'static str> {
        let Wanted { verb, ask, message, gather, background, delegated, issue } = wanted;
        let From { actor, mut conversation, answer } = from.clone();
        let gather = gather && conversation.thread.is_some() && conversation.thread != message;
        if conversation.thread.is_none() {
            conversation.thread.clone_from(&message);
        }
        // The same message, however it reaches us, starts one orchestration; so does a session.
        let cause = match (&message, conversation.session()) {
            (_, Some(_)) => conversation.key().unwrap_or_default(),
            (Some(message), None) => format!("{}:{message}", conversation.place_key()),
            (None, None) => self.cause.to_string(),
        };
        let terms = self.core.routes.terms(&conversation, issue.as_ref());
        let mirror = match (&terms.notify_slack_channel, conversation.platform) {
            (Some(channel), Platform::Linear) => self.slack_channel(channel).await?,
            _ => None,
        };
        let opening = Opening {
            id: OrchestrationId::caused_by(&cause),
            terms,
            conversation,
            request: Request { message, background, issue, ..Request::new(verb, ask, actor, self.now) },
            answer,
            gather,
            mirror,
            delegated,
        };
        match Box::pin(admit::start(self.tx, opening, &self.cause, self.now)).await? {
            Started::New => Ok("started"),
            Started::Known => Ok("known"),
            Started::Asked => Ok("asked"),
            Started::Refused(message) => self.tell(&from, message).await,
        }
    }

    /// A channel as routes name it: `C…` in our one workspace, or `T…/C…`.
    async fn slack_channel(&self, named: &str) -> Result<Option<Conversation>> {
        let (workspace, channel) = match named.split_once('/') {
            Some((workspace, channel)) => (Some(workspace.to_owned()), channel),
            None => (self.core.platforms.slack_workspace(&self.core.store).await?, named),
        };
        if workspace.is_none() {
            tracing::warn!(channel, "which workspace the channel is in is not known, and nobody is notified there");
        }
        Ok(workspace.map(|workspace| Conversation::slack(&workspace, channel.to_owned(), None)))
    }

    async fn submitted(&mut self, from: From, filled: Filled) -> Result<&'static str> {
        match filled {
            Filled::Start { place, verb, text, settings } => {
                let conversation = Conversation { place, thread: None, ..from.conversation.clone() };
                let from = From { conversation, ..from };
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

    async fn tell(&mut self, from: &From, message: Message) -> Result<&'static str> {
        let effect = Effect::SayPrivately { to: from.actor.clone(), message, answer: from.answer.clone() };
        self.alone(from, effect).await
    }

    async fn alone(&mut self, from: &From, effect: Effect) -> Result<&'static str> {
        send_alone(self.tx, &from.conversation, effect, &self.cause, self.now).await?;
        Ok("answered")
    }
}

/// A start, with all that is known of it.
struct Wanted {
    verb: Verb,
    ask: Ask,
    /// The message that it came as.
    message: Option<String>,
    /// What was said in the thread before is context.
    gather: bool,
    background: Option<String>,
    delegated: bool,
    issue: Option<Issue>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            verb: Verb::Orchestrate,
            ask: Ask::default(),
            message: None,
            gather: false,
            background: None,
            delegated: false,
            issue: None,
        }
    }
}

impl Wanted {
    fn by_message(verb: Verb, ask: Ask, message: String) -> Self {
        Self { verb, ask, message: Some(message), ..Self::default() }
    }
}

/// Whether an orchestration on that issue has no conversation yet: the session that we open for it is
/// told of by Linear as well, perhaps before the answer to its creation is kept.
pub(super) async fn opens_session(tx: &mut Tx, conversation: &Conversation) -> Result<bool> {
    for open in orchestrations::open_in(tx, &conversation.place_key()).await? {
        let loaded = orchestrations::load(tx, &open.id).await?;
        if loaded.is_some_and(|loaded| loaded.orchestration.conversation.thread.is_none()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Under which a stop is remembered that came before what it stops.
pub(super) fn stopped_key(conversation: &str) -> String {
    format!("{}{conversation}", kept::STOPPED)
}

/// Under which it is remembered which issue a session is on.
fn issue_key(conversation: &str) -> String {
    format!("{}{conversation}", kept::ISSUE)
}

/// They are passed on, or begin something.
const fn is_words(deed: &Deed) -> bool {
    matches!(
        deed,
        Deed::Mention { .. } | Deed::Direct { .. } | Deed::Remark { .. } | Deed::Prompt { .. } | Deed::Session(_)
    )
}

/// Who did something, where, and how they can be answered.
#[derive(Clone)]
struct From {
    actor: Actor,
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
