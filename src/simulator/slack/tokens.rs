//! The tokens that the app has been given in one workspace: codes, access tokens and, with rotation,
//! refresh tokens. <https://docs.slack.dev/authentication/using-token-rotation>

use std::{collections::BTreeSet, time::Duration};

use crate::{ids::short_hash, time::Timestamp};

/// A code for the callback page.
const CODE_LASTS: Duration = Duration::from_mins(10);
/// An access token, with rotation.
pub const LIFE: Duration = Duration::from_hours(12);
/// With rotation so many access tokens are good at once: a third ends the first.
const MOST_AT_ONCE: usize = 2;

#[derive(Clone, Debug)]
struct Code {
    value: String,
    redirect_uri: String,
    scopes: BTreeSet<String>,
    made: Timestamp,
    used: bool,
}

#[derive(Clone, Debug)]
struct Access {
    token: String,
    expires_at: Option<Timestamp>,
    revoked: bool,
}

#[derive(Clone, Debug)]
struct Refresh {
    token: String,
    good: bool,
}

/// What was given for a code or a refresh token.
#[derive(Clone, Debug)]
pub struct Given {
    pub access: String,
    /// With rotation.
    pub refresh: Option<String>,
}

#[derive(Debug)]
pub struct Tokens {
    workspace: &'static str,
    codes: Vec<Code>,
    access: Vec<Access>,
    refresh: Vec<Refresh>,
    minted: u64,
}

impl Tokens {
    pub fn new(workspace: &'static str) -> Self {
        Self { workspace, codes: Vec::new(), access: Vec::new(), refresh: Vec::new(), minted: 0 }
    }

    /// A token that somebody copies from the app's settings.
    pub fn with_fixed(mut self, token: &str) -> Self {
        self.access.push(Access { token: token.to_owned(), expires_at: None, revoked: false });
        self
    }

    /// Whether it is of this workspace, good or not.
    pub fn knows(&self, secret: &str) -> bool {
        self.access.iter().any(|access| access.token == secret)
            || self.refresh.iter().any(|refresh| refresh.token == secret)
            || self.codes.iter().any(|code| code.value == secret)
    }

    /// The error is Slack's code.
    pub fn check(&self, token: &str, now: Timestamp) -> Result<(), &'static str> {
        let access = self.access.iter().find(|access| access.token == token).ok_or("invalid_auth")?;
        match access.expires_at {
            _ if access.revoked => Err("token_revoked"),
            Some(end) if end <= now => Err("token_expired"),
            _ => Ok(()),
        }
    }

    pub fn add_code(&mut self, redirect_uri: &str, scopes: BTreeSet<String>, now: Timestamp) -> String {
        let value = self.mint("code-");
        let code = Code { value: value.clone(), redirect_uri: redirect_uri.to_owned(), scopes, made: now, used: false };
        self.codes.push(code);
        value
    }

    /// The scopes that go with it. A code that comes twice has been stolen: what it gave ends.
    pub fn exchange(
        &mut self,
        code: &str,
        redirect_uri: &str,
        rotates: bool,
        now: Timestamp,
    ) -> Result<(Given, BTreeSet<String>), &'static str> {
        let code = self.codes.iter_mut().find(|known| known.value == code).ok_or("invalid_code")?;
        if code.used {
            return Err("code_already_used");
        }
        if code.redirect_uri != redirect_uri {
            return Err("bad_redirect_uri");
        }
        if now.since(code.made) >= CODE_LASTS {
            return Err("invalid_code");
        }
        code.used = true;
        let scopes = code.scopes.clone();
        Ok((self.give(rotates, now), scopes))
    }

    /// A refresh token is good once.
    pub fn refresh(&mut self, token: &str, now: Timestamp) -> Result<Given, &'static str> {
        let known = self.refresh.iter_mut().find(|known| known.token == token && known.good);
        known.ok_or("invalid_refresh_token")?.good = false;
        Ok(self.give(true, now))
    }

    /// The app is removed, or somebody takes its tokens back.
    pub fn revoke_all(&mut self) {
        self.access.iter_mut().for_each(|access| access.revoked = true);
        self.refresh.iter_mut().for_each(|refresh| refresh.good = false);
    }

    /// Access tokens that rotate end now.
    pub fn end(&mut self, now: Timestamp) {
        self.access.iter_mut().filter_map(|access| access.expires_at.as_mut()).for_each(|end| *end = now);
    }

    fn give(&mut self, rotates: bool, now: Timestamp) -> Given {
        let access = self.mint(if rotates { "xoxe.xoxb-1-" } else { "xoxb-" });
        let expires_at = rotates.then_some(now + LIFE);
        self.access.push(Access { token: access.clone(), expires_at, revoked: false });
        let refresh = rotates.then(|| self.mint("xoxe-1-"));
        if let Some(token) = refresh.clone() {
            self.refresh.push(Refresh { token, good: true });
            let rotating = self.access.iter_mut().filter(|access| access.expires_at.is_some() && !access.revoked);
            rotating.rev().skip(MOST_AT_ONCE).for_each(|access| access.revoked = true);
        }
        Given { access, refresh }
    }

    fn mint(&mut self, prefix: &str) -> String {
        self.minted += 1;
        format!("{prefix}{}", short_hash(&["slack token", self.workspace, &self.minted.to_string()], 32))
    }
}
