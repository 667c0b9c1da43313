//! The real binary under a flood: a hundred thousand mutated requests at all of its doors, then those
//! who send too slowly, too much, or too many at a time. Nothing answers 5xx but what is shed, nothing
//! panics, memory stays where it was, and what is real is answered all the while and decided in the end.
//!
//! `cargo test --test flood`; `BATON_FLOOD=1000000` says how many, `BATON_FLOOD_SEED` repeats a round.

#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

#[path = "../hostile/mutate.rs"]
mod mutate;
mod requests;
mod sender;
mod server;
mod slow;

use std::{collections::BTreeMap, io::Write as _, process::ExitCode, time::Duration};

use baton::{simulator::World, time::Clock};
use tokio::{net::TcpListener, task::JoinSet, time::sleep};

use requests::Requests;
use server::Server;

const FLOOD: u64 = 100_000;
/// Requests under way at a time.
const CONNECTIONS: u64 = 24;
/// After the first tenth everything that is kept for later has been made: pools, caches, arenas.
const WARM_UP: u64 = 10;
/// So much more may be resident after the rest. A leak of a single small allocation a request is more.
const MOST_GROWTH: f64 = 24.0;
/// What is stored is decided within this.
const PATIENCE: Duration = Duration::from_mins(3);

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let seed = setting("BATON_FLOOD_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let flood = setting("BATON_FLOOD").unwrap_or(FLOOD);
    say(&format!("{flood} requests, seed {seed}"));
    match runtime.block_on(run(seed, flood)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            say(&format!("FAILED with BATON_FLOOD_SEED={seed} BATON_FLOOD={flood}:\n{why}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(seed: u64, flood: u64) -> Result<(), String> {
    let clock = Clock::system();
    let world = World::new(&clock);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let platforms = format!("http://{}", listener.local_addr().unwrap());
    let server = Server::start(&platforms).await?;
    let router = world.router(&platforms, &server.url());
    let mut background = JoinSet::new();
    background.spawn(async move { axum::serve(listener, router).await.map(drop).unwrap() });

    let mut counts = wave(&server, seed, flood / WARM_UP).await?;
    server.wait_until_decided(PATIENCE).await?;
    let before = server.resident()?;
    for (what, count) in wave(&server, seed + 1, flood - flood / WARM_UP).await? {
        *counts.entry(what).or_default() += count;
    }
    server.wait_until_decided(PATIENCE).await?;
    let after = server.resident()?;
    say(&format!("answers: {}", told(&counts)));
    say(&format!("resident: {before:.1} MiB after the first tenth, {after:.1} MiB at the end"));
    if after > before + MOST_GROWTH {
        return Err(format!("memory grew from {before:.1} to {after:.1} MiB"));
    }
    server.is_well("the flood")?;

    for line in [
        slow::dribblers(&server).await?,
        slow::one_large_body(&server).await?,
        slow::many_large_bodies(&server).await?,
        slow::too_many(&server).await?,
    ] {
        say(&line);
    }
    server.is_well("the slow")?;
    still_works(&world).await?;
    server.wait_until_decided(PATIENCE).await?;
    background.shutdown().await;
    server.stop().await
}

/// So many requests, over some connections at a time.
async fn wave(server: &Server, seed: u64, requests: u64) -> Result<BTreeMap<String, u64>, String> {
    let mut senders = JoinSet::new();
    for number in 0..CONNECTIONS {
        let share = requests / CONNECTIONS + u64::from(number < requests % CONNECTIONS);
        let requests = Requests::new(seed.wrapping_mul(1_000).wrapping_add(number));
        senders.spawn(sender::send(server.address(), requests, share));
    }
    let mut counts = BTreeMap::new();
    while let Some(sent) = senders.join_next().await {
        for (what, count) in sent.map_err(|error| error.to_string())?? {
            *counts.entry(what).or_default() += count;
        }
    }
    Ok(counts)
}

/// Somebody asks for something, as if nothing had been.
async fn still_works(world: &World) -> Result<(), String> {
    let task = "Fix the build after the flood.";
    let answer = world.slack.command("U0ADA", "C0ENG", "/oz", task).await;
    if answer.status != 200 {
        return Err(format!("a command is answered with {}", answer.status));
    }
    for _ in 0..PATIENCE.as_secs() {
        if world.slack.messages("C0ENG").iter().any(|message| message.text.contains(task)) {
            say("a command after the flood got its board");
            return Ok(());
        }
        sleep(Duration::from_secs(1)).await;
    }
    Err("a command after the flood got no board".into())
}

fn told(counts: &BTreeMap<String, u64>) -> String {
    counts.iter().map(|(what, count)| format!("{what} {count}")).collect::<Vec<_>>().join(", ")
}

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment what to do")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
