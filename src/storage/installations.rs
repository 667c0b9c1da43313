//! Workspaces that installed Baton by OAuth, with their sealed tokens; and installs that have begun.
//! Nothing here can open what is sealed. Called by `installs/`.

use super::{
    Result, Store, Tx,
    sql::{Row, args, statements},
};
use crate::{domain::actor::Platform, time::Timestamp};

statements! {
    FORGET_LAPSED = "DELETE FROM begun_installs WHERE expires_at_ms <= $1";
    BEGIN = "INSERT INTO begun_installs (state, platform, verifier, expires_at_ms)
        SELECT $1, $2, $3, $4 WHERE (SELECT COUNT(*) FROM begun_installs) < $5";
    TAKE_BEGUN = "DELETE FROM begun_installs WHERE state = $1 AND platform = $2 AND expires_at_ms > $3
        RETURNING verifier";
    INSTALL = "INSERT INTO installations (platform, workspace, name, identity, tokens, refreshed_at_ms, expires_at_ms,
                                          installed_at_ms)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $6)
        ON CONFLICT (platform, workspace) DO UPDATE
        SET name = $3, identity = $4, tokens = $5, refreshed_at_ms = $6, expires_at_ms = $7, installed_at_ms = $6,
            revoked_at_ms = NULL";
    FIND = "SELECT workspace, name, identity, tokens, refreshed_at_ms, expires_at_ms, installed_at_ms, revoked_at_ms
        FROM installations WHERE platform = $1 AND workspace = $2";
    LIST = "SELECT workspace, name, identity, tokens, refreshed_at_ms, expires_at_ms, installed_at_ms, revoked_at_ms
        FROM installations WHERE platform = $1 ORDER BY installed_at_ms, workspace";
    REFRESH = "UPDATE installations SET tokens = $4, refreshed_at_ms = $5, expires_at_ms = $6
        WHERE platform = $1 AND workspace = $2 AND tokens = $3";
    RESEAL = "UPDATE installations SET tokens = $4 WHERE platform = $1 AND workspace = $2 AND tokens = $3";
    REVOKE = "UPDATE installations SET revoked_at_ms = $3
        WHERE platform = $1 AND workspace = $2 AND revoked_at_ms IS NULL AND installed_at_ms <= $3";
    REVOKE_TOKENS = "UPDATE installations SET revoked_at_ms = $4
        WHERE platform = $1 AND workspace = $2 AND tokens = $3 AND revoked_at_ms IS NULL";
}

/// Far more than anybody installs at once. Whoever asks for more has to wait until some lapse, so
/// that nobody fills the database by asking.
const MOST_BEGUN: i64 = 10_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// The platform's id of the workspace.
    pub workspace: String,
    pub name: String,
    /// Who we are there, as the platform's own JSON.
    pub identity: String,
    /// Sealed.
    pub tokens: String,
    /// When these tokens were given, and when the access token ends.
    pub refreshed_at: Timestamp,
    pub expires_at: Timestamp,
    pub installed_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

/// An install begins: `state` is the digest of what the platform will send back. False: too many have
/// begun.
pub async fn begin(
    tx: &mut Tx,
    platform: Platform,
    state: &str,
    verifier: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<bool> {
    tx.run(FORGET_LAPSED, args![now]).await?;
    Ok(tx.run(BEGIN, args![state, platform.as_str(), verifier, expires_at, MOST_BEGUN]).await? == 1)
}

/// The sealed verifier of an install that was begun. Whoever takes it is the only one who gets it.
pub async fn take_begun(tx: &mut Tx, platform: Platform, state: &str, now: Timestamp) -> Result<Option<String>> {
    let row = tx.row(TAKE_BEGUN, args![state, platform.as_str(), now]).await?;
    row.map(|row| row.get("verifier")).transpose()
}

/// Keeps an installation, also over an earlier one of the same workspace, whether revoked or not.
pub async fn install(tx: &mut Tx, platform: Platform, new: &Installation) -> Result<()> {
    let args = args![
        platform.as_str(),
        &new.workspace,
        &new.name,
        &new.identity,
        &new.tokens,
        new.refreshed_at,
        new.expires_at,
    ];
    tx.run(INSTALL, args).await.map(drop)
}

pub async fn find(store: &Store, platform: Platform, workspace: &str) -> Result<Option<Installation>> {
    store.row(FIND, args![platform.as_str(), workspace]).await?.map(|row| installation(&row)).transpose()
}

/// All of a platform, the oldest first.
pub async fn list(store: &Store, platform: Platform) -> Result<Vec<Installation>> {
    store.rows(LIST, args![platform.as_str()]).await?.iter().map(installation).collect()
}

/// Puts new tokens in the place of those `before`. False: they were replaced already.
pub async fn refresh(
    tx: &mut Tx,
    platform: Platform,
    workspace: &str,
    before: &str,
    tokens: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<bool> {
    let args = args![platform.as_str(), workspace, before, tokens, now, expires_at];
    Ok(tx.run(REFRESH, args).await? == 1)
}

/// Puts the same tokens, sealed anew, in the place of those `before`. False: they were replaced already.
pub async fn reseal(tx: &mut Tx, platform: Platform, workspace: &str, before: &str, tokens: &str) -> Result<bool> {
    Ok(tx.run(RESEAL, args![platform.as_str(), workspace, before, tokens]).await? == 1)
}

/// What the tokens of a workspace are about, for their seal: in another row they are of no use.
#[must_use]
pub fn about(platform: Platform, workspace: &str) -> String {
    format!("{}:{workspace}", platform.as_str())
}

/// The lease of whoever is replacing the tokens of a workspace.
#[must_use]
pub fn lease(platform: Platform, workspace: &str) -> String {
    format!("{}-token:{workspace}", platform.as_str())
}

/// The workspace removed us, or took our tokens back, `at` that time; who installed us after it keeps
/// the installation.
pub async fn revoke(tx: &mut Tx, platform: Platform, workspace: &str, at: Timestamp) -> Result<bool> {
    Ok(tx.run(REVOKE, args![platform.as_str(), workspace, at]).await? == 1)
}

/// The platform takes these tokens no longer.
pub async fn revoke_tokens(
    tx: &mut Tx,
    platform: Platform,
    workspace: &str,
    tokens: &str,
    now: Timestamp,
) -> Result<bool> {
    Ok(tx.run(REVOKE_TOKENS, args![platform.as_str(), workspace, tokens, now]).await? == 1)
}

fn installation(row: &Row) -> Result<Installation> {
    Ok(Installation {
        workspace: row.get("workspace")?,
        name: row.get("name")?,
        identity: row.get("identity")?,
        tokens: row.get("tokens")?,
        refreshed_at: row.get("refreshed_at_ms")?,
        expires_at: row.get("expires_at_ms")?,
        installed_at: row.get("installed_at_ms")?,
        revoked_at: row.get("revoked_at_ms")?,
    })
}
