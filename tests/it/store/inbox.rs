//! Events wait lane by lane, and no lane is decided twice at once.

use baton::{
    storage::{
        Store,
        inbox::{self, TakenEvent},
        ingest::{Ingest, NewEvent, Stored},
    },
    time::Timestamp,
};

use super::{at, event, store_events};
use crate::databases::on_both;

async fn taken(store: &Store, now: Timestamp, limit: u32) -> Vec<TakenEvent> {
    let mut tx = store.begin("look").await.unwrap();
    let events = inbox::take(&mut tx, now, limit).await.unwrap();
    tx.rollback().await.unwrap();
    events
}

fn names(events: &[TakenEvent]) -> Vec<&str> {
    events.iter().map(|event| event.id.as_str()).collect()
}

on_both!(events_are_taken_in_the_order_of_their_arrival, |db| async {
    let store = db.open().await;
    store_events(&store, [event("a", "a1"), event("b", "b1"), event("a", "a2"), event("c", "c1")]).await;
    assert_eq!(names(&taken(&store, at(0), 10).await), ["a1", "b1", "a2", "c1"]);
    assert_eq!(names(&taken(&store, at(0), 2).await), ["a1", "b1"]);
    assert_eq!(names(&taken(&store, at(-1), 10).await), [""; 0]);

    let first = &taken(&store, at(0), 1).await[0];
    assert_eq!((first.source.as_str(), first.kind.as_str(), first.lane.as_str()), ("slack", "events", "a"));
    assert_eq!((first.body.as_str(), first.attempts, first.received_at), ("{\"event\":\"a1\"}", 0, at(0)));
});

