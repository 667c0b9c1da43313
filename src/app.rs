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
    config::{LinearCredentials, RetentionSettings, Settings, SlackCredentials},
    delivery::{Core, Parts, Platforms, Upkeep, Workers},
    domain::route::{Route, Routes},
    door::Refusals,
    ids::short_hash,
    installs::{Installed, Installer, OAuth},
    linear::{self, Linear, Tokens, webhook as linear_webhook},
    manifest,
    oz::Oz,
    secret::Sealer,
    simulator::{World, linear as simulated_linear, slack as simulated_slack},
    slack::{
        self,
        client::Slack,
        socket::{self, Socket},
        webhook::{self, Door},
    },
    storage::{self, Schema, Store, audit, ingest::Ingest},
    telemetry::Metrics,
    time::Clock,
    web::{self, Ready, Tries, Web, listen},
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
    /// Slack, Linear or both.
    pub slack: Option<SlackSetup>,
    pub linear: Option<LinearSetup>,
    pub oz: OzSetup,
    pub upkeep: Upkeep,
    /// The address of the operator's pages, for links.
    pub pages: Option<String>,
    /// Wanted by the operator's pages; without it they answer on loopback only.
    pub admin_token: Option<SecretString>,
}

#[derive(Debug)]
pub struct SlackSetup {
    pub api_url: Url,
    pub access: SlackAccess,
    /// None where Slack sends no webhooks.
    pub signing_secrets: Vec<SecretString>,
    /// Opens the socket over which Slack sends instead.
    pub app_token: Option<SecretString>,
}

/// How Baton gets into Slack.
#[derive(Debug)]
pub enum SlackAccess {
    /// One workspace, with a token that is ours.
    Own(SecretString),
    /// Every workspace that installs the app.
    Installs { id: String, secret: SecretString, sealer: Sealer, public_url: Url },
}

#[derive(Debug)]
pub struct LinearSetup {
    pub api_url: Url,
    pub access: LinearAccess,
    pub webhook_secrets: Vec<SecretString>,
    /// How far a webhook's signed time may be away.
    pub window: Duration,
}

/// How Baton gets into Linear.
#[derive(Debug)]
pub enum LinearAccess {
    /// One workspace, with a token that is ours.
    Own(Tokens),
    /// Every workspace that installs the app.
    Installs { id: String, secret: SecretString, sealer: Sealer, public_url: Url },
}

impl From<LinearCredentials> for LinearAccess {
    fn from(credentials: LinearCredentials) -> Self {
        match credentials {
            LinearCredentials::Fixed(token) => Self::Own(Tokens::Fixed(token)),
            LinearCredentials::Client { id, secret } => {
                Self::Own(Tokens::ClientCredentials { client_id: id, client_secret: secret })
            }
            LinearCredentials::Install { id, secret, sealer, public_url } => {
                Self::Installs { id, secret, sealer, public_url }
            }
        }
    }
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
    /// Where Slack sends over one.
    pub socket: Option<Socket>,
    store: Store,
    clock: Clock,
    ready: Ready,
    writer: JoinHandle<()>,
}

