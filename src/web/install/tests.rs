//! The pages as a browser sees them, with a Linear on loopback.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Form, Json,
    body::{Body, to_bytes},
    http::Request,
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tower::ServiceExt;
use url::Url;

use super::*;
use crate::{
    domain::actor::Platform,
    installs::{Installed, InstalledTokens as _},
    linear::oauth::OAuth,
    secret::Sealer,
    storage::{Store, installations},
    time::{Clock, Timestamp},
};

const CALLBACK: &str = "https://baton.example.com/linear/oauth/callback";

struct Site {
    router: Router,
    store: Store,
    clock: Clock,
    tokens: Installed,
    /// What the browser keeps.
    jar: Mutex<BTreeMap<String, String>>,
    _folder: TempDir,
}

struct Page {
    status: StatusCode,
    location: String,
    text: String,
}

impl Site {
    /// `viewer` is what Linear says who we are.
    async fn new(viewer: Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&format!("sqlite://{}", folder.path().join("baton.db").display()), 2).await;
        let store = store.expect("a store");
        store.migrate().await.expect("a schema");
        let api = linear(viewer).await;
        let clock = Clock::manual(Timestamp::from_secs(1_700_000_000));
        let sealer = Sealer::new(&["AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=".into()]).expect("a key");
        let oauth: Arc<dyn crate::installs::OAuth> =
            Arc::new(OAuth::new(api, "client-1".into(), "hush".into()).expect("a client"));
        let public = Url::parse("https://baton.example.com/").expect("an address");
        let installer = Installer::new(store.clone(), sealer.clone(), oauth.clone(), &public, clock.clone());
        let tokens = Installed::new(store.clone(), sealer, oauth, clock.clone());
        Self { router: installs(installer), store, clock, tokens, jar: Mutex::default(), _folder: folder }
    }

    /// As a browser does: with its cookies, which may be told to change.
    async fn get(&self, address: &str) -> Page {
        let cookies: Vec<String> = self.jar().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::get(address).header(header::COOKIE, cookies.join("; "));
        let request = request.body(Body::empty()).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        self.keep_cookies(response.headers());
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let location = header(header::LOCATION).to_owned();
        let (status, referrer) = (response.status(), header(header::REFERRER_POLICY).to_owned());
        assert_eq!(header(header::CACHE_CONTROL), "no-store");
        let body = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        let page = Page { status, location, text: String::from_utf8(body.to_vec()).expect("text") };
        assert_eq!(referrer, "no-referrer");
        for secret in ["lin_oauth", "lin_refresh", "hush", "<script>", "the-code"] {
            assert!(!page.text.contains(secret), "{}", page.text);
        }
        page
    }

    fn jar(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.jar.lock().expect("no test panicked")
    }

    fn keep_cookies(&self, headers: &HeaderMap) {
        for cookie in headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().expect("text");
            let (pair, rest) = cookie.split_once("; ").expect("attributes");
            let (name, value) = pair.split_once('=').expect("a pair");
            assert!(name.starts_with("__Host-baton-inst"), "{cookie}");
            assert!(
                rest.starts_with("Path=/; Max-Age=") && rest.ends_with("; HttpOnly; SameSite=Lax; Secure"),
                "{rest}"
            );
            assert!(value.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)), "{cookie}");
            if rest.contains("Max-Age=0;") {
                self.jar().remove(name);
            } else {
                self.jar().insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Begins an install; what Linear was asked.
    async fn begin(&self) -> BTreeMap<String, String> {
        let page = self.get("/linear/install").await;
        assert_eq!(page.status, StatusCode::SEE_OTHER);
        let asked: BTreeMap<String, String> =
            Url::parse(&page.location).expect("an address").query_pairs().into_owned().collect();
        assert_eq!((asked["redirect_uri"].as_str(), asked["actor"].as_str()), (CALLBACK, "app"));
        assert_eq!(asked["code_challenge_method"], "S256");
        asked
    }

    /// Comes back with the code that Linear gives for `challenge`, and sees what came of it.
    async fn back(&self, state: &str, challenge: &str) -> Page {
        self.back_with(&format!("code=the-code.{challenge}&state={state}")).await
    }

    /// The page at the end has an address without anything of this in it.
    async fn back_with(&self, query: &str) -> Page {
        let page = self.get(&format!("/linear/oauth/callback?{query}")).await;
        assert_eq!((page.status, page.location.as_str()), (StatusCode::SEE_OTHER, "../installed"));
        self.get("/linear/installed").await
    }
}

/// The code says which verifier has to come with it.
async fn linear(viewer: Value) -> Url {
    let token = |Form(form): Form<BTreeMap<String, String>>| async move {
        let shown = form.get("code_verifier").map(|verifier| URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)));
        let is_good = form["grant_type"] == "authorization_code"
            && form["redirect_uri"] == CALLBACK
            && form["client_secret"] == "hush"
            && form["code"].strip_prefix("the-code.") == shown.as_deref();
        if is_good {
            let pair = json!({"access_token": "lin_oauth_1", "refresh_token": "lin_refresh_1", "token_type": "Bearer",
                "expires_in": 86399, "scope": "read write"});
            (StatusCode::OK, Json(pair))
        } else {
            (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"})))
        }
    };
    let graphql = move |headers: HeaderMap| async move {
        assert_eq!(headers[header::AUTHORIZATION], "Bearer lin_oauth_1");
        Json(json!({"data": {"viewer": viewer}}))
    };
    let router = Router::new().route("/oauth/token", post(token)).route("/graphql", post(graphql));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Url::parse(&address).expect("an address")
}

