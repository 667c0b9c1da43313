//! The schema: the files of `migrations/`, built into the program. They only go forward, and expand
//! before they contract, because replicas of two versions overlap.

use sqlx::{
    SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
    postgres::PgPoolOptions,
};

use super::{
    Pools, Result, Store, StoreError,
    sql::{args, statements},
};

statements! {
    HAS_MIGRATIONS = "SELECT COUNT(*) AS tables FROM " migrations_table;
    LATEST = "SELECT MAX(version) AS version FROM _sqlx_migrations WHERE success";
}

macro_rules! migrations {
    ($($version:literal $name:literal),+ $(,)?) => {
        const SQLITE: &[(i64, &str, &str)] =
            &[$(($version, $name, include_str!(concat!("../../migrations/sqlite/", $name, ".sql")))),+];
        const POSTGRES: &[(i64, &str, &str)] =
            &[$(($version, $name, include_str!(concat!("../../migrations/postgres/", $name, ".sql")))),+];
    };
}

migrations! {
    1 "0001_init",
    2 "0002_inbox_delivery",
    3 "0003_spending",
    4 "0004_audit",
    5 "0005_installations",
    6 "0006_mended",
    7 "0007_lookups",
    8 "0008_retention",
    9 "0009_inbox_lanes",
    10 "0010_lines",
}

/// The database's schema, compared with the one that this version knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    Current,
    /// Migrations are missing, or all of them.
    Behind,
    /// A newer version of Baton was here.
    Newer,
}

pub(super) async fn run(store: &Store) -> Result<()> {
    let (found, known) = (version(store).await?, newest());
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    match &store.0.pools {
        Pools::Sqlite { writer, .. } => migrator(SQLITE).run(writer).await?,
        Pools::Postgres { options, .. } => {
            // A connection of its own: without our time limits, and the lock of a migration that
            // failed goes away with it.
            let one = PgPoolOptions::new().max_connections(1).connect_with((**options).clone()).await?;
            let migrated = migrator(POSTGRES).run(&one).await;
            one.close().await;
            migrated?;
        }
    }
    Ok(())
}

pub(super) async fn check(store: &Store) -> Result<Schema> {
    Ok(match version(store).await?.cmp(&newest()) {
        std::cmp::Ordering::Less => Schema::Behind,
        std::cmp::Ordering::Equal => Schema::Current,
        std::cmp::Ordering::Greater => Schema::Newer,
    })
}

fn newest() -> i64 {
    SQLITE.iter().map(|(version, ..)| *version).max().unwrap_or_default()
}

/// Zero when there is no schema at all.
async fn version(store: &Store) -> Result<i64> {
    let tables = store.row(HAS_MIGRATIONS, args![]).await?.map_or(Ok(0), |row| row.get::<i64>("tables"))?;
    if tables == 0 {
        return Ok(0);
    }
    let latest = store.row(LATEST, args![]).await?.map_or(Ok(None), |row| row.get::<Option<i64>>("version"))?;
    Ok(latest.unwrap_or_default())
}

fn migrator(files: &[(i64, &'static str, &'static str)]) -> Migrator {
    let migration = |(version, name, text): &(i64, &'static str, &'static str)| {
        Migration::new(*version, (*name).into(), MigrationType::Simple, (*text).into_sql_str(), false)
    };
    Migrator::with_migrations(files.iter().map(migration).collect())
}
