//! Everything that works from Slack works from Linear: in agent sessions, in Linear's own terms.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use baton::{
    domain::{
        actor::Platform,
        policy::{Approver, Policy},
        route::{Route, Routes},
    },
    simulator::{
        faults::Fault,
        linear::{ADA, Activity, Content, GRACE, LINUS, Status},
    },
};

use super::{Story, story::GRACE as SLACKS_GRACE};
use crate::databases::on_both;

const TASK: &str = "Migrate the tests from Jest to Vitest, one child per package: api, web";

on_both!(
    /// All activities of a whole orchestration, as the session shows them.
    from_the_delegation_to_the_response,
    |db| async {
        let story = Story::in_linear(db, Routes::default()).await;
        let session = story.delegate(ADA, TASK).await;
        story.until_linear(&session, "Approve version 1").await;
        assert_eq!(story.runs().len(), 1, "nothing but the parent runs before the approval");
        story.choose(ADA, &session, "approve").await;
        story.until_status(&session, Status::Complete).await;
        story.wait(Duration::from_secs(10)).await;
        insta::assert_snapshot!("the_whole_session", story.world.linear.transcript(&session));
        assert_eq!(story.runs().len(), 3);
        story.end().await;
    }
);

on_both!(
    /// Linear calls an agent unresponsive after ten seconds; people do after two.
    the_first_sign_comes_within_two_seconds_and_no_session_goes_stale,
    |db| async {
        let story = Story::in_linear(db, Routes::default()).await;
        story.world.oz.set_speed(0.002);
        let session = story.delegate(ADA, TASK).await;
        story.wait(Duration::from_secs(2)).await;
        assert!(!story.world.linear.activities(&session).is_empty());
        for _ in 0..5 {
            story.wait_long(Duration::from_mins(10)).await;
            assert_eq!(story.status(&session), Status::Active);
        }
        story.world.oz.set_speed(1.0);
        story.wait_long(Duration::from_hours(3)).await;
        story.until_linear(&session, "Approve version 1").await;
        // A session that waits for a person keeps waiting by itself.
        story.wait_long(Duration::from_hours(2)).await;
        assert_eq!(story.status(&session), Status::AwaitingInput);
        assert_eq!(story.world.linear.unresponsive(), Vec::<String>::new());
        story.end().await;
    }
);

on_both!(
    /// What is not exactly an option is an instruction, whatever it sounds like.
    only_an_exact_option_decides,
    |db| async {
        let story = Story::in_linear(db, Routes::default()).await;
        let session = story.delegate(ADA, TASK).await;
        story.until_linear(&session, "Approve version 1").await;
        for words in ["approve", "Approve it please", "yes", "1", "approve v2", "LGTM, approve v1 now"] {
            story.prompt(ADA, &session, words).await;
            story.wait(Duration::from_secs(20)).await;
            story.until_status(&session, Status::AwaitingInput).await;
            assert_eq!(story.runs().len(), 1, "{words}");
        }
        story.choose(ADA, &session, "approve").await;
        story.until_status(&session, Status::Complete).await;
        assert_eq!(story.runs().len(), 3);
        story.end().await;
    }
);

on_both!(changes_are_asked_for_in_words_and_old_options_decide_nothing, |db| async {
    let story = Story::in_linear(db, Routes::default()).await;
    let session = story.delegate(ADA, TASK).await;
    story.until_linear(&session, "Approve version 1").await;
    let first = story.option(&session, "approve");
    story.choose(ADA, &session, "change").await;
    story.until_linear(&session, "what should change").await;
    assert_eq!(story.status(&session), Status::AwaitingInput);
    story.prompt(ADA, &session, "drop web").await;
    story.until_linear(&session, "Approve version 2").await;
    story.prompt(ADA, &session, &first).await;
    story.wait(Duration::from_secs(10)).await;
    assert_eq!(story.runs().len(), 1, "an old option decides nothing");
    assert!(story.session_text(&session).contains("replaced by version 2"), "{}", story.session_text(&session));
    let second = story.option(&session, "approve");
    story.prompt(ADA, &session, &second).await;
    story.until_status(&session, Status::Complete).await;
    assert_eq!(story.runs().len(), 2);
    story.end().await;
});

