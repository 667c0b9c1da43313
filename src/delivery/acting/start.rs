//! Starting an orchestration: by a command, a message, a form, a session or a label.

use super::{Acting, Origin, Result};
use crate::{
    delivery::admit::{self, Started},
    domain::{
        actor::Platform,
        command::{Ask, Verb},
        conversation::Conversation,
        decide::Opening,
        issue::Issue,
        orchestration::Request,
    },
    ids::OrchestrationId,
    storage::orchestrations,
};

impl Acting<'_> {
    pub(super) async fn start(&mut self, from: Origin, wanted: Wanted) -> Result<&'static str> {
        let Wanted { verb, ask, message, gather, background, delegated, issue } = wanted;
        let Origin { actor, mut conversation, answer } = from.clone();
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

    /// Labels were put on an issue: a route may want an orchestration for one of them.
    pub(super) async fn labelled(&mut self, from: Origin, added: &[String], issue: Issue) -> Result<&'static str> {
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
}

/// A start, with all that is known of it.
pub(super) struct Wanted {
    pub verb: Verb,
    pub ask: Ask,
    /// The message that it came as.
    pub message: Option<String>,
    /// What was said in the thread before is context.
    pub gather: bool,
    pub background: Option<String>,
    pub delegated: bool,
    pub issue: Option<Issue>,
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
    pub fn by_message(verb: Verb, ask: Ask, message: String) -> Self {
        Self { verb, ask, message: Some(message), ..Self::default() }
    }
}
