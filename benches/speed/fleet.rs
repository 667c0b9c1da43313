//! A thousand orchestrations with twenty children each, approved at once, on one replica and on a
//! clock that the benchmark moves: whether every start gets its turn, and what Baton holds in memory
//! and uses meanwhile. Baton is a process of its own here.

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, ensure};
use baton::{
    domain::message::{About, Subject},
    http,
    storage::{
        Store,
        orchestrations::{self, Filter},
        outbox, runs,
    },
    time::{Clock, Timestamp},
};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::click::{approve, command, post};
use crate::support::{
    baton::{app, settle, store},
    databases, percentile,
    platforms::Platforms,
    process,
    verdicts::Verdicts,
};

/// The argument that makes this program the Baton that is measured; an [`Order`] follows it.
pub const DRIVE: &str = "--drive";
const CHILDREN: u32 = 20;
/// How far the clock moves at once.
const STEP: Duration = Duration::from_millis(500);
/// A child works for so long.
const LIFE: Duration = Duration::from_mins(5);
/// Oz's pace for writes: two a second.
const WRITES_A_SECOND: f64 = 2.0;

#[derive(Serialize, Deserialize)]
struct Order {
    database: String,
    platforms: String,
    orchestrations: u32,
    start: i64,
}

/// What Baton's process says at its end.
#[derive(Serialize, Deserialize)]
struct Told {
    approved_at: i64,
    ended: u32,
    parked: u64,
    longest_queue: u64,
    peak_mib: f64,
    cpu_s: f64,
}

pub async fn bench(quick: bool, verdicts: &mut Verdicts) -> anyhow::Result<()> {
    let orchestrations = if quick { 20 } else { 1_000 };
    println!(
        "| database | orchestrations | runs started | ended | most waiting | started within, s | at Oz's pace, s | \
         median wait, s | longest wait, s | peak MiB | CPU s |\n|---|---|---|---|---|---|---|---|---|---|---|"
    );
    let mut sizes = Vec::new();
    for (engine, database) in databases::each().await? {
        let platforms = Platforms::start()?;
        platforms.world.seen().life = Some(LIFE);
        let start = platforms.world.seen().now.as_millis();
        let order =
            Order { database: database.url.clone(), platforms: platforms.address.clone(), orchestrations, start };
        let told = ordered(&order).await?;
        let mut waits: Vec<Duration> = {
            let seen = platforms.world.seen();
            let approved_at = Timestamp::from_millis(told.approved_at);
            seen.runs.iter().map(|run| run.created_at.since(approved_at)).collect()
        };
        waits.sort_unstable();
        let count = f64::from(u32::try_from(waits.len())?);
        let [median, longest] = [500, 1000].map(|thousandths| percentile(&waits, thousandths).as_secs_f64());
        let ideal = count / WRITES_A_SECOND;
        let Told { ended, parked, longest_queue, peak_mib, cpu_s, .. } = told;
        println!(
            "| {engine} | {orchestrations} | {count} | {ended} | {longest_queue} | {longest:.0} | {ideal:.0} | {median:.0} | \
             {longest:.0} | {peak_mib:.0} | {cpu_s:.0} |"
        );
        ensure!(
            ended == orchestrations && parked == 0,
            "{ended} of {orchestrations} ended, {parked} deliveries parked"
        );
        verdicts.at_most(
            format!("{orchestrations} × {CHILDREN} at once, {engine}: longest wait ÷ Oz's pace"),
            longest / ideal,
            1.2,
        );
        verdicts.at_most(format!("{orchestrations} × {CHILDREN} at once, {engine}: peak memory, MiB"), peak_mib, 150.0);
        sizes.push((engine, database.tables().await?));
        database.remove().await?;
    }
    print_sizes(&sizes, orchestrations);
    Ok(())
}

/// Tables with their rows and bytes, for each database.
type Sizes<'a> = [(&'a str, Vec<(String, i64, i64)>)];

