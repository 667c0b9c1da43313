//! Installs into workspaces of Slack by OAuth: each is answered with its own token, may leave and come
//! back, and nobody gets in by an install that somebody else began.

use std::{collections::BTreeMap, time::Duration};

use baton::{
    domain::{
        actor::Platform,
        route::{Route, Routes},
    },
    simulator::linear::ADA as LINEARS_ADA,
    simulator::slack::{ENTERPRISE, OTHER_TEAM, SIGNING_SECRET, Slack, TEAM, sign},
    storage::installations,
};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use serde_json::{Value, json};

use super::{
    Story,
    story::{ADA, ENG, GRACE, NEXT_KEY, OLD_KEY},
};
use crate::databases::on_both;

/// A browser, with what it keeps.
#[derive(Default)]
struct Browser {
    cookies: BTreeMap<String, String>,
}

struct Page {
    status: u16,
    location: String,
    text: String,
}

impl Browser {
    async fn get(&mut self, address: &str) -> Page {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let client = baton::http::client().unwrap();
        let response = client.get(address).header(COOKIE, cookies.join("; ")).send().await.unwrap();
        for cookie in response.headers().get_all(SET_COOKIE) {
            let (pair, rest) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        if response.status() != 302 {
            let headers = response.headers();
            assert!(headers["referrer-policy"] == "no-referrer" && headers["cache-control"] == "no-store");
        }
        let location = response.headers().get(LOCATION).map(|location| location.to_str().unwrap().to_owned());
        let (status, location) = (response.status().as_u16(), location.unwrap_or_default());
        Page { status, location, text: response.text().await.unwrap() }
    }

    /// Begins an install and has it allowed in the workspace; the address that Slack leads back to.
    async fn begin(&mut self, story: &Story, team: &str) -> String {
        let page = self.get(&format!("{}/slack/install", story.address)).await;
        assert_eq!(page.status, 303, "{}", page.text);
        let allowed = self.get(&format!("{}&team={team}", page.location)).await;
        assert_eq!(allowed.status, 302, "{}", allowed.text);
        allowed.location
    }

    /// Comes back, and sees what came of it at an address that says nothing.
    async fn finish(&mut self, story: &Story, back: &str) -> Page {
        let page = self.get(back).await;
        assert_eq!((page.status, page.location.as_str(), page.text.as_str()), (303, "../installed", ""));
        self.get(&format!("{}/slack/installed", story.address)).await
    }
}

/// Somebody installs Baton in the workspace.
async fn install(story: &Story, team: &str) -> Page {
    let mut browser = Browser::default();
    let back = browser.begin(story, team).await;
    browser.finish(story, &back).await
}

async fn installed(story: &Story) -> Vec<String> {
    let rows = installations::list(&story.store, Platform::Slack).await.unwrap();
    rows.into_iter().filter(|row| row.revoked_at.is_none()).map(|row| row.workspace).collect()
}

/// Somebody asks in the workspace's channel, and gets an answer there.
async fn ask(story: &Story, slack: &Slack, task: &str) {
    let done = || slack.transcript(ENG).matches("Done").count();
    let before = done();
    assert_eq!(slack.command(ADA, ENG, "/oz", task).await.status, 200);
    story.until_in(slack, task).await;
    for _ in 0..600 {
        if done() > before {
            return;
        }
        story.wait(Duration::from_millis(500)).await;
    }
    panic!("{task} was never done:\n{}", slack.transcript(ENG));
}

/// An event of the app's, as Slack signs it.
async fn tell(story: &Story, envelope: &Value) -> u16 {
    let (now, body) = (story.clock.now().as_secs().to_string(), envelope.to_string());
    let signature = sign(SIGNING_SECRET, &now, body.as_bytes());
    let headers = [("X-Slack-Request-Timestamp", now.as_str()), ("X-Slack-Signature", signature.as_str())];
    let answer = story.world.slack.raw("/slack/events", body, &headers).await;
    story.settle().await;
    answer.status
}

on_both!(
    /// Both have a #engineering with the same id, and people with the same ids.
    each_workspace_is_answered_with_its_own_token,
    |db| async {
        let story = Story::of_installs(db, Routes::default(), false).await;
        let (here, there) = (story.world.slack.clone(), story.world.slack.other());
        let page = install(&story, TEAM).await;
        assert!(page.status == 200 && page.text.contains("Baton is installed in Baton Demo"), "{}", page.text);
        assert!(install(&story, OTHER_TEAM).await.text.contains("Baton is installed in Other Demo"));
        assert_eq!(installed(&story).await, [TEAM, OTHER_TEAM]);

        assert_eq!(here.command(ADA, ENG, "/orchestrate", "Write tests for each of api, web").await.status, 200);
        assert_eq!(there.command(ADA, ENG, "/orchestrate", "Rewrite each of db, ui").await.status, 200);
        for slack in [&here, &there] {
            story.until_in(slack, "[Approve]").await;
            let proposal = story.message_in(slack, "baton.approve");
            assert_eq!(slack.click(GRACE, &proposal.ts, "baton.approve").await.unwrap().status, 200);
            story.until_in(slack, "Done").await;
        }
        assert!(!here.transcript(ENG).contains("Rewrite") && !there.transcript(ENG).contains("Write tests"));

        // What runs in one is nothing to the other.
        here.command(ADA, ENG, "/oz", "list").await;
        story.settle().await;
        let told = here.shown(here.ephemerals(ADA).last().unwrap());
        assert!(told.contains("Write tests") && !told.contains("Rewrite"), "{told}");
        let root = there.messages(ENG)[0].ts.clone();
        there.say(ADA, ENG, Some(&root), "What is left to do?").await;
        story.until_in(&there, "I split it along").await;

        // Whoever has not installed it is heard, and not listened to.
        let mention = json!({"type": "app_mention", "user": ADA, "text": "<@U0BATON> hi", "ts": "1.2", "channel": ENG});
        let strange = json!({"type": "event_callback", "event_id": "Ev9", "team_id": "T0NOBODY", "event": mention,
            "authorizations": [{"team_id": "T0NOBODY", "enterprise_id": null}]});
        let runs = story.runs().len();
        assert_eq!(tell(&story, &strange).await, 200);
        assert_eq!(story.runs().len(), runs);
        story.end().await;
    }
);

on_both!(who_removes_it_is_not_answered_and_may_install_it_again, |db| async {
    let story = Story::of_installs(db, Routes::default(), false).await;
    let (here, there) = (story.world.slack.clone(), story.world.slack.other());
    install(&story, TEAM).await;
    install(&story, OTHER_TEAM).await;
    ask(&story, &there, "Fix the build").await;

    let removed_at = story.clock.now().as_secs();
    there.uninstall().await;
    story.settle().await;
    assert_eq!(installed(&story).await, [TEAM]);
    let runs = story.runs().len();
    assert_eq!(there.command(ADA, ENG, "/oz", "Fix it again").await.status, 200);
    story.settle().await;
    assert_eq!(story.runs().len(), runs, "nobody works for who has removed it");
    ask(&story, &here, "Fix the tests").await;

    story.wait(Duration::from_secs(2)).await;
    assert_eq!(install(&story, OTHER_TEAM).await.status, 200);
    ask(&story, &there, "Fix the docs").await;
    // Slack had not got through with this before.
    let late = json!({"type": "event_callback", "event_id": "Ev8", "team_id": OTHER_TEAM, "event_time": removed_at,
        "event": {"type": "app_uninstalled"}});
    assert_eq!(tell(&story, &late).await, 200);
    assert_eq!(installed(&story).await, [TEAM, OTHER_TEAM]);
    ask(&story, &there, "Fix the site").await;
    story.end().await;
});

on_both!(an_install_is_finished_once_in_time_and_by_the_browser_that_began_it, |db| async {
    let story = Story::of_installs(db, Routes::default(), false).await;
    let mut ada = Browser::default();
    let back = ada.begin(&story, TEAM).await;
    let forged = ada.finish(&story, &format!("{back}x")).await;
    assert!(forged.status == 400 && forged.text.contains("was not begun in this browser"), "{}", forged.text);

    // Grace is led to an address that Ada's install ends at, to have Ada's workspace installed as hers.
    let back = ada.begin(&story, TEAM).await;
    let mut grace = Browser::default();
    assert_eq!(grace.finish(&story, &back).await.status, 400);
    grace.begin(&story, TEAM).await;
    assert_eq!(grace.finish(&story, &back).await.status, 400);

    let back = ada.begin(&story, TEAM).await;
    story.pass(Duration::from_mins(10));
    assert_eq!(ada.finish(&story, &back).await.status, 400);

    story.world.slack.knobs(|knobs| knobs.deny_installs = true);
    let back = ada.begin(&story, TEAM).await;
    let denied = ada.finish(&story, &back).await;
    assert!(denied.status == 400 && denied.text.contains("not allowed in Slack"), "{}", denied.text);
    story.world.slack.knobs(|knobs| knobs.deny_installs = false);
    assert!(installed(&story).await.is_empty());

    let back = ada.begin(&story, TEAM).await;
    let kept = ada.cookies.clone();
    assert_eq!(ada.finish(&story, &back).await.status, 200);
    ada.cookies = kept;
    assert_eq!(ada.finish(&story, &back).await.status, 400, "once");
    assert_eq!(installed(&story).await, [TEAM]);
    ask(&story, &story.world.slack, "Fix the build").await;
    story.end().await;
});

on_both!(tokens_that_end_are_refreshed_before_they_do_and_when_slack_says_so, |db| async {
    let story = Story::of_installs(db, Routes::default(), false).await;
    let there = story.world.slack.other();
    there.knobs(|knobs| knobs.token_rotation = true);
    install(&story, OTHER_TEAM).await;
    ask(&story, &there, "Fix the build").await;
    for hours in [11, 2, 12, 48] {
        story.pass(Duration::from_hours(hours));
        story.settle().await;
        ask(&story, &there, &format!("Fix what broke in {hours} hours")).await;
    }
    // The clock was wrong, or Slack was: it says so, and nothing is lost.
    there.end_tokens();
    ask(&story, &there, "Fix the docs").await;
    let refreshed = story.world.faults.calls();
    let refreshed = refreshed.iter().filter(|call| call.what.ends_with("/oauth.v2.access")).count();
    assert_eq!(refreshed, 1 + 3 + 1, "an install, and no more refreshes than it takes");
    story.end().await;
});

on_both!(a_key_is_replaced_by_the_next_and_can_go, |db| async {
    let mut story = Story::of_installs(db, Routes::default(), false).await;
    install(&story, TEAM).await;
    let sealed = installations::find(&story.store, Platform::Slack, TEAM).await.unwrap().unwrap().tokens;
    story.keys = vec![NEXT_KEY, OLD_KEY];
    story.restart().await;
    story.keep_up().await;
    let anew = installations::find(&story.store, Platform::Slack, TEAM).await.unwrap().unwrap().tokens;
    assert!(sealed != anew && !anew.contains("xoxb"));
    story.keys = vec![NEXT_KEY];
    story.restart().await;
    ask(&story, &story.world.slack, "Fix the build").await;
    story.end().await;
});

on_both!(an_organisation_installs_it_for_all_its_workspaces, |db| async {
    let story = Story::of_installs(db, Routes::default(), false).await;
    let slack = story.world.slack.clone();
    slack.knobs(|knobs| knobs.org_install = true);
    assert!(install(&story, TEAM).await.text.contains("Baton is installed in Baton Org"));
    assert_eq!(installed(&story).await, [ENTERPRISE]);
    ask(&story, &slack, "Fix the build").await;
    slack.uninstall().await;
    story.settle().await;
    assert!(installed(&story).await.is_empty());
    story.end().await;
});

on_both!(
    /// A channel alone would not say where it is.
    an_issues_board_is_in_the_workspace_that_its_route_names,
    |db| async {
        let route = Route { notify_slack_channel: Some(format!("{OTHER_TEAM}/{ENG}")), ..Route::default() };
        let story = Story::of_installs(db, Routes { routes: vec![route], ..Routes::default() }, true).await;
        let there = story.world.slack.other();
        install(&story, TEAM).await;
        install(&story, OTHER_TEAM).await;
        story.settle().await;
        story.delegate(LINEARS_ADA, "Write tests for each of api, web").await;
        story.until_in(&there, "[Approve]").await;
        let proposal = story.message_in(&there, "baton.approve");
        assert_eq!(there.click(GRACE, &proposal.ts, "baton.approve").await.unwrap().status, 200);
        story.until_in(&there, "Done").await;
        assert_eq!(story.thread_text(), "#engineering\n");
        story.wait(Duration::from_secs(10)).await;
        story.end().await;
    }
);
