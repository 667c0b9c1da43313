//! What there is to see in the end: each thing once, in its order, no faster than the platforms allow.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use baton::simulator::{World, faults::Call};

use super::{
    fleet::{Fleet, until},
    stories::{CHANNELS, NOTES},
};

/// Files and last edits come a while after the end.
const AFTERWARDS: Duration = Duration::from_mins(2);
/// Reads of Oz are counted over so long: a request may be late, and come close upon the next.
const WINDOW: Duration = Duration::from_secs(10);
const READS_A_SECOND: usize = 3;
/// Posts in one channel, as many at once.
const POSTS_A_SECOND: usize = 1;
const POSTS_AT_ONCE: usize = 3;

/// Waits until nothing is left to be done.
pub async fn all_is_done(fleet: &Fleet) -> Result<(), String> {
    let done = until("the end of all", AFTERWARDS, async || fleet.database.left_over().await.is_empty()).await;
    match done {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{error}\n{}", fleet.database.left_over().await.join("\n"))),
    }
}

/// Every message, file, activity and run stands there once.
pub fn once(world: &World) -> Result<String, String> {
    let messages = CHANNELS.iter().flat_map(|channel| world.slack.messages(channel));
    let posts: Vec<_> = messages.filter_map(|message| Some(message.metadata?.to_string())).collect();
    let files = world.slack.files().into_iter().flat_map(|file| {
        let shares =
            file.shares.into_iter().map(|(channel, _, thread)| format!("{} in {channel} {thread:?}", file.name));
        shares.collect::<Vec<_>>()
    });
    let activities = world.linear.sessions().into_iter().flat_map(|session| {
        let said = world.linear.activities(&session.id).into_iter().filter(|activity| !activity.ephemeral);
        said.filter_map(|activity| Some(format!("{} {}", activity.session, activity.content.body()?)))
            .collect::<Vec<_>>()
    });
    let runs = world.oz.runs().into_iter().map(|run| run.metadata["baton.dispatch"].clone());
    Ok(format!(
        "{} messages, {} files, {} activities, {} runs",
        none_twice("message", posts)?,
        none_twice("file", files)?,
        none_twice("activity", activities)?,
        none_twice("run", runs)?,
    ))
}

fn none_twice(what: &str, names: impl IntoIterator<Item = String>) -> Result<usize, String> {
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("a {what} stands there twice: {}", pair[0])),
        None => Ok(names.len()),
    }
}

/// What was said in a lane stands in the order in which it was decided, and a parent was told what
/// people said in the order in which they said it.
pub async fn in_order(fleet: &Fleet) -> Result<String, String> {
    let messages = CHANNELS.iter().flat_map(|channel| fleet.world.slack.messages(channel));
    let id = |metadata: &serde_json::Value| metadata["event_payload"]["delivery"].as_str().map(str::to_owned);
    let at: HashMap<_, _> = messages.filter_map(|message| Some((id(&message.metadata?)?, message.ts))).collect();
    let mut lanes: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for post in fleet.database.posts().await {
        lanes.entry(post.lane).or_default().extend(at.get(&post.id));
    }
    if let Some((lane, _)) = lanes.iter().find(|(_, posts)| !posts.is_sorted()) {
        return Err(format!("{lane} was said out of order"));
    }
    let posts: usize = lanes.values().map(Vec::len).sum();
    let mut told = 0;
    for run in fleet.world.oz.runs().into_iter().filter(|run| run.parent.is_none()) {
        let words = run.follow_ups.join("\n");
        let places: Vec<_> =
            (1..=NOTES).map(|note| words.match_indices(&format!("Note {note} of ")).collect()).collect();
        let places: Vec<Vec<(usize, &str)>> = places;
        if places.iter().all(Vec::is_empty) {
            continue; // nobody said anything there
        }
        if places.iter().any(|found| found.len() != 1) || !places.concat().is_sorted() {
            return Err(format!("{} was told out of order, or not once each: {words}", run.title));
        }
        told += 1;
    }
    if posts == 0 || told == 0 {
        return Err(format!("nothing to see: {posts} posts, {told} talks"));
    }
    Ok(format!("{posts} posts in {} lanes and {told} talks in order", lanes.len()))
}

/// All replicas together keep each platform's pace.
pub fn paced(fleet: &Fleet) -> Result<String, String> {
    let calls = fleet.world.faults.calls();
    let at = |call: &Call| call.at.as_millis();
    let reads: Vec<_> =
        calls.iter().filter(|call| call.platform == "oz" && call.what.starts_with("GET")).map(at).collect();
    let (most, second) = (busiest(&reads, WINDOW), busiest(&reads, Duration::from_secs(1)));
    let allowed = READS_A_SECOND * usize::try_from(WINDOW.as_secs()).unwrap();
    if most > allowed {
        return Err(format!("{most} reads of Oz in {} s, {allowed} are allowed", WINDOW.as_secs()));
    }
    let mut posts = 0;
    for channel in CHANNELS {
        let is_post = |call: &&Call| call.what.contains("chat.postMessage") && call.body.contains(channel);
        let sent: Vec<_> = calls.iter().filter(is_post).map(at).collect();
        posts = posts.max(busiest(&sent, WINDOW));
    }
    let allowed = POSTS_A_SECOND * usize::try_from(WINDOW.as_secs()).unwrap() + POSTS_AT_ONCE;
    if posts > allowed {
        return Err(format!("{posts} posts in a channel in {} s, {allowed} are allowed", WINDOW.as_secs()));
    }
    let (warnings, objections) = (fleet.world.slack.warnings(), fleet.world.linear.objections());
    if !warnings.is_empty() || !objections.is_empty() {
        return Err(format!("the platforms complain: {warnings:?} {objections:?}"));
    }
    let asked: Vec<_> = fleet.gates.iter().flat_map(super::gate::Gate::asked).collect();
    let refused = asked.iter().filter(|asked| asked.status == Some(429)).count();
    // Slack forgives a few at once, and the simulated one does not.
    let is_slacks = |what: &str| what.contains("/slack/");
    if let Some(other) = asked.iter().find(|asked| asked.status == Some(429) && !is_slacks(&asked.what)) {
        return Err(format!("{} was answered 429", other.what));
    }
    Ok(format!(
        "{} reads of Oz, {most} in the busiest {} s, {second} in the busiest second; {posts} posts in a channel's busiest {} s; {} requests, {refused} of them refused by Slack",
        reads.len(),
        WINDOW.as_secs(),
        WINDOW.as_secs(),
        asked.len(),
    ))
}

/// How many of these moments (milliseconds, in order) fall into the fullest window of that length.
fn busiest(at: &[i64], window: Duration) -> usize {
    let window = i64::try_from(window.as_millis()).unwrap();
    let fits = |from: usize| at[from..].iter().take_while(|later| **later - at[from] < window).count();
    (0..at.len()).map(fits).max().unwrap_or_default()
}

/// One at a time follows the runs: between two sweeps of one replica, no other sweeps unless the
/// first was stopped or killed. Says who did.
pub fn one_follows(fleet: &Fleet, since: Instant) -> Result<usize, String> {
    let sweeps = fleet.sweeps(since);
    let mut turns: Vec<_> = sweeps.iter().map(|(_, one)| *one).collect();
    turns.dedup();
    match turns.as_slice() {
        [leader] => Ok(*leader),
        turns => Err(format!("{} sweeps were made by {turns:?}", sweeps.len())),
    }
}
