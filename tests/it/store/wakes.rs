//! Hints: workers hear of new work after the commit, and other replicas do too.

use std::time::Duration;

use baton::storage::{outbox, timers};
use futures_util::FutureExt as _;
use tokio::time::timeout;

use super::{at, delivery, event, insert_orchestration, store_events};
use crate::databases::on_both;

on_both!(a_commit_wakes_the_worker_and_a_rollback_does_not, |db| async {
    let store = db.open().await;
    let id = insert_orchestration(&store, "o1").await;
    let mut tx = store.begin("dropped").await.unwrap();
    outbox::add(&mut tx, &delivery("lane", "d1"), at(0)).await.unwrap();
    drop(tx);
    assert!(store.wakes().outbox.notified().now_or_never().is_none());

    let mut tx = store.begin("kept").await.unwrap();
    outbox::add(&mut tx, &delivery("lane", "d1"), at(0)).await.unwrap();
    timers::set(&mut tx, &id, "retry-1", "{}", at(0)).await.unwrap();
    assert!(store.wakes().outbox.notified().now_or_never().is_none(), "not before the commit");
    tx.commit().await.unwrap();
    assert!(store.wakes().outbox.notified().now_or_never().is_some());
    assert!(store.wakes().timers.notified().now_or_never().is_some());
    assert!(store.wakes().inbox.notified().now_or_never().is_none());

    store_events(&store, [event("lane", "e1")]).await;
    assert!(store.wakes().inbox.notified().now_or_never().is_some());
});

on_both!(replicas_hear_of_each_others_work, |db| async {
    if !db.is_postgres() {
        return;
    }
    let (here, there) = (db.open().await, db.open().await);
    // The listener connects in the background, so the first hints may fall on deaf ears.
    let heard = async {
        for number in 0..50 {
            store_events(&here, [event("lane", &format!("e{number}"))]).await;
            if timeout(Duration::from_millis(200), there.wakes().inbox.notified()).await.is_ok() {
                return true;
            }
        }
        false
    };
    assert!(heard.await);
});
