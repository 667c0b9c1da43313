//! `[[route]]`, which lives in the file only.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{
    fields::Fields,
    keys::{check_keys, nearest},
    policies,
};
use crate::domain::{
    policy::Policy,
    route::{Launch, Route, Routes},
    run::RunSettings,
};

const ROUTE: [&str; 14] = [
    "slack_channel",
    "slack_workspace",
    "linear_team",
    "linear_label",
    "linear_project",
    "notify_slack_channel",
    "environment",
    "model",
    "harness",
    "host",
    "max_children",
    "parallelism",
    "launch",
    "policy",
];

/// More children than a proposal may have cannot be allowed either.
pub(super) const MOST_CHILDREN: u32 = 200;

/// All routes of the file over `defaults`, with a sentence in `faults` for each mistake.
pub fn read(file: &Table, defaults: RunSettings, faults: &mut Vec<String>) -> Routes {
    let people = policies::read_people(file.get("person"), faults);
    let policies = policies::read(file.get("policy"), &people, faults);
    let routes = read_routes(file.get("route"), &policies, faults);
    Routes { routes, policies, defaults, limits: policies::read_limits(file.get("limits"), faults) }
}

fn read_routes(value: Option<&Value>, policies: &BTreeMap<String, Policy>, faults: &mut Vec<String>) -> Vec<Route> {
    let tables: Option<Vec<&Table>> = match value {
        None => return Vec::new(),
        Some(Value::Array(tables)) => tables.iter().map(Value::as_table).collect(),
        Some(_) => None,
    };
    let Some(tables) = tables else {
        faults.push("Routes are written as [[route]], with two brackets.".into());
        return Vec::new();
    };
    let mut routes = Vec::new();
    for (index, table) in tables.into_iter().enumerate() {
        let place = format!("[[route]] {}", index + 1);
        check_keys(&place, table, &ROUTE, faults);
        routes.push(read_route(policies, &mut Fields { place, table, faults }));
    }
    routes
}

fn read_route(policies: &BTreeMap<String, Policy>, fields: &mut Fields<'_>) -> Route {
    let policy = fields.text("policy");
    if let Some(name) = policy.as_ref().filter(|name| !policies.contains_key(*name)) {
        let hint = match nearest(name, policies.keys().map(String::as_str)) {
            "" => "there is none in the file".to_owned(),
            near => format!("did you mean {near:?}?"),
        };
        fields.fault("policy", &format!("names {name:?}, which is not a policy; {hint}"));
    }
    Route {
        slack_channel: fields.slack_id("slack_channel", &["C", "G", "D"], "C0123456789"),
        slack_workspace: fields.slack_id("slack_workspace", &["T", "E"], "T0123456789"),
        linear_team: fields.text("linear_team"),
        linear_label: fields.text("linear_label"),
        linear_project: fields.text("linear_project"),
        notify_slack_channel: fields.slack_channel("notify_slack_channel"),
        settings: RunSettings {
            environment: fields.text("environment"),
            model: fields.text("model"),
            harness: fields
                .word("harness", &[("oz", "oz"), ("claude", "claude"), ("codex", "codex"), ("gemini", "gemini")])
                .map(str::to_owned),
            host: fields.text("host"),
            parallelism: fields.count("parallelism", MOST_CHILDREN),
            ..RunSettings::default()
        },
        max_children: fields.count("max_children", MOST_CHILDREN),
        launch: fields.word("launch", &[("exact", Launch::Exact), ("agent", Launch::Agent)]).unwrap_or_default(),
        policy,
    }
}
