//! SQLite is for one Baton at a time. Whoever serves holds a lock beside the file for as long as it
//! lives, so that a second one on the same file waits, and so that what a dead one had in hand is
//! known to be free at once. PostgreSQL takes many replicas; there leases run out by themselves.

use std::{
    fs::{File, TryLockError},
    path::Path,
    time::Duration,
};

use super::{Pools, Result, Store, StoreError, leases, outbox};

/// One that is asked to stop takes no longer than this.
const PATIENCE: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_millis(200);

/// Nobody else serves from the database while this lives.
#[derive(Debug)]
#[must_use = "dropping it lets others in"]
pub struct Sole {
    _lock: Option<File>,
}

impl Store {
    /// Waits until no other Baton serves from a SQLite file, and keeps others away from it. What the
    /// last one had claimed is free then. Does nothing for PostgreSQL.
    ///
    /// # Errors
    /// [`StoreError::InUse`] after half a minute.
    pub async fn take_over(&self) -> Result<Sole> {
        let Pools::Sqlite { file, .. } = &self.0.pools else { return Ok(Sole { _lock: None }) };
        let Some(lock) = lock(file).await? else { return Ok(Sole { _lock: None }) };
        let mut tx = self.begin("take over").await?;
        outbox::release_all(&mut tx).await?;
        leases::release_all(&mut tx).await?;
        tx.commit().await?;
        Ok(Sole { _lock: Some(lock) })
    }
}

/// None where the file system knows no locks.
async fn lock(database: &Path) -> Result<Option<File>> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(sqlx::Error::from)?;
    let tries = PATIENCE.as_millis() / AGAIN.as_millis();
    for _ in 0..tries {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(AGAIN).await,
            Err(TryLockError::Error(error)) => {
                tracing::warn!(%error, "the database cannot be kept for this process alone");
                return Ok(None);
            }
        }
    }
    Err(StoreError::InUse)
}
