//! What an application has to keep to when workspaces install it.

use std::collections::BTreeMap;

use super::*;
use crate::simulator::slack::{CLIENT_ID, CLIENT_SECRET, OTHER_TEAM, TEAM};

impl Stage {
    /// Where the page for this query leads, with the status.
    async fn page(&self, query: &[(&str, &str)]) -> (u16, String) {
        let request = self.client.get(format!("{}/oauth/v2/authorize", self.base)).query(query);
        let response = request.send().await.expect("an answer");
        let location = response.headers().get("location").and_then(|to| to.to_str().ok()).unwrap_or_default();
        (response.status().as_u16(), location.to_owned())
    }

    fn callback(&self) -> String {
        self.slack.read(|world| world.target.clone()).expect("a target") + "/slack/oauth/callback"
    }

    /// A code of the workspace.
    async fn code(&self, team: &str) -> String {
        let callback = self.callback();
        let query = [("client_id", CLIENT_ID), ("scope", "chat:write"), ("redirect_uri", &callback), ("state", "st")];
        let (status, location) = self.page(&[query.as_slice(), &[("team", team)]].concat()).await;
        assert_eq!(status, 302);
        let back: BTreeMap<_, _> = url::Url::parse(&location).expect("an address").query_pairs().into_owned().collect();
        assert!(location.starts_with(&callback) && back["state"] == "st", "{location}");
        back["code"].clone()
    }

    async fn exchange(&self, client: (&str, &str), form: &[(&str, &str)]) -> Value {
        let request = self.client.post(format!("{}/api/oauth.v2.access", self.base)).form(form);
        request.basic_auth(client.0, Some(client.1)).send().await.expect("an answer").json().await.expect("JSON")
    }

    async fn team_of(&self, token: &str) -> Value {
        let request = self.client.post(format!("{}/api/auth.test", self.base)).bearer_auth(token);
        let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
        if answer["ok"] == true { answer["team_id"].clone() } else { answer["error"].clone() }
    }
}

const US: (&str, &str) = (CLIENT_ID, CLIENT_SECRET);

#[tokio::test]
async fn the_page_leads_back_only_to_where_the_app_is() {
    let stage = Stage::new().await;
    let callback = stage.callback();
    let good = [("client_id", CLIENT_ID), ("scope", "chat:write"), ("redirect_uri", callback.as_str()), ("state", "s")];
    assert_eq!(stage.page(&good).await.0, 302);
    for (place, wrong) in [
        (0, ("client_id", "1.1")),
        (1, ("scope", "admin")),
        (2, ("redirect_uri", "https://evil.example")),
        (3, ("state", "")),
    ] {
        let mut asked = good;
        asked[place] = wrong;
        assert_eq!(stage.page(&asked).await.0, 400, "{wrong:?}");
    }
    assert_eq!(stage.slack.warnings().len(), 4);
}

#[tokio::test]
async fn a_code_is_exchanged_once_by_who_has_the_secret() {
    let stage = Stage::new().await;
    let (code, callback) = (stage.code(OTHER_TEAM).await, stage.callback());
    let form = [("code", code.as_str()), ("redirect_uri", callback.as_str())];
    for (client, error) in [((CLIENT_ID, "x"), "bad_client_secret"), (("x", CLIENT_SECRET), "invalid_client_id")] {
        assert_eq!(stage.exchange(client, &form).await["error"], error);
    }
    let elsewhere = [("code", code.as_str()), ("redirect_uri", "https://evil.example")];
    assert_eq!(stage.exchange(US, &elsewhere).await["error"], "bad_redirect_uri");
    assert_eq!(stage.exchange(US, &[("code", "x"), form[1]]).await["error"], "invalid_code");

    let given = stage.exchange(US, &form).await;
    assert_eq!((&given["team"]["id"], &given["scope"]), (&json!(OTHER_TEAM), &json!("chat:write")));
    assert!(given.get("refresh_token").is_none());
    assert_eq!(stage.team_of(given["access_token"].as_str().expect("a token")).await, OTHER_TEAM);
    assert_eq!(stage.team_of(BOT_TOKEN).await, TEAM);
    assert_eq!(stage.exchange(US, &form).await["error"], "code_already_used");

    let late = stage.code(TEAM).await;
    stage.wait(600);
    assert_eq!(stage.exchange(US, &[("code", &late), form[1]]).await["error"], "invalid_code");
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_an_access_token_for_twelve_hours() {
    let stage = Stage::new().await;
    stage.slack.knobs(|knobs| knobs.token_rotation = true);
    let (code, callback) = (stage.code(TEAM).await, stage.callback());
    let first = stage.exchange(US, &[("code", &code), ("redirect_uri", &callback)]).await;
    let token = |given: &Value, name: &str| given[name].as_str().expect("a token").to_owned();
    let refresh =
        async |token: &str| stage.exchange(US, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await;
    let second = refresh(&token(&first, "refresh_token")).await;
    assert_eq!(second["expires_in"], 43_200);
    assert_eq!(refresh(&token(&first, "refresh_token")).await["error"], "invalid_refresh_token");
    assert_eq!(stage.team_of(&token(&first, "access_token")).await, TEAM, "two are good at once");
    let third = refresh(&token(&second, "refresh_token")).await;
    assert_eq!(stage.team_of(&token(&first, "access_token")).await, "token_revoked");
    stage.wait(43_200);
    assert_eq!(stage.team_of(&token(&third, "access_token")).await, "token_expired");
}

#[tokio::test]
async fn who_removes_the_app_tells_it_and_takes_its_tokens() {
    let stage = Stage::new().await;
    stage.slack.uninstall().await;
    let told: Vec<Value> = stage.door.events().iter().map(|event| event["type"].clone()).collect();
    assert_eq!(told, ["tokens_revoked", "app_uninstalled"]);
    assert_eq!(stage.team_of(BOT_TOKEN).await, "token_revoked");
    stage.slack.say("U0ADA", "C0ENG", None, "hello @baton").await;
    assert_eq!(stage.door.events().len(), 2, "it hears nothing any more");
}
