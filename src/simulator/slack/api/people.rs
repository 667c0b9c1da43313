//! `auth.test`, `users.*`, `usergroups.*` and `reactions.*`.
//! <https://docs.slack.dev/reference/methods/users.info/>

use serde_json::{Value, json};

use super::{Problem, args::Args, conversations::reachable};
use crate::simulator::slack::{
    BOT_ID, BOT_USER, ENTERPRISE, GROUP, GROUP_MEMBERS,
    world::{User, World},
};

#[expect(clippy::unnecessary_wraps, reason = "all methods have one signature")]
pub fn auth_test(world: &mut World, _args: &Args) -> Result<Value, Problem> {
    let mut told = json!({
        "url": format!("https://{}.slack.com/", world.team.domain), "team": world.team.name, "user": "baton",
        "team_id": world.team.id, "user_id": BOT_USER, "bot_id": BOT_ID, "is_enterprise_install": world.knobs.org_install,
    });
    if world.knobs.org_install {
        told["enterprise_id"] = json!(ENTERPRISE);
    }
    Ok(told)
}

pub fn user_info(world: &mut World, args: &Args) -> Result<Value, Problem> {
    let id = args.required("user")?;
    if id == BOT_USER {
        let bot = json!({"id": BOT_USER, "team_id": world.team.id, "name": "baton", "real_name": "Baton", "deleted": false,
            "is_bot": true, "profile": {"real_name": "Baton", "display_name": "", "bot_id": BOT_ID}});
        return Ok(json!({"user": bot}));
    }
    let user = world.user(&id).ok_or("user_not_found")?;
    Ok(json!({"user": user_json(world, user)}))
}

pub fn user_by_email(world: &mut World, args: &Args) -> Result<Value, Problem> {
    let email = args.required("email")?;
    let user = world.users.iter().find(|user| user.email().eq_ignore_ascii_case(&email)).ok_or("users_not_found")?;
    Ok(json!({"user": user_json(world, user)}))
}

pub fn group_members(_world: &mut World, args: &Args) -> Result<Value, Problem> {
    if args.required("usergroup")? != GROUP {
        return Err("no_such_subteam".into());
    }
    Ok(json!({"users": GROUP_MEMBERS}))
}

pub fn react(world: &mut World, args: &Args) -> Result<Value, Problem> {
    let (users, _) = reaction(world, args)?;
    if users.iter().any(|user| user == BOT_USER) {
        return Err("already_reacted".into());
    }
    users.push(BOT_USER.to_owned());
    Ok(json!({}))
}

pub fn unreact(world: &mut World, args: &Args) -> Result<Value, Problem> {
    let (users, name) = reaction(world, args)?;
    let before = users.len();
    users.retain(|user| user != BOT_USER);
    let removed = users.len() < before;
    let (channel, ts) = (args.required("channel")?, args.required("timestamp")?);
    if let Some(message) = world.message_mut(&channel, &ts) {
        message.reactions.retain(|(found, users)| *found != name || !users.is_empty());
    }
    if removed { Ok(json!({})) } else { Err("no_reaction".into()) }
}

/// Who has reacted to a message with this name.
fn reaction<'a>(world: &'a mut World, args: &Args) -> Result<(&'a mut Vec<String>, String), Problem> {
    let channel = args.required("channel")?;
    let ts = args.required("timestamp")?;
    let name = args.required("name")?;
    if !reachable(world, &channel)?.bot_member {
        return Err("not_in_channel".into());
    }
    if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_+-'".contains(&b)) {
        return Err("invalid_name".into());
    }
    let message = world.message_mut(&channel, &ts).ok_or("message_not_found")?;
    let place = message.reactions.iter().position(|(found, _)| *found == name).unwrap_or_else(|| {
        message.reactions.push((name.clone(), Vec::new()));
        message.reactions.len() - 1
    });
    Ok((&mut message.reactions[place].1, name))
}

/// The address only with its own scope.
fn user_json(world: &World, user: &User) -> Value {
    let mut told = json!({
        "id": user.id, "team_id": world.team.id, "name": user.handle, "real_name": user.name, "deleted": false,
        "is_bot": false, "is_admin": false, "is_restricted": false, "is_ultra_restricted": false,
        "tz": "Europe/London", "tz_offset": 0,
        "profile": {"real_name": user.name, "display_name": user.handle, "team": world.team.id},
    });
    if world.knobs.scopes.contains("users:read.email") {
        told["profile"]["email"] = json!(user.email());
    }
    if world.knobs.org_install {
        told["enterprise_user"] = json!({"enterprise_id": ENTERPRISE, "teams": [world.team.id]});
    }
    told
}
