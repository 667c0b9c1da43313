//! The stage of a story: one world, one Baton, one clock that stands still until the story moves it.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request},
    response::{IntoResponse as _, Response},
};
use baton::{
    app::{App, LinearAccess, LinearSetup, OzSetup, Setup, SlackAccess, SlackSetup, upkeep},
    config::RetentionSettings,
    domain::route::Routes,
    linear::{Tokens, webhook::WINDOW},
    secret::Sealer,
    simulator::{
        World,
        http::broken_response,
        linear::{CLIENT_ID, CLIENT_SECRET, WEBHOOK_SECRET},
        slack::{self, APP_ID, APP_TOKEN, BOT_TOKEN, Message, SIGNING_SECRET, Slack, TEAM, sign},
    },
    storage::{Store, inbox, outbox},
    time::{Clock, Timestamp},
};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use super::kill::Kill;
use crate::databases::Db;

pub const ENG: &str = "C0ENG";
pub const OPS: &str = "C0OPS";
pub const ADA: &str = "U0ADA";
pub const GRACE: &str = "U0GRACE";
pub const LINUS: &str = "U0LINUS";

/// Slack's secret is always being rotated here: Baton takes the next one beside the present one.
pub const NEXT_SECRET: &str = "the0secret0after0this0one0000000";

/// 32 bytes in base64, for the tokens of installs.
pub const OLD_KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
pub const NEXT_KEY: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

/// Nothing may go on for more rounds than this without the clock moving.
const MOST_ROUNDS: usize = 400;
/// How far the clock moves at once.
const STEP: Duration = Duration::from_millis(500);

pub struct Story {
    pub world: World,
    pub clock: Clock,
    /// Baton's own, which shows the same time unless it is set otherwise.
    pub own_clock: Clock,
    /// For looking at what Baton wrote; Baton has its own.
    pub store: Store,
    pub routes: Routes,
    /// The channel that the story happens in: #engineering, unless it says so.
    pub place: &'static str,
    /// Where Baton and the platforms are reached: `http://127.0.0.1:4711`.
    pub address: String,
    /// When Baton dies; never, unless a story says so.
    pub kill: Kill,
    /// How often Oz is asked what changed, from the next start on.
    pub poll_interval: Duration,
    db: Db,
    /// Baton is in Linear as well.
    with_linear: bool,
    /// The encryption keys, for what installs bring.
    pub keys: Vec<&'static str>,
    /// Workspaces of Slack install Baton; otherwise it has a token there, and with keys it gets into
    /// Linear where somebody installs it.
    slack_installs: bool,
    pub retention: RetentionSettings,
    /// Linear's webhooks have been lost in this story, or what we answered.
    pub lost: AtomicBool,
    /// When Baton reconciles next.
    reconcile_at: Arc<Mutex<Option<Timestamp>>>,
    /// The Baton that runs now: a restart replaces it under the same address.
    app: Arc<Mutex<Option<Arc<App>>>>,
}

impl Story {
    pub async fn begin(db: Db) -> Self {
        Self::with(db, Routes::default()).await
    }

    pub async fn with(db: Db, routes: Routes) -> Self {
        Self::of(db, routes, false).await
    }

    pub async fn of(db: Db, routes: Routes, with_linear: bool) -> Self {
        Self::made(db, routes, with_linear, Vec::new()).await
    }

    /// Nobody has installed Baton yet.
    pub async fn of_installs(db: Db, routes: Routes, with_linear: bool) -> Self {
        Self::made(db, routes, with_linear, vec![OLD_KEY]).await
    }

    async fn made(db: Db, routes: Routes, with_linear: bool, keys: Vec<&'static str>) -> Self {
        // 2026-11-02 09:00 UTC, a Monday.
        let start = Timestamp::from_secs(1_793_610_000);
        let (clock, own_clock) = (Clock::manual(start), Clock::manual(start));
        let world = World::new(&clock);
        // Slack's limits are real ones.
        world.slack.knobs(|knobs| knobs.enforce_pace = true);
        world.slack.other().knobs(|knobs| knobs.enforce_pace = true);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let app: Arc<Mutex<Option<Arc<App>>>> = Arc::default();
        let kill = Kill::new(&world.faults);
        let served = world.router(&address, &address).fallback(door(Arc::clone(&app), kill.clone()));
        tokio::spawn(async move { axum::serve(listener, served).await });
        let store = db.open().await;
        let story = Self {
            world,
            clock,
            own_clock,
            store,
            routes,
            place: ENG,
            address,
            kill,
            poll_interval: Duration::from_secs(3),
            db,
            slack_installs: !keys.is_empty(),
            retention: RetentionSettings::default(),
            lost: AtomicBool::new(false),
            with_linear,
            keys,
            reconcile_at: Arc::default(),
            app,
        };
        *story.app.lock().unwrap() = Some(Arc::new(story.another_baton().await));
        story
    }

