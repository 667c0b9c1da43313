//! Several real processes on one PostgreSQL: each takes any event, one takes over from another that is
//! stopped or killed, and all together keep order and pace. Prints what it counted.
//!
//! `cargo test --test replicas` does so where `BATON_TEST_POSTGRES_URL` names a server.
//! `tests/rolling-upgrade` builds an older version and has it run beside this one.

#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

mod database;
mod fleet;
mod front;
mod gate;
mod replica;
mod stopped;
mod stories;
mod together;
mod upgrade;
mod verdict;

use std::{io::Write as _, path::PathBuf, process::ExitCode, time::Instant};

use fleet::Fleet;

const REPLICAS: usize = 3;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let Some(server) = text("BATON_TEST_POSTGRES_URL") else {
        if text("BATON_TEST_POSTGRES_REQUIRED").as_deref() == Some("1") {
            say("FAILED: BATON_TEST_POSTGRES_REQUIRED=1, and BATON_TEST_POSTGRES_URL names no server");
            return ExitCode::FAILURE;
        }
        say("*** SKIPPED: several replicas. BATON_TEST_POSTGRES_URL is not set. ***");
        return ExitCode::SUCCESS;
    };
    let begun = Instant::now();
    let told = match text("BATON_OLD_BINARY") {
        Some(old) => runtime.block_on(upgrade::with(&server, old.into())),
        None => runtime.block_on(replicas(&server)),
    };
    match told {
        Ok(()) => {
            say(&format!("all as it should be, after {} s", begun.elapsed().as_secs()));
            ExitCode::SUCCESS
        }
        Err(why) => {
            say(&format!("FAILED: {why}"));
            ExitCode::FAILURE
        }
    }
}

async fn replicas(server: &str) -> Result<(), String> {
    let mut fleet = Fleet::new(server, &vec![this(); REPLICAS]).await;
    let told = chapters(&mut fleet).await.map_err(|why| format!("{why}\n{}", fleet.told()));
    fleet.end().await;
    told
}

async fn chapters(fleet: &mut Fleet) -> Result<(), String> {
    for one in 0..REPLICAS {
        fleet.start(one).await?;
    }
    fleet.lead_to(&[0, 1, 2]);
    say(&format!("any takes any: {}", together::any_takes_any(fleet).await?));
    say(&format!("leases: {}", stopped::one_is_stopped_and_one_is_killed(fleet).await?));
    verdict::all_is_done(fleet).await?;
    say(&format!("once: {}", verdict::once(&fleet.world)?));
    say(&format!("order: {}", verdict::in_order(fleet).await?));
    say(&format!("pace: {}", verdict::paced(fleet)?));
    Ok(())
}

/// The program that is tested.
fn this() -> PathBuf {
    env!("CARGO_BIN_EXE_baton").into()
}

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment what to do")]
fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
