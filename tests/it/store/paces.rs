//! Paces over all replicas.

use std::time::Duration;

use baton::{
    storage::{Store, paces},
    time::Timestamp,
};

use super::at;
use crate::databases::on_both;

const SECOND: Duration = Duration::from_secs(1);

async fn take(store: &Store, now: Timestamp, burst: u32) -> Option<Timestamp> {
    let mut tx = store.begin("take a pace").await.unwrap();
    let wait = paces::take(&mut tx, "slack:C1", now, SECOND, burst, 1).await.unwrap();
    tx.commit().await.unwrap();
    wait
}

on_both!(one_a_second_is_one_a_second, |db| async {
    let store = db.open().await;
    assert_eq!(take(&store, at(0), 1).await, None);
    assert_eq!(take(&store, at(0), 1).await, Some(at(1)));
    assert_eq!(take(&store, at(0), 1).await, Some(at(1)), "asking counts nothing");
    assert_eq!(take(&store, at(0) + Duration::from_millis(999), 1).await, Some(at(1)));
    assert_eq!(take(&store, at(1), 1).await, None);
    assert_eq!(take(&store, at(100), 1).await, None);
    assert_eq!(take(&store, at(100), 1).await, Some(at(101)), "a rest does not save up");
});

on_both!(a_burst_after_a_rest, |db| async {
    let store = db.open().await;
    for _ in 0..3 {
        assert_eq!(take(&store, at(0), 3).await, None);
    }
    assert_eq!(take(&store, at(0), 3).await, Some(at(1)));
    assert_eq!(take(&store, at(1), 3).await, None);
    assert_eq!(take(&store, at(1), 3).await, Some(at(2)));
});

on_both!(a_hold_stops_everything, |db| async {
    let store = db.open().await;
    let hold = async |until| {
        let mut tx = store.begin("hold").await.unwrap();
        paces::hold(&mut tx, "slack:C1", until).await.unwrap();
        tx.commit().await.unwrap();
    };
    hold(at(30)).await;
    hold(at(10)).await;
    assert_eq!(take(&store, at(0), 5).await, Some(at(30)), "the longer hold stays");
    assert_eq!(take(&store, at(30), 1).await, None);
    assert_eq!(take(&store, at(30), 1).await, Some(at(31)));
});

on_both!(replicas_share_a_pace, |db| async {
    let workers = (0..4).map(|_| {
        let db = db.clone();
        tokio::spawn(async move {
            let store = db.open().await;
            let mut went = 0;
            for _ in 0..5 {
                went += usize::from(take(&store, at(0), 3).await.is_none());
            }
            went
        })
    });
    drop(db.open().await);
    let went: usize = futures_util::future::join_all(workers).await.into_iter().map(Result::unwrap).sum();
    assert_eq!(went, 3);
});

on_both!(several_at_once_need_room_on_both_sides, |db| async {
    let store = db.open().await;
    let take = |now, requests| {
        let store = &store;
        async move {
            let mut tx = store.begin("take a pace").await.unwrap();
            let wait = paces::take(&mut tx, "oz:read", now, SECOND, 1, requests).await.unwrap();
            tx.commit().await.unwrap();
            wait
        }
    };
    assert_eq!(take(at(0), 3).await, None);
    assert_eq!(take(at(1), 1).await, Some(at(3)), "one after three");
    assert_eq!(take(at(3), 1).await, None);
    assert_eq!(take(at(4), 3).await, Some(at(6)), "three after one");
    assert_eq!(take(at(6), 3).await, None);
});

on_both!(what_says_nothing_any_more_is_forgotten, |db| async {
    let store = db.open().await;
    assert_eq!(take(&store, at(0), 1).await, None);
    assert_eq!(take(&store, at(0), 1).await, Some(at(1)));
    paces::forget_before(&store, at(1), 10).await.unwrap();
    assert_eq!(take(&store, at(0), 1).await, Some(at(1)), "it still holds somebody up");
    paces::forget_before(&store, at(2), 10).await.unwrap();
    assert_eq!(take(&store, at(0), 1).await, None, "without a row all may go");
});
