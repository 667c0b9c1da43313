//! The real binary, killed with SIGKILL at planned instants and started again, while people in Slack
//! and Linear go on asking, approving and stopping. Nothing that was answered 200 may be lost, and
//! nothing may be done or said twice.
//!
//! `cargo test --test deaths` kills a few times, half of them on PostgreSQL where
//! `BATON_TEST_POSTGRES_URL` names a server. `BATON_KILLS=1000` says how often; `BATON_KILL_SEED`
//! repeats an earlier plan: the same lives, and the same stories in the same order.

#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

mod binary;
mod in_linear;
mod people;
mod plan;
mod stories;
mod verdict;

use std::{
    io::Write as _,
    process::ExitCode,
    time::{Duration, Instant},
};

use baton::{
    simulator::{
        World,
        linear::{CLIENT_ID, CLIENT_SECRET, WEBHOOK_SECRET},
        slack::APP_TOKEN,
    },
    storage::{Store, inbox},
    time::Clock,
};
use tokio::{
    net::TcpListener,
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use binary::Binary;
use people::{ADA, CHANNELS, People};
use plan::{Life, Plan};
use stories::Story;
use verdict::Verdict;

/// A taste; CI asks for more.
const KILLS: usize = 10;
/// People who have something going on at the same time.
const PEOPLE: usize = 12;
/// A life that waits for requests ends after this all the same.
const LONGEST_LIFE: Duration = Duration::from_secs(4);
/// After the last kill everything has this long to come to its end; a lease of the dead lasts a
/// minute, and Slack's last retry comes after five.
const PATIENCE: Duration = Duration::from_mins(8);
/// Nothing is waiting, nothing is on its way, and that is still so after this.
const SILENCE: Duration = Duration::from_secs(4);
const SPEED: f64 = 12.0;
/// Of the log, when something is wrong.
const TAIL: usize = 20;

/// Two people decide in one channel; what is delegated is shown in another; a label starts something.
const CONFIG: &str = r#"
[[route]]
slack_channel = "C0OPS"
policy = "two"

[[route]]
linear_label = "orchestrate"

[[route]]
linear_team = "ENG"
notify_slack_channel = "C0PRIV"

[policy.two]
quorum = 2
"#;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let seed = setting("BATON_KILL_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let kills = setting("BATON_KILLS").map_or(KILLS, |kills| usize::try_from(kills).unwrap());
    say(&format!("{kills} kills, seed {seed}"));
    match runtime.block_on(both(kills, seed)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            say(&format!("FAILED with BATON_KILL_SEED={seed} BATON_KILLS={kills}:\n{why}"));
            ExitCode::FAILURE
        }
    }
}

/// Half of the kills on each database, at the same time: most of it is waiting.
async fn both(kills: usize, seed: u64) -> Verdict {
    let Some(server) = text("BATON_TEST_POSTGRES_URL") else {
        if text("BATON_TEST_POSTGRES_REQUIRED").as_deref() == Some("1") {
            return Err("BATON_TEST_POSTGRES_REQUIRED=1, and BATON_TEST_POSTGRES_URL names no server".into());
        }
        say("*** SKIPPED: the PostgreSQL half. BATON_TEST_POSTGRES_URL is not set. ***");
        return half("sqlite", None, Plan { seed, kills }).await;
    };
    let plan = Plan { seed, kills: kills.div_ceil(2) };
    let (sqlite, postgres) = tokio::join!(half("sqlite", None, plan), half("postgres", Some(server), plan));
    match (sqlite, postgres) {
        (Err(one), Err(other)) => Err(format!("{one}\n\n{other}")),
        (one, other) => one.and(other),
    }
}

/// One database, from nothing to the verdict. Slack sends by webhook on one and over sockets on the other.
async fn half(name: &str, server: Option<String>, plan: Plan) -> Verdict {
    let world = World::new(&Clock::system());
    world.oz.set_speed(SPEED);
    world.slack.invite_bot(people::MIRROR);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let by_socket = server.is_some();
    let mut binary = Binary::new(&address, server).await;
    if by_socket {
        binary.set("SLACK_APP_TOKEN", APP_TOKEN);
    }
    binary.configure(CONFIG);
    binary.set("BATON_LOG", "warn,baton::door=debug");
    binary.set("LINEAR_API_URL", World::linear_api(&address));
    binary.set("LINEAR_CLIENT_ID", CLIENT_ID);
    binary.set("LINEAR_CLIENT_SECRET", CLIENT_SECRET);
    binary.set("LINEAR_WEBHOOK_SECRET", WEBHOOK_SECRET);
    let router = world.router(&address, &binary.address);
    let mut background = JoinSet::new();
    background.spawn(async move { axum::serve(listener, router).await.map(drop).unwrap() });
    let ticking = world.clone();
    background.spawn(async move {
        loop {
            ticking.tick().await;
            sleep(Duration::from_secs(1)).await;
        }
    });

    let people = People::new(&world, plan);
    let verdict = live_and_die(name, &mut binary, &people).await;
    binary.stop().await;
    background.shutdown().await;
    let log = binary.log();
    let verdict = match verdict {
        Ok(counts) => binary.audit().await.and(verdict::of_log(&log)).map(|events| (counts, events)),
        Err(why) => Err(why),
    };
    binary.drop_database().await;
    let (counts, (new, known)) = verdict.map_err(|why| {
        let tail: Vec<_> = log.lines().rev().filter(|line| !line.contains("event stored")).take(TAIL).collect();
        let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
        format!("{name}: {why}\n--- waits for:\n{}\n--- the end of the log:\n{tail}", people.waiting())
    })?;
    let taken = world.slack.taken() + world.linear.taken();
    say(&format!(
        "{name}: {} kills, {counts}, {taken} webhooks answered 200 ({new} new, {known} known already): \
         nothing lost, nothing twice",
        plan.kills
    ));
    Ok(())
}

