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
