//! What was lost on the way and is found again: each is mended once, and told.

use std::{collections::BTreeMap, time::Duration};

use baton::{
    domain::{
        policy::Policy,
        run::{Mode, RunSettings, RunSpec},
    },
    oz::Oz,
    simulator::{World, faults::Fault, oz::State},
    storage::{halt, kept, mended, outbox},
};

use super::{
    Story,
    allowed::under,
    story::{ADA, ENG},
};
use crate::databases::on_both;

const TASK: &str = "Migrate the tests from Jest to Vitest, one child per package: api, web";
const LISTED: &str = "each:api,web Update the licence header of {item}";
const FOR_EVER: usize = usize::MAX;

impl Story {
    /// The kinds of what was mended, the oldest first.
    async fn mended(&self) -> Vec<String> {
        let mut rows = mended::newest(&self.store, 50).await.unwrap();
        rows.reverse();
        let counted: u64 = mended::counts(&self.store).await.unwrap().iter().map(|(_, times)| times).sum();
        assert_eq!(rows.len() as u64, counted, "{rows:#?}");
        rows.into_iter().map(|row| row.kind).collect()
    }

    /// Two rounds of reconciling have passed; whatever is mended twice has been by then.
    async fn reconciled(&self) {
        self.wait_long(Duration::from_mins(8)).await;
    }

    /// Oz takes the start after `skip` others, its answer is lost, and Oz cannot be asked about it
    /// until it has been given up.
    fn lose_a_start(&self, skip: usize) {
        self.world.faults.after("oz", "POST /agent/runs", Fault::LoseAnswer, skip, 1);
        self.world.faults.add("oz", "GET /agent/runs", Fault::Status(503), FOR_EVER);
    }

    async fn give_up_on_oz(&self) {
        self.wait(Duration::from_secs(20)).await;
        self.pass(Duration::from_hours(7));
        self.wait(Duration::from_secs(5)).await;
        self.world.faults.clear();
    }

    fn how_often(&self, words: &str) -> usize {
        self.thread_text().matches(words).count()
    }
}

on_both!(a_start_that_was_given_up_is_adopted, |db| async {
    let story = Story::begin(db).await;
    story.lose_a_start(0);
    story.orchestrate(TASK).await;
    story.give_up_on_oz().await;
    assert!(story.thread_text().contains("could not be started"), "{}", story.thread_text());
    story.reconciled().await;
    story.until("[Approve]").await;
    story.press(ADA, "baton.approve").await;
    story.until("*Summary*").await;
    story.reconciled().await;
    assert_eq!(story.mended().await, ["run_adopted"]);
    assert_eq!((story.runs().len(), story.how_often("started after all")), (3, 1), "{}", story.thread_text());
    story.end().await;
});

on_both!(a_childs_start_that_was_given_up_is_adopted, |db| async {
    let story = Story::begin(db).await;
    story.orchestrate(LISTED).await;
    story.until("[Approve]").await;
    story.lose_a_start(1);
    story.press(ADA, "baton.approve").await;
    story.give_up_on_oz().await;
    story.reconciled().await;
    story.until("*Summary*").await;
    story.reconciled().await;
    // Whoever follows the runs may see it first; then there is nothing to mend.
    assert!(story.mended().await.iter().all(|kind| kind == "run_adopted"), "{:?}", story.mended().await);
    assert_eq!(story.runs().len(), 3, "{:?}", story.runs());
    assert!(story.thread_text().contains("2 of 2 done"), "{}", story.thread_text());
    story.end().await;
});

on_both!(
    /// Stop means stop, also for what only turns up afterwards.
    a_start_that_turns_up_after_the_stop_is_stopped,
    |db| async {
        let story = Story::begin(db).await;
        // It works on for some eight hours.
        story.world.oz.set_speed(0.001);
        story.world.oz.knobs(|knobs| knobs.at_capacity = true);
        story.lose_a_start(0);
        story.orchestrate(TASK).await;
        story.press(ADA, "baton.stop").await;
        story.give_up_on_oz().await;
        story.world.oz.set_speed(1.0);
        story.reconciled().await;
        assert_eq!(story.mended().await, ["run_stopped"]);
        assert_eq!(story.world.oz.runs()[0].state, State::Cancelled);
        story.end().await;
    }
);

