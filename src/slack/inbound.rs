//! What a stored request from Slack means, as an event of the domain.
//!
//! Pure, and total: whatever stands in a body, the worst it can become is `Ignored`. The payloads are
//! described at <https://docs.slack.dev/reference/events> and
//! <https://docs.slack.dev/reference/interaction-payloads>. Called by the inbox worker.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    envelope::{self, Kind},
    forms,
    mrkdwn::{to_plain, without_mention},
};
use crate::{
    domain::{
        actor::{Actor, Platform},
        command::Verb,
        conversation::Conversation,
        input::{Act, AnswerPath, Deed, Event},
        message::{About, Filled},
    },
    door::text_at,
    time::Timestamp,
};

/// Who we are in the workspace, as `auth.test` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The team, or the enterprise of an org-wide install.
    pub workspace: String,
    pub bot_user: String,
    pub bot_id: String,
    pub app_id: Option<String>,
}

/// The workspaces through one of whose installations a stored body reached us, the likeliest first.
#[must_use]
pub fn installations(kind: &str, body: &str) -> Vec<String> {
    let payload = Kind::parse(kind).and_then(|kind| envelope::open(kind, body).ok());
    let named = payload.as_ref().map(envelope::installations).unwrap_or_default();
    named.into_iter().map(str::to_owned).collect()
}

/// Reads a body that came to the address `kind` (`commands`, `interactivity` or `events`).
#[must_use]
pub fn read(kind: &str, body: &str, us: &Identity) -> Event {
    let Some(kind) = Kind::parse(kind) else { return Event::Ignored("unknown kind of body") };
    let payload = match envelope::open(kind, body) {
        Ok(payload) => payload,
        Err(reason) => return Event::Ignored(reason),
    };
    if !envelope::installations(&payload).contains(&us.workspace.as_str()) {
        return Event::Ignored("unknown workspace");
    }
    if let Some(reason) = envelope::irrelevance(kind, &payload) {
        return Event::Ignored(reason);
    }
    let reader = Reader { payload: &payload, us };
    let event = match kind {
        Kind::Commands => reader.command(),
        Kind::Interactivity => reader.interaction(),
        Kind::Events => reader.event(),
    };
    event.unwrap_or_else(Event::Ignored)
}

/// What follows a slash command of ours.
#[must_use]
pub fn slash(payload: &Value) -> Option<(Verb, String)> {
    let verb = match text_at(payload, "/command")? {
        "/orchestrate" => Verb::Orchestrate,
        "/plan" => Verb::Plan,
        "/oz" => Verb::Run,
        _ => return None,
    };
    Some((verb, to_plain(text_at(payload, "/text").unwrap_or_default()).trim().to_owned()))
}

/// What a message says: its text, or else what its blocks and attachments say.
#[must_use]
pub fn words(message: &Value) -> String {
    if let Some(text) = text_at(message, "/text") {
        return to_plain(text).trim().to_owned();
    }
    let mut found = Vec::new();
    collect_text(message.get("blocks"), &mut found, 0);
    if found.is_empty() {
        collect_text(message.get("attachments"), &mut found, 0);
    }
    to_plain(&found.join("\n")).trim().to_owned()
}

type Read = Result<Event, &'static str>;

struct Reader<'a> {
    payload: &'a Value,
    us: &'a Identity,
}

