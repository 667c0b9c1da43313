//! Deliveries: lanes keep their order, leases are fenced, and what is unsure stays known.

use std::collections::BTreeSet;

use baton::{
    ids::DeliveryId,
    storage::{
        Store,
        outbox::{self, Added, Claimed, DeliveryState, NewDelivery, Sure, Waiting},
    },
    time::Timestamp,
};

use super::{LEASE, add, at, claim, delivery, ids, insert_orchestration};
use crate::databases::on_both;

async fn done(store: &Store, claimed: &Claimed) -> bool {
    let mut tx = store.begin("done").await.unwrap();
    let settled = outbox::done(&mut tx, &claimed.id, &claimed.token, at(0)).await.unwrap();
    tx.commit().await.unwrap();
    settled
}

async fn put_back(store: &Store, claimed: &Claimed, due_at: Timestamp, sure: Sure) -> bool {
    let mut tx = store.begin("put back").await.unwrap();
    let settled = outbox::put_back(&mut tx, &claimed.id, &claimed.token, due_at, sure, Some("refused")).await.unwrap();
    tx.commit().await.unwrap();
    settled
}

async fn park(store: &Store, claimed: &Claimed) -> bool {
    let mut tx = store.begin("park").await.unwrap();
    let settled = outbox::park(&mut tx, &claimed.id, &claimed.token, at(5), "hopeless").await.unwrap();
    tx.commit().await.unwrap();
    settled
}

async fn wait(store: &Store, claimed: &Claimed, due_at: Timestamp) -> bool {
    let mut tx = store.begin("wait").await.unwrap();
    let waiting = outbox::wait(
        &mut tx,
        &claimed.token,
        &[Waiting { id: claimed.id.clone(), due_at, line: None, tried_since: None }],
        at(0),
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    waiting == 1
}

on_both!(only_the_head_of_a_lane_is_claimed, |db| async {
    let store = db.open().await;
    for (lane, id) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3")] {
        assert_eq!(add(&store, &delivery(lane, id)).await, Added::New);
    }
    let claimed = claim(&store, at(0), 10).await;
    assert_eq!(ids(&claimed), ["a1", "b1"]);
    assert_eq!(ids(&claim(&store, at(1), 10).await), [""; 0], "the heads are leased");
    assert!(done(&store, &claimed[0]).await);
    assert_eq!(ids(&claim(&store, at(1), 10).await), ["a2"]);
    assert!(!done(&store, &claimed[0]).await, "done is done");
});

on_both!(a_claim_says_what_there_is_to_do, |db| async {
    let store = db.open().await;
    let id = insert_orchestration(&store, "o1").await;
    let new = NewDelivery { orchestration: Some(id.clone()), expires_at: Some(at(90)), ..delivery("lane", "d1") };
    add(&store, &new).await;
    let claimed = claim(&store, at(3), 1).await.remove(0);
    assert_eq!(claimed.orchestration, Some(id));
    assert_eq!((claimed.lane.as_str(), claimed.kind.as_str()), ("lane", "say"));
    assert_eq!((claimed.effect.as_str(), claimed.attempt), ("{\"effect\":\"d1\"}", 1));
    assert_eq!((claimed.unsure_since, claimed.created_at, claimed.expires_at), (None, at(0), Some(at(90))));
    assert_eq!(claimed.token.len(), 32);
});

on_both!(urgent_lanes_go_first_then_the_oldest, |db| async {
    let store = db.open().await;
    add(&store, &NewDelivery { due_at: at(2), ..delivery("a", "younger") }).await;
    add(&store, &NewDelivery { due_at: at(1), ..delivery("b", "older") }).await;
    add(&store, &NewDelivery { due_at: at(3), ..delivery("c", "in the way") }).await;
    add(&store, &NewDelivery { due_at: at(3), urgent: true, ..delivery("c", "urgent") }).await;
    add(&store, &NewDelivery { due_at: at(0), ..delivery("c", "behind") }).await;
    add(&store, &NewDelivery { due_at: at(9), urgent: true, ..delivery("d", "not yet") }).await;
    let first = claim(&store, at(5), 2).await;
    assert_eq!(ids(&first), ["in the way", "older"]);
    done(&store, &first[0]).await;
    let second = claim(&store, at(5), 10).await;
    assert_eq!(ids(&second), ["urgent", "younger"]);
    done(&store, &second[0]).await;
    assert_eq!(ids(&claim(&store, at(5), 10).await), ["behind"]);
});

on_both!(the_same_decision_makes_the_same_row, |db| async {
    let store = db.open().await;
    let new = delivery("lane", "d1");
    assert_eq!(add(&store, &new).await, Added::New);
    assert_eq!(add(&store, &NewDelivery { effect: "{}".into(), ..new.clone() }).await, Added::Existed);
    let claimed = claim(&store, at(0), 1).await.remove(0);
    assert_eq!(claimed.effect, new.effect);
    done(&store, &claimed).await;
    assert_eq!(add(&store, &new).await, Added::Existed, "also when it was done");
    assert_eq!(ids(&claim(&store, at(0), 10).await), [""; 0]);
});

