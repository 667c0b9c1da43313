//! `[retention]`: for how long what is at rest is kept. The audit log is not here: it is kept for good,
//! because a chain that may be cut proves nothing about what was cut off.

use std::time::Duration;

use super::{keys, sections::Reader, values};

/// The contract: duplicates are known for this long at least.
const LEAST_EVENTS: Duration = Duration::from_hours(72);
const LEAST_DELIVERIES: Duration = Duration::from_hours(24);
/// What children used in the last thirty days tells what others will use.
const LEAST_ORCHESTRATIONS: Duration = Duration::from_hours(30 * 24);

/// Counted from when it came to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionSettings {
    /// The names of events, to know duplicates by; what they said goes when they are decided.
    pub events: Duration,
    /// Deliveries that were carried out.
    pub deliveries: Duration,
    /// Orchestrations with their trail; none: for good.
    pub orchestrations: Option<Duration>,
}

impl RetentionSettings {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        let usual = Self::default();
        let mut kept = |setting, least| from.read(setting, |text| values::at_least(text, least));
        Self {
            events: kept(keys::RETENTION_EVENTS, LEAST_EVENTS).unwrap_or(usual.events),
            deliveries: kept(keys::RETENTION_DELIVERIES, LEAST_DELIVERIES).unwrap_or(usual.deliveries),
            orchestrations: kept(keys::RETENTION_ORCHESTRATIONS, LEAST_ORCHESTRATIONS),
        }
    }
}

impl Default for RetentionSettings {
    fn default() -> Self {
        Self {
            // A day more than was promised costs little.
            events: Duration::from_hours(96),
            deliveries: Duration::from_hours(7 * 24),
            orchestrations: None,
        }
    }
}
