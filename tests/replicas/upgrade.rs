//! An older version and this one at once: the older serves, the newer starts and brings the schema up
//! to date (expand), both go on, the older is stopped, and what only it used goes away (contract).

use std::{path::PathBuf, time::Duration};

use tokio::{task::JoinSet, time::sleep};

use super::{
    fleet::{Fleet, until},
    say,
    stories::{self, CHANNELS},
    this, verdict,
};

const OLD: usize = 0;
const NEW: usize = 1;
/// Stories are under way by then, and none has ended.
const UNDER_WAY: Duration = Duration::from_secs(4);
/// Both serve for so long.
const AT_ONCE: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_secs(30);

pub async fn with(server: &str, old: PathBuf) -> Result<(), String> {
    let mut fleet = Fleet::new(server, &[old, this()]).await;
    let told = upgrade(&mut fleet).await.map_err(|why| format!("{why}\n{}", fleet.told()));
    fleet.end().await;
    told
}

async fn upgrade(fleet: &mut Fleet) -> Result<(), String> {
    let mut people = JoinSet::new();
    let mut asked = 0;
    let mut ask = |fleet: &Fleet, stories: usize| {
        for _ in 0..stories {
            let (world, channel) = (fleet.world.clone(), CHANNELS[asked % CHANNELS.len()]);
            people.spawn(stories::in_slack(world, channel, format!("upgrade-{asked}.")));
            asked += 1;
        }
    };
    fleet.start(OLD).await?;
    fleet.lead_to(&[OLD]);
    let before = fleet.database.schema().await;
    ask(fleet, 2);
    sleep(UNDER_WAY).await;

    // Expand: what the newer one brings, and a column that only the older ones will have used.
    fleet.start(NEW).await?;
    let after = fleet.database.schema().await;
    fleet.database.alter("ALTER TABLE outbox ADD COLUMN outgoing TEXT NOT NULL DEFAULT ''").await;
    fleet.lead_to(&[OLD, NEW]);
    ask(fleet, 2);
    sleep(AT_ONCE).await;
    let works = async || fleet.gates.iter().all(|gate| !gate.asked().is_empty());
    until("both work", SOON, works).await?;
    let requests: Vec<_> = fleet.gates.iter().map(|gate| gate.asked().len()).collect();

    fleet.lead_to(&[NEW]);
    let ended = fleet.replicas[OLD].stop().await?;
    if !ended.success() {
        return Err(format!("the older one ended with {ended}"));
    }
    let refusal = fleet.replicas[OLD].refusal().await;
    match (after > before, refusal) {
        (true, Ok(words)) if words.contains("run a newer version") => {}
        (true, refusal) => return Err(format!("the older one does not refuse the newer schema: {refusal:?}")),
        (false, _) => say("*** both versions know the same schema: that an older one refuses a newer is not shown ***"),
    }

    // Contract, as a later migration would, with stories under way.
    ask(fleet, 1);
    fleet.database.alter("ALTER TABLE outbox DROP COLUMN outgoing").await;
    while let Some(story) = people.join_next().await {
        story.map_err(|error| error.to_string())??;
    }
    verdict::all_is_done(fleet).await?;
    say(&format!(
        "upgrade: schema {before} to {after} under {asked} stories; requests by old and new {requests:?} until the old one stopped"
    ));
    say(&format!("once: {}", verdict::once(&fleet.world)?));
    say(&format!("order: {}", verdict::in_order(fleet).await?));
    say(&format!("pace: {}", verdict::paced(fleet)?));
    Ok(())
}
