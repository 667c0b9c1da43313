//! The token for each request: a fixed one, one of the app itself, or that of an installation.
//!
//! An app's own token comes from its client id and secret (client credentials), lives for thirty days
//! and has no refresh token: it is fetched again ahead of its end, and when Linear turns it away
//! (<https://linear.app/developers/oauth-2-0-authentication>). Used by `exchange.rs`.

use std::{fmt, sync::Arc, time::Duration};

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::{
    failure::{self, Again},
    limits,
};
use crate::{
    domain::failure::{Failure, Problem},
    installs::InstalledTokens,
    time::{Clock, Timestamp},
};

/// What the app has to be able to do. Whether client credentials may ask for `app:mentionable` is not
/// documented, so that it is left out when Linear refuses it.
const SCOPES: &str = "read,write,app:assignable,app:mentionable";
/// Each of them, and what it is for.
pub const PURPOSES: [(&str, &str); 4] = [
    ("read", "read issues and what is said about them"),
    ("write", "answer there"),
    ("app:assignable", "be delegated issues"),
    ("app:mentionable", "be mentioned"),
];
const SCOPES_WITHOUT_MENTIONS: &str = "read,write,app:assignable";

/// A token is replaced so long before its end, or after nine tenths of its life.
const AHEAD: Duration = Duration::from_hours(1);
/// Where Linear does not say it.
const USUAL_LIFE: Duration = Duration::from_hours(24);
const LONGEST_ANSWER: usize = 64 * 1024;

/// Where tokens come from.
#[derive(Clone)]
pub enum Tokens {
    /// An access token, or a personal API key (`lin_api_…`).
    Fixed(SecretString),
    /// The app's own, for the one workspace that owns it.
    ClientCredentials { client_id: String, client_secret: SecretString },
    /// One for each workspace that installed the app.
    Installed(Arc<dyn InstalledTokens>),
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed(_) => "Fixed",
            Self::ClientCredentials { .. } => "ClientCredentials",
            Self::Installed(_) => "Installed",
        })
    }
}

/// Hands out tokens, and fetches the app's own when it is time.
#[derive(Debug)]
pub(super) struct Keeper {
    tokens: Tokens,
    http: reqwest::Client,
    /// `/oauth/token`
    url: Url,
    clock: Clock,
    /// Held while fetching, so that only one does.
    granted: Mutex<Option<Granted>>,
}

#[derive(Debug)]
struct Granted {
    token: SecretString,
    scopes: Vec<String>,
    replace_at: Timestamp,
}

impl Keeper {
    pub fn new(tokens: Tokens, http: reqwest::Client, url: Url, clock: Clock) -> Self {
        Self { tokens, http, url, clock, granted: Mutex::default() }
    }

    /// A token that is not `stale`.
    pub async fn token(
        &self,
        organization: Option<&str>,
        stale: Option<&SecretString>,
    ) -> Result<SecretString, Failure> {
        match &self.tokens {
            Tokens::Fixed(_) if stale.is_some() => Err(Failure::Unauthorized(Problem::new("authentication_error"))),
            Tokens::Fixed(token) => Ok(token.clone()),
            Tokens::Installed(installed) => {
                let organization = organization.ok_or_else(|| Failure::Refused(Problem::new("no_organization")))?;
                installed.token(organization, stale).await
            }
            Tokens::ClientCredentials { client_id, client_secret } => {
                let mut granted = self.granted.lock().await;
                let now = self.clock.now();
                let good = granted.as_ref().filter(|granted| {
                    now < granted.replace_at && stale.is_none_or(|stale| !is_same(stale, &granted.token))
                });
                if let Some(good) = good {
                    return Ok(good.token.clone());
                }
                let fresh = self.fetch(client_id, client_secret, now).await?;
                let token = fresh.token.clone();
                *granted = Some(fresh);
                Ok(token)
            }
        }
    }

    /// What the token that is used now may do, as far as Linear has said it.
    pub async fn scopes(&self) -> Vec<String> {
        self.granted.lock().await.as_ref().map(|granted| granted.scopes.clone()).unwrap_or_default()
    }

