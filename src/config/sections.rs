//! The sections of the settings, one struct for each, read from the environment over the file.

use std::{io::IsTerminal, net::SocketAddr, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use toml::Table;
use url::Url;

use super::{
    keys::{self, Setting},
    values,
};
use crate::secret;

/// `[server]`
#[derive(Clone, Debug)]
pub struct ServerSettings {
    pub listen: SocketAddr,
    /// Where people and platforms reach Baton; without it there are no links to its pages.
    pub public_url: Option<Url>,
    /// Wanted by the operator's pages; without it they answer on loopback only.
    pub admin_token: Option<SecretString>,
}

/// `[storage]`
#[derive(Clone, Debug)]
pub struct StorageSettings {
    /// A secret, because it may hold a password.
    pub url: SecretString,
}

/// `[slack]`
#[derive(Clone, Debug)]
pub struct SlackSettings {
    /// All that are valid now: several while one is replaced by the next.
    pub signing_secrets: Vec<SecretString>,
    pub bot_token: SecretString,
    /// Ends with a slash.
    pub api_url: Url,
}

/// `[oz]`. Its `environment` is in [`Routes::defaults`](crate::domain::route::Routes::defaults).
#[derive(Clone, Debug)]
pub struct OzSettings {
    pub api_key: SecretString,
    /// Ends without a slash, where it has a path.
    pub base_url: Url,
    pub poll_interval: Duration,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Levels, as `tracing` reads them.
    pub filter: String,
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// Reads settings and collects what is wrong with them, one sentence each.
pub(super) struct Reader<'a> {
    pub file: &'a Table,
    pub env: &'a dyn Fn(&str) -> Option<String>,
    pub faults: Vec<String>,
}

impl ServerSettings {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        Self {
            listen: from.read(keys::LISTEN, values::listen).unwrap_or(SocketAddr::from(([127, 0, 0, 1], 7300))),
            public_url: from.read(keys::PUBLIC_URL, values::base_url),
            admin_token: from.read(keys::ADMIN_TOKEN, secret::one),
        }
    }
}

impl StorageSettings {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        let url = from.read(keys::DATABASE_URL, |text| {
            let url = secret::one(text)?;
            values::database_url(url.expose_secret()).map(|()| url)
        });
        Self { url: url.unwrap_or_else(|| "sqlite://baton.db".into()) }
    }
}

impl SlackSettings {
    /// None when Slack is not configured at all.
    pub(super) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let api_url = from.read(keys::SLACK_API_URL, |text| values::base_url(text).map(with_slash));
        if !from.has(keys::SIGNING_SECRET) && !from.has(keys::BOT_TOKEN) {
            return None;
        }
        let signing_secrets = from.need(keys::SIGNING_SECRET, secret::several);
        let bot_token = from.need(keys::BOT_TOKEN, secret::one);
        Some(Self {
            signing_secrets: signing_secrets?,
            bot_token: bot_token?,
            api_url: api_url.or_else(|| Url::parse("https://slack.com/api/").ok())?,
        })
    }
}

impl OzSettings {
    /// None when there is no key.
    pub(super) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let base_url = from.read(keys::OZ_BASE_URL, |text| values::base_url(text).map(without_slash));
        let poll_interval = from.read(keys::OZ_POLL_INTERVAL, values::duration);
        let api_key = from.read(keys::OZ_API_KEY, secret::one)?;
        Some(Self {
            api_key,
            base_url: base_url.or_else(|| Url::parse("https://app.warp.dev/api/v1").ok())?,
            poll_interval: poll_interval.unwrap_or(Duration::from_secs(3)),
        })
    }
}

impl LogSettings {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        let format = from.read(keys::LOG_FORMAT, |text| match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(format!("must be text or json, not {text:?}")),
        });
        Self {
            filter: from.read(keys::LOG_FILTER, values::log_filter).unwrap_or_else(|| "info".into()),
            format: format.unwrap_or_else(LogFormat::for_stderr),
        }
    }
}

impl LogFormat {
    /// What whoever reads the log wants when nothing is set: text for a person, JSON for a machine.
    #[must_use]
    pub fn for_stderr() -> Self {
        if std::io::stderr().is_terminal() { Self::Text } else { Self::Json }
    }
}

impl Reader<'_> {
    pub fn has(&self, setting: Setting) -> bool {
        self.variable(setting).is_some() || self.in_file(setting).is_some()
    }

    /// The setting as `parse` understands it; none when it is not set or wrong.
    pub fn read<T>(&mut self, setting: Setting, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = match (self.variable(setting), self.in_file(setting)) {
            (Some(text), _) => text,
            (None, None) => return None,
            (None, Some(toml::Value::String(text))) => text.clone(),
            (None, Some(_)) => {
                self.faults.push(format!("{setting} must be text in quotes."));
                return None;
            }
        };
        parse(&text).map_err(|problem| self.faults.push(format!("{setting} {problem}."))).ok()
    }

    /// As [`Reader::read`], for what Slack cannot do without.
    fn need<T>(&mut self, setting: Setting, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        if !self.has(setting) {
            self.faults.push(format!("{setting} is not set, and Slack needs it."));
        }
        self.read(setting, parse)
    }

    /// An empty variable counts as not set.
    fn variable(&self, setting: Setting) -> Option<String> {
        (self.env)(setting.variable).filter(|value| !value.is_empty())
    }

    /// So does an empty text in the file.
    fn in_file(&self, setting: Setting) -> Option<&toml::Value> {
        self.file.get(setting.section)?.get(setting.key).filter(|value| value.as_str() != Some(""))
    }
}

/// So that a method's name can be joined to it.
fn with_slash(mut url: Url) -> Url {
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    url
}

fn without_slash(mut url: Url) -> Url {
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    url
}
