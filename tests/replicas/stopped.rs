//! One replica is stopped for longer than its lease with work in hand, one is killed with work in
//! hand, and the third takes over from both. Then the first goes on where it was.
//!
//! The first holds two answers when it is stopped. One is to a search for a run whose create was lost
//! ("there is none"): what it would do next is create it, long after another has. The other is to a
//! post that has had its effect.

use std::time::{Duration, Instant};

use baton::simulator::faults::{Call, Fault};
use tokio::{task::JoinSet, time::sleep};

use super::{
    fleet::{Fleet, until},
    stories::{self, CHANNELS},
};

/// `LEASE` of the outbox, and what it may take to find that it has ended.
const TAKEN_OVER: Duration = Duration::from_secs(60 + 15);
/// The lease of who follows, and the next sweep.
const FOLLOWED: Duration = Duration::from_secs(30 + 8);
const SOON: Duration = Duration::from_secs(20);
/// Whoever goes on after its lease would have spoken by then.
const AFTERTHOUGHT: Duration = Duration::from_secs(5);
const TRIES: usize = 12;

pub async fn one_is_stopped_and_one_is_killed(fleet: &mut Fleet) -> Result<String, String> {
    let mut people = JoinSet::new();
    let mut scene = Scene { fleet, people: &mut people, asked: 0 };
    let (stopped, dispatch) = scene.search_is_held().await?;
    scene.post_is_held(stopped).await?;
    let leader = scene.fleet.leader().ok_or("nobody follows")?;
    // Whoever follows is one of the two.
    let killed = (0..3).find(|one| *one != stopped && (*one == leader || leader == stopped)).unwrap();
    let heir = (0..3).find(|one| *one != stopped && *one != killed).unwrap();

    let in_hand = scene.fleet.database.in_hand().await;
    scene.fleet.lead_to(&[killed, heir]);
    scene.fleet.replicas[stopped].pause().await;
    let stop = Instant::now();
    scene.post_is_held(killed).await?;
    scene.fleet.lead_to(&[heir]);
    scene.fleet.replicas[killed].kill().await;
    let kill = Instant::now();
    let of_killed: Vec<_> =
        scene.fleet.database.in_hand().await.into_iter().filter(|id| !in_hand.contains(id)).collect();

    let follows = async || fleet_follows(scene.fleet, heir, stop.max(kill));
    until("another follows", FOLLOWED, follows).await?;
    let followed = kill.elapsed();
    let database = &scene.fleet.database;
    let all: Vec<_> = in_hand.iter().chain(&of_killed).cloned().collect();
    until("all is taken over", TAKEN_OVER, async || database.done(&all).await.len() == all.len()).await?;
    let taken_over = stop.elapsed();
    let before = database.done(&all).await;

    // What was answered long ago is heard now.
    let asleep = stop.elapsed();
    scene.fleet.gates[stopped].release();
    scene.fleet.replicas[stopped].resume().await;
    let lost = async || scene.fleet.replicas[stopped].log().matches("lease lost").count() >= 2;
    until("it finds its leases lost", SOON, lost).await?;
    sleep(AFTERTHOUGHT).await;
    if scene.fleet.database.done(&all).await != before {
        return Err("rows that others had settled were written by the one that was stopped".into());
    }
    let creates = creates_of(scene.fleet, &dispatch);
    if creates != 2 {
        return Err(format!("a run was asked for {creates} times: once lost, once by who took over, or more"));
    }

    scene.fleet.gates[killed].release();
    scene.fleet.start(killed).await?;
    scene.fleet.lead_to(&[0, 1, 2]);
    let asked = scene.asked;
    while let Some(ended) = people.join_next().await {
        ended.map_err(|error| error.to_string())??;
    }
    Ok(format!(
        "one stopped for {} s with {} deliveries in hand, one killed with {}; followed again after {:.1} s, all taken over after {:.1} s; {asked} stories ended",
        asleep.as_secs(),
        in_hand.len(),
        of_killed.len(),
        followed.as_secs_f64(),
        taken_over.as_secs_f64(),
    ))
}

fn creates_of(fleet: &Fleet, dispatch: &str) -> usize {
    let is_create = |call: &&Call| call.what.starts_with("POST") && call.what.ends_with("/agent/runs");
    fleet.world.faults.calls().iter().filter(is_create).filter(|call| call.body.contains(dispatch)).count()
}

fn fleet_follows(fleet: &Fleet, one: usize, since: Instant) -> bool {
    fleet.sweeps(since).iter().any(|(_, swept)| *swept == one)
}

struct Scene<'a> {
    fleet: &'a mut Fleet,
    people: &'a mut JoinSet<Result<(), String>>,
    asked: usize,
}

impl Scene<'_> {
    /// Somebody asks for something, and sees it through meanwhile.
    async fn ask(&mut self) -> Result<(), String> {
        let channel = CHANNELS[self.asked % CHANNELS.len()];
        let mark = format!("stopped-{}.", self.asked);
        self.asked += 1;
        stories::ask(&self.fleet.world, channel, &mark).await?;
        let world = self.fleet.world.clone();
        self.people.spawn(async move { stories::see_through(&world, channel, &mark, 0).await });
        Ok(())
    }

    /// The create of a run gets lost, and whoever looks for it hears nothing for a while. Gives who,
    /// and what is looked for.
    async fn search_is_held(&mut self) -> Result<(usize, String), String> {
        self.fleet.world.faults.add("oz", "POST /agent/runs", Fault::Drop, 1);
        for gate in &self.fleet.gates {
            gate.hold("baton.dispatch");
        }
        self.ask().await?;
        let gates = &self.fleet.gates;
        let holder = || gates.iter().position(|gate| !gate.held().is_empty());
        until("a search for the run", SOON, async || holder().is_some()).await?;
        gates.iter().for_each(super::gate::Gate::hold_nothing);
        let one = holder().ok_or("nobody searches")?;
        let search = gates[one].held().pop().unwrap_or_default();
        let dispatch = search.split("baton.dispatch%5D=").nth(1).and_then(|rest| rest.split('&').next());
        Ok((one, dispatch.ok_or_else(|| format!("another search: {search}"))?.to_owned()))
    }

    /// A post of this replica's has had its effect, and it hears nothing.
    async fn post_is_held(&mut self, one: usize) -> Result<(), String> {
        let before = self.fleet.gates[one].held().len();
        for _ in 0..TRIES {
            self.fleet.gates[one].hold("chat.postMessage");
            self.fleet.lead_to(&[one]);
            self.ask().await?;
            let held = async || self.fleet.gates[one].held().len() > before;
            if until("", Duration::from_secs(2), held).await.is_ok() {
                return Ok(());
            }
        }
        Err("others always posted first".into())
    }
}
