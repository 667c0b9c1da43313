//! The tokens that the app has been given, and how long each is good for.
//! <https://linear.app/developers/oauth-2-0-authentication>

use std::{collections::BTreeSet, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{ACCESS_TOKEN, ADA, API_KEY, APP_USER};
use crate::{ids::short_hash, time::Timestamp};

const DAY: Duration = Duration::from_hours(24);
const MONTH: Duration = Duration::from_hours(30 * 24);
/// A code for the callback page.
const CODE_LASTS: Duration = Duration::from_mins(10);
/// How long a refresh token that was used is answered with the same pair again.
const GRACE: Duration = Duration::from_mins(30);
/// What delegation wants of an app.
const ASSIGNABLE: &str = "app:assignable";

/// Who a request's `Authorization` stands for.
#[derive(Debug, PartialEq, Eq)]
pub enum Bearer<'a> {
    Of(&'a str),
    /// It was good once.
    Ended,
    /// It never was, and why.
    Unknown(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Grant {
    /// Given with the app's settings, for good.
    Fixed,
    ClientCredentials,
    Code,
}

#[derive(Clone, Debug)]
struct Access {
    token: String,
    grant: Grant,
    scopes: BTreeSet<String>,
    expires_at: Option<Timestamp>,
    revoked: bool,
}

#[derive(Clone, Debug)]
struct Refresh {
    token: String,
    scopes: BTreeSet<String>,
    revoked: bool,
    /// When it was used, and what it was answered with.
    used: Option<(Timestamp, Value)>,
}

/// What an approved page hands over.
#[derive(Clone, Debug)]
pub struct Code {
    pub value: String,
    pub redirect_uri: String,
    pub scopes: BTreeSet<String>,
    /// `code_challenge`, by S256.
    pub challenge: Option<String>,
    pub made: Timestamp,
}

#[derive(Debug)]
pub struct Tokens {
    access: Vec<Access>,
    refresh: Vec<Refresh>,
    codes: Vec<Code>,
    minted: u64,
}

impl Default for Tokens {
    fn default() -> Self {
        let scopes = ["read", "write", ASSIGNABLE, "app:mentionable"].map(str::to_owned).into();
        let fixed =
            Access { token: ACCESS_TOKEN.to_owned(), grant: Grant::Fixed, scopes, expires_at: None, revoked: false };
        Self { access: vec![fixed], refresh: Vec::new(), codes: Vec::new(), minted: 0 }
    }
}

impl Tokens {
    /// An OAuth token goes as `Bearer`, a personal API key goes bare.
    pub fn bearer(&self, authorization: Option<&str>, now: Timestamp) -> Bearer<'static> {
        let Some(authorization) = authorization else { return Bearer::Unknown("no Authorization") };
        if authorization == API_KEY {
            return Bearer::Of(ADA);
        }
        let Some(token) = authorization.strip_prefix("Bearer ") else {
            return Bearer::Unknown("an OAuth token must be sent as Bearer");
        };
        match self.access.iter().find(|access| access.token == token) {
            None => Bearer::Unknown("a token that was never given out"),
            Some(access) if access.revoked || access.expires_at.is_some_and(|end| end <= now) => Bearer::Ended,
            Some(_) => Bearer::Of(APP_USER),
        }
    }

    /// Whether the app may be delegated to: what was asked for last decides.
    pub fn is_assignable(&self) -> bool {
        let last = self.access.iter().rev().find(|access| !access.revoked);
        last.is_none_or(|access| access.scopes.contains(ASSIGNABLE))
    }

    pub fn client_credentials(&mut self, scopes: &BTreeSet<String>, now: Timestamp) -> Value {
        // Asking for other scopes ends what was given for the former ones.
        for access in &mut self.access {
            access.revoked |= access.grant == Grant::ClientCredentials && access.scopes != *scopes;
        }
        let token = self.give(Grant::ClientCredentials, scopes, now + MONTH);
        answer(&token, scopes, MONTH)
    }

    pub fn add_code(&mut self, mut code: Code) -> String {
        code.value = self.mint("lin_code_");
        self.codes.push(code);
        self.codes.last().map(|code| code.value.clone()).unwrap_or_default()
    }

    /// # Errors
    /// The error and its description.
    pub fn exchange(
        &mut self,
        code: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
        now: Timestamp,
    ) -> Result<Value, (&'static str, &'static str)> {
        let place = self.codes.iter().position(|known| known.value == code);
        let place = place.ok_or(("invalid_grant", "The code is not valid, or was used"))?;
        let code = self.codes.remove(place);
        if now.since(code.made) > CODE_LASTS {
            return Err(("invalid_grant", "The code has expired"));
        }
        if code.redirect_uri != redirect_uri {
            return Err(("invalid_grant", "redirect_uri is not the one of the authorization"));
        }
        let proven = verifier.map(|verifier| URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)));
        if code.challenge != proven {
            return Err(("invalid_grant", "The code verifier does not fit the challenge"));
        }
        Ok(self.pair(&code.scopes, now))
    }

    /// A new pair for a refresh token, and the same again for a while.
    ///
    /// # Errors
    /// The error and its description.
    pub fn refresh(&mut self, token: &str, now: Timestamp) -> Result<Value, (&'static str, &'static str)> {
        let revoked = ("invalid_request", "Refresh token revoked");
        let known = self.refresh.iter().find(|known| known.token == token).cloned();
        let known = known.ok_or(("invalid_request", "Refresh token is not valid"))?;
        if known.revoked {
            return Err(revoked);
        }
        if let Some((at, given)) = known.used {
            return if now.since(at) <= GRACE { Ok(given) } else { Err(revoked) };
        }
        let given = self.pair(&known.scopes, now);
        if let Some(known) = self.refresh.iter_mut().find(|known| known.token == token) {
            known.used = Some((now, given.clone()));
        }
        Ok(given)
    }

    /// Ends one token, of either kind.
    ///
    /// # Errors
    /// What is said of one that is not there or has ended.
    pub fn revoke(&mut self, token: &str) -> Result<(), &'static str> {
        let access = self.access.iter_mut().filter(|known| known.token == token).map(|known| &mut known.revoked);
        let refresh = self.refresh.iter_mut().filter(|known| known.token == token).map(|known| &mut known.revoked);
        match access.chain(refresh).next() {
            None => Err("Token not found"),
            Some(true) => Err("Token has already been revoked."),
            Some(revoked) => {
                *revoked = true;
                Ok(())
            }
        }
    }

    /// The app is removed from the workspace, or its secret is made anew.
    pub fn revoke_all(&mut self) {
        self.access.iter_mut().for_each(|access| access.revoked = true);
        self.refresh.iter_mut().for_each(|refresh| refresh.revoked = true);
        self.codes.clear();
    }

    fn pair(&mut self, scopes: &BTreeSet<String>, now: Timestamp) -> Value {
        let token = self.give(Grant::Code, scopes, now + DAY);
        let refresh = self.mint("lin_refresh_");
        self.refresh.push(Refresh { token: refresh.clone(), scopes: scopes.clone(), revoked: false, used: None });
        let mut given = answer(&token, scopes, DAY);
        given["refresh_token"] = json!(refresh);
        given
    }

    fn give(&mut self, grant: Grant, scopes: &BTreeSet<String>, expires_at: Timestamp) -> String {
        let token = self.mint("lin_oauth_");
        let (scopes, expires_at) = (scopes.clone(), Some(expires_at));
        self.access.push(Access { token: token.clone(), grant, scopes, expires_at, revoked: false });
        token
    }

    fn mint(&mut self, prefix: &str) -> String {
        self.minted += 1;
        format!("{prefix}{}", short_hash(&["linear token", &self.minted.to_string()], 32))
    }
}

fn answer(token: &str, scopes: &BTreeSet<String>, lasts: Duration) -> Value {
    let scope = scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    json!({"access_token": token, "token_type": "Bearer", "expires_in": lasts.as_secs() - 1, "scope": scope})
}
