//! The tokens of workspaces that installed Baton: opened, refreshed ahead of their end, and sealed again.
//!
//! A refresh replaces both tokens, so only one is under way for a workspace: a lock in this process, a
//! lease over all replicas. The new pair is kept before anybody uses it; whoever crashes in between
//! shows the old refresh token again, which platforms answer for a while (Linear with the same pair,
//! for half an hour).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::{Grant, OAuth};
use crate::{
    domain::{
        actor::Platform,
        failure::{Failure, Problem},
    },
    secret::{Sealer, Unsealed},
    storage::{
        Store, StoreError, Tx,
        installations::{self, Installation},
        leases,
    },
    time::{Clock, Timestamp},
};

/// A token is refreshed so long before its end, or in the last tenth of its life.
const AHEAD: Duration = Duration::from_mins(30);
/// Longer than the exchange may take.
const LEASE: Duration = Duration::from_secs(30);
/// Another replica that refreshes is waited for so long, and looked at so often.
const WAIT: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(150);
/// After a refresh that failed, a token that is still good is used for so long before the next.
const PAUSE: Duration = Duration::from_mins(1);

/// The tokens of installations, for a platform's client.
pub trait InstalledTokens: Send + Sync {
    /// A token for the workspace. `stale` is one that the platform has just turned away: another is
    /// wanted. [`Failure::Unauthorized`] when nobody has installed us there, or it was taken back.
    fn token<'a>(
        &'a self,
        workspace: &'a str,
        stale: Option<&'a SecretString>,
    ) -> BoxFuture<'a, Result<SecretString, Failure>>;

    /// Who we are in the workspace, as [`Who::identity`](super::Who) was.
    fn identity<'a>(&'a self, workspace: &'a str) -> BoxFuture<'a, Result<String, Failure>>;
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Installed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    sealer: Sealer,
    oauth: Arc<dyn OAuth>,
    clock: Clock,
    /// Names this process in leases.
    holder: String,
    known: Mutex<HashMap<String, Slot>>,
}

/// Held while a workspace's token is looked for, so that only one does.
type Slot = Arc<tokio::sync::Mutex<Option<Tokens>>>;

/// As they are kept.
#[derive(Clone, Debug)]
struct Tokens {
    sealed: String,
    access: SecretString,
    refresh: Option<SecretString>,
    renew_at: Timestamp,
    expires_at: Timestamp,
}

/// What is sealed.
#[derive(Deserialize)]
struct Pair {
    access: SecretString,
    refresh: Option<SecretString>,
}

impl InstalledTokens for Installed {
    fn token<'a>(
        &'a self,
        workspace: &'a str,
        stale: Option<&'a SecretString>,
    ) -> BoxFuture<'a, Result<SecretString, Failure>> {
        Box::pin(self.find(workspace, stale))
    }

    fn identity<'a>(&'a self, workspace: &'a str) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(async move { Ok(self.0.row(workspace).await?.identity) })
    }
}

impl Installed {
    #[must_use]
    pub fn new(store: Store, sealer: Sealer, oauth: Arc<dyn OAuth>, clock: Clock) -> Self {
        let holder = uuid::Uuid::new_v4().simple().to_string();
        Self(Arc::new(Inner { store, sealer, oauth, clock, holder, known: Mutex::default() }))
    }

    async fn find(&self, workspace: &str, stale: Option<&SecretString>) -> Result<SecretString, Failure> {
        let slot = self.slot(workspace);
        let mut known = slot.lock().await;
        if let Some(tokens) = known.as_ref().filter(|tokens| tokens.are_good(self.0.clock.now(), stale)) {
            return Ok(tokens.access.clone());
        }
        *known = None;
        let tokens = self.0.look(workspace, stale).await?;
        let access = tokens.access.clone();
        *known = Some(tokens);
        Ok(access)
    }

    fn slot(&self, workspace: &str) -> Slot {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        Slot::clone(known.entry(workspace.to_owned()).or_default())
    }
}

impl Inner {
    fn platform(&self) -> Platform {
        self.oauth.platform()
    }

    /// The tokens as they are kept, refreshed where it is time, by us or by another replica.
    async fn look(&self, workspace: &str, stale: Option<&SecretString>) -> Result<Tokens, Failure> {
        let began = Instant::now();
        loop {
            let tokens = self.load(workspace).await?;
            if tokens.are_good(self.clock.now(), stale) {
                return Ok(tokens);
            }
            if self.acquire(workspace).await? {
                let refreshed = self.refresh(workspace, stale).await;
                self.release(workspace).await;
                return refreshed;
            }
            if tokens.are_usable(self.clock.now(), stale) {
                return Ok(tokens);
            }
            if began.elapsed() > WAIT {
                return Err(Failure::Transient { after: Some(PAUSE / 30), problem: Problem::new("token_in_refresh") });
            }
            sleep(LOOK).await;
        }
    }

    /// The installation, as long as it stands.
    async fn row(&self, workspace: &str) -> Result<Installation, Failure> {
        let found = installations::find(&self.store, self.platform(), workspace).await.map_err(|e| passing(&e))?;
        match found {
            None => Err(Failure::Unauthorized(Problem::new("not_installed"))),
            Some(found) if found.revoked_at.is_some() => {
                Err(Failure::Unauthorized(Problem::new("installation_revoked")))
            }
            Some(found) => Ok(found),
        }
    }

