//! Carrying out errands in Linear: rows of an agent session, or comments where there is none; the
//! plan, links and the issue's card; files; taking an issue up.
//!
//! Everything that is created carries an id that derives from the delivery, so that sending it again
//! is harmless. Only a session's creation takes no id: it is looked for first. Linear makes comments of
//! responses, elicitations and errors by itself. Called by the outbox worker; what fails comes back as
//! a [`Failure`], and whether to try again is decided there.

use std::time::Duration;

use serde_json::json;

use super::{
    client::{Activity, Content, Kept, Linear},
    failure::SESSIONS_NOT_ENABLED,
    outline::{board, card, links, own_card, title},
    own_id::own_id,
    render::{self, In, Rendered, Step, choices},
    text::{Addresses, Us, escape, link},
};
use crate::{
    domain::{
        actor::Actor,
        conversation::Conversation,
        effect::{Outcome, Reaction},
        errand::{Carried, Errand, File, Outline, Talk},
        failure::{Failure, Problem},
        message::{About, Block, Form, Message, Press, Text, Tone},
        options,
        policy::Rights,
    },
    time::Timestamp,
};

/// Linear's clock and ours may differ by this much when something is looked for.
const CLOCKS_DIFFER: Duration = Duration::from_mins(1);

const WORKING: &str = "Working on it.";
const PASSED_ON: &str = "Passed on to the agent.";

