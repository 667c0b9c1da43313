//! How fast an event is acknowledged, and what that costs: signed webhooks over loopback, answered
//! when they are on disk, beside plain axum that checks and parses the same and stores nothing.
//!
//! `cargo bench --bench ingest`, `-- --quick` for a look, `-- SQLite` for one beside the ceiling.
//! `BATON_BENCH_POSTGRES_URL` names the server
//! for the PostgreSQL half. The load generator shares the cores with the servers, so figures move
//! from machine to machine; ratios to the ceiling are what counts.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

#[path = "support/databases.rs"]
mod databases;
#[path = "support/load.rs"]
mod load;
#[path = "support/server.rs"]
mod server;

use std::time::Duration;

use anyhow::ensure;
use baton::storage::{Store, inbox};
use databases::Database;
use load::{By, Round};
use server::Server;

/// Connections, and events in one round over them.
const SIZES: [(usize, usize); 3] = [(1, 1_500), (16, 12_000), (64, 24_000)];
const ROUNDS: usize = 3;

const CEILING: &str = "ceiling";
const SQLITE: &str = "SQLite";
const POSTGRES: &str = "PostgreSQL";

/// One line of the table: a server, and who the events it gets are by.
struct Receiver {
    name: &'static str,
    server: Server,
    by: By,
    /// Where its events have to be found afterwards.
    database: Option<Database>,
    acknowledged: u32,
    measured: Vec<Measured>,
}

/// The round with the median rate at one number of connections. Times are in milliseconds.
struct Measured {
    connections: usize,
    rate: f64,
    p50: f64,
    p99: f64,
    /// Of the server's process, in microseconds an event.
    cpu: Option<f64>,
}

fn main() -> anyhow::Result<()> {
    if let Some(what) = server::asked_to_serve() {
        return tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(server::serve(&what));
    }
    // One thread for the load, so that it takes no more of the machine than it must.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(bench())
}

async fn bench() -> anyhow::Result<()> {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let (rounds, part) = if quick { (1, 10) } else { (ROUNDS, 1) };
    let mut receivers = receivers().await?;
    let sync = Some(sync_time()?);
    for (connections, events) in SIZES {
        for receiver in &mut receivers {
            receiver.round(connections, events / part / 4).await?;
        }
        let mut measured: Vec<Vec<Measured>> = receivers.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            // They take turns, so that what else happens on the machine disturbs all alike.
            for (receiver, measured) in receivers.iter_mut().zip(&mut measured) {
                measured.push(receiver.round(connections, events / part).await?);
            }
        }
        for (receiver, mut rounds) in receivers.iter_mut().zip(measured) {
            rounds.sort_by(|one, other| one.rate.total_cmp(&other.rate));
            receiver.measured.push(rounds.swap_remove(rounds.len() / 2));
        }
    }
    print_table(&receivers);
    print_targets(&receivers, sync);
    for receiver in receivers {
        receiver.end().await?;
    }
    Ok(())
}

