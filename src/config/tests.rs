//! Every mistake has its sentence.

use std::{collections::BTreeMap, time::Duration};

use secrecy::ExposeSecret;

use super::*;
use crate::domain::{
    actor::{Actor, Platform},
    conversation::Conversation,
    policy::{Approver, Breach, Limits},
    route::Launch,
};

const LINEAR: [(&str, &str); 4] = [
    ("LINEAR_WEBHOOK_SECRET", "lin_wh_new,lin_wh_old"),
    ("LINEAR_CLIENT_ID", "client-1"),
    ("LINEAR_CLIENT_SECRET", "hush-client"),
    ("WARP_API_KEY", "wk-1"),
];
/// 32 bytes.
const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

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
    for named in ["SLACK_BOT_TOKEN", "LINEAR_WEBHOOK_SECRET", "`baton dev`"] {
        assert!(refusal.contains(named), "{refusal}");
    }
}

#[test]
fn what_is_kept_is_kept_for_as_long_as_it_is_set() {
    assert_eq!(settings("", &[]).expect("settings").retention, RetentionSettings::default());
    let file = "[retention]\nevents = \"72h\"\norchestrations = \"90d\"";
    let retention = settings(file, &[("BATON_RETENTION_DELIVERIES", "48h")]).expect("settings").retention;
    let hours = Duration::from_hours;
    let wanted = RetentionSettings { events: hours(72), deliveries: hours(48), orchestrations: Some(hours(90 * 24)) };
    assert_eq!(retention, wanted);
    only_fault(
        "[retention]\nevents = \"71h\"",
        &[],
        "BATON_RETENTION_EVENTS (retention.events) must be at least 72h, not \"71h\".",
    );
    only_fault(
        "",
        &[("BATON_RETENTION_ORCHESTRATIONS", "24h")],
        "BATON_RETENTION_ORCHESTRATIONS (retention.orchestrations) must be at least 720h, not \"24h\".",
    );
    only_fault("[retention]\naudit = \"1d\"", &[], "[retention]: audit is not a setting; did you mean events?");
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
fn linear_alone_is_enough_to_serve() {
    let settings = settings("", &LINEAR).expect("settings").for_serving().expect("settings");
    assert!(settings.slack.is_none());
    let linear = settings.linear.expect("Linear");
    let secrets: Vec<&str> = linear.webhook_secrets.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(secrets, ["lin_wh_new", "lin_wh_old"]);
    assert_eq!(linear.api_url.as_str(), "https://api.linear.app/");
    assert_eq!(linear.window, Duration::from_mins(1));

    let file = format!(
        "[linear]\nwebhook_secret = \"in-file\"\nclient_id = \"a\"\nclient_secret = \"b\"\naccess_token = \"\"\n\
         api_url = \"http://127.0.0.1:9/api/\"\nwebhook_window = \"7h\"\n[storage]\nencryption_key = \"{KEY}\"\n\
         [oz]\napi_key = \"wk\""
    );
    let linear = self::settings(&file, &[]).expect("settings").linear.expect("Linear");
    assert_eq!((linear.api_url.as_str(), linear.window), ("http://127.0.0.1:9/api", Duration::from_hours(7)));
}

#[test]
fn how_linears_tokens_are_come_by_follows_from_what_is_set() {
    let credentials = |more: &[(&str, &str)]| {
        settings("", &[LINEAR.as_slice(), more].concat()).expect("settings").linear.expect("Linear").credentials
    };
    let address = ("BATON_PUBLIC_URL", "https://baton.example.com");
    let key = ("BATON_ENCRYPTION_KEY", KEY);
    assert!(matches!(credentials(&[]), LinearCredentials::Client { id, .. } if id == "client-1"));
    assert!(matches!(credentials(&[address]), LinearCredentials::Client { .. }));
    assert!(matches!(credentials(&[key]), LinearCredentials::Client { .. }));
    assert!(matches!(credentials(&[address, key]), LinearCredentials::Install { id, .. } if id == "client-1"));
    let fixed = credentials(&[address, key, ("LINEAR_ACCESS_TOKEN", "lin_api_1")]);
    assert!(matches!(fixed, LinearCredentials::Fixed(token) if token.expose_secret() == "lin_api_1"));
}

#[test]
fn slack_is_installed_where_there_is_no_token() {
    let client = [("SLACK_SIGNING_SECRET", "s"), ("SLACK_CLIENT_ID", "1.2"), ("SLACK_CLIENT_SECRET", "hush"), SLACK[2]];
    let address = ("BATON_PUBLIC_URL", "https://baton.example.com");
    let key = ("BATON_ENCRYPTION_KEY", KEY);
    let credentials = |more: &[(&str, &str)]| {
        settings("", &[client.as_slice(), more].concat()).expect("settings").slack.expect("Slack").credentials
    };
    assert!(matches!(credentials(&[address, key]), SlackCredentials::Install { id, .. } if id == "1.2"));
    let fixed = credentials(&[SLACK[1]]);
    assert!(matches!(fixed, SlackCredentials::Fixed(token) if token.expose_secret() == "xoxb-1"));

    let needs = |name: &str| format!("{name} is not set, and installs into Slack's workspaces need it.");
    let all = |more: &[(&'static str, &'static str)]| [client.as_slice(), more].concat();
    only_fault("", &all(&[address]), &needs("BATON_ENCRYPTION_KEY (storage.encryption_key)"));
    only_fault("", &all(&[key]), &needs("BATON_PUBLIC_URL (server.public_url)"));
    let [secret, id, hush, oz] = client;
    only_fault(
        "",
        &[secret, id, oz, address, key],
        "SLACK_CLIENT_SECRET (slack.client_secret) is not set, and Slack needs it.",
    );
    only_fault(
        "",
        &[id, hush, oz, address, key],
        "SLACK_SIGNING_SECRET (slack.signing_secret) is not set, and Slack needs it.",
    );
}

#[test]
fn linear_needs_a_webhook_secret_and_credentials() {
    let [secret, id, client_secret, key] = LINEAR;
    only_fault(
        "",
        &[id, client_secret, key],
        "LINEAR_WEBHOOK_SECRET (linear.webhook_secret) is not set, and Linear needs it.",
    );
    only_fault(
        "",
        &[secret, client_secret, key],
        "LINEAR_CLIENT_ID (linear.client_id) is not set, and Linear needs it.",
    );
    only_fault("", &[secret, id, key], "LINEAR_CLIENT_SECRET (linear.client_secret) is not set, and Linear needs it.");
    only_fault(
        "",
        &[secret, key],
        "Linear needs LINEAR_CLIENT_ID (linear.client_id) and LINEAR_CLIENT_SECRET (linear.client_secret), \
         or LINEAR_ACCESS_TOKEN (linear.access_token), and none of them is set.",
    );
    only_fault("", &LINEAR[..3], "WARP_API_KEY (oz.api_key) is not set, and nothing can run without it.");
}

#[test]
fn no_secret_is_printed() {
    let variables = [
        SLACK.as_slice(),
        &LINEAR[..3],
        &[("BATON_DATABASE_URL", "postgres://u:hush@h/d"), ("BATON_ENCRYPTION_KEY", KEY)],
    ]
    .concat();
    let printed = format!("{:?}", settings("", &variables).expect("settings"));
    for secret in ["new", "old", "xoxb-1", "wk-1", "lin_wh", "AQEB", "hush"] {
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
        (
            "BATON_ENCRYPTION_KEY",
            "c2hvcnQ=",
            "BATON_ENCRYPTION_KEY (storage.encryption_key) must be 32 bytes in base64, as `openssl rand -base64 32` \
             prints them."
                .into(),
        ),
        ("SLACK_API_URL", "slack", format!("SLACK_API_URL (slack.api_url) {address}.")),
        ("LINEAR_API_URL", "linear", format!("LINEAR_API_URL (linear.api_url) {address}.")),
        (
            "LINEAR_WEBHOOK_WINDOW",
            "25h",
            "LINEAR_WEBHOOK_WINDOW (linear.webhook_window) must be at most 24h, not \"25h\".".into(),
        ),
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
    assert!(
        sentences.iter().any(|sentence| sentence.starts_with("Slack needs SLACK_BOT_TOKEN (slack.bot_token), or "))
    );
}

#[test]
fn slack_needs_all_three() {
    let [secret, token, key] = SLACK;
    only_fault("", &[token, key], "SLACK_SIGNING_SECRET (slack.signing_secret) is not set, and Slack needs it.");
    only_fault(
        "",
        &[secret, key],
        "Slack needs SLACK_BOT_TOKEN (slack.bot_token), or SLACK_CLIENT_ID (slack.client_id) and SLACK_CLIENT_SECRET \
         (slack.client_secret), and none of them is set.",
    );
    only_fault("", &[secret, token], "WARP_API_KEY (oz.api_key) is not set, and nothing can run without it.");
}

#[test]
fn an_unknown_name_is_told_with_the_nearest_known_one() {
    for (file, wanted) in [
        ("[server]\nlisten_on = \"x\"", "[server]: listen_on is not a setting; did you mean listen?"),
        ("[slak]\nbot_token = \"x\"", "[slak] is not a section; did you mean [slack]?"),
        ("[liner]\nclient_id = \"x\"", "[liner] is not a section; did you mean [linear]?"),
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
fn with_an_app_token_slack_sends_no_webhooks() {
    let [_, token, key] = SLACK;
    let read = settings("[slack]\napp_token = \"xapp-1\"", &[token, key]).expect("settings").slack.expect("Slack");
    assert_eq!((read.app_token.is_some(), read.signing_secrets.len()), (true, 0));
    only_fault("[slack]\napp_token = \"xoxb-1\"", &SLACK, "SLACK_APP_TOKEN (slack.app_token) must begin with xapp-.");
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
        remind_after = ["3h", "1h"]
        escalate_to = ["slack:U2"]
        max_children = 12
        max_concurrent = 10
        daily_credits = 500
        [policy.standard.auto_approve]
        max_children = 1
        environments = ["sandbox"]
        max_credits = 20

        [limits]
        max_concurrent = 100
        max_per_place = 3
        daily_credits = 9000

        [[person]]
        slack = "U024BE7LH"
        email = "ada@example.com"
    "#;
    let routes = settings(file, &[("OZ_ENVIRONMENT_ID", "usual")]).expect("settings").routes;
    let terms = routes.terms(&Conversation::slack("T1", "C0123456789", None), None);
    assert_eq!(terms.settings.environment.as_deref(), Some("sandbox"));
    assert_eq!(terms.settings.harness.as_deref(), Some("claude"));
    assert_eq!((terms.max_children, terms.settings.parallelism, terms.launch), (Some(12), Some(4), Launch::Agent));
    assert_eq!(terms.policy.name, "standard");
    assert_eq!((terms.policy.quorum, terms.policy.self_approval, terms.policy.breach), (2, false, Breach::Report));
    assert_eq!(terms.policy.expires_after, Duration::from_hours(12));
    let ada = Actor::slack("T1", "U024BE7LH");
    assert_eq!(terms.policy.approvers[0], Approver::Member { platform: Platform::Slack, id: ada.id.clone() });
    assert_eq!(terms.policy.remind_after, [Duration::from_hours(1), Duration::from_hours(3)]);
    assert_eq!((terms.policy.max_concurrent, terms.policy.daily_credits), (Some(10), Some(500)));
    let auto = terms.policy.auto_approve.as_ref().expect("a section");
    assert_eq!((auto.max_children, auto.max_credits, auto.credits_per_child), (Some(1), Some(20), None));
    assert_eq!(terms.policy.people[0].slack, Some(ada.id));

    let elsewhere = routes.terms(&Conversation::slack("T1", "C2", None), None);
    assert_eq!(elsewhere.settings.environment.as_deref(), Some("usual"));
    assert_eq!(elsewhere.policy.name, "default");
    let limits = Limits { max_concurrent: Some(100), max_per_place: Some(3), daily_credits: Some(9000) };
    assert_eq!((terms.policy.limits, elsewhere.policy.limits), (limits, limits), "whatever the policy");
}

#[test]
fn the_policy_called_default_is_that_of_whatever_has_none() {
    let file = "[policy.default]\nquorum = 2\nmax_children = 4\n[[route]]\nslack_channel = \"C1\"";
    let routes = settings(file, &[]).expect("settings").routes;
    for place in ["C1", "C2"] {
        let terms = routes.terms(&Conversation::slack("T1", place, None), None);
        assert_eq!((terms.policy.quorum, terms.max_children), (2, Some(4)), "{place}");
    }
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
            "[[route]]\nnotify_slack_channel = \"acme/C0123456789\"",
            "[[route]] 1: notify_slack_channel must be an id such as C0123456789 or T0123456789/C0123456789, not \
             \"acme/C0123456789\".",
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
            "[policy.a]: approvers has \"@ada\", which is none of slack:U024BE7LH, slack-group:S0614TZR7, linear:9c3e…, \
             email:ada@example.com and email:*@example.com.",
        ),
        (
            "[policy.a]\napprovers = [\"email:a*@example.com\"]",
            "[policy.a]: approvers has \"email:a*@example.com\"; a star stands for everything before the @.",
        ),
        ("[policy.a]\nremind_after = [\"25h\"]", "[policy.a]: remind_after must be shorter than expires_after."),
        (
            "[policy.a]\nremind_after = [\"soon\"]",
            "[policy.a]: remind_after must be a duration such as 250ms, 3s or 24h, not \"soon\".",
        ),
        (
            "[policy.a]\nescalate_to = [\"slack:U1\"]",
            "[policy.a]: escalate_to needs remind_after: they are told with the last reminder.",
        ),
        (
            "[policy.a]\nremind_after = [\"1h\"]\nescalate_to = [\"email:*@example.com\"]",
            "[policy.a]: escalate_to has \"email:*@example.com\", and only a member such as slack:U024BE7LH can be told.",
        ),
        ("limits = 1", "limits must be a section: [limits]."),
        ("[limits]\nmax_children = 1", "[limits]: max_children is not a setting; did you mean max_concurrent?"),
        ("[limits]\nmax_per_place = 0", "[limits]: max_per_place must be a whole number from 1 to 10000."),
        ("[policy.a]\nmax_concurrent = 0", "[policy.a]: max_concurrent must be a whole number from 1 to 10000."),
        ("[policy.a]\ndaily_credits = 1.5", "[policy.a]: daily_credits must be a whole number from 1 to 10000000."),
        ("[policy.a]\nauto_approve = true", "[policy.a]: auto_approve must be a section: [policy.a.auto_approve]."),
        (
            "[policy.a.auto_approve]",
            "[policy.a.auto_approve]: max_children, environments or max_credits is needed; \
             without any, everything would be approved.",
        ),
        (
            "[policy.a.auto_approve]\nmax_childs = 1\nmax_children = 1",
            "[policy.a.auto_approve]: max_childs is not a setting; did you mean max_children?",
        ),
        (
            "[policy.a.auto_approve]\nmax_children = 1\ncredits_per_child = 2",
            "[policy.a.auto_approve]: credits_per_child has no effect without max_credits.",
        ),
        ("[person]\nslack = \"U1\"", "People are written as [[person]], with two brackets."),
        ("[[person]]\nslack = \"U1\"", "[[person]] 1: two of slack, linear and email are needed to say who is who."),
        (
            "[[person]]\nslack = \"U1\"\nlinear = \"a\"\n[[person]]\nlinear = \"a\"\nemail = \"a@example.com\"",
            "[[person]] 2: somebody above is the same person.",
        ),
        ("[policy.a]\nstarters = [\"slack:U1\", \"slack:U1\"]", "[policy.a]: starters has \"slack:U1\" twice."),
        ("[policy.a]\nbreach = \"ignore\"", "[policy.a]: breach must be one of cancel, report, not \"ignore\"."),
    ] {
        only_fault(file, &[], wanted);
    }
}

#[test]
fn settings_that_are_printed_show_no_secret() {
    let secrets = [
        ("BATON_ADMIN_TOKEN", "hush-admin"),
        ("BATON_DATABASE_URL", "postgres://baton:hush-password@localhost/baton"),
        ("BATON_ENCRYPTION_KEY", KEY),
        ("BATON_PUBLIC_URL", "https://baton.example.com"),
        ("SLACK_SIGNING_SECRET", "hush-new,hush-old"),
        ("SLACK_BOT_TOKEN", "xoxb-hush"),
        ("LINEAR_WEBHOOK_SECRET", "lin_wh_hush"),
        ("LINEAR_CLIENT_ID", "client-1"),
        ("LINEAR_CLIENT_SECRET", "hush-client"),
        ("WARP_API_KEY", "wk-hush"),
    ];
    let printed = format!("{:#?}", settings("", &secrets).expect("settings"));
    assert!(!printed.contains("hush") && !printed.contains(KEY), "{printed}");
    assert!(printed.contains("client-1"), "what is not secret is shown");
}

#[test]
fn a_variable_that_is_misspelt() {
    for (name, meant) in [
        ("BATON_PUBLC_URL", Some("BATON_PUBLIC_URL")),
        ("BATON_ADMIN_TOKENS", Some("BATON_ADMIN_TOKEN")),
        ("SLACK_BOT_TOKN", Some("SLACK_BOT_TOKEN")),
        ("BATON_LISTEN", None),
        ("SLACK_APP_TOKEN", None),
        ("BATON_PORT", None),
        ("BATON_SERVICE_HOST", None),
        ("BATON_TEST_POSTGRES_URL", None),
        ("BATON_BENCH_POSTGRES_URL", None),
        ("PATH", None),
    ] {
        let sentence = meant.map(|meant| format!("{name} is not a setting; did you mean {meant}?"));
        assert_eq!(keys::misspelt(name), sentence, "{name}");
    }
}
