//! What leaves the program and may be read by many: its log at its most talkative, its traces, its
//! metrics, and whatever it answers to strangers. The real binary goes through a story in Slack and one
//! in Linear with all that can go wrong, and none of it holds a secret, or a word that somebody said.

use std::{
    fs::{self, File},
    net::TcpListener as StdListener,
    path::Path,
    process::{Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Json, routing::post};
use baton::{
    simulator::{
        World,
        faults::Fault,
        linear::{ADA as LINEARS_ADA, CLIENT_ID, CLIENT_SECRET, Status, WEBHOOK_SECRET},
        slack::{BOT_TOKEN, SIGNING_SECRET},
    },
    time::Clock,
};
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    time::sleep,
};
use url::Url;

use crate::databases::{Db, on_both};

const ADMIN_TOKEN: &str = "hush-admin-token-5b1f";
const API_KEY: &str = "wk-hush-api-key-77aa";
const KEY: &str = "aHVzaGh1c2hodXNoaHVzaGh1c2hodXNoaHVzaGh1c2g=";
const PASSWORD: &str = "hush-database-password";
/// In all that people say, in all that comes unasked, and in an install that nobody began.
const WORDS: &str = "zebrafinch";
const CODE: &str = "hush-oauth-code";
const STATE: &str = "hush-oauth-state";
const ADA: &str = "U0ADA";
const CHANNEL: &str = "C0ENG";
const PATIENCE: Duration = Duration::from_secs(90);
const BLINK: Duration = Duration::from_millis(50);

on_both!(
    /// Every line is looked through, and every answer to somebody who showed no token.
    no_secret_and_no_word_of_anybody_gets_out,
    |db| async {
        let stage = Stage::set(&db).await;
        let mut process = stage.serve();
        stage.is_ready().await;

        let mut read = stage.install().await;
        read += &stage.strangers().await;
        stage.trouble();
        stage.story_in_slack().await;
        stage.story_in_linear().await;
        let metrics = stage.ask("/metrics", Some(ADMIN_TOKEN)).await;
        assert!(metrics.contains("baton_deliveries_total"), "{metrics}");
        read += &metrics;
        for line in [["check"].as_slice(), &["check", "--offline"], &["audit", "verify"]] {
            read += &said(&stage.run(line, &[]).await);
        }
        read += &stage.wrong_settings().await;
        stop(&mut process).await;

        let log = fs::read_to_string(stage.folder.path().join("log")).unwrap();
        for told in ["delivery attempted", "event decided", "event stored", "turned away", "\"TRACE\"", "listening"] {
            assert!(log.contains(told), "the log does not tell {told:?}:\n{log}");
        }
        assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "every line is JSON");
        let spans = stage.spans();
        whole_traces(&spans);
        let spans = serde_json::to_string(&spans).unwrap();
        for (place, text) in [("the log", &log), ("the traces", &spans), ("the answers", &read)] {
            Stage::holds_nothing(place, text);
        }
    }
);