on_both!(a_newer_board_replaces_the_one_that_waits, |db| async {
    let store = db.open().await;
    let board = |id: &str, due| NewDelivery { coalesce: Some("board".into()), due_at: at(due), ..delivery("lane", id) };
    assert_eq!(add(&store, &board("b1", 5)).await, Added::New);
    assert_eq!(add(&store, &delivery("lane", "d1")).await, Added::New);
    assert_eq!(add(&store, &board("b1", 5)).await, Added::Existed);
    assert_eq!(add(&store, &board("b2", 7)).await, Added::Replaced);
    assert_eq!(add(&store, &board("b2", 7)).await, Added::Existed);
    let elsewhere = NewDelivery { lane: "other".into(), ..board("b3", 20) };
    assert_eq!(add(&store, &elsewhere).await, Added::New, "another lane has a board of its own");

    // It keeps its place in the lane, and the earlier time.
    assert_eq!(ids(&claim(&store, at(4), 10).await), [""; 0]);
    let claimed = claim(&store, at(5), 10).await;
    assert_eq!(ids(&claimed), ["b2"]);
    assert_eq!(claimed[0].effect, "{\"effect\":\"b2\"}");

    // One that was attempted is no longer replaced, whatever came of it.
    assert_eq!(add(&store, &board("b4", 0)).await, Added::New);
    put_back(&store, &claimed[0], at(6), Sure::NoEffect).await;
    assert_eq!(add(&store, &board("b5", 0)).await, Added::Replaced, "b4 still waits");
    let order: Vec<_> = outbox::pending(&store, 10).await.unwrap().into_iter().map(|row| row.id.to_string()).collect();
    assert_eq!(order, ["d1", "b5", "b2", "b3"]);
});

on_both!(a_paced_board_can_still_be_replaced, |db| async {
    let store = db.open().await;
    let board = |id: &str| NewDelivery { coalesce: Some("board".into()), ..delivery("lane", id) };
    add(&store, &board("b1")).await;
    let claimed = claim(&store, at(0), 1).await.remove(0);
    assert_eq!(add(&store, &board("b2")).await, Added::New, "b1 is being sent");
    assert!(wait(&store, &claimed, at(2)).await);
    assert_eq!(add(&store, &board("b3")).await, Added::Replaced);
    let first = claim(&store, at(2), 1).await.remove(0);
    assert_eq!((first.id.as_str(), first.attempt), ("b1", 1));
});

on_both!(who_lost_the_lease_settles_nothing, |db| async {
    let store = db.open().await;
    add(&store, &delivery("lane", "d1")).await;
    let slow = claim(&store, at(0), 1).await.remove(0);
    assert_eq!(ids(&claim(&store, at(29), 1).await), [""; 0]);
    let quick = claim(&store, at(30), 1).await.remove(0);
    assert_eq!((quick.attempt, quick.unsure_since), (2, Some(at(0))));
    assert_ne!(slow.token, quick.token);

    assert!(!done(&store, &slow).await);
    assert!(!put_back(&store, &slow, at(0), Sure::NoEffect).await);
    assert!(!wait(&store, &slow, at(0)).await);
    assert!(!park(&store, &slow).await);
    let mut tx = store.begin("renew").await.unwrap();
    assert!(!outbox::renew(&mut tx, &slow.id, &slow.token, at(40), at(99)).await.unwrap());
    assert!(outbox::renew(&mut tx, &quick.id, &quick.token, at(40), at(99)).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(ids(&claim(&store, at(98), 1).await), [""; 0], "renewed");
    assert!(done(&store, &quick).await);
});

on_both!(what_is_unsure_stays_known_until_it_is_done, |db| async {
    let store = db.open().await;
    add(&store, &delivery("lane", "d1")).await;
    let refused = claim(&store, at(0), 1).await.remove(0);
    assert!(put_back(&store, &refused, at(10), Sure::NoEffect).await);
    let lost = claim(&store, at(10), 1).await.remove(0);
    assert_eq!((lost.attempt, lost.unsure_since), (2, None), "the first had no effect");
    assert!(put_back(&store, &lost, at(20), Sure::Unknown).await);
    let paced = claim(&store, at(20), 1).await.remove(0);
    assert_eq!((paced.attempt, paced.unsure_since), (3, Some(at(10))));
    assert!(wait(&store, &paced, at(30)).await);
    let refused = claim(&store, at(30), 1).await.remove(0);
    assert_eq!((refused.attempt, refused.unsure_since), (3, Some(at(10))), "a wait is no attempt");
    assert!(put_back(&store, &refused, at(40), Sure::NoEffect).await);
    let again = claim(&store, at(40), 1).await.remove(0);
    assert_eq!(again.unsure_since, Some(at(10)), "that attempt had no effect; the one before is as unsure as it was");
    let row = &outbox::pending(&store, 1).await.unwrap()[0];
    assert_eq!((row.problem.as_deref(), row.attempts), (Some("refused"), 4));
});

on_both!(a_parked_delivery_lets_its_lane_go_on_and_can_be_retried, |db| async {
    let store = db.open().await;
    let id = insert_orchestration(&store, "o1").await;
    add(&store, &NewDelivery { orchestration: Some(id.clone()), expires_at: Some(at(1)), ..delivery("lane", "d1") })
        .await;
    add(&store, &delivery("lane", "d2")).await;
    let claimed = claim(&store, at(0), 1).await.remove(0);
    assert!(park(&store, &claimed).await);
    assert_eq!(ids(&claim(&store, at(0), 10).await), ["d2"]);

    let parked = outbox::parked(&store, 10).await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!((parked[0].id.as_str(), parked[0].orchestration.as_ref()), ("d1", Some(&id)));
    assert_eq!((parked[0].problem.as_deref(), parked[0].attempts), (Some("hopeless"), 1));
    assert_eq!(outbox::counts(&store).await.unwrap().parked, 1);

    assert!(!outbox::retry(&store, &DeliveryId::from("d2"), at(50)).await.unwrap(), "not parked");
    assert!(outbox::retry(&store, &claimed.id, at(50)).await.unwrap());
    assert!(!outbox::retry(&store, &claimed.id, at(50)).await.unwrap(), "not parked any more");
    let again = claim(&store, at(50), 10).await;
    assert_eq!(ids(&again), ["d1"]);
    assert_eq!((again[0].attempt, again[0].unsure_since, again[0].expires_at), (1, Some(at(0)), None));
    let rows = outbox::of(&store, &id).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.state).collect::<Vec<_>>(), [DeliveryState::Waiting]);
});

