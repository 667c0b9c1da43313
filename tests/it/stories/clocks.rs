//! Baton's clock is set back, or was wrong for a while: nothing waits for the time to come again, and
//! nothing is done twice. The platforms keep the right time.

use std::{collections::BTreeSet, time::Duration};

use baton::{
    simulator::faults::Fault,
    storage::{inbox, leases, outbox, paces},
};

use super::{
    Story,
    story::{ADA, ENG, GRACE},
};
use crate::databases::{Db, on_both};

const HOUR: Duration = Duration::from_hours(1);
const TASK: &str = "Write tests for each of api, web";

/// While children are at work: paces held, deliveries put back, a lead held, reads under way.
async fn at_work(db: Db) -> Story {
    let story = Story::begin(db).await;
    story.orchestrate(TASK).await;
    story.until("[Approve]").await;
    story
}

async fn ends_well(story: Story) {
    story.press(ADA, "baton.approve").await;
    ended_well(&story).await;
}

async fn ended_well(story: &Story) {
    story.until("*Summary*").await;
    story.wait(Duration::from_secs(20)).await;
    assert_eq!(story.runs().len(), 3);
    let mut seen = BTreeSet::new();
    for message in story.world.slack.messages(ENG) {
        let Some(metadata) = message.metadata else { continue };
        assert!(seen.insert(metadata.to_string()), "twice:\n{}", story.thread_text());
    }
    let counts = inbox::counts(&story.store).await.unwrap();
    assert_eq!((counts.undecided, counts.parked), (0, 0), "events left over");
    // Paces are kept by the clock, so an edit may have come too soon: not a word of that here.
    let left = outbox::counts(&story.store).await.unwrap();
    assert_eq!((left.waiting, left.parked), (0, 0), "deliveries left over");
}

on_both!(
    /// It was an hour ahead, and what it wrote then lies ahead.
    a_clock_that_was_an_hour_ahead_is_set_back,
    |db| async {
        let story = at_work(db).await;
        story.own_clock.advance(HOUR);
        story.world.faults.add("slack", "chat.", Fault::RateLimited { retry_after: Some(60) }, 3);
        story.world.faults.add("oz", "", Fault::RateLimited { retry_after: Some(60) }, 1);
        // Slack's signatures are too old now; it sends its events again later.
        let root = story.root();
        story.world.slack.say(GRACE, ENG, Some(&root), "Mind the windows").await;
        story.wait(Duration::from_secs(5)).await;
        assert_eq!(story.undecided().await, 0, "nobody is let in by a wrong clock");
        let mut tx = story.store.begin("a lead of somebody who is gone").await.unwrap();
        assert!(leases::acquire(&mut tx, "retention", "gone", story.own_clock.now(), Duration::from_mins(9)).await.unwrap());
        paces::hold(&mut tx, "oz:write", story.own_clock.now() + Duration::from_mins(1)).await.unwrap();
        paces::hold(&mut tx, "oz:read", story.own_clock.now() + Duration::from_mins(1)).await.unwrap();
        tx.commit().await.unwrap();
        story.own_clock.set_back(HOUR);
        story.wait(Duration::from_mins(2)).await;
        let pending = outbox::pending(&story.store, 10).await.unwrap();
        let now = story.own_clock.now();
        assert!(pending.iter().all(|delivery| delivery.due_at.since(now) < Duration::from_mins(15)), "{pending:#?}");
        let mut tx = story.store.begin("the lead is free again").await.unwrap();
        assert!(leases::acquire(&mut tx, "retention", "another", now, Duration::from_mins(1)).await.unwrap());
        tx.rollback().await.unwrap();
        // Slack's next retry is let in.
        let told = || story.world.oz.runs()[0].follow_ups.join("\n").matches("Mind the windows").count();
        for _ in 0..60 {
            if told() > 0 {
                break;
            }
            story.wait(Duration::from_secs(10)).await;
        }
        assert_eq!(told(), 1, "{}", story.thread_text());
        story.wait(Duration::from_secs(30)).await;
        ends_well(story).await;
    }
);

on_both!(
    /// It stood an hour back, and goes right again: timers that were set then are early, not doubled.
    a_clock_that_was_an_hour_behind_is_put_right,
    |db| async {
        let story = at_work(db).await;
        story.own_clock.set_back(HOUR);
        story.wait(Duration::from_secs(40)).await;
        story.own_clock.advance(HOUR);
        ends_well(story).await;
    }
);

on_both!(
    /// In the middle of the work, twice, and nobody can tell.
    a_clock_that_jumps_to_and_fro,
    |db| async {
        let story = at_work(db).await;
        story.press(ADA, "baton.approve").await;
        for _ in 0..2 {
            story.own_clock.advance(HOUR);
            story.wait(Duration::from_secs(3)).await;
            story.own_clock.set_back(HOUR);
            story.wait(Duration::from_secs(3)).await;
        }
        ended_well(&story).await;
    }
);
