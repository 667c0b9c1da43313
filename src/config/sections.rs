//! The sections of the settings, one struct for each, read from the environment over the file.

use std::{io::IsTerminal, net::SocketAddr, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use toml::Table;
use url::Url;

use super::{
    keys::{self, Setting},
    values,
};
use crate::secret::{self, Sealer};

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
    /// For tokens that are kept.
    pub sealer: Option<Sealer>,
}

/// `[slack]`
#[derive(Clone, Debug)]
pub struct SlackSettings {
    /// All that are valid now: several while one is replaced by the next. None where Slack sends no
    /// webhooks.
    pub signing_secrets: Vec<SecretString>,
    /// Opens the socket over which Slack sends instead.
    pub app_token: Option<SecretString>,
    pub credentials: SlackCredentials,
    /// Ends with a slash.
    pub api_url: Url,
}

/// How we come by Slack's tokens, which follows from what is set.
#[derive(Clone, Debug)]
pub enum SlackCredentials {
    /// `bot_token`, of one workspace, which counts before the client's.
    Fixed(SecretString),
    /// OAuth installs into any number of workspaces: what they need, to keep their tokens and for Slack
    /// to send people back to, is set.
    Install { id: String, secret: SecretString, sealer: Sealer, public_url: Url },
}

/// `[linear]`
#[derive(Clone, Debug)]
pub struct LinearSettings {
    /// All that are valid now: several while one is replaced by the next.
    pub webhook_secrets: Vec<SecretString>,
    pub credentials: LinearCredentials,
    /// Ends without a slash, where it has a path.
    pub api_url: Url,
    /// How far a webhook's signed time may be away.
    pub window: Duration,
}

/// How we come by tokens, which follows from what is set.
#[derive(Clone, Debug)]
pub enum LinearCredentials {
    /// `access_token`, which counts before the others.
    Fixed(SecretString),
    /// The client's own credentials: one workspace, the app's own.
    Client { id: String, secret: SecretString },
    /// OAuth installs into any number of workspaces: what they need, to keep their tokens and for Linear
    /// to send people back to, is set beside the client's credentials.
    Install { id: String, secret: SecretString, sealer: Sealer, public_url: Url },
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

    /// There is a way in from outside, so probably a proxy on this machine, and nothing but the proxy's
    /// traces tells its requests from an operator's.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.admin_token.is_none() && self.public_url.as_ref().is_some_and(|url| url.scheme() == "https")
    }
}

impl StorageSettings {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        let url = from.read(keys::DATABASE_URL, |text| {
            let url = secret::one(text)?;
            values::database_url(url.expose_secret()).map(|()| url)
        });
        let sealer = from.read(keys::ENCRYPTION_KEY, |text| Sealer::new(&secret::several(text)?));
        Self { url: url.unwrap_or_else(|| "sqlite://baton.db".into()), sealer }
    }
}

impl SlackSettings {
    /// What makes Slack a platform of this Baton.
    pub(super) const ANY: [Setting; 5] =
        [keys::SIGNING_SECRET, keys::APP_TOKEN, keys::BOT_TOKEN, keys::SLACK_CLIENT_ID, keys::SLACK_CLIENT_SECRET];

    /// None when Slack is not configured at all.
    pub(super) fn read(from: &mut Reader<'_>, server: &ServerSettings, storage: &StorageSettings) -> Option<Self> {
        let api_url = from.read(keys::SLACK_API_URL, |text| values::base_url(text).map(with_slash));
        if !from.has_any(&Self::ANY) {
            return None;
        }
        let app_token = from.read(keys::APP_TOKEN, app_token);
        let signing_secrets = if from.has(keys::APP_TOKEN) {
            Some(from.read(keys::SIGNING_SECRET, secret::several).unwrap_or_default())
        } else {
            from.need("Slack", keys::SIGNING_SECRET, secret::several)
        };
        let credentials = SlackCredentials::read(from, server, storage);
        Some(Self {
            signing_secrets: signing_secrets?,
            app_token,
            credentials: credentials?,
            api_url: api_url.or_else(|| Url::parse("https://slack.com/api/").ok())?,
        })
    }
}

