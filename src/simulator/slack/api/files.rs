//! `files.*`: an address to upload to, then sharing what was uploaded there.
//! <https://docs.slack.dev/messaging/working-with-files/>

use serde_json::{Value, json};

use super::{Problem, args::Args, conversations::reachable};
use crate::simulator::slack::{
    blocks::check_message,
    people::root_of,
    wire,
    world::{Author, File, Message, World},
};

/// The first step; nobody sees anything yet.
pub fn upload_url(world: &mut World, args: &Args) -> Result<Value, Problem> {
    let name = args.required("filename")?;
    let length = args.number("length").filter(|length| *length > 0).ok_or_else(|| Problem::missing("length"))?;
    let id = world.next_id("F");
    let file = File {
        id: id.clone(),
        title: name.clone(),
        mimetype: mimetype(&name),
        name,
        length,
        bytes: None,
        created: world.clock.now(),
        shares: Vec::new(),
    };
    world.files.push(file);
    Ok(json!({"upload_url": format!("{}/upload/{id}", world.base_url), "file_id": id}))
}

/// The last step: shares the files in a message. The answer does not tell of the shares, which in
/// Slack come a moment later; `files.info` does.
pub fn complete(world: &mut World, args: &Args) -> Result<Value, Problem> {
    let wanted = args.json("files", "invalid_arguments")?.ok_or_else(|| Problem::missing("files"))?;
    let wanted = wanted.as_array().filter(|list| !list.is_empty()).ok_or("invalid_arguments")?.clone();
    let channel = args.text("channel_id");
    if let Some(channel) = &channel
        && !reachable(world, channel)?.bot_member
    {
        return Err("not_in_channel".into());
    }
    let comment = args.text("initial_comment");
    let blocks = args.json("blocks", "invalid_blocks_format")?;
    if let Some(blocks) = &blocks {
        if comment.is_some() {
            return Err("invalid_arguments".into());
        }
        check_message(blocks)?;
    }
    for entry in &wanted {
        let id = entry["id"].as_str().unwrap_or_default();
        let file = world.files.iter_mut().find(|file| file.id == id && file.bytes.is_some()).ok_or("file_not_found")?;
        if let Some(title) = entry["title"].as_str() {
            title.clone_into(&mut file.title);
        }
    }
    let ids: Vec<String> = wanted.iter().filter_map(|entry| entry["id"].as_str()).map(str::to_owned).collect();
    if let Some(channel) = channel {
        let mut message = Message::new(&channel, Author::Us, comment.as_deref().unwrap_or_default());
        message.blocks = blocks.and_then(|blocks| blocks.as_array().cloned()).unwrap_or_default();
        message.files.clone_from(&ids);
        message.thread_ts = args.text("thread_ts").map(|ts| root_of(world, &channel, &ts));
        let thread_ts = message.thread_ts.clone();
        let ts = world.post(message);
        let again = share(world, &ids, &(channel, ts, thread_ts));
        for id in again {
            world.warn(format!("file {id} was shared twice"));
        }
    }
    let told = world.files.iter().filter(|file| ids.contains(&file.id)).map(|file| wire::file_json(world, file));
    Ok(json!({"files": told.collect::<Vec<_>>()}))
}

pub fn info(world: &mut World, args: &Args) -> Result<Value, Problem> {
    let id = args.required("file")?;
    let file = world.files.iter().find(|file| file.id == id).ok_or("file_not_found")?;
    let mut told = wire::file_json(world, file);
    told["shares"] = wire::shares_json(world, file);
    Ok(json!({"file": told, "comments": []}))
}

/// Notes where files went; gives those that had been somewhere before.
fn share(world: &mut World, ids: &[String], place: &(String, String, Option<String>)) -> Vec<String> {
    let mut again = Vec::new();
    for file in world.files.iter_mut().filter(|file| ids.contains(&file.id)) {
        if !file.shares.is_empty() {
            again.push(file.id.clone());
        }
        file.shares.push(place.clone());
    }
    again
}

/// Slack looks at the content; the name is enough here.
fn mimetype(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "md" | "markdown" => "text/markdown",
        "txt" | "log" => "text/plain",
        "json" | "jsonl" => "application/json",
        "html" => "text/html",
        "csv" => "text/csv",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}