on_both!(only_the_named_people_decide, |db| async {
    let story = Story::in_linear(db, approved_by(GRACE)).await;
    let session = story.delegate(ADA, TASK).await;
    story.until_linear(&session, "Approve version 1").await;
    story.choose(ADA, &session, "approve").await;
    story.wait(Duration::from_secs(5)).await;
    assert_eq!(story.runs().len(), 1);
    assert!(story.session_text(&session).contains("may not decide"), "{}", story.session_text(&session));
    // The question still stands.
    assert_eq!(story.status(&session), Status::AwaitingInput);
    story.choose(GRACE, &session, "approve").await;
    story.until_status(&session, Status::Complete).await;
    assert_eq!(story.runs().len(), 3);
    story.end().await;
});

on_both!(a_rejection_ends_it, |db| async {
    let story = Story::in_linear(db, Routes::default()).await;
    let session = story.delegate(ADA, TASK).await;
    story.until_linear(&session, "Approve version 1").await;
    story.choose(GRACE, &session, "reject").await;
    story.until_status(&session, Status::Complete).await;
    assert!(story.session_text(&session).contains("Rejected"), "{}", story.session_text(&session));
    story.wait(Duration::from_secs(10)).await;
    assert_eq!(story.runs().len(), 1);
    story.end().await;
});

on_both!(a_stop_stops_and_one_response_says_so, |db| async {
    let story = Story::in_linear(db, Routes::default()).await;
    let session = story.delegate(ADA, TASK).await;
    story.until_linear(&session, "Approve version 1").await;
    story.world.oz.hold();
    story.choose(ADA, &session, "approve").await;
    story.wait(Duration::from_secs(10)).await;
    story.stop_session(ADA, &session).await;
    story.until_status(&session, Status::Complete).await;
    story.wait(Duration::from_secs(20)).await;
    let is_response = |activity: &&Activity| matches!(activity.content, Content::Response { .. });
    let responses = story.world.linear.activities(&session).iter().filter(is_response).count();
    assert_eq!(responses, 1, "{}", story.session_text(&session));
    assert_eq!(story.status(&session), Status::Complete);
    assert!(story.runs()[1..].iter().all(|(_, state)| *state == "CANCELLED"), "{:?}", story.runs());
    story.end().await;
});

on_both!(
    /// What was on its way to the session when it was stopped is not said any more.
    after_a_stop_only_the_last_word_is_said,
    |db| async {
        let story = Story::in_linear(db, Routes::default()).await;
        let session = story.delegate(ADA, TASK).await;
        story.until_linear(&session, "Approve version 1").await;
        story.world.oz.hold();
        story.world.faults.outage("linear", Fault::Status(503));
        story.choose(ADA, &session, "approve").await;
        story.wait(Duration::from_secs(20)).await;
        assert_eq!(story.runs().len(), 3);
        story.stop_session(ADA, &session).await;
        story.wait(Duration::from_secs(20)).await;
        story.world.faults.clear();
        story.until_status(&session, Status::Complete).await;
        story.wait(Duration::from_mins(5)).await;
        assert_eq!(story.world.linear.objections(), Vec::<String>::new(), "{}", story.session_text(&session));
        assert_eq!(story.status(&session), Status::Complete);
        story.end().await;
    }
);

on_both!(
    /// The session's beginning arrives after its stop: nothing starts any more.
    a_stop_that_comes_first_cannot_be_undone,
    |db| async {
        let story = Story::in_linear(db, Routes::default()).await;
        story.lose_webhooks(true);
        let session = story.delegate(ADA, TASK).await;
        story.lose_webhooks(false);
        story.stop_session(ADA, &session).await;
        assert!(story.session_text(&session).contains("Nothing is under way here"), "{}", story.session_text(&session));
        story.wait_long(Duration::from_mins(10)).await; // reconciling tells of the session as well
        assert_eq!(story.runs(), Vec::new());
        story.end().await;
    }
);

