//! Carrying out errands in Slack: saying, editing, answering in private, reacting, sharing files,
//! reading threads, opening forms.
//!
//! Slack has no idempotency, so a post whose answer was lost is looked for by its metadata, and a
//! file by its name and title, before it is repeated. Called by the outbox worker; what fails comes
//! back as a [`Failure`], and whether to try again is decided there.

use super::{
    client::{Destination, Said, Slack},
    failure::{is_about_blocks, is_closed_to_us, is_not_invited},
    forms, mrkdwn,
    render::{self, Rendered},
};
use crate::{
    domain::{
        actor::Actor,
        effect::{Outcome, Reaction},
        errand::{Carried, Choices, Errand, File, Talk},
        failure::{Failure, Problem},
        input::{AnswerPath, Remark},
        message::{Block, Form, Message, Text},
    },
    time::Timestamp,
};

/// Slack's clock and ours may differ by this much when something is looked for.
const CLOCK_SLACK: std::time::Duration = std::time::Duration::from_mins(1);
/// As much of a thread is context: its root and what was said last, each up to so many characters.
const MOST_REMARKS: usize = 50;
const LONGEST_REMARK: usize = 4_000;

const INVITE: &str = "Baton cannot post in that channel because it is not a member. Invite it with ";
const CLOSED: &str = "Baton is not allowed to post in that channel. Ask again in another one. Slack says ";
const TOO_LATE: &str = "Slack gave up waiting before the form could open. Please try again.";

impl Slack {
    /// Does what the errand says, once.
    pub async fn carry_out(&self, errand: &Errand) -> Result<Carried, Failure> {
        let here = Destination { channel: &errand.conversation.place, thread: errand.conversation.thread.as_deref() };
        match &errand.talk {
            Talk::Post { message, answer, asker } => self.say(errand, here, message, answer, asker).await,
            Talk::Edit { id, message } => {
                self.edit(here.channel, id, &render::without_files(message)).await?;
                Ok(Carried { message: Some(id.clone()), outcome: None })
            }
            Talk::Private { to, message, answer } => {
                self.tell(errand, Some(here), to, message, answer).await?;
                Ok(Carried::default())
            }
            Talk::React { message, reaction } => {
                let name = match reaction {
                    Reaction::Stored => "eyes",
                    Reaction::Taken => "white_check_mark",
                };
                self.react(here.channel, message, name).await?;
                Ok(Carried::default())
            }
            Talk::File(file) => {
                self.share(here, file, errand.unsure_since).await?;
                Ok(Carried::default())
            }
            Talk::ReadThread { message } => {
                let remarks = self.read_thread(here, message).await?;
                Ok(Carried { message: None, outcome: Some(Outcome::ThreadRead(remarks)) })
            }
            Talk::OpenForm { form, to, answer, choices } => {
                self.open_form(errand, here, form, choices, to, answer).await?;
                Ok(Carried::default())
            }
        }
    }

    /// Posts the message, and what does not fit into it as files in its thread.
    async fn say(
        &self,
        errand: &Errand,
        here: Destination<'_>,
        message: &Message,
        answer: &AnswerPath,
        asker: &Actor,
    ) -> Result<Carried, Failure> {
        let rendered = render::message(message);
        let ts = match self.post_once(here, &rendered, errand.delivery.as_str(), errand.unsure_since).await {
            Ok(ts) => ts,
            Err(failure) if is_not_invited(&failure) => {
                let invite = Message {
                    blocks: vec![Block::Line(Text::plain(INVITE).code("/invite @Baton").then("."))],
                    ..Message::default()
                };
                self.explain(errand, &invite, answer, asker).await;
                return Err(Failure::Refused(Problem::new("not_in_channel")));
            }
            Err(failure) if is_closed_to_us(&failure) => {
                let code = &failure.problem().code;
                let closed = Message {
                    blocks: vec![Block::Line(Text::plain(CLOSED).code(code).then("."))],
                    ..Message::default()
                };
                self.explain(errand, &closed, answer, asker).await;
                return Err(failure);
            }
            Err(failure) => return Err(failure),
        };
        let thread = Destination { channel: here.channel, thread: here.thread.or(Some(&ts)) };
        for file in &rendered.overflow {
            self.append(errand, thread, file).await?;
        }
        Ok(Carried { message: Some(ts), outcome: None })
    }

    /// Shares a part of a message that has been posted. From here on the message must not be
    /// repeated, so whatever is worth another attempt counts as ambiguous: the next one looks first.
    async fn append(&self, errand: &Errand, thread: Destination<'_>, file: &File) -> Result<(), Failure> {
        let file = File { title: format!("{} ({})", file.title, errand.delivery), ..file.clone() };
        match self.share(thread, &file, errand.unsure_since).await {
            Ok(()) => Ok(()),
            Err(Failure::Transient { problem, .. } | Failure::Ambiguous(problem)) => Err(Failure::Ambiguous(problem)),
            Err(failure) => {
                tracing::warn!(delivery.id = %errand.delivery, slack.error = failure.problem().code, "file not shared");
                let told = Text::plain("The file ")
                    .code(&file.name)
                    .then(" could not be shared. Slack says ")
                    .code(&failure.problem().code)
                    .then(".");
                let told = render::message(&Message { blocks: vec![Block::Line(told)], ..Message::default() });
                let id = format!("{}.{}", errand.delivery, file.name);
                self.post_once(thread, &told, &id, errand.unsure_since).await.map(|_| ())
            }
        }
    }

