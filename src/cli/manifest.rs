//! `baton manifest`: what a platform has to be told about Baton. It needs no settings.

use clap::Subcommand;
use url::Url;

use super::Answer;
use crate::{config::values, manifest};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    platform: Platform,
}

#[derive(Debug, Subcommand)]
enum Platform {
    /// The Slack app manifest, as JSON.
    Slack {
        /// The public address that Slack reaches Baton at.
        #[arg(long, value_parser = values::base_url, required_unless_present = "socket_mode")]
        url: Option<Url>,
        /// Slack reaches Baton over a socket that Baton opens (`SLACK_APP_TOKEN`), and needs no address.
        #[arg(long, conflicts_with = "url")]
        socket_mode: bool,
    },
    /// The link at which Linear offers to make the application, filled in.
    Linear {
        /// The public address that Linear reaches Baton at.
        #[arg(long, value_parser = values::base_url)]
        url: Url,
    },
}

pub(super) fn run(args: &Args) -> Answer {
    Answer::new(match &args.platform {
        Platform::Slack { url: Some(url), .. } => manifest::pretty(&manifest::slack(url)),
        Platform::Slack { url: None, .. } => manifest::pretty(&manifest::slack_by_socket()),
        Platform::Linear { url } => manifest::linear(url) + "\n",
    })
}