on_both!(what_no_webhook_brought_is_adopted, |db| async {
    let story = Story::in_linear(db, Routes::default()).await;
    story.lose_webhooks(true);
    let session = story.delegate(ADA, TASK).await;
    story.lose_webhooks(false);
    story.wait(Duration::from_secs(20)).await;
    assert_eq!(story.runs(), Vec::new());
    story.wait_long(Duration::from_mins(4)).await;
    story.until_linear(&session, "Approve version 1").await;
    story.lose_webhooks(true);
    story.choose(ADA, &session, "approve").await;
    story.lose_webhooks(false);
    story.wait_long(Duration::from_mins(4)).await;
    story.until_status(&session, Status::Complete).await;
    assert_eq!(story.runs().len(), 3);
    story.end().await;
});

on_both!(
    /// Neither the delegation nor what was said after it was told: the session shows "active" by then.
    a_session_that_was_only_talked_to_is_adopted,
    |db| async {
        let story = Story::in_linear(db, Routes::default()).await;
        story.lose_webhooks(true);
        let session = story.delegate(ADA, TASK).await;
        story.prompt(ADA, &session, "in small steps").await;
        story.lose_webhooks(false);
        assert_eq!(story.status(&session), Status::Active);
        story.wait_long(Duration::from_mins(4)).await;
        story.until_linear(&session, "Approve version 1").await;
        let runs = story.world.oz.runs();
        assert_eq!(runs.len(), 1);
        let heard = std::iter::once(&runs[0].prompt).chain(&runs[0].follow_ups);
        assert!(heard.into_iter().any(|heard| heard.contains("in small steps")), "{runs:?}");
        story.stop_session(ADA, &session).await;
        story.until_status(&session, Status::Complete).await;
        story.end().await;
    }
);

on_both!(
    /// Our token is taken back, and given again an hour later: what was asked meanwhile begins then.
    what_is_asked_while_we_are_locked_out_waits,
    |db| async {
        let story = Story::in_linear(db, Routes::default()).await;
        story.world.faults.outage("linear", Fault::Status(401));
        story.lost.store(true, Ordering::Relaxed);
        let session = story.delegate(ADA, TASK).await;
        story.wait_long(Duration::from_hours(1)).await;
        story.world.faults.clear();
        story.until_linear(&session, "Approve version 1").await;
        story.choose(ADA, &session, "approve").await;
        story.until_status(&session, Status::Complete).await;
        assert_eq!(story.runs().len(), 3);
        story.end().await;
    }
);

on_both!(an_automation_may_delegate, |db| async {
    let story = Story::in_linear(db, Routes::default()).await;
    let issue = story.world.linear.issue(TASK, "").await;
    let session = story.world.linear.delegate_by_automation(&issue).await.unwrap();
    story.settle().await;
    story.until_linear(&session, "Approve version 1").await;
    let view = story.world.linear.issue_view(&issue).unwrap();
    assert_eq!(view.state, "Todo", "an automation's issue stays where it is");
    story.choose(ADA, &session, "approve").await;
    story.until_status(&session, Status::Complete).await;
    story.end().await;
});

