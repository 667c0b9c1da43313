//! What proves who let it: the audit log. And what stops everything: the halt.

use std::{collections::BTreeMap, time::Duration};

use baton::{
    domain::{
        actor::Platform,
        policy::{Approver, Policy},
        route::{Route, Routes},
    },
    simulator::{
        linear::{self, Status},
        oz::{Ending, RunView},
    },
    storage::{audit, halt},
};
use serde_json::json;

use super::{
    Story,
    story::{ADA, ENG, GRACE},
};
use crate::databases::on_both;

const TASK: &str = "Update the docs, one child per package: api, web";

fn under(policy: Policy) -> Routes {
    let route = Route { policy: Some("standard".into()), notify_slack_channel: Some(ENG.into()), ..Route::default() };
    Routes { routes: vec![route], policies: BTreeMap::from([("standard".into(), policy)]), ..Routes::default() }
}

on_both!(
    /// Request, proposal, refusal, approval, launches and end, each with who, where and on what.
    the_log_tells_who_let_it,
    |db| async {
        let approvers = vec![Approver::Member { platform: Platform::Slack, id: GRACE.into() }];
        let story = Story::with(db, under(Policy { approvers, ..Policy::default() })).await;
        story.orchestrate(TASK).await;
        story.until("[Approve]").await;
        story.press(ADA, "baton.approve").await;
        story.press(GRACE, "baton.approve").await;
        story.until("*Summary*").await;
        let log = audit::after(&story.store, 0).await.unwrap();
        let lines: Vec<_> =
            log.iter().map(|row| format!("{} {}", row.kind, row.actor.as_deref().unwrap_or("-"))).collect();
        assert_eq!(
            lines,
            [
                "requested slack:U0ADA",
                "launched -",
                "proposed -",
                "refused slack:U0ADA",
                "approved slack:U0GRACE",
                "launched -",
                "launched -",
                "ended -",
            ]
        );
        let digest = story.world.oz.runs()[1].metadata["baton.proposal"].clone();
        for row in &log[2..] {
            assert_eq!((row.version, row.digest.as_ref()), (Some(1), Some(&digest)), "{}", row.kind);
            assert!(row.place.as_ref().unwrap().starts_with("slack:T0BATON:C0ENG"), "{row:?}");
        }
        assert_eq!(audit::verify(&story.store).await.unwrap(), (log.len() as u64, None));
        story.end().await;
    }
);

on_both!(while_halted_nothing_is_launched, |db| async {
    let story = Story::begin(db).await;
    story.orchestrate(TASK).await;
    story.until("[Approve]").await;
    halt::begin(&story.store, "operator:story", "spending", story.clock.now()).await.unwrap();
    story.press(ADA, "baton.approve").await;
    story.wait(Duration::from_secs(30)).await;
    assert_eq!(story.runs().len(), 1, "what was approved waits");
    assert!(story.thread_text().contains("Launches are halted"), "{}", story.thread_text());
    story.orchestrate("Another thing").await;
    story.wait(Duration::from_secs(30)).await;
    assert_eq!(story.runs().len(), 1, "no parent starts either");
    halt::end(&story.store, "operator:story", story.clock.now()).await.unwrap();
    story.wait(Duration::from_mins(1)).await;
    assert!(!story.thread_text().contains("Launches are halted"), "{}", story.thread_text());
    assert_eq!(story.runs().len(), 4);
    story.wait(Duration::from_mins(3)).await;
    story.end().await;
});

on_both!(
    /// Nor is an agent set to work again that rests; and a stop waits for nothing.
    while_halted_nobody_goes_on_and_everybody_can_stop,
    |db| async {
        let story = Story::begin(db).await;
        story.command(ADA, "/oz", "Fix the flaky test").await;
        story.until("*Done*").await;
        halt::begin(&story.store, "operator:story", "spending", story.clock.now()).await.unwrap();
        story.reply(ADA, "And the other one").await;
        story.wait(Duration::from_secs(30)).await;
        assert!(story.world.oz.runs()[0].follow_ups.is_empty(), "it would work again");
        story.press(ADA, "baton.stop").await;
        story.until("*Stopped*").await;
        story.reply(ADA, "Then that one").await;
        halt::end(&story.store, "operator:story", story.clock.now()).await.unwrap();
        story.until("*Done*").await;
        let told = story.world.oz.runs()[0].follow_ups.concat();
        assert!(told.contains("Then that one"), "{told}");
        story.end().await;
    }
);

on_both!(
    /// A child that is wanted again is on record with the version that it was approved in, whatever has
    /// been proposed since.
    a_child_that_starts_again_names_its_own_version,
    |db| async {
        let story = Story::begin(db).await;
        let failed = Ending::Fails { code: "x".into(), message: "No disk.".into(), retryable: false };
        story.world.oz.child_ends("web", failed);
        story.orchestrate(TASK).await;
        story.until("[Approve]").await;
        story.press(ADA, "baton.approve").await;
        story.until("*Done*").await;
        story.reply(ADA, "Add docs").await;
        story.until("version 2").await;
        story.press(ADA, "baton.reject").await;
        let form = story.world.slack.views(ADA).pop().unwrap()["id"].as_str().unwrap().to_owned();
        story.world.slack.submit(ADA, &form, &json!({"reason": "Next week"})).await.unwrap();
        story.until("Next week").await;
        story.reply(ADA, "@baton retry 2").await;
        story.until("2 of 2 done").await;
        let digest = |run: &RunView| run.metadata.get("baton.proposal").cloned();
        let approved = story.world.oz.runs().last().and_then(digest);
        let log = audit::after(&story.store, 0).await.unwrap();
        let again = log.iter().skip_while(|row| row.kind != "retried").take(2);
        let again: Vec<_> = again.map(|row| (row.kind.as_str(), row.version, row.digest.clone())).collect();
        assert_eq!(again, [("retried", Some(1), approved.clone()), ("launched", Some(1), approved)]);
        story.end().await;
    }
);

on_both!(
    /// Ada in Slack and Ada in Linear have one verified address, and one vote.
    one_person_in_two_places_counts_once,
    |db| async {
        let approvers = vec![Approver::Domain("example.com".into())];
        let story = Story::of(db, under(Policy { approvers, quorum: 2, ..Policy::default() }), true).await;
        story.settle().await;
        let session = story.delegate(linear::LINUS, TASK).await;
        story.until("[Approve]").await;
        story.until_linear(&session, "Approve version 1").await;
        story.press(ADA, "baton.approve").await;
        story.until("1 of 2 approvals").await;
        story.choose(linear::ADA, &session, "approve").await;
        story.wait(Duration::from_secs(10)).await;
        assert!(story.session_text(&session).contains("already counted"), "{}", story.session_text(&session));
        assert_eq!(story.runs().len(), 1);
        story.choose(linear::GRACE, &session, "approve").await;
        story.until_status(&session, Status::Complete).await;
        assert_eq!(story.runs().len(), 3);
        story.end().await;
    }
);
