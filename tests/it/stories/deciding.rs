//! Deciding on a proposal: who may, on which version, by when, and what it changes.

use std::{collections::BTreeMap, time::Duration};

use baton::{
    domain::{
        actor::Platform,
        policy::{Approver, Policy},
        route::{Route, Routes},
    },
    simulator::oz::Mode,
};
use serde_json::json;

use super::{
    Story,
    story::{ADA, GRACE, LINUS},
};
use crate::databases::on_both;

const TASK: &str = "Update the docs, one child per package: api, web";

/// Everything asked in the channel is under this policy.
fn under(policy: Policy) -> Routes {
    let route = Route { policy: Some("standard".into()), ..Route::default() };
    Routes { routes: vec![route], policies: BTreeMap::from([("standard".into(), policy)]), ..Routes::default() }
}

fn people(ids: &[&str]) -> Vec<Approver> {
    ids.iter().map(|id| Approver::Member { platform: Platform::Slack, id: (*id).into() }).collect()
}

on_both!(
    /// The metadata names the proposal that each run comes from.
    what_runs_is_exactly_what_was_approved,
    |db| async {
        let story = Story::begin(db).await;
        story.world.oz.propose(&[("api", "Do the API.\nAll of it."), ("web", "Do the web.")]);
        story.orchestrate(TASK).await;
        story.until("[Approve]").await;
        story.press(ADA, "baton.approve").await;
        story.until("Done").await;

        let runs = story.world.oz.runs();
        let prompts: BTreeMap<_, _> =
            runs[1..].iter().map(|run| (run.metadata["baton.child"].as_str(), run.prompt.as_str())).collect();
        assert_eq!(prompts, BTreeMap::from([("1", "Do the API.\nAll of it."), ("2", "Do the web.")]));
        for run in &runs[1..] {
            assert_eq!(run.parent.as_ref(), Some(&runs[0].id));
            assert_eq!(run.metadata["baton.proposal"].len(), 64);
            assert_eq!(run.config["name"], "baton");
        }
        assert_eq!(runs[1].metadata["baton.proposal"], runs[2].metadata["baton.proposal"]);
        let mut dispatches: Vec<_> = runs.iter().map(|run| &run.metadata["baton.dispatch"]).collect();
        dispatches.dedup();
        assert_eq!(dispatches.len(), 3, "each start has a dispatch of its own");
        story.end().await;
    }
);

on_both!(
    /// Also where each child runs and all that it returns.
    what_is_approved_can_be_read_in_full,
    |db| async {
        let story = Story::begin(db).await;
        let returns = format!("One pull request{}, and a report", ", with its tests".repeat(12));
        let child = json!({"name": "api", "prompt": "Do the API.", "returns": returns, "environment": "sandbox"});
        story.world.oz.say(&format!("```baton-proposal\n{}\n```", json!({ "children": [child] })));
        story.orchestrate(TASK).await;
        story.until("[Approve]").await;
        let thread = story.thread_text();
        for part in ["environment: sandbox".to_owned(), format!("returns: {returns}"), "Do the API.".to_owned()] {
            assert!(thread.contains(&part), "{part}:\n{thread}");
        }
        story.press(ADA, "baton.stop").await;
        story.until("*Stopped*").await;
        story.end().await;
    }
);

on_both!(approval_in_words_needs_the_version, |db| async {
    let story = Story::begin(db).await;
    story.orchestrate(TASK).await;
    story.until("[Approve]").await;
    story.reply(GRACE, "<@U0BATON> approve").await;
    assert!(story.told(GRACE)[0].contains("name the version"), "{:?}", story.told(GRACE));
    story.reply(GRACE, "<@U0BATON> approve v2").await;
    assert!(story.told(GRACE)[1].contains("not the proposal that stands now"), "{:?}", story.told(GRACE));
    assert_eq!(story.runs().len(), 1);
    story.reply(GRACE, "<@U0BATON> approve v1").await;
    story.until("@Grace Hopper approved version 1.").await;
    story.until("Done").await;
    assert!(story.thread_text().contains("*Approved* by @Grace Hopper"), "{}", story.thread_text());
    assert_eq!(story.runs().len(), 3);
    story.end().await;
});

