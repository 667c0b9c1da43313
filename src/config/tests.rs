//! Every mistake has its sentence.

use std::{collections::BTreeMap, time::Duration};

use secrecy::ExposeSecret;

use super::*;
use crate::domain::{
    actor::{Actor, Platform},
    conversation::Conversation,
    policy::{Approver, Breach},
    route::Launch,
};

const SLACK: [(&str, &str); 3] =
    [("SLACK_SIGNING_SECRET", "new,old"), ("SLACK_BOT_TOKEN", "xoxb-1"), ("WARP_API_KEY", "wk-1")];

fn settings(file: &str, variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("baton.toml");
    fs::write(&path, file).expect("a file");
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    load(Some(&path), &|name| variables.get(name).map(|value| (*value).to_owned())).map_err(|faults| faults.sentences)
}

#[track_caller]
fn only_fault(file: &str, variables: &[(&str, &str)], wanted: &str) {
    let sentences = settings(file, variables).expect_err(wanted);
    assert_eq!(sentences, [wanted]);
}

#[test]
fn nothing_set_gives_the_defaults() {
    let settings = settings("", &[("BATON_LISTEN", "")]).expect("settings");
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:7300");
    assert_eq!(settings.storage.url.expose_secret(), "sqlite://baton.db");
    assert_eq!(settings.log.filter, "info");
    assert!(settings.slack.is_none() && settings.oz.is_none() && settings.server.public_url.is_none());
    let refusal = settings.for_serving().expect_err("faults").to_string();
    assert!(refusal.contains("SLACK_BOT_TOKEN") && refusal.contains("`baton dev`"), "{refusal}");
}

#[test]
fn the_environment_wins_over_the_file() {
    let file = r#"
        [server]
        listen = "127.0.0.1:1"
        public_url = "https://baton.example.com"
        [slack]
        signing_secret = "in-file"
        bot_token = "xoxb-file"
        api_url = "http://127.0.0.1:9/api"
        [oz]
        api_key = "wk-file"
        base_url = "https://oz.example.com/api/v1/"
        environment = "env-file"
        poll_interval = "250ms"
        [log]
        format = "json"
    "#;
    let variables =
        [("BATON_LISTEN", "127.0.0.1:2"), ("OZ_ENVIRONMENT_ID", "env-variable"), ("SLACK_SIGNING_SECRET", "new,old")];
    let settings = settings(file, &variables).expect("settings").for_serving().expect("settings");
    assert_eq!(settings.server.listen.port(), 2);
    assert_eq!(settings.log.format, LogFormat::Json);
    assert_eq!(settings.routes.defaults.environment.as_deref(), Some("env-variable"));
    let slack = settings.slack.expect("Slack");
    let secrets: Vec<&str> = slack.signing_secrets.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(secrets, ["new", "old"]);
    assert_eq!(slack.api_url.as_str(), "http://127.0.0.1:9/api/");
    let oz = settings.oz.expect("Oz");
    assert_eq!(oz.base_url.as_str(), "https://oz.example.com/api/v1");
    assert_eq!(oz.poll_interval, Duration::from_millis(250));
}

#[test]
fn no_secret_is_printed() {
    let variables = [SLACK.as_slice(), &[("BATON_DATABASE_URL", "postgres://u:hush@h/d")]].concat();
    let printed = format!("{:?}", settings("", &variables).expect("settings"));
    for secret in ["new", "old", "xoxb-1", "wk-1", "hush"] {
        assert!(!printed.contains(&format!("\"{secret}")) && !printed.contains("hush"), "{printed}");
    }
}

#[test]
fn each_wrong_value_names_its_setting() {
    let address = "must be an address such as https://baton.example.com";
    for (variable, value, wanted) in [
        (
            "BATON_LISTEN",
            "7300",
            "BATON_LISTEN (server.listen) must be an IP address and a port such as 127.0.0.1:7300, not \"7300\"."
                .to_owned(),
        ),
        ("BATON_PUBLIC_URL", "baton", format!("BATON_PUBLIC_URL (server.public_url) {address}.")),
        (
            "BATON_ADMIN_TOKEN",
            "a b",
            "BATON_ADMIN_TOKEN (server.admin_token) has a space or another character that no secret has.".into(),
        ),
        (
            "BATON_DATABASE_URL",
            "baton.db",
            "BATON_DATABASE_URL (storage.url) must begin with sqlite:// or postgres://.".into(),
        ),
        ("SLACK_API_URL", "slack", format!("SLACK_API_URL (slack.api_url) {address}.")),
        (
            "OZ_API_BASE_URL",
            "http://warp.dev",
            "OZ_API_BASE_URL (oz.base_url) must begin with https:// (http:// only for this machine).".into(),
        ),
        (
            "BATON_OZ_POLL_INTERVAL",
            "3",
            "BATON_OZ_POLL_INTERVAL (oz.poll_interval) must be a duration such as 250ms, 3s or 24h, not \"3\".".into(),
        ),
        (
            "BATON_LOG",
            "baton=loud",
            "BATON_LOG (log.filter) must be a level such as info, or levels by module, not \"baton=loud\".".into(),
        ),
        ("BATON_LOG_FORMAT", "xml", "BATON_LOG_FORMAT (log.format) must be text or json, not \"xml\".".into()),
    ] {
        only_fault("", &[(variable, value)], &wanted);
    }
    only_fault("[oz]\npoll_interval = 3", &[], "BATON_OZ_POLL_INTERVAL (oz.poll_interval) must be text in quotes.");
}

