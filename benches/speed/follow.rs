//! What following costs: runs at work, of which one in a hundred says something new each minute, for
//! ten minutes on a clock that the benchmark moves. The cost has to grow with what changes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use baton::{
    domain::{
        actor::Actor,
        command::{Ask, Verb},
        conversation::Conversation,
        effect::{PostKey, Slot},
        orchestration::{Child, ChildState, Orchestration, Parent, Request, Seen, Stage},
        policy::Policy,
        proposal::ChildSpec,
        route::Launch,
        run::{Mode, RunSettings, RunState},
    },
    ids::{OrchestrationId, RunId},
    simulator::slack::TEAM,
    storage::{Store, orchestrations, runs},
    time::{Clock, Timestamp},
};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::support::{
    baton::{app, settle, store},
    databases::{self, Database},
    platforms::Platforms,
    process,
    verdicts::Verdicts,
};

const SIZES: [usize; 3] = [100, 1_000, 10_000];
const CHILDREN: usize = 20;
const MINUTES: u32 = 10;

/// Of one size, each minute unless it says otherwise.
struct Cost {
    followed: usize,
    changed: u32,
    reads_a_second: f64,
    cpu_ms: f64,
    commits: f64,
}

pub fn bench(quick: bool, verdicts: &mut Verdicts) -> anyhow::Result<()> {
    let counting = Arc::new(AtomicU64::new(0));
    let subscriber = tracing_subscriber::registry().with(Commits(Arc::clone(&counting)));
    let sizes = if quick { &SIZES[..2] } else { &SIZES[..] };
    println!(
        "| database | followed runs | changed in a minute | Oz reads a second | CPU ms a minute | commits a minute |"
    );
    println!("|---|---|---|---|---|---|");
    // One thread does Baton's work, so that its commits are counted wherever they happen.
    let runtime = super::on_one_core()?;
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(async {
            for (engine, database) in databases::each().await? {
                database.remove().await?;
                let mut costs = Vec::new();
                for &followed in sizes {
                    for per_cent in [0, 1] {
                        let database =
                            if engine == "SQLite" { Some(Database::sqlite()?) } else { Database::postgres().await? };
                        let Some(database) = database else { continue };
                        let cost = follow(&database, followed, per_cent, &counting).await?;
                        let Cost { followed, changed, reads_a_second, cpu_ms, commits } = &cost;
                        println!(
                            "| {engine} | {followed} | {changed} | {reads_a_second:.2} | {cpu_ms:.0} | {commits:.0} |"
                        );
                        costs.push(cost);
                        database.remove().await?;
                    }
                }
                judge(engine, &costs, verdicts);
            }
            Ok(())
        })
    })
}

fn judge(engine: &str, costs: &[Cost], verdicts: &mut Verdicts) {
    let (Some(still), Some(most)) = (costs.iter().rfind(|cost| cost.changed == 0), costs.last()) else { return };
    verdicts.at_most(format!("{} followed runs, {engine}: Oz reads a second", most.followed), most.reads_a_second, 3.0);
    if let Some(least) = costs.first() {
        // What does not change costs the same however much there is of it.
        let ratio = still.cpu_ms / least.cpu_ms.max(1.0);
        let what = format!("{engine}: CPU of {} still runs × that of {}", still.followed, least.followed);
        verdicts.at_most(what, ratio, 3.0);
    }
}

async fn follow(database: &Database, followed: usize, per_cent: usize, commits: &AtomicU64) -> anyhow::Result<Cost> {
    let platforms = Platforms::start()?;
    let start = platforms.world.seen().now;
    let clock = Clock::manual(start);
    let store = store(&database.url).await?;
    let app = app(&store, clock.clone(), &platforms.address)?;
    fill(&store, &platforms, followed, start).await?;
    settle(&app).await?;

    let (reads, used, committed) = (platforms.world.seen().reads, cpu(), commits.load(Ordering::Relaxed));
    let seconds = MINUTES * 60;
    let per_minute = followed * per_cent / 100;
    let (mut changed, mut owed) = (0_u32, 0);
    for _ in 0..seconds {
        clock.advance(Duration::from_secs(1));
        {
            let mut seen = platforms.world.seen();
            seen.now = clock.now();
            owed += per_minute;
            while owed >= 60 {
                owed -= 60;
                // A step that meets all of them in time, one orchestration after the other.
                let place = (changed as usize * 7919) % followed;
                seen.touch(place);
                changed += 1;
            }
        }
        settle(&app).await?;
    }
    let reads = f64::from(platforms.world.seen().reads - reads);
    let used = cpu().saturating_sub(used);
    let committed = commits.load(Ordering::Relaxed) - committed;
    store.close().await;
    let minutes = f64::from(MINUTES);
    Ok(Cost {
        followed,
        changed: changed / MINUTES,
        reads_a_second: reads / f64::from(seconds),
        cpu_ms: used.as_secs_f64() * 1000.0 / minutes,
        commits: f64::from(u32::try_from(committed)?) / minutes,
    })
}

