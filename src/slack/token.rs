//! The token for each request: the one that is set, or that of the installation in the workspace that
//! the request is about. Used by `client.rs`.

use std::{fmt, sync::Arc};

use secrecy::{ExposeSecret, SecretString};
use slack_morphism::{SlackApiToken, SlackApiTokenValue};
use tokio::sync::OnceCell;

use super::inbound::Identity;
use crate::{
    domain::failure::{Failure, Problem},
    installs::InstalledTokens,
};

/// Where tokens come from.
#[derive(Clone)]
pub enum Tokens {
    /// One workspace's, whichever a request is about.
    Fixed(SecretString),
    /// One for each workspace that installed the app.
    Installed(Arc<dyn InstalledTokens>),
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed(_) => "Fixed",
            Self::Installed(_) => "Installed",
        })
    }
}

/// Hands out the token of one workspace. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Keeper {
    tokens: Tokens,
    /// The one that is asked in; a fixed token knows its own.
    workspace: Option<Arc<str>>,
    /// Who the fixed token makes us.
    us: Arc<OnceCell<Identity>>,
}

impl Keeper {
    pub fn new(tokens: Tokens) -> Self {
        Self { tokens, workspace: None, us: Arc::default() }
    }

    /// The same for a workspace.
    pub fn of(&self, workspace: &str) -> Self {
        Self { workspace: Some(workspace.into()), ..self.clone() }
    }

    pub fn workspace(&self) -> Option<&str> {
        self.workspace.as_deref()
    }

    /// A token that is not `stale`.
    pub async fn token(&self, stale: Option<&SecretString>) -> Result<SlackApiToken, Failure> {
        let token = match &self.tokens {
            Tokens::Fixed(token) => token.clone(),
            Tokens::Installed(installed) => installed.token(self.named()?, stale).await?,
        };
        Ok(SlackApiToken::new(SlackApiTokenValue(token.expose_secret().to_owned())))
    }

    /// Another token in the place of one that was turned away; where there is none, `failure` it is.
    pub async fn another(&self, stale: &SlackApiToken, failure: Failure) -> Result<SlackApiToken, Failure> {
        let is_of_the_token = matches!(&failure, Failure::Unauthorized(problem) if is_about_the_token(&problem.code));
        if !is_of_the_token || matches!(self.tokens, Tokens::Fixed(_)) {
            return Err(failure);
        }
        let stale = SecretString::from(stale.token_value.0.as_str());
        match self.token(Some(&stale)).await {
            // Slack's own word for it says more than ours.
            Err(Failure::Unauthorized(problem)) if problem.code == "no_refresh_token" => Err(failure),
            other => other,
        }
    }

    /// Who we are: as the installation has it, or as `ask` tells it once.
    pub async fn identity(&self, ask: impl Future<Output = Result<Identity, Failure>>) -> Result<Identity, Failure> {
        match &self.tokens {
            Tokens::Fixed(_) => self.us.get_or_try_init(|| ask).await.cloned(),
            Tokens::Installed(installed) => {
                let identity = installed.identity(self.named()?).await?;
                serde_json::from_str(&identity).map_err(|_| Failure::Refused(Problem::new("identity_unreadable")))
            }
        }
    }

    fn named(&self) -> Result<&str, Failure> {
        self.workspace().ok_or_else(|| Failure::Refused(Problem::new("no_workspace")))
    }
}

/// Another token may be taken where this one was not. A scope that is missing, or a rule of the
/// workspace, meets every token.
fn is_about_the_token(code: &str) -> bool {
    matches!(code, "token_expired" | "token_revoked" | "invalid_auth" | "account_inactive")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::future::BoxFuture;
    use serde_json::json;

    use super::*;
    use crate::slack::fake::{Fake, Reply};

    /// A first token for each workspace, and another in its place where there is one.
    #[derive(Default)]
    struct Kept {
        has_another: bool,
        stale: Mutex<Vec<String>>,
    }

    impl InstalledTokens for Kept {
        fn token<'a>(
            &'a self,
            workspace: &'a str,
            stale: Option<&'a SecretString>,
        ) -> BoxFuture<'a, Result<SecretString, Failure>> {
            Box::pin(async move {
                let Some(stale) = stale else { return Ok(format!("{workspace}-old").into()) };
                self.stale.lock().expect("no test panicked").push(stale.expose_secret().to_owned());
                let none = || Failure::Unauthorized(Problem::new("no_refresh_token"));
                self.has_another.then(|| format!("{workspace}-new").into()).ok_or_else(none)
            })
        }

        fn identity<'a>(&'a self, workspace: &'a str) -> BoxFuture<'a, Result<String, Failure>> {
            let us = json!({"workspace": workspace, "bot_user": "U1", "bot_id": "B1", "app_id": null});
            Box::pin(async move { Ok(us.to_string()) })
        }
    }

    async fn fake(kept: &Arc<Kept>, old: &'static str) -> Fake {
        Fake::start_with(Tokens::Installed(Arc::clone(kept) as _), move |asked, _| {
            if asked.bearer.ends_with("-old") { Reply::refused(old) } else { Reply::ok(json!({})) }
        })
        .await
    }

    #[tokio::test]
    async fn each_workspace_has_its_own_and_another_when_slack_turns_it_away() {
        let kept = Arc::new(Kept { has_another: true, ..Kept::default() });
        let fake = fake(&kept, "token_expired").await;
        for workspace in ["T1", "T2"] {
            fake.slack.in_workspace(workspace).react("C1", "1.0", "eyes").await.expect("a reaction");
        }
        let sent: Vec<String> = fake.asked().into_iter().map(|asked| asked.bearer).collect();
        assert_eq!(sent, ["T1-old", "T1-new", "T2-old", "T2-new"]);
        assert_eq!(*kept.stale.lock().expect("no test panicked"), ["T1-old", "T2-old"]);
        assert_eq!(fake.slack.in_workspace("T2").identity().await.expect("an identity").workspace, "T2");
        let nowhere = Failure::Refused(Problem::new("no_workspace"));
        assert_eq!(fake.slack.react("C1", "1.0", "eyes").await, Err(nowhere));
    }

    #[tokio::test]
    async fn what_another_token_would_meet_too_is_asked_once() {
        for (code, has_another, asked) in [("token_revoked", false, 1), ("missing_scope", true, 0)] {
            let kept = Arc::new(Kept { has_another, ..Kept::default() });
            let fake = fake(&kept, code).await;
            let refused = Failure::Unauthorized(Problem::new(code));
            assert_eq!(fake.slack.in_workspace("T1").react("C1", "1.0", "eyes").await, Err(refused));
            assert_eq!((fake.asked().len(), kept.stale.lock().expect("no test panicked").len()), (1, asked));
        }
    }
}
