//! Linear's OAuth: the page where an admin allows us in, codes and refresh tokens exchanged for new
//! tokens, and who a token makes us.
//!
//! Follows <https://linear.app/developers/oauth-2-0-authentication>. No token or code is in an error.
//! `installs/` does the rest.

use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use super::inbound::Identity;
use crate::{
    domain::{
        actor::Platform,
        failure::{Failure, Problem},
    },
    http::{below, is_loopback},
    installs::{
        self, Grant, Who,
        exchange::{passing, printable, send, text},
    },
};

/// What we may do. An admin of the workspace allows it, because of the last two.
const SCOPES: &str = "read,write,app:assignable,app:mentionable";
const PAGES: &str = "https://linear.app";
const VIEWER: &str = "query Viewer { viewer { id name app supportsAgentSessions organization { id name urlKey } } }";
/// Where Linear does not say how long a token lives.
const USUAL_LIFE: Duration = Duration::from_hours(24);
const LONGEST_LIFE: Duration = Duration::from_hours(366 * 24);
/// Without them nobody can delegate to us, and Linear refuses what we say in one.
const NO_SESSIONS: &str = "Agent sessions are not on for this application, and nothing reaches Baton without them: \
    switch on its webhooks with “Agent session events”, then install it again.";

/// The application, as Linear knows it.
#[derive(Clone, Debug)]
pub struct OAuth {
    http: reqwest::Client,
    api: Url,
    id: String,
    secret: SecretString,
}

impl OAuth {
    /// `api` is `LINEAR_API_URL`, with or without its last slash.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub fn new(api: Url, id: String, secret: SecretString) -> reqwest::Result<Self> {
        Ok(Self { http: crate::http::client()?, api, id, secret })
    }

    async fn who(&self, access: &SecretString) -> Result<Who, Failure> {
        let body = json!({"query": VIEWER, "operationName": "Viewer", "variables": {}});
        let request = self.http.post(below(&self.api, &["graphql"])).bearer_auth(access.expose_secret()).json(&body);
        let (status, answer) = send(request).await?;
        let viewer = answer.pointer("/data/viewer").filter(|_| status == 200 && answer.get("errors").is_none());
        let viewer = viewer.ok_or_else(|| refusal(status, &answer))?;
        if !flag(viewer, "app") {
            return Err(Failure::Refused(Problem::new("the_token_is_a_persons")));
        }
        who(viewer).ok_or_else(|| refusal(status, &answer))
    }

    async fn grant(&self, form: &[(&str, &str)]) -> Result<Grant, Failure> {
        let client = [("client_id", self.id.as_str()), ("client_secret", self.secret.expose_secret())];
        let form = [form, &client].concat();
        let (status, answer) = send(self.http.post(below(&self.api, &["oauth", "token"])).form(&form)).await?;
        let token = |name: &str| text(&answer, &[name]).map(SecretString::from);
        match token("access_token") {
            Some(access) if status == 200 => {
                let life = answer.get("expires_in").and_then(Value::as_u64).map_or(USUAL_LIFE, Duration::from_secs);
                Ok(Grant { access, refresh: token("refresh_token"), life: life.min(LONGEST_LIFE) })
            }
            _ => Err(refusal(status, &answer)),
        }
    }
}

impl installs::OAuth for OAuth {
    fn platform(&self) -> Platform {
        Platform::Linear
    }

    fn authorize(&self, redirect: &str, state: &str, challenge: &str) -> Url {
        // A simulated Linear has its pages where its API is.
        let pages = Url::parse(PAGES).ok().filter(|_| !is_loopback(&self.api)).unwrap_or_else(|| self.api.clone());
        let mut url = below(&pages, &["oauth", "authorize"]);
        url.query_pairs_mut().extend_pairs([
            ("client_id", self.id.as_str()),
            ("redirect_uri", redirect),
            ("response_type", "code"),
            ("scope", SCOPES),
            ("state", state),
            ("actor", "app"),
            ("prompt", "consent"),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
        ]);
        url
    }

    fn exchange<'a>(
        &'a self,
        code: &'a SecretString,
        redirect: &'a str,
        verifier: &'a SecretString,
    ) -> BoxFuture<'a, Result<(Grant, Who), Failure>> {
        Box::pin(async move {
            let form = [
                ("grant_type", "authorization_code"),
                ("code", code.expose_secret()),
                ("redirect_uri", redirect),
                ("code_verifier", verifier.expose_secret()),
            ];
            let grant = self.grant(&form).await?;
            let who = self.who(&grant.access).await?;
            Ok((grant, who))
        })
    }

    /// For half an hour Linear answers the same token with the same pair, so it does no harm to ask
    /// again.
    fn refresh<'a>(&'a self, refresh: &'a SecretString) -> BoxFuture<'a, Result<Grant, Failure>> {
        Box::pin(async move {
            self.grant(&[("grant_type", "refresh_token"), ("refresh_token", refresh.expose_secret())]).await
        })
    }
}

