//! `metrics`: where they can be read.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Report;

/// The section `metrics`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricsConfig {
    /// Address and port of a listener of their own, as text; empty for none. See [`MetricsConfig::address`].
    pub listen: String,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9464".to_owned() }
    }
}

impl MetricsConfig {
    /// The address to listen on; `None` if there is to be none.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }

    pub(super) fn validate(&self, report: &mut Report) {
        if !self.listen.is_empty() && self.address().is_none() {
            report.say("metrics.listen", "write an address and a port, for example 127.0.0.1:9464, or \"\" for none");
        }
    }
}
