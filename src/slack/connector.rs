//! slack-morphism over Baton's own HTTP client: one pool, time-outs on everything, a base address
//! that can be a simulator's, and no token, body or address in an error.
//!
//! The crate's own connector has no time-outs and brings a TLS stack of its own. Used by `client.rs`.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::{RequestBuilder, Response, Upgraded};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use slack_morphism::{
    ClientResult, SlackApiToken, SlackClientApiCallContext, SlackClientHttpConnector, SlackClientId, SlackClientSecret,
    errors::{
        SlackClientApiError, SlackClientError, SlackClientHttpError, SlackClientHttpProtocolError,
        SlackClientSystemError, SlackRateLimitError, map_serde_error,
    },
    multipart_form::FileMultipartData,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::{client::generate_key, derive_accept_key},
        protocol::{Role, WebSocketConfig},
    },
};
use url::Url;

use crate::http::is_loopback;

/// An answer is read up to this many bytes; the largest pages of messages stay well below.
const LONGEST_ANSWER: usize = 16 << 20;

#[derive(Clone, Debug)]
pub struct Connector {
    http: reqwest::Client,
    /// For what becomes another protocol.
    upgrading: reqwest::Client,
    /// Ends with a slash.
    base: Url,
}

impl Connector {
    /// `base` is `SLACK_API_URL`, with or without its last slash.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub fn new(mut base: Url) -> reqwest::Result<Self> {
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(Self { http: crate::http::client()?, upgrading: crate::http::upgrading_client()?, base })
    }

    /// Whether an address that Slack handed out may be used: its host is Slack's or that of the API,
    /// over https, or over plain http on loopback. Slack puts no user's name before it.
    #[must_use]
    pub fn trusts(&self, url: &Url) -> bool {
        let Some(host) = url.host_str().filter(|_| url.username().is_empty() && url.password().is_none()) else {
            return false;
        };
        let is_slacks = ["slack.com", "slack-gov.com"]
            .iter()
            .any(|domain| host.strip_suffix(domain).is_some_and(|below| below.is_empty() || below.ends_with('.')));
        let is_private = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url));
        is_private && (is_slacks || Some(host) == self.base.host_str())
    }

    /// Calls a method without a body and returns the answer's headers too, which the crate's own
    /// calls do not.
    pub async fn call_with_headers<A: DeserializeOwned>(
        &self,
        method: &str,
        token: &SlackApiToken,
    ) -> ClientResult<(HeaderMap, A)> {
        let url = self.create_method_uri_path(method)?;
        let answer = self.send(self.http.post(url).bearer_auth(&token.token_value.0)).await?;
        Ok((answer.headers.clone(), answer.decode()?))
    }

    /// Opens a WebSocket at an address that Slack handed out. <https://www.rfc-editor.org/rfc/rfc6455#section-4.1>
    pub async fn web_socket(&self, url: Url, limits: WebSocketConfig) -> ClientResult<WebSocketStream<Upgraded>> {
        let key = generate_key();
        let request =
            self.upgrading.get(url).header(header::CONNECTION, "Upgrade").header(header::UPGRADE, "websocket");
        let request = request.header(header::SEC_WEBSOCKET_VERSION, "13").header(header::SEC_WEBSOCKET_KEY, &key);
        let response = crate::http::send(request).await.map_err(lost)?;
        let accepted = response.headers().get(header::SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
        if response.status() != StatusCode::SWITCHING_PROTOCOLS
            || accepted != Some(derive_accept_key(key.as_bytes()).as_bytes())
        {
            return Err(SlackClientError::HttpError(SlackClientHttpError::new(response.status())));
        }
        let stream = response.upgrade().await.map_err(lost)?;
        Ok(WebSocketStream::from_raw_socket(stream, Role::Client, Some(limits)).await)
    }

    /// Posts JSON to an address that Slack handed out, without our token. The answer is not read:
    /// a `response_url` says `ok` in plain text.
    pub async fn post_to(&self, url: Url, body: &(impl Serialize + Sync)) -> ClientResult<()> {
        self.send(self.http.post(url).json(body)).await.map(|_| ())
    }

    /// Puts bytes to an address that is secret in itself: it gets no token, and answers in plain text.
    pub async fn put(&self, url: Url, content_type: &str, bytes: Bytes) -> ClientResult<()> {
        self.send(self.http.post(url).header(header::CONTENT_TYPE, content_type).body(bytes)).await.map(|_| ())
    }

    async fn send(&self, request: RequestBuilder) -> ClientResult<Answer> {
        let mut response = crate::http::send(request).await.map_err(lost)?;
        let status = response.status();
        let retry_after = crate::http::retry_after(response.headers());
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(rate_limited(retry_after));
        }
        if !status.is_success() {
            return Err(SlackClientError::HttpError(SlackClientHttpError::new(status)));
        }
        let body = read(&mut response).await?;
        Ok(Answer { retry_after, headers: std::mem::take(response.headers_mut()), body })
    }
}

struct Answer {
    retry_after: Option<Duration>,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// What every method answers, whatever else it does.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    ok: bool,
    error: Option<String>,
    /// The scope that is missing.
    needed: Option<Value>,
}

impl Answer {
    fn decode<A: DeserializeOwned>(self) -> ClientResult<A> {
        let unreadable = |error| map_serde_error(error, None);
        let envelope: Envelope = serde_json::from_slice(&self.body).map_err(unreadable)?;
        if envelope.ok {
            return serde_json::from_slice(&self.body).map_err(unreadable);
        }
        let code = envelope.error.unwrap_or_else(|| "unknown_error".to_owned());
        if matches!(code.as_str(), "ratelimited" | "rate_limited") {
            return Err(rate_limited(self.retry_after));
        }
        let needed = envelope.needed.as_ref().and_then(Value::as_str).map(|scope| vec![scope.to_owned()]);
        Err(SlackClientError::ApiError(SlackClientApiError::new(code).opt_errors(needed)))
    }
}