    async fn fetch(&self, id: &str, secret: &SecretString, now: Timestamp) -> Result<Granted, Failure> {
        match self.grant(id, secret, SCOPES, now).await {
            Err(Denied { is_about_scopes: true, .. }) => {
                self.grant(id, secret, SCOPES_WITHOUT_MENTIONS, now).await.map_err(|denied| denied.failure)
            }
            granted => granted.map_err(|denied| denied.failure),
        }
    }

    async fn grant(&self, id: &str, secret: &SecretString, scopes: &str, now: Timestamp) -> Result<Granted, Denied> {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", id),
            ("client_secret", secret.expose_secret()),
            ("scope", scopes),
        ];
        let sent = crate::http::send(self.http.post(self.url.clone()).form(&form)).await;
        let mut response = sent.map_err(|error| Denied::from(failure::of_exchange(&error, Again::Harmless)))?;
        let (status, after) = (response.status(), limits::wait(response.headers(), now));
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                break;
            }
            body.extend_from_slice(&chunk);
        }
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |name| answer.get(name).and_then(Value::as_str).filter(|text: &&str| !text.is_empty());
        match text("access_token") {
            Some(token) if status.is_success() => {
                let life = answer.get("expires_in").and_then(Value::as_u64).map_or(USUAL_LIFE, Duration::from_secs);
                let replace_at = now + life.saturating_sub(AHEAD.min(life / 10));
                Ok(Granted { token: token.into(), scopes: scopes_of(&answer), replace_at })
            }
            _ if status.is_client_error() && status.as_u16() != 408 && status.as_u16() != 429 => {
                let why = [text("error"), text("error_description")].map(Option::unwrap_or_default).concat();
                let why = why.to_ascii_lowercase();
                let failure = Failure::Unauthorized(Problem::new("client_credentials_refused"));
                Err(Denied { failure, is_about_scopes: why.contains("scope") || why.contains("mentionable") })
            }
            _ => Err(failure::of_status(status, after, Again::Harmless).into()),
        }
    }
}

/// Linear writes them as text with spaces, for old applications as a list.
fn scopes_of(answer: &Value) -> Vec<String> {
    let text = answer.get("scope").and_then(Value::as_str).into_iter().flat_map(str::split_whitespace);
    let list = answer.get("scope").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    text.chain(list).map(str::to_owned).collect()
}

struct Denied {
    failure: Failure,
    is_about_scopes: bool,
}

impl From<Failure> for Denied {
    fn from(failure: Failure) -> Self {
        Self { failure, is_about_scopes: false }
    }
}

