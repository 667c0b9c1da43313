//! `[[route]]` and `[policy.NAME]`, which live in the file only.

use std::{collections::BTreeMap, time::Duration};

use toml::{Table, Value};

use super::{
    keys::{check_keys, nearest},
    values,
};
use crate::domain::{
    actor::Platform,
    policy::{Approver, Breach, Policy},
    route::{Launch, Route, Routes},
    run::RunSettings,
};

const ROUTE: [&str; 10] = [
    "slack_channel",
    "slack_workspace",
    "environment",
    "model",
    "harness",
    "host",
    "max_children",
    "parallelism",
    "launch",
    "policy",
];
const ROUTE_LATER: [&str; 4] = ["linear_team", "linear_label", "linear_project", "notify_slack_channel"];

const POLICY: [&str; 6] = ["approvers", "quorum", "self_approval", "expires_after", "starters", "breach"];
const POLICY_LATER: [&str; 5] = ["remind_after", "escalate_to", "max_concurrent", "daily_credits", "auto_approve"];

/// More children than a proposal may have cannot be allowed either.
const MOST_CHILDREN: u32 = 200;
/// More people than this never approve anything.
const MOST_APPROVERS: u32 = 100;

/// All routes and policies of the file over `defaults`, with a sentence in `faults` for each mistake.
pub fn read(file: &Table, defaults: RunSettings, faults: &mut Vec<String>) -> Routes {
    let policies = read_policies(file.get("policy"), faults);
    let routes = read_routes(file.get("route"), &policies, faults);
    Routes { routes, policies, defaults }
}

fn read_policies(value: Option<&Value>, faults: &mut Vec<String>) -> BTreeMap<String, Policy> {
    let tables = match value {
        None => return BTreeMap::new(),
        Some(Value::Table(tables)) => tables,
        Some(_) => {
            faults.push("A policy has a name: [policy.NAME].".into());
            return BTreeMap::new();
        }
    };
    let mut policies = BTreeMap::new();
    for (name, value) in tables {
        let place = format!("[policy.{name}]");
        let Value::Table(table) = value else {
            faults.push(format!("{place} must be a section; a policy has a name: [policy.NAME]."));
            continue;
        };
        check_keys(&place, table, &POLICY, &POLICY_LATER, faults);
        policies.insert(name.clone(), read_policy(name, &mut Fields { place, table, faults }));
    }
    policies
}

fn read_policy(name: &str, fields: &mut Fields<'_>) -> Policy {
    let usual = Policy::default();
    let policy = Policy {
        name: name.to_owned(),
        approvers: fields.people("approvers"),
        quorum: fields.count("quorum", MOST_APPROVERS).unwrap_or(usual.quorum),
        self_approval: fields.flag("self_approval").unwrap_or(usual.self_approval),
        starters: fields.people("starters"),
        expires_after: fields.duration("expires_after").unwrap_or(usual.expires_after),
        breach: fields
            .word("breach", &[("cancel", Breach::Cancel), ("report", Breach::Report)])
            .unwrap_or(usual.breach),
    };
    let people = policy.approvers.len();
    if people > 0 && policy.quorum as usize > people {
        fields.fault("quorum", &format!("of {} can never be reached by {people} of approvers", policy.quorum));
    }
    policy
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
        check_keys(&place, table, &ROUTE, &ROUTE_LATER, faults);
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

/// The keys of one table. A wrong one is a fault that names its place, and reads as not set.
struct Fields<'a> {
    /// As it stands in the file: `[policy.standard]`.
    place: String,
    table: &'a Table,
    faults: &'a mut Vec<String>,
}

impl Fields<'_> {
    fn fault(&mut self, key: &str, problem: &str) {
        let end = if problem.ends_with('?') { "" } else { "." };
        self.faults.push(format!("{}: {key} {problem}{end}", self.place));
    }

    fn text(&mut self, key: &str) -> Option<String> {
        match self.table.get(key)? {
            Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            _ => {
                self.fault(key, "must be text in quotes");
                None
            }
        }
    }

    /// An id of Slack's; people tend to write the channel's name.
    fn slack_id(&mut self, key: &str, first: &[&str], example: &str) -> Option<String> {
        let id = self.text(key)?;
        if first.iter().any(|first| id.starts_with(first)) && id.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Some(id);
        }
        self.fault(key, &format!("must be an id such as {example}, not {id:?}"));
        None
    }

    fn count(&mut self, key: &str, most: u32) -> Option<u32> {
        let number = self.table.get(key)?.as_integer().and_then(|number| u32::try_from(number).ok());
        if let Some(number) = number.filter(|number| (1..=most).contains(number)) {
            return Some(number);
        }
        self.fault(key, &format!("must be a whole number from 1 to {most}"));
        None
    }

    fn flag(&mut self, key: &str) -> Option<bool> {
        let flag = self.table.get(key)?.as_bool();
        if flag.is_none() {
            self.fault(key, "must be true or false");
        }
        flag
    }

    fn duration(&mut self, key: &str) -> Option<Duration> {
        let text = self.text(key)?;
        values::duration(&text).map_err(|problem| self.fault(key, &problem)).ok()
    }

    fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.fault(key, &format!("must be one of {}, not {text:?}", words.join(", ")));
        }
        found
    }

    fn people(&mut self, key: &str) -> Vec<Approver> {
        let Some(value) = self.table.get(key) else { return Vec::new() };
        let entries: Option<Vec<&str>> =
            value.as_array().and_then(|entries| entries.iter().map(Value::as_str).collect());
        let Some(entries) = entries else {
            self.fault(key, "must be a list such as [\"slack:U024BE7LH\"]");
            return Vec::new();
        };
        let mut people: Vec<Approver> = Vec::new();
        for entry in entries {
            match person(entry) {
                Ok(person) if people.contains(&person) => self.fault(key, &format!("has {entry:?} twice")),
                Ok(person) => people.push(person),
                Err(problem) => self.fault(key, &problem),
            }
        }
        people
    }
}

/// `slack:U024BE7LH`, `linear:9c3e…`
fn person(entry: &str) -> Result<Approver, String> {
    let member = |platform, id: &str| Approver::Member { platform, id: id.to_owned() };
    let plain = |id: &str| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    match entry.split_once(':') {
        Some(("slack", id)) if plain(id) && id.starts_with(['U', 'W']) => Ok(member(Platform::Slack, id)),
        Some(("linear", id)) if plain(id) => Ok(member(Platform::Linear, id)),
        Some(("slack-group" | "email", _)) => Err(format!("has {entry:?}, which is not in this release")),
        _ => Err(format!("has {entry:?}, which is not a person such as slack:U024BE7LH")),
    }
}
