//! Baton dies after a commit, or after a call whose answer it does not hear any more, and starts again
//! over the same database. Nobody in the thread can tell, and Oz has the same runs.
//!
//! Each way through is told once without a death and then with deaths in every place: eight times,
//! dying after every eighth commit (or call), beginning with each of the first eight. On PostgreSQL
//! two of the eight have to do. What may differ is what depends on the time alone: the order in which
//! children end, and with it the numbers of their pull requests.

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use baton::{
    domain::{
        policy::{Approver, Policy},
        route::{Route, Routes},
    },
    simulator::linear,
};

use super::{
    Story,
    allowed::under,
    kill::Deaths,
    story::{ADA, ENG, GRACE, LINUS},
};
use crate::databases::{Db, on_postgres, on_sqlite};

/// Between two deaths; enough to get a little further each time. Whoever begins anew reconciles first,
/// and takes the lead and its turns to read: five commits.
const EVERY: usize = 8;
/// In what comes when it is ready.
const BRINGS: [&str; 4] = ["(file: ", " opened ", "action: ", "Opened by "];

macro_rules! survives {
    ($($name:ident: $way:expr, $deaths:expr;)+) => {$(
        mod $name {
            use super::*;

            #[tokio::test]
            async fn sqlite() {
                survives($way, $deaths, On::Sqlite).await;
            }

            #[tokio::test]
            async fn postgres() {
                survives($way, $deaths, On::Postgres).await;
            }
        }
    )+};
}

survives! {
    planned_work_survives_a_death_after_any_commit: Way::Plan, after_commits;
    planned_work_survives_a_death_after_any_call: Way::Plan, after_calls;
    listed_work_survives_a_death_after_any_commit: Way::List, after_commits;
    listed_work_survives_a_death_after_any_call: Way::List, after_calls;
    looking_people_up_survives_a_death_after_any_commit: Way::LookUp, after_commits;
    looking_people_up_survives_a_death_after_any_call: Way::LookUp, after_calls;
    a_stop_survives_a_death_after_any_commit: Way::Stop, after_commits;
    a_stop_survives_a_death_after_any_call: Way::Stop, after_calls;
    a_session_survives_a_death_after_any_commit: Way::Session, after_commits;
    a_session_survives_a_death_after_any_call: Way::Session, after_calls;
}

fn after_commits(first: usize, every: usize) -> Deaths {
    Deaths { commits: Some((first, every)), ..Deaths::default() }
}

fn after_calls(first: usize, every: usize) -> Deaths {
    Deaths { calls: Some((first, every)), ..Deaths::default() }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// A parent plans, two children work, the parent sums up.
    Plan,
    /// The children are listed, and nothing is planned.
    List,
    /// Who may start and who may approve has to be found out, and one version is edited.
    LookUp,
    /// Stopped with the children at work.
    Stop,
    /// Delegated and approved in Linear, with a board in Slack.
    Session,
}

impl Way {
    pub(super) async fn go(self, story: &Story) {
        match self {
            Self::Plan => {
                story.orchestrate("Migrate the tests from Jest to Vitest, one child per package: api, web").await;
                story.until("[Approve]").await;
                story.press(ADA, "baton.approve").await;
                story.until("*Summary*").await;
            }
            Self::List => {
                story.orchestrate("each:api,web Update the licence header of {item}").await;
                story.until("[Approve]").await;
                story.press(ADA, "baton.approve").await;
                story.until("*Summary*").await;
            }
            Self::LookUp => {
                story.command(GRACE, "/orchestrate", "each:api,web,cli Update the licence header of {item}").await;
                story.until("[Approve]").await;
                story.press(LINUS, "baton.approve").await;
                story.until("Approved by @Linus").await;
                story.reply(GRACE, "edit api: Leave it as it is.").await;
                story.until("Proposal, version 2").await;
                for user in [LINUS, GRACE] {
                    story.press(user, "baton.approve").await;
                    story.wait(Duration::from_secs(1)).await;
                }
                story.until("*Summary*").await;
            }
            Self::Stop => {
                story.world.oz.hold();
                story.orchestrate("each:api,web Update the licence header of {item}").await;
                story.until("[Approve]").await;
                story.press(ADA, "baton.approve").await;
                story.until("2 web (baton:").await;
                story.press(ADA, "baton.stop").await;
                story.until("*Stopped*").await;
                story.until("3.0 credits").await;
            }
            Self::Session => {
                // Whoever is dead answers nobody within ten seconds.
                story.lost.store(true, Ordering::Relaxed);
                let session = story.delegate(linear::ADA, "Update the docs, one child per package: api, web").await;
                story.until_linear(&session, "Approve version 1").await;
                story.choose(linear::GRACE, &session, "approve").await;
                story.until_status(&session, linear::Status::Complete).await;
            }
        }
        story.wait(Duration::from_secs(10)).await;
    }

    pub(super) async fn begin(self, db: Db) -> Story {
        match self {
            Self::Plan | Self::List | Self::Stop => Story::begin(db).await,
            Self::LookUp => {
                let leads = vec![Approver::SlackGroup("S0LEADS".into())];
                let policy = Policy { approvers: leads.clone(), starters: leads, quorum: 2, ..Policy::default() };
                Story::with(db, under(policy)).await
            }
            Self::Session => {
                let route = Route { notify_slack_channel: Some(ENG.into()), ..Route::default() };
                Story::in_linear(db, Routes { routes: vec![route], ..Routes::default() }).await
            }
        }
    }
}

