//! `GET /agent/runs`: filters, order and pages.
//!
//! A cursor counts rows in an order that moves, so that a sweep by `updated_at` can skip and repeat
//! runs here as it can on the platform.

use std::cmp::Ordering;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    problem::Problem,
    run::{Made, Run},
    wire,
    world::World,
};
use crate::time::Timestamp;

const DEFAULT_LIMIT: usize = 20;
const MOST_LIMIT: usize = 500;
const MOST_METADATA: usize = 5;

/// The answer to a list with these query pairs.
///
/// # Errors
/// 400 for values that are not of their kind; 403 for a metadata filter where that is off.
pub fn answer(world: &World, query: &[(String, String)]) -> Result<Value, Problem> {
    let (order, offset) = order(query)?;
    let limit = match one(query, "limit") {
        None => DEFAULT_LIMIT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=MOST_LIMIT).contains(limit))
            .ok_or_else(|| Problem::invalid("limit must be between 1 and 500"))?,
    };
    let mut runs = matching(world, query)?;
    runs.sort_by(|one, other| order.compare(one, other));
    let page = limit.min(world.knobs.page_cap.max(1));
    let items: Vec<Value> = runs.iter().skip(offset).take(page).map(|run| wire::run_item(world, run)).collect();
    let next = offset + items.len();
    let mut page_info = json!({ "has_next_page": next < runs.len() });
    if next < runs.len() {
        page_info["next_cursor"] = json!(URL_SAFE_NO_PAD.encode(format!("{}:{}:{next}", order.by, order.direction)));
    }
    Ok(json!({ "runs": items, "page_info": page_info }))
}

struct Order {
    by: &'static str,
    direction: &'static str,
}

impl Order {
    fn compare(&self, one: &Run, other: &Run) -> Ordering {
        let skill = |run: &Run| run.setting("skill_spec").map(str::to_owned);
        let order = match self.by {
            "created_at" => one.created_at.cmp(&other.created_at),
            "title" => one.title.cmp(&other.title),
            // Runs without a skill come last.
            "agent" => (skill(one).is_none(), skill(one)).cmp(&(skill(other).is_none(), skill(other))),
            _ => one.updated_at.cmp(&other.updated_at),
        };
        if self.direction == "asc" { order } else { order.reverse() }
    }
}

/// The order asked for, and how many rows earlier pages held.
fn order(query: &[(String, String)]) -> Result<(Order, usize), Problem> {
    let pick = |key: &str, choices: &[&'static str]| match one(query, key) {
        None => Ok(choices[0]),
        Some(word) => choices
            .iter()
            .find(|choice| **choice == word)
            .copied()
            .ok_or_else(|| Problem::invalid(format!("{key} is not one of {}", choices.join(", ")))),
    };
    let by = pick("sort_by", &["updated_at", "created_at", "title", "agent"])?;
    let direction = pick("sort_order", &["desc", "asc"])?;
    let Some(cursor) = one(query, "cursor") else { return Ok((Order { by, direction }, 0)) };
    let offset = URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| text.strip_prefix(&format!("{by}:{direction}:"))?.parse().ok())
        .ok_or_else(|| Problem::invalid("the cursor does not belong to this sort_by and sort_order"))?;
    Ok((Order { by, direction }, offset))
}

fn matching<'a>(world: &'a World, query: &[(String, String)]) -> Result<Vec<&'a Run>, Problem> {
    let metadata: Vec<(&str, &str)> = query
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix("metadata[")?.strip_suffix(']')?, value.as_str())))
        .collect();
    if !metadata.is_empty() && !world.knobs.metadata_filter {
        return Err(Problem::of_code("feature_not_available").with("Filtering by metadata is not enabled."));
    }
    if metadata.len() > MOST_METADATA {
        return Err(Problem::invalid("at most 5 metadata pairs"));
    }
    let ancestor = one(query, "ancestor_run_id");
    if ancestor.is_some_and(|id| world.find(id).is_none()) {
        return Err(Problem::invalid("ancestor_run_id does not exist or is not accessible"));
    }
    let moment = |key: &str| match one(query, key) {
        None => Ok(None),
        Some(text) => {
            let at = Timestamp::parse_rfc3339(text);
            at.map(Some).ok_or_else(|| Problem::invalid(format!("{key} is not an RFC 3339 timestamp")))
        }
    };
    let (created_after, created_before) = (moment("created_after")?, moment("created_before")?);
    let updated_after = moment("updated_after")?;
    let states: Vec<&str> = all(query, "state").collect();
    let setting = |run: &Run, parameter: &str, key: &str| {
        one(query, parameter).is_none_or(|wanted| run.setting(key) == Some(wanted))
    };

    let matches = |run: &&Run| {
        metadata.iter().all(|(key, value)| run.metadata.get(*key).is_some_and(|known| known == value))
            && ancestor.is_none_or(|id| {
                run.parent.as_deref() == Some(id) || world.knobs.ancestor_includes_parent && run.id == id
            })
            && created_after.is_none_or(|at| run.created_at > at)
            && created_before.is_none_or(|at| run.created_at < at)
            && updated_after.is_none_or(|at| run.updated_at > at)
            && (states.is_empty() || states.contains(&run.state.as_str()))
            && setting(run, "name", "name")
            && setting(run, "model_id", "model_id")
            && setting(run, "skill", "skill_spec")
            && setting(run, "skill_spec", "skill_spec")
            && in_environment(run, one(query, "environment_id"))
            && one(query, "source").is_none_or(|source| run.source == source)
            && one(query, "execution_location").is_none_or(|location| location == "REMOTE")
            && one(query, "artifact_type").is_none_or(|kind| run.artifacts.iter().any(|made| is(&made.made, kind)))
            && one(query, "q").is_none_or(|words| {
                let text = format!("{} {}", run.title, run.prompt).to_lowercase();
                text.contains(&words.to_lowercase())
            })
    };
    Ok(world.runs.iter().filter(matches).collect())
}

fn in_environment(run: &Run, wanted: Option<&str>) -> bool {
    match wanted {
        None => true,
        Some("empty-environment") => run.setting("environment_id").is_none(),
        Some(id) => run.setting("environment_id") == Some(id),
    }
}

fn is(made: &Made, kind: &str) -> bool {
    match made {
        Made::Plan { .. } => kind == "PLAN",
        Made::PullRequest { .. } => kind == "PULL_REQUEST",
        Made::Screenshot { .. } => kind == "SCREENSHOT",
        Made::File { .. } => kind == "FILE",
    }
}

fn one<'a>(query: &'a [(String, String)], key: &str) -> Option<&'a str> {
    query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}

fn all<'a>(query: &'a [(String, String)], key: &str) -> impl Iterator<Item = &'a str> {
    query.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
}