impl App {
    /// # Errors
    /// When the system's certificates cannot be read.
    pub fn new(setup: Setup) -> anyhow::Result<Self> {
        let Setup { store, clock, routes, slack, linear, oz, upkeep, pages, admin_token } = setup;
        let (ingest, writer) = Ingest::start(store.clone());
        let metrics = Metrics::new();
        let refusals = Refusals::default();
        let mut doors = Router::new();
        let mut socket = None;
        let mut installs = Router::new();
        // How workspaces install us on a platform, and their tokens.
        let mut offer = |oauth: Arc<dyn OAuth>, sealer: Sealer, public_url: &Url| {
            let tokens = Installed::new(store.clone(), sealer.clone(), Arc::clone(&oauth), clock.clone());
            let installer = Installer::new(store.clone(), sealer, oauth, public_url, clock.clone());
            installs = std::mem::take(&mut installs).merge(web::installs(installer));
            Arc::new(tokens)
        };
        let mut platforms = Platforms::default();
        if let Some(slack) = slack {
            let tokens = match slack.access {
                SlackAccess::Own(token) => slack::token::Tokens::Fixed(token),
                SlackAccess::Installs { id, secret, sealer, public_url } => {
                    let scopes = manifest::SCOPES.iter().map(|(scope, _)| *scope).collect();
                    let oauth = slack::oauth::OAuth::new(slack.api_url.clone(), id, secret, scopes)?;
                    platforms.slack_installs = true;
                    slack::token::Tokens::Installed(offer(Arc::new(oauth), sealer, &public_url))
                }
            };
            if let Some(token) = slack.app_token {
                let metrics = metrics.clone();
                let count: socket::Count =
                    Arc::new(move |kind, heard, took| web::door::count(&metrics, "slack", kind.as_str(), heard, took));
                socket = Some(Socket::new(
                    slack.api_url.clone(),
                    &token,
                    store.clone(),
                    ingest.clone(),
                    clock.clone(),
                    count,
                )?);
            }
            platforms.slack = Some(Slack::new(slack.api_url, tokens, clock.clone())?);
            if !slack.signing_secrets.is_empty() {
                doors = doors.merge(webhook::router(Door {
                    secrets: slack.signing_secrets,
                    store: store.clone(),
                    ingest: ingest.clone(),
                    refusals: refusals.clone(),
                    clock: clock.clone(),
                }));
            }
        }
        if let Some(linear) = linear {
            let tokens = match linear.access {
                LinearAccess::Own(tokens) => tokens,
                LinearAccess::Installs { id, secret, sealer, public_url } => {
                    let oauth = linear::oauth::OAuth::new(linear.api_url.clone(), id, secret)?;
                    platforms.linear_installs = true;
                    Tokens::Installed(offer(Arc::new(oauth), sealer, &public_url))
                }
            };
            platforms.linear = Some(Linear::new(linear.api_url, tokens, clock.clone())?);
            doors = doors.merge(linear_webhook::router(linear_webhook::Door {
                secrets: linear.webhook_secrets,
                window: linear.window,
                ingest: ingest.clone(),
                refusals,
                clock: clock.clone(),
            }));
        }
        let core = Arc::new(Core::new(Parts {
            store: store.clone(),
            clock: clock.clone(),
            routes,
            platforms,
            ingest,
            oz: Oz::new(oz.base_url, oz.api_key)?,
            pages,
            metrics: metrics.clone(),
            upkeep,
        }));
        let ready = Ready::new();
        let public_url = core.pages.as_deref().and_then(|pages| pages.parse().ok());
        let pages = web::router(Web {
            store: store.clone(),
            metrics: metrics.clone(),
            ready: ready.clone(),
            admin_token,
            tries: Tries::default(),
            public_url,
            clock: clock.clone(),
        });
        let router = web::door::counted(doors, metrics, clock.clone()).merge(installs).merge(pages);
        let workers = Workers::new(&core, oz.poll_interval);
        Ok(Self { workers, router, socket, store, clock, ready, writer })
    }

