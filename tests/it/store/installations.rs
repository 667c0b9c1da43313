//! Installs by OAuth: what is kept of them, and that one refresh serves all replicas.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Form, Json, Router, extract::State, http::StatusCode, routing::post};
use baton::{
    domain::{
        actor::Platform::{Linear, Slack},
        failure::{Failure, Problem},
    },
    installs::{Installed, InstalledTokens as _, OAuth},
    linear::oauth,
    secret::Sealer,
    storage::{
        Store,
        installations::{self, Installation},
    },
    time::{Clock, Timestamp},
};
use futures_util::future::join_all;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::at;
use crate::databases::on_both;

const OLD_KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const NEW_KEY: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
const DAY: Duration = Duration::from_hours(24);

fn installation(workspace: &str, tokens: &str, installed_at: Timestamp) -> Installation {
    Installation {
        workspace: workspace.into(),
        name: "Acme".into(),
        identity: "{}".into(),
        tokens: tokens.into(),
        refreshed_at: installed_at,
        expires_at: installed_at + DAY,
        installed_at,
        revoked_at: None,
    }
}

async fn install(store: &Store, new: &Installation) {
    let mut tx = store.begin("install").await.unwrap();
    installations::install(&mut tx, Linear, new).await.unwrap();
    tx.commit().await.unwrap();
}

async fn revoke(store: &Store, workspace: &str, when: Timestamp) -> bool {
    let mut tx = store.begin("revoke").await.unwrap();
    let revoked = installations::revoke(&mut tx, Linear, workspace, when).await.unwrap();
    tx.commit().await.unwrap();
    revoked
}

async fn found(store: &Store, workspace: &str) -> Installation {
    installations::find(store, Linear, workspace).await.unwrap().unwrap()
}

on_both!(an_installation_is_kept_replaced_and_revoked, |db| async {
    let store = db.open().await;
    assert_eq!(installations::find(&store, Linear, "org").await.unwrap(), None);
    install(&store, &installation("org", "sealed", at(0))).await;
    install(&store, &installation("other", "sealed", at(1))).await;
    assert_eq!(found(&store, "org").await, installation("org", "sealed", at(0)));
    assert_eq!(installations::find(&store, Slack, "org").await.unwrap(), None);
    assert_eq!(installations::list(&store, Linear).await.unwrap().len(), 2);

    let mut tx = store.begin("refresh").await.unwrap();
    assert!(!installations::refresh(&mut tx, Linear, "org", "stale", "new", at(5), at(50)).await.unwrap());
    assert!(installations::refresh(&mut tx, Linear, "org", "sealed", "new", at(5), at(50)).await.unwrap());
    assert!(!installations::revoke_tokens(&mut tx, Linear, "org", "sealed", at(6)).await.unwrap());
    tx.commit().await.unwrap();
    let kept = found(&store, "org").await;
    assert_eq!((kept.tokens.as_str(), kept.refreshed_at, kept.expires_at), ("new", at(5), at(50)));
    assert_eq!((kept.installed_at, kept.revoked_at), (at(0), None));

    assert!(revoke(&store, "org", at(10)).await && !revoke(&store, "org", at(11)).await);
    assert_eq!(found(&store, "org").await.revoked_at, Some(at(10)));
    install(&store, &installation("org", "again", at(20))).await;
    assert_eq!(found(&store, "org").await.revoked_at, None);
    assert!(!revoke(&store, "org", at(15)).await, "told late of what was before");
    assert_eq!(found(&store, "other").await.revoked_at, None);
});

on_both!(what_was_begun_is_taken_up_once_and_in_time, |db| async {
    let store = db.open().await;
    let mut tx = store.begin("begin").await.unwrap();
    for (state, until) in [("s1", at(10)), ("s2", at(10)), ("s3", at(30))] {
        assert!(installations::begin(&mut tx, Linear, state, "sealed", at(0), until).await.unwrap());
    }
    tx.commit().await.unwrap();
    let take = async |state: &'static str, platform, now| {
        let mut tx = store.begin("take").await.unwrap();
        let taken = installations::take_begun(&mut tx, platform, state, now).await.unwrap();
        tx.commit().await.unwrap();
        taken
    };
    assert_eq!(take("s1", Slack, at(1)).await, None);
    let at_once = tokio::join!(take("s1", Linear, at(1)), take("s1", Linear, at(1)));
    assert!(at_once.0.is_some() != at_once.1.is_some(), "{at_once:?}");
    assert_eq!(take("s2", Linear, at(10)).await, None, "too late");
    assert_eq!(take("made up", Linear, at(1)).await, None);
    assert_eq!(take("s3", Linear, at(29)).await.as_deref(), Some("sealed"));
});

/// As Linear refreshes: both tokens are new each time, and a refresh token that was used gives the
/// same pair again.
#[derive(Clone, Default)]
struct Tokens(Arc<Mutex<Given>>);