impl SlackCredentials {
    fn read(from: &mut Reader<'_>, server: &ServerSettings, storage: &StorageSettings) -> Option<Self> {
        if from.has(keys::BOT_TOKEN) {
            return from.read(keys::BOT_TOKEN, secret::one).map(Self::Fixed);
        }
        if !from.has_any(&[keys::SLACK_CLIENT_ID, keys::SLACK_CLIENT_SECRET]) {
            from.faults.push(format!(
                "Slack needs {}, or {} and {}, and none of them is set.",
                keys::BOT_TOKEN,
                keys::SLACK_CLIENT_ID,
                keys::SLACK_CLIENT_SECRET
            ));
            return None;
        }
        let id = from.need("Slack", keys::SLACK_CLIENT_ID, plain);
        let secret = from.need("Slack", keys::SLACK_CLIENT_SECRET, secret::one);
        // Wrong ones have a sentence already.
        for setting in [keys::ENCRYPTION_KEY, keys::PUBLIC_URL] {
            if !from.has(setting) {
                from.faults.push(format!("{setting} is not set, and installs into Slack's workspaces need it."));
            }
        }
        let (sealer, public_url) = (storage.sealer.clone(), server.public_url.clone());
        Some(Self::Install { id: id?, secret: secret?, sealer: sealer?, public_url: public_url? })
    }
}

impl LinearSettings {
    /// What makes Linear a platform of this Baton.
    pub(super) const ANY: [Setting; 4] =
        [keys::LINEAR_WEBHOOK_SECRET, keys::LINEAR_CLIENT_ID, keys::LINEAR_CLIENT_SECRET, keys::LINEAR_ACCESS_TOKEN];

    /// None when Linear is not configured at all.
    pub(super) fn read(from: &mut Reader<'_>, server: &ServerSettings, storage: &StorageSettings) -> Option<Self> {
        let api_url = from.read(keys::LINEAR_API_URL, |text| values::base_url(text).map(without_slash));
        let window = from.read(keys::LINEAR_WEBHOOK_WINDOW, values::window);
        if !from.has_any(&Self::ANY) {
            return None;
        }
        let webhook_secrets = from.need("Linear", keys::LINEAR_WEBHOOK_SECRET, secret::several);
        let credentials = LinearCredentials::read(from, server, storage);
        Some(Self {
            webhook_secrets: webhook_secrets?,
            credentials: credentials?,
            api_url: api_url.or_else(|| Url::parse("https://api.linear.app").ok())?,
            window: window.unwrap_or(Duration::from_mins(1)),
        })
    }
}

impl LinearCredentials {
    fn read(from: &mut Reader<'_>, server: &ServerSettings, storage: &StorageSettings) -> Option<Self> {
        if from.has(keys::LINEAR_ACCESS_TOKEN) {
            return from.read(keys::LINEAR_ACCESS_TOKEN, secret::one).map(Self::Fixed);
        }
        if !from.has_any(&[keys::LINEAR_CLIENT_ID, keys::LINEAR_CLIENT_SECRET]) {
            from.faults.push(format!(
                "Linear needs {} and {}, or {}, and none of them is set.",
                keys::LINEAR_CLIENT_ID,
                keys::LINEAR_CLIENT_SECRET,
                keys::LINEAR_ACCESS_TOKEN
            ));
            return None;
        }
        let id = from.need("Linear", keys::LINEAR_CLIENT_ID, plain);
        let secret = from.need("Linear", keys::LINEAR_CLIENT_SECRET, secret::one);
        let (id, secret) = (id?, secret?);
        Some(match (storage.sealer.clone(), server.public_url.clone()) {
            (Some(sealer), Some(public_url)) => Self::Install { id, secret, sealer, public_url },
            _ => Self::Client { id, secret },
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

    pub fn has_any(&self, settings: &[Setting]) -> bool {
        settings.iter().any(|setting| self.has(*setting))
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

    /// As [`Reader::read`], for what a platform cannot do without.
    fn need<T>(
        &mut self,
        platform: &str,
        setting: Setting,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if !self.has(setting) {
            self.faults.push(format!("{setting} is not set, and {platform} needs it."));
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

/// Like a secret, and none.
fn plain(text: &str) -> Result<String, String> {
    secret::one(text).map(|id| id.expose_secret().to_owned())
}

/// Where Slack shows its tokens they look much alike.
fn app_token(text: &str) -> Result<SecretString, String> {
    let token = secret::one(text)?;
    if token.expose_secret().starts_with("xapp-") { Ok(token) } else { Err("must begin with xapp-".into()) }
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
