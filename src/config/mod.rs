//! Settings: one struct for each section, read from `baton.toml` and the environment, which wins.
//!
//! Every mistake is found in one go, and each is one sentence that names the setting. A name in the file
//! that is not known is a mistake too, and so is a variable that is nearly called like one of ours.
//! Called by `cli`.

mod fields;
mod keys;
mod policies;
mod retention;
mod routes;
mod sections;
mod telemetry;
pub mod values;

use std::{fmt, fs, io, path::Path};

use toml::Table;

pub use retention::RetentionSettings;
pub use sections::{
    LinearCredentials, LinearSettings, LogFormat, LogSettings, OzSettings, ServerSettings, SlackCredentials,
    SlackSettings, StorageSettings,
};
pub use telemetry::TelemetrySettings;

use crate::domain::{route::Routes, run::RunSettings};
use sections::Reader;

/// Read when it is there and no other file was named.
const USUAL_FILE: &str = "baton.toml";

#[derive(Clone, Debug)]
pub struct Settings {
    pub server: ServerSettings,
    pub storage: StorageSettings,
    /// Never without [`Settings::oz`].
    pub slack: Option<SlackSettings>,
    /// Likewise.
    pub linear: Option<LinearSettings>,
    pub oz: Option<OzSettings>,
    pub retention: RetentionSettings,
    pub telemetry: TelemetrySettings,
    pub log: LogSettings,
    pub routes: Routes,
}

/// What is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// One sentence for each wrong setting, never empty.
    pub sentences: Vec<String>,
    /// How to tell them: as much of the log's settings as could be read.
    pub log: LogSettings,
}

/// Reads the settings from `config`, or from `baton.toml` if there is one, and from the
/// environment.
///
/// # Errors
/// All mistakes at once.
pub fn load(config: Option<&Path>, env: &dyn Fn(&str) -> Option<String>) -> Result<Settings, Faults> {
    match read_file(config).and_then(|text| parse_file(&text)) {
        Ok(file) => read(&file, env),
        Err(sentence) => {
            let log = log_from(env).unwrap_or_else(|faults| faults.log);
            let name = config.unwrap_or(Path::new(USUAL_FILE)).display();
            Err(Faults { sentences: vec![format!("The settings file {name} {sentence}.")], log })
        }
    }
}

/// [`load`] in this process's environment.
///
/// # Errors
/// The same, and variables whose names are misspelt.
pub fn of_process(config: Option<&Path>) -> Result<Settings, Faults> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let misspelt: Vec<String> = names.filter_map(|name| keys::misspelt(&name)).collect();
    match load(config, &environment) {
        Ok(settings) if misspelt.is_empty() => Ok(settings),
        Ok(settings) => Err(Faults { sentences: misspelt, log: settings.log }),
        Err(faults) => Err(Faults { sentences: [misspelt, faults.sentences].concat(), ..faults }),
    }
}

/// The log's settings from the environment alone, for what needs no others.
///
/// # Errors
/// When they are wrong.
pub fn log_from(env: &dyn Fn(&str) -> Option<String>) -> Result<LogSettings, Faults> {
    let mut reader = Reader { file: &Table::new(), env, faults: Vec::new() };
    let log = LogSettings::read(&mut reader);
    if reader.faults.is_empty() { Ok(log) } else { Err(Faults { sentences: reader.faults, log }) }
}

/// A variable of the process's environment. One that is not Unicode reads with replacement
/// characters, which no setting accepts.
pub fn environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

impl Settings {
    /// Whether there is anything to serve.
    ///
    /// # Errors
    /// When no platform is configured, with the way to try Baton nevertheless.
    pub fn for_serving(self) -> Result<Self, Faults> {
        if self.slack.is_some() || self.linear.is_some() {
            return Ok(self);
        }
        let sentence = format!(
            "Neither Slack nor Linear is configured: set {} and {} for Slack ({} where nothing can reach this machine), {} with {} and {} for Linear, and {} for \
             either; or run `baton dev` to try Baton without any account.",
            keys::BOT_TOKEN,
            keys::SIGNING_SECRET,
            keys::APP_TOKEN,
            keys::LINEAR_WEBHOOK_SECRET,
            keys::LINEAR_CLIENT_ID,
            keys::LINEAR_CLIENT_SECRET,
            keys::OZ_API_KEY
        );
        Err(Faults { sentences: vec![sentence], log: self.log })
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentences.join("\n"))
    }
}

impl std::error::Error for Faults {}

fn read(file: &Table, env: &dyn Fn(&str) -> Option<String>) -> Result<Settings, Faults> {
    let mut reader = Reader { file, env, faults: keys::check_file(file) };
    let log = LogSettings::read(&mut reader);
    let server = ServerSettings::read(&mut reader);
    let storage = StorageSettings::read(&mut reader);
    let slack = SlackSettings::read(&mut reader, &server, &storage);
    let linear = LinearSettings::read(&mut reader, &server, &storage);
    let oz = OzSettings::read(&mut reader);
    let retention = RetentionSettings::read(&mut reader);
    let telemetry = TelemetrySettings::read(&mut reader);
    let is_anywhere = reader.has_any(&SlackSettings::ANY) || reader.has_any(&LinearSettings::ANY);
    if is_anywhere && !reader.has(keys::OZ_API_KEY) {
        reader.faults.push(format!("{} is not set, and nothing can run without it.", keys::OZ_API_KEY));
    }
    let environment = reader.read(keys::OZ_ENVIRONMENT, |text| Ok(text.to_owned()));
    let defaults = RunSettings { environment, ..RunSettings::default() };
    let routes = routes::read(file, defaults, &mut reader.faults);
    if reader.faults.is_empty() {
        Ok(Settings { server, storage, slack, linear, oz, retention, telemetry, log, routes })
    } else {
        Err(Faults { sentences: reader.faults, log })
    }
}

fn read_file(config: Option<&Path>) -> Result<String, String> {
    match fs::read_to_string(config.unwrap_or(Path::new(USUAL_FILE))) {
        Err(error) if config.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(|error| format!("cannot be read: {error}")),
    }
}

/// The error of `toml` would quote the line, which may hold a secret.
fn parse_file(text: &str) -> Result<Table, String> {
    text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        format!("is not TOML: line {}: {}", before.matches('\n').count() + 1, error.message())
    })
}

#[cfg(test)]
mod tests;