#[derive(Default)]
struct Given {
    /// The number of the last pair.
    last: u32,
    requests: Vec<String>,
    /// What is answered instead.
    answer: Option<(u16, Value)>,
}

impl Tokens {
    async fn serve(&self) -> Arc<dyn OAuth> {
        let router = Router::new().route("/oauth/token", post(refresh)).with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Arc::new(oauth::OAuth::new(api, "client-1".into(), "hush".into()).unwrap())
    }

    fn answer(&self, answer: Option<(u16, Value)>) {
        self.0.lock().unwrap().answer = answer;
    }

    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().requests)
    }
}

async fn refresh(
    State(tokens): State<Tokens>,
    Form(form): Form<BTreeMap<String, String>>,
) -> (StatusCode, Json<Value>) {
    assert_eq!((form["grant_type"].as_str(), form["client_secret"].as_str()), ("refresh_token", "hush"));
    // So that others come meanwhile.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut given = tokens.0.lock().unwrap();
    let shown = form["refresh_token"].clone();
    given.requests.push(shown.clone());
    if let Some((status, answer)) = given.answer.clone() {
        return (StatusCode::from_u16(status).unwrap(), Json(answer));
    }
    let number: u32 = shown.strip_prefix("refresh-").unwrap().parse().unwrap();
    assert!(number == given.last || number + 1 == given.last, "{shown} after pair {}", given.last);
    given.last = number + 1;
    let pair = json!({"access_token": format!("access-{}", given.last), "token_type": "Bearer", "expires_in": 86_400,
        "scope": "read write", "refresh_token": format!("refresh-{}", given.last)});
    (StatusCode::OK, Json(pair))
}

fn sealer(keys: &[&str]) -> Sealer {
    Sealer::new(&keys.iter().map(|&key| key.into()).collect::<Vec<SecretString>>()).unwrap()
}

/// The first pair, as an install leaves it.
async fn installed(store: &Store, organization: &str) {
    let pair = json!({"access": "access-0", "refresh": "refresh-0"}).to_string();
    let sealed = sealer(&[OLD_KEY]).seal(&pair.into(), &format!("linear:{organization}")).unwrap();
    install(store, &installation(organization, &sealed, at(0))).await;
}

async fn token(of: &Installed, stale: Option<&str>) -> String {
    let stale = stale.map(SecretString::from);
    of.token("org", stale.as_ref()).await.unwrap().expose_secret().to_owned()
}

on_both!(a_token_is_refreshed_ahead_of_its_end_once_for_all_replicas, |db| async {
    let linear = Tokens::default();
    let (oauth, clock) = (linear.serve().await, Clock::manual(at(0)));
    let stores = [db.open().await, db.open().await];
    installed(&stores[0], "org").await;
    let replicas =
        stores.each_ref().map(|store| Installed::new(store.clone(), sealer(&[OLD_KEY]), oauth.clone(), clock.clone()));
    for replica in &replicas {
        assert_eq!(token(replica, None).await, "access-0");
    }
    clock.advance(Duration::from_mins(24 * 60 - 31));
    assert_eq!(token(&replicas[0], None).await, "access-0");
    assert_eq!(linear.requests(), [""; 0]);

    clock.advance(Duration::from_mins(2));
    let all = replicas.iter().cycle().take(12).map(|replica| token(replica, None));
    let tokens = join_all(all).await;
    assert_eq!(linear.requests(), ["refresh-0"]);
    // Whoever did not refresh may go on with the old one, which is still good.
    assert!(tokens.iter().all(|token| token == "access-0" || token == "access-1"), "{tokens:?}");
    for replica in &replicas {
        assert_eq!(token(replica, None).await, "access-1");
    }

    // It has ended: everybody waits for the one who refreshes.
    clock.advance(DAY * 2);
    let tokens = join_all(replicas.iter().cycle().take(12).map(|replica| token(replica, None))).await;
    assert!(tokens.iter().all(|token| token == "access-2"), "{tokens:?}");
    assert_eq!(linear.requests(), ["refresh-1"]);
    let restarted = Installed::new(db.open().await, sealer(&[OLD_KEY]), oauth, clock);
    assert_eq!(token(&restarted, None).await, "access-2");
    assert!(!found(&stores[0], "org").await.tokens.contains("access"));
});

on_both!(a_token_that_was_turned_away_is_replaced_once, |db| async {
    let linear = Tokens::default();
    let (oauth, clock) = (linear.serve().await, Clock::manual(at(0)));
    let stores = [db.open().await, db.open().await];
    installed(&stores[0], "org").await;
    let replicas =
        stores.each_ref().map(|store| Installed::new(store.clone(), sealer(&[OLD_KEY]), oauth.clone(), clock.clone()));
    let tokens = join_all(replicas.iter().cycle().take(8).map(|replica| token(replica, Some("access-0")))).await;
    assert!(tokens.iter().all(|token| token == "access-1"), "{tokens:?}");
    assert_eq!(linear.requests(), ["refresh-0"]);
});