on_both!(
    /// Only what was delegated is taken up, and only as far as its first started state.
    a_delegated_issue_is_taken_up_and_never_completed,
    |db| async {
        let story = Story::in_linear(db, Routes::default()).await;
        let session = story.delegate(ADA, TASK).await;
        story.until_linear(&session, "Approve version 1").await;
        let issue = story.world.linear.session(&session).unwrap().issue.unwrap();
        assert_eq!(story.world.linear.issue_view(&issue).unwrap().state, "In Progress");
        story.choose(ADA, &session, "approve").await;
        story.until_status(&session, Status::Complete).await;
        let view = story.world.linear.issue_view(&issue).unwrap();
        assert_eq!((view.state, view.assignee.as_deref()), ("In Progress", Some("Ada Lovelace")));
        assert_eq!(view.delegate.as_deref(), Some("Baton"));
        assert!(view.attachments.iter().any(|attachment| attachment.url.contains("/pull/")), "{:?}", view.attachments);

        let other = story.world.linear.issue("Who owns the billing code?", "").await;
        let session = story.mention(ADA, &other, "/oz who owns the billing code?").await;
        story.until_status(&session, Status::Complete).await;
        assert_eq!(story.world.linear.issue_view(&other).unwrap().state, "Todo", "a question moves nothing");
        story.end().await;
    }
);

on_both!(
    /// What was written before the stop and told after it sets nobody to work again.
    words_that_are_told_late_do_not_undo_a_stop,
    |db| async {
        let story = Story::in_linear(db, Routes::default()).await;
        let session = story.delegate(ADA, TASK).await;
        story.until_linear(&session, "Approve version 1").await;
        story.world.linear.set_target("http://127.0.0.1:1");
        story.prompt(GRACE, &session, "rewrite it all").await;
        story.world.linear.set_target(&story.address);
        story.wait(Duration::from_secs(5)).await;
        story.stop_session(ADA, &session).await;
        story.until_status(&session, Status::Complete).await;
        story.wait_long(Duration::from_mins(2)).await;
        assert_eq!((story.world.linear.undelivered(), story.status(&session)), (0, Status::Complete));
        assert!(story.world.oz.runs()[0].follow_ups.is_empty(), "{:?}", story.world.oz.runs()[0].follow_ups);
        story.prompt(GRACE, &session, "now rewrite it all").await;
        story.until_linear(&session, "version 2").await;
        story.stop_session(ADA, &session).await;
        story.until_status(&session, Status::Complete).await;
        story.end().await;
    }
);

on_both!(
    /// Whatever is said next in a session is under the route of its issue.
    a_second_message_has_the_policy_of_the_first,
    |db| async {
        let starters = vec![Approver::Member { platform: Platform::Linear, id: GRACE.into() }];
        let strict = Policy { name: "strict".into(), starters, ..Policy::default() };
        let route = Route { linear_team: Some("ENG".into()), policy: Some("strict".into()), ..Route::default() };
        let policies = [("strict".to_owned(), strict)].into();
        let story = Story::in_linear(db, Routes { routes: vec![route], policies, ..Routes::default() }).await;
        let session = story.delegate(ADA, TASK).await;
        story.until_status(&session, Status::Complete).await;
        story.prompt(ADA, &session, "do it anyway").await;
        story.wait(Duration::from_secs(20)).await;
        assert_eq!(story.session_text(&session).matches("may not start").count(), 2, "{}", story.session_text(&session));
        assert_eq!(story.runs(), Vec::new());
        story.prompt(GRACE, &session, "do it").await;
        story.until_status(&session, Status::AwaitingInput).await;
        assert!(story.world.oz.runs()[0].prompt.contains(TASK), "{}", story.world.oz.runs()[0].prompt);
        story.stop_session(ADA, &session).await;
        story.until_status(&session, Status::Complete).await;
        story.end().await;
    }
);

