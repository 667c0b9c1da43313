//! Tokens: how they are got, how long they last, how they end.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::{
    super::{CLIENT_ID, CLIENT_SECRET},
    *,
};

const HOUR: u64 = 3600;

async fn token(stage: &Stage, form: &[(&str, &str)]) -> (u16, Value) {
    let client = [("client_id", CLIENT_ID), ("client_secret", CLIENT_SECRET)];
    let form: Vec<(&str, &str)> = client.iter().chain(form).copied().collect();
    let response =
        stage.client.post(format!("{}/oauth/token", stage.base)).form(&form).send().await.expect("an answer");
    (response.status().as_u16(), response.json().await.expect("JSON"))
}

async fn works(stage: &Stage, token: &Value) -> bool {
    let token = token.as_str().expect("a token");
    stage.send(token, &json!({"query": "{ viewer { id } }"})).await.0 == 200
}

/// Goes to the page where an admin approves; gives where it led.
async fn authorize(stage: &Stage, more: &[(&str, &str)]) -> reqwest::Response {
    let target = stage.linear.read(|world| world.target.clone()).expect("a target");
    let redirect = format!("{target}/linear/oauth/callback");
    let mut query = vec![
        ("client_id", CLIENT_ID),
        ("redirect_uri", &redirect),
        ("response_type", "code"),
        ("scope", "read,write,app:assignable,app:mentionable"),
        ("state", "s1"),
        ("actor", "app"),
    ];
    for (name, value) in more {
        query.retain(|(known, _)| known != name);
        query.push((name, value));
    }
    stage.client.get(format!("{}/oauth/authorize", stage.base)).query(&query).send().await.expect("an answer")
}

async fn code(stage: &Stage, more: &[(&str, &str)]) -> (String, String) {
    let response = authorize(stage, more).await;
    assert_eq!(response.status(), 302);
    let back: url::Url = response.headers()["location"].to_str().expect("text").parse().expect("a URL");
    let given: std::collections::BTreeMap<String, String> = back.query_pairs().into_owned().collect();
    assert_eq!(given["state"], "s1");
    let redirect = back.as_str().split('?').next().unwrap_or_default().to_owned();
    (given["code"].clone(), redirect)
}

#[tokio::test]
async fn client_credentials_last_thirty_days() {
    let stage = Stage::new().await;
    let form = [("grant_type", "client_credentials"), ("scope", "read,write,app:assignable,app:mentionable")];
    let (status, given) = token(&stage, &form).await;
    assert_eq!((status, &given["token_type"], &given["expires_in"]), (200, &json!("Bearer"), &json!(2_591_999)));
    assert_eq!(given["scope"], "app:assignable app:mentionable read write");
    assert!(given.get("refresh_token").is_none());
    let (_, second) = token(&stage, &form).await;
    assert!(works(&stage, &given["access_token"]).await && works(&stage, &second["access_token"]).await);
    stage.wait(30 * 24 * HOUR);
    let body = json!({"query": "{ viewer { id } }"});
    let (status, answer) = stage.send(given["access_token"].as_str().expect("a token"), &body).await;
    assert_eq!(
        (status, answer),
        (
            401,
            json!({"errors": [{"message": "Authentication required, not authenticated", "extensions": {
                "type": "authentication error", "code": "AUTHENTICATION_ERROR", "statusCode": 401, "userError": true,
                "userPresentableMessage": "You need to authenticate to access this operation.", "meta": {},
                "http": {"headers": {}, "status": 401},
            }}]})
        )
    );
    assert!(stage.linear.objections().is_empty());
}

#[tokio::test]
async fn other_scopes_end_what_was_given_before_and_delegation_wants_its_own() {
    let stage = Stage::new().await;
    let issue = stage.linear.issue("Fix the login", "").await;
    let grant = ("grant_type", "client_credentials");
    let (_, first) = token(&stage, &[grant, ("scope", "read,write,app:assignable")]).await;
    stage.linear.delegate("ada", &issue).await.expect("a session");
    let (_, second) = token(&stage, &[grant, ("scope", "read write")]).await;
    assert!(!works(&stage, &first["access_token"]).await && works(&stage, &second["access_token"]).await);
    let refused = stage.linear.delegate("ada", &issue).await.expect_err("not able");
    assert_eq!(refused, "One or more app users lack the required capability.");
    stage.linear.knobs(|knobs| knobs.client_credentials = false);
    let (status, answer) = token(&stage, &[grant]).await;
    assert_eq!((status, &answer["error"]), (400, &json!("Error")));
}

