//! Slack's OAuth: the page where an admin allows us in, codes and refresh tokens exchanged for new
//! tokens, and who a token makes us.
//!
//! Follows <https://docs.slack.dev/authentication/installing-with-oauth> and
//! <https://docs.slack.dev/authentication/using-token-rotation>. No token or code is in an error.
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
        self, FOR_GOOD, Grant, Who,
        exchange::{passing, printable, send, text},
    },
};

const PAGES: &str = "https://slack.com";
const GOV: &str = "slack-gov.com";

/// The application, as Slack knows it.
#[derive(Clone, Debug)]
pub struct OAuth {
    http: reqwest::Client,
    api: Url,
    id: String,
    secret: SecretString,
    /// What the bot asks for.
    scopes: Vec<&'static str>,
}

impl OAuth {
    /// `api` is `SLACK_API_URL`, with or without its last slash.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub fn new(api: Url, id: String, secret: SecretString, scopes: Vec<&'static str>) -> reqwest::Result<Self> {
        Ok(Self { http: crate::http::client()?, api, id, secret, scopes })
    }

    /// <https://docs.slack.dev/reference/methods/oauth.v2.access>, which takes a form and no JSON.
    async fn access(&self, form: &[(&str, &str)]) -> Result<Value, Failure> {
        let request = self.http.post(below(&self.api, &["oauth.v2.access"])).form(form);
        asked(request.basic_auth(&self.id, Some(self.secret.expose_secret()))).await
    }

    /// Who we are in the workspace that `access` is of, and what it was given.
    async fn who(&self, given: &Value, access: &SecretString) -> Result<Who, Failure> {
        let request = self.http.post(below(&self.api, &["auth.test"])).bearer_auth(access.expose_secret());
        let us = asked(request).await?;
        who(given, &us, &self.scopes).ok_or_else(|| Failure::Refused(Problem::new("no_workspace")))
    }
}

impl installs::OAuth for OAuth {
    fn platform(&self) -> Platform {
        Platform::Slack
    }

    /// Slack has no use for the challenge: the exchange shows the application's secret.
    fn authorize(&self, redirect: &str, state: &str, _challenge: &str) -> Url {
        let mut url = below(&pages(&self.api), &["oauth", "v2", "authorize"]);
        url.query_pairs_mut().extend_pairs([
            ("client_id", self.id.as_str()),
            ("scope", &self.scopes.join(",")),
            ("redirect_uri", redirect),
            ("state", state),
        ]);
        url
    }

    fn exchange<'a>(
        &'a self,
        code: &'a SecretString,
        redirect: &'a str,
        _verifier: &'a SecretString,
    ) -> BoxFuture<'a, Result<(Grant, Who), Failure>> {
        Box::pin(async move {
            let form = [("code", code.expose_secret()), ("redirect_uri", redirect)];
            let given = self.access(&form).await?;
            let grant = grant(&given)?;
            let who = self.who(&given, &grant.access).await?;
            Ok((grant, who))
        })
    }

    fn refresh<'a>(&'a self, refresh: &'a SecretString) -> BoxFuture<'a, Result<Grant, Failure>> {
        Box::pin(async move {
            let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.expose_secret())];
            grant(&self.access(&form).await?)
        })
    }
}

/// A simulated Slack has its pages beside its API, the government's has a host of its own.
fn pages(api: &Url) -> Url {
    let beside = || {
        let mut pages = api.clone();
        if let Ok(mut path) = pages.path_segments_mut() {
            path.pop_if_empty().pop();
        }
        pages
    };
    match api.host_str() {
        Some(host) if is_loopback(api) || host == GOV => beside(),
        _ => Url::parse(PAGES).unwrap_or_else(|_| beside()),
    }
}

async fn asked(request: reqwest::RequestBuilder) -> Result<Value, Failure> {
    let (status, answer) = send(request).await?;
    let is_good = status == 200 && answer.get("ok") == Some(&Value::Bool(true));
    if is_good { Ok(answer) } else { Err(refusal(status, &answer)) }
}

fn refusal(status: u16, answer: &Value) -> Failure {
    let code = text(answer, &["error"]).map_or_else(|| format!("http_{status}"), |code| printable(&code));
    match (status, code.as_str()) {
        (_, "ratelimited" | "rate_limited") => passing(None, "rate_limited"),
        (408 | 500..=599, _) | (_, "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout") => {
            passing(None, &code)
        }
        (200..=299, _) if answer.is_null() => passing(None, "answer_unreadable"),
        (_, "invalid_refresh_token" | "invalid_grant" | "token_revoked" | "token_expired" | "account_inactive") => {
            Failure::Gone(Problem::new(code))
        }
        (_, "bad_client_secret" | "invalid_client_id") => Failure::Unauthorized(Problem::new(code)),
        _ => Failure::Refused(Problem::new(code)),
    }
}

fn grant(given: &Value) -> Result<Grant, Failure> {
    let token = |name: &str| text(given, &[name]).map(SecretString::from);
    let is_of_the_bot = text(given, &["token_type"]).is_none_or(|kind| kind == "bot");
    let access = token("access_token").filter(|_| is_of_the_bot);
    let life = given.get("expires_in").and_then(Value::as_u64).filter(|life| *life > 0);
    Ok(Grant {
        access: access.ok_or_else(|| Failure::Refused(Problem::new("no_bot_token")))?,
        refresh: token("refresh_token"),
        life: life.map_or(FOR_GOOD, Duration::from_secs).min(FOR_GOOD),
    })
}

