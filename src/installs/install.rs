//! The way in: [`Installer::begin`] sends a browser to the platform, [`Installer::finish`] takes what it
//! brings back.
//!
//! What ties the two together is in the database, so that they may meet different replicas, and in the
//! browser, so that nobody can have another finish what he began. The pages are `web/install.rs`.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use url::Url;

use super::{OAuth, Who, installed::seal};
use crate::{
    domain::{actor::Platform, failure::Failure},
    secret::{Sealer, Unsealed},
    storage::{
        Store, StoreError,
        installations::{self, Installation},
    },
    time::Clock,
};

/// Time enough to find an admin's password.
pub const PATIENCE: Duration = Duration::from_mins(10);

#[derive(Clone, Debug)]
pub struct Installer {
    store: Store,
    sealer: Sealer,
    oauth: Arc<dyn OAuth>,
    /// `…/oauth/callback` at our public address.
    redirect: String,
    clock: Clock,
}

/// An install that has begun.
#[derive(Debug)]
pub struct Begun {
    /// At the platform, to send the browser to.
    pub address: Url,
    /// For the browser to keep, and to show when it comes back.
    pub browser: SecretString,
}

/// What the platform's page sends the browser back with, and what the browser had kept.
#[derive(Clone, Debug, Default)]
pub struct Back {
    pub browser: Option<SecretString>,
    pub state: Option<SecretString>,
    pub code: Option<SecretString>,
    /// Why there is no code.
    pub error: Option<String>,
}

/// Why an install did not come about. None of it names a secret.
#[derive(Debug, thiserror::Error)]
pub enum NotInstalled {
    #[error("it was not begun here, by another browser, took too long, or was finished already")]
    Unknown,
    #[error("it was not allowed")]
    Denied,
    #[error("too many installs have begun")]
    Busy,
    #[error("the platform says {}", .0.problem().code)]
    Failed(Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Seal(#[from] Unsealed),
}

impl Installer {
    /// `public` is our own public address.
    #[must_use]
    pub fn new(store: Store, sealer: Sealer, oauth: Arc<dyn OAuth>, public: &Url, clock: Clock) -> Self {
        let (public, platform) = (public.as_str().trim_end_matches('/'), oauth.platform().as_str());
        let redirect = format!("{public}/{platform}/oauth/callback");
        Self { store, sealer, oauth, redirect, clock }
    }

    #[must_use]
    pub fn platform(&self) -> Platform {
        self.oauth.platform()
    }

    /// Whether browsers reach us over https alone.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.redirect.starts_with("https://")
    }

    pub async fn begin(&self) -> Result<Begun, NotInstalled> {
        let (state, verifier, browser) = (random(), random(), random());
        let sealed = self.sealer.seal(&verifier, &self.about(&browser))?;
        let now = self.clock.now();
        let mut tx = self.store.begin("begin an install").await?;
        if !installations::begin(&mut tx, self.platform(), &digest(&state), &sealed, now, now + PATIENCE).await? {
            tx.rollback().await?;
            return Err(NotInstalled::Busy);
        }
        tx.commit().await?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose_secret()));
        let address = self.oauth.authorize(&self.redirect, state.expose_secret(), &challenge);
        Ok(Begun { address, browser })
    }

    /// Keeps the installation that the browser came back from, and says whose it is.
    pub async fn finish(&self, back: &Back) -> Result<Who, NotInstalled> {
        let verifier = self.verifier(back).await?;
        let (Some(code), None) = (&back.code, &back.error) else { return Err(NotInstalled::Denied) };
        let exchanged = self.oauth.exchange(code, &self.redirect, &verifier).await;
        let (grant, who) = exchanged.map_err(NotInstalled::Failed)?;
        let (platform, now) = (self.platform(), self.clock.now());
        let installation = Installation {
            workspace: who.workspace.clone(),
            name: who.name.clone(),
            identity: who.identity.to_string(),
            tokens: seal(&self.sealer, platform, &who.workspace, &grant.access, grant.refresh.as_ref())?,
            refreshed_at: now,
            expires_at: now + grant.life,
            installed_at: now,
            revoked_at: None,
        };
        let mut tx = self.store.begin("install").await?;
        installations::install(&mut tx, platform, &installation).await?;
        tx.commit().await?;
        let platform = platform.as_str();
        tracing::info!(platform, workspace = who.workspace, "Baton was installed in a workspace");
        Ok(who)
    }

    /// Takes the begun install that the state names. It is looked for by its digest, so that the time it
    /// takes says nothing about the states there are.
    async fn verifier(&self, back: &Back) -> Result<SecretString, NotInstalled> {
        let (Some(state), Some(browser)) = (&back.state, &back.browser) else { return Err(NotInstalled::Unknown) };
        let mut tx = self.store.begin("take up a begun install").await?;
        let sealed = installations::take_begun(&mut tx, self.platform(), &digest(state), self.clock.now()).await?;
        tx.commit().await?;
        // It opens for the browser that began it alone.
        self.sealer.open(&sealed.ok_or(NotInstalled::Unknown)?, &self.about(browser)).map_err(|_| NotInstalled::Unknown)
    }

    /// What a verifier is about, for its seal.
    fn about(&self, browser: &SecretString) -> String {
        format!("{}:verifier:{}", self.platform().as_str(), digest(browser))
    }
}

/// 256 bits that nobody can guess, as text for an address.
fn random() -> SecretString {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()).into()
}

fn digest(secret: &SecretString) -> String {
    hex::encode(Sha256::digest(secret.expose_secret()))
}
