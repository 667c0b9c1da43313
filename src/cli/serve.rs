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
    let settings = config::of_process(config).and_then(Settings::for_serving).map_err(|faults| {
        let format = faults.log.format;
        Failed::from(faults).in_format(format)
    })?;
    let format = settings.log.format;
    let exporter = telemetry::init_with_traces(&settings.log, settings.telemetry.otlp_endpoint.as_ref());
    let options = ServeOptions { migrate: !args.no_migrate };
    let served = block_on(async {
        let exporting = exporter.map(telemetry::Exporter::start).transpose();
        let exporting = exporting.map_err(|error| Failed::new(format!("no HTTP client can be made: {error}")))?;
        let served = app::serve(settings, options).await.map_err(Failed::from);
        if let Some(exporting) = exporting {
            exporting.finish().await;
        }
        served
    });
    served.map(|()| Answer::default()).map_err(|failed| failed.in_format(format))
}
