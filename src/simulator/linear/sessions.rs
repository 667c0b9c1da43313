//! What happens to agent sessions: how they begin, what an activity does to them, and what Linear
//! makes of silence. <https://linear.app/developers/agent-interaction#session-lifecycle>

use std::time::Duration;

use serde_json::Value;

use super::{
    APP_USER, hooks,
    world::{Activity, Author, Content, STUB, Session, Status, World},
};

/// An app that has not been heard of for so long after the beginning did not respond.
const PATIENCE: Duration = Duration::from_secs(10);
/// A session in which nothing is heard of the app for so long is stale.
const SILENCE: Duration = Duration::from_mins(30);

/// Where a session begins.
#[derive(Clone, Debug, Default)]
pub struct Beginning {
    pub issue: Option<String>,
    pub document: Option<String>,
    /// The root of its thread; Linear writes one of its own without it.
    pub comment: Option<String>,
    pub source_comment: Option<String>,
    pub creator: Option<String>,
    /// The app began it itself.
    pub by_app: bool,
}

/// What an app or a person adds to a session; the rest follows from it.
#[derive(Clone, Debug)]
pub struct Said {
    pub id: Option<String>,
    pub session: String,
    pub user: String,
    pub content: Content,
    pub ephemeral: bool,
    pub signal: Option<String>,
    pub signal_metadata: Value,
    pub source_comment: Option<String>,
}

impl World {
    /// Begins a session and tells the app; gives its id.
    pub fn begin_session(&mut self, beginning: Beginning) -> String {
        let comment = beginning.comment.clone().unwrap_or_else(|| self.write_stub(&beginning));
        let (id, at) = (self.mint(), self.moment());
        self.sessions.push(Session {
            id: id.clone(),
            issue: beginning.issue,
            document: beginning.document,
            comment,
            source_comment: beginning.source_comment,
            creator: beginning.creator.filter(|_| !self.knobs.creator_null),
            status: Status::Pending,
            plan: Value::Null,
            links: Vec::new(),
            summary: None,
            created_at: at,
            updated_at: at,
            started_at: None,
            ended_at: None,
            acknowledged: false,
            unresponsive: false,
            heard_at: at,
            stopping: false,
        });
        if !beginning.by_app || self.knobs.announce_own_sessions {
            hooks::session_created(self, &id);
        }
        id
    }

    /// What a comment that is addressed to the app does: it goes on in the thread's session, or
    /// begins one. Gives the session.
    pub fn mentioned(&mut self, comment: &str) -> Option<String> {
        let found = self.comment(comment)?.clone();
        let author = found.author.user()?.to_owned();
        let by_app = author == APP_USER;
        if by_app {
            self.object(format!("Baton mentions itself, which begins a session with itself: {}", found.body));
        } else if let Some(session) = self.session_of_thread(comment).map(|session| session.id.clone()) {
            self.prompt(&session, &author, &found.body, None, Some(found.id));
            return Some(session);
        }
        if !self.mentions_app(&found.body) {
            return None;
        }
        let child = found.parent.is_some();
        Some(self.begin_session(Beginning {
            issue: found.issue,
            document: found.document,
            comment: Some(found.parent.unwrap_or_else(|| found.id.clone())),
            source_comment: child.then_some(found.id),
            creator: Some(author),
            by_app: false,
        }))
    }

    /// A person says something to the app; gives the activity's id.
    pub fn prompt(
        &mut self,
        session: &str,
        user: &str,
        body: &str,
        signal: Option<&str>,
        source_comment: Option<String>,
    ) -> String {
        let id = self.add_activity(Said {
            id: None,
            session: session.to_owned(),
            user: user.to_owned(),
            content: Content::Prompt { body: body.to_owned() },
            ephemeral: false,
            signal: signal.map(str::to_owned),
            signal_metadata: Value::Null,
            source_comment,
        });
        hooks::session_prompted(self, &id);
        id
    }

    /// Adds an activity with all that follows from it; gives its id.
    pub fn add_activity(&mut self, said: Said) -> String {
        let by_app = said.user == APP_USER;
        if by_app {
            self.look_at_habits(&said);
        }
        for earlier in self.activities.iter_mut().filter(|earlier| earlier.session == said.session) {
            earlier.replaced |= earlier.ephemeral;
        }
        let id = said.id.unwrap_or_else(|| self.mint());
        let at = self.moment();
        let activity = Activity {
            id: id.clone(),
            session: said.session,
            user: said.user,
            content: said.content,
            ephemeral: said.ephemeral,
            replaced: false,
            signal: said.signal,
            signal_metadata: said.signal_metadata,
            source_comment: said.source_comment,
            created_at: at,
        };
        self.settle_status(&activity);
        if by_app && activity.content.is_said_aloud() {
            self.say_aloud(&activity);
        }
        self.activities.push(activity);
        id
    }

