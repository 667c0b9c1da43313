//! The calls to Slack that Baton makes, one function each.
//!
//! Requests are slack-morphism's where it has them; answers are read by structs of our own with only
//! the fields we use, because the crate refuses whole answers for one field it did not expect (and a
//! post whose answer is refused has still been posted). Used by `deliver.rs`, by `app.rs` at the
//! start and by `baton check`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use slack_morphism::{
    SlackApiToken, SlackClient, SlackMessageContent, SlackMessageMetadata, SlackTriggerId, SlackTs, SlackUserId,
    api::{
        SlackApiChatPostEphemeralRequest, SlackApiChatPostMessageRequest, SlackApiChatUpdateRequest,
        SlackApiFilesComplete, SlackApiFilesCompleteUploadExternalRequest, SlackApiReactionsAddRequest,
        SlackApiViewsOpenRequest,
    },
    blocks::SlackView,
};
use url::Url;

use super::{
    connector::Connector,
    failure::{Effect, failure},
    inbound::Identity,
    render::Rendered,
    token::{Keeper, Tokens},
};
use crate::{
    domain::{
        errand::File,
        failure::{Failure, Problem},
    },
    door::text_at,
    time::{Clock, Timestamp},
};

/// The `event_type` of every post's metadata.
pub const METADATA: &str = "baton_message";

/// Pages of messages are this long, and so many of them are read at the most.
const PAGE: usize = 200;
const MOST_PAGES: usize = 10;
/// Names are remembered for so many people, and for so long.
const MOST_NAMES: usize = 10_000;
const NAME_LASTS: Duration = Duration::from_hours(24);

/// By workspace and person.
type Names = HashMap<(String, String), (String, Timestamp)>;

/// Slack: one workspace, or one of those that have installed us. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Slack {
    api: SlackClient<Connector>,
    keeper: Keeper,
    clock: Clock,
    /// Of people, with when they were learned.
    names: Arc<Mutex<Names>>,
}

/// What a token is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    pub identity: Identity,
    /// As `x-oauth-scopes` lists them; empty when the header is absent.
    pub scopes: Vec<String>,
}

/// A channel, or a thread in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Destination<'a> {
    pub channel: &'a str,
    pub thread: Option<&'a str>,
}

/// A message as a channel's history has it.
#[derive(Clone, Debug)]
pub(super) struct Said(Value);

