//! The servers that are measured, each in a process of its own: this program again, with other
//! arguments. Its CPU time is what the kernel counted for that process.

use std::{net::SocketAddr, path::PathBuf, process::Stdio, time::Duration};

use anyhow::Context as _;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use baton::{
    app::{App, OzSetup, Setup, SlackSetup},
    config::{LogFormat, LogSettings},
    domain::route::Routes,
    simulator::slack::SIGNING_SECRET,
    slack::{
        envelope::{self, Kind},
        signature,
    },
    storage::Store,
    telemetry,
    time::Clock,
};
use secrecy::SecretString;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpListener,
    process::{Child, Command},
};

/// The argument that makes this program a server; what to serve follows it.
const SERVE: &str = "--serve";
/// Instead of a database's address.
pub const CEILING: &str = "ceiling";
/// Ticks of `/proc/PID/stat` in a second, whatever the kernel's own are.
const TICKS: f64 = 100.0;

/// A server under way. It ends when this is dropped.
pub struct Server {
    pub address: SocketAddr,
    process: Child,
}

impl Server {
    pub async fn start(what: &str) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args([SERVE, what])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("no output")?).read_line(&mut line).await?;
        let address = line.trim().parse().with_context(|| format!("{what} does not start"))?;
        Ok(Self { address, process })
    }

    /// User and system time of all its threads so far. None where there is no `/proc`.
    pub fn cpu(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(self.proc()?.join("stat")).ok()?;
        // The name of the program, in parentheses, may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
        Some(Duration::from_secs_f64(ticks / TICKS))
    }

    /// The most memory it ever had, in MiB.
    pub fn peak(&self) -> Option<f64> {
        let status = std::fs::read_to_string(self.proc()?.join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? / 1024.0)
    }

    pub async fn stop(mut self) -> anyhow::Result<()> {
        // The end of its input.
        drop(self.process.stdin.take());
        self.process.wait().await?;
        Ok(())
    }

    fn proc(&self) -> Option<PathBuf> {
        Some(PathBuf::from(format!("/proc/{}", self.process.id()?)))
    }
}

/// What this program is to serve, if it was started by [`Server::start`].
pub fn asked_to_serve() -> Option<String> {
    std::env::args().skip_while(|arg| arg != SERVE).nth(1)
}

/// Serves until the input ends. Logs are written as in production, JSON lines from `info` up.
#[expect(clippy::print_stdout, reason = "the address is for the one who started us")]
pub async fn serve(what: &str) -> anyhow::Result<()> {
    telemetry::init(&LogSettings { filter: "info".into(), format: LogFormat::Json });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    // The app is kept for as long as we serve; its workers do not run.
    let (_app, router) = if what == CEILING {
        (None, ceiling())
    } else {
        let app = baton(what).await?;
        let router = app.router.clone();
        (Some(app), router)
    };
    println!("{}", listener.local_addr()?);
    let input = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async { drop(input.await) })
        .await?;
    Ok(())
}

/// Plain axum that checks the signature, parses, and answers: as fast as a receiver on this stack
/// can be that remembers nothing. No log, no metrics, no store.
fn ceiling() -> Router {
    let secrets = [SecretString::from(SIGNING_SECRET)];
    let answer = async |State(secrets): State<[SecretString; 1]>, headers: HeaderMap, body: Bytes| {
        if signature::verify(&secrets, &headers, &body, Clock::system().now()).is_err() {
            return StatusCode::UNAUTHORIZED;
        }
        let parsed = std::str::from_utf8(&body).is_ok_and(|body| envelope::open(Kind::Events, body).is_ok());
        if parsed { StatusCode::OK } else { StatusCode::BAD_REQUEST }
    };
    Router::new().route("/slack/events", post(answer)).with_state(secrets)
}

/// The whole of Baton over this database. Slack and Oz are never called.
async fn baton(url: &str) -> anyhow::Result<App> {
    let store = Store::open(url, 10).await?;
    store.migrate().await?;
    App::new(Setup {
        store,
        clock: Clock::system(),
        routes: Routes::default(),
        slack: SlackSetup {
            api_url: "http://127.0.0.1:9/api/".parse()?,
            bot_token: "xoxb-bench".into(),
            signing_secrets: vec![SIGNING_SECRET.into()],
        },
        oz: OzSetup {
            base_url: "http://127.0.0.1:9".parse()?,
            api_key: "wk-bench".into(),
            poll_interval: Duration::from_secs(3),
        },
        pages: None,
        admin_token: None,
    })
}
