//! What the store promises, on both databases.

mod audit;
mod checkpoints;
mod inbox;
mod ingest;
mod installations;
mod lines;
mod locks;
mod orchestrations;
mod outbox;
mod paces;
mod schema;
mod spending;
mod transactions;
mod upkeep;
mod wakes;

use std::time::Duration;

use baton::{
    domain::{
        actor::Actor,
        command::{Ask, Verb},
        conversation::Conversation,
        orchestration::{Asked, Orchestration, Request, Stage},
        policy::Policy,
        route::Launch,
        run::RunSettings,
    },
    ids::{DeliveryId, EventId, OrchestrationId},
    storage::{
        self, Store,
        ingest::{Ingest, NewEvent, Stored},
        outbox::{Added, Claimed, NewDelivery},
    },
    time::Timestamp,
};

const LEASE: Duration = Duration::from_secs(30);

/// Seconds on the tests' own clock.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + seconds)
}

fn event(lane: &str, name: &str) -> NewEvent {
    NewEvent {
        id: EventId::from(name),
        source: "slack",
        kind: "events",
        dedupe: name.to_owned(),
        delivery: None,
        lane: lane.to_owned(),
        body: format!("{{\"event\":\"{name}\"}}"),
        received_at: at(0),
    }
}

async fn store_events(store: &Store, events: impl IntoIterator<Item = NewEvent>) {
    let (ingest, writer) = Ingest::start(store.clone());
    for event in events {
        assert_eq!(ingest.store(event).await, Ok(Stored::New));
    }
    drop(ingest);
    writer.await.unwrap();
}

fn orchestration(id: &str) -> Orchestration {
    Orchestration {
        id: OrchestrationId::from(id),
        conversation: Conversation::slack("T1", "C1", None),
        mirror: None,
        request: Request::new(
            Verb::Orchestrate,
            Ask { task: format!("task of {id}"), ..Ask::default() },
            Actor::slack("T1", "UADA"),
            at(0),
        ),
        settings: RunSettings::default(),
        launch: Launch::Exact,
        max_children: None,
        policy: Policy::default(),
        stage: Stage::Planning { asked: Asked::First },
        parent: None,
        parent_starts: 0,
        children: Vec::new(),
        proposal: None,
        versions: Vec::new(),
        waiting: Vec::new(),
        artifacts: std::collections::BTreeMap::new(),
        heard: Vec::new(),
        posts: std::collections::BTreeMap::new(),
        missing: Vec::new(),
        wishes: Vec::new(),
        drafts: Vec::new(),
        held: Vec::new(),
        votes_before: Vec::new(),
        known: Vec::new(),
        created_at: at(0),
        updated_at: at(0),
    }
}

async fn insert_orchestration(store: &Store, id: &str) -> OrchestrationId {
    let mut tx = store.begin("insert").await.unwrap();
    assert!(storage::orchestrations::insert(&mut tx, &orchestration(id)).await.unwrap());
    tx.commit().await.unwrap();
    OrchestrationId::from(id)
}

fn delivery(lane: &str, id: &str) -> NewDelivery {
    NewDelivery {
        id: DeliveryId::from(id),
        orchestration: None,
        lane: lane.to_owned(),
        kind: "say",
        effect: format!("{{\"effect\":\"{id}\"}}"),
        coalesce: None,
        urgent: false,
        due_at: at(0),
        expires_at: None,
    }
}

async fn add(store: &Store, delivery: &NewDelivery) -> Added {
    let mut tx = store.begin("add").await.unwrap();
    let added = storage::outbox::add(&mut tx, delivery, at(0)).await.unwrap();
    tx.commit().await.unwrap();
    added
}

async fn claim(store: &Store, now: Timestamp, limit: u32) -> Vec<Claimed> {
    let mut tx = store.begin("claim").await.unwrap();
    let claimed = storage::outbox::claim(&mut tx, now, LEASE, limit).await.unwrap();
    tx.commit().await.unwrap();
    claimed
}

fn ids(claimed: &[Claimed]) -> Vec<&str> {
    claimed.iter().map(|claimed| claimed.id.as_str()).collect()
}
