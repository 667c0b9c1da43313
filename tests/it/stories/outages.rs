//! A platform is away for an hour while people go on talking in several conversations: it is asked
//! seldom, the others go on as if nothing were, and in the end all is said, in order and once.

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use baton::{
    domain::route::Routes,
    simulator::{
        faults::{Call, Fault},
        linear,
        oz::RunView,
    },
    storage::outbox,
};

use super::{
    Story,
    story::{ADA, ENG, GRACE, OPS},
};
use crate::databases::{Db, on_both};

const HOUR: Duration = Duration::from_hours(1);
/// An hour of probes, half a minute apart, some of them of two requests; and the sweep that goes on.
const MOST_AN_HOUR: usize = 400;
/// Once it is clear that the platform is down.
const MOST_A_MINUTE: usize = 16;
/// Others that want something of the platform meanwhile.
const CROWD: usize = 12;

impl Story {
    /// Three conversations with a proposal each: two threads in Slack and a session in Linear.
    async fn three_conversations(db: Db) -> (Self, Threads) {
        let mut story = Self::in_linear(db, Routes::default()).await;
        // Nobody is answered in time by a platform that is away.
        story.lost.store(true, Ordering::Relaxed);
        let mut roots = Vec::new();
        for (place, task) in [(ENG, "Write tests for each of api, web"), (OPS, "Write docs for each of cli, sdk")] {
            story.place = place;
            story.orchestrate(task).await;
            story.until("[Approve]").await;
            roots.push((place, story.root()));
        }
        let session = story.delegate(linear::ADA, "Update the licences of each of one, two").await;
        story.until_linear(&session, "Approve version 1").await;
        story.wait(Duration::from_secs(20)).await;
        (story, Threads { roots, session })
    }

    fn calls_to(&self, platform: &str) -> Vec<Call> {
        self.world.faults.calls().into_iter().filter(|call| call.platform == platform).collect()
    }

    /// What the parents were told, one after the other; with the words of the task that is meant.
    fn told_to(&self, task: &str) -> String {
        let is_parent = |run: &RunView| run.parent.is_none() && run.prompt.contains(task);
        let parents = self.world.oz.runs().into_iter().filter(is_parent);
        parents.flat_map(|run| run.follow_ups).collect::<Vec<_>>().join("\n")
    }
}