/// Kills as planned, lets all come to its end, and judges.
async fn live_and_die(name: &str, binary: &mut Binary, people: &People) -> Verdict<String> {
    let begun = Instant::now();
    let mut all = JoinSet::new();
    for _ in 0..PEOPLE {
        all.spawn(people.clone().live());
    }
    let mut requests = people.world.faults.seen();
    for (number, life) in people.plan.lives().enumerate() {
        live(binary, life, &mut requests).await?;
        if (number + 1).is_multiple_of(25) {
            say(&format!("{name}: {} kills after {:.0} s", number + 1, begun.elapsed().as_secs_f64()));
        }
    }
    binary.start().await?;
    people.let_end();
    say(&format!("{name}: the last kill after {:.0} s", begun.elapsed().as_secs_f64()));
    let ending = all.join_all();
    tokio::pin!(ending);
    let ended = timeout(PATIENCE, async {
        loop {
            match timeout(PATIENCE / 8, &mut ending).await {
                Ok(stories) => break stories.into_iter().flatten().collect(),
                Err(_) => say(&format!("{name}: still waits for\n{}", people.waiting())),
            }
        }
    });
    let Ok(stories) = ended.await else {
        return Err(format!("something did not come to its end\n{}", left_over(binary, &people.world).await?));
    };
    let stories: Vec<Story> = stories;
    let Ok(ended) = timeout(PATIENCE, end(binary, &people.world)).await else {
        return Err(format!("something is left over\n{}", left_over(binary, &people.world).await?));
    };
    ended?;
    let counts = verdict::of(&people.world, &stories)?;
    Ok(format!("{:.0} s, {counts}", begun.elapsed().as_secs_f64()))
}

async fn live(binary: &mut Binary, life: Life, requests: &mut watch::Receiver<usize>) -> Verdict {
    binary.spawn()?;
    match life {
        Life::Starting(length) => sleep(length).await,
        Life::Working(length) => {
            binary.ready().await?;
            sleep(length).await;
        }
        Life::Calling(number, after) => {
            binary.ready().await?;
            let until = *requests.borrow() + number;
            // Whether they came or not, it dies.
            let _ = timeout(LONGEST_LIFE, requests.wait_for(|seen| *seen >= until)).await;
            sleep(after).await;
        }
    }
    binary.kill().await;
    Ok(())
}

/// Stops what somebody asked for twice because the first answer was lost, and waits until nothing is
/// open, waiting or parked.
async fn end(binary: &Binary, world: &World) -> Verdict {
    loop {
        // Linear's second retry comes after an hour, and its third after six.
        world.linear.hurry();
        for message in CHANNELS.iter().flat_map(|channel| world.slack.messages(channel)) {
            if people::has(&message, "baton.stop") {
                let _ = world.slack.click(ADA, &message.ts, "baton.stop").await;
            }
        }
        sleep(SILENCE).await;
        if world.slack.undelivered() + world.linear.undelivered() > 0 {
            continue;
        }
        let open = binary.ask(&["list", "--open"]).await?;
        let deliveries = binary.ask(&["deliveries"]).await?;
        if deliveries.contains("parked") && !deliveries.starts_with("Nothing is parked") {
            return Err(format!("a delivery was parked:\n{deliveries}"));
        }
        if open.starts_with("There are no") && deliveries.starts_with("Nothing is parked") {
            break;
        }
    }
    let store = Store::open(&binary.database_url(), 1).await.map_err(|error| error.to_string())?;
    let events = inbox::counts(&store).await.map_err(|error| error.to_string())?;
    store.close().await;
    if (events.undecided, events.parked) == (0, 0) { Ok(()) } else { Err(format!("events are left over: {events:?}")) }
}

/// Everything that is still open, with how it came there, and everything that is still on its way.
async fn left_over(binary: &Binary, world: &World) -> Verdict<String> {
    let open = binary.ask(&["list", "--open"]).await?;
    let mut report = vec![
        format!("webhooks of Slack {}, of Linear {}", world.slack.undelivered(), world.linear.undelivered()),
        binary.ask(&["deliveries"]).await?,
        open.clone(),
    ];
    for id in open.lines().skip(1).filter_map(|line| line.split_whitespace().next()) {
        report.push(binary.ask(&["show", id]).await?);
        report.push(binary.ask(&["why", id]).await?);
    }
    Ok(report.join("\n"))
}

fn setting(name: &str) -> Option<u64> {
    text(name).and_then(|value| value.parse().ok())
}

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment what to do")]
fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
