//! `[policy.NAME]`, `[limits]` and `[[person]]`, which live in the file only. A policy that can never be met is a
//! mistake, too.

use std::{collections::BTreeMap, time::Duration};

use toml::{Table, Value};

use super::{fields::Fields, keys::check_keys, routes::MOST_CHILDREN, values};
use crate::domain::{
    actor::Platform,
    policy::{Approver, AutoApprove, Breach, Limits, Person, Policy},
};

const POLICY: [&str; 12] = [
    "approvers",
    "quorum",
    "self_approval",
    "expires_after",
    "remind_after",
    "escalate_to",
    "starters",
    "auto_approve",
    "max_children",
    "max_concurrent",
    "daily_credits",
    "breach",
];
const AUTO_APPROVE: [&str; 4] = ["max_children", "environments", "max_credits", "credits_per_child"];
const LIMITS: [&str; 3] = ["max_concurrent", "max_per_place", "daily_credits"];
const PERSON: [&str; 3] = ["slack", "linear", "email"];

/// More people than this never approve anything.
const MOST_APPROVERS: u32 = 100;
const MOST_CREDITS: u32 = 10_000_000;
const MOST_AT_ONCE: u32 = 10_000;

/// All policies, with a sentence in `faults` for each mistake.
pub fn read(value: Option<&Value>, people: &[Person], faults: &mut Vec<String>) -> BTreeMap<String, Policy> {
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
        check_keys(&place, table, &POLICY, faults);
        let policy = read_policy(name, &mut Fields { place, table, faults });
        policies.insert(name.clone(), Policy { people: people.to_vec(), ..policy });
    }
    policies
}

/// Who is who on both platforms.
pub fn read_people(value: Option<&Value>, faults: &mut Vec<String>) -> Vec<Person> {
    let tables: Option<Vec<&Table>> = match value {
        None => return Vec::new(),
        Some(Value::Array(tables)) => tables.iter().map(Value::as_table).collect(),
        Some(_) => None,
    };
    let Some(tables) = tables else {
        faults.push("People are written as [[person]], with two brackets.".into());
        return Vec::new();
    };
    let mut people: Vec<Person> = Vec::new();
    for (index, table) in tables.into_iter().enumerate() {
        let place = format!("[[person]] {}", index + 1);
        check_keys(&place, table, &PERSON, faults);
        let mut fields = Fields { place, table, faults };
        let person = Person {
            slack: fields.slack_id("slack", &["U", "W"], "U024BE7LH"),
            linear: fields.text("linear"),
            email: fields.text("email"),
        };
        let names = [&person.slack, &person.linear, &person.email];
        if names.iter().filter(|name| name.is_some()).count() < 2 {
            fields
                .faults
                .push(format!("{}: two of slack, linear and email are needed to say who is who.", fields.place));
        }
        let taken = |other: &Person| {
            let others = [&other.slack, &other.linear, &other.email];
            let is_same = |one: &String, other: &String| one.eq_ignore_ascii_case(other);
            names
                .iter()
                .zip(others)
                .any(|(name, other)| name.as_ref().zip(other.as_ref()).is_some_and(|(a, b)| is_same(a, b)))
        };
        if people.iter().any(taken) {
            fields.faults.push(format!("{}: somebody above is the same person.", fields.place));
        }
        people.push(person);
    }
    people
}

/// `[limits]`: what all policies together keep to.
pub fn read_limits(value: Option<&Value>, faults: &mut Vec<String>) -> Limits {
    let table = match value {
        None => return Limits::default(),
        Some(Value::Table(table)) => table,
        Some(_) => {
            faults.push("limits must be a section: [limits].".into());
            return Limits::default();
        }
    };
    check_keys("[limits]", table, &LIMITS, faults);
    let mut fields = Fields { place: "[limits]".into(), table, faults };
    Limits {
        max_concurrent: fields.count("max_concurrent", MOST_AT_ONCE),
        max_per_place: fields.count("max_per_place", MOST_AT_ONCE),
        daily_credits: fields.count("daily_credits", MOST_CREDITS),
    }
}

fn read_policy(name: &str, fields: &mut Fields<'_>) -> Policy {
    let usual = Policy::default();
    let policy = Policy {
        name: name.to_owned(),
        approvers: people(fields, "approvers"),
        quorum: fields.count("quorum", MOST_APPROVERS).unwrap_or(usual.quorum),
        self_approval: fields.flag("self_approval").unwrap_or(usual.self_approval),
        starters: people(fields, "starters"),
        expires_after: fields.duration("expires_after").unwrap_or(usual.expires_after),
        remind_after: durations(fields, "remind_after"),
        escalate_to: people(fields, "escalate_to"),
        auto_approve: auto_approve(fields),
        max_children: fields.count("max_children", MOST_CHILDREN),
        max_concurrent: fields.count("max_concurrent", MOST_AT_ONCE),
        daily_credits: fields.count("daily_credits", MOST_CREDITS),
        breach: fields
            .word("breach", &[("cancel", Breach::Cancel), ("report", Breach::Report)])
            .unwrap_or(usual.breach),
        limits: Limits::default(), // of the routes, not of one policy
        people: Vec::new(),
    };
    check_reach(&policy, fields);
    check_times(&policy, fields);
    policy
}

