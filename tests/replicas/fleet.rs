//! Several processes on one database, before one simulated world.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use baton::{
    simulator::{
        World,
        linear::{CLIENT_ID, CLIENT_SECRET, WEBHOOK_SECRET},
        slack::{BOT_TOKEN, SIGNING_SECRET},
    },
    time::Clock,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinSet, time::sleep};

use super::{database::Database, front::Front, gate::Gate, replica::Replica, stories::CHANNELS};

/// How many times faster agents work.
const SPEED: f64 = 8.0;
const BLINK: Duration = Duration::from_millis(100);

pub struct Fleet {
    pub world: World,
    pub front: Front,
    pub replicas: Vec<Replica>,
    /// One for each replica.
    pub gates: Vec<Gate>,
    pub database: Database,
    _folder: TempDir,
    _background: JoinSet<()>,
}

impl Fleet {
    /// One replica for each program. None of them runs yet.
    pub async fn new(server: &str, programs: &[PathBuf]) -> Self {
        let world = World::new(&Clock::system());
        world.slack.knobs(|knobs| knobs.between_edits = Duration::from_millis(1_500));
        world.oz.set_speed(SPEED);
        world.slack.knobs(|knobs| knobs.enforce_pace = true);
        let (front, door) = Front::open().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let router = world.router(&format!("http://{}", listener.local_addr().unwrap()), &door);
        let database = Database::new(server).await;
        let folder = tempfile::tempdir().unwrap();
        let (mut replicas, mut gates) = (Vec::new(), Vec::new());
        for (program, name) in programs.iter().zip(["a", "b", "c"]) {
            let gate = Gate::default();
            let platforms = gate.open(router.clone()).await;
            let environment = environment(&platforms, &database.url);
            replicas.push(Replica::new(name, program, folder.path(), environment).await);
            gates.push(gate);
        }
        let mut background = JoinSet::new();
        // What platforms hand out leads to them, and not through a gate.
        background.spawn(async move { axum::serve(listener, router).await.map(drop).unwrap() });
        let ticking = world.clone();
        background.spawn(async move {
            loop {
                ticking.tick().await;
                ticking.linear.deliver_outgoing().await;
                sleep(BLINK).await;
            }
        });
        Self { world, front, replicas, gates, database, _folder: folder, _background: background }
    }

    pub async fn start(&mut self, one: usize) -> Result<(), String> {
        self.replicas[one].start().await
    }

    /// Webhooks go to these replicas only.
    pub fn lead_to(&self, some: &[usize]) {
        self.front.lead_to(some.iter().map(|one| self.replicas[*one].address.clone()));
    }

    /// Who follows the runs now: who swept last.
    pub fn leader(&self) -> Option<usize> {
        let last = |gate: &Gate| gate.asked().iter().rfind(|asked| is_sweep(&asked.what)).map(|asked| asked.at);
        let swept = self.gates.iter().enumerate().filter_map(|(one, gate)| Some((last(gate)?, one)));
        swept.max().map(|(_, one)| one)
    }

    /// The sweeps since then, in order, by who made them.
    pub fn sweeps(&self, since: Instant) -> Vec<(Instant, usize)> {
        let of = |(one, gate): (usize, &Gate)| {
            let sweeps = gate.asked().into_iter().filter(|asked| is_sweep(&asked.what) && asked.at >= since);
            sweeps.map(|asked| (asked.at, one)).collect::<Vec<_>>()
        };
        let mut sweeps: Vec<_> = self.gates.iter().enumerate().flat_map(of).collect();
        sweeps.sort();
        sweeps
    }

    /// What there is to see, and what the replicas complained of, for who wants to know why.
    pub fn told(&self) -> String {
        let end = |replica: &Replica| {
            let log = replica.log();
            let lines: Vec<_> = log.lines().filter(|line| is_complaint(line)).collect();
            format!("--- {}\n{}\n", replica.name, lines[lines.len().saturating_sub(20)..].join("\n"))
        };
        let shown = CHANNELS.iter().map(|channel| self.world.slack.transcript(channel));
        shown.chain(self.replicas.iter().map(end)).collect()
    }

    pub async fn end(mut self) {
        for replica in &mut self.replicas {
            replica.kill().await;
        }
        self.database.drop().await;
    }
}

/// Waits until `is_so`; an error that says `what` did not come.
pub async fn until(what: &str, patience: Duration, is_so: impl AsyncFn() -> bool) -> Result<Duration, String> {
    let begun = Instant::now();
    while begun.elapsed() < patience {
        if is_so().await {
            return Ok(begun.elapsed());
        }
        sleep(BLINK).await;
    }
    Err(format!("{what}: not within {} s", patience.as_secs()))
}

/// As [`until`], of what can be seen at once.
pub async fn see(what: &str, patience: Duration, is_so: impl Fn() -> bool + Send) -> Result<(), String> {
    let begun = Instant::now();
    while begun.elapsed() < patience {
        if is_so() {
            return Ok(());
        }
        sleep(BLINK).await;
    }
    Err(format!("{what}: not within {} s", patience.as_secs()))
}

fn is_complaint(line: &str) -> bool {
    (line.contains(" WARN ") || line.contains(" ERROR ")) && !line.contains("slow statement")
}

fn is_sweep(what: &str) -> bool {
    what.starts_with("GET") && what.contains("updated_after")
}

fn environment(platforms: &str, database: &str) -> Vec<(&'static str, String)> {
    vec![
        ("BATON_DATABASE_URL", database.to_owned()),
        ("BATON_OZ_POLL_INTERVAL", "500ms".into()),
        ("BATON_LOG", "info".into()),
        ("BATON_LOG_FORMAT", "text".into()),
        ("SLACK_SIGNING_SECRET", SIGNING_SECRET.into()),
        ("SLACK_BOT_TOKEN", BOT_TOKEN.into()),
        ("SLACK_API_URL", World::slack_api(platforms)),
        ("LINEAR_WEBHOOK_SECRET", WEBHOOK_SECRET.into()),
        ("LINEAR_CLIENT_ID", CLIENT_ID.into()),
        ("LINEAR_CLIENT_SECRET", CLIENT_SECRET.into()),
        ("LINEAR_API_URL", World::linear_api(platforms)),
        ("WARP_API_KEY", "wk-replicas".into()),
        ("OZ_API_BASE_URL", World::oz_api(platforms)),
    ]
}
