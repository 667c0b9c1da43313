//! SQLite's log is written back into its file beside the writer, by a connection of its own, so that
//! no acknowledgement waits for it. A passive checkpoint keeps nobody from writing; only when it never
//! catches up with the log does a commit write the rest back itself, and the log begins anew.
//! <https://sqlite.org/wal.html#ckpt>

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use sqlx::sqlite::SqlitePool;
use tokio::sync::Notify;

/// After so many commits.
const EVERY: u32 = 256;
/// In pages of 4 KiB: the log of whoever writes without a pause, written back by a commit.
pub(super) const LONGEST_LOG: &str = "16000";

/// Counts the commits. Cheap to clone; all clones share.
#[derive(Clone, Debug, Default)]
pub(super) struct Checkpoints(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    commits: AtomicU32,
    due: Notify,
}

impl Checkpoints {
    pub(super) fn committed(&self) {
        if self.0.commits.fetch_add(1, Ordering::Relaxed) + 1 >= EVERY {
            self.0.due.notify_one();
        }
    }

    /// Goes on until it is aborted. What fails, as on a full disk, is done by the next one.
    pub(super) async fn run(self, connection: SqlitePool) {
        loop {
            self.0.due.notified().await;
            self.0.commits.store(0, Ordering::Relaxed);
            if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&connection).await {
                tracing::debug!(%error, "the log could not be written back");
            }
        }
    }
}
