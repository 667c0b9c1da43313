//! What is kept: how it is sealed while keys are replaced, and how long it stays.

use std::time::Duration;

use baton::{
    delivery::seals::{self, Seals},
    domain::route::Routes,
    simulator::linear::{ADA, Status},
    storage::{audit, orchestrations, outbox, trail},
};
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use url::Url;

use super::{Story, story::ADA as SLACKS_ADA};
use crate::databases::{Db, Outsider, on_both};

const OLD_KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const NEW_KEY: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
const WRONG_KEY: &str = "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=";
const TASK: &str = "Rename the helper of the zebra module";
const DAY: Duration = Duration::from_hours(24);

/// An admin opens the page and allows what Linear asks.
async fn install(story: &Story) {
    let client = baton::http::client().unwrap();
    let mut cookies = String::new();
    let mut address: Url = format!("{}/linear/install", story.address).parse().unwrap();
    for _ in 0..5 {
        let answer = client.get(address.clone()).header(COOKIE, &cookies).send().await.unwrap();
        for cookie in answer.headers().get_all(SET_COOKIE) {
            cookies = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        }
        let Some(next) = answer.headers().get(LOCATION) else {
            assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
            return;
        };
        address = address.join(next.to_str().unwrap()).unwrap();
    }
    panic!("the install goes round in circles");
}

async fn seals(story: &Story) -> Seals {
    seals::look(&story.store, story.sealer().as_ref()).await.unwrap()
}

/// Somebody asks in Linear, and is answered.
async fn is_answered(story: &Story) {
    let issue = story.world.linear.issue("A question", "").await;
    let session = story.mention(ADA, &issue, "/oz Where is the zebra module?").await;
    story.until_status(&session, Status::Complete).await;
}

on_both!(
    /// From the first key to the second, until the first is gone.
    a_key_is_replaced_and_dropped,
    |db| async {
        let mut story = Story::of(db, Routes::default(), true).await;
        story.keys = vec![OLD_KEY];
        story.restart().await;
        install(&story).await;
        is_answered(&story).await;
        assert_eq!(seals(&story).await, Seals { first: 1, ..Seals::default() });

        story.keys = vec![NEW_KEY, OLD_KEY];
        story.restart().await;
        assert_eq!(seals(&story).await, Seals { older: 1, ..Seals::default() });
        is_answered(&story).await;
        story.keep_up().await;
        assert_eq!(seals(&story).await, Seals { first: 1, ..Seals::default() });
        is_answered(&story).await;

        story.keys = vec![NEW_KEY];
        story.restart().await;
        story.keep_up().await;
        assert_eq!(seals(&story).await, Seals { first: 1, ..Seals::default() });
        is_answered(&story).await;

        // A refresh seals with the first key, too.
        story.keys = vec![OLD_KEY, NEW_KEY];
        story.restart().await;
        story.pass(DAY);
        is_answered(&story).await;
        assert_eq!(seals(&story).await, Seals { first: 1, ..Seals::default() });
        story.end().await;
    }
);

on_both!(
    /// Nothing is lost by a key that is wrong: the right one makes it whole again.
    a_wrong_key_opens_nothing_and_spoils_nothing,
    |db| async {
        let mut story = Story::of(db, Routes::default(), true).await;
        story.keys = vec![OLD_KEY];
        story.restart().await;
        install(&story).await;

        story.keys = vec![WRONG_KEY];
        story.restart().await;
        story.keep_up().await;
        let closed = seals(&story).await;
        assert_eq!((closed.first, closed.older, closed.closed.len()), (0, 0, 1), "{closed:?}");
        assert_eq!(seals::look(&story.store, None).await.unwrap().closed.len(), 1, "no key opens nothing either");

        story.keys = vec![OLD_KEY];
        story.restart().await;
        is_answered(&story).await;
        story.end().await;
    }
);

/// How many rows of the inbox say something.
async fn with_bodies(db: &Db) -> i64 {
    count(db, "SELECT COUNT(*) FROM inbox WHERE body <> ''").await
}

async fn count(db: &Db, sql: &'static str) -> i64 {
    match db.outsider().await {
        Outsider::Sqlite(mut connection) => sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap(),
        Outsider::Postgres(mut connection) => sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap(),
    }
}

on_both!(
    /// To know a duplicate by, its name is enough.
    what_an_event_said_is_gone_when_it_is_decided,
    |db| async {
        let story = Story::begin(db.clone()).await;
        story.world.slack.command(SLACKS_ADA, story.place, "/oz", TASK).await;
        assert_eq!(with_bodies(&db).await, 1);
        story.settle().await;
        assert_eq!(with_bodies(&db).await, 0);
        assert_eq!(count(&db, "SELECT COUNT(*) FROM inbox").await, 1);
        story.end().await;
    }
);

on_both!(
    /// Each thing for as long as it is set, and the audit log for good.
    what_is_kept_goes_in_its_time,
    |db| async {
        let mut story = Story::begin(db.clone()).await;
        story.retention.orchestrations = Some(DAY * 60);
        story.restart().await;
        story.command(SLACKS_ADA, "/oz", TASK).await;
        story.until("Done").await;
        story.wait(Duration::from_mins(1)).await;
        let first = newest(&story).await.remove(0);
        let rows = audit::verify(&story.store).await.unwrap();
        assert!(rows.0 > 0 && rows.1.is_none(), "{rows:?}");
        let left = async || {
            story.keep_up().await;
            let events = count(&db, "SELECT COUNT(*) FROM inbox").await;
            let deliveries = outbox::of(&story.store, &first).await.unwrap().len();
            (events, deliveries > 0, newest(&story).await.len())
        };

        assert_eq!(left().await, (1, true, 1));
        story.pass(DAY * 4);
        assert_eq!(left().await, (0, true, 1), "events go after four days");
        story.pass(DAY * 3);
        assert_eq!(left().await, (0, false, 1), "deliveries after seven");
        story.pass(DAY * 52);
        story.command(SLACKS_ADA, "/oz", "Something newer").await;
        assert_eq!(newest(&story).await.len(), 2);
        story.pass(DAY);
        assert_eq!(left().await, (1, false, 1), "an orchestration after sixty, and no other with it");
        assert_eq!(trail::read(&story.store, &first).await.unwrap(), []);
        for table in ["conversations", "runs", "spending", "timers", "trail", "outbox"] {
            let sql = format!("SELECT COUNT(*) FROM {table} WHERE orchestration_id = '{first}'");
            assert_eq!(count(&db, String::leak(sql)).await, 0, "{table}");
        }
        let (now, fault) = audit::verify(&story.store).await.unwrap();
        assert!(now >= rows.0 && fault.is_none(), "{now} rows, {fault:?}");
        assert!(!audit::about(&story.store, &first).await.unwrap().is_empty(), "what was decided stays proven");
    }
);

async fn newest(story: &Story) -> Vec<baton::ids::OrchestrationId> {
    let filter = orchestrations::Filter { workspace: None, place: None, open_only: false, limit: 10 };
    orchestrations::list(&story.store, &filter).await.unwrap().into_iter().map(|summary| summary.id).collect()
}
