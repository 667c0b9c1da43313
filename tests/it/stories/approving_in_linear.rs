//! The rules of approval hold in an agent session as they do in a thread.

use std::{collections::BTreeMap, time::Duration};

use baton::{
    domain::{
        actor::Platform,
        policy::{Approver, AutoApprove, Policy},
        route::{Route, Routes},
    },
    simulator::linear::{ADA, GRACE, LINUS, Status},
};

use super::{
    Story,
    story::{ENG, GRACE as SLACKS_GRACE, LINUS as SLACKS_LINUS},
};
use crate::databases::on_both;

const TASK: &str = "Update the docs, one child per package: api, web";

fn under(policy: Policy) -> Routes {
    let route = Route { policy: Some("standard".into()), ..Route::default() };
    Routes { routes: vec![route], policies: BTreeMap::from([("standard".into(), policy)]), ..Routes::default() }
}

fn member(id: &str) -> Approver {
    Approver::Member { platform: Platform::Linear, id: id.into() }
}

on_both!(a_quorum_wants_different_people_and_not_the_one_who_asked, |db| async {
    let policy = Policy { quorum: 2, self_approval: false, ..Policy::default() };
    let story = Story::in_linear(db, under(policy)).await;
    let session = story.delegate(ADA, TASK).await;
    story.until_linear(&session, "Approve version 1").await;
    story.choose(ADA, &session, "approve").await;
    story.until_linear(&session, "who asked, to approve").await;
    story.choose(GRACE, &session, "approve").await;
    story.until_linear(&session, "1 of 2 approvals").await;
    story.choose(GRACE, &session, "approve").await;
    story.until_linear(&session, "already counted").await;
    assert_eq!((story.runs().len(), story.status(&session)), (1, Status::AwaitingInput));
    story.choose(LINUS, &session, "approve").await;
    story.until_status(&session, Status::Complete).await;
    assert_eq!(story.runs().len(), 3);
    story.end().await;
});

on_both!(who_may_not_start_is_told_and_nothing_begins, |db| async {
    let story = Story::in_linear(db, under(Policy { starters: vec![member(GRACE)], ..Policy::default() })).await;
    let session = story.delegate(ADA, TASK).await;
    story.until_status(&session, Status::Complete).await;
    assert!(story.session_text(&session).contains("may not start"), "{}", story.session_text(&session));
    let session = story.delegate(GRACE, TASK).await;
    story.until_linear(&session, "Approve version 1").await;
    assert_eq!(story.runs().len(), 1);
    story.choose(GRACE, &session, "reject").await;
    story.until_status(&session, Status::Complete).await;
    story.end().await;
});

on_both!(addresses_are_looked_up_where_people_are, |db| async {
    let approvers = vec![Approver::Email("grace@example.com".into())];
    let story = Story::in_linear(db, under(Policy { approvers, ..Policy::default() })).await;
    let session = story.delegate(ADA, TASK).await;
    story.until_linear(&session, "Approve version 1").await;
    story.choose(LINUS, &session, "approve").await;
    story.until_linear(&session, "may not decide").await;
    story.choose(GRACE, &session, "approve").await;
    story.until_status(&session, Status::Complete).await;
    assert_eq!(story.runs().len(), 3);
    story.end().await;
});

on_both!(what_nobody_decides_lapses_and_a_reply_goes_on, |db| async {
    let policy = Policy { expires_after: Duration::from_hours(2), ..Policy::default() };
    let story = Story::in_linear(db, under(policy)).await;
    let session = story.delegate(ADA, TASK).await;
    story.until_linear(&session, "Approve version 1").await;
    let option = story.option(&session, "approve");
    story.wait_long(Duration::from_hours(3)).await;
    assert_eq!(story.status(&session), Status::Complete);
    assert!(story.session_text(&session).contains("Reply here to go on"), "{}", story.session_text(&session));
    story.prompt(ADA, &session, &option).await;
    story.wait(Duration::from_secs(20)).await;
    assert_eq!((story.runs().len(), story.status(&session)), (1, Status::Complete));
    story.prompt(ADA, &session, "Please propose it again, and add docs.").await;
    story.until_linear(&session, "Approve version 2").await;
    story.end().await;
});

on_both!(
    /// Whoever is named by their account in Slack is mentioned there, and named here.
    people_are_reminded_where_they_are,
    |db| async {
        let slack = |id: &str| Approver::Member { platform: Platform::Slack, id: id.into() };
        let policy = Policy {
            approvers: vec![slack(SLACKS_GRACE), member(GRACE)],
            remind_after: vec![Duration::from_mins(10)],
            escalate_to: vec![slack(SLACKS_LINUS)],
            ..Policy::default()
        };
        let mut routes = under(policy);
        routes.routes[0].notify_slack_channel = Some(ENG.into());
        let story = Story::in_linear(db, routes).await;
        let session = story.delegate(ADA, TASK).await;
        story.until("[Approve]").await;
        story.until_linear(&session, "Approve version 1").await;
        story.wait_long(Duration::from_mins(11)).await;
        let thread = story.thread_text();
        assert!(thread.contains("still waits for 1 approval of @Grace Hopper, Linear member "), "{thread}");
        assert!(thread.contains("@Linus: nobody has decided so far, and this was the last reminder."), "{thread}");
        let session_text = story.session_text(&session);
        assert!(session_text.contains("1 approval of Slack member U0GRACE, Linear member "), "{session_text}");
        assert!(session_text.contains("Slack member U0LINUS: nobody has decided so far"), "{session_text}");
        story.press(SLACKS_GRACE, "baton.approve").await;
        story.until_status(&session, Status::Complete).await;
        assert_eq!(story.runs().len(), 3);
        story.end().await;
    }
);

on_both!(a_prompt_is_edited_in_words, |db| async {
    let story = Story::in_linear(db, Routes::default()).await;
    let session = story.delegate(ADA, TASK).await;
    story.until_linear(&session, "Approve version 1").await;
    story.prompt(GRACE, &session, "edit api: Only the API's pages, please.").await;
    story.until_linear(&session, "Approve version 2").await;
    story.choose(ADA, &session, "approve version 2").await;
    story.until_status(&session, Status::Complete).await;
    let prompts: Vec<String> = story.world.oz.runs().into_iter().map(|run| run.prompt).collect();
    assert!(prompts.contains(&"Only the API's pages, please.".to_owned()), "{prompts:#?}");
    story.end().await;
});

on_both!(what_the_policy_approves_asks_nobody, |db| async {
    let auto_approve = Some(AutoApprove { max_children: Some(2), ..AutoApprove::default() });
    let story = Story::in_linear(db, under(Policy { auto_approve, ..Policy::default() })).await;
    let session = story.delegate(ADA, TASK).await;
    story.until_status(&session, Status::Complete).await;
    assert!(story.session_text(&session).contains("Approved"), "{}", story.session_text(&session));
    assert_eq!(story.runs().len(), 3);
    story.end().await;
});
