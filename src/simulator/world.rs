//! One world: a simulated Slack, Linear and Oz that know each other's addresses.

use axum::Router;

use super::{faults::Faults, linear::Linear, oz::Oz, playground, slack::Slack};
use crate::time::{Clock, Timestamp};

/// Where the simulated platforms are mounted.
const SLACK: &str = "/simulator/slack";
const LINEAR: &str = "/simulator/linear";
const OZ: &str = "/simulator/oz";

/// Cheap to clone; all clones are one world.
#[derive(Clone, Debug)]
pub struct World {
    pub slack: Slack,
    pub linear: Linear,
    pub oz: Oz,
    pub faults: Faults,
}

impl World {
    pub fn new(clock: &Clock) -> Self {
        let faults = Faults::default();
        Self {
            slack: Slack::new(clock.clone(), faults.clone()),
            linear: Linear::new(clock.clone(), faults.clone()),
            oz: Oz::new(clock.clone(), faults.clone()),
            faults,
        }
    }

    /// Gives out other ids than a world that began before `start`, for a Baton that remembers that one.
    /// To be called first. Otherwise the same happenings always have the same ids in Slack and Linear;
    /// Oz's depend on when it begins anyway.
    pub fn number_from(&self, start: Timestamp) {
        self.slack.number_from(start);
        self.linear.number_from(start);
    }

    /// All platforms and the playground, to be served at `address`: `http://127.0.0.1:7300`.
    /// Webhooks go to `baton`.
    pub fn router(&self, address: &str, baton: &str) -> Router {
        self.slack.set_base_url(&format!("{address}{SLACK}"));
        self.slack.set_target(baton);
        self.linear.set_base_url(&format!("{address}{LINEAR}"));
        self.linear.set_target(baton);
        self.oz.set_base_url(format!("{address}{OZ}"));
        Router::new()
            .nest(SLACK, self.slack.router())
            .nest(LINEAR, self.linear.router())
            .nest(OZ, self.oz.router())
            .merge(playground::router())
    }

    /// Sends what is due to be sent again.
    pub async fn tick(&self) {
        self.slack.tick().await;
        self.slack.other().tick().await;
        self.linear.tick().await;
    }

    /// What `SLACK_API_URL` would be.
    #[must_use]
    pub fn slack_api(address: &str) -> String {
        format!("{address}{SLACK}/api/")
    }

    /// What `LINEAR_API_URL` would be.
    #[must_use]
    pub fn linear_api(address: &str) -> String {
        format!("{address}{LINEAR}")
    }

    /// What `OZ_API_BASE_URL` would be.
    #[must_use]
    pub fn oz_api(address: &str) -> String {
        format!("{address}{OZ}/api/v1")
    }
}