async fn receivers() -> anyhow::Result<Vec<Receiver>> {
    async fn receiver(name: &'static str, by: By, database: Option<Database>) -> anyhow::Result<Receiver> {
        let server = Server::start(database.as_ref().map_or(server::CEILING, |database| &database.url)).await?;
        Ok(Receiver { name, server, by, database, acknowledged: 0, measured: Vec::new() })
    }
    let mut receivers = vec![
        receiver(CEILING, By::Person, None).await?,
        // The same server as the next; what a bot says is not for us, which leaves out the store alone.
        receiver("storing nothing", By::Bot, Some(Database::sqlite()?)).await?,
        receiver(SQLITE, By::Person, Some(Database::sqlite()?)).await?,
    ];
    match Database::postgres().await? {
        Some(database) => receivers.push(receiver(POSTGRES, By::Person, Some(database)).await?),
        None => println!("PostgreSQL is left out: BATON_BENCH_POSTGRES_URL names no server.\n"),
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    receivers.retain(|one| wanted.is_empty() || one.name == CEILING || wanted.iter().any(|name| name == one.name));
    Ok(receivers)
}

impl Receiver {
    async fn round(&mut self, connections: usize, events: usize) -> anyhow::Result<Measured> {
        let requests = load::mentions(self.by, events);
        let before = self.server.cpu();
        let round = load::send(self.server.address, requests, connections).await?;
        let used = self.server.cpu().zip(before).map(|(after, before)| after.saturating_sub(before));
        let (name, Round { ok, not_ok, .. }) = (self.name, &round);
        ensure!(
            *not_ok == 0 && *ok as usize == events,
            "{name}: {ok} of {events} answered with 200, {not_ok} otherwise"
        );
        self.acknowledged += *ok;
        Ok(Measured {
            connections,
            rate: round.rate(),
            p50: round.percentile(50),
            p99: round.percentile(99),
            cpu: used.map(|used| used.as_secs_f64() * 1e6 / f64::from(*ok)),
        })
    }

    /// What was acknowledged has to be there, once, after the server has gone.
    async fn end(self) -> anyhow::Result<()> {
        let Self { name, server, by, database, acknowledged, .. } = self;
        server.stop().await?;
        let Some(database) = database else { return Ok(()) };
        let store = Store::open(&database.url, 2).await?;
        let stored = inbox::counts(&store).await?.undecided;
        store.close().await;
        println!("{name}: {acknowledged} events acknowledged with 200, {stored} stored");
        let expected = if by == By::Bot { 0 } else { acknowledged };
        ensure!(stored == u64::from(expected), "{expected} should be");
        database.remove().await
    }

    fn at(&self, connections: usize) -> Option<&Measured> {
        self.measured.iter().find(|measured| measured.connections == connections)
    }
}

fn print_table(receivers: &[Receiver]) {
    println!("| receiver | conns | ok/s | × ceiling | p50 ms | p99 ms | CPU µs/event | peak MiB |");
    println!("|---|---|---|---|---|---|---|---|");
    for Receiver { name, server, measured, .. } in receivers {
        for Measured { connections, rate, p50, p99, cpu } in measured {
            let ceiling = receivers[0].at(*connections).map_or(f64::NAN, |ceiling| rate / ceiling.rate);
            let (cpu, peak) = (or_dash(*cpu), or_dash(server.peak()));
            println!("| {name} | {connections} | {rate:.0} | {ceiling:.2} | {p50:.2} | {p99:.1} | {cpu} | {peak} |");
        }
    }
    println!(
        "\nCPU is user and system time of the server's own process: without the load generator, and for PostgreSQL \
         without the database's processes.\n"
    );
}

fn or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.0}"))
}

fn print_targets(receivers: &[Receiver], sync: Option<Duration>) {
    let find = |name: &str, connections| receivers.iter().find(|one| one.name == name)?.at(connections);
    let say = |what: &str, is: f64, target: f64, met: bool| {
        println!("| {what} | {is:.2} | {target:.2} | {} |", if met { "met" } else { "missed" });
    };
    println!("| target | is | wanted | |\n|---|---|---|---|");
    if let (Some(ceiling), Some(sqlite)) = (find(CEILING, 64), find(SQLITE, 64)) {
        let ratio = sqlite.rate / ceiling.rate;
        say("SQLite, 64 connections: at least × ceiling", ratio, 0.55, ratio >= 0.55);
        say("SQLite, 64 connections: p99 at most ms", sqlite.p99, 2.0 * ceiling.p99, sqlite.p99 <= 2.0 * ceiling.p99);
        if let Some(cpu) = sqlite.cpu {
            say("SQLite, 64 connections: CPU at most µs an event", cpu, 55.0, cpu <= 55.0);
        }
    }
    if let (Some(ceiling), Some(sqlite), Some(sync)) = (find(CEILING, 1), find(SQLITE, 1), sync) {
        let wanted = 2.0 * (sync.as_secs_f64() * 1e3 + ceiling.p50);
        say(
            "SQLite, 1 connection: p50 at most 2 × (a sync + the ceiling's), ms",
            sqlite.p50,
            wanted,
            sqlite.p50 <= wanted,
        );
    }
    if let (Some(ceiling), Some(postgres)) = (find(CEILING, 64), find(POSTGRES, 64)) {
        let ratio = postgres.rate / ceiling.rate;
        say("PostgreSQL, 64 connections: at least × ceiling", ratio, 0.40, ratio >= 0.40);
    }
    println!();
}

/// How long one sync of a 4 KiB block takes where the SQLite file is: the median of 200.
fn sync_time() -> anyhow::Result<Duration> {
    use std::os::unix::fs::FileExt as _;
    let folder = tempfile::tempdir()?;
    let file = std::fs::File::create(folder.path().join("sync"))?;
    let mut times = Vec::new();
    for _ in 0..200 {
        file.write_all_at(&[0; 4096], 0)?;
        let began = std::time::Instant::now();
        file.sync_data()?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
