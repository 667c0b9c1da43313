//! From a click to the first run: *Approve* is stored and answered with 200, and the request that
//! starts a run is on the wire. Every worker runs as in production.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use axum::{Router, body::Body, http::Request};
use baton::{
    simulator::slack::{APP_ID, SIGNING_SECRET, TEAM, sign},
    time::{Clock, Timestamp},
};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::support::{
    baton::{app, store},
    databases, millis, percentile,
    platforms::{Platforms, World},
    sync_time,
    verdicts::Verdicts,
};

/// Between clicks, so that none waits for Oz's pace: two writes a second, and two are made for each.
const PAUSE: Duration = Duration::from_millis(1100);
const PATIENCE: Duration = Duration::from_secs(20);

pub async fn bench(quick: bool, verdicts: &mut Verdicts) -> anyhow::Result<()> {
    let clicks = if quick { 5 } else { 25 };
    let sync = millis(sync_time()?);
    println!("| database | clicks | p50 ms | p90 ms | most ms |\n|---|---|---|---|---|");
    for (engine, database) in databases::each().await? {
        let platforms = Platforms::start()?;
        let store = store(&database.url).await?;
        let app = app(&store, Clock::system(), &platforms.address)?;
        let door = app.router.clone();
        let stop = CancellationToken::new();
        let running = tokio::spawn(app.run(TcpListener::bind("127.0.0.1:0").await?, Router::new(), stop.clone()));
        let mut times = Vec::new();
        for number in 0..clicks {
            times.push(click(&door, &platforms.world, number).await?);
            tokio::time::sleep(PAUSE).await;
        }
        stop.cancel();
        running.await??;
        database.remove().await?;
        times.sort_unstable();
        let [p50, p90, most] = [500, 900, 1000].map(|thousandths| millis(percentile(&times, thousandths)));
        println!("| {engine} | {clicks} | {p50:.1} | {p90:.1} | {most:.1} |");
        let what = format!("stored click → first create on the wire, {engine}: p50, ms (one sync is {sync:.2})");
        verdicts.at_most(what, p50, sync + 10.0);
    }
    Ok(())
}

/// Asks, waits for the proposal, approves it.
async fn click(door: &Router, world: &World, number: u32) -> anyhow::Result<Duration> {
    let channel = format!("C0CLICK{number}");
    let runs = world.seen().runs.len();
    let asked = command(&channel, "each:api Update the licence header of {item}", &format!("{number}.1"));
    post(door, "/slack/commands", asked, Clock::system().now()).await?;
    let (message, value) = until(world, || approval(world, &channel)).await.context("there is no proposal")?;
    // What else the proposal brings about is over by then.
    tokio::time::sleep(Duration::from_millis(200)).await;

    let pressed = approve(&channel, &message, &value, &format!("{number}.2"));
    post(door, "/slack/interactivity", pressed, Clock::system().now()).await?;
    let stored = Instant::now();
    let came = until(world, || world.seen().runs.get(runs).map(|run| run.came)).await.context("no run was started")?;
    Ok(came.saturating_duration_since(stored))
}

/// The body of `/orchestrate`.
pub fn command(channel: &str, text: &str, trigger: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("team_id", TEAM), ("channel_id", channel), ("user_id", "U0ADA")])
        .extend_pairs([("command", "/orchestrate"), ("text", text), ("trigger_id", trigger)])
        .finish()
}

/// The body of a click on *Approve*.
pub fn approve(channel: &str, message: &str, value: &str, trigger: &str) -> String {
    let payload = json!({
        "type": "block_actions", "team": {"id": TEAM}, "user": {"id": "U0ADA"}, "api_app_id": APP_ID,
        "channel": {"id": channel}, "trigger_id": trigger,
        "container": {"type": "message", "message_ts": message, "channel_id": channel},
        "message": {"ts": message},
        "actions": [{"type": "button", "action_id": "baton.approve", "block_id": "b", "value": value}],
    });
    url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish()
}

/// The proposal's message, and the value of its button.
fn approval(world: &World, channel: &str) -> Option<(String, String)> {
    world.seen().posts.iter().filter(|post| post.channel == channel).find_map(|post| {
        let elements = post.blocks.as_array()?.iter().filter_map(|block| block["elements"].as_array()).flatten();
        let button = elements.into_iter().find(|element| element["action_id"] == "baton.approve")?;
        Some((post.ts.clone(), button["value"].as_str()?.to_owned()))
    })
}

async fn until<T>(world: &World, found: impl Fn() -> Option<T>) -> anyhow::Result<T> {
    let look = async {
        loop {
            let changed = world.changed.notified();
            if let Some(found) = found() {
                return found;
            }
            // Whatever was missed is seen a moment later.
            let _ = tokio::time::timeout(Duration::from_millis(50), changed).await;
        }
    };
    Ok(tokio::time::timeout(PATIENCE, look).await?)
}

/// As Slack would send it at `now`.
pub async fn post(door: &Router, path: &str, body: String, now: Timestamp) -> anyhow::Result<()> {
    let now = now.as_secs().to_string();
    let request = Request::post(path)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("X-Slack-Request-Timestamp", &now)
        .header("X-Slack-Signature", sign(SIGNING_SECRET, &now, body.as_bytes()))
        .body(Body::from(body))?;
    let answer = door.clone().oneshot(request).await?;
    ensure!(answer.status() == 200, "{path} answered {}", answer.status());
    Ok(())
}
