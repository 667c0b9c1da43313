//! Wires settings, store, clients, workers and router together, and stops them in order.

use std::path::PathBuf;

use crate::config::Settings;

#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Bring the schema up to date first.
    pub migrate: bool,
}

#[derive(Clone, Debug)]
pub struct DevOptions {
    pub port: u16,
    /// How many times faster simulated agents work.
    pub speed: f64,
    /// Where the data stays; a temporary folder otherwise.
    pub data: Option<PathBuf>,
}

#[expect(clippy::unused_async, reason = "replaced by the lead's own")]
pub async fn serve(_settings: Settings, _options: ServeOptions) -> anyhow::Result<()> {
    anyhow::bail!("the service is not wired together yet")
}

#[expect(clippy::unused_async, reason = "replaced by the lead's own")]
pub async fn dev(_options: DevOptions) -> anyhow::Result<()> {
    anyhow::bail!("the service is not wired together yet")
}
