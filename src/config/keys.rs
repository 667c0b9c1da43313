//! The names of all settings in one list, and what is said about a name that is not in it.

use std::fmt;

use toml::{Table, Value};

/// A setting by its name in the environment and in the file.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub variable: &'static str,
    pub section: &'static str,
    pub key: &'static str,
}

pub const LISTEN: Setting = Setting::new("BATON_LISTEN", "server", "listen");
pub const PUBLIC_URL: Setting = Setting::new("BATON_PUBLIC_URL", "server", "public_url");
pub const ADMIN_TOKEN: Setting = Setting::new("BATON_ADMIN_TOKEN", "server", "admin_token");
pub const DATABASE_URL: Setting = Setting::new("BATON_DATABASE_URL", "storage", "url");
pub const ENCRYPTION_KEY: Setting = Setting::new("BATON_ENCRYPTION_KEY", "storage", "encryption_key");
pub const SIGNING_SECRET: Setting = Setting::new("SLACK_SIGNING_SECRET", "slack", "signing_secret");
pub const BOT_TOKEN: Setting = Setting::new("SLACK_BOT_TOKEN", "slack", "bot_token");
pub const SLACK_CLIENT_ID: Setting = Setting::new("SLACK_CLIENT_ID", "slack", "client_id");
pub const SLACK_CLIENT_SECRET: Setting = Setting::new("SLACK_CLIENT_SECRET", "slack", "client_secret");
pub const APP_TOKEN: Setting = Setting::new("SLACK_APP_TOKEN", "slack", "app_token");
pub const SLACK_API_URL: Setting = Setting::new("SLACK_API_URL", "slack", "api_url");
pub const LINEAR_WEBHOOK_SECRET: Setting = Setting::new("LINEAR_WEBHOOK_SECRET", "linear", "webhook_secret");
pub const LINEAR_WEBHOOK_WINDOW: Setting = Setting::new("LINEAR_WEBHOOK_WINDOW", "linear", "webhook_window");
pub const LINEAR_CLIENT_ID: Setting = Setting::new("LINEAR_CLIENT_ID", "linear", "client_id");
pub const LINEAR_CLIENT_SECRET: Setting = Setting::new("LINEAR_CLIENT_SECRET", "linear", "client_secret");
pub const LINEAR_ACCESS_TOKEN: Setting = Setting::new("LINEAR_ACCESS_TOKEN", "linear", "access_token");
pub const LINEAR_API_URL: Setting = Setting::new("LINEAR_API_URL", "linear", "api_url");
pub const OZ_API_KEY: Setting = Setting::new("WARP_API_KEY", "oz", "api_key");
pub const OZ_BASE_URL: Setting = Setting::new("OZ_API_BASE_URL", "oz", "base_url");
pub const OZ_ENVIRONMENT: Setting = Setting::new("OZ_ENVIRONMENT_ID", "oz", "environment");
pub const OZ_POLL_INTERVAL: Setting = Setting::new("BATON_OZ_POLL_INTERVAL", "oz", "poll_interval");
pub const RETENTION_EVENTS: Setting = Setting::new("BATON_RETENTION_EVENTS", "retention", "events");
pub const RETENTION_DELIVERIES: Setting = Setting::new("BATON_RETENTION_DELIVERIES", "retention", "deliveries");
pub const RETENTION_ORCHESTRATIONS: Setting =
    Setting::new("BATON_RETENTION_ORCHESTRATIONS", "retention", "orchestrations");
pub const OTLP_ENDPOINT: Setting = Setting::new("BATON_OTLP_ENDPOINT", "telemetry", "otlp_endpoint");
pub const LOG_FILTER: Setting = Setting::new("BATON_LOG", "log", "filter");
pub const LOG_FORMAT: Setting = Setting::new("BATON_LOG_FORMAT", "log", "format");

