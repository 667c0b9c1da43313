//! OAuth installs, for both platforms alike: an admin of any workspace lets Baton in, its tokens are
//! kept sealed, refreshed ahead of their end, and handed to whoever asks the platform something.
//!
//! `install` is the way in, `installed` what comes of it, `exchange` the HTTP that platforms do alike.
//! What is peculiar to a platform it says itself, as an [`OAuth`]: `slack/oauth.rs`, `linear/oauth.rs`.

pub mod exchange;
pub mod install;
pub mod installed;

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

pub use install::{Back, Begun, Installer, NotInstalled};
pub use installed::{Installed, InstalledTokens};

use crate::domain::{actor::Platform, failure::Failure};

/// The life of a token that does not end.
pub const FOR_GOOD: Duration = Duration::from_hours(100 * 366 * 24);

/// A platform's OAuth, with the application as the platform knows it.
pub trait OAuth: fmt::Debug + Send + Sync {
    fn platform(&self) -> Platform;

    /// Where an admin allows us in; the platform sends the browser back to `redirect` with `state`.
    /// `challenge` is the SHA-256 of the verifier that the exchange will show (PKCE, S256), for a
    /// platform that asks for it.
    fn authorize(&self, redirect: &str, state: &str, challenge: &str) -> Url;

    /// Exchanges what the browser brought back, and finds out whose it is. A code is good once.
    fn exchange<'a>(
        &'a self,
        code: &'a SecretString,
        redirect: &'a str,
        verifier: &'a SecretString,
    ) -> BoxFuture<'a, Result<(Grant, Who), Failure>>;

    /// Exchanges a refresh token for the next pair. [`Failure::Gone`]: it was taken back.
    fn refresh<'a>(&'a self, refresh: &'a SecretString) -> BoxFuture<'a, Result<Grant, Failure>>;
}

/// Tokens as they were given.
#[derive(Clone, Debug)]
pub struct Grant {
    pub access: SecretString,
    /// The next; none where the platform gave none.
    pub refresh: Option<SecretString>,
    /// How long the access token lives.
    pub life: Duration,
}

/// Whose a token is, and who it makes us.
#[derive(Clone, Debug, PartialEq)]
pub struct Who {
    /// The platform's id of the workspace.
    pub workspace: String,
    /// What people call it.
    pub name: String,
    /// What they call us there.
    pub handle: String,
    /// Who we are there, as the platform's own module reads it again.
    pub identity: Value,
    /// What is still missing, in a sentence for whoever installed it.
    pub lacks: Option<String>,
}
