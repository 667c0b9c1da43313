//! How fast stored events are decided: slash commands in many channels, in the inbox already, become
//! orchestrations with their outbox rows; and how fast deliveries are claimed and settled when what
//! is between costs nothing.
//!
//! `cargo bench --bench decide`, `-- --quick` for a look. `BATON_BENCH_POSTGRES_URL` names the server
//! for the PostgreSQL half.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

#[path = "support/databases.rs"]
mod databases;

use std::time::{Duration, Instant};

use anyhow::ensure;
use axum::Router;
use baton::{
    app::{App, OzSetup, Setup, SlackSetup},
    domain::route::Routes,
    ids::{DeliveryId, EventId},
    simulator::{
        World,
        slack::{BOT_TOKEN, SIGNING_SECRET, TEAM},
    },
    storage::{
        Store,
        ingest::{Ingest, NewEvent, Stored},
        orchestrations,
        outbox::{self, NewDelivery},
    },
    time::Clock,
};
use databases::Database;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::net::TcpListener;

const EVENTS: u32 = 10_000;
const DELIVERIES: u32 = 3_000;
const WANTED: &str = "5000";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let part = if std::env::args().any(|arg| arg == "--quick") { 10 } else { 1 };
    let mut databases = vec![("SQLite", Database::sqlite()?)];
    match Database::postgres().await? {
        Some(database) => databases.push(("PostgreSQL", database)),
        None => println!("PostgreSQL is left out: BATON_BENCH_POSTGRES_URL names no server.\n"),
    }
    println!("| database | what | number | batch | a second | wanted |\n|---|---|---|---|---|---|");
    for (name, database) in databases {
        let store = Store::open(&database.url, 10).await?;
        store.migrate().await?;
        let app = app(&store).await?;
        let line = |what: &str, number: u32, (batch, rate): (usize, f64), wanted: &str| {
            println!("| {name} | {what} | {number} | {batch} | {rate:.0} | {wanted} |");
        };
        let (events, deliveries) = (EVENTS / part, DELIVERIES / part);
        line("deliveries claimed, each settled", deliveries, settle(&store, &app, deliveries).await?, "–");
        line("events decided", events, decide(&store, &app, events).await?, WANTED);
        store.close().await;
        database.remove().await?;
    }
    Ok(())
}

/// Fills the inbox, then has the inbox's worker empty it. Returns its largest batch and its rate.
async fn decide(store: &Store, app: &App, events: u32) -> anyhow::Result<(usize, f64)> {
    let (ingest, writer) = Ingest::start(store.clone());
    let stored: Vec<Stored> =
        stream::iter(0..events).map(|number| ingest.store(command(number))).buffer_unordered(200).try_collect().await?;
    ensure!(stored.iter().all(|stored| *stored == Stored::New), "an event was there already");
    drop(ingest);
    writer.await?;

    let began = Instant::now();
    let (did, batch) = until_idle(async || Ok(app.workers.inbox.run_once().await?.did)).await?;
    let took = began.elapsed();
    ensure!(did == events as usize, "{did} of {events} events were decided");
    let orchestrations: u64 = orchestrations::counts_by_stage(store).await?.iter().map(|(_, count)| count).sum();
    ensure!(orchestrations == u64::from(events), "{orchestrations} orchestrations of {events} commands");
    let waiting = outbox::counts(store).await?.waiting;
    ensure!(waiting >= u64::from(events), "{waiting} deliveries of {events} decisions");
    Ok((batch, f64::from(events) / took.as_secs_f64()))
}

/// Deliveries that cannot be read, so that no platform is asked: each is claimed with its batch, and
/// parked in a transaction of its own, as every settling is one.
async fn settle(store: &Store, app: &App, deliveries: u32) -> anyhow::Result<(usize, f64)> {
    let now = Clock::system().now();
    let mut tx = store.begin("fill the outbox").await?;
    for number in 0..deliveries {
        let delivery = NewDelivery {
            id: DeliveryId::new(format!("d{number}")),
            orchestration: None,
            lane: format!("bench:{number}"),
            kind: "say",
            effect: String::new(),
            coalesce: None,
            urgent: false,
            due_at: now,
            expires_at: None,
        };
        outbox::add(&mut tx, &delivery, now).await?;
    }
    tx.commit().await?;

    let began = Instant::now();
    let (did, batch) = until_idle(async || Ok(app.workers.outbox.run_once().await?.did)).await?;
    let took = began.elapsed();
    ensure!(did == deliveries as usize, "{did} of {deliveries} deliveries were claimed");
    let parked = outbox::counts(store).await?.parked;
    ensure!(parked == u64::from(deliveries), "{parked} of {deliveries} deliveries were settled");
    Ok((batch, f64::from(deliveries) / took.as_secs_f64()))
}

/// How much was done in all, and in one round at the most.
async fn until_idle(round: impl AsyncFn() -> anyhow::Result<usize>) -> anyhow::Result<(usize, usize)> {
    let (mut all, mut most) = (0, 0);
    loop {
        match round().await? {
            0 => return Ok((all, most)),
            did => (all, most) = (all + did, most.max(did)),
        }
    }
}

/// `/orchestrate` in a channel of its own.
fn command(number: u32) -> NewEvent {
    let channel = format!("C0BENCH{number}");
    let body = form_urlencoded(&[
        ("token", "XXYYZZ"),
        ("team_id", TEAM),
        ("team_domain", "baton-demo"),
        ("channel_id", &channel),
        ("channel_name", "engineering"),
        ("user_id", "U0ADA"),
        ("user_name", "ada"),
        ("command", "/orchestrate"),
        ("text", "Move packages/auth to the new test runner and open a pull request"),
        ("response_url", "https://hooks.slack.com/commands/T0BATON/1/x"),
        ("trigger_id", &format!("{number}.1.x")),
    ]);
    NewEvent {
        id: EventId::new(format!("e{number}")),
        source: "slack",
        kind: "commands",
        dedupe: format!("bench:{number}"),
        lane: format!("slack:{TEAM}:{channel}"),
        body,
        received_at: Clock::system().now(),
    }
}

fn form_urlencoded(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// Baton as `baton dev` has it: a simulated Slack says who we are.
async fn app(store: &Store) -> anyhow::Result<App> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let clock = Clock::system();
    let simulators: Router = World::new(&clock).router(&address, &address);
    tokio::spawn(async move { axum::serve(listener, simulators).await });
    App::new(Setup {
        store: store.clone(),
        clock,
        routes: Routes::default(),
        slack: SlackSetup {
            api_url: World::slack_api(&address).parse()?,
            bot_token: BOT_TOKEN.into(),
            signing_secrets: vec![SIGNING_SECRET.into()],
        },
        oz: OzSetup {
            base_url: World::oz_api(&address).parse()?,
            api_key: "wk-bench".into(),
            poll_interval: Duration::from_secs(3),
        },
        pages: None,
        admin_token: None,
    })
}
