//! The real binary while its database fails: a disk that is full, a file that somebody else has locked,
//! a PostgreSQL that cuts connections, takes none, or hangs. The doors say 503 in time, `/readyz` says
//! why, and when the database is back all goes on without a restart: what was answered 200 is done,
//! once.
//!
//! `cargo test --test storage_faults`; the PostgreSQL half where `BATON_TEST_POSTGRES_URL` names a server.

#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

mod program;
mod proxy;

use std::{io::Write as _, path::Path, process::ExitCode, time::Duration};

use baton::{simulator::World, time::Clock};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, postgres::PgConnectOptions,
    sqlite::SqliteConnectOptions,
};
use tokio::{net::TcpListener, process::Command, time::sleep};

use program::Program;
use proxy::Proxy;

const SPEED: f64 = 20.0;
/// How long a fault lasts.
const FAULT: Duration = Duration::from_secs(4);

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let sqlite = runtime.block_on(on_sqlite());
    let postgres = match text("BATON_TEST_POSTGRES_URL") {
        Some(server) => runtime.block_on(on_postgres(&server)),
        None if text("BATON_TEST_POSTGRES_REQUIRED").as_deref() == Some("1") => {
            Err("BATON_TEST_POSTGRES_REQUIRED=1, and BATON_TEST_POSTGRES_URL names no server".into())
        }
        None => {
            say("*** SKIPPED: the PostgreSQL half. BATON_TEST_POSTGRES_URL is not set. ***");
            Ok(())
        }
    };
    let mut ended = ExitCode::SUCCESS;
    for result in [sqlite, postgres] {
        if let Err(why) = result {
            say(&format!("FAILED: {why}"));
            ended = ExitCode::FAILURE;
        }
    }
    ended
}

async fn on_sqlite() -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("baton.db");
    let mut program = begin(&format!("sqlite://{}", file.display()), folder.path()).await?;

    // No file may grow beyond a byte: what is written fails, as on a full disk.
    limit(&program, "--fsize=1:").await;
    program.is_down().await.map_err(|why| format!("the disk is full: {why}"))?;
    limit(&program, "--fsize=unlimited:").await;
    program.recovers().await.map_err(|why| format!("the disk has room again: {why}"))?;
    say("sqlite, disk full: 503, then on");

    let options = SqliteConnectOptions::new().filename(&file);
    let mut other = options.connect().await.map_err(|error| error.to_string())?;
    other.execute("BEGIN IMMEDIATE").await.map_err(|error| error.to_string())?;
    program.is_down().await.map_err(|why| format!("somebody holds the file: {why}"))?;
    other.execute("ROLLBACK").await.map_err(|error| error.to_string())?;
    program.recovers().await.map_err(|why| format!("nobody holds the file any more: {why}"))?;
    other.close().await.map_err(|error| error.to_string())?;
    say("sqlite, locked: 503, then on");

    say(&format!("sqlite: {}", program.keeps_its_word().await?));
    let whole = Command::new("sqlite3").arg(&file).arg("PRAGMA integrity_check").output().await;
    if let Ok(whole) = whole {
        let said = String::from_utf8_lossy(&whole.stdout).trim().to_owned();
        if said != "ok" {
            return Err(format!("the file is not whole: {said}"));
        }
    }
    Ok(())
}

async fn on_postgres(server: &str) -> Result<(), String> {
    let name = format!("baton_faults_{}", uuid::Uuid::new_v4().simple());
    administer(server, &format!("CREATE DATABASE {name}")).await;
    let ended = postgres_fails(server, &name).await;
    administer(server, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
    administer(server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    ended
}

async fn postgres_fails(server: &str, name: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let mut url: url::Url = server.parse().unwrap();
    let host = url.host_str().unwrap_or("127.0.0.1").to_owned();
    let proxy = Proxy::to(format!("{host}:{}", url.port().unwrap_or(5432))).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(proxy.address.port())).unwrap();
    url.set_path(name);
    let mut program = begin(url.as_str(), folder.path()).await?;
    let cut = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");

    // Cut again and again, while people go on asking. Whoever is turned away is told so.
    for _ in 0..20 {
        administer(server, &cut).await;
        let status = program.ask().await;
        if status != 200 && status != 503 {
            return Err(format!("connections are cut, and the door answered {status}"));
        }
        sleep(Duration::from_millis(150)).await;
    }
    program.recovers().await.map_err(|why| format!("connections are cut no more: {why}"))?;
    say("postgres, connections cut: on at once");

    administer(server, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
    administer(server, &cut).await;
    program.is_down().await.map_err(|why| format!("it takes no connections: {why}"))?;
    administer(server, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
    program.recovers().await.map_err(|why| format!("it takes connections again: {why}"))?;
    say("postgres, stopped and started: 503, then on");

    administer(server, &format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    administer(server, &cut).await;
    program.is_down().await.map_err(|why| format!("it is read-only: {why}"))?;
    administer(server, &format!("ALTER DATABASE {name} SET default_transaction_read_only = off")).await;
    administer(server, &cut).await;
    program.recovers().await.map_err(|why| format!("it can be written to again: {why}"))?;
    say("postgres, read-only: 503, then on");

    proxy.block();
    sleep(FAULT).await;
    program.is_down().await.map_err(|why| format!("it hangs: {why}"))?;
    proxy.open_for_new();
    program.recovers().await.map_err(|why| format!("new connections get through: {why}"))?;
    say("postgres, hangs: 503, then on with new connections");

    say(&format!("postgres: {}", program.keeps_its_word().await?));
    Ok(())
}

/// A world of its own for each database.
async fn begin(storage: &str, folder: &Path) -> Result<Program, String> {
    let world = World::new(&Clock::system());
    world.oz.set_speed(SPEED);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let platforms = format!("http://{}", listener.local_addr().unwrap());
    let router = world.router(&platforms, &platforms);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Program::start(&world, &platforms, storage, folder).await
}

async fn limit(program: &Program, limit: &str) {
    let id = program.id().to_string();
    let done = Command::new("prlimit").args([limit, "--pid", &id]).status().await;
    assert!(done.is_ok_and(|status| status.success()), "prlimit (of util-linux) is needed");
}

async fn administer(server: &str, sql: &str) {
    let mut connection = server.parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
    connection.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
    connection.close().await.unwrap();
}

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment what to do")]
fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
