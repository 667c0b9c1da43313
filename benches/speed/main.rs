//! Every figure that Baton claims, in one run, beside its target: `cargo bench`.
//!
//! `cargo bench -- ack follow` for some parts, `-- --quick` for a look. `BATON_BENCH_POSTGRES_URL` names
//! the server for the PostgreSQL half; without it that half is left out, and the output says so. All on
//! one machine over loopback, so absolute figures move from machine to machine; ratios within one run
//! are what counts.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

mod ack;
mod click;
mod decide;
mod fleet;
mod follow;
mod start;
mod support;

use support::{databases, process, server, verdicts::Verdicts};

const PARTS: [&str; 6] = ["ack", "decide", "click", "follow", "fleet", "start"];

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // This program again, as one of the processes that are measured.
    if let Some(what) = process::asked_for(server::SERVE) {
        return on_all_cores()?.block_on(server::serve(&what));
    }
    if let Some(what) = process::asked_for(fleet::DRIVE) {
        return on_all_cores()?.block_on(fleet::drive(&what));
    }
    let quick = args.iter().any(|arg| arg == "--quick");
    let named: Vec<&String> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    if let Some(unknown) = named.iter().find(|name| !PARTS.contains(&name.as_str())) {
        anyhow::bail!("there is no part {unknown:?}: {}", PARTS.join(", "));
    }
    if databases::postgres_url().is_none() {
        println!("PostgreSQL is left out: BATON_BENCH_POSTGRES_URL names no server.\n");
    }
    let mut verdicts = Verdicts::default();
    for part in PARTS.into_iter().filter(|part| named.is_empty() || named.iter().any(|name| name == part)) {
        println!("## {part}\n");
        match part {
            // One thread for the load, so that it takes no more of the machine than it must.
            "ack" => on_one_core()?.block_on(ack::bench(quick, &mut verdicts))?,
            "decide" => on_all_cores()?.block_on(decide::bench(quick, &mut verdicts))?,
            "click" => on_all_cores()?.block_on(click::bench(quick, &mut verdicts))?,
            "follow" => follow::bench(quick, &mut verdicts)?,
            "fleet" => on_one_core()?.block_on(fleet::bench(quick, &mut verdicts))?,
            _ => on_one_core()?.block_on(start::bench(quick, &mut verdicts))?,
        }
        println!();
    }
    println!("## targets\n\n{verdicts}");
    Ok(())
}

fn on_one_core() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn on_all_cores() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