on_both!(
    /// Linear has made a new pair, and we went down before it was kept.
    who_crashes_in_a_refresh_shows_the_old_token_again,
    |db| async {
        let linear = Tokens::default();
        let (oauth, clock) = (linear.serve().await, Clock::manual(at(0)));
        let store = db.open().await;
        installed(&store, "org").await;
        clock.advance(DAY);
        let lost = oauth.refresh(&"refresh-0".into()).await.unwrap();
        assert_eq!(lost.access.expose_secret(), "access-1");
        // Whoever went down had the lease.
        let mut tx = store.begin("lease").await.unwrap();
        let ttl = Duration::from_millis(1);
        let lapses = baton::storage::leases::acquire(&mut tx, "linear-token:org", "gone", clock.now(), ttl).await;
        assert!(lapses.unwrap());
        tx.commit().await.unwrap();
        clock.advance(ttl);
        let restarted = Installed::new(store, sealer(&[OLD_KEY]), oauth, clock);
        assert_eq!(token(&restarted, None).await, "access-1");
        assert_eq!(linear.requests(), ["refresh-0", "refresh-0"]);
    }
);

on_both!(a_refresh_that_fails_leaves_what_is_still_good, |db| async {
    let linear = Tokens::default();
    let (oauth, clock) = (linear.serve().await, Clock::manual(at(0)));
    let store = db.open().await;
    installed(&store, "org").await;
    let tokens = Installed::new(store, sealer(&[OLD_KEY]), oauth, clock.clone());
    clock.advance(Duration::from_mins(24 * 60 - 10));
    linear.answer(Some((503, Value::Null)));
    assert_eq!(token(&tokens, None).await, "access-0");
    assert_eq!(token(&tokens, None).await, "access-0");
    assert_eq!(linear.requests().len(), 1, "not with every request");
    clock.advance(Duration::from_mins(10));
    let failure = tokens.token("org", None).await.unwrap_err();
    assert_eq!(failure, Failure::Transient { after: None, problem: Problem::new("http_503") });
    linear.answer(Some((401, json!({"error": "invalid_client"}))));
    let failure = tokens.token("org", None).await.unwrap_err();
    assert_eq!(failure, Failure::Unauthorized(Problem::new("invalid_client")));
    linear.answer(None);
    assert_eq!(token(&tokens, None).await, "access-1", "a wrong client secret revokes nothing");
});

on_both!(what_linear_takes_back_is_not_asked_for_again, |db| async {
    let linear = Tokens::default();
    let (oauth, clock) = (linear.serve().await, Clock::manual(at(0)));
    let store = db.open().await;
    installed(&store, "org").await;
    let tokens = Installed::new(store.clone(), sealer(&[OLD_KEY]), oauth, clock.clone());
    linear.answer(Some((400, json!({"error": "invalid_request", "error_description": "Refresh token revoked"}))));
    let stale = SecretString::from("access-0");
    let revoked = Failure::Unauthorized(Problem::new("token_revoked"));
    assert_eq!(tokens.token("org", Some(&stale)).await.unwrap_err(), revoked);
    let revoked = Failure::Unauthorized(Problem::new("installation_revoked"));
    assert_eq!(tokens.token("org", None).await.unwrap_err(), revoked);
    assert_eq!(linear.requests().len(), 1);
    assert_eq!(found(&store, "org").await.revoked_at, Some(clock.now()));
    let stranger = Failure::Unauthorized(Problem::new("not_installed"));
    assert_eq!(tokens.token("nobody", None).await.unwrap_err(), stranger);

    linear.answer(None);
    installed(&store, "org").await;
    assert_eq!(token(&tokens, None).await, "access-0", "installed again");
});

on_both!(a_key_is_replaced_and_tokens_stay_with_their_organization, |db| async {
    let linear = Tokens::default();
    let (oauth, clock) = (linear.serve().await, Clock::manual(at(0)));
    let store = db.open().await;
    installed(&store, "org").await;
    let of = |keys: &[&str]| Installed::new(store.clone(), sealer(keys), oauth.clone(), clock.clone());
    let other_key = Failure::Unauthorized(Problem::new("tokens_sealed_with_another_key"));
    assert_eq!(of(&[NEW_KEY]).token("org", None).await.unwrap_err(), other_key);
    assert_eq!(token(&of(&[NEW_KEY, OLD_KEY]), None).await, "access-0");
    installed(&store, "org").await;
    clock.advance(DAY);
    assert_eq!(token(&of(&[NEW_KEY, OLD_KEY]), None).await, "access-1");
    assert_eq!(token(&of(&[NEW_KEY]), None).await, "access-1", "sealed anew when it was refreshed");

    let moved = Installation { workspace: "other".into(), ..found(&store, "org").await };
    install(&store, &moved).await;
    assert_eq!(of(&[NEW_KEY]).token("other", None).await.unwrap_err(), other_key);
});
