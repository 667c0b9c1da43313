//! The trail: what led an orchestration to its state, for `baton why` and the *Why?* button.

use super::{
    Result, Store, Tx,
    sql::{Row, args, clean, items, statements},
};
use crate::{
    ids::{InputId, OrchestrationId},
    time::Timestamp,
};

statements! {
    ADD = "INSERT INTO trail (orchestration_id, at_ms, input, actor, what, detail)
        SELECT value ->> 0, CAST(value ->> 1 AS BIGINT), value ->> 2, value ->> 3, value ->> 4, value ->> 5
        FROM " items_1;
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

/// Adds what the transaction gathered ([`Tx::note`]).
pub(super) async fn append(tx: &mut Tx, entries: &[(OrchestrationId, TrailEntry)]) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = entries
        .iter()
        .map(|(orchestration, TrailEntry { at, input, actor, what, detail })| {
            let [actor, detail] = [actor, detail].map(|text| text.as_deref().map(clean));
            (orchestration, at.as_millis(), clean(input.as_str()), actor, clean(what), detail)
        })
        .collect();
    tx.run(ADD, &[items(&rows)?]).await.map(drop)
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
