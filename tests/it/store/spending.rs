//! What runs used, and how many orchestrations there are, by policy.

use std::time::Duration;

use baton::{
    domain::{
        effect::Slot,
        orchestration::{Ending, Orchestration, Stage},
        policy::Policy,
    },
    ids::OrchestrationId,
    storage::{Store, orchestrations, spending},
};

use super::{at, orchestration};
use crate::databases::on_both;

const HOUR: i64 = 3600;

async fn insert(store: &Store, id: &str, policy: &str) -> OrchestrationId {
    let policy = Policy { name: policy.into(), ..Policy::default() };
    let mut tx = store.begin("insert").await.unwrap();
    assert!(orchestrations::insert(&mut tx, &Orchestration { policy, ..orchestration(id) }).await.unwrap());
    tx.commit().await.unwrap();
    OrchestrationId::from(id)
}

#[expect(clippy::float_cmp, reason = "thousandths are exact")]
async fn used(store: &Store, policy: &str, now: i64, wanted: f64) {
    let mut tx = store.begin("look").await.unwrap();
    assert_eq!(spending::today(&mut tx, policy, at(now)).await.unwrap(), wanted);
    tx.rollback().await.unwrap();
}

on_both!(what_was_used_counts_for_a_day_and_on_its_policy, |db| async {
    let store = db.open().await;
    let (one, other) = (insert(&store, "o1", "strict").await, insert(&store, "o2", "open").await);
    let mut tx = store.begin("use").await.unwrap();
    for (id, slot, policy, environment, millis, second) in [
        (&one, Slot::Parent, "strict", "", 500, 0),
        (&one, Slot::Child(1), "strict", "e1", 2_000, 10),
        (&one, Slot::Child(1), "strict", "e1", 1_000, 20),
        (&one, Slot::Child(2), "strict", "e1", 5_000, HOUR),
        (&other, Slot::Child(1), "open", "e2", 7_000, 0),
    ] {
        spending::add(&mut tx, id, slot, policy, environment, millis, at(second)).await.unwrap();
    }
    let usual = spending::usual(&mut tx, at(HOUR)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(usual, [("e1".to_owned(), 4.0), ("e2".to_owned(), 7.0)].into());
    used(&store, "strict", HOUR, 8.5).await;
    used(&store, "open", HOUR, 7.0).await;
    used(&store, "default", HOUR, 0.0).await;
    used(&store, "strict", 27 * HOUR, 0.0).await;
    assert_eq!(spending::forget(&store, at(0) + Duration::from_hours(31 * 24)).await.unwrap(), 4);
});

on_both!(what_has_not_ended_is_counted_on_its_policy, |db| async {
    let store = db.open().await;
    let first = insert(&store, "o1", "strict").await;
    insert(&store, "o2", "strict").await;
    insert(&store, "o3", "open").await;
    let mut tx = store.begin("end").await.unwrap();
    spending::take_turn(&mut tx, "strict").await.unwrap();
    assert_eq!(orchestrations::open_on(&mut tx, "strict", &first).await.unwrap(), 1);
    assert_eq!(orchestrations::open_on(&mut tx, "strict", &OrchestrationId::from("o9")).await.unwrap(), 2);
    let loaded = orchestrations::load(&mut tx, &first).await.unwrap().unwrap();
    let ended = Orchestration { stage: Stage::Ended { how: Ending::Done, at: at(9) }, ..loaded.orchestration };
    assert!(orchestrations::save(&mut tx, &ended, loaded.revision).await.unwrap());
    assert_eq!(orchestrations::open_on(&mut tx, "strict", &OrchestrationId::from("o9")).await.unwrap(), 1);
    tx.commit().await.unwrap();
});