#[tokio::test]
async fn a_code_is_exchanged_once_by_who_began() {
    let stage = Stage::new().await;
    let verifier = "a-verifier-that-is-long-enough-to-be-one-of-them";
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    let proof = [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")];
    let (first, redirect) = code(&stage, &proof).await;
    let exchange = |code: String, verifier: &'static str| {
        let (stage, redirect) = (&stage, redirect.clone());
        async move {
            let form = [
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", &redirect),
                ("code_verifier", verifier),
            ];
            token(stage, &form).await
        }
    };
    let (status, answer) = exchange(first, "another").await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));
    let (second, _) = code(&stage, &proof).await;
    let (status, given) = exchange(second.clone(), verifier).await;
    assert_eq!((status, &given["expires_in"]), (200, &json!(86_399)), "{given}");
    assert!(works(&stage, &given["access_token"]).await);
    assert_eq!(exchange(second, verifier).await.1["error"], "invalid_grant", "used once");
    stage.wait(24 * HOUR);
    assert!(!works(&stage, &given["access_token"]).await);
}

#[tokio::test]
async fn what_an_authorization_must_not_be() {
    let stage = Stage::new().await;
    for more in [
        ("client_id", "somebody"),
        ("redirect_uri", "https://evil.example.com/linear/oauth/callback"),
        ("response_type", "token"),
        ("state", ""),
        ("scope", "read,admin"),
        ("scope", "read,everything"),
        ("actor", "user"),
        ("code_challenge", "plain"),
    ] {
        assert_eq!(authorize(&stage, &[more]).await.status(), 400, "{more:?}");
    }
    assert_eq!(stage.linear.objections().len(), 8);
}

#[tokio::test]
async fn refreshing_rotates_and_is_answered_alike_for_half_an_hour() {
    let stage = Stage::new().await;
    let (code, redirect) = code(&stage, &[]).await;
    let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", &redirect)];
    let (_, given) = token(&stage, &form).await;
    let old = given["refresh_token"].as_str().expect("a token").to_owned();
    let refresh = |token_: String| {
        let stage = &stage;
        async move { token(stage, &[("grant_type", "refresh_token"), ("refresh_token", &token_)]).await }
    };
    let (_, new) = refresh(old.clone()).await;
    assert_ne!((&new["access_token"], &new["refresh_token"]), (&given["access_token"], &given["refresh_token"]));
    stage.wait(30 * 60);
    assert_eq!(refresh(old.clone()).await.1, new, "an answer that was lost is given again");
    stage.wait(1);
    let revoked = json!({"error": "invalid_request", "error_description": "Refresh token revoked"});
    assert_eq!(refresh(old).await, (400, revoked.clone()));
    assert_eq!(refresh(new["refresh_token"].as_str().expect("a token").to_owned()).await.0, 200);
    stage.linear.revoke().await;
    assert_eq!(refresh(new["refresh_token"].as_str().expect("a token").to_owned()).await, (400, revoked));
    assert!(stage.linear.objections().is_empty());
}

#[tokio::test]
async fn tokens_are_revoked_one_by_one() {
    let stage = Stage::new().await;
    let revoke = |token: &'static str| {
        let request = stage.client.post(format!("{}/oauth/revoke", stage.base)).form(&[("token", token)]);
        async move {
            let response = request.send().await.expect("an answer");
            (response.status().as_u16(), response.json::<Value>().await.expect("JSON")["error"].clone())
        }
    };
    assert_eq!(revoke("nothing").await, (401, json!("Token not found")));
    assert_eq!(revoke(ACCESS_TOKEN).await, (200, Value::Null));
    assert_eq!(revoke(ACCESS_TOKEN).await, (401, json!("Token has already been revoked.")));
    assert!(!works(&stage, &json!(ACCESS_TOKEN)).await);
}

#[tokio::test]
async fn a_client_must_say_who_it_is() {
    let stage = Stage::new().await;
    let url = format!("{}/oauth/token", stage.base);
    let form = [("grant_type", "client_credentials"), ("scope", "read")];
    let by_basic = stage.client.post(&url).basic_auth(CLIENT_ID, Some(CLIENT_SECRET)).form(&form).send().await;
    assert_eq!(by_basic.expect("an answer").status(), 200);
    let wrong = stage.client.post(&url).basic_auth(CLIENT_ID, Some("guess")).form(&form).send().await;
    assert_eq!(wrong.expect("an answer").status(), 401);
    let silent = stage.client.post(&url).form(&form).send().await.expect("an answer");
    assert_eq!(silent.json::<Value>().await.expect("JSON")["error"], "invalid_client");
    assert!(stage.linear.objections().is_empty());
    let nobody = stage.client.post(format!("{}/graphql", stage.base)).json(&json!({"query": "{ viewer { id } }"}));
    assert_eq!(nobody.send().await.expect("an answer").status(), 401);
    assert_eq!(stage.send("made-up", &json!({"query": "{ viewer { id } }"})).await.0, 401);
    assert_eq!(
        stage.linear.objections(),
        ["POST /graphql: no Authorization", "POST /graphql: a token that was never given out"]
    );
}
