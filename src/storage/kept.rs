//! Cursors and caches: one value for each key, kept over restarts.

use super::{
    Result, Store, Tx,
    sql::{args, statements},
};
use crate::time::Timestamp;

statements! {
    PUT = "INSERT INTO kept (key, value, kept_at_ms) VALUES ($1, $2, $3)
        ON CONFLICT (key) DO UPDATE SET value = $2, kept_at_ms = $3";
    FORGET = "DELETE FROM kept WHERE key = $1";
    GET = "SELECT value, kept_at_ms FROM kept WHERE key = $1";
}

pub async fn put(tx: &mut Tx, key: &str, value: &str, now: Timestamp) -> Result<()> {
    tx.run(PUT, args![key, value, now]).await.map(drop)
}

pub async fn forget(tx: &mut Tx, key: &str) -> Result<()> {
    tx.run(FORGET, args![key]).await.map(drop)
}

/// The value, and when it was put there.
pub async fn get(store: &Store, key: &str) -> Result<Option<(String, Timestamp)>> {
    let Some(row) = store.row(GET, args![key]).await? else { return Ok(None) };
    Ok(Some((row.get("value")?, row.get("kept_at_ms")?)))
}
