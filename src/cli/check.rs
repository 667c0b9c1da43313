//! `baton check`: says what is misconfigured before the first event does.
//!
//! Settings that are wrong end it with 2, as they do with `serve`. Everything else is a finding with
//! a line of its own, and one that is bad ends it with 1.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::{Answer, Failed, Outcome, block_on, open, plain};
use crate::{
    config::{self, LinearCredentials, LinearSettings, OzSettings, Settings, SlackCredentials, SlackSettings},
    delivery::seals::{self, Seals},
    domain::{
        actor::Platform,
        failure::Failure,
        route::Routes,
        text::{duration, shorten},
    },
    http,
    linear::{Linear, Tokens, Viewer, token::PURPOSES},
    manifest::SCOPES,
    oz::Oz,
    slack::{self, client::Slack, socket::Socket},
    storage::{self, Schema, Store, installations},
    time::{Clock, Timestamp},
};

/// Slack refuses what is five minutes off; a clock that is one minute off goes wrong already.
const SKEW_SECS: u64 = 60;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ask neither Slack nor Linear nor Oz.
    #[arg(long)]
    offline: bool,
}

/// One line of the answer.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    good: bool,
    sentence: String,
}

pub(super) fn run(args: &Args, config: Option<&Path>) -> Outcome {
    let settings = config::of_process(config).and_then(Settings::for_serving)?;
    block_on(async {
        let mut findings = vec![good("The settings can be read.")];
        if settings.server.is_open() {
            findings.push(good(
                "The operator's pages answer this machine without a token: set BATON_ADMIN_TOKEN, unless the proxy \
                 before Baton adds X-Forwarded-For.",
            ));
        }
        findings.extend(database(&settings).await);
        if !args.offline {
            let clock = Clock::system();
            if let Some(slack) = &settings.slack {
                findings.extend(time(slack, &clock).await);
                findings.extend(slack_access(slack, &settings, clock).await);
                if let Some(token) = &slack.app_token {
                    findings.push(slack_socket(slack, token).await);
                }
            }
            if let Some(linear) = &settings.linear {
                findings.extend(linear_access(linear, &settings).await);
            }
            if let Some(oz) = &settings.oz {
                findings.extend(oz_key(oz, &settings.routes).await);
            }
        }
        Ok::<_, Failed>(answer(&findings))
    })
}

fn answer(findings: &[Finding]) -> Answer {
    let line = |finding: &Finding| format!("{} {}\n", if finding.good { "✓" } else { "✗" }, finding.sentence);
    let text = findings.iter().map(line).collect::<Vec<_>>().concat();
    Answer { text, code: u8::from(findings.iter().any(|finding| !finding.good)) }
}

/// Looks without making anything: a SQLite file that is not there yet is the service's to make.
async fn database(settings: &Settings) -> Vec<Finding> {
    let url = settings.storage.url.expose_secret();
    if let Some(path) = open::sqlite_file(url).filter(|path| !path.exists()) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return vec![if folder.is_dir() {
            good(format!("The database {} is not there yet; `baton serve` makes it.", path.display()))
        } else {
            bad(format!("The database's folder {} is not there.", folder.display()))
        }];
    }
    let store = match Store::open(url, open::CONNECTIONS).await {
        Ok(store) => store,
        Err(error) => {
            return vec![bad(format!("The database at {} cannot be opened: {error}.", storage::place_of(url)))];
        }
    };
    let mut findings = vec![schema(&store).await];
    // A schema that is not ours may have no such table, and has its own finding.
    if let Ok(seals) = seals::look(&store, settings.storage.sealer.as_ref()).await {
        findings.extend(sealed(&seals));
    }
    store.close().await;
    findings
}

/// Whether the first encryption key opens all that is kept.
fn sealed(seals: &Seals) -> Vec<Finding> {
    let Seals { first, older, closed } = seals;
    let mut findings = Vec::new();
    if *older > 0 {
        findings.push(good(format!(
            "The tokens of {older} of {} workspaces are sealed with an older key of BATON_ENCRYPTION_KEY: keep it until \
             `baton serve` has sealed them with the first, within an hour.",
            first + older + closed.len()
        )));
    } else if *first > 0 {
        findings.push(good("The first key of BATON_ENCRYPTION_KEY seals all tokens that it opens; older ones can go."));
    }
    if !closed.is_empty() {
        let names = plain::printable(&shorten(&closed.join(", "), 200));
        findings.push(bad(format!(
            "BATON_ENCRYPTION_KEY does not open the tokens of {names}: put the key that sealed them behind the first, \
             or install Baton there again."
        )));
    }
    findings
}

