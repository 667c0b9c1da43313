//! The program itself over one database, with what it says on stderr; and one who knocks at its doors.

use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use baton::simulator::{
    World,
    slack::{BOT_TOKEN, SIGNING_SECRET},
};
use tokio::{
    process::{Child, Command},
    time::sleep,
};

const CHANNEL: &str = "C0ENG";
const ADA: &str = "U0ADA";
/// Slack waits for three seconds; an answer that takes longer than 2.5 is late.
const IN_TIME: Duration = Duration::from_millis(2500);
/// A database that is back is found within this.
const RECOVERY: Duration = Duration::from_mins(1);

pub struct Program {
    pub world: World,
    pub address: String,
    log: PathBuf,
    client: reqwest::Client,
    process: Child,
    /// What stands in each task that was answered 200.
    taken: Vec<String>,
    asked: usize,
    slowest: Duration,
}

impl Program {
    /// Starts it over `storage`; `platforms` is where `world` is served.
    pub async fn start(world: &World, platforms: &str, storage: &str, folder: &Path) -> Result<Self, String> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("http://127.0.0.1:{port}");
        let log = folder.join("log");
        // A file that may not grow is told by an error and not by a signal, as a full disk is.
        let ignoring = "trap '' XFSZ; exec \"$0\" serve";
        let process = Command::new("sh")
            .args(["-c", ignoring, env!("CARGO_BIN_EXE_baton")])
            .env_clear()
            .envs([
                ("BATON_LISTEN", format!("127.0.0.1:{port}")),
                ("BATON_DATABASE_URL", storage.to_owned()),
                ("BATON_OZ_POLL_INTERVAL", "500ms".into()),
                ("BATON_LOG", "warn".into()),
                ("SLACK_SIGNING_SECRET", SIGNING_SECRET.into()),
                ("SLACK_BOT_TOKEN", BOT_TOKEN.into()),
                ("SLACK_API_URL", World::slack_api(platforms)),
                ("WARP_API_KEY", "wk-faults".into()),
                ("OZ_API_BASE_URL", World::oz_api(platforms)),
            ])
            .stdout(Stdio::null())
            // Through a pipe, since what bounds the database's files would bound the log too.
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| error.to_string())?;
        world.slack.set_target(&address);
        let client = baton::http::client().unwrap();
        let mut program = Self {
            world: world.clone(),
            address,
            log,
            client,
            process,
            taken: Vec::new(),
            asked: 0,
            slowest: Duration::ZERO,
        };
        let mut said = program.process.stderr.take().unwrap();
        let mut log = tokio::fs::File::from_std(File::create(&program.log).unwrap());
        tokio::spawn(async move { tokio::io::copy(&mut said, &mut log).await });
        program.recovers().await?;
        Ok(program)
    }

    pub fn id(&self) -> u32 {
        self.process.id().unwrap()
    }

    pub async fn get(&self, path: &str) -> (u16, String) {
        match self.client.get(format!("{}{path}", self.address)).send().await {
            Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap_or_default()),
            Err(_) => (0, String::new()),
        }
    }

    /// Asks for something; true when it was answered 200.
    pub async fn ask(&mut self) -> u16 {
        self.asked += 1;
        let mark = format!("case-{}.", self.asked);
        let asked = Instant::now();
        let answer = self.world.slack.command(ADA, CHANNEL, "/oz", &format!("Fix the flaky {mark}")).await;
        self.slowest = self.slowest.max(asked.elapsed());
        if answer.status == 200 {
            self.taken.push(mark);
        }
        answer.status
    }

    /// It lives and says that it cannot store, in time and at each of its doors.
    pub async fn is_down(&mut self) -> Result<(), String> {
        // That it could write a second ago still counts.
        sleep(Duration::from_millis(1500)).await;
        for _ in 0..3 {
            let asked = Instant::now();
            let status = self.ask().await;
            let took = asked.elapsed();
            if status != 503 || took > IN_TIME {
                return Err(format!("the door answered {status} after {took:?}"));
            }
            let (status, text) = self.get("/readyz").await;
            if status != 503 || !text.contains("database") {
                return Err(format!("/readyz answered {status}: {text}"));
            }
            let (status, _) = self.get("/healthz").await;
            if status != 200 {
                return Err(format!("/healthz answered {status}"));
            }
            sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }

    /// Without a restart.
    pub async fn recovers(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        while begun.elapsed() < RECOVERY {
            if self.get("/readyz").await.0 == 200 && self.ask().await == 200 {
                return Ok(());
            }
            sleep(Duration::from_millis(200)).await;
        }
        Err(format!("it did not recover: {}\n{}", self.get("/readyz").await.1, self.said()))
    }

    /// Everything that was answered 200 was done, once; and the log did not flood.
    pub async fn keeps_its_word(&mut self) -> Result<String, String> {
        let begun = Instant::now();
        let missing = loop {
            let runs = self.world.oz.runs();
            let times = |mark: &String| runs.iter().filter(|run| run.prompt.contains(mark.as_str())).count();
            if let Some(twice) = self.taken.iter().find(|mark| times(mark) > 1) {
                return Err(format!("{twice} was done twice"));
            }
            let missing: Vec<_> = self.taken.iter().filter(|mark| times(mark) == 0).cloned().collect();
            if missing.is_empty() || begun.elapsed() > RECOVERY * 3 {
                break missing;
            }
            sleep(Duration::from_millis(500)).await;
        };
        if !missing.is_empty() {
            return Err(format!("answered 200 and lost: {missing:?}\n{}", self.said()));
        }
        let said = self.said();
        let lines = said.lines().count();
        // Two for each request that was turned away, and a few for each worker and each fault.
        let most = self.asked * 3 + 120;
        if lines > most {
            return Err(format!("{lines} lines in the log:\n{said}"));
        }
        Ok(format!(
            "{} asked, {} taken and done once, slowest answer {:?}, {lines} lines of log",
            self.asked,
            self.taken.len(),
            self.slowest
        ))
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}
