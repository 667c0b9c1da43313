//! Messages of ours that may be edited later, by their name within the orchestration.

use super::{
    Result, Tx,
    sql::{args, statements},
};
use crate::{ids::OrchestrationId, time::Timestamp};

statements! {
    PUT = "INSERT INTO posts (orchestration_id, key, message, posted_at_ms) VALUES ($1, $2, $3, $4)
        ON CONFLICT (orchestration_id, key) DO UPDATE SET message = $3, posted_at_ms = $4";
    FIND = "SELECT message FROM posts WHERE orchestration_id = $1 AND key = $2";
}

/// `message` is the platform's id of it. The newest message of a name counts.
pub async fn put(tx: &mut Tx, orchestration: &OrchestrationId, key: &str, message: &str, now: Timestamp) -> Result<()> {
    tx.run(PUT, args![orchestration, key, message, now]).await.map(drop)
}

pub async fn find(tx: &mut Tx, orchestration: &OrchestrationId, key: &str) -> Result<Option<String>> {
    tx.row(FIND, args![orchestration, key]).await?.map(|row| row.get("message")).transpose()
}
