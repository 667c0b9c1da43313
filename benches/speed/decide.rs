//! How fast stored events are decided: slash commands in many channels, in the inbox already, become
//! orchestrations with their outbox rows; and how fast deliveries are claimed and settled when what
//! is between costs nothing.

use std::time::{Duration, Instant};

use anyhow::ensure;
use baton::{
    app::App,
    ids::{DeliveryId, EventId},
    simulator::slack::TEAM,
    storage::{
        Store,
        ingest::{Ingest, NewEvent, Stored},
        orchestrations,
        outbox::{self, NewDelivery},
    },
    time::Clock,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::support::{
    baton::{app, store},
    databases,
    platforms::Platforms,
    process,
    verdicts::Verdicts,
};

const EVENTS: u32 = 10_000;
const DELIVERIES: u32 = 3_000;
const WANTED: f64 = 5_000.0;
const ROUNDS: usize = 3;

/// What a round came to.
struct Rate {
    a_second: f64,
    /// Of Baton alone, in microseconds each.
    cpu: f64,
    /// The most in one transaction.
    batch: usize,
}

pub async fn bench(quick: bool, verdicts: &mut Verdicts) -> anyhow::Result<()> {
    let (part, rounds) = if quick { (10, 1) } else { (1, ROUNDS) };
    let platforms = Platforms::start()?;
    println!("| database | what | number | batch | a second | CPU µs each |\n|---|---|---|---|---|---|");
    for engine in ["SQLite", "PostgreSQL"] {
        let (mut settled, mut decided) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let Some((_, database)) = databases::each().await?.into_iter().find(|(name, _)| *name == engine) else {
                continue;
            };
            let store = store(&database.url).await?;
            let app = app(&store, Clock::system(), &platforms.address)?;
            settled.push(settle(&store, &app, DELIVERIES / part).await?);
            decided.push(decide(&store, &app, EVENTS / part).await?);
            store.close().await;
            database.remove().await?;
        }
        let (Some(settled), Some(decided)) = (median(settled), median(decided)) else { continue };
        for (what, number, Rate { a_second, cpu, batch }) in [
            ("deliveries claimed, each settled", DELIVERIES / part, &settled),
            ("events decided", EVENTS / part, &decided),
        ] {
            println!("| {engine} | {what} | {number} | {batch} | {a_second:.0} | {cpu:.0} |");
        }
        verdicts.at_least(format!("inbox → decision → outbox, {engine}: a second"), decided.a_second, WANTED);
    }
    Ok(())
}

fn median(mut rates: Vec<Rate>) -> Option<Rate> {
    rates.sort_by(|one, other| one.a_second.total_cmp(&other.a_second));
    let middle = rates.len() / 2;
    (!rates.is_empty()).then(|| rates.swap_remove(middle))
}

/// Runs rounds of a worker until there is nothing left for it.
async fn empty(count: u32, round: impl AsyncFn() -> anyhow::Result<usize>) -> anyhow::Result<Rate> {
    let (began, used) = (Instant::now(), cpu());
    let (mut all, mut batch) = (0, 0);
    loop {
        match round().await? {
            0 => break,
            did => (all, batch) = (all + did, batch.max(did)),
        }
    }
    let (took, used) = (began.elapsed(), cpu().saturating_sub(used));
    ensure!(all == count as usize, "{all} of {count} were done");
    let each = used.as_secs_f64() * 1e6 / f64::from(count);
    Ok(Rate { a_second: f64::from(count) / took.as_secs_f64(), cpu: each, batch })
}

fn cpu() -> Duration {
    process::cpu(std::process::id()).unwrap_or_default()
}

/// Fills the inbox, then has the inbox's worker empty it.
async fn decide(store: &Store, app: &App, events: u32) -> anyhow::Result<Rate> {
    let (ingest, writer) = Ingest::start(store.clone());
    let stored: Vec<Stored> =
        stream::iter(0..events).map(|number| ingest.store(command(number))).buffer_unordered(200).try_collect().await?;
    ensure!(stored.iter().all(|stored| *stored == Stored::New), "an event was there already");
    drop(ingest);
    writer.await?;

    let rate = empty(events, async || Ok(app.workers.inbox.run_once().await?.did)).await?;
    let orchestrations: u64 = orchestrations::counts_by_stage(store).await?.iter().map(|(_, count)| count).sum();
    ensure!(orchestrations == u64::from(events), "{orchestrations} orchestrations of {events} commands");
    let waiting = outbox::counts(store).await?.waiting;
    ensure!(waiting >= u64::from(events), "{waiting} deliveries of {events} decisions");
    Ok(rate)
}

/// Deliveries that cannot be read, so that no platform is asked: each is claimed with its batch, and
/// parked in a transaction of its own, as every settling is one.
async fn settle(store: &Store, app: &App, deliveries: u32) -> anyhow::Result<Rate> {
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

    let rate = empty(deliveries, async || Ok(app.workers.outbox.run_once().await?.did)).await?;
    let parked = outbox::counts(store).await?.parked;
    ensure!(parked == u64::from(deliveries), "{parked} of {deliveries} deliveries were settled");
    Ok(rate)
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
        delivery: None,
        lane: format!("slack:{TEAM}:{channel}"),
        body,
        received_at: Clock::system().now(),
    }
}

fn form_urlencoded(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
