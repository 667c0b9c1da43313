//! `baton serve`: the service. From here on everything that is said is a line of the log.

use std::path::Path;

use super::{Answer, Failed, Outcome, block_on};
use crate::{
    app::{self, ServeOptions},
    config::{self, Settings},
    telemetry,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Leave the database's schema alone; `baton migrate` has been run.
    #[arg(long)]
    no_migrate: bool,
}

pub(super) fn run(args: &Args, config: Option<&Path>) -> Outcome {
    let settings = config::load(config, &config::environment).and_then(Settings::for_serving).map_err(|faults| {
        let format = faults.log.format;
        Failed::from(faults).in_format(format)
    })?;
    let format = settings.log.format;
    telemetry::init(&settings.log);
    let options = ServeOptions { migrate: !args.no_migrate };
    let served = block_on(async { app::serve(settings, options).await.map_err(Failed::from) });
    served.map(|()| Answer::default()).map_err(|failed| failed.in_format(format))
}