on_both!(
    /// Whoever asks in a session of their own is answered there, and not where the work goes on.
    what_is_asked_in_another_session_is_answered_in_it,
    |db| async {
        let story = Story::in_linear(db, Routes::default()).await;
        let issue = story.world.linear.issue(TASK, "").await;
        let session = story.mention(ADA, &issue, "please do").await;
        story.until_linear(&session, "Approve version 1").await;
        let rows = || story.world.linear.activities(&session).len();
        let before = rows();
        let aside = story.mention(GRACE, &issue, "status").await;
        story.until_status(&aside, Status::Complete).await;
        assert!(story.session_text(&aside).contains("Waiting for a decision on version 1"));
        assert_eq!((rows(), story.status(&session)), (before, Status::AwaitingInput), "{}", story.session_text(&session));
        let aside = story.mention(GRACE, &issue, "stop").await;
        story.until_status(&aside, Status::Complete).await;
        story.until_status(&session, Status::Complete).await;
        assert!(story.session_text(&aside).contains("It is being stopped."), "{}", story.session_text(&aside));
        story.end().await;
    }
);

on_both!(
    /// A file is a row of the session, and the options are those of the last.
    what_is_shown_meanwhile_leaves_the_options,
    |db| async {
        let story = Story::in_linear(db, Routes::default()).await;
        let session = story.delegate(ADA, TASK).await;
        story.until_linear(&session, "Approve version 1").await;
        story.prompt(GRACE, &session, "show transcript").await;
        story.until_linear(&session, "transcript").await;
        story.wait(Duration::from_secs(10)).await;
        assert_eq!(story.status(&session), Status::AwaitingInput, "{}", story.session_text(&session));
        story.choose(ADA, &session, "approve").await;
        story.until_status(&session, Status::Complete).await;
        story.end().await;
    }
);

on_both!(
    /// While it is found out whether they may, it is stopped.
    who_is_being_looked_up_can_be_stopped,
    |db| async {
        let starters = vec![Approver::Domain("example.com".into())];
        let route = Route { policy: Some("strict".into()), ..Route::default() };
        let policies = [("strict".to_owned(), Policy { name: "strict".into(), starters, ..Policy::default() })].into();
        let story = Story::in_linear(db, Routes { routes: vec![route], policies, ..Routes::default() }).await;
        story.world.faults.add("linear", "graphql", Fault::Status(503), 2);
        let session = story.delegate(ADA, TASK).await;
        story.stop_session(ADA, &session).await;
        story.wait(Duration::from_secs(30)).await;
        story.world.faults.clear();
        story.wait(Duration::from_mins(1)).await;
        assert_eq!(story.runs(), Vec::new(), "{}", story.session_text(&session));
        // A new request is not the one that was stopped.
        story.prompt(ADA, &session, "do it after all").await;
        story.until_linear(&session, "Approve version 1").await;
        story.stop_session(ADA, &session).await;
        story.until_status(&session, Status::Complete).await;
        story.end().await;
    }
);

on_both!(a_label_starts_an_orchestration, |db| async {
    let route = Route { linear_label: Some("orchestrate".into()), ..Route::default() };
    let story = Story::in_linear(db, Routes { routes: vec![route], ..Routes::default() }).await;
    let issue = story.world.linear.issue(TASK, "").await;
    story.world.linear.label(&issue, "Bug", ADA).await.unwrap();
    story.wait(Duration::from_secs(5)).await;
    assert_eq!(story.runs(), Vec::new());
    story.world.linear.label(&issue, "orchestrate", ADA).await.unwrap();
    story.settle().await;
    story.wait(Duration::from_secs(5)).await;
    let session = story.world.linear.issue_view(&issue).unwrap().sessions.pop().unwrap();
    story.until_linear(&session, "Approve version 1").await;
    story.choose(ADA, &session, "approve").await;
    story.until_status(&session, Status::Complete).await;
    assert_eq!(story.world.linear.issue_view(&issue).unwrap().sessions.len(), 1);
    assert_eq!(story.runs().len(), 3);
    story.end().await;
});

