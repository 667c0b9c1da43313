//! The door for Slack: who is let in, what is turned away with which answer, and that nothing is
//! taken that is not kept.

use std::time::{Duration, Instant};

use baton::simulator::slack::{Answer, SIGNING_SECRET, TEAM, sign};
use serde_json::{Value, json};

use super::{
    Story,
    story::{ADA, ENG, GRACE, NEXT_SECRET},
};
use crate::databases::on_both;

const COMMANDS: &str = "/slack/commands";
const INTERACTIVITY: &str = "/slack/interactivity";
const EVENTS: &str = "/slack/events";
const LIMIT: usize = 1 << 20;

fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn command_of(team: &str) -> String {
    form(&[
        ("team_id", team),
        ("channel_id", ENG),
        ("user_id", ADA),
        ("user_name", "ada"),
        ("command", "/oz"),
        ("text", "Fix the build"),
    ])
}

fn event_of(team: &str, event: &Value) -> String {
    json!({"type": "event_callback", "team_id": team, "event_id": "Ev0000000001", "event": event}).to_string()
}

fn mention(text: &str, ts: &str) -> Value {
    json!({"type": "app_mention", "user": ADA, "text": format!("<@U0BATON> {text}"), "ts": ts, "channel": ENG})
}

/// Posts a body as it is signed with `secret` at `seconds` from now.
async fn post(story: &Story, path: &str, body: &[u8], secret: &str, seconds: i64) -> Answer {
    let timestamp = (story.clock.now().as_secs() + seconds).to_string();
    let signature = sign(secret, &timestamp, body);
    let headers = [("X-Slack-Request-Timestamp", timestamp.as_str()), ("X-Slack-Signature", signature.as_str())];
    story.world.slack.raw(path, body.to_vec(), &headers).await
}

on_both!(
    /// One line says why, and nothing is stored.
    only_what_slack_signed_a_moment_ago_is_let_in,
    |db| async {
        let story = Story::begin(db).await;
        let body = command_of(TEAM);
        let now = story.clock.now().as_secs().to_string();
        let right = sign(SIGNING_SECRET, &now, body.as_bytes());
        let (timestamp, signature) = ("X-Slack-Request-Timestamp", "X-Slack-Signature");
        let unsigned = right.trim_start_matches("v0=").to_owned();
        let wrong = sign("somebody else's secret", &now, body.as_bytes());
        let of_another_body = sign(SIGNING_SECRET, &now, b"text=hello");
        let cases: [(&str, &[(&str, &str)]); 11] = [
            ("no signature at all", &[]),
            ("no signature", &[(timestamp, &now)]),
            ("no timestamp", &[(signature, &right)]),
            ("another version", &[(timestamp, &now), (signature, &right.replace("v0=", "v1="))]),
            ("no version", &[(timestamp, &now), (signature, &unsigned)]),
            ("not hex", &[(timestamp, &now), (signature, "v0=zz")]),
            ("cut short", &[(timestamp, &now), (signature, &right[..60])]),
            ("not a number", &[(timestamp, "now"), (signature, &right)]),
            ("two signatures", &[(timestamp, &now), (signature, &wrong), (signature, &right)]),
            ("another secret", &[(timestamp, &now), (signature, &wrong)]),
            ("another body", &[(timestamp, &now), (signature, &of_another_body)]),
        ];
        for path in [COMMANDS, INTERACTIVITY, EVENTS] {
            for (why, headers) in &cases {
                let answer = story.world.slack.raw(path, body.clone(), headers).await;
                assert_eq!((answer.status, answer.body.trim_end().lines().count()), (401, 1), "{path}: {why}");
                assert!(!answer.body.contains(&right), "the right signature is nobody's business");
            }
        }
        for seconds in [-301, 301, -86_400, 86_400] {
            let answer = post(&story, COMMANDS, body.as_bytes(), SIGNING_SECRET, seconds).await;
            assert_eq!(answer.status, 401, "{seconds} s");
        }
        assert_eq!(story.undecided().await, 0);

        for seconds in [-300, 300] {
            let answer = post(&story, COMMANDS, body.as_bytes(), SIGNING_SECRET, seconds).await;
            assert_eq!(answer.status, 200, "{seconds} s: {}", answer.body);
        }
        assert_eq!(story.undecided().await, 2);
        story.until("Done").await;
        story.end().await;
    }
);

on_both!(while_the_secret_is_rotated_both_count, |db| async {
    let story = Story::begin(db).await;
    let body = command_of(TEAM);
    assert_eq!(post(&story, COMMANDS, body.as_bytes(), SIGNING_SECRET, 0).await.status, 200);
    assert_eq!(post(&story, COMMANDS, body.as_bytes(), NEXT_SECRET, 1).await.status, 200);
    assert_eq!(post(&story, COMMANDS, body.as_bytes(), "the one before", 2).await.status, 401);
    assert_eq!(story.undecided().await, 2);
    story.until("Done").await;
    story.end().await;
});