#[test]
fn all_mistakes_are_told_at_once() {
    let wrong = [("BATON_LISTEN", "x"), ("SLACK_SIGNING_SECRET", "s"), ("BATON_LOG_FORMAT", "xml")];
    let sentences = settings("[slak]\na = 1", &wrong).expect_err("faults");
    assert_eq!(sentences.len(), 5, "{sentences:?}");
    assert!(sentences.contains(&"SLACK_BOT_TOKEN (slack.bot_token) is not set, and Slack needs it.".into()));
}

#[test]
fn slack_needs_all_three() {
    let [secret, token, key] = SLACK;
    only_fault("", &[token, key], "SLACK_SIGNING_SECRET (slack.signing_secret) is not set, and Slack needs it.");
    only_fault("", &[secret, key], "SLACK_BOT_TOKEN (slack.bot_token) is not set, and Slack needs it.");
    only_fault("", &[secret, token], "WARP_API_KEY (oz.api_key) is not set, and nothing can run without it.");
}

#[test]
fn an_unknown_name_is_told_with_the_nearest_known_one() {
    for (file, wanted) in [
        ("[server]\nlisten_on = \"x\"", "[server]: listen_on is not a setting; did you mean listen?"),
        ("[slak]\nbot_token = \"x\"", "[slak] is not a section; did you mean [slack]?"),
        ("bot_tokn = \"x\"", "bot_tokn is not a setting; did you mean slack.bot_token?"),
        ("[[routes]]\n", "[routes] is not a section; did you mean [route]?"),
        ("slack = 1", "slack must be a section: [slack]."),
        ("[[route]]\nslack_chanel = \"C1\"", "[[route]] 1: slack_chanel is not a setting; did you mean slack_channel?"),
        ("[policy.a]\nquorom = 1", "[policy.a]: quorom is not a setting; did you mean quorum?"),
    ] {
        only_fault(file, &[], wanted);
    }
}

#[test]
fn what_a_later_release_will_have_is_told_as_such() {
    for (file, wanted) in [
        ("[linear]\nwebhook_secret = \"x\"", "[linear] is not in this release."),
        ("[slack]\napp_token = \"x\"", "[slack]: app_token is not in this release."),
        ("[[route]]\nlinear_team = \"ENG\"", "[[route]] 1: linear_team is not in this release."),
        ("[policy.a.auto_approve]\nmax_children = 1", "[policy.a]: auto_approve is not in this release."),
        (
            "[policy.a]\napprovers = [\"email:*@x\"]",
            "[policy.a]: approvers has \"email:*@x\", which is not in this release.",
        ),
    ] {
        only_fault(file, &[], wanted);
    }
    let key = [("BATON_ENCRYPTION_KEY", "x"), ("SLACK_CLIENT_ID", "")];
    only_fault("", &key, "BATON_ENCRYPTION_KEY (storage.encryption_key) is not in this release.");
}

#[test]
fn a_file_that_cannot_be_used_is_told_without_quoting_it() {
    let sentences = settings("[slack]\nbot_token = xoxb-secret\n", &[]).expect_err("faults");
    let [sentence] = sentences.as_slice() else { panic!("{sentences:?}") };
    assert!(sentence.contains("is not TOML: line 2") && !sentence.contains("xoxb-secret"), "{sentence}");

    let missing =
        load(Some(Path::new("/nowhere/baton.toml")), &|name| (name == "BATON_LOG_FORMAT").then(|| "json".into()));
    let faults = missing.expect_err("faults");
    assert!(faults.to_string().starts_with("The settings file /nowhere/baton.toml cannot be read"), "{faults}");
    assert_eq!(faults.log.format, LogFormat::Json);
}

#[test]
fn the_log_is_known_even_when_the_rest_is_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("baton.toml");
    fs::write(&path, "[log]\nformat = \"json\"\n[server]\nlisten = \"x\"").expect("a file");
    assert_eq!(load(Some(&path), &|_| None).expect_err("faults").log.format, LogFormat::Json);
}

