//! The servers that are measured, each in a process of its own: this program again, with other
//! arguments. Its CPU time is what the kernel counted for that process.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use anyhow::Context as _;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use baton::{
    config::{LogFormat, LogSettings},
    simulator::slack::SIGNING_SECRET,
    slack::{
        envelope::{self, Kind},
        signature,
    },
    telemetry,
    time::Clock,
    web::listen,
};
use secrecy::SecretString;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpListener,
    process::{Child, Command},
};
use tokio_util::sync::CancellationToken;

use super::{
    baton::{app, store},
    process,
};

/// The argument that makes this program a server; what to serve follows it.
pub const SERVE: &str = "--serve";
/// Instead of a database's address.
pub const CEILING: &str = "ceiling";
/// Slack and Oz are never called.
const NOBODY: &str = "http://127.0.0.1:9";

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
        process::cpu(self.process.id()?)
    }

    /// The most memory it ever had, in MiB.
    pub fn peak(&self) -> Option<f64> {
        process::peak(self.process.id()?)
    }

    pub async fn stop(mut self) -> anyhow::Result<()> {
        // The end of its input.
        drop(self.process.stdin.take());
        self.process.wait().await?;
        Ok(())
    }
}

/// Serves until the input ends. Logs are written as in production, JSON lines from `info` up.
#[expect(clippy::print_stdout, reason = "the address is for the one who started us")]
pub async fn serve(what: &str) -> anyhow::Result<()> {
    telemetry::init(&LogSettings { filter: "info".into(), format: LogFormat::Json });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let stop = CancellationToken::new();
    let input = tokio::task::spawn_blocking({
        let stop = stop.clone();
        move || {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            stop.cancel();
        }
    });
    if what == CEILING {
        axum::serve(listener, ceiling()).with_graceful_shutdown(stop.cancelled_owned()).await?;
    } else {
        // Its workers do not run: what is measured is the door.
        let app = app(&store(what).await?, Clock::system(), NOBODY)?;
        listen::serve(listener, app.router.clone(), stop).await;
    }
    Ok(input.await?)
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
