//! `baton dev`: the service with everything around it simulated. It reads no settings file, so that
//! it never talks to a real workspace.

use std::path::PathBuf;

use super::{Answer, Failed, Outcome, block_on};
use crate::{
    app::{self, DevOptions},
    config, telemetry,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The port on this machine; 0 takes any that is free.
    #[arg(long, default_value_t = 7300)]
    port: u16,
    /// How many times faster than real the simulated agents work.
    #[arg(long, value_name = "TIMES", default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Keep Baton's own data in this folder. The simulated platforms begin anew at each start, so that
    /// what was under way has nothing to go on with.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub(super) fn run(args: Args) -> Outcome {
    // Only what wants attention is logged unless BATON_LOG says more: the page shows the rest.
    let quiet = |name: &str| {
        let value = config::environment(name).filter(|value| !value.is_empty());
        if name == "BATON_LOG" { value.or_else(|| Some("warn".into())) } else { value }
    };
    let log = config::log_from(&quiet)?;
    telemetry::init(&log);
    let options = DevOptions { port: args.port, speed: args.speed, data: args.data };
    let served = block_on(async { app::dev(options).await.map_err(Failed::from) });
    served.map(|()| Answer::default()).map_err(|failed| failed.in_format(log.format))
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(speed) if (0.01..=1000.0).contains(&speed) => Ok(speed),
        _ => Err("must be a number from 0.01 to 1000".into()),
    }
}
