//! The program itself, as an operator runs it: with settings in its environment and in a file, and a
//! log that outlives it.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use baton::simulator::{
    World,
    slack::{BOT_TOKEN, SIGNING_SECRET},
};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, postgres::PgConnectOptions};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::sleep,
};

const START: Duration = Duration::from_mins(2);

pub struct Binary {
    /// Where it listens, whenever it lives.
    pub address: String,
    environment: Vec<(&'static str, String)>,
    config: Option<PathBuf>,
    client: reqwest::Client,
    process: Option<Child>,
    /// The server and the name of a database of our own there.
    database: Option<(String, String)>,
    folder: TempDir,
}

impl Binary {
    /// `platforms` is where the simulated platforms are; without a `server` it keeps all in a file.
    pub async fn new(platforms: &str, server: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let database = server.map(|server| (server, format!("baton_kill_{}", uuid::Uuid::new_v4().simple())));
        let storage = match &database {
            None => format!("sqlite://{}", folder.path().join("baton.db").display()),
            Some((server, name)) => {
                administer(server, &format!("CREATE DATABASE {name}")).await;
                let mut url: url::Url = server.parse().unwrap();
                url.set_path(name);
                url.into()
            }
        };
        let environment = vec![
            ("BATON_LISTEN", format!("127.0.0.1:{port}")),
            ("BATON_DATABASE_URL", storage),
            ("BATON_OZ_POLL_INTERVAL", "1s".into()),
            ("BATON_LOG", "warn".into()),
            ("BATON_LOG_FORMAT", "json".into()),
            ("SLACK_SIGNING_SECRET", SIGNING_SECRET.into()),
            ("SLACK_BOT_TOKEN", BOT_TOKEN.into()),
            ("SLACK_API_URL", World::slack_api(platforms)),
            ("WARP_API_KEY", "wk-killed".into()),
            ("OZ_API_BASE_URL", World::oz_api(platforms)),
        ];
        Self {
            address: format!("http://127.0.0.1:{port}"),
            environment,
            config: None,
            client: baton::http::client().unwrap(),
            process: None,
            database,
            folder,
        }
    }

    /// One more setting in its environment, or another value for one.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.environment.retain(|(known, _)| *known != name);
        self.environment.push((name, value.into()));
    }

    /// What stands in its `baton.toml`.
    pub fn configure(&mut self, toml: &str) {
        let path = self.folder.path().join("baton.toml");
        fs::write(&path, toml).unwrap();
        self.config = Some(path);
    }

    /// Returns when it is ready.
    pub async fn start(&mut self) -> Result<(), String> {
        self.spawn()?;
        self.ready().await
    }

    /// Returns at once.
    pub fn spawn(&mut self) -> Result<(), String> {
        let log = File::options().create(true).append(true).open(self.log_path()).map_err(|error| error.to_string())?;
        let process = self.command("serve").stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn();
        self.process = Some(process.map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Returns when it answers.
    pub async fn ready(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        while begun.elapsed() < START {
            let answer = self.client.get(format!("{}/healthz", self.address)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            let ended = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten());
            if let Some(status) = ended {
                return Err(format!("it ended by itself, {status}"));
            }
            sleep(Duration::from_millis(10)).await;
        }
        Err("it did not start".into())
    }

    /// SIGKILL: it has no time for anything.
    pub async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await.unwrap();
        }
    }

    pub async fn stop(&mut self) {
        self.kill().await;
    }

    /// What one of its other commands prints: `baton list --open`.
    pub async fn ask(&self, words: &[&str]) -> Result<String, String> {
        let (verb, rest) = words.split_first().unwrap();
        let done = self.command(verb).args(rest).output().await.map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr) + &text(&done.stdout)) }
    }

    /// The chain of the audit log is whole.
    pub async fn audit(&self) -> Result<(), String> {
        self.ask(&["audit", "verify"]).await.map(drop)
    }

    /// Every line that it has logged in all its lives.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Where it keeps everything.
    pub fn database_url(&self) -> String {
        let stored = self.environment.iter().find(|(name, _)| *name == "BATON_DATABASE_URL");
        stored.map(|(_, url)| url.clone()).unwrap_or_default()
    }

    pub async fn drop_database(&self) {
        if let Some((server, name)) = &self.database {
            administer(server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_baton"));
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        command.arg(verb).env_clear().envs(self.environment.iter().cloned());
        command
    }
}

async fn administer(server: &str, sql: &str) {
    let mut connection = server.parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
    connection.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
    connection.close().await.unwrap();
}
