//! What people do meanwhile, in the simulated Slack and Linear, each story to its end.

use std::time::Duration;

use baton::simulator::{
    World,
    linear::{self, Status},
    slack::Message,
};

use super::fleet::see;

pub const CHANNELS: [&str; 2] = ["C0ENG", "C0OPS"];
const ADA: &str = "U0ADA";
/// Leases of the dead and of the stopped are waited for.
const PATIENCE: Duration = Duration::from_mins(4);
const CLICKS: usize = 8;
/// What is said in the thread while the children work, one after the other.
pub const NOTES: usize = 3;

/// Asked in Slack, proposed, approved, talked about and done.
pub async fn in_slack(world: World, channel: &'static str, mark: String) -> Result<(), String> {
    ask(&world, channel, &mark).await?;
    see_through(&world, channel, &mark, NOTES).await
}

/// Returns when Baton has it.
pub async fn ask(world: &World, channel: &str, mark: &str) -> Result<(), String> {
    let text = format!("Update the docs, one child per package: api, web for {mark}");
    let answer = world.slack.command(ADA, channel, "/orchestrate", &text).await;
    if answer.status == 200 { Ok(()) } else { Err(format!("{mark} was answered {}", answer.status)) }
}

/// So many notes are said after the approval.
pub async fn see_through(world: &World, channel: &str, mark: &str, notes: usize) -> Result<(), String> {
    approve(world, channel, mark).await?;
    let root = board(world, channel, mark).ok_or("the board is gone")?.ts;
    for note in 1..=notes {
        world.slack.say(ADA, channel, Some(&root), &format!("Note {note} of {mark}")).await;
    }
    let is_done = || board(world, channel, mark).is_some_and(|board| board.text.contains("Done"));
    see(&format!("{mark}: its end"), PATIENCE, is_done).await
}

/// A click that is not answered with 200 is made again.
async fn approve(world: &World, channel: &str, mark: &str) -> Result<(), String> {
    let proposal = || button(world, channel, mark, "baton.approve");
    for _ in 0..CLICKS {
        see(&format!("{mark}: a proposal"), PATIENCE, || proposal().is_some()).await?;
        let Some(message) = proposal() else { continue };
        if world.slack.click(ADA, &message.ts, "baton.approve").await.is_ok_and(|answer| answer.status == 200) {
            return Ok(());
        }
    }
    Err(format!("{mark}: nobody takes the approval"))
}

/// Delegated in Linear, approved there, answered.
pub async fn in_linear(world: World, mark: String) -> Result<(), String> {
    let issue = world.linear.issue(&format!("Update the docs, one child per package: api, web for {mark}"), "").await;
    let session = world.linear.delegate(linear::ADA, &issue).await?;
    let proposed = || world.linear.transcript(&session).contains("Approve version 1");
    see(&format!("{mark}: a proposal in Linear"), PATIENCE, proposed).await?;
    world.linear.choose(linear::GRACE, &session, "approve").await?;
    let complete = || world.linear.session(&session).is_some_and(|session| session.status == Status::Complete);
    see(&format!("{mark}: its end in Linear"), PATIENCE, complete).await
}

/// The board of a story.
pub fn board(world: &World, channel: &str, mark: &str) -> Option<Message> {
    let is_root = |message: &Message| message.thread_ts.as_deref().is_none_or(|root| root == message.ts);
    world.slack.messages(channel).into_iter().find(|message| is_root(message) && message.text.contains(mark))
}

fn button(world: &World, channel: &str, mark: &str, action: &str) -> Option<Message> {
    let root = board(world, channel, mark)?.ts;
    let has = |message: &Message| message.blocks.iter().any(|block| block.to_string().contains(action));
    world.slack.thread(channel, &root).into_iter().rev().find(has)
}
