//! Runs in Oz and whose they are, with the state last seen: what has to be followed.

use super::{
    Result, Store, StoreError, Tx,
    sql::{Row, args, statements},
};
use crate::{
    domain::{effect::Slot, run::RunState},
    ids::{OrchestrationId, RunId},
    time::Timestamp,
};

statements! {
    PUT = "INSERT INTO runs (run_id, orchestration_id, slot, state, updated_at_ms, working)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (run_id) DO UPDATE
        SET orchestration_id = $2, slot = $3, state = $4, updated_at_ms = $5, working = $6";
    FIND = "SELECT run_id, orchestration_id, slot, state, updated_at_ms FROM runs WHERE run_id = $1";
    WORKING = "SELECT run_id, orchestration_id, slot, state, updated_at_ms FROM runs
        WHERE working ORDER BY updated_at_ms, run_id LIMIT $1";
    ANYTHING_OPEN = "SELECT EXISTS (SELECT 1 FROM orchestrations WHERE NOT ended)
               OR EXISTS (SELECT 1 FROM runs WHERE working) AS anything";
}

/// A run as it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownRun {
    pub run: RunId,
    pub orchestration: OrchestrationId,
    pub slot: Slot,
    pub state: RunState,
    /// Oz's time of its last change.
    pub updated_at: Timestamp,
}

/// Writes down what is known now. `working` says whether the run is to be followed.
pub async fn put(
    tx: &mut Tx,
    run: &RunId,
    orchestration: &OrchestrationId,
    slot: Slot,
    state: &RunState,
    updated_at: Timestamp,
    working: bool,
) -> Result<()> {
    let slot = slot.to_string();
    tx.run(PUT, args![run, orchestration, &slot, state.as_str(), updated_at, working]).await.map(drop)
}

pub async fn find(tx: &mut Tx, run: &RunId) -> Result<Option<KnownRun>> {
    tx.row(FIND, args![run]).await?.as_ref().map(known).transpose()
}

/// The runs to follow; first those that have not changed for longest.
pub async fn working(store: &Store, limit: u32) -> Result<Vec<KnownRun>> {
    store.rows(WORKING, args![limit]).await?.iter().map(known).collect()
}

/// Whether an orchestration has not ended, or a run is to be followed.
pub async fn is_anything_open(store: &Store) -> Result<bool> {
    store.row(ANYTHING_OPEN, args![]).await?.map_or(Ok(false), |row| row.get("anything"))
}

fn known(row: &Row) -> Result<KnownRun> {
    let slot: String = row.get("slot")?;
    Ok(KnownRun {
        run: row.get("run_id")?,
        orchestration: row.get("orchestration_id")?,
        slot: slot_of(&slot).ok_or(StoreError::UnknownWord { what: "a run's slot" })?,
        state: RunState::from(row.get::<String>("state")?),
        updated_at: row.get("updated_at_ms")?,
    })
}

/// Reads what [`Slot`]'s `Display` writes.
fn slot_of(word: &str) -> Option<Slot> {
    match word.strip_prefix('c') {
        Some(number) => number.parse().ok().map(Slot::Child),
        None => (word == "parent").then_some(Slot::Parent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_survives_the_way_out_and_back() {
        for slot in [Slot::Parent, Slot::Child(1), Slot::Child(20)] {
            assert_eq!(slot_of(&slot.to_string()), Some(slot));
        }
        for word in ["", "c", "cx", "parents"] {
            assert_eq!(slot_of(word), None, "{word}");
        }
    }
}
