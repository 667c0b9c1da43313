//! The main job, from the command to the summary.

use std::time::Duration;

use super::{Story, story::ADA};
use crate::databases::on_both;

on_both!(
    /// The whole thread is a snapshot: what people see is the product.
    from_the_command_to_the_summary,
    |db| async {
        let story = Story::begin(db).await;
        story.orchestrate("Migrate the tests from Jest to Vitest, one child per package: api, web, cli").await;
        story.until("[Approve]").await;
        assert_eq!(story.runs().len(), 1, "nothing but the parent runs before the approval");
        story.press(ADA, "baton.approve").await;
        story.until("Done").await;
        story.wait(Duration::from_secs(10)).await;
        insta::assert_snapshot!("the_whole_thread", story.thread_text());
        let runs: Vec<_> = story.runs().into_iter().map(|(title, state)| format!("{title} {state}")).collect();
        assert_eq!(runs.len(), 4, "{runs:#?}");
        story.end().await;
    }
);

on_both!(
    /// Sweeps leave room for reading what they found.
    whoever_asks_often_what_changed_still_reads_what_was_said,
    |db| async {
        let mut story = Story::begin(db).await;
        story.poll_interval = Duration::from_secs(1);
        story.restart().await;
        let asked = story.clock.now();
        story.orchestrate("Migrate the tests from Jest to Vitest, one child per package: api, web").await;
        story.until("[Approve]").await;
        let took = story.clock.now().since(asked);
        assert!(took < Duration::from_secs(15), "the plan takes eight seconds to make, and {took:?} to be read");
        story.end().await;
    }
);
