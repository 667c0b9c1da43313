//! The router as a client sees it, over a real SQLite file.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{HeaderMap, Method, Request, StatusCode, Version, header},
};
use tempfile::TempDir;
use tower::ServiceExt;

use super::*;
use crate::{
    domain::{
        actor::Actor,
        command::{Ask, Verb},
        conversation::Conversation,
        decide::{Opening, open},
        orchestration::Request as Asked,
        route::Terms,
    },
    ids::{DeliveryId, InputId, OrchestrationId},
    storage::{
        kept, mended, orchestrations,
        outbox::{self, NewDelivery},
        trail::TrailEntry,
    },
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const HOSTILE: &str = "Migrate <script>alert(1)</script> & co";

struct Site {
    router: Router,
    ready: Ready,
    clock: Clock,
    _folder: TempDir,
}

struct Page {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Site {
    async fn new(admin_token: Option<&str>) -> Self {
        let site = Self::without_schema(admin_token).await;
        site.1.migrate().await.expect("a schema");
        fill(&site.1).await;
        site.0
    }

    async fn without_schema(admin_token: Option<&str>) -> (Self, Store) {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("baton.db").display());
        let store = Store::open(&url, 2).await.expect("a store");
        let (ready, clock) = (Ready::new(), Clock::manual(NOW));
        let web = Web {
            store: store.clone(),
            metrics: Metrics::new(),
            ready: ready.clone(),
            admin_token: admin_token.map(Into::into),
            tries: Tries::default(),
            public_url: Some("https://baton.example.com".parse().expect("an address")),
            clock: clock.clone(),
        };
        (Self { router: router(web), ready, clock, _folder: folder }, store)
    }

    /// From this machine, as a browser on it would ask.
    async fn get(&self, path: &str) -> Page {
        self.send(Method::GET, path, &[("host", "localhost:7300")], "", Some("127.0.0.1:5000")).await
    }

    async fn get_with(&self, path: &str, name: &str, value: &str) -> Page {
        self.send(Method::GET, path, &[("host", "baton.example.com"), (name, value)], "", Some("192.0.2.7:1")).await
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str, peer: Option<&str>) -> Page {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(peer) = peer {
            let peer: SocketAddr = peer.parse().expect("an address");
            request = request.extension(ConnectInfo(peer));
        }
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 20).await.expect("a body");
        Page { status: parts.status, headers: parts.headers, text: String::from_utf8_lossy(&bytes).into_owned() }
    }

    fn beat(&self) {
        for name in ["inbox", "outbox", "timers", "follow"] {
            self.ready.worker_beat(name, self.clock.now());
        }
    }
}

/// One orchestration with a trail and a parked delivery.
async fn fill(store: &Store) {
    let ask = Ask { task: HOSTILE.into(), ..Ask::default() };
    let request = Asked::new(Verb::Orchestrate, ask, Actor::slack("T1", "UADA"), NOW);
    let conversation = Conversation::slack("T1", "C1", None);
    let opening = Opening::new(OrchestrationId::new("o1"), conversation, request, Terms::default());
    let (orchestration, _) = open(opening, NOW).expect("an orchestration");
    let entry = TrailEntry {
        at: NOW,
        input: InputId::new("i1"),
        actor: Some("slack:UADA".into()),
        what: "started".into(),
        detail: None,
    };
    let delivery = NewDelivery {
        id: DeliveryId::new("d1"),
        orchestration: Some(orchestration.id.clone()),
        lane: "slack:T1:C1".into(),
        kind: "post_board",
        effect: "{}".into(),
        coalesce: None,
        urgent: false,
        due_at: NOW,
        expires_at: None,
    };
    let mut tx = store.begin("fill").await.expect("a transaction");
    orchestrations::insert(&mut tx, &orchestration).await.expect("a row");
    tx.note(&orchestration.id, entry);
    outbox::add(&mut tx, &delivery, NOW).await.expect("a row");
    tx.commit().await.expect("a commit");
    let mut tx = store.begin("park").await.expect("a transaction");
    let claimed = outbox::claim(&mut tx, NOW, Duration::from_secs(30), 10).await.expect("a claim");
    for delivery in claimed {
        outbox::park(&mut tx, &delivery.id, &delivery.token, NOW, "channel_not_found").await.expect("parked");
    }
    tx.commit().await.expect("a commit");
}