fn check_reach(policy: &Policy, fields: &mut Fields<'_>) {
    let people = policy.approvers.len();
    let countable = people > 0 && policy.approvers.iter().all(Approver::is_one);
    if countable && policy.quorum as usize > people {
        fields.fault("quorum", &format!("of {} can never be reached by {people} of approvers", policy.quorum));
    }
}

fn check_times(policy: &Policy, fields: &mut Fields<'_>) {
    if policy.remind_after.iter().any(|after| *after >= policy.expires_after) {
        fields.fault("remind_after", "must be shorter than expires_after");
    }
    if !policy.escalate_to.is_empty() && policy.remind_after.is_empty() {
        fields.fault("escalate_to", "needs remind_after: they are told with the last reminder");
    }
    if let Some(many) = policy.escalate_to.iter().find(|entry| !matches!(entry, Approver::Member { .. })) {
        fields.fault("escalate_to", &format!("has \"{many}\", and only a member such as slack:U024BE7LH can be told"));
    }
}

fn auto_approve(fields: &mut Fields<'_>) -> Option<AutoApprove> {
    let value = fields.table.get("auto_approve")?;
    let place = format!("{}.auto_approve]", fields.place.trim_end_matches(']'));
    let Value::Table(table) = value else {
        fields.fault("auto_approve", &format!("must be a section: {place}"));
        return None;
    };
    check_keys(&place, table, &AUTO_APPROVE, fields.faults);
    let mut fields = Fields { place, table, faults: fields.faults };
    let auto = AutoApprove {
        max_children: fields.count("max_children", MOST_CHILDREN),
        environments: fields.texts("environments", "9fJ2mQ7xLw0PzR4sVb1TdK"),
        max_credits: fields.count("max_credits", MOST_CREDITS),
        credits_per_child: fields.count("credits_per_child", MOST_CREDITS),
    };
    if auto.max_children.is_none() && auto.environments.is_empty() && auto.max_credits.is_none() {
        let sentence = "max_children, environments or max_credits is needed; without any, everything would be approved";
        fields.faults.push(format!("{}: {sentence}.", fields.place));
    }
    if auto.credits_per_child.is_some() && auto.max_credits.is_none() {
        fields.fault("credits_per_child", "has no effect without max_credits");
    }
    Some(auto)
}

/// The shortest first.
fn durations(fields: &mut Fields<'_>, key: &str) -> Vec<Duration> {
    let mut durations = Vec::new();
    for text in fields.texts(key, "2h") {
        match values::duration(&text) {
            Ok(duration) => durations.push(duration),
            Err(problem) => fields.fault(key, &problem),
        }
    }
    durations.sort_unstable();
    durations.dedup();
    durations
}

fn people(fields: &mut Fields<'_>, key: &str) -> Vec<Approver> {
    let mut people: Vec<Approver> = Vec::new();
    for entry in fields.texts(key, "slack:U024BE7LH") {
        match person(&entry) {
            Ok(person) if people.contains(&person) => fields.fault(key, &format!("has {entry:?} twice")),
            Ok(person) => people.push(person),
            Err(problem) => fields.fault(key, &problem),
        }
    }
    people
}

/// `slack:U024BE7LH`, `slack-group:S0614TZR7`, `linear:9c3e…`, `email:ada@example.com`,
/// `email:*@example.com`
fn person(entry: &str) -> Result<Approver, String> {
    let member = |platform, id: &str| Approver::Member { platform, id: id.to_owned() };
    let plain = |id: &str| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let address = |address: &str| {
        let (name, domain) = address.split_once('@').unwrap_or_default();
        let whole = !name.is_empty() && domain.contains('.') && !domain.contains('@');
        whole && !address.chars().any(|c| c.is_whitespace() || c.is_control())
    };
    match entry.split_once(':') {
        Some(("slack", id)) if plain(id) && id.starts_with(['U', 'W']) => Ok(member(Platform::Slack, id)),
        Some(("slack-group", id)) if plain(id) && id.starts_with('S') => Ok(Approver::SlackGroup(id.to_owned())),
        Some(("linear", id)) if plain(id) => Ok(member(Platform::Linear, id)),
        Some(("email", email)) if address(email) => match email.strip_prefix("*@") {
            Some(domain) => Ok(Approver::Domain(domain.to_lowercase())),
            None if email.contains('*') => Err(format!("has {entry:?}; a star stands for everything before the @")),
            None => Ok(Approver::Email(email.to_lowercase())),
        },
        _ => Err(format!(
            "has {entry:?}, which is none of slack:U024BE7LH, slack-group:S0614TZR7, linear:9c3e…, \
             email:ada@example.com and email:*@example.com"
        )),
    }
}