on_both!(
    /// There is no session to answer in: the issue is where they look.
    who_may_not_start_by_a_label_is_told_on_the_issue,
    |db| async {
        let starters = vec![Approver::Member { platform: Platform::Linear, id: GRACE.into() }];
        let strict = Policy { name: "strict".into(), starters, ..Policy::default() };
        let (linear_label, policy) = (Some("orchestrate".into()), Some("strict".into()));
        let route = Route { linear_label, policy, ..Route::default() };
        let policies = [("strict".to_owned(), strict)].into();
        let story = Story::in_linear(db, Routes { routes: vec![route], policies, ..Routes::default() }).await;
        let issue = story.world.linear.issue(TASK, "").await;
        story.world.linear.label(&issue, "orchestrate", ADA).await.unwrap();
        story.wait(Duration::from_secs(5)).await;
        let shown = story.world.linear.issue_transcript(&issue);
        assert_eq!(shown.matches("You may not start orchestrations here").count(), 1, "{shown}");
        assert_eq!(story.runs(), Vec::new());
        story.end().await;
    }
);

on_both!(
    /// Linear could not tell of the label, and somebody put it there once more.
    a_label_that_is_told_late_is_not_another_request,
    |db| async {
        let route = Route { linear_label: Some("orchestrate".into()), ..Route::default() };
        let story = Story::in_linear(db, Routes { routes: vec![route], ..Routes::default() }).await;
        let issue = story.world.linear.issue(TASK, "").await;
        story.world.linear.set_target("http://127.0.0.1:1");
        story.world.linear.label(&issue, "orchestrate", ADA).await.unwrap();
        story.world.linear.set_target(&story.address);
        story.wait(Duration::from_secs(2)).await;
        story.world.linear.unlabel(&issue, "orchestrate", ADA).await.unwrap();
        story.world.linear.label(&issue, "orchestrate", ADA).await.unwrap();
        story.settle().await;
        story.wait(Duration::from_secs(5)).await;
        let session = story.world.linear.issue_view(&issue).unwrap().sessions.pop().unwrap();
        story.until_linear(&session, "Approve version 1").await;
        story.choose(ADA, &session, "reject").await;
        story.until_status(&session, Status::Complete).await;
        story.wait_long(Duration::from_mins(2)).await;
        assert_eq!(story.world.linear.undelivered(), 0);
        assert_eq!(story.world.linear.issue_view(&issue).unwrap().sessions, [session]);
        // Whoever puts it there after the end wants it again.
        story.world.linear.unlabel(&issue, "orchestrate", ADA).await.unwrap();
        story.world.linear.label(&issue, "orchestrate", ADA).await.unwrap();
        story.wait(Duration::from_secs(10)).await;
        assert_eq!(story.world.linear.issue_view(&issue).unwrap().sessions.len(), 2);
        story.end().await;
    }
);

on_both!(
    /// Linear tells of the session that we create, and the answer to its creation is lost.
    a_session_of_our_own_begins_nothing,
    |db| async {
        let route = Route { linear_label: Some("orchestrate".into()), ..Route::default() };
        let story = Story::in_linear(db, Routes { routes: vec![route], ..Routes::default() }).await;
        story.world.faults.add("linear", "agentSessionCreateOnIssue", Fault::LoseAnswer, 1);
        let issue = story.world.linear.issue(TASK, "").await;
        story.world.linear.label(&issue, "orchestrate", ADA).await.unwrap();
        story.settle().await;
        story.wait(Duration::from_secs(20)).await;
        let session = story.world.linear.issue_view(&issue).unwrap().sessions.pop().unwrap();
        story.until_linear(&session, "Approve version 1").await;
        story.choose(ADA, &session, "approve").await;
        story.until_status(&session, Status::Complete).await;
        // Whoever looks for lost sessions later finds nothing new either.
        story.wait_long(Duration::from_mins(10)).await;
        assert_eq!(story.world.linear.issue_view(&issue).unwrap().sessions.len(), 1);
        assert_eq!(story.runs().len(), 3);
        story.end().await;
    }
);