on_both!(the_next_time_is_when_a_head_comes_due_or_a_lease_lapses, |db| async {
    let store = db.open().await;
    assert_eq!(outbox::next_due(&store).await.unwrap(), None);
    add(&store, &NewDelivery { due_at: at(50), ..delivery("lane", "head") }).await;
    add(&store, &NewDelivery { due_at: at(10), ..delivery("lane", "behind") }).await;
    assert_eq!(outbox::next_due(&store).await.unwrap(), Some(at(50)));
    claim(&store, at(50), 1).await;
    assert_eq!(outbox::next_due(&store).await.unwrap(), Some(at(50) + LEASE));
});

on_both!(done_deliveries_are_forgotten, |db| async {
    let store = db.open().await;
    for lane in ["a", "b", "c"] {
        add(&store, &delivery(lane, lane)).await;
    }
    let claimed = claim(&store, at(0), 10).await;
    done(&store, &claimed[0]).await;
    done(&store, &claimed[1]).await;
    park(&store, &claimed[2]).await;
    assert_eq!(outbox::forget_before(&store, at(0), 10).await.unwrap(), 0);
    assert_eq!(outbox::forget_before(&store, at(9), 1).await.unwrap(), 1);
    assert_eq!(outbox::forget_before(&store, at(9), 10).await.unwrap(), 1);
    assert_eq!(outbox::parked(&store, 10).await.unwrap().len(), 1, "parked ones wait for a person");
});

on_both!(two_claimers_at_once_never_share_a_lane, |db| async {
    let store = db.open().await;
    for number in 0..60 {
        add(&store, &delivery(&format!("lane{}", number % 6), &format!("{number:02}"))).await;
    }
    let under_way = std::sync::Arc::new(std::sync::Mutex::new(BTreeSet::new()));
    let workers = (0..4).map(|_| {
        let (db, under_way) = (db.clone(), std::sync::Arc::clone(&under_way));
        tokio::spawn(async move {
            let store = db.open_blank().await;
            let mut carried_out = Vec::new();
            // Bounded: an empty claim may mean that the others are at the heads.
            for _ in 0..1000 {
                let claimed = claim(&store, at(0), 2).await;
                for one in &claimed {
                    assert!(under_way.lock().unwrap().insert(one.lane.clone()), "{} twice at once", one.lane);
                }
                tokio::task::yield_now().await;
                for one in claimed {
                    assert!(under_way.lock().unwrap().remove(&one.lane));
                    assert!(done(&store, &one).await);
                    carried_out.push((one.lane, one.id));
                }
                if outbox::counts(&store).await.unwrap().waiting == 0 {
                    break;
                }
            }
            carried_out
        })
    });
    let all: Vec<_> = futures_util::future::join_all(workers).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(all.len(), 60);
    assert_eq!(all.iter().map(|(_, id)| id).collect::<BTreeSet<_>>().len(), 60);
});

on_both!(
    /// While one transaction claims, another one finds the next lanes and does not wait.
    a_claim_under_way_is_passed_by, |db| async {
    if !db.is_postgres() {
        return;
    }
    let (here, there) = (db.open().await, db.open().await);
    for (lane, id) in [("a", "a1"), ("a", "a2"), ("b", "b1")] {
        add(&here, &delivery(lane, id)).await;
    }
    let mut first = here.begin("first").await.unwrap();
    assert_eq!(ids(&outbox::claim(&mut first, at(0), LEASE, 1).await.unwrap()), ["a1"]);
    assert_eq!(ids(&claim(&there, at(0), 10).await), ["b1"]);
    first.commit().await.unwrap();
    assert_eq!(ids(&claim(&there, at(0), 10).await), [""; 0]);
});