    /// The app has been heard of.
    pub fn heard(&mut self, session: &str) {
        let at = self.moment();
        if let Some(session) = self.session_mut(session) {
            session.acknowledged = true;
            session.heard_at = at;
            session.updated_at = at;
        }
    }

    /// Marks what the present moment says of sessions whose app is silent.
    pub fn advance(&mut self) {
        let now = self.clock.now();
        for session in &mut self.sessions {
            if !session.acknowledged && now.since(session.created_at) > PATIENCE {
                session.unresponsive = true;
            }
            let waits_for_app = matches!(session.status, Status::Pending | Status::Active | Status::Stopping);
            if waits_for_app && now.since(session.heard_at) > SILENCE {
                session.status = Status::Stale;
            }
        }
    }

    /// The state follows from the last activity. <https://linear.app/developers/agent-interaction>
    fn settle_status(&mut self, activity: &Activity) {
        let at = activity.created_at;
        let stops = activity.signal.as_deref() == Some("stop");
        let Some(session) = self.session_mut(&activity.session) else { return };
        session.updated_at = at;
        session.heard_at = at;
        session.acknowledged |= activity.user == APP_USER;
        session.status = match activity.content {
            Content::Prompt { .. } if stops => Status::Stopping,
            Content::Thought { .. } | Content::Action { .. } | Content::Prompt { .. } => Status::Active,
            Content::Elicitation { .. } => Status::AwaitingInput,
            Content::Response { .. } => Status::Complete,
            Content::Error { .. } => Status::Error,
        };
        let over = matches!(session.status, Status::Complete | Status::Error);
        session.ended_at = over.then_some(at);
        session.started_at = session.started_at.or(Some(at));
        session.stopping = match activity.content {
            Content::Prompt { .. } => stops,
            Content::Response { .. } | Content::Error { .. } => false,
            Content::Thought { .. } | Content::Action { .. } | Content::Elicitation { .. } => session.stopping,
        };
    }

    /// Elicitations, responses and errors are comments of the thread as well.
    fn say_aloud(&mut self, activity: &Activity) {
        let (Some(session), Some(body)) = (self.session(&activity.session).cloned(), activity.content.body()) else {
            return;
        };
        let mut comment = self.new_comment(Author::User(APP_USER.to_owned()), body);
        comment.issue = session.issue;
        comment.document = session.document;
        comment.parent = Some(session.comment);
        comment.activity = Some(activity.id.clone());
        let id = self.create_comment(comment);
        if self.mentions_app(body) {
            self.mentioned(&id);
        }
    }

    fn write_stub(&mut self, beginning: &Beginning) -> String {
        let mut stub = self.new_comment(Author::Linear, STUB);
        stub.issue.clone_from(&beginning.issue);
        stub.document.clone_from(&beginning.document);
        self.create_comment(stub)
    }

    /// What Linear lets pass and people do not.
    fn look_at_habits(&mut self, said: &Said) {
        let stopping = self.session(&said.session).is_some_and(|session| session.stopping);
        let ends = matches!(said.content, Content::Response { .. } | Content::Error { .. });
        if stopping && !ends {
            self.object(format!("{} after a stop: {}", said.content.kind(), shown(&said.content)));
        }
        let since_prompt = self
            .activities
            .iter()
            .rev()
            .filter(|activity| activity.session == said.session)
            .take_while(|activity| activity.user == APP_USER);
        let mut alike = since_prompt.filter(|activity| !activity.ephemeral && activity.content == said.content);
        if !said.ephemeral && said.content.is_said_aloud() && alike.next().is_some() {
            self.object(format!("said twice: {}", shown(&said.content)));
        }
    }
}

fn shown(content: &Content) -> String {
    let text = match content {
        Content::Action { action, parameter, .. } => format!("{action} {parameter}"),
        Content::Thought { .. }
        | Content::Elicitation { .. }
        | Content::Response { .. }
        | Content::Error { .. }
        | Content::Prompt { .. } => content.body().unwrap_or_default().to_owned(),
    };
    text.lines().next().unwrap_or_default().to_owned()
}
