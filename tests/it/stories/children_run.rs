//! From the approval to the summary when not all goes well: failures, retries, people who are
//! waited for, children nobody approved, and stopping.

use std::time::Duration;

use baton::{
    simulator::{
        faults::Fault,
        oz::{Ending, State},
    },
    storage::audit,
};

use super::{
    Story,
    story::{ADA, GRACE},
};
use crate::databases::{Db, on_both};

const TASK: &str = "Update the docs, one child per package: api, web, cli";

/// A story up to the moment after the approval.
async fn approved(story: &Story, task: &str) {
    story.orchestrate(task).await;
    story.until("[Approve]").await;
    story.press(ADA, "baton.approve").await;
}

on_both!(no_more_children_run_at_once_than_allowed, |db| async {
    let story = Story::begin(db).await;
    approved(&story, "parallel:2 Update the docs, one child per package: a, b, c, d, e").await;
    let mut most = 0;
    while !story.thread_text().contains("*Done*") {
        story.wait(Duration::from_millis(500)).await;
        let runs = story.world.oz.runs();
        most = most.max(runs[1..].iter().filter(|run| run.state.as_str() != "SUCCEEDED").count());
        assert!(runs.len() <= 6);
    }
    assert_eq!(most, 2);
    assert_eq!(story.runs().len(), 6);
    story.end().await;
});

on_both!(a_retryable_failure_is_tried_again_by_itself, |db| async {
    let story = Story::begin(db).await;
    approved(&story, "[fail: 2 retryable] Update the docs, one child per package: api, web").await;
    story.until("*Done*").await;
    let runs = story.world.oz.runs();
    let second: Vec<_> =
        runs.iter().filter(|run| run.metadata.get("baton.child").is_some_and(|it| it == "2")).collect();
    assert_eq!(second.len(), 2, "a retry is a new run of the same child");
    assert_ne!(second[0].metadata["baton.dispatch"], second[1].metadata["baton.dispatch"]);
    assert_eq!(second[0].prompt, second[1].prompt);
    assert!(story.thread_text().contains("2 of 2 done"), "{}", story.thread_text());
    story.end().await;
});

on_both!(a_failed_child_is_told_and_can_be_started_again, |db| async {
    let story = Story::begin(db).await;
    approved(&story, "[fail: 2] Update the docs, one child per package: api, web").await;
    story.until("Child 2 *web* failed").await;
    story.until("*Done*").await;
    assert!(story.thread_text().contains("1 of 2 done, 1 failed"), "{}", story.thread_text());
    story.press(GRACE, "baton.retry_child").await;
    story.until("*web* failed. @Grace Hopper had it started again.").await;
    assert!(!story.thread_text().contains("[Retry]"), "once is enough: {}", story.thread_text());
    let log = audit::after(&story.store, 0).await.unwrap();
    let retried = log.iter().find(|entry| entry.kind == "retried").expect("who wanted it is on record");
    assert_eq!(retried.actor.as_deref(), Some("slack:U0GRACE"));
    story.until("2 of 2 done").await;
    story.until("*Done* · 2 of 2 done").await;
    let parent = &story.world.oz.runs()[0];
    let results = parent.follow_ups.iter().filter(|text| text.contains("Their results")).count();
    assert_eq!(results, 2, "the new result is summarised as well");
    story.end().await;
});

on_both!(
    /// One follow-up names every child with its outcome and the address of its pull request.
    the_parent_is_given_the_results_once,
    |db| async {
        let story = Story::begin(db).await;
        approved(&story, TASK).await;
        story.until("*Done*").await;
        let parent = &story.world.oz.runs()[0];
        let results: Vec<_> = parent.follow_ups.iter().filter(|text| text.contains("Their results")).collect();
        assert_eq!(results.len(), 1);
        for name in ["1 api: done", "2 web: done", "3 cli: done", "/pull/1", "/pull/2", "/pull/3"] {
            assert!(results[0].contains(name), "{name}: {}", results[0]);
        }
        story.end().await;
    }
);

on_both!(a_child_that_waits_for_a_person_is_told_with_the_place_to_answer, |db| async {
    let story = Story::begin(db).await;
    approved(&story, "[block: 1] Update the docs, one child per package: api, web").await;
    story.until("*api* waits for a person").await;
    story.until("1 of 2 done, 1 blocked").await;
    assert!(story.world.oz.runs().iter().any(|run| run.state == State::Blocked));
    let session = story.link("Answer");
    let client = baton::http::client().unwrap();
    let answered = client.post(&session).form(&[("text", "Yes, go on")]).send().await.unwrap();
    assert!(answered.status().is_success() || answered.status().is_redirection(), "{}", answered.status());
    story.until("*Done* · 2 of 2 done").await;
    story.end().await;
});

on_both!(
    /// The fleet of whoever starts children before the approval is stopped, and it is told.
    a_child_before_the_approval_is_a_breach,
    |db| async {
        let story = Story::begin(db).await;
        story.orchestrate("[breach] Update the docs, one child per package: api, web").await;
        story.until("A child was started that nobody approved").await;
        story.until("*Failed*").await;
        story.wait(Duration::from_secs(10)).await;
        assert!(story.world.oz.runs().iter().all(|run| run.state == State::Cancelled || run.state == State::Succeeded));
        assert!(!story.thread_text().contains("[Approve]"), "{}", story.thread_text());
        story.end().await;
    }
);