on_both!(what_cannot_be_taken_is_told_so, |db| async {
    let story = Story::begin(db).await;
    for path in [COMMANDS, INTERACTIVITY, EVENTS] {
        let large = vec![b'a'; LIMIT + 1];
        assert_eq!(post(&story, path, &large, SIGNING_SECRET, 0).await.status, 413);
        assert_eq!(story.world.slack.raw(path, large, &[]).await.status, 413);
        for unreadable in ["{", "payload=%7B", "hello", "", "\u{feff}{}", "[1]"] {
            let answer = post(&story, path, unreadable.as_bytes(), SIGNING_SECRET, 0).await;
            assert_eq!((answer.status, answer.body.trim_end().lines().count()), (400, 1), "{path} {unreadable:?}");
        }
        assert_eq!(post(&story, path, &[0xff, 0xfe], SIGNING_SECRET, 0).await.status, 400);
        let client = baton::http::client().unwrap();
        let url = format!("{}{path}", story.address);
        for request in [client.get(&url), client.put(&url), client.delete(&url), client.head(&url)] {
            assert_eq!(request.send().await.unwrap().status(), 405);
        }
    }
    assert_eq!(story.undecided().await, 0);
    // The largest body that there may be.
    let text = "a".repeat(LIMIT - command_of(TEAM).len());
    assert_eq!(post(&story, COMMANDS, (command_of(TEAM) + &text).as_bytes(), SIGNING_SECRET, 0).await.status, 200);
    story.until("Done").await;
    story.end().await;
});

on_both!(slacks_own_probes_are_answered_and_do_nothing, |db| async {
    let story = Story::begin(db).await;
    let probe = format!("ssl_check=1&token=x&{}", command_of(TEAM));
    let urlencoded = [("Content-Type", "application/x-www-form-urlencoded")];
    for path in [COMMANDS, INTERACTIVITY, EVENTS] {
        let answer = story.world.slack.raw(path, probe.clone(), &urlencoded).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
        assert_eq!(story.world.slack.raw(path, probe.clone(), &[]).await.status, 401, "not a form");
    }
    let verification =
        json!({"type": "url_verification", "token": "x", "challenge": "3eZbrw1aBm2rZgRNFdxV"}).to_string();
    let answer = post(&story, EVENTS, verification.as_bytes(), SIGNING_SECRET, 0).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "3eZbrw1aBm2rZgRNFdxV"));
    assert_eq!(story.world.slack.raw(EVENTS, verification, &[]).await.status, 401, "signed or not at all");
    assert_eq!(story.undecided().await, 0);
    story.end().await;
});

on_both!(what_is_signed_and_not_for_us_is_taken_and_left_alone, |db| async {
    let story = Story::begin(db).await;
    let slack = &story.world.slack;
    let click = json!({"type": "block_actions", "team": {"id": "T0OTHER"}, "user": {"id": ADA}, "trigger_id": "1.2",
        "actions": [{"action_id": "baton.stop", "value": "o1a2b3c4d5e"}]});
    let strangers = [
        (COMMANDS, command_of("T0OTHER")),
        (EVENTS, event_of("T0OTHER", &mention("Fix the build", "1793610000.000100"))),
        (INTERACTIVITY, form(&[("payload", &click.to_string())])),
        (COMMANDS, command_of(TEAM).replace("%2Foz", "%2Fdeploy")),
        (EVENTS, json!({"type": "app_rate_limited", "team_id": TEAM, "minute_rate_limited": 1}).to_string()),
        (EVENTS, json!({"type": "something_of_tomorrow"}).to_string()),
    ];
    for (path, body) in strangers {
        let answer = post(&story, path, body.as_bytes(), SIGNING_SECRET, 0).await;
        assert_eq!(answer.status, 200, "{body}");
    }
    for event in [
        json!({"type": "emoji_changed", "subtype": "add", "name": "parrot"}),
        json!({"type": "reaction_added", "user": ADA, "item": {"channel": ENG}}),
        json!({"type": "message", "subtype": "channel_topic", "user": ADA, "channel": ENG, "ts": "1.2", "thread_ts": "1.1"}),
        json!({"type": "tokens_revoked", "tokens": {"oauth": [ADA], "bot": []}}),
        json!({}),
    ] {
        assert_eq!(slack.event(event.clone()).await.status, 200, "{event}");
    }
    for kind in ["view_closed", "shortcut", "block_suggestion", "workflow_step_edit"] {
        let payload = json!({"type": kind, "team": {"id": TEAM}, "user": {"id": ADA}}).to_string();
        let answer = post(&story, INTERACTIVITY, form(&[("payload", &payload)]).as_bytes(), SIGNING_SECRET, 0).await;
        assert_eq!(answer.status, 200, "{kind}");
    }
    assert_eq!(slack.open_home(ADA).await.status, 200);
    story.wait(Duration::from_secs(5)).await;
    assert_eq!(story.thread_text(), "#engineering\n");
    assert!(story.told(ADA).is_empty() && story.runs().is_empty());
    story.end().await;
});

