//! What Oz offers to choose from, as it was last told.

use super::{Result, Store, Tx, kept};
use crate::{domain::errand::Choices, time::Timestamp};

const KEY: &str = "oz.choices";

pub async fn put(tx: &mut Tx, choices: &Choices, now: Timestamp) -> Result<()> {
    kept::put(tx, KEY, &serde_json::to_string(choices).unwrap_or_default(), now).await
}

/// Empty lists until it was told; forms then take typed ids.
pub async fn get(store: &Store) -> Result<Choices> {
    let kept = kept::get(store, KEY).await?;
    Ok(kept.and_then(|(json, _)| serde_json::from_str(&json).ok()).unwrap_or_default())
}

/// When it was told.
pub async fn told_at(store: &Store) -> Result<Option<Timestamp>> {
    Ok(kept::get(store, KEY).await?.map(|(_, at)| at))
}
