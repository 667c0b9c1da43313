//! SQL lives here and nowhere else.
//!
//! [`Store`] is SQLite or PostgreSQL behind one set of statements. What changes rows takes a
//! [`Tx`], so that its caller decides what is one transaction; what only reads takes the store.
//! One file for each table or queue; `sql.rs` has the differences between the databases.

pub mod ahead;
pub mod audit;
mod checkpoints;
pub mod choices;
pub mod conversations;
mod error;
pub mod forget;
pub mod halt;
pub mod inbox;
pub mod ingest;
pub mod installations;
pub mod kept;
pub mod leases;
pub mod lines;
pub mod mended;
mod migrate;
pub mod orchestrations;
pub mod outbox;
pub mod paces;
mod patience;
pub mod room;
pub mod runs;
mod sole;
pub mod spending;
mod sql;
pub mod timers;
pub mod trail;
mod tx;
mod wakes;

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, SqlSafeStr as _,
    postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::task::{AbortHandle, JoinSet};

use self::{
    checkpoints::{Checkpoints, LONGEST_LOG},
    patience::Patience,
    sql::{Arg, Row, args, for_postgres, for_sqlite, statements},
    tx::Open,
};
pub use self::{
    error::{Result, StoreError},
    migrate::Schema,
    sole::Sole,
    sql::Sql,
    tx::Tx,
    wakes::Wakes,
};

use crate::time::Timestamp;

statements! {
    PING = "SELECT 1";
}

/// How long a connection from the pool is waited for.
const ACQUIRE: Duration = Duration::from_secs(5);
/// How long a lock of somebody else is waited for. Below the inbox writer's patience, so that the
/// connection is whole again when the writer gives up.
const LOCK: Duration = Duration::from_millis(1500);
const PING_PATIENCE: Duration = Duration::from_secs(2);
/// An idle connection is tried out before it is used again after this.
const IDLE: Duration = Duration::from_secs(10);
/// More than there are statements.
const STATEMENT_CACHE: usize = 256;
/// What every connection to PostgreSQL starts with. Nothing of ours may hold a lock for long, and
/// each statement has to see what was committed before it. A process that is stopped within a
/// transaction may keep everybody from claiming, so its transaction ends while the others still try.
const POSTGRES_SESSION: &str = "
    SET default_transaction_isolation = 'read committed';
    SET lock_timeout = '1500ms';
    SET statement_timeout = '10s';
    SET idle_in_transaction_session_timeout = '5s'";

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    pools: Pools,
    wakes: Arc<Wakes>,
    /// Aborted when the store is dropped.
    _tasks: JoinSet<()>,
}

enum Pools {
    /// SQLite has one writer at a time; waiting for it in a pool of one is fair, its own busy
    /// handler is not.
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
        file: PathBuf,
        checkpoints: Checkpoints,
        /// Writes the log back, over the connection beside it.
        writing_back: (AbortHandle, SqlitePool),
    },
    Postgres {
        pool: PgPool,
        patience: Patience,
        /// Hears the other replicas.
        hearing: AbortHandle,
        options: Box<PgConnectOptions>,
    },
}

impl Store {
    /// Opens `sqlite://PATH` (made when it does not exist) or `postgres://…`. The schema is not
    /// touched.
    pub async fn open(url: &str, max_connections: u32) -> Result<Self> {
        crate::http::ensure_crypto_provider();
        let wakes = Arc::new(Wakes::default());
        let mut tasks = JoinSet::new();
        let pools = if url.starts_with("sqlite:") {
            open_sqlite(url, max_connections, &mut tasks).await?
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let patience = Patience::default();
            let (pool, options) = open_postgres(url, max_connections, patience.clone()).await?;
            let own = uuid::Uuid::new_v4().simple().to_string();
            let hearing = tasks.spawn(wakes::listen(options.clone(), Arc::clone(&wakes), own.clone()));
            tasks.spawn(wakes::tell(pool.clone(), Arc::clone(&wakes), own));
            Pools::Postgres { pool, patience, hearing, options: Box::new(options) }
        } else {
            return Err(StoreError::Address("the database's address starts with sqlite:// or postgres://"));
        };
        Ok(Self(Arc::new(Inner { pools, wakes, _tasks: tasks })))
    }

    /// Brings the schema up to date. A newer one is refused.
    pub async fn migrate(&self) -> Result<()> {
        migrate::run(self).await
    }

    pub async fn check_schema(&self) -> Result<Schema> {
        migrate::check(self).await
    }

    /// Whether the database answers, within two seconds.
    pub async fn ping(&self) -> Result<()> {
        in_time(self.rows(PING, args![])).await.map(drop)
    }