    /// Puts a Baton together over the story's database, with connections of its own.
    pub async fn another_baton(&self) -> App {
        App::new(Setup {
            store: self.db.open().await,
            clock: self.own_clock.clone(),
            routes: self.routes.clone(),
            slack: Some(SlackSetup {
                api_url: World::slack_api(&self.address).parse().unwrap(),
                access: self.slack_access(),
                signing_secrets: vec![NEXT_SECRET.into(), SIGNING_SECRET.into()],
                app_token: Some(APP_TOKEN.into()),
            }),
            linear: self.with_linear.then(|| LinearSetup {
                api_url: World::linear_api(&self.address).parse().unwrap(),
                access: match self.sealer().filter(|_| !self.slack_installs) {
                    Some(sealer) => LinearAccess::Installs {
                        id: CLIENT_ID.into(),
                        secret: CLIENT_SECRET.into(),
                        sealer,
                        public_url: self.address.parse().unwrap(),
                    },
                    None => LinearAccess::Own(Tokens::ClientCredentials {
                        client_id: CLIENT_ID.into(),
                        client_secret: CLIENT_SECRET.into(),
                    }),
                },
                webhook_secrets: vec![NEXT_SECRET.into(), WEBHOOK_SECRET.into()],
                window: WINDOW,
            }),
            oz: OzSetup {
                base_url: World::oz_api(&self.address).parse().unwrap(),
                api_key: "wk-story".into(),
                poll_interval: self.poll_interval,
            },
            upkeep: upkeep(self.retention, self.sealer()),
            pages: None,
            admin_token: None,
        })
        .unwrap()
    }

    pub fn sealer(&self) -> Option<Sealer> {
        let keys: Vec<SecretString> = self.keys.iter().map(|&key| key.into()).collect();
        (!keys.is_empty()).then(|| Sealer::new(&keys).unwrap())
    }

    fn slack_access(&self) -> SlackAccess {
        match self.sealer().filter(|_| self.slack_installs) {
            None => SlackAccess::Own(BOT_TOKEN.into()),
            Some(sealer) => SlackAccess::Installs {
                id: slack::CLIENT_ID.into(),
                secret: slack::CLIENT_SECRET.into(),
                sealer,
                public_url: self.address.parse().unwrap(),
            },
        }
    }

    /// What happens every hour: old things are forgotten, and old seals renewed.
    pub async fn keep_up(&self) {
        for _ in 0..100 {
            if self.baton().workers.keep_up().await.unwrap().did == 0 {
                return;
            }
        }
        panic!("there is no end to what is forgotten");
    }

    /// The Baton that runs now.
    pub fn baton(&self) -> Arc<App> {
        Arc::clone(self.app.lock().unwrap().as_ref().unwrap())
    }

    /// Baton dies, whatever it was doing, and starts again after its leases have ended.
    pub async fn restart(&mut self) {
        self.rise().await;
    }

    /// Nothing of the Baton that was is left but what it had committed.
    async fn rise(&self) {
        *self.app.lock().unwrap() = None;
        self.kill.let_arrive().await;
        *self.reconcile_at.lock().unwrap() = None;
        self.pass(Duration::from_mins(4));
        let app = Arc::new(self.another_baton().await);
        self.kill.rise();
        *self.app.lock().unwrap() = Some(app);
    }

    /// Lets everything happen that happens without time passing.
    pub async fn settle(&self) {
        for _ in 0..MOST_ROUNDS {
            let delivered =
                self.world.slack.deliver_outgoing().await.len() + self.world.linear.deliver_outgoing().await.len();
            let delivered = delivered + self.world.slack.other().deliver_outgoing().await.len();
            // Boxed: what is below is large, and the stack of a test is not.
            match self.kill.until_killed(Box::pin(self.round())).await {
                Some(0) if delivered == 0 => return,
                Some(_) => {}
                None => self.rise().await,
            }
        }
        panic!("still busy after {MOST_ROUNDS} rounds:\n{}", self.thread_text());
    }

    /// One round of every worker.
    async fn round(&self) -> usize {
        let baton = self.baton();
        let workers = &baton.workers;
        let mut did = workers.inbox.run_once().await.unwrap().did;
        did += workers.outbox.run_once().await.unwrap().did;
        did += workers.timers.run_once().await.unwrap().did;
        // As often as it wants to; before the sweeps, which would have every turn where time goes in leaps.
        let due = self.reconcile_at.lock().unwrap().is_none_or(|at| at <= self.own_clock.now());
        if due {
            let round = workers.reconcile().await.unwrap();
            *self.reconcile_at.lock().unwrap() = round.next;
            did += round.did;
        }
        did + workers.follow.run_once().await.unwrap().did
    }

