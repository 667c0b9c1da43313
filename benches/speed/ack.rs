//! How fast an event is acknowledged, and what that costs: signed webhooks over loopback, answered
//! when they are on disk, beside plain axum that checks and parses the same and stores nothing. The
//! load generator shares the cores with the servers, and they take turns.

use anyhow::ensure;
use baton::storage::{Store, inbox};

use crate::support::{
    databases::Database,
    load::{self, By, Round},
    millis,
    server::{self, Server},
    sync_time,
    verdicts::Verdicts,
};

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
    p999: f64,
    /// Of the server's process, in microseconds an event.
    cpu: Option<f64>,
}

pub async fn bench(quick: bool, verdicts: &mut Verdicts) -> anyhow::Result<()> {
    let (rounds, part) = if quick { (1, 10) } else { (ROUNDS, 1) };
    let mut receivers = receivers().await?;
    let sync = millis(sync_time()?);
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
    judge(&receivers, sync, verdicts);
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
    if let Some(database) = Database::postgres().await? {
        receivers.push(receiver(POSTGRES, By::Person, Some(database)).await?);
    }
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
            p50: round.percentile(500),
            p99: round.percentile(990),
            p999: round.percentile(999),
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
    println!("| receiver | conns | ok/s | × ceiling | p50 ms | p99 ms | p99.9 ms | CPU µs/event | peak MiB |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for Receiver { name, server, measured, .. } in receivers {
        for Measured { connections, rate, p50, p99, p999, cpu } in measured {
            let ceiling = receivers[0].at(*connections).map_or(f64::NAN, |ceiling| rate / ceiling.rate);
            let (cpu, peak) = (or_dash(*cpu), or_dash(server.peak()));
            println!(
                "| {name} | {connections} | {rate:.0} | {ceiling:.2} | {p50:.2} | {p99:.1} | {p999:.1} | {cpu} | {peak} |"
            );
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

fn judge(receivers: &[Receiver], sync: f64, verdicts: &mut Verdicts) {
    let find = |name: &str, connections| receivers.iter().find(|one| one.name == name)?.at(connections);
    if let (Some(ceiling), Some(sqlite)) = (find(CEILING, 64), find(SQLITE, 64)) {
        verdicts.at_least("ack, SQLite, 64 connections: × ceiling", sqlite.rate / ceiling.rate, 0.55);
        verdicts.at_most("ack, SQLite, 64 connections: p99, ms", sqlite.p99, 2.0 * ceiling.p99);
        if let Some(cpu) = sqlite.cpu {
            verdicts.at_most("ack, SQLite, 64 connections: CPU µs an event", cpu, 55.0);
        }
    }
    if let (Some(ceiling), Some(sqlite)) = (find(CEILING, 1), find(SQLITE, 1)) {
        let wanted = 2.0 * (sync + ceiling.p50);
        verdicts.at_most(format!("ack, SQLite, 1 connection: p50, ms (one sync is {sync:.2})"), sqlite.p50, wanted);
    }
    if let (Some(ceiling), Some(postgres)) = (find(CEILING, 64), find(POSTGRES, 64)) {
        verdicts.at_least("ack, PostgreSQL, 64 connections: × ceiling", postgres.rate / ceiling.rate, 0.40);
    }
}
