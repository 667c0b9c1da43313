//! `[telemetry]`: where traces go.

use url::Url;

use super::{keys, sections::Reader, values};

#[derive(Clone, Debug, Default)]
pub struct TelemetrySettings {
    /// A collector's address for OTLP over HTTP; without it there are no traces.
    pub otlp_endpoint: Option<Url>,
}

impl TelemetrySettings {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        Self { otlp_endpoint: from.read(keys::OTLP_ENDPOINT, values::collector) }
    }
}