impl Reader<'_> {
    fn command(&self) -> Read {
        let (verb, text) = slash(self.payload).ok_or("unknown command")?;
        let actor = self.actor("/user_id", &["/user_name"])?;
        let conversation = self.conversation(self.text("/channel_id").ok_or("a command without a channel")?, None);
        Ok(self.act(actor, conversation, Deed::Slash { verb, text }))
    }

    fn interaction(&self) -> Read {
        match self.text("/type") {
            Some("block_actions") => self.pressed(),
            Some("message_action") => self.shortcut(),
            Some("view_submission") => self.submitted(),
            _ => Err("interaction we do not use"),
        }
    }

    fn pressed(&self) -> Read {
        let (press, value) = envelope::press(self.payload).ok_or("not a button of ours")?;
        let about = About::parse(value).ok_or("not a button of ours")?;
        let is_ephemeral = self.payload.pointer("/container/is_ephemeral").and_then(Value::as_bool).unwrap_or(false);
        // What only one person sees can be neither found nor edited.
        let message = self.first(&["/container/message_ts", "/message/ts"]).filter(|_| !is_ephemeral);
        let thread = self.first(&["/message/thread_ts", "/container/thread_ts"]);
        // A root is seen, and answered, in the channel.
        let thread = thread.filter(|thread| message != Some(thread));
        let channel = self.first(&["/channel/id", "/container/channel_id"]).unwrap_or_default();
        let deed = Deed::Pressed { press, about, message: message.map(str::to_owned) };
        Ok(self.act(self.clicker()?, self.conversation(channel, thread), deed))
    }

    fn shortcut(&self) -> Read {
        let message = self.payload.get("message").ok_or("a shortcut without a message")?;
        let text = self.words_to_us("/message");
        let ts = self.first(&["/message/ts", "/message_ts"]).ok_or("a shortcut without a message")?;
        let channel = self.text("/channel/id").ok_or("a shortcut without a channel")?;
        let conversation = self.conversation(channel, text_at(message, "/thread_ts"));
        Ok(self.act(self.clicker()?, conversation, Deed::Shortcut { text, message: ts.to_owned() }))
    }

    fn submitted(&self) -> Read {
        let view = self.payload.get("view").ok_or("a form without a view")?;
        let filled = forms::read(view)?;
        // A form knows its place only if it was told; the others name their orchestration.
        let place = match &filled {
            Filled::Start { place, .. } => place.as_str(),
            Filled::RequestChanges { .. } | Filled::Reject { .. } | Filled::Edit { .. } => "",
        };
        let conversation = self.conversation(place, None);
        Ok(self.act(self.clicker()?, conversation, Deed::Submitted(filled)))
    }

    fn event(&self) -> Read {
        match self.text("/event/type") {
            Some("app_mention") => self.mention(),
            Some("message") if self.text("/event/subtype") == Some("message_changed") => self.correction(),
            Some("message") => self.message(),
            Some("agent_session_stopped") => {
                let actor = self.actor("/event/user", &[])?;
                Ok(self.act(actor, self.in_thread("/event")?, Deed::StopControl))
            }
            Some("app_uninstalled") => Ok(self.uninstalled()),
            // `tokens` names users, not tokens; a person's own token is nothing to us.
            Some("tokens_revoked") => match self.payload.pointer("/event/tokens/bot").and_then(Value::as_array) {
                Some(bots) if bots.is_empty() => Err("only tokens of people were revoked"),
                None if self.payload.pointer("/event/tokens/oauth").is_some() => {
                    Err("only tokens of people were revoked")
                }
                _ => Ok(self.uninstalled()),
            },
            _ => Err("event type we do not use"),
        }
    }

    fn mention(&self) -> Read {
        let (actor, message) = self.author("/event")?;
        let text = self.words_to_us("/event");
        Ok(self.act(actor, self.in_thread("/event")?, Deed::Mention { text, message }))
    }

    fn message(&self) -> Read {
        let (actor, message) = self.author("/event")?;
        let conversation = self.in_thread("/event")?;
        let is_direct = envelope::is_direct(self.payload);
        if !is_direct && self.mentions_us("/event") {
            return Err("a mention, which comes as app_mention too");
        }
        let text = self.words_to_us("/event");
        if text.is_empty() {
            return Err("a message without words");
        }
        let deed = if is_direct { Deed::Direct { text, message } } else { Deed::Remark { text, message } };
        Ok(self.act(actor, conversation, deed))
    }

    fn correction(&self) -> Read {
        let (actor, message) = self.author("/event/message")?;
        let channel = self.text("/event/channel").ok_or("a message without a channel")?;
        // Before the first reply a root does not say that it is one.
        let conversation = self.conversation(channel, self.text("/event/message/thread_ts").or(Some(&message)));
        let text = self.words_to_us("/event/message");
        if text.is_empty() {
            return Err("a message without words");
        }
        Ok(self.act(actor, conversation, Deed::Correction { text, message }))
    }

    /// A message's author and its id; never ourselves.
    fn author(&self, message: &str) -> Result<(Actor, String), &'static str> {
        let actor = self.actor(&format!("{message}/user"), &[])?;
        let app = self.text(&format!("{message}/app_id"));
        if actor.id == self.us.bot_user || (app.is_some() && app == self.us.app_id.as_deref()) {
            return Err("our own message");
        }
        let ts = self.text(&format!("{message}/ts")).ok_or("a message without a time")?;
        Ok((actor, ts.to_owned()))
    }

    fn in_thread(&self, event: &str) -> Result<Conversation, &'static str> {
        let channel = self.text(&format!("{event}/channel")).ok_or("a message without a channel")?;
        Ok(self.conversation(channel, self.text(&format!("{event}/thread_ts"))))
    }

    fn mentions_us(&self, message: &str) -> bool {
        let mention = format!("<@{}", self.us.bot_user);
        self.text(&format!("{message}/text")).is_some_and(|text| {
            text.match_indices(&mention).any(|(at, _)| text[at + mention.len()..].starts_with(['>', '|']))
        })
    }

    /// The message's words without the mention that brought them here.
    fn words_to_us(&self, message: &str) -> String {
        let Some(message) = self.payload.pointer(message) else { return String::new() };
        match text_at(message, "/text") {
            Some(text) => to_plain(&without_mention(text, &self.us.bot_user)).trim().to_owned(),
            None => words(message),
        }
    }

    fn clicker(&self) -> Result<Actor, &'static str> {
        self.actor("/user/id", &["/user/username", "/user/name"])
    }

    fn actor(&self, id: &str, names: &[&str]) -> Result<Actor, &'static str> {
        let id = self.text(id).ok_or("nobody did it")?;
        Ok(Actor { name: self.first(names).map(str::to_owned), ..Actor::slack(&self.us.workspace, id) })
    }

    fn conversation(&self, channel: &str, thread: Option<&str>) -> Conversation {
        Conversation::slack(&self.us.workspace, channel, thread.map(str::to_owned))
    }

    fn act(&self, actor: Actor, conversation: Conversation, deed: Deed) -> Event {
        let answer = AnswerPath {
            trigger: self.text("/trigger_id").map(str::to_owned),
            url: self.first(&["/response_url", "/response_urls/0/response_url"]).map(str::to_owned),
            // A form is in no channel.
            at: Some(conversation.clone()).filter(|at| !at.place.is_empty()),
        };
        Event::Act(Box::new(Act { actor, conversation, deed, answer, at: self.at() }))
    }

    fn uninstalled(&self) -> Event {
        Event::Uninstalled { platform: Platform::Slack, workspace: self.us.workspace.clone(), at: self.at() }
    }

    fn at(&self) -> Option<Timestamp> {
        self.payload.get("event_time").and_then(Value::as_i64).map(Timestamp::from_secs)
    }

    fn text(&self, pointer: &str) -> Option<&str> {
        text_at(self.payload, pointer)
    }

    fn first(&self, pointers: &[&str]) -> Option<&str> {
        pointers.iter().find_map(|pointer| self.text(pointer))
    }
}

