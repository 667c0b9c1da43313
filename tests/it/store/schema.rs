//! Migrations, addresses, and every statement against the schema.

use baton::storage::{Schema, Store, StoreError, every_statement};
use tokio::process::Command;

use crate::databases::{on_both, sqlite_url};

on_both!(every_statement_is_understood, |db| async {
    db.open().await.check_statements().await.unwrap();
});

on_both!(migrating_again_changes_nothing, |db| async {
    let store = db.open_blank().await;
    assert_eq!(store.check_schema().await.unwrap(), Schema::Behind);
    store.migrate().await.unwrap();
    assert_eq!(store.check_schema().await.unwrap(), Schema::Current);
    store.migrate().await.unwrap();
    assert_eq!(db.open().await.check_schema().await.unwrap(), Schema::Current);
});

on_both!(a_newer_schema_is_refused, |db| async {
    let store = db.open().await;
    db.outsider()
        .await
        .run("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'newer', TRUE, '', 0)")
        .await;
    assert_eq!(store.check_schema().await.unwrap(), Schema::Newer);
    let refused = store.migrate().await.unwrap_err();
    assert!(matches!(refused, StoreError::NewerSchema { found: 9999, .. }), "{refused}");
    assert!(!refused.is_retryable());
});

on_both!(
    /// Who may not change the schema does not work on one that is older.
    an_older_schema_is_refused_where_it_is_not_to_be_changed,
    |db| async {
        db.open_blank().await.close().await;
        let mut command = Command::new(env!("CARGO_BIN_EXE_baton"));
        command.args(["serve", "--no-migrate"]).env_clear().env("BATON_DATABASE_URL", &db.url);
        command.env("LINEAR_WEBHOOK_SECRET", "x").env("LINEAR_ACCESS_TOKEN", "x").env("WARP_API_KEY", "wk-x");
        let ended = command.kill_on_drop(true).output().await.unwrap();
        assert_eq!(ended.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&ended.stderr).contains("run `baton migrate` first"), "{ended:?}");
    }
);

on_both!(it_answers_and_closes, |db| async {
    let store = db.open().await;
    store.ping().await.unwrap();
    assert_eq!(store.kind(), if db.is_postgres() { "postgres" } else { "sqlite" });
    assert!(!format!("{store:?}").contains("127.0.0.1"));
    store.close().await;
    assert!(store.ping().await.is_err());
});

#[tokio::test]
async fn an_address_that_cannot_be_used_is_told_why() {
    for (url, reason) in [
        ("mysql://localhost/x", "starts with sqlite:// or postgres://"),
        ("sqlite::memory:", "needs a file"),
        ("postgres://127.0.0.1:1/baton", "names no user"),
    ] {
        let error = Store::open(url, 1).await.unwrap_err();
        assert!(error.to_string().contains(reason), "{url}: {error}");
    }
}

/// A queue's statement must cost what waits, not what was done.
#[tokio::test]
async fn no_statement_reads_a_whole_queue() {
    let folder = tempfile::tempdir().unwrap();
    let url = sqlite_url(folder.path());
    let store = Store::open(&url, 1).await.unwrap();
    store.migrate().await.unwrap();
    let mut outsider = crate::databases::Db { url }.outsider().await;
    for sql in every_statement().filter(|sql| !sql.sqlite.contains("SAVEPOINT")) {
        for step in outsider.plan(sql.sqlite).await {
            let queue = ["inbox", "outbox", "event", "head", "earlier", "timers"];
            let scans = step.strip_prefix("SCAN ").is_some_and(|rest| queue.contains(&rest));
            assert!(!scans, "{}: {step}\n{}", sql.name, sql.sqlite);
        }
    }
}

/// Reconciling must cost what is open, not what has ended.
#[tokio::test]
async fn the_reconciler_reads_only_what_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let url = sqlite_url(folder.path());
    Store::open(&url, 1).await.unwrap().migrate().await.unwrap();
    let mut outsider = crate::databases::Db { url }.outsider().await;
    let sql = every_statement().find(|sql| sql.name.ends_with("orchestrations IDLE")).unwrap();
    let plan = outsider.plan(sql.sqlite).await;
    assert!(plan[0].contains("orchestrations_not_ended"), "{plan:#?}");
    assert!(plan.iter().all(|step| !step.starts_with("SCAN")), "{plan:#?}");
}

#[test]
fn both_folders_hold_the_same_migrations() {
    let names = |folder: &str| {
        let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let sqlite = names("migrations/sqlite");
    assert_eq!(sqlite, names("migrations/postgres"));
    let built_in = include_str!("../../../src/storage/migrate.rs");
    for name in sqlite {
        let name = name.to_string_lossy();
        assert!(built_in.contains(&format!("\"{}\"", name.trim_end_matches(".sql"))), "{name} is not built in");
    }
}
