//! What was given up is parked where an operator sees it: on the page, in the metrics and by the
//! command; and it is sent again from the page and by the command.

use std::time::Duration;

use baton::{
    simulator::faults::Fault,
    storage::{inbox, outbox},
};
use tokio::process::Command;

use super::{Story, story::ADA};
use crate::databases::on_both;

impl Story {
    /// The program itself, over this story's database.
    async fn baton_says(&self, args: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_baton"));
        command.args(args).env_clear().env("BATON_DATABASE_URL", self.database_url());
        let done = command.output().await.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    async fn metric(&self, line: &str) -> bool {
        let (status, text) = self.operator("GET", "/metrics").await;
        assert_eq!(status, 200);
        text.lines().any(|there| there == line)
    }
}

on_both!(what_is_parked_is_seen_and_sent_again, |db| async {
    let story = Story::begin(db).await;
    story.settle().await;
    assert!(story.metric("baton_outbox_depth{state=\"parked\"} 0").await);
    story.orchestrate("Write tests for each of api, web").await;
    // The proposal and the summary meet a token without the scope.
    for by in ["page", "command"] {
        story.world.faults.add("slack", "chat.postMessage", Fault::Refuse("missing_scope".into()), 1);
        let mut parked = Vec::new();
        for _ in 0..600 {
            story.wait(Duration::from_secs(1)).await;
            parked = outbox::parked(&story.store, 10).await.unwrap();
            if !parked.is_empty() {
                break;
            }
        }
        let [one] = &parked[..] else { panic!("{parked:#?}\n{}", story.thread_text()) };
        let (id, before) = (one.id.to_string(), story.thread_text());
        assert!(story.metric("baton_outbox_depth{state=\"parked\"} 1").await);
        let (status, page) = story.operator("GET", "/deliveries").await;
        assert_eq!(status, 200);
        assert!(page.contains(&id) && page.contains("missing_scope") && page.contains("Send again"), "{page}");
        let listed = story.baton_says(&["deliveries"]).await;
        let line = listed.lines().find(|line| line.starts_with(&id)).unwrap_or_else(|| panic!("{listed}"));
        assert!(line.contains("say") && line.contains("parked") && line.contains("missing_scope"), "{line}");

        if by == "page" {
            let (status, _) = story.operator("POST", &format!("/deliveries/{id}/retry")).await;
            assert_eq!(status, 303);
            let (again, _) = story.operator("POST", &format!("/deliveries/{id}/retry")).await;
            assert_eq!(again, 409, "it is not parked any more");
        } else {
            assert!(story.baton_says(&["deliveries", "retry", &id]).await.contains("goes out again"));
        }
        story.wait(Duration::from_secs(10)).await;
        assert_ne!(story.thread_text(), before, "it is said now");
        assert!(story.metric("baton_outbox_depth{state=\"parked\"} 0").await);
        if by == "page" {
            story.press(ADA, "baton.approve").await;
        }
    }
    story.until("*Summary*").await;
    story.wait(Duration::from_secs(20)).await;
    story.end().await;
});

on_both!(
    /// Whatever was wrong with it: an operator sees the event, and has it decided again.
    an_event_that_could_not_be_decided_is_decided_again,
    |db| async {
        let story = Story::begin(db).await;
        for by in ["page", "command"] {
            story.world.slack.command(ADA, story.place, "/oz", &format!("Count the files, by {by}")).await;
            let mut tx = story.store.begin("park").await.unwrap();
            let taken = inbox::take(&mut tx, story.clock.now(), 10).await.unwrap();
            let [event] = &taken[..] else { panic!("{taken:#?}") };
            inbox::park(&mut tx, event.seq, story.clock.now(), "undecidable").await.unwrap();
            tx.commit().await.unwrap();
            story.wait(Duration::from_secs(5)).await;
            assert!(!story.thread_text().contains(by), "{}", story.thread_text());

            let id = event.id.to_string();
            assert!(story.metric("baton_inbox_parked 1").await);
            let (_, index) = story.operator("GET", "/").await;
            let (_, page) = story.operator("GET", "/deliveries").await;
            assert!(index.contains("1 event could not be decided"), "{index}");
            assert!(page.contains(&id) && page.contains("slack commands") && page.contains("Decide again"), "{page}");
            let listed = story.baton_says(&["deliveries"]).await;
            assert!(listed.lines().any(|line| line.starts_with(&id) && line.contains("undecidable")), "{listed}");
            if by == "page" {
                let (status, _) = story.operator("POST", &format!("/deliveries/{id}/retry")).await;
                assert_eq!(status, 303);
            } else {
                assert!(story.baton_says(&["deliveries", "retry", &id]).await.contains("is decided again"));
            }
            story.until(&format!("by {by}")).await;
            story.until("Done").await;
            assert!(story.metric("baton_inbox_parked 0").await);
        }
        story.end().await;
    }
);