async fn schema(store: &Store) -> Finding {
    let kind = store.kind();
    match store.check_schema().await {
        Ok(Schema::Current) => good(format!("The {kind} database answers, and its schema is up to date.")),
        Ok(Schema::Behind) => {
            good(format!("The {kind} database answers; `baton serve` or `baton migrate` brings its schema up to date."))
        }
        Ok(Schema::Newer) => bad(format!("The {kind} database belongs to a newer version of Baton.")),
        Err(error) => bad(format!("The {kind} database does not answer: {error}.")),
    }
}

/// Compares our clock with Slack's, which every answer of its web server tells. Without an answer
/// there is nothing to find: the token's check says so.
async fn time(slack: &SlackSettings, clock: &Clock) -> Option<Finding> {
    let address = slack.api_url.join("api.test").ok()?;
    let answer = http::send(http::client().ok()?.post(address)).await.ok()?;
    let theirs = http_date(answer.headers().get(::http::header::DATE)?.to_str().ok()?)?;
    Some(skew(clock.now(), theirs))
}

fn skew(ours: Timestamp, theirs: Timestamp) -> Finding {
    let off = ours.since(theirs).max(theirs.since(ours));
    if off.as_secs() <= SKEW_SECS {
        return good("The clock agrees with Slack's.");
    }
    let way = if ours > theirs { "ahead of" } else { "behind" };
    bad(format!("The clock is {} {way} Slack's; Slack's requests are refused from 5 min on.", duration(off)))
}

