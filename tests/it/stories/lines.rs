//! Many wait for the same thing: nobody who stops waits with them, and waiting is not held against anybody.

use std::time::Duration;

use baton::{simulator::faults::Fault, storage::halt};

use super::{
    Story,
    story::{ADA, ENG, GRACE, OPS},
};
use crate::databases::on_both;

/// Oz takes two starts a second: a line of half a minute.
const CROWD: usize = 60;

impl Story {
    async fn crowd(&mut self) {
        self.place = OPS;
        for number in 1..=CROWD {
            self.command(GRACE, "/oz", &format!("Fix the flaky case {number}.")).await;
        }
        self.place = ENG;
    }
}

on_both!(who_stops_does_not_wait_in_the_line_of_the_others, |db| async {
    let mut story = Story::begin(db).await;
    story.crowd().await;
    story.command(ADA, "/oz", "Rename the service").await;
    story.wait(Duration::from_secs(2)).await;
    assert!(story.runs().len() < CROWD / 3, "there is no line");
    story.press(ADA, "baton.stop").await;
    story.wait(Duration::from_secs(2)).await;
    assert!(story.thread_text().contains("*Stopped*"), "{}", story.thread_text());
    assert!(story.runs().len() < CROWD / 2, "{} went before the stop", story.runs().len());
    story.wait(Duration::from_mins(3)).await;
    let runs = story.world.oz.runs();
    assert_eq!(runs.len(), CROWD, "each of the others, once");
    assert!(runs.iter().all(|run| !run.prompt.contains("Rename the service")), "nothing was started for who stopped");
    story.end().await;
});

on_both!(
    /// In Oz's line the oldest is the first, whoever comes later and whatever it asks for.
    those_in_line_go_in_their_order,
    |db| async {
        let mut story = Story::begin(db).await;
        story.crowd().await;
        story.wait(Duration::from_mins(3)).await;
        let numbers: Vec<usize> = story
            .world
            .oz
            .runs()
            .iter()
            .map(|run| {
                let after = run.prompt.split("flaky case ").nth(1).unwrap();
                after.split('.').next().unwrap().parse().unwrap()
            })
            .collect();
        assert_eq!(numbers, (1..=CROWD).collect::<Vec<_>>());
        story.end().await;
    }
);

on_both!(
    /// What was approved waits for as long as all is halted, and has all its patience afterwards.
    a_halt_of_half_a_day_takes_nobodys_patience,
    |db| async {
        let story = Story::begin(db).await;
        story.orchestrate("Write tests for each of api, web").await;
        story.until("[Approve]").await;
        halt::begin(&story.store, "operator:story", "spending", story.clock.now()).await.unwrap();
        story.press(ADA, "baton.approve").await;
        story.wait_long(Duration::from_hours(12)).await;
        assert_eq!(story.runs().len(), 1, "what was approved waits");
        story.world.faults.add("oz", "POST /agent/runs", Fault::Status(429), 2);
        halt::end(&story.store, "operator:story", story.clock.now()).await.unwrap();
        story.until("*Done*").await;
        assert_eq!(story.runs().len(), 3);
        story.end().await;
    }
);