on_both!(
    /// Nothing is followed while nothing is open: a child that appears then is found all the same.
    a_child_that_appears_after_the_end_is_shown,
    |db| async {
        let story = Story::begin(db).await;
        story.orchestrate(TASK).await;
        story.until("[Approve]").await;
        story.press(ADA, "baton.approve").await;
        story.until("*Summary*").await;
        // For an hour after the end it would be seen at once.
        story.wait_long(Duration::from_mins(62)).await;
        let parent = story.world.oz.runs()[0].id.clone();
        story.world.oz.set_speed(0.001);
        let child = story.world.oz.spawn_child(&parent, "Delete the old tests");
        story.world.oz.set_speed(1.0);
        story.reconciled().await;
        assert_eq!(story.mended().await, ["child_shown"]);
        assert_eq!(story.how_often("A child was started that nobody approved"), 1, "{}", story.thread_text());
        let child = story.world.oz.runs().into_iter().find(|run| run.id == child).unwrap();
        assert_eq!(child.state, State::Cancelled);
        story.end().await;
    }
);

on_both!(runs_of_another_baton_are_told_once_and_left_alone, |db| async {
    let story = Story::begin(db).await;
    story.world.oz.set_speed(0.001);
    let oz = Oz::new(World::oz_api(&story.address).parse().unwrap(), "wk-story".into()).unwrap();
    for number in 1..=2 {
        let of = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let metadata =
            [of("baton.orchestration", "o-elsewhere"), of("baton.dispatch", &format!("o-elsewhere.c{number}.1"))];
        let spec = RunSpec {
            title: "Elsewhere".into(),
            prompt: "Work".into(),
            mode: Mode::Normal,
            settings: RunSettings::default(),
            parent: None,
            metadata: BTreeMap::from(metadata),
        };
        oz.create(&spec).await.unwrap();
    }
    story.reconciled().await;
    assert_eq!(story.mended().await, ["run_unknown"]);
    assert!(story.world.oz.runs().iter().all(|run| run.state != State::Cancelled));
    story.end().await;
});

on_both!(a_board_that_was_deleted_is_posted_anew, |db| async {
    let story = Story::begin(db).await;
    story.orchestrate(TASK).await;
    story.until("[Approve]").await;
    story.world.oz.hold();
    let board = story.root();
    story.world.slack.moderate(ENG, &board);
    story.press(ADA, "baton.approve").await;
    story.wait(Duration::from_secs(30)).await;
    let boards = || {
        let messages = story.world.slack.messages(ENG);
        messages.iter().filter(|message| serde_json::to_string(&message.blocks).unwrap().contains("baton.stop")).count()
    };
    assert_eq!(boards(), 1, "{}", story.thread_text());
    story.world.oz.release();
    story.until("*Summary*").await;
    story.reconciled().await;
    assert_eq!(story.mended().await, ["board_shown"]);
    story.end().await;
});

on_both!(
    /// The thread is gone with the board, when nobody has said anything in it.
    a_board_that_was_deleted_with_its_thread_begins_a_new_one,
    |db| async {
        let story = Story::begin(db).await;
        story.orchestrate(TASK).await;
        let board = story.root();
        story.world.slack.moderate(ENG, &board);
        story.until("[Approve]").await;
        story.press(ADA, "baton.approve").await;
        story.until("*Summary*").await;
        assert_ne!(story.root(), board);
        assert_eq!(story.mended().await, ["board_shown"]);
        story.end().await;
    }
);

on_both!(a_board_that_was_given_up_is_shown_when_slack_is_back, |db| async {
    let story = Story::with(db, under(Policy { expires_after: Duration::from_hours(72), ..Policy::default() })).await;
    story.orchestrate(TASK).await;
    story.world.faults.add("slack", "chat.update", Fault::Status(503), FOR_EVER);
    story.until("[Approve]").await;
    story.pass(Duration::from_hours(25));
    story.wait_long(Duration::from_mins(3)).await;
    assert_eq!(outbox::pending(&story.store, 9).await.unwrap(), []);
    assert!(!outbox::parked(&story.store, 9).await.unwrap().is_empty());
    story.world.faults.clear();
    story.reconciled().await;
    assert_eq!(story.mended().await, ["board_shown"]);
    // Each edit that was given up is one of the same message.
    let edits = story.world.slack.edits(&story.root());
    assert!((1..=2).contains(&edits), "{edits}:\n{}", story.thread_text());
    story.press(ADA, "baton.approve").await;
    story.until("*Summary*").await;
    story.end().await;
});

