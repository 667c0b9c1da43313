//! The command line: one file for each command, and here what they share.
//!
//! A command returns what it has to say, and [`main`] prints it. Exit codes: 0 done, 1 failed,
//! 2 usage or settings.

mod audit;
mod check;
mod deliveries;
mod dev;
mod halt;
mod list;
mod manifest;
mod mended;
mod migrate;
mod open;
mod plain;
mod serve;
mod show;
mod why;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{
    config::{Faults, LogFormat, LogSettings},
    telemetry,
};

/// Orchestrated agents, run and approved from the conversations a team already has.
#[derive(Debug, Parser)]
#[command(name = "baton", version, propagate_version = true, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "Try it without any account: baton dev")]
struct Cli {
    /// The settings file [default: baton.toml if there is one]. Environment variables win over it.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service.
    Serve(serve::Args),
    /// Run the service with simulated Slack, Linear and Oz, without any account.
    Dev(dev::Args),
    /// Say what is misconfigured: settings, database, tokens, scopes, clock.
    Check(check::Args),
    /// Bring the database's schema up to date.
    Migrate,
    /// Print what a platform has to be told about Baton.
    Manifest(manifest::Args),
    /// List orchestrations, the newest first.
    List(list::Args),
    /// Show one orchestration in full.
    Show(show::Args),
    /// Tell the decisions that led an orchestration to its state.
    Why(why::Args),
    /// List deliveries that are parked or waiting, or send one again.
    Deliveries(deliveries::Args),
    /// List what reconciling put right, the newest first.
    Mended(mended::Args),
    /// The audit log: export it, or check its chain of hashes.
    Audit(audit::Args),
    /// Stop every launch at once, in all orchestrations, until `baton resume`.
    Halt(halt::Args),
    /// Let runs be launched again after `baton halt`.
    Resume,
}

/// What a command has to say when it did its work.
#[derive(Debug, Default)]
struct Answer {
    text: String,
    /// 1 when what was looked at is not in order.
    code: u8,
}

/// Why a command did not do its work.
#[derive(Debug)]
struct Failed {
    sentences: Vec<String>,
    code: u8,
    /// A service fails in the format of its log.
    format: LogFormat,
}

type Outcome = Result<Answer, Failed>;

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let config = cli.config.as_deref();
    let outcome = match cli.command {
        Command::Serve(args) => serve::run(&args, config),
        Command::Dev(args) => dev::run(args),
        Command::Check(args) => check::run(&args, config),
        Command::Migrate => migrate::run(config),
        Command::Manifest(args) => Ok(manifest::run(&args)),
        Command::List(args) => list::run(&args, config),
        Command::Show(args) => show::run(&args, config),
        Command::Why(args) => why::run(&args, config),
        Command::Deliveries(args) => deliveries::run(&args, config),
        Command::Mended(args) => mended::run(&args, config),
        Command::Audit(args) => audit::run(&args, config),
        Command::Halt(args) => halt::halt(args, config),
        Command::Resume => halt::resume(config),
    };
    match outcome {
        Ok(answer) => match written(io::stdout().write_all(answer.text.as_bytes())) {
            Ok(_) => ExitCode::from(answer.code),
            Err(failed) => {
                failed.tell();
                ExitCode::from(failed.code)
            }
        },
        Err(failed) => {
            failed.tell();
            ExitCode::from(failed.code)
        }
    }
}

impl Answer {
    fn new(text: String) -> Self {
        Self { text, code: 0 }
    }
}

impl Failed {
    fn new(sentence: impl Into<String>) -> Self {
        Self { sentences: vec![sentence.into()], code: 1, format: LogFormat::Text }
    }

    fn in_format(self, format: LogFormat) -> Self {
        Self { format, ..self }
    }

    fn tell(&self) {
        match self.format {
            LogFormat::Text => {
                for sentence in &self.sentences {
                    let _ = writeln!(io::stderr(), "baton: {sentence}");
                }
            }
            LogFormat::Json => {
                telemetry::init(&LogSettings { filter: "error".into(), format: LogFormat::Json });
                for sentence in &self.sentences {
                    tracing::error!("{sentence}");
                }
            }
        }
    }
}

impl From<Faults> for Failed {
    fn from(faults: Faults) -> Self {
        Self { sentences: faults.sentences, code: 2, format: LogFormat::Text }
    }
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self::new(format!("{error:#}"))
    }
}

impl From<crate::storage::StoreError> for Failed {
    fn from(error: crate::storage::StoreError) -> Self {
        Self::new(format!("the database: {error}"))
    }
}

/// False when whoever reads (`baton list | head`) has had enough, which is not an error.
fn written(result: io::Result<()>) -> Result<bool, Failed> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failed::new(format!("the output could not be written: {error}"))),
    }
}

/// What a decision needs of a thread's stack in code that is not optimized comes near the usual 2 MiB.
const STACK: usize = 4 << 20;

/// Runs the asynchronous part of a command to its end.
fn block_on<T>(future: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK).build();
    runtime.map_err(|error| Failed::new(format!("the runtime could not be started: {error}")))?.block_on(future)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn settings_are_a_matter_of_exit_code_two() {
        let log = LogSettings { filter: "info".into(), format: LogFormat::Json };
        let failed = Failed::from(Faults { sentences: vec!["a.".into(), "b.".into()], log });
        assert_eq!((failed.code, failed.sentences.len()), (2, 2));
        assert_eq!(Failed::new("c").code, 1);
    }

    #[test]
    fn output_that_is_cut_short_is_an_error_unless_nobody_reads_it() {
        assert!(written(Ok(())).is_ok_and(|goes_on| goes_on));
        assert!(written(Err(io::ErrorKind::BrokenPipe.into())).is_ok_and(|goes_on| !goes_on));
        assert_eq!(written(Err(io::ErrorKind::StorageFull.into())).map_err(|failed| failed.code), Err(1));
    }

    #[test]
    fn usage() {
        for (line, good) in [
            ("baton serve --no-migrate --config a.toml", true),
            ("baton --config a.toml serve", true),
            ("baton dev --port 0 --speed 10 --data there", true),
            ("baton dev --speed 0", false),
            ("baton dev --speed inf", false),
            ("baton manifest slack --url https://baton.example.com", true),
            ("baton manifest slack --url http://baton.example.com", false),
            ("baton manifest slack --socket-mode", true),
            ("baton manifest slack --socket-mode --url https://baton.example.com", false),
            ("baton manifest slack", false),
            ("baton manifest linear --url https://baton.example.com", true),
            ("baton manifest linear", false),
            ("baton manifest slack --url http://127.0.0.1:7300", true),
            ("baton audit verify", true),
            ("baton audit", false),
            ("baton halt --reason spending", true),
            ("baton resume", true),
            ("baton deliveries", true),
            ("baton deliveries retry d1", true),
            ("baton list --limit 1", true),
            ("baton list --limit 0", false),
            ("baton mended --limit 5", true),
            ("baton mended --limit 0", false),
            ("baton show", false),
            ("baton", false),
        ] {
            assert_eq!(Cli::try_parse_from(line.split(' ')).is_ok(), good, "{line}");
        }
    }
}
