//! People in the simulated Slack. Whoever gets no answer tries again, as people do; what was answered
//! with 200 is done once, and waited for.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use baton::simulator::{
    World,
    oz::RunView,
    slack::{Author, Message},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{
    plan::Plan,
    stories::{End, Kind, Story},
};

pub const ENG: &str = "C0ENG";
/// Where two people have to approve.
pub const DECISIONS: &str = "C0OPS";
/// Where what is asked in Linear is shown too.
pub const MIRROR: &str = "C0PRIV";
pub const CHANNELS: [&str; 3] = [ENG, DECISIONS, MIRROR];

pub const ADA: &str = "U0ADA";
const GRACE: &str = "U0GRACE";
const LINUS: &str = "U0LINUS";

pub const BLINK: Duration = Duration::from_millis(250);
/// A form that has not appeared by then does not come any more: its trigger has lapsed.
const FORM: Duration = Duration::from_secs(5);

/// What all people of a world share.
#[derive(Clone)]
pub struct People {
    pub world: World,
    pub plan: Plan,
    /// Nothing new is asked.
    over: Arc<AtomicBool>,
    /// How much has been asked.
    asked: Arc<AtomicUsize>,
    /// One form at a time is open.
    forms: Arc<tokio::sync::Mutex<()>>,
    /// What each story waits for, by its mark.
    waiting: Arc<Mutex<BTreeMap<String, String>>>,
    /// The board of each story: its `ts`, and the root of its thread.
    boards: Arc<Mutex<BTreeMap<String, (String, String)>>>,
}

impl People {
    pub fn new(world: &World, plan: Plan) -> Self {
        Self {
            world: world.clone(),
            plan,
            over: Arc::default(),
            asked: Arc::default(),
            forms: Arc::default(),
            waiting: Arc::default(),
            boards: Arc::default(),
        }
    }

    pub fn let_end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// One story after the other, until it is over.
    pub async fn live(self) -> Vec<Story> {
        let mut stories = Vec::new();
        while !self.over.load(Ordering::Relaxed) {
            let number = self.asked.fetch_add(1, Ordering::Relaxed);
            stories.push(self.tell(self.plan.story(number), number).await);
        }
        stories
    }

    /// The stories that have not ended, and what for each of them a person waits for.
    pub fn waiting(&self) -> String {
        let waiting = self.waiting.lock().unwrap();
        waiting.iter().map(|(mark, what)| format!("{mark} {what}")).collect::<Vec<_>>().join("\n")
    }

    async fn tell(&self, kind: Kind, number: usize) -> Story {
        let story = if kind.is_in_linear() {
            self.delegate(kind, number).await
        } else if kind == Kind::Mentioned {
            self.mention(kind, number).await
        } else {
            self.ask(kind, number).await
        };
        if story.session.is_some() {
            self.see_through_in_linear(&story).await;
        } else {
            self.see_through(&story).await;
        }
        self.waiting.lock().unwrap().remove(&story.mark);
        story
    }

    /// Asks until it is answered with 200; each time with another mark.
    async fn ask(&self, kind: Kind, number: usize) -> Story {
        for attempt in 0.. {
            let mark = format!("story-{number}-{attempt}:");
            let answer = self.world.slack.command(ADA, kind.channel(), "/orchestrate", &kind.task(&mark)).await;
            if answer.status == 200 {
                return Story { kind, mark, session: None };
            }
            sleep(BLINK).await;
        }
        unreachable!("attempts do not end")
    }

    /// Slack sends a mention again until it is taken.
    async fn mention(&self, kind: Kind, number: usize) -> Story {
        let mark = format!("story-{number}-0:");
        self.world.slack.say(ADA, ENG, None, &format!("@baton {}", kind.task(&mark))).await;
        Story { kind, mark, session: None }
    }

