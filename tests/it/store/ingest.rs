//! The promise behind every 200: stored, once, and on disk.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use baton::storage::{
    inbox,
    ingest::{Ingest, Stored, Unavailable},
};
use futures_util::future::join_all;
use tracing::{Metadata, Subscriber, span};

use super::{at, event};
use crate::databases::on_both;

/// Counts the line that every commit leaves.
#[derive(Clone, Default)]
struct Commits(Arc<AtomicUsize>);

impl Subscriber for Commits {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "baton::storage"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        if *event.metadata().level() == tracing::Level::TRACE {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

on_both!(an_event_is_stored_once, |db| async {
    let store = db.open().await;
    let (ingest, _writer) = Ingest::start(store.clone());
    assert_eq!(ingest.store(event("lane", "e1")).await, Ok(Stored::New));
    assert_eq!(ingest.store(event("lane", "e1")).await, Ok(Stored::Duplicate));
    let other = baton::storage::ingest::NewEvent { source: "linear", ..event("lane", "e1") };
    assert_eq!(ingest.store(other).await, Ok(Stored::New), "another source has names of its own");
    assert_eq!(inbox::counts(&store).await.unwrap().undecided, 2);
    assert_eq!(inbox::counts(&store).await.unwrap().oldest, Some(at(0)));
});

on_both!(
    /// Linear names its attempts to deliver an event, too.
    a_delivery_that_was_seen_is_a_duplicate_whatever_it_says,
    |db| async {
        let store = db.open().await;
        let (ingest, _writer) = Ingest::start(store.clone());
        let delivered = |name: &str, delivery: Option<&str>| baton::storage::ingest::NewEvent {
            delivery: delivery.map(str::to_owned),
            ..event("lane", name)
        };
        assert_eq!(ingest.store(delivered("e1", Some("d1"))).await, Ok(Stored::New));
        assert_eq!(ingest.store(delivered("e2", Some("d1"))).await, Ok(Stored::Duplicate));
        assert_eq!(ingest.store(delivered("e1", Some("d2"))).await, Ok(Stored::Duplicate));
        assert_eq!(ingest.store(delivered("e2", Some("d3"))).await, Ok(Stored::New));
        for (name, none) in [("e3", None), ("e4", None), ("e5", Some("")), ("e6", Some(""))] {
            assert_eq!(ingest.store(delivered(name, none)).await, Ok(Stored::New), "{name}");
        }
        let at_once = join_all((7..27).map(|number| ingest.store(delivered(&format!("e{number}"), Some("d4"))))).await;
        assert_eq!(at_once.iter().filter(|stored| **stored == Ok(Stored::New)).count(), 1);
        assert_eq!(inbox::counts(&store).await.unwrap().undecided, 7);
    }
);

on_both!(concurrent_events_share_commits, |db| async {
    let store = db.open().await;
    let (ingest, _writer) = Ingest::start(store.clone());
    // `tracing` has to know the line before somebody listens for it, or a test on another thread,
    // where nobody does, may have it switched off.
    assert_eq!(ingest.store(event("lane", "first")).await, Ok(Stored::New));
    let commits = Commits::default();
    // The test's runtime has one thread, and this is it.
    let counting = tracing::subscriber::set_default(commits.clone());
    tracing::callsite::rebuild_interest_cache();
    let names: Vec<String> = (0..200).map(|number| format!("e{number}")).collect();
    let stored = join_all(names.iter().map(|name| ingest.store(event(name, name)))).await;
    drop(counting);

    assert!(stored.iter().all(|stored| *stored == Ok(Stored::New)), "{stored:?}");
    assert_eq!(inbox::counts(&store).await.unwrap().undecided, 201);
    let commits = commits.0.load(Ordering::Relaxed);
    assert!((1..=10).contains(&commits), "{commits} commits for 200 events");
});

on_both!(duplicates_in_one_group_are_told_apart, |db| async {
    let store = db.open().await;
    let (ingest, _writer) = Ingest::start(store.clone());
    let stored = join_all((0..50).map(|number| ingest.store(event("lane", &format!("e{}", number % 5))))).await;
    assert_eq!(stored.iter().filter(|stored| **stored == Ok(Stored::New)).count(), 5);
    assert_eq!(stored.iter().filter(|stored| **stored == Ok(Stored::Duplicate)).count(), 45);
    assert_eq!(inbox::counts(&store).await.unwrap().undecided, 5);
});

on_both!(a_group_keeps_the_order_of_arrival, |db| async {
    let store = db.open().await;
    let (ingest, _writer) = Ingest::start(store.clone());
    let names: Vec<String> = (0..40).map(|number| format!("e{number:02}")).collect();
    join_all(names.iter().map(|name| ingest.store(event("lane", name)))).await;
    let mut tx = store.begin("take").await.unwrap();
    let taken = inbox::take(&mut tx, at(0), 100).await.unwrap();
    assert_eq!(taken.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), names);
});

on_both!(hostile_text_is_stored_like_any_other, |db| async {
    let store = db.open().await;
    let (ingest, _writer) = Ingest::start(store.clone());
    let body = "quote ' \" \\ nul \0 \\u0000 €🦀\u{202e} {\"a\":[1,null]}";
    let hostile = baton::storage::ingest::NewEvent { body: body.into(), ..event("la\0ne'", "e\0'1") };
    assert_eq!(ingest.store(hostile.clone()).await, Ok(Stored::New));
    assert_eq!(ingest.store(hostile).await, Ok(Stored::Duplicate));
    let mut tx = store.begin("take").await.unwrap();
    let taken = inbox::take(&mut tx, at(0), 10).await.unwrap();
    assert_eq!(taken[0].body, body.replace('\0', "\u{fffd}"));
});

on_both!(an_event_that_the_database_refuses_does_not_hurt_its_neighbours, |db| async {
    let store = db.open().await;
    let refuse = if db.is_postgres() {
        "ALTER TABLE inbox ADD CHECK (body <> 'refused')"
    } else {
        "CREATE TRIGGER no BEFORE INSERT ON inbox WHEN NEW.body = 'refused' BEGIN SELECT RAISE(ABORT, 'no'); END"
    };
    db.outsider().await.run(refuse).await;
    let (ingest, _writer) = Ingest::start(store.clone());
    let refused = |name: &str| baton::storage::ingest::NewEvent { body: "refused".into(), ..event("lane", name) };
    let events = [event("lane", "e1"), event("lane", "e2"), refused("e3"), event("lane", "e4")];
    let stored = join_all(events.into_iter().map(|event| ingest.store(event))).await;
    assert_eq!(stored, [Ok(Stored::New), Ok(Stored::New), Err(Unavailable), Ok(Stored::New)]);
});

on_both!(a_hung_database_is_told_within_the_time, |db| async {
    let store = db.open().await;
    let (ingest, _writer) = Ingest::start(store.clone());
    let mut outsider = db.outsider().await;
    outsider.hold_the_inbox().await;

    let began = Instant::now();
    let late = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let began = Instant::now();
        (ingest.store(event("lane", "late")).await, began.elapsed())
    };
    let (first, (late, late_took)) = tokio::join!(ingest.store(event("lane", "first")), late);
    assert_eq!((first, late), (Err(Unavailable), Err(Unavailable)));
    assert!(began.elapsed() < Duration::from_millis(3300), "{:?}", began.elapsed());
    assert!(late_took < Duration::from_millis(2500), "{late_took:?}");

    drop(outsider);
    // The senders try again, and find everything in order. What was on its way when its sender gave
    // up may have arrived all the same.
    assert_eq!(ingest.store(event("lane", "first")).await, Ok(Stored::New));
    assert!(ingest.store(event("lane", "late")).await.is_ok());
    assert_eq!(inbox::counts(&store).await.unwrap().undecided, 2);
});

on_both!(a_full_queue_is_told_within_the_time, |db| async {
    let store = db.open().await;
    let (ingest, _writer) = Ingest::start(store.clone());
    let mut outsider = db.outsider().await;
    outsider.hold_the_inbox().await;
    let began = Instant::now();
    let names: Vec<String> = (0..1500).map(|number| format!("e{number}")).collect();
    let stored = join_all(names.iter().map(|name| ingest.store(event(name, name)))).await;
    assert!(stored.iter().all(|stored| *stored == Err(Unavailable)));
    assert!(began.elapsed() < Duration::from_millis(2600), "{:?}", began.elapsed());
});

on_both!(without_a_database_the_answer_is_no, |db| async {
    let store = db.open().await;
    let (ingest, writer) = Ingest::start(store.clone());
    store.close().await;
    assert_eq!(ingest.store(event("lane", "e1")).await, Err(Unavailable));
    drop(ingest);
    writer.await.unwrap();
});
