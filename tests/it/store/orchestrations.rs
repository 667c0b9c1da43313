//! Orchestrations with their lists, conversations, runs and trail.

use baton::{
    domain::{
        actor::Platform,
        conversation::Conversation,
        effect::Slot,
        orchestration::{Ending, Orchestration, Stage},
        run::RunState,
    },
    ids::{InputId, OrchestrationId, RunId},
    storage::{
        Store, conversations,
        orchestrations::{self, Filter, Summary},
        runs,
        trail::{self, TrailEntry},
    },
};

use super::{at, insert_orchestration, orchestration};
use crate::databases::on_both;

const ALL: Filter = Filter { workspace: None, place: None, open_only: false, limit: 100 };

async fn insert(store: &Store, orchestration: &Orchestration) {
    let mut tx = store.begin("insert").await.unwrap();
    assert!(orchestrations::insert(&mut tx, orchestration).await.unwrap());
    tx.commit().await.unwrap();
}

fn ids(summaries: &[Summary]) -> Vec<&str> {
    summaries.iter().map(|summary| summary.id.as_str()).collect()
}

on_both!(an_orchestration_comes_back_as_it_was, |db| async {
    let store = db.open().await;
    let mut hostile = orchestration("o1");
    hostile.request.ask.task = format!("nul \0 quote ' and {}", "🦀".repeat(300));
    insert(&store, &hostile).await;
    assert_eq!(orchestrations::read(&store, &hostile.id).await.unwrap(), Some(hostile.clone()));
    let mut tx = store.begin("again").await.unwrap();
    assert!(!orchestrations::insert(&mut tx, &orchestration("o1")).await.unwrap());
    assert_eq!(orchestrations::load(&mut tx, &hostile.id).await.unwrap().unwrap().orchestration, hostile);
    assert_eq!(orchestrations::load(&mut tx, &OrchestrationId::from("o2")).await.unwrap(), None);
    tx.rollback().await.unwrap();
    let summary = orchestrations::list(&store, &ALL).await.unwrap().remove(0);
    assert_eq!(summary.task.chars().count(), 200);
    assert!(summary.task.starts_with("nul \u{fffd} quote '"));
});

on_both!(those_that_are_gathered_are_there_for_the_next_statement, |db| async {
    let store = db.open().await;
    let mut hostile = orchestration("o1");
    hostile.request.ask.task = format!("nul \0 quote ' and {}", "🦀".repeat(300));
    let mut tx = store.begin("gather").await.unwrap();
    tx.gather_orchestrations();
    for one in [&hostile, &orchestration("o2")] {
        assert!(orchestrations::insert(&mut tx, one).await.unwrap());
    }
    assert_eq!(orchestrations::load(&mut tx, &hostile.id).await.unwrap().unwrap().orchestration, hostile);
    assert!(orchestrations::insert(&mut tx, &orchestration("o3")).await.unwrap());
    tx.commit().await.unwrap();
    let listed = orchestrations::list(&store, &ALL).await.unwrap();
    assert_eq!(ids(&listed), ["o1", "o2", "o3"]);
    insert(&store, &orchestration("o4")).await;
    let one_by_one = orchestrations::list(&store, &ALL).await.unwrap().pop().unwrap();
    assert_eq!(Summary { id: one_by_one.id.clone(), task: one_by_one.task.clone(), ..listed[1].clone() }, one_by_one);

    let mut tx = store.begin("gather again").await.unwrap();
    tx.gather_orchestrations();
    for id in ["o5", "o2"] {
        assert!(orchestrations::insert(&mut tx, &orchestration(id)).await.unwrap());
    }
    assert!(!tx.commit().await.unwrap_err().is_retryable());
    assert_eq!(orchestrations::list(&store, &ALL).await.unwrap().len(), 4);
});