on_both!(
    /// A command is known by what was signed, a click by its trigger, an event by its id.
    what_comes_twice_happens_once,
    |db| async {
        let story = Story::begin(db).await;
        let slack = &story.world.slack;
        assert_eq!(slack.command(ADA, ENG, "/orchestrate", "Write tests for each of api, web").await.status, 200);
        assert_eq!(slack.redeliver_last().await.status, 200);
        assert_eq!(story.undecided().await, 1);
        story.until("[Approve]").await;
        assert_eq!(story.runs().len(), 1);

        let proposal = story.message_with("baton.approve");
        assert_eq!(slack.click(GRACE, &proposal.ts, "baton.approve").await.unwrap().status, 200);
        assert_eq!(slack.redeliver_last().await.status, 200);
        assert_eq!(story.undecided().await, 1);
        story.until("Done").await;
        assert_eq!(story.runs().len(), 3, "a parent and two children");

        slack.say(ADA, ENG, Some(&story.root()), "Which of them should be merged first?").await;
        assert_eq!(slack.redeliver_last().await.status, 200);
        story.wait(Duration::from_secs(20)).await;
        assert_eq!(slack.redeliver_last().await.status, 200);
        story.wait(Duration::from_secs(20)).await;
        let told = &story.world.oz.runs()[0].follow_ups;
        assert_eq!(told.iter().filter(|text| text.contains("merged first")).count(), 1, "{told:#?}");
        assert_eq!(story.thread_text().matches("[Stop]").count(), 0);
        story.end().await;
    }
);

on_both!(an_organisation_may_install_baton_for_all_its_workspaces, |db| async {
    let story = Story::begin(db).await;
    story.world.slack.knobs(|knobs| knobs.org_install = true);
    story.orchestrate("Write tests for each of api, web").await;
    story.until("[Approve]").await;
    story.press(GRACE, "baton.approve").await;
    story.until("Done").await;
    story.reply(ADA, "What is left to do?").await;
    story.until("I split it along").await;
    story.command(ADA, "/oz", "list").await;
    assert!(story.told(ADA).last().unwrap().contains("Write tests for each of api, web"));
    story.end().await;
});

on_both!(
    /// Other apps put blocks and numbers into messages that nobody here has heard of.
    what_is_odd_about_a_message_does_not_matter,
    |db| async {
        let story = Story::begin(db).await;
        let ts = story.say(ADA, "Fix the build").await;
        let mut event = mention("Fix the build", &ts);
        event["blocks"] = json!([{"type": "hologram", "depth": 3, "text": 7, "elements": {"not": "a list"}}]);
        event["metadata"] = json!({"event_type": "odd", "event_payload": {"n": 1, "deep": {"list": [1, null]}}});
        event["files"] = json!([{"id": 7, "size": "large"}]);
        event["attachments"] = json!({"not": "a list"});
        assert_eq!(story.world.slack.event(event).await.status, 200);
        story.until("[Approve]").await;
        story.press(ADA, "baton.approve").await;
        story.until("Done").await;
        story.end().await;
    }
);

on_both!(
    /// Whatever the database does, the answer comes before Slack gives up, and it is never a 200.
    /// Slack's next attempt is not mistaken for a duplicate.
    what_cannot_be_stored_comes_again,
    |db| async {
        let story = Story::begin(db.clone()).await;
        let slack = &story.world.slack;
        let ts = story.say(ADA, "The build is red").await;
        story.settle().await;

        let mut somebody = db.outsider().await;
        somebody.hold_the_inbox().await;
        let began = Instant::now();
        let answer = slack.event(mention("Fix the build", &ts)).await;
        assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
        assert_eq!(answer.status, 503);
        somebody.run("ROLLBACK").await;
        story.settle().await;
        assert!(story.runs().is_empty());

        story.until("[Approve]").await;
        assert_eq!(story.runs().len(), 1);
        assert!(story.thread_text().contains("Fix the build"));
        assert_eq!(slack.undelivered(), 0);
        story.end().await;
    }
);