on_both!(what_was_decided_is_not_taken_again, |db| async {
    let store = db.open().await;
    store_events(&store, [event("a", "a1"), event("a", "a2")]).await;
    let mut tx = store.begin("decide").await.unwrap();
    let seq = inbox::take(&mut tx, at(0), 1).await.unwrap()[0].seq;
    inbox::done(&mut tx, &[seq], at(0)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(names(&taken(&store, at(0), 10).await), ["a2"]);
    assert_eq!(inbox::counts(&store).await.unwrap().undecided, 1);
});

on_both!(a_lane_waits_for_the_event_that_was_put_back, |db| async {
    let store = db.open().await;
    store_events(&store, [event("a", "a1"), event("a", "a2"), event("b", "b1"), event("a", "a3")]).await;
    let mut tx = store.begin("put back").await.unwrap();
    let seq = inbox::take(&mut tx, at(0), 1).await.unwrap()[0].seq;
    inbox::put_back(&mut tx, seq, at(60), "it did not work").await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(names(&taken(&store, at(59), 10).await), ["b1"]);
    // The lanes behind are not starved by what waits in this one.
    assert_eq!(names(&taken(&store, at(59), 1).await), ["b1"]);
    let all = taken(&store, at(60), 10).await;
    assert_eq!(names(&all), ["a1", "a2", "b1", "a3"]);
    assert_eq!(all[0].attempts, 1);
});

on_both!(the_next_time_is_that_of_the_first_lane, |db| async {
    let store = db.open().await;
    assert_eq!(inbox::next_due(&store).await.unwrap(), None);
    store_events(&store, [event("a", "a1"), event("a", "a2")]).await;
    assert_eq!(inbox::next_due(&store).await.unwrap(), Some(at(0)));
    let mut tx = store.begin("put back").await.unwrap();
    let seq = inbox::take(&mut tx, at(0), 1).await.unwrap()[0].seq;
    inbox::put_back(&mut tx, seq, at(60), "later").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(inbox::next_due(&store).await.unwrap(), Some(at(60)), "a2 waits for a1");
});

on_both!(a_parked_event_does_not_hold_its_lane, |db| async {
    let store = db.open().await;
    store_events(&store, [event("a", "a1"), event("a", "a2")]).await;
    let mut tx = store.begin("park").await.unwrap();
    let seq = inbox::take(&mut tx, at(0), 1).await.unwrap()[0].seq;
    inbox::park(&mut tx, seq, at(0), "hopeless").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(names(&taken(&store, at(0), 10).await), ["a2"]);
    let counts = inbox::counts(&store).await.unwrap();
    assert_eq!((counts.undecided, counts.parked), (1, 1));
});

on_both!(old_events_are_forgotten_when_they_are_settled, |db| async {
    let store = db.open().await;
    store_events(&store, (0..6).map(|number| event("a", &format!("e{number}")))).await;
    let mut tx = store.begin("decide").await.unwrap();
    let events = inbox::take(&mut tx, at(0), 10).await.unwrap();
    for (second, event) in (0_i64..).zip(&events[..4]) {
        inbox::done(&mut tx, &[event.seq], at(second)).await.unwrap();
    }
    inbox::park(&mut tx, events[4].seq, at(9), "hopeless").await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(inbox::forget_before(&store, at(3), 2).await.unwrap(), 2);
    assert_eq!(inbox::forget_before(&store, at(3), 2).await.unwrap(), 1);
    assert_eq!(inbox::forget_before(&store, at(3), 2).await.unwrap(), 0);
    assert_eq!(inbox::counts(&store).await.unwrap().undecided, 1);

    let (ingest, _writer) = Ingest::start(store.clone());
    assert_eq!(ingest.store(event("a", "e3")).await, Ok(Stored::Duplicate), "not old enough");
    assert_eq!(ingest.store(event("a", "e0")).await, Ok(Stored::New), "forgotten");
    let newer = NewEvent { received_at: at(100), ..event("a", "e9") };
    assert_eq!(ingest.store(newer).await, Ok(Stored::New));
    assert_eq!(inbox::counts(&store).await.unwrap().oldest, Some(at(0)));
});

on_both!(
    /// SQLite lets only one transaction write, so there a second replica waits from its beginning.
    a_lane_is_decided_by_one_replica_at_a_time, |db| async {
    if !db.is_postgres() {
        return;
    }
    let (here, there) = (db.open().await, db.open().await);
    store_events(&here, [event("a", "a1"), event("b", "b1"), event("a", "a2"), event("b", "b2")]).await;

    let mut first = here.begin("first").await.unwrap();
    let events = inbox::take(&mut first, at(0), 1).await.unwrap();
    assert_eq!(names(&events), ["a1"]);
    let mut second = there.begin("second").await.unwrap();
    assert_eq!(names(&inbox::take(&mut second, at(0), 10).await.unwrap()), ["b1", "b2"]);
    second.rollback().await.unwrap();

    inbox::put_back(&mut first, events[0].seq, at(60), "later").await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(names(&taken(&there, at(0), 10).await), ["b1", "b2"]);
});

on_both!(many_workers_decide_each_event_once_and_in_order, |db| async {
    let store = db.open().await;
    let events = (0..120).map(|number| event(&format!("lane{}", number % 7), &format!("{number:03}")));
    store_events(&store, events).await;
    let workers = (0..4).map(|_| {
        let db = db.clone();
        tokio::spawn(async move {
            let store = db.open_blank().await;
            let mut decided = Vec::new();
            // Bounded: an empty take may mean that the other workers have the lanes.
            for _ in 0..400 {
                let mut tx = store.begin("decide").await.unwrap();
                let events = inbox::take(&mut tx, at(0), 5).await.unwrap();
                for event in &events {
                    inbox::done(&mut tx, &[event.seq], at(0)).await.unwrap();
                }
                tx.commit().await.unwrap();
                decided.extend(events.into_iter().map(|event| (event.lane, event.id)));
                if inbox::counts(&store).await.unwrap().undecided == 0 {
                    break;
                }
            }
            decided
        })
    });
    let decided: Vec<Vec<_>> = futures_util::future::join_all(workers).await.into_iter().map(Result::unwrap).collect();
    for one in &decided {
        for lane in 0..7 {
            let lane = format!("lane{lane}");
            let order: Vec<_> = one.iter().filter(|(of, _)| *of == lane).map(|(_, id)| id).collect();
            assert!(order.is_sorted(), "{order:?}");
        }
    }
    let mut all: Vec<_> = decided.into_iter().flatten().map(|(_, id)| id).collect();
    all.sort();
    let len = all.len();
    all.dedup();
    assert_eq!((len, all.len()), (120, 120));
});
