//! Replicas that decide and replicas that claim do not wait for each other. PostgreSQL only: SQLite has
//! one writer at a time.

use std::time::Duration;

use baton::storage::{orchestrations, outbox, timers};
use tokio::time::timeout;

use super::{LEASE, add, at, delivery, insert_orchestration};
use crate::databases::on_postgres;

/// Shorter than the database waits for a lock.
const AT_ONCE: Duration = Duration::from_secs(1);

/// PostgreSQL checks the reference of a row that is changed twice, as one is that is claimed and has to
/// wait for its pace.
#[tokio::test]
async fn a_claim_that_waits_for_its_pace_waits_for_nobody_who_decides() {
    on_postgres(async |db| {
        let store = db.open().await;
        let id = insert_orchestration(&store, "o1").await;
        add(&store, &outbox::NewDelivery { orchestration: Some(id.clone()), ..delivery("lane", "d1") }).await;
        let mut decides = store.begin("decide").await.unwrap();
        orchestrations::load(&mut decides, &id).await.unwrap().unwrap();
        let claim = async {
            let mut tx = store.begin("claim").await.unwrap();
            let claimed = outbox::claim(&mut tx, at(0), LEASE, 1).await.unwrap().pop().unwrap();
            let waits =
                [outbox::Waiting { id: claimed.id, due_at: at(9), line: Some("pace".into()), tried_since: None }];
            assert_eq!(outbox::wait(&mut tx, &claimed.token, &waits, at(0)).await.unwrap(), 1);
            tx.commit().await.unwrap();
        };
        timeout(AT_ONCE, claim).await.expect("it waits for who decides");
        decides.rollback().await.unwrap();
    })
    .await;
}

/// Who decides may be about to set the timer that is due.
#[tokio::test]
async fn a_timer_is_taken_when_nobody_decides_on_its_orchestration() {
    on_postgres(async |db| {
        let store = db.open().await;
        let id = insert_orchestration(&store, "o1").await;
        let mut tx = store.begin("set").await.unwrap();
        timers::set(&mut tx, &id, "expiry", "\"expiry\"", at(1)).await.unwrap();
        tx.commit().await.unwrap();
        let mut decides = store.begin("decide").await.unwrap();
        orchestrations::load(&mut decides, &id).await.unwrap().unwrap();
        let mut due = store.begin("due").await.unwrap();
        assert_eq!(timers::take_due(&mut due, at(2), 10).await.unwrap(), []);
        due.rollback().await.unwrap();
        let set = timeout(AT_ONCE, timers::set(&mut decides, &id, "expiry", "\"expiry\"", at(1)));
        set.await.expect("it waits for who takes it").unwrap();
        decides.commit().await.unwrap();
        let mut due = store.begin("due").await.unwrap();
        assert_eq!(timers::take_due(&mut due, at(2), 10).await.unwrap().len(), 1);
        due.commit().await.unwrap();
    })
    .await;
}