async fn read(response: &mut Response) -> ClientResult<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Err(SlackClientError::HttpProtocolError(SlackClientHttpProtocolError::new()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn lost(error: reqwest::Error) -> SlackClientError {
    SlackClientError::HttpProtocolError(SlackClientHttpProtocolError::new().with_cause(Box::new(error.without_url())))
}

fn rate_limited(retry_after: Option<Duration>) -> SlackClientError {
    SlackClientError::RateLimitError(SlackRateLimitError::new().opt_retry_after(retry_after))
}

impl SlackClientHttpConnector for Connector {
    fn create_method_uri_path(&self, method: &str) -> ClientResult<Url> {
        Ok(self.base.join(method)?)
    }

    fn http_get_uri<'a, RS>(
        &'a self,
        uri: Url,
        context: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> Deserialize<'de> + Send + 'a,
    {
        async move { self.send(signed(self.http.get(uri), context.token)).await?.decode() }.boxed()
    }

    fn http_get_with_client_secret<'a, RS>(
        &'a self,
        uri: Url,
        id: &'a SlackClientId,
        secret: &'a SlackClientSecret,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> Deserialize<'de> + Send + 'a,
    {
        async move { self.send(self.http.get(uri).basic_auth(&id.0, Some(&secret.0))).await?.decode() }.boxed()
    }

    fn http_post_uri<'a, RQ, RS>(
        &'a self,
        uri: Url,
        body: &'a RQ,
        context: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RQ: Serialize + Send + Sync,
        RS: for<'de> Deserialize<'de> + Send + 'a,
    {
        // The charset keeps Slack from warning about it in every answer.
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        async move {
            let body = serde_json::to_vec(body).map_err(|error| map_serde_error(error, None))?;
            let request = self.http.post(uri).header(header::CONTENT_TYPE, json).body(body);
            self.send(signed(request, context.token)).await?.decode()
        }
        .boxed()
    }

    /// Only `files.upload` needs it, which Slack has retired.
    fn http_post_uri_multipart_form<'a, 'p, RS, PT, TS>(
        &'a self,
        _uri: Url,
        _file: Option<FileMultipartData<'p>>,
        _params: &'p PT,
        _context: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> Deserialize<'de> + Send + 'a,
        PT: IntoIterator<Item = (&'p str, Option<TS>)> + Clone,
        TS: AsRef<str> + 'p + Send,
    {
        std::future::ready(Err(not_this_way())).boxed()
    }

    /// [`Connector::put`] does it.
    fn http_post_uri_binary<'a, 'p, RS>(
        &'a self,
        _uri: Url,
        _content_type: String,
        _data: &'a [u8],
        _context: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> Deserialize<'de> + Send + 'a,
    {
        std::future::ready(Err(not_this_way())).boxed()
    }
}

fn not_this_way() -> SlackClientError {
    let message = "files are put to the address that files.getUploadURLExternal gives".to_owned();
    SlackClientError::SystemError(SlackClientSystemError::new().with_message(message))
}

fn signed(request: RequestBuilder, token: Option<&SlackApiToken>) -> RequestBuilder {
    match token {
        Some(token) => request.bearer_auth(&token.token_value.0),
        None => request,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_slack_hands_out_have_to_be_slacks() {
        let live = Connector::new(Url::parse("https://slack.com/api/").expect("an address")).expect("a connector");
        let local = Connector::new(Url::parse("http://127.0.0.1:7300/api").expect("an address")).expect("a connector");
        for (connector, url, trusted) in [
            (&live, "https://hooks.slack.com/actions/T1/1/x", true),
            (&live, "https://files.slack-gov.com/upload", true),
            (&live, "https://slack.com/x", true),
            (&live, "http://hooks.slack.com/x", false),
            (&live, "https://evilslack.com/x", false),
            (&live, "https://HOOKS.Slack.com/x", true),
            (&live, "https://slack.com.evil.example/x", false),
            (&live, "https://slack.com@evil.example/x", false),
            (&live, "https://slack.com:x@evil.example/x", false),
            (&live, "https://evil.example@slack.com/x", false),
            (&live, "https://evil.example/slack.com", false),
            (&live, "https://evil.example?.slack.com", false),
            (&live, "https://evil.example#.slack.com", false),
            (&live, "https://evil.example\\.slack.com", false),
            (&live, "https://slack.com./x", false),
            (&live, "https://slack\u{ff0e}com.evil.example/x", false),
            (&live, "https://3.3.3.3/slack.com", false),
            (&live, "https://[::ffff:127.0.0.1]/x", false),
            (&live, "https://169.254.169.254/latest", false),
            (&live, "http://127.0.0.1@slack.com/x", false),
            (&live, "http://127.0.0.1:1/x", false),
            (&local, "http://127.0.0.1:9999/upload", true),
            (&local, "http://localhost:9999/upload", false),
            (&local, "http://10.0.0.1/upload", false),
            (&local, "http://127.0.0.1@evil.example/upload", false),
            (&local, "http://127.0.0.1.evil.example/upload", false),
            (&local, "file:///etc/passwd", false),
        ] {
            assert_eq!(connector.trusts(&Url::parse(url).expect("an address")), trusted, "{url}");
        }
        assert_eq!(
            local.create_method_uri_path("auth.test").expect("an address").as_str(),
            "http://127.0.0.1:7300/api/auth.test"
        );
    }
}
