//! Replacing the encryption key: tokens that an older key sealed are sealed with the first one, by the
//! replica that leads, so that the older key can be dropped. `baton check` looks how far that is.

use crate::{
    domain::actor::Platform,
    secret::Sealer,
    storage::{Result, Store, installations, leases},
    time::{Clock, Timestamp},
};

const PLATFORMS: [Platform; 2] = [Platform::Slack, Platform::Linear];
/// Another who replaces the same tokens lets go of them within this, or has died.
const LEASE: std::time::Duration = std::time::Duration::from_secs(30);

/// How the tokens of all workspaces are sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seals {
    /// So many with the first key, so many with an older one that is still there.
    pub first: usize,
    pub older: usize,
    /// Workspaces whose tokens none of the keys opens.
    pub closed: Vec<String>,
}

/// Looks at every installation that stands. Without a sealer all of them are closed.
pub async fn look(store: &Store, sealer: Option<&Sealer>) -> Result<Seals> {
    let mut seals = Seals::default();
    for platform in PLATFORMS {
        for installed in installations::list(store, platform).await? {
            let about = installations::about(platform, &installed.workspace);
            let resealed = sealer.map(|sealer| sealer.reseal(&installed.tokens, &about));
            match resealed {
                _ if installed.revoked_at.is_some() => {}
                Some(Ok(None)) => seals.first += 1,
                Some(Ok(Some(_))) => seals.older += 1,
                Some(Err(_)) | None => seals.closed.push(installed.name),
            }
        }
    }
    Ok(seals)
}

/// Seals anew what an older key sealed, revoked or not, and says how much. What somebody is replacing
/// just now gets the first key from them.
pub(super) async fn renew(store: &Store, sealer: &Sealer, replica: &str, clock: &Clock) -> Result<usize> {
    let mut renewed = 0;
    for platform in PLATFORMS {
        for installed in installations::list(store, platform).await? {
            let workspace = installed.workspace.as_str();
            match sealer.reseal(&installed.tokens, &installations::about(platform, workspace)) {
                Ok(None) => {}
                Ok(Some(tokens)) => {
                    let place = (platform, workspace);
                    renewed += usize::from(put(store, place, &installed.tokens, &tokens, replica, clock.now()).await?);
                }
                Err(_) if installed.revoked_at.is_some() => {}
                Err(_) => tracing::error!(
                    platform = platform.as_str(),
                    workspace,
                    "its tokens cannot be opened with BATON_ENCRYPTION_KEY: add the key that sealed them, or install Baton there again"
                ),
            }
        }
    }
    Ok(renewed)
}

/// In one transaction with the lease, so that a refresh under way does not lose its tokens' place.
async fn put(
    store: &Store,
    (platform, workspace): (Platform, &str),
    before: &str,
    tokens: &str,
    replica: &str,
    now: Timestamp,
) -> Result<bool> {
    let lease = installations::lease(platform, workspace);
    let mut tx = store.begin("seal tokens anew").await?;
    if !leases::acquire(&mut tx, &lease, replica, now, LEASE).await? {
        tx.rollback().await?;
        return Ok(false);
    }
    let put = installations::reseal(&mut tx, platform, workspace, before, tokens).await?;
    leases::release(&mut tx, &lease, replica).await?;
    tx.commit().await?;
    Ok(put)
}