const SETTINGS: [Setting; 27] = [
    LISTEN,
    PUBLIC_URL,
    ADMIN_TOKEN,
    DATABASE_URL,
    ENCRYPTION_KEY,
    SIGNING_SECRET,
    BOT_TOKEN,
    SLACK_CLIENT_ID,
    SLACK_CLIENT_SECRET,
    APP_TOKEN,
    SLACK_API_URL,
    LINEAR_WEBHOOK_SECRET,
    LINEAR_WEBHOOK_WINDOW,
    LINEAR_CLIENT_ID,
    LINEAR_CLIENT_SECRET,
    LINEAR_ACCESS_TOKEN,
    LINEAR_API_URL,
    OZ_API_KEY,
    OZ_BASE_URL,
    OZ_ENVIRONMENT,
    OZ_POLL_INTERVAL,
    RETENTION_EVENTS,
    RETENTION_DELIVERIES,
    RETENTION_ORCHESTRATIONS,
    OTLP_ENDPOINT,
    LOG_FILTER,
    LOG_FORMAT,
];

/// Keystrokes between a name and one that was meant.
const NEARLY: usize = 2;

/// Sections with a file of their own that reads them: `routes.rs` and `policies.rs`.
const IN_FILE_ONLY: [&str; 4] = ["route", "policy", "limits", "person"];

impl Setting {
    const fn new(variable: &'static str, section: &'static str, key: &'static str) -> Self {
        Self { variable, section, key }
    }
}

/// As sentences name it: `BATON_LISTEN (server.listen)`.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}.{})", self.variable, self.section, self.key)
    }
}

/// A sentence for the name of a variable that is not one of ours, but nearly. Others that begin alike are
/// somebody else's: Kubernetes sets `BATON_PORT` for a service called `baton`.
pub fn misspelt(name: &str) -> Option<String> {
    let known = SETTINGS.map(|setting| setting.variable);
    if known.contains(&name) {
        return None;
    }
    let near = nearest(name, known.into_iter());
    let distance = strsim::damerau_levenshtein(name, near);
    (distance <= NEARLY).then(|| format!("{name} is not a setting; did you mean {near}?"))
}

/// A sentence for every section and key of the file, what lives in it only aside, that is unknown.
pub fn check_file(file: &Table) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, value) in file {
        match value {
            _ if IN_FILE_ONLY.contains(&name.as_str()) => {}
            _ if !is_section(name) => faults.push(unknown_at_top(name, value)),
            Value::Table(section) => {
                check_keys(&format!("[{name}]"), section, &keys_of(name), &mut faults);
            }
            _ => faults.push(format!("{name} must be a section: [{name}].")),
        }
    }
    faults
}

/// A sentence for every key of `table` that is not `known`.
pub fn check_keys(place: &str, table: &Table, known: &[&str], faults: &mut Vec<String>) {
    for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
        let near = nearest(key, known.iter().copied());
        faults.push(format!("{place}: {key} is not a setting; did you mean {near}?"));
    }
}

/// The candidate that is fewest keystrokes away.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> &'a str {
    candidates.min_by_key(|candidate| strsim::damerau_levenshtein(word, candidate)).unwrap_or_default()
}

fn unknown_at_top(name: &str, value: &Value) -> String {
    if value.is_table() || value.is_array() {
        let sections = SETTINGS.iter().map(|setting| setting.section).chain(IN_FILE_ONLY);
        return format!("[{name}] is not a section; did you mean [{}]?", nearest(name, sections));
    }
    let key = nearest(name, SETTINGS.iter().map(|setting| setting.key));
    let section = SETTINGS.iter().find(|setting| setting.key == key).map_or("", |setting| setting.section);
    format!("{name} is not a setting; did you mean {section}.{key}?")
}

fn is_section(name: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.section == name)
}

fn keys_of(section: &str) -> Vec<&'static str> {
    SETTINGS.iter().filter(|setting| setting.section == section).map(|setting| setting.key).collect()
}
