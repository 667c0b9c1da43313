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
        words::problems,
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
                self.comment(here.organization, &id, issue, Some(root), &body).await.map_err(thread_gone)?;
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
                self.edit_comment(here.organization, id, &body).await.map_err(message_gone)?;
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
            return if body.is_empty() {
                Ok(())
            } else {
                self.edit_comment(here.organization, id, &body).await.map_err(message_gone)
            };
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
            // Whoever put a label on it looks at the issue.
            Thread::None if here.issue.is_some() => self.comment(here.organization, &id, here.issue, None, &body).await,
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

/// Somebody deleted the comment that is to be edited.
fn message_gone(failure: Failure) -> Failure {
    gone_as(failure, problems::MESSAGE_GONE)
}

/// Somebody deleted the comment that is to be answered.
fn thread_gone(failure: Failure) -> Failure {
    gone_as(failure, problems::THREAD_GONE)
}

fn gone_as(failure: Failure, code: &str) -> Failure {
    match failure {
        Failure::Gone(problem) if problem.code == "not_found" => Failure::Gone(Problem::new(code)),
        failure => failure,
    }
}

#[cfg(test)]
mod tests;