    /// Whether it takes a write, within two seconds.
    pub async fn try_write(&self, now: Timestamp) -> Result<()> {
        in_time(kept::try_out(self, now)).await
    }

    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.0.pools {
            Pools::Sqlite { .. } => "sqlite",
            Pools::Postgres { .. } => "postgres",
        }
    }

    /// Waits for the transactions under way and closes all connections.
    pub async fn close(&self) {
        match &self.0.pools {
            Pools::Sqlite { writer, readers, writing_back: (task, connection), .. } => {
                task.abort();
                connection.close().await;
                readers.close().await;
                writer.close().await;
            }
            Pools::Postgres { pool, hearing, .. } => {
                hearing.abort();
                pool.close().await;
            }
        }
    }

    /// `name` is the transaction's promise, for logs and tests.
    pub async fn begin(&self, name: &'static str) -> Result<Tx> {
        let open = match &self.0.pools {
            // IMMEDIATE: a transaction that first reads and then writes may otherwise fail at once,
            // whatever the busy timeout (SQLITE_BUSY_SNAPSHOT).
            Pools::Sqlite { writer, checkpoints, .. } => {
                Open::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?, checkpoints.clone())
            }
            Pools::Postgres { pool, patience, .. } => {
                Open::Postgres(patience.wait(pool.begin()).await?, patience.clone())
            }
        };
        Ok(Tx::new(open, name, Arc::clone(&self.0.wakes)))
    }

    #[must_use]
    pub fn wakes(&self) -> &Wakes {
        &self.0.wakes
    }

    /// Has the database prepare every statement there is: it must know all tables, columns and
    /// words in them. This is what compile-time checks would give, for two databases.
    pub async fn check_statements(&self) -> Result<()> {
        for sql in every_statement() {
            let prepared = match &self.0.pools {
                Pools::Sqlite { writer, .. } => {
                    writer.acquire().await?.prepare(sql.sqlite.into_sql_str()).await.map(drop)
                }
                Pools::Postgres { pool, .. } => {
                    pool.acquire().await?.prepare(sql.postgres.into_sql_str()).await.map(drop)
                }
            };
            prepared.map_err(|cause| StoreError::Statement { name: sql.name, cause })?;
        }
        Ok(())
    }

    /// Only reads.
    async fn rows(&self, sql: Sql, args: &[Arg<'_>]) -> Result<Vec<Row>> {
        let rows = match &self.0.pools {
            Pools::Sqlite { readers, .. } => {
                for_sqlite(sql, args).fetch_all(readers).await.map(|rows| rows.into_iter().map(Row::Sqlite).collect())
            }
            Pools::Postgres { pool, patience, .. } => patience
                .wait(for_postgres(sql, args).fetch_all(pool))
                .await
                .map(|rows| rows.into_iter().map(Row::Postgres).collect()),
        };
        rows.map_err(|cause| StoreError::Statement { name: sql.name, cause })
    }

    async fn row(&self, sql: Sql, args: &[Arg<'_>]) -> Result<Option<Row>> {
        Ok(self.rows(sql, args).await?.pop())
    }

    /// One statement that is a whole transaction.
    async fn write(&self, name: &'static str, sql: Sql, args: &[Arg<'_>]) -> Result<Vec<Row>> {
        let rows = match &self.0.pools {
            // `fetch_all` runs the statement to its end, and so to its commit.
            Pools::Sqlite { writer, checkpoints, .. } => {
                let rows = for_sqlite(sql, args).fetch_all(writer).await;
                checkpoints.committed();
                rows.map(|rows| rows.into_iter().map(Row::Sqlite).collect())
            }
            Pools::Postgres { pool, patience, .. } => patience
                .wait(for_postgres(sql, args).fetch_all(pool))
                .await
                .map(|rows| rows.into_iter().map(Row::Postgres).collect()),
        };
        let rows = rows.map_err(|cause| StoreError::Statement { name: sql.name, cause })?;
        tx::committed(name);
        Ok(rows)
    }

    /// The same for a statement that gives no rows.
    async fn execute(&self, name: &'static str, sql: Sql, args: &[Arg<'_>]) -> Result<()> {
        let done = match &self.0.pools {
            Pools::Sqlite { writer, checkpoints, .. } => {
                let done = for_sqlite(sql, args).execute(writer).await;
                checkpoints.committed();
                done.map(drop)
            }
            Pools::Postgres { pool, patience, .. } => {
                patience.wait(for_postgres(sql, args).execute(pool)).await.map(drop)
            }
        };
        done.map_err(|cause| StoreError::Statement { name: sql.name, cause })?;
        tx::committed(name);
        Ok(())
    }
}

impl fmt::Debug for Store {
    /// The connections' options hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.kind()).finish()
    }
}

