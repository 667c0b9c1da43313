//! The databases that are measured: a SQLite file in a temporary folder, and a PostgreSQL database
//! of its own when `BATON_BENCH_POSTGRES_URL` names a server. Both are gone afterwards.

use anyhow::Context as _;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, postgres::PgConnectOptions};
use tempfile::TempDir;

pub struct Database {
    pub url: String,
    place: Place,
}

enum Place {
    Folder(TempDir),
    Server { url: String, database: String },
}

impl Database {
    pub fn sqlite() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let url = format!("sqlite://{}", folder.path().join("baton.db").display());
        Ok(Self { url, place: Place::Folder(folder) })
    }

    /// None when no server is named.
    pub async fn postgres() -> anyhow::Result<Option<Self>> {
        let Some(server) = postgres_url() else { return Ok(None) };
        let database = format!("baton_bench_{}", uuid::Uuid::new_v4().simple());
        administer(&server, &format!("CREATE DATABASE {database}")).await?;
        let mut url: url::Url = server.parse().context("BATON_BENCH_POSTGRES_URL")?;
        url.set_path(&database);
        Ok(Some(Self { url: url.into(), place: Place::Server { url: server, database } }))
    }

    /// Each table with its rows and its bytes, indexes included; of SQLite the whole file.
    pub async fn tables(&self) -> anyhow::Result<Vec<(String, i64, i64)>> {
        match &self.place {
            Place::Folder(folder) => {
                let bytes = std::fs::metadata(folder.path().join("baton.db"))?.len();
                Ok(vec![("the whole file".into(), 1, i64::try_from(bytes)?)])
            }
            Place::Server { .. } => {
                let mut connection = self.url.parse::<PgConnectOptions>()?.connect().await?;
                connection.execute("ANALYZE").await?;
                let rows = sqlx::query_as(
                    "SELECT CAST(relname AS TEXT), CAST(reltuples AS BIGINT), pg_total_relation_size(oid) FROM pg_class
                     WHERE relkind = 'r' AND relnamespace = CAST('public' AS regnamespace) AND reltuples > 0
                     ORDER BY 3 DESC",
                );
                let rows = rows.fetch_all(&mut connection).await?;
                connection.close().await?;
                Ok(rows)
            }
        }
    }

    pub async fn remove(self) -> anyhow::Result<()> {
        match self.place {
            Place::Folder(folder) => Ok(folder.close()?),
            Place::Server { url, database } => {
                administer(&url, &format!("DROP DATABASE {database} WITH (FORCE)")).await
            }
        }
    }
}

/// Each engine that can be measured, with an empty database of its own.
pub async fn each() -> anyhow::Result<Vec<(&'static str, Database)>> {
    let mut databases = vec![("SQLite", Database::sqlite()?)];
    databases.extend(Database::postgres().await?.map(|database| ("PostgreSQL", database)));
    Ok(databases)
}

#[expect(clippy::disallowed_methods, reason = "benchmarks are told where the server is")]
pub fn postgres_url() -> Option<String> {
    std::env::var("BATON_BENCH_POSTGRES_URL").ok().filter(|url| !url.is_empty())
}

async fn administer(server: &str, sql: &str) -> anyhow::Result<()> {
    baton::http::ensure_crypto_provider();
    let mut connection =
        server.parse::<PgConnectOptions>()?.connect().await.context("the server of BATON_BENCH_POSTGRES_URL")?;
    connection.execute(AssertSqlSafe(sql.to_owned())).await?;
    Ok(connection.close().await?)
}