    /// Serves and works until `stop`, then finishes what is under way: no new connections and no new
    /// deliveries, then the requests and deliveries there are, then what the inbox still holds.
    ///
    /// # Errors
    /// When one of them ends by itself.
    pub async fn run(self, listener: TcpListener, more: Router, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { workers, router, socket, store, clock, ready, writer } = self;
        let mut parts = JoinSet::new();
        parts.spawn(workers.run(stop.clone(), move |name| ready.worker_beat(name, clock.now())));
        // The door is in the router. The writer ends when the last copy of it is gone.
        parts.spawn(listen::serve(listener, router.merge(more), stop.clone()));
        if let Some(socket) = socket {
            parts.spawn(socket.run(stop.clone()));
        }
        let broken = tokio::select! {
            () = stop.cancelled() => false,
            // At a stop they end, too, and may be seen first.
            _ = parts.join_next() => !stop.is_cancelled(),
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
    let Some(oz) = settings.oz else { anyhow::bail!("Oz is not configured") };
    let url = settings.storage.url.expose_secret();
    let store = Store::open(url, 10)
        .await
        .map_err(|error| anyhow::anyhow!("the database at {} cannot be opened: {error}", storage::place_of(url)))?;
    if options.migrate {
        store.migrate().await?;
    } else if store.check_schema().await? == Schema::Behind {
        anyhow::bail!("the database's schema is older than this version: run `baton migrate` first");
    }
    let _sole = store.take_over().await?;
    let clock = Clock::system();
    let rules = short_hash(&[&format!("{:?}", settings.routes)], 16);
    if audit::note_settings(&store, &rules, clock.now()).await? {
        tracing::info!(rules, "routes and policies are others than before");
    }
    let is_open = settings.server.is_open();
    let upkeep = upkeep(settings.retention, settings.storage.sealer.clone());
    let app = App::new(Setup {
        store,
        clock,
        routes: settings.routes,
        upkeep,
        slack: settings.slack.map(|slack| SlackSetup {
            api_url: slack.api_url,
            access: match slack.credentials {
                SlackCredentials::Fixed(token) => SlackAccess::Own(token),
                SlackCredentials::Install { id, secret, sealer, public_url } => {
                    SlackAccess::Installs { id, secret, sealer, public_url }
                }
            },
            signing_secrets: slack.signing_secrets,
            app_token: slack.app_token,
        }),
        linear: settings.linear.map(|linear| LinearSetup {
            api_url: linear.api_url,
            access: linear.credentials.into(),
            webhook_secrets: linear.webhook_secrets,
            window: linear.window,
        }),
        oz: OzSetup { base_url: oz.base_url, api_key: oz.api_key, poll_interval: oz.poll_interval },
        pages: settings.server.public_url.map(|url| url.to_string()),
        admin_token: settings.server.admin_token,
    })?;
    if is_open {
        tracing::warn!(
            "BATON_PUBLIC_URL is set and BATON_ADMIN_TOKEN is not: behind a proxy on this machine that adds neither \
             X-Forwarded-For nor a like header, everybody could see the operator's pages"
        );
    }
    let listen = settings.server.listen;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    tracing::info!(listen = %listener.local_addr()?, "listening");
    app.run(listener, Router::new(), stop_on_signal()?).await
}

/// What is kept, for how long, and with which keys.
#[must_use]
pub fn upkeep(retention: RetentionSettings, sealer: Option<Sealer>) -> Upkeep {
    let RetentionSettings { events, deliveries, orchestrations } = retention;
    Upkeep { events, deliveries, orchestrations, sealer }
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
    if !folder.temporary {
        // Else what happens now would be taken for what the kept data knows already.
        world.number_from(clock.now());
    }
    world.oz.set_speed(options.speed);
    let simulators = world.router(&address, &address);
    let app = App::new(Setup {
        store,
        clock: clock.clone(),
        routes: playground_routes(),
        slack: Some(SlackSetup {
            api_url: World::slack_api(&address).parse()?,
            access: SlackAccess::Own(simulated_slack::BOT_TOKEN.into()),
            signing_secrets: vec![simulated_slack::SIGNING_SECRET.into()],
            app_token: None,
        }),
        linear: Some(LinearSetup {
            api_url: World::linear_api(&address).parse()?,
            access: LinearAccess::Own(Tokens::ClientCredentials {
                client_id: simulated_linear::CLIENT_ID.into(),
                client_secret: simulated_linear::CLIENT_SECRET.into(),
            }),
            webhook_secrets: vec![simulated_linear::WEBHOOK_SECRET.into()],
            window: linear_webhook::WINDOW,
        }),
        oz: OzSetup {
            base_url: World::oz_api(&address).parse()?,
            api_key: "wk-simulated".into(),
            poll_interval: Duration::from_secs(1),
        },
        upkeep: upkeep(RetentionSettings::default(), None),
        pages: Some(address.clone()),
        admin_token: None,
    })?;
    let stop = stop_on_signal()?;
    let retries = tokio::spawn({
        let (stop, world) = (stop.clone(), world.clone());
        async move {
            while !stop.is_cancelled() {
                world.tick().await;
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

/// As the playground's page says: the label starts an orchestration.
fn playground_routes() -> Routes {
    let route = Route { linear_label: Some("orchestrate".into()), ..Route::default() };
    Routes { routes: vec![route], ..Routes::default() }
}

#[expect(clippy::print_stdout, reason = "the address is what `dev` is for")]
fn announce(address: &str) {
    println!(
        "Baton runs with a simulated Slack, Linear and Oz. Nothing leaves this machine.\n\n    {address}/playground\n\nPress Ctrl-C to stop."
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