impl Slack {
    /// `api_url` is `SLACK_API_URL`, such as `https://slack.com/api/`.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub fn new(api_url: Url, tokens: Tokens, clock: Clock) -> reqwest::Result<Self> {
        let api = SlackClient::new(Connector::new(api_url)?);
        Ok(Self { api, keeper: Keeper::new(tokens), clock, names: Arc::default() })
    }

    /// What is asked from now on is asked in the workspace.
    pub(super) fn in_workspace(&self, workspace: &str) -> Self {
        Self { keeper: self.keeper.of(workspace), ..self.clone() }
    }

    /// <https://docs.slack.dev/reference/methods/auth.test>
    pub async fn auth_test(&self) -> Result<Installation, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            user_id: String,
            team_id: Option<String>,
            enterprise_id: Option<String>,
            #[serde(default)]
            is_enterprise_install: bool,
            bot_id: Option<String>,
            app_id: Option<String>,
        }
        let token = self.keeper.token(None).await?;
        let call = self.api.http_api.connector.call_with_headers("auth.test", &token);
        let (headers, answer): (_, Answer) = call.await.map_err(|error| failure(error, Effect::Read))?;
        let (team, enterprise) = (answer.team_id, answer.enterprise_id);
        let workspace = if answer.is_enterprise_install { enterprise.or(team) } else { team.or(enterprise) };
        let identity = Identity {
            workspace: workspace.ok_or_else(|| Failure::Refused(Problem::new("no_workspace")))?,
            bot_user: answer.user_id,
            bot_id: answer.bot_id.unwrap_or_default(),
            app_id: answer.app_id,
        };
        let scopes = headers.get("x-oauth-scopes").and_then(|scopes| scopes.to_str().ok()).unwrap_or_default();
        let scopes = scopes.split(',').map(str::trim).filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
        Ok(Installation { identity, scopes })
    }

    /// Who we are: as the installation has it, or asked for once.
    pub async fn identity(&self) -> Result<Identity, Failure> {
        self.keeper.identity(async { Ok(self.auth_test().await?.identity) }).await
    }

    /// <https://docs.slack.dev/reference/methods/chat.postMessage>; returns the message's `ts`.
    pub(super) async fn post(&self, to: Destination<'_>, what: &Rendered, delivery: &str) -> Result<String, Failure> {
        #[derive(Deserialize)]
        struct Posted {
            ts: String,
        }
        let payload = HashMap::from([("delivery".to_owned(), delivery.to_owned())]);
        let metadata = SlackMessageMetadata::new(METADATA.into()).with_event_payload(payload);
        let request = SlackApiChatPostMessageRequest::new(to.channel.into(), content(what).with_metadata(metadata))
            .opt_thread_ts(to.thread.map(SlackTs::from))
            .with_unfurl_links(false)
            .with_unfurl_media(false);
        let posted: Posted = self.write("chat.postMessage", &request).await?;
        Ok(posted.ts)
    }

    /// <https://docs.slack.dev/reference/methods/chat.update>
    pub(super) async fn update(&self, channel: &str, ts: &str, what: &Rendered) -> Result<(), Failure> {
        let request = SlackApiChatUpdateRequest::new(channel.into(), content(what), ts.into());
        self.write::<Value>("chat.update", &request).await.map(|_| ())
    }

    /// <https://docs.slack.dev/reference/methods/chat.postEphemeral>
    pub(super) async fn ephemeral(&self, to: Destination<'_>, user: &str, what: &Rendered) -> Result<(), Failure> {
        let request = SlackApiChatPostEphemeralRequest::new(to.channel.into(), SlackUserId::from(user), content(what))
            .opt_thread_ts(to.thread.map(SlackTs::from));
        self.write::<Value>("chat.postEphemeral", &request).await.map(|_| ())
    }

    /// Answers through a `response_url`, seen by one person: five times within half an hour
    /// (<https://docs.slack.dev/interactivity/handling-user-interaction>).
    pub(super) async fn respond(&self, url: &str, thread: Option<&str>, what: &Rendered) -> Result<(), Failure> {
        let url = self.trusted(url)?;
        let mut body = json!({
            "response_type": "ephemeral", "replace_original": false, "text": what.text, "blocks": what.blocks,
        });
        if let Some(thread) = thread {
            body["thread_ts"] = thread.into();
        }
        match self.api.http_api.connector.post_to(url, &body).await.map_err(|error| failure(error, Effect::Write)) {
            // An address that has lapsed or is used up answers 404 or 410.
            Err(Failure::Refused(problem)) => Err(Failure::Gone(problem)),
            other => other,
        }
    }

    /// The direct conversation with a person (<https://docs.slack.dev/reference/methods/conversations.open>).
    pub(super) async fn open_direct(&self, user: &str) -> Result<String, Failure> {
        #[derive(Deserialize)]
        struct Opened {
            channel: Channel,
        }
        #[derive(Deserialize)]
        struct Channel {
            id: String,
        }
        // The crate sends `users` as a list, and Slack reads a text with commas.
        let opened: Opened = self.write("conversations.open", &json!({"users": user})).await?;
        Ok(opened.channel.id)
    }

    /// <https://docs.slack.dev/reference/methods/reactions.add>; one that is there already is as good.
    pub(super) async fn react(&self, channel: &str, ts: &str, name: &str) -> Result<(), Failure> {
        let request = SlackApiReactionsAddRequest::new(channel.into(), name.into(), ts.into());
        match self.write::<Value>("reactions.add", &request).await {
            Err(Failure::Refused(problem)) if problem.code == "already_reacted" => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// <https://docs.slack.dev/reference/methods/views.open>
    pub(super) async fn open_view(&self, trigger: &str, view: SlackView) -> Result<(), Failure> {
        let request = SlackApiViewsOpenRequest::new(SlackTriggerId::from(trigger), view);
        self.write::<Value>("views.open", &request).await.map(|_| ())
    }

    /// Shares a file in three steps (<https://docs.slack.dev/messaging/working-with-files>). Only the
    /// last can be seen by anybody, so only its loss is ambiguous.
    pub(super) async fn upload(&self, to: Destination<'_>, file: &File) -> Result<(), Failure> {
        #[derive(Deserialize)]
        struct Place {
            upload_url: String,
            file_id: String,
        }
        // Slack takes no empty files.
        let bytes = if file.bytes.is_empty() { Bytes::from_static(b"\n") } else { file.bytes.clone() };
        let asked = [("filename", Some(file.name.clone())), ("length", Some(bytes.len().to_string()))];
        let place: Place = self.read("files.getUploadURLExternal", &asked).await?;
        let url = self.trusted(&place.upload_url)?;
        let put = self.api.http_api.connector.put(url, &file.mime_type, bytes).await;
        put.map_err(|error| failure(error, Effect::Read))?;
        let shared = SlackApiFilesComplete::new(place.file_id.into()).with_title(file.title.clone());
        let request = SlackApiFilesCompleteUploadExternalRequest::new(vec![shared])
            .with_channel_id(to.channel.into())
            .opt_thread_ts(to.thread.map(SlackTs::from));
        self.write::<Value>("files.completeUploadExternal", &request).await.map(|_| ())
    }

    /// What stands in a thread (its root first), or at the top level of a channel (newest first),
    /// from `since` on: <https://docs.slack.dev/reference/methods/conversations.replies>, `.history`.
    pub(super) async fn said(&self, place: Destination<'_>, since: Option<Timestamp>) -> Result<Vec<Said>, Failure> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            messages: Vec<Value>,
            response_metadata: Option<Value>,
        }
        let method = if place.thread.is_some() { "conversations.replies" } else { "conversations.history" };
        let oldest = since.map(|since| format!("{}.000000", since.as_secs()));
        let mut said = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let parameters = [
                ("channel", Some(place.channel.to_owned())),
                ("ts", place.thread.map(str::to_owned)),
                ("oldest", oldest.clone()),
                ("cursor", cursor.take()),
                ("limit", Some(PAGE.to_string())),
                ("include_all_metadata", Some("true".to_owned())),
            ];
            let page: Page = self.read(method, &parameters).await?;
            said.extend(page.messages.into_iter().map(Said));
            let next = page.response_metadata.as_ref().and_then(|metadata| text_at(metadata, "/next_cursor"));
            match next {
                Some(next) => cursor = Some(next.to_owned()),
                None => break,
            }
        }
        Ok(said)
    }

    /// A person's name (<https://docs.slack.dev/reference/methods/users.info>), or how Slack would
    /// write a mention of them when it cannot be had.
    pub(super) async fn name_of(&self, user: &str) -> String {
        let now = self.clock.now();
        let key = (self.keeper.workspace().unwrap_or_default().to_owned(), user.to_owned());
        let known = self.lock_names().get(&key).filter(|(_, learned)| now.since(*learned) < NAME_LASTS).cloned();
        if let Some((name, _)) = known {
            return name;
        }
        let answer: Result<Value, Failure> = self.read("users.info", &[("user", Some(user.to_owned()))]).await;
        let name = answer.ok().and_then(|answer| {
            ["/user/profile/display_name", "/user/profile/real_name", "/user/real_name", "/user/name"]
                .iter()
                .find_map(|pointer| text_at(&answer, pointer).map(str::to_owned))
        });
        let Some(name) = name else { return format!("<@{user}>") };
        let mut names = self.lock_names();
        if names.len() >= MOST_NAMES {
            names.clear();
        }
        names.insert(key, (name.clone(), now));
        name
    }

    fn lock_names(&self) -> std::sync::MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trusted(&self, url: &str) -> Result<Url, Failure> {
        let url = Url::parse(url).ok().filter(|url| self.api.http_api.connector.trusts(url));
        url.ok_or_else(|| Failure::Refused(Problem::new("foreign_address")))
    }

    async fn write<A: DeserializeOwned + Send>(
        &self,
        method: &str,
        request: &(impl Serialize + Send + Sync),
    ) -> Result<A, Failure> {
        let send = async |token: SlackApiToken| {
            let answer = self.api.open_session(&token).http_session_api.http_post(method, request, None).await;
            answer.map_err(|error| failure(error, Effect::Write))
        };
        let token = self.keeper.token(None).await?;
        let answer = match send(token.clone()).await {
            Err(failure) => send(self.keeper.another(&token, failure).await?).await,
            answered => answered,
        };
        answer.inspect_err(|failure| note(method, failure))
    }

    pub(super) async fn read<A: DeserializeOwned + Send>(
        &self,
        method: &str,
        parameters: &[(&'static str, Option<String>)],
    ) -> Result<A, Failure> {
        let parameters = parameters.to_vec();
        let send = async |token: SlackApiToken| {
            let answer = self.api.open_session(&token).http_session_api.http_get(method, &parameters, None).await;
            answer.map_err(|error| failure(error, Effect::Read))
        };
        let token = self.keeper.token(None).await?;
        let answer = match send(token.clone()).await {
            Err(failure) => send(self.keeper.another(&token, failure).await?).await,
            answered => answered,
        };
        answer.inspect_err(|failure| note(method, failure))
    }
}

impl Said {
    pub fn ts(&self) -> &str {
        text_at(&self.0, "/ts").unwrap_or_default()
    }

    /// Slack's `ts` is the moment, in seconds with a fraction.
    pub fn at(&self) -> Timestamp {
        let (seconds, fraction) = self.ts().split_once('.').unwrap_or((self.ts(), ""));
        let millis = fraction.get(..3).and_then(|millis| millis.parse().ok()).unwrap_or(0);
        Timestamp::from_secs(seconds.parse().unwrap_or(0)) + Duration::from_millis(millis)
    }

    pub fn user(&self) -> Option<&str> {
        text_at(&self.0, "/user")
    }

    /// What a message that is not a person's is signed with.
    pub fn signature(&self) -> Option<&str> {
        text_at(&self.0, "/bot_profile/name").or_else(|| text_at(&self.0, "/username"))
    }

    pub fn is_by(&self, us: &Identity) -> bool {
        let app = text_at(&self.0, "/app_id").or_else(|| text_at(&self.0, "/bot_profile/app_id"));
        self.user() == Some(&us.bot_user)
            || text_at(&self.0, "/bot_id") == Some(&us.bot_id)
            || (app.is_some() && app == us.app_id.as_deref())
    }

    /// Our metadata names the delivery that posted it.
    pub fn delivery(&self) -> Option<&str> {
        text_at(&self.0, "/metadata/event_type").filter(|&kind| kind == METADATA)?;
        text_at(&self.0, "/metadata/event_payload/delivery")
    }

    pub fn has_file(&self, file: &File) -> bool {
        let files = self.0.get("files").and_then(Value::as_array);
        files.into_iter().flatten().any(|shared| {
            text_at(shared, "/name") == Some(&file.name) && text_at(shared, "/title") == Some(&file.title)
        })
    }

    pub fn words(&self) -> String {
        super::inbound::words(&self.0)
    }
}

fn content(what: &Rendered) -> SlackMessageContent {
    SlackMessageContent::new().with_text(what.text.clone()).with_blocks(what.blocks.clone())
}

/// At debug only: a failure is logged where it is handled.
fn note(method: &str, failure: &Failure) {
    tracing::debug!(slack.method = method, slack.error = failure.problem().code, "slack call failed");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slack::fake::{Fake, Reply};

    const HERE: Destination<'_> = Destination { channel: "C1", thread: None };

    fn hello() -> Rendered {
        super::super::render::message(&crate::domain::message::Message::line("hello"))
    }

    #[tokio::test]
    async fn auth_test_tells_who_we_are_and_what_we_may() {
        let fake = Fake::start(|_, _| Reply::identity()).await;
        let installation = fake.slack.auth_test().await.expect("an identity");
        assert_eq!(installation.identity.workspace, "T1");
        assert_eq!(installation.scopes, ["chat:write", "commands"]);
        let org = json!({"team_id": null, "enterprise_id": "E1", "user_id": "U", "is_enterprise_install": true});
        let fake = Fake::start(move |_, _| Reply::ok(org.clone())).await;
        assert_eq!(fake.slack.identity().await.expect("an identity").workspace, "E1");
    }

    #[tokio::test]
    async fn failures_say_whether_something_may_have_happened() {
        let transient = |after: Option<u64>, code: &str| Failure::Transient {
            after: after.map(Duration::from_secs),
            problem: Problem::new(code),
        };
        let answers: [(fn() -> Reply, Failure); 7] = [
            (|| Reply::Limited("7"), transient(Some(7), "rate_limited")),
            (|| Reply::refused("ratelimited"), transient(None, "rate_limited")),
            (|| Reply::Text(503, "<html>"), Failure::Ambiguous(Problem::new("http_503"))),
            (|| Reply::Text(200, "<html>"), Failure::Ambiguous(Problem::new("answer_unreadable"))),
            (|| Reply::Broken, Failure::Ambiguous(Problem::new("answer_lost"))),
            (|| Reply::refused("fatal_error"), Failure::Ambiguous(Problem::new("fatal_error"))),
            (|| Reply::Json(json!({"ok": false})), Failure::Refused(Problem::new("unknown_error"))),
        ];
        for (answer, failure) in answers {
            let fake = Fake::start(move |_, _| answer()).await;
            assert_eq!(fake.slack.post(HERE, &hello(), "d1").await, Err(failure));
        }
    }

    #[tokio::test]
    async fn what_was_never_sent_had_no_effect() {
        let nobody = Url::parse("http://127.0.0.1:1/api/").expect("an address");
        let slack = Slack::new(nobody, Tokens::Fixed("xoxb-test".into()), Clock::system()).expect("a client");
        let unreachable = Failure::Transient { after: None, problem: Problem::new("unreachable") };
        assert_eq!(slack.post(HERE, &hello(), "d1").await, Err(unreachable));
    }

    #[tokio::test]
    async fn a_reaction_that_is_there_already_is_as_good() {
        let fake = Fake::start(|_, _| Reply::refused("already_reacted")).await;
        assert_eq!(fake.slack.react("C1", "1.0", "eyes").await, Ok(()));
    }

    #[tokio::test]
    async fn foreign_addresses_get_nothing() {
        let fake =
            Fake::start(|_, _| Reply::ok(json!({"upload_url": "https://evil.example/x", "file_id": "F1"}))).await;
        let foreign = Failure::Refused(Problem::new("foreign_address"));
        assert_eq!(fake.slack.respond("https://evil.example/x", None, &hello()).await, Err(foreign.clone()));
        let file = File { name: "a".into(), title: "a".into(), mime_type: "text/plain".into(), bytes: Bytes::new() };
        assert_eq!(fake.slack.upload(HERE, &file).await, Err(foreign));
        assert_eq!(fake.asked()[0].query("length"), "1", "Slack takes no empty files");
    }
}