/// Where the database is, without the secrets of its address.
#[must_use]
pub fn place_of(url: &str) -> String {
    match (PgConnectOptions::from_str(url), SqliteConnectOptions::from_str(url)) {
        (_, Ok(options)) if url.starts_with("sqlite:") => options.get_filename().display().to_string(),
        (Ok(options), _) => format!("{}:{}", options.get_host(), options.get_port()),
        _ => "its address".to_owned(),
    }
}

/// Every statement of this folder.
pub fn every_statement() -> impl Iterator<Item = Sql> {
    [
        STATEMENTS,
        ahead::STATEMENTS,
        audit::STATEMENTS,
        conversations::STATEMENTS,
        forget::STATEMENTS,
        halt::STATEMENTS,
        inbox::STATEMENTS,
        ingest::STATEMENTS,
        installations::STATEMENTS,
        kept::STATEMENTS,
        leases::STATEMENTS,
        lines::STATEMENTS,
        mended::STATEMENTS,
        migrate::STATEMENTS,
        orchestrations::STATEMENTS,
        outbox::STATEMENTS,
        paces::STATEMENTS,
        runs::STATEMENTS,
        spending::STATEMENTS,
        timers::STATEMENTS,
        trail::STATEMENTS,
        tx::STATEMENTS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

async fn in_time<T>(answer: impl Future<Output = Result<T>>) -> Result<T> {
    within(PING_PATIENCE, answer).await
}

async fn within<T>(patience: Duration, answer: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(patience, answer).await.unwrap_or(Err(StoreError::Slow))
}

async fn open_sqlite(url: &str, max_connections: u32, tasks: &mut JoinSet<()>) -> Result<Pools> {
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(StoreError::Address("SQLite needs a file: what is only in memory would not survive a restart"));
    }
    let options = SqliteConnectOptions::from_str(url)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full) // the answer to a webhook promises that it is on disk
        .busy_timeout(LOCK)
        .foreign_keys(true)
        .statement_cache_capacity(STATEMENT_CACHE)
        .pragma("wal_autocheckpoint", LONGEST_LOG);
    // A connection to a file does not go away by itself, so it is not tried out before each use.
    let pool = || SqlitePoolOptions::new().acquire_timeout(ACQUIRE).test_before_acquire(false);
    let pool = || pool().max_lifetime(None).idle_timeout(None);
    let file = options.get_filename().to_owned();
    // After an error of the disk SQLite has rolled back by itself; sqlx still counts a transaction, and
    // would begin none on this connection any more.
    let writer = pool()
        .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
        .max_connections(1)
        .connect_with(options.clone())
        .await?;
    let checkpoints = Checkpoints::default();
    let connection = pool().max_connections(1).connect_lazy_with(options.clone());
    let task = tasks.spawn(checkpoints.clone().run(connection.clone()));
    let readers = pool()
        .max_connections(max_connections.max(1))
        .connect_lazy_with(options.create_if_missing(false).read_only(true));
    Ok(Pools::Sqlite { writer, readers, file, checkpoints, writing_back: (task, connection) })
}

async fn open_postgres(url: &str, max_connections: u32, patience: Patience) -> Result<(PgPool, PgConnectOptions)> {
    let mut options =
        PgConnectOptions::from_str(url)?.application_name("baton").statement_cache_capacity(STATEMENT_CACHE);
    // Encrypted, what is over 16 KiB leaves in several writes, and sqlx 0.9.0 leaves Nagle's algorithm
    // on (transact-rs/sqlx#4335): on loopback that is 40 ms for each. An address that asks for it gets
    // it all the same.
    if matches!(options.get_ssl_mode(), PgSslMode::Prefer) && is_loopback(options.get_host()) {
        options = options.ssl_mode(PgSslMode::Disable);
    }
    // sqlx's word for "no user was named".
    if options.get_username() == "anonymous" {
        return Err(StoreError::Address("the database's address names no user: postgres://USER@HOST/DATABASE"));
    }
    // The pool tells only that it has no connection, and not why.
    within(ACQUIRE, async { Ok(options.connect().await?.close().await?) }).await?;
    let pool = PgPoolOptions::new()
        .max_connections(max_connections.max(2))
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(
                async move { if meta.idle_for < IDLE { Ok(true) } else { connection.ping().await.map(|()| true) } },
            )
        })
        .after_release(move |_, _| {
            let usable = if patience.is_suspect() { Err(sqlx::Error::WorkerCrashed) } else { Ok(true) };
            Box::pin(async move { usable })
        })
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(sqlx::raw_sql(POSTGRES_SESSION)).await.map(drop) })
        })
        .connect_with(options.clone())
        .await?;
    Ok((pool, options))
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}