/// Linear's errors have been seen in more forms than are documented: a refresh token that was taken
/// back is `invalid_request` with words that say so.
fn refusal(status: u16, answer: &Value) -> Failure {
    let code = text(answer, &["error"]).or_else(|| text(answer, &["errors", "0", "extensions", "code"]));
    let problem = Problem::new(code.map_or_else(|| format!("http_{status}"), |code| printable(&code)));
    let words = text(answer, &["error_description"]).unwrap_or_default().to_lowercase();
    match (status, problem.code.as_str()) {
        (408 | 500..=599, _) => Failure::Transient { after: None, problem },
        (_, "ratelimited" | "rate_limited") => passing(None, "rate_limited"),
        (400 | 401, "invalid_grant") => Failure::Gone(problem),
        (400 | 401, _) if words.contains("revoked") => Failure::Gone(Problem::new("token_revoked")),
        (401, _) | (_, "invalid_client" | "authentication_error") => Failure::Unauthorized(problem),
        (200..=299, _) if answer.is_null() => passing(None, "answer_unreadable"),
        _ => Failure::Refused(problem),
    }
}

fn who(viewer: &Value) -> Option<Who> {
    let organization = text(viewer, &["organization", "id"])?;
    let identity = Identity {
        organization: organization.clone(),
        app_user: text(viewer, &["id"])?,
        name: text(viewer, &["name"]).unwrap_or_default(),
        url_key: text(viewer, &["organization", "urlKey"]),
    };
    Some(Who {
        name: text(viewer, &["organization", "name"]).unwrap_or_else(|| organization.clone()),
        workspace: organization,
        handle: identity.name.clone(),
        identity: json!(identity),
        lacks: (!flag(viewer, "supportsAgentSessions")).then(|| NO_SESSIONS.to_owned()),
    })
}

fn flag(viewer: &Value, name: &str) -> bool {
    viewer.get(name).and_then(Value::as_bool).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::installs::OAuth as _;

    fn oauth(api: &str) -> OAuth {
        OAuth::new(Url::parse(api).expect("an address"), "client-1".into(), "hush".into()).expect("a client")
    }

    #[test]
    fn the_page_is_linears_or_that_of_a_simulated_one() {
        let page = oauth("https://api.linear.app").authorize("https://b.example/linear/oauth/callback", "st", "ch");
        assert!(page.as_str().starts_with("https://linear.app/oauth/authorize?client_id=client-1&"), "{page}");
        let asked: std::collections::BTreeMap<_, _> = page.query_pairs().into_owned().collect();
        for (name, value) in [
            ("redirect_uri", "https://b.example/linear/oauth/callback"),
            ("response_type", "code"),
            ("scope", "read,write,app:assignable,app:mentionable"),
            ("state", "st"),
            ("actor", "app"),
            ("code_challenge", "ch"),
            ("code_challenge_method", "S256"),
        ] {
            assert_eq!(asked[name], value, "{name}");
        }
        assert!(!page.as_str().contains("hush"));
        let page = oauth("http://127.0.0.1:7300/linear-api").authorize("r", "s", "c");
        assert!(page.as_str().starts_with("http://127.0.0.1:7300/linear-api/oauth/authorize?"), "{page}");
    }

    #[test]
    fn what_linear_was_seen_to_answer() {
        let revoked = json!({"error": "invalid_request", "error_description": "Refresh token revoked"});
        assert_eq!(refusal(400, &revoked), Failure::Gone(Problem::new("token_revoked")));
        assert_eq!(refusal(400, &json!({"error": "invalid_grant"})), Failure::Gone(Problem::new("invalid_grant")));
        let client = json!({"error": "invalid_client"});
        assert_eq!(refusal(401, &client), Failure::Unauthorized(Problem::new("invalid_client")));
        assert_eq!(
            refusal(400, &json!({"error": "invalid_request"})),
            Failure::Refused(Problem::new("invalid_request"))
        );
        assert_eq!(refusal(503, &Value::Null), passing(None, "http_503"));
        assert_eq!(refusal(400, &json!({"error": "<b>lin_oauth_1"})), Failure::Refused(Problem::new("unknown_error")));
        let denied = json!({"errors": [{"message": "no", "extensions": {"code": "AUTHENTICATION_ERROR"}}]});
        assert_eq!(refusal(401, &denied), Failure::Unauthorized(Problem::new("authentication_error")));
    }
}
