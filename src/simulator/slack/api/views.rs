//! `views.*`: opening, stacking, replacing and publishing.
//! <https://docs.slack.dev/reference/methods/views.open/>

use serde_json::{Value, json};

use super::{Problem, args::Args};
use crate::simulator::slack::{
    blocks::check_view,
    forms, wire,
    world::{View, World},
};

pub fn open(world: &mut World, args: &Args) -> Result<Value, Problem> {
    let content = view_of(args, "modal")?;
    taken(world, &content, None)?;
    let (user, _) = world.use_trigger(&args.required("trigger_id")?)?;
    let view = world.show_view(&user, content, None);
    Ok(told(world, &view))
}

/// The trigger must come from the view that is on top.
pub fn push(world: &mut World, args: &Args) -> Result<Value, Problem> {
    let content = view_of(args, "modal")?;
    taken(world, &content, None)?;
    let (_, below) = world.use_trigger(&args.required("trigger_id")?)?;
    let below = below.and_then(|id| world.view(&id).cloned()).ok_or("not_found")?;
    let view = world.push_view(&below, content)?;
    Ok(told(world, &view))
}

pub fn update(world: &mut World, args: &Args) -> Result<Value, Problem> {
    let content = view_of(args, "modal")?;
    let external = args.text("external_id");
    let named = |view: &&View| match (args.text("view_id"), &external) {
        (Some(id), _) => view.id == id,
        (None, Some(id)) => view.content["external_id"] == id.as_str(),
        (None, None) => false,
    };
    let view = world.views.iter().find(named).filter(|view| view.is_modal()).cloned().ok_or("not_found")?;
    if args.text("hash").is_some_and(|hash| hash != view.hash()) {
        return Err("hash_conflict".into());
    }
    taken(world, &content, Some(&view.id))?;
    let view = world.replace_view(&view.id, content).ok_or("not_found")?;
    Ok(told(world, &view))
}

/// A person's Home tab; a new one takes the place of the old one.
pub fn publish(world: &mut World, args: &Args) -> Result<Value, Problem> {
    let user = args.required("user_id")?;
    let content = view_of(args, "home")?;
    if world.user(&user).is_none() {
        return Err("user_not_found".into());
    }
    let old = world.views.iter().find(|view| view.user == user && !view.is_modal()).cloned();
    let view = match old {
        Some(old) if args.text("hash").is_some_and(|hash| hash != old.hash()) => return Err("hash_conflict".into()),
        Some(old) => world.replace_view(&old.id, content).ok_or("not_found")?,
        None => world.show_view(&user, content, None),
    };
    Ok(told(world, &view))
}

fn view_of(args: &Args, kind: &str) -> Result<Value, Problem> {
    let view = args.json("view", "invalid_arguments")?.ok_or_else(|| Problem::missing("view"))?;
    check_view(&view)?;
    if view["type"] == kind { Ok(view) } else { Err("invalid_arguments".into()) }
}

/// An `external_id` names one view.
fn taken(world: &World, content: &Value, but: Option<&str>) -> Result<(), Problem> {
    let id = content["external_id"].as_str().filter(|id| !id.is_empty());
    let same =
        |view: &View| id.is_some() && view.content["external_id"].as_str() == id && Some(view.id.as_str()) != but;
    if world.views.iter().any(same) { Err("duplicate_external_id".into()) } else { Ok(()) }
}

fn told(world: &World, view: &View) -> Value {
    json!({"view": wire::view_json(world, view, &forms::initial_values(&view.content))})
}
