//! The program itself over SQLite, as an operator runs it, and what can be seen of it from outside.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    process::Stdio,
    time::Duration,
};

use baton::simulator::{World, linear, slack};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::sleep,
};

const START: u32 = 600;
/// A line for each event that is stored and decided, and twenty a second about what is refused, come
/// to less than this a request.
const LONGEST_LOG: u64 = 200 << 20;

pub struct Server {
    port: u16,
    process: Child,
    client: reqwest::Client,
    folder: TempDir,
}

impl Server {
    /// `platforms` is where the simulated platforms are.
    pub async fn start(platforms: &str) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(env!("CARGO_BIN_EXE_baton"))
            .arg("serve")
            .env_clear()
            .envs([
                ("BATON_LISTEN", format!("127.0.0.1:{port}")),
                ("BATON_DATABASE_URL", format!("sqlite://{}", folder.path().join("baton.db").display())),
                ("BATON_LOG_FORMAT", "json".into()),
                ("SLACK_SIGNING_SECRET", slack::SIGNING_SECRET.into()),
                ("SLACK_BOT_TOKEN", slack::BOT_TOKEN.into()),
                ("SLACK_API_URL", World::slack_api(platforms)),
                ("LINEAR_WEBHOOK_SECRET", linear::WEBHOOK_SECRET.into()),
                ("LINEAR_CLIENT_ID", linear::CLIENT_ID.into()),
                ("LINEAR_CLIENT_SECRET", linear::CLIENT_SECRET.into()),
                ("LINEAR_API_URL", World::linear_api(platforms)),
                ("WARP_API_KEY", "wk-flooded".into()),
                ("OZ_API_BASE_URL", World::oz_api(platforms)),
            ])
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join("log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| error.to_string())?;
        let server = Self { port, process, client: baton::http::client().unwrap(), folder };
        for _ in 0..START {
            if server.get("/healthz").await.is_ok_and(|(status, _)| status == 200) {
                return Ok(server);
            }
            sleep(Duration::from_millis(50)).await;
        }
        Err(format!("it did not start:\n{}", server.log()))
    }

    pub const fn address(&self) -> SocketAddr {
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), self.port)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    pub async fn get(&self, path: &str) -> Result<(u16, String), String> {
        let answer = self.client.get(self.url() + path).send().await.map_err(|error| error.to_string())?;
        Ok((answer.status().as_u16(), answer.text().await.map_err(|error| error.to_string())?))
    }

    /// Until the inbox holds nothing more: what was undecidable is parked or ignored.
    pub async fn wait_until_decided(&self, patience: Duration) -> Result<(), String> {
        let mut left = 0.0;
        for _ in 0..patience.as_millis() / 200 {
            left = self.metric("baton_inbox_depth").await?;
            if left == 0.0 {
                return Ok(());
            }
            sleep(Duration::from_millis(200)).await;
        }
        Err(format!("{left} events are undecided after {patience:?}"))
    }

    /// The sum of all counters whose line begins so.
    pub async fn metric(&self, name: &str) -> Result<f64, String> {
        let (_, text) = self.get("/metrics").await?;
        let values = text.lines().filter(|line| line.starts_with(name));
        Ok(values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// Memory in use, in MiB.
    pub fn resident(&self) -> Result<f64, String> {
        self.status("VmRSS:")
    }

    /// The most memory that it ever had in use, in MiB.
    pub fn peak(&self) -> Result<f64, String> {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> Result<f64, String> {
        let id = self.process.id().ok_or("the server is gone")?;
        let status = fs::read_to_string(format!("/proc/{id}/status")).map_err(|error| error.to_string())?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>().map_err(|error| error.to_string())? / 1024.0)
    }

    /// No task panicked, and the log is no longer than what there was to say.
    pub fn is_well(&self, after: &str) -> Result<(), String> {
        let log = self.log();
        if let Some(line) = log.lines().find(|line| line.contains("panicked")) {
            return Err(format!("after {after}: {line}"));
        }
        if log.len() as u64 > LONGEST_LOG {
            return Err(format!("after {after} the log has {} bytes", log.len()));
        }
        Ok(())
    }

    pub async fn stop(mut self) -> Result<(), String> {
        self.process.kill().await.map_err(|error| error.to_string())
    }

    fn log(&self) -> String {
        let log = fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }
}
