//! Which entities a `filter` argument means, and which of them are on the page that is asked for.
//! <https://linear.app/developers/filtering>, <https://linear.app/developers/pagination>

use serde_json::{Map, Value, json};

use super::{
    links::link,
    nodes::{Entity, Found, Node},
    problem::Problem,
};
use crate::{simulator::linear::world::World, time::Timestamp};

/// The most that a page may hold.
const LARGEST_PAGE: i64 = 250;

/// The page of `ids` (in the order of their making) that the arguments ask for, newest first.
pub fn page(
    world: &World,
    viewer: &str,
    of: Entity,
    ids: Vec<String>,
    args: &Map<String, Value>,
) -> Result<Node, Problem> {
    let filter = args.get("filter").and_then(Value::as_object);
    let by = args.get("orderBy").and_then(Value::as_str).unwrap_or("createdAt");
    let mut found: Vec<(String, String)> = Vec::new();
    for id in ids {
        if filter.is_none_or(|filter| matches(world, viewer, of, &id, filter)) {
            let fields = Node::Entity(of, id.clone()).fields(world, viewer);
            found.push((fields[by].as_str().unwrap_or_default().to_owned(), id));
        }
    }
    // What is equally old stays newest first.
    found.reverse();
    found.sort_by(|a, b| b.0.cmp(&a.0));
    let mut ids: Vec<String> = found.into_iter().map(|(_, id)| id).collect();
    let place = |ids: &[String], name: &str| -> Result<Option<usize>, Problem> {
        let Some(cursor) = args.get(name).and_then(Value::as_str) else { return Ok(None) };
        let at = ids.iter().position(|id| id == cursor);
        at.map(Some).ok_or_else(|| Problem::invalid(format!("{name} is not a cursor of this list")))
    };
    let total = ids.len();
    if let Some(after) = place(&ids, "after")? {
        ids.drain(..=after);
    }
    let skipped = total - ids.len();
    if let Some(before) = place(&ids, "before")? {
        ids.truncate(before);
    }
    let size = |name: &str| -> Result<Option<usize>, Problem> {
        let Some(size) = args.get(name).and_then(Value::as_i64) else { return Ok(None) };
        let fits = (1..=LARGEST_PAGE).contains(&size);
        let why = || Problem::invalid(format!("{name} must be between 1 and {LARGEST_PAGE}"));
        if fits { usize::try_from(size).map(Some).map_err(|_| why()) } else { Err(why()) }
    };
    let (first, last) = (size("first")?, size("last")?);
    let before_cut = ids.len();
    match last {
        Some(last) => drop(ids.drain(..before_cut.saturating_sub(last))),
        None => ids.truncate(first.unwrap_or(50)),
    }
    let more = last.is_none() && ids.len() < before_cut;
    let earlier = skipped > 0 || (last.is_some() && ids.len() < before_cut);
    let info = json!({
        "startCursor": ids.first(), "endCursor": ids.last(), "hasNextPage": more, "hasPreviousPage": earlier,
    });
    Ok(Node::Page { of, ids, info })
}

fn matches(world: &World, viewer: &str, of: Entity, id: &str, filter: &Map<String, Value>) -> bool {
    let fields = Node::Entity(of, id.to_owned()).fields(world, viewer);
    filter.iter().all(|(name, wanted)| {
        let Some(condition) = wanted.as_object() else {
            let mut several = wanted.as_array().into_iter().flatten().filter_map(Value::as_object);
            return match name.as_str() {
                "and" => several.all(|inner| matches(world, viewer, of, id, inner)),
                "or" => several.any(|inner| matches(world, viewer, of, id, inner)),
                _ => true,
            };
        };
        if let Some(value) = fields.get(name) {
            return condition.iter().all(|(comparator, operand)| compare(value, comparator, operand));
        }
        match link(world, viewer, of, id, name, &Map::new()) {
            Ok(Found::One(Node::Entity(of, id))) => {
                condition.get("null") != Some(&json!(true)) && {
                    let mut inner = condition.clone();
                    inner.remove("null");
                    matches(world, viewer, of, &id, &inner)
                }
            }
            Ok(Found::Nothing) => condition.get("null") == Some(&json!(true)),
            Ok(Found::One(Node::Page { of, ids, .. })) => collection(world, viewer, of, &ids, condition),
            Ok(Found::One(_) | Found::Leaf(_) | Found::Many(_)) | Err(_) => false,
        }
    })
}

/// `some`, `every`, `length`; what stands beside them is meant of some.
fn collection(world: &World, viewer: &str, of: Entity, ids: &[String], condition: &Map<String, Value>) -> bool {
    let fits = |id: &String, inner: &Map<String, Value>| matches(world, viewer, of, id, inner);
    condition.iter().all(|(name, wanted)| match (name.as_str(), wanted.as_object()) {
        ("some", Some(inner)) => ids.iter().any(|id| fits(id, inner)),
        ("every", Some(inner)) => ids.iter().all(|id| fits(id, inner)),
        ("length", Some(inner)) => inner.iter().all(|(name, operand)| compare(&json!(ids.len()), name, operand)),
        _ => {
            let inner: Map<String, Value> = [(name.clone(), wanted.clone())].into_iter().collect();
            ids.iter().any(|id| fits(id, &inner))
        }
    })
}

fn compare(value: &Value, comparator: &str, operand: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    let (lower, operand_text) = (text.to_lowercase(), operand.as_str().unwrap_or_default());
    let operand_lower = operand_text.to_lowercase();
    let listed = || operand.as_array().is_some_and(|list| list.iter().any(|item| equal(value, item)));
    let order = || -> Option<std::cmp::Ordering> {
        match (value.as_f64(), operand.as_f64()) {
            (Some(value), Some(operand)) => value.partial_cmp(&operand),
            _ => Some(Timestamp::parse_rfc3339(text)?.cmp(&Timestamp::parse_rfc3339(operand_text)?)),
        }
    };
    match comparator {
        "null" => value.is_null() == (operand == &json!(true)),
        "eq" => equal(value, operand),
        "neq" => !equal(value, operand),
        "in" => listed(),
        "nin" => !listed(),
        "eqIgnoreCase" => lower == operand_lower,
        "neqIgnoreCase" => lower != operand_lower,
        "contains" => text.contains(operand_text),
        "notContains" => !text.contains(operand_text),
        "containsIgnoreCase" | "containsIgnoreCaseAndAccent" => lower.contains(&operand_lower),
        "notContainsIgnoreCase" => !lower.contains(&operand_lower),
        "startsWith" => text.starts_with(operand_text),
        "startsWithIgnoreCase" => lower.starts_with(&operand_lower),
        "notStartsWith" => !text.starts_with(operand_text),
        "endsWith" => text.ends_with(operand_text),
        "notEndsWith" => !text.ends_with(operand_text),
        "gt" => order().is_some_and(std::cmp::Ordering::is_gt),
        "gte" => order().is_some_and(std::cmp::Ordering::is_ge),
        "lt" => order().is_some_and(std::cmp::Ordering::is_lt),
        "lte" => order().is_some_and(std::cmp::Ordering::is_le),
        _ => false,
    }
}

fn equal(value: &Value, operand: &Value) -> bool {
    match (value.as_f64(), operand.as_f64()) {
        (Some(value), Some(operand)) => (value - operand).abs() < f64::EPSILON,
        _ => value == operand,
    }
}