on_both!(without_sessions_a_comment_thread_is_the_conversation, |db| async {
    let route = Route { linear_label: Some("orchestrate".into()), ..Route::default() };
    let story = Story::in_linear(db, Routes { routes: vec![route], ..Routes::default() }).await;
    story.world.linear.knobs(|knobs| knobs.agent_sessions = false);
    let issue = story.world.linear.issue(TASK, "").await;
    story.world.linear.label(&issue, "orchestrate", ADA).await.unwrap();
    story.until_issue(&issue, "To decide").await;
    let root = story.world.linear.issue_view(&issue).unwrap().comments[0].id.clone();
    story.world.linear.comment(ADA, &issue, Some(&root), "sounds good, approve").await.unwrap();
    story.wait(Duration::from_secs(20)).await;
    assert_eq!(story.runs().len(), 1);
    // A mention in it opens a session, which is not another orchestration.
    story.world.linear.knobs(|knobs| knobs.agent_sessions = true);
    let aside = story.world.linear.mention_in_thread(ADA, &root, "how long will it take?").await.unwrap();
    story.until_status(&aside, Status::Complete).await;
    story.world.linear.knobs(|knobs| knobs.agent_sessions = false);
    story.wait(Duration::from_secs(20)).await;
    // Nor is what is said in the thread then, of which Linear tells twice.
    story.world.linear.comment(ADA, &issue, Some(&root), "take your time").await.unwrap();
    story.wait(Duration::from_secs(20)).await;
    assert_eq!(story.runs().len(), 1);
    assert_eq!(story.world.oz.runs()[0].follow_ups.iter().filter(|told| told.contains("take your time")).count(), 1);
    story.world.linear.comment(ADA, &issue, Some(&root), "approve v1").await.unwrap();
    story.until_issue(&issue, "Done").await;
    story.wait(Duration::from_secs(10)).await;
    assert_eq!(story.runs().len(), 3);
    insta::assert_snapshot!("the_whole_comment_thread", story.world.linear.issue_transcript(&issue));
    story.end().await;
});

on_both!(
    /// What Baton writes about itself does not call it again.
    nothing_calls_itself,
    |db| async {
        let story = Story::in_linear(db, Routes::default()).await;
        story.world.oz.say("Ask @baton or https://linear.app/acme/profiles/baton for more, says @ada.");
        let session = story.mention(ADA, &story.world.linear.issue("Docs", "").await, "Where are the docs?").await;
        story.until_linear(&session, "for more").await;
        story.wait(Duration::from_secs(30)).await;
        assert_eq!(story.world.linear.sessions().len(), 1);
        assert_eq!(story.runs().len(), 1);
        story.end().await;
    }
);

on_both!(one_issue_has_no_more_than_a_few_at_once, |db| async {
    let story = Story::in_linear(db, Routes::default()).await;
    let issue = story.world.linear.issue(TASK, "").await;
    let mut last = String::new();
    for _ in 0..4 {
        last = story.mention(ADA, &issue, TASK).await;
    }
    story.until_status(&last, Status::Complete).await;
    assert!(story.session_text(&last).contains("under way on this issue already"), "{}", story.session_text(&last));
    story.wait(Duration::from_secs(20)).await;
    assert_eq!(story.runs().len(), 3);
    story.end().await;
});

on_both!(a_reply_goes_on_days_later, |db| async {
    let mut story = Story::in_linear(db, Routes::default()).await;
    let session = story.delegate(ADA, TASK).await;
    story.until_linear(&session, "Approve version 1").await;
    story.choose(ADA, &session, "approve").await;
    story.until_status(&session, Status::Complete).await;
    story.restart().await;
    story.wait_hours(50).await;
    story.world.oz.knobs(|knobs| knobs.stale_reads_after_follow_up = Duration::from_millis(100));
    story.world.oz.set_speed(0.002);
    story.prompt(GRACE, &session, "What did you change in api?").await;
    // However long it takes, the session does not go stale.
    story.wait_long(Duration::from_mins(45)).await;
    assert_eq!(story.status(&session), Status::Active);
    story.world.oz.set_speed(1.0);
    story.wait_long(Duration::from_hours(3)).await;
    // It was asked about what it has done, and asks nothing in return.
    story.until_status(&session, Status::Complete).await;
    assert_eq!(story.runs().len(), 3, "it is the same conversation");
    story.end().await;
});

