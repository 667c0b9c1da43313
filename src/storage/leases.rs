//! Work that one replica does for all, such as following runs: whoever holds the lease does it.

use std::time::Duration;

use super::{
    Result, Tx,
    sql::{args, statements},
};
use crate::time::Timestamp;

statements! {
    ACQUIRE = "INSERT INTO leases (name, holder, until_ms) VALUES ($1, $2, $3)
        ON CONFLICT (name) DO UPDATE SET holder = $2, until_ms = $3
        WHERE leases.until_ms <= $4 OR leases.holder = $2";
    RELEASE_ALL = "DELETE FROM leases";
    RELEASE = "DELETE FROM leases WHERE name = $1 AND holder = $2";
}

/// Takes the lease when it is free or has lapsed, and renews one's own. False: somebody else has it.
pub async fn acquire(tx: &mut Tx, name: &str, holder: &str, now: Timestamp, ttl: Duration) -> Result<bool> {
    Ok(tx.run(ACQUIRE, args![name, holder, now + ttl, now]).await? == 1)
}

/// Gives one's own lease back, so that another replica need not wait for it to lapse.
pub async fn release(tx: &mut Tx, name: &str, holder: &str) -> Result<()> {
    tx.run(RELEASE, args![name, holder]).await.map(drop)
}

/// Gives every lease back, for one who knows that nobody else is at work.
pub async fn release_all(tx: &mut Tx) -> Result<()> {
    tx.run(RELEASE_ALL, args![]).await.map(drop)
}
