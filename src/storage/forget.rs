//! Orchestrations that ended long ago, and all that is kept of them. The audit log stays: what was
//! decided is proven by its chain, from the first row on.

use super::{
    Result, Store,
    sql::{args, statements},
};
use crate::{ids::OrchestrationId, time::Timestamp};

statements! {
    // What is still to be said about it, or still works for it, keeps it.
    OLD = "SELECT id FROM orchestrations AS old
        WHERE old.ended AND old.updated_at_ms < $1
          AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.orchestration_id = old.id AND outbox.state = 'waiting')
          AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.orchestration_id = old.id AND runs.working)
        ORDER BY old.updated_at_ms LIMIT $2" for_update;
    DELIVERIES = "DELETE FROM outbox WHERE orchestration_id = $1";
    TIMERS = "DELETE FROM timers WHERE orchestration_id = $1";
    RUNS = "DELETE FROM runs WHERE orchestration_id = $1";
    SPENDING = "DELETE FROM spending WHERE orchestration_id = $1";
    TRAIL = "DELETE FROM trail WHERE orchestration_id = $1";
    CONVERSATIONS = "DELETE FROM conversations WHERE orchestration_id = $1";
    ORCHESTRATION = "DELETE FROM orchestrations WHERE id = $1";
}

/// Removes orchestrations that ended and have not changed since `before`, at most `limit`, and says
/// how many.
pub async fn orchestrations_before(store: &Store, before: Timestamp, limit: u32) -> Result<u64> {
    let mut tx = store.begin("forget old orchestrations").await?;
    let old = tx.rows(OLD, args![before, limit]).await?;
    let old = old.iter().map(|row| row.get("id")).collect::<Result<Vec<OrchestrationId>>>()?;
    for id in &old {
        for part in [DELIVERIES, TIMERS, RUNS, SPENDING, TRAIL, CONVERSATIONS, ORCHESTRATION] {
            tx.run(part, args![id]).await?;
        }
    }
    tx.commit().await?;
    Ok(old.len() as u64)
}