on_both!(
    /// One orchestration in both places: the first valid decision wins, and both show who decided.
    a_slack_board_may_decide_too,
    |db| async {
        let route = Route { notify_slack_channel: Some("C0ENG".into()), ..Route::default() };
        let story = Story::in_linear(db, Routes { routes: vec![route], ..Routes::default() }).await;
        let session = story.delegate(ADA, TASK).await;
        story.until("[Approve]").await;
        story.until_linear(&session, "Approve version 1").await;
        story.press(SLACKS_GRACE, "baton.approve").await;
        story.until_status(&session, Status::Complete).await;
        story.wait(Duration::from_secs(10)).await;
        assert!(story.session_text(&session).contains("**Approved** by grace"), "{}", story.session_text(&session));
        assert!(story.thread_text().contains("*Approved* by @Grace Hopper"), "{}", story.thread_text());
        assert_eq!(story.runs().len(), 3);

        let session = story.delegate(ADA, TASK).await;
        story.until_linear(&session, "Approve version 1").await;
        story.wait(Duration::from_secs(5)).await;
        let late = story.message_with("baton.approve");
        story.choose(LINUS, &session, "approve").await;
        story.wait(Duration::from_secs(5)).await;
        assert!(story.thread_text().contains("*Approved* by Linus"), "{}", story.thread_text());
        story.press_as_it_was(SLACKS_GRACE, &late, "baton.approve").await;
        assert!(story.told(SLACKS_GRACE).last().unwrap().contains("already approved"));
        story.reply(SLACKS_GRACE, "How far are you?").await;
        story.until_status(&session, Status::Complete).await;
        assert_eq!(story.runs().len(), 6);
        story.end().await;
    }
);

on_both!(what_linear_tells_twice_is_heard_once, |db| async {
    let story = Story::in_linear(db, Routes::default()).await;
    story.world.linear.knobs(|knobs| knobs.duplicate = true);
    let session = story.delegate(ADA, TASK).await;
    story.until_linear(&session, "Approve version 1").await;
    story.prompt(ADA, &session, "How long will it take?").await;
    story.wait(Duration::from_secs(20)).await;
    story.choose(ADA, &session, "approve").await;
    story.until_status(&session, Status::Complete).await;
    assert_eq!(story.runs().len(), 3);
    story.end().await;
});

on_both!(
    /// Tokens lapse, limits bite, answers get lost: it is all said in the end, once.
    faults_of_linear_are_survived,
    |db| async {
        let story = Story::in_linear(db, Routes::default()).await;
        let session = story.delegate(ADA, TASK).await;
        story.until_linear(&session, "Approve version 1").await;
        story.world.linear.knobs(|knobs| knobs.requests_per_hour = 1);
        story.choose(ADA, &session, "approve").await;
        story.wait_long(Duration::from_mins(20)).await;
        story.world.linear.knobs(|knobs| knobs.requests_per_hour = 5_000);
        // Its token lapses after thirty days.
        story.pass(Duration::from_hours(31 * 24));
        story.until_status(&session, Status::Complete).await;
        let ids: Vec<_> = story.world.linear.activities(&session).iter().map(|activity| activity.id.clone()).collect();
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
        story.end().await;
    }
);

/// Everything asked is decided by this person alone.
fn approved_by(id: &str) -> Routes {
    let approvers = vec![Approver::Member { platform: Platform::Linear, id: id.into() }];
    let policy = Policy { approvers, ..Policy::default() };
    let route = Route { policy: Some("standard".into()), ..Route::default() };
    Routes { routes: vec![route], policies: BTreeMap::from([("standard".into(), policy)]), ..Routes::default() }
}
