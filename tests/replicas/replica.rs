//! One process of the program, as an operator runs it, with what it says kept in a file.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, Instant},
};

use tokio::{
    net::TcpListener,
    process::{Child, Command},
    time::{sleep, timeout},
};

const START: Duration = Duration::from_mins(1);
/// Longer than it takes for its farewell.
const STOP: Duration = Duration::from_secs(40);

pub struct Replica {
    pub name: String,
    /// Where it listens, whenever it lives.
    pub address: String,
    program: PathBuf,
    environment: Vec<(&'static str, String)>,
    process: Option<Child>,
    log: PathBuf,
    client: reqwest::Client,
}

impl Replica {
    pub async fn new(name: &str, program: &Path, folder: &Path, environment: Vec<(&'static str, String)>) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let mut environment = environment;
        environment.push(("BATON_LISTEN", format!("127.0.0.1:{port}")));
        Self {
            name: name.to_owned(),
            address: format!("http://127.0.0.1:{port}"),
            program: program.to_owned(),
            environment,
            process: None,
            log: folder.join(format!("{name}.log")),
            client: baton::http::client().unwrap(),
        }
    }

    /// Returns when it is ready.
    pub async fn start(&mut self) -> Result<(), String> {
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let mut serve = self.serve();
        serve.stdout(log.try_clone().unwrap()).stderr(log).kill_on_drop(true);
        self.process = Some(serve.spawn().map_err(|error| error.to_string())?);
        let begun = Instant::now();
        while begun.elapsed() < START {
            let ready = self.client.get(format!("{}/readyz", self.address)).send().await;
            if ready.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Err(format!("{} did not become ready:\n{}", self.name, self.log()))
    }

    /// Its words when it does not want to start.
    pub async fn refusal(&self) -> Result<String, String> {
        let ended = timeout(START, self.serve().kill_on_drop(true).output()).await;
        let ended = ended.map_err(|_| format!("{} started", self.name))?.map_err(|error| error.to_string())?;
        if ended.status.success() {
            return Err(format!("{} ended without a complaint", self.name));
        }
        Ok(String::from_utf8_lossy(&ended.stderr).into_owned() + &String::from_utf8_lossy(&ended.stdout))
    }

    /// SIGKILL: it has no time for anything.
    pub async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await.unwrap();
        }
    }

    /// SIGSTOP: it does nothing more, and does not know it.
    pub async fn pause(&self) {
        self.signal("STOP").await;
    }

    /// SIGCONT: it goes on where it was.
    pub async fn resume(&self) {
        self.signal("CONT").await;
    }

    /// SIGTERM, and how it ends.
    pub async fn stop(&mut self) -> Result<ExitStatus, String> {
        self.signal("TERM").await;
        let mut process = self.process.take().ok_or("it does not run")?;
        let ended = timeout(STOP, process.wait()).await;
        ended.map_err(|_| format!("{} does not stop", self.name))?.map_err(|error| error.to_string())
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn serve(&self) -> Command {
        let mut serve = Command::new(&self.program);
        serve.arg("serve").env_clear().envs(self.environment.iter().cloned());
        serve
    }

    async fn signal(&self, name: &str) {
        let pid = self.process.as_ref().and_then(Child::id).unwrap();
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status().await.unwrap();
        assert!(sent.success(), "SIG{name} was not sent to {}", self.name);
    }
}