on_both!(a_save_names_the_revision_that_it_read, |db| async {
    let store = db.open().await;
    let id = insert_orchestration(&store, "o1").await;
    let mut tx = store.begin("save").await.unwrap();
    let loaded = orchestrations::load(&mut tx, &id).await.unwrap().unwrap();
    let mut changed = loaded.orchestration;
    changed.stage = Stage::Running;
    changed.updated_at = at(5);
    assert!(orchestrations::save(&mut tx, &changed, loaded.revision).await.unwrap());
    assert!(!orchestrations::save(&mut tx, &changed, loaded.revision).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(orchestrations::read(&store, &id).await.unwrap(), Some(changed));
    let summary = orchestrations::list(&store, &ALL).await.unwrap().remove(0);
    assert_eq!((summary.stage.as_str(), summary.updated_at), ("running", at(5)));
});

on_both!(lists_are_searched_by_what_stands_beside, |db| async {
    let store = db.open().await;
    let made = |id: &str, place: &str, second| Orchestration {
        conversation: Conversation::slack("T1", place, None),
        created_at: at(second),
        ..orchestration(id)
    };
    insert(&store, &made("o1", "C1", 1)).await;
    insert(&store, &made("o2", "C2", 2)).await;
    let over = Stage::Ended { how: Ending::Expired, at: at(9) };
    insert(&store, &Orchestration { stage: over, ..made("o3", "C1", 3) }).await;
    let elsewhere = Conversation { platform: Platform::Linear, ..Conversation::slack("T2", "C1", None) };
    insert(&store, &Orchestration { conversation: elsewhere, ..made("o4", "C1", 4) }).await;

    let list = async |filter: Filter| orchestrations::list(&store, &filter).await.unwrap();
    assert_eq!(ids(&list(ALL).await), ["o4", "o3", "o2", "o1"]);
    assert_eq!(ids(&list(Filter { limit: 2, ..ALL }).await), ["o4", "o3"]);
    assert_eq!(ids(&list(Filter { open_only: true, ..ALL }).await), ["o4", "o2", "o1"]);
    let here = Filter { workspace: Some("T1".into()), place: Some("C1".into()), ..ALL };
    assert_eq!(ids(&list(here).await), ["o3", "o1"]);
    assert_eq!(list(ALL).await[0].platform, Platform::Linear);
    assert_eq!(list(ALL).await[0].asked_by, "slack:UADA");

    let mut tx = store.begin("open in").await.unwrap();
    assert_eq!(ids(&orchestrations::open_in(&mut tx, "slack:T1:C1").await.unwrap()), ["o1"]);
    tx.rollback().await.unwrap();
    let counts = orchestrations::counts_by_stage(&store).await.unwrap();
    assert_eq!(counts, [("expired".to_owned(), 1), ("planning".to_owned(), 3)]);
});

on_both!(a_conversation_belongs_to_the_first, |db| async {
    let store = db.open().await;
    let (first, second) = (insert_orchestration(&store, "o1").await, insert_orchestration(&store, "o2").await);
    let mut tx = store.begin("bind").await.unwrap();
    assert!(conversations::bind(&mut tx, "slack:T1:C1:1.0", &first).await.unwrap());
    assert!(conversations::bind(&mut tx, "slack:T1:C1:1.0", &first).await.unwrap());
    assert!(!conversations::bind(&mut tx, "slack:T1:C1:1.0", &second).await.unwrap());
    assert_eq!(conversations::find(&mut tx, "slack:T1:C1:1.0").await.unwrap(), Some(first));
    assert_eq!(conversations::find(&mut tx, "slack:T1:C1:2.0").await.unwrap(), None);
});

on_both!(runs_are_known_by_their_id_and_followed_while_they_work, |db| async {
    let store = db.open().await;
    let id = insert_orchestration(&store, "o1").await;
    assert!(runs::is_anything_open(&store).await.unwrap());
    let put = async |run: &str, slot, state: RunState, second, working| {
        let mut tx = store.begin("put").await.unwrap();
        runs::put(&mut tx, &RunId::from(run), &id, slot, &state, at(second), working).await.unwrap();
        tx.commit().await.unwrap();
    };
    put("parent", Slot::Parent, RunState::Succeeded, 1, false).await;
    put("child", Slot::Child(2), RunState::Queued, 3, true).await;
    put("child", Slot::Child(2), RunState::Other("PAUSED".into()), 4, true).await;
    put("other", Slot::Child(3), RunState::InProgress, 2, true).await;

    let mut tx = store.begin("find").await.unwrap();
    let child = runs::find(&mut tx, &RunId::from("child")).await.unwrap().unwrap();
    assert_eq!((child.slot, child.state.as_str(), child.updated_at), (Slot::Child(2), "PAUSED", at(4)));
    assert_eq!(child.orchestration, id);
    assert_eq!(runs::find(&mut tx, &RunId::from("nobody")).await.unwrap(), None);
    tx.rollback().await.unwrap();

    let names = |runs: Vec<runs::KnownRun>| runs.into_iter().map(|run| run.run.to_string()).collect::<Vec<_>>();
    let known = runs::find_all(&store, &["child", "nobody", "other"].map(RunId::from)).await.unwrap();
    assert_eq!(known.len(), 2);
    assert_eq!(known[&RunId::from("child")], child);

    // Two minutes after they were last heard of.
    assert_eq!(names(runs::silent(&store, at(121), 10).await.unwrap()), [""; 0]);
    assert_eq!(names(runs::silent(&store, at(122), 10).await.unwrap()), ["other"]);
    assert_eq!(names(runs::silent(&store, at(124), 10).await.unwrap()), ["other", "child"]);
    assert_eq!(names(runs::silent(&store, at(124), 1).await.unwrap()), ["other"]);
    let mut tx = store.begin("look again").await.unwrap();
    runs::look_again(&mut tx, &RunId::from("other"), at(300)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(names(runs::silent(&store, at(299), 10).await.unwrap()), ["child"]);
    assert_eq!(names(runs::silent(&store, at(300), 10).await.unwrap()), ["child", "other"]);
    put("other", Slot::Child(3), RunState::InProgress, 290, true).await;
    assert_eq!(names(runs::silent(&store, at(300), 10).await.unwrap()), ["child"], "it said something");

    let mut tx = store.begin("end").await.unwrap();
    let loaded = orchestrations::load(&mut tx, &id).await.unwrap().unwrap();
    let ended = Orchestration { stage: Stage::Ended { how: Ending::Done, at: at(9) }, ..loaded.orchestration };
    assert!(orchestrations::save(&mut tx, &ended, loaded.revision).await.unwrap());
    tx.commit().await.unwrap();
    assert!(runs::is_anything_open(&store).await.unwrap(), "its children still work");
    put("child", Slot::Child(2), RunState::Succeeded, 5, false).await;
    put("other", Slot::Child(3), RunState::Cancelled, 5, false).await;
    assert!(!runs::is_anything_open(&store).await.unwrap());
});

on_both!(the_trail_is_kept, |db| async {
    let store = db.open().await;
    let id = insert_orchestration(&store, "o1").await;
    let entry = |second, what: &str| TrailEntry {
        at: at(second),
        input: InputId::from("i1"),
        actor: Some("slack:UADA".into()),
        what: what.into(),
        detail: None,
    };
    let mut tx = store.begin("write").await.unwrap();
    tx.note(&id, entry(5, "asked"));
    tx.note(&id, entry(4, "approved"));
    tx.commit().await.unwrap();
    assert_eq!(trail::read(&store, &id).await.unwrap(), [entry(5, "asked"), entry(4, "approved")]);
});
