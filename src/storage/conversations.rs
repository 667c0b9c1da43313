//! Which orchestration a conversation belongs to: how a reply in a thread finds its way.

use super::{
    Result, Tx,
    sql::{args, statements},
};
use crate::ids::OrchestrationId;

statements! {
    BIND = "INSERT INTO conversations (key, orchestration_id) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING";
    FIND = "SELECT orchestration_id FROM conversations WHERE key = $1";
}

/// Gives the conversation to an orchestration. False when it belongs to another one, and stays so.
pub async fn bind(tx: &mut Tx, key: &str, orchestration: &OrchestrationId) -> Result<bool> {
    if tx.run(BIND, args![key, orchestration]).await? == 1 {
        return Ok(true);
    }
    Ok(find(tx, key).await?.as_ref() == Some(orchestration))
}

pub async fn find(tx: &mut Tx, key: &str) -> Result<Option<OrchestrationId>> {
    tx.row(FIND, args![key]).await?.map(|row| row.get("orchestration_id")).transpose()
}
