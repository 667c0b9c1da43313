//! Socket Mode: the same story without anybody who could reach Baton from outside.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Story, story::ADA};
use crate::databases::on_both;

const TASK: &str = "Migrate the tests, one child per package: api, web";

/// A running socket, which ends with [`Running::stop`].
struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// As of now nothing is sent by webhook.
    async fn start(story: &Story) -> Self {
        story.world.slack.set_target("http://127.0.0.1:1");
        let stop = CancellationToken::new();
        let socket = story.baton().socket.clone().unwrap();
        let task = tokio::spawn(socket.run(stop.clone()));
        until(story, 1).await;
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

/// So many sockets are open: they are real ones, in real time.
async fn until(story: &Story, sockets: usize) {
    for _ in 0..1_000 {
        if story.world.slack.sockets() == sockets {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never {sockets} sockets, but {}", story.world.slack.sockets());
}

on_both!(commands_clicks_and_replies_come_over_a_socket, |db| async {
    let story = Story::begin(db).await;
    let socket = Running::start(&story).await;
    story.orchestrate(TASK).await;
    assert!(story.told(ADA)[0].starts_with("On its way"), "{:?}", story.told(ADA));
    story.until("[Approve]").await;
    story.reply(ADA, "keep it short").await;
    story.press(ADA, "baton.approve").await;
    story.until("Done").await;
    assert_eq!(story.runs().len(), 3);
    story.keep_environments(250).await;
    story.orchestrate("").await;
    let view = story.world.slack.views(ADA).pop().unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(story.suggested(&view, "mobil").await.len(), 1, "a menu is answered over it as well");
    socket.stop().await;
    until(&story, 0).await;
    story.end().await;
});

on_both!(
    /// Slack asks for new sockets now and then; until they close, the old ones are heard as well.
    a_renewed_socket_leaves_no_gap,
    |db| async {
        let story = Story::begin(db).await;
        let socket = Running::start(&story).await;
        story.orchestrate(TASK).await;
        story.until("[Approve]").await;
        story.world.slack.renew_sockets();
        story.press(ADA, "baton.approve").await;
        until(&story, 2).await;
        story.until("Done").await;
        socket.stop().await;
        story.end().await;
    }
);

on_both!(
    /// What was sent while no socket was open comes again, and is heard once.
    a_broken_socket_is_opened_again,
    |db| async {
        let story = Story::begin(db).await;
        let socket = Running::start(&story).await;
        story.orchestrate(TASK).await;
        story.until("[Approve]").await;
        story.world.slack.break_sockets();
        story.reply(ADA, "and the docs").await;
        until(&story, 1).await;
        story.wait(Duration::from_mins(1)).await;
        assert_eq!(story.world.slack.undelivered(), 0);
        let heard = story.world.oz.runs()[0].follow_ups.iter().filter(|told| told.contains("and the docs")).count();
        assert_eq!(heard, 1, "{}", story.thread_text());
        story.press(ADA, "baton.stop").await;
        story.until("Stopped").await;
        socket.stop().await;
        story.end().await;
    }
);
