//! The halt: while it stands nothing is launched, in no orchestration and by no replica.

use serde::{Deserialize, Serialize};

use super::{
    Result, Store, Tx,
    audit::NewEntry,
    kept, lines, outbox,
    sql::{args, statements},
    wakes::Topic,
};
use crate::{ids::InputId, time::Timestamp};

statements! {
    // Every open orchestration hears of it, and shows it on its board.
    TELL = "INSERT INTO timers (orchestration_id, key, name, due_at_ms)
        SELECT id, 'halt', '\"halt\"', $1 FROM orchestrations WHERE NOT ended
        ON CONFLICT (orchestration_id, key) DO UPDATE SET due_at_ms = $1";
}

const KEY: &str = "halt";

/// A halt that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// The operator's handle.
    pub by: String,
    pub reason: String,
    pub at: Timestamp,
}

/// False when it is halted already.
pub async fn begin(store: &Store, by: &str, reason: &str, now: Timestamp) -> Result<bool> {
    let mut tx = store.begin("halt").await?;
    if kept::get_in(&mut tx, KEY).await?.is_some() {
        tx.rollback().await?;
        return Ok(false);
    }
    let halt = Halt { by: by.to_owned(), reason: reason.to_owned(), at: now };
    kept::put(&mut tx, KEY, &serde_json::to_string(&halt).unwrap_or_default(), now).await?;
    tell(tx, "halted", by, reason, now).await?;
    Ok(true)
}

/// False when it is not halted.
pub async fn end(store: &Store, by: &str, now: Timestamp) -> Result<bool> {
    let mut tx = store.begin("resume").await?;
    outbox::line_up(&mut tx).await?; // whoever saw the halt stands in its line by then
    if kept::get_in(&mut tx, KEY).await?.is_none() {
        tx.rollback().await?;
        return Ok(false);
    }
    kept::forget(&mut tx, KEY).await?;
    lines::call(&mut tx, lines::HALT, now).await?;
    tell(tx, "resumed", by, "", now).await?;
    Ok(true)
}

/// The halt that stands, if one does.
pub async fn standing(store: &Store) -> Result<Option<Halt>> {
    Ok(kept::get(store, KEY).await?.and_then(|(json, _)| serde_json::from_str(&json).ok()))
}

/// Whether anything may be launched, for a transaction that is about to.
pub async fn stands(tx: &mut Tx) -> Result<bool> {
    Ok(kept::get_in(tx, KEY).await?.is_some())
}

async fn tell(mut tx: Tx, kind: &'static str, by: &str, reason: &str, now: Timestamp) -> Result<()> {
    tx.run(TELL, args![now]).await?;
    tx.wake(Topic::Timers);
    tx.audit(NewEntry {
        at: now,
        orchestration: None,
        input: InputId::new(format!("{kind}:{}", now.as_millis())),
        kind,
        actor: Some(by.to_owned()),
        place: None,
        version: None,
        digest: None,
        detail: reason.to_owned(),
    });
    tx.commit().await
}