/// What stands in `Authorization`: a personal API key goes bare. None for what no header can carry.
pub(super) fn authorization(token: &SecretString) -> Option<HeaderValue> {
    let token = token.expose_secret();
    let text = if token.starts_with("lin_api_") { token.to_owned() } else { format!("Bearer {token}") };
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn is_same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::BoxFuture;
    use serde_json::json;

    use super::*;
    use crate::linear::fake::{Fake, Reply, credentials};

    fn grant(token: &str) -> Reply {
        Reply::Json(
            json!({"access_token": token, "token_type": "Bearer", "expires_in": 2_591_999, "scope": "read write"}),
        )
    }

    #[tokio::test]
    async fn one_fetches_for_all_and_again_after_a_refusal() {
        let made = AtomicUsize::new(0);
        let fake = Fake::start_with(credentials(), move |asked, _| match asked.what.as_str() {
            "token" => grant(&format!("t{}", made.fetch_add(1, Ordering::SeqCst))),
            _ if asked.authorization == "Bearer t0" => Reply::unauthorized(),
            _ => Reply::viewer(),
        })
        .await;
        let ask = || async { fake.linear.viewer(Some("org")).await.map(|viewer| viewer.id) };
        let answers = tokio::join!(ask(), ask(), ask());
        assert_eq!(answers, (Ok("app-1".into()), Ok("app-1".into()), Ok("app-1".into())));
        assert_eq!(fake.whats().iter().filter(|what| *what == "token").count(), 2, "the first, and one in its place");
        assert_eq!(fake.linear.scopes().await, ["read", "write"]);
        let form = fake.asked()[0].form();
        assert_eq!(form["grant_type"], "client_credentials");
        assert_eq!((form["client_id"].as_str(), form["client_secret"].as_str()), ("client", "secret"));
        assert_eq!(form["scope"], "read,write,app:assignable,app:mentionable");
    }

    #[test]
    fn scopes_come_in_two_forms_or_not_at_all() {
        assert_eq!(scopes_of(&json!({"scope": "app:assignable read"})), ["app:assignable", "read"]);
        assert_eq!(scopes_of(&json!({"scope": ["read", 7, "write"]})), ["read", "write"]);
        assert!(scopes_of(&json!({"scope": null})).is_empty() && scopes_of(&json!({})).is_empty());
    }

    #[tokio::test]
    async fn a_token_is_replaced_ahead_of_its_end() {
        let fake = Fake::start_with(credentials(), |asked, _| match asked.what.as_str() {
            "token" => grant("t"),
            _ => Reply::viewer(),
        })
        .await;
        for (days, fetched) in [(0, 1), (29, 1), (1, 2)] {
            fake.clock.advance(Duration::from_hours(24 * days));
            fake.linear.viewer(None).await.expect("a viewer");
            assert_eq!(fake.whats().iter().filter(|what| *what == "token").count(), fetched);
        }
    }

    #[tokio::test]
    async fn mentions_are_left_out_where_they_are_refused() {
        let fake = Fake::start_with(credentials(), |asked, _| match asked.what.as_str() {
            "token" if asked.form()["scope"].contains("mentionable") => {
                Reply::Status(400, json!({"error": "invalid_scope", "error_description": "Invalid scope"}))
            }
            "token" => grant("t"),
            _ => Reply::viewer(),
        })
        .await;
        fake.linear.viewer(None).await.expect("a viewer");
        assert_eq!(fake.whats(), ["token", "token", "Viewer"]);
        assert_eq!(fake.asked()[1].form()["scope"], "read,write,app:assignable");

        let fake = Fake::start_with(credentials(), |_, _| {
            Reply::Status(400, json!({"error": "Error", "error_description": "Client does not support the grant type"}))
        })
        .await;
        let refused = Failure::Unauthorized(Problem::new("client_credentials_refused"));
        assert_eq!(fake.linear.viewer(None).await.expect_err("a refusal"), refused);
        assert_eq!(fake.whats(), ["token"]);
    }

    #[tokio::test]
    async fn a_fixed_token_goes_as_it_is_meant_to() {
        for (token, sent) in [("lin_oauth_x", "Bearer lin_oauth_x"), ("lin_api_x", "lin_api_x")] {
            let fake = Fake::start_with(Tokens::Fixed(token.into()), |_, _| Reply::viewer()).await;
            fake.linear.viewer(None).await.expect("a viewer");
            assert_eq!(fake.asked()[0].authorization, sent);
        }
        let fake = Fake::start(|_, _| Reply::unauthorized()).await;
        let refused = Failure::Unauthorized(Problem::new("authentication_error"));
        assert_eq!(fake.linear.viewer(None).await.expect_err("a refusal"), refused);
        assert_eq!(fake.whats(), ["Viewer"], "asking again would not help");
    }

    #[tokio::test]
    async fn each_installation_has_its_own() {
        struct Two;
        impl InstalledTokens for Two {
            fn token<'a>(
                &'a self,
                organization: &'a str,
                stale: Option<&'a SecretString>,
            ) -> BoxFuture<'a, Result<SecretString, Failure>> {
                let fresh = if stale.is_some() { "fresh" } else { "old" };
                Box::pin(async move { Ok(format!("{organization}-{fresh}").into()) })
            }

            fn identity<'a>(&'a self, organization: &'a str) -> BoxFuture<'a, Result<String, Failure>> {
                Box::pin(async move { Ok(organization.to_owned()) })
            }
        }
        let fake = Fake::start_with(Tokens::Installed(Arc::new(Two)), |asked, _| {
            if asked.authorization.ends_with("old") { Reply::unauthorized() } else { Reply::viewer() }
        })
        .await;
        fake.linear.viewer(Some("acme")).await.expect("a viewer");
        let sent: Vec<String> = fake.asked().into_iter().map(|asked| asked.authorization).collect();
        assert_eq!(sent, ["Bearer acme-old", "Bearer acme-fresh"]);
        assert_eq!(
            fake.linear.viewer(None).await.expect_err("a refusal"),
            Failure::Refused(Problem::new("no_organization"))
        );
    }
}
