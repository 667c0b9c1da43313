//! Many wait for the same thing: nobody who stops waits with them, and waiting is not held against anybody.

use std::time::Duration;

use baton::{
    simulator::faults::Fault,
    storage::{halt, paces},
};

use super::{
    Story,
    story::{ADA, ENG, GRACE, OPS},
};
use crate::databases::on_both;

const CROWD: usize = 12;
const HELD: Duration = Duration::from_secs(30);

impl Story {
    /// Oz takes nothing for a while, and there is a line for it.
    async fn crowd(&mut self) {
        let mut tx = self.store.begin("hold a pace").await.unwrap();
        paces::hold(&mut tx, "oz:write", self.clock.now() + HELD).await.unwrap();
        tx.commit().await.unwrap();
        self.place = OPS;
        for number in 1..=CROWD {
            self.command(GRACE, "/oz", &format!("Fix the flaky case {number}.")).await;
        }
        self.place = ENG;
    }

    fn titles(&self) -> Vec<String> {
        self.runs().into_iter().map(|(title, _)| title).collect()
    }
}

on_both!(who_stops_does_not_wait_in_the_line_of_the_others, |db| async {
    let mut story = Story::begin(db).await;
    story.crowd().await;
    story.command(ADA, "/oz", "Rename the service").await;
    story.wait(Duration::from_secs(2)).await;
    story.press(ADA, "baton.stop").await;
    story.wait(Duration::from_secs(2)).await;
    assert!(story.thread_text().contains("*Stopped*"), "{}", story.thread_text());
    assert_eq!(story.titles(), [""; 0], "there is a line");
    story.wait(Duration::from_mins(2)).await;
    let titles = story.titles();
    assert_eq!(titles.len(), CROWD, "each of the others, once: {titles:?}");
    assert!(titles.iter().all(|title| !title.contains("Rename")), "started for who stopped: {titles:?}");
    story.end().await;
});

on_both!(those_in_line_go_in_their_order, |db| async {
    let mut story = Story::begin(db).await;
    story.crowd().await;
    story.wait(HELD + Duration::from_secs(10)).await;
    let number = |title: &String| title.trim_end_matches('.').rsplit(' ').next().unwrap().parse::<usize>().unwrap();
    let mut numbers: Vec<usize> = story.titles().iter().map(number).collect();
    numbers[..4].sort_unstable(); // so many go at once
    assert_eq!(numbers, (1..=CROWD).collect::<Vec<_>>());
    story.wait(Duration::from_mins(1)).await;
    story.end().await;
});

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