fn cpu() -> Duration {
    process::cpu(std::process::id()).unwrap_or_default()
}

/// So many runs at work, twenty to an orchestration, which Oz and Baton both know.
async fn fill(store: &Store, platforms: &Platforms, followed: usize, now: Timestamp) -> anyhow::Result<()> {
    for number in 0..followed / CHILDREN {
        let orchestration = running(number, now);
        let mut tx = store.begin("fill").await?;
        orchestrations::insert(&mut tx, &orchestration).await?;
        for child in &orchestration.children {
            let Some(run) = &child.run else { continue };
            let slot = Slot::Child(child.number);
            runs::put(&mut tx, run, &orchestration.id, slot, &RunState::InProgress, now, true).await?;
            platforms.world.seen().add(
                run.to_string(),
                orchestration.parent.as_ref().and_then(|parent| parent.run.as_ref()).map(ToString::to_string),
            );
        }
        tx.commit().await?;
    }
    Ok(())
}

fn running(number: usize, now: Timestamp) -> Orchestration {
    let ask =
        Ask { task: "Migrate every test file from Jest to Vitest, one child per package".into(), ..Ask::default() };
    let seen = Seen { state: RunState::InProgress, updated_at: now, ..Seen::default() };
    let child = |child: usize| Child {
        number: u32::try_from(child).unwrap_or_default(),
        spec: ChildSpec {
            name: format!("package-{child}"),
            prompt: format!(
                "Migrate the tests of package-{child} from Jest to Vitest, run them, and open a pull request."
            ),
            returns: Some("a pull request".into()),
            environment: None,
            model: None,
        },
        attempt: 1,
        run: Some(RunId::new(format!("run-{number}-{child}"))),
        seen: seen.clone(),
        state: ChildState::Working,
        started_at: Some(now),
        ended_at: None,
        told: None,
        turns: 0,
        artifacts: Vec::new(),
        digest: None,
        stranger: false,
    };
    Orchestration {
        id: OrchestrationId::new(format!("o{number}")),
        conversation: Conversation::slack(TEAM, format!("C0FOLLOW{number}"), Some("1700000000.000001".into())),
        mirror: None,
        request: Request::new(Verb::Orchestrate, ask, Actor::slack(TEAM, "U0ADA"), now),
        settings: RunSettings::default(),
        launch: Launch::Exact,
        max_children: None,
        policy: Policy::default(),
        stage: Stage::Running,
        parent: Some(Parent {
            attempt: 1,
            run: Some(RunId::new(format!("parent-{number}"))),
            mode: Mode::Orchestrate,
            seen: Seen { state: RunState::Succeeded, updated_at: now, ..Seen::default() },
            told: None,
            turns: 1,
            reading: false,
            heard_out: true,
            plan: None,
        }),
        parent_starts: 1,
        children: (1..=CHILDREN).map(child).collect(),
        proposal: None,
        versions: Vec::new(),
        waiting: Vec::new(),
        artifacts: std::collections::BTreeMap::new(),
        posts: [(PostKey::board(), "1700000000.000001".to_owned())].into(),
        missing: Vec::new(),
        heard: Vec::new(),
        wishes: Vec::new(),
        drafts: Vec::new(),
        held: Vec::new(),
        votes_before: Vec::new(),
        known: Vec::new(),
        created_at: now,
        updated_at: now,
    }
}

/// Counts transactions: the store says of each that it is committed.
struct Commits(Arc<AtomicU64>);

impl<S: tracing::Subscriber> Layer<S> for Commits {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "baton::storage" && *event.metadata().level() == tracing::Level::TRACE {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}
