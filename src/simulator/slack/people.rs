//! What people do by writing: commands, messages, edits, direct messages. Clicks are in
//! [`super::clicks`].

use serde_json::{Value, json};

use super::{
    Answer, Slack,
    blocks::check_message,
    composer::Typed,
    deliver::Delivery,
    wire,
    world::{Author, ChannelKind, Message, World},
};

impl Slack {
    /// A slash command. What Baton answers with 200 is shown, to this person alone or to all.
    pub async fn command(&self, user: &str, channel: &str, command: &str, text: &str) -> Answer {
        let delivery = self.write(|world| {
            let found = world.channel(channel).cloned()?;
            let typed = Typed::read(world, text);
            let form = wire::command_form(world, user, &found, command, &typed);
            Some(Delivery::command(form, world.clock.now()))
        });
        let Some(delivery) = delivery else { return Answer::default() };
        let answer = self.send(delivery).await;
        if answer.is_success() {
            self.write(|world| show_command_answer(world, user, channel, &answer.body));
        }
        answer
    }

    /// A message, at the top of a channel or in a thread; gives its `ts`. The app hears of it as
    /// `message`, and as `app_mention` too when it is mentioned (`@baton` or `<@U0BATON>`).
    pub async fn say(&self, user: &str, channel: &str, thread: Option<&str>, text: &str) -> String {
        self.write_message(Author::Person(user.to_owned()), channel, thread, text, false).await
    }

    /// A reply that is also shown in the channel.
    pub async fn broadcast(&self, user: &str, channel: &str, thread: &str, text: &str) -> String {
        self.write_message(Author::Person(user.to_owned()), channel, Some(thread), text, true).await
    }

    /// A direct message to Baton.
    pub async fn direct(&self, user: &str, text: &str, thread: Option<&str>) -> String {
        let channel = self.write(|world| world.direct_channel(user));
        self.say(user, &channel, thread, text).await
    }

    /// Another app's bot says something, with metadata of its own kind.
    pub async fn bot_says(&self, channel: &str, thread: Option<&str>, text: &str) -> String {
        self.write_message(Author::OtherBot, channel, thread, text, false).await
    }

    /// Changes one's own message. The answer is the door's to the event, if there was one.
    pub async fn edit(&self, user: &str, channel: &str, ts: &str, text: &str) -> Result<Answer, String> {
        self.write(|world| {
            of_ones_own(world, user, channel, ts)?;
            let typed = Typed::read(world, text);
            let at = world.next_ts();
            world.change(channel, ts, |message| {
                message.text = typed.mrkdwn();
                message.blocks = typed.blocks();
                message.edited = Some((user.to_owned(), at));
            });
            Ok::<_, String>(())
        })?;
        Ok(worst(self.deliver_outgoing().await))
    }

    /// Takes one's own message away.
    pub async fn delete(&self, user: &str, channel: &str, ts: &str) -> Result<Answer, String> {
        self.write(|world| {
            of_ones_own(world, user, channel, ts)?;
            world.delete(channel, ts);
            Ok::<_, String>(())
        })?;
        Ok(worst(self.deliver_outgoing().await))
    }

    /// An administrator takes anybody's message away; Baton is not told.
    pub fn moderate(&self, channel: &str, ts: &str) {
        self.write(|world| world.take_away(channel, ts));
    }

    /// Opens the app's Home tab.
    pub async fn open_home(&self, user: &str) -> Answer {
        let event = self.write(|world| {
            let (channel, at) = (world.direct_channel(user), world.next_ts());
            json!({"type": "app_home_opened", "user": user, "channel": channel, "tab": "home", "event_ts": at})
        });
        self.event(event).await
    }

    /// Any event, in the Events API's envelope: `app_uninstalled`, `tokens_revoked` and the like.
    pub async fn event(&self, event: Value) -> Answer {
        let delivery = self.write(|world| {
            let body = wire::event_callback(world, &event);
            Delivery::event(&body, world.clock.now())
        });
        self.send(delivery).await
    }

    async fn write_message(
        &self,
        author: Author,
        channel: &str,
        thread: Option<&str>,
        text: &str,
        broadcast: bool,
    ) -> String {
        let ts = self.write(|world| {
            let typed = Typed::read(world, text);
            let mut message = Message::new(channel, author, &typed.mrkdwn());
            message.thread_ts = thread.map(|thread| root_of(world, channel, thread));
            message.broadcast = broadcast;
            if message.author == Author::OtherBot {
                message.metadata =
                    Some(json!({"event_type": "build_ended", "event_payload": {"build": 417, "ok": true}}));
            } else {
                message.blocks = typed.blocks();
            }
            let ts = world.post(message);
            let direct = world.channel(channel).is_none_or(|channel| channel.kind == ChannelKind::Direct);
            if let (true, false, Some(message)) = (typed.mentions_us(), direct, world.message(channel, &ts)) {
                let event = wire::app_mention_event(world, message);
                world.announce(channel, &event);
            }
            ts
        });
        self.deliver_outgoing().await;
        ts
    }
}

/// The root of the thread that a message is in.
pub fn root_of(world: &World, channel: &str, ts: &str) -> String {
    world.message(channel, ts).and_then(|message| message.thread_ts.clone()).unwrap_or_else(|| ts.to_owned())
}

fn of_ones_own(world: &World, user: &str, channel: &str, ts: &str) -> Result<(), String> {
    match world.message(channel, ts) {
        None => Err(format!("there is no message {ts} in {channel}")),
        Some(message) if message.author != Author::Person(user.to_owned()) => {
            Err("only one's own messages can be changed".to_owned())
        }
        Some(_) => Ok(()),
    }
}

/// The answer that is furthest from a success; none at all is the default one.
fn worst(answers: Vec<Answer>) -> Answer {
    answers.into_iter().min_by_key(Answer::is_success).unwrap_or_default()
}

/// <https://docs.slack.dev/interactivity/implementing-slash-commands/#responding_to_commands>
fn show_command_answer(world: &mut World, user: &str, channel: &str, body: &str) {
    let json: Option<Value> = serde_json::from_str(body).ok().filter(Value::is_object);
    let (text, blocks, to_all) = match &json {
        Some(json) => {
            let blocks = json["blocks"].as_array().cloned().unwrap_or_default();
            (json["text"].as_str().unwrap_or_default(), blocks, json["response_type"] == "in_channel")
        }
        None => (body.trim(), Vec::new(), false),
    };
    if text.is_empty() && blocks.is_empty() {
        return;
    }
    if let Err(wrong) = check_message(&json!(blocks)) {
        world.warn(format!("the answer to a command has {}: {}", wrong.code, wrong.messages.join("; ")));
        return;
    }
    let mut message = Message::new(channel, Author::Us, text);
    message.blocks = blocks;
    message.only_to = (!to_all).then(|| user.to_owned());
    world.post(message);
}