    async fn see_through(&self, story: &Story) {
        match story.kind {
            Kind::Rejected => self.fill_in(story, "baton.reject", "Not this week", || self.has_ended(story)).await,
            Kind::Changed => {
                let is_changed = || self.has_said(story, "version 2");
                self.fill_in(story, "baton.request_changes", "Drop web", is_changed).await;
                self.approve(story, GRACE, "version 2").await;
            }
            Kind::Edited => {
                self.until(story, "a proposal", || self.offered(story, "baton.approve", "version 1").is_some()).await;
                self.reply(story, "edit api: Leave it as it is.").await;
                self.approve(story, GRACE, "version 2").await;
            }
            Kind::Quorum => {
                for user in [GRACE, LINUS] {
                    let name = if user == GRACE { "Grace Hopper" } else { "Linus" };
                    let is_counted =
                        || self.thread(story).iter().any(|said| said.contains("pproved") && said.contains(name));
                    self.press(story, user, "baton.approve", "version 1", is_counted).await;
                }
            }
            Kind::Talked => {
                self.until(story, "a proposal", || self.offered(story, "baton.approve", "version 1").is_some()).await;
                self.say_to_the_agent(story, "Why did you split it like this?").await;
                self.approve(story, ADA, "version 1").await;
                self.until_board(story, End::Done(2).word()).await;
                self.say_to_the_agent(story, "What did you change in api?").await;
            }
            Kind::Stopped => {
                self.approve(story, ADA, "version 1").await;
                let is_stopped = || self.shows(story, "*Stop");
                self.press(story, GRACE, "baton.stop", "", is_stopped).await;
            }
            _ => self.approve(story, ADA, "version 1").await,
        }
        self.until_board(story, story.kind.end().word()).await;
    }

    pub async fn approve(&self, story: &Story, user: &str, version: &str) {
        let is_approved = || self.has_said(story, "*Approved* by");
        self.press(story, user, "baton.approve", version, is_approved).await;
    }

    /// Presses a button until that is answered with 200, and waits for what it does. The button is one
    /// of a message that says `words`.
    pub async fn press(&self, story: &Story, user: &str, action: &str, words: &str, is_done: impl Fn() -> bool) {
        self.note(story, format!("offers {action}"));
        while !is_done() {
            if let Some(message) = self.offered(story, action, words)
                && self.world.slack.click(user, &message.ts, action).await.is_ok_and(|answer| answer.status == 200)
            {
                self.until(story, &format!("does {action}"), &is_done).await;
                return;
            }
            sleep(BLINK).await;
        }
    }

    /// Opens the form behind a button, fills in its first field and sends it; all over again when the
    /// form does not come, or is not taken.
    async fn fill_in(&self, story: &Story, action: &str, words: &str, is_done: impl Fn() -> bool) {
        self.note(story, format!("offers {action}"));
        while !is_done() {
            if let Some(message) = self.offered(story, action, "version 1") {
                let turn = self.forms.lock().await;
                let taken = self.try_to_fill_in(&message, action, words).await;
                drop(turn);
                if taken {
                    self.until(story, &format!("does {action}"), &is_done).await;
                    return;
                }
            }
            sleep(BLINK).await;
        }
    }

    async fn try_to_fill_in(&self, message: &Message, action: &str, words: &str) -> bool {
        let slack = &self.world.slack;
        while let Some(view) = slack.views(GRACE).last() {
            let _ = slack.close(GRACE, view["id"].as_str().unwrap_or_default()).await;
        }
        let _ = slack.click(GRACE, &message.ts, action).await;
        let until = Instant::now() + FORM;
        while Instant::now() < until {
            if let Some(view) = slack.views(GRACE).pop() {
                let blocks = view["blocks"].as_array().into_iter().flatten();
                let field = blocks.into_iter().find(|block| block["type"] == "input").map(|block| &block["block_id"]);
                let values = json!({ field.and_then(Value::as_str).unwrap_or_default(): words });
                let answer = slack.submit(GRACE, view["id"].as_str().unwrap_or_default(), &values).await;
                return answer.is_ok_and(|answer| answer.status == 200);
            }
            sleep(BLINK / 5).await;
        }
        false
    }

