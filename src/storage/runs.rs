//! Runs in Oz and whose they are, with the state last seen: what has to be followed.

use std::{collections::HashMap, time::Duration};

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
    PUT = "INSERT INTO runs (run_id, orchestration_id, slot, state, updated_at_ms, working, look_at_ms)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (run_id) DO UPDATE
        SET orchestration_id = $2, slot = $3, state = $4, updated_at_ms = $5, working = $6, look_at_ms = $7";
    FIND = "SELECT run_id, orchestration_id, slot, state, updated_at_ms FROM runs WHERE run_id = $1";
    FIND_ALL = "SELECT run_id, orchestration_id, slot, state, updated_at_ms FROM runs WHERE run_id" among_1;
    SILENT = "SELECT run_id, orchestration_id, slot, state, updated_at_ms FROM runs
        WHERE working AND look_at_ms <= $1 ORDER BY look_at_ms LIMIT $2";
    LOOK_AT = "UPDATE runs SET look_at_ms = $2 WHERE run_id = $1";
    ANYTHING_OPEN = "SELECT EXISTS (SELECT 1 FROM orchestrations WHERE NOT ended)
               OR EXISTS (SELECT 1 FROM runs WHERE working) AS anything";
}

/// A run at work that has said nothing for this long is asked for by itself.
pub const PATIENCE: Duration = Duration::from_mins(2);

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
    let look_at = updated_at + PATIENCE;
    tx.run(PUT, args![run, orchestration, &slot, state.as_str(), updated_at, working, look_at]).await.map(drop)
}

pub async fn find(tx: &mut Tx, run: &RunId) -> Result<Option<KnownRun>> {
    tx.row(FIND, args![run]).await?.as_ref().map(known).transpose()
}

/// Those of `runs` that are known.
pub async fn find_all(store: &Store, runs: &[RunId]) -> Result<HashMap<RunId, KnownRun>> {
    let ids: Vec<String> = runs.iter().map(ToString::to_string).collect();
    let rows = store.rows(FIND_ALL, args![ids.as_slice()]).await?;
    rows.iter().map(|row| known(row).map(|known| (known.run.clone(), known))).collect()
}

/// Runs to be followed that have said nothing for their [`PATIENCE`], or since [`look_again`]'s time;
/// the longest overdue first.
pub async fn silent(store: &Store, now: Timestamp, limit: u32) -> Result<Vec<KnownRun>> {
    store.rows(SILENT, args![now, limit]).await?.iter().map(known).collect()
}

/// It was asked for by itself; unless it says something, again at `at`.
pub async fn look_again(tx: &mut Tx, run: &RunId, at: Timestamp) -> Result<()> {
    tx.run(LOOK_AT, args![run, at]).await.map(drop)
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
        slot: Slot::of_word(&slot).ok_or(StoreError::UnknownWord { what: "a run's slot" })?,
        state: RunState::from(row.get::<String>("state")?),
        updated_at: row.get("updated_at_ms")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_survives_the_way_out_and_back() {
        for slot in [Slot::Parent, Slot::Child(1), Slot::Child(20)] {
            assert_eq!(Slot::of_word(&slot.to_string()), Some(slot));
        }
        for word in ["", "c", "cx", "parents"] {
            assert_eq!(Slot::of_word(word), None, "{word}");
        }
    }
}
