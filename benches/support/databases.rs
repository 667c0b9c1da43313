//! The databases that are measured: a SQLite file in a temporary folder, and a PostgreSQL database
//! of its own when `BATON_BENCH_POSTGRES_URL` names a server. Both are gone afterwards.

use std::time::{Duration, Instant};

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

    /// How long one sync of a 4 KiB block takes beside the SQLite file: the median of 200.
    pub fn sync_time(&self) -> anyhow::Result<Option<Duration>> {
        use std::os::unix::fs::FileExt as _;
        let Place::Folder(folder) = &self.place else { return Ok(None) };
        let file = std::fs::File::create(folder.path().join("sync"))?;
        let mut times = Vec::new();
        for _ in 0..200 {
            file.write_all_at(&[0; 4096], 0)?;
            let began = Instant::now();
            file.sync_data()?;
            times.push(began.elapsed());
        }
        times.sort_unstable();
        Ok(Some(times[times.len() / 2]))
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