#[derive(Clone, Copy)]
enum On {
    Sqlite,
    Postgres,
}

async fn survives(way: Way, deaths: fn(usize, usize) -> Deaths, on: On) {
    let Some((undisturbed, 0)) = tell(way, Deaths::default(), on).await else { return };
    // Whoever begins anew in Linear too has more to ask before it gets anywhere.
    let every = if matches!(way, Way::Session) { 2 * EVERY } else { EVERY };
    let step = match on {
        On::Sqlite => every / EVERY,
        On::Postgres => every / 2,
    };
    for first in (1..=every).step_by(step) {
        let Some((end, died)) = tell(way, deaths(first, every), on).await else { return };
        assert!(died >= 4, "{way:?} from {first}: died {died} times");
        let only_in = |one: &End, other: &End| {
            let lines: Vec<_> = one.0.iter().filter(|line| !other.0.contains(line)).cloned().collect();
            lines.join("\n")
        };
        let (more, less) = (only_in(&end, &undisturbed), only_in(&undisturbed, &end));
        assert!(end == undisturbed, "{way:?} from {first}\n--- with deaths:\n{more}\n--- without:\n{less}");
    }
}

/// What a way through comes to over an empty database, and how often Baton died on it. None without
/// the database.
async fn tell(way: Way, deaths: Deaths, on: On) -> Option<(End, usize)> {
    let ended = Arc::new(Mutex::new(None));
    let end = Arc::clone(&ended);
    let telling = async move |db: Db| {
        let story = way.begin(db).await;
        story.world.oz.set_speed(2.0);
        story.kill.plan(deaths);
        way.go(&story).await;
        *end.lock().unwrap() = Some((End::of(&story), story.kill.deaths()));
        story.end().await;
    };
    match on {
        On::Sqlite => on_sqlite(telling).await,
        On::Postgres => on_postgres(telling).await,
    }
    ended.lock().unwrap().take()
}

/// What there is to see in the end: what is said, in its order; what children bring, which comes when
/// they are ready; the runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct End(pub(super) Vec<String>);

impl End {
    pub(super) fn of(story: &Story) -> Self {
        let text = story.thread_text();
        let posts: Vec<_> =
            story.world.slack.messages(ENG).into_iter().filter_map(|message| message.metadata).collect();
        for (at, metadata) in posts.iter().enumerate() {
            assert!(!posts[..at].contains(metadata), "one message stands there twice:\n{text}");
        }
        let brings = |message: &String| BRINGS.iter().any(|words| message.contains(words));
        let issues = story.world.linear.sessions().into_iter().filter_map(|session| session.issue);
        let text = issues.fold(text, |text, issue| text + "\n" + &story.world.linear.issue_transcript(&issue));
        // Whoever is dead answers late, and what lapses a day later lapses later.
        let text = text.replace(", did not respond in time", "");
        let text: String = text
            .lines()
            .filter(|line| !line.contains("**Until:**"))
            .fold(String::new(), |text, line| text + line + "\n");
        let (mut brought, said): (Vec<_>, Vec<_>) = messages(&timeless(&text)).into_iter().partition(brings);
        brought.sort();
        let mut runs: Vec<_> = story
            .world
            .oz
            .runs()
            .into_iter()
            .map(|run| {
                let about = |key: &str| run.metadata.get(key).cloned().unwrap_or_default();
                // Without the orchestration's id, which differs from story to story.
                let dispatch = about("baton.dispatch").split_once('.').unwrap().1.to_owned();
                let (child, proposal) = (about("baton.child"), about("baton.proposal"));
                let told = run.follow_ups.join("\n--\n").replace(&story.address, "");
                timeless(&format!(
                    "{dispatch} {child} {proposal} {} {:?}\n{}\n--\n{told}",
                    run.title, run.state, run.prompt
                ))
            })
            .collect();
        runs.sort();
        Self([said, brought, runs].concat())
    }
}

/// The messages that everybody sees. A private one may come twice: nothing tells Slack that it is the
/// same again.
fn messages(text: &str) -> Vec<String> {
    let mut messages: Vec<String> = Vec::new();
    for line in text.lines().skip(1) {
        match messages.last_mut().filter(|_| line.is_empty() || line.starts_with("    ")) {
            Some(message) => {
                message.push('\n');
                message.push_str(line);
            }
            None => messages.push(line.to_owned()),
        }
    }
    messages.retain(|message| !message.contains("(only to") && !message.contains("(ephemeral)"));
    messages
}

/// Without what follows from when something happened: how long it took, the numbers of pull requests,
/// the parts of file names that stand for ids.
fn timeless(text: &str) -> String {
    const MARKS: [&str; 8] = ["uuid-", "oz#", "/pull/", "request #", "took ", "plan-", "screenshot-", "report-"];
    let mut timeless = String::new();
    let mut rest = text;
    while let Some(end) = MARKS.iter().filter_map(|mark| Some(rest.find(mark)? + mark.len())).min() {
        timeless.push_str(&rest[..end]);
        timeless.push('…');
        rest = rest[end..].trim_start_matches(|c: char| c.is_ascii_hexdigit() || " himns".contains(c));
    }
    timeless + rest
}