on_both!(
    /// A refused click changes nothing that others see.
    only_the_named_people_decide_and_each_counts_once,
    |db| async {
        let policy =
            Policy { name: "standard".into(), approvers: people(&[ADA, GRACE]), quorum: 2, ..Policy::default() };
        let story = Story::with(db, under(policy)).await;
        story.orchestrate(TASK).await;
        story.until("[Approve]").await;
        story.until("Waiting for a decision").await;

        let before = story.thread_text();
        story.press(LINUS, "baton.approve").await;
        assert!(story.told(LINUS)[0].contains("You may not decide"), "{:?}", story.told(LINUS));
        story.press(LINUS, "baton.reject").await;
        assert_eq!(story.told(LINUS).len(), 2);
        story.wait(Duration::from_secs(5)).await;
        assert_eq!(without_private(&story.thread_text()), without_private(&before));

        story.press(ADA, "baton.approve").await;
        story.wait(Duration::from_secs(5)).await;
        assert!(story.thread_text().contains("Approved by @Ada Lovelace · 1 more person is needed of @Grace Hopper"), "{}", story.thread_text());
        story.press(ADA, "baton.approve").await;
        assert!(story.told(ADA).last().unwrap().contains("already counted"), "{:?}", story.told(ADA));
        assert_eq!(story.runs().len(), 1, "one person is not a quorum of two");
        story.press(GRACE, "baton.approve").await;
        story.until("Done").await;
        assert!(story.thread_text().contains("*Approved* by @Ada Lovelace, @Grace Hopper"), "{}", story.thread_text());
        story.end().await;
    }
);

on_both!(whoever_asked_may_not_count_where_the_policy_says_so, |db| async {
    let policy = Policy { name: "standard".into(), self_approval: false, ..Policy::default() };
    let story = Story::with(db, under(policy)).await;
    story.orchestrate(TASK).await;
    story.until("[Approve]").await;
    story.press(ADA, "baton.approve").await;
    assert!(story.told(ADA).last().unwrap().contains("somebody other than"), "{:?}", story.told(ADA));
    assert_eq!(story.runs().len(), 1);
    story.press(LINUS, "baton.approve").await;
    story.until("Done").await;
    story.end().await;
});

on_both!(
    /// The older version's button says what replaced it, to the one who clicked.
    changes_make_a_new_version_and_the_old_one_decides_nothing,
    |db| async {
        let story = Story::begin(db).await;
        story.orchestrate(TASK).await;
        story.until("[Approve]").await;
        let first = story.message_with("baton.approve");
        story.press(GRACE, "baton.request_changes").await;
        story.fill_form(GRACE, "add docs-site").await;
        assert!(story.thread_text().contains("@Grace Hopper asked for changes"), "{}", story.thread_text());
        story.until("Proposal, version 2: 3 children").await;
        assert_eq!(story.world.oz.runs()[0].mode, Mode::Orchestrate, "the follow-up is in the same mode");

        story.press_as_it_was(ADA, &first, "baton.approve").await;
        assert!(story.told(ADA).last().unwrap().contains("replaced by version 2"), "{:?}", story.told(ADA));
        assert_eq!(story.runs().len(), 1);

        story.press(ADA, "baton.approve").await;
        story.until("Done").await;
        assert_eq!(story.runs().len(), 4);
        story.end().await;
    }
);