/// Where an errand is carried out.
#[derive(Clone, Copy, Debug)]
struct Here<'a> {
    organization: &'a str,
    /// None where there is no issue: in documents and projects.
    issue: Option<&'a str>,
    thread: Thread<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thread<'a> {
    Session(&'a str),
    /// By its root.
    Comments(&'a str),
    None,
}

impl<'a> Here<'a> {
    fn of(conversation: &'a Conversation) -> Self {
        let place = conversation.place.as_str();
        let thread = conversation.thread.as_deref().unwrap_or(place);
        Self {
            organization: &conversation.workspace,
            issue: (!place.starts_with("session:") && !place.is_empty()).then_some(place),
            thread: Thread::of(thread),
        }
    }

    /// The board's own id says what its root is, too.
    fn at(self, board: &'a str) -> Self {
        match (self.thread, Thread::of(board)) {
            (Thread::None, thread) => Self { thread, ..self },
            _ => self,
        }
    }
}

impl<'a> Thread<'a> {
    fn of(text: &'a str) -> Self {
        match text.split_once(':') {
            Some(("session", id)) => Self::Session(id),
            Some(("comment", id)) => Self::Comments(id),
            _ => Self::None,
        }
    }
}

impl Linear {
    /// Does what the errand says, once.
    pub async fn carry_out(&self, errand: &Errand) -> Result<Carried, Failure> {
        let here = Here::of(&errand.conversation);
        let us = self.us_in(here.organization).await?.us();
        match &errand.talk {
            Talk::Board { id: None, message, outline, .. } => {
                let id = self.post_board(errand, here, message, outline, &us).await?;
                return Ok(Carried { message: Some(id), outcome: None });
            }
            Talk::Board { id: Some(id), message, outline, .. } => {
                self.show_board(here.at(id), id, message, outline, &us).await?;
                return Ok(Carried { message: Some(id.clone()), outcome: None });
            }
            Talk::Post { message, .. } => return self.post(errand, here, message, &us).await,
            Talk::Edit { id, message } => {
                self.edit(errand, here, id, message, &us).await?;
                return Ok(Carried { message: Some(id.clone()), outcome: None });
            }
            Talk::ReadThread { message } => {
                let remarks = match here.thread {
                    Thread::Session(session) => self.session_remarks(here.organization, session, message).await?,
                    Thread::Comments(root) => self.comment_remarks(here.organization, root, message).await?,
                    Thread::None => Vec::new(),
                };
                return Ok(Carried { message: None, outcome: Some(Outcome::ThreadRead(remarks)) });
            }
            Talk::LookUp { person, .. } => {
                // Groups are Slack's.
                let email = self.address_of(&person.workspace, &person.id).await?;
                let rights = Rights { email, ..Rights::default() };
                let outcome = Some(Outcome::Rights { person: person.clone(), rights });
                return Ok(Carried { message: None, outcome });
            }
            Talk::Private { to, message, .. } => self.tell(errand, here, to, message, &us).await?,
            Talk::React { message, reaction } => self.react_to(errand, here, message, *reaction).await?,
            Talk::File(file) => self.share(errand, here, file, &us).await?,
            Talk::Attach { url, title, subtitle } => {
                if let Some(card) = here.issue.and_then(|issue| card(issue, url, title, subtitle, &us)) {
                    self.attach(here.organization, &card).await?;
                }
            }
            Talk::TakeUp { issue } => self.take_up(here.organization, issue).await?,
            Talk::Pulse(text) => self.mumble(errand, here, &pulse(text, &us)).await?,
            Talk::OpenForm { form, to, .. } => {
                let message = in_words(form);
                self.tell(errand, here, to, &message.tone(Tone::Ask), &us).await?;
            }
        }
        Ok(Carried::default())
    }

    /// Ends a session that nothing else will end. The same seed says it once.
    pub async fn close_session(
        &self,
        organization: &str,
        session: &str,
        id_seed: &str,
        text: &str,
    ) -> Result<(), Failure> {
        let us = self.us_in(organization).await?.us();
        let body = escape(text.trim(), &us, Addresses::Linked);
        let content = Content::Response(if body.is_empty() { "Done.".to_owned() } else { body });
        let id = own_id(&[id_seed, "close"]);
        self.say(organization, &Activity { session, id, content, ephemeral: false }).await
    }

    async fn post_board(
        &self,
        errand: &Errand,
        here: Here<'_>,
        message: &Message,
        outline: &Outline,
        us: &Us,
    ) -> Result<String, Failure> {
        match (here.thread, here.issue) {
            (Thread::Session(session), _) => {
                self.open_session(errand, here, session, outline, us).await?;
                Ok(format!("session:{session}"))
            }
            (Thread::Comments(root), issue) => {
                let id = own_id(&[errand.delivery.as_str(), "post"]);
                let body = render::without_files(message, us, In::Comment);
                self.comment(here.organization, &id, issue, Some(root), &body).await?;
                Ok(id)
            }
            (Thread::None, Some(issue)) => self.start_thread(errand, here, issue, message, outline, us).await,
            (Thread::None, None) => Err(Failure::Gone(Problem::new("no_place"))),
        }
    }

    /// A root of our own: a session, or a comment where the app has none.
    async fn start_thread(
        &self,
        errand: &Errand,
        here: Here<'_>,
        issue: &str,
        message: &Message,
        outline: &Outline,
        us: &Us,
    ) -> Result<String, Failure> {
        let viewer = self.us_in(here.organization).await?;
        if viewer.supports_agent_sessions {
            let opening = own_id(&[errand.delivery.as_str(), "board"]);
            let lost = match errand.unsure_since {
                Some(since) => {
                    self.lost_session(here.organization, issue, &viewer.id, &opening, since - CLOCKS_DIFFER).await?
                }
                None => None,
            };
            let created = match lost {
                Some(session) => Ok(session),
                None => self.create_session(here.organization, issue, &links(outline, us)).await,
            };
            match created {
                Ok(session) => {
                    // From here on another attempt has to look first.
                    self.open_session(errand, here, &session, outline, us).await.map_err(unsure)?;
                    return Ok(format!("session:{session}"));
                }
                Err(Failure::Refused(problem)) if problem.code == SESSIONS_NOT_ENABLED => {}
                Err(failure) => return Err(failure),
            }
        }
        let id = own_id(&[errand.delivery.as_str(), "post"]);
        let body = render::without_files(message, us, In::Comment);
        self.comment(here.organization, &id, Some(issue), None, &body).await?;
        if let Some(card) = own_card(here.issue, outline, us) {
            // The card is shown again with the next change.
            if let Err(failure) = self.attach(here.organization, &card).await {
                tracing::warn!(linear.error = failure.problem().code, "an issue's card could not be shown");
            }
        }
        Ok(format!("comment:{id}"))
    }

    async fn open_session(
        &self,
        errand: &Errand,
        here: Here<'_>,
        session: &str,
        outline: &Outline,
        us: &Us,
    ) -> Result<(), Failure> {
        let state = escape(outline.state.trim(), us, Addresses::Linked);
        let activity = Activity {
            session,
            id: own_id(&[errand.delivery.as_str(), "board"]),
            content: Content::Thought(if state.is_empty() { WORKING.to_owned() } else { state }),
            ephemeral: true,
        };
        let card = own_card(here.issue, outline, us);
        self.open(here.organization, &activity, &board(outline, us), card.as_ref()).await
    }

    async fn show_board(
        &self,
        here: Here<'_>,
        id: &str,
        message: &Message,
        outline: &Outline,
        us: &Us,
    ) -> Result<(), Failure> {
        match here.thread {
            Thread::Session(session) => {
                let card = own_card(here.issue, outline, us);
                self.update(here.organization, session, &board(outline, us), card.as_ref()).await
            }
            Thread::Comments(_) | Thread::None => {
                let body = render::without_files(message, us, In::Comment);
                let id = id.strip_prefix("comment:").unwrap_or(id);
                self.edit_comment(here.organization, id, &body).await?;
                match own_card(here.issue, outline, us) {
                    Some(card) => self.attach(here.organization, &card).await,
                    None => Ok(()),
                }
            }
        }
    }

    async fn post(&self, errand: &Errand, here: Here<'_>, message: &Message, us: &Us) -> Result<Carried, Failure> {
        let id = own_id(&[errand.delivery.as_str(), "post"]);
        let carried = |id: String| Carried { message: Some(id), outcome: None };
        let Thread::Session(session) = here.thread else {
            let rendered = render::message(message, us, In::Comment);
            if rendered.body.is_empty() {
                return Ok(Carried::default());
            }
            let body = self.with_files(here, &rendered, us).await?;
            let root = match here.thread {
                Thread::Comments(root) => Some(root),
                Thread::Session(_) | Thread::None => None,
            };
            self.comment(here.organization, &id, here.issue, root, &body).await?;
            return Ok(carried(if root.is_some() { id } else { format!("comment:{id}") }));
        };
        let content = if message.tone == Tone::Step {
            render::step(message, us).map(Content::Action)
        } else {
            let rendered = render::message(message, us, In::Session);
            let body = self.with_files(here, &rendered, us).await?;
            (!body.is_empty()).then(|| match message.tone {
                Tone::Notice | Tone::Step => Content::Thought(body),
                Tone::Ask => Content::Elicitation(body, choices(&message.buttons)),
                Tone::Final => Content::Response(body),
                Tone::Failure => Content::Error(body),
            })
        };
        // An empty row says nothing.
        let Some(content) = content else { return Ok(Carried::default()) };
        self.say(here.organization, &Activity { session, id: id.clone(), content, ephemeral: false }).await?;
        Ok(carried(id))
    }

    /// The body, with what it shows only a part of put into Linear's store.
    async fn with_files(&self, here: Here<'_>, rendered: &Rendered, us: &Us) -> Result<String, Failure> {
        let mut files = Vec::with_capacity(rendered.overflow.len());
        for file in &rendered.overflow {
            match self.upload(here.organization, file).await {
                Ok(url) => files.push((file.name.clone(), url)),
                Err(failure @ (Failure::Refused(_) | Failure::Gone(_))) => {
                    // The words are worth more than the file.
                    tracing::warn!(linear.error = failure.problem().code, "a message's file could not be uploaded");
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(rendered.with_files(&files, us))
    }

    async fn edit(&self, errand: &Errand, here: Here<'_>, id: &str, message: &Message, us: &Us) -> Result<(), Failure> {
        let Thread::Session(session) = here.thread else {
            let body = render::without_files(message, us, In::Comment);
            let id = id.strip_prefix("comment:").unwrap_or(id);
            return if body.is_empty() { Ok(()) } else { self.edit_comment(here.organization, id, &body).await };
        };
        let headline = render::headline(message, us);
        if headline.is_empty() {
            return Ok(());
        }
        let choices = choices(&message.buttons);
        // Any other row would take the options away that people still have.
        let content =
            if choices.is_empty() { Content::Thought(headline) } else { Content::Elicitation(headline, choices) };
        let id = own_id(&[errand.delivery.as_str(), "edit"]);
        self.say(here.organization, &Activity { session, id, content, ephemeral: false }).await
    }

    /// Linear shows everything to all; who is meant is named.
    async fn tell(
        &self,
        errand: &Errand,
        here: Here<'_>,
        to: &Actor,
        message: &Message,
        us: &Us,
    ) -> Result<(), Failure> {
        let id = own_id(&[errand.delivery.as_str(), "private"]);
        let place = if matches!(here.thread, Thread::Session(_)) { In::Session } else { In::Comment };
        let body = render::without_files(message, us, place);
        if body.is_empty() {
            return Ok(());
        }
        let name = render::without_files(&Message::of(vec![Block::Line(Text::default().person(to))]), us, place);
        let body = format!("**{name}:** {body}");
        match here.thread {
            Thread::Session(session) if message.tone == Tone::Ask => {
                let content = Content::Elicitation(body, choices(&message.buttons));
                self.say(here.organization, &Activity { session, id, content, ephemeral: false }).await
            }
            Thread::Session(session) => {
                // The last word stays, and ends the session.
                let (content, ephemeral) = match message.tone {
                    Tone::Final => (Content::Response(body), false),
                    Tone::Failure => (Content::Error(body), false),
                    Tone::Notice | Tone::Step | Tone::Ask => (Content::Thought(body), true),
                };
                self.say(here.organization, &Activity { session, id, content, ephemeral }).await
            }
            Thread::Comments(root) => self.comment(here.organization, &id, here.issue, Some(root), &body).await,
            Thread::None => Ok(()),
        }
    }

    async fn react_to(
        &self,
        errand: &Errand,
        here: Here<'_>,
        message: &str,
        reaction: Reaction,
    ) -> Result<(), Failure> {
        match (message.strip_prefix("activity:"), reaction) {
            (Some(_), Reaction::Stored) => Ok(()),
            (Some(_), Reaction::Taken) => self.mumble(errand, here, PASSED_ON).await,
            (None, reaction) => {
                let emoji = match reaction {
                    Reaction::Stored => "eyes",
                    Reaction::Taken => "white_check_mark",
                };
                let comment = message.strip_prefix("comment:").unwrap_or(message);
                let id = own_id(&["reaction", comment, emoji]);
                self.react(here.organization, &id, comment, emoji).await
            }
        }
    }

    /// Something in passing; the next row takes its place.
    async fn mumble(&self, errand: &Errand, here: Here<'_>, text: &str) -> Result<(), Failure> {
        let Thread::Session(session) = here.thread else { return Ok(()) };
        let id = own_id(&[errand.delivery.as_str(), "pulse"]);
        let content = Content::Thought(text.to_owned());
        self.say(here.organization, &Activity { session, id, content, ephemeral: true }).await
    }

    /// Puts a file where everybody sees it. What stands already is not uploaded again.
    async fn share(&self, errand: &Errand, here: Here<'_>, file: &File, us: &Us) -> Result<(), Failure> {
        let id = own_id(&[errand.delivery.as_str(), "file"]);
        let kept = if matches!(here.thread, Thread::Session(_)) { Kept::Activity } else { Kept::Comment };
        if errand.unsure_since.is_some() && self.stands(here.organization, kept, &id).await? {
            return Ok(());
        }
        let asset = self.upload(here.organization, file).await?;
        let title = title(if file.title.trim().is_empty() { &file.name } else { &file.title }, us);
        let shown = shown(&title, &asset, file, us);
        match here.thread {
            Thread::Session(session) => {
                let content = Content::Action(Step { action: "File".into(), parameter: title, result: Some(shown) });
                self.say(here.organization, &Activity { session, id, content, ephemeral: false }).await
            }
            Thread::Comments(root) => self.comment(here.organization, &id, here.issue, Some(root), &shown).await,
            Thread::None => self.comment(here.organization, &id, here.issue, None, &shown).await,
        }
    }

    /// The issue's first started state, and us as its delegate. Who it is assigned to stays as it is.
    async fn take_up(&self, organization: &str, id: &str) -> Result<(), Failure> {
        let viewer = self.us_in(organization).await?;
        let issue = self.issue(organization, id).await?;
        let mut change = json!({});
        let is_under_way = matches!(issue.state.kind.as_str(), "started" | "completed" | "canceled" | "duplicate");
        let first = issue
            .team
            .states
            .nodes
            .iter()
            .filter(|state| state.kind == "started" && !state.id.is_empty())
            .min_by(|one, other| one.position.total_cmp(&other.position));
        if let Some(first) = first.filter(|_| !is_under_way) {
            change["stateId"] = first.id.clone().into();
        }
        if issue.delegate.is_none() && viewer.app {
            change["delegateId"] = viewer.id.into();
        }
        if change.as_object().is_some_and(|change| !change.is_empty()) {
            self.change_issue(organization, id, &change).await?;
        }
        Ok(())
    }

    /// A session that an earlier attempt created without hearing of it: on that issue, of ours, made by
    /// nobody else, and without any row but the one that we would open it with.
    async fn lost_session(
        &self,
        organization: &str,
        issue: &str,
        us: &str,
        opening: &str,
        since: Timestamp,
    ) -> Result<Option<String>, Failure> {
        let found = self.newest_sessions(organization, since).await?;
        let lost = found.into_iter().rev().find(|session| {
            session.issue.as_ref().is_some_and(|found| found.id == issue)
                && session.app_user.id == us
                && session.creator.as_ref().is_none_or(|creator| creator.id == us)
                && session.activities.nodes.iter().all(|activity| activity.id == opening)
        });
        Ok(lost.map(|session| session.id))
    }
}

fn unsure(failure: Failure) -> Failure {
    match failure {
        Failure::Transient { problem, .. } => Failure::Ambiguous(problem),
        other => other,
    }
}

/// A picture to look at, anything else to open.
fn shown(title: &str, asset: &str, file: &File, us: &Us) -> String {
    let link = link(title, asset, us);
    let is_picture = ["image/png", "image/jpeg", "image/gif", "image/webp"].contains(&file.mime_type.as_str());
    if is_picture && link.starts_with('[') { format!("!{link}") } else { link }
}

fn pulse(text: &Text, us: &Us) -> String {
    let body = render::without_files(&Message::of(vec![Block::Line(text.clone())]), us, In::Session);
    if body.is_empty() { WORKING.to_owned() } else { body }
}

/// What a form would ask, for people to answer in words.
fn in_words(form: &Form) -> Message {
    let reply = |press, about: &str, what: &str| {
        let option = About::parse(about).and_then(|about| options::option(press, &about));
        Message::of(vec![Block::Line(match option {
            Some(option) => Text::plain("Reply with ").then(what).then(", like this: ").code(format!("{option}: …")),
            None => Text::plain("Reply with ").then(what).then("."),
        })])
    };
    match form {
        Form::Start { .. } => Message::line("Reply with what is to be done."),
        Form::RequestChanges { about } => reply(Press::RequestChanges, about, "what should change"),
        Form::Reject { about } => reply(Press::Reject, about, "the reason"),
        Form::Edit { .. } => Message::of(vec![Block::Line(
            Text::plain("Change a child's prompt by replying ").code("edit NAME: what it is to do").then("."),
        )]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{
        domain::{
            errand::{Row, RowState},
            input::AnswerPath,
            message::{Button, ButtonStyle, Mark},
        },
        ids::DeliveryId,
        linear::fake::{Asked, Fake, Reply},
    };

    fn errand(thread: Option<&str>, talk: Talk) -> Errand {
        let conversation = Conversation::linear("org", "i1", thread.map(str::to_owned));
        Errand { delivery: DeliveryId::new("d1"), unsure_since: None, conversation, talk }
    }

    fn ada() -> Actor {
        Actor { name: Some("Ada".into()), ..Actor::linear("org", "u1") }
    }

    fn post(message: Message) -> Talk {
        Talk::Post { message, answer: AnswerPath::default(), asker: ada() }
    }

    fn board_talk(id: Option<&str>) -> Talk {
        let outline = Outline {
            title: "Migrate".into(),
            state: "Running · 1 of 2 done".into(),
            rows: vec![Row { name: "1 api".into(), state: RowState::Done }],
            links: vec![("Baton".into(), "https://b.example/orchestrations/o1".into())],
            ended: false,
        };
        let message = Message::line("The board");
        Talk::Board { id: id.map(str::to_owned), message, outline, answer: AnswerPath::default(), asker: ada() }
    }

    fn proposal() -> Message {
        let button = |press| Button {
            press,
            label: "x".into(),
            style: ButtonStyle::Plain,
            value: "o1/2/9f86d081884c".into(),
            confirm: None,
        };
        Message::line("Proposal").tone(Tone::Ask).button(button(Press::Approve)).button(button(Press::Reject))
    }

    fn select() -> Value {
        json!({"options": [
            {"label": "Approve version 2 (9f86d081884c)", "value": "approve v2 9f86d081884c"},
            {"label": "Reject version 2", "value": "reject v2"},
        ]})
    }

    /// Answers who we are, and `answer` for the rest.
    async fn linear(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Fake {
        Fake::start(move |asked, base| match asked.what.as_str() {
            "Viewer" => Reply::viewer(),
            "Upload" => Reply::data(json!({"fileUpload": {"success": true, "uploadFile": {
                "uploadUrl": format!("{base}/store"), "assetUrl": "https://uploads.linear.app/x"}}})),
            "store" => Reply::Text(200, ""),
            _ => answer(asked),
        })
        .await
    }

    /// What was asked after who we are.
    fn last(fake: &Fake) -> (String, Value) {
        let asked = fake.asked();
        let last = asked.last().expect("a call");
        (last.what.clone(), last.variables())
    }

    async fn sent(thread: Option<&str>, talk: Talk) -> (String, Value) {
        let fake = linear(|_| Reply::done()).await;
        fake.linear.carry_out(&errand(thread, talk)).await.expect("carried");
        last(&fake)
    }

    #[tokio::test]
    async fn a_session_is_opened_with_one_request_and_shown_with_another() {
        let fake = linear(|_| Reply::done()).await;
        let carried = fake.linear.carry_out(&errand(Some("session:s1"), board_talk(None))).await.expect("carried");
        assert_eq!(carried.message.as_deref(), Some("session:s1"));
        assert_eq!(fake.whats(), ["Viewer", "OpenSessionWithCard"]);
        let board = json!({
            "externalUrls": [{"label": "Baton", "url": "https://b.example/orchestrations/o1"}],
            "plan": [{"content": "1 api", "status": "completed"}],
        });
        let card = json!({"issueId": "i1", "title": "Migrate", "subtitle": "Running · 1 of 2 done",
            "url": "https://b.example/orchestrations/o1"});
        let id = own_id(&["d1", "board"]);
        let activity = json!({"agentSessionId": "s1", "id": id, "ephemeral": true,
            "content": {"type": "thought", "body": "Running · 1 of 2 done"}});
        assert_eq!(last(&fake).1, json!({"session": "s1", "activity": activity, "board": board, "card": card}));

        fake.linear.carry_out(&errand(Some("session:s1"), board_talk(Some("session:s1")))).await.expect("carried");
        assert_eq!(
            last(&fake),
            ("UpdateSessionWithCard".into(), json!({"session": "s1", "board": board, "card": card}))
        );

        // Without an issue there is nothing to put a card on.
        let mut elsewhere = errand(Some("session:s1"), board_talk(None));
        elsewhere.conversation.place = "session:s1".into();
        fake.linear.carry_out(&elsewhere).await.expect("carried");
        assert_eq!(last(&fake).0, "OpenSession");
    }

    #[tokio::test]
    async fn an_opening_that_was_said_is_not_said_twice_and_its_plan_may_fail() {
        let id = own_id(&["d1", "board"]);
        let fake = linear(move |asked| match asked.what.as_str() {
            "OpenSessionWithCard" => Reply::conflict("AgentActivity", &id),
            _ => Reply::done(),
        })
        .await;
        let open = errand(Some("session:s1"), board_talk(None));
        fake.linear.carry_out(&open).await.expect("carried");
        assert_eq!(fake.whats(), ["Viewer", "OpenSessionWithCard", "UpdateSessionWithCard"]);

        let refused = |field| {
            move |asked: &Asked| match asked.what.as_str() {
                "OpenSessionWithCard" => {
                    Reply::error("INVALID_INPUT", "invalid input", "Argument Validation Error", field)
                }
                _ => Reply::done(),
            }
        };
        let fake = linear(refused("attachmentCreate")).await;
        fake.linear.carry_out(&open).await.expect("said, though without a card");
        let fake = linear(refused("agentActivityCreate")).await;
        fake.linear.carry_out(&open).await.expect_err("not said");
        let fake = linear(|asked| match asked.what.as_str() {
            "OpenSessionWithCard" => Reply::Status(
                400,
                json!({"errors": [{"message": "x", "extensions": {
                "code": "GRAPHQL_VALIDATION_FAILED", "type": "graphql error"}}]}),
            ),
            _ => Reply::done(),
        })
        .await;
        fake.linear.carry_out(&open).await.expect("said alone");
        assert_eq!(last(&fake).0, "Say");
    }

    #[tokio::test]
    async fn each_tone_is_a_row_of_its_own() {
        let id = own_id(&["d1", "post"]);
        let with = |more: Value| {
            let mut activity = json!({"agentSessionId": "s1", "id": id});
            activity.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            ("Say".to_owned(), json!({"activity": activity}))
        };
        let kind = |kind: &str, body: &str| with(json!({"content": {"type": kind, "body": body}}));
        for (tone, name) in
            [(Tone::Notice, "thought"), (Tone::Final, "response"), (Tone::Failure, "error"), (Tone::Ask, "elicitation")]
        {
            assert_eq!(sent(Some("session:s1"), post(Message::line("hi").tone(tone))).await, kind(name, "hi"));
        }
        let options = with(json!({"content": {"type": "elicitation", "body": "Proposal"}, "signal": "select",
            "signalMetadata": select()}));
        assert_eq!(sent(Some("session:s1"), post(proposal())).await, options);
        let step = Message::of(vec![Block::Line(Text::default().mark(Mark::Done).then(" api"))]).tone(Tone::Step);
        let row = with(json!({"content": {"type": "action", "action": "Finished", "parameter": "api"}}));
        assert_eq!(sent(Some("session:s1"), post(step)).await, row);

        let fake = linear(|_| Reply::done()).await;
        let carried =
            fake.linear.carry_out(&errand(Some("session:s1"), post(Message::line("  ")))).await.expect("carried");
        assert_eq!((carried.message, fake.whats()), (None, vec!["Viewer".to_owned()]), "an empty row says nothing");
    }

    #[tokio::test]
    async fn outside_of_sessions_all_are_comments() {
        let id = own_id(&["d1", "post"]);
        let (what, variables) = sent(Some("comment:c0"), post(proposal())).await;
        assert_eq!(what, "CreateComment");
        let body = variables["comment"]["body"].as_str().expect("a body");
        assert!(body.starts_with("Proposal\n\nTo decide, reply with one of these:"), "{body}");
        assert_eq!((&variables["comment"]["id"], &variables["comment"]["parentId"]), (&json!(id), &json!("c0")));

        let edit = Talk::Edit { id: "c5".into(), message: Message::line("new") };
        let edited = ("EditComment".to_owned(), json!({"id": "c5", "comment": {"body": "new"}}));
        assert_eq!(sent(Some("comment:c0"), edit).await, edited);
        let fake = linear(|_| Reply::done()).await;
        fake.linear.carry_out(&errand(Some("comment:c0"), board_talk(Some("comment:c0")))).await.expect("carried");
        assert_eq!(fake.whats(), ["Viewer", "EditComment", "Attach"]);
        assert_eq!(fake.asked()[1].variables(), json!({"id": "c0", "comment": {"body": "The board"}}));
    }

    #[tokio::test]
    async fn what_was_said_already_is_a_success_and_what_was_not_taken_is_none() {
        let id = own_id(&["d1", "post"]);
        let ours = id.clone();
        let fake = linear(move |_| Reply::conflict("AgentActivity", &ours)).await;
        let say = errand(Some("session:s1"), post(Message::line("hi")));
        assert_eq!(fake.linear.carry_out(&say).await.expect("carried").message, Some(id));
        let fake = linear(|_| Reply::conflict("DocumentContent", "another")).await;
        assert_eq!(
            fake.linear.carry_out(&say).await.expect_err("a refusal"),
            Failure::Refused(Problem::new("conflict"))
        );
        let fake = linear(|_| Reply::data(json!({"agentActivityCreate": {"success": false}}))).await;
        let failed = Failure::Refused(Problem::new("not_successful"));
        assert_eq!(fake.linear.carry_out(&say).await.expect_err("a refusal"), failed);
        let fake = linear(|_| Reply::gone("AgentSession")).await;
        assert_eq!(fake.linear.carry_out(&say).await.expect_err("a refusal"), Failure::Gone(Problem::new("not_found")));
    }

    #[tokio::test]
    async fn a_label_gets_a_session_of_ours() {
        let fake = linear(|_| Reply::done()).await;
        let carried = fake.linear.carry_out(&errand(None, board_talk(None))).await.expect("carried");
        assert_eq!(carried.message.as_deref(), Some("session:s-new"));
        assert_eq!(fake.whats(), ["Viewer", "CreateSession", "OpenSessionWithCard"]);
        let links = json!([{"label": "Baton", "url": "https://b.example/orchestrations/o1"}]);
        assert_eq!(fake.asked()[1].variables(), json!({"session": {"issueId": "i1", "externalUrls": links}}));

        let fake = linear(|asked| match asked.what.as_str() {
            "CreateSession" => Reply::error("X", "other", "Agent sessions are not enabled for this application.", "x"),
            _ => Reply::done(),
        })
        .await;
        let carried = fake.linear.carry_out(&errand(None, board_talk(None))).await.expect("carried");
        assert_eq!(carried.message, Some(format!("comment:{}", own_id(&["d1", "post"]))));
        assert_eq!(fake.whats(), ["Viewer", "CreateSession", "CreateComment", "Attach"]);

        for (answer, failure) in [
            ((|| Reply::Broken) as fn() -> Reply, Failure::Ambiguous(Problem::new("answer_lost"))),
            (
                || Reply::Limited(3),
                Failure::Transient { after: Some(Duration::from_secs(3)), problem: Problem::new("rate_limited") },
            ),
        ] {
            let fake = linear(move |_| answer()).await;
            assert_eq!(fake.linear.carry_out(&errand(None, board_talk(None))).await.expect_err("a failure"), failure);
        }
        let fake = linear(|asked| if asked.what == "CreateSession" { Reply::done() } else { Reply::Limited(3) }).await;
        let failure = fake.linear.carry_out(&errand(None, board_talk(None))).await.expect_err("a failure");
        assert_eq!(failure, Failure::Ambiguous(Problem::new("rate_limited")), "the session stands");
    }

    #[tokio::test]
    async fn a_session_whose_creation_was_lost_is_found() {
        let session = |id: &str, at: &str, creator: Option<&str>, rows: &[&str]| {
            let rows: Vec<Value> = rows.iter().map(|id| json!({"id": id, "user": {"id": "app-1"}})).collect();
            json!({"id": id, "createdAt": at, "appUser": {"id": "app-1"}, "creator": creator.map(|id| json!({"id": id})),
                "issue": {"id": "i1"}, "activities": {"nodes": rows}})
        };
        let opening = own_id(&["d1", "board"]);
        let sessions = json!({"agentSessions": {"nodes": [
            session("people's", "2023-11-14T22:13:10Z", Some("u1"), &[]),
            session("busy", "2023-11-14T22:13:09Z", None, &["another"]),
            session("lost", "2023-11-14T22:13:08Z", None, &[&opening]),
            session("old", "2023-11-14T20:00:00Z", None, &[]),
        ], "pageInfo": {"hasNextPage": true, "endCursor": "c"}}});
        let fake = linear(move |asked| match asked.what.as_str() {
            "NewestSessions" => Reply::data(sessions.clone()),
            _ => Reply::done(),
        })
        .await;
        let since = Some(Timestamp::parse_rfc3339("2023-11-14T22:13:00Z").expect("a moment"));
        let again = Errand { unsure_since: since, ..errand(None, board_talk(None)) };
        assert_eq!(fake.linear.carry_out(&again).await.expect("carried").message.as_deref(), Some("session:lost"));
        assert_eq!(fake.whats(), ["Viewer", "NewestSessions", "OpenSessionWithCard"]);
    }

    #[tokio::test]
    async fn an_edit_in_a_session_keeps_the_options_that_there_are() {
        let id = own_id(&["d1", "edit"]);
        let edit = |message| Talk::Edit { id: "a1".into(), message };
        let (_, thought) = sent(Some("session:s1"), edit(Message::line("Approved"))).await;
        let expected = json!({"agentSessionId": "s1", "id": id, "content": {"type": "thought", "body": "Approved"}});
        assert_eq!(thought["activity"], expected);
        let (_, asked) = sent(Some("session:s1"), edit(proposal())).await;
        assert_eq!(
            (&asked["activity"]["content"]["type"], &asked["activity"]["signalMetadata"]),
            (&json!("elicitation"), &select())
        );
    }

    #[tokio::test]
    async fn one_person_is_told_by_name() {
        let private = |message| Talk::Private { to: ada(), message, answer: AnswerPath::default() };
        let (_, told) = sent(Some("session:s1"), private(Message::line("No."))).await;
        assert_eq!(told["activity"]["content"], json!({"type": "thought", "body": "**Ada:** No."}));
        assert_eq!(told["activity"]["ephemeral"], true);
        let (_, asked) = sent(Some("session:s1"), private(proposal())).await;
        assert_eq!((&asked["activity"]["signal"], &asked["activity"]["ephemeral"]), (&json!("select"), &json!(null)));
        let (what, told) = sent(Some("comment:c0"), private(Message::line("No."))).await;
        assert_eq!((what.as_str(), &told["comment"]["body"]), ("CreateComment", &json!("**Ada:** No.")));
        assert_eq!(sent(None, private(Message::line("No."))).await.0, "Viewer", "nobody to answer");

        let form = Form::RequestChanges { about: "o1/2/9f86d081884c".into() };
        let talk = Talk::OpenForm {
            form,
            to: ada(),
            answer: AnswerPath::default(),
            choices: crate::domain::errand::Choices::default(),
        };
        let (_, asked) = sent(Some("session:s1"), talk).await;
        let body = "**Ada:** Reply with what should change, like this: `request changes v2: …`";
        assert_eq!(asked["activity"]["content"], json!({"type": "elicitation", "body": body}));
    }

    #[tokio::test]
    async fn a_reaction_goes_to_a_comment_and_prompts_are_told() {
        let react = |message: &str, reaction| Talk::React { message: message.into(), reaction };
        let (what, variables) = sent(Some("session:s1"), react("c1", Reaction::Stored)).await;
        let id = own_id(&["reaction", "c1", "eyes"]);
        assert_eq!(
            (what.as_str(), variables),
            ("React", json!({"reaction": {"id": id, "commentId": "c1", "emoji": "eyes"}}))
        );
        let fake = linear(|_| Reply::conflict("Reaction", "another")).await;
        fake.linear.carry_out(&errand(Some("comment:c0"), react("c1", Reaction::Taken))).await.expect("there already");

        assert_eq!(sent(Some("session:s1"), react("activity:a1", Reaction::Stored)).await.0, "Viewer");
        let (_, told) = sent(Some("session:s1"), react("activity:a1", Reaction::Taken)).await;
        assert_eq!(told["activity"]["content"]["body"], PASSED_ON);
        let (_, pulse) = sent(Some("session:s1"), Talk::Pulse(Text::plain("Still at it"))).await;
        assert_eq!(
            (&pulse["activity"]["content"]["body"], &pulse["activity"]["ephemeral"]),
            (&json!("Still at it"), &json!(true))
        );
        assert_eq!(sent(Some("comment:c0"), Talk::Pulse(Text::plain("x"))).await.0, "Viewer");
    }

    #[tokio::test]
    async fn a_file_is_named_where_it_was_put() {
        let file = |mime: &str| {
            Talk::File(File {
                name: "p.png".into(),
                title: "A [picture]".into(),
                mime_type: mime.into(),
                bytes: vec![1],
            })
        };
        let (_, row) = sent(Some("session:s1"), file("image/png")).await;
        let expected = json!({"type": "action", "action": "File", "parameter": "A [picture]",
            "result": "![A \\[picture\\]](https://uploads.linear.app/x)"});
        assert_eq!(row["activity"]["content"], expected);
        let (_, comment) = sent(Some("comment:c0"), file("text/plain")).await;
        assert_eq!(comment["comment"]["body"], "[A \\[picture\\]](https://uploads.linear.app/x)");

        let again =
            Errand { unsure_since: Some(Timestamp::from_secs(1)), ..errand(Some("session:s1"), file("image/png")) };
        let fake = linear(|_| Reply::data(json!({"agentActivity": {"id": "a"}}))).await;
        fake.linear.carry_out(&again).await.expect("carried");
        assert_eq!(fake.whats(), ["Viewer", "Activity"], "it stands");
        let fake =
            linear(|asked| if asked.what == "Activity" { Reply::gone("AgentActivity") } else { Reply::done() }).await;
        fake.linear.carry_out(&again).await.expect("carried");
        assert_eq!(fake.whats(), ["Viewer", "Activity", "Upload", "store", "Say"]);
    }

    #[tokio::test]
    async fn what_does_not_fit_is_linked_in_the_same_message() {
        let text = "word\n\n".repeat(2_000);
        let long = Message::default().with(Block::Markdown { text, file: "plan.md".into() }).tone(Tone::Final);
        let fake = linear(|_| Reply::done()).await;
        fake.linear.carry_out(&errand(Some("session:s1"), post(long))).await.expect("carried");
        assert_eq!(fake.whats(), ["Viewer", "Upload", "store", "Say"]);
        let body = last(&fake).1["activity"]["content"]["body"].as_str().expect("a body").to_owned();
        assert!(
            body.ends_with("_The rest is in the file_ `plan.md`\n\n[plan.md](https://uploads.linear.app/x)"),
            "{body}"
        );
    }

    #[tokio::test]
    async fn an_issue_is_taken_up_once() {
        let issue = |kind: &str, delegate: Option<&str>| {
            json!({"issue": {"state": {"type": kind}, "delegate": delegate.map(|id| json!({"id": id})), "team": {"states": {"nodes": [
                {"id": "review", "type": "started", "position": 3.5}, {"id": "doing", "type": "started", "position": 1.0}]}}}})
        };
        for (issue, change) in [
            (issue("unstarted", None), Some(json!({"stateId": "doing", "delegateId": "app-1"}))),
            (issue("triage", Some("app-1")), Some(json!({"stateId": "doing"}))),
            (issue("completed", None), Some(json!({"delegateId": "app-1"}))),
            (issue("started", Some("other")), None),
        ] {
            let fake = linear(move |asked| match asked.what.as_str() {
                "Issue" => Reply::data(issue.clone()),
                _ => Reply::data(json!({"issueUpdate": {"success": true}})),
            })
            .await;
            let take_up = Talk::TakeUp { issue: "i1".into() };
            fake.linear.carry_out(&errand(Some("session:s1"), take_up)).await.expect("carried");
            let changed = (last(&fake).0 == "TakeUp").then(|| last(&fake).1["issue"].clone());
            assert_eq!(changed, change);
        }
        let attach = |url: &str| Talk::Attach { url: url.into(), title: "PR 1".into(), subtitle: "open".into() };
        let (what, card) = sent(Some("session:s1"), attach("https://g.example/1")).await;
        let expected =
            json!({"card": {"issueId": "i1", "title": "PR 1", "subtitle": "open", "url": "https://g.example/1"}});
        assert_eq!((what.as_str(), card), ("Attach", expected));
        assert_eq!(sent(Some("session:s1"), attach("nonsense")).await.0, "Viewer");
    }

    #[tokio::test]
    async fn a_session_is_closed_once() {
        let fake = linear(|_| Reply::conflict("AgentActivity", &own_id(&["session:s1", "close"]))).await;
        fake.linear.close_session("org", "s1", "session:s1", "Nothing *runs* here.").await.expect("said already");
        let content = json!({"type": "response", "body": "Nothing \\*runs\\* here."});
        assert_eq!(last(&fake).1["activity"]["content"], content);
    }
}
