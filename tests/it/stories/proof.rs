//! What proves who let it: the audit log. And what stops everything: the halt.

use std::{collections::BTreeMap, time::Duration};

use baton::{
    domain::{
        actor::Platform,
        policy::{Approver, Policy},
        route::{Route, Routes},
    },
    simulator::linear::{self, Status},
    storage::{audit, halt},
};

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