/// `Tue, 24 Nov 2026 09:00:00 GMT`
fn http_date(text: &str) -> Option<Timestamp> {
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

async fn slack_access(slack: &SlackSettings, settings: &Settings, clock: Clock) -> Vec<Finding> {
    match &slack.credentials {
        SlackCredentials::Fixed(token) => slack_token(slack, token, clock).await,
        SlackCredentials::Install { .. } => installations(settings, Platform::Slack).await,
    }
}

async fn slack_socket(slack: &SlackSettings, token: &SecretString) -> Finding {
    match Socket::check(slack.api_url.clone(), token).await {
        Ok(()) => good("Slack takes the app token: events come over a socket."),
        Err(failure) => refusal("Slack", "SLACK_APP_TOKEN", &failure),
    }
}

async fn slack_token(settings: &SlackSettings, token: &SecretString, clock: Clock) -> Vec<Finding> {
    let token = slack::token::Tokens::Fixed(token.clone());
    let slack = match Slack::new(settings.api_url.clone(), token, clock) {
        Ok(slack) => slack,
        Err(error) => return vec![bad(format!("No HTTP client can be made: {error}."))],
    };
    match slack.auth_test().await {
        Ok(installation) => {
            let us = &installation.identity;
            let name = plain::printable(&format!("{} in workspace {}", us.bot_user, us.workspace));
            let mut findings = vec![good(format!("Slack takes the bot token: it is {name}."))];
            findings.extend(scopes(&installation.scopes));
            findings
        }
        Err(failure) => vec![refusal("Slack", "SLACK_BOT_TOKEN", &failure)],
    }
}

/// `had` is empty when Slack does not tell.
fn scopes(had: &[String]) -> Vec<Finding> {
    if had.is_empty() {
        return vec![bad("Slack does not say which scopes the bot token has.")];
    }
    let missing = SCOPES.iter().filter(|(scope, _)| !had.iter().any(|had| had == scope));
    let findings: Vec<Finding> = missing
        .map(|(scope, purpose)| {
            bad(format!("The bot token lacks the scope {scope}, to {purpose}: add it and reinstall the app."))
        })
        .collect();
    if findings.is_empty() { vec![good("The bot token has all scopes.")] } else { findings }
}

/// Whether Linear lets us in, and gives us what an agent needs there.
async fn linear_access(linear: &LinearSettings, settings: &Settings) -> Vec<Finding> {
    let tokens = match &linear.credentials {
        LinearCredentials::Fixed(token) => Tokens::Fixed(token.clone()),
        LinearCredentials::Client { id, secret } => {
            Tokens::ClientCredentials { client_id: id.clone(), client_secret: secret.clone() }
        }
        LinearCredentials::Install { .. } => return installations(settings, Platform::Linear).await,
    };
    let client = match Linear::new(linear.api_url.clone(), tokens, Clock::system()) {
        Ok(client) => client,
        Err(error) => return vec![bad(format!("No HTTP client can be made: {error}."))],
    };
    match client.viewer(None).await {
        Ok(viewer) => {
            let mut findings = viewer_findings(&viewer);
            findings.extend(linear_scopes(&client.scopes().await));
            findings
        }
        Err(failure) => {
            let credential = match &linear.credentials {
                LinearCredentials::Fixed(_) => "LINEAR_ACCESS_TOKEN",
                LinearCredentials::Client { .. } | LinearCredentials::Install { .. } => "LINEAR_CLIENT_SECRET",
            };
            vec![refusal("Linear", credential, &failure)]
        }
    }
}

fn viewer_findings(viewer: &Viewer) -> Vec<Finding> {
    let name = plain::printable(&format!("{} in workspace {}", viewer.name, viewer.organization.name));
    let mut findings = vec![good(format!("Linear lets us in: we are {name}."))];
    if !viewer.app {
        findings.push(bad(
            "That is a person and not an app: nothing can be delegated to it. Use the client's credentials.",
        ));
    } else if viewer.supports_agent_sessions {
        findings.push(good("Linear opens agent sessions with us."));
    } else {
        findings.push(bad(
            "Linear opens no agent sessions with us: switch on webhooks with “Agent session events” for the \
             application, and have it authorized again.",
        ));
    }
    findings
}

/// `had` is empty where Linear does not tell: of a fixed token, say.
fn linear_scopes(had: &[String]) -> Vec<Finding> {
    let missing = PURPOSES.iter().filter(|(scope, _)| !had.is_empty() && !had.iter().any(|had| had == scope));
    let findings: Vec<Finding> = missing
        .map(|(scope, purpose)| {
            bad(format!("Linear's token lacks the scope {scope}, to {purpose}: allow it for the application."))
        })
        .collect();
    if findings.is_empty() && !had.is_empty() { vec![good("Linear's token has all scopes.")] } else { findings }
}

/// Which workspaces have installed us is in the database.
async fn installations(settings: &Settings, platform: Platform) -> Vec<Finding> {
    let (at, name) = (format!("/{}/install", platform.as_str()), platform.name());
    let url = settings.storage.url.expose_secret();
    if open::sqlite_file(url).is_some_and(|path| !path.exists()) {
        return vec![good(format!("No workspace of {name} has installed Baton yet: open {at} at its public address."))];
    }
    let listed = async {
        let store = Store::open(url, open::CONNECTIONS).await?;
        let listed = installations::list(&store, platform).await;
        store.close().await;
        listed
    };
    match listed.await {
        Ok(listed) => {
            let standing = listed.iter().filter(|installed| installed.revoked_at.is_none()).count();
            vec![good(format!("{standing} of {name}'s workspaces have installed Baton; {at} adds one."))]
        }
        // A schema that is behind has a finding of its own.
        Err(_) => vec![good(format!("Workspaces of {name} install Baton at {at}."))],
    }
}

async fn oz_key(settings: &OzSettings, routes: &Routes) -> Vec<Finding> {
    let oz = match Oz::new(settings.base_url.clone(), settings.api_key.clone()) {
        Ok(oz) => oz,
        Err(error) => return vec![bad(format!("No HTTP client can be made: {error}."))],
    };
    match oz.choices().await {
        Ok(choices) => {
            let mut findings = vec![good("Oz takes the API key.")];
            let ids: Vec<&str> = choices.environments.iter().map(|(id, _)| id.as_str()).collect();
            findings.extend(environments(routes, &ids));
            findings
        }
        Err(failure) => vec![refusal("Oz", "WARP_API_KEY", &failure)],
    }
}

/// Environments that are set and not there. A key that sees none cannot tell.
fn environments(routes: &Routes, there: &[&str]) -> Vec<Finding> {
    let all = routes.routes.iter().map(|route| &route.settings).chain([&routes.defaults]);
    let mut set: Vec<&str> = all.filter_map(|settings| settings.environment.as_deref()).collect();
    set.sort_unstable();
    set.dedup();
    let missing = set.into_iter().filter(|id| !there.is_empty() && !there.contains(id));
    missing.map(|id| bad(format!("Oz has no environment {}, which the settings name.", plain::printable(id)))).collect()
}

/// With the platform's own code, and what it says about it.
fn refusal(platform: &str, credential: &str, failure: &Failure) -> Finding {
    let problem = failure.problem();
    let detail = problem.detail.as_deref().map(|detail| format!(" ({})", shorten(detail, 200))).unwrap_or_default();
    let reason = plain::printable(&format!("{}{detail}", problem.code));
    bad(match failure {
        Failure::Unauthorized(_) => format!("{platform} does not take {credential}: {reason}."),
        Failure::Transient { .. } | Failure::Ambiguous(_) | Failure::Refused(_) | Failure::Gone(_) => {
            format!("{platform} does not answer as it should: {reason}.")
        }
    })
}

fn good(sentence: impl Into<String>) -> Finding {
    Finding { good: true, sentence: sentence.into() }
}

fn bad(sentence: impl Into<String>) -> Finding {
    Finding { good: false, sentence: sentence.into() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::{Json, Router, http::StatusCode, response::IntoResponse};
    use serde_json::json;
    use url::Url;

    use super::*;
    use crate::domain::{route::Route, run::RunSettings};

    /// A platform on this machine that answers everything alike.
    async fn answering<R: IntoResponse + Clone + Send + Sync + 'static>(answer: R) -> Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().fallback(move || std::future::ready(answer.clone()));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Url::parse(&format!("http://{address}/api/")).expect("an address")
    }

    fn slack_at(api_url: Url) -> SlackSettings {
        let credentials = SlackCredentials::Fixed("xoxb-1".into());
        SlackSettings { signing_secrets: Vec::new(), app_token: None, credentials, api_url }
    }

    fn sentences(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(|finding| format!("{} {}", finding.good, finding.sentence)).collect()
    }

    #[tokio::test]
    async fn a_token_is_tried_and_its_scopes_are_compared() {
        let had: Vec<&str> = SCOPES.iter().map(|(scope, _)| *scope).filter(|scope| *scope != "files:write").collect();
        let body = json!({"ok": true, "user_id": "UBOT", "team_id": "T1", "bot_id": "B1"});
        let api = answering(([("x-oauth-scopes", had.join(","))], Json(body))).await;
        let findings = sentences(&slack_token(&slack_at(api), &"xoxb-1".into(), Clock::system()).await);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert_eq!(findings[0], "true Slack takes the bot token: it is UBOT in workspace T1.");
        assert!(findings[1].starts_with("false The bot token lacks the scope files:write, to upload"), "{findings:?}");

        let api = answering(Json(json!({"ok": false, "error": "invalid_auth"}))).await;
        let findings = sentences(&slack_token(&slack_at(api), &"xoxb-1".into(), Clock::system()).await);
        assert_eq!(findings, ["false Slack does not take SLACK_BOT_TOKEN: invalid_auth."]);

        let api = answering(StatusCode::NOT_FOUND).await;
        let findings = sentences(&slack_token(&slack_at(api), &"xoxb-1".into(), Clock::system()).await);
        assert!(findings[0].starts_with("false Slack does not answer as it should: "), "{findings:?}");
    }

    #[tokio::test]
    async fn what_an_agent_needs_in_linear_is_told() {
        let viewer = |app: bool, sessions: bool| {
            let organization = json!({"id": "org", "name": "Acme"});
            let viewer = json!({"id": "u1", "name": "Baton", "app": app, "supportsAgentSessions": sessions,
                "organization": organization});
            json!({"data": {"viewer": viewer}})
        };
        let found = async |body: serde_json::Value| {
            let api_url = answering(Json(body)).await;
            let client = Linear::new(api_url, Tokens::Fixed("t".into()), Clock::system()).expect("a client");
            sentences(&viewer_findings(&client.viewer(None).await.expect("a viewer")))
        };
        assert_eq!(found(viewer(true, true)).await[1], "true Linear opens agent sessions with us.");
        let without = found(viewer(true, false)).await;
        assert!(without[1].contains("“Agent session events”"), "{without:?}");
        assert!(found(viewer(false, false)).await[1].starts_with("false That is a person"));
    }

    #[test]
    fn scopes_that_linears_token_lacks_are_told() {
        let had = |scopes: &[&str]| {
            let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            sentences(&linear_scopes(&scopes))
        };
        assert!(had(&[]).is_empty(), "of a fixed token nothing is known");
        assert_eq!(
            had(&["read", "write", "app:mentionable", "app:assignable"]),
            ["true Linear's token has all scopes."]
        );
        let lacking = had(&["read", "write", "app:mentionable"]);
        assert!(lacking.len() == 1 && lacking[0].starts_with("false Linear's token lacks the scope app:assignable"));
    }

    #[tokio::test]
    async fn a_key_that_oz_refuses_is_told() {
        let body = json!({"error": "authentication_required"});
        let base_url = answering((StatusCode::UNAUTHORIZED, Json(body))).await;
        let settings = OzSettings { api_key: "wk-1".into(), base_url, poll_interval: Duration::from_secs(3) };
        let findings = oz_key(&settings, &Routes::default()).await;
        assert!(!findings[0].good && findings[0].sentence.contains("WARP_API_KEY"), "{findings:?}");
    }

    #[tokio::test]
    async fn the_clock_is_compared_with_slacks() {
        let api = answering(([("date", "Tue, 24 Nov 2026 09:00:00 GMT")], "")).await;
        let start = Timestamp::parse_rfc3339("2026-11-24T09:00:30Z").expect("a moment");
        let clock = Clock::manual(start);
        assert_eq!(time(&slack_at(api.clone()), &clock).await, Some(good("The clock agrees with Slack's.")));
        clock.advance(Duration::from_mins(10));
        let finding = time(&slack_at(api), &clock).await.expect("a finding");
        assert!(finding.sentence.starts_with("The clock is 10 min ahead of Slack's"), "{finding:?}");
        assert!(!skew(start, start + Duration::from_mins(2)).good);
    }

    #[test]
    fn an_environment_that_oz_does_not_have_is_told_once() {
        let named = |id: &str| RunSettings { environment: Some(id.into()), ..RunSettings::default() };
        let route = |id: &str| Route { settings: named(id), ..Route::default() };
        let routes =
            Routes { routes: vec![route("b"), route("b"), route("a")], defaults: named("a"), ..Routes::default() };
        let findings = environments(&routes, &["a", "c"]);
        assert_eq!(findings, [bad("Oz has no environment b, which the settings name.")]);
        assert!(environments(&routes, &[]).is_empty());
    }

    #[test]
    fn what_an_older_key_sealed_and_what_none_opens_is_told() {
        let told = |first, older, closed: &[&str]| {
            let closed = closed.iter().map(|name| (*name).to_owned()).collect();
            sentences(&sealed(&Seals { first, older, closed }))
        };
        assert!(told(0, 0, &[]).is_empty());
        assert!(told(2, 0, &[])[0].ends_with("older ones can go."));
        let older = told(1, 2, &[]);
        assert!(older.len() == 1 && older[0].starts_with("true The tokens of 2 of 3 workspaces"), "{older:?}");
        let closed = told(0, 0, &["Acme", "Evil\u{1b}[2J"]);
        assert!(closed.len() == 1 && closed[0].starts_with("false BATON_ENCRYPTION_KEY does not open"), "{closed:?}");
        assert!(closed[0].contains("Acme") && !closed[0].contains('\u{1b}'), "{closed:?}");
    }

    #[test]
    fn one_bad_finding_makes_it_fail() {
        assert_eq!(answer(&[good("a")]).code, 0);
        let answer = answer(&[good("a"), bad("b")]);
        assert_eq!((answer.code, answer.text.as_str()), (1, "✓ a\n✗ b\n"));
    }
}
