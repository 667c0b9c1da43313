//! One request to Oz: its address, its key, its bounded answer.

use http::{StatusCode, header};
use reqwest::{RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

use super::trouble::{self, Trouble};

/// A page of a hundred runs with long prompts, or a long conversation, is some megabytes.
const LARGEST_ANSWER: usize = 32 * 1024 * 1024;
/// Of an answer that is not a success, this much is read.
const LARGEST_PROBLEM: usize = 64 * 1024;

/// Carries requests to Oz.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub http: reqwest::Client,
    /// Such as `https://app.warp.dev/api/v1`.
    pub base: Url,
    key: SecretString,
}

impl Exchange {
    pub fn new(base: Url, key: SecretString) -> Result<Self, reqwest::Error> {
        Ok(Self { http: crate::http::client()?, base, key })
    }

    /// `GET`, with the answer read as `T`.
    pub async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T, Trouble> {
        let mut url = self.url(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let response = success(self.send(self.http.get(url)).await?).await?;
        serde_json::from_slice(&whole(response, LARGEST_ANSWER).await?).map_err(|_| Trouble::unreadable())
    }

    /// `POST` of JSON, with the answer read as `T`.
    pub async fn post<T: DeserializeOwned>(&self, path: &[&str], body: &impl Serialize) -> Result<T, Trouble> {
        let response = success(self.send(self.http.post(self.url(path)).json(body)).await?).await?;
        serde_json::from_slice(&whole(response, LARGEST_ANSWER).await?).map_err(|_| Trouble::unreadable())
    }

    /// `POST` whose success says all.
    pub async fn tell(&self, path: &[&str], body: Option<&impl Serialize>) -> Result<(), Trouble> {
        let request = self.http.post(self.url(path));
        let request = match body {
            Some(body) => request.json(body),
            // Some proxies refuse a POST that does not say that it has no body.
            None => request.header(header::CONTENT_LENGTH, 0),
        };
        let response = success(self.send(request).await?).await?;
        // The status is the answer, unless it is the edge's page and not Oz's at all.
        let body = whole(response, LARGEST_PROBLEM).await.unwrap_or_default();
        if trouble::is_page(&body) { Err(Trouble::unreadable()) } else { Ok(()) }
    }

    /// `GET`, with whatever is answered.
    pub async fn ask(&self, path: &[&str]) -> Result<Response, Trouble> {
        self.send(self.http.get(self.url(path))).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Trouble> {
        crate::http::send(request.bearer_auth(self.key.expose_secret()))
            .await
            .map_err(|error| Trouble::of_exchange(&error))
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        // Only an address like `data:` has no path; asking that fails without being sent.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }
}

/// The answer if it is a success, else what is the trouble.
pub(super) async fn success(response: Response) -> Result<Response, Trouble> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    Err(trouble_of(response, status).await)
}

async fn trouble_of(response: Response, status: StatusCode) -> Trouble {
    let headers = response.headers().clone();
    let body = whole(response, LARGEST_PROBLEM).await.unwrap_or_default();
    Trouble::of_answer(status, &headers, &body)
}

/// The whole body, if it is not larger than `most` bytes.
pub(super) async fn whole(mut response: Response, most: usize) -> Result<Vec<u8>, Trouble> {
    if response.content_length().is_some_and(|length| length > most as u64) {
        return Err(Trouble::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Trouble::of_exchange(&error))? {
        if body.len() + chunk.len() > most {
            return Err(Trouble::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