/// What one of these orchestrations leaves behind.
fn print_sizes(sizes: &Sizes<'_>, orchestrations: u32) {
    println!("\n| database | table | rows each | bytes a row | KiB each |\n|---|---|---|---|---|");
    #[expect(clippy::cast_precision_loss, reason = "far below what a float holds exactly")]
    for (engine, table, rows, bytes) in sizes.iter().flat_map(|(engine, tables)| {
        tables.iter().map(move |(table, rows, bytes)| (engine, table, *rows as f64, *bytes as f64))
    }) {
        let each = f64::from(orchestrations);
        println!("| {engine} | {table} | {:.1} | {:.0} | {:.1} |", rows / each, bytes / rows, bytes / each / 1024.0);
    }
}

async fn ordered(order: &Order) -> anyhow::Result<Told> {
    let output = Command::new(std::env::current_exe()?)
        .args([DRIVE, &serde_json::to_string(order)?])
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await?;
    serde_json::from_slice(&output.stdout).context("Baton did not come to its end")
}

/// Carries out an [`Order`].
pub async fn drive(order: &str) -> anyhow::Result<()> {
    let Order { database, platforms, orchestrations, start } = serde_json::from_str(order)?;
    let clock = Clock::manual(Timestamp::from_millis(start));
    let store = store(&database).await?;
    let app = app(&store, clock.clone(), &platforms)?;
    let moved = http::client()?;
    let step = async || -> anyhow::Result<()> {
        clock.advance(STEP);
        moved.post(format!("{platforms}/now/{}", clock.now().as_millis())).send().await?;
        settle(&app).await
    };
    let items: Vec<String> = (1..=CHILDREN).map(|item| format!("package-{item}")).collect();
    let text =
        format!("each:{} Migrate the tests of {{item}} from Jest to Vitest and open a pull request", items.join(","));
    for number in 0..orchestrations {
        let body = command(&channel(number), &text, &format!("{number}.1"));
        post(&app.router, "/slack/commands", body, clock.now()).await?;
        if number % 50 == 49 {
            settle(&app).await?;
        }
    }
    let mut proposed = waiting(&store, "deciding").await?;
    while proposed.len() < orchestrations as usize {
        step().await?;
        proposed = waiting(&store, "deciding").await?;
    }
    let approved_at = clock.now().as_millis();
    for (number, (place, value)) in proposed.iter().enumerate() {
        let body = approve(place, "1700000000.000001", value, &format!("{number}.2"));
        post(&app.router, "/slack/interactivity", body, clock.now()).await?;
    }
    let (mut longest_queue, mut steps) = (0, 0_u32);
    loop {
        step().await?;
        steps += 1;
        if steps % 20 != 1 {
            continue;
        }
        let queue = outbox::counts(&store).await?.waiting;
        longest_queue = longest_queue.max(queue);
        if queue == 0 && !runs::is_anything_open(&store).await? {
            break;
        }
        ensure!(steps < 400_000, "there is no end to it");
    }
    let told = Told {
        approved_at,
        ended: u32::try_from(waiting(&store, "done").await?.len())?,
        parked: outbox::counts(&store).await?.parked,
        longest_queue,
        peak_mib: process::peak(std::process::id()).unwrap_or(f64::NAN),
        cpu_s: process::cpu(std::process::id()).unwrap_or_default().as_secs_f64(),
    };
    println!("{}", serde_json::to_string(&told)?);
    Ok(())
}

fn channel(number: u32) -> String {
    format!("C0FLEET{number}")
}

/// The places of those that stand at `stage`, and what the button of each would say.
async fn waiting(store: &Store, stage: &str) -> anyhow::Result<Vec<(String, String)>> {
    let all = Filter { workspace: None, place: None, open_only: false, limit: 10_000 };
    let mut found = Vec::new();
    for summary in orchestrations::list(store, &all).await?.into_iter().filter(|summary| summary.stage == stage) {
        let whole = orchestrations::read(store, &summary.id).await?.context("an orchestration that is listed")?;
        let subject = whole.proposal.as_ref().map_or(Subject::Whole, |proposal| Subject::Proposal {
            version: proposal.version,
            digest: proposal.digest.short().to_owned(),
        });
        let about = About { orchestration: whole.id.clone(), subject };
        found.push((summary.place, about.to_string()));
    }
    Ok(found)
}
