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
        #[expect(clippy::disallowed_methods, reason = "benchmarks are told where the server is")]
        let Some(server) = std::env::var("BATON_BENCH_POSTGRES_URL").ok().filter(|url| !url.is_empty()) else {
            return Ok(None);
        };
        let database = format!("baton_bench_{}", uuid::Uuid::new_v4().simple());
        administer(&server, &format!("CREATE DATABASE {database}")).await?;
        let mut url: url::Url = server.parse().context("BATON_BENCH_POSTGRES_URL")?;
        url.set_path(&database);
        Ok(Some(Self { url: url.into(), place: Place::Server { url: server, database } }))
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

async fn administer(server: &str, sql: &str) -> anyhow::Result<()> {
    baton::http::ensure_crypto_provider();
    let mut connection =
        server.parse::<PgConnectOptions>()?.connect().await.context("the server of BATON_BENCH_POSTGRES_URL")?;
    connection.execute(AssertSqlSafe(sql.to_owned())).await?;
    Ok(connection.close().await?)
}
