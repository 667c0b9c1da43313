//! Whatever goes wrong on the way, the thread ends the same: every kind of fault from every platform,
//! one kind at a time and all of them mixed by a seed; and webhooks that come twice or out of order.

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use baton::simulator::faults::Fault;

use super::{
    Story,
    crashes::{End, Way},
    story::{ADA, ENG, GRACE},
};
use crate::databases::{Db, on_both, on_postgres, on_sqlite};

const PLATFORMS: [&str; 3] = ["slack", "linear", "oz"];
/// Of requests that meet a fault.
const CHANCE: f64 = 0.25;

/// What a platform does when it is overloaded. Linear's form of 429 is a 400 that says RATELIMITED.
fn kinds() -> [Fault; 7] {
    [
        Fault::RateLimited { retry_after: Some(3) },
        Fault::RateLimited { retry_after: None },
        Fault::Status(500),
        Fault::Html(502),
        Fault::LoseAnswer,
        Fault::Drop,
        Fault::Delay(Duration::from_millis(3)),
    ]
}

/// Slack says it inside of a 200 as well.
fn limit_in_words(story: &Story) {
    for method in ["chat.postMessage", "chat.update", "files.completeUploadExternal"] {
        story.world.faults.add("slack", method, Fault::Refuse("ratelimited".into()), 2);
    }
}

macro_rules! weathers {
    ($($name:ident: $way:expr, $seed:expr;)+) => {$(
        mod $name {
            use super::*;

            #[tokio::test]
            async fn sqlite() {
                weathers($way, $seed, On::Sqlite).await;
            }

            #[tokio::test]
            async fn postgres() {
                weathers($way, $seed, On::Postgres).await;
            }
        }
    )+};
}

weathers! {
    planned_work_weathers_any_storm: Way::Plan, 11;
    listed_work_weathers_any_storm: Way::List, 12;
    a_stop_weathers_any_storm: Way::Stop, 13;
    a_session_weathers_any_storm: Way::Session, 14;
}

#[derive(Clone, Copy)]
enum On {
    Sqlite,
    Postgres,
}

async fn weathers(way: Way, seed: u64, on: On) {
    let Some((calm, 0)) = tell(way, None, on).await else { return };
    // Another storm of the same kind on the other database.
    let seed = if matches!(on, On::Sqlite) { seed } else { seed + 100 };
    let Some((stormy, met)) = tell(way, Some(seed), on).await else { return };
    assert!(met >= 3, "seed {seed}: only {met} requests met anything");
    let only_in = |one: &[String], other: &[String]| {
        let lines: Vec<_> = one.iter().filter(|line| !other.contains(line)).cloned().collect();
        lines.join("\n")
    };
    let (more, less) = (only_in(&stormy, &calm), only_in(&calm, &stormy));
    assert!(stormy == calm, "{way:?}, seed {seed}\n--- in the storm:\n{more}\n--- without:\n{less}");
}

/// What a way comes to, in no order, and how many requests met a fault.
async fn tell(way: Way, seed: Option<u64>, on: On) -> Option<(Vec<String>, usize)> {
    let told = Arc::new(Mutex::new(None));
    let end = Arc::clone(&told);
    let telling = async move |db: Db| {
        let story = way.begin(db).await;
        // Nobody is answered in time through such a weather.
        story.lost.store(true, Ordering::Relaxed);
        story.world.oz.set_speed(2.0);
        if let Some(seed) = seed {
            for platform in PLATFORMS {
                story.world.faults.storm(platform, seed, CHANCE, &kinds());
            }
            limit_in_words(&story);
        }
        way.go(&story).await;
        story.wait_long(Duration::from_mins(3)).await;
        let struck = story.world.faults.struck();
        // The storm is over; the longest pause between two attempts is three minutes.
        story.world.faults.clear();
        story.wait_long(Duration::from_mins(7)).await;
        let mut lines = End::of(&story).0;
        lines.sort();
        *end.lock().unwrap() = Some((lines, struck));
        story.end().await;
    };
    match on {
        On::Sqlite => on_sqlite(telling).await,
        On::Postgres => on_postgres(telling).await,
    }
    told.lock().unwrap().take()
}

on_both!(
    /// Each kind alone, on all that a platform is asked for.
    one_kind_of_fault_at_a_time,
    |db| async {
        let story = Story::in_linear(db, baton::domain::route::Routes::default()).await;
        story.lost.store(true, Ordering::Relaxed);
        for (number, kind) in kinds().into_iter().enumerate() {
            let struck = story.world.faults.struck();
            for platform in PLATFORMS {
                story.world.faults.storm(platform, number as u64, 0.4, std::slice::from_ref(&kind));
            }
            story.orchestrate(&format!("each:api,web Rewrite {{item}}, part {number}.")).await;
            story.until(&format!("Rewrite api, part {number}.")).await;
            let approve = story.message_with("baton.approve").ts;
            story.world.slack.click(ADA, &approve, "baton.approve").await.unwrap();
            let done = || story.thread_text().matches("*Done*").count();
            for round in 0..60 {
                if done() > number {
                    break;
                }
                // What takes several requests fails more often than not, and is tried ever more rarely.
                if round < 30 {
                    story.wait(Duration::from_secs(10)).await;
                } else {
                    story.wait_long(Duration::from_mins(3)).await;
                }
            }
            assert_eq!(done(), number + 1, "part {number}:\n{}", story.thread_text());
            assert!(story.world.faults.struck() > struck, "part {number} met nothing");
            story.world.faults.clear();
        }
        // A file that failed ten times is tried again only after three minutes.
        story.wait_long(Duration::from_mins(10)).await;
        story.end().await;
    }
);

on_both!(
    /// What Slack sends again, or late, is what it was.
    events_that_come_twice_and_out_of_order,
    |db| async {
        let story = Story::begin(db).await;
        story.world.slack.knobs(|knobs| {
            knobs.duplicate = true;
            knobs.reorder = true;
        });
        story.say(ADA, "@baton Write tests for each of api, web").await;
        story.until("[Approve]").await;
        let root = story.root();
        let notes = ["Mind the first note", "Mind the second note", "Mind the third note"];
        for note in notes {
            story.world.slack.say(GRACE, ENG, Some(&root), note).await;
        }
        story.settle().await;
        story.wait_long(Duration::from_mins(4)).await;
        let told = story.world.oz.runs()[0].follow_ups.join("\n");
        for note in notes {
            assert_eq!(told.matches(note).count(), 1, "{note}:\n{told}");
        }
        let boards = story.thread_text().matches("*Orchestration").count();
        assert!(boards <= 1, "{}", story.thread_text());
        story.press(ADA, "baton.approve").await;
        story.until("*Summary*").await;
        assert_eq!(story.runs().len(), 3);
        story.wait(Duration::from_secs(20)).await;
        story.end().await;
    }
);
