//! What is committed stays, and nothing else does.

use baton::{
    ids::OrchestrationId,
    storage::{kept, orchestrations, outbox, timers},
};

use super::{add, at, claim, delivery, ids, insert_orchestration, orchestration};
use crate::databases::on_both;

on_both!(a_dropped_transaction_leaves_nothing, |db| async {
    let store = db.open().await;
    add(&store, &delivery("lane", "kept")).await;
    let mut tx = store.begin("dropped").await.unwrap();
    orchestrations::insert(&mut tx, &orchestration("o1")).await.unwrap();
    outbox::add(&mut tx, &delivery("lane", "lost"), at(0)).await.unwrap();
    drop(tx);
    drop(store);

    let store = db.open().await;
    assert_eq!(orchestrations::read(&store, &OrchestrationId::from("o1")).await.unwrap(), None);
    assert_eq!(ids(&claim(&store, at(0), 10).await), ["kept"]);
    assert_eq!(outbox::counts(&store).await.unwrap().waiting, 1);
});

on_both!(a_savepoint_undoes_one_step, |db| async {
    let store = db.open().await;
    insert_orchestration(&store, "o1").await;
    let mut tx = store.begin("steps").await.unwrap();
    tx.savepoint().await.unwrap();
    outbox::add(&mut tx, &delivery("lane", "first"), at(0)).await.unwrap();
    tx.release().await.unwrap();
    tx.savepoint().await.unwrap();
    outbox::add(&mut tx, &delivery("lane", "second"), at(0)).await.unwrap();
    tx.rollback_to_savepoint().await.unwrap();
    tx.savepoint().await.unwrap();
    outbox::add(&mut tx, &delivery("lane", "third"), at(0)).await.unwrap();
    tx.release().await.unwrap();
    tx.commit().await.unwrap();

    let lane: Vec<_> = outbox::pending(&store, 10).await.unwrap();
    assert_eq!(lane.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["first", "third"]);
});

on_both!(a_statement_that_fails_can_be_undone, |db| async {
    let store = db.open().await;
    db.outsider().await.run("CREATE UNIQUE INDEX one_of_each ON kept (value)").await;
    let mut tx = store.begin("failing").await.unwrap();
    kept::put(&mut tx, "before", "1", at(0)).await.unwrap();
    tx.savepoint().await.unwrap();
    let refused = kept::put(&mut tx, "refused", "1", at(0)).await.unwrap_err();
    assert!(!refused.is_retryable(), "{refused}");
    tx.rollback_to_savepoint().await.unwrap();
    kept::put(&mut tx, "after", "2", at(1)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(kept::get(&store, "before").await.unwrap(), Some(("1".into(), at(0))));
    assert_eq!(kept::get(&store, "refused").await.unwrap(), None);
    assert_eq!(kept::get(&store, "after").await.unwrap(), Some(("2".into(), at(1))));
});

on_both!(what_belongs_to_nobody_is_refused_at_the_commit, |db| async {
    let store = db.open().await;
    let mut tx = store.begin("orphan").await.unwrap();
    timers::set(&mut tx, &OrchestrationId::from("nobody"), "retry-1", "{}", at(0)).await.unwrap();
    let refused = tx.commit().await.unwrap_err();
    assert!(!refused.is_retryable(), "{refused}");

    // The connection is whole again, and nothing is left behind.
    assert_eq!(timers::next_due(&store).await.unwrap(), None);
    insert_orchestration(&store, "o1").await;
});

on_both!(within_a_transaction_the_order_is_free, |db| async {
    let store = db.open().await;
    let mut tx = store.begin("any order").await.unwrap();
    timers::set(&mut tx, &OrchestrationId::from("o1"), "retry-1", "{}", at(0)).await.unwrap();
    orchestrations::insert(&mut tx, &orchestration("o1")).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(timers::next_due(&store).await.unwrap(), Some(at(0)));
});

on_both!(a_busy_database_says_so, |db| async {
    let store = db.open().await;
    insert_orchestration(&store, "o1").await;
    let replica = db.open().await;
    let mut holding = store.begin("holding").await.unwrap();
    orchestrations::load(&mut holding, &OrchestrationId::from("o1")).await.unwrap().unwrap();
    let blocked = async {
        let mut tx = replica.begin("blocked").await?;
        orchestrations::load(&mut tx, &OrchestrationId::from("o1")).await
    };
    let busy = blocked.await.unwrap_err();
    assert!(busy.is_retryable(), "{busy}");
    holding.rollback().await.unwrap();
    let mut tx = replica.begin("free").await.unwrap();
    assert!(orchestrations::load(&mut tx, &OrchestrationId::from("o1")).await.unwrap().is_some());
});
