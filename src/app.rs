//! Wires store, clients, workers and router together; starts them and stops them in order. `serve`
//! and `dev` run an [`App`], stories drive one step by step.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use axum::Router;
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    config::Settings,
    delivery::{Core, Parts, Workers},
    domain::route::Routes,
    oz::Oz,
    simulator::{World, slack as simulated_slack},
    slack::{
        client::Slack,
        webhook::{self, Door},
    },
    storage::{Store, ingest::Ingest},
    telemetry::Metrics,
    time::Clock,
    web::{self, Ready, Web, listen},
};

/// After the signal to stop, requests and deliveries under way have this long.
const FAREWELL: Duration = Duration::from_secs(20);
const CLOSE: Duration = Duration::from_secs(3);

#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Bring the schema up to date first.
    pub migrate: bool,
}

#[derive(Clone, Debug)]
pub struct DevOptions {
    /// The port on loopback; 0 takes any that is free.
    pub port: u16,
    /// How many times faster simulated agents work.
    pub speed: f64,
    /// Where the data stays; a temporary folder otherwise.
    pub data: Option<PathBuf>,
}

/// What an [`App`] is made of.
#[derive(Debug)]
pub struct Setup {
    pub store: Store,
    pub clock: Clock,
    pub routes: Routes,
    pub slack: SlackSetup,
    pub oz: OzSetup,
    /// The address of the operator's pages, for links.
    pub pages: Option<String>,
    /// Wanted by the operator's pages; without it they answer on loopback only.
    pub admin_token: Option<SecretString>,
}

#[derive(Debug)]
pub struct SlackSetup {
    pub api_url: Url,
    pub bot_token: SecretString,
    pub signing_secrets: Vec<SecretString>,
}

#[derive(Debug)]
pub struct OzSetup {
    pub base_url: Url,
    pub api_key: SecretString,
    pub poll_interval: Duration,
}

/// A whole Baton, put together and not yet running.
#[derive(Debug)]
pub struct App {
    pub workers: Workers,
    pub router: Router,
    store: Store,
    clock: Clock,
    ready: Ready,
    writer: JoinHandle<()>,
}

impl App {
    /// # Errors
    /// When the system's certificates cannot be read.
    pub fn new(setup: Setup) -> anyhow::Result<Self> {
        let Setup { store, clock, routes, slack, oz, pages, admin_token } = setup;
        let (ingest, writer) = Ingest::start(store.clone());
        let metrics = Metrics::new();
        let core = Arc::new(Core::new(Parts {
            store: store.clone(),
            clock: clock.clone(),
            routes,
            slack: Slack::new(slack.api_url, slack.bot_token, clock.clone())?,
            oz: Oz::new(oz.base_url, oz.api_key)?,
            pages,
            metrics: metrics.clone(),
        }));
        let door = Door { secrets: slack.signing_secrets, ingest, clock: clock.clone() };
        let ready = Ready::new();
        let pages = web::router(Web {
            store: store.clone(),
            metrics: metrics.clone(),
            ready: ready.clone(),
            admin_token,
            clock: clock.clone(),
        });
        let router = web::door::counted(webhook::router(door), metrics, clock.clone()).merge(pages);
        let workers = Workers::new(&core, oz.poll_interval);
        Ok(Self { workers, router, store, clock, ready, writer })
    }

    /// Serves and works until `stop`, then finishes what is under way: no new connections and no new
    /// deliveries, then the requests and deliveries there are, then what the inbox still holds.
    ///
    /// # Errors
    /// When one of them ends by itself.
    pub async fn run(self, listener: TcpListener, more: Router, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { workers, router, store, clock, ready, writer } = self;
        let mut parts = JoinSet::new();
        parts.spawn(workers.run(stop.clone(), move |name| ready.worker_beat(name, clock.now())));
        // The door is in the router. The writer ends when the last copy of it is gone.
        parts.spawn(listen::serve(listener, router.merge(more), stop.clone()));
        let broken = tokio::select! {
            () = stop.cancelled() => false,
            _ = parts.join_next() => true,
        };
        stop.cancel();
        let farewell = async {
            while parts.join_next().await.is_some() {}
            let _ = writer.await;
        };
        if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
            tracing::warn!("what is still under way is cut off; it is found again by its leases");
        }
        parts.shutdown().await;
        // A connection that does not come back keeps nobody waiting.
        let _ = tokio::time::timeout(CLOSE, store.close()).await;
        anyhow::ensure!(!broken, "the service broke down");
        Ok(())
    }
}

