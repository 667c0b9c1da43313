//! One test body on both databases. `on_both!(name, |db| async { … })` makes `name::sqlite`, in a
//! temporary folder, and `name::postgres`, in a database of its own that is dropped afterwards, also
//! when the body panics.
//!
//! `BATON_TEST_POSTGRES_URL` names the server, such as `postgres://root@127.0.0.1:5432/postgres`.
//! Without it the PostgreSQL half is skipped, and said so; with `BATON_TEST_POSTGRES_REQUIRED=1`
//! that is a failure.

use std::{future::Future, io::Write as _, path::Path, sync::Once};

use baton::storage::Store;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _,
    postgres::{PgConnectOptions, PgConnection},
    sqlite::{SqliteConnectOptions, SqliteConnection},
};

macro_rules! on_both {
    ($(#[$doc:meta])* $name:ident, |$db:ident| async $body:block) => {
        $(#[$doc])*
        mod $name {
            #[allow(clippy::allow_attributes, unused_imports, reason = "not every body uses what is around it")]
            use super::*;

            async fn body($db: $crate::databases::Db) $body

            #[tokio::test]
            async fn sqlite() {
                $crate::databases::on_sqlite(body).await;
            }

            #[tokio::test]
            async fn postgres() {
                $crate::databases::on_postgres(body).await;
            }
        }
    };
}
pub(crate) use on_both;

/// An empty database of one test.
#[derive(Clone, Debug)]
pub struct Db {
    pub url: String,
}

/// A connection of somebody else's, past the store.
pub enum Outsider {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Db {
    /// A store over the database, with its schema. Each call is another replica, or a restart.
    pub async fn open(&self) -> Store {
        let store = self.open_blank().await;
        store.migrate().await.unwrap();
        store
    }

    pub async fn open_blank(&self) -> Store {
        Store::open(&self.url, 4).await.unwrap()
    }

    pub fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres")
    }

    pub async fn outsider(&self) -> Outsider {
        if self.is_postgres() {
            Outsider::Postgres(self.url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap())
        } else {
            Outsider::Sqlite(self.url.parse::<SqliteConnectOptions>().unwrap().connect().await.unwrap())
        }
    }
}

impl Outsider {
    pub async fn run(&mut self, sql: &str) {
        match self {
            Self::Sqlite(connection) => connection.execute(AssertSqlSafe(sql.to_owned())).await.map(drop).unwrap(),
            Self::Postgres(connection) => connection.execute(AssertSqlSafe(sql.to_owned())).await.map(drop).unwrap(),
        }
    }

    /// The steps of SQLite's plan for a statement.
    pub async fn plan(&mut self, statement: &str) -> Vec<String> {
        let Self::Sqlite(connection) = self else { panic!("only SQLite explains itself in one line a step") };
        let steps = connection.fetch_all(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"))).await.unwrap();
        steps.iter().map(|step| step.get("detail")).collect()
    }

    /// Nobody else can write to the inbox until this is dropped.
    pub async fn hold_the_inbox(&mut self) {
        match self {
            Self::Sqlite(_) => self.run("BEGIN EXCLUSIVE").await,
            Self::Postgres(_) => self.run("BEGIN; LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE").await,
        }
    }
}

pub async fn on_sqlite<F: Future<Output = ()> + Send + 'static>(body: impl FnOnce(Db) -> F) {
    let folder = tempfile::tempdir().unwrap();
    body(Db { url: sqlite_url(folder.path()) }).await;
}

pub fn sqlite_url(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("baton.db").display())
}

pub async fn on_postgres<F: Future<Output = ()> + Send + 'static>(body: impl FnOnce(Db) -> F) {
    let Some(server) = server() else { return };
    let name = format!("baton_test_{}", uuid::Uuid::new_v4().simple());
    administer(&server, &format!("CREATE DATABASE {name}")).await;
    let mut url: url::Url = server.parse().unwrap();
    url.set_path(&name);
    // A task of its own, so that a panic in it comes back as a value.
    let ended = tokio::spawn(body(Db { url: url.into() })).await;
    administer(&server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    if let Err(error) = ended {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// Stops the test when there is an address and no server: that is never a skip.
async fn administer(server: &str, sql: &str) {
    let options: PgConnectOptions = server.parse().unwrap();
    let mut connection = options.connect().await.unwrap_or_else(|error| panic!("BATON_TEST_POSTGRES_URL: {error}"));
    connection.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
    connection.close().await.unwrap();
}

#[expect(clippy::disallowed_methods, reason = "tests are told where the server is")]
fn server() -> Option<String> {
    static SAID: Once = Once::new();
    if let Ok(url) = std::env::var("BATON_TEST_POSTGRES_URL")
        && !url.is_empty()
    {
        return Some(url);
    }
    assert!(
        std::env::var("BATON_TEST_POSTGRES_REQUIRED").as_deref() != Ok("1"),
        "BATON_TEST_POSTGRES_REQUIRED=1, and BATON_TEST_POSTGRES_URL names no server"
    );
    SAID.call_once(|| {
        // Not `eprintln!`, which the test runner keeps to itself.
        let _ = std::io::stderr()
            .write_all(b"\n*** SKIPPED: the PostgreSQL half of the tests. BATON_TEST_POSTGRES_URL is not set. ***\n\n");
    });
    None
}
