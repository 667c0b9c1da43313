//! Three replicas, stories in Slack and in Linear, and webhooks that go to each in turn.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{
    fleet::{Fleet, until},
    stories::{self, CHANNELS},
    verdict,
};

const IN_SLACK: usize = 4;
const IN_LINEAR: usize = 2;
/// Nobody can delegate before Baton has been let in.
const LET_IN: Duration = Duration::from_secs(30);

pub async fn any_takes_any(fleet: &Fleet) -> Result<String, String> {
    let begun = Instant::now();
    let mut people = JoinSet::new();
    for number in 0..IN_SLACK {
        let (world, channel) = (fleet.world.clone(), CHANNELS[number % CHANNELS.len()]);
        people.spawn(stories::in_slack(world, channel, format!("together-{number}.")));
    }
    let asked =
        |part: &str| fleet.gates.iter().flat_map(super::gate::Gate::asked).any(|asked| asked.what.contains(part));
    until("a token of Linear's", LET_IN, async || asked("/oauth/token")).await?;
    for number in 0..IN_LINEAR {
        people.spawn(stories::in_linear(fleet.world.clone(), format!("linear-{number}.")));
    }
    while let Some(ended) = people.join_next().await {
        ended.map_err(|error| error.to_string())??;
    }
    verdict::all_is_done(fleet).await?;

    let taken = fleet.front.taken();
    let taken: Vec<_> =
        fleet.replicas.iter().map(|replica| taken.get(&replica.address).copied().unwrap_or(0)).collect();
    let asked: Vec<_> = fleet.gates.iter().map(|gate| gate.asked().len()).collect();
    if taken.contains(&0) || asked.contains(&0) {
        return Err(format!("not all did something: events {taken:?}, requests {asked:?}"));
    }
    let leader = verdict::one_follows(fleet, begun)?;
    Ok(format!(
        "{IN_SLACK} stories in Slack and {IN_LINEAR} in Linear in {} s; events taken {taken:?}, requests made {asked:?}; {} alone followed",
        begun.elapsed().as_secs(),
        fleet.replicas[leader].name,
    ))
}
