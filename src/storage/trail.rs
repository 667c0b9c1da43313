//! The trail: what led an orchestration to its state, for `baton why` and the *Why?* button.

use super::{
    Result, Store, Tx,
    sql::{Row, args, statements},
};
use crate::{
    ids::{InputId, OrchestrationId},
    time::Timestamp,
};

statements! {
    ADD = "INSERT INTO trail (orchestration_id, at_ms, input, actor, what, detail) VALUES ($1, $2, $3, $4, $5, $6)";
    READ = "SELECT at_ms, input, actor, what, detail FROM trail WHERE orchestration_id = $1 ORDER BY seq";
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailEntry {
    pub at: Timestamp,
    /// What was decided on.
    pub input: InputId,
    /// The handle of who did it, if a person.
    pub actor: Option<String>,
    pub what: String,
    pub detail: Option<String>,
}

pub async fn add(tx: &mut Tx, orchestration: &OrchestrationId, entry: &TrailEntry) -> Result<()> {
    let TrailEntry { at, input, actor, what, detail } = entry;
    tx.run(ADD, args![orchestration, *at, input, actor.as_deref(), what, detail.as_deref()]).await.map(drop)
}

/// Oldest first.
pub async fn read(store: &Store, orchestration: &OrchestrationId) -> Result<Vec<TrailEntry>> {
    store.rows(READ, args![orchestration]).await?.iter().map(entry).collect()
}

fn entry(row: &Row) -> Result<TrailEntry> {
    Ok(TrailEntry {
        at: row.get("at_ms")?,
        input: row.get("input")?,
        actor: row.get("actor")?,
        what: row.get("what")?,
        detail: row.get("detail")?,
    })
}