    /// Slack sends a message again until it is taken.
    async fn reply(&self, story: &Story, text: &str) {
        if let Some((_, root)) = self.place(story) {
            self.world.slack.say(GRACE, story.channel(), Some(&root), text).await;
        }
    }

    /// The agent hears it, and its answer is told.
    async fn say_to_the_agent(&self, story: &Story, text: &str) {
        let answers = |said: &[String]| said.iter().filter(|said| ANSWERS.iter().any(|it| said.contains(it))).count();
        let before = answers(&self.thread(story));
        self.reply(story, text).await;
        let is_heard = || self.parent(story).is_some_and(|run| run.follow_ups.iter().any(|told| told.contains(text)));
        self.until(story, &format!("is told {text:?}"), is_heard).await;
        self.until(story, &format!("answers {text:?}"), || answers(&self.thread(story)) > before).await;
    }

    pub async fn until(&self, story: &Story, what: &str, is_so: impl Fn() -> bool) {
        self.note(story, what.to_owned());
        while !is_so() {
            sleep(BLINK).await;
        }
    }

    pub async fn until_board(&self, story: &Story, word: &str) {
        self.until(story, &format!("says {word}"), || self.shows(story, word)).await;
    }

    fn note(&self, story: &Story, what: String) {
        self.waiting.lock().unwrap().insert(story.mark.clone(), what);
    }

    fn has_ended(&self, story: &Story) -> bool {
        self.shows(story, story.kind.end().word())
    }

    fn shows(&self, story: &Story, word: &str) -> bool {
        self.board(story).is_some_and(|board| self.world.slack.shown(&board).contains(word))
    }

    pub fn has_said(&self, story: &Story, words: &str) -> bool {
        self.thread(story).iter().any(|said| said.contains(words))
    }

    pub fn board(&self, story: &Story) -> Option<Message> {
        let (ts, _) = self.place(story)?;
        self.messages(story).into_iter().find(|message| message.ts == ts)
    }

    /// The whole channel is looked through only until the board is there.
    fn place(&self, story: &Story) -> Option<(String, String)> {
        let known = self.boards.lock().unwrap().get(&story.mark).cloned();
        known.or_else(|| {
            let board = board(&self.world, story)?;
            let place = (board.ts.clone(), board.thread_ts.unwrap_or(board.ts));
            self.boards.lock().unwrap().insert(story.mark.clone(), place.clone());
            Some(place)
        })
    }

    fn messages(&self, story: &Story) -> Vec<Message> {
        self.place(story).map_or_else(Vec::new, |(_, root)| self.world.slack.thread(story.channel(), &root))
    }

    fn parent(&self, story: &Story) -> Option<RunView> {
        let is_parent = |run: &RunView| run.parent.is_none() && run.prompt.contains(&story.mark);
        self.world.oz.runs().into_iter().find(is_parent)
    }

    fn thread(&self, story: &Story) -> Vec<String> {
        self.messages(story).iter().map(|message| self.world.slack.shown(message)).collect()
    }

    /// The newest message of the story that has this button and says `words`.
    fn offered(&self, story: &Story, action: &str, words: &str) -> Option<Message> {
        self.messages(story)
            .into_iter()
            .rev()
            .find(|message| has(message, action) && self.world.slack.shown(message).contains(words))
    }
}

/// How the simulated agent begins an answer.
const ANSWERS: [&str; 2] = ["I split it along", "I looked again"];

pub fn has(message: &Message, action: &str) -> bool {
    message.blocks.iter().any(|block| block.to_string().contains(action))
}

/// The board of a story: the first thing that Baton said about it.
pub fn board(world: &World, story: &Story) -> Option<Message> {
    let is_board = |message: &Message| message.author == Author::Us && message.text.contains(&story.mark);
    world.slack.messages(story.channel()).into_iter().find(is_board)
}

/// Everything in the thread of its board, which is what people see of it.
pub fn thread(world: &World, story: &Story) -> Vec<Message> {
    board(world, story).map_or_else(Vec::new, |board| {
        let root = board.thread_ts.unwrap_or(board.ts);
        world.slack.thread(&board.channel, &root)
    })
}