/// `baton serve`.
///
/// # Errors
/// In words for the operator.
pub async fn serve(settings: Settings, options: ServeOptions) -> anyhow::Result<()> {
    let (Some(slack), Some(oz)) = (settings.slack, settings.oz) else {
        anyhow::bail!("neither Slack nor Oz is configured");
    };
    let store = Store::open(settings.storage.url.expose_secret(), 10).await.context("the database cannot be opened")?;
    if options.migrate {
        store.migrate().await?;
    }
    let _sole = store.take_over().await?;
    let app = App::new(Setup {
        store,
        clock: Clock::system(),
        routes: settings.routes,
        slack: SlackSetup {
            api_url: slack.api_url,
            bot_token: slack.bot_token,
            signing_secrets: slack.signing_secrets,
        },
        oz: OzSetup { base_url: oz.base_url, api_key: oz.api_key, poll_interval: oz.poll_interval },
        pages: settings.server.public_url.map(|url| url.to_string()),
        admin_token: settings.server.admin_token,
    })?;
    let listen = settings.server.listen;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    tracing::info!(listen = %listener.local_addr()?, "listening");
    app.run(listener, Router::new(), stop_on_signal()?).await
}

/// `baton dev`.
///
/// # Errors
/// In words for whoever tries it.
pub async fn dev(options: DevOptions) -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", options.port))
        .await
        .with_context(|| format!("cannot listen on port {}; choose another with --port", options.port))?;
    let address = format!("http://{}", listener.local_addr()?);
    let folder = Folder::open(options.data)?;
    let store = Store::open(&format!("sqlite://{}", folder.path.join("baton.db").display()), 10).await?;
    store.migrate().await?;
    let _sole = store.take_over().await?;

    let clock = Clock::system();
    let world = World::new(&clock);
    world.oz.set_speed(options.speed);
    let simulators = world.router(&address, &address);
    let app = App::new(Setup {
        store,
        clock: clock.clone(),
        routes: Routes::default(),
        slack: SlackSetup {
            api_url: World::slack_api(&address).parse()?,
            bot_token: simulated_slack::BOT_TOKEN.into(),
            signing_secrets: vec![simulated_slack::SIGNING_SECRET.into()],
        },
        oz: OzSetup {
            base_url: World::oz_api(&address).parse()?,
            api_key: "wk-simulated".into(),
            poll_interval: Duration::from_secs(1),
        },
        pages: Some(address.clone()),
        admin_token: None,
    })?;
    let stop = stop_on_signal()?;
    let retries = tokio::spawn({
        let (stop, slack) = (stop.clone(), world.slack.clone());
        async move {
            while !stop.is_cancelled() {
                slack.tick().await;
                clock.sleep(Duration::from_secs(1)).await;
            }
        }
    });
    announce(&address);
    let ran = app.run(listener, simulators, stop).await;
    retries.abort();
    folder.remove();
    ran
}

#[expect(clippy::print_stdout, reason = "the address is what `dev` is for")]
fn announce(address: &str) {
    println!(
        "Baton runs with a simulated Slack and a simulated Oz. Nothing leaves this machine.\n\n    {address}/playground\n\nPress Ctrl-C to stop."
    );
}

/// Cancelled at the first SIGINT or SIGTERM.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::spawn({
        let stop = stop.clone();
        async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tracing::info!("stopping");
            stop.cancel();
        }
    });
    Ok(stop)
}

/// The data of `dev`: a folder that is kept, or a temporary one that is removed at the end.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    fn open(kept: Option<PathBuf>) -> anyhow::Result<Self> {
        let temporary = kept.is_none();
        let path =
            kept.unwrap_or_else(|| std::env::temp_dir().join(format!("baton-dev-{}", uuid::Uuid::new_v4().simple())));
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Self { path, temporary })
    }

    fn remove(self) {
        if self.temporary
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, folder = %self.path.display(), "the temporary folder stays");
        }
    }
}
