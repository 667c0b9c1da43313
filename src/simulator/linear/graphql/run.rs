//! Carries a plan out: root fields one after the other, and of what they lead to the fields that are
//! wanted. The first refusal ends it; what was done before stays done.

use serde_json::{Map, Value, json};

use super::{
    document::{Pick, Plan},
    links, mutations,
    nodes::{Found, Node},
    problem::Problem,
    schema::{self, Kind, is_required, named},
};
use crate::simulator::linear::world::World;

/// Why there is no `data`, and in which field.
#[derive(Debug)]
pub struct Broken {
    pub problem: Box<Problem>,
    pub key: String,
}

/// The answer's `data`.
pub fn run(world: &mut World, viewer: &str, plan: &Plan) -> Result<Value, Broken> {
    let mut data = Map::new();
    for pick in &plan.picks {
        let value = root(world, viewer, plan.is_mutation, pick)
            .map_err(|problem| Broken { problem: Box::new(problem), key: pick.key.clone() })?;
        data.insert(pick.key.clone(), value);
    }
    Ok(Value::Object(data))
}

/// An answer that says of every mutation that it did not succeed, without a reason.
pub fn unsuccessful(plan: &Plan) -> Value {
    plan.picks.iter().map(|pick| (pick.key.clone(), json!({"success": false, "lastSyncId": 0}))).collect()
}

fn root(world: &mut World, viewer: &str, is_mutation: bool, pick: &Pick) -> Result<Value, Problem> {
    if pick.field == "__typename" {
        return Ok(json!(pick.of));
    }
    let found = if is_mutation {
        Found::One(mutations::mutate(world, viewer, &pick.field, &pick.args)?)
    } else {
        links::root(world, viewer, &pick.field, &pick.args)?
    };
    complete(world, viewer, pick, found)
}

fn object(world: &World, viewer: &str, node: &Node, picks: &[Pick]) -> Result<Value, Problem> {
    let kind = node.type_name(world);
    let fields = node.fields(world, viewer);
    let mut shown = Map::new();
    for pick in picks {
        let is_union = matches!(schema::kind(&pick.of), Some(Kind::Union(_)));
        if pick.of != kind && !is_union {
            continue;
        }
        let value = if pick.field == "__typename" {
            json!(kind)
        } else {
            let found = follow(world, viewer, node, &fields, pick)?;
            complete(world, viewer, pick, found)?
        };
        shown.insert(pick.key.clone(), value);
    }
    Ok(Value::Object(shown))
}

fn follow(world: &World, viewer: &str, node: &Node, fields: &Value, pick: &Pick) -> Result<Found, Problem> {
    let leaf = || fields.get(&pick.field).map(|value| Found::Leaf(value.clone())).ok_or_else(|| gap(pick));
    if pick.picks.is_empty() {
        return leaf();
    }
    match node {
        Node::Entity(of, id) => links::link(world, viewer, *of, id, &pick.field, &pick.args),
        Node::Plain(_, _) => {
            let gives =
                schema::field(&pick.of, &pick.field).map(|field| named(&field.gives)).ok_or_else(|| gap(pick))?;
            Ok(match fields.get(&pick.field) {
                Some(Value::Array(items)) => {
                    Found::Many(items.iter().map(|item| Node::Plain(gives, item.clone())).collect())
                }
                Some(value) if !value.is_null() => Found::One(Node::Plain(gives, value.clone())),
                _ => Found::Nothing,
            })
        }
        Node::Page { of, ids, info } => Ok(match pick.field.as_str() {
            "pageInfo" => Found::One(Node::Plain("PageInfo", info.clone())),
            "edges" => Found::Many(ids.iter().map(|id| Node::Edge { of: *of, id: id.clone() }).collect()),
            _ => Found::Many(ids.iter().map(|id| Node::Entity(*of, id.clone())).collect()),
        }),
        Node::Edge { of, id } | Node::Payload { of, id, .. } => Ok(Found::One(Node::Entity(*of, id.clone()))),
    }
}

fn complete(world: &World, viewer: &str, pick: &Pick, found: Found) -> Result<Value, Problem> {
    let value = match found {
        Found::Nothing => Value::Null,
        Found::Leaf(value) => value,
        Found::One(node) => object(world, viewer, &node, &pick.picks)?,
        Found::Many(nodes) => {
            nodes.iter().map(|node| object(world, viewer, node, &pick.picks)).collect::<Result<_, _>>()?
        }
    };
    let required = schema::field(&pick.of, &pick.field).is_some_and(|field| is_required(&field.gives));
    if value.is_null() && required { Err(gap(pick)) } else { Ok(value) }
}

fn gap(pick: &Pick) -> Problem {
    Problem::gap(&format!("{}.{}", pick.of, pick.field))
}
