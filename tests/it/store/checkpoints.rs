//! SQLite's log is written back while others write.

use std::{fs, time::Duration};

use super::{event, store_events};
use crate::databases::on_sqlite;

#[tokio::test]
async fn the_log_is_written_back_without_a_commit_that_waits_for_it() {
    on_sqlite(|db| async move {
        let file = db.url.trim_start_matches("sqlite://").to_owned();
        let size = || fs::metadata(&file).unwrap().len();
        let store = db.open().await;
        let before = size();
        store_events(&store, (0..300).map(|number| event("a", &format!("e{number}")))).await;
        for _ in 0..100 {
            if size() > before {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("after 300 commits the file still has {before} bytes");
    })
    .await;
}