on_both!(a_rejection_ends_it_with_its_reason, |db| async {
    let story = Story::begin(db).await;
    story.orchestrate(TASK).await;
    story.until("[Approve]").await;
    story.press(GRACE, "baton.reject").await;
    story.fill_form(GRACE, "Not <!channel> this week").await;
    story.wait(Duration::from_secs(5)).await;
    let thread = story.thread_text();
    assert!(thread.contains("*Rejected* by @Grace Hopper") && thread.contains("this week"), "{thread}");
    assert!(!thread.contains("[Approve]") && !thread.contains("[Stop]"), "{thread}");
    assert_eq!(story.runs().len(), 1);
    story.end().await;
});

on_both!(a_proposal_that_nobody_decides_lapses, |db| async {
    let policy = Policy { name: "standard".into(), expires_after: Duration::from_mins(2), ..Policy::default() };
    let story = Story::with(db, under(policy)).await;
    story.orchestrate(TASK).await;
    story.until("[Approve]").await;
    story.wait(Duration::from_secs(115)).await;
    assert!(story.thread_text().contains("[Approve]"));
    story.wait(Duration::from_secs(15)).await;
    let thread = story.thread_text();
    assert!(thread.contains("so it lapsed. Reply here to go on.") && !thread.contains("[Approve]"), "{thread}");
    assert_eq!(story.runs().len(), 1);

    // A reply takes it up again.
    story.reply(ADA, "Please go on with it").await;
    story.until("Proposal, version 2").await;
    story.press(ADA, "baton.approve").await;
    story.until("Done").await;
    story.end().await;
});

on_both!(
    /// The card says when; what is decided is not reminded of.
    who_has_not_decided_is_reminded_and_others_are_told_last, |db| async {
        let policy = Policy {
            name: "standard".into(),
            approvers: people(&[ADA, GRACE]),
            quorum: 2,
            expires_after: Duration::from_hours(1),
            remind_after: vec![Duration::from_mins(10), Duration::from_mins(20)],
            escalate_to: people(&[LINUS]),
            ..Policy::default()
        };
        let story = Story::with(db, under(policy)).await;
        story.orchestrate(TASK).await;
        story.until("[Approve]").await;
        let thread = story.thread_text();
        assert!(thread.contains("*Reminders* (time), (time), the last also to 1 other person"), "{thread}");
        story.press(ADA, "baton.approve").await;
        pass(&story, 11).await;
        let thread = story.thread_text();
        assert!(thread.contains("still waits for 1 approval of @Grace Hopper. It lapses (time)."), "{thread}");
        assert!(!thread.contains("@Linus"), "{thread}");
        pass(&story, 10).await;
        let thread = story.thread_text();
        assert!(thread.contains("@Linus: 1 of 2 have approved, and this was the last reminder."), "{thread}");
        assert_eq!(thread.matches("still waits for").count(), 2, "{thread}");
        story.press(GRACE, "baton.approve").await;
        story.until("Done").await;
        story.end().await;
    }
);

on_both!(
    /// Ten at once are ten clicks: one launch.
    clicks_at_the_same_time_launch_once,
    |db| async {
        let story = Story::begin(db).await;
        story.orchestrate(TASK).await;
        story.until("[Approve]").await;
        let card = story.message_with("baton.approve");
        let click = |user| story.world.slack.click(user, &card.ts, "baton.approve");
        for answer in futures_util::future::join_all([ADA, GRACE, LINUS, ADA, GRACE, LINUS].map(click)).await {
            assert_eq!(answer.unwrap().status, 200);
        }
        story.world.slack.redeliver_last().await;
        story.settle().await;
        story.until("Done").await;
        assert_eq!(story.runs().len(), 3);
        story.end().await;
    }
);

/// Minutes go by in one step, and what comes due happens.
async fn pass(story: &Story, minutes: u64) {
    story.pass(Duration::from_mins(minutes));
    story.wait(Duration::from_secs(5)).await;
}

/// The channel as everybody sees it.
fn without_private(thread: &str) -> String {
    thread.lines().filter(|line| !line.contains("(only to")).collect::<Vec<_>>().join("\n")
}