#[tokio::test]
async fn health_is_open_and_names_what_is_missing() {
    let site = Site::new(Some("token")).await;
    let anyone = |path| site.send(Method::GET, path, &[], "", None);
    assert_eq!(anyone("/healthz").await.status, StatusCode::OK);
    let page = anyone("/readyz").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(page.text, "not ready: workers (inbox, outbox, timers, follow)\n");
    site.beat();
    assert_eq!(anyone("/readyz").await.status, StatusCode::OK);
    site.clock.advance(Duration::from_secs(61));
    assert_eq!(anyone("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);

    let (site, _store) = Site::without_schema(None).await;
    site.beat();
    assert_eq!(site.get("/readyz").await.text, "not ready: migrations\n");
}

#[tokio::test]
async fn without_a_token_only_this_machine_is_answered() {
    let site = Site::new(None).await;
    let ask = |host: &'static str, peer, extra: Option<(&'static str, &'static str)>| {
        let headers: Vec<_> = [("host", host)].into_iter().chain(extra).collect();
        let site = &site;
        async move { site.send(Method::GET, "/", &headers, "", peer).await.status }
    };
    let here = Some("127.0.0.1:5000");
    assert_eq!(ask("localhost:7300", here, None).await, StatusCode::OK);
    assert_eq!(ask("[::1]:7300", Some("[::1]:5000"), None).await, StatusCode::OK);
    assert_eq!(ask("127.0.0.1:7300", Some("[::ffff:127.0.0.1]:5000"), None).await, StatusCode::OK);
    for (what, status) in [
        ("from elsewhere", ask("localhost:7300", Some("192.0.2.7:5000"), None).await),
        ("a rebound name", ask("evil.example.com:7300", here, None).await),
        ("no connect info", ask("localhost:7300", None, None).await),
        ("a proxy", ask("localhost:7300", here, Some(("x-forwarded-for", "192.0.2.7"))).await),
        ("two hosts", ask("localhost:7300", here, Some(("host", "evil.example.com"))).await),
    ] {
        assert_eq!(status, StatusCode::FORBIDDEN, "{what}");
    }
    for name in ["X-Forwarded-Proto", "Forwarded", "Via", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP"] {
        assert_eq!(ask("localhost:7300", here, Some((name, "192.0.2.7"))).await, StatusCode::FORBIDDEN, "{name}");
    }
    let old = Request::get("/").version(Version::HTTP_10).header("host", "127.0.0.1:7300");
    let old = old.extension(ConnectInfo::<SocketAddr>("127.0.0.1:5000".parse().expect("an address")));
    let old = site.router.clone().oneshot(old.body(Body::empty()).expect("a request")).await.expect("an answer");
    assert_eq!(old.status(), StatusCode::FORBIDDEN, "nginx without a word of its own");
    let elsewhere = site.get_with("/metrics", "accept", "*/*").await;
    assert_eq!(elsewhere.status, StatusCode::FORBIDDEN);
    assert!(elsewhere.text.contains("BATON_ADMIN_TOKEN"));
}

#[tokio::test]
async fn with_a_token_it_is_wanted_from_everywhere() {
    let site = Site::new(Some("the-admin-token")).await;
    for path in ["/", "/orchestrations/o1", "/deliveries", "/metrics"] {
        assert_eq!(site.get(path).await.status, StatusCode::UNAUTHORIZED, "{path}");
        let shown = site.get_with(path, "authorization", "Bearer the-admin-token").await;
        assert_eq!(shown.status, StatusCode::OK, "{path}");
    }
    for wrong in ["Bearer the-admin-toke", "Bearer ", "Basic the-admin-token", "the-admin-token"] {
        assert_eq!(site.get_with("/", "authorization", wrong).await.status, StatusCode::UNAUTHORIZED, "{wrong}");
    }
}

#[tokio::test]
async fn a_login_hands_out_a_cookie_that_is_not_the_token() {
    let site = Site::new(Some("the-admin-token")).await;
    let asked = site.get("/orchestrations/o1").await;
    assert!(asked.text.contains("value=\"/orchestrations/o1\""), "the login leads back:\n{}", asked.text);
    let form = [("host", "localhost:7300"), ("content-type", "application/x-www-form-urlencoded")];
    let log_in = |body: &'static str| site.send(Method::POST, "/login", &form, body, Some("127.0.0.1:5000"));

    let wrong = log_in("token=guess&next=%2F").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(!wrong.headers.contains_key(header::SET_COOKIE));

    let right = log_in("token=the-admin-token&next=%2Forchestrations%2Fo1").await;
    assert_eq!(right.status, StatusCode::SEE_OTHER);
    assert_eq!(right.headers[header::LOCATION], "/orchestrations/o1");
    let cookie = right.headers[header::SET_COOKIE].to_str().expect("text");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains("admin-token"));
    let session = cookie.split(';').next().expect("a pair");
    assert_eq!(site.get_with("/", "cookie", session).await.status, StatusCode::OK);
    site.clock.advance(Duration::from_hours(12));
    assert_eq!(site.get_with("/", "cookie", session).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_cookie_keeps_to_https_where_the_browser_came_by_it() {
    let site = Site::new(Some("the-admin-token")).await;
    let cookie = async |host: &'static str, more: Option<(&'static str, &'static str)>| {
        let form = [("host", host), ("content-type", "application/x-www-form-urlencoded")];
        let headers: Vec<_> = form.into_iter().chain(more).collect();
        let page = site.send(Method::POST, "/login", &headers, "token=the-admin-token", Some("127.0.0.1:5000")).await;
        page.headers[header::SET_COOKIE].to_str().expect("text").to_owned()
    };
    assert!(cookie("baton.example.com", None).await.ends_with("; Secure"));
    assert!(cookie("localhost:7300", Some(("x-forwarded-proto", "https"))).await.ends_with("; Secure"));
    assert!(!cookie("localhost:7300", None).await.contains("Secure"), "a browser would drop it");
}

#[tokio::test]
async fn wrong_tokens_are_slowed_down_and_who_is_logged_in_is_not() {
    let site = Site::new(Some("the-admin-token")).await;
    let form = [("host", "baton.example.com"), ("content-type", "application/x-www-form-urlencoded")];
    let log_in = |body: &'static str, peer| site.send(Method::POST, "/login", &form, body, Some(peer));
    let right = log_in("token=the-admin-token", "192.0.2.7:1").await;
    let cookie = right.headers[header::SET_COOKIE].to_str().expect("text");
    let session = cookie.split(';').next().expect("a pair").to_owned();

    for _ in 0..5 {
        assert_eq!(log_in("token=guess", "192.0.2.7:1").await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(site.get_with("/", "authorization", "Bearer guess").await.status, StatusCode::UNAUTHORIZED);
    }
    let refused = log_in("token=the-admin-token", "192.0.2.7:1").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "the right one is not looked at either");
    assert_eq!(refused.headers[header::RETRY_AFTER], "6");
    let bearer = site.get_with("/metrics", "authorization", "Bearer the-admin-token").await;
    assert_eq!(bearer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(site.get_with("/", "cookie", &session).await.status, StatusCode::OK);
    assert_eq!(log_in("token=the-admin-token", "192.0.2.8:1").await.status, StatusCode::SEE_OTHER);
    site.clock.advance(Duration::from_secs(6));
    assert_eq!(log_in("token=the-admin-token", "192.0.2.7:1").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn every_answer_has_the_headers_that_keep_a_browser_in_hand() {
    let open = Site::new(None).await;
    let closed = Site::new(Some("the-admin-token")).await;
    let mut answers = Vec::new();
    for path in ["/", "/orchestrations/o1", "/deliveries", "/audit", "/metrics", "/healthz", "/readyz", "/login"] {
        answers.push((path, open.get(path).await));
        answers.push((path, closed.get(path).await));
    }
    answers.push(("/orchestrations/none", open.get("/orchestrations/none").await));
    answers.push(("/assets/baton.css", open.get("/assets/baton.css").await));
    answers.push(("forbidden", open.get_with("/", "accept", "*/*").await));
    for (path, page) in answers {
        for (name, value) in HEADERS {
            assert_eq!(page.headers.get(&name).map(HeaderValue::as_bytes), Some(value.as_bytes()), "{name} of {path}");
        }
        for inline in ["<script", "<style", " style=", " onclick=", "javascript:"] {
            assert!(!page.text.contains(inline), "{inline} in {path}");
        }
    }
}

#[tokio::test]
async fn no_other_site_can_make_a_browser_act() {
    let site = Site::new(None).await;
    for path in ["/deliveries/d1/retry", "/halt", "/resume", "/login"] {
        for foreign in [("origin", "https://evil.example.com"), ("sec-fetch-site", "cross-site"), ("origin", "null")] {
            let headers = [("host", "localhost:7300"), foreign];
            let page = site.send(Method::POST, path, &headers, "", Some("127.0.0.1:5000")).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{path} with {foreign:?}");
        }
        let get = site.get(path).await.status;
        assert!(path == "/login" || get == StatusCode::METHOD_NOT_ALLOWED, "{path}: {get}");
    }
    assert!(site.get("/deliveries").await.text.contains("Send again"), "nothing was done");
}

#[tokio::test]
async fn the_pages_tell_what_happened_and_run_nothing() {
    let site = Site::new(None).await;
    let list = site.get("/").await;
    assert!(list.text.contains("/orchestrations/o1") && list.text.contains("1 delivery is parked"), "{}", list.text);
    let one = site.get("/orchestrations/o1").await;
    for words in ["Migrate &lt;script&gt;", "started", "slack:UADA", "channel_not_found", "anyone in the conversation"]
    {
        assert!(one.text.contains(words), "{words} is not in\n{}", one.text);
    }
    assert!(!one.text.contains("<script"));
    let policy = one.headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"));
    assert_eq!(site.get("/orchestrations/o2").await.status, StatusCode::NOT_FOUND);
    assert_eq!(site.get("/?open").await.status, StatusCode::OK);
    assert_eq!(site.get("/assets/baton.css").await.headers[header::CONTENT_TYPE], "text/css");
}

#[tokio::test]
async fn a_parked_delivery_is_sent_again_once_and_never_for_another_site() {
    let site = Site::new(None).await;
    let retry = |headers: &'static [(&'static str, &'static str)]| {
        let headers = [&[("host", "localhost:7300")], headers].concat();
        let site = &site;
        async move { site.send(Method::POST, "/deliveries/d1/retry", &headers, "", Some("127.0.0.1:5000")).await.status }
    };
    assert_eq!(retry(&[("origin", "https://evil.example.com")]).await, StatusCode::FORBIDDEN);
    assert_eq!(retry(&[("sec-fetch-site", "cross-site")]).await, StatusCode::FORBIDDEN);
    assert!(site.get("/deliveries").await.text.contains("Send again"));
    assert_eq!(
        retry(&[("sec-fetch-site", "same-origin"), ("origin", "http://localhost:7300")]).await,
        StatusCode::SEE_OTHER
    );
    let page = site.get("/deliveries").await;
    assert!(!page.text.contains("Send again") && page.text.contains("waiting"), "{}", page.text);
    assert_eq!(retry(&[]).await, StatusCode::CONFLICT);
}

#[tokio::test]
async fn metrics_tell_the_queues_as_they_are() {
    let site = Site::new(None).await;
    let page = site.get("/metrics").await;
    assert!(page.headers[header::CONTENT_TYPE].to_str().expect("text").starts_with("application/openmetrics-text"));
    let numbers: BTreeMap<&str, &str> = page.text.lines().filter_map(|line| line.rsplit_once(' ')).collect();
    assert_eq!(numbers.get("baton_outbox_depth{state=\"parked\"}"), Some(&"1"), "{}", page.text);
    assert_eq!(numbers.get("baton_orchestrations{stage=\"planning\"}"), Some(&"1"));
}

#[tokio::test]
async fn a_wrong_method_is_told_so() {
    let site = Site::new(None).await;
    let page = site.send(Method::POST, "/healthz", &[("host", "localhost")], "", Some("127.0.0.1:1")).await;
    assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn only_a_browser_is_shown_a_page_where_there_is_none() {
    let site = Site::new(None).await;
    let ask = async |method, path, accept| {
        let headers = [("host", "localhost"), ("accept", accept)];
        let page = site.send(method, path, &headers, "", Some("127.0.0.1:1")).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(page.headers[header::CONTENT_SECURITY_POLICY], HEADERS[0].1);
        page.text
    };
    for path in ["/nope", "/deliveries/"] {
        assert!(ask(Method::GET, path, "text/html,*/*;q=0.8").await.contains("There is no such page."));
        assert_eq!(ask(Method::GET, path, "*/*").await, "");
        assert_eq!(ask(Method::POST, path, "text/html").await, "");
    }
}

#[tokio::test]
async fn what_is_done_is_folded_below_what_is_not() {
    let (site, store) = Site::without_schema(None).await;
    store.migrate().await.expect("a schema");
    fill(&store).await;
    let page = site.get("/orchestrations/o1").await;
    assert!(!page.text.contains(" done</summary>"), "{}", page.text);
    outbox::retry(&store, &DeliveryId::new("d1"), NOW).await.expect("an answer");
    let mut tx = store.begin("settle").await.expect("a transaction");
    for delivery in outbox::claim(&mut tx, NOW, Duration::from_secs(30), 10).await.expect("a claim") {
        assert!(outbox::done(&mut tx, &delivery.id, &delivery.token, NOW).await.expect("an answer"));
    }
    tx.commit().await.expect("a commit");
    let page = site.get("/orchestrations/o1").await;
    assert!(page.text.contains("<summary>1 done</summary>"), "{}", page.text);
    assert!(site.get("/deliveries").await.text.contains("Nothing is parked."));
}

#[tokio::test]
async fn what_was_mended_is_shown_with_the_last_look() {
    let (site, store) = Site::without_schema(None).await;
    store.migrate().await.expect("a schema");
    let page = site.get("/mended").await;
    assert!(page.text.contains("nothing was lost") && page.text.contains("not been reconciled"), "{}", page.text);
    let finding = mended::Finding {
        key: "run:r1".into(),
        kind: "run_adopted",
        orchestration: Some(OrchestrationId::new("o1")),
        what: HOSTILE.into(),
    };
    let mut tx = store.begin("mend").await.expect("a transaction");
    assert!(mended::add(&mut tx, &finding, NOW).await.expect("a row"));
    assert!(!mended::add(&mut tx, &finding, NOW).await.expect("no second row"));
    kept::put(&mut tx, mended::LAST_ROUND, "", NOW).await.expect("a row");
    tx.commit().await.expect("a commit");
    let page = site.get("/mended").await;
    assert_eq!(page.status, StatusCode::OK);
    for words in [
        "run_adopted",
        "/orchestrations/o1",
        "Migrate &lt;script&gt;",
        "reconciled with at <time",
        "aria-current=\"page\">Mended",
    ] {
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }
    let metrics = site.get("/metrics").await.text;
    assert!(metrics.contains("baton_mended_total{kind=\"run_adopted\"} 1"), "{metrics}");
}