/// The simulated platforms, a collector of traces, and what the binary is told about them.
struct Stage {
    world: World,
    /// Where Baton listens.
    baton: String,
    environment: Vec<(&'static str, String)>,
    traces: Arc<Mutex<Vec<Value>>>,
    client: reqwest::Client,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn set(db: &Db) -> Self {
        let world = World::new(&Clock::system());
        world.oz.set_speed(40.0);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let platforms = format!("http://{}", listener.local_addr().unwrap());
        let port = StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let baton = format!("http://127.0.0.1:{port}");
        let traces: Arc<Mutex<Vec<Value>>> = Arc::default();
        let collected = Arc::clone(&traces);
        let collector = move |Json(body): Json<Value>| async move {
            collected.lock().unwrap().push(body);
            Json(json!({}))
        };
        let router = world.router(&platforms, &baton).route("/v1/traces", post(collector));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let ticking = world.clone();
        tokio::spawn(async move {
            loop {
                ticking.tick().await;
                sleep(Duration::from_millis(500)).await;
            }
        });
        let mut url = db.url.clone();
        if db.is_postgres() {
            let mut with_password: Url = url.parse().unwrap();
            with_password.set_password(Some(PASSWORD)).unwrap();
            url = with_password.into();
        }
        let environment = vec![
            ("BATON_LISTEN", format!("127.0.0.1:{port}")),
            ("BATON_PUBLIC_URL", baton.clone()),
            ("BATON_DATABASE_URL", url),
            ("BATON_ENCRYPTION_KEY", KEY.into()),
            ("BATON_ADMIN_TOKEN", ADMIN_TOKEN.into()),
            // Shorter than is good for anybody.
            ("BATON_OZ_POLL_INTERVAL", "100ms".into()),
            ("BATON_LOG", "trace".into()),
            ("BATON_LOG_FORMAT", "json".into()),
            ("BATON_OTLP_ENDPOINT", platforms.clone()),
            ("SLACK_SIGNING_SECRET", SIGNING_SECRET.into()),
            ("SLACK_BOT_TOKEN", BOT_TOKEN.into()),
            ("SLACK_API_URL", World::slack_api(&platforms)),
            ("LINEAR_WEBHOOK_SECRET", WEBHOOK_SECRET.into()),
            ("LINEAR_CLIENT_ID", CLIENT_ID.into()),
            ("LINEAR_CLIENT_SECRET", CLIENT_SECRET.into()),
            ("LINEAR_API_URL", World::linear_api(&platforms)),
            ("WARP_API_KEY", API_KEY.into()),
            ("OZ_API_BASE_URL", World::oz_api(&platforms)),
        ];
        let (client, folder) = (baton::http::client().unwrap(), tempfile::tempdir().unwrap());
        Self { world, baton, environment, traces, client, folder }
    }

    fn serve(&self) -> Child {
        let log = File::create(self.folder.path().join("log")).unwrap();
        let mut command = command(self.folder.path());
        command.arg("serve").envs(self.environment.iter().cloned()).kill_on_drop(true);
        command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }

    async fn run(&self, line: &[&str], other: &[(&'static str, &str)]) -> Output {
        let mut command = command(self.folder.path());
        command.args(line).envs(self.environment.iter().cloned()).envs(other.iter().copied());
        command.stdin(Stdio::null()).output().await.unwrap()
    }

    async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(
                begun.elapsed() < PATIENCE,
                "it never came about that {what}:\n{}\n{}",
                self.world.slack.transcript(CHANNEL),
                log()
            );
            sleep(BLINK).await;
        }
    }

    async fn is_ready(&self) {
        for _ in 0..600 {
            let answer = self.client.get(format!("{}/healthz", self.baton)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            sleep(BLINK).await;
        }
        panic!("it did not start");
    }

    /// The answer with its headers.
    async fn ask(&self, path: &str, token: Option<&str>) -> String {
        let mut request = self.client.get(format!("{}{path}", self.baton));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        told(request.send().await.unwrap()).await
    }

    /// An admin lets Baton into Linear; and somebody comes back with an install that nobody began.
    async fn install(&self) -> String {
        let mut read = String::new();
        let mut cookies = String::new();
        let mut address: Url = format!("{}/linear/install", self.baton).parse().unwrap();
        for _ in 0..5 {
            let answer = self.client.get(address.clone()).header(COOKIE, &cookies).send().await.unwrap();
            for cookie in answer.headers().get_all(SET_COOKIE) {
                cookies = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
            }
            let Some(next) = answer.headers().get(LOCATION) else {
                assert!(answer.status().is_success(), "{}", told(answer).await);
                read += &told(answer).await;
                break;
            };
            address = address.join(next.to_str().unwrap()).unwrap();
        }
        for query in
            [format!("code={CODE}&state={STATE}"), format!("error={WORDS}&state={STATE}"), format!("code={CODE}")]
        {
            read += &self.ask(&format!("/linear/oauth/callback?{query}"), None).await;
        }
        read
    }

    /// What is answered to those who have no business here.
    async fn strangers(&self) -> String {
        let mut read = String::new();
        for path in [
            "/",
            "/orchestrations/zebrafinch-id",
            "/deliveries",
            "/audit",
            "/metrics",
            "/healthz",
            "/readyz",
            "/nothing",
        ] {
            read += &self.ask(path, None).await.replace("zebrafinch-id", "");
            read += &self.ask(path, Some("a-wrong-token")).await.replace("zebrafinch-id", "");
        }
        let form = format!("text={WORDS}&token={WORDS}");
        let json = json!({"type": "Issue", "data": {"title": WORDS}}).to_string();
        for (path, body) in [
            ("/slack/commands", &form),
            ("/slack/interactivity", &form),
            ("/slack/events", &json),
            ("/linear/webhooks", &json),
            ("/login", &form),
        ] {
            let wrong =
                [("x-slack-signature", "v0=hush"), ("linear-signature", "hush"), ("x-slack-request-timestamp", "1")];
            let mut request = self.client.post(format!("{}{path}", self.baton)).body(body.clone());
            for (name, value) in wrong {
                request = request.header(name, value);
            }
            read += &told(request.send().await.unwrap()).await;
        }
        read
    }

    /// Each platform fails in its own ways for a while.
    fn trouble(&self) {
        let faults = &self.world.faults;
        for (platform, pattern) in [("slack", "chat.postMessage"), ("linear", "graphql"), ("oz", "POST /agent/runs")] {
            for fault in [Fault::Html(502), Fault::RateLimited { retry_after: Some(1) }] {
                faults.add(platform, pattern, fault, 1);
            }
        }
        faults.add("slack", "chat.update", Fault::Drop, 1);
        faults.add("slack", "reactions.add", Fault::Refuse("missing_scope".into()), 1);
        faults.add("oz", "GET /agent/runs", Fault::Html(403), 2);
    }

    async fn story_in_slack(&self) {
        let slack = &self.world.slack;
        let task = format!("Rename {WORDS} everywhere, one child per package: api, web");
        assert_eq!(slack.command(ADA, CHANNEL, "/orchestrate", &task).await.status, 200);
        let button = |action: &str| {
            let has = |message: &baton::simulator::slack::Message| {
                message.blocks.iter().any(|block| block.to_string().contains(action))
            };
            slack.messages(CHANNEL).into_iter().rev().find(has)
        };
        self.until("a proposal waits", || button("baton.approve").is_some()).await;
        let card = button("baton.approve").unwrap();
        slack.say(ADA, CHANNEL, card.thread_ts.as_deref(), &format!("@Baton why {WORDS}")).await;
        for _ in 0..60 {
            let Some(card) = button("baton.approve") else { break };
            let _ = slack.click(ADA, &card.ts, "baton.approve").await;
            sleep(BLINK * 10).await;
        }
        self.until("it is done", || slack.messages(CHANNEL).iter().any(|message| message.text.contains("Done"))).await;
    }

    async fn story_in_linear(&self) {
        let linear = &self.world.linear;
        let issue = linear.issue(&format!("Where is the {WORDS}?"), WORDS).await;
        let session = linear.mention(LINEARS_ADA, &issue, &format!("/oz Where is the {WORDS}?")).await.unwrap();
        self.until("the session is complete", || {
            linear.session(&session).is_some_and(|session| session.status == Status::Complete)
        })
        .await;
    }

    /// What is said about settings that are wrong, and a database that is not there.
    async fn wrong_settings(&self) -> String {
        let nowhere = format!("postgres://baton:{PASSWORD}@127.0.0.1:1/{PASSWORD}");
        let mut read = String::new();
        for (name, value) in [
            ("BATON_ENCRYPTION_KEY", "hush-short-key"),
            ("BATON_DATABASE_URL", nowhere.as_str()),
            ("BATON_DATABASE_URL", "mysql://root:hush@localhost/x"),
            ("SLACK_BOT_TOKEN", "xoxb hush"),
            ("SLACK_APP_TOKEN", "hush-app-token"),
            ("WARP_API_KEY", "file:/nowhere/key"),
            ("BATON_OTLP_ENDPOINT", "http://user:hush@127.0.0.1"),
            ("LINEAR_API_URL", "https://user:hush@api.linear.app"),
        ] {
            for verb in ["serve", "check"] {
                let output = self.run(&[verb], &[(name, value)]).await;
                assert!(!output.status.success(), "{verb} with {name}={value}: {}", said(&output));
                read += &said(&output);
            }
        }
        read
    }

    /// Every span that was sent.
    fn spans(&self) -> Vec<Value> {
        let bodies = self.traces.lock().unwrap();
        let scopes = bodies.iter().map(|body| &body["resourceSpans"][0]["scopeSpans"][0]["spans"]);
        scopes.flat_map(|spans| spans.as_array().unwrap().clone()).collect()
    }

    fn holds_nothing(place: &str, text: &str) {
        let secrets = [
            SIGNING_SECRET,
            BOT_TOKEN,
            WEBHOOK_SECRET,
            CLIENT_SECRET,
            API_KEY,
            KEY,
            ADMIN_TOKEN,
            PASSWORD,
            CODE,
            STATE,
            "hush",
            "lin_oauth",
            "lin_refresh",
            WORDS,
        ];
        for secret in secrets {
            let found = text.lines().find(|line| line.contains(secret));
            assert_eq!(found, None, "{secret} is in {place}");
        }
        // What is sealed, and what a form hands out, is nobody's business either.
        assert!(!text.contains("baton_session=") && !text.contains("\"1:"), "{place}");
    }
}

/// Events lead to decisions, and decisions to deliveries, within the trace of an orchestration.
fn whole_traces(spans: &[Value]) {
    let named =
        |name: &str| spans.iter().filter(|span| span["name"].as_str().unwrap().starts_with(name)).collect::<Vec<_>>();
    let parent = |span: &Value| {
        let is_it = |other: &&Value| other["traceId"] == span["traceId"] && other["spanId"] == span["parentSpanId"];
        spans.iter().find(is_it).cloned()
    };
    let create = named("delivery start_run").into_iter().next();
    let create = create.unwrap_or_else(|| panic!("no start of a run is told: {spans:#?}"));
    let decision = parent(create).unwrap_or_else(|| panic!("no decision led to {create:#}"));
    assert_eq!(decision["name"], "decision");
    for name in ["event slack commands", "event linear"] {
        let has_decision = |event: &&Value| {
            spans.iter().any(|span| span["name"] == "decision" && parent(span).is_some_and(|parent| parent == **event))
        };
        assert!(named(name).iter().any(has_decision), "no decision came of {name}");
    }
    let failed = spans.iter().any(|span| span["status"]["code"] == 2);
    assert!(failed, "failures are told as such");
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baton"));
    command.env_clear().current_dir(folder);
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The whole answer, but for where a browser is sent with a state of its own.
async fn told(answer: reqwest::Response) -> String {
    let head = format!("{}\n{:?}\n", answer.status(), answer.headers());
    head + &answer.text().await.unwrap() + "\n"
}

/// SIGTERM, as an operator's supervisor sends it.
async fn stop(process: &mut Child) {
    let id = process.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    let ended = tokio::time::timeout(Duration::from_secs(30), process.wait()).await;
    assert!(ended.expect("it ends").unwrap().success());
}
