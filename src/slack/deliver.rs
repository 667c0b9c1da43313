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
const NOT_OPENED: &str = "The form could not be opened, and nothing was changed. Slack says ";

impl Slack {
    /// Does what the errand says, once.
    pub async fn carry_out(&self, errand: &Errand) -> Result<Carried, Failure> {
        self.in_workspace(&errand.conversation.workspace).carry_out_there(errand).await
    }

    async fn carry_out_there(&self, errand: &Errand) -> Result<Carried, Failure> {
        let here = Destination { channel: &errand.conversation.place, thread: errand.conversation.thread.as_deref() };
        match &errand.talk {
            Talk::Post { message, answer, asker } => self.say(errand, here, message, answer, asker).await,
            Talk::Board { id: None, message, answer, asker, .. } => {
                self.say(errand, here, message, answer, asker).await
            }
            Talk::Board { id: Some(id), message, .. } | Talk::Edit { id, message } => {
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
            Talk::LookUp { person, groups } => {
                let rights = self.rights(&person.id, groups).await?;
                Ok(Carried { message: None, outcome: Some(Outcome::Rights { person: person.clone(), rights }) })
            }
            // Nothing goes stale here, and there is no issue to put anything on.
            Talk::Attach { .. } | Talk::TakeUp { .. } | Talk::Pulse(_) => Ok(Carried::default()),
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
                let invite = line(Text::plain(INVITE).code("/invite @Baton").then("."));
                self.explain(errand, &invite, answer, asker).await;
                return Err(Failure::Refused(Problem::new("not_in_channel")));
            }
            Err(failure) if is_closed_to_us(&failure) => {
                let closed = line(Text::plain(CLOSED).code(&failure.problem().code).then("."));
                self.explain(errand, &closed, answer, asker).await;
                return Err(failure);
            }
            Err(failure) => return Err(failure),
        };
        let thread = Destination { channel: here.channel, thread: here.thread.or(Some(&ts)) };
        for file in &rendered.overflow {
            // From here on the message must not be repeated: another attempt has to look first.
            self.append(errand, thread, file).await.map_err(unsure)?;
        }
        Ok(Carried { message: Some(ts), outcome: None })
    }

