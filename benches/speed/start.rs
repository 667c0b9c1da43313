//! How fast the real binary is ready on a file that is there already, and what it holds in memory when
//! nothing happens.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::ensure;
use baton::storage::Store;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

use crate::support::{databases::Database, millis, percentile, platforms::Platforms, process, verdicts::Verdicts};

const PATIENCE: Duration = Duration::from_secs(10);
/// Until what the start needed once has been given back.
const REST: Duration = Duration::from_secs(3);

pub async fn bench(quick: bool, verdicts: &mut Verdicts) -> anyhow::Result<()> {
    let starts = if quick { 3 } else { 15 };
    let platforms = Platforms::start()?;
    let database = Database::sqlite()?;
    let store = Store::open(&database.url, 1).await?;
    store.migrate().await?;
    store.close().await;
    let (mut times, mut idle) = (Vec::new(), None);
    for number in 0..starts {
        let (process, took) = start(&database.url, &platforms.address).await?;
        times.push(took);
        if number == 0 {
            tokio::time::sleep(REST).await;
            idle = process.id().and_then(|id| Some((process::resident(id)?, process::own(id)?)));
        }
        drop(process);
        // The next one finds the file free.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    database.remove().await?;
    times.sort_unstable();
    let [p50, most] = [500, 1000].map(|thousandths| millis(percentile(&times, thousandths)));
    println!("| starts | to /readyz, p50 ms | most ms | idle MiB | of its own |\n|---|---|---|---|---|");
    let (idle, own) = idle.unwrap_or((f64::NAN, f64::NAN));
    println!("| {starts} | {p50:.0} | {most:.0} | {idle:.1} | {own:.1} |");
    verdicts.at_most("start to /readyz on an existing file: p50, ms", p50, 50.0);
    verdicts.at_most("idle memory, MiB", idle, 15.0);
    Ok(())
}

/// `baton serve`, as an operator starts it. It ends when it is dropped.
async fn start(database: &str, platforms: &str) -> anyhow::Result<(Child, Duration)> {
    let free = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let began = Instant::now();
    let process = Command::new(env!("CARGO_BIN_EXE_baton"))
        .arg("serve")
        .env_clear()
        .env("BATON_LISTEN", free.to_string())
        .env("BATON_DATABASE_URL", database)
        .env("SLACK_SIGNING_SECRET", "secret")
        .env("SLACK_BOT_TOKEN", "xoxb-bench")
        .env("SLACK_API_URL", format!("{platforms}/slack/"))
        .env("WARP_API_KEY", "wk-bench")
        .env("OZ_API_BASE_URL", format!("{platforms}/oz"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    while !is_ready(free).await {
        ensure!(began.elapsed() < PATIENCE, "it does not get ready");
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    Ok((process, began.elapsed()))
}

async fn is_ready(address: std::net::SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    ask.await.is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
}