    /// Says in private why nothing was said in the channel. That nobody can be told is logged: the
    /// errand has failed already, and with a better reason.
    async fn explain(&self, errand: &Errand, why: &Message, answer: &AnswerPath, asker: &Actor) {
        if let Err(failure) = self.tell(errand, None, asker, why, answer).await {
            tracing::warn!(delivery.id = %errand.delivery, slack.error = failure.problem().code, "asker not told");
        }
    }

    /// Tells one person, by the first of these that works: the address that came with their click or
    /// command, a message in the conversation that only they see, a direct message.
    async fn tell(
        &self,
        errand: &Errand,
        here: Option<Destination<'_>>,
        to: &Actor,
        message: &Message,
        answer: &AnswerPath,
    ) -> Result<(), Failure> {
        let rendered = render::without_files(message);
        if let Some(url) = &answer.url {
            match self.respond(url, here.and_then(|here| here.thread), &rendered).await {
                Err(Failure::Gone(_) | Failure::Refused(_)) => {}
                answered => return answered,
            }
        }
        if let Some(here) = here.filter(|here| !here.channel.is_empty()) {
            match self.ephemeral(here, &to.id, &rendered).await {
                Err(Failure::Gone(_) | Failure::Refused(_)) => {}
                told => return told,
            }
        }
        let direct = self.open_direct(&to.id).await?;
        let direct = Destination { channel: &direct, thread: None };
        // A channel of its own, and metadata of its own beside the post that this may explain.
        let id = format!("{}.private", errand.delivery);
        self.post_once(direct, &rendered, &id, errand.unsure_since).await.map(|_| ())
    }

    /// Posts unless an earlier attempt did, and returns the message's `ts`.
    async fn post_once(
        &self,
        to: Destination<'_>,
        what: &Rendered,
        delivery: &str,
        unsure_since: Option<Timestamp>,
    ) -> Result<String, Failure> {
        if let Some(since) = unsure_since {
            let us = self.identity().await?;
            let said = self.said(to, Some(since - CLOCK_SLACK)).await?;
            if let Some(found) = said.iter().find(|said| said.delivery() == Some(delivery) && said.is_by(us)) {
                return Ok(found.ts().to_owned());
            }
        }
        match self.post(to, what, delivery).await {
            Err(failure) if is_about_blocks(&failure) => {
                tracing::warn!(slack.error = failure.problem().code, "blocks refused, posting the text alone");
                self.post(to, &what.without_blocks(), delivery).await
            }
            posted => posted,
        }
    }

    async fn edit(&self, channel: &str, ts: &str, what: &Rendered) -> Result<(), Failure> {
        match self.update(channel, ts, what).await {
            Err(failure) if is_about_blocks(&failure) => {
                tracing::warn!(slack.error = failure.problem().code, "blocks refused, showing the text alone");
                self.update(channel, ts, &what.without_blocks()).await
            }
            updated => updated,
        }
    }

    /// Shares a file unless an earlier attempt did.
    async fn share(&self, to: Destination<'_>, file: &File, unsure_since: Option<Timestamp>) -> Result<(), Failure> {
        if let Some(since) = unsure_since {
            let said = self.said(to, Some(since - CLOCK_SLACK)).await?;
            if said.iter().any(|said| said.has_file(file)) {
                return Ok(());
            }
        }
        self.upload(to, file).await
    }

    /// What people said before `message`: the thread's root, and the last of the rest.
    async fn read_thread(&self, thread: Destination<'_>, message: &str) -> Result<Vec<Remark>, Failure> {
        if thread.thread.is_none_or(|root| root == message) {
            return Ok(Vec::new());
        }
        let us = self.identity().await?;
        let mut said = self.said(thread, None).await?;
        said.retain(|said| before(said, message) && !said.is_by(us));
        if said.len() > MOST_REMARKS {
            said.drain(1..=said.len() - MOST_REMARKS);
        }
        let mut remarks = Vec::with_capacity(said.len());
        for said in &said {
            let text = mrkdwn::cut_plain(&said.words(), LONGEST_REMARK);
            if !text.is_empty() {
                let author = match (said.user(), said.signature()) {
                    (Some(user), None) => self.name_of(user).await,
                    (_, Some(signature)) => signature.to_owned(),
                    (None, None) => "somebody".to_owned(),
                };
                remarks.push(Remark { author, text, at: said.at() });
            }
        }
        Ok(remarks)
    }

    async fn open_form(
        &self,
        errand: &Errand,
        here: Destination<'_>,
        form: &Form,
        choices: &Choices,
        to: &Actor,
        answer: &AnswerPath,
    ) -> Result<(), Failure> {
        let opened = match &answer.trigger {
            Some(trigger) => self.open_view(trigger, forms::view(form, choices)).await,
            None => Err(Failure::Refused(Problem::new("expired_trigger_id"))),
        };
        match opened {
            // A trigger works once: the form is open, though the answer that said so was lost.
            Err(Failure::Refused(problem)) if problem.code == "exchanged_trigger_id" => Ok(()),
            Err(Failure::Refused(problem)) if is_lapsed_trigger(&problem.code) => {
                self.tell(errand, Some(here), to, &Message::line(TOO_LATE), answer).await
            }
            other => other,
        }
    }
}

fn is_lapsed_trigger(code: &str) -> bool {
    matches!(code, "expired_trigger_id" | "trigger_expired" | "invalid_trigger_id" | "invalid_trigger")
}

/// Slack's times have seconds and six more digits, so that they compare as text.
fn before(said: &Said, message: &str) -> bool {
    (said.ts().len(), said.ts()) < (message.len(), message)
}