    /// Shares a part of a message that has been posted; when that will never work, the thread is told.
    async fn append(&self, errand: &Errand, thread: Destination<'_>, file: &File) -> Result<(), Failure> {
        let file = File { title: format!("{} ({})", file.title, errand.delivery), ..file.clone() };
        let failure = match self.share(thread, &file, errand.unsure_since).await {
            Err(failure) if !is_passing(&failure) => failure,
            other => return other,
        };
        let code = &failure.problem().code;
        tracing::warn!(delivery.id = %errand.delivery, slack.error = code, "file not shared");
        let lost =
            Text::plain("The file ").code(&file.name).then(" could not be shared. Slack says ").code(code).then(".");
        let id = format!("{}.{}", errand.delivery, file.name);
        match self.post_once(thread, &render::message(&line(lost)), &id, errand.unsure_since).await {
            Err(failure) if is_passing(&failure) => Err(failure),
            _ => Ok(()),
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
                // It has another host than Slack's methods: that it cannot be reached says nothing of them.
                Err(Failure::Gone(_) | Failure::Refused(_) | Failure::Transient { .. }) => {}
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
            if let Some(found) = said.iter().find(|said| said.delivery() == Some(delivery) && said.is_by(&us)) {
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
        said.retain(|said| before(said, message) && !said.is_by(&us));
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
            Err(Failure::Refused(problem)) => {
                tracing::warn!(delivery.id = %errand.delivery, problem = problem.code, "a form was refused");
                let refused = line(Text::plain(NOT_OPENED).code(&problem.code).then("."));
                self.tell(errand, Some(here), to, &refused, answer).await
            }
            other => other,
        }
    }
}

fn line(text: Text) -> Message {
    Message::default().with(Block::Line(text))
}

/// Worth another attempt.
const fn is_passing(failure: &Failure) -> bool {
    matches!(failure, Failure::Transient { .. } | Failure::Ambiguous(_))
}

fn unsure(failure: Failure) -> Failure {
    match failure {
        Failure::Transient { problem, .. } => Failure::Ambiguous(problem),
        other => other,
    }
}

fn is_lapsed_trigger(code: &str) -> bool {
    matches!(code, "expired_trigger_id" | "trigger_expired" | "invalid_trigger_id" | "invalid_trigger")
}

/// Slack's times have seconds and six more digits, so that they compare as text.
fn before(said: &Said, message: &str) -> bool {
    (said.ts().len(), said.ts()) < (message.len(), message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        domain::conversation::Conversation,
        ids::DeliveryId,
        slack::fake::{Asked, Fake, Reply},
    };

    fn errand(thread: Option<&str>, talk: Talk) -> Errand {
        let conversation = Conversation::slack("T1", "C1", thread.map(str::to_owned));
        Errand { delivery: DeliveryId::new("d1"), unsure_since: None, conversation, talk }
    }

    fn post(message: Message) -> Talk {
        Talk::Post { message, answer: AnswerPath::default(), asker: Actor::slack("T1", "U1") }
    }

    fn unsure_since(errand: Errand, seconds: i64) -> Errand {
        Errand { unsure_since: Some(Timestamp::from_secs(seconds)), ..errand }
    }

    fn ours(ts: &str, delivery: &str) -> serde_json::Value {
        let metadata = json!({"event_type": "baton_message", "event_payload": {"delivery": delivery, "n": 7}});
        json!({"ts": ts, "user": "UBATON", "bot_id": "BBATON", "text": "x", "metadata": metadata})
    }

    fn long() -> Message {
        Message::default().with(Block::Markdown { text: "word\n\n".repeat(900), file: "plan.md".into() })
    }

    #[tokio::test]
    async fn a_post_carries_its_delivery() {
        let fake = Fake::start(|_, _| Reply::ok(json!({"ts": "5.0", "channel": "C1", "message": {"odd": [1]}}))).await;
        let carried =
            fake.slack.carry_out(&errand(Some("1.0"), post(Message::line("hi <!here>")))).await.expect("carried");
        assert_eq!(carried.message.as_deref(), Some("5.0"));
        let asked = &fake.asked()[0];
        assert_eq!((asked.what.as_str(), asked.authorized), ("chat.postMessage", true));
        assert_eq!(asked.body["thread_ts"], "1.0");
        assert_eq!(asked.body["text"], "hi &lt;!here&gt;");
        assert_eq!(asked.body["metadata"], json!({"event_type": "baton_message", "event_payload": {"delivery": "d1"}}));
    }

    #[tokio::test]
    async fn a_post_whose_answer_was_lost_is_looked_for_before_it_is_repeated() {
        let answer = |found: bool| {
            move |asked: &Asked, _: &str| match asked.what.as_str() {
                "conversations.replies" if asked.query("cursor").is_empty() => Reply::ok(json!({
                    "messages": [ours("4.0", "d0")], "response_metadata": {"next_cursor": "more"},
                })),
                "conversations.replies" if found => Reply::ok(json!({"messages": [ours("5.0", "d1")]})),
                "conversations.replies" => Reply::ok(json!({"messages": [{"ts": "5.0", "user": "U1", "metadata": {
                    "event_type": "baton_message", "event_payload": {"delivery": "d1"}}}]})),
                "chat.postMessage" => Reply::ok(json!({"ts": "6.0"})),
                _ => Reply::identity(),
            }
        };
        let again = unsure_since(errand(Some("1.0"), post(Message::line("hi"))), 1_000);
        let fake = Fake::start(answer(true)).await;
        assert_eq!(fake.slack.carry_out(&again).await.expect("carried").message.as_deref(), Some("5.0"));
        assert_eq!(fake.whats(), ["auth.test", "conversations.replies", "conversations.replies"]);
        let look = &fake.asked()[1];
        assert_eq!((look.query("oldest"), look.query("include_all_metadata")), ("940.000000".into(), "true".into()));

        let fake = Fake::start(answer(false)).await;
        assert_eq!(fake.slack.carry_out(&again).await.expect("carried").message.as_deref(), Some("6.0"));
    }

    #[tokio::test]
    async fn who_cannot_be_answered_in_the_channel_is_told_to_invite_baton() {
        for (path, told) in [(true, "x"), (false, "chat.postMessage")] {
            let fake = Fake::start(|asked, _| match (asked.what.as_str(), asked.body["channel"].as_str()) {
                ("chat.postMessage", Some("C1")) => Reply::refused("channel_not_found"),
                ("conversations.open", _) => Reply::ok(json!({"channel": {"id": "D1"}})),
                _ => Reply::ok(json!({"ts": "7.0"})),
            })
            .await;
            let answer = AnswerPath { url: path.then(|| format!("{}/respond/x", fake.base)), ..AnswerPath::default() };
            let talk = Talk::Post { message: Message::line("hi"), answer, asker: Actor::slack("T1", "U1") };
            let failure = fake.slack.carry_out(&errand(None, talk)).await.expect_err("a refusal");
            assert_eq!(failure, Failure::Refused(Problem::new("not_in_channel")));
            let asked = fake.asked();
            let last = asked.last().expect("a call");
            assert_eq!(last.what, told);
            assert!(last.body["text"].as_str().expect("text").contains("/invite @Baton"));
            assert_eq!(last.authorized, !path, "a response_url gets no token");
        }
    }

    #[tokio::test]
    async fn what_does_not_fit_follows_as_a_file_and_a_lost_share_does_not_repeat_the_post() {
        let fake = Fake::start(|asked, base| match asked.what.as_str() {
            "files.getUploadURLExternal" => {
                Reply::ok(json!({"upload_url": format!("{base}/upload/secret"), "file_id": "F1"}))
            }
            "secret" => Reply::Text(200, "OK - 5400"),
            "files.completeUploadExternal" => Reply::Broken,
            _ => Reply::ok(json!({"ts": "5.0"})),
        })
        .await;
        let failure = fake.slack.carry_out(&errand(None, post(long()))).await.expect_err("a refusal");
        assert_eq!(failure, Failure::Ambiguous(Problem::new("answer_lost")));
        let asked = fake.asked();
        assert_eq!((asked[1].query("filename"), asked[1].query("length")), ("plan.md".into(), "5400".into()));
        assert!(!asked[2].authorized, "the upload address is secret in itself");
        assert_eq!(asked[3].body["thread_ts"], "5.0");
        assert_eq!(asked[3].body["files"], json!([{"id": "F1", "title": "plan.md (d1)"}]));

        let fake = Fake::start(|asked, _| match asked.what.as_str() {
            "conversations.history" => Reply::ok(json!({"messages": [ours("5.0", "d1")]})),
            "conversations.replies" => Reply::ok(json!({"messages": [
                {"ts": "5.1", "files": [{"id": "F1", "name": "plan.md", "title": "plan.md (d1)"}]},
            ]})),
            _ => Reply::identity(),
        })
        .await;
        let again = unsure_since(errand(None, post(long())), 1_000);
        assert_eq!(fake.slack.carry_out(&again).await.expect("carried").message.as_deref(), Some("5.0"));
        assert_eq!(fake.whats(), ["auth.test", "conversations.history", "conversations.replies"]);
    }

    #[tokio::test]
    async fn blocks_that_slack_does_not_take_become_plain_text() {
        let fake = Fake::start(|asked, _| match asked.body["blocks"].as_array() {
            Some(blocks) if !blocks.is_empty() => Reply::refused("invalid_blocks"),
            _ => Reply::ok(json!({"ts": "5.0"})),
        })
        .await;
        let edit = Talk::Edit { id: "5.0".into(), message: Message::line("hi") };
        fake.slack.carry_out(&errand(Some("1.0"), edit)).await.expect("carried");
        fake.slack.carry_out(&errand(Some("1.0"), post(Message::line("hi")))).await.expect("carried");
        assert_eq!(fake.whats(), ["chat.update", "chat.update", "chat.postMessage", "chat.postMessage"]);
    }

    #[tokio::test]
    async fn a_private_answer_takes_the_first_way_that_works() {
        for path in ["lapsed", "busy"] {
            let fake = Fake::start(|asked, _| match asked.what.as_str() {
                "lapsed" => Reply::Text(404, "expired_url"),
                "busy" => Reply::Text(429, "too many"),
                "chat.postEphemeral" => Reply::refused("user_not_in_channel"),
                "conversations.open" => Reply::ok(json!({"channel": {"id": "D1"}})),
                _ => Reply::ok(json!({"ts": "7.0"})),
            })
            .await;
            let answer = AnswerPath { url: Some(format!("{}/respond/{path}", fake.base)), ..AnswerPath::default() };
            let talk = Talk::Private { to: Actor::slack("T1", "U1"), message: Message::line("no"), answer };
            fake.slack.carry_out(&errand(Some("1.0"), talk)).await.expect("carried");
            assert_eq!(fake.whats(), [path, "chat.postEphemeral", "conversations.open", "chat.postMessage"]);
            let asked = fake.asked();
            assert_eq!((&asked[2].body["users"], &asked[3].body["channel"]), (&json!("U1"), &json!("D1")));
        }
    }

    #[tokio::test]
    async fn a_thread_is_read_without_our_own_words() {
        let fake = Fake::start(|asked, _| match asked.what.as_str() {
            "conversations.replies" => Reply::ok(json!({"messages": [
                {"ts": "1712345678.000100", "user": "U1", "text": "It &lt;broke&gt;"},
                ours("1712345679.000100", "d0"),
                {"ts": "1712345680.000100", "bot_id": "B9", "username": "CI", "text": "", "attachments": [{"text": "red"}]},
                {"ts": "1712345681.000100", "user": "U2", "text": "hm"},
                {"ts": "1712345682.000100", "user": "U1", "text": "<@UBATON> fix it"},
            ]})),
            "users.info" if asked.query("user") == "U1" => {
                Reply::ok(json!({"user": {"name": "ada", "profile": {"display_name": "Ada", "phone": 5}}}))
            }
            "users.info" => Reply::refused("user_not_found"),
            _ => Reply::identity(),
        })
        .await;
        let read = Talk::ReadThread { message: "1712345682.000100".into() };
        let carried = fake.slack.carry_out(&errand(Some("1712345678.000100"), read)).await.expect("carried");
        let Some(Outcome::ThreadRead(remarks)) = carried.outcome else { panic!() };
        let told: Vec<_> = remarks.iter().map(|remark| (remark.author.as_str(), remark.text.as_str())).collect();
        assert_eq!(told, [("Ada", "It <broke>"), ("CI", "red"), ("<@U2>", "hm")]);
        assert_eq!(remarks[0].at, Timestamp::from_millis(1_712_345_678_000));
    }

    #[tokio::test]
    async fn a_form_that_does_not_open_is_said_so() {
        for (code, whats) in [
            ("expired_trigger_id", vec!["views.open", "chat.postEphemeral"]),
            ("exchanged_trigger_id", vec!["views.open"]),
            ("invalid_arguments", vec!["views.open", "chat.postEphemeral"]),
        ] {
            let fake = Fake::start(move |asked, _| match asked.what.as_str() {
                "views.open" => Reply::refused(code),
                _ => Reply::ok(json!({})),
            })
            .await;
            let form = Form::RequestChanges { about: "o1/1/9f86".into() };
            let answer = AnswerPath { trigger: Some("1.2".into()), ..AnswerPath::default() };
            let talk = Talk::OpenForm { form, to: Actor::slack("T1", "U1"), answer, choices: Choices::default() };
            fake.slack.carry_out(&errand(Some("1.0"), talk)).await.expect("carried");
            assert_eq!(fake.whats(), whats);
        }
    }
}
