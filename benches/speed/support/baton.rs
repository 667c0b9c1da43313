//! A Baton for a benchmark: its own database, platforms that answer at once, a clock of choice.

use std::time::Duration;

use baton::{
    app::{App, OzSetup, Setup, SlackAccess, SlackSetup, upkeep},
    config::RetentionSettings,
    domain::route::Routes,
    simulator::slack::SIGNING_SECRET,
    storage::Store,
    time::Clock,
};

pub async fn store(url: &str) -> anyhow::Result<Store> {
    let store = Store::open(url, 10).await?;
    store.migrate().await?;
    Ok(store)
}

/// `platforms` is the address of [`Platforms`](super::platforms::Platforms), or of nobody.
pub fn app(store: &Store, clock: Clock, platforms: &str) -> anyhow::Result<App> {
    App::new(Setup {
        store: store.clone(),
        clock,
        routes: Routes::default(),
        slack: Some(SlackSetup {
            api_url: format!("{platforms}/slack/").parse()?,
            access: SlackAccess::Own("xoxb-bench".into()),
            signing_secrets: vec![SIGNING_SECRET.into()],
            app_token: None,
        }),
        linear: None,
        oz: OzSetup {
            base_url: format!("{platforms}/oz").parse()?,
            api_key: "wk-bench".into(),
            poll_interval: Duration::from_secs(3),
        },
        upkeep: upkeep(RetentionSettings::default(), None),
        pages: None,
        admin_token: None,
    })
}

/// Every worker takes its turn until none has anything to do; then the clock may move on.
pub async fn settle(app: &App) -> anyhow::Result<()> {
    loop {
        let workers = &app.workers;
        let mut did = workers.inbox.run_once().await?.did;
        did += workers.outbox.run_once().await?.did;
        did += workers.timers.run_once().await?.did;
        did += workers.follow.run_once().await?.did;
        if did == 0 {
            return Ok(());
        }
    }
}
