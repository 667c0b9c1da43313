//! A replica that is stopped in its work and goes on after its lease. Here the clock moves while its
//! request is under way; `tests/replicas` stops real processes.

use std::time::Duration;

use baton::simulator::faults::Fault;

use super::{
    Story,
    story::{ADA, ENG},
};
use crate::databases::on_both;

/// Longer than the lease of a delivery.
const STOPPED: Duration = Duration::from_secs(61);
/// An answer is under way for so long by the real clock.
const ON_ITS_WAY: Duration = Duration::from_millis(300);

impl Story {
    fn asked(&self, what: &str) -> usize {
        self.world.faults.calls().iter().filter(|call| call.what.ends_with(what)).count()
    }

    /// Another replica takes what is due. The answer to its next `what` comes after its lease.
    async fn another_is_stopped_at(&self, platform: &'static str, what: &str) {
        let other = self.another_baton().await;
        self.world.faults.add(platform, what, Fault::Delay(ON_ITS_WAY), 1);
        let (before, mut seen) = (self.asked(what), self.world.faults.seen());
        let stopped = async {
            while self.asked(what) == before {
                seen.changed().await.unwrap();
            }
            self.pass(STOPPED);
        };
        let (round, ()) = tokio::join!(other.workers.outbox.run_once(), stopped);
        round.unwrap();
    }
}

on_both!(
    /// It has looked for a run that is not there, and would create it; another has by then.
    whoever_lost_its_lease_starts_nothing,
    |db| async {
        let story = Story::begin(db).await;
        story.world.faults.add("oz", "POST /agent/runs", Fault::Drop, 1);
        story.orchestrate("Update the docs, one child per package: api, web").await;
        story.pass(Duration::from_secs(6));
        story.another_is_stopped_at("oz", "/agent/runs").await;
        assert_eq!(story.runs().len(), 0, "it goes on with what is another's by now");
        story.until("[Approve]").await;
        assert_eq!(story.runs().len(), 1);
        story.end().await;
    }
);

on_both!(
    /// Its post stands there, and whoever takes over finds it.
    whoever_lost_its_lease_settles_nothing,
    |db| async {
        let story = Story::begin(db).await;
        story.world.slack.command(ADA, ENG, "/orchestrate", "each:api,web Rewrite {item}").await;
        let other = story.another_baton().await;
        while other.workers.inbox.run_once().await.unwrap().did > 0 {}
        story.another_is_stopped_at("slack", "chat.postMessage").await;
        assert_eq!(story.world.slack.messages(ENG).len(), 1);
        story.until("[Approve]").await;
        let boards = story.world.slack.messages(ENG).into_iter().filter(|message| message.text.contains("Rewrite"));
        assert_eq!(boards.filter(|message| message.thread_ts.is_none()).count(), 1, "{}", story.thread_text());
        story.end().await;
    }
);