#[test]
fn routes_and_policies_become_terms() {
    let file = r#"
        [[route]]
        slack_channel = "C0123456789"
        environment = "sandbox"
        harness = "claude"
        max_children = 20
        parallelism = 4
        launch = "agent"
        policy = "standard"

        [policy.standard]
        approvers = ["slack:U024BE7LH", "linear:9c3e-1"]
        quorum = 2
        self_approval = false
        expires_after = "12h"
        starters = ["slack:U1"]
        breach = "report"
    "#;
    let routes = settings(file, &[("OZ_ENVIRONMENT_ID", "usual")]).expect("settings").routes;
    let terms = routes.terms(&Conversation::slack("T1", "C0123456789", None));
    assert_eq!(terms.settings.environment.as_deref(), Some("sandbox"));
    assert_eq!(terms.settings.harness.as_deref(), Some("claude"));
    assert_eq!((terms.max_children, terms.settings.parallelism, terms.launch), (Some(20), Some(4), Launch::Agent));
    assert_eq!(terms.policy.name, "standard");
    assert_eq!((terms.policy.quorum, terms.policy.self_approval, terms.policy.breach), (2, false, Breach::Report));
    assert_eq!(terms.policy.expires_after, Duration::from_hours(12));
    let ada = Actor::slack("T1", "U024BE7LH");
    assert_eq!(terms.policy.approvers[0], Approver::Member { platform: Platform::Slack, id: ada.id });

    let elsewhere = routes.terms(&Conversation::slack("T1", "C2", None));
    assert_eq!(elsewhere.settings.environment.as_deref(), Some("usual"));
    assert_eq!(elsewhere.policy.name, "default");
}

#[test]
fn each_mistake_in_a_route_or_policy_names_its_place() {
    for (file, wanted) in [
        ("[route]\nmodel = \"auto\"", "Routes are written as [[route]], with two brackets."),
        (
            "[[route]]\n[[route]]\npolicy = \"standart\"\n[policy.standard]",
            "[[route]] 2: policy names \"standart\", which is not a policy; did you mean \"standard\"?",
        ),
        (
            "[[route]]\npolicy = \"x\"",
            "[[route]] 1: policy names \"x\", which is not a policy; there is none in the file.",
        ),
        (
            "[[route]]\nslack_channel = \"#general\"",
            "[[route]] 1: slack_channel must be an id such as C0123456789, not \"#general\".",
        ),
        (
            "[[route]]\nslack_workspace = \"acme\"",
            "[[route]] 1: slack_workspace must be an id such as T0123456789, not \"acme\".",
        ),
        ("[[route]]\nharness = \"gpt\"", "[[route]] 1: harness must be one of oz, claude, codex, gemini, not \"gpt\"."),
        ("[[route]]\nlaunch = \"auto\"", "[[route]] 1: launch must be one of exact, agent, not \"auto\"."),
        ("[[route]]\nmax_children = 0", "[[route]] 1: max_children must be a whole number from 1 to 200."),
        ("[[route]]\nparallelism = \"4\"", "[[route]] 1: parallelism must be a whole number from 1 to 200."),
        ("[[route]]\nmodel = 1", "[[route]] 1: model must be text in quotes."),
        ("policy = \"standard\"", "A policy has a name: [policy.NAME]."),
        ("[policy]\nquorum = 1", "[policy.quorum] must be a section; a policy has a name: [policy.NAME]."),
        ("[policy.a]\nquorum = -1", "[policy.a]: quorum must be a whole number from 1 to 100."),
        (
            "[policy.a]\nquorum = 2\napprovers = [\"slack:U1\"]",
            "[policy.a]: quorum of 2 can never be reached by 1 of approvers.",
        ),
        ("[policy.a]\nself_approval = \"no\"", "[policy.a]: self_approval must be true or false."),
        (
            "[policy.a]\nexpires_after = \"1 day\"",
            "[policy.a]: expires_after must be a duration such as 250ms, 3s or 24h, not \"1 day\".",
        ),
        ("[policy.a]\napprovers = \"slack:U1\"", "[policy.a]: approvers must be a list such as [\"slack:U024BE7LH\"]."),
        (
            "[policy.a]\napprovers = [\"@ada\"]",
            "[policy.a]: approvers has \"@ada\", which is not a person such as slack:U024BE7LH.",
        ),
        ("[policy.a]\nstarters = [\"slack:U1\", \"slack:U1\"]", "[policy.a]: starters has \"slack:U1\" twice."),
        ("[policy.a]\nbreach = \"ignore\"", "[policy.a]: breach must be one of cancel, report, not \"ignore\"."),
    ] {
        only_fault(file, &[], wanted);
    }
}