on_both!(stop_cancels_the_children_and_then_the_parent_and_tells_each, |db| async {
    let story = Story::begin(db).await;
    story.world.oz.hold();
    approved(&story, "parallel:2 Update the docs, one child per package: api, web, cli").await;
    story.until("2 at work, 1 waiting").await;
    story.press(GRACE, "baton.stop").await;
    story.until("*Stopped* by @Grace Hopper").await;
    story.wait(Duration::from_secs(10)).await;
    let thread = story.thread_text();
    for line in ["1 *api* · stopped", "2 *web* · stopped", "3 *cli* · was not started"] {
        assert!(thread.contains(line), "{line}:\n{thread}");
    }
    assert_eq!(story.runs().len(), 3, "nothing starts after the stop");
    story.press(GRACE, "baton.details").await;
    let calls = story.world.faults.calls();
    let cancels: Vec<_> =
        calls.iter().filter(|call| call.what.ends_with("/cancel")).map(|call| call.what.clone()).collect();
    let parent = &story.world.oz.runs()[0].id;
    assert!(cancels.last().unwrap().contains(parent.as_str()), "the parent is last: {cancels:?}");
    story.end().await;
});

on_both!(what_runs_on_a_worker_of_ones_own_is_named, |db| async {
    let story = Story::begin(db).await;
    story.world.oz.hold();
    approved(&story, "[self-hosted: 1] Update the docs, one child per package: api, web").await;
    story.until("2 at work").await;
    story.wait(Duration::from_secs(6)).await;
    story.reply(ADA, "<@U0BATON> stop").await;
    story.until("*Stopped* by @Ada Lovelace").await;
    assert!(
        story.thread_text().contains("1 *api* · has to be stopped on your own infrastructure"),
        "{}",
        story.thread_text()
    );
    story.end().await;
});

/// Every create of the story is answered into the void.
async fn lost_creates(db: Db, filter: bool) {
    let story = Story::begin(db).await;
    story.world.oz.knobs(|knobs| knobs.metadata_filter = filter);
    story.world.faults.add("oz", "POST /agent/runs", Fault::LoseAnswer, 1);
    story.orchestrate(TASK).await;
    story.until("[Approve]").await;
    assert_eq!(story.runs().len(), 1);
    story.world.faults.add("oz", "POST /agent/runs", Fault::LoseAnswer, 3);
    story.press(ADA, "baton.approve").await;
    story.until("*Done* · 3 of 3 done").await;
    assert_eq!(story.runs().len(), 4);
    story.end().await;
}

on_both!(a_create_whose_answer_was_lost_is_found_by_its_dispatch, |db| async { lost_creates(db, true).await });

on_both!(where_oz_cannot_filter_it_is_found_by_name_and_time, |db| async { lost_creates(db, false).await });

on_both!(a_question_is_shown_and_a_reply_goes_on, |db| async {
    let story = Story::begin(db).await;
    story.orchestrate("[question] Update the docs, one child per package: api, web").await;
    story.until("The agent waits for a reply").await;
    story.reply(ADA, "The public docs, please").await;
    story.until("[Approve]").await;
    story.press(ADA, "baton.approve").await;
    story.until("*Done* · 2 of 2 done").await;
    story.end().await;
});

on_both!(a_fan_out_needs_no_planning_run, |db| async {
    let story = Story::begin(db).await;
    story.orchestrate("each:api,web Update the dependencies of {item}").await;
    story.until("Proposal, version 1: 2 children").await;
    assert_eq!(story.runs().len(), 0, "nothing runs before the approval");
    story.press(ADA, "baton.approve").await;
    story.until("*Done* · 2 of 2 done").await;
    let runs = story.world.oz.runs();
    let mut prompts: Vec<_> = runs[1..].iter().map(|run| run.prompt.as_str()).collect();
    prompts.sort_unstable();
    assert_eq!(prompts, ["Update the dependencies of api", "Update the dependencies of web"]);
    assert!(runs[1..].iter().all(|run| run.parent.as_ref() == Some(&runs[0].id)));
    story.end().await;
});

on_both!(a_failure_of_the_parent_is_told_with_the_next_step, |db| async {
    let story = Story::begin(db).await;
    for (code, sentence) in [
        ("insufficient_credits", "no credits left"),
        ("external_authentication_required", "GitHub is not authorised"),
        ("resource_not_found", "does not know something"),
        ("environment_setup_failed", "could not be set up"),
    ] {
        story.world.faults.add("oz", "POST /agent/runs", Fault::Refuse(code.into()), 40);
        story.orchestrate(TASK).await;
        story.until(sentence).await;
        story.wait(Duration::from_secs(5)).await;
        assert!(story.runs().is_empty());
        story.world.faults.clear();
    }
    // A reply tries again, in the newest thread.
    story.reply(ADA, "Please try again").await;
    story.until("[Approve]").await;
    story.reply(ADA, "<@U0BATON> stop").await;
    story.until("*Stopped*").await;
    assert_eq!(story.thread_text().matches("*Failed*").count(), 3);
    story.end().await;
});

on_both!(a_run_that_ends_badly_is_told, |db| async {
    let story = Story::begin(db).await;
    let ending = Ending::Errors { code: "agent_process_failed".into(), message: "exit 137".into(), retryable: false };
    story.world.oz.parent_ends(ending);
    story.orchestrate(TASK).await;
    story.until("ended unexpectedly").await;
    story.until("*Failed*").await;
    story.end().await;
});