on_both!(an_ending_that_was_given_up_is_told_once, |db| async {
    let story = Story::begin(db).await;
    story.orchestrate(LISTED).await;
    story.until("[Approve]").await;
    story.press(ADA, "baton.approve").await;
    story.wait(Duration::from_secs(2)).await;
    story.world.faults.add("slack", "chat.postMessage", Fault::Status(503), FOR_EVER);
    story.wait_long(Duration::from_mins(10)).await;
    story.pass(Duration::from_hours(25));
    story.wait_long(Duration::from_mins(4)).await;
    story.world.faults.clear();
    assert_eq!(story.how_often("*Summary*"), 0, "{}", story.thread_text());
    story.wait_long(Duration::from_mins(15)).await;
    let mended = story.mended().await;
    assert!(mended.iter().all(|kind| kind == "ending_told") && !mended.is_empty(), "{mended:?}");
    assert_eq!(story.how_often("*Summary*"), 1, "{}", story.thread_text());
    story.end().await;
});

on_both!(
    /// A database that was restored may have lost what was under way.
    what_was_under_way_and_is_lost_is_done_again,
    |db| async {
        let story = Story::begin(db.clone()).await;
        halt::begin(&story.store, "operator:test", "", story.clock.now()).await.unwrap();
        story.orchestrate(TASK).await;
        story.wait(Duration::from_secs(10)).await;
        assert_eq!(outbox::pending(&story.store, 9).await.unwrap().len(), 1);
        db.outsider().await.run("DELETE FROM outbox WHERE kind = 'start_run'").await;
        halt::end(&story.store, "operator:test", story.clock.now()).await.unwrap();
        story.reconciled().await;
        story.until("[Approve]").await;
        story.press(ADA, "baton.approve").await;
        story.until("*Summary*").await;
        assert_eq!(story.mended().await, ["went_on"]);
        assert_eq!(story.runs().len(), 3);
        story.end().await;
    }
);

on_both!(an_ending_that_came_while_baton_was_down_is_told_once, |db| async {
    let mut story = Story::begin(db).await;
    story.orchestrate(LISTED).await;
    story.until("[Approve]").await;
    story.press(ADA, "baton.approve").await;
    story.wait(Duration::from_secs(2)).await;
    story.pass(Duration::from_hours(5));
    story.world.tick().await;
    story.restart().await;
    story.until("*Summary*").await;
    story.reconciled().await;
    assert_eq!((story.how_often("*Summary*"), story.runs().len()), (1, 3), "{}", story.thread_text());
    assert_eq!(story.mended().await, [""; 0], "following sees to that");
    story.end().await;
});

on_both!(a_timer_that_was_due_while_all_were_down_fires_once, |db| async {
    let story = Story::begin(db).await;
    story.orchestrate(TASK).await;
    story.until("[Approve]").await;
    story.wait(Duration::from_secs(5)).await;
    story.pass(Duration::from_hours(24 * 3));
    let (one, other) = (story.another_baton().await, story.another_baton().await);
    let (first, second) = tokio::join!(one.workers.timers.run_once(), other.workers.timers.run_once());
    assert_eq!(first.unwrap().did + second.unwrap().did, 1);
    story.wait(Duration::from_secs(5)).await;
    assert_eq!(story.how_often("so it lapsed"), 1, "{}", story.thread_text());
    story.end().await;
});

on_both!(replicas_that_start_at_once_reconcile_once, |db| async {
    let story = Story::begin(db).await;
    story.settle().await;
    let listings = || story.world.faults.calls().iter().filter(|call| call.body.contains("created_after")).count();
    assert_eq!(listings(), 1);
    assert!(kept::get(&story.store, mended::LAST_ROUND).await.unwrap().is_some());
    for _ in 0..5 {
        let another = story.another_baton().await;
        let round = another.workers.reconcile().await.unwrap();
        assert!(round.next.is_some_and(|at| at > story.clock.now()));
    }
    assert_eq!(listings(), 1);
    story.reconciled().await;
    assert_eq!(listings(), 3, "one every three minutes");
    story.end().await;
});