    /// Time passes, and nothing happens yet.
    pub fn pass(&self, length: Duration) {
        self.clock.advance(length);
        self.own_clock.advance(length);
    }

    /// What an operator on this machine is answered.
    pub async fn operator(&self, method: &str, path: &str) -> (u16, String) {
        let from = ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 4711)));
        let request = Request::builder().method(method).uri(path).header("host", "127.0.0.1").extension(from);
        let request = request.body(Body::empty()).unwrap();
        let answer = self.baton().router.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// The database, for commands that look into it.
    pub fn database_url(&self) -> &str {
        &self.db.url
    }

    /// Time passes in small steps, and everything happens that comes due.
    pub async fn wait(&self, length: Duration) {
        let until = self.clock.now() + length;
        self.settle().await;
        while self.clock.now() < until {
            self.pass(STEP);
            self.world.tick().await;
            self.settle().await;
        }
    }

    /// Time passes until the channel shows `text`, a few minutes at the most.
    pub async fn until(&self, text: &str) {
        self.until_in(&self.world.slack, text).await;
    }

    /// The same in another workspace.
    pub async fn until_in(&self, slack: &Slack, text: &str) {
        for _ in 0..1200 {
            if slack.transcript(self.place).contains(text) {
                return;
            }
            self.wait(STEP).await;
        }
        panic!("never saw {text:?}:\n{}", slack.transcript(self.place));
    }

    /// Baton asks Oz for the environments and models that the form offers, as soon as the pace of
    /// its reading allows it.
    pub async fn refresh_choices(&self) {
        for _ in 0..20 {
            let round = self.baton().workers.refresh_choices().await.unwrap();
            if round.next.is_some_and(|next| next.since(self.clock.now()) > Duration::from_secs(30)) {
                return;
            }
            self.wait(STEP).await;
        }
        panic!("Oz was not asked for choices");
    }

    /// Somebody types a slash command into the channel.
    pub async fn command(&self, user: &str, command: &str, text: &str) {
        let answer = self.world.slack.command(user, self.place, command, text).await;
        assert!(answer.status == 200 || self.kill.is_dead(), "{}", answer.body);
        self.settle().await;
    }

    pub async fn orchestrate(&self, text: &str) {
        self.command(ADA, "/orchestrate", text).await;
    }

    /// Somebody writes into the channel, beside all threads.
    pub async fn say(&self, user: &str, text: &str) -> String {
        let ts = self.world.slack.say(user, self.place, None, text).await;
        self.settle().await;
        ts
    }

    /// Somebody replies in the thread of the newest board.
    pub async fn reply(&self, user: &str, text: &str) -> String {
        let root = self.root();
        let ts = self.world.slack.say(user, self.place, Some(&root), text).await;
        self.settle().await;
        ts
    }

    /// Presses the newest button of this kind that anybody can see.
    pub async fn press(&self, user: &str, action: &str) {
        let message = self.message_with(action);
        self.world.slack.click(user, &message.ts, action).await.unwrap();
        self.settle().await;
    }

    /// Where the newest link button with this label leads.
    pub fn link(&self, label: &str) -> String {
        let messages = self.world.slack.messages(self.place);
        let elements =
            messages.iter().flat_map(|message| &message.blocks).filter_map(|block| block["elements"].as_array());
        let button = elements.flatten().rfind(|element| element["text"]["text"] == label).unwrap();
        button["url"].as_str().unwrap().to_owned()
    }

    /// Presses a button of a message as it was shown once: somebody's screen is not up to date.
    pub async fn press_as_it_was(&self, user: &str, message: &Message, action: &str) {
        let button = button_of(message, action);
        let payload = serde_json::json!({
            "type": "block_actions", "team": { "id": TEAM }, "user": { "id": user }, "api_app_id": APP_ID,
            "channel": { "id": self.place }, "trigger_id": format!("stale.{action}"),
            "container": { "type": "message", "message_ts": message.ts, "channel_id": self.place },
            "message": { "ts": message.ts, "thread_ts": message.thread_ts },
            "actions": [{ "type": "button", "action_id": action, "block_id": "b", "value": button["value"] }],
        });
        let body =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish();
        let now = self.clock.now().as_secs().to_string();
        let signature = sign(SIGNING_SECRET, &now, body.as_bytes());
        let headers = [("X-Slack-Request-Timestamp", now.as_str()), ("X-Slack-Signature", signature.as_str())];
        let answer = self.world.slack.raw("/slack/interactivity", body, &headers).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.settle().await;
    }

    /// Fills the first field of the form that is open to this person, and sends it.
    pub async fn fill_form(&self, user: &str, text: &str) {
        let views = self.world.slack.views(user);
        let view = views.last().unwrap_or_else(|| panic!("no form is open:\n{}", self.thread_text()));
        let blocks = view["blocks"].as_array().unwrap();
        let field = blocks.iter().find(|block| block["type"] == "input").unwrap()["block_id"].as_str().unwrap();
        let values = serde_json::json!({ field: text });
        self.world.slack.submit(user, view["id"].as_str().unwrap(), &values).await.unwrap();
        self.settle().await;
    }

    /// The newest message with this button.
    pub fn message_with(&self, action: &str) -> Message {
        self.message_in(&self.world.slack, action)
    }

    /// The same in another workspace.
    pub fn message_in(&self, slack: &Slack, action: &str) -> Message {
        let messages = slack.messages(self.place);
        let found =
            messages.into_iter().rev().find(|message| serde_json::to_string(&message.blocks).unwrap().contains(action));
        found.unwrap_or_else(|| panic!("no button {action}:\n{}", self.thread_text()))
    }

    /// The board, or the message that it stands under.
    pub fn root(&self) -> String {
        let messages = self.world.slack.messages(self.place);
        messages
            .iter()
            .rev()
            .find(|message| message.thread_ts.as_deref().is_none_or(|root| root == message.ts))
            .unwrap()
            .ts
            .clone()
    }

    /// Everything in the channel as text.
    pub fn thread_text(&self) -> String {
        self.world.slack.transcript(self.place)
    }

    /// What Baton told this person alone, newest last.
    pub fn told(&self, user: &str) -> Vec<String> {
        self.world.slack.ephemerals(user).iter().map(|message| self.world.slack.shown(message)).collect()
    }

    /// The titles of the runs in Oz with their states, in the order of their creation.
    pub fn runs(&self) -> Vec<(String, &'static str)> {
        self.world.oz.runs().into_iter().map(|run| (run.title, run.state.as_str())).collect()
    }

    /// How many events are stored and not decided yet.
    pub async fn undecided(&self) -> u64 {
        inbox::counts(&self.store).await.unwrap().undecided
    }

    /// Nothing is left over: no event undecided, no delivery waiting or parked, nobody pinged, no
    /// limit nearly broken.
    pub async fn end(self) {
        // What is still on its way arrives first.
        for _ in 0..60 {
            if outbox::pending(&self.store, 1).await.unwrap().is_empty() {
                break;
            }
            self.wait(STEP).await;
        }
        let counts = inbox::counts(&self.store).await.unwrap();
        assert_eq!((counts.undecided, counts.parked), (0, 0), "events left over");
        let pending = outbox::pending(&self.store, 10).await.unwrap();
        assert!(pending.is_empty(), "deliveries left over: {pending:#?}");
        let parked = outbox::parked(&self.store, 10).await.unwrap();
        assert!(parked.is_empty(), "deliveries parked: {parked:#?}");
        for slack in [&self.world.slack, &self.world.slack.other()] {
            assert_eq!(slack.pings(), Vec::<String>::new());
            assert_eq!(slack.warnings(), Vec::<String>::new());
        }
        assert_eq!(self.world.linear.objections(), Vec::<String>::new());
        // Nobody answers what they have not heard of, nor while they are not heard.
        if !self.lost.load(Ordering::Relaxed) {
            assert_eq!(self.world.linear.unresponsive(), Vec::<String>::new());
        }
    }
}

/// Where webhooks reach the Baton that runs now. One that dies answers nothing any more.
fn door(
    app: Arc<Mutex<Option<Arc<App>>>>,
    kill: Kill,
) -> impl Fn(Request) -> Pin<Box<dyn Future<Output = Response> + Send>> + Clone + Send + Sync + 'static {
    move |request| {
        let router = app.lock().unwrap().as_ref().filter(|_| !kill.is_dead()).map(|app| app.router.clone());
        let kill = kill.clone();
        Box::pin(async move {
            let Some(router) = router else { return broken_response() };
            let answer = router.oneshot(request).await.into_response();
            if kill.is_dead() { broken_response() } else { answer }
        })
    }
}

fn button_of(message: &Message, action: &str) -> serde_json::Value {
    let elements = message.blocks.iter().filter_map(|block| block["elements"].as_array()).flatten();
    elements.rev().find(|element| element["action_id"] == action).unwrap().clone()
}