/// An org-wide install is an organization's, and has no team.
fn who(given: &Value, us: &Value, wanted: &[&str]) -> Option<Who> {
    let is_org_wide = given.get("is_enterprise_install") == Some(&Value::Bool(true));
    let place = if is_org_wide { "enterprise" } else { "team" };
    let workspace = text(given, &[place, "id"])?;
    let identity = Identity {
        workspace: workspace.clone(),
        bot_user: text(given, &["bot_user_id"]).or_else(|| text(us, &["user_id"]))?,
        bot_id: text(us, &["bot_id"]).unwrap_or_default(),
        app_id: text(given, &["app_id"]),
    };
    Some(Who {
        name: text(given, &[place, "name"]).unwrap_or_else(|| workspace.clone()),
        workspace,
        handle: text(us, &["user"]).unwrap_or_default(),
        identity: json!(identity),
        lacks: lacks(&text(given, &["scope"]).unwrap_or_default(), wanted),
    })
}

fn lacks(had: &str, wanted: &[&str]) -> Option<String> {
    let missing: Vec<&str> = wanted.iter().copied().filter(|scope| !had.split(',').any(|had| had == *scope)).collect();
    let sentence = || format!("Slack did not give it the scopes {}: add them to the app.", missing.join(", "));
    (!missing.is_empty()).then(sentence)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::installs::OAuth as _;

    fn oauth(api: &str) -> OAuth {
        let api = Url::parse(api).expect("an address");
        OAuth::new(api, "1.2".into(), "hush".into(), vec!["chat:write", "commands"]).expect("a client")
    }

    #[test]
    fn the_page_is_slacks_or_that_of_a_simulated_one() {
        let page = oauth("https://slack.com/api/").authorize("https://b.example/slack/oauth/callback", "st", "ch");
        assert!(page.as_str().starts_with("https://slack.com/oauth/v2/authorize?client_id=1.2&"), "{page}");
        let asked: BTreeMap<_, _> = page.query_pairs().into_owned().collect();
        assert_eq!(asked["redirect_uri"], "https://b.example/slack/oauth/callback");
        assert_eq!((asked["scope"].as_str(), asked["state"].as_str()), ("chat:write,commands", "st"));
        assert!(!page.as_str().contains("hush"));
        for (api, page) in [
            ("http://127.0.0.1:7300/simulator/slack/api/", "http://127.0.0.1:7300/simulator/slack/oauth/v2/authorize?"),
            ("https://slack-gov.com/api", "https://slack-gov.com/oauth/v2/authorize?"),
            ("https://proxy.example/slack/api/", "https://slack.com/oauth/v2/authorize?"),
        ] {
            assert!(oauth(api).authorize("r", "s", "c").as_str().starts_with(page), "{api}");
        }
    }

    #[test]
    fn whose_a_token_is_and_how_long_it_lives() {
        let us = json!({"ok": true, "user": "baton", "user_id": "U1", "bot_id": "B1"});
        let mut given = json!({"ok": true, "access_token": "xoxb-1", "token_type": "bot", "scope": "chat:write",
            "bot_user_id": "U1", "app_id": "A1", "team": {"id": "T1", "name": "Acme"},
            "enterprise": {"id": "E1", "name": "Org"}, "is_enterprise_install": false});
        let told = who(&given, &us, &["chat:write", "commands"]).expect("a workspace");
        assert_eq!((told.workspace.as_str(), told.name.as_str(), told.handle.as_str()), ("T1", "Acme", "baton"));
        assert_eq!(told.identity, json!({"workspace": "T1", "bot_user": "U1", "bot_id": "B1", "app_id": "A1"}));
        assert!(told.lacks.expect("a sentence").contains("the scopes commands:"));
        assert_eq!(grant(&given).expect("a grant").life, FOR_GOOD);

        given["is_enterprise_install"] = true.into();
        given["team"] = Value::Null;
        given["expires_in"] = 43_200.into();
        let told = who(&given, &us, &["chat:write"]).expect("a workspace");
        assert_eq!((told.workspace.as_str(), told.name.as_str(), told.lacks), ("E1", "Org", None));
        assert_eq!(grant(&given).expect("a grant").life, Duration::from_hours(12));

        given["token_type"] = "user".into();
        assert_eq!(grant(&given).expect_err("a refusal"), Failure::Refused(Problem::new("no_bot_token")));
        given["enterprise"] = Value::Null;
        assert_eq!(who(&given, &us, &[]), None);
    }

    #[test]
    fn what_slack_answers_instead() {
        let of = |code: &str| refusal(200, &json!({"ok": false, "error": code}));
        for (code, failure) in [
            ("invalid_refresh_token", Failure::Gone(Problem::new("invalid_refresh_token"))),
            ("bad_client_secret", Failure::Unauthorized(Problem::new("bad_client_secret"))),
            ("code_already_used", Failure::Refused(Problem::new("code_already_used"))),
            ("fatal_error", passing(None, "fatal_error")),
            ("<b>xoxb-1", Failure::Refused(Problem::new("unknown_error"))),
        ] {
            assert_eq!(of(code), failure);
        }
        assert_eq!(refusal(503, &Value::Null), passing(None, "http_503"));
        assert_eq!(refusal(200, &Value::Null), passing(None, "answer_unreadable"));
    }
}