fn viewer() -> Value {
    json!({"id": "app-1", "name": "Baton", "app": true, "supportsAgentSessions": true,
        "organization": {"id": "org", "name": "Acme <script>", "urlKey": "acme"}})
}

#[tokio::test]
async fn who_is_let_in_is_kept_sealed() {
    let site = Site::new(viewer()).await;
    let asked = site.begin().await;
    let page = site.back(&asked["state"], &asked["code_challenge"]).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("Baton is installed in Acme &lt;script&gt;"), "{}", page.text);

    let kept = installations::find(&site.store, Platform::Linear, "org").await.expect("a row").expect("a row");
    assert!(!kept.tokens.contains("lin_") && kept.name == "Acme <script>");
    assert!(kept.identity.contains("\"app_user\":\"app-1\"") && kept.identity.contains("\"url_key\":\"acme\""));
    assert_eq!(kept.expires_at, site.clock.now() + Duration::from_secs(86399));
    let token = site.tokens.token("org", None).await.expect("a token");
    assert_eq!(secrecy::ExposeSecret::expose_secret(&token), "lin_oauth_1");
}

#[tokio::test]
async fn a_state_is_good_once_and_for_ten_minutes() {
    let site = Site::new(viewer()).await;
    let asked = site.begin().await;
    assert_eq!(site.back("made-up", &asked["code_challenge"]).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(site.back_with("").await.status, StatusCode::BAD_REQUEST);
    let asked = site.begin().await;
    let (state, challenge) = (&asked["state"], &asked["code_challenge"]);
    assert_eq!(site.back(state, challenge).await.status, StatusCode::OK);
    let again = site.back(state, challenge).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    assert!(again.text.contains("finished already") && again.text.contains("href=\"install\""), "{}", again.text);

    let asked = site.begin().await;
    site.clock.advance(Duration::from_mins(10));
    assert_eq!(site.back(&asked["state"], &asked["code_challenge"]).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_no_is_told_and_ends_it() {
    let site = Site::new(viewer()).await;
    let asked = site.begin().await;
    let denied = site.back_with(&format!("error=access_denied&state={}", asked["state"])).await;
    assert_eq!(denied.status, StatusCode::BAD_REQUEST);
    assert!(denied.text.contains("not allowed"), "{}", denied.text);
    assert_eq!(site.back(&asked["state"], &asked["code_challenge"]).await.status, StatusCode::BAD_REQUEST);
    assert!(installations::list(&site.store, Platform::Linear).await.expect("rows").is_empty());
}

#[tokio::test]
async fn a_code_of_somebody_else_is_of_no_use() {
    let site = Site::new(viewer()).await;
    let (theirs, mine) = (site.begin().await, site.begin().await);
    let page = site.back(&mine["state"], &theirs["code_challenge"]).await;
    assert_eq!(page.status, StatusCode::BAD_GATEWAY);
    assert!(page.text.contains("invalid_grant"), "{}", page.text);
    assert!(installations::list(&site.store, Platform::Linear).await.expect("rows").is_empty());
}

#[tokio::test]
async fn a_token_of_a_person_is_not_kept_and_missing_sessions_are_told() {
    let mut person = viewer();
    person["app"] = false.into();
    let site = Site::new(person).await;
    let asked = site.begin().await;
    assert_eq!(site.back(&asked["state"], &asked["code_challenge"]).await.status, StatusCode::BAD_GATEWAY);
    assert!(installations::list(&site.store, Platform::Linear).await.expect("rows").is_empty());

    let mut silent = viewer();
    silent["supportsAgentSessions"] = false.into();
    let site = Site::new(silent).await;
    let asked = site.begin().await;
    let page = site.back(&asked["state"], &asked["code_challenge"]).await;
    assert!(page.status == StatusCode::OK && page.text.contains("Agent session events"), "{}", page.text);
}

#[tokio::test]
async fn another_browser_cannot_finish_what_one_began() {
    let site = Site::new(viewer()).await;
    let asked = site.begin().await;
    let mine = std::mem::take(&mut *site.jar());
    // Without a cookie, and with one of an install of their own.
    let page = site.back(&asked["state"], &asked["code_challenge"]).await;
    assert!(page.status == StatusCode::BAD_REQUEST && page.text.contains("in this browser"), "{}", page.text);
    site.begin().await;
    assert_eq!(site.back(&asked["state"], &asked["code_challenge"]).await.status, StatusCode::BAD_REQUEST);
    // Whoever had it is not told that somebody tried: it is over.
    *site.jar() = mine;
    assert_eq!(site.back(&asked["state"], &asked["code_challenge"]).await.status, StatusCode::BAD_REQUEST);
    assert!(installations::list(&site.store, Platform::Linear).await.expect("rows").is_empty());
}

#[tokio::test]
async fn what_is_told_is_words_whatever_a_browser_makes_of_them() {
    let site = Site::new(viewer()).await;
    assert_eq!(site.get("/linear/installed").await.status, StatusCode::NOT_FOUND);
    for words in ["%", "e30", "bm9uc2Vuc2U", &URL_SAFE_NO_PAD.encode(r#"{"Refused":{"status":99,"why":"<script>"}}"#)] {
        site.jar().insert("__Host-baton-installed-linear".into(), words.into());
        let page = site.get("/linear/installed").await;
        assert!(page.status.is_client_error() && page.text.contains("Begin again"), "{}", page.text);
    }
}