struct Threads {
    /// Channel and root.
    roots: Vec<(&'static str, String)>,
    session: String,
}

/// Where each conversation's words arrive.
const TASKS: [&str; 3] = ["Write tests for", "Write docs for", "Update the licences"];

async fn outage_of(platform: &'static str, fault: Fault, db: Db) {
    let (mut story, threads) = Story::three_conversations(db).await;
    let before = story.calls_to(platform).len();
    story.world.faults.outage(platform, fault);
    let began = story.clock.now();
    for round in 1..=6 {
        for (place, root) in &threads.roots {
            story.world.slack.say(GRACE, place, Some(root), &format!("Please mind point {round} too")).await;
        }
        if platform != "linear" {
            story.prompt(linear::GRACE, &threads.session, &format!("Please mind point {round} too")).await;
        }
        if round == 2 {
            story.place = OPS;
            for number in 1..=CROWD {
                story.command(ADA, "/oz", &format!("Fix the flaky case {number}.")).await;
            }
        }
        story.wait_long(Duration::from_mins(10)).await;
    }
    let asked = story.calls_to(platform);
    let asked = &asked[before..];
    assert!(asked.len() <= MOST_AN_HOUR, "{} requests of a platform that was away for an hour", asked.len());
    assert!(asked.len() >= 15, "{} requests: nobody would notice that it is back", asked.len());
    for minute in 5..60 {
        let from = began + Duration::from_mins(minute);
        let count = asked.iter().filter(|call| call.at >= from && call.at.since(from) < Duration::from_mins(1)).count();
        assert!(count <= MOST_A_MINUTE, "{count} requests in minute {minute}");
    }
    // The others went on as if nothing were.
    if platform != "oz" {
        let session = if platform == "slack" { TASKS[2] } else { TASKS[0] };
        assert!(story.told_to(session).contains("point 6"), "{}", story.told_to(session));
    }
    // The longest wait between two attempts is three minutes.
    assert!(asked.last().unwrap().at.since(began) > Duration::from_mins(56), "it is asked until the end");

    story.world.faults.clear();
    // In small steps from here: what comes after the outage comes one after the other.
    story.wait(Duration::from_mins(3)).await;
    let waiting = outbox::pending(&story.store, 200).await.unwrap();
    let back = began + HOUR;
    let held_back = waiting.iter().filter(|delivery| delivery.attempts > 0 && delivery.created_at < back).count();
    assert_eq!(held_back, 0, "three minutes later something still waits for its next attempt: {waiting:#?}");
    story.wait_long(Duration::from_mins(10)).await;
    for (task, round) in TASKS.iter().flat_map(|task| (1..=6).map(move |round| (task, round))) {
        if platform == "linear" && *task == TASKS[2] {
            continue;
        }
        let words = format!("point {round} too");
        let told = story.told_to(task);
        assert_eq!(told.matches(&words).count(), 1, "{words} of {task}:\n{told}");
        let next = told.find(&format!("point {} too", round + 1)).unwrap_or(usize::MAX);
        assert!(told.find(&words).unwrap() < next, "out of order:\n{told}");
    }
    finish(&mut story, &threads).await;
    nothing_twice(&story);
    story.end().await;
}

/// All three go on to their end.
async fn finish(story: &mut Story, threads: &Threads) {
    for (place, root) in &threads.roots {
        let thread = story.world.slack.thread(place, root);
        let has = |message: &&baton::simulator::slack::Message| {
            message.blocks.iter().any(|block| block.to_string().contains("baton.approve"))
        };
        let newest = thread.iter().rev().find(has).unwrap_or_else(|| panic!("nothing to approve in {place}"));
        story.world.slack.click(ADA, &newest.ts, "baton.approve").await.unwrap();
        story.settle().await;
    }
    story.until_status(&threads.session, linear::Status::AwaitingInput).await;
    story.choose(linear::ADA, &threads.session, "approve").await;
    story.until_status(&threads.session, linear::Status::Complete).await;
    story.wait_long(Duration::from_mins(5)).await;
    for (place, root) in &threads.roots {
        let thread = story.world.slack.thread(place, root);
        let board = story.world.slack.shown(&thread[0]);
        assert!(board.contains("Done"), "{place}: {board}");
    }
}

fn nothing_twice(story: &Story) {
    for place in [ENG, OPS] {
        let mut seen = BTreeSet::new();
        for message in story.world.slack.messages(place) {
            let Some(metadata) = message.metadata else { continue };
            assert!(seen.insert(metadata.to_string()), "twice: {}", message.text);
        }
    }
    let mut dispatches = BTreeSet::new();
    for run in story.world.oz.runs() {
        assert!(dispatches.insert(run.metadata["baton.dispatch"].clone()), "two runs of one dispatch: {}", run.title);
    }
    let started = (1..=CROWD).filter(|number| {
        let words = format!("Fix the flaky case {number}.");
        story.world.oz.runs().iter().filter(|run| run.prompt.contains(&words)).count() == 1
    });
    assert_eq!(started.count(), CROWD);
}

on_both!(slack_is_away_for_an_hour, |db| async { outage_of("slack", Fault::Html(503), db).await });
on_both!(linear_is_away_for_an_hour, |db| async { outage_of("linear", Fault::Drop, db).await });
on_both!(oz_is_away_for_an_hour, |db| async { outage_of("oz", Fault::Status(500), db).await });

on_both!(
    /// Whoever starts while Slack is away does not ask it at every event who we are, and is told later.
    a_first_start_during_an_outage,
    |db| async {
        let story = Story::begin(db).await;
        story.world.faults.outage("slack", Fault::Status(503));
        for number in 1..=30 {
            story.command(ADA, "/oz", &format!("Fix the flaky case {number}.")).await;
            story.wait_long(Duration::from_secs(20)).await;
        }
        let asked = story.calls_to("slack").len();
        assert!((5..=25).contains(&asked), "{asked} requests in ten minutes");
        story.world.faults.clear();
        story.wait(Duration::from_mins(3)).await;
        assert_eq!(story.runs().len(), 30);
        story.end().await;
    }
);
