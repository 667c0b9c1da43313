//! One GraphQL request to Linear: its address, its token, its bounded answer. A token that is turned
//! away is replaced once. Used by `client.rs` and `lookback.rs`.

use ::http::{StatusCode, header};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use super::{
    failure::{self, Again, Refusal, lost},
    limits,
    queries::Document,
    token::{Keeper, Tokens, authorization},
};
use crate::{
    domain::failure::{Failure, Problem},
    http::{below, is_loopback},
    time::Clock,
};

/// A page of sessions with their issues is some hundred kilobytes.
const LONGEST_ANSWER: usize = 8 << 20;

#[derive(Debug)]
pub(super) struct Exchange {
    pub http: reqwest::Client,
    pub clock: Clock,
    base: Url,
    keeper: Keeper,
}

impl Exchange {
    /// `base` is `LINEAR_API_URL`, with or without its last slash.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub fn new(base: Url, tokens: Tokens, clock: Clock) -> reqwest::Result<Self> {
        let http = crate::http::client()?;
        let keeper = Keeper::new(tokens, http.clone(), below(&base, &["oauth", "token"]), clock.clone());
        Ok(Self { http, clock, base, keeper })
    }

    /// Sends the document and reads its `data`.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        organization: Option<&str>,
        document: &Document,
        variables: Value,
        again: Again,
    ) -> Result<T, Refusal> {
        let token = self.keeper.token(organization, None).await.map_err(Refusal::new)?;
        let mut data = self.send(document, &variables, &token, again).await;
        if matches!(data, Err(Refusal::Failed { failure: Failure::Unauthorized(_), .. })) {
            let token = self.keeper.token(organization, Some(&token)).await.map_err(Refusal::new)?;
            data = self.send(document, &variables, &token, again).await;
        }
        let data = data.inspect_err(|refusal| note(document, refusal))?;
        serde_json::from_value(data).map_err(|_| Refusal::new(lost(Problem::new("answer_unreadable"), again)))
    }

    /// What the token may do, once there has been a request; empty where Linear does not say it.
    pub async fn scopes(&self) -> Vec<String> {
        self.keeper.scopes().await
    }

    /// Whether Linear's API is on this machine, as a simulated one is.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.base)
    }

    async fn send(
        &self,
        document: &Document,
        variables: &Value,
        token: &SecretString,
        again: Again,
    ) -> Result<Value, Refusal> {
        let authorization =
            authorization(token).ok_or_else(|| Refusal::new(Failure::Unauthorized(Problem::new("unusable_token"))))?;
        let body = json!({"query": document.text, "operationName": document.name, "variables": variables});
        let request =
            self.http.post(below(&self.base, &["graphql"])).header(header::AUTHORIZATION, authorization).json(&body);
        let broken = |error: reqwest::Error| Refusal::new(failure::of_exchange(&error, again));
        let mut response = crate::http::send(request).await.map_err(broken)?;
        let (status, after) = (response.status(), limits::wait(response.headers(), self.clock.now()));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                return Err(Refusal::new(lost(Problem::new("answer_too_long"), again)));
            }
            body.extend_from_slice(&chunk);
        }
        let Ok(mut answer) = serde_json::from_slice::<Value>(&body) else {
            return Err(Refusal::new(failure::of_status(status, after, again)));
        };
        // Errors come before data: an answer may have both.
        if let Some(error) = answer.pointer("/errors/0") {
            return Err(failure::refusal(error, status, after, again));
        }
        match answer.get_mut("data").map(Value::take).filter(|data| !data.is_null() && status == StatusCode::OK) {
            Some(data) => successful(data),
            None => Err(Refusal::new(failure::of_status(status, after, again))),
        }
    }
}

/// A mutation may fail without an error: then it says so in its payload.
fn successful(data: Value) -> Result<Value, Refusal> {
    let failed =
        data.as_object().into_iter().flatten().find(|(_, payload)| payload.get("success") == Some(&false.into()));
    match failed.map(|(field, _)| field.clone()) {
        Some(field) => {
            Err(Refusal::Failed { failure: Failure::Refused(Problem::new("not_successful")), field: Some(field) })
        }
        None => Ok(data),
    }
}

fn note(document: &Document, refusal: &Refusal) {
    let code = match refusal {
        Refusal::Exists(_) => "conflict",
        Refusal::Failed { failure, .. } => &failure.problem().code,
    };
    tracing::debug!(linear.operation = document.name, linear.error = code, "linear call failed");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::linear::fake::{Fake, Reply};

    #[tokio::test]
    async fn failures_say_whether_something_may_have_happened() {
        let passing = |after: Option<u64>, code: &str| Failure::Transient {
            after: after.map(Duration::from_secs),
            problem: Problem::new(code),
        };
        let answers: [(fn() -> Reply, Failure); 7] = [
            (|| Reply::Limited(30), passing(Some(30), "rate_limited")),
            (|| Reply::Text(502, "<html>"), passing(None, "http_502")),
            (|| Reply::Text(200, "<html>"), passing(None, "answer_unreadable")),
            (|| Reply::Broken, passing(None, "answer_lost")),
            (|| Reply::Json(json!({"data": {"viewer": null}})), passing(None, "answer_unreadable")),
            (|| Reply::Json(json!({"data": null})), passing(None, "answer_unreadable")),
            (|| Reply::Text(404, "nothing"), Failure::Refused(Problem::new("http_404"))),
        ];
        for (answer, failure) in answers {
            let fake = Fake::start(move |_, _| answer()).await;
            assert_eq!(fake.linear.viewer(None).await.expect_err("a failure"), failure);
        }
    }

    #[tokio::test]
    async fn a_request_names_its_operation() {
        let fake = Fake::start(|_, _| Reply::viewer()).await;
        let viewer = fake.linear.viewer(None).await.expect("a viewer");
        assert_eq!((viewer.name.as_str(), viewer.organization.url_key.as_deref()), ("Baton", Some("acme")));
        let asked = &fake.asked()[0];
        assert_eq!((asked.path.as_str(), asked.what.as_str()), ("/graphql", "Viewer"));
    }
}
