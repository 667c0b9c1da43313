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
    FORGET_OLD = "DELETE FROM kept WHERE key LIKE $1 AND kept_at_ms < $2 RETURNING key";
    GET = "SELECT value, kept_at_ms FROM kept WHERE key = $1";
}

pub async fn put(tx: &mut Tx, key: &str, value: &str, now: Timestamp) -> Result<()> {
    tx.run(PUT, args![key, value, now]).await.map(drop)
}

pub async fn forget(tx: &mut Tx, key: &str) -> Result<()> {
    tx.run(FORGET, args![key]).await.map(drop)
}

/// Before the name of a conversation that was stopped before anything began in it.
pub const STOPPED: &str = "stopped:";

/// Before the name of a session, for the issue that it is on.
pub const ISSUE: &str = "issue:";

/// Forgets what was kept of conversations before `before`; returns of how many.
pub async fn forget_conversations_before(store: &Store, before: Timestamp) -> Result<u64> {
    let mut forgotten = 0;
    for kind in [STOPPED, ISSUE] {
        let pattern = format!("{kind}%");
        forgotten += store.write("forget old conversations", FORGET_OLD, args![pattern.as_str(), before]).await?.len();
    }
    Ok(forgotten as u64)
}

/// Whether the database takes a write: what only answers reads is of no use to us.
pub async fn try_out(store: &Store, now: Timestamp) -> Result<()> {
    store.write("try out the database", PUT, args!["tried.out", "", now]).await.map(drop)
}

/// The value that this transaction sees.
pub async fn get_in(tx: &mut Tx, key: &str) -> Result<Option<String>> {
    tx.row(GET, args![key]).await?.map(|row| row.get("value")).transpose()
}

/// The value, and when it was put there.
pub async fn get(store: &Store, key: &str) -> Result<Option<(String, Timestamp)>> {
    let Some(row) = store.row(GET, args![key]).await? else { return Ok(None) };
    Ok(Some((row.get("value")?, row.get("kept_at_ms")?)))
}