/// The texts of blocks, whatever their shape: every `text` that is one, from the top.
fn collect_text(value: Option<&Value>, found: &mut Vec<String>, depth: usize) {
    const DEEPEST: usize = 16;
    const MOST: usize = 500;
    if depth > DEEPEST || found.len() >= MOST {
        return;
    }
    match value {
        Some(Value::Array(items)) => items.iter().for_each(|item| collect_text(Some(item), found, depth + 1)),
        Some(Value::Object(fields)) => {
            for key in ["pretext", "title", "text", "fields", "elements", "blocks", "rows"] {
                match fields.get(key) {
                    Some(Value::String(text)) if !text.trim().is_empty() => found.push(text.clone()),
                    other => collect_text(other, found, depth + 1),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use url::form_urlencoded;

    use super::*;
    use crate::domain::message::{Press, Subject};

    fn us() -> Identity {
        Identity {
            workspace: "T1".into(),
            bot_user: "UBATON".into(),
            bot_id: "BBATON".into(),
            app_id: Some("ABATON".into()),
        }
    }

    fn event(event: &Value) -> Event {
        let envelope = json!({
            "token": "x", "team_id": "T1", "context_team_id": "T1", "api_app_id": "ABATON", "event": event,
            "type": "event_callback", "event_id": "Ev1", "event_time": 1_712_345_678,
            "authorizations": [{"enterprise_id": null, "team_id": "T1", "user_id": "UBATON", "is_bot": true}],
        });
        read("events", &envelope.to_string(), &us())
    }

    fn interaction(payload: &Value) -> Event {
        let form =
            form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish();
        read("interactivity", &form, &us())
    }

    fn command(fields: &[(&str, &str)]) -> Event {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        read("commands", &form, &us())
    }

    fn act(event: Event) -> Act {
        match event {
            Event::Act(act) => *act,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_slash_command() {
        let act = act(command(&[
            ("team_id", "T1"),
            ("channel_id", "C1"),
            ("user_id", "U1"),
            ("user_name", "ada"),
            ("command", "/orchestrate"),
            ("text", " each:a,b Ask <@U2|grace> about a &amp; b "),
            ("response_url", "https://hooks.slack.com/commands/T1/1/x"),
            ("trigger_id", "1.2.x"),
        ]));
        let text = "each:a,b Ask @grace about a & b".to_owned();
        assert_eq!(act.deed, Deed::Slash { verb: Verb::Orchestrate, text });
        assert_eq!(act.conversation, Conversation::slack("T1", "C1", None));
        assert_eq!((act.actor.id.as_str(), act.actor.name.as_deref()), ("U1", Some("ada")));
        assert_eq!(act.answer.trigger.as_deref(), Some("1.2.x"));
        assert_eq!(act.answer.url.as_deref(), Some("https://hooks.slack.com/commands/T1/1/x"));
    }

    #[test]
    fn a_mention_loses_the_mention_wherever_it_stands() {
        for (text, read) in [
            ("<@UBATON> fix it", "fix it"),
            ("<@UBATON>: fix it", "fix it"),
            ("please <@UBATON|baton> fix it, <@U2>", "please fix it, @U2"),
            ("fix it <@UBATON>", "fix it"),
            ("<@UBATON>", ""),
            ("<@UBATONX> fix it <@UBATON>", "@UBATONX fix it"),
        ] {
            let act = act(event(&json!({
                "type": "app_mention", "user": "U1", "text": text, "ts": "1712345678.000100", "channel": "C1",
            })));
            assert_eq!(act.deed, Deed::Mention { text: read.into(), message: "1712345678.000100".into() });
            assert_eq!(act.conversation.thread, None);
        }
    }

    #[test]
    fn messages_by_where_they_were_said() {
        let message = |channel: &str, thread: Value, text: &str| {
            event(&json!({
                "type": "message", "user": "U1", "text": text, "ts": "2.0", "channel": channel, "thread_ts": thread,
                "channel_type": if channel.starts_with('D') { "im" } else { "channel" },
                "blocks": [{"type": "a block of tomorrow", "size": 3}], "metadata": {"event_payload": {"n": 1}},
            }))
        };
        let direct = act(message("D1", Value::Null, "hello"));
        assert_eq!(direct.deed, Deed::Direct { text: "hello".into(), message: "2.0".into() });
        let remark = act(message("C1", "1.0".into(), "only pkg-a"));
        assert_eq!(remark.deed, Deed::Remark { text: "only pkg-a".into(), message: "2.0".into() });
        assert_eq!(remark.conversation, Conversation::slack("T1", "C1", Some("1.0".into())));
        for ignored in [message("C1", "1.0".into(), "hey <@UBATON>"), message("C1", Value::Null, "lunch?")] {
            assert!(matches!(ignored, Event::Ignored(_)), "{ignored:?}");
        }
    }

    #[test]
    fn nothing_that_a_bot_says_is_for_us() {
        for message in [
            json!({"type": "message", "user": "UBATON", "text": "x", "ts": "2.0", "channel": "C1", "thread_ts": "1.0"}),
            json!({"type": "message", "user": "U1", "bot_id": "B1", "text": "x", "ts": "2.0", "channel": "D1"}),
            json!({"type": "message", "subtype": "bot_message", "bot_id": "B1", "text": "x", "ts": "2.0", "channel": "D1"}),
            json!({"type": "app_mention", "bot_id": "B1", "text": "<@UBATON>", "ts": "2.0", "channel": "C1"}),
        ] {
            assert!(matches!(event(&message), Event::Ignored(_)), "{message}");
        }
    }

    #[test]
    fn a_correction_is_what_the_message_says_now() {
        let act = act(event(&json!({
            "type": "message", "subtype": "message_changed", "channel": "C1", "ts": "3.0",
            "message": {"type": "message", "user": "U1", "text": "<@UBATON> use npm", "ts": "2.0", "thread_ts": "1.0",
                        "edited": {"user": "U1", "ts": "3.0"}},
            "previous_message": {"type": "message", "user": "U1", "text": "<@UBATON> use yarn", "ts": "2.0"},
        })));
        assert_eq!(act.deed, Deed::Correction { text: "use npm".into(), message: "2.0".into() });
        assert_eq!(act.conversation.thread.as_deref(), Some("1.0"));
    }

    #[test]
    fn a_button_names_what_it_is_about() {
        let click = |action: &str, value: &str, ephemeral: bool| {
            interaction(&json!({
                "type": "block_actions", "team": null, "enterprise": {"id": "E1", "name": "Acme"},
                "user": {"id": "U1", "username": "ada", "team_id": "T1"}, "trigger_id": "9.9", "channel": {"id": "C1"},
                "container": {"type": "message", "message_ts": "2.0", "channel_id": "C1", "is_ephemeral": ephemeral},
                "message": {"ts": "2.0", "thread_ts": "1.0", "metadata": {"event_payload": {"n": 1}}},
                "response_url": "https://hooks.slack.com/actions/T1/1/x",
                "actions": [{"type": "button", "action_id": action, "value": value, "action_ts": "4.0"}],
            }))
        };
        let act = act(click("baton.approve", "o1/2/9f86d081884c", false));
        let Deed::Pressed { press, about, message } = act.deed else { panic!() };
        assert_eq!((press, message.as_deref()), (Press::Approve, Some("2.0")));
        assert_eq!(about.subject, Subject::Proposal { version: 2, digest: "9f86d081884c".into() });
        assert_eq!(act.conversation, Conversation::slack("T1", "C1", Some("1.0".into())));
        assert_eq!(act.actor, Actor::slack("T1", "U1"));
        for ignored in [
            click("baton.open", "", false),
            click("baton.approve", "", false),
            click("baton.approve", "o1/x", false),
            click("baton.conquer", "o1", false),
        ] {
            assert!(matches!(ignored, Event::Ignored(_)), "{ignored:?}");
        }
    }

    #[test]
    fn the_shortcut_takes_the_words_from_where_they_are() {
        let shortcut = |message: Value| {
            act(interaction(&json!({
                "type": "message_action", "callback_id": "baton.orchestrate_message", "team": {"id": "T1"},
                "user": {"id": "U1", "name": "ada"}, "channel": {"id": "C1"}, "message_ts": "2.0", "message": message,
            })))
        };
        let plain = shortcut(json!({"text": "Fix <#C2|ops>", "ts": "2.0", "thread_ts": "1.0"}));
        assert_eq!(plain.deed, Deed::Shortcut { text: "Fix #ops".into(), message: "2.0".into() });
        assert_eq!(plain.conversation.thread.as_deref(), Some("1.0"));
        let blocks = shortcut(json!({"text": "", "ts": "2.0", "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": "Alert"}},
            {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "disk full"}]}]},
        ]}));
        assert_eq!(blocks.deed, Deed::Shortcut { text: "Alert\ndisk full".into(), message: "2.0".into() });
        let attachment = shortcut(json!({"ts": "2.0", "attachments": [{"text": "build failed", "color": "#f00"}]}));
        assert_eq!(attachment.deed, Deed::Shortcut { text: "build failed".into(), message: "2.0".into() });
    }

    #[test]
    fn org_wide_installs_are_known_by_their_enterprise() {
        let us = Identity { workspace: "E1".into(), ..us() };
        let removed = json!({"type": "event_callback", "enterprise_id": "E1", "event": {"type": "app_uninstalled"}});
        let uninstalled = Event::Uninstalled { platform: Platform::Slack, workspace: "E1".into(), at: None };
        assert_eq!(read("events", &removed.to_string(), &us), uninstalled);
        assert_eq!(read("events", &removed.to_string(), &self::us()), Event::Ignored("unknown workspace"));
    }

    #[test]
    fn revoked_tokens_matter_when_one_is_ours() {
        let revoked = |tokens: Value| event(&json!({"type": "tokens_revoked", "tokens": tokens}));
        let at = Some(Timestamp::from_secs(1_712_345_678));
        let uninstalled = Event::Uninstalled { platform: Platform::Slack, workspace: "T1".into(), at };
        assert_eq!(revoked(json!({"oauth": [], "bot": ["UBATON"]})), uninstalled);
        assert!(matches!(revoked(json!({"oauth": ["U1"], "bot": []})), Event::Ignored(_)));
        assert!(matches!(revoked(json!({"oauth": ["U1"]})), Event::Ignored(_)));
    }

    #[test]
    fn other_workspaces_and_unknown_things_are_ignored() {
        let foreign = [("team_id", "T2"), ("channel_id", "C1"), ("user_id", "U1"), ("command", "/oz")];
        assert_eq!(command(&foreign), Event::Ignored("unknown workspace"));
        assert_eq!(event(&json!({"type": "emoji_changed"})), Event::Ignored("event type we do not use"));
        assert_eq!(
            interaction(&json!({"type": "view_closed", "team": {"id": "T1"}})),
            Event::Ignored("interaction we do not use")
        );
        assert_eq!(read("letters", "", &us()), Event::Ignored("unknown kind of body"));
    }

    proptest! {
        #[test]
        fn whatever_comes_in_is_read_or_ignored(text in "[<>@U#!|BATON a&]{0,40}", field in 0usize..6, junk in 0usize..5) {
            let junk = [Value::Null, json!(7), json!([]), json!({"a": 1}), json!("x")][junk].clone();
            let mut message = json!({"type": "message", "user": "U1", "text": text, "ts": "2.0", "channel": "C1", "thread_ts": "1.0"});
            message[["user", "text", "ts", "channel", "thread_ts", "subtype"][field]] = junk;
            let _ = event(&message);
        }
    }
}
