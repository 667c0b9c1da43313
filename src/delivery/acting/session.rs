//! Agent sessions: one begins, or something is said or stopped in one that nobody here knows yet.

use super::{Acting, Origin, Result, asked, reply, start::Wanted};
use crate::{
    domain::{
        command::{Ask, Command},
        conversation::Conversation,
        input::{AnswerPath, Session},
        issue::Issue,
        message::Message,
        parse,
        words::answers,
    },
    ids::OrchestrationId,
    storage::{Tx, conversations, kept, orchestrations},
    time::Timestamp,
};

/// More orchestrations than this at once on one issue are a loop, or a mistake.
const MOST_ON_AN_ISSUE: usize = 3;

impl Acting<'_> {
    /// An agent session begins, or what we know already is told once more.
    pub(super) async fn session(
        &mut self,
        from: Origin,
        session: Session,
        here: Option<OrchestrationId>,
    ) -> Result<&'static str> {
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
                self.command(Origin { answer, ..from }, command, None).await
            }
        }
    }

    /// Whether this was done after a stop that was kept.
    fn is_after(&self, stop: &str) -> bool {
        let stop = stop.parse().map(Timestamp::from_millis);
        self.at.zip(stop.ok()).is_some_and(|(at, stop)| at > stop)
    }

    /// As it was told when the session began.
    pub(super) async fn issue_of(&mut self, session: &Conversation) -> Result<Option<Issue>> {
        let Some(key) = session.key() else { return Ok(None) };
        let kept = kept::get_in(self.tx, &issue_key(&key)).await?;
        Ok(kept.and_then(|json| serde_json::from_str(&json).ok()))
    }

    /// A session with nobody behind it may be one that we are just opening, or have opened since we
    /// looked: what is kept of it is looked up last.
    async fn is_our_own(&mut self, session: &Conversation) -> Result<bool> {
        Ok(opens_session(self.tx, session).await? || self.orchestration_of(session).await?.is_some())
    }

    async fn is_crowded(&mut self, conversation: &Conversation) -> Result<bool> {
        Ok(orchestrations::open_in(self.tx, &conversation.place_key()).await?.len() >= MOST_ON_AN_ISSUE)
    }

    /// Stop where nothing of ours is known: everything at that place or, in a session, whatever may
    /// yet be told of it.
    pub(super) async fn stop_unknown(&mut self, from: Origin) -> Result<&'static str> {
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
}

/// Whether an orchestration on that issue has no conversation yet: the session that we open for it is
/// told of by Linear as well, perhaps before the answer to its creation is kept.
pub(in crate::delivery) async fn opens_session(tx: &mut Tx, conversation: &Conversation) -> Result<bool> {
    for open in orchestrations::open_in(tx, &conversation.place_key()).await? {
        let loaded = orchestrations::load(tx, &open.id).await?;
        if loaded.is_some_and(|loaded| loaded.orchestration.conversation.thread.is_none()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Under which a stop is remembered that came before what it stops.
pub(in crate::delivery) fn stopped_key(conversation: &str) -> String {
    format!("{}{conversation}", kept::STOPPED)
}

/// Under which it is remembered which issue a session is on.
fn issue_key(conversation: &str) -> String {
    format!("{}{conversation}", kept::ISSUE)
}