    async fn load(&self, workspace: &str) -> Result<Tokens, Failure> {
        let found = self.row(workspace).await?;
        let pair = self.sealer.open(&found.tokens, &installations::about(self.platform(), workspace)).ok();
        let pair = pair.and_then(|pair| serde_json::from_str::<Pair>(pair.expose_secret()).ok());
        let Pair { access, refresh } = pair.ok_or_else(|| {
            self.complain(workspace);
            Failure::Unauthorized(Problem::new("tokens_sealed_with_another_key"))
        })?;
        let life = found.expires_at.since(found.refreshed_at);
        let renew_at = found.expires_at - AHEAD.min(life / 10);
        Ok(Tokens { sealed: found.tokens, access, refresh, renew_at, expires_at: found.expires_at })
    }

    /// Refreshes, while we hold the lease.
    async fn refresh(&self, workspace: &str, stale: Option<&SecretString>) -> Result<Tokens, Failure> {
        // Whoever held the lease before us may have done it.
        let tokens = self.load(workspace).await?;
        let now = self.clock.now();
        if tokens.are_good(now, stale) {
            return Ok(tokens);
        }
        let Some(refresh) = &tokens.refresh else {
            let usable = tokens.are_usable(now, stale);
            return if usable { Ok(tokens) } else { Err(Failure::Unauthorized(Problem::new("no_refresh_token"))) };
        };
        match self.oauth.refresh(refresh).await {
            Ok(grant) => self.keep(workspace, &tokens, grant).await,
            Err(Failure::Gone(problem)) => {
                self.revoke(workspace, &tokens.sealed).await.map_err(|error| passing(&error))?;
                Err(Failure::Unauthorized(problem))
            }
            Err(failure) if tokens.are_usable(now, stale) => {
                let code = &failure.problem().code;
                tracing::warn!(
                    platform = self.platform().as_str(),
                    workspace,
                    error = code,
                    "a token was not refreshed"
                );
                Ok(Tokens { renew_at: now + PAUSE, ..tokens })
            }
            Err(failure) => Err(failure),
        }
    }

    /// Keeps a new pair, then hands it out.
    async fn keep(&self, workspace: &str, before: &Tokens, grant: Grant) -> Result<Tokens, Failure> {
        let now = self.clock.now();
        let refresh = grant.refresh.as_ref().or(before.refresh.as_ref());
        let sealed = seal(&self.sealer, self.platform(), workspace, &grant.access, refresh)
            .map_err(|_| Failure::Transient { after: None, problem: Problem::new("not_sealed") })?;
        let kept = async {
            let mut tx = self.store.begin("keep refreshed tokens").await?;
            let expires_at = now + grant.life;
            let platform = self.platform();
            installations::refresh(&mut tx, platform, workspace, &before.sealed, &sealed, now, expires_at).await?;
            tx.commit().await
        };
        kept.await.map_err(|error| passing(&error))?;
        tracing::info!(platform = self.platform().as_str(), workspace, "a token was refreshed");
        // Who installed us again in the meantime has kept other ones.
        self.load(workspace).await
    }

    async fn revoke(&self, workspace: &str, sealed: &str) -> Result<(), StoreError> {
        tracing::warn!(
            platform = self.platform().as_str(),
            workspace,
            "the platform has taken the tokens of a workspace back"
        );
        let mut tx = self.store.begin("revoke an installation").await?;
        installations::revoke_tokens(&mut tx, self.platform(), workspace, sealed, self.clock.now()).await?;
        tx.commit().await
    }

    async fn acquire(&self, workspace: &str) -> Result<bool, Failure> {
        let name = self.lease(workspace);
        let acquired = async {
            let mut tx = self.store.begin("begin to refresh").await?;
            let ours = leases::acquire(&mut tx, &name, &self.holder, self.clock.now(), LEASE).await?;
            tx.commit().await?;
            Ok(ours)
        };
        acquired.await.map_err(|error: StoreError| passing(&error))
    }

    /// A lease that cannot be given back lapses.
    async fn release(&self, workspace: &str) {
        let released = async {
            let mut tx: Tx = self.store.begin("end a refresh").await?;
            leases::release(&mut tx, &self.lease(workspace), &self.holder).await?;
            tx.commit().await
        };
        if let Err(error) = released.await {
            tracing::warn!(%error, "the lease of a refresh lapses");
        }
    }

    fn lease(&self, workspace: &str) -> String {
        installations::lease(self.platform(), workspace)
    }

    fn complain(&self, workspace: &str) {
        let platform = self.platform().as_str();
        tracing::error!(platform, workspace, "its tokens cannot be opened with BATON_ENCRYPTION_KEY");
    }
}

impl Tokens {
    /// Nothing is to be done about them.
    fn are_good(&self, now: Timestamp, stale: Option<&SecretString>) -> bool {
        now < self.renew_at && self.are_usable(now, stale)
    }

    /// The platform takes the access token, as far as we know.
    fn are_usable(&self, now: Timestamp, stale: Option<&SecretString>) -> bool {
        now < self.expires_at && stale.is_none_or(|stale| stale.expose_secret() != self.access.expose_secret())
    }
}

/// Tokens as they are kept: bound to their workspace, so that they are of no use in another's row.
pub(super) fn seal(
    sealer: &Sealer,
    platform: Platform,
    workspace: &str,
    access: &SecretString,
    refresh: Option<&SecretString>,
) -> Result<String, Unsealed> {
    let refresh = refresh.map(ExposeSecret::expose_secret);
    let pair = serde_json::json!({"access": access.expose_secret(), "refresh": refresh}).to_string();
    sealer.seal(&pair.into(), &installations::about(platform, workspace))
}

fn passing(error: &StoreError) -> Failure {
    tracing::error!(%error, "a token could not be read or kept");
    Failure::Transient { after: None, problem: Problem::new("database") }
}
