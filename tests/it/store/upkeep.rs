//! Timers, leases of replicas, and what is kept.

use std::time::Duration;

use baton::{
    domain::orchestration::{Ending, Stage},
    ids::OrchestrationId,
    storage::{
        Store, forget, kept, leases, orchestrations,
        outbox::{self, NewDelivery},
        timers,
    },
    time::Timestamp,
};

use super::{at, claim, delivery, insert_orchestration};
use crate::databases::on_both;

const TTL: Duration = Duration::from_secs(15);

async fn set(store: &Store, id: &OrchestrationId, key: &str, due_at: Timestamp) {
    let mut tx = store.begin("set").await.unwrap();
    timers::set(&mut tx, id, key, &format!("\"{key}\""), due_at).await.unwrap();
    tx.commit().await.unwrap();
}

async fn take_due(store: &Store, now: Timestamp, limit: u32) -> Vec<String> {
    let mut tx = store.begin("take").await.unwrap();
    let due = timers::take_due(&mut tx, now, limit).await.unwrap();
    tx.commit().await.unwrap();
    due.into_iter().map(|timer| timer.name_json).collect()
}

on_both!(a_timer_comes_due_once, |db| async {
    let store = db.open().await;
    let id = insert_orchestration(&store, "o1").await;
    assert_eq!(timers::next_due(&store).await.unwrap(), None);
    set(&store, &id, "later", at(30)).await;
    set(&store, &id, "first", at(10)).await;
    set(&store, &id, "moved", at(5)).await;
    set(&store, &id, "moved", at(20)).await;
    set(&store, &id, "cleared", at(5)).await;
    let mut tx = store.begin("clear").await.unwrap();
    timers::clear(&mut tx, &id, "cleared").await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(timers::next_due(&store).await.unwrap(), Some(at(10)));
    assert_eq!(take_due(&store, at(9), 10).await, [""; 0]);
    assert_eq!(take_due(&store, at(30), 2).await, ["\"first\"", "\"moved\""]);
    assert_eq!(take_due(&store, at(30), 2).await, ["\"later\""]);
    assert_eq!(take_due(&store, at(30), 2).await, [""; 0]);
});

on_both!(a_timer_that_was_not_decided_comes_due_again, |db| async {
    let store = db.open().await;
    let id = insert_orchestration(&store, "o1").await;
    set(&store, &id, "expiry-1", at(0)).await;
    let mut tx = store.begin("take").await.unwrap();
    assert_eq!(timers::take_due(&mut tx, at(0), 1).await.unwrap().len(), 1);
    tx.rollback().await.unwrap();
    assert_eq!(take_due(&store, at(0), 1).await, ["\"expiry-1\""]);
});

on_both!(one_replica_at_a_time_holds_a_lease, |db| async {
    let store = db.open().await;
    let acquire = async |holder: &str, second| {
        let mut tx = store.begin("acquire").await.unwrap();
        let acquired = leases::acquire(&mut tx, "follow", holder, at(second), TTL).await.unwrap();
        tx.commit().await.unwrap();
        acquired
    };
    let release = async |holder: &str| {
        let mut tx = store.begin("release").await.unwrap();
        leases::release(&mut tx, "follow", holder).await.unwrap();
        tx.commit().await.unwrap();
    };
    assert!(acquire("a", 0).await);
    assert!(!acquire("b", 14).await);
    assert!(acquire("a", 14).await, "one's own is renewed");
    assert!(!acquire("b", 28).await);
    assert!(acquire("b", 29).await, "it lapsed");
    release("a").await;
    assert!(!acquire("a", 30).await, "releasing another's changes nothing");
    release("b").await;
    assert!(acquire("a", 30).await);
});

on_both!(the_newest_value_is_kept, |db| async {
    let store = db.open().await;
    assert_eq!(kept::get(&store, "cursor").await.unwrap(), None);
    for second in 0..2 {
        let mut tx = store.begin("keep").await.unwrap();
        kept::put(&mut tx, "cursor", &second.to_string(), at(second)).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(kept::get(&db.open().await, "cursor").await.unwrap(), Some(("1".into(), at(1))));
});

async fn end(store: &Store, id: &OrchestrationId, when: Timestamp) {
    let mut tx = store.begin("end").await.unwrap();
    let mut loaded = orchestrations::load(&mut tx, id).await.unwrap().unwrap();
    loaded.orchestration.stage = Stage::Ended { how: Ending::Done, at: when };
    loaded.orchestration.updated_at = when;
    orchestrations::save(&mut tx, &loaded.orchestration, loaded.revision).await.unwrap();
    tx.commit().await.unwrap();
}

on_both!(what_still_waits_keeps_its_orchestration, |db| async {
    let store = db.open().await;
    let (open, waits, over) = ("open", "waits", "over");
    for name in [open, waits, over] {
        let id = insert_orchestration(&store, name).await;
        let more = NewDelivery { orchestration: Some(id.clone()), ..delivery(name, name) };
        let mut tx = store.begin("add").await.unwrap();
        outbox::add(&mut tx, &more, at(0)).await.unwrap();
        tx.commit().await.unwrap();
        if name != open {
            end(&store, &id, at(10)).await;
        }
    }
    for claimed in claim(&store, at(1), 10).await {
        let mut tx = store.begin("settle").await.unwrap();
        if claimed.lane == over {
            outbox::park(&mut tx, &claimed.id, &claimed.token, at(2), "gone").await.unwrap();
        }
        tx.commit().await.unwrap();
    }
    assert_eq!(forget::orchestrations_before(&store, at(10), 10).await.unwrap(), 0, "it ended just then");
    assert_eq!(forget::orchestrations_before(&store, at(11), 10).await.unwrap(), 1);
    let there = async |name: &str| orchestrations::read(&store, &OrchestrationId::from(name)).await.unwrap().is_some();
    assert_eq!((there(open).await, there(waits).await, there(over).await), (true, true, false));
    assert!(outbox::parked(&store, 10).await.unwrap().is_empty());
});
